"""Removal of stamp jitter from regular streams, causally and without ever bridging a gap.

Samples of a regular stream are made at equal intervals, but their stamps scatter. Per segment a line (start
and period) is followed through the means of blocks of 0.2 s by a recursive least-squares fit that forgets
over half a minute. The samples of a block lie on the line known from the blocks before, so nothing waits but the
very first block, whose mean the line starts from; and nothing depends on how samples are cut into chunks: blocks
are counted from the start of the segment, and all sums run over whole blocks.

**What a gap is.** A stamp that is later than the line by more than 0.6 periods, six times the jitter's
standard deviation, and 1.5 times the largest departure of late, is suspect. If one of the samples of the next
50 ms (at least two samples) is back on the line, it was a hiccup: those samples stay, on the line. If none
is, samples are missing, and a new segment starts with the first suspect. A shift that hides in the jitter
shows in the means of the blocks (a CUSUM test) and starts a new segment too, some blocks late. A stamp that
departs by over a second for less than 50 ms, that is not finite, or that belongs to no stream is rejected
with its sample, and as then a sample is missing, a new segment starts. A jump back, or forward by more than
an hour, needs sixteen samples that agree: then the stream's clock was reset.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

BLOCK_S = 0.2
MEMORY_S = 30.0
MIN_MEMORY_BLOCKS = 30
CONFIRM_S = 0.05
RESET_CONFIRM = 16
HOUR_S = 3600.0
ABSURD_S = 1.0
BACKWARD_S = 0.25
MAX_STAMP_S = 1e10
NEAR_ZERO_S = 1.0
_SIGMA_START_S = 0.004
_SIGMA_START_WEIGHT = 8.0
_SPREAD_START_S = 0.002
_SETTLED_BLOCKS = 10
_WARM_BLOCKS = 25
_COLD_PRIOR = 4.0
_WARM_PRIOR = 400.0
_LEAST_STEP = 0.25
_LEAST_RATE = 0.02
_LEAST_MEMORY_BLOCKS = 5
_CHANCE = 0.25


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples of one segment.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (samples,)
        Strictly increasing within a segment.
    values : ndarray, shape (samples, ...)
    segment : int
        Grows by one at each gap.
    reset : bool
        True where the stream's clock jumped right before the first sample.
    """

    stamps_s: Floats
    values: NDArray[np.generic]
    segment: int
    reset: bool = False


@functools.lru_cache(maxsize=64)
def _gains(prior: float, memory_blocks: float) -> tuple[tuple[float, float], ...]:
    """Gains of level and slope for block 0, 1, ... of a least-squares line that forgets, until they stand still."""
    keep = 1.0 - 1.0 / memory_blocks
    s0, s1, s2 = 0.0, 0.0, prior
    gains: list[tuple[float, float]] = []
    while len(gains) < 8 * memory_blocks:
        # Move the origin on by one block, forget, and add the block at the origin.
        s0, s1, s2 = keep * s0, keep * (s1 - s0), keep * (s2 - 2 * s1 + s0)
        s0 += 1.0
        determinant = s0 * s2 - s1 * s1
        gains.append((s2 / determinant, -s1 / determinant))
    return tuple(gains)


@dataclass(slots=True)
class _Line:
    """What is known at the start of a block, in seconds from the base.

    `start_s` and `advance_s` are the line: where the block starts and how long one takes. `emitted_s` is
    where the stamps given so far lead to; they are steered back to the line block by block, so that they
    neither jump nor turn back.
    """

    start_s: float
    advance_s: float
    emitted_s: float
    blocks: int = 0
    spread_s: float = _SPREAD_START_S
    spread_weight: float = 2.0
    up_s: float = 0.0
    down_s: float = 0.0
    power: float = 0.0
    product: float = 0.0
    last_off_s: float = 0.0
    square: float = _SIGMA_START_S**2
    square_weight: float = _SIGMA_START_WEIGHT
    late_s: float = 0.0
    warm: bool = False
    restarted: bool = False

    def step(self, block: int) -> float:
        """Interval between the stamps given in this block."""
        even = (self.start_s + self.advance_s - self.emitted_s) / block
        return max(even, _LEAST_STEP * self.advance_s / block)

    def gate(self, block: int) -> tuple[float, float]:
        """How late and how early a stamp may be before it is suspect."""
        return _gate(self.advance_s / block, self.square, self.late_s)


