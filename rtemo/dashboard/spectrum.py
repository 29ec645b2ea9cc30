"""The power spectrum of the newest seconds of a signal, and its power in bands; never across a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

SEGMENT_S = 2.0
"""Length of a DFT: half a hertz from bin to bin."""
GAP_PERIODS = 1.5
FLOOR_DB = -120.0
"""What a signal without any power shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """One-sided power density.

    Parameters
    ----------
    frequencies_hz : ndarray of float64, shape (bins,)
    density : ndarray of float64, shape (channels, bins)
        In squared units of the signal per hertz; NaN for a channel with samples that are not finite.
    """

    frequencies_hz: Floats
    density: Floats

    @property
    def density_db(self) -> Floats:
        """In dB re one squared unit per hertz, shape (channels, bins)."""
        return decibels(self.density)


def decibels(power: Floats) -> Floats:
    """Power in dB, floored; NaN stays NaN."""
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))))


def newest_stretch(stamps_s: Floats, rate_hz: float) -> int:
    """Index of the first sample behind the last gap."""
    gaps = np.flatnonzero(np.diff(stamps_s) > GAP_PERIODS / rate_hz)
    return int(gaps[-1]) + 1 if len(gaps) else 0


def spectrum(
    stamps_s: Floats, values: NDArray[np.floating], rate_hz: float, *, segment_s: float = SEGMENT_S
) -> Spectrum | None:
    """Welch's estimate: the mean over Hann-windowed segments that overlap by half, each without its mean.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
    values : ndarray, shape (samples, channels)
    rate_hz : float
        Nominal; without one there is no spectrum.
    segment_s : float

    Returns
    -------
    Spectrum or None
        None where fewer samples than a segment has have come since the last gap.
    """
    if rate_hz <= 0:
        return None
    length = round(segment_s * rate_hz)
    values = values[newest_stretch(stamps_s, rate_hz) :]
    if length < 4 or len(values) < length:
        return None
    half = length // 2
    count = (len(values) - length) // half + 1
    # The newest samples are in a segment, whatever is left over at the beginning.
    values = values[len(values) - length - (count - 1) * half :]
    window = _hann(length)
    density = np.zeros((values.shape[1], half + 1))
    for number in range(count):
        segment = values[number * half : number * half + length].T.astype(np.float64)
        segment -= segment.mean(axis=1, keepdims=True)
        bins = np.fft.rfft(segment * window, axis=1)
        density += bins.real**2 + bins.imag**2
    density *= 2 / (count * rate_hz * float(window @ window))
    # Neither the mean nor half of the rate has a twin at a negative frequency.
    density[:, 0] /= 2
    if length % 2 == 0:
        density[:, -1] /= 2
    frequencies_hz: Floats = np.arange(half + 1, dtype=np.float64) * (rate_hz / length)
    return Spectrum(frequencies_hz, density)


def band_levels(found: Spectrum, bands: Iterable[tuple[float, float]]) -> Floats:
    """Power in bands, half-open in Hz, in dB re one squared unit, shape (channels, bands).

    NaN for a band that holds no bin.
    """
    step_hz = float(found.frequencies_hz[1])
    levels = []
    for low, high in bands:
        inside = (found.frequencies_hz >= low) & (found.frequencies_hz < high)
        power = found.density[:, inside].sum(axis=1) * step_hz
        levels.append(decibels(power) if inside.any() else np.full(len(found.density), np.nan))
    return np.stack(levels, axis=1) if levels else np.empty((len(found.density), 0))


@lru_cache(maxsize=8)
def _hann(length: int) -> Floats:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))
