"""What the held-out predictions of a calibration prove: the trial counts, not the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rtemo.types import Floats

REPLICATES = 2000
LEVEL = 0.95

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; NaN where there is nothing to tell it from."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON."""
        return {name: plain(getattr(self, name)) for name in ("value", "low", "high")}


UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, slots=True, eq=False)
class TrialCounts:
    """Windows and hits of each trial.

    Parameters
    ----------
    trial, label : ndarray of int64, shape (trials,)
    windows, hits : ndarray of int64, shape (trials,)
        Windows in which something was seen, and how many of them came out right.
    decided : ndarray of int64, shape (trials,)
        The label with the largest mean probability over the trial.
    """

    trial: Ints
    label: Ints
    windows: Ints
    hits: Ints
    decided: Ints

    def __len__(self) -> int:
        return len(self.trial)


def count_trials(truth: Ints, trial: Ints, probabilities: Floats) -> TrialCounts:
    """Count hits by trial.

    Parameters
    ----------
    truth, trial : ndarray of int64, shape (windows,)
    probabilities : ndarray of float64, shape (windows, labels)
    """
    numbers, first, of = np.unique(trial, return_index=True, return_inverse=True)
    hit = probabilities.argmax(axis=1) == truth
    sums = np.zeros((len(numbers), probabilities.shape[1]))
    np.add.at(sums, of, probabilities)
    return TrialCounts(
        trial=numbers,
        label=truth[first],
        windows=np.bincount(of, minlength=len(numbers)),
        hits=np.bincount(of, weights=hit, minlength=len(numbers)).astype(np.int64),
        decided=sums.argmax(axis=1),
    )


def balanced_accuracy(counts: TrialCounts, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Mean recall over the labels, with an interval by drawing trials.

    See `draw_trials`, and `_widened` for what few trials cost.
    """
    return _estimate(counts, lambda hits, windows: (hits / windows).mean(axis=0), replicates, seed)


def accuracy(counts: TrialCounts, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Share of the windows that came out right, with an interval by drawing trials."""
    return _estimate(counts, lambda hits, windows: hits.sum(axis=0) / windows.sum(axis=0), replicates, seed)


def recall(counts: TrialCounts, label: int, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Share of a label's windows that came out right, with an interval by drawing its trials."""
    rows = counts.label == label
    mine = TrialCounts(counts.trial[rows], counts.label[rows], counts.windows[rows], counts.hits[rows],
                       counts.decided[rows])  # fmt: skip
    return accuracy(mine, replicates, seed)


def draw_trials(labels: Ints, replicates: int, seed: int) -> Ints:
    """How often each trial is drawn in each replicate of a cluster bootstrap.

    Of a label's n trials, n - 1 are drawn with replacement (Rao and Wu 1988): n would make the variance too small by
    (n - 1) / n. A label with a single trial keeps it.

    Parameters
    ----------
    labels : ndarray of int64, shape (trials,)
    replicates : int
    seed : int

    Returns
    -------
    ndarray of int64, shape (replicates, trials)
    """
    rng = np.random.default_rng([seed, 21])
    out = np.zeros((replicates, len(labels)), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = len(members)
        out[:, members] = 1 if count == 1 else rng.multinomial(count - 1, np.full(count, 1 / count), size=replicates)
    return out


def exact_interval(hits: int, trials: int, level: float = LEVEL) -> Estimate:
    """Share of trials that came out right, with its exact interval (Clopper and Pearson 1934)."""
    if trials == 0:
        return UNKNOWN
    found = stats.binomtest(hits, trials).proportion_ci(confidence_level=level, method="exact")
    return Estimate(hits / trials, float(found.low), float(found.high))


def binomial_p(counts: TrialCounts) -> float:
    """How often always saying the commonest label, or guessing, gets as many trials right (one-sided, exact)."""
    if len(counts) == 0:
        return 1.0
    chance = float(np.bincount(counts.label).max() / len(counts))
    chance = min(max(chance, 1 / max(len(np.unique(counts.label)), 1)), 1.0)
    right = int((counts.decided == counts.label).sum())
    return float(stats.binomtest(right, len(counts), chance, alternative="greater").pvalue)


def _estimate(counts: TrialCounts, figure: Callable[[Ints, Ints], Floats], replicates: int, seed: int) -> Estimate:
    """A figure of hits and windows, both of shape (labels, replicates), and its interval."""
    labels = np.unique(counts.label)
    if len(counts) == 0:
        return UNKNOWN
    member = counts.label[None, :] == labels[:, None]

    def value(drawn: Ints) -> Floats:
        hits = np.stack([(drawn * counts.hits)[:, rows].sum(axis=1) for rows in member])
        windows = np.stack([(drawn * counts.windows)[:, rows].sum(axis=1) for rows in member])
        return np.asarray(figure(hits, windows), dtype=np.float64)

    found = float(value(np.ones((1, len(counts)), dtype=np.int64))[0])
    if member.sum(axis=1).min() < 2:
        return Estimate(found, float("nan"), float("nan"))
    drawn = value(draw_trials(counts.label, replicates, seed))
    low, high = _widened(found, drawn, len(counts) - len(labels))
    return Estimate(found, low, high)


def _widened(found: float, drawn: Floats, freedom: int) -> tuple[float, float]:
    """Percentiles of the replicates, drawn away from the figure as Student's t is wider than the normal law."""
    tail = (1 - LEVEL) / 2
    widening = float(stats.t.ppf(1 - tail, max(freedom, 1)) / stats.norm.ppf(1 - tail))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return max(0.0, found + widening * float(low - found)), min(1.0, found + widening * float(high - found))


def plain(value: float) -> float | None:
    """A figure for JSON: None where it is not known."""
    return float(value) if np.isfinite(value) else None
