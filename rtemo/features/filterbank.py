"""Band variances from a bank of causal filters whose state goes on from window to window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.features.base import ClosingWindow
from rtemo.features.spectrum import check_band
from rtemo.types import Floats

BLOCK = 64
"""Samples that are summed at one go, counted from the beginning of the cell."""


@dataclass(slots=True)
class _Sums:
    """Of one cell: number of samples, and sums of the filtered signal and its square, shape (bands, channels)."""

    samples: int
    first: Floats
    second: Floats


class FilterBank:
    """Butterworth band-pass filters as second-order sections, and the variance of what they give.

    The first sample of each segment is taken from all that follow, so that an offset does not ring; apart from this
    the filters start at rest, and a window soon after a gap holds their settling. A sample that is not finite makes
    the channel's variance NaN for the windows that hold it, and the channel's filters begin anew after it.

    Parameters
    ----------
    bands : mapping of str to (float, float)
        Edges in Hz.
    rate_hz : float
    order : int
    channels : int
    where : str
        What to name in errors.

    Raises
    ------
    ConfigurationError
        A band is upside down or reaches half the rate.
    """

    def __init__(
        self, bands: Mapping[str, tuple[float, float]], rate_hz: float, order: int, channels: int, *, where: str
    ) -> None:
        for name, edges in bands.items():
            check_band(name, edges, rate_hz, where=where, below_half=True)
        # Only where a filter bank is asked for: it costs 70 MB that a live session can do without.
        from scipy.signal import butter, sosfilt

        self._sosfilt = sosfilt
        self._sections = [butter(order, edges, btype="bandpass", output="sos", fs=rate_hz) for edges in bands.values()]
        self._channels = channels
        self._cells: dict[int, _Sums] = {}
        self._waiting: list[Floats] = []
        self._cell: int | None = None
        self.begin_segment()

    def begin_segment(self) -> None:
        """Put the filters to rest."""
        self._flush()
        self._states = [np.zeros((len(sections), 2, self._channels)) for sections in self._sections]
        self._reference = np.full(self._channels, np.nan)

    def push(self, cell: int, values: NDArray[np.generic]) -> None:
        """Take samples in, all of one cell; values have the shape (samples, channels)."""
        if cell != self._cell:
            self._flush()
            self._cell = cell
        samples = values.astype(np.float64)
        waiting = sum(map(len, self._waiting))
        if waiting + len(samples) < BLOCK:
            self._waiting.append(samples)
            return
        joined = np.concatenate([*self._waiting, samples])
        whole = len(joined) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            self._filter(cell, joined[start : start + BLOCK])
        self._waiting = [joined[whole:]] if whole < len(joined) else []

    def _flush(self) -> None:
        """Filter what waits for a block to fill."""
        if self._waiting and self._cell is not None:
            self._filter(self._cell, np.concatenate(self._waiting))
        self._waiting = []

    def _filter(self, cell: int, block: Floats) -> None:
        """Filter a block of samples, shape (samples, channels), and add it to the sums of its cell."""
        finite = np.isfinite(block)
        whole = finite.all(axis=0)
        unset = np.isnan(self._reference)
        if unset.any():
            self._reference[unset] = np.where(whole, block[0], np.nan)[unset]
        centred = np.where(whole, block - self._reference, 0.0)
        if cell not in self._cells:
            shape = (len(self._sections), self._channels)
            self._cells[cell] = _Sums(0, np.zeros(shape), np.zeros(shape))
        sums = self._cells[cell]
        sums.samples += len(block)
        for band, sections in enumerate(self._sections):
            filtered, self._states[band] = self._sosfilt(sections, centred, axis=0, zi=self._states[band])
            sums.first[band] += filtered.sum(axis=0)
            sums.second[band] += (filtered * filtered).sum(axis=0)
        if not whole.all():
            sums.first[:, ~whole] = np.nan
            self._reference[~whole] = np.nan
            for state in self._states:
                state[:, :, ~whole] = 0.0

    def variances(self, window: ClosingWindow) -> Floats | None:
        """Variances of the filtered signals over a window, shape (bands, channels); None without samples."""
        if self._cell in window.cells:
            self._flush()
        parts = [self._cells[cell] for cell in window.cells if cell in self._cells]
        if not parts:
            return None
        samples = sum(part.samples for part in parts)
        mean = sum((part.first for part in parts), np.zeros(())) / samples
        square = sum((part.second for part in parts), np.zeros(())) / samples
        return np.asarray(np.where(np.isfinite(mean), np.maximum(square - mean * mean, 0.0), np.nan))

    def discard(self, before: int) -> None:
        """Forget the sums of cells below `before`."""
        for cell in [cell for cell in self._cells if cell < before]:
            del self._cells[cell]
