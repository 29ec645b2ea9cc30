"""What calibration says of the model's inputs: class means, how windows scatter, how recordings differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Bools, Floats

Ints = NDArray[np.int64]

SHRINK = 0.2
"""Share of its own diagonal that a covariance is mixed with: calibration is short."""
FLOOR = 1e-3
PRIOR_RECORDINGS = 2.0
"""How many recordings' worth the prior on differences between recordings counts."""
PRIOR_SHIFT = 0.35
"""Standard deviation, in those of the windows, by which recordings differ where nothing is known of it."""


@dataclass(frozen=True)
class CalibrationStatistics:
    """Moments of labelled calibration windows, in the model's input space (after the front end).

    Parameters
    ----------
    means : ndarray of float64, shape (K, D)
        Of the classes; a class has the same say in each recording.
    within : ndarray of float64, shape (D, D)
        Covariance of windows around the mean of their class in their recording.
    between : ndarray of float64, shape (D, D)
        Covariance of what recordings differ by, classes taken alike: the prior of a session's shift. No covariance
        between views: a view that is missing is not shifted by what another one does.
    trial : float
        Windows a trial, on average. Neighbours are alike: the windows of a trial count as one observation.
    """

    means: Floats
    within: Floats
    between: Floats
    trial: float

    @property
    def centre(self) -> Floats:
        """Mean of the class means, (D,)."""
        return np.asarray(self.means.mean(axis=0))

    @property
    def spread(self) -> Floats:
        """Standard deviation of each input with classes in balance, (D,)."""
        return np.asarray(np.sqrt(np.diag(self.within) + self.means.var(axis=0)))


def fit_statistics(
    x: Floats, available: Bools, labels: Ints, recordings: Ints, slices: Sequence[slice], trial: float
) -> CalibrationStatistics:
    """Moments of calibration windows.

    Parameters
    ----------
    x : ndarray of float64, shape (windows, D)
        Model inputs; anything at all in missing views.
    available : ndarray of bool, shape (windows, V)
    labels, recordings : ndarray of int64, shape (windows,)
        Every class occurs.
    slices : sequence of slice
        Where each view lies in x.
    trial : float
        Windows a trial.
    """
    x = np.where(_by_input(available, slices), x, np.nan)
    classes, names = int(labels.max()) + 1, np.unique(recordings)
    cells = np.full((len(names), classes, x.shape[1]), np.nan)
    residuals = np.full_like(x, np.nan)
    for r, name in enumerate(names):
        for k in range(classes):
            rows = (recordings == name) & (labels == k)
            cells[r, k] = _nanmean(x[rows])
            residuals[rows] = x[rows] - cells[r, k]
    means = np.nan_to_num(_nanmean(cells))
    shifts = _nanmean(np.swapaxes(cells - means, 0, 1))
    within = _regular(_covariance(residuals))
    between = np.diag(PRIOR_SHIFT**2 * (np.diag(within) + means.var(axis=0)))
    freedom = int(np.isfinite(shifts).any(axis=1).sum()) - 1
    if freedom > 0:
        found = _regular(_covariance(shifts) * (freedom + 1) / freedom)
        for where in slices:
            between[where, where] = (freedom * found[where, where] + PRIOR_RECORDINGS * between[where, where]) / (
                freedom + PRIOR_RECORDINGS
            )
    return CalibrationStatistics(means, within, between, max(trial, 1.0))


def _by_input(available: Bools, slices: Sequence[slice]) -> Bools:
    return np.repeat(available, [where.stop - where.start for where in slices], axis=1)


def _nanmean(x: Floats) -> Floats:
    """Mean over the first axis of what is there; NaN where nothing is."""
    there = np.isfinite(x)
    count = there.sum(axis=0)
    return np.asarray(np.where(count > 0, np.where(there, x, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan))


def _covariance(centred: Floats) -> Floats:
    """Second moments, each over the rows that hold both inputs."""
    there = np.isfinite(centred)
    filled = np.where(there, centred, 0.0)
    return np.asarray(filled.T @ filled / np.maximum(there.T.astype(float) @ there, 1.0))


def _regular(covariance: Floats) -> Floats:
    """A covariance mixed with its diagonal, and positive definite whatever pairs were missing."""
    mixed = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
    values, vectors = np.linalg.eigh(mixed)
    return np.asarray((vectors * np.maximum(values, FLOOR)) @ vectors.T)
