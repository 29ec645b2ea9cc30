"""Fixations, saccades and blinks from labelled samples, as a state machine that goes from run to run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtemo.features.eye.settings import EyeSettings
from rtemo.types import Floats

SLOW, FAST, LOST, CLOSED = range(4)
"""What a sample can be: gaze that rests, gaze that jumps, gaze that is not known, and closed eyes."""

Kind = Literal["fixation", "saccade", "blink"]
Codes = NDArray[np.int8]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class EyeEvent:
    """A fixation, a saccade or a blink.

    Parameters
    ----------
    kind : "fixation", "saccade" or "blink"
    start_s, stop_s : float
        LSL clock seconds.
    amplitude : float
        Of a saccade: how far gaze went, in degrees where they are known, else in the tracker's units. NaN otherwise.
    dispersion_x, dispersion_y : float
        Of a fixation: width and height of what it covered, in the same unit. NaN otherwise.
    """

    kind: Kind
    start_s: float
    stop_s: float
    amplitude: float = math.nan
    dispersion_x: float = math.nan
    dispersion_y: float = math.nan

    @property
    def duration_s(self) -> float:
        """Seconds from start to stop."""
        return self.stop_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Consecutive samples, each with what it is.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
    points : ndarray of float64, shape (samples, 2)
        Gaze, NaN where it is not known.
    codes : ndarray of int8, shape (samples,)
    before : ndarray of intp, shape (samples,)
        Index, counted from the first of these samples, of the one that the velocity was taken from.
    known : ndarray of float64, shape (earlier, 3)
        Stamps and points of the samples just before these, for negative values of `before`.
    """

    stamps_s: Floats
    points: Floats
    codes: Codes
    before: NDArray[np.intp]
    known: Floats

    def at(self, index: int) -> tuple[float, Point]:
        """Stamp and point of one of these samples, or of one just before them."""
        if index < 0:
            stamp_s, x, y = self.known[index].tolist()
            return stamp_s, (x, y)
        x, y = self.points[index].tolist()
        return float(self.stamps_s[index]), (x, y)


@dataclass(slots=True)
class _Fixation:
    start_s: float
    last_s: float
    low: Point
    high: Point


@dataclass(slots=True)
class _Jump:
    """A run of fast samples, or several that are one: where it began, and how far it has come.

    Velocities are taken over a span, so the movement began and ended a little before the fast samples did.
    """

    start_s: float
    first_s: float
    origin: Point
    stop_s: float
    last_s: float
    target: Point


