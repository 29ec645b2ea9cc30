"""DEAP from files of its layout: windows, features against closed forms, quadrants, and what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets import deap
from rtemo.evaluation.datasets.catalogue import CATALOGUE, load_dataset


def make_subject(folder: Path, subject: int, ratings: np.ndarray, signals: np.ndarray | None = None) -> Path:
    data = np.zeros((40, 40, 8064), dtype=np.int8) if signals is None else signals
    labels = np.full((40, 4), 5.0)
    labels[: len(ratings), :2] = ratings
    path = folder / "data_preprocessed_python" / f"s{subject:02d}.dat"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({"data": data, "labels": labels}, 2))
    return path


CORNERS = np.array([[2.0, 2.0], [1.0, 8.5], [6.0, 3.0], [9.0, 6.0]])


def test_a_trial_has_63_windows_and_334_trials_make_the_papers_count(tmp_path: Path) -> None:
    make_subject(tmp_path, 1, CORNERS)
    make_subject(tmp_path, 12, CORNERS[:2])
    found = load_dataset("deap", tmp_path)
    assert len(found) == 6 * 63
    assert 334 * 63 == CATALOGUE["deap"].paper_windows == 21_042
    assert found.dims == (32, 128)
    assert list(found.views) == ["peripheral", "eeg"]
    assert np.unique(found.trials, return_counts=True)[1].tolist() == [63] * 6
    assert [found.labels[found.trials == k][0] for k in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [found.subjects[found.trials == k][0] for k in range(6)] == [0, 0, 0, 0, 1, 1]


def test_the_gap_leaves_trials_out_and_no_gap_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_subject(tmp_path, 1, np.array([[3.0, 6.0], [3.1, 8.0], [8.0, 5.9], [1.0, 1.0]]))
    with caplog.at_level("INFO"):
        found = deap.load(tmp_path)
    assert len(np.unique(found.trials)) == 2
    assert "2 of 40 trials kept, the paper has 334" in caplog.text
    whole = deap.load(tmp_path, gap=(5.0, 5.0))
    assert len(np.unique(whole.trials)) == 40
    # 5 is high, as in most programs for DEAP.
    assert [int(whole.labels[whole.trials == k][0]) for k in (0, 1, 2, 3, 39)] == [1, 1, 3, 0, 3]


def test_entropies_are_those_of_sines_and_statistics_those_of_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deap, "SAMPLES", 128 * 4)
    t = np.arange(128 * 4) / 128
    signals = np.zeros((40, 40, 128 * 4))
    signals[0, 3] = 8 * np.sin(2 * np.pi * 10 * t)
    signals[0, 34] = np.repeat([1.0, 2.0, 3.0, 4.0], 128)
    signals[0, 39] = np.tile([-3.0, 5.0], 256)
    make_subject(tmp_path, 1, CORNERS[:1], signals)
    found = deap.load(tmp_path)
    eeg = found.views["eeg"].reshape(4, 32, 4)
    # A sine of amplitude 8 in alpha has the variance 32.
    np.testing.assert_allclose(eeg[:, 3, 1], 0.5 * np.log(2 * np.pi * np.e * 32), atol=1e-3)
    assert (eeg[:, 3, 1] > eeg[:, 3, 3] + 5).all()
    other = found.views["peripheral"].reshape(4, 8, 4)
    np.testing.assert_allclose(other[:, 2], [[k, 0, k, k] for k in (1, 2, 3, 4)])
    np.testing.assert_allclose(other[:, 7], [[1, 4, -3, 5]] * 4)
    entropy = deap.load(tmp_path, peripheral="entropy").views["peripheral"]
    assert entropy.shape == (4, 32)
    assert np.isfinite(entropy).all()


def test_without_a_folder_the_error_says_where_to_apply(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RTEMO_DEAP", raising=False)
    with pytest.raises(ConfigurationError, match=r"RTEMO_DEAP.*eecs\.qmul\.ac\.uk"):
        load_dataset("deap")
    monkeypatch.setenv("RTEMO_DEAP", str(tmp_path))
    with pytest.raises(RecordingError, match=r"s01\.dat.*eecs\.qmul\.ac\.uk"):
        load_dataset("deap")


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="low <= high"):
        deap.load(tmp_path, gap=(6.0, 3.0))
    with pytest.raises(ConfigurationError, match=r"unknown option gaps.*gap"):
        load_dataset("deap", tmp_path, gaps=(3.0, 6.0))


def test_wrong_shapes_and_ratings_are_named(tmp_path: Path) -> None:
    make_subject(tmp_path, 1, CORNERS, np.zeros((40, 40, 7680), dtype=np.int8))
    with pytest.raises(
        RecordingError, match=r"s01\.dat: expected data of shape \(40, 40, 8064\), found \(40, 40, 7680\)"
    ):
        deap.load(tmp_path)
    make_subject(tmp_path, 1, np.array([[0.5, 2.0]]))
    with pytest.raises(RecordingError, match=r"s01\.dat: expected ratings from 1 to 9, found 0\.5 to 5"):
        deap.load(tmp_path)
    make_subject(tmp_path, 1, np.array([[np.nan, 2.0]]))
    with pytest.raises(RecordingError, match="expected ratings from 1 to 9"):
        deap.load(tmp_path)
    make_subject(tmp_path, 1, np.array([[5.0, 5.0]]))
    with pytest.raises(RecordingError, match="no trial has both ratings outside"):
        deap.load(tmp_path)


class Runs:
    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self._command,)


def test_a_file_that_would_run_a_command_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = make_subject(tmp_path, 1, CORNERS)
    path.write_bytes(pickle.dumps({"data": Runs(f"echo ran > {mark}"), "labels": np.ones((40, 4))}, 2))
    with pytest.raises(RecordingError, match=r"s01\.dat: .* asks for .*system"):
        deap.load(tmp_path)
    assert not mark.exists()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match=r"s01\.dat"):
        deap.load(tmp_path)
