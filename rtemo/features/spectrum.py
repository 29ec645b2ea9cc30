"""Frequency bands, and the band power of a Hann-windowed, detrended stretch of signal."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rtemo.errors import ConfigurationError
from rtemo.types import Floats

SEED_BANDS: Mapping[str, tuple[float, float]] = {
    "delta": (1, 4),
    "theta": (4, 8),
    "alpha": (8, 14),
    "beta": (14, 31),
    "gamma": (31, 50),
}
DEAP_BANDS: Mapping[str, tuple[float, float]] = {
    "theta": (4, 8),
    "alpha": (8, 14),
    "beta": (14, 31),
    "gamma": (31, 45),
}
VARIANCE_FLOOR = 1e-12
"""Least band variance in squared units of the signal, so that a silent channel has a finite entropy."""

_BIN_TOLERANCE = 1e-9


def check_band(name: str, edges: tuple[float, float], rate_hz: float, *, where: str, below_half: bool = False) -> None:
    """Raise ConfigurationError where a band is upside down or beyond half the rate (or at it if `below_half`)."""
    low, high = edges
    if not 0 < low < high < math.inf:
        raise ConfigurationError(f"{where}: band {name!r} is [{low:g}, {high:g}) Hz.", cure="Give 0 < low < high.")
    if high > rate_hz / 2 or (below_half and high == rate_hz / 2):
        reaches = "reaches" if below_half else "reaches beyond"
        raise ConfigurationError(
            f"{where}: band {name!r} [{low:g}, {high:g}) Hz {reaches} {rate_hz / 2:g} Hz, half of the rate of "
            f"{rate_hz:g} Hz.",
            cure="Lower the band or leave it out.",
        )


def band_bins(
    bands: Mapping[str, tuple[float, float]], rate_hz: float, length: int, *, where: str = "bands"
) -> dict[str, range]:
    """DFT bins of each band, ``lo <= bin * rate / length < hi``.

    Parameters
    ----------
    bands : mapping of str to (float, float)
        Edges in Hz.
    rate_hz : float
        Sampling rate.
    length : int
        Samples of the DFT.
    where : str
        What to name in errors.

    Raises
    ------
    ConfigurationError
        A band is upside down, reaches beyond half the rate, or holds no bin.
    """
    bins = {}
    for name, (low, high) in bands.items():
        check_band(name, (low, high), rate_hz, where=where)
        first = math.ceil(low * length / rate_hz - _BIN_TOLERANCE)
        stop = math.ceil(high * length / rate_hz - _BIN_TOLERANCE)
        if stop <= first:
            raise ConfigurationError(
                f"{where}: band {name!r} [{low:g}, {high:g}) Hz holds no bin: a window of {length / rate_hz:g} s "
                f"has one every {rate_hz / length:g} Hz.",
                cure="Lengthen the window or widen the band.",
            )
        bins[name] = range(first, stop)
    return bins


def entropy_of_variance(variance: Floats) -> Floats:
    """Differential entropy of a Gaussian, ``1/2 ln(2 pi e variance)``, in nat; floored, never -inf."""
    return np.asarray(0.5 * np.log(2 * math.pi * math.e * np.maximum(variance, VARIANCE_FLOOR)))
