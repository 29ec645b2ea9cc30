"""Band variances from sums that grow while chunks arrive, so that closing a window is cheap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.features.base import ClosingWindow
from rtemo.features.dft import BandPlan, BlockTransform, Singles, block_transform, blocks_for, hann_bins
from rtemo.grid import Grid
from rtemo.types import Floats

SAFE_LEVEL = 4.0
"""A level of up to this times what varies in a block costs less than 4e-6 nat in float32 (white noise, real EEG)."""

MAX_EXCESS = 1.25
"""More samples than this times the nominal number are too many to make sense of."""

MAX_KEPT_FITS = 64


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of one cell: rows of the transform, samples, what was subtracted, and the bins where they must be joined."""

    rows: Singles
    samples: int
    reference: Floats
    spectrum: NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class _Fit:
    """What depends on the number of samples in a window: detrending and the window's energy."""

    detrend: Singles
    bands: Singles


@dataclass(slots=True)
class _Filling:
    """The cell that samples go into.

    Parameters
    ----------
    cell : int
    first : ndarray of float64 or None
        The first sample, taken from all before they are rounded to float32; None where they are float32 already.
    reference : ndarray of float32 or None
        Taken from the samples after that; None for nothing.
    """

    cell: int
    first: Floats | None
    reference: Singles | None = None
    samples: int = 0
    transformed: int = 0
    overfull: bool = False
    sums: _Sums | None = None


