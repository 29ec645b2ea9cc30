"""What the held-out predictions of a calibration prove: the trial counts, not the window."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rtemo.types import Bools, Floats

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
    """Mean recall over the labels, with its interval: see `_estimate`."""
    return _estimate(counts, _alike(counts), replicates, seed)


def accuracy(counts: TrialCounts, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Share of the windows that came out right, with its interval.

    The labels' shares of the windows are those of the plan, and not drawn with the trials.
    """
    return _estimate(counts, _by_windows(counts), replicates, seed)


def recall(counts: TrialCounts, label: int, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Share of a label's windows that came out right, with its interval."""
    return accuracy(_rows(counts, counts.label == label), replicates, seed)


def difference(ours: TrialCounts, theirs: TrialCounts, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Balanced accuracy of one less that of another, with an interval by drawing the same trials for both.

    Gains and losses are bounded apart, as `_estimate` bounds a share: where two agree on every trial seen, they need
    not agree on the next.

    Parameters
    ----------
    ours, theirs : TrialCounts
        Of the same trials and windows.
    """
    moved = ours.hits - theirs.hits
    weights = _alike(ours)
    found, low, high = _by_drawing(replace(ours, hits=moved), weights, replicates, seed)
    if not np.isfinite(low):
        return Estimate(found, low, high)
    trials = effective_trials(ours, weights)
    ones = np.ones((1, len(ours)), dtype=np.int64)
    gained, lost = (
        float(redrawn(replace(ours, hits=np.maximum(sign * moved, 0)), weights, ones)[0]) for sign in (1, -1)
    )
    (least_gained, most_gained), (least_lost, most_lost) = (share_interval(x, trials) for x in (gained, lost))
    return Estimate(
        found,
        max(-1.0, min(low, found - math.hypot(gained - least_gained, most_lost - lost))),
        min(1.0, max(high, found + math.hypot(most_gained - gained, lost - least_lost))),
    )


def redrawn(counts: TrialCounts, weights: Floats, drawn: Ints) -> Floats:
    """Weighted mean over the labels of the share of windows that came out right, for each draw of trials.

    Parameters
    ----------
    counts : TrialCounts
    weights : ndarray of float64, shape (labels,)
        Of the labels that are there, in order.
    drawn : ndarray of int64, shape (replicates, trials)
        How often each trial counts.

    Returns
    -------
    ndarray of float64, shape (replicates,)
    """
    out = np.zeros(len(drawn))
    for label, weight in zip(np.unique(counts.label), weights, strict=True):
        rows = counts.label == label
        mine = drawn[:, rows]
        out += weight * (mine @ counts.hits[rows]) / (mine @ counts.windows[rows])
    return out


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
    return Estimate(hits / trials, *share_interval(hits / trials, trials, level))


def binomial_p(counts: TrialCounts) -> float:
    """How often always saying the commonest label, or guessing, gets as many trials right (one-sided, exact)."""
    if len(counts) == 0:
        return 1.0
    chance = float(np.bincount(counts.label).max() / len(counts))
    chance = min(max(chance, 1 / max(len(np.unique(counts.label)), 1)), 1.0)
    right = int((counts.decided == counts.label).sum())
    return float(stats.binomtest(right, len(counts), chance, alternative="greater").pvalue)


def share_interval(share: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a share of so many trials (Clopper and Pearson 1934); neither need be a whole number."""
    tail = (1 - level) / 2
    hits = share * trials
    low = float(stats.beta.ppf(tail, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def effective_trials(counts: TrialCounts, weights: Floats) -> float:
    """How many trials, each of the same weight, tell at least as little as these.

    A trial's share of windows right varies at most as if all of them came out alike, p (1 - p). Summed with weights
    that is at most the p (1 - p) of the mean, by the largest of the labels' (weight / trials). So labels of 12 and 3
    trials tell as much about their mean recall as 3 of each, if the errors lie with the rarer one.

    Parameters
    ----------
    counts : TrialCounts
    weights : ndarray of float64, shape (labels,)
    """
    each = [counts.windows[counts.label == label].astype(np.float64) for label in np.unique(counts.label)]
    alike = [float(windows.sum() ** 2 / (windows**2).sum()) for windows in each]
    return float(min(count / weight for count, weight in zip(alike, weights.tolist(), strict=True)))


def _estimate(counts: TrialCounts, weights: Floats, replicates: int, seed: int) -> Estimate:
    """Weighted mean recall and its interval: the wider of a cluster bootstrap and an exact one.

    Drawing trials anew knows how alike windows of a trial are, but nothing of what no trial has shown: where all came
    out right it says 100 to 100 %. The exact interval knows that, and takes windows of a trial to be all alike.
    """
    if len(counts) == 0:
        return UNKNOWN
    found, low, high = _by_drawing(counts, weights, replicates, seed)
    if not np.isfinite(low):
        return Estimate(found, low, high)
    least, most = share_interval(found, effective_trials(counts, weights))
    return Estimate(found, max(0.0, min(low, least)), min(1.0, max(high, most)))


def _by_drawing(counts: TrialCounts, weights: Floats, replicates: int, seed: int) -> tuple[float, float, float]:
    """A figure and its interval from drawn trials; no interval where a label has a single one."""
    found = float(redrawn(counts, weights, np.ones((1, len(counts)), dtype=np.int64))[0])
    if np.unique(counts.label, return_counts=True)[1].min() < 2:
        return found, float("nan"), float("nan")
    drawn = redrawn(counts, weights, draw_trials(counts.label, replicates, seed))
    return found, *widened(found, drawn, len(counts) - len(weights))


def widened(found: float, drawn: Floats, freedom: int, level: float = LEVEL) -> tuple[float, float]:
    """Percentiles of the replicates, drawn away from the figure as Student's t is wider than the normal law."""
    tail = (1 - level) / 2
    widening = float(stats.t.ppf(1 - tail, max(freedom, 1)) / stats.norm.ppf(1 - tail))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return found + widening * float(low - found), found + widening * float(high - found)


def _alike(counts: TrialCounts) -> Floats:
    labels = len(np.unique(counts.label))
    return np.full(labels, 1 / max(labels, 1))


def _by_windows(counts: TrialCounts) -> Floats:
    windows = np.array([counts.windows[counts.label == label].sum() for label in np.unique(counts.label)], dtype=float)
    return windows / max(float(windows.sum()), 1.0)


def _rows(counts: TrialCounts, rows: Bools) -> TrialCounts:
    return TrialCounts(counts.trial[rows], counts.label[rows], counts.windows[rows], counts.hits[rows],
                       counts.decided[rows])  # fmt: skip


def plain(value: float) -> float | None:
    """A figure for JSON: None where it is not known."""
    return float(value) if np.isfinite(value) else None
