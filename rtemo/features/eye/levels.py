"""What some value usually is, by the values of the last seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from rtemo.types import Floats

BIN_S = 0.5
BINS = 20
LEAST_VALUES = 5
"""A bin with fewer values says nothing."""


class TrailingLevel:
    """The median, over the last ten seconds, of a figure for each half second of the clock.

    Parameters
    ----------
    figure : callable
        Of the values of half a second, in ascending order.

    Attributes
    ----------
    level : float
        NaN until half a second is over.
    """

    def __init__(self, figure: Callable[[Floats], float]) -> None:
        self._figure = figure
        self._bin: int | None = None
        self._values: list[Floats] = []
        self._figures: deque[float] = deque(maxlen=BINS)
        self.level = math.nan

    def enter(self, number: int) -> None:
        """The values to come are of this half second, counted from the clock's zero."""
        if number == self._bin:
            return
        if self._values:
            values = np.concatenate(self._values)
            values.sort()
            # What is NaN is sorted behind all else.
            values = values[: len(values) - np.count_nonzero(np.isnan(values))]
            if len(values) >= LEAST_VALUES:
                self._figures.append(self._figure(values))
                figures = sorted(self._figures)
                half = len(figures) // 2
                self.level = (figures[half] + figures[-1 - half]) / 2
        self._bin, self._values = number, []

    def add(self, values: Floats) -> None:
        """Take values of the half second; NaN is none."""
        self._values.append(values)
