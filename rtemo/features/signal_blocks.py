"""What is measured of a signal in blocks of about half a second: extremes, repeats, and power around a few frequencies.

A window's verdict comes from its blocks, so that windows may overlap or be any length at no further cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.features.dft import Singles
from rtemo.grid import Grid
from rtemo.types import Bools, Floats

BLOCK_S = 0.4
"""Blocks are at least this long, and less than twice as long: a bin of their spectrum is about 2 Hz wide."""

FEWEST_SAMPLES = 16
MULTIPLE = 4
"""Blocks are a multiple of so many samples."""

FILLED = 0.8
"""Blocks fill this share of a cell, as a stream may be slower than it says: the usual ``min_coverage``."""

STEADY = 3
"""An excess lasts if so many blocks in a row show it: blinks fill no more than two."""

FOLDS = 16

LOW_HZ = tuple(2.5 * i for i in range(1, 13))
LINE_HZ = (50.0, 60.0)
HIGH_HZ = tuple(70.0 + 5 * i for i in range(6))
LOWER_HIGH_HZ = (35.0, 37.5, 40.0, 42.5)
MARGIN_HZ = 2.5

SAMPLES, REPEATS, AT_TOP, AT_BOTTOM, LOW, LINE, HIGH, TOP, BELOW, SPREAD = range(10)
"""Rows of what is measured of a block: those that add up, then its largest value, minus its smallest, and their sum."""


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """Powers of a block around some frequencies as one matrix product, and how they add up.

    Parameters
    ----------
    rows : ndarray of float32, shape (2 * frequencies, samples)
        Hann window times cosine, then sine, made orthogonal to constant and trend: as if the block had been detrended
        by least squares and windowed.
    low, line, high : slice
        Frequencies of each kind: 2.5 to 30 Hz every 2.5 Hz; 50 and 60 Hz; 70 to 95 Hz every 5 Hz or, at a rate that
        does not reach so far, 35 to 42.5 Hz every 2.5 Hz.
    """

    rows: Singles
    low: slice
    line: slice
    high: slice

    @classmethod
    def of(cls, rate_hz: float, samples: int) -> PowerPlan | None:
        """The plan for blocks of a regular stream; None where the rate reaches neither line nor high frequencies."""

        def reached(wanted: tuple[float, ...]) -> list[float]:
            return [hz for hz in wanted if hz + MARGIN_HZ <= rate_hz / 2]

        low, line = reached(LOW_HZ), reached(LINE_HZ)
        high = next((list(band) for band in (HIGH_HZ, LOWER_HIGH_HZ) if len(reached(band)) == len(band)), [])
        if not (line or high):
            return None
        time = np.arange(samples) - samples / 2
        hann = 0.5 + 0.5 * np.cos(2 * np.pi * time / samples)
        angle = 2 * np.pi / rate_hz * np.outer([*low, *line, *high], time)
        rows = hann * np.concatenate([np.cos(angle), np.sin(angle)])
        trend, _ = np.linalg.qr(np.stack([np.ones(samples), time], axis=1))
        rows -= (rows @ trend) @ trend.T
        # The density is 2 |X|^2 / (rate sum hann^2). A band is the sum of that times the spacing, a line is it times
        # the window's noise bandwidth, which for a sine is half its squared amplitude.
        density = 2 / (rate_hz * np.sum(hann**2))
        spacing = high[1] - high[0] if high else 0.0
        weights = [density * 2.5] * len(low) + [2 / np.sum(hann) ** 2] * len(line) + [density * spacing] * len(high)
        rows *= np.sqrt(np.tile(weights, 2))[:, None]
        first, second = len(low), len(low) + len(line)
        return cls(rows.astype(np.float32), slice(0, first), slice(first, second), slice(second, len(weights)))

    def powers(self, samples: Singles, out: Floats) -> None:
        """Powers of low frequencies, of the stronger line, and of high frequencies, into three rows of channels.

        0 where the rate does not reach.
        """
        parts = self.rows @ samples
        parts *= parts
        half = len(parts) // 2
        power = parts[:half] + parts[half:]
        np.add.reduce(power[self.low], axis=0, out=out[0])
        np.maximum.reduce(power[self.line], axis=0, out=out[1], initial=0.0)
        np.add.reduce(power[self.high], axis=0, out=out[2])


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    cell: int
    segment: int
    measures: Floats


class SignalBlocks:
    """Cuts the samples of a view into blocks and measures each.

    Parameters
    ----------
    channels : int
    rate_hz : float
        0 for an irregular stream, whose blocks hold 16 samples and have no powers.
    grid : Grid

    Notes
    -----
    Where four fifths of every cell are at least `BLOCK_S` long, blocks are counted from the beginning of the cell and
    fill that much of the shortest one: the blocks of a window then hold its own samples only. With shorter cells they
    are counted from the beginning of the segment, and a block belongs to the cell that it ends in.

    What is behind the last full block when a cell ends is the cell's tail, of which only the range is measured.
    """

    def __init__(self, channels: int, rate_hz: float, grid: Grid) -> None:
        cells = grid.cells(0)
        shortest_s = min(grid.cell_start_s(cell + 1) - grid.cell_start_s(cell) for cell in cells)
        # A thousandth of a sample makes up for rounding.
        filled = FILLED * rate_hz * shortest_s + 1e-3
        least = max(float(FEWEST_SAMPLES), BLOCK_S * rate_hz)
        parts = math.floor(filled / least)
        self._by_cell = parts >= 1
        block = math.floor(filled / parts) if self._by_cell else math.ceil(least - 1e-3)
        self.block = block // MULTIPLE * MULTIPLE
        self._grid = grid
        self._plan = PowerPlan.of(rate_hz, self.block) if rate_hz > 0 else None
        self._buffer: NDArray[Any] = np.empty((self.block, channels), dtype=np.float32)
        self._centred = np.empty((self.block, channels), dtype=np.float32)
        self._same = np.zeros((self.block, channels), dtype=np.bool_)
        self._filled = 0
        self._range: Floats | None = None
        self._pieces: list[tuple[int, int]] = []
        self._cell: int | None = None
        self._segment = 0
        self._segments: list[tuple[int, int]] = []
        self._blocks: list[_Block] = []
        self._idle = 0
        self._tails: dict[int, Floats] = {}
        self._broken: dict[int, Bools] = {}

    @property
    def has_powers(self) -> bool:
        """Whether the rate reaches line or high frequencies."""
        return self._plan is not None

    def begin_segment(self) -> None:
        """The next sample does not continue the last one: a block that is not full comes to nothing."""
        self._end_cell()
        self._drop()
        self._segment += 1
        self._cell = None

    def push(self, cell: int, values: NDArray[Any]) -> None:
        """Take samples in, all of one cell; values have the shape (samples, channels)."""
        if cell != self._cell:
            self._begin_cell(cell)
        self._range = None
        kind = np.float32 if values.dtype == np.float32 else np.float64
        if self._buffer.dtype != kind:
            waiting, self._buffer = self._buffer[: self._filled], np.empty(self._buffer.shape, dtype=kind)
            self._buffer[: self._filled] = waiting
        while len(values):
            if not self._filled and len(values) >= self.block:
                taken = values[: self.block]
                self._add(cell, taken)
            else:
                taken = values[: self.block - self._filled]
                stop = self._filled + len(taken)
                self._buffer[self._filled : stop] = taken
                self._filled = stop
                if stop == self.block:
                    self._add(cell, self._buffer)
            values = values[len(taken) :]

    def _begin_cell(self, cell: int) -> None:
        if self._cell is None:
            self._segments.append((cell, self._segment))
        self._end_cell()
        if self._by_cell:
            self._drop()
        self._cell = cell
        self._pieces.append((self._filled, cell))

    def _end_cell(self) -> None:
        if self._filled and self._cell is not None and self._grid.in_window(self._cell):
            self._tails[self._cell] = self._waiting_range()

    def _add(self, cell: int, samples: NDArray[Any]) -> None:
        """Measure a full block."""
        self._blocks.append(_Block(cell, self._segment, self._measure(samples)))
        self._filled, self._pieces = 0, [(0, cell)]
        # Between spaced windows only the newest blocks are of use, to the runs of the next one.
        self._idle = 0 if self._grid.in_window(cell) else self._idle + 1
        if self._idle > STEADY:
            del self._blocks[-1 - STEADY]

    def _drop(self) -> None:
        """Let go of a block that is not full, but not of samples in it that are not finite."""
        if self._filled:
            self._look_into_waiting(self._broken)
        self._filled, self._pieces, self._range = 0, [], None

    def _look_for_breaks(self, samples: NDArray[Any], found: dict[int, Bools]) -> None:
        """By cell, which channels have a sample that is not finite, among those of the block under way."""
        broken = ~np.isfinite(samples)
        stops = [start for start, _ in self._pieces[1:]] + [len(samples)]
        for (start, cell), stop in zip(self._pieces, stops, strict=True):
            if self._grid.in_window(cell):
                mine = np.asarray(broken[start:stop].any(axis=0))
                found[cell] = found[cell] | mine if cell in found else mine

    def _measure(self, block: NDArray[Any]) -> Floats:
        """What there is to say of a full block, shape (measures, channels); NaN and 0 of a broken one."""
        samples, same = self._centred, self._same
        with np.errstate(invalid="ignore", over="ignore"):
            # Taken from the block, so that an offset costs no precision.
            first = block[0] if block.dtype == np.float32 else block[0].astype(np.float64)
            first = np.where(np.isfinite(first), first, 0)
            np.subtract(block, first, out=samples, casting="same_kind")
            top, bottom = _along(np.maximum, samples), _along(np.minimum, samples)
            measures = np.zeros((10, samples.shape[1]))
            measures[SAMPLES] = len(samples) - 1
            np.add(first, top, out=measures[TOP], dtype=np.float64)
            np.subtract(-first, bottom, out=measures[BELOW], dtype=np.float64)
            np.subtract(top, bottom, out=measures[SPREAD])
            np.equal(samples[1:], samples[:-1], out=same[1:])
            if np.count_nonzero(same):
                # Only of samples that repeat: there are few of them, but in a flat channel.
                channels = len(top)
                places = np.flatnonzero(same)
                columns, found = places % channels, samples.reshape(-1)[places]
                measures[REPEATS] = np.bincount(columns[same.reshape(-1)[places - channels]], minlength=channels)
                measures[AT_TOP] = np.bincount(columns[found == top[columns]], minlength=channels)
                measures[AT_BOTTOM] = np.bincount(columns[found == bottom[columns]], minlength=channels)
            if self._plan is not None:
                self._plan.powers(samples, measures[LOW : HIGH + 1])
        whole = np.isfinite(measures[SPREAD])
        if not whole.all():
            self._look_for_breaks(block, self._broken)
            huge = ~whole & np.isfinite(block).all(axis=0)
            measures[:TOP, ~whole] = 0
            measures[TOP:, ~whole] = np.nan
            measures[SPREAD, huge] = np.finfo(np.float32).max
        return measures

    def _look_into_waiting(self, found: dict[int, Bools]) -> None:
        """The same of what waits in the buffer."""
        if not np.isfinite(self._waiting_range()).all():
            self._look_for_breaks(self._buffer[: self._filled], found)

    def _waiting_range(self) -> Floats:
        """Range of what waits in the buffer, shape (channels,); not finite in a broken channel."""
        if self._range is None:
            samples = self._buffer[: self._filled]
            with np.errstate(invalid="ignore", over="ignore"):
                self._range = np.subtract(_along(np.maximum, samples), _along(np.minimum, samples), dtype=np.float64)
        return self._range

    def broken(self, cells: range) -> Bools:
        """Which channels have a sample in these cells that is not finite, shape (channels,)."""
        found = np.zeros(self._buffer.shape[1], dtype=np.bool_)
        waiting: dict[int, Bools] = {}
        if self._filled and any(cell in cells for _, cell in self._pieces):
            self._look_into_waiting(waiting)
        for by_cell in (self._broken, waiting):
            for cell, channels in by_cell.items():
                if cell in cells:
                    found |= channels
        return found

    def blocks(self, cells: range) -> tuple[Floats, Floats]:
        """Measures of the blocks that end in these cells, and of those up to their end.

        Returns
        -------
        of_window : ndarray of float64, shape (blocks, measures, channels)
            Where none ends in cells that are shorter than a block, the last one that ended before in the same segment,
            if there is one.
        steady : ndarray of float64, shape (blocks, measures, channels)
            The same behind the ``STEADY - 1`` ones before, or fewer where the segment has no more.
        """
        segment = next((number for first, number in reversed(self._segments) if first < cells.stop), -1)
        past = [block for block in self._blocks if block.segment == segment and block.cell < cells.stop]
        inside = sum(block.cell >= cells.start for block in past)
        if not self._by_cell:
            inside = min(len(past), max(1, inside))
        last = past[max(0, len(past) - inside - STEADY + 1) :]
        measures = np.array([block.measures for block in last]).reshape(-1, 10, self._buffer.shape[1])
        return measures[len(last) - inside :], measures

    def tail(self, cells: range) -> Floats:
        """The largest range of a tail of these cells, shape (channels,); NaN where there is none."""
        tails = [tail for cell, tail in self._tails.items() if cell in cells]
        if self._filled and self._cell in cells:
            tails.append(self._waiting_range())
        largest = np.fmax.reduce(tails) if tails else np.full(self._buffer.shape[1], np.nan)
        return np.where(np.isfinite(largest), largest, np.nan)

    def discard(self, before: int) -> None:
        """Forget what no window needs that begins with cell `before` or later."""
        old = sum(block.cell < before for block in self._blocks)
        if old > STEADY:
            del self._blocks[: old - STEADY]
        passed = sum(first < before for first, _ in self._segments)
        if passed > 1:
            del self._segments[: passed - 1]
        for by_cell in (self._broken, self._tails):
            for cell in [cell for cell in by_cell if cell < before]:
                del by_cell[cell]


def _along(extreme: np.ufunc, samples: NDArray[Any]) -> NDArray[Any]:
    """Largest or smallest sample of each channel: parts are laid on each other first, as long rows are quick."""
    part = extreme.reduce(samples.reshape(math.gcd(len(samples), FOLDS), -1), axis=0)
    return np.asarray(extreme.reduce(part.reshape(-1, samples.shape[1]), axis=0))
