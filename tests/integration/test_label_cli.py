"""`rtemo label` on real and simulated recordings: what it writes, trains the same, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Run

from calibration.editor.desk import Desk
from calibration.labels.survey import survey_recording
from rtemo.config import load_configuration
from rtemo.demonstration import configuration, record
from rtemo.extraction import extract
from rtemo.labels import events_path
from rtemo.outputs.folder import write_configuration
from rtemo.sources import open_recording

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A simulated participant's recordings; no model is needed here."""
    folder = tmp_path_factory.mktemp("label")
    calibration, session = record(folder, seed=0)
    return Lab(folder, write_configuration(folder, configuration()), calibration, session, folder / "no bundle")


@pytest.fixture
def copied(lab: Lab, tmp_path: Path) -> Path:
    """A recording of a simulated participant, with markers, in a folder of its own."""
    return Path(shutil.copy(lab.calibration, tmp_path / "run-1.xdf"))


def backups(recording: Path) -> list[str]:
    return sorted(path.name for path in recording.parent.glob("*_events.tsv.*.bak"))


def test_labels_written_from_markers_are_those_of_the_markers(lab: Lab, rtemo: Run, copied: Path) -> None:
    config = load_configuration(lab.config)
    before = extract(copied, config).table
    done = rtemo("label", copied, "-c", lab.config, "--from-markers", "--check")
    assert done.code == 0, done.err
    assert "nothing is wrong" in done.out
    after = extract(copied, config).table
    assert (before.label != "").sum() > 100
    np.testing.assert_array_equal(after.label, before.label)
    np.testing.assert_array_equal(after.trial, before.trial)


def test_a_trial_that_was_split_is_one_trial_in_training(lab: Lab, copied: Path) -> None:
    config = load_configuration(lab.config)
    desk = Desk(copied, config)
    with contextlib.closing(open_recording(copied)) as source:
        desk.know(survey_recording(source, config))
    before = extract(copied, config).table
    desk.cursor_s = desk.track.segments[0].start_s + desk.track.segments[0].duration_s / 2
    assert desk.split()
    desk.save()
    after = extract(copied, config).table
    lost = (before.trial >= 0) & (after.trial < 0)
    assert set(before.trial[lost]) == {0}
    assert (after.trial == 0).sum() > 5
    kept = after.trial >= 0
    pairs = set(zip(before.trial[kept].tolist(), after.trial[kept].tolist(), strict=True))
    assert len(pairs) == len(set(before.trial[kept])) == len(set(after.trial[kept]))


@pytest.mark.real
@pytest.mark.parametrize("subject", ["noneeg_S01", "noneeg_S02"])
def test_labels_of_a_real_recording_are_those_of_its_stage_markers(
    subject: str, rtemo: Run, data_folder: Path, tmp_path: Path
) -> None:
    recording = Path(shutil.copy(next(data_folder.glob(f"noneeg_xdf/{subject}.xdf")), tmp_path))
    config = load_configuration(CONFIGS / "noneeg.toml")
    before = extract(recording, config).table
    done = rtemo("label", recording, "-c", CONFIGS / "noneeg.toml", "--from-markers")
    assert done.code == 0, done.err
    after = extract(recording, config).table
    np.testing.assert_array_equal(after.label, before.label)
    np.testing.assert_array_equal(after.trial, before.trial)


@pytest.mark.real
def test_a_foreign_events_file_of_a_real_edf_is_listed_and_keeps_its_rows(
    rtemo: Run, data_folder: Path, tmp_path: Path
) -> None:
    for name in ("Subject02_1.edf", "Subject02_1_events.tsv"):
        shutil.copy(data_folder / "eegmat" / name, tmp_path / name)
        (tmp_path / name).chmod(0o644)
    recording = tmp_path / "Subject02_1.edf"
    done = rtemo("label", recording, "-c", CONFIGS / "eegmat.toml", "--set", 182, 181.9, "rest")
    assert done.code == 1
    assert "ends after it begins" in done.err
    done = rtemo("label", recording, "-c", CONFIGS / "eegmat.toml", "--check")
    assert "label 'arithmetic' is in no window" in done.out or "is in no window" in done.out
    assert done.code == 1
    assert rtemo("label", recording, "--json").out.count('"label": "rest"') == 1


