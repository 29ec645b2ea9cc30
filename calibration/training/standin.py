"""Chance as this calibration has it: what a linear stand-in reaches when the labels of the trials are shuffled.

A model trained anew for every shuffle would take hours. Least squares on the same inputs, over the same folds, take
milliseconds, and their balanced accuracy scatters about chance as that of a larger model does: by the number of trials
and by how alike the windows of a trial are. A binomial law, or shuffled labels under predictions that stay as they
are, would scatter too little (Noirhomme et al. 2014, NeuroImage: Clinical 4, 687-694).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.training.splits import fold_of_trials
from rtemo.model.front_end import fit_front_end
from rtemo.model.settings import SimvaeSettings
from rtemo.types import Floats

SHUFFLES = 999
FEWEST_ARRANGEMENTS = 1000
RIDGE = 0.1
"""In units of the mean variance of an input."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """Balanced accuracies of the stand-in with shuffled labels.

    Parameters
    ----------
    shuffled : ndarray of float64, shape (shuffles,)
    stand_in : float
        Its balanced accuracy with the labels as they are.
    within_recordings : bool
        Whether labels were shuffled within recordings: only where these hold enough arrangements.
    least_p : float
        The smallest p that so few trials allow: the labels as they are, and all that differ from them in names only,
        among all arrangements. Whoever tells groups of trials apart tells them apart under any names.
    """

    shuffled: Floats
    stand_in: float
    within_recordings: bool
    least_p: float

    def p(self, balanced_accuracy: float) -> float:
        """How often chance reaches a balanced accuracy; at least 1 / (shuffles + 1), and `least_p`."""
        if not np.isfinite(balanced_accuracy):
            return 1.0
        reached = int((self.shuffled >= balanced_accuracy - 1e-12).sum())
        return max((1 + reached) / (1 + len(self.shuffled)), self.least_p)


def chance(
    views: Mapping[str, Floats],
    truth: Ints,
    trial: Ints,
    recording: Ints,
    settings: SimvaeSettings,
    *,
    folds: int,
    seed: int,
    shuffles: int = SHUFFLES,
) -> Chance:
    """Shuffle the labels of whole trials, deal out the folds anew, and train the stand-in on each.

    Parameters
    ----------
    views : mapping of str to ndarray of float64, shape (windows, features)
        Standardised; rows of NaN where a view is missing.
    truth, trial, recording : ndarray of int64, shape (windows,)
        Only windows with a label.
    settings : SimvaeSettings
        Whose front end makes the inputs, from all windows and without labels.
    folds, seed, shuffles : int
    """
    kept = {view: x for view, x in views.items() if np.isfinite(x).all(axis=1).any()}
    inputs = np.hstack(list(fit_front_end(list(kept.values()), settings)(list(kept.values()))))
    inputs = np.where(np.isfinite(inputs), inputs, 0.0)
    numbers, first, of = np.unique(trial, return_index=True, return_inverse=True)
    stand_in = _StandIn(inputs, of, len(numbers), folds, seed)
    labels, place = truth[first], recording[first]
    within = arrangements(labels, place) >= math.log(FEWEST_ARRANGEMENTS)
    rng = np.random.default_rng([seed, 31])
    blocks = place if within else np.zeros_like(place)
    shuffled = np.array([stand_in.score(_shuffled(labels, blocks, rng)) for _ in range(shuffles)])
    named = math.lgamma(len(np.unique(labels)) + 1)
    least_p = math.exp(min(0.0, named - arrangements(labels, blocks)))
    return Chance(shuffled, stand_in.score(labels), within, least_p)


def arrangements(labels: Ints, blocks: Ints) -> float:
    """Logarithm of the number of ways in which labels can be dealt out to the trials of each block."""
    total = 0.0
    for block in np.unique(blocks):
        counts = np.unique(labels[blocks == block], return_counts=True)[1]
        total += math.lgamma(counts.sum() + 1) - sum(math.lgamma(count + 1) for count in counts.tolist())
    return total


def _shuffled(labels: Ints, blocks: Ints, rng: np.random.Generator) -> Ints:
    out = labels.copy()
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        out[rows] = labels[rng.permutation(rows)]
    return out


class _StandIn:
    """Least squares onto the labels, each label with the same say; all that a shuffle needs is summed by trial."""

    def __init__(self, inputs: Floats, of: Ints, trials: int, folds: int, seed: int) -> None:
        spread = inputs.std(axis=0)
        scaled = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, math.sqrt(float((spread**2).mean()) or 1.0), 1.0)
        self._x = np.column_stack([scaled, np.ones(len(scaled))])
        self._of, self._folds, self._seed = of, folds, seed
        self._rows = [np.flatnonzero(of == trial) for trial in range(trials)]
        self._grams = np.stack([self._x[rows].T @ self._x[rows] for rows in self._rows])
        self._sums = np.stack([self._x[rows].sum(axis=0) for rows in self._rows])
        self._windows = np.array([len(rows) for rows in self._rows], dtype=np.float64)
        self._penalty = np.full(self._x.shape[1], RIDGE)
        self._penalty[-1] = 1e-9

    def score(self, labels: Ints) -> float:
        """Balanced accuracy over all folds, with these labels of the trials."""
        classes = int(labels.max()) + 1
        fold = fold_of_trials(labels, self._folds, self._seed)
        right, windows = np.zeros(classes), np.bincount(labels, weights=self._windows, minlength=classes)
        said = np.empty(len(self._of), dtype=np.int64)
        for held in range(self._folds):
            learnt = fold != held
            of_class = np.bincount(labels[learnt], weights=self._windows[learnt], minlength=classes)
            weight = np.where(learnt, 1 / (classes * np.maximum(of_class, 1.0))[labels], 0.0)
            gram = np.tensordot(weight, self._grams, axes=1)
            target = np.zeros((self._x.shape[1], classes))
            np.add.at(target.T, labels, weight[:, None] * self._sums)
            found = np.linalg.solve(gram + np.diag(self._penalty), target)
            for trial in np.flatnonzero(~learnt):
                said[self._rows[trial]] = (self._x[self._rows[trial]] @ found).argmax(axis=1)
        np.add.at(right, labels[self._of], said == labels[self._of])
        present = windows > 0
        return float((right[present] / windows[present]).mean())
