"""Clocks, and the map from a stream's clock to the recorder's.

Stamps of a stream are on the clock of the machine that made them. Now and then the offset between that clock
and the recorder's is measured; a `ClockMap` turns the measurements, in the order in which they come, into a
map. It never looks ahead, so a replay gives what was given live.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtemo.types import Floats


class Clock(Protocol):
    """Something that tells the time."""

    def now_s(self) -> float:
        """Seconds since any fixed moment."""
        ...


class MonotonicClock:
    """The machine's own monotonic clock, which no one sets."""

    def now_s(self) -> float:
        """Seconds since some moment before the program started."""
        return time.monotonic()


class LslClock:
    """The LSL local clock, on which every stamp of a live session lies."""

    def __init__(self) -> None:
        from rtemo.liblsl import local_clock

        self._now_s = local_clock

    def now_s(self) -> float:
        """LSL local-clock seconds."""
        return self._now_s()


class VirtualClock:
    """A clock that stands until it is moved: for tests and for replay.

    Parameters
    ----------
    start_s : float
        What it shows first.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Where the clock was moved to."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Move it on; a negative step is refused."""
        if by_s < 0:
            raise ValueError(f"a clock moves forward: {by_s} s")
        self._now_s += by_s

    def advance_to(self, now_s: float) -> None:
        """Move it on to a moment, or leave it where it is beyond that already."""
        self._now_s = max(self._now_s, now_s)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured offset: add `offset_s` to stamps around `time_s`. The uncertainty is kept for reports only."""

    time_s: float
    offset_s: float
    uncertainty_s: float | None = None


MEMORY = 60
"""Measurements that the line is fitted to: five minutes at the usual five seconds."""
SLOPE_SCALE = 5e-5
"""Standard deviation expected of the relative rate of two clocks: crystals differ by tens of parts per million."""
NOISE_FLOOR_S = 5e-5
"""Measurements are never believed beyond this."""
SLEW_S = 5.0
"""Time over which the map moves to a new line, so that it stays continuous."""
DOUBT_S = 0.010
"""A measurement that departs by more than this, and by eight times the noise, waits for others that agree."""
RESET_S = 0.100
"""Above this, two that agree are a new clock; below, four are."""
FLAT_AFTER_S = 3600.0
"""So far from the newest measurement the slope means nothing."""
FAR_S = 60.0
"""A single measurement that departs by more than this is believed at once if the stamps jumped with it."""


class ClockMap:
    """Causal, robust, continuous map from a stream's clock to the recorder's, in segments.

    Within a segment the map follows a line fitted to the latest measurements: Huber's M-estimator with the
    slope drawn to zero, as clocks differ in rate by tens of parts per million. A new measurement moves the
    map to the new line over the next five seconds, so mapped stamps never jump back. A measurement far off
    the line is left out until the next ones agree with it; then the clock was reset, and a new segment
    starts. Before the first measurement the map is the identity.

    Attributes
    ----------
    segment : int
        Grows by one at each clock reset.
    measurements : int
        How many were added.
    wild : int
        How many were left out as wild.
    """

    def __init__(self) -> None:
        self.segment = 0
        self.measurements = 0
        self.wild = 0
        self._used: list[Measurement] = []
        self._doubted: list[Measurement] = []
        self._noise_s = NOISE_FLOOR_S
        self._line = (0.0, 0.0, 0.0)
        self._slew: tuple[float, float, float] | None = None
        self._last_stamp = -np.inf

    @property
    def latest(self) -> Measurement | None:
        """The newest measurement that the map uses."""
        return self._used[-1] if self._used else None

    @property
    def doubting(self) -> bool:
        """Whether the latest measurement departs from the map, and the next one decides which is right."""
        return bool(self._doubted)

    def add(self, time_s: float, offset_s: float, uncertainty_s: float | None = None) -> None:
        """Take one measurement.

        Parameters
        ----------
        time_s : float
            When, on the stream's clock.
        offset_s : float
            Recorder's clock minus stream's clock.
        uncertainty_s : float, optional
            Kept for reports. It does not weigh in the map: XDF has no place for it, and a replay must give
            what was given live.
        """
        measurement = Measurement(time_s, offset_s, uncertainty_s)
        self.measurements += 1
        if not self._used:
            self._used = [measurement]
            self._fit(continuous=False)
            return
        departure = offset_s - self._line_at(self._expected_time(measurement))
        if abs(departure) <= max(DOUBT_S, 8 * self._noise_s):
            self.wild += len(self._doubted)
            self._doubted = []
            self._used = [*self._used[-MEMORY + 1 :], measurement]
            self._fit(continuous=True)
            return
        if self._doubted and abs(offset_s - self._doubted[-1].offset_s) > max(DOUBT_S, 0.1 * abs(departure)):
            self.wild += len(self._doubted)
            self._doubted = []
        self._doubted.append(measurement)
        if len(self._doubted) >= (2 if abs(departure) > RESET_S else 4):
            self._reset()

    def map(self, stamps_s: Floats) -> tuple[Floats, int]:
        """Put stamps on the recorder's clock.

        Parameters
        ----------
        stamps_s : ndarray of float64, shape (samples,)
            On the stream's clock, in the order in which they came.

        Returns
        -------
        mapped : ndarray of float64, shape (samples,)
        segment : int
            Of all of them.
        """
        if not len(stamps_s):
            return stamps_s, self.segment
        if self._doubted and self._jumped_with(self._doubted[-1], float(stamps_s[0])):
            self._reset()
        lowest_s, highest_s = float(stamps_s.min()), float(stamps_s.max())
        mapped = stamps_s + self._offsets(stamps_s, lowest_s, highest_s)
        self._last_stamp = max(self._last_stamp, highest_s)
        return mapped, self.segment

    def _expected_time(self, measurement: Measurement) -> float:
        """The measurement's moment on the clock in use: the recorder's moment is right even on a new clock."""
        return measurement.time_s + measurement.offset_s - self._line_at(measurement.time_s)

    def _jumped_with(self, measurement: Measurement, stamp_s: float) -> bool:
        return abs(stamp_s - measurement.time_s) < FAR_S < abs(stamp_s - self._last_stamp) < np.inf

    def _reset(self) -> None:
        self._used, self._doubted = self._doubted, []
        self.segment += 1
        self._noise_s = NOISE_FLOOR_S
        self._last_stamp = -np.inf
        self._fit(continuous=False)

    def _line_at(self, time_s: float) -> float:
        reference, level, slope = self._line
        return level + slope * min(max(time_s - reference, -FLAT_AFTER_S), FLAT_AFTER_S)

    def _offsets(self, stamps_s: Floats, lowest_s: float, highest_s: float) -> Floats:
        """Offsets at stamps between two moments; most often all of them lie on one piece of the map."""
        slewed: Floats | None = None
        if self._slew is not None:
            start, value, rate = self._slew
            if lowest_s < start + SLEW_S:
                slewed = value + rate * (stamps_s - start)
                if highest_s < start + SLEW_S:
                    return slewed
        reference, level, slope = self._line
        since = stamps_s - reference
        if lowest_s < reference - FLAT_AFTER_S or highest_s > reference + FLAT_AFTER_S:
            since = np.clip(since, -FLAT_AFTER_S, FLAT_AFTER_S)
        offsets: Floats = level + slope * since
        return offsets if slewed is None else np.where(stamps_s < start + SLEW_S, slewed, offsets)

    def _fit(self, *, continuous: bool) -> None:
        """Fit the line anew, and slew to it from where the map stands."""
        newest = self._used[-1]
        start = max(newest.time_s, self._last_stamp)
        value = float(self._offsets(np.array([start]), start, start)[0]) if continuous else 0.0
        times = np.array([m.time_s for m in self._used]) - newest.time_s
        offsets = np.array([m.offset_s for m in self._used]) - newest.offset_s
        before = self._line_at(newest.time_s) - newest.offset_s if continuous else 0.0
        level, slope, self._noise_s = _robust_line(times, offsets, before, self._line[2] if continuous else 0.0)
        self._line = (newest.time_s, newest.offset_s + level, slope)
        if continuous:
            self._slew = (start, value, (self._line_at(start + SLEW_S) - value) / SLEW_S)
        else:
            self._slew = None


_ITERATIONS = 8
_SETTLED_S = 1e-6


def _robust_line(times_s: Floats, offsets_s: Floats, level: float, slope: float) -> tuple[float, float, float]:
    """Level at time 0, slope and noise: Huber's estimator by reweighting, the slope with a normal prior."""
    if len(times_s) == 1:
        return float(offsets_s[0]), 0.0, NOISE_FLOOR_S
    middle = len(times_s) // 2
    noise = NOISE_FLOOR_S
    for _ in range(_ITERATIONS):
        residual = np.abs(offsets_s - level - slope * times_s)
        noise = max(1.4826 * float(np.sort(residual)[middle]), NOISE_FLOOR_S)
        weight = np.minimum(1.0, 1.345 * noise / np.maximum(residual, 1e-12))
        weighted = weight * times_s
        s0, s1 = float(weight.sum()), float(weighted.sum())
        s2 = float(weighted @ times_s) + (noise / SLOPE_SCALE) ** 2
        y0, y1 = float(weight @ offsets_s), float(weighted @ offsets_s)
        determinant = s0 * s2 - s1 * s1
        moved = (y0 * s2 - y1 * s1) / determinant - level
        level, slope = level + moved, (s0 * y1 - s1 * y0) / determinant
        if abs(moved) < _SETTLED_S:
            break
    return level, slope, noise
