"""Causal smoothing of a view's features over windows; a missing window stays missing."""

from __future__ import annotations

from collections import deque
from typing import Literal, Protocol

import numpy as np

from rtemo.types import Floats

MAX_MISSING = 10
"""After this many windows without the view, smoothing begins anew."""


class Smoother(Protocol):
    """Takes the features of the windows in which the view is available, in order."""

    def update(self, index: int, features: Floats) -> Floats:
        """Smoothed features.

        Parameters
        ----------
        index : int
            Window number; those left out were missing.
        features : ndarray of float64, shape (features,)
            NaN for one that is unknown in this window: what is known of it from before stands.

        Returns
        -------
        ndarray of float64, shape (features,)
        """
        ...


class NoSmoothing:
    """Features as they are."""

    def update(self, index: int, features: Floats) -> Floats:
        """The same features."""
        return features


class KalmanSmoothing:
    """Each feature is a random walk seen through noise.

    This is the scalar linear dynamical system (LDS), filtered forward in time.
    With the variance of the noise as the unit, a step of the walk has the variance q, which alone sets the
    gain and needs no knowledge of a feature's scale. Missing windows add q each to the uncertainty and leave
    the estimate as it is.

    Parameters
    ----------
    step_variance : float
        q. The default averages over about four windows (gain 0.27).
    max_missing : int
        Begin anew after more missing windows than this.
    """

    def __init__(self, step_variance: float = 0.1, max_missing: int = MAX_MISSING) -> None:
        self._step_variance = step_variance
        self._max_missing = max_missing
        self._estimate: Floats = np.empty(0)
        self._variance: Floats = np.empty(0)
        self._seen: Floats = np.empty(0)

    def update(self, index: int, features: Floats) -> Floats:
        """Estimate after this window; a feature that is unknown for too long is unknown."""
        if not len(self._seen):
            self._estimate, self._variance = np.full(len(features), np.nan), np.ones(len(features))
            self._seen = np.full(len(features), -np.inf)
        known = ~np.isnan(features)
        # Windows since each feature was known.
        age = index - self._seen
        fresh = age > self._max_missing + 1
        predicted = self._variance + self._step_variance * np.where(fresh, 0.0, age)
        gain = predicted / (predicted + 1.0)
        moved = self._estimate + gain * (features - self._estimate)
        self._estimate = np.where(known, np.where(fresh, features, moved), np.where(fresh, np.nan, self._estimate))
        self._variance = np.where(known, np.where(fresh, 1.0, gain), self._variance)
        self._seen[known] = index
        return self._estimate.copy()


class MeanSmoothing:
    """Mean over the windows among the last few in which the view was available.

    Parameters
    ----------
    windows : int
        How many, this one included.
    """

    def __init__(self, windows: int = 5) -> None:
        self._windows = windows
        self._kept: deque[tuple[int, Floats]] = deque()

    def update(self, index: int, features: Floats) -> Floats:
        """Mean up to this window."""
        self._kept.append((index, features.copy()))
        while self._kept[0][0] <= index - self._windows:
            self._kept.popleft()
        rows = np.stack([kept for _, kept in self._kept])
        known = ~np.isnan(rows)
        count = known.sum(axis=0)
        total = np.where(known, rows, 0.0).sum(axis=0)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def make_smoother(kind: Literal["none", "kalman", "mean"]) -> Smoother:
    """A smoother by name, as in ``smoothing = "..."``."""
    if kind == "kalman":
        return KalmanSmoothing()
    if kind == "mean":
        return MeanSmoothing()
    return NoSmoothing()
