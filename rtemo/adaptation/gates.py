"""Which windows may teach: their signal, their views, the model's confidence, and how new they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from rtemo.adaptation.statistics import CalibrationStatistics
from rtemo.config import AdaptationSettings
from rtemo.types import Bools, Floats

NOVELTY: Final = "novelty"
USUAL = 0.999
"""Quantile of calibration's distances that counts as usual."""


class Refusal(NamedTuple):
    """Why a window teaches nothing: a word, what was found, and what is allowed."""

    reason: str
    found: float
    limit: float


class Gates:
    """Judges windows one by one.

    Parameters
    ----------
    statistics : CalibrationStatistics
    slices : sequence of slice
        Where each view lies in the model's inputs.
    calibration : ndarray of float64, shape (windows, D)
        Model inputs of calibration, to know what is usual.
    available : ndarray of bool, shape (windows, V)
    settings : AdaptationSettings
    """

    def __init__(
        self,
        statistics: CalibrationStatistics,
        slices: Sequence[slice],
        calibration: Floats,
        available: Bools,
        settings: AdaptationSettings,
    ) -> None:
        self._means, self._slices, self._settings = statistics.means, tuple(slices), settings
        spread = statistics.within + statistics.between
        self._precisions = [np.linalg.inv(spread[where, where]) for where in self._slices]
        self._usual = [
            float(np.quantile(self._distance(calibration[available[:, view]], view), USUAL))
            if available[:, view].any()
            else np.inf
            for view in range(len(self._slices))
        ]

    def check(self, x: Floats, available: Bools, confidence: float, bad: Floats) -> Refusal | None:
        """Why a window may not teach; None where it may.

        Parameters
        ----------
        x : ndarray of float64, shape (D,)
            Model inputs, recentred.
        available : ndarray of bool, shape (V,)
        confidence : float
            Probability of the likeliest label.
        bad : ndarray of float64, shape (V,)
            Fraction of each view's channels that are bad.
        """
        if not available.any():
            return Refusal("no view", 0.0, 1.0)
        worst = float(bad[available].max())
        if not worst <= self._settings.max_bad_channels:
            return Refusal("signal quality", worst, self._settings.max_bad_channels)
        if not confidence >= self._settings.min_confidence:
            return Refusal("confidence", confidence, self._settings.min_confidence)
        novelty = max(self.novelty(x, view) for view in np.flatnonzero(available).tolist())
        if not novelty <= self._settings.max_novelty:
            return Refusal(NOVELTY, novelty, self._settings.max_novelty)
        return None

    def novelty(self, x: Floats, view: int) -> float:
        """Distance of a view from its nearest label, in what is usual for calibration; x of shape (D,)."""
        return float(self._distance(x[None], view)[0]) / max(self._usual[view], 1e-12)

    def _distance(self, x: Floats, view: int) -> Floats:
        """Mahalanobis distance of each window to the nearest class mean; x of shape (windows, D)."""
        where = self._slices[view]
        from_means = x[:, None, where] - self._means[:, where]
        squares = (from_means @ self._precisions[view] * from_means).sum(axis=2)
        return np.asarray(np.sqrt(squares.min(axis=1)))
