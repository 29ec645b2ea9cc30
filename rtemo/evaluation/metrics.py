"""How good predictions are: the figures that every report prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

CALIBRATION_BINS = 15


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
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    distance = np.abs(np.bincount(bin_of, confidence, bins) - np.bincount(bin_of, hit, bins))
    return float(distance[count > 0].sum() / len(truth))
