"""Which of a method's settings to use, chosen on the labelled training windows alone; all methods on one budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rtemo.evaluation.baselines.base import UNLABELLED
from rtemo.evaluation.baselines.registry import Method
from rtemo.evaluation.datasets.base import Floats, Ints
from rtemo.evaluation.metrics import mean_log_likelihood, score

FOLDS = 3


def choose(
    method: Method,
    parameters: Mapping[str, Any],
    dims: Sequence[int],
    X: Floats,
    y: Ints,
    groups: Ints,
    *,
    budget: int,
    seed: int,
) -> int:
    """The candidate that predicts held-out labels best, whole trials held out.

    A candidate is trained with the labels of a third of each class's labelled trials taken away (their windows stay, as
    unlabelled ones), and scored on these: by balanced accuracy, ties by likelihood, then by order.

    Parameters
    ----------
    method : Method
    parameters : mapping
        Of every run.
    dims : sequence of int
    X : ndarray of float64, shape (windows, sum of dims)
    y : ndarray of int64, shape (windows,)
    groups : ndarray of int64, shape (windows,)
        Trials.
    budget : int
        How many candidates are tried.
    seed : int

    Returns
    -------
    int
        Index into ``method.candidates``; 0, the default, where there is nothing to choose or a class has one trial.
    """
    tried = method.candidates[: max(1, budget)]
    folds = _folds(y, groups, seed)
    if len(tried) < 2 or folds is None:
        return 0
    found = [
        (_held_out(method, {**candidate, **parameters}, dims, X, y, groups, folds, seed), -place)
        for place, candidate in enumerate(tried)
    ]
    return -max(found)[1]


def _folds(y: Ints, groups: Ints, seed: int) -> Ints | None:
    """A fold for each labelled window, -1 elsewhere; None where a class has a single labelled trial."""
    rng = np.random.default_rng([seed, 5])
    out = np.full(len(y), -1)
    for k in np.unique(y[y >= 0]):
        trials = rng.permutation(np.unique(groups[y == k]))
        if len(trials) < 2:
            return None
        for place, trial in enumerate(trials):
            out[(y == k) & (groups == trial)] = place % min(FOLDS, len(trials))
    return out


def _held_out(
    method: Method,
    parameters: Mapping[str, Any],
    dims: Sequence[int],
    X: Floats,
    y: Ints,
    groups: Ints,
    folds: Ints,
    seed: int,
) -> tuple[float, float]:
    """Balanced accuracy and mean log likelihood of held-out labels."""
    classes = int(y.max()) + 1
    said = np.full((len(y), classes), np.nan)
    for fold in range(int(folds.max()) + 1):
        out = folds == fold
        kept = np.where(out, UNLABELLED, y)
        if len(np.unique(kept[kept >= 0])) < classes:
            continue
        said[out] = method.make(dims, seed, **parameters).fit(X, kept, groups).predict_proba(X[out])
    rows = np.isfinite(said).all(axis=1) & (y >= 0)
    if not rows.any():
        return 0.0, 0.0
    return round(score(y[rows], said[rows]).balanced_accuracy, 6), mean_log_likelihood(y[rows], said[rows])