def _gate(period: float, square: float, late_s: float) -> tuple[float, float]:
    late = max(0.6 * period, 6.0 * math.sqrt(square), 1.5 * late_s)
    return late, max(late, BACKWARD_S, 3.0 * period)


class Dejitter:
    """Causal, gap-aware dejitter of one regular stream.

    Parameters
    ----------
    nominal_rate_hz : float
        Over 0.

    Attributes
    ----------
    segment : int
        Number of the current segment.
    rejected : int
        Samples dropped for their stamps.
    gaps, resets : int
        New segments for missing samples, and for a jump of the clock.
    """

    def __init__(self, nominal_rate_hz: float) -> None:
        if not (nominal_rate_hz > 0 and math.isfinite(nominal_rate_hz)):
            raise ValueError(f"a regular stream has a rate over 0, not {nominal_rate_hz}")
        self.segment = 0
        self.rejected = 0
        self.gaps = 0
        self.resets = 0
        self._nominal_s = 1.0 / nominal_rate_hz
        self._block = max(1, round(BLOCK_S * nominal_rate_hz))
        memory = max(MEMORY_S / (self._block * self._nominal_s), MIN_MEMORY_BLOCKS)
        self._forget = 1.0 / memory
        self._memory = int(memory)
        self._cold = _gains(_COLD_PRIOR, memory)
        self._warm = _gains(_WARM_PRIOR, memory)
        self._confirm = max(2, math.ceil(CONFIRM_S * nominal_rate_hz))
        self._ramp = np.arange(self._block, dtype=np.float64)
        self._base_s = 0.0
        self._line: _Line | None = None
        self._partial: Floats = np.empty(0)
        self._rest: tuple[Floats, NDArray[np.generic]] | None = None
        self._new_segment = False
        self._reset = False
        self._shifted = False

    @property
    def period_s(self) -> float:
        """The period as estimated so far."""
        return self._nominal_s if self._line is None else self._line.advance_s / self._block

    @property
    def jitter_s(self) -> float:
        """Standard deviation of recorded stamps about the line; NaN before the first."""
        return math.nan if self._line is None else math.sqrt(self._line.square)

    def push(self, stamps_s: Floats, values: NDArray[np.generic]) -> list[Piece]:
        """Take samples in the order in which they came.

        Parameters
        ----------
        stamps_s : ndarray of float64, shape (samples,)
        values : ndarray, shape (samples, ...)

        Returns
        -------
        list of Piece
            Samples that are decided on: all of them, but for a few from a suspect one on.
        """
        if self._rest is not None:
            stamps_s = np.concatenate((self._rest[0], stamps_s))
            values = np.concatenate((self._rest[1], values))
            self._rest = None
        return self._take(stamps_s, values, last=False)

    def finish(self) -> list[Piece]:
        """Decide on what is held, as no more will come."""
        if self._rest is None:
            return []
        (stamps_s, values), self._rest = self._rest, None
        return self._take(stamps_s, values, last=True)

    def _take(self, stamps_s: Floats, values: NDArray[np.generic], *, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        while at < len(stamps_s):
            if self._line is None:
                opened = self._open(stamps_s[at:], last=last)
                if opened is None:
                    break
                at += opened
                continue
            given = self._run(stamps_s[at:])
            if len(given):
                pieces.append(self._piece(given, values[at : at + len(given)]))
                at += len(given)
                if self._shifted:
                    self.gaps += 1
                    self._new_segment, self._shifted = True, False
                continue
            verdict = self._judge(stamps_s[at:], last=last)
            if verdict is None:
                break
            dropped, mended = verdict
            self.rejected += dropped
            at += dropped
            if mended is not None:
                stamps_s = np.concatenate((stamps_s[:at], mended, stamps_s[at + len(mended) :]))
        if at < len(stamps_s):
            self._rest = (stamps_s[at:].copy(), values[at:].copy())
        return pieces

    def _piece(self, stamps_s: Floats, values: NDArray[np.generic]) -> Piece:
        self.segment += self._new_segment
        piece = Piece(stamps_s, values, self.segment, self._reset)
        self._new_segment = self._reset = False
        return piece

    def _open(self, stamps_s: Floats, *, last: bool) -> int | None:
        """Start at the first stamp, or say how many to drop; None to wait for more."""
        first = float(stamps_s[0])
        if not abs(first) < MAX_STAMP_S:
            self.rejected += 1
            return 1
        if abs(first) < NEAR_ZERO_S and not last:
            # Stamps near zero come from streams that were joined midway; a clock that just started goes on
            # from there.
            if len(stamps_s) < 2:
                return None
            if not abs(float(stamps_s[1]) - first) < NEAR_ZERO_S + 60.0:
                self.rejected += 1
                return 1
        if len(stamps_s) < self._block and not last:
            return None
        # One stamp alone would shift the first blocks by all of its jitter.
        offsets = stamps_s[: self._block] - first - self._nominal_s * self._ramp[: len(stamps_s)]
        late, _ = _gate(self._nominal_s, _SIGMA_START_S**2, 0.0)
        together = float(offsets.max() - offsets.min()) <= 2 * late
        self._base_s = first + (float(offsets.mean()) if together else 0.0)
        self._line = _Line(0.0, self._block * self._nominal_s, 0.0)
        return 0

    def _run(self, stamps_s: Floats) -> Floats:
        """Give stamps to the samples before the first suspect one, and learn from them."""
        line = self._line
        assert line is not None
        usable = np.abs(stamps_s) < MAX_STAMP_S
        if not usable.all():
            stamps_s = stamps_s[: int(usable.argmin())]
        block = self._block
        before = len(self._partial)
        known = stamps_s - self._base_s
        if before:
            known = np.concatenate((self._partial, known))
        whole = len(known) // block
        grid = known[: whole * block].reshape(whole, block)
        starts, steps, advances, after = self._follow(line, np.add.reduce(grid, axis=1).tolist())
        shifted = after.restarted
        if shifted:
            whole = len(starts)
            known, grid = known[: whole * block], grid[:whole]
        else:
            starts.append(after.emitted_s)
            steps.append(after.step(block))
            advances.append(after.advance_s)
        given: Floats = np.array(starts)[:, None] + np.array(steps)[:, None] * self._ramp
        given = given.ravel()[: len(known)]
        suspect = self._weigh(line, after, advances, known - given, whole)
        if suspect is not None:
            # All before it is fine, and learnt from as if it had come alone.
            return self._run(stamps_s[: suspect - before]) if suspect > before else np.empty(0)
        after.restarted = False
        self._line = after
        self._partial = known[whole * block :].copy()
        self._shifted = shifted
        return given[before:] + self._base_s

    def _follow(self, line: _Line, sums: list[float]) -> tuple[list[float], list[float], list[float], _Line]:
        """Steer the line through whole blocks, given the sums of their stamps, up to a shift.

        Returns
        -------
        starts, steps, advances : list of float
            Per block, as known before it.
        after : _Line
            As known after the last; ``restarted`` where the stamps shifted for good.
        """
        block = self._block
        middle = (block - 1) / 2
        gains = self._warm if line.warm else self._cold
        last_gain = len(gains) - 1
        most = 1.0 / self._forget
        least = _LEAST_RATE * block * self._nominal_s
        power, product, last_off = line.power, line.product, line.last_off_s
        start, advance, emitted, blocks = line.start_s, line.advance_s, line.emitted_s, line.blocks
        spread, weight, up, down = line.spread_s, line.spread_weight, line.up_s, line.down_s
        starts: list[float] = []
        steps: list[float] = []
        advances: list[float] = []
        shifted = False
        for total in sums:
            period = advance / block
            # No calls of min and max here: they would take half of the time.
            step = (start + advance - emitted) / block
            if step < _LEAST_STEP * period:
                step = _LEAST_STEP * period
            starts.append(emitted)
            steps.append(step)
            advances.append(advance)
            emitted += step * block
            off = total / block - middle * period - start
            # White jitter leaves blocks uncorrelated. Where they hang together the device itself wanders:
            # follow it faster, and take less of it for shifts.
            together = (product / power - _CHANCE) / (1 - _CHANCE) if product > _CHANCE * power else 0.0
            if blocks >= _SETTLED_BLOCKS:
                half = spread if spread > period / 2 else period / 2
                up += off - half
                down -= off + 2 * half
                if up < 0.0:
                    up = 0.0
                if down < 0.0:
                    down = 0.0
                if up > 0.0 or down > 0.0:
                    patience = 10 * spread * (1 + together) / max(1 - together, 0.1)
                    if up > max(patience, 0.4 * period) or down > max(2 * patience, period, 0.01):
                        start += off + advance
                        shifted = True
                        break
            if weight < most:
                weight = weight + 1.0 if weight + 1.0 < most else most
            power += (off * off - power) / weight
            product += (off * last_off - product) / weight
            last_off = off
            spread += (1.2533 * abs(off) - spread) / weight
            if blocks >= _SETTLED_BLOCKS:
                limit = 4 * spread if spread > 2.5e-5 else 1e-4
                if off > limit:
                    off = limit
                elif off < -limit:
                    off = -limit
            if together > 0.0:
                memory = int(self._memory * ((1 - together) / (1 + together)) ** 2)
                level, slope = gains[min(blocks, max(memory, _LEAST_MEMORY_BLOCKS))]
            else:
                level, slope = gains[blocks if blocks < last_gain else last_gain]
            start += level * off
            advance += slope * off
            if advance < least:
                advance = least
            start += advance
            blocks += 1
        after = replace(line, start_s=start, advance_s=advance, emitted_s=emitted, blocks=blocks)
        after.spread_s, after.spread_weight, after.up_s, after.down_s = spread, weight, up, down
        after.power, after.product, after.last_off_s = power, product, last_off
        if shifted:
            self._restart(after, start, advance, keep_order=True)
        return starts, steps, advances, after

    def _restart(self, line: _Line, start_s: float, advance_s: float, *, keep_order: bool) -> None:
        """Start a segment at `start_s`, not before what was given already unless the clock jumped."""
        line.warm = line.blocks >= _WARM_BLOCKS
        line.start_s = start_s
        line.advance_s = advance_s
        least = line.emitted_s - (1 - _LEAST_STEP) * advance_s / self._block
        line.emitted_s = max(start_s, least) if keep_order else start_s
        line.blocks = 0
        line.up_s = line.down_s = line.last_off_s = 0.0
        line.restarted = True

    def _weigh(self, line: _Line, after: _Line, advances: list[float], departure: Floats, whole: int) -> int | None:
        """Learn how far stamps scatter; return the first suspect sample, if any, from the block's start on."""
        block = self._block
        grid = departure[: whole * block].reshape(whole, block)
        squares = (np.add.reduce(grid * grid, axis=1) / block).tolist()
        highs, lows = grid.max(axis=1).tolist(), grid.min(axis=1).tolist()
        square, weight, latest = line.square, line.square_weight, line.late_s
        most, keep = block / self._forget, 1 - self._forget
        for k in range(whole):
            late, early = _gate(advances[k] / block, square, latest)
            if highs[k] > late or lows[k] < -early:
                wrong = (grid[k] > late) | (grid[k] < -early)
                return k * block + int(wrong.argmax())
            weight = min(weight + block, most)
            square += (squares[k] - square) * block / weight
            latest = max(highs[k], latest * keep)
        tail = departure[whole * block :]
        if len(tail):
            late, early = _gate(advances[whole] / block, square, latest)
            if tail.max() > late or tail.min() < -early:
                return whole * block + int(((tail > late) | (tail < -early)).argmax())
        after.square, after.square_weight, after.late_s = square, weight, latest
        return None

    def _judge(self, stamps_s: Floats, *, last: bool) -> tuple[int, Floats | None] | None:
        """Decide on a suspect sample from those behind it.

        Returns
        -------
        tuple of int and ndarray, or None
            How many samples to drop, and stamps to go on with instead of those of the next samples, on the
            line; None to wait.
        """
        line = self._line
        assert line is not None
        block = self._block
        period = line.advance_s / block
        sane = np.abs(stamps_s) < MAX_STAMP_S
        if not sane[0]:
            return self._drop(line), None
        window = stamps_s[: max(self._confirm, RESET_CONFIRM)]
        window = np.where(sane[: len(window)], window, np.nan)
        expected = line.emitted_s + line.step(block) * (len(self._partial) + np.arange(len(window)))
        expected += self._base_s
        late, early = line.gate(block)
        off = window - expected
        back = (off[: self._confirm] <= late) & (off[: self._confirm] >= -early)
        if back.any():
            absurd = ~(np.abs(off[: int(back.argmax())]) <= max(ABSURD_S, 5 * period))
            if absurd[0]:
                return self._drop(line), None
            mended = int(absurd.argmax()) if absurd.any() else len(absurd)
            return 0, np.asarray(expected[:mended], dtype=np.float64)
        if len(window) < self._confirm and not last:
            return None
        far = not -early <= off[0] <= HOUR_S
        needed = RESET_CONFIRM if far else self._confirm
        needed = max(needed, self._confirm)
        if len(window) < needed and not last:
            return None
        window = window[:needed]
        if not _belong_together(window, period, max(late, early), moving=far):
            return self._drop(line), None
        self._resume(line, window, far=far)
        return 0, None

    def _drop(self, line: _Line) -> int:
        """Leave out one sample: the line goes on behind it, in a new segment."""
        passed = len(self._partial) + 1
        line.start_s += line.advance_s * passed / self._block
        line.emitted_s += line.step(self._block) * passed
        self._partial = np.empty(0)
        self._new_segment = True
        return 1

    def _resume(self, line: _Line, stamps_s: Floats, *, far: bool) -> None:
        """Start a new segment where samples go on after a gap, or on a clock that was reset."""
        period = line.advance_s / self._block
        if line.blocks == 0 and len(stamps_s) > 1:
            # A nominal rate that is far off shows here; two measures must agree on that, as one gap or burst
            # misleads either.
            steps = np.diff(stamps_s)
            measured = min(float(steps.mean()), float(np.median(steps)), key=lambda step: abs(step - period))
            if measured > 0 and abs(measured / period - 1) > 0.2:
                period = measured
        line.emitted_s += line.step(self._block) * len(self._partial)
        self._partial = np.empty(0)
        start = float(np.median(stamps_s - period * np.arange(len(stamps_s))))
        if far:
            self._base_s = start
            self._reset = True
            self.resets += 1
        else:
            self.gaps += 1
        self._restart(line, start - self._base_s, period * self._block, keep_order=not far)
        line.restarted = False
        self._new_segment = True


def _belong_together(stamps_s: Floats, period_s: float, tolerance_s: float, *, moving: bool) -> bool:
    """Whether stamps can be of one stream: finite, not turning back; at even intervals if they must move."""
    if not np.isfinite(stamps_s).all():
        return False
    if len(stamps_s) < 2:
        return not moving
    steps = np.diff(stamps_s)
    even = max(float(np.median(steps)), period_s)
    widest = max(tolerance_s, 4 * even) if moving else HOUR_S
    if float(steps.min()) < -tolerance_s or float(steps.max()) > widest:
        return False
    return not moving or float(stamps_s[-1] - stamps_s[0]) > 0.25 * period_s * len(steps)
