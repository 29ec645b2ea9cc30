"""From the samples of one stream as they come to samples on the recorder's clock: dejitter, then clock map.

The same object serves recordings and live streams, so that a replay gives what was given live.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import ClockMap
from rtemo.dejitter import HOUR_S, MAX_STAMP_S, Dejitter, Piece
from rtemo.types import Floats

MAX_HELD_S = 60.0
BACKWARD_S = 1.0
JUMP_S = 1.0
"""A jump forward by more may be a gap or a clock that was set: a clock measurement must tell."""
AHEAD_S = 1.0
"""So far a stamp may lie ahead of the stream's clock as it was last measured, and still be believed."""
BEHIND_S = 60.0
"""So far behind. Recorders write clock measurements every few seconds, in turns with samples."""
PATIENCE_S = 12.0
"""So many seconds of samples wait for a measurement that does not come; recorders measure every five."""


class IrregularStamps:
    """Stamps of an irregular stream: passed on as they are, but for those that cannot be.

    A stamp that goes back by over a second, or forward by over an hour, waits for the next one: if they
    agree, the clock was reset and a new segment starts; if not, it is rejected with its sample.

    Parameters
    ----------
    ordered : bool
        Whether a smaller step back is raised to the stamp before it, so that stamps never decrease within a segment.
    backward_s : float
        In place of the second.

    Attributes
    ----------
    segment, rejected, resets : int
    """

    def __init__(self, *, ordered: bool, backward_s: float = BACKWARD_S) -> None:
        self._backward_s = backward_s
        self.segment = 0
        self.rejected = 0
        self.resets = 0
        self._ordered = ordered
        self._last_s = math.nan
        self._doubted: tuple[float, NDArray[np.generic]] | None = None

    def push(self, stamps_s: Floats, values: NDArray[np.generic]) -> list[Piece]:
        """Take samples in the order in which they came; give those that are decided on."""
        pieces: list[Piece] = []
        if self._doubted is not None:
            stamps_s = np.concatenate(([self._doubted[0]], stamps_s))
            values = np.concatenate((self._doubted[1], values))
            self._doubted = None
        sane = np.abs(stamps_s) < MAX_STAMP_S
        if not sane.all():
            self.rejected += len(sane) - int(np.count_nonzero(sane))
            stamps_s, values = stamps_s[sane], values[sane]
        at = 0
        reset = False
        while at < len(stamps_s):
            if math.isnan(self._last_s):
                self._last_s = float(stamps_s[at])
            steps = np.diff(stamps_s[at:], prepend=self._last_s)
            wrong = (steps < -self._backward_s) | (steps > HOUR_S)
            stop = at + int(wrong.argmax()) if wrong.any() else len(stamps_s)
            if stop > at:
                given = np.maximum.accumulate(stamps_s[at:stop]) if self._ordered else stamps_s[at:stop]
                if self._ordered:
                    given = np.maximum(given, self._last_s)
                pieces.append(Piece(given, values[at:stop], self.segment, reset))
                reset = False
                self._last_s = float(given[-1])
                at = stop
            elif at + 1 == len(stamps_s):
                self._doubted = (float(stamps_s[at]), values[at : at + 1].copy())
                break
            elif self._follows(self._last_s, stamps_s[at + 1]) or not self._follows(*stamps_s[at : at + 2]):
                self.rejected += 1
                at += 1
            else:
                self._last_s = float(stamps_s[at])
                self.segment += 1
                self.resets += 1
                reset = True
        return pieces

    def _follows(self, before_s: float, after_s: float) -> bool:
        return -self._backward_s <= after_s - before_s <= HOUR_S

    def finish(self) -> list[Piece]:
        """Reject what still waits, as nothing will confirm it."""
        self.rejected += self._doubted is not None
        self._doubted = None
        return []


