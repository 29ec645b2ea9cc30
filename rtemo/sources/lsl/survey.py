"""What is on the network: every visible stream, measured for a moment, read as hostile input."""

from __future__ import annotations

import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from rtemo.clock import Clock, LslClock, Measurement, MonotonicClock
from rtemo.sources.description import describe, named
from rtemo.sources.lsl.clocks import measure_clock
from rtemo.types import Floats, StreamDescription
from rtemo.xdf.chunks import NUMERIC_FORMATS, STRING_FORMAT, XdfError, parse_stream_header

ANSWER_S = 3.0
"""A stream has so long to give its header, open and compare clocks; on a local network 0.2 s are plenty."""
MEASURE_S = 2.0
MAX_STREAMS = 128
"""Streams beyond these are listed, not measured."""
PULL_S = 0.1
MAX_VALUES = 262_144
"""Values that one pull may ask for: a stream with very many channels must not take all the memory."""
MANY_CHANNELS = 1024
RATE_TOLERANCE = 0.02
OLD_S = 1.0
AHEAD_S = 0.05
SLOW_CLOCK_S = 0.010
MAX_TEXTS = 8
MAX_TEXT = 200

_FORMATS = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: STRING_FORMAT,
    pylsl.cf_int8: "int8",
    pylsl.cf_int16: "int16",
    pylsl.cf_int32: "int32",
    pylsl.cf_int64: "int64",
}
_LIBRARY_ERRORS = (RuntimeError, ValueError)
"""What pylsl raises: its TimeoutError, LostError, InternalError and InvalidArgumentError are RuntimeErrors."""


@dataclass(frozen=True, slots=True)
class VisibleStream:
    """What a stream answers to a search; nothing of it is to be trusted.

    Parameters
    ----------
    name, type, hostname, source_id, uid : str
        As sent, so perhaps with control characters: `rtemo.printable.printable` before they are shown.
    channels : int
    channel_format : str
        As in XDF; empty where it is none that is known.
    nominal_rate_hz : float
        0 for an irregular stream.
    info : pylsl.StreamInfo
        What an inlet is made of.
    """

    name: str
    type: str
    hostname: str
    source_id: str
    uid: str
    channels: int
    channel_format: str
    nominal_rate_hz: float
    info: Any = field(repr=False, compare=False)

    @property
    def is_text(self) -> bool:
        """Whether samples are strings."""
        return self.channel_format == STRING_FORMAT

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """All that a configuration can choose a stream by."""
        return self.name, self.type, self.hostname, self.source_id


@dataclass(frozen=True, slots=True)
class StreamSurvey:
    """What was found out about a visible stream.

    Parameters
    ----------
    stream : VisibleStream
    description : StreamDescription or None
        From the full header; None where it did not come or was refused.
    opened_s : float or None
        How long the first opening took; None where it failed.
    samples : int
        How many came while it was measured.
    rate_hz : float or None
        Samples over the span of their stamps; None for text and for fewer than two samples.
    age_s : float or None
        Local clock minus the newest stamp, offset-corrected, at the end.
    delay_s : float or None
        Nine samples of ten arrived younger than this: transmission and the sender's chunks.
    clock_offset_s : float or None
        Local clock minus the stream's clock.
    round_trip_s : float or None
        Of the best clock probe; the offset is uncertain by half of it.
    texts : tuple of str
        Some of the different strings that a text stream sent.
    findings : tuple of str
        What looks wrong, one line each, without the stream's name; may quote what the stream sent.
    """

    stream: VisibleStream
    description: StreamDescription | None = None
    opened_s: float | None = None
    samples: int = 0
    rate_hz: float | None = None
    age_s: float | None = None
    delay_s: float | None = None
    clock_offset_s: float | None = None
    round_trip_s: float | None = None
    texts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def uncertainty_s(self) -> float | None:
        """Half of the round trip, which bounds the error of the clock offset."""
        return None if self.round_trip_s is None else self.round_trip_s / 2

    @property
    def bytes_per_s(self) -> float:
        """About what a recording of the stream grows by: values and, for each sample, a stamp."""
        if self.stream.is_text or self.stream.channel_format not in NUMERIC_FORMATS:
            return 0.0
        rate_hz = max(self.rate_hz or 0.0, self.stream.nominal_rate_hz)
        return rate_hz * (9 + self.stream.channels * NUMERIC_FORMATS[self.stream.channel_format].itemsize)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        stream = self.stream
        known = asdict(replace(self, stream=replace(stream, info=None), description=None))
        del known["stream"], known["description"]
        described = self.description
        return {
            "name": stream.name,
            "type": stream.type,
            "hostname": stream.hostname,
            "source_id": stream.source_id,
            "uid": stream.uid,
            "channels": stream.channels,
            "channel_format": stream.channel_format,
            "nominal_rate_hz": stream.nominal_rate_hz,
            "channel_labels": None if described is None else list(described.channel_labels),
            "channel_units": None if described is None else list(described.channel_units),
            **known,
            "uncertainty_s": self.uncertainty_s,
        }


