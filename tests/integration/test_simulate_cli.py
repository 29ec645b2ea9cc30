"""`rtemo simulate`, as plain pylsl inlets see it: each fault does what it says, and no orphan stays."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from lab import Run
from listener import SCOPE, Heard, Listener

from rtemo.config import NetworkSettings
from rtemo.devices.supervisor import Simulation, SimulationPlan
from rtemo.sources.followed import Followed
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings

pytestmark = pytest.mark.lsl

SIMULATE = [sys.executable, "-m", "rtemo", "simulate"]
SHORT_TRIALS = ["--trial", "1", "--rest", "0.5"]


def simulated(folder: Path, session: str, *options: object, duration_s: float) -> tuple[list[Heard], str, str]:
    """What is heard of a simulation, and what it said, on standard output and as errors."""
    command = [*SIMULATE, *map(str, options), "--duration", str(duration_s)]
    with Listener(session, folder) as listener:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return listener.heard(), done.stdout, done.stderr


def of(heard: list[Heard], name: str) -> list[Heard]:
    """What was heard of a device, in the order of time."""
    return sorted((one for one in heard if one.name == name), key=lambda one: one.opened_s)


def origin_of(one: Heard, rate_hz: float) -> float:
    """Machine's LSL time of sample 0, by its number and stamp."""
    return float(np.median(one.stamps_s + one.offset_s - one.numbers / rate_hz))


CONFIG = """
labels = ["calm", "tense"]
[views.eye]
stream = {{ type = "Gaze", name = "Tobii Pro", source_id = "tobii-7" }}
features = "statistics"
[markers]
stream = {{ name = "Films" }}
labels = {{ "film/1" = "calm", "film/2" = "tense" }}
[network]
session_id = "{session}"
scope = "{scope}"
"""
EEG, EYE, PPS, MARKERS = "SimulatedEEG", "SimulatedEye", "SimulatedPeripheral", "SimulatedMarkers"
RATES = {EEG: 1000, "Tobii Pro": 120, PPS: 256}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    """All devices without a fault, two of them called as a configuration says."""
    folder, session = tmp_path_factory.mktemp("plain"), uuid.uuid4().hex
    config = folder / "lab.toml"
    config.write_text(CONFIG.format(session=session, scope=SCOPE))
    heard, said, _ = simulated(folder, session, config, "--numbered", *SHORT_TRIALS, duration_s=2.5)
    return heard, said


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], str]:
    """Every fault that does not need one clock: of each device one after the other."""
    faults = [
        "eeg:nan=Cz@0.8+0.3,eeg:drop@1.5+1,eeg:rate@3.5=500,eeg:kill@5+1",
        "eye:jitter=5ms@0+1,eye:gap@1.5+0.5,eye:burst@2.5+0.5,eye:freeze@3.5+1,eye:stamps@6=0.5",
        "pps:absent@0+1,pps:drift=2000ppm,pps:newid@2.5,pps:offset@4.5=-1000",
        "markers:twin@2,markers:kill@4.2",
    ]
    folder, session = tmp_path_factory.mktemp("faulty"), uuid.uuid4().hex
    options = [*SHORT_TRIALS, "--numbered", "--scope", SCOPE, "--session-id", session, "--fault", ",".join(faults)]
    heard, said, _ = simulated(folder, session, *options, duration_s=7.5)
    return heard, said


def test_every_device_is_heard_without_loss(plain: tuple[list[Heard], str]) -> None:
    heard, said = plain
    for name, rate_hz in RATES.items():
        (one,) = of(heard, name)
        assert (np.diff(one.numbers) == 1).all()
        assert one.numbers[-1] == 2.5 * rate_hz - 1
        assert np.allclose(np.diff(one.stamps_s), 1 / rate_hz, rtol=0, atol=1e-6)
    assert len(re.findall(r"^\w+: '", said, re.MULTILINE)) == 4


def test_a_configuration_names_streams_and_labels(plain: tuple[list[Heard], str]) -> None:
    heard = {one.name: one for one in plain[0]}
    assert set(heard) == {*RATES, "Films"}
    assert heard["Tobii Pro"].source_id == "tobii-7"
    assert {row[0] for row in heard["Films"].values} <= {"film/1", "film/2", "rest"}
    assert len(heard["Films"].values) >= 2