class PartialSums:
    """Sums of the wanted DFT bins, cell by cell.

    Parameters
    ----------
    plan : BandPlan
    channels : int
    grid : Grid
    rate_hz : float

    Notes
    -----
    A window of n samples, which clock drift or a stream's beginning or end may make other than the plan's N, keeps the
    N-point bins and the N-point Hann window: its samples stand at positions 0 to n - 1, those beyond N - 1 meet the
    window's next period (whose first value is zero), mean and trend are fitted to the n samples, and the energy is
    that of the n window values.

    All products are done on whole blocks whose place is counted from the first sample of the cell, so results do not
    depend on how the samples were cut into chunks, not in a bit. Blocks that lie inside a chunk are used where they
    are; only what straddles chunks is put together in a buffer.

    So that an offset costs no precision, samples that are not float32 are taken less the first one of their cell.
    Where the level of the cell's first block still is large beside what varies in it, that level is taken from all
    samples of the channel in the cell. Most signals do without, which saves a pass over them.
    """

    def __init__(self, plan: BandPlan, channels: int, grid: Grid, rate_hz: float) -> None:
        self._plan = plan
        self._grid = grid
        self._single = len(grid.cells(0)) == 1
        longest = max(grid.cell_start_s(c + 1) - grid.cell_start_s(c) for c in grid.cells(0))
        nominal = max(1, round(longest * rate_hz))
        bandwidth = plan.bins.stop / plan.length
        blocks = blocks_for(nominal + 2, 2 * len(plan.bins) + 2, bandwidth)
        block = -(-(nominal + 2) // blocks)
        most = -(-(math.ceil(MAX_EXCESS * nominal) + 8) // block)
        self._capacity = most * block
        rows = self._rows(self._capacity)
        self._most: BlockTransform = block_transform(plan, rows, most)
        self._usual_blocks = blocks
        self._usual = _halves(self._most.combine[:, : blocks * self._most.rank])
        self._full = _halves(self._most.combine)
        self._scratch = np.empty((self._capacity, channels), dtype=np.float32)
        self._waiting = np.empty((block, channels), dtype=np.float32)
        self._last = np.empty((block, channels), dtype=np.float32)
        self._coefficients = np.zeros((most, self._most.rank, channels), dtype=np.float32)
        self._filling: _Filling | None = None
        self._cells: dict[int, _Sums] = {}
        self._fits: dict[int, _Fit] = {}
        self._constants: dict[int, NDArray[np.complex128]] = {}
        self._roots = np.exp(-2j * np.pi * np.arange(plan.length) / plan.length).astype(np.complex64)

    @staticmethod
    def table_bytes(plan: BandPlan) -> float:
        """Memory that the products need, in bytes, for a window of one cell."""
        bandwidth = plan.bins.stop / plan.length
        blocks = blocks_for(plan.length, 2 * len(plan.bins), bandwidth)
        rank = min(plan.length / blocks, 2 * bandwidth * plan.length / blocks + 12)
        return 8.0 * len(plan.bins) * blocks * rank * MAX_EXCESS

    def _rows(self, samples: int) -> Floats:
        bins = self._plan.bin_rows(samples)
        if self._single:
            bins = hann_bins(bins)
        return np.concatenate([bins.reshape(-1, samples), np.ones((1, samples)), self._plan.time(samples)[None]])

    def begin_segment(self) -> None:
        """Nothing is carried over a gap: windows that touch one are not asked for."""

    def push(self, cell: int, values: NDArray[np.generic]) -> None:
        """Take samples in, all of one cell; values have the shape (samples, channels)."""
        filling = self._filling
        if filling is None or filling.cell != cell:
            self._settle()
            if not self._grid.in_window(cell):
                return
            first = None if values.dtype == np.float32 else values[0].astype(np.float64)
            filling = self._filling = _Filling(cell, first)
        room = self._capacity - filling.samples
        if len(values) > room:
            filling.overfull = True
            values = values[:room]
        if filling.first is not None:
            single = np.empty(values.shape, dtype=np.float32)
            values = np.subtract(values, filling.first, out=single, casting="same_kind")
        self._take(values, filling)

    def _take(self, values: NDArray[Any], filling: _Filling) -> None:
        """Transform the blocks that these samples complete; the others wait."""
        size = self._most.block
        waiting = filling.samples - filling.transformed * size
        filling.samples += len(values)
        filling.sums = None
        if waiting:
            missing = size - waiting
            self._waiting[waiting : waiting + len(values)] = values[:missing]
            if len(values) < missing:
                return
            self._transform(self._waiting, filling)
            values = values[missing:]
        whole = len(values) // size * size
        if whole:
            self._transform(np.ascontiguousarray(values[:whole]), filling)
        self._waiting[: len(values) - whole] = values[whole:]

    def _transform(self, samples: Singles, filling: _Filling) -> None:
        """Coefficients of whole blocks; the first one tells whether a reference is needed."""
        size, basis = self._most.block, self._most.basis
        done = filling.transformed
        filling.transformed = stop = done + len(samples) // size
        if not done:
            first = np.matmul(basis, samples[:size], out=self._coefficients[0])
            squares = first * first
            safe = squares[0] <= SAFE_LEVEL**2 * np.add.reduce(squares[1:])
            if safe.all():
                done, samples = 1, samples[size:]
            else:
                # Nothing is taken from the others: what a channel gives must not hang on another one.
                filling.reference = np.where(safe, np.float32(0), first[0] * basis[0, 0])
        if filling.reference is not None:
            samples = np.subtract(samples, filling.reference, out=self._scratch[: len(samples)])
        if done < stop:
            np.matmul(basis, samples.reshape(stop - done, size, -1), out=self._coefficients[done:stop])

    def _sums(self, filling: _Filling) -> _Sums:
        """Sums of the cell as far as it has come; more samples may follow."""
        if filling.sums is None:
            rank = self._most.rank
            stop, reference = self._transform_last(filling)
            usual = stop <= self._usual_blocks
            blocks = self._usual_blocks if usual else len(self._coefficients)
            self._coefficients[stop:blocks] = 0
            combine = self._usual if usual else self._full
            rows = np.matmul(combine, self._coefficients[:blocks].reshape(blocks * rank, -1))
            if filling.overfull:
                rows.fill(np.nan)
            rows = rows.reshape(-1, rows.shape[-1])
            spectrum = np.empty((0, 0), dtype=np.complex64) if self._single else _complex(rows[:-2])
            filling.sums = _Sums(rows, filling.samples, reference, spectrum)
        return filling.sums

    def _transform_last(self, filling: _Filling) -> tuple[int, Floats]:
        """Transform the last block, which is not whole; returns the number of blocks, and all that was subtracted."""
        stop, reference = filling.transformed, filling.reference
        waiting = self._waiting[: filling.samples - stop * self._most.block]
        if not stop:
            reference = waiting.mean(axis=0)
        if len(waiting):
            self._last[: len(waiting)] = waiting if reference is None else waiting - reference
            self._last[len(waiting) :] = 0
            np.matmul(self._most.basis, self._last, out=self._coefficients[stop])
            stop += 1
        subtracted = np.zeros(waiting.shape[1]) if filling.first is None else filling.first.copy()
        if reference is not None:
            subtracted += reference
        return stop, subtracted

    def _settle(self) -> None:
        """The cell that is being filled is complete."""
        if self._filling is not None:
            self._cells[self._filling.cell] = self._sums(self._filling)
            self._filling = None

    def _cell(self, cell: int) -> _Sums | None:
        if self._filling is not None and self._filling.cell == cell:
            return self._sums(self._filling)
        return self._cells.get(cell)

    def variances(self, window: ClosingWindow) -> Floats | None:
        """Band variances of a window, shape (bands, channels).

        NaN where a sample is not finite or a bad channel has no substitute, None without samples.
        """
        cells = [sums for sums in map(self._cell, window.cells) if sums is not None]
        if not cells:
            return None
        if self._single:
            rows, samples = cells[0].rows, cells[0].samples
            bins, moments = rows[:-2], rows[-2:]
        else:
            bins, moments, samples = self._join(cells)
        fit = self._fit(samples)
        residual = bins - fit.detrend @ moments
        if window.repair is not None:
            # Bins of a detrended sum of channels are the sum of their bins.
            window.repair.mend(residual)
        residual *= residual
        return (fit.bands @ residual).astype(np.float64)

    def _join(self, cells: list[_Sums]) -> tuple[Singles, Singles, int]:
        """Hann-windowed bins and moments of several cells, each turned to its place in the window."""
        plan = self._plan
        samples = np.array([sums.samples for sums in cells])
        places = np.cumsum(samples) - samples
        bins = np.arange(plan.bins.start - 1, plan.bins.stop + 1)
        turns = self._roots[np.outer(places, bins) % plan.length]
        spectrum = turns[0][:, None] * cells[0].spectrum
        for turn, sums in zip(turns[1:], cells[1:], strict=True):
            spectrum += turn[:, None] * sums.spectrum
        # The cells' references differ by steps, which are put back in float64.
        steps = np.stack([sums.reference for sums in cells]) - cells[0].reference
        constants = np.stack([self._constant(count) for count in samples.tolist()], axis=1)
        spectrum += (turns.T * constants[:-1]) @ steps
        totals = np.stack([sums.rows[-2] for sums in cells]) + samples[:, None] * steps
        ramps = np.stack([sums.rows[-1] for sums in cells]) + constants[-1].real[:, None] * steps
        ramps += (2 / plan.length) * places[:, None] * totals
        moments = np.stack([totals.sum(axis=0), ramps.sum(axis=0)]).astype(np.float32)
        windowed = hann_bins(np.stack([spectrum.real, -spectrum.imag]))
        return windowed.reshape(-1, windowed.shape[-1]), moments, int(samples.sum())

    def _constant(self, samples: int) -> NDArray[np.complex128]:
        """Bins of a constant 1 of so many samples, and last its product with time."""
        if samples not in self._constants:
            _bound(self._constants)
            cosine, sine = self._plan.bin_rows(samples).sum(axis=2)
            self._constants[samples] = np.append(cosine - 1j * sine, self._plan.time(samples).sum())
        return self._constants[samples]

    def _fit(self, samples: int) -> _Fit:
        if samples not in self._fits:
            _bound(self._fits)
            self._fits[samples] = _Fit(
                self._plan.detrend(samples).astype(np.float32), self._plan.band_matrix(samples).astype(np.float32)
            )
        return self._fits[samples]

    def discard(self, before: int) -> None:
        """Forget the cells below `before`."""
        for cell in [cell for cell in self._cells if cell < before]:
            del self._cells[cell]


def _halves(matrix: Singles) -> Singles:
    """A matrix with an even number of rows as a stack of two: products this small need no packing in BLAS."""
    return np.ascontiguousarray(matrix).reshape(2, len(matrix) // 2, -1)


def _complex(rows: Singles) -> NDArray[np.complex64]:
    """Cosine and sine sums as ``sum x exp(-i angle)``."""
    half = len(rows) // 2
    spectrum = np.empty((half, rows.shape[1]), dtype=np.complex64)
    spectrum.real = rows[:half]
    np.negative(rows[half:], out=spectrum.imag)
    return spectrum


def _bound(kept: dict[int, Any]) -> None:
    """Empty what has grown too large: numbers of samples are few, except where a stream is damaged."""
    if len(kept) >= MAX_KEPT_FITS:
        kept.clear()
