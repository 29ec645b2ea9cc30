"""`rtemo simulate`, as plain pylsl inlets see it: each fault does what it says, and no orphan stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from listener import SCOPE, Heard, Listener

from rtemo.config import NetworkSettings
from rtemo.devices.supervisor import Simulation, SimulationPlan
from rtemo.sources.schedule import LaboratorySettings

pytestmark = pytest.mark.lsl

COMMAND = [sys.executable, "-m", "rtemo", "simulate", "--scope", SCOPE]
SHORT_TRIALS = ["--trial", "1", "--rest", "0.5"]


def simulated(folder: Path, *options: str, fault: str = "", duration_s: float = 4.0) -> tuple[list[Heard], str]:
    """What is heard of a simulation, and what it said."""
    session = uuid.uuid4().hex
    command = [*COMMAND, "--session-id", session, "--numbered", "--duration", str(duration_s), *SHORT_TRIALS, *options]
    with Listener(session, folder) as listener:
        done = subprocess.run([*command, "--fault", fault], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return listener.heard(), done.stdout


def of(heard: list[Heard], name: str) -> list[Heard]:
    """What was heard of a device, in the order of time."""
    return sorted((one for one in heard if one.name == f"Simulated{name}"), key=lambda one: one.opened_s)


def origin_of(one: Heard, rate_hz: float) -> float:
    """Machine's LSL time of sample 0, by its number and stamp."""
    return float(np.median(one.stamps_s + one.offset_s - one.numbers / rate_hz))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    return simulated(tmp_path_factory.mktemp("plain"), duration_s=3.0)