def test_devices_are_aligned_though_each_has_a_clock_of_its_own(plain: tuple[list[Heard], str]) -> None:
    heard, said = plain
    numbered = [(of(heard, name)[0], rate) for name, rate in RATES.items()]
    origins = [origin_of(one, rate) for one, rate in numbered]
    assert np.ptp(origins) < 0.001
    if "the machine's clock" in said:
        pytest.skip("this system permits no clocks of their own")
    offsets = [one.offset_s for one, _ in numbered]
    assert all(offset is not None and offset < -1000 for offset in offsets)
    assert len({round(offset) for offset in offsets if offset is not None}) == 3


def test_headers_are_as_bridges_make_them(plain: tuple[list[Heard], str]) -> None:
    root = ElementTree.fromstring(of(plain[0], EEG)[0].xml)
    channels = root.findall("./desc/channels/channel")
    assert [channel.findtext("label") for channel in channels][:3] == ["Fp1", "Fpz", "Fp2"]
    assert {channel.findtext("unit") for channel in channels} == {"microvolts"}
    assert {channel.findtext("type") for channel in channels} == {"EEG"}
    assert len(channels) == 62
    assert root.findtext("./desc/manufacturer")
    assert root.findtext("source_id") == "rtemo-simulated-eeg-0"


def test_samples_are_sent_when_they_are_taken(plain: tuple[list[Heard], str]) -> None:
    (eye,) = of(plain[0], "Tobii Pro")
    # The listener takes up to 50 ms to look; the freshest samples tell when they were sent.
    age_s = eye.came_s - (eye.stamps_s + eye.offset_s)
    assert age_s.min() > -0.001
    assert np.median(age_s) < 0.1


def test_a_dropped_outlet_vanishes_and_comes_back_as_it_was(faulty: tuple[list[Heard], str]) -> None:
    heard, said = faulty
    before, after, _, _ = of(heard, EEG)
    assert before.source_id == after.source_id
    assert before.uid != after.uid
    assert before.numbers[-1] < 1500
    assert before.lost_s is not None
    assert before.lost_s - origin_of(before, 1000) == pytest.approx(1.5, abs=0.3)
    assert after.numbers[0] >= 2500
    assert origin_of(after, 1000) == pytest.approx(origin_of(before, 1000), abs=0.001)
    assert "1.500 s  eeg:drop@1.5+1: the outlet is gone" in said


def test_a_gap_loses_samples_and_a_burst_only_delays_them(faulty: tuple[list[Heard], str]) -> None:
    (eye,) = of(faulty[0], EYE)
    jumps = np.flatnonzero(np.diff(eye.numbers) != 1)
    assert [(eye.numbers[k], eye.numbers[k + 1]) for k in jumps] == [(179, 240)]
    calm = (eye.numbers >= 120) & (eye.numbers < 720)
    assert np.ptp((eye.stamps_s - eye.numbers / 120)[calm]) < 2e-6
    came_s = eye.came_s - origin_of(eye, 120)
    held = (eye.numbers >= 300) & (eye.numbers < 360)
    assert held.sum() == 60
    assert came_s[held].min() > 2.999


def test_a_stream_may_be_absent_at_first(faulty: tuple[list[Heard], str]) -> None:
    first = of(faulty[0], PPS)[0]
    assert first.numbers[0] >= 256


def test_a_twin_is_alike(faulty: tuple[list[Heard], str]) -> None:
    first, twin = of(faulty[0], MARKERS)
    assert (first.name, first.type, first.source_id) == (twin.name, twin.type, twin.source_id)
    assert first.uid != twin.uid
    assert twin.values == first.values[-len(twin.values) :]


def test_a_frozen_device_delivers_its_backlog_at_once(faulty: tuple[list[Heard], str]) -> None:
    (eye,) = of(faulty[0], EYE)
    came_s = eye.came_s - origin_of(eye, 120)
    while_frozen = (eye.numbers >= 425) & (eye.numbers < 535)
    assert while_frozen.sum() == 110
    assert came_s[while_frozen].min() > 4.45
    assert came_s[while_frozen].max() < 5.0


def test_a_killed_device_is_started_again(faulty: tuple[list[Heard], str]) -> None:
    heard, said = faulty
    _, _, before, after = of(heard, EEG)
    # At 500 Hz since 3.5 s.
    assert 4100 < before.numbers[-1] < 4300
    assert before.lost_s is not None
    assert after.numbers[0] >= 4750
    assert after.numbers[-1] == 5499
    assert origin_of(after, 500) == pytest.approx(origin_of(before, 500), abs=0.001)
    for markers in of(heard, MARKERS):
        assert len(markers.values) <= 5
    assert "markers:kill@4.2: the process is killed" in said


