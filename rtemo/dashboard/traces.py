"""The newest seconds of a stream: as they came, and as lowest and highest value of each column of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.dashboard.history import Ring
from rtemo.types import Floats

Singles = NDArray[np.float32]

COLUMNS = 500
MAX_BYTES = 32_000_000
"""Of the samples that one stream may keep."""
IRREGULAR_HZ = 250.0
"""So many samples a second are kept of a stream that does not say how many come."""
HELD_PERIODS, HELD_S = 1.5, 2.0
"""So long the value of a slow stream is drawn on: beyond, the next one is missing. In seconds for irregular ones."""
NOTHING = -(2**60)
"""Number of a column that never is."""
RESET_AFTER = 2
"""So many batches in a row that are older than all that is kept mean that the clock was set, not that they are late."""


class SignalBuffer:
    """The newest seconds of a stream.

    Samples may come in pieces of any size. Those that come late still count for their column; the samples as they came
    (`latest`) leave them out. Memory is allocated once.

    Parameters
    ----------
    labels, units : sequence of str
        One a channel.
    rate_hz : float
        0 for an irregular stream.
    seconds : float
        That are kept.

    Attributes
    ----------
    labels, units : tuple of str
    rate_hz, seconds : float
    column_s : float
        Width of a column.
    revision : int
        Grows with every batch.
    late : int
        Samples that came after younger ones.
    """

    def __init__(self, labels: Sequence[str], units: Sequence[str], rate_hz: float, seconds: float = 10.0) -> None:
        self.labels, self.units = tuple(labels), tuple(units)
        self.rate_hz, self.seconds = rate_hz, seconds
        self.column_s = seconds / COLUMNS
        self.revision = 0
        self.late = 0
        channels = len(self.labels)
        rows = math.ceil((rate_hz if rate_hz > 0 else IRREGULAR_HZ) * seconds)
        # A tenth more: devices run faster than they say.
        rows = max(16, min(math.ceil(1.1 * rows), MAX_BYTES // max(4 * channels, 1)))
        self._stamps: Ring[np.float64] = Ring(rows, (), np.float64)
        self._values: Ring[np.float32] = Ring(rows, (channels,), np.float32)
        # One slot a column, in turns; `_held` says whose the slot is.
        self._low: Singles = np.full((COLUMNS, channels), np.nan, dtype=np.float32)
        self._high: Singles = np.full((COLUMNS, channels), np.nan, dtype=np.float32)
        self._held = np.full(COLUMNS, NOTHING, dtype=np.int64)
        self._newest = NOTHING
        self._old_batches = 0
        period_s = 1 / rate_hz if rate_hz > 0 else math.inf
        held_s = HELD_S if rate_hz <= 0 else HELD_PERIODS * period_s
        self._hold = 0 if 2 * period_s <= self.column_s else min(math.ceil(held_s / self.column_s), COLUMNS)

    def fits(self, labels: Sequence[str], units: Sequence[str], rate_hz: float) -> bool:
        """Whether a stream that says this of itself goes on in this buffer."""
        return (self.labels, self.units, self.rate_hz) == (tuple(labels), tuple(units), rate_hz)

    @property
    def newest_s(self) -> float:
        """The latest stamp; NaN before the first sample."""
        return float(self._stamps.rows[-1]) if len(self._stamps) else math.nan

    def append(self, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take samples, stamps (samples,) and values (samples, channels).

        Raises
        ------
        ValueError
            They are not as many, or not of as many channels.
        """
        if values.shape != (len(stamps_s), len(self.labels)):
            raise ValueError(f"values of shape {values.shape}, {(len(stamps_s), len(self.labels))} expected")
        columns = np.floor(stamps_s / self.column_s)
        # A column's number must be exact.
        sane = np.abs(columns) < 2**52
        if not sane.all():
            stamps_s, values, columns = stamps_s[sane], values[sane], columns[sane]
        if not len(stamps_s):
            return
        with np.errstate(over="ignore"):
            singles = values.astype(np.float32)
        if self._newest != NOTHING and self._clock_was_set(int(columns.max())):
            self._forget()
        self._keep(stamps_s, singles)
        self._draw(columns.astype(np.int64), singles)
        self.revision += 1

    def columns(self, until_s: float | None = None) -> tuple[Floats, Singles, Singles]:
        """What to draw.

        Parameters
        ----------
        until_s : float, optional
            The last column is that of this moment; that of the newest sample if it is not given, or NaN.

        Returns
        -------
        edges_s : ndarray of float64, shape (columns,)
            Where each column begins.
        low, high : ndarray of float32, shape (channels, columns)
            NaN where nothing came. The newest value of a stream with fewer samples than columns is carried on until the
            next one should have come. Copies.
        """
        known = until_s is not None and math.isfinite(until_s)
        last = math.floor(until_s / self.column_s) if until_s is not None and known else self._newest
        if last == NOTHING:
            last = -1
        numbers = np.arange(last - COLUMNS + 1, last + 1)
        slots = numbers % COLUMNS
        there = self._held[slots] == numbers
        low, high = self._low[slots], self._high[slots]
        if self._hold:
            low, high = _carried_on(low, high, there, self._hold)
        elif not there.all():
            low[~there] = high[~there] = np.nan
        edges_s: Floats = numbers.astype(np.float64) * self.column_s
        return edges_s, low.T, high.T

    def latest(self, seconds: float) -> tuple[Floats, Singles]:
        """Samples of the newest seconds as they came: stamps (samples,), ascending, and values (samples, channels).

        Views, good until samples are added.
        """
        stamps_s = self._stamps.rows
        if not len(stamps_s):
            return stamps_s, self._values.rows
        first = int(np.searchsorted(stamps_s, stamps_s[-1] - seconds, side="right"))
        return stamps_s[first:], self._values.rows[first:]

    def _clock_was_set(self, newest: int) -> bool:
        """Whether batches lie before all that is kept, again and again."""
        self._old_batches = self._old_batches + 1 if newest <= self._newest - COLUMNS else 0
        return self._old_batches >= RESET_AFTER

    def _forget(self) -> None:
        self._stamps.clear()
        self._values.clear()
        self._held[:] = NOTHING
        self._newest, self._old_batches = NOTHING, 0

    def _keep(self, stamps_s: Floats, values: Singles) -> None:
        last_s = self._stamps.rows[-1] if len(self._stamps) else -np.inf
        if stamps_s[0] > last_s and (len(stamps_s) == 1 or bool((stamps_s[1:] > stamps_s[:-1]).all())):
            self._stamps.extend(stamps_s)
            self._values.extend(values)
            return
        later = stamps_s > np.maximum.accumulate(np.concatenate(([last_s], stamps_s)))[:-1]
        self.late += len(later) - int(np.count_nonzero(later))
        self._stamps.extend(stamps_s[later])
        self._values.extend(values[later])

    def _draw(self, columns: NDArray[np.int64], values: Singles) -> None:
        if len(columns) > 1 and bool((columns[1:] < columns[:-1]).any()):
            order = np.argsort(columns, kind="stable")
            columns, values = columns[order], values[order]
        newest = max(self._newest, int(columns[-1]))
        if columns[0] <= newest - COLUMNS:
            kept = columns > newest - COLUMNS
            columns, values = columns[kept], values[kept]
            if not len(columns):
                return
        self._newest = newest
        starts = np.flatnonzero(np.concatenate(([True], columns[1:] != columns[:-1])))
        numbers = columns[starts]
        if not np.isfinite(values).all():
            values = np.where(np.isfinite(values), values, np.float32(np.nan))
        # fmin and fmax pass over NaN.
        low, high = np.fmin.reduceat(values, starts, axis=0), np.fmax.reduceat(values, starts, axis=0)
        slots = numbers % COLUMNS
        again = self._held[slots] == numbers
        if again.any():
            low[again] = np.fmin(low[again], self._low[slots[again]])
            high[again] = np.fmax(high[again], self._high[slots[again]])
        self._low[slots], self._high[slots], self._held[slots] = low, high, numbers


def _carried_on(low: Singles, high: Singles, there: NDArray[np.bool_], most: int) -> tuple[Singles, Singles]:
    """Empty columns with what the last one before them holds, so many columns long."""
    places = np.arange(len(there))
    source = np.maximum.accumulate(np.where(there, places, -1))
    carried = (source >= 0) & (places - source <= most)
    low, high = low[np.maximum(source, 0)], high[np.maximum(source, 0)]
    low[~carried] = high[~carried] = np.nan
    return low, high
