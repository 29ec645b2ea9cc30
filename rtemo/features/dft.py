"""The wanted bins of a Hann-windowed DFT as two short matrix products.

Below the highest wanted frequency f a block of m samples at rate r has only about ``2 f m / r`` degrees of freedom and
a few more for its edges. So each block is first projected on an orthonormal basis of what the wanted bins can see of
it (the same basis for all blocks, since a shift in time only turns sine into cosine), and the bins are then formed
from these few coefficients. This is exact to float32 and takes a third of the work of the direct sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.features.spectrum import band_bins
from rtemo.types import Floats

Singles = NDArray[np.float32]

RANK_TOLERANCE = 1e-6
"""Singular values below this fraction of the largest are left out: in float32 the products around them err as much."""


@dataclass(frozen=True, slots=True)
class BandPlan:
    """Which bins of which DFT make up the bands.

    Parameters
    ----------
    length : int
        Samples of the DFT: those of a complete window.
    bins : range
        All bins from the lowest to the highest wanted one.
    bands : tuple of range
        Bins of each band.
    """

    length: int
    bins: range
    bands: tuple[range, ...]

    @classmethod
    def of(
        cls, bands: Mapping[str, tuple[float, float]], rate_hz: float, length: int, *, where: str = "bands"
    ) -> BandPlan:
        """The plan for bands in Hz; raises ConfigurationError where a band does not fit rate and length."""
        found = tuple(band_bins(bands, rate_hz, length, where=where).values())
        return cls(length, range(min(b.start for b in found), max(b.stop for b in found)), found)

    def time(self, samples: int) -> Floats:
        """Time of each sample from the middle of a complete window, in half windows, shape (samples,)."""
        return (2 * np.arange(samples) - (self.length - 1)) / self.length

    def hann(self, samples: int) -> Floats:
        """The periodic Hann window over the first samples, shape (samples,); past the length it begins anew."""
        return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / self.length))

    def bin_rows(self, samples: int) -> Floats:
        """Cosines, then sines of the wanted bins and their two outer neighbours, shape (2, bins + 2, samples)."""
        bins = np.arange(self.bins.start - 1, self.bins.stop + 1)
        turns = np.outer(bins, np.arange(samples)) % self.length
        angle = 2 * np.pi * np.arange(self.length) / self.length
        return np.stack([np.cos(angle)[turns], np.sin(angle)[turns]])

    def detrend(self, samples: int) -> Floats:
        """What mean and trend put into the Hann-windowed bins.

        Parameters
        ----------
        samples : int
            How many samples the window has.

        Returns
        -------
        ndarray of float64, shape (2 * bins, 2)
            To be multiplied with the sums of x and of x times `time`, and taken from the bins.
        """
        time = self.time(samples)
        trend = np.stack([np.ones(samples), time], axis=1)
        gram = trend.T @ trend
        fit = np.linalg.inv(gram) if samples > 1 else np.diag([1.0, 0.0])
        return np.asarray(hann_bins(self.bin_rows(samples) @ trend).reshape(-1, 2) @ fit)

    def band_matrix(self, samples: int) -> Floats:
        """Sums squared bins to band variances, shape (bands, 2 * bins): one-sided, over the window's energy."""
        matrix = np.zeros((len(self.bands), 2, len(self.bins)))
        for row, band in zip(matrix, self.bands, strict=True):
            row[:, band.start - self.bins.start : band.stop - self.bins.start] = 1.0
        energy = float(np.sum(self.hann(samples) ** 2))
        return matrix.reshape(len(self.bands), -1) * (2.0 / (self.length * energy))


def hann_bins(bins: NDArray[Any]) -> NDArray[Any]:
    """The Hann window in the frequency domain, ``X[k]/2 - X[k-1]/4 - X[k+1]/4``; the bins are the second axis."""
    return np.asarray(0.5 * bins[:, 1:-1] - 0.25 * (bins[:, :-2] + bins[:, 2:]))


def blocks_for(samples: int, rows: int, bandwidth: float, *, exactly: bool = False) -> int:
    """Into how many blocks to cut a stretch so that both products together take least work.

    Parameters
    ----------
    samples : int
        Length of the stretch.
    rows : int
        Rows of the result.
    bandwidth : float
        Highest wanted frequency as a fraction of the rate.
    exactly : bool
        Whether blocks that fill the stretch without a remainder are worth a quarter more work, to save a copy.
    """

    def work(blocks: int) -> float:
        block = -(-samples // blocks)
        rank = min(block, 2 * bandwidth * block + 11)
        return blocks * rank * (block + rows) * (1.25 if exactly and samples % blocks else 1.0)

    return min(range(1, max(2, samples // 32 + 1)), key=work)


@dataclass(frozen=True, slots=True)
class BlockTransform:
    """A linear map of signals in two steps, blocks to coefficients and coefficients to results.

    Parameters
    ----------
    block : int
        Samples of a block.
    basis : ndarray of float32, shape (rank, block)
        Orthonormal rows. The first is constant, so that a block's level is in its first coefficient and nowhere else.
    combine : ndarray of float32, shape (rows, blocks * rank)
        From the coefficients of all blocks, block by block.
    """

    block: int
    basis: Singles
    combine: Singles

    @property
    def rank(self) -> int:
        """Coefficients of a block."""
        return len(self.basis)


def block_transform(plan: BandPlan, rows: Floats, blocks: int) -> BlockTransform:
    """Factor a map whose rows are made of the wanted bins (Hann-windowed or not), mean and trend.

    Parameters
    ----------
    plan : BandPlan
    rows : ndarray of float64, shape (rows, samples)
        The map; ``samples`` is a multiple of ``blocks``.
    blocks : int
        Number of blocks.
    """
    block = rows.shape[1] // blocks
    bins = plan.bin_rows(block).reshape(-1, block)
    seen = np.concatenate([bins, np.linspace(-1, 1, block)[None]])
    seen -= seen.mean(axis=1, keepdims=True)
    _, size, basis = np.linalg.svd(seen, full_matrices=False)
    constant = np.full((1, block), block**-0.5)
    basis = np.concatenate([constant, basis[size > RANK_TOLERANCE * size[0]]])
    combine = np.concatenate([rows[:, b * block : (b + 1) * block] @ basis.T for b in range(blocks)], axis=1)
    return BlockTransform(block, basis.astype(np.float32), combine.astype(np.float32))


def band_variances(plan: BandPlan, signals: Floats) -> Floats:
    """Band variances straight from numpy's FFT in float64: slow, exact, for any number of samples.

    Parameters
    ----------
    plan : BandPlan
    signals : ndarray of float64, shape (channels, samples)

    Returns
    -------
    ndarray of float64, shape (channels, bands)
    """
    samples = signals.shape[1]
    time = plan.time(samples)
    time = time - time.mean()
    centred = signals - signals.mean(axis=1, keepdims=True)
    spread = float(time @ time)
    if spread > 0:
        centred = centred - np.outer(centred @ time / spread, time)
    windowed = np.zeros((len(signals), -(-samples // plan.length) * plan.length))
    windowed[:, :samples] = centred * plan.hann(samples)
    folded = windowed.reshape(len(signals), -1, plan.length).sum(axis=1)
    spectrum = np.fft.rfft(folded, axis=1)
    bins = spectrum[:, plan.bins.start : plan.bins.stop]
    parts = np.concatenate([bins.real, bins.imag], axis=1)
    return np.asarray((parts * parts) @ plan.band_matrix(samples).T)
