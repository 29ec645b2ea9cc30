"""A whole calibration over real LSL: the real window, the real commands, and a simulated participant that reacts."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from live_lab import ENVIRONMENT

from calibration.journal import read_journal
from calibration.machine import Progress, Stage, fold
from rtemo.sources.xdf import XdfSource
from rtemo.types import Marker

pytestmark = pytest.mark.lsl

PARTICIPANT = Path(__file__).with_name("calibration_participant.py")
CONFIG = """
labels = ["negative", "positive"]
[window]
length_s = 0.5
[views.eeg]
stream = {{ type = "EEG" }}
features = "differential-entropy"
required = true
[network]
scope = "machine"
session_id = "{session}"
[model.settings]
steps = 40
"""
MARKERS = """
[markers]
stream = { type = "Markers" }
labels = { "clip/negative" = "negative", "clip/positive" = "positive" }
"""
PEOPLE = """
labels = ["Relax", "PhysicalStress", "EmotionalStress", "CognitiveStress"]
[window]
length_s = 0.25
[views.wrist]
stream = {{ name = "wrist" }}
features = "statistics"
[views.oximeter]
stream = {{ name = "oximeter" }}
features = "statistics"
[markers]
stream = {{ name = "stage" }}
[markers.labels]
Relax = "Relax"
PhysicalStress = "PhysicalStress"
EmotionalStress = "EmotionalStress"
CognitiveStress = "CognitiveStress"
[network]
scope = "machine"
session_id = "{session}"
"""
PROTOCOL = """
name = "moments"
instructions = "Recall what you are asked for."
baseline_s = 0.5
[timing]
fixation_s = 0.1
stimulus_s = 2.1
rest_s = 0.1
[[blocks]]
name = "moments"
[[blocks.trials]]
label = "negative"
repeat = {repeat}
stimulus = {{ kind = "text", text = "a sad one" }}
[[blocks.trials]]
label = "positive"
repeat = {repeat}
stimulus = {{ kind = "text", text = "a happy one" }}
"""


@dataclass(frozen=True)
class Place:
    """An empty laboratory."""

    folder: Path
    config: Path
    protocol: Path

    @property
    def session(self) -> Path:
        (found,) = (self.folder / "out" / "sub-07").iterdir()
        return found

    def start(self, *options: object) -> subprocess.Popen[str]:
        """`rtemo calibrate` with a participant at its window."""
        command = [sys.executable, PARTICIPANT, "calibrate", *options]
        return subprocess.Popen(
            [*map(str, command)],
            env=ENVIRONMENT | {"QT_QPA_PLATFORM": "offscreen"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def calibrate(self, *options: object) -> tuple[int, str, str]:
        with self.start(*options) as process:
            out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    @property
    def beginning(self) -> tuple[object, ...]:
        out = ("-p", "07", "-o", self.folder / "out", "--seed", "3")
        return (self.config, "--protocol", self.protocol, *out, "--wait", "30", "--no-experimenter")

    @contextmanager
    def participant(self, *options: str) -> Iterator[None]:
        """Devices on somebody who reacts to what is shown, if nothing else is said."""
        options = options or ("--devices", "eeg", "--follow")
        command = [sys.executable, "-m", "rtemo", "simulate", str(self.config), *options]
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            assert "eeg: '" in process.stdout.readline()
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.stdout.read()
                process.wait(20)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    config, protocol = tmp_path / "lab.toml", tmp_path / "moments.toml"
    config.write_text(CONFIG.format(session=uuid.uuid4().hex))
    protocol.write_text(PROTOCOL.format(repeat=5))
    return Place(tmp_path, config, protocol)


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))


def test_from_an_empty_folder_to_a_session_with_the_new_bundle(place: Place):
    with place.participant():
        code, out, err = place.calibrate(*place.beginning)
        assert code in (0, 1), (out, err)
        folder = place.session
        assert {path.name for path in folder.iterdir()} == {
            "bundle", "config.toml", "environment.json", "journal.jsonl", "protocol.toml", "report.html", "result.json",
            "run-1.xdf", "run-1.jsonl", "run-1_events.tsv", "run-1_events.json",
        }  # fmt: skip
        run = [sys.executable, "-m", "rtemo", "run", str(place.config), "-m", str(folder / "bundle"), "-p", "07"]
        live = subprocess.run(
            [*run, "-o", str(place.folder / "live"), "--duration", "3"],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert live.returncode == 0, live.stderr
    result = json.loads((folder / "result.json").read_text())
    # The devices react strongly: nearly every trial is told right.
    assert result["balanced_accuracy"]["value"] > 0.8, result
    assert f"verdict: {result['verdict']}" in out
    assert code == (result["verdict"] == "do not use")
    progress = journal(place)
    assert progress.stage is Stage.DONE
    assert len(progress.done) == 10
    rows = table(folder / "run-1_events.tsv")
    assert [row["trial"] for row in rows] == [str(number) for number in range(1, 11)]
    assert [row["trial_type"] for row in rows].count("positive") == 5
    # Markers in the recording, onsets of the labels and the journal are one and the same.
    source = XdfSource(folder / "run-1.xdf")
    items = list(source)
    source.close()
    texts = {item.text: item.stamp_s for item in items if isinstance(item, Marker)}
    first_s = min(item.stamps_s[0] for item in items if not isinstance(item, Marker) and len(item.stamps_s))
    for row, attempt in zip(rows, progress.attempts, strict=True):
        marked_s = texts[f"stimulus/{row['trial_type']}/{row['trial']}"]
        assert marked_s == attempt.on_s
        assert float(row["onset"]) == pytest.approx(marked_s - first_s, abs=2e-6)
        assert float(row["duration"]) == pytest.approx(attempt.off_s - attempt.on_s, abs=2e-6)
        assert float(row["duration"]) == pytest.approx(2.1, abs=0.3)


def test_a_session_that_is_stopped_and_killed_in_trials_goes_on_where_it_was(place: Place):
    place.protocol.write_text(PROTOCOL.format(repeat=2))
    with place.participant():
        with place.start(*place.beginning) as process:
            until_trial(place, process, 2)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert f"rtemo calibrate --resume {place.session}" in out
        assert [row["trial"] for row in table(place.session / "run-1_events.tsv")] == ["1"]
        assert journal(place).stopped == "interrupted"
        again = ("--resume", place.session, "--wait", "30", "--no-experimenter", "--no-train")
        with place.start(*again) as process:
            until_trial(place, process, 3)
            process.kill()
            process.communicate(timeout=20)
        code, out, err = place.calibrate(*again)
    assert (code, "labels ->" in out) == (0, True), (out, err)
    progress = journal(place)
    assert progress.stage is Stage.TRAIN
    assert sorted(progress.done) == [1, 2, 3, 4]
    broken = [(one.trial, one.attempt, one.void) for one in progress.attempts if one.void is not None]
    assert broken == [(2, 1, "interrupted"), (3, 1, "interrupted")]
    rows = [row for run in (1, 2, 3) for row in table(place.session / f"run-{run}_events.tsv")]
    assert [(row["trial"], row["attempt"]) for row in rows] == [("1", "1"), ("2", "2"), ("3", "2"), ("4", "1")]


def test_another_programs_trials_are_judged_and_judged_again_once_labels_are_mended(place: Place):
    place.config.write_text(place.config.read_text() + MARKERS)
    # The simulated laboratory shows clips of its own, and marks them.
    devices = ("--devices", "eeg,markers", "--trial", "1.6", "--rest", "0.4")
    with place.participant(*devices):
        out = ("-p", "07", "-o", place.folder / "out")
        code, said, err = place.calibrate(place.config, "--external", "--duration", "24", *out, "--wait", "30")
    assert code in (0, 1), (said, err)
    events = place.session / "run-1_events.tsv"
    rows = table(events)
    assert len(rows) >= 9
    assert {row["trial_type"] for row in rows} == {"negative", "positive"}
    assert all(1.5 < float(row["duration"]) < 1.7 for row in rows[1:-1])
    first = json.loads((place.session / "result.json").read_text())
    # The end of the time may have cut the last one too short for a window.
    trials = sum(first["trials"].values())
    assert len(rows) - 1 <= trials <= len(rows)
    command = [sys.executable, "-m", "rtemo", "label", place.session / "run-1.xdf", "-c", place.config, "--delete", "1"]
    subprocess.run([*map(str, command)], env=ENVIRONMENT, check=True, capture_output=True, timeout=60)
    code, said, err = place.calibrate("--retrain", place.session)
    assert code in (0, 1), (said, err)
    again = json.loads((place.session / "result.json").read_text())
    assert sum(again["trials"].values()) == trials - 1
    assert {"bundle", "bundle-1", "report.html", "report-1.html"} <= {path.name for path in place.session.iterdir()}
    assert len(table(events)) == len(rows) - 1


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(1500)
def test_people_played_over_the_network_calibrate_by_their_own_markers(place: Place, data_folder: Path):
    """Six recordings of 38 minutes, one after the other, forty times as fast: a window holds ten of their seconds."""
    session = uuid.uuid4().hex
    place.config.write_text(PEOPLE.format(session=session))
    out = ("-p", "07", "-o", place.folder / "out")
    with place.start(place.config, "--external", "--duration", "420", *out, "--wait", "60") as process:
        for number in range(1, 7):
            path = data_folder / "noneeg_xdf" / f"noneeg_S{number:02d}.xdf"
            play = [sys.executable, "-m", "rtemo", "play", str(path), "--stream", "--speed", "40"]
            scope = ("--scope", "machine", "--session-id", session)
            subprocess.run([*play, *scope], env=ENVIRONMENT, check=True, capture_output=True, timeout=200)
        out_text, err = process.communicate(timeout=900)
    assert process.returncode in (0, 1), (out_text, err)
    result = json.loads((place.session / "result.json").read_text())
    assert sum(result["trials"].values()) >= 40
    # Four states of six people who were never seen apart from each other: more than chance, far from perfect.
    assert result["balanced_accuracy"]["value"] > 0.3, result
    assert result["chance"] == 0.25


def test_a_stream_that_is_missing_ends_it_with_exit_code_3(place: Place):
    code, _, err = place.calibrate(*place.beginning[:-3], "--wait", "0.5", "--no-experimenter")
    assert code == 3
    assert "eeg" in err


def test_where_there_is_no_screen_it_says_so_before_anything_is_made(place: Place):
    done = subprocess.run(
        [sys.executable, "-m", "rtemo", "calibrate", *map(str, place.beginning)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no screen" in done.stderr
    assert not (place.folder / "out").exists()


def journal(place: Place) -> Progress:
    return fold(read_journal(place.session / "journal.jsonl"))


def until_trial(place: Place, process: subprocess.Popen[str], trial: int) -> None:
    """Wait until a trial's stimulus is shown."""
    deadline_s = time.monotonic() + 60.0
    while time.monotonic() < deadline_s:
        assert process.poll() is None, process.communicate()
        journals = list(place.folder.glob("out/sub-07/*/journal.jsonl"))
        lines = [json.loads(line) for path in journals for line in path.read_text().splitlines() if line.endswith("}")]
        if any(line["kind"] == "stimulus-on" and line["trial"] == trial for line in lines):
            return
        time.sleep(0.05)
    raise AssertionError(f"trial {trial} never came")
