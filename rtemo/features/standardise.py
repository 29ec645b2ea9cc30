"""Standardising features by the mean and standard deviation of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rtemo.types import Bools, Floats

CLAMP = 8.0
"""Standardised features are kept within plus and minus this."""

RELATIVE_FLOOR = 1e-9
"""A standard deviation below this fraction of the mean is rounding: such a feature counts as constant."""


@dataclass(frozen=True, slots=True)
class Standardiser:
    """Mean and standard deviation of each feature of each view.

    Parameters
    ----------
    mean, std : mapping of str to ndarray of float64, shape (features,)
        By view, in the features' own units. A std of 0 marks a feature that never changed: it becomes 0. NaN
        marks one of which nothing was seen: it becomes 0 too.
    """

    mean: Mapping[str, Floats]
    std: Mapping[str, Floats]

    @classmethod
    def fit(cls, features: Mapping[str, Floats], available: Mapping[str, Bools]) -> Standardiser:
        """Mean and standard deviation over available windows, leaving NaN out.

        Parameters
        ----------
        features : mapping of str to ndarray of float64, shape (windows, features)
        available : mapping of str to ndarray of bool, shape (windows,)
        """
        means, stds = {}, {}
        for view, values in features.items():
            rows = values[available[view]]
            seen = np.isfinite(rows)
            count = seen.sum(axis=0)
            safe = np.maximum(count, 1)
            mean = np.where(seen, rows, 0.0).sum(axis=0) / safe
            std = np.sqrt(np.where(seen, (rows - mean) ** 2, 0.0).sum(axis=0) / safe)
            std = np.where(std <= RELATIVE_FLOOR * np.abs(mean), 0.0, std)
            means[view] = np.where(count > 0, mean, np.nan)
            stds[view] = np.where(count > 0, std, np.nan)
        return cls(means, stds)

    def transform(self, view: str, features: Floats) -> Floats:
        """Standardised features, clamped to plus and minus 8.

        Parameters
        ----------
        view : str
        features : ndarray of float64, shape (..., features)

        Returns
        -------
        ndarray of float64, shape (..., features)
            All NaN where all features are, as of a missing view; a single NaN becomes 0, the mean of calibration.
        """
        mean, std = self.mean[view], self.std[view]
        known = std > 0
        scaled = (features - np.where(known, mean, 0.0)) / np.where(known, std, 1.0)
        scaled = np.where(known, np.clip(scaled, -CLAMP, CLAMP), 0.0)
        unknown = np.isnan(features)
        scaled[unknown] = 0.0
        scaled[unknown.all(axis=-1)] = np.nan
        return scaled
