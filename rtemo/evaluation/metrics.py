"""How good predictions are: the figures that every report prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

CALIBRATION_BINS = 15
LEAST_LIKELY = 1e-12
"""No probability counts as less in the likelihood: a method that is certain and wrong is not infinitely wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Figures of one condition.

    Parameters
    ----------
    accuracy : float
    balanced_accuracy : float
        Mean recall over the classes that occur.
    macro_f1 : float
        Mean F1 over the classes that occur or are predicted.
    ece : float
        Expected calibration error: mean distance of confidence from accuracy over 15 equal bins (Guo et al. 2017).
    windows : int
        Windows that were counted. All figures are NaN where this is 0.
    confusion : ndarray of int64, shape (labels, labels)
        Rows true, columns predicted.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    ece: float
    windows: int
    confusion: NDArray[np.int64]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; a figure of no window is null."""
        figures = {name: getattr(self, name) for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece")}
        plain: dict[str, object] = {name: (float(v) if np.isfinite(v) else None) for name, v in figures.items()}
        return {**plain, "windows": self.windows, "confusion": self.confusion.tolist()}


def score(truth: NDArray[np.int64], probabilities: Floats) -> Scores:
    """Figures of predictions against the truth.

    Parameters
    ----------
    truth : ndarray of int64, shape (windows,)
        Index of the true label.
    probabilities : ndarray of float64, shape (windows, labels)

    Returns
    -------
    Scores
    """
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes), dtype=np.int64)
    if len(truth) == 0:
        nan = float("nan")
        return Scores(nan, nan, nan, nan, 0, confusion)
    predicted = probabilities.argmax(axis=1)
    np.add.at(confusion, (truth, predicted), 1)
    hits = np.diag(confusion)
    occur, said = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits[occur > 0] / occur[occur > 0]
    counted = (occur + said) > 0
    f1 = 2.0 * hits[counted] / (occur + said)[counted]
    return Scores(
        accuracy=float(hits.sum() / len(truth)),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        ece=expected_calibration_error(truth, probabilities),
        windows=len(truth),
        confusion=confusion,
    )


def expected_calibration_error(truth: NDArray[np.int64], probabilities: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance of confidence from accuracy, weighted by the windows of each confidence bin (Guo et al. 2017).

    Parameters
    ----------
    truth : ndarray of int64, shape (windows,)
    probabilities : ndarray of float64, shape (windows, labels)
    bins : int
        Equal bins of confidence over 0 to 1.

    Returns
    -------
    float
        0 to 1.
    """
    found = reliability(truth, probabilities, bins)
    there = found.windows > 0
    distance = found.windows * np.abs(found.confidence - found.accuracy)
    return float(distance[there].sum() / len(truth))


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Windows by how confident a prediction was, in equal bins of confidence over 0 to 1.

    Parameters
    ----------
    confidence, accuracy : ndarray of float64, shape (bins,)
        Mean confidence of a bin's windows, and how many of them were right; NaN in an empty bin.
    windows : ndarray of int64, shape (bins,)
    """

    confidence: Floats
    accuracy: Floats
    windows: NDArray[np.int64]


def reliability(truth: NDArray[np.int64], probabilities: Floats, bins: int = CALIBRATION_BINS) -> Reliability:
    """How often predictions were right, by their confidence.

    Parameters
    ----------
    truth : ndarray of int64, shape (windows,)
    probabilities : ndarray of float64, shape (windows, labels)
    bins : int
    """
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    each = np.where(count > 0, count, np.nan)
    return Reliability(np.bincount(place, confidence, bins) / each, np.bincount(place, hit, bins) / each, count)


def mean_log_likelihood(truth: NDArray[np.int64], probabilities: Floats) -> float:
    """Mean logarithm of the true label's probability, nats, none of which counts as less than 1e-12.

    Parameters
    ----------
    truth : ndarray of int64, shape (windows,)
    probabilities : ndarray of float64, shape (windows, labels)
    """
    likelihood = np.clip(probabilities[np.arange(len(truth)), truth], LEAST_LIKELY, 1.0)
    return float(np.log(likelihood).mean())