def test_a_device_boots_with_another_clock_which_is_measured(faulty: tuple[list[Heard], str]) -> None:
    heard, said = faulty
    _, before, after = of(heard, PPS)
    assert before.numbers[-1] <= 1154
    assert after.numbers[0] >= 1155
    if "the machine's clock" in said:
        pytest.skip("this system permits no clocks of their own")
    assert before.offset_s is not None
    assert after.offset_s is not None
    assert after.offset_s - before.offset_s == pytest.approx(1000, abs=0.001)
    assert origin_of(after, 256.512) == pytest.approx(origin_of(before, 256.512), abs=0.001)


def test_a_stream_comes_back_with_another_rate(faulty: tuple[list[Heard], str]) -> None:
    _, before, after, _ = of(faulty[0], EEG)
    assert (before.rate_hz, after.rate_hz) == (1000, 500)
    assert before.source_id == after.source_id
    assert np.allclose(np.diff(after.stamps_s), 0.002, rtol=0, atol=1e-6)


def test_a_channel_has_no_numbers_for_a_while(faulty: tuple[list[Heard], str]) -> None:
    first = of(faulty[0], EEG)[0]
    cz = [channel.findtext("label") for channel in ElementTree.fromstring(first.xml).iter("channel")].index("Cz")
    bad = np.isnan(np.array(first.values)[:, cz])
    assert np.array_equal(first.numbers[bad], np.arange(800, 1100))


def test_stamps_jitter_and_jump_while_the_clock_stays(faulty: tuple[list[Heard], str]) -> None:
    (eye,) = of(faulty[0], EYE)
    calm = (eye.numbers >= 120) & (eye.numbers < 720)
    error_s = eye.stamps_s - eye.numbers / 120
    error_s -= np.median(error_s[calm])
    assert 0.003 < error_s[eye.numbers < 120].std() < 0.007
    assert np.abs(error_s[calm]).max() < 1e-6
    assert np.allclose(error_s[eye.numbers >= 720], 0.5, rtol=0, atol=1e-6)


def test_a_crystal_is_off_and_an_id_is_new(faulty: tuple[list[Heard], str]) -> None:
    first, second, third = of(faulty[0], PPS)
    assert second.source_id == third.source_id == first.source_id + "-new"
    for one in (first, second, third):
        assert np.allclose(np.diff(one.stamps_s), 1 / 256.512, rtol=0, atol=1e-7)
    assert third.numbers[-1] == 1923


def test_where_a_clock_cannot_be_set_only_stamps_jump_and_it_is_said(tmp_path: Path) -> None:
    session = uuid.uuid4().hex
    options = ["--scope", SCOPE, "--session-id", session, "--devices", "pps", "--one-clock", "--numbered"]
    # A clock cannot be set before its zero: so no system permits this one.
    heard, _, errors = simulated(tmp_path, session, *options, "--fault", "pps:offset@1=-10000000", duration_s=2.0)
    before, after = of(heard, PPS)
    assert errors.count("only stamps jump") == 1
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
        time.sleep(0.01)
    return True


ENDS = {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -9}


@pytest.fixture(scope="module")
def running() -> Iterator[dict[int, subprocess.Popen[str]]]:
    """A simulation for each way to end it, started side by side; one of its devices stands still."""
    network = ["--scope", SCOPE, "--session-id", uuid.uuid4().hex]
    command = [*SIMULATE, *network, "--devices", "eye,markers", "--fault", "eye:freeze@0.2+60"]
    with contextlib.ExitStack() as stack:
        processes = {}
        for number in ENDS:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            processes[int(number)] = process
        yield processes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), list(ENDS.items()))
