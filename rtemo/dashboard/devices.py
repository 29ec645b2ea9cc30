"""From the streams of devices to messages: on the session's clock, through the same clock map as in the session."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Clock, Measurement
from rtemo.dashboard.messages import MarkersSeen, SamplesSeen, StreamGone, StreamOpened
from rtemo.dashboard.reading import MAX_CHANNELS
from rtemo.dashboard.refusals import MAX_TEXT, Post, Refusals
from rtemo.dashboard.session_clock import SessionClock
from rtemo.sources.decoder import StreamDecoder
from rtemo.sources.lsl.inlet import Pulled
from rtemo.types import Chunk, Floats, Marker
from rtemo.xdf import StreamHeader

ALL_THERE_IS = 1 << 30
UNMEASURED_S = 3.0
"""So long samples wait for the clock of their machine to be measured; of this very machine it need not be."""
WAITING_BATCHES = 256


class DeviceIntake:
    """One stream of a device that a session reads; a `rtemo.sources.lsl.connection.LiveSink`.

    Its stamps go through the same clock map as in the session, and from this machine's clock to the session's.

    Parameters
    ----------
    post : callable
    is_markers : bool
        Whether the stream is to be read as markers: text, or numbers for it.
    clock : Clock
        This machine's.
    session_clock : SessionClock
    refusals : Refusals
    hostname : str
        This machine's.

    Attributes
    ----------
    heard_s : float or None
        When something came last, on this machine's clock; None while it is not open.
    regular : bool
        Whether it has a rate.
    measure_soon : callable
        Asks for a measurement of the stream's clock; to be set before the stream is opened.
    """

    def __init__(
        self,
        post: Post,
        *,
        is_markers: bool,
        clock: Clock,
        session_clock: SessionClock,
        refusals: Refusals,
        hostname: str,
    ) -> None:
        self.heard_s: float | None = None
        self.regular = False
        self.measure_soon: Callable[[], None] = lambda: None
        self._post = post
        self._is_markers = is_markers
        self._clock = clock
        self._session_clock = session_clock
        self._refusals = refusals
        self._hostname = hostname
        self._lock = threading.Lock()
        self._decoder: StreamDecoder | None = None
        self._opened_s = 0.0
        self._waiting: deque[Pulled] = deque(maxlen=WAITING_BATCHES)

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """See `LiveSink`."""
        with self._lock:
            self.heard_s = self._opened_s = self._clock.now_s()
            self._waiting.clear()
            self._decoder = None
            if header.channel_count > MAX_CHANNELS:
                self._refusals.say(key, f"{header.channel_count} channels, over the limit of {MAX_CHANNELS}")
                return
            if header.is_text and not self._is_markers:
                self._refusals.say(key, "it carries text, signals expected")
                return
            self._decoder = StreamDecoder(header, key=key, measured=True)
            said = self._decoder.description
            self.regular = said.nominal_rate_hz > 0
            if not self._is_markers:
                self._post(StreamOpened(key, said.channel_labels, said.channel_units, said.nominal_rate_hz))

    def closed(self, key: str, reason: str) -> None:
        """See `LiveSink`."""
        with self._lock:
            self.heard_s = None
            if self._decoder is not None:
                self._give(key, self._decoder.finish())
            self._decoder = None
        self._post(StreamGone(key))

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """See `LiveSink`."""
        self._refusals.say(key, f"{kind}: {details.get('reason') or details.get('found') or ''}", topic=kind)

    def measured(self, key: str, measurement: Measurement) -> None:
        """See `LiveSink`."""
        with self._lock:
            if self._decoder is not None:
                self._measure(key, self._decoder, measurement)

    def samples(self, key: str, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """See `LiveSink`."""
        self._take(key, Pulled(stamps_s, values, ()))

    def texts(self, key: str, pulled: Pulled) -> None:
        """See `LiveSink`."""
        self._take(key, pulled)

    def needed(self, key: str) -> int:
        """See `LiveSink`."""
        return ALL_THERE_IS

    def _take(self, key: str, pulled: Pulled) -> None:
        now_s = self._clock.now_s()
        with self._lock:
            self.heard_s = now_s
            decoder = self._decoder
            if decoder is None:
                return
            if decoder.timeline.clock.measurements:
                self._give(key, self._decoded(decoder, pulled))
            else:
                self._waiting.append(pulled)
                if now_s - self._opened_s > UNMEASURED_S:
                    self._do_without_measurement(key, decoder, now_s)
            waits = decoder.timeline.waiting
        if waits:
            self.measure_soon()

    def _do_without_measurement(self, key: str, decoder: StreamDecoder, now_s: float) -> None:
        """Take a stream of this very machine by our own clock; one of another waits on."""
        if decoder.header.hostname == self._hostname:
            self._measure(key, decoder, Measurement(now_s, 0.0))
        else:
            self._refusals.say(key, "nothing of it is shown: the clock of its machine does not answer", topic="clock")

    def _measure(self, key: str, decoder: StreamDecoder, measurement: Measurement) -> None:
        self._give(key, decoder.measure(measurement.time_s, measurement.offset_s, measurement.uncertainty_s))
        while self._waiting:
            self._give(key, self._decoded(decoder, self._waiting.popleft()))

    def _decoded(self, decoder: StreamDecoder, pulled: Pulled) -> list[Chunk | Marker]:
        if pulled.values is None:
            return decoder.texts(pulled.stamps_s, pulled.rows)
        return decoder.samples(pulled.stamps_s, pulled.values)

    def _give(self, key: str, items: list[Chunk | Marker]) -> None:
        if not items:
            return
        ahead_s = self._session_clock.ahead_s(self._clock.now_s())
        markers = [item for item in items if isinstance(item, Marker)]
        if markers:
            stamps_s = np.array([marker.stamp_s - ahead_s for marker in markers])
            self._post(MarkersSeen(key, stamps_s, tuple(marker.text[: MAX_TEXT + 1] for marker in markers)))
        for item in items:
            if isinstance(item, Chunk):
                stamps_s = item.stamps_s - ahead_s
                if self._is_markers:
                    self._post(MarkersSeen(key, stamps_s, tuple(map(_as_text, item.values[:, 0]))))
                else:
                    self._post(SamplesSeen(key, stamps_s, item.values))


def _as_text(value: np.generic) -> str:
    """A marker that is a number, as labels name it."""
    number = float(value)
    return str(int(number)) if number.is_integer() else str(value)
