"""From what a session says over LSL to messages: nothing that is not understood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Clock, Measurement
from rtemo.dashboard.messages import Attached, Detached, EventsSeen, PredictionsSeen, QualitySeen, StatusSeen
from rtemo.dashboard.reading import RefusedError, read_event, read_layout, read_status
from rtemo.dashboard.refusals import Post, Refusals
from rtemo.dashboard.session_clock import SessionClock
from rtemo.outputs.lsl import prediction_channels
from rtemo.sources.lsl.inlet import Pulled
from rtemo.telemetry import SessionLayout, SessionStatus
from rtemo.types import Floats
from rtemo.xdf import StreamHeader

STATUS, PREDICTION, EVENTS, QUALITY = "status", "prediction", "events", "quality"
"""Keys of a session's own streams."""
ALL_THERE_IS = 1 << 30

Said = TypeVar("Said")


class SessionIntake:
    """A session's own streams; a `rtemo.sources.lsl.connection.LiveSink`.

    Stamps of these are on the session's clock as they come.

    Parameters
    ----------
    post : callable
    clock : Clock
        This machine's.
    session_clock : SessionClock
        Is told of measurements.
    refusals : Refusals

    Attributes
    ----------
    layout : SessionLayout or None
        Since the session's description was read.
    status : SessionStatus or None
        The newest.
    heard_s : dict of str to float
        By key of the streams that are open: when something came last, on this machine's clock.
    left_s : float
        When the session's status stream ended last, on this machine's clock.
    gone : str
        Why the session's status stream ended; empty as long as it is open, or was not found yet.
    refused : str
        Why the session cannot be shown; empty where it can.
    """

    def __init__(self, post: Post, *, clock: Clock, session_clock: SessionClock, refusals: Refusals) -> None:
        self.layout: SessionLayout | None = None
        self.status: SessionStatus | None = None
        self.heard_s: dict[str, float] = {}
        self.left_s = -math.inf
        self.gone = ""
        self.refused = ""
        self._post = post
        self._clock = clock
        self._session_clock = session_clock
        self._refusals = refusals
        self._order: NDArray[np.intp] | None = None
        self._scores: tuple[str, ...] = ()

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """See `LiveSink`."""
        self.heard_s[key] = self._clock.now_s()
        if key == STATUS:
            try:
                layout = read_layout(xml)
            except RefusedError as error:
                self.refused = str(error)
                self._refusals.say(key, f"the session cannot be shown: {error}", topic="layout")
            else:
                if layout != self.layout:
                    # What another session of the same name said is not this one's.
                    self.status = None
                self.gone = ""
                # Before any status of it, and before anyone sees that it is there.
                self._post(Attached(layout))
                self.layout = layout
        elif key == PREDICTION:
            self._order = self._order_of(header)
        elif key == QUALITY:
            self._scores = header.labels if len(header.labels) == header.channel_count else ()

    def closed(self, key: str, reason: str) -> None:
        """See `LiveSink`."""
        if key == STATUS:
            # Another thread asks for how long it has been away: that must never be unknown.
            self.left_s = self._clock.now_s()
            self.gone = reason or "it ended"
            self._post(Detached(self.gone))
        self.heard_s.pop(key, None)

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """See `LiveSink`."""
        self._refusals.say(key, f"{kind}: {details.get('reason') or details.get('found') or ''}", topic=kind)

    def measured(self, key: str, measurement: Measurement) -> None:
        """See `LiveSink`."""
        if key == STATUS:
            self._session_clock.measured(measurement)

    def samples(self, key: str, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """See `LiveSink`."""
        self.heard_s[key] = self._clock.now_s()
        if key == PREDICTION and self._order is not None:
            self._post(PredictionsSeen(stamps_s, values.astype(np.float64)[:, self._order]))
        elif key == QUALITY and self._scores:
            self._post(QualitySeen(self._scores, stamps_s, values.astype(np.float64)))

    def texts(self, key: str, pulled: Pulled) -> None:
        """See `LiveSink`."""
        here_s = self._clock.now_s()
        self.heard_s[key] = here_s
        if key == EVENTS:
            events = self._read(key, pulled.rows, read_event)
            if events:
                self._post(EventsSeen(tuple(events)))
        elif key == STATUS:
            # After a stall there may be hundreds of them: only the newest is worth its time.
            for status in self._read(key, pulled.rows[::-1], read_status, most=1):
                self.status = status
                at_s = status.now_s + self._session_clock.ahead_s(here_s) if self._session_clock.known else here_s
                self._post(StatusSeen(status, at_s))

    def needed(self, key: str) -> int:
        """See `LiveSink`."""
        return ALL_THERE_IS

    def _read(
        self, key: str, rows: Sequence[Sequence[str]], read: Callable[[str], Said], most: int = ALL_THERE_IS
    ) -> list[Said]:
        found: list[Said] = []
        for row in rows:
            try:
                found.append(read(row[0] if row else ""))
            except RefusedError as error:
                self._refusals.say(key, str(error))
            if len(found) == most:
                break
        return found

    def _order_of(self, header: StreamHeader) -> NDArray[np.intp] | None:
        """Where each channel of a prediction is in what comes; None where some are not there."""
        assert self.layout is not None  # a session's status is read first
        wanted = prediction_channels(self.layout.labels, [view.name for view in self.layout.views])
        places = {label: number for number, label in enumerate(header.labels[: header.channel_count])}
        missing = [label for label in wanted if label not in places]
        if missing:
            self._refusals.say(PREDICTION, f"it has no channel {missing[0]!r}", topic="channels")
            return None
        return np.array([places[label] for label in wanted], dtype=np.intp)


class Gate:
    """Lets through what is of one session; a `LiveSink` before a `SessionIntake`.

    Where a stream has ended, one of its kind that came later goes on in its place: a device's may, a session's is
    another session's.

    Parameters
    ----------
    session : str
        Its name.
    intake : SessionIntake

    Attributes
    ----------
    foreign : set of str
        Keys under which a stream of another session is open.
    """

    def __init__(self, session: str, intake: SessionIntake) -> None:
        self.foreign: set[str] = set()
        self._session = session
        self._intake = intake
        self._shut = False

    def shut(self) -> None:
        """Let nothing through any more."""
        self._shut = True

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """See `LiveSink`."""
        if header.source_id != f"{header.name}-{self._session}":
            self.foreign.add(key)
        elif not self._shut:
            self._intake.opened(key, header, xml)

    def closed(self, key: str, reason: str) -> None:
        """See `LiveSink`."""
        if self._open(key):
            self._intake.closed(key, reason)

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """See `LiveSink`."""
        if self._open(key):
            self._intake.noticed(key, kind, details)

    def measured(self, key: str, measurement: Measurement) -> None:
        """See `LiveSink`."""
        if self._open(key):
            self._intake.measured(key, measurement)

    def samples(self, key: str, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """See `LiveSink`."""
        if self._open(key):
            self._intake.samples(key, stamps_s, values)

    def texts(self, key: str, pulled: Pulled) -> None:
        """See `LiveSink`."""
        if self._open(key):
            self._intake.texts(key, pulled)

    def needed(self, key: str) -> int:
        """See `LiveSink`."""
        return ALL_THERE_IS

    def _open(self, key: str) -> bool:
        return not self._shut and key not in self.foreign