def test_no_orphan_stays_however_it_ends(number: int, code: int, running: dict[int, subprocess.Popen[str]]) -> None:
    process = running[number]
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
        (["--follow", "--devices", "eye,markers"], "--devices markers"),
        (["--follow", "--fault", "markers:kill@3"], "unknown device 'markers'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(options: list[str], part: str, rtemo: Run) -> None:
    done = rtemo("simulate", *options)
    assert done.code == 2
    assert part in done.err
    assert done.out == ""


SHOWS = """
import sys
import pylsl
from calibration.stimulus_outlet import StimulusOutlet
from rtemo.config import NetworkSettings
from rtemo.liblsl import configure
configure(NetworkSettings(scope=sys.argv[1], session_id=sys.argv[2]))
outlet = None
for line in sys.stdin:
    what, _, text = line.strip().partition(" ")
    if what == "open":
        outlet = StimulusOutlet(text)
    elif what == "show":
        outlet.push(text, pylsl.local_clock())
    else:
        outlet = None
"""
"""A calibration's outlet, told by lines: ``open SESSION``, ``show MARKER``, ``close``."""


def test_the_eeg_follows_what_a_calibration_shows(tmp_path: Path) -> None:
    session = uuid.uuid4().hex
    network = ["--scope", SCOPE, "--session-id", session]
    command = [*SIMULATE, *network, "--follow", "--devices", "eeg", "--numbered", "--effect", "2"]
    said = []

    def until(text: str) -> None:
        assert process.stdout is not None
        while text not in (line := process.stdout.readline()):
            assert line, f"{text!r} never came: {said}"
            said.append(line)
        said.append(line)

    def tell(*lines: str) -> None:
        assert presenter.stdin is not None
        presenter.stdin.write("".join(f"{line}\n" for line in lines))
        presenter.stdin.flush()

    with (
        Listener(session, tmp_path) as listener,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        subprocess.Popen([sys.executable, "-c", SHOWS, SCOPE, session], stdin=subprocess.PIPE, text=True) as presenter,
    ):
        until("waiting for the markers")
        tell("open s1")
        until("rtemo-stimulus-s1")
        tell("show fixation/1", "show stimulus/positive/1")
        until("'positive' is shown")
        time.sleep(1.0)
        tell("show stimulus-off/1")
        until("nothing is shown")
        # The calibration is killed and goes on, under another source_id.
        tell("close")
        until("is gone")
        tell("open s2")
        until("rtemo-stimulus-s2")
        tell("show stimulus/joy/2", "show stimulus/negative/3")
        until("'negative' is shown")
        time.sleep(1.0)
        tell("close")
        until("nothing is shown")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        presenter.communicate(timeout=20)
        heard = listener.heard()
    assert process.returncode == 130
    assert errors.count("does not react to 'joy'") == 1
    assert not of(heard, MARKERS)
    (eeg,) = of(heard, EEG)
    lines = [line for line in said if "is shown\n" in line]
    changes = [(float(line.split()[0]), line.split("'")[1] if "'" in line else "") for line in lines]
    assert [label for _, label in changes] == ["positive", "", "negative", ""]
    shows = {
        row[0]: one.stamps_s[k] + one.offset_s
        for one in of(heard, "rtemo-stimulus")
        for k, row in enumerate(one.values)
    }
    origin_s = origin_of(eeg, 1000)
    for number, text in ((0, "stimulus/positive/1"), (2, "stimulus/negative/3")):
        assert changes[number][0] == pytest.approx(shows[text] - origin_s, abs=0.003)

    # What the device would send if it had known all before: the same, but for what was made before the marker came.
    settings = LaboratorySettings(effect=2.0)
    numbers = [(at_s, settings.labels.index(label) if label else -1) for at_s, label in changes]
    knowing = Laboratory(settings, Followed(settings, numbers)).device("eeg")
    first = -(-eeg.numbers[0] // 20) * 20
    blocks = range(first, eeg.numbers[-1] - 19, 20)
    expected = np.concatenate([knowing.samples(block, 20) for block in blocks])[:, 1:]
    sent = np.array(eeg.values)[first - eeg.numbers[0] :][: len(expected), 1:]
    moments = first / 1000 + np.arange(len(sent)) / 1000
    other = moments[~np.isclose(sent, expected, rtol=0, atol=1e-3).all(axis=1)]
    soon = np.any([(other > at_s - 0.025) & (other < at_s + 0.9) for at_s, _ in changes], axis=0)
    assert not other[~soon].size, other


def test_a_simulation_that_is_stopped_while_its_devices_start_ends():
    plan = SimulationPlan(network=NetworkSettings(scope=SCOPE, session_id=uuid.uuid4().hex), devices=("eye",))
    with Simulation(plan) as simulation:
        running = threading.Thread(target=simulation.run, daemon=True)
        simulation.stop()
        running.start()
        running.join(30)
        assert not running.is_alive()
