"""`rtemo run` over real LSL: what it writes, how it ends, and what it survives."""

from __future__ import annotations

import csv
import fcntl
import itertools
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from lab import Run
from live_lab import LiveLab, until
from network import MARKERS, OUTLETS

from rtemo.adaptation.log import read_adaptation_log
from rtemo.cli.live_demo import _tell
from rtemo.live.agreement import Agreement
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk

pytestmark = pytest.mark.lsl


SOME_WINDOWS = r" [1-9]\d* windows$"


def test_a_session_writes_everything_and_its_recording_replays_to_the_same(
    live_lab: LiveLab, rtemo: Run, tmp_path: Path
):
    import pyxdf

    with live_lab.simulated():
        code, out, err = live_lab.run("--duration", "6")
    assert (code, err) == (0, "")
    folder = live_lab.session()
    assert {path.name for path in folder.iterdir()} == {
        "recording.xdf",
        "predictions.csv",
        "events.jsonl",
        "config.toml",
        "environment.json",
    }
    assert "windows predicted, 0 skipped" in out
    assert folder.joinpath("config.toml").read_bytes() == live_lab.config.read_bytes()
    rows = live_lab.rows()
    assert len(rows) >= 4
    assert all(row["available_pps"] == row["available_eye"] == "1" for row in rows)
    told = live_lab.agreement()
    assert told.holds, told
    assert told.windows == len(rows)
    assert told.largest == 0.0
    streams, _ = pyxdf.load_xdf(str(folder / "recording.xdf"), dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    for name in ("SimulatedPeripheral", "SimulatedEye"):
        # The first channel is the number of the sample: nothing is missing, nothing comes twice.
        assert set(np.diff(by_name[name]["time_series"][:, 0])) == {1.0}
    published = by_name["rtemo-prediction"]
    assert published["info"]["type"] == ["Prediction"]
    assert published["time_stamps"].tolist() == [float(row["stop"]) for row in rows]
    assert published["time_series"][:, 0].tolist() == [float(row["p_negative"]) for row in rows]
    said = [row[0] for row in by_name["rtemo-events"]["time_series"]]
    assert any('"session-start"' in line for line in said)
    # It learnt meanwhile, which its log tells, the recording as well, and the status.
    assert '"adaptation-start"' in said[0]
    updates = [event for event in live_lab.events() if event["event"] == "adaptation-update"]
    assert len(updates) >= 4
    assert f"{len(updates)} updates" in out
    assert "adaptation-update" not in out
    command = ["-c", folder / "config.toml", "-m", live_lab.bundle, "--adaptation-log", folder / "events.jsonl"]
    done = rtemo("play", folder / "recording.xdf", *command, "-o", tmp_path / "replay")
    assert (done.code, done.err) == (0, "")
    replayed = list(csv.DictReader((tmp_path / "replay" / "predictions.csv").read_text().splitlines()))
    assert [row | {"age_s": ""} for row in replayed] == [row | {"age_s": ""} for row in rows]
    assert any(row["p_negative"] != row["shadow_negative"] for row in rows[1:])
    # A replay can be replayed as well.
    again = read_adaptation_log(tmp_path / "replay" / "events.jsonl")
    assert list(again.updates.items()) == [(event["window"], event["digest"]) for event in updates]


def test_a_session_that_learnt_without_late_samples_is_replayed_to_the_same(
    live_lab: LiveLab, rtemo: Run, tmp_path: Path
):
    import pyxdf

    code, out, err = live_lab.run_beside("eye:freeze@5+3", duration_s=13)
    assert (code, err) == (0, "")
    folder = live_lab.session()
    told = live_lab.agreement()
    assert told.holds, told
    assert told.late >= 2
    # What the adapted model says is compared in all other windows, to the last bit.
    assert (told.learnt_late, told.largest) == (0, 0.0)
    rows = {int(row["window"]): row for row in live_lab.rows()}
    log = read_adaptation_log(folder / "events.jsonl")
    late = [window for window in rows if window in log.late]
    assert set(late) <= set(log.observed)
    assert [log.observed[window].views["eye"] is None for window in late] == [
        rows[window]["available_eye"] == "0" for window in late
    ]
    assert max(log.updates) > max(late)
    last = rows[max(rows)]
    assert last["p_negative"] != last["shadow_negative"]
    # Only the log has them.
    assert "adaptation-late" not in out
    streams, _ = pyxdf.load_xdf(str(folder / "recording.xdf"), dejitter_timestamps=False)
    (events,) = (stream for stream in streams if stream["info"]["name"] == ["rtemo-events"])
    kinds = {json.loads(row[0])["event"] for row in events["time_series"]}
    assert "late" in kinds
    assert "adaptation-late" not in kinds
    # A replay, and a replay of the replay's log, learn the same without a warning.
    command = ["-c", folder / "config.toml", "-m", live_lab.bundle, "-o"]
    logs = [folder, tmp_path / "one", tmp_path / "two"]
    for log_of, folder_of in itertools.pairwise(logs):
        options = [*command, folder_of, "--adaptation-log", log_of / "events.jsonl"]
        done = rtemo("play", folder / "recording.xdf", *options)
        assert done.code == 0
        assert "predictions differ" not in done.err
    one, two = ((path / "predictions.csv").read_bytes() for path in logs[1:])
    assert one == two


def test_predictions_and_events_are_on_the_network(live_lab: LiveLab):
    listener = """
import sys, pylsl
from rtemo.config import NetworkSettings
from rtemo.liblsl import configure
configure(NetworkSettings(scope="machine", session_id=sys.argv[1]))
(found,) = pylsl.resolve_byprop("name", "rtemo-prediction", timeout=20)
inlet = pylsl.StreamInlet(found, recover=False)
print(*inlet.info(5).get_channel_labels(), sep="|")
sample, stamp = inlet.pull_sample(10)
print(stamp % 1.0, sum(sample[:3]), len(sample))
"""
    with live_lab.simulated(), live_lab.start("--duration", "8") as session:
        until(session, "session ->")
        command = [session.args[0], "-c", listener, live_lab.network.session_id]
        heard = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True)
        session.communicate(timeout=40)
    labels, sample = heard.stdout.splitlines()
    names = ["negative", "neutral", "positive"]
    assert labels.split("|") == [
        *(f"p:{name}" for name in names),
        *(f"shadow:{name}" for name in names),
        *(f"{what}:{view}" for what in ("weight", "contribution", "available", "coverage") for view in ("pps", "eye")),
        "age_s",
    ]
    phase, total, count = sample.split()
    assert float(phase) == 0.0
    assert float(total) == pytest.approx(1.0, abs=1e-5)
    assert int(count) == 15


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(other, marks=pytest.mark.slow) for other in (signal.SIGTERM, signal.SIGHUP))],
)
def test_an_interrupted_session_is_whole(live_lab: LiveLab, number: signal.Signals):
    with live_lab.simulated(), live_lab.start() as session:
        until(session, SOME_WINDOWS)
        session.send_signal(number)
        out, err = session.communicate(timeout=20)
    assert session.returncode == 130
    assert "interrupted" in err
    assert "windows predicted" in out
    assert live_lab.events()[-1]["event"] == "session-stop"
    assert live_lab.agreement().holds