class EventMachine:
    """Turns runs of samples that are alike into events.

    Parameters
    ----------
    settings : EyeSettings
    distance : callable
        Of two points, in degrees or units.
    extent : callable
        Of two coordinates along an axis.
    min_amplitude : float
        In the same unit.

    Notes
    -----
    A saccade counts once the margin after it has passed without closing eyes; a blink once the eyes have stayed open
    for the time in which another would be the same. Both moments are told by stamps of samples, so it does not matter
    how samples come in pieces.
    """

    def __init__(
        self,
        settings: EyeSettings,
        distance: Callable[[Point, Point], float],
        extent: Callable[[float, float], float],
        min_amplitude: float,
    ) -> None:
        self._settings = settings
        self._distance, self._extent = distance, extent
        self._min_amplitude = min_amplitude
        self._done: list[EyeEvent] = []
        self.begin_segment()

    def begin_segment(self) -> None:
        """What is under way is broken off: of an event without an end nothing is known."""
        self._code: int | None = None
        self._last_s = -math.inf
        self._lost_s = math.inf
        self._opened_s = -math.inf
        self._rests_from_s = math.nan
        self._fixation: _Fixation | None = None
        self._jump: _Jump | None = None
        self._closed: list[float] | None = None
        self._pending: list[_Jump] = []

    def take(self, samples: Labelled) -> None:
        """Go on by some samples."""
        codes = samples.codes
        if not len(codes):
            return
        cuts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
        for first, stop in pairwise(cuts):
            code = int(codes[first])
            if code != self._code:
                self._end_run(float(samples.stamps_s[first]))
                self._begin_run(code, samples, first)
            self._go_on(code, samples, first, stop)
        self._last_s = float(samples.stamps_s[-1])
        self._confirm(self._last_s)

    def taken(self) -> list[EyeEvent]:
        """Events that are complete and certain, since the last call; blinks and saccades come a moment late."""
        done, self._done = self._done, []
        return done

    def under_way(self) -> EyeEvent | None:
        """The fixation that has not ended yet, as far as it has come, if it is long enough to be one."""
        fixation = self._fixation
        if fixation is None or fixation.last_s - fixation.start_s < self._settings.min_fixation_s:
            return None
        return self._event_of(fixation, fixation.last_s)

    def _begin_run(self, code: int, samples: Labelled, first: int) -> None:
        stamp_s = float(samples.stamps_s[first])
        self._code = code
        if code == SLOW:
            if self._fixation is None:
                start_s = self._rests_from_s if not math.isnan(self._rests_from_s) else stamp_s
                self._fixation = _Fixation(min(start_s, stamp_s), stamp_s, (math.inf, math.inf), (-math.inf, -math.inf))
        elif code == FAST:
            before_s, origin = samples.at(int(samples.before[first]))
            half_s = (stamp_s - samples.at(first - 1)[0]) / 2
            start_s = (before_s + stamp_s) / 2 - half_s
            self._jump = _Jump(start_s, stamp_s, origin, stamp_s, stamp_s, origin)
        elif code == LOST:
            self._lost_s = stamp_s
        else:
            self._close_eyes(stamp_s)
        self._rests_from_s = math.nan

    def _go_on(self, code: int, samples: Labelled, first: int, stop: int) -> None:
        last_s = float(samples.stamps_s[stop - 1])
        if code == SLOW:
            fixation = self._fixation
            assert fixation is not None, "a slow run has a fixation"
            points = samples.points[first:stop]
            low, high = np.minimum.reduce(points).tolist(), np.maximum.reduce(points).tolist()
            fixation.low = min(fixation.low[0], low[0]), min(fixation.low[1], low[1])
            fixation.high = max(fixation.high[0], high[0]), max(fixation.high[1], high[1])
            fixation.last_s = last_s
        elif code == FAST:
            assert self._jump is not None, "a fast run has a jump"
            before_s = samples.at(int(samples.before[stop - 1]))[0]
            half_s = (last_s - samples.at(stop - 2)[0]) / 2
            self._jump.stop_s, self._jump.last_s = (before_s + last_s) / 2 + half_s, last_s
            self._jump.target = samples.at(stop - 1)[1]

    def _end_run(self, next_s: float) -> None:
        if self._code == FAST:
            assert self._jump is not None, "a fast run has a jump"
            self._end_jump(self._jump)
            self._jump = None
        elif self._code == LOST:
            if next_s - self._lost_s > self._settings.max_gap_s:
                self._end_fixation(math.inf)
        elif self._code == CLOSED:
            assert self._closed is not None, "closed eyes have been closing"
            self._closed[1] = self._opened_s = next_s

    def _end_jump(self, jump: _Jump) -> None:
        settings = self._settings
        amplitude = self._distance(jump.origin, jump.target)
        real = jump.stop_s - jump.start_s >= settings.min_saccade_s and amplitude >= self._min_amplitude
        if real or settings.method == "dispersion":
            self._end_fixation(jump.start_s)
            self._rests_from_s = jump.stop_s
        if not real or jump.first_s < self._opened_s + settings.blink_margin_s:
            return
        if self._goes_on(jump):
            earlier = self._pending.pop()
            jump.start_s, jump.first_s, jump.origin = earlier.start_s, earlier.first_s, earlier.origin
        self._pending.append(jump)

    def _goes_on(self, jump: _Jump | None) -> bool:
        """Whether a jump is so soon after the last one that they are one saccade."""
        return (
            jump is not None
            and bool(self._pending)
            and jump.first_s - self._pending[-1].last_s < self._settings.saccade_merge_s
        )

    def _end_fixation(self, stop_s: float) -> None:
        fixation, self._fixation = self._fixation, None
        if fixation is None:
            return
        event = self._event_of(fixation, max(min(stop_s, fixation.last_s), fixation.start_s))
        if event.duration_s >= self._settings.min_fixation_s:
            self._done.append(event)

    def _event_of(self, fixation: _Fixation, stop_s: float) -> EyeEvent:
        (left, bottom), (right, top) = fixation.low, fixation.high
        width, height = self._extent(left, right), self._extent(bottom, top)
        return EyeEvent("fixation", fixation.start_s, stop_s, dispersion_x=width, dispersion_y=height)

    def _close_eyes(self, stamp_s: float) -> None:
        self._confirm(stamp_s)
        # What is still pending is so near that it was the lid.
        self._pending.clear()
        self._end_fixation(math.inf)
        if self._closed is None:
            self._closed = [stamp_s, math.inf]
        else:
            self._closed[1] = math.inf

    def _confirm(self, now_s: float) -> None:
        """Let go what nothing can change any more."""
        settings = self._settings
        certain_s = now_s - max(settings.blink_margin_s, settings.saccade_merge_s)
        held = 1 if self._goes_on(self._jump) else 0
        while len(self._pending) > held and self._pending[0].last_s <= certain_s:
            jump = self._pending.pop(0)
            amplitude = self._distance(jump.origin, jump.target)
            self._done.append(EyeEvent("saccade", jump.start_s, jump.stop_s, amplitude))
        if self._closed is not None and self._closed[1] + settings.blink_merge_s < now_s:
            (start_s, stop_s), self._closed = self._closed, None
            shortest, longest = settings.blink_s
            if shortest <= stop_s - start_s <= longest:
                self._done.append(EyeEvent("blink", start_s, stop_s))
