"""What each sample is: gaze that rests, gaze that jumps, gaze that is lost, or closed eyes."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rtemo.features.eye.columns import EyeSamples, Geometry
from rtemo.features.eye.events import CLOSED, FAST, LOST, SLOW, Labelled
from rtemo.features.eye.levels import BIN_S, TrailingLevel
from rtemo.features.eye.lids import Lids
from rtemo.features.eye.runs import run_starts
from rtemo.features.eye.settings import EyeSettings
from rtemo.types import Bools, Floats

SPEED_MEDIAN = math.sqrt(2 * math.log(2))
"""Median of the speed of a Gaussian velocity in the plane, in standard deviations of one of its components."""
SPAN_GAP_S = 0.08
"""Over longer than this, beyond the span, no velocity is taken."""


class SampleLabeller:
    """Labels samples by velocity, or hands them on to be labelled by dispersion.

    Parameters
    ----------
    settings : EyeSettings
    geometry : Geometry
    lids : int
        How many lids' apertures tell of closed eyes.

    Notes
    -----
    The velocity of a sample is the way from the latest sample that is at least `velocity_span_s` older, over the
    time between them; it is unknown where gaze was lost in between or came from another eye. All is worked out sample
    by sample from stamps and earlier samples, so pieces do not matter.
    """

    def __init__(self, settings: EyeSettings, geometry: Geometry, *, lids: int) -> None:
        self._settings, self._geometry = settings, geometry
        self._noise = TrailingLevel(_resting_speed)
        self._lids = Lids(lids, settings.aperture_closed, settings.aperture_open) if lids else None
        self._spread = _Spread(settings, geometry) if settings.method == "dispersion" else None
        fixed = settings.velocity_threshold
        self._threshold = fixed if isinstance(fixed, float) else None
        self._floor = settings.velocity_floor if geometry.degrees else 0.0
        self.begin_segment()

    def begin_segment(self) -> None:
        """The next sample does not continue the last one."""
        self._stamps_s = np.empty(0)
        self._points = np.empty((0, 2))
        self._embedded = np.empty((0, 3 if self._geometry.tangent else 2))
        self._eyes = np.empty(0, dtype=np.int8)
        if self._spread is not None:
            self._spread.begin_segment()
        if self._lids is not None:
            self._lids.begin_segment()

    def label(self, samples: EyeSamples) -> tuple[Labelled, Bools]:
        """Label samples; by dispersion, some wait for what comes next.

        Returns
        -------
        labelled : Labelled
            The samples whose labels are certain.
        closed : ndarray of bool, shape (samples,)
            Whether eyes are closed in the samples given.
        """
        kept = len(self._stamps_s)
        stamps_s = np.concatenate((self._stamps_s, samples.stamps_s))
        points = np.concatenate((self._points, samples.points))
        eyes = np.concatenate((self._eyes, samples.eyes))
        embedded = np.concatenate((self._embedded, self._geometry.embedded(samples.points)))
        before = stamps_s.searchsorted(stamps_s[kept:] - self._settings.velocity_span_s, side="right")
        before -= 1
        np.minimum(before, np.arange(kept - 1, len(stamps_s) - 1), out=before)
        speeds, known = self._speeds(stamps_s, embedded, eyes, before, kept)
        codes, closed, closing_s = self._codes(samples, speeds, known)
        self._keep(stamps_s, points, embedded, eyes)
        if self._spread is not None:
            return self._spread.label(samples, closed, closing_s), closed
        return Labelled(stamps_s, points, kept, codes, before, closing_s), closed

    def _speeds(
        self, stamps_s: Floats, embedded: Floats, eyes: NDArray[np.int8], before: NDArray[np.intp], kept: int
    ) -> tuple[Floats, Bools]:
        """Speeds of the new samples, NaN where they are not known; and where they are."""
        earlier = np.maximum(before, 0)
        took_s = stamps_s[kept:] - stamps_s[earlier]
        known = (took_s <= self._settings.velocity_span_s + SPAN_GAP_S) & (before >= 0)
        if not kept:
            # Before the first sample of a segment there is none.
            took_s[0] = math.inf
        if not eyes[0] or np.count_nonzero(eyes != eyes[0]):
            # A stretch is unbroken as long as the same eyes are seen.
            breaks = np.zeros(len(eyes), dtype=np.intp)
            np.add.accumulate((eyes[1:] != eyes[:-1]) | (eyes[1:] == 0), out=breaks[1:], dtype=np.intp)
            known &= (breaks[kept:] == breaks[earlier]) & (eyes[kept:] > 0)
        way = embedded[kept:] - embedded[earlier]
        way *= way
        length = way[:, 0] + way[:, 1]
        if way.shape[1] == 3:
            length += way[:, 2]
        np.sqrt(length, out=length)
        length *= self._geometry.scale
        length /= took_s
        length[~known] = math.nan
        return length, known

    def _codes(self, samples: EyeSamples, speeds: Floats, known: Bools) -> tuple[NDArray[np.int8], Bools, Floats]:
        """What samples are by velocity; whether eyes are closed, and since when they have been closing."""
        fast = np.empty(len(speeds), dtype=bool)
        closed, closing_s = samples.closed, samples.stamps_s
        if self._lids is not None:
            closed, closing_s = closed.copy(), closing_s.copy()
        resting = np.where(closed, math.nan, speeds)
        bins = np.floor(samples.stamps_s / BIN_S).astype(np.int64)
        for first, stop in pairwise([*run_starts(bins).tolist(), len(bins)]):
            piece, number = slice(first, stop), int(bins[first])
            if self._lids is not None:
                shut = self._lids.take(number, samples.stamps_s[piece], samples.apertures[piece])
                closed[piece], closing_s[piece] = shut
                resting[piece][closed[piece]] = math.nan
            threshold = self._threshold
            if threshold is None:
                self._noise.enter(number)
                self._noise.add(resting[piece])
                level = self._noise.level
                threshold = max(self._floor, self._settings.noise_factor * level / SPEED_MEDIAN)
                if math.isnan(level):
                    # Nothing is known of the noise yet, so nothing of what gaze does.
                    known[piece] = False
            np.greater(speeds[piece], threshold, out=fast[piece])
        # Slow is 0 and fast is 1.
        codes = np.where(known, fast.view(np.int8), np.int8(LOST))
        codes[closed] = CLOSED
        return codes, closed, closing_s

    def _keep(self, stamps_s: Floats, points: Floats, embedded: Floats, eyes: NDArray[np.int8]) -> None:
        """Keep the samples that later velocities may be taken from."""
        first = int(stamps_s.searchsorted(stamps_s[-1] - self._settings.velocity_span_s, side="right")) - 1
        first = max(0, min(first, len(stamps_s) - 2))
        self._stamps_s, self._points = stamps_s[first:].copy(), points[first:].copy()
        self._embedded, self._eyes = embedded[first:].copy(), eyes[first:].copy()


def _resting_speed(speeds: Floats) -> float:
    """What speed gaze has for the most part; that it repeats a point says nothing of noise."""
    still = int(speeds.searchsorted(0.0, side="right"))
    return float(speeds[(still + len(speeds)) // 2]) if still < len(speeds) else 0.0


class _Spread:
    """Labels samples by dispersion: a fixation is what stays together for long enough, and all else is a jump.

    Samples wait until it is certain which they are, at most `min_fixation_s`.
    """

    def __init__(self, settings: EyeSettings, geometry: Geometry) -> None:
        self._least_s = settings.min_fixation_s
        self._most = settings.dispersion_threshold or 1.0
        self._extent = geometry.extent
        self.begin_segment()

    def begin_segment(self) -> None:
        """Forget the samples that wait: they were no fixation yet."""
        self._fixating = False
        self._waiting: deque[tuple[float, float, float, float]] = deque()
        self._extremes = [_Extreme(1), _Extreme(-1), _Extreme(1), _Extreme(-1)]
        self._known = np.empty((0, 4))

    def label(self, samples: EyeSamples, closed: Bools, closing_s: Floats) -> Labelled:
        """The samples that are certain by now, those that waited first."""
        rows: list[tuple[float, float, float, float]] = []
        codes: list[int] = []

        def say(count: int, code: int) -> None:
            for _ in range(count):
                rows.append(self._waiting.popleft())
                codes.append(code)

        seen = (samples.eyes > 0) & ~closed
        columns = (samples.stamps_s, samples.points, seen, closed, closing_s)
        for stamp_s, (x, y), there, shut, since_s in zip(*(column.tolist() for column in columns), strict=True):
            self._waiting.append((stamp_s, x, y, since_s))
            if not there:
                say(len(self._waiting) - 1, FAST)
                say(1, CLOSED if shut else LOST)
                self._forget()
                self._fixating = False
                continue
            for extreme, value in zip(self._extremes, (x, x, y, y), strict=True):
                extreme.add(stamp_s, value)
            if self._fixating:
                if self._spread() <= self._most:
                    say(1, SLOW)
                else:
                    say(1, FAST)
                    self._forget()
                    self._fixating = False
                continue
            while self._spread() > self._most:
                say(1, FAST)
                oldest_s = self._waiting[0][0]
                for extreme in self._extremes:
                    extreme.forget_before(oldest_s)
            if stamp_s - self._waiting[0][0] >= self._least_s:
                self._fixating = True
                say(len(self._waiting), SLOW)
        kept = len(self._known)
        table = np.concatenate([self._known, np.array(rows).reshape(-1, 4)])
        self._known = table[-2:]
        before = np.maximum(np.arange(kept, len(table)) - 1, 0)
        found = np.array(codes, dtype=np.int8)
        return Labelled(table[:, 0], table[:, 1:3], kept, found, before, table[kept:, 3])

    def _spread(self) -> float:
        high_x, low_x, high_y, low_y = (extreme.value for extreme in self._extremes)
        return self._extent(low_x, high_x) + self._extent(low_y, high_y)

    def _forget(self) -> None:
        for extreme in self._extremes:
            extreme.clear()


class _Extreme:
    """The largest (sign 1) or smallest (sign -1) of the latest values, whichever are forgotten."""

    __slots__ = ("_kept", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._kept: deque[tuple[float, float]] = deque()

    def add(self, stamp_s: float, value: float) -> None:
        """Take a value."""
        signed = self._sign * value
        while self._kept and self._kept[-1][1] <= signed:
            self._kept.pop()
        self._kept.append((stamp_s, signed))

    def forget_before(self, stamp_s: float) -> None:
        """Forget older values."""
        while self._kept[0][0] < stamp_s:
            self._kept.popleft()

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    @property
    def value(self) -> float:
        """The extreme."""
        return self._sign * self._kept[0][1]
