"""From the raw samples of live streams to windows, one at a time and in one order, which is the recording's too.

Nothing here knows of threads or of LSL: whoever feeds it holds the lock, and tests feed it in virtual time. Whatever
decides on stamps, segments or features sees samples and clock measurements in exactly the order in which the recorder
gets them; so a replay of the recording gives the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Clock, Measurement
from rtemo.config import HealthSettings
from rtemo.features.pipeline import FeaturePipeline
from rtemo.health import Health, StreamHealth
from rtemo.sources.decoder import StreamDecoder
from rtemo.sources.description import describe
from rtemo.types import Chunk, FeatureWindow, Floats, Marker, StreamDescription
from rtemo.windows import Late
from rtemo.xdf import StreamHeader

UNMEASURED_S = 3.0
"""So long samples wait for the first measurement of their clock."""
DOUBT_S = 2.5
"""So long samples of a stream that came back wait where its clock seems to be another: a second measurement decides."""
RATE_OVER_S = 5.0

LetGo = Callable[..., None]
"""Takes a key, seconds of silence or None, and whether to ``hurry``; see `LiveStreams.let_go`."""
Emit = Callable[..., None]
"""Takes the kind of an event, and its details by name."""


class RecorderPort(Protocol):
    """What a recorder takes; none of it waits."""

    def add_stream(self, header_xml: bytes, *, continues: int | None = None) -> int:
        """Take a stream; gives its number."""
        ...

    def samples(self, stream_id: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take numeric samples with raw stamps."""
        ...

    def texts(self, stream_id: int, stamps_s: Floats, rows: Sequence[Sequence[str]]) -> None:
        """Take text samples with raw stamps."""
        ...

    def clock_offset(self, stream_id: int, time_s: float, offset_s: float) -> None:
        """Take a clock measurement."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Samples of one pull: raw stamps, and numbers or rows of strings."""

    stamps_s: Floats
    values: NDArray[np.generic] | None
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a stream stands.

    Parameters
    ----------
    key, name : str
    views : tuple of str
        That read it; none for markers.
    state : Health
    age_s : float
        Of the newest sample; infinite before the first.
    rate_hz : float
        Samples a second over the last few seconds, NaN where nothing was counted yet.
    nominal_hz : float
    samples, late, rejected : int
        Since the session began.
    stream_name, type, source_id, hostname : str
        What it says of itself; empty before it was first seen.
    """

    key: str
    name: str
    views: tuple[str, ...]
    state: Health
    age_s: float
    rate_hz: float
    nominal_hz: float
    samples: int
    late: int
    rejected: int
    stream_name: str = ""
    type: str = ""
    source_id: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """What a session that has begun works with."""

    pipeline: FeaturePipeline
    recorder: RecorderPort
    on_windows: Callable[[list[FeatureWindow]], None]
    on_late: Callable[[Late], None]


@dataclass(frozen=True, slots=True)
class _Track:
    """A stream under one description: how it is decoded, and its number in the recording."""

    decoder: StreamDecoder
    number: int


@dataclass(slots=True)
class _Stream:
    key: str
    name: str
    health: StreamHealth
    header: StreamHeader | None = None
    xml: bytes = b""
    track: _Track | None = None
    opened: bool = False
    pending: list[Raw] | None = None
    blind: bool = False
    quiet: bool = False
    opened_s: float = 0.0
    offset_s: float = math.nan
    segment: int = -1
    base: int = 0
    samples: int = 0
    rejected: int = 0
    counted: list[tuple[float, int]] = field(default_factory=list)


class Gatherer:
    """Puts live streams on one clock, cuts them into windows, and watches their health.

    Parameters
    ----------
    names : mapping of str to str
        What each stream is called in messages, by key.
    health : HealthSettings
    clock : Clock
        The LSL local clock.
    emit : callable
        Takes events.
    measure_soon : callable
        Asks for a clock measurement of a stream.
    let_go : callable
        Told by key for how long a stream has given nothing, so that another outlet may take its place, or None.
    local_host : str
        Of this machine: a stream from here needs no measurement of its clock.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        health: HealthSettings,
        *,
        clock: Clock,
        emit: Emit,
        measure_soon: Callable[[str], None],
        let_go: LetGo,
        local_host: str,
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._measure_soon = measure_soon
        self._let_go = let_go
        self._local_host = local_host
        self._streams = {key: _Stream(key, name, StreamHealth(health, 0.0)) for key, name in names.items()}
        self._work: _Work | None = None
        self._next_stop_s = math.inf
        self._ends_s = math.inf

    def found(self) -> dict[str, StreamDescription]:
        """Descriptions, by key, of the streams that have been opened so far."""
        return {
            key: describe(stream.header, key).description
            for key, stream in self._streams.items()
            if stream.header is not None
        }

    def begin(
        self,
        pipeline: FeaturePipeline,
        recorder: RecorderPort,
        first_window: int,
        on_windows: Callable[[list[FeatureWindow]], None],
        on_late: Callable[[Late], None] = lambda late: None,
    ) -> None:
        """Start: what was gathered so far goes its way, and so does all that comes.

        Parameters
        ----------
        pipeline : FeaturePipeline
            Its streams have the gatherer's keys.
        recorder : RecorderPort
        first_window : int
            Windows begin with this one.
        on_windows : callable
            Takes windows as they close, in order.
        on_late : callable
            Told for which windows samples came late.
        """
        work = self._work = _Work(pipeline, recorder, on_windows, on_late)
        pipeline.windower.begin(first_window)
        for key in pipeline.streams:
            pipeline.windower.expect(key, False)
        for stream in self._streams.values():
            if stream.header is not None:
                self._enter(work, stream, stream.header)
        self._note_next(work)

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """Take a stream that was opened, for the first time or again."""
        stream = self._streams[key]
        again = stream.header is not None
        changed = stream.header is not None and _shape(stream.header) != _shape(header)
        stream.header, stream.xml, stream.opened = header, xml, True
        stream.pending, stream.opened_s, stream.offset_s = [], self._clock.now_s(), math.nan
        stream.health.connected = True
        stream.health.set_rate(0.0 if header.is_text else header.nominal_rate_hz)
        self._emit(
            "stream-opened",
            stream=stream.name,
            again=again,
            changed=changed,
            source_id=header.source_id,
            hostname=header.hostname,
            channels=header.channel_count,
            nominal_rate_hz=header.nominal_rate_hz,
        )
        for warning in describe(header, key).warnings:
            self._emit("stream-warning", stream=stream.name, warning=warning)
        if self._work is not None and (stream.track is None or changed or stream.blind):
            self._enter(self._work, stream, header)

    def closed(self, key: str, reason: str) -> None:
        """Note that an open stream has ended."""
        stream = self._streams[key]
        # No measurement will come any more of a clock that is gone.
        self._release(stream)
        stream.opened, stream.health.connected, stream.pending = False, False, None
        self._expect(stream)
        self._emit("stream-closed", stream=stream.name, reason=reason)

    def measured(self, key: str, measurement: Measurement) -> None:
        """Take a measurement of a stream's clock."""
        stream = self._streams[key]
        stream.offset_s = measurement.offset_s
        if self._work is None or stream.track is None or not stream.opened:
            return
        if stream.blind and stream.header is not None:
            # What was recorded without a clock stays a stream of its own, which a replay leaves out as we did.
            self._enter(self._work, stream, stream.header)
        self._measure(self._work, stream, stream.track, measurement)
        if stream.pending is None:
            return
        since_s = self._clock.now_s() - stream.opened_s
        if stream.track.decoder.timeline.clock.doubting and since_s < DOUBT_S:
            self._measure_soon(key)
        else:
            self._release(stream)

    def take(self, key: str, raw: Raw) -> None:
        """Take samples as they came."""
        stream = self._streams[key]
        if stream.pending is not None:
            stream.pending.append(raw)
        elif self._work is not None and stream.track is not None:
            if stream.blind:
                self._record(self._work, stream, stream.track, raw)
            else:
                self._feed(self._work, stream, stream.track, raw)

    def needed(self, key: str) -> int:
        """How many samples of a stream are still to come in the window that is open; a guess that costs nothing."""
        stream = self._streams[key]
        newest_s, rate_hz = stream.health.newest_s, 0.0 if stream.header is None else stream.header.nominal_rate_hz
        missing = (self._next_stop_s - newest_s) * rate_hz
        return int(missing) if 0 < missing < 1e9 else 1 << 30

    def tick(self, now_s: float) -> None:
        """Judge the streams' health, and close the windows that wait no longer."""
        work = self._work
        for stream in self._streams.values():
            self._judge(stream, now_s)
            if work is not None and stream.pending is not None and now_s - stream.opened_s > UNMEASURED_S:
                self._release(stream)
        if work is not None:
            self._give(work, work.pipeline.advance(min(now_s, self._ends_s)))
            self._say_late(work)

    def ending(self) -> None:
        """Streams are closed from now on: what ends later is no window, and a stream that we close is not missing."""
        self._ends_s = self._clock.now_s()

    def end(self) -> None:
        """Nothing more comes: decide on what is held, as a replay does at its end, and close what has waited enough.

        A window that ended just now, whose last samples were under way still, is not closed without them.
        """
        work = self._work
        if work is None:
            return
        for stream in self._streams.values():
            self._release(stream)
            if stream.track is not None:
                self._deliver(work, stream, stream.track.decoder.finish())
        self._give(work, work.pipeline.advance(min(self._clock.now_s(), self._ends_s)))
        self._say_late(work)

    def status(self, now_s: float) -> list[StreamStatus]:
        """How every stream stands."""
        return [self._stream_status(stream, now_s) for stream in self._streams.values()]

    def _stream_status(self, stream: _Stream, now_s: float) -> StreamStatus:
        work, header = self._work, stream.header
        return StreamStatus(
            key=stream.key,
            name=stream.name,
            views=() if work is None else work.pipeline.views_of(stream.key),
            state=stream.health.state,
            age_s=stream.health.age_s(now_s),
            rate_hz=self._rate(stream, now_s),
            nominal_hz=0.0 if header is None else header.nominal_rate_hz,
            samples=stream.samples,
            late=0 if work is None else work.pipeline.late.get(stream.key, 0),
            rejected=_rejected(stream),
            stream_name="" if header is None else header.name,
            type="" if header is None else header.type,
            source_id="" if header is None else header.source_id,
            hostname="" if header is None else header.hostname,
        )

    def _enter(self, work: _Work, stream: _Stream, header: StreamHeader) -> None:
        """Begin to decode and to record a stream under its present description."""
        before = None if stream.track is None else stream.track.number
        number = work.recorder.add_stream(stream.xml, continues=before)
        stream.track = _Track(StreamDecoder(header, key=stream.key, measured=True), number)
        stream.base, stream.blind = stream.segment + 1, False
        for view, reason in work.pipeline.attach(stream.track.decoder.description, self._clock.now_s()).items():
            self._emit("view-unfit", view=view, stream=stream.name, reason=reason)
        if not math.isnan(stream.offset_s):
            self._measure_soon(stream.key)

    def _measure(self, work: _Work, stream: _Stream, track: _Track, measurement: Measurement) -> None:
        work.recorder.clock_offset(track.number, measurement.time_s, measurement.offset_s)
        clock = track.decoder.timeline.clock
        before = clock.segment
        items = track.decoder.measure(measurement.time_s, measurement.offset_s, measurement.uncertainty_s)
        if clock.segment != before:
            self._emit("clock-reset", stream=stream.name, offset_s=measurement.offset_s)
        self._deliver(work, stream, items)

    def _release(self, stream: _Stream) -> None:
        """Let go what waited for the clock of a stream to be known, or has waited enough."""
        waiting, stream.pending = stream.pending, None
        self._expect(stream)
        work, track = self._work, stream.track
        if work is None or track is None or waiting is None:
            return
        if track.decoder.timeline.clock.measurements == 0 and not stream.blind:
            self._do_without_measurement(work, stream, track, sum(len(raw.stamps_s) for raw in waiting))
        for raw in waiting:
            if stream.blind:
                self._record(work, stream, track, raw)
            else:
                self._feed(work, stream, track, raw)

    def _do_without_measurement(self, work: _Work, stream: _Stream, track: _Track, samples: int) -> None:
        """Take a stream of this very machine by our own clock; only record one of another, whose clock nobody knows."""
        hostname = track.decoder.header.hostname
        if hostname == self._local_host:
            self._emit("clock-assumed", stream=stream.name, offset_s=0.0)
            self._measure(work, stream, track, Measurement(self._clock.now_s(), 0.0))
        elif samples:
            stream.blind = True
            self._expect(stream)
            self._emit("clock-unknown", stream=stream.name, hostname=hostname)

    def _record(self, work: _Work, stream: _Stream, track: _Track, raw: Raw) -> None:
        """Record samples as they came."""
        stream.samples += len(raw.stamps_s)
        if raw.values is None:
            work.recorder.texts(track.number, raw.stamps_s, raw.rows)
        else:
            work.recorder.samples(track.number, raw.stamps_s, raw.values)

    def _feed(self, work: _Work, stream: _Stream, track: _Track, raw: Raw) -> None:
        self._record(work, stream, track, raw)
        if raw.values is None:
            items = track.decoder.texts(raw.stamps_s, raw.rows)
        else:
            items = track.decoder.samples(raw.stamps_s, raw.values)
        self._deliver(work, stream, items)
        if track.decoder.timeline.waiting:
            self._measure_soon(stream.key)

    def _deliver(self, work: _Work, stream: _Stream, items: Sequence[Chunk | Marker]) -> None:
        for item in items:
            if isinstance(item, Marker):
                stream.health.fed(item.stamp_s)
                continue
            stream.health.fed(float(item.stamps_s[-1]))
            stream.segment = stream.base + item.segment
            chunk = item if stream.segment == item.segment else replace(item, segment=stream.segment)
            self._give(work, work.pipeline.push(chunk))

    def _give(self, work: _Work, windows: list[FeatureWindow]) -> None:
        if windows:
            work.on_windows(windows)
            self._note_next(work)

    def _note_next(self, work: _Work) -> None:
        window = work.pipeline.windower.next_window
        self._next_stop_s = math.inf if window is None else work.pipeline.windower.grid.stop_s(window)

    @property
    def next_stop_s(self) -> float:
        """End of the window that is open, LSL clock seconds; infinite before the session begins."""
        return self._next_stop_s

    def _judge(self, stream: _Stream, now_s: float) -> None:
        state = stream.health.judge(now_s)
        rejected, work = _rejected(stream), self._work
        if state is not None:
            self._emit(
                "stream-state",
                stream=stream.name,
                state=state.value,
                age_s=stream.health.age_s(now_s),
                samples=stream.samples,
                late=0 if work is None else work.pipeline.late.get(stream.key, 0),
                rejected=rejected,
            )
            if state is Health.LOST and stream.opened:
                self._let_go(stream.key, stream.health.age_s(now_s), hurry=True)
            elif state is Health.LIVE:
                self._let_go(stream.key, None, hurry=True)
            self._expect(stream)
        self._look_for_another(stream, now_s)
        if rejected > stream.rejected:
            self._emit("samples-rejected", stream=stream.name, samples=rejected - stream.rejected)
        stream.rejected = rejected

    def _look_for_another(self, stream: _Stream, now_s: float) -> None:
        """Let another outlet of the same identity take the place of an irregular stream that has been silent for long.

        It may just have nothing to say, or its machine may be gone without a word: only a successor tells.
        """
        if stream.header is None or stream.header.nominal_rate_hz > 0 or not stream.opened:
            stream.quiet = False
            return
        silent_s = now_s - max(stream.health.newest_s, stream.opened_s)
        quiet = silent_s > stream.health.lost_after_s
        if quiet != stream.quiet:
            stream.quiet = quiet
            self._let_go(stream.key, silent_s if quiet else None, hurry=False)

    def _expect(self, stream: _Stream) -> None:
        """Let windows wait for a stream that is alive."""
        if self._work is not None and stream.key in self._work.pipeline.streams and self._ends_s == math.inf:
            alive = stream.opened and stream.pending is None and not stream.blind
            self._work.pipeline.windower.expect(stream.key, alive and stream.health.state is Health.LIVE)

    def _say_late(self, work: _Work) -> None:
        for late in work.pipeline.windower.take_late():
            name = self._streams[late.stream].name
            self._emit("late", stream=name, samples=late.samples, first_window=late.first, last_window=late.last)
            work.on_late(late)

    def _rate(self, stream: _Stream, now_s: float) -> float:
        """Samples a second over the last few seconds."""
        counted = stream.counted
        counted.append((now_s, stream.samples))
        while len(counted) > 2 and now_s - counted[1][0] >= RATE_OVER_S:
            del counted[0]
        (then_s, before), (_, now) = counted[0], counted[-1]
        return (now - before) / (now_s - then_s) if now_s > then_s else math.nan


def _rejected(stream: _Stream) -> int:
    return 0 if stream.track is None else stream.track.decoder.timeline.rejected


def _shape(header: StreamHeader) -> tuple[object, ...]:
    """What must be the same for samples to go on in one stream of a recording."""
    return (
        header.channel_count,
        header.nominal_rate_hz,
        header.channel_format,
        header.labels,
        header.units,
        header.type,
        header.delay_s,
    )
