"""Statistics of a window, for slow peripheral signals."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from rtemo.features.base import ClosingWindow, ExtractorSettings, Missing, ViewSource
from rtemo.features.cells import CellStore, not_finite
from rtemo.types import Floats

STATISTICS = ("mean", "std", "slope", "min", "max", "mean_abs_diff")


class StatisticsSettings(ExtractorSettings):
    """Settings of ``statistics``.

    Parameters
    ----------
    min_finite : float
        Share of each channel's samples in a window that must be finite; the others are left out. With the default of 1
        a single NaN makes the view missing; a tracker that sends NaN in blinks wants less.
    """

    min_finite: Annotated[float, Field(gt=0, le=1)] = 1.0


def window_statistics(stamps_s: Floats, values: Floats) -> Floats:
    """Statistics of one window.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
        Seconds.
    values : ndarray of float64, shape (samples, channels)
        In the stream's unit u.

    Returns
    -------
    ndarray of float64, shape (channels, 6)
        Mean, standard deviation (of the population), slope of the least-squares line over the stamps (u/s),
        minimum, maximum, and mean absolute difference of neighbours. Slope and difference of a single sample
        are 0.
    """
    count = len(values)
    # Plain reductions: the methods of the same names do as much again around them, and a window waits for this.
    result = np.empty((values.shape[1], len(STATISTICS)))
    mean = np.add.reduce(values) / count
    centred = values - mean
    time_s = stamps_s - np.add.reduce(stamps_s) / count
    spread = time_s @ time_s
    result[:, 0] = mean
    result[:, 2] = time_s @ centred / spread if spread > 0 else 0.0
    centred *= centred
    result[:, 1] = np.sqrt(np.add.reduce(centred) / count)
    result[:, 3] = np.minimum.reduce(values)
    result[:, 4] = np.maximum.reduce(values)
    change = values[1:] - values[:-1]
    result[:, 5] = np.add.reduce(np.abs(change, out=change)) / (count - 1) if count > 1 else 0.0
    return result


class Statistics:
    """Extractor ``statistics``: mean, std, slope, min, max and mean absolute difference of each channel.

    Parameters
    ----------
    settings : StatisticsSettings
    """

    Settings: ClassVar[type[BaseModel]] = StatisticsSettings

    def __init__(self, settings: StatisticsSettings) -> None:
        self._labels: tuple[str, ...] = ()
        self._store = CellStore()
        self._min_finite = settings.min_finite

    @property
    def names(self) -> tuple[str, ...]:
        """Channel by channel, e.g. ``"EDA:slope"``."""
        return tuple(f"{label}:{statistic}" for label in self._labels for statistic in STATISTICS)

    def reset(self, source: ViewSource) -> None:
        """Forget all samples."""
        self._labels = source.description.channel_labels
        self._store = CellStore()

    def begin_segment(self) -> None:
        """Nothing is carried from sample to sample."""

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep the samples."""
        self._store.push(cell, stamps_s, values)

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """Statistics, shape (channels * 6,), channel by channel."""
        kept = self._store.samples(window.cells)
        if kept is None:
            return Missing("no samples")
        stamps_s, values = kept
        finite = np.isfinite(values)
        if finite.all():
            return window_statistics(stamps_s, values).reshape(-1)
        if finite.mean(axis=0).min() < self._min_finite:
            return Missing(not_finite(self._labels, values))
        channels = [
            window_statistics(stamps_s[there], values[there, channel, None]) for channel, there in enumerate(finite.T)
        ]
        return np.concatenate(channels).reshape(-1)

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._store.discard(before)
