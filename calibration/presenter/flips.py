"""How a window's pictures come onto the screen, and whether its stamps are those of flips.

A swap of buffers that waits for the screen comes at multiples of the screen's period. One that does not (a driver told
not to wait, a virtual machine, a renderer in software) comes whenever painting is done, and then its stamp says when
painting was done: such a window is not called flip-locked, whatever it is painted with.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

WARM_UP: Final = 30
"""Flips that are measured before the first scene."""
SETTLING: Final = 5
"""Of these, so many come first and do not count: caches are cold, and a window's manager moves it."""
NEAR: Final = 0.15
"""So far from a multiple of the period, in periods, a flip still counts as one that waited."""
ENOUGH: Final = 0.75
"""Part of the flips that have waited, where all of them do."""


@dataclass(frozen=True, slots=True)
class FlipReport:
    """How stamps of a window come about.

    Parameters
    ----------
    path : {"opengl", "raster"}
    renderer : str
        What OpenGL says of itself; empty on the raster path.
    refresh_hz : float
        Of the screen, as the system has it.
    interval_s : float
        Median time between flips as measured; 0 where it was not.
    locked : bool
        Whether swaps wait for the screen.
    reason : str
        Why not; empty where they do.
    """

    path: Literal["opengl", "raster"]
    renderer: str
    refresh_hz: float
    interval_s: float
    locked: bool
    reason: str

    def words(self) -> str:
        """One line, for the session's log."""
        if self.locked:
            return (
                f"onsets are stamped at the buffer swap, which waits for the screen "
                f"({self.refresh_hz:.1f} Hz, {1e3 * self.interval_s:.1f} ms measured; {self.renderer})"
            )
        return f"onsets are stamped after painting, not at the flip of the screen: {self.reason}"


def waits_for_the_screen(flips_s: Sequence[float], refresh_hz: float) -> tuple[bool, float]:
    """Whether flips come at multiples of the screen's period.

    Parameters
    ----------
    flips_s : sequence of float
        When flips came that were asked for one right after the other.
    refresh_hz : float

    Returns
    -------
    bool
        Whether most of the intervals are one period, two, ...
    float
        Their median; 0 where there is none.
    """
    counted = flips_s[SETTLING:]
    intervals = [after - before for before, after in itertools.pairwise(counted)]
    if not intervals or refresh_hz <= 0:
        return False, 0.0
    periods = [interval * refresh_hz for interval in intervals]
    waited = sum(round(count) >= 1 and abs(count - round(count)) <= NEAR for count in periods)
    return waited >= ENOUGH * len(periods), median(intervals)


def report_of(
    path: Literal["opengl", "raster"], renderer: str, refresh_hz: float, flips_s: Sequence[float], why_raster: str
) -> FlipReport:
    """What is to be said of a window whose first flips came at `flips_s`."""
    waits, interval_s = waits_for_the_screen(flips_s, refresh_hz)
    if path == "raster":
        reason = f"the window is painted without OpenGL ({why_raster})"
    elif waits:
        reason = ""
    else:
        reason = (
            f"swaps come every {1e3 * interval_s:.1f} ms and do not wait for the screen "
            f"({refresh_hz:.1f} Hz; {renderer}). "
            "Turn vertical synchronisation on in the graphics driver"
        )
    return FlipReport(path, renderer, refresh_hz, interval_s, path == "opengl" and waits, reason)