def find_streams(timeout_s: float = 1.0) -> list[VisibleStream]:
    """Every stream that answers within `timeout_s`, which is always taken in full; sorted by type, name and host.

    `rtemo.liblsl.configure` comes first.
    """
    found = [_visible(info) for info in pylsl.resolve_streams(timeout_s)]
    return sorted(found, key=lambda stream: (stream.type, *stream.identity, stream.uid))


def _visible(info: Any) -> VisibleStream:
    return VisibleStream(
        name=_text(info.name),
        type=_text(info.type),
        hostname=_text(info.hostname),
        source_id=_text(info.source_id),
        uid=_text(info.uid),
        channels=info.channel_count(),
        channel_format=_FORMATS.get(info.channel_format(), ""),
        nominal_rate_hz=info.nominal_srate(),
        info=info,
    )


def _text(read: Callable[[], str]) -> str:
    """What a stream says, with replacement characters where it is no UTF-8."""
    try:
        return read()
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


def survey(
    streams: Sequence[VisibleStream],
    duration_s: float = MEASURE_S,
    *,
    answer_s: float = ANSWER_S,
    clock: Clock | None = None,
) -> list[StreamSurvey]:
    """Open every stream, all at once, and measure it for a moment.

    No stream can hold up another: each has `answer_s` to give its header, to open and to compare clocks, then
    `duration_s` to send; what did not come becomes a finding.

    Parameters
    ----------
    streams : sequence of VisibleStream
    duration_s : float
        How long samples are counted.
    answer_s : float
    clock : Clock, optional
        That of the stamps; the LSL local clock if not given.

    Returns
    -------
    list of StreamSurvey
        One a stream, in the same order.
    """
    local = clock or LslClock()
    waiting = MonotonicClock()
    answers: queue.SimpleQueue[tuple[int, StreamSurvey | Exception]] = queue.SimpleQueue()
    threads = [
        # Daemons: liblsl's timeouts do not bind every peer, and a thread that hangs must not keep the program.
        threading.Thread(
            target=_work,
            args=(number, stream, duration_s, answer_s, local, answers),
            name=f"survey-{number}",
            daemon=True,
        )
        for number, stream in enumerate(streams[:MAX_STREAMS])
    ]
    for thread in threads:
        thread.start()
    # Half a second more than the threads give themselves, and time for many of them on few cores.
    deadline_s = waiting.now_s() + answer_s + duration_s + 0.5 + 0.05 * len(threads)
    found: dict[int, StreamSurvey] = {}
    while len(found) < len(threads):
        try:
            number, answer = answers.get(timeout=max(deadline_s - waiting.now_s(), 0.0))
        except queue.Empty:
            break
        if isinstance(answer, Exception):
            raise answer
        found[number] = answer
    for number, thread in enumerate(threads):
        # Inlets are given back by their threads; one that hangs is not waited for.
        if number in found:
            thread.join(timeout=1.0)
    unmeasured = {
        number: StreamSurvey(
            stream,
            findings=(
                f"was not measured, as more than {MAX_STREAMS} streams are there"
                if number >= MAX_STREAMS
                else f"hangs: no answer in {answer_s + duration_s:.1f} s",
            ),
        )
        for number, stream in enumerate(streams)
        if number not in found
    }
    surveys = found | unmeasured
    return [
        replace(surveys[number], findings=(*surveys[number].findings, *alike))
        for number, alike in enumerate(_alike(streams))
    ]