def test_a_session_whose_terminal_is_closed_is_whole(live_lab: LiveLab):
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        os.dup2(slave, 1)
        os.dup2(slave, 2)

    with live_lab.simulated(), live_lab.start(prepare=take_terminal) as session:
        os.close(slave)
        shown = b""
        while b"spread" not in shown:
            shown += os.read(master, 65536)
        os.close(master)
        assert session.wait(20) == 130
    assert live_lab.events()[-1]["event"] == "session-stop"
    assert live_lab.agreement().holds


@pytest.mark.parametrize("wrong", ["participant", "folder"])
def test_a_session_that_could_not_be_written_is_refused_before_the_wait_for_streams(live_lab: LiveLab, wrong: str):
    if wrong == "folder":
        (live_lab.folder / "out").write_text("a file")
    options = ("-p", "sub-07") if wrong == "participant" else ()
    # No stream is there, and nobody would wait so long.
    code, _, err = live_lab.run(*options, "--wait", "600", timeout_s=40)
    assert code == 2
    assert ("letters" if wrong == "participant" else "cannot be made") in err


def test_a_demonstration_whose_replay_differs_fails_and_names_the_windows(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as ended:
        _tell(Agreement(9, 0, 0, only_live=(1,), only_replay=(), different=(4, 7), largest=0.5))
    assert ended.value.exit_code == 1
    out = capsys.readouterr().out
    assert "NOT the same in 9 windows" in out
    assert "different: windows 4, 7\n" in out
    assert "only live: window 1\n" in out


def test_a_view_that_drops_out_and_comes_back_under_a_new_source_id(live_lab: LiveLab):
    code, _, err = live_lab.run_beside("eye:drop@4+2", "eye:newid@9", duration_s=13)
    assert (code, err) == (0, "")
    rows = live_lab.rows()
    assert all(row["available_pps"] == "1" for row in rows)
    there = "".join(row["available_eye"] for row in rows)
    # A hole of two seconds touches three windows, or four from just before an edge; one of a moment, one or two.
    assert there.startswith("1")
    assert 4 <= there.count("0") <= 6
    assert there.endswith("1")
    lost = there.index("0")
    assert all(float(row["age_s"]) < 0.25 for row in rows[lost:])
    opened = [event for event in live_lab.events() if event["event"] == "stream-opened" and event["stream"] == "eye"]
    assert [event["again"] for event in opened] == [False, True, True]
    assert opened[2]["source_id"] != opened[1]["source_id"]
    told = live_lab.agreement()
    assert told.holds, told


def test_a_required_stream_that_is_not_there_ends_it_before_anything_is_written(live_lab: LiveLab):
    with live_lab.simulated(devices="eye"):
        code, _, err = live_lab.run("--wait", "0.5", "--duration", "3")
    assert code == 3
    assert "'pps' wants a stream with type = 'Peripheral'" in err
    assert not (live_lab.folder / "out").exists()


def test_a_stream_that_is_absent_is_missing_until_it_comes(live_lab: LiveLab):
    with live_lab.simulated(devices="pps"), live_lab.start("--wait", "1", "--duration", "13") as session:
        until(session, "session ->")
        until(session, SOME_WINDOWS)
        with live_lab.simulated(devices="eye"):
            _, err = session.communicate(timeout=40)
    assert session.returncode == 0
    assert "eye: no stream yet" in err
    rows = live_lab.rows()
    there = "".join(row["available_eye"] for row in rows)
    assert there.startswith("0")
    assert there.endswith("1")
    assert "10" not in there
    assert live_lab.agreement().holds


def test_markers_that_are_found_a_moment_after_the_views_are_not_warned_of(live_lab: LiveLab):
    outlet = [sys.executable, str(OUTLETS), live_lab.network.session_id, json.dumps([MARKERS]), "on a line"]
    with (
        live_lab.simulated(devices="eye,pps"),
        subprocess.Popen(outlet, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout.readline() == "waiting\n"
        with live_lab.start("--duration", "2") as session:
            until(session, "looking for markers")
            process.stdin.write("\n")
            process.stdin.flush()
            _, err = session.communicate(timeout=40)
        process.kill()
    assert (session.returncode, err) == (0, "")


def test_two_streams_alike_are_refused_with_a_listing(live_lab: LiveLab):
    with live_lab.simulated("--fault", "eye:twin@0"):
        code, _, err = live_lab.run("--duration", "3")
    assert code == 3
    assert "several streams fit" in err
    assert err.count("SimulatedEye") == 2
    assert not (live_lab.folder / "out").exists()


def test_kill_9_loses_less_than_a_second_of_the_recording(live_lab: LiveLab):
    import pyxdf

    with live_lab.simulated(), live_lab.start() as session:
        until(session, SOME_WINDOWS)
        time.sleep(0.7)  # anywhere between two writes
        session.kill()
        session.communicate(timeout=20)
    path = live_lab.session() / "recording.xdf"
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    ends = {name: by_name[name]["time_stamps"][-1] for name in ("SimulatedPeripheral", "SimulatedEye")}
    assert max(ends.values()) - min(ends.values()) < 1.0
    last_event = live_lab.events()[-1]["stamp"]
    assert last_event - 1.0 < max(ends.values())
    told = live_lab.agreement()
    assert not told.different


def test_an_error_in_a_thread_ends_the_session_with_its_message_and_all_data(live_lab: LiveLab):
    program = """
import sys
from pathlib import Path
from rtemo.config import load_configuration
from rtemo.live.session import LiveSession
from rtemo.model.bundle import load_bundle
seen = []
def on_windows(windows):
    seen.extend(windows)
    if len(seen) >= 3:
        raise RuntimeError("the hook broke")
session = LiveSession(load_configuration(sys.argv[1]), load_bundle(sys.argv[2]), device="cpu", on_windows=on_windows)
session.find(10.0)
session.run(Path(sys.argv[3]), "01", duration_s=30.0)
"""
    with live_lab.simulated() as simulation:
        command = [simulation.args[0], "-c", program, live_lab.config, live_lab.bundle, live_lab.folder / "out"]
        broken = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    assert broken.returncode == 1
    assert "RuntimeError: the hook broke" in broken.stderr
    kinds = [event["event"] for event in live_lab.events()]
    assert "error" in kinds
    assert kinds[-1] == "session-stop"
    assert not live_lab.agreement().different


def test_a_full_disk_is_an_alarm_and_predictions_go_on(live_lab: LiveLab):
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    with live_lab.simulated(), live_lab.start("--duration", "9", prepare=little_room) as session:
        _, err = session.communicate(timeout=60)
    assert session.returncode == 1
    assert "the disk refused the end of the recording" in err
    rows = live_lab.rows()
    assert len(rows) >= 7
    assert [int(row["window"]) for row in rows] == list(range(int(rows[0]["window"]), int(rows[-1]["window"]) + 1))
    kinds = [event["event"] for event in live_lab.events()]
    # Whether the footers still fit behind the last whole chunk is chance, and so is their "recorder-error".
    assert "disk-full" in kinds
    assert "recorder-lost" in kinds
    # What is in the file is whole.
    source = XdfSource(live_lab.session() / "recording.xdf")
    numbers = np.concatenate([c.values[:, 0] for c in source if isinstance(c, Chunk) and c.values.shape[1] == 8])
    source.close()
    assert len(numbers) > 256
    assert set(np.diff(numbers)) == {1.0}


NESTED = """
import sys, threading, pylsl
from rtemo.config import NetworkSettings
from rtemo.liblsl import configure
configure(NetworkSettings(scope="machine", session_id=sys.argv[1]))
info = pylsl.StreamInfo("nested", "Gaze", 1, 120.0, "float32", "nested")
element = info.desc()
for _ in range(80):
    element = element.append_child("deeper")
outlet = pylsl.StreamOutlet(info)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_hostile_name_is_escaped_wherever_it_is_shown_and_recorded_readably(live_lab: LiveLab):
    import pyxdf

    hostile = {"name": "../../evil\x1b[31m", "type": "Gaze", "rate_hz": 120.0, "labels": ["x", "y"]}
    outlets = [sys.executable, str(OUTLETS), live_lab.network.session_id, json.dumps([hostile])]
    with (
        live_lab.simulated(devices="pps"),
        subprocess.Popen(outlets, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout.readline() == "ready\n"
        code, out, err = live_lab.run("--duration", "3")
        process.kill()
    assert code == 0
    assert "\x1b" not in out + err
    streams, _ = pyxdf.load_xdf(str(live_lab.session() / "recording.xdf"), dejitter_timestamps=False)
    names = [stream["info"]["name"][0] for stream in streams]
    assert any("evil" in name and "\x1b" not in name for name in names)


def test_a_hostile_description_in_mid_session_is_refused_and_ends_nothing(live_lab: LiveLab):
    outlet = [sys.executable, "-c", NESTED, live_lab.network.session_id]
    with live_lab.simulated(devices="pps"), live_lab.start("--wait", "0.5", "--duration", "7") as session:
        until(session, "session ->")
        with subprocess.Popen(outlet, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            session.communicate(timeout=40)
            process.kill()
    assert session.returncode == 0
    refused = [event for event in live_lab.events() if event["event"] == "stream-refused"]
    assert [event["stream"] for event in refused] == ["eye"]
    assert "nested" in refused[0]["reason"]
    assert live_lab.agreement().holds
