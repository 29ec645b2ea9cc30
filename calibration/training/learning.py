"""The learning curve, and whether five more minutes of calibration would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.training.crossval import CurvePoint
from calibration.training.statistics import (
    REPLICATES,
    UNKNOWN,
    Estimate,
    balanced_accuracy,
    count_trials,
    draw_trials,
    redrawn,
    widened,
)
from rtemo.types import Bools, Floats

MORE_MINUTES = 5.0
WORTH = 0.02
"""A gain of balanced accuracy that more minutes are worth sitting through."""
LEVEL = 0.90
FURTHEST = 2.25
"""Times the minutes at hand up to which the curve is believed."""
CURVATURE = -0.5
"""Power of the number of minutes by which the distance to the best that can be reached falls."""

Answer = Literal["yes", "hardly", "unknown"]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """Balanced accuracy of models that learnt from a part of the trials."""

    trials: float
    minutes: float
    balanced_accuracy: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """A learning curve and where it leads.

    Parameters
    ----------
    points : tuple of LearningPoint
    minutes : float
        Labelled minutes of the whole calibration, from which the model for use learns.
    gain : Estimate
        Of balanced accuracy by `MORE_MINUTES` more, with its 90 % interval.
    would_help : "yes", "hardly" or "unknown"
        ``yes``: the gain is `WORTH` or more, and even the interval's lower end is a gain. ``hardly``: even its upper
        end is below `WORTH`, or all held-out windows came out right. ``unknown``: else, and wherever five more minutes
        lie `beyond` what the curve can tell.
    ceiling, slope : float
        Of ``ceiling - slope / sqrt(minutes)``; NaN with fewer than two points.
    """

    points: tuple[LearningPoint, ...]
    minutes: float
    gain: Estimate
    would_help: Answer
    ceiling: float
    slope: float

    def at(self, minutes: Floats) -> Floats:
        """The fitted curve."""
        return np.clip(self.ceiling - self.slope * minutes**CURVATURE, 0.0, 1.0)

    @property
    def beyond(self) -> bool:
        """Whether `MORE_MINUTES` more are further than the curve is believed."""
        return self.minutes + MORE_MINUTES > FURTHEST * self.minutes

    @property
    def perfect(self) -> bool:
        """Whether every held-out window came out right."""
        return bool(self.points) and self.points[-1].balanced_accuracy.value >= 1 - 1e-9

    @property
    def sentence(self) -> str:
        """The answer in words."""
        if not np.isfinite(self.gain.value):
            return "There are too few trials for a learning curve."
        if self.perfect:
            return (
                "All held-out windows came out right: there is nothing left to gain on these trials, whatever other "
                "trials might show."
            )
        if self.beyond:
            return (
                f"{MORE_MINUTES:g} more minutes of stimuli lie far beyond the {self.minutes:.1f} at hand: whether they "
                "would help cannot be told from these trials."
            )
        told = (
            f"{MORE_MINUTES:g} more minutes of stimuli are expected to change balanced accuracy by "
            f"{100 * self.gain.value:+.0f} points (90 % interval {100 * self.gain.low:+.0f} to "
            f"{100 * self.gain.high:+.0f})"
        )
        meaning = {
            "yes": "they would help",
            "hardly": "they would hardly help",
            "unknown": "whether they would help cannot be told from these trials",
        }[self.would_help]
        return f"{told}: {meaning}."

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        points = [
            {"trials": p.trials, "minutes": p.minutes, "balanced_accuracy": p.balanced_accuracy.to_dict()}
            for p in self.points
        ]
        return {
            "points": points,
            "minutes": self.minutes,
            "gain_of_five_minutes": self.gain.to_dict(),
            "would_help": self.would_help,
        }


def learning_curve(
    curve: Sequence[CurvePoint], truth: Ints, trial: Ints, seen: Bools, minutes: float, seed: int = 0
) -> LearningCurve:
    """Fit ``ceiling - slope / sqrt(minutes)`` to the points, and to the points of redrawn trials.

    The interval knows how much hangs on the trials that are predicted, not how much on those that were learnt from.

    Parameters
    ----------
    curve : sequence of CurvePoint
    truth, trial : ndarray of int64, shape (windows,)
    seen : ndarray of bool, shape (windows,)
        Windows that count.
    minutes : float
        See `LearningCurve`.
    seed : int
    """
    counted = [count_trials(truth[seen], trial[seen], point.probabilities[seen]) for point in curve]
    points = tuple(
        LearningPoint(point.trials, point.minutes, balanced_accuracy(counts, seed=seed))
        for point, counts in zip(curve, counted, strict=True)
    )
    if len(points) < 2 or min(point.minutes for point in points) <= 0 or minutes <= 0:
        return LearningCurve(points, minutes, UNKNOWN, "unknown", float("nan"), float("nan"))
    # Every trial is predicted at every point: the same draw serves them all, and their differences are paired.
    drawn = np.vstack([np.ones((1, len(counted[0])), dtype=np.int64), draw_trials(counted[0].label, REPLICATES, seed)])
    labels = len(np.unique(counted[0].label))
    alike = np.full(labels, 1 / labels)
    values = np.stack([redrawn(counts, alike, drawn) for counts in counted], axis=1)
    at = np.array([point.minutes for point in points]) ** CURVATURE
    centred = at - at.mean()
    slopes = -(values @ centred) / (centred @ centred)
    ceilings = values.mean(axis=1) + slopes * at.mean()
    now, then = (
        np.clip(ceilings - slopes * length**CURVATURE, 0.0, 1.0) for length in (minutes, minutes + MORE_MINUTES)
    )
    gains = then - now
    low, high = widened(float(gains[0]), gains[1:], len(counted[0]) - labels, LEVEL)
    most = 1 - float(now[0])
    gain = Estimate(float(gains[0]), max(low, -float(now[0])), min(high, most))
    found = LearningCurve(points, minutes, gain, "unknown", float(ceilings[0]), float(slopes[0]))
    return replace(found, would_help=_answer(found))


def _answer(curve: LearningCurve) -> Answer:
    gain = curve.gain
    if curve.perfect:
        return "hardly"
    if curve.beyond:
        return "unknown"
    if gain.low > 0 and gain.value >= WORTH:
        return "yes"
    return "hardly" if gain.high < WORTH else "unknown"
