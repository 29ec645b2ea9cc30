"""Recordings that break readers, through `rtemo info` and `rtemo play`: a right result or one line with the cure."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtemo import cli

pytestmark = pytest.mark.real

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "eeg_gaze.toml"

# What each file holds, known from how it was made or from another reader; None where no view has a stream.
# (windows with EEG, windows with gaze), or the exit code and what the one line says.
PLAYED = {
    "eeg_dropout_5s": (39, 45),
    "gaze_late_and_early_end": (45, 20),
    "gaze_absent": (45, 0),
    "gaze_empty": (45, 0),
    "no_footers": (45, 45),
    "truncated_60pct": (27, 27),
    "zeroed_2k_mid": (44, 45),
}
REFUSED = {
    "no_clock_offsets": (1, "--unsynchronised"),
    "duplicate_eeg_name": (3, "2 fit"),
    "clock_resets": (3, "Fp1"),
    "empty_streams": (3, "no view has a stream"),
    "handFive": (3, "no view has a stream"),
    "justMarkers": (3, "no view has a stream"),
    "out_of_order_clock_offsets": (3, "no view has a stream"),
    "out_of_order_sample_chunk": (3, "no view has a stream"),
    "handFour": (3, "channels"),
    "handTwo": (3, "channels"),
    "markersPlusEKG": (3, "channels"),
    "minimal": (2, "half of the rate"),
    "twochannel_string_marker": (3, "channels"),
    "chunk_length_lie": (1, "expected at least one stream"),
}
INFO_REFUSED = {"no_clock_offsets", "chunk_length_lie"}


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def rtemo(*arguments: object) -> Outcome:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["rtemo", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def bundle(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the whole recording that most of these files are made from; its labels are made up."""
    folder = tmp_path_factory.mktemp("hard")
    recording = folder / "session.xdf"
    recording.symlink_to(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf")
    rows = ["onset\tduration\ttrial_type", "0\t15\tnegative", "15\t15\tneutral", "30\t16\tpositive"]
    (folder / "session_events.tsv").write_text("\n".join(rows) + "\n")
    config = folder / "lab.toml"
    config.write_text(CONFIG.read_text() + "\n[model.settings]\nsteps = 50\n")
    done = rtemo("train", config, recording, "-o", folder / "bundle")
    assert done.code == 0, done.err
    return folder / "bundle"


@pytest.mark.parametrize("name", PLAYED)
def test_it_plays_with_views_missing_exactly_where_they_are(
    data_folder: Path, bundle: Path, tmp_path: Path, name: str
) -> None:
    done = rtemo("play", data_folder / "hard" / f"{name}.xdf", "-c", CONFIG, "-m", bundle, "-o", tmp_path)
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    there = tuple(sum(row[f"available_{view}"] == "1" for row in rows) for view in ("eeg", "gaze"))
    assert there == PLAYED[name]
    assert sum(row["label"] == "none" for row in rows) == sum(
        row["available_eeg"] == row["available_gaze"] == "0" for row in rows
    )


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_that_says_what_to_do(
    data_folder: Path, bundle: Path, tmp_path: Path, name: str
) -> None:
    path = data_folder / "hard" / f"{name}.xdf"
    done = rtemo("play", path, "-c", CONFIG, "-m", bundle, "-o", tmp_path)
    code, said = REFUSED[name]
    errors = [line for line in done.err.splitlines() if line.startswith("rtemo: ")]
    assert done.code == code, done.err
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in done.err


def test_raw_stamps_are_taken_where_the_user_says_so(data_folder: Path, bundle: Path, tmp_path: Path) -> None:
    path = data_folder / "hard" / "no_clock_offsets.xdf"
    done = rtemo("play", path, "-c", CONFIG, "-m", bundle, "-o", tmp_path, "--unsynchronised")
    assert done.code == 0
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    # The two clocks are 4,796 s apart: no window holds both views, and the user is told why.
    assert not any(row["available_eeg"] == row["available_gaze"] == "1" for row in rows)
    assert sum(row["available_eeg"] == "1" for row in rows) == 45
    assert "came late" in done.err


@pytest.mark.parametrize("name", [*PLAYED, *REFUSED])
def test_info_tells_what_is_in_it(data_folder: Path, name: str) -> None:
    done = rtemo("info", data_folder / "hard" / f"{name}.xdf", "--json")
    assert "Traceback" not in done.err
    if name in INFO_REFUSED:
        assert done.code == 1
        assert sum(line.startswith("rtemo: ") for line in done.err.splitlines()) == 1
    else:
        assert done.code == 0, done.err
        assert json.loads(done.out)["streams"]
