"""Slow bands of the pupil, by filters that run on from window to window."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from rtemo.features.eye.runs import run_starts
from rtemo.features.spectrum import entropy_of_variance
from rtemo.types import Bools, Floats

RATE_HZ = 5.0
"""Pupils are averaged to this rate: what they tell lies below 1 Hz, and trackers differ from 30 to 2000 Hz."""
BANDS: tuple[tuple[float, float], ...] = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0))
"""In Hz, as in SEED (Lu et al. 2015)."""
ORDER = 2
LEAST_S = 2.0
"""After less there is no band to speak of."""
LEAST_SEEN = 0.5
"""Share of the fifths of a second in which a pupil must have been seen."""


@cache
def _filters() -> tuple[Floats, int]:
    """All bands' Butterworth filters as one linear system, and how many states it has.

    Returns
    -------
    system : ndarray of float64, shape (states + bands, states + 1)
        Gives from states and input the next states and the outputs.
    states : int
    """
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
    states = block_diag(*a)
    return np.block([[states, np.concatenate(b)], [block_diag(*c), np.concatenate(d)]]), len(states)


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
        self._system, self._states = _filters()
        self.begin_segment()

    def begin_segment(self) -> None:
        """Put the filters to rest."""
        self._bins = np.empty(0, dtype=np.int64)
        self._waiting = np.empty((0, self._pupils)), np.empty((0, self._pupils), dtype=bool)
        self._reference, self._unset = np.full(self._pupils, np.nan), True
        self._input = np.zeros((self._states + 1, self._pupils))
        self._outputs = np.empty((0, len(BANDS), self._pupils))
        self._seen = np.empty((0, self._pupils), dtype=bool)

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
        if self._bins.size:
            bins = np.concatenate([self._bins, bins])
            pupils, seen = np.concatenate([self._waiting[0], pupils]), np.concatenate([self._waiting[1], seen])
        starts = run_starts(bins)
        # The last bin may get more samples: it waits.
        whole, rest = starts[:-1], int(starts[-1])
        self._bins, self._waiting = bins[rest:], (pupils[rest:], seen[rest:])
        if not len(whole):
            return
        count = np.add.reduceat(seen[:rest], whole, dtype=np.intp)
        mean = np.add.reduceat(np.where(seen[:rest], pupils[:rest], 0.0), whole)
        mean /= np.maximum(count, 1)
        was_seen = count > 0
        steps = bins[starts[1:]] - bins[whole]
        if int(steps.max()) > 1:
            # A break in the stamps that is no gap leaves bins without samples. After a very long one, nothing of
            # what came before is left in the buffer.
            np.minimum(steps, self._kept + 1, out=steps)
            mean, was_seen = np.repeat(mean, steps, axis=0), np.repeat(was_seen, steps, axis=0)
            was_seen[np.delete(np.arange(len(mean)), np.cumsum(steps) - steps)] = False
        self._step(mean, was_seen)

    def _step(self, mean: Floats, seen: Bools) -> None:
        """Go on by the means of some bins, (bins, pupils); what is not seen stays as it was."""
        for pupil in np.flatnonzero(np.isnan(self._reference)) if self._unset else ():
            if seen[:, pupil].any():
                self._reference[pupil] = mean[seen[:, pupil].argmax(), pupil]
        self._unset = self._unset and bool(np.isnan(self._reference).any())
        centred = mean - self._reference
        if np.count_nonzero(seen) < seen.size:
            earlier = self._input[-1]
            for row, there in zip(centred, seen, strict=True):
                row[~there] = earlier[~there]
                earlier = row
        states, state = self._states, self._input
        outputs = np.empty((len(centred), len(BANDS), self._pupils))
        for row, output in zip(centred, outputs, strict=True):
            state[-1] = row
            result = self._system @ state
            state[:-1], output[:] = result[:states], result[states:]
        self._outputs = np.concatenate([self._outputs, outputs])[-self._kept :]
        self._seen = np.concatenate([self._seen, seen])[-self._kept :]

    def entropies(self) -> Floats:
        """Entropy of each band of each pupil, shape (pupils, bands); NaN where a pupil was seen too seldom."""
        steps = len(self._outputs)
        if steps < math.ceil(LEAST_S * RATE_HZ):
            return np.full((self._pupils, len(BANDS)), np.nan)
        mean = np.add.reduce(self._outputs)
        mean /= steps
        centred = self._outputs - mean
        centred *= centred
        variances = np.add.reduce(centred)
        variances /= steps
        enough = np.add.reduce(self._seen, dtype=np.intp) >= LEAST_SEEN * steps
        return np.where(enough[:, None], entropy_of_variance(variances.T), np.nan)