class Timeline:
    """Puts the samples of one stream on the recorder's clock.

    Parameters
    ----------
    nominal_rate_hz : float
        0 for an irregular stream.
    measured : bool
        Whether clock measurements will come: samples whose stamps jump then wait for one that says what happened.
        Where the stream's clock has come to them too, they go on from there, behind a gap or on a clock that was set.
        Where it has not, their stamps are wrong, and they go on waiting; after a minute they are dropped.
    ordered : bool
        For irregular streams: whether stamps must not decrease.
    delay_s : float
        Of the device: taken off every stamp.
    backward_s : float
        For irregular streams: by so much stamps may go back.

    Attributes
    ----------
    clock : ClockMap
    stamps : Dejitter or IrregularStamps
    segment : int
    unplaced : int
        Samples dropped, as their stamps jumped and no clock measurement followed them.
    """

    def __init__(
        self,
        nominal_rate_hz: float,
        *,
        measured: bool,
        ordered: bool = True,
        delay_s: float = 0.0,
        backward_s: float = BACKWARD_S,
    ) -> None:
        self.clock = ClockMap()
        self.stamps: Dejitter | IrregularStamps = (
            Dejitter(nominal_rate_hz)
            if nominal_rate_hz > 0
            else IrregularStamps(ordered=ordered, backward_s=backward_s)
        )
        self.segment = 0
        self.unplaced = 0
        # Of text nobody knows what it means, and a wrong label is seen; samples of an irregular tracker are features.
        self._irregular = nominal_rate_hz <= 0 and ordered
        self._measured = measured
        self._delay_s = delay_s
        self._held: list[Piece] = []
        self._held_s = 0.0
        self._doubtful = False
        self._measured_s = -math.inf
        self._last: tuple[int, float] | None = None
        self._seen: tuple[int, int] | None = None

    @property
    def rejected(self) -> int:
        """Samples dropped for their stamps."""
        return self.stamps.rejected + self.unplaced

    @property
    def waiting(self) -> bool:
        """Whether samples wait for a clock measurement."""
        return bool(self._held)

    def measure(self, time_s: float, offset_s: float, uncertainty_s: float | None = None) -> list[Piece]:
        """Take a clock measurement; give samples that waited for it."""
        self.clock.add(time_s, offset_s, uncertainty_s)
        self._measured_s = time_s
        if not self._held:
            return []
        last_s = float(self._held[-1].stamps_s[-1])
        for count, piece in enumerate(self._held):
            if self._confirmed(float(piece.stamps_s[0]), last_s):
                # What came before it has stamps to which the clock did not come: it went back since.
                self._give_up(count)
                return self._release()
        self._doubtful = True
        return []

    def push(self, stamps_s: Floats, values: NDArray[np.generic]) -> list[Piece]:
        """Take samples in the order in which they came; give those that can be placed."""
        return self._pass(self.stamps.push(stamps_s, values))

    def finish(self) -> list[Piece]:
        """Give what is held, as no more will come."""
        placed = self._pass(self.stamps.finish())
        if self._doubtful:
            self._give_up(len(self._held))
        return placed + self._release()

    def _pass(self, pieces: list[Piece]) -> list[Piece]:
        placed = []
        for piece in pieces:
            if self._measured and (self._held or self._jumps(piece)):
                placed += self._hold(piece)
            else:
                placed.append(self._place(piece))
            self._last = piece.segment, float(piece.stamps_s[-1])
        return placed

    def _jumps(self, piece: Piece) -> bool:
        """Whether a piece's stamps jump to where the stream's clock is not known to be."""
        if self._last is None or (piece.segment == self._last[0] and not self._irregular):
            return False
        first_s = float(piece.stamps_s[0])
        jumps = piece.reset or first_s - self._last[1] > JUMP_S
        return jumps and not self._confirmed(first_s, float(piece.stamps_s[-1]))

    def _confirmed(self, first_s: float, last_s: float) -> bool:
        """Whether the stream's clock, as last measured, has come to these stamps, and has not gone far beyond."""
        return first_s - AHEAD_S <= self._measured_s <= last_s + BEHIND_S

    def _hold(self, piece: Piece) -> list[Piece]:
        # That a clock went back needs a measurement; that it went on is likely.
        self._doubtful |= piece.reset
        self._held.append(piece)
        self._held_s += float(piece.stamps_s[-1] - piece.stamps_s[0])
        waits_s = max(self._held_s, float(piece.stamps_s[-1] - self._held[0].stamps_s[0]))
        if waits_s > PATIENCE_S and not self._doubtful:
            # Nobody measures this clock any more: then a jump forward is a gap.
            return self._release()
        while self._held_s > MAX_HELD_S and len(self._held) > 1:
            self._give_up(1)
        return []

    def _give_up(self, count: int) -> None:
        """Drop the first pieces that wait."""
        for piece in self._held[:count]:
            self.unplaced += len(piece.stamps_s)
            self._held_s -= float(piece.stamps_s[-1] - piece.stamps_s[0])
        del self._held[:count]

    def _release(self) -> list[Piece]:
        held, self._held, self._held_s, self._doubtful = self._held, [], 0.0, False
        return [self._place(piece) for piece in held]

    def _place(self, piece: Piece) -> Piece:
        mapped, clock_segment = self.clock.map(piece.stamps_s)
        seen = (piece.segment, clock_segment)
        if self._seen is not None and seen != self._seen:
            self.segment += 1
        self._seen = seen
        if self._delay_s:
            mapped = mapped - self._delay_s
        return replace(piece, stamps_s=mapped, segment=self.segment)
