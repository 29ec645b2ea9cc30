"""The exported table, read back by csv."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from dashboard_words import Watched

from rtemo.clock import VirtualClock
from rtemo.dashboard.export import write_csv
from rtemo.dashboard.state import DashboardState


def read(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith("#")]
    return told, list(csv.DictReader(lines[len(told) :]))


def test_what_is_shown_is_written(tmp_path):
    watched = Watched()
    watched.mark("clip/positive", 10.0)
    watched.predict(10.0, 11.0)
    watched.predict(12.0, available=(0.0, 1.0))
    watched.predict(13.0, probabilities=(np.nan,) * 3)
    watched.mark("pause", 12.5)
    path = tmp_path / "seen.csv"
    assert write_csv(path, watched.state, 11.0, 13.0) == 3
    told, rows = read(path)
    assert "sub-01-ses-20260102T030405Z" in told[0]
    assert any("seconds" in line for line in told)
    assert [(row["start_s"], row["stop_s"], row["label"]) for row in rows] == [
        ("10", "11", "positive"),
        ("11", "12", "positive"),
        ("12", "13", ""),
    ]
    first = rows[0]
    assert {key: float(value) for key, value in first.items() if key != "label"} == {
        "start_s": 10.0,
        "stop_s": 11.0,
        "p_negative": 0.2,
        "p_neutral": 0.3,
        "p_positive": 0.5,
        "shadow_negative": 0.5,
        "shadow_neutral": 0.3,
        "shadow_positive": 0.2,
        "weight_eeg": 0.7,
        "weight_eye": 0.3,
        "contribution_eeg": 0.1,
        "contribution_eye": -0.1,
        "available_eeg": 1.0,
        "available_eye": 1.0,
        "coverage_eeg": 1.0,
        "coverage_eye": 0.9,
        "age_s": 0.25,
    }
    assert rows[1]["available_eeg"] == "0"
    assert rows[2]["p_positive"] == ""


def test_stamps_keep_every_digit(tmp_path):
    watched = Watched()
    watched.predict(123456.789012345)
    write_csv(tmp_path / "seen.csv", watched.state, 0.0, 1e9)
    _, (row,) = read(tmp_path / "seen.csv")
    assert float(row["stop_s"]) == 123456.789012345


def test_hostile_names_are_neither_lines_nor_formulas(tmp_path):
    watched = Watched(
        session="evil\n=1+1", marker_labels={"x": "=cmd()", "y": "a,b\n\x1b[31m"}, labels=("=cmd()", "a,b\n\x1b[31m")
    )
    watched.mark("x", 0.0)
    two = {"probabilities": (0.5, 0.5), "shadow": (0.5, 0.5)}
    watched.predict(5.0, **two)
    watched.mark("y", 5.0)
    watched.predict(7.0, **two)
    write_csv(tmp_path / "seen.csv", watched.state, 0.0, 10.0)
    told, rows = read(tmp_path / "seen.csv")
    assert all(line.isprintable() for line in told)
    assert [row["label"] for row in rows] == ["'=cmd()", "a,b\\n\\x1b[31m"]
    assert rows[0]["p_=cmd()"] == "0.5"
    assert rows[0]["p_a,b\\n\\x1b[31m"] == "0.5"


def test_an_older_file_is_replaced_whole_and_stays_where_writing_fails(tmp_path, monkeypatch):
    watched = Watched()
    watched.predict(1.0)
    path = tmp_path / "seen.csv"
    path.write_text("old")

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr("rtemo.dashboard.export.os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_csv(path, watched.state, 0.0, 2.0)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_csv(path, watched.state, 0.0, 2.0)
    assert len(read(path)[1]) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_before_a_session_there_is_a_header_and_no_row(tmp_path):
    assert write_csv(tmp_path / "seen.csv", DashboardState(VirtualClock()), 0.0, 1.0) == 0
    assert read(tmp_path / "seen.csv")[1] == []
