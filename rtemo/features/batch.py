"""Differential entropy of many windows at once, for training over long recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rtemo.features.dft import BandPlan, Singles, band_variances, block_transform, blocks_for, hann_bins
from rtemo.features.spectrum import SEED_BANDS, entropy_of_variance
from rtemo.types import Floats

MAX_SWING = 300.0
"""Largest value, in standard deviations of the weakest band, that float32 carries to well within 1e-5 nat."""

MAX_OFFSET = 10.0
"""Signals this many times farther from zero than from themselves are centred before anything else."""

TILE = 64
"""Signals in one product: BLAS does products this small without packing."""

TILES_AT_ONCE = 8
"""Products at one go: many enough to hide what a call costs, few enough to stay in the cache."""


def differential_entropy(
    windows: NDArray[np.floating], rate_hz: float, bands: Mapping[str, tuple[float, float]] = SEED_BANDS
) -> Floats:
    """Differential entropies of the bands of each window, as the extractor of the same name gives them.

    Parameters
    ----------
    windows : ndarray of float, shape (windows, channels, samples)
        In any unit u.
    rate_hz : float
        Sampling rate.
    bands : mapping of str to (float, float)
        Edges in Hz, the upper one outside.

    Returns
    -------
    ndarray of float64, shape (windows, channels, bands)
        ``1/2 ln(2 pi e var)`` in nat of u squared; NaN where a sample is not finite.

    Raises
    ------
    ConfigurationError
        A band does not fit rate and window.
    ValueError
        The windows have not three dimensions.
    """
    if windows.ndim != 3:
        raise ValueError(f"windows must have the shape (windows, channels, samples), found {windows.shape}")
    count, channels, samples = windows.shape
    tables = _tables(tuple(bands.items()), float(rate_hz), samples)
    signals = windows.reshape(count * channels, samples)
    variances = np.empty((len(signals), len(bands)))
    at_once = TILE * TILES_AT_ONCE
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for start in range(0, len(signals), at_once):
            variances[start : start + at_once] = _variances(tables, signals[start : start + at_once])
    return entropy_of_variance(variances).reshape(count, channels, len(bands))


@dataclass(frozen=True, slots=True)
class _Tables:
    """What windows of a length are multiplied with; the Hann window and the detrending are worked in.

    Parameters
    ----------
    plan : BandPlan
    basis : ndarray of float32, shape (block, rank)
        Samples of a block to its coefficients.
    combine : ndarray of float32, shape (2, blocks * rank, bins)
        Coefficients to cosine sums and to sine sums: products this small need no packing in BLAS.
    bands : ndarray of float32, shape (bins, bands)
        Squares to variances.
    """

    plan: BandPlan
    basis: Singles
    combine: Singles
    bands: Singles


@lru_cache(maxsize=8)
def _tables(bands: tuple[tuple[str, tuple[float, float]], ...], rate_hz: float, samples: int) -> _Tables:
    plan = BandPlan.of(dict(bands), rate_hz, samples)
    bins = len(plan.bins)
    blocks = blocks_for(samples, 2 * bins, plan.bins.stop / samples, exactly=True)
    padded = -(-samples // blocks) * blocks
    moments = np.stack([np.ones(padded), plan.time(padded)])
    rows = hann_bins(plan.bin_rows(padded)).reshape(-1, padded) - plan.detrend(samples) @ moments
    transform = block_transform(plan, rows, blocks)
    return _Tables(
        plan,
        np.ascontiguousarray(transform.basis.T),
        np.ascontiguousarray(transform.combine.reshape(2, bins, -1).transpose(0, 2, 1)),
        np.ascontiguousarray(plan.band_matrix(samples)[:, :bins].T.astype(np.float32)),
    )


def _variances(tables: _Tables, signals: NDArray[np.floating]) -> Floats:
    """Band variances of signals, shape (signals, samples): in float32 where that is precise enough."""
    probes = _probes(signals)
    spread = probes.max(axis=0) - probes.min(axis=0)
    if (np.abs(probes[0]) > MAX_OFFSET * spread).any():
        signals = signals - signals[:, :1]
    variances = _fast(tables, np.ascontiguousarray(signals, dtype=np.float32))
    rough = _too_large(signals, variances)
    if rough.any():
        centred = signals[rough] - signals[rough, :1]
        again = _fast(tables, centred.astype(np.float32))
        still = _too_large(centred, again)
        if still.any():
            again[still] = band_variances(tables.plan, centred[still].astype(np.float64))
        variances[rough] = again
    return variances


def _probes(signals: NDArray[np.floating]) -> NDArray[np.floating]:
    """A few samples of each signal, shape (probes, signals), to judge its offset and trend by."""
    return np.ascontiguousarray(signals[:, :: max(1, signals.shape[1] // 4)].T)


def _too_large(signals: NDArray[np.floating], variances: Floats) -> NDArray[np.bool_]:
    """Which signals have an offset or a trend that would swamp their weakest band."""
    probes = _probes(signals)
    swing = np.maximum(probes.max(axis=0), -probes.min(axis=0))
    return np.asarray(swing > MAX_SWING * np.sqrt(variances.min(axis=1)))


def _fast(tables: _Tables, signals: Singles) -> Floats:
    """Band variances by the two products, tile by tile."""
    count, samples = signals.shape
    block, rank = tables.basis.shape
    blocks = tables.combine.shape[1] // rank
    if blocks * block != samples:
        padded = np.zeros((count, blocks * block), dtype=np.float32)
        padded[:, :samples] = signals
        signals = padded
    variances = np.empty((count, tables.bands.shape[1]))
    whole = count // TILE * TILE
    for part, rows in ((slice(0, whole), TILE), (slice(whole, count), count - whole)):
        if part.start == part.stop:
            continue
        by_block = signals[part].reshape(-1, rows, blocks, block).transpose(0, 2, 1, 3)
        coefficients = np.empty((len(by_block), rows, blocks, rank), dtype=np.float32)
        np.matmul(by_block, tables.basis, out=coefficients.transpose(0, 2, 1, 3))
        bins = np.matmul(coefficients.reshape(-1, 1, rows, blocks * rank), tables.combine)
        bins *= bins
        power = bins[:, 0]
        power += bins[:, 1]
        variances[part] = (power @ tables.bands).reshape(part.stop - part.start, -1)
    return variances
