"""What is usual for each channel: its own calibration, or the other channels of the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtemo.types import Bools, Floats

MEASURES = ("amplitude", "line", "high")
FEWEST_WINDOWS = 10
"""Good windows without which a calibration says nothing of a channel."""

FEWEST_CHANNELS = 4
"""With fewer good channels, their median does not tell what is usual."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Means of the logarithms of amplitude, line ratio and high ratio over the good windows of each channel.

    Parameters
    ----------
    windows : ndarray of float64, shape (3, channels)
        How many windows each mean is of.
    mean : ndarray of float64, shape (3, channels)
        Of natural logarithms; 0 where there is no window.
    mending : ndarray of float64, shape (5, features), or None
        See `rtemo.features.mending`.
    """

    windows: Floats
    mean: Floats
    mending: Floats | None = None

    @classmethod
    def of_sums(cls, windows: Floats, sums: Floats) -> Reference:
        """From the number of windows and sums of the logarithms, both of shape (3, channels)."""
        return cls(windows.copy(), sums / np.maximum(windows, 1))

    @property
    def known(self) -> Bools:
        """Where there are windows enough, shape (3, channels)."""
        return self.windows >= FEWEST_WINDOWS


def join_references(references: Sequence[Reference]) -> Reference | None:
    """The reference of all their windows together; None of none, or where their channels differ in number."""
    if not references or len({reference.mean.shape for reference in references}) > 1:
        return None
    windows = np.stack([reference.windows for reference in references])
    total = np.maximum(windows.sum(axis=0), 1)
    means = np.stack([reference.mean for reference in references])
    mean = (windows * means).sum(axis=0) / total
    mending = [reference.mending for reference in references if reference.mending is not None]
    alike = len({sums.shape for sums in mending}) == 1
    return Reference(windows.sum(axis=0), mean, np.sum(mending, axis=0) if alike else None)


def median_of_channels(values: Floats) -> Floats:
    """Median of each row, NaN left out; NaN where fewer than `FEWEST_CHANNELS` are left.

    Parameters
    ----------
    values : ndarray of float64, shape (rows, channels)

    Returns
    -------
    ndarray of float64, shape (rows, 1)
    """
    count = np.isfinite(values).sum(axis=1)
    ordered, rows, last = np.sort(values, axis=1), np.arange(len(values)), values.shape[1] - 1
    middle = 0.5 * (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, last)])
    return np.asarray(np.where(count >= FEWEST_CHANNELS, middle, np.nan)[:, None])
