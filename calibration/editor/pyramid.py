"""A whole recording as lowest and highest values, in bounded memory: coarse where it is long, never a peak lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Chunk, Floats, StreamDescription

Singles = NDArray[np.float32]
Numbers = NDArray[np.int64]

BUDGET_BYTES: Final = 192 * 2**20
"""Of all streams of a recording: an hour of 62 channels is kept in steps of 16 ms."""
FINEST_S: Final = 0.002
IRREGULAR_S: Final = 0.01
"""The finest step of a stream that does not say its rate."""
LEAST_ROWS: Final = 256
STEP: Final = 4
"""A level has this many times fewer rows than the one below."""
COARSEST_ROWS: Final = 2048
PIECE: Final = 1024
"""Rows that are merged in one go."""
HOLE_PERIODS, IRREGULAR_HOLE_S = 2.5, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Rows of one step: their numbers, and the lowest and highest values in each, of shape (rows, channels)."""

    bin_s: float
    number: Numbers
    low: Singles
    high: Singles


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is to be drawn: moments (points,), and lowest and highest values (points, channels); NaN in holes."""

    at_s: Floats
    low: Singles
    high: Singles


class Pyramid:
    """A stream at several resolutions.

    Parameters
    ----------
    stream : StreamDescription
    levels : list of Level
        The finest first.

    Attributes
    ----------
    stream : StreamDescription
    middle, height : ndarray of float32, shape (channels,)
        Where most of a channel lies over the whole recording, and how much of it that is; 0 and 1 where nothing came.
    """

    def __init__(self, stream: StreamDescription, levels: list[Level]) -> None:
        self.stream = stream
        self._levels = levels
        self.middle, self.height = _usual(levels[-1], stream.channels)
        rate_hz = stream.nominal_rate_hz
        self._hole_s = HOLE_PERIODS / rate_hz if rate_hz > 0 else IRREGULAR_HOLE_S

    @property
    def bin_s(self) -> float:
        """The finest step."""
        return self._levels[0].bin_s

    def __len__(self) -> int:
        return len(self._levels[0].number)

    @property
    def bytes(self) -> int:
        """Of memory."""
        return sum(part.nbytes for level in self._levels for part in (level.number, level.low, level.high))

    def between(self, start_s: float, stop_s: float, columns: int, channels: slice) -> Seen:
        """What to draw of a stretch, one point beyond each end included.

        Parameters
        ----------
        start_s, stop_s : float
            On the clock of the stamps.
        columns : int
            Not many more points than this are given.
        channels : slice
        """
        level, first, last = self._level(start_s, stop_s, columns)
        number = level.number[first:last]
        if not len(number):
            none: Singles = np.empty((0, len(range(*channels.indices(self.stream.channels)))), dtype=np.float32)
            return Seen(np.empty(0), none, none)
        low, high, bin_s = level.low[first:last, channels], level.high[first:last, channels], level.bin_s
        if len(number) > 2 * columns:
            factor = math.ceil(len(number) / columns)
            number, low, high = _coarser(number, low, high, factor)
            bin_s *= factor
        at_s = (number.astype(np.float64) + 0.5) * bin_s
        hole = np.flatnonzero(np.diff(at_s) > max(self._hole_s, bin_s) + bin_s) + 1
        if len(hole):
            at_s = np.insert(at_s, hole, at_s[hole - 1] + bin_s)
            low, high = np.insert(low, hole, np.nan, axis=0), np.insert(high, hole, np.nan, axis=0)
        return Seen(at_s, low, high)

    def _level(self, start_s: float, stop_s: float, columns: int) -> tuple[Level, int, int]:
        """The finest level that is not too fine for so many columns, and the rows of a stretch."""
        for level in self._levels:
            edges = np.array([math.floor(start_s / level.bin_s), math.floor(stop_s / level.bin_s) + 1])
            first, last = np.searchsorted(level.number, edges)
            if last - first <= 2 * STEP * columns or level is self._levels[-1]:
                return level, max(0, int(first) - 1), min(len(level.number), int(last) + 1)
        raise AssertionError("a pyramid has a level")


class Envelope:
    """Gathers a stream, chunk by chunk, into rows that become wider when there are too many of them.

    Parameters
    ----------
    stream : StreamDescription
    budget_bytes : int
        Of memory, for all levels.

    Attributes
    ----------
    left_out : int
        Samples that came after younger ones, and are not drawn.
    """

    def __init__(self, stream: StreamDescription, budget_bytes: int) -> None:
        self.stream = stream
        self.left_out = 0
        rate_hz = stream.nominal_rate_hz
        self._bin_s = max(1 / rate_hz, FINEST_S) if rate_hz > 0 else IRREGULAR_S
        row_bytes = 8 + 8 * stream.channels
        self._most = max(LEAST_ROWS, int(budget_bytes * (STEP - 1) / STEP / row_bytes))
        self._rows = 0
        first = min(self._most, 4096)
        self._number: Numbers = np.empty(first, dtype=np.int64)
        self._low: Singles = np.empty((first, stream.channels), dtype=np.float32)
        self._high: Singles = np.empty_like(self._low)

    def take(self, chunk: Chunk) -> None:
        """Take samples; those of a stream that came back with other channels are left out."""
        stamps_s, values = chunk.stamps_s, chunk.values
        if values.shape[1] != self.stream.channels:
            self.left_out += len(stamps_s)
            return
        number = np.floor(stamps_s / self._bin_s)
        newest = float(self._number[self._rows - 1]) if self._rows else -math.inf
        fits = number >= np.maximum.accumulate(np.concatenate(([newest], number)))[:-1]
        if not fits.all():
            self.left_out += len(fits) - int(np.count_nonzero(fits))
            number, values = number[fits], values[fits]
        if not len(number):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            singles = values.astype(np.float32)
        if not np.isfinite(singles).all():
            singles = np.where(np.isfinite(singles), singles, np.float32(np.nan))
        self._append(*_grouped(number.astype(np.int64), singles, singles))

    def finish(self) -> Pyramid:
        """All levels."""
        rows = self._rows
        levels = [Level(self._bin_s, self._number[:rows], self._low[:rows], self._high[:rows])]
        while len(levels[-1].number) > COARSEST_ROWS:
            below = levels[-1]
            levels.append(Level(STEP * below.bin_s, *_coarser(below.number, below.low, below.high, STEP)))
        return Pyramid(self.stream, levels)

    def _append(self, number: Numbers, low: Singles, high: Singles) -> None:
        last = self._rows - 1
        if self._rows and number[0] == self._number[last]:
            self._low[last] = np.fmin(self._low[last], low[0])
            self._high[last] = np.fmax(self._high[last], high[0])
            number, low, high = number[1:], low[1:], high[1:]
        while self._rows + len(number) > self._most:
            self._widen()
            number, low, high = _coarser(number, low, high, 2)
            if len(number) and self._rows and number[0] == self._number[self._rows - 1]:
                self._append(number, low, high)
                return
        stop = self._rows + len(number)
        if stop > len(self._number):
            self._allocate(min(self._most, max(stop, 2 * len(self._number))))
        self._number[self._rows : stop], self._low[self._rows : stop] = number, low
        self._high[self._rows : stop] = high
        self._rows = stop

    def _widen(self) -> None:
        rows = self._rows
        number, low, high = _coarser(self._number[:rows], self._low[:rows], self._high[:rows], 2)
        self._rows = len(number)
        self._number[: self._rows], self._low[: self._rows], self._high[: self._rows] = number, low, high
        self._bin_s *= 2

    def _allocate(self, rows: int) -> None:
        for name in ("_number", "_low", "_high"):
            old = getattr(self, name)
            new = np.empty((rows, *old.shape[1:]), dtype=old.dtype)
            new[: self._rows] = old[: self._rows]
            setattr(self, name, new)


def envelopes(streams: list[StreamDescription], budget_bytes: int = BUDGET_BYTES) -> dict[str, Envelope]:
    """An envelope for each stream of samples that is not rtemo's own, by key; each has its share of the memory."""
    drawn = [stream for stream in streams if not (stream.own or stream.is_text) and stream.channels]
    total = sum(stream.channels for stream in drawn)
    return {stream.key: Envelope(stream, budget_bytes * stream.channels // total) for stream in drawn}


def _grouped(number: Numbers, low: Singles, high: Singles) -> tuple[Numbers, Singles, Singles]:
    """Rows of the same number, which ascend, as one."""
    if not len(number):
        return number, low, high
    starts = np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1])))
    if len(starts) == len(number):
        return number, low, high
    stops = np.append(starts[1:], len(number))
    merged = np.empty((len(starts), low.shape[1]), dtype=np.float32), np.empty((len(starts), low.shape[1]), np.float32)
    # A piece at a time, for NumPy lets no other thread run meanwhile, and the window would stand still.
    for first in range(0, len(starts), PIECE):
        piece = slice(first, first + PIECE)
        begin, end = starts[first], stops[piece][-1]
        at = starts[piece] - begin
        # fmin and fmax pass over NaN.
        np.fmin.reduceat(low[begin:end], at, axis=0, out=merged[0][piece])
        np.fmax.reduceat(high[begin:end], at, axis=0, out=merged[1][piece])
    return number[starts], *merged


def _coarser(number: Numbers, low: Singles, high: Singles, factor: int) -> tuple[Numbers, Singles, Singles]:
    return _grouped(number // factor, low, high)


def _usual(level: Level, channels: int) -> tuple[Singles, Singles]:
    middle, height = np.zeros(channels, dtype=np.float32), np.ones(channels, dtype=np.float32)
    some = slice(None, None, max(1, len(level.number) // COARSEST_ROWS))
    low, high = level.low[some], level.high[some]
    for channel in range(channels):
        there = np.isfinite(low[:, channel])
        if there.any():
            bottom = float(np.percentile(low[there, channel], 5))
            top = float(np.percentile(high[there, channel], 95))
            middle[channel] = (bottom + top) / 2
            height[channel] = top - bottom if top > bottom else 1.0
    return middle, height