def test_a_script_edits_lists_and_keeps_every_old_file(lab: Lab, rtemo: Run, copied: Path) -> None:
    base = ("label", copied, "-c", lab.config)
    assert rtemo(*base, "--from-markers").code == 0
    many = json.loads(rtemo(*base, "--json").out)["segments"]
    assert [one["number"] for one in many] == list(range(1, len(many) + 1))
    first = many[0]
    done = rtemo(*base, "--delete", 2, "--delete", 1, "--set", first["start"], first["start"] + 3, "positive", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["segments"][0]["stop"] == pytest.approx(first["start"] + 3)
    assert document["segments"][0]["label"] == "positive"
    assert len(document["segments"]) == len(many) - 1
    assert len(backups(copied)) == len(document["backups"]) == 1
    listed = rtemo(*base, "--list").out
    assert "positive" in listed
    assert len(backups(copied)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "0", "5", "hapy"), 1, "not among the labels negative, neutral, positive"),
        (("--set", "5", "0", "positive"), 1, "ends after it begins"),
        (("--set", "nan", "5", "positive"), 1, "expected seconds"),
        (("--delete", "1"), 1, "no segment has the number 1"),
        (("--set", "0", "5"), 2, "--set"),
        (("--theme", "pink"), 2, "expected auto, dark or light"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    lab: Lab, rtemo: Run, copied: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = rtemo("label", copied, "-c", lab.config, *arguments)
    assert done.code == code
    assert said in done.err
    assert not events_path(copied).exists()


def test_markers_without_a_meaning_are_refused(rtemo: Run, copied: Path) -> None:
    done = rtemo("label", copied, "--from-markers")
    assert done.code == 2
    assert "--from-markers needs a configuration with [markers]" in done.err


def test_the_first_segment_by_hand_warns_that_markers_are_no_longer_read(lab: Lab, rtemo: Run, copied: Path) -> None:
    done = rtemo("label", copied, "-c", lab.config, "--set", 0, 5, "positive")
    assert done.code == 0
    assert "markers are not looked at" in done.err


def test_checking_tells_what_is_wrong_by_exit_code_and_json(lab: Lab, rtemo: Run, copied: Path) -> None:
    events_path(copied).write_text(
        "onset\tduration\ttrial_type\n1\t20\tpositive\n15\t20\tneutral\n40\t20\tnegativ\n9999\t5\tpositive\n"
    )
    done = rtemo("label", copied, "-c", lab.config, "--check", "--json")
    assert done.code == 1
    problems = json.loads(done.out)["problems"]
    assert {(one["kind"], one["error"]) for one in problems} >= {
        ("overlap", True),
        ("unknown label", True),
        ("outside", True),
        ("no window", True),
    }
    assert rtemo("label", copied, "-c", lab.config, "--check").out.count("error  : ") >= 4


def test_names_and_labels_of_a_hostile_file_cannot_move_the_cursor(rtemo: Run, copied: Path) -> None:
    events_path(copied).write_text("onset\tduration\ttrial_type\t\x1b[2Jx\n1\t20\t\x1b[31m[bold]red\tq\n", "utf-8")
    done = rtemo("label", copied, "--list", "--check")
    assert "\x1b" not in done.out + done.err
    assert "[bold]red" in done.out


def test_no_screen_no_window(rtemo: Run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    done = rtemo("label", copied)
    assert done.code == 2
    assert "no screen here" in done.err


def test_the_window_opens_by_the_command_and_an_interrupt_ends_it(lab: Lab, copied: Path) -> None:
    command = [sys.executable, "-m", "rtemo", "label", copied, "-c", lab.config]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen([*map(str, command)], env=environment, stderr=subprocess.PIPE, text=True) as process:
        # The handler is there once the window is; before it, an interrupt ends the process as well.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(8)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert not events_path(copied).exists()


def test_a_recording_that_the_window_cannot_read_is_an_error_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    broken = tmp_path / "broken.xdf"
    broken.write_bytes(b"XDF:")
    command = [sys.executable, "-m", "rtemo", "label", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "expected at least one stream" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_that_is_not_there(rtemo: Run, tmp_path: Path) -> None:
    done = rtemo("label", tmp_path / "no.xdf", "--list")
    assert done.code == 1
    assert "expected a recording, found nothing there" in done.err