def _work(
    number: int,
    stream: VisibleStream,
    duration_s: float,
    answer_s: float,
    clock: Clock,
    answers: queue.SimpleQueue[tuple[int, StreamSurvey | Exception]],
) -> None:
    """Measure one stream in a thread of its own."""
    try:
        if not stream.channel_format:
            cause = "is refused: liblsl cannot read its answer (a rate or a channel count that is no number?)"
            answers.put((number, StreamSurvey(stream, findings=(cause,))))
            return
        try:
            inlet = pylsl.StreamInlet(stream.info, max_buflen=10, recover=False)
        except _LIBRARY_ERRORS as error:
            answers.put((number, StreamSurvey(stream, findings=(f"cannot be opened: {error}",))))
            return
        # The answer goes out before the inlet is closed, as closing waits for liblsl's own threads.
        answers.put((number, _measured(number, stream, inlet, duration_s, answer_s, clock)))
    except Exception as error:  # noqa: BLE001  (raised again in the thread that asked)
        answers.put((number, error))


def _measured(
    number: int, stream: VisibleStream, inlet: Any, duration_s: float, answer_s: float, clock: Clock
) -> StreamSurvey:
    waiting = MonotonicClock()
    began_s = waiting.now_s()
    findings: list[str] = []

    def left_s() -> float:
        return max(began_s + answer_s - waiting.now_s(), 0.01)

    def failed(step: str, error: Exception) -> str:
        slow = isinstance(error, pylsl.util.TimeoutError)
        return f"{step}: {f'no answer in {answer_s:.1f} s' if slow else f'it is gone ({error})'}"

    description: StreamDescription | None = None
    try:
        header = parse_stream_header(number + 1, inlet.info(left_s()).as_xml().encode())
        described = describe(header, str(number + 1))
        description = described.description
        findings += [warning.removeprefix(f"stream {named(header)} ") for warning in described.warnings]
    except XdfError as error:
        findings.append(f"is refused: its header does not hold ({error})")
    except UnicodeDecodeError:
        findings.append("is refused: what it says of itself is no UTF-8")
    except _LIBRARY_ERRORS as error:
        # A pull from a stream that could not be reached never returns, whatever its timeout.
        return StreamSurvey(stream, findings=(failed("cannot be reached for its header", error),))
    if description is None or not stream.channels:
        return StreamSurvey(stream, description=description, findings=tuple(findings))
    opening_s = waiting.now_s()
    try:
        inlet.open_stream(left_s())
    except _LIBRARY_ERRORS as error:
        return StreamSurvey(stream, description, findings=(*findings, failed("cannot be opened", error)))
    opened_s = waiting.now_s() - opening_s
    measurement: Measurement | None = None
    try:
        measurement = measure_clock(inlet, left_s())
    except _LIBRARY_ERRORS as error:
        findings.append(failed("its clock cannot be measured", error))
    arrivals = _Arrivals(offset_s=measurement.offset_s if measurement else 0.0)
    most = max(1, min(4096, MAX_VALUES // stream.channels))
    until_s = waiting.now_s() + duration_s
    try:
        while (rest_s := until_s - waiting.now_s()) > 0:
            values, stamps_s = inlet.pull_chunk(
                timeout=min(PULL_S, rest_s), max_samples=most, min_samples=1, as_numpy=True
            )
            arrivals.add(stamps_s, values if stream.is_text else None, clock.now_s())
    except _LIBRARY_ERRORS as error:
        findings.append(failed("was lost while it was measured", error))
    found = StreamSurvey(
        stream,
        description,
        opened_s=opened_s,
        samples=arrivals.samples,
        rate_hz=None if stream.is_text else arrivals.rate_hz,
        age_s=arrivals.age_s(clock.now_s()),
        delay_s=arrivals.delay_s,
        clock_offset_s=None if measurement is None else measurement.offset_s,
        round_trip_s=None if measurement is None else measurement.uncertainty_s,
        texts=tuple(arrivals.texts),
    )
    return replace(found, findings=(*findings, *_findings(found, duration_s, arrivals.rejected)))


@dataclass(slots=True)
class _Arrivals:
    """What is counted while samples come."""

    offset_s: float
    samples: int = 0
    rejected: int = 0
    earliest_s: float = math.inf
    newest_s: float = -math.inf
    first: tuple[int, float] | None = None
    last: tuple[int, float] = (0, math.nan)
    delays_s: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, stamps_s: Floats, values: NDArray[np.object_] | None, now_s: float) -> None:
        """Count what one pull gave; `values` of text streams only, shape (samples, channels), bytes."""
        if not len(stamps_s):
            return
        self.samples += len(stamps_s)
        good = stamps_s[np.isfinite(stamps_s)]
        self.rejected += len(stamps_s) - len(good)
        if len(good):
            self.earliest_s = min(self.earliest_s, float(good.min()))
            self.newest_s = max(self.newest_s, float(good.max()))
            self.delays_s.append(now_s - float(good.min()) - self.offset_s)
            self.last = (self.samples, float(good[-1]))
            self.first = self.first or self.last
        if values is not None:
            for value in values[:, 0]:
                text = bytes(value)[:MAX_TEXT].decode("utf-8", "replace")
                if len(self.texts) < MAX_TEXTS and text not in self.texts:
                    self.texts.append(text)

    @property
    def rate_hz(self) -> float | None:
        """Samples over the span of their stamps.

        From the end of the first arrival to that of the last: inside of what was sent at once, stamps are often made up
        from the nominal rate, or all the same.
        """
        if self.first is not None and self.last[1] > self.first[1]:
            count, span_s = self.last[0] - self.first[0], self.last[1] - self.first[1]
        else:
            count, span_s = self.samples - self.rejected - 1, self.newest_s - self.earliest_s
        return count / span_s if 0 < span_s < math.inf else None

    @property
    def delay_s(self) -> float | None:
        """Of nine samples of ten."""
        return float(np.percentile(self.delays_s, 90)) if self.delays_s else None

    def age_s(self, now_s: float) -> float | None:
        """Of the newest sample."""
        return now_s - self.newest_s - self.offset_s if math.isfinite(self.newest_s) else None


def _findings(found: StreamSurvey, duration_s: float, rejected: int) -> list[str]:
    """What looks wrong with a stream that was measured."""
    stream, findings = found.stream, []
    expected = stream.nominal_rate_hz * duration_s
    if not found.samples and expected >= 3:
        findings.append(f"sends nothing: {expected:.0f} samples were expected in {duration_s:.1f} s")
    if found.rate_hz is not None and stream.nominal_rate_hz > 0 and found.samples >= 10:
        off = found.rate_hz / stream.nominal_rate_hz - 1
        if abs(off) > RATE_TOLERANCE:
            findings.append(
                f"runs at {found.rate_hz:.4g} Hz, {100 * off:+.1f} % off its nominal {stream.nominal_rate_hz:g} Hz"
            )
    if stream.channels > MANY_CHANNELS:
        findings.append(f"has {stream.channels} channels: is this one stream of signals?")
    if rejected:
        findings.append(f"{rejected} of {found.samples} stamps are not finite")
    if found.delay_s is not None and found.delay_s > OLD_S:
        findings.append(f"its samples are {found.delay_s:.4g} s old when they arrive")
    if found.age_s is not None and found.age_s < -AHEAD_S - (found.uncertainty_s or 0.0):
        findings.append(f"its stamps are {-found.age_s:.4g} s ahead of the clock")
    if found.round_trip_s is not None and found.round_trip_s > SLOW_CLOCK_S:
        findings.append(
            f"its clock is known to {1e3 * found.round_trip_s / 2:.0f} ms only (round trip "
            f"{1e3 * found.round_trip_s:.0f} ms): wireless, or a busy network?"
        )
    return findings


def _alike(streams: Sequence[VisibleStream]) -> list[list[str]]:
    """What is wrong with the identity of each stream: none, or that of another one."""
    identities = Counter(stream.identity for stream in streams)
    sources = Counter((stream.source_id, stream.name, stream.type) for stream in streams if stream.source_id)
    findings: list[list[str]] = []
    for stream in streams:
        mine = []
        same = identities[stream.identity] - 1
        if same:
            others = "another stream has" if same == 1 else f"{same} other streams have"
            mine.append(f"is a duplicate: {others} the same name, type, host and source_id")
        elif sources[(stream.source_id, stream.name, stream.type)] > 1:
            mine.append("a stream on another host has the same source_id, name and type")
        if not stream.source_id and stream.channel_format:
            mine.append("has no source_id: after a restart it is known by name, type and host only")
        findings.append(mine)
    return findings
