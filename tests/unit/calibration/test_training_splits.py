"""Folds are of whole trials, even over labels, and nothing that touches a held-out trial is learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_toys import EACH, toy_extraction
from hypothesis import given
from hypothesis import strategies as st

from calibration.training.splits import (
    fold_of_trials,
    possible_folds,
    subset_of_trials,
    touching,
    trial_labels,
)

TRIALS = st.lists(st.integers(0, 3), min_size=8, max_size=40)


@given(TRIALS, st.integers(2, 5), st.integers(0, 2**30))
def test_trials_of_a_label_are_dealt_out_evenly_and_folds_are_of_one_size(
    labels: list[int], folds: int, seed: int
) -> None:
    given_labels = np.array(labels)
    fold = fold_of_trials(given_labels, folds, seed)
    for label in set(labels):
        counts = np.bincount(fold[given_labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    assert (fold_of_trials(given_labels, folds, seed) == fold).all()


@given(TRIALS, st.integers(0, 2**30))
def test_a_larger_share_of_trials_holds_the_smaller_and_every_label(labels: list[int], seed: int) -> None:
    given_labels = np.array(labels)
    few, more = (subset_of_trials(given_labels, fraction, seed) for fraction in (0.3, 0.7))
    assert (more | ~few).all()
    assert set(given_labels[few]) == set(labels)


@pytest.mark.parametrize(
    ("labels", "folds"), [([0, 1, 0, 1, 0, 1], 3), ([0, 0, 1], 0), ([0, 0, 0], 0), ([0, 1] * 9, 5)]
)
def test_every_label_needs_a_trial_on_both_sides(labels: list[int], folds: int) -> None:
    assert possible_folds(labels, 2) == folds


def test_windows_across_the_edge_of_a_trial_touch_it() -> None:
    table = toy_extraction(trials=4).table
    held = table.trial == 1
    touched = touching(table, held)
    first, last = np.flatnonzero(held)[[0, -1]]
    assert np.flatnonzero(touched).tolist() == list(range(first - 1, last + 2))
    assert table.trial[first - 1] == -1
    assert int(held.sum()) == EACH


def test_windows_of_another_recording_touch_nothing_at_the_same_time_of_day() -> None:
    table = toy_extraction(trials=4).table
    half = len(table) // 2
    recording = (np.arange(len(table)) >= half).astype(np.int64)
    both = replace(
        table,
        recording=recording,
        recordings=["a", "b"],
        start_s=np.concatenate([table.start_s[:half], table.start_s[: len(table) - half]]),
        stop_s=np.concatenate([table.stop_s[:half], table.stop_s[: len(table) - half]]),
    )
    rows = np.zeros(len(both), dtype=bool)
    rows[3] = True
    assert np.flatnonzero(touching(both, rows)).tolist() == [2, 3, 4]


def test_only_windows_with_label_and_trial_make_a_trial() -> None:
    assert trial_labels(np.array([0, -1, 1, 1, 0]), np.array([4, 4, 2, 2, -1])) == {4: 0, 2: 1}
