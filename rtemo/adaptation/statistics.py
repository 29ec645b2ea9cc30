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
"""Of the eigenvalues of a covariance; the model's inputs have a variance of about one, or less."""
PRIOR_RECORDINGS = 2.0
"""How many recordings' worth the prior on differences between recordings counts."""
PRIOR_SHIFT = 0.35
"""Standard deviation, in those of the windows, by which recordings differ where nothing is known of it."""
SWEEPS, SETTLED = 200, 1e-9
"""Of the least squares: at most so many, until nothing moves more than this."""


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
    means, shifts = _additive(cells)
    within = _regular(_covariance(residuals))
    between = np.diag(PRIOR_SHIFT**2 * (np.diag(within) + means.var(axis=0)))
    for where in slices:
        freedom = _freedom(np.isfinite(cells[:, :, where.start]))
        if freedom:
            found = _regular(_covariance(shifts[:, where]) * np.isfinite(shifts[:, where.start]).sum() / freedom)
            between[where, where] = (freedom * found + PRIOR_RECORDINGS * between[where, where]) / (
                freedom + PRIOR_RECORDINGS
            )
    return CalibrationStatistics(means, within, between, max(trial, 1.0))


def _additive(cells: Floats) -> tuple[Floats, Floats]:
    """Class means (K, D) and shifts of recordings (R, D) from the means of both (R, K, D), by least squares.

    A recording that lacks a class so does not move the classes apart. Shifts are 0 on average, and NaN where a
    recording has nothing.
    """
    shifts = np.zeros((len(cells), cells.shape[2]))
    for _ in range(SWEEPS):
        means = _nanmean(cells - shifts[:, None])
        moved = _nanmean(np.swapaxes(cells - means, 0, 1))
        moved -= np.nan_to_num(_nanmean(moved))
        done = np.nanmax(np.abs(moved - shifts), initial=0.0) < SETTLED
        shifts = moved
        if done:
            break
    means = _nanmean(cells - shifts[:, None])
    # A class that was never seen with a view is where the others are on average: nothing is known of it.
    return np.where(np.isfinite(means), means, np.nan_to_num(_nanmean(means))), shifts


def _freedom(there: Bools) -> int:
    """How many differences between recordings the design (R, K) tells: recordings that share no class tell none."""
    # Of the graph that joins recordings with their classes: its rank is that of its nodes less one for each part.
    recording, label = np.nonzero(there)
    joined = np.hstack([np.eye(len(there))[recording], -np.eye(there.shape[1])[label]])
    return int(np.linalg.matrix_rank(joined)) - int(there.any(axis=0).sum()) if len(joined) else 0


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