@pytest.fixture(scope="module")
def outlets_fail(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    """Faults of samples and outlets."""
    fault = "eeg:drop@1.5+1,eye:gap@1.5+0.5,eye:burst@2.5+0.5,pps:absent@0+2,markers:twin@2"
    return simulated(tmp_path_factory.mktemp("outlets"), fault=fault)


@pytest.fixture(scope="module")
def processes_fail(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    """Faults of processes."""
    fault = "eye:freeze@1.5+1,eeg:kill@1.5+1,pps:offset@2=-1000,markers:kill@2"
    return simulated(tmp_path_factory.mktemp("processes"), fault=fault)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    """Faults of stamps, rates and identities, on one clock."""
    fault = "eeg:rate@2=500,eeg:nan=Cz@1.5+0.3,eye:jitter=5ms@0+2,eye:stamps@3=0.5,pps:drift=2000ppm,pps:newid@2"
    return simulated(tmp_path_factory.mktemp("others"), "--one-clock", fault=fault)


def test_every_device_is_heard_without_loss(plain: tuple[list[Heard], str]) -> None:
    heard, said = plain
    assert {one.name for one in heard} == {f"Simulated{x}" for x in ("EEG", "Eye", "Peripheral", "Markers")}
    for name, rate_hz in (("EEG", 1000), ("Eye", 120), ("Peripheral", 256)):
        (one,) = of(heard, name)
        assert (np.diff(one.numbers) == 1).all()
        assert one.numbers[-1] == 3 * rate_hz - 1
        assert np.allclose(np.diff(one.stamps_s), 1 / rate_hz, rtol=0, atol=1e-6)
    assert len(re.findall(r"^\w+: 'Simulated", said, re.MULTILINE)) == 4


def test_devices_are_aligned_though_each_has_a_clock_of_its_own(plain: tuple[list[Heard], str]) -> None:
    heard, said = plain
    numbered = [(of(heard, name)[0], rate) for name, rate in (("EEG", 1000), ("Eye", 120), ("Peripheral", 256))]
    origins = [origin_of(one, rate) for one, rate in numbered]
    assert np.ptp(origins) < 0.001
    if "the machine's clock" in said:
        pytest.skip("this system permits no clocks of their own")
    offsets = [one.offset_s for one, _ in numbered]
    assert all(offset is not None and offset < -1000 for offset in offsets)
    assert len({round(offset) for offset in offsets if offset is not None}) == 3


def test_headers_are_as_bridges_make_them(plain: tuple[list[Heard], str]) -> None:
    root = ElementTree.fromstring(of(plain[0], "EEG")[0].xml)
    channels = root.findall("./desc/channels/channel")
    assert [channel.findtext("label") for channel in channels][:3] == ["Fp1", "Fpz", "Fp2"]
    assert {channel.findtext("unit") for channel in channels} == {"microvolts"}
    assert {channel.findtext("type") for channel in channels} == {"EEG"}
    assert len(channels) == 62
    assert root.findtext("./desc/manufacturer")
    assert root.findtext("source_id") == "rtemo-simulated-eeg-0"


def test_samples_are_sent_when_they_are_taken(plain: tuple[list[Heard], str]) -> None:
    (eye,) = of(plain[0], "Eye")
    # The listener takes up to 50 ms to look; the freshest samples tell when they were sent.
    age_s = eye.came_s - (eye.stamps_s + eye.offset_s)
    assert age_s.min() > -0.001
    assert np.median(age_s) < 0.1


def test_a_dropped_outlet_vanishes_and_comes_back_as_it_was(outlets_fail: tuple[list[Heard], str]) -> None:
    heard, said = outlets_fail
    before, after = of(heard, "EEG")
    assert before.source_id == after.source_id
    assert before.uid != after.uid
    assert before.numbers[-1] < 1500
    assert before.lost_s is not None
    assert before.lost_s - origin_of(before, 1000) == pytest.approx(1.5, abs=0.3)
    assert after.numbers[0] >= 2500
    assert origin_of(after, 1000) == pytest.approx(origin_of(before, 1000), abs=0.001)
    assert "1.500 s  eeg:drop@1.5+1: the outlet is gone" in said


def test_a_gap_loses_samples_and_a_burst_only_delays_them(outlets_fail: tuple[list[Heard], str]) -> None:
    (eye,) = of(outlets_fail[0], "Eye")
    jumps = np.flatnonzero(np.diff(eye.numbers) != 1)
    assert [(eye.numbers[k], eye.numbers[k + 1]) for k in jumps] == [(179, 240)]
    assert np.allclose(eye.stamps_s - eye.numbers / 120, eye.stamps_s[0] - eye.numbers[0] / 120, rtol=0, atol=1e-6)
    came_s = eye.came_s - origin_of(eye, 120)
    held = (eye.numbers >= 300) & (eye.numbers < 360)
    assert held.sum() == 60
    assert came_s[held].min() > 2.999


def test_a_stream_may_be_absent_at_first(outlets_fail: tuple[list[Heard], str]) -> None:
    (pps,) = of(outlets_fail[0], "Peripheral")
    assert pps.numbers[0] >= 512
    assert pps.numbers[-1] == 1023


def test_a_twin_is_alike(outlets_fail: tuple[list[Heard], str]) -> None:
    first, twin = of(outlets_fail[0], "Markers")
    assert (first.name, first.type, first.source_id) == (twin.name, twin.type, twin.source_id)
    assert first.uid != twin.uid
    assert twin.values == first.values[-len(twin.values) :]


def test_a_frozen_device_delivers_its_backlog_at_once(processes_fail: tuple[list[Heard], str]) -> None:
    (eye,) = of(processes_fail[0], "Eye")
    assert (np.diff(eye.numbers) == 1).all()
    came_s = eye.came_s - origin_of(eye, 120)
    while_frozen = (eye.numbers >= 185) & (eye.numbers < 295)
    assert came_s[while_frozen].min() > 2.45
    assert came_s[while_frozen].max() < 3.0


def test_a_killed_device_is_started_again(processes_fail: tuple[list[Heard], str]) -> None:
    heard, said = processes_fail
    before, after = of(heard, "EEG")
    assert 1300 < before.numbers[-1] < 1600
    assert before.lost_s is not None
    assert after.numbers[0] >= 2500
    assert after.numbers[-1] == 3999
    assert origin_of(after, 1000) == pytest.approx(origin_of(before, 1000), abs=0.001)
    (markers,) = of(heard, "Markers")
    assert len(markers.values) <= 3
    assert "markers:kill@2: the process is killed" in said


def test_a_device_boots_with_another_clock_which_is_measured(processes_fail: tuple[list[Heard], str]) -> None:
    heard, said = processes_fail
    before, after = of(heard, "Peripheral")
    assert before.numbers[-1] <= 511
    assert after.numbers[0] >= 512
    if "the machine's clock" in said:
        pytest.skip("this system permits no clocks of their own")
    assert before.offset_s is not None
    assert after.offset_s is not None
    assert after.offset_s - before.offset_s == pytest.approx(1000, abs=0.001)
    assert origin_of(after, 256) == pytest.approx(origin_of(before, 256), abs=0.001)


def test_a_stream_comes_back_with_another_rate(others: tuple[list[Heard], str]) -> None:
    before, after = of(others[0], "EEG")
    assert (before.rate_hz, after.rate_hz) == (1000, 500)
    assert before.source_id == after.source_id
    assert after.numbers[-1] == 2999
    assert np.allclose(np.diff(after.stamps_s), 0.002, rtol=0, atol=1e-6)
    cz = [channel.findtext("label") for channel in ElementTree.fromstring(before.xml).iter("channel")].index("Cz")
    bad = np.isnan(np.array(before.values)[:, cz])
    assert np.array_equal(before.numbers[bad], np.arange(1500, 1800))


def test_stamps_jitter_and_jump_while_the_clock_stays(others: tuple[list[Heard], str]) -> None:
    (eye,) = of(others[0], "Eye")
    calm = (eye.numbers >= 240) & (eye.numbers < 360)
    error_s = eye.stamps_s - eye.numbers / 120
    error_s -= np.median(error_s[calm])
    assert 0.003 < error_s[eye.numbers < 240].std() < 0.007
    assert np.abs(error_s[calm]).max() < 1e-6
    assert np.allclose(error_s[eye.numbers >= 360], 0.5, rtol=0, atol=1e-6)


def test_a_crystal_is_off_and_an_id_is_new(others: tuple[list[Heard], str]) -> None:
    before, after = of(others[0], "Peripheral")
    assert after.source_id == before.source_id + "-new"
    for one in (before, after):
        assert np.allclose(np.diff(one.stamps_s), 1 / 256.512, rtol=0, atol=1e-7)
    assert after.numbers[-1] == 1026


def test_where_a_clock_cannot_be_set_only_stamps_jump_and_it_is_said(tmp_path: Path) -> None:
    session = uuid.uuid4().hex
    # A clock cannot be set before its zero: so no system permits this one.
    options = [
        "--devices",
        "pps",
        "--one-clock",
        "--numbered",
        "--duration",
        "3",
        "--fault",
        "pps:offset@1.5=-10000000",
    ]
    with Listener(session, tmp_path) as listener:
        done = subprocess.run(
            [*COMMAND, "--session-id", session, *options], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0
        before, after = of(listener.heard(), "Peripheral")
    assert done.stderr.count("only stamps jump") == 1
    assert abs(after.offset_s or 0.0) < 0.001
    assert origin_of(after, 256) - origin_of(before, 256) == pytest.approx(-1e7, abs=0.001)


def children_of(pid: int) -> list[int]:
    """All processes below one, however deep."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended while we looked
        if parent == pid:
            found += [int(path.parent.name), *children_of(int(path.parent.name))]
    return found


def gone(pids: list[int], within_s: float) -> bool:
    end_s = time.monotonic() + within_s
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > end_s:
            return False
        os.sched_yield()
    return True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_no_orphan_stays_however_it_ends(number: int, code: int) -> None:
    command = [*COMMAND, "--session-id", uuid.uuid4().hex, "--devices", "eye,markers", "--fault", "eye:freeze@0.2+60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "the process stands" not in process.stdout.readline():
            assert process.poll() is None
        children = children_of(process.pid)
        assert len(children) >= 2
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == code
    assert gone(children, within_s=5)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--devices", "eeg,egg"], "Did you mean 'eeg'"),
        (["--fault", "eye:drop"], "must say when"),
        (["--fault", "eeg:flat=Fp9"], "no channel 'Fp9'"),
        (["--devices", "eye", "--fault", "eeg:drop@3"], "unknown device 'eeg'"),
        (["--session-id", "a}b"], "--session-id"),
        (["missing.toml"], "missing.toml"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(options: list[str], part: str) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert part in done.stderr
    assert done.stdout == ""


def test_a_configuration_names_streams_and_labels(tmp_path: Path) -> None:
    config = tmp_path / "lab.toml"
    session = uuid.uuid4().hex
    config.write_text(
        f"""
labels = ["calm", "tense"]
[views.eye]
stream = {{ type = "Gaze", name = "Tobii Pro", source_id = "tobii-7" }}
features = "statistics"
[markers]
stream = {{ name = "Films" }}
labels = {{ "film/1" = "calm", "film/2" = "tense" }}
[network]
session_id = "{session}"
scope = "{SCOPE}"
"""
    )
    command = [sys.executable, "-m", "rtemo", "simulate", str(config), "--devices", "eye,markers", "--duration", "3"]
    with Listener(session, tmp_path) as listener:
        subprocess.run([*command, *SHORT_TRIALS], capture_output=True, timeout=60, check=True)
        heard = {one.name: one for one in listener.heard()}
    assert set(heard) == {"Tobii Pro", "Films"}
    assert heard["Tobii Pro"].source_id == "tobii-7"
    assert {row[0] for row in heard["Films"].values} <= {"film/1", "film/2", "rest"}
    assert len(heard["Films"].values) >= 2


def test_a_simulation_that_is_stopped_while_its_devices_start_ends():
    plan = SimulationPlan(LaboratorySettings(), NetworkSettings(scope=SCOPE, session_id=uuid.uuid4().hex))
    with Simulation(plan) as simulation:
        running = threading.Thread(target=simulation.run, daemon=True)
        simulation.stop()
        running.start()
        running.join(30)
        assert not running.is_alive()
