"""The tables have exactly the columns that are promised, and each row is on disk at once."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from rtemo.outputs.table import LiveTable, Table, prediction_layout, quality_layout
from rtemo.types import FeatureWindow, Prediction

HEADER = (
    "window,start,stop,label,p_calm,p_joy,spread,weight_eeg,weight_eye,contribution_eeg,contribution_eye,"
    "available_eeg,available_eye,coverage_eeg,coverage_eye,shadow_calm,shadow_joy,age_s"
)
LAYOUT = prediction_layout(["calm", "joy"], ["eeg", "eye"])


def prediction(index: int) -> Prediction:
    return Prediction(
        index=index,
        start_s=6001.1,
        stop_s=6002.1,
        label="joy",
        probabilities=np.array([0.1, 0.9]),
        spread=1 / 3,
        posterior_weights=np.array([1.0, 0.0]),
        contributions=np.array([0.4, 0.0]),
        available=np.array([True, False]),
        coverage=np.array([0.99, 0.0]),
        shadow=np.array([0.2, 0.8]),
        age_s=0.01,
    )


def test_columns_are_exactly_those_promised(tmp_path: Path) -> None:
    with Table(tmp_path / "p.csv", LAYOUT) as table:
        table.write(prediction(1))
    header, row = (tmp_path / "p.csv").read_text().splitlines()
    assert header == HEADER
    assert len(row.split(",")) == len(HEADER.split(","))


def test_an_older_table_stays_until_there_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("older")
    with Table(tmp_path / "p.csv", LAYOUT):
        pass
    assert (tmp_path / "p.csv").read_text() == "older"


def test_a_row_is_on_disk_as_soon_as_it_is_written_and_reads_back_exactly(tmp_path: Path) -> None:
    with Table(tmp_path / "p.csv", LAYOUT) as table:
        table.write(prediction(6001))
        rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert len(rows) == 1
    row = rows[0]
    assert row["window"] == "6001"
    assert row["label"] == "joy"
    assert float(row["start"]) == 6001.1
    assert float(row["spread"]) == 1 / 3
    assert (row["available_eeg"], row["available_eye"]) == ("1", "0")
    assert float(row["shadow_joy"]) == 0.8
    assert float(row["age_s"]) == 0.01


def window(index: int, **quality: list[float]) -> FeatureWindow:
    scores = {view: np.array(values) for view, values in quality.items()}
    return FeatureWindow(index, 6001.1, 6002.1, {}, {}, {}, quality=scores)


def test_quality_has_a_column_a_score_and_nan_where_nothing_was_judged(tmp_path: Path) -> None:
    layout = quality_layout({"eeg": ("Fp1", "a,b"), "eye": ("valid",)})
    live = LiveTable(tmp_path / "live.csv", layout)
    with Table(tmp_path / "replay.csv", layout) as replay:
        for table in (live, replay):
            table.write(window(7, eeg=[1 / 3, 1.0], eye=[float("nan")]))
            table.write(window(8, eeg=[0.0, 0.5], eye=[0.25]))
    # Each row is there before the table is closed.
    text = (tmp_path / "live.csv").read_text()
    live.close()
    assert text == (tmp_path / "replay.csv").read_text()
    columns, first, second = csv.reader(text.splitlines())
    assert columns == ["window", "start", "stop", "eeg:Fp1", "eeg:a,b", "eye:valid"]
    assert first == ["7", "6001.1", "6002.1", str(1 / 3), "1.0", "nan"]
    assert second[3:] == ["0.0", "0.5", "0.25"]


def test_names_of_scores_are_fit_to_be_read_whatever_a_device_calls_its_channels() -> None:
    assert quality_layout({"eeg": ("evil\x1b[31m\n",)}).columns[3] == r"eeg:evil\x1b[31m\n"
