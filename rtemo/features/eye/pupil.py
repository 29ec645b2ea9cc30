"""Slow bands of the pupil, by filters that run on from window to window."""

from __future__ import annotations

import math
from collections import deque
from functools import cache
from itertools import pairwise

import numpy as np

from rtemo.features.spectrum import entropy_of_variance
from rtemo.types import Bools, Floats

RATE_HZ = 5.0
"""Pupils are averaged to this rate: what they tell lies below 1 Hz, and trackers differ from 30 to 2000 Hz."""
BANDS: tuple[tuple[float, float], ...] = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0))
"""In Hz, as in SEED (Lu et al. 2015)."""
ORDER = 2
LEAST_S = 2.0
"""After less there is no band to speak of."""


@cache
def _filters() -> tuple[Floats, Floats, Floats, Floats]:
    """All bands' Butterworth filters as one linear system: A (n, n), B (n, 1), C (bands, n), D (bands, 1)."""
    # Only where there is a pupil: it costs memory that other sessions can do without.
    from scipy.linalg import block_diag
    from scipy.signal import butter, zpk2ss

    systems = []
    for low, high in BANDS:
        if low == 0:
            design = butter(ORDER, high, btype="lowpass", output="zpk", fs=RATE_HZ)
        else:
            design = butter(ORDER, (low, high), btype="bandpass", output="zpk", fs=RATE_HZ)
        systems.append(zpk2ss(*design))
    a, b, c, d = zip(*systems, strict=True)
    return block_diag(*a), np.concatenate(b), block_diag(*c), np.concatenate(d)


class PupilBands:
    """Differential entropies of the slow bands of one or two pupils.

    Pupils are averaged over fifths of a second of the clock. Where a pupil is not seen, as in a blink, its last mean
    stands in: a bridge for these filters alone. What is taken from a pupil first is its first mean, so that the filters
    do not ring.

    Parameters
    ----------
    pupils : int
    buffer_s : float
        The variance of a band is that of the filtered pupil over so long.
    """

    def __init__(self, pupils: int, buffer_s: float) -> None:
        self._pupils = pupils
        self._kept = max(2, round(buffer_s * RATE_HZ))
        self._a, self._b, self._c, self._d = _filters()
        self.begin_segment()

    def begin_segment(self) -> None:
        """Put the filters to rest."""
        self._bin: int | None = None
        self._parts: list[tuple[Floats, Bools]] = []
        self._reference = np.full(self._pupils, np.nan)
        self._held = np.zeros(self._pupils)
        self._state = np.zeros((len(self._a), self._pupils))
        self._outputs: deque[Floats] = deque(maxlen=self._kept)
        self._seen: deque[Bools] = deque(maxlen=self._kept)

    def take(self, stamps_s: Floats, pupils: Floats, seen: Bools) -> None:
        """Go on by some samples.

        Parameters
        ----------
        stamps_s : ndarray of float64, shape (samples,)
        pupils : ndarray of float64, shape (samples, pupils)
        seen : ndarray of bool, shape (samples, pupils)
            Whether a pupil is seen whole.
        """
        bins = np.floor(stamps_s * RATE_HZ).astype(np.int64)
        cuts = [0, *(np.flatnonzero(bins[1:] != bins[:-1]) + 1).tolist(), len(bins)]
        for first, stop in pairwise(cuts):
            number = int(bins[first])
            if self._bin is None:
                self._bin = number
            # A break in the stamps that is no gap yet leaves a bin or two without samples.
            while self._bin < number:
                self._finish_bin()
                self._bin += 1
            self._parts.append((pupils[first:stop], seen[first:stop]))

    def _finish_bin(self) -> None:
        """One step of the filters."""
        whole = np.zeros(self._pupils, dtype=bool)
        if self._parts:
            pupils = np.concatenate([pupils for pupils, _ in self._parts])
            seen = np.concatenate([seen for _, seen in self._parts])
            count = seen.sum(axis=0)
            whole = count > 0
            mean = np.where(seen, pupils, 0.0).sum(axis=0) / np.maximum(count, 1)
            self._reference = np.where(np.isnan(self._reference) & whole, mean, self._reference)
            self._held = np.where(whole, mean - self._reference, self._held)
            self._parts = []
        self._outputs.append(self._c @ self._state + self._d * self._held)
        self._state = self._a @ self._state + self._b * self._held
        self._seen.append(whole)

    def entropies(self) -> Floats:
        """Entropy of each band of each pupil, shape (pupils, bands); NaN where a pupil was seen too seldom."""
        if len(self._outputs) < math.ceil(LEAST_S * RATE_HZ):
            return np.full((self._pupils, len(BANDS)), np.nan)
        variances = np.stack(self._outputs).var(axis=0).T
        enough = np.stack(self._seen).mean(axis=0) >= 0.5
        return np.where(enough[:, None], entropy_of_variance(variances), np.nan)
