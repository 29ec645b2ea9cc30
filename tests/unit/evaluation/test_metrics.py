"""Scores against scikit-learn, and calibration against a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from rtemo.evaluation.metrics import expected_calibration_error, score


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), windows=st.integers(1, 60), classes=st.integers(2, 5))
def test_scores_equal_scikit_learn(seed: int, windows: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, windows)
    probabilities = rng.dirichlet(np.ones(classes), windows)
    said = probabilities.argmax(axis=1)
    got = score(truth, probabilities)
    occurring = np.unique(truth)
    assert got.accuracy == pytest.approx(accuracy_score(truth, said))
    recall = recall_score(truth, said, labels=occurring, average="macro", zero_division=0)
    assert got.balanced_accuracy == pytest.approx(recall)
    present = np.union1d(truth, said)
    assert got.macro_f1 == pytest.approx(f1_score(truth, said, labels=present, average="macro", zero_division=0))
    np.testing.assert_array_equal(got.confusion, confusion_matrix(truth, said, labels=range(classes)))
    assert 0 <= got.ece <= 1


def test_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    # Confidence .9 on ten windows of which seven are right, .6 on ten of which six are right: (.2 + 0) / 2.
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    truth = np.array([0] * 7 + [1] * 3 + [0] * 6 + [1] * 4)
    assert expected_calibration_error(truth, probabilities) == pytest.approx(0.1)


def test_certainty_falls_into_the_last_bin() -> None:
    assert expected_calibration_error(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(0.5)


def test_no_window_gives_no_figure() -> None:
    nothing = score(np.empty(0, dtype=np.int64), np.empty((0, 3)))
    assert nothing.windows == 0
    assert nothing.to_dict()["accuracy"] is None
    assert nothing.confusion.shape == (3, 3)
