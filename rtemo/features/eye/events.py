"""Fixations, saccades and blinks from labelled samples, as a state machine that goes from run to run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtemo.features.eye.runs import run_starts
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
    """Consecutive samples, the newer ones with what they are.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
    points : ndarray of float64, shape (samples, 2)
        Gaze, NaN where it is not known.
    first : int
        The samples from here on are new; those before were taken already, and are here to be looked back at.
    codes : ndarray of int8, shape (samples - first,)
        What each new sample is.
    before : ndarray of intp, shape (samples - first,)
        For each new sample that is fast, the index of the one that its velocity was taken from.
    closing_s : ndarray of float64, shape (samples - first,)
        For each new sample with closed eyes, since when the lids have been falling.
    """

    stamps_s: Floats
    points: Floats
    first: int
    codes: Codes
    before: NDArray[np.intp]
    closing_s: Floats


class _Run(NamedTuple):
    """Consecutive samples that are alike.

    Parameters
    ----------
    code : int
    first_s, last_s : float
        Stamps.
    low, high : point
        Bounds of gaze; NaN where it is lost.
    before_first_s, before_last_s : float
        Stamps of the samples that the velocities of the first and the last one were taken from.
    step_first_s, step_last_s : float
        Since the sample just before the first and the last one.
    origin, target : point
        Where the first velocity was taken from, and where the last one led to.
    closing_s : float
        Since when the lids have been falling, where eyes are closed.
    """

    code: int
    first_s: float
    last_s: float
    low: Point
    high: Point
    before_first_s: float
    before_last_s: float
    step_first_s: float
    step_last_s: float
    origin: Point
    target: Point
    closing_s: float


def _runs(samples: Labelled) -> list[_Run]:
    """The new samples, run by run."""
    codes, stamps_s, points, before = samples.codes, samples.stamps_s, samples.points, samples.before
    if not len(codes):
        return []
    starts = run_starts(codes)
    runs = len(starts)
    stops = np.empty_like(starts)
    stops[:-1], stops[-1] = starts[1:] - 1, len(codes) - 1
    first, last = starts + samples.first, stops + samples.first
    origin = before[starts]
    # Looked up together: a window has few runs, and each look costs more than what it finds.
    stamps = stamps_s[
        np.concatenate((first, last, origin, before[stops], np.maximum(first - 1, 0), np.maximum(last - 1, 0)))
    ]
    ends = points[np.concatenate((origin, last))].tolist()
    first_s, last_s, from_first_s, from_last_s, prior_first_s, prior_last_s = stamps.reshape(6, runs).tolist()
    new = points[samples.first :]
    low, high = np.minimum.reduceat(new, starts).tolist(), np.maximum.reduceat(new, starts).tolist()
    closing_s, kinds = samples.closing_s[starts].tolist(), codes[starts].tolist()
    return [
        _Run(
            kinds[i],
            first_s[i],
            last_s[i],
            low[i],
            high[i],
            from_first_s[i],
            from_last_s[i],
            first_s[i] - prior_first_s[i],
            last_s[i] - prior_last_s[i],
            ends[i],
            ends[runs + i],
            closing_s[i],
        )
        for i in range(runs)
    ]


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
        self._start_anew()

    def end_segment(self) -> None:
        """The next sample does not continue the last one.

        A fixation ends with its last sample. Of a jump and of closed eyes that have not ended nothing is known.
        """
        self._confirm(math.inf)
        self._end_fixation(math.inf)
        self._start_anew()

    def _start_anew(self) -> None:
        self._code: int | None = None
        # When gaze was lost last, when eyes opened last, and when the jump that has just ended did.
        self._lost_s = math.inf
        self._opened_s = -math.inf
        self._rests_from_s = math.nan
        self._fixation: _Fixation | None = None
        self._jump: _Jump | None = None
        self._closed: list[float] | None = None
        self._pending: list[_Jump] = []

    def take(self, samples: Labelled) -> None:
        """Go on by the new samples."""
        runs = _runs(samples)
        for run in runs:
            if run.code != self._code:
                self._end_run(run.first_s)
                self._begin_run(run)
            self._go_on(run)
        if runs:
            now_s = runs[-1].last_s
            if self._code == LOST and now_s - self._lost_s > self._settings.max_gap_s:
                self._end_fixation(math.inf)
            self._confirm(now_s)

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

    def _begin_run(self, run: _Run) -> None:
        earlier, self._code = self._code, run.code
        if run.code == SLOW:
            if self._fixation is None:
                start_s = run.first_s if math.isnan(self._rests_from_s) else min(self._rests_from_s, run.first_s)
                self._fixation = _Fixation(start_s, run.first_s, (math.inf, math.inf), (-math.inf, -math.inf))
        elif run.code == FAST:
            start_s = (run.before_first_s + run.first_s - run.step_first_s) / 2
            self._jump = _Jump(start_s, run.first_s, run.origin, start_s, run.first_s, run.origin)
        elif run.code == LOST:
            self._lost_s = run.first_s
        else:
            # Of eyes that were closed when the segment began it is not known since when.
            self._close_eyes(run.first_s, run.closing_s if earlier is not None else -math.inf)
        self._rests_from_s = math.nan

    def _go_on(self, run: _Run) -> None:
        if run.code == SLOW:
            fixation = self._fixation
            assert fixation is not None, "a slow run has a fixation"
            fixation.low = min(fixation.low[0], run.low[0]), min(fixation.low[1], run.low[1])
            fixation.high = max(fixation.high[0], run.high[0]), max(fixation.high[1], run.high[1])
            fixation.last_s = run.last_s
        elif run.code == FAST:
            assert self._jump is not None, "a fast run has a jump"
            self._jump.stop_s = (run.before_last_s + run.last_s + run.step_last_s) / 2
            self._jump.last_s, self._jump.target = run.last_s, run.target

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

    def _saccade(self, jump: _Jump) -> EyeEvent | None:
        """The saccade that one jump or several make; None where gaze came back to where it was."""
        amplitude = self._distance(jump.origin, jump.target)
        if not amplitude >= self._min_amplitude:
            return None
        return EyeEvent("saccade", jump.start_s, jump.stop_s, amplitude)

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

    def _close_eyes(self, stamp_s: float, closing_s: float) -> None:
        self._confirm(stamp_s)
        # What is nearer than the margin was the lid.
        self._done += [
            event
            for jump in self._pending
            if jump.last_s + self._settings.blink_margin_s <= stamp_s and (event := self._saccade(jump)) is not None
        ]
        self._pending.clear()
        self._end_fixation(max(closing_s, stamp_s - self._settings.max_gap_s))
        if self._closed is None:
            self._closed = [closing_s, math.inf]
        else:
            self._closed[1] = math.inf

    def _confirm(self, now_s: float) -> None:
        """Let go what nothing can change any more."""
        settings = self._settings
        certain_s = now_s - max(settings.blink_margin_s, settings.saccade_merge_s)
        held = 1 if self._goes_on(self._jump) and now_s < math.inf else 0
        while len(self._pending) > held and self._pending[0].last_s <= certain_s:
            saccade = self._saccade(self._pending.pop(0))
            if saccade is not None:
                self._done.append(saccade)
        if self._closed is not None and self._closed[1] + settings.blink_merge_s < now_s and self._closed[1] < math.inf:
            (start_s, stop_s), self._closed = self._closed, None
            shortest, longest = settings.blink_s
            if shortest <= stop_s - start_s <= longest:
                self._done.append(EyeEvent("blink", start_s, stop_s))
