"""Closed eyes by the aperture of the lids."""

from __future__ import annotations

import math

import numpy as np

from rtemo.features.eye.levels import TrailingLevel
from rtemo.types import Bools, Floats


class Lid:
    """One lid: closed once its aperture falls below a fraction of what is usual, until it is above a larger one.

    Parameters
    ----------
    closed, opened : float
        The fractions. What is usual is the upper tenth of half a second, and the median of that over ten seconds.
    """

    def __init__(self, closed: float, opened: float) -> None:
        self._closed_share, self._open_share = closed, opened
        self._usual = TrailingLevel(_upper_tenth)
        self.begin_segment()

    @property
    def known(self) -> bool:
        """Whether the lid was ever seen for long enough to know what is usual."""
        return not math.isnan(self._usual.level)

    def begin_segment(self) -> None:
        """The next sample does not continue the last one."""
        self._shut = False
        self._falling_s = math.nan

    def take(self, number: int, stamps_s: Floats, apertures: Floats) -> tuple[Bools, Floats]:
        """Go on by samples of one half second of the clock.

        Parameters
        ----------
        number : int
            Of the half second.
        stamps_s, apertures : ndarray of float64, shape (samples,)
            An aperture that is NaN leaves the lid as it was.

        Returns
        -------
        closed : ndarray of bool, shape (samples,)
        since_s : ndarray of float64, shape (samples,)
            Since when the aperture has been below the larger fraction; NaN where it is not.
        """
        self._usual.enter(number)
        self._usual.add(apertures)
        # Comparisons with NaN are False: nothing is closed while nothing is known.
        low = apertures < self._closed_share * self._usual.level
        wide = apertures >= self._open_share * self._usual.level
        falling = apertures < self._open_share * self._usual.level
        order = np.arange(len(stamps_s))
        decided = np.maximum.accumulate(np.where(low | wide, order, -1))
        closed = np.where(decided >= 0, low[decided], self._shut)
        known = np.maximum.accumulate(np.where(falling | wide, order, -1))
        was_falling = not math.isnan(self._falling_s)
        falling = np.where(known >= 0, falling[known], was_falling)
        before = np.concatenate([[was_falling], falling[:-1]])
        began = np.maximum.accumulate(np.where(falling & ~before, order, -1))
        since_s = np.where(falling, np.where(began >= 0, stamps_s[began], self._falling_s), math.nan)
        self._shut, self._falling_s = bool(closed[-1]), float(since_s[-1])
        return closed, since_s


class Lids:
    """The lids of one or two eyes: eyes are closed where all lids are.

    A lid that was never seen does not count.

    Parameters
    ----------
    lids : int
    closed, opened : float
        See `Lid`.
    """

    def __init__(self, lids: int, closed: float, opened: float) -> None:
        self._lids = [Lid(closed, opened) for _ in range(lids)]

    def begin_segment(self) -> None:
        """The next sample does not continue the last one."""
        for lid in self._lids:
            lid.begin_segment()

    def take(self, number: int, stamps_s: Floats, apertures: Floats) -> tuple[Bools, Floats]:
        """As `Lid.take`, for apertures of the shape (samples, lids); eyes have been closing since the last lid has."""
        taken = [lid.take(number, stamps_s, apertures[:, i]) for i, lid in enumerate(self._lids)]
        counting = [one for lid, one in zip(self._lids, taken, strict=True) if lid.known]
        if not counting:
            return np.zeros(len(stamps_s), dtype=bool), stamps_s
        closed = np.logical_and.reduce([closed for closed, _ in counting])
        since_s = np.maximum.reduce([np.where(np.isnan(since), stamps_s, since) for _, since in counting])
        return closed, since_s


def _upper_tenth(apertures: Floats) -> float:
    return float(apertures[len(apertures) * 9 // 10])
