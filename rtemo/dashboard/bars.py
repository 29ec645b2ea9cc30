"""Windows as bars over time: each by itself, or so many together as a screen can tell apart; a gap stays a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

MOST_BARS: Final = 900
"""Over what is seen, where there is no gap."""
GAP_HOPS: Final = 0.5
GAP_BARS: Final = 0.25
"""A hole is left open where it is longer than this part of a hop, and of a bar of many windows: that is what can be
seen, and bounds how many holes there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Stretches of time without a gap.

    Parameters
    ----------
    at : ndarray of intp, shape (bars,)
        Number of the window that stands for each: its last.
    left, right : ndarray of float64, shape (bars,)
        Moments, ascending; bars do not overlap.
    follows : ndarray of bool, shape (bars,)
        Whether the next bar begins where this one ends.
    """

    at: NDArray[np.intp]
    left: Floats
    right: Floats
    follows: NDArray[np.bool_]


def bars_of(stop_s: Floats, low: float, high: float, hop_s: float) -> Bars:
    """The bars of the windows that are seen between two moments.

    Where there are many, those share a bar that end in the same column of a grid that does not move with the edge.

    Parameters
    ----------
    stop_s : ndarray of float64, shape (windows,)
        Ends of windows, ascending.
    low, high : float
    hop_s : float
        A window stands for the hop before its end.
    """
    first, last = np.searchsorted(stop_s, [low, high + hop_s])
    stop_s = stop_s[first:last]
    if not len(stop_s):
        none = np.zeros(0)
        return Bars(np.zeros(0, dtype=np.intp), none, none, np.zeros(0, dtype=bool))
    hole_s = np.diff(stop_s) - hop_s
    gap = hole_s > GAP_HOPS * hop_s
    if len(stop_s) > MOST_BARS:
        column_s = (high - low) / MOST_BARS
        gap &= hole_s > GAP_BARS * column_s
        ends = gap | (np.diff(np.floor(stop_s / column_s)) > 0)
    else:
        ends = np.ones(len(gap), dtype=bool)
    at = np.append(np.flatnonzero(ends), len(stop_s) - 1)
    right = stop_s[at]
    begins = np.append(0, at[:-1] + 1)
    left = np.maximum(stop_s[begins] - hop_s, np.append(-np.inf, right[:-1]))
    follows = np.append(~gap[at[:-1]], False)
    # The clocks' jitter leaves no hairline between bars that follow each other.
    left[1:] = np.where(follows[:-1], right[:-1], left[1:])
    return Bars(at + first, left, right, follows)


def steps(bars: Bars, values: Floats) -> tuple[Floats, Floats]:
    """Each bar's value from its beginning to its end, as points of a line; NaN where there is a gap."""
    x = np.column_stack([bars.left, bars.right, bars.right])
    y = np.column_stack([values, values, np.where(bars.follows, values, np.nan)])
    return x.ravel(), y.ravel()
