"""Which trials are held out together, and which windows may be learnt from while they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.labels import EDGE_S
from rtemo.types import Bools, FeatureTable

MOST_FOLDS = 5
FEWEST_FOLDS = 2

Ints = NDArray[np.int64]


def trial_labels(truth: Ints, trial: Ints) -> dict[int, int]:
    """Label of each trial that has one, by its number.

    Parameters
    ----------
    truth : ndarray of int64, shape (windows,)
        Index of the label, -1 where there is none.
    trial : ndarray of int64, shape (windows,)
        -1 where there is none.
    """
    known = (truth >= 0) & (trial >= 0)
    numbers, first = np.unique(trial[known], return_index=True)
    return dict(zip(numbers.tolist(), truth[known][first].tolist(), strict=True))


def possible_folds(labels: Sequence[int], classes: int, wished: int = MOST_FOLDS) -> int:
    """How many folds there can be: every label is to be on both sides of each; 0 where a label has a single trial.

    Parameters
    ----------
    labels : sequence of int
        Of the trials.
    classes : int
    wished : int
        At most so many.
    """
    fewest = int(np.bincount(np.asarray(labels, dtype=np.int64), minlength=classes).min())
    return 0 if fewest < FEWEST_FOLDS else min(wished, fewest)


def fold_of_trials(labels: Ints, folds: int, seed: int) -> Ints:
    """Fold of each trial: those of a label are dealt out evenly, in an order drawn from the seed.

    The deal of a label begins where that of the one before ended, so that the folds are of one size.

    Parameters
    ----------
    labels : ndarray of int64, shape (trials,)
    folds : int
    seed : int

    Returns
    -------
    ndarray of int64, shape (trials,)
    """
    rng = np.random.default_rng([seed, 11])
    out = np.empty(len(labels), dtype=np.int64)
    begun = 0
    for label in range(int(labels.max(initial=-1)) + 1):
        members = rng.permutation(np.flatnonzero(labels == label))
        out[members] = (begun + np.arange(len(members))) % folds
        begun += len(members)
    return out


def folds_of_windows(trial: Ints, of_trial: Mapping[int, int]) -> Ints:
    """Fold of each window, that of its trial; -1 where it has none; shape (windows,)."""
    return np.array([of_trial.get(number, -1) for number in trial.tolist()], dtype=np.int64)


def touching(table: FeatureTable, rows: Bools) -> Bools:
    """Windows that share a moment with some windows, these among them.

    With a hop shorter than the window, the windows across the edge of a trial hold samples of it.

    Parameters
    ----------
    table : FeatureTable
    rows : ndarray of bool, shape (windows,)

    Returns
    -------
    ndarray of bool, shape (windows,)
    """
    out = rows.copy()
    for recording in range(len(table.recordings)):
        mine = table.recording == recording
        chosen = np.flatnonzero(mine & rows)
        if len(chosen) == 0:
            continue
        # All windows have one length: the nearest chosen starts before and after a window tell.
        starts = np.sort(table.start_s[chosen])
        length = float((table.stop_s[chosen] - table.start_s[chosen]).max()) - EDGE_S
        place = np.searchsorted(starts, table.start_s[mine])
        after = starts[np.minimum(place, len(starts) - 1)] - table.start_s[mine]
        before = table.start_s[mine] - starts[np.maximum(place - 1, 0)]
        out[mine] |= (np.abs(after) < length) | (np.abs(before) < length)
    return out


def subset_of_trials(labels: Ints, fraction: float, seed: int) -> Bools:
    """A share of the trials of each label, at least one; a larger share with the same seed holds the smaller.

    Parameters
    ----------
    labels : ndarray of int64, shape (trials,)
    fraction : float
    seed : int

    Returns
    -------
    ndarray of bool, shape (trials,)
    """
    rng = np.random.default_rng([seed, 12])
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        out[members[: max(1, round(fraction * len(members)))]] = True
    return out
