"""A recording on LSL outlets again, as it was: relative times, gaps, rates, descriptions and all."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from rtemo.clock import Clock, LslClock
from rtemo.config import NetworkSettings
from rtemo.devices.faulted import FaultedStream, in_order
from rtemo.errors import ConfigurationError, RecordingError
from rtemo.liblsl import configure
from rtemo.outputs.publish import (
    Action,
    Appear,
    Note,
    OutletDescription,
    Send,
    Vanish,
    channel_format,
    publish,
)
from rtemo.sources import open_recording
from rtemo.sources.base import Source
from rtemo.sources.description import describe
from rtemo.sources.faults import Fault, check_faults, parse_faults
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk, Marker, StreamDescription

LEAD_S = 2.0
"""Outlets are there so long before the first sample, or nobody would have found them yet."""
LINGER_S = 0.5
LOOP_GAP_S = 2.0
READ_AHEAD_S = 10.0
"""Recorders write streams in turns of up to a few seconds; so far the reader runs ahead to bring them in order."""
MAX_BEHIND_S = 60.0
CHUNK_S = 0.1
"""What is sent at once: a recorder's chunks tell how often it wrote, not how often the device sent."""
NOT_PLAYED = ("kill", "freeze", "offset", "rate", "drift")


@dataclass(frozen=True, slots=True)
class Playing:
    """How a recording is played.

    Parameters
    ----------
    network : NetworkSettings
    fault : str
        See `rtemo.sources.faults.parse_faults`; a stream is called by its name, type or number.
    seed : int
    speed : float
        Recorded seconds a second. Stamps and rates follow, so spectra do too.
    loop : bool
        Whether it starts again, after a gap, without end.
    unsynchronised : bool
        See `rtemo.sources.open_recording`.
    """

    network: NetworkSettings
    fault: str = ""
    seed: int = 0
    speed: float = 1.0
    loop: bool = False
    unsynchronised: bool = False


class Playback:
    """A recording to be played on LSL outlets. Streams that rtemo itself published are left out.

    Parameters
    ----------
    path : path-like
    playing : Playing
    clock : Clock, optional
        The LSL local clock where it is not given.
    wait : callable, optional
        Waits for so many seconds; True once it is to stop.

    Attributes
    ----------
    streams : tuple of StreamDescription
        What is played.

    Raises
    ------
    RecordingError
        The recording cannot be read, or holds no stream to play.
    ConfigurationError
        A fault cannot be read, or cannot happen to a recording.
    """

    def __init__(
        self,
        path: str | Path,
        playing: Playing,
        *,
        clock: Clock | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._path, self._playing = path, playing
        self._source = open_recording(path, unsynchronised=playing.unsynchronised)
        self._warnings: list[str] = []
        try:
            self.streams = tuple(one for one in self._source.streams if one.channels and not one.own)
            if not self.streams:
                raise RecordingError(f"{path}: expected a stream to play, found none.", cure="See rtemo info.")
            self._faults = _faults_of(playing.fault, self.streams)
            configure(playing.network)
        except BaseException:
            self._source.close()
            raise
        self._clock = clock or LslClock()
        self._wait = wait or threading.Event().wait

    def __enter__(self) -> Playback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def warnings(self) -> Sequence[str]:
        """What looked wrong so far, one line each."""
        return (*self._source.warnings, *self._warnings)

    def close(self) -> None:
        """Close the recording. Idempotent."""
        self._source.close()

    def first_s(self) -> float:
        """Stamp of the first sample of all, which is played at the origin.

        Raises
        ------
        RecordingError
            There is none.
        """
        with contextlib.closing(open_recording(self._path, unsynchronised=self._playing.unsynchronised)) as source:
            for first_s, _ in _from_first(iter(source)):
                return first_s
        raise RecordingError(f"{self._source.origin}: expected samples, found none.", cure="See rtemo info.")

    def run(
        self,
        *,
        origin_s: float | None = None,
        say: Callable[[float, str], None] = lambda at_s, text: None,
        on_time: Callable[[float], None] = lambda at_s: None,
        on_send: Callable[[Send], None] = lambda send: None,
    ) -> bool:
        """Play it to its end, or for ever.

        Parameters
        ----------
        origin_s : float, optional
            When the first sample is played, on the clock; in two seconds where not given.
        say : callable
            Called with the moment, in seconds since the first sample, and a line about a fault.
        on_time : callable
            Called with every moment at which something is done.
        on_send : callable
            Called with what was sent.

        Returns
        -------
        bool
            Whether it came to its end; False where it was stopped.

        Raises
        ------
        RecordingError
            Samples of different streams lie too far apart in the file to be played side by side.
        """

        def report(action: Action) -> None:
            if isinstance(action, Note):
                say(action.at_s, action.text)

        def watched() -> Iterator[Action]:
            for action in self.actions():
                on_time(action.at_s)
                yield action
                if isinstance(action, Send):
                    on_send(action)

        begin_s = self._clock.now_s() + LEAD_S if origin_s is None else origin_s
        return publish(watched(), origin_s=begin_s, clock=self._clock, wait=self._wait, on_action=report)

    def actions(self) -> Iterator[Action]:
        """Everything that is done, in seconds since the first sample as it is played."""
        speed = self._playing.speed
        for action in in_order(self._groups()):
            at_s = action.at_s / speed
            match action:
                case Appear(outlet=outlet):
                    stream = replace(outlet.stream, nominal_rate_hz=outlet.stream.nominal_rate_hz * speed)
                    yield replace(action, at_s=at_s, outlet=replace(outlet, stream=stream))
                case Send():
                    yield replace(action, at_s=at_s, stamps_s=action.stamps_s / speed)
                case _:
                    yield replace(action, at_s=at_s)

    def _groups(self) -> Iterator[tuple[float, Sequence[Action]]]:
        """Actions as the recording gives them, in recorded seconds since its first sample."""
        streams = {stream.key: self._faulted(stream) for stream in self.streams}
        before = {key: first for key, first in _continued(self._source).items() if {key, first} <= set(streams)}
        for key, faulted in streams.items():
            if key not in before:
                yield -math.inf, _ahead(faulted.events(), LEAD_S * self._playing.speed)
        begun: set[str] = set()
        offset_s, newest_s = 0.0, -math.inf
        while True:
            origin_s: float | None = None
            for origin_s, item in _from_first(iter(self._source)):
                if item.stream not in streams:
                    continue
                since_s = offset_s - origin_s
                for actions in _sent(item, streams[item.stream], since_s):
                    first_s = min((action.at_s for action in actions), default=math.inf)
                    if first_s < newest_s - MAX_BEHIND_S:
                        raise RecordingError(
                            f"{self._source.origin}: cannot be played in real time: samples of stream {item.stream} "
                            f"lie {newest_s - first_s:.0f} s behind others in the file.",
                            cure="Without --stream, rtemo play takes it.",
                        )
                    if item.stream in before and item.stream not in begun and actions:
                        # The stream came back under another description: one outlet gives way to the other.
                        appears = [Vanish(first_s, before[item.stream]), *_from(streams[item.stream], first_s)]
                        actions = [*appears, *actions]
                    begun.add(item.stream)
                    newest_s = max(newest_s, max((action.at_s for action in actions), default=newest_s))
                    yield newest_s - READ_AHEAD_S, actions
            if origin_s is None:
                raise RecordingError(f"{self._source.origin}: expected samples, found none.", cure="See rtemo info.")
            if not self._playing.loop:
                yield newest_s, [Vanish(newest_s + LINGER_S * self._playing.speed, key) for key in streams]
                return
            offset_s = newest_s + LOOP_GAP_S
            begun.clear()
            # What gave way is there again from the start.
            gone: list[Action] = [Vanish(offset_s, key) for key in before]
            yield newest_s, [*gone, *itertools.chain(*(_from(streams[key], offset_s) for key in _first(before)))]

    def _faulted(self, stream: StreamDescription) -> FaultedStream:
        """A stream and its faults."""
        faults = [fault for fault in self._faults if fault.device == stream.key]
        return FaultedStream(_outlet_of(self._source, stream), faults, seed=self._playing.seed)


def _outlet_of(source: Source, stream: StreamDescription) -> OutletDescription:
    """A stream's outlet: values come in the units of its description, which may be others than in the file."""
    made_by = f"played from {Path(source.origin).name}"
    if stream.is_text:
        return OutletDescription(stream, "string", manufacturer=made_by)
    if not isinstance(source, XdfSource):
        return OutletDescription(stream, "double64", manufacturer=made_by)
    header = source.reader.streams[int(stream.key)]
    scale = describe(header, stream.key).scale
    given = header.dtype if scale is None else np.result_type(header.dtype, scale.dtype)
    return OutletDescription(stream, channel_format(given), manufacturer=made_by)


def _continued(source: Source) -> dict[str, str]:
    """Streams that go on from another one, under another description."""
    if not isinstance(source, XdfSource):
        return {}
    headers = source.reader.streams.items()
    return {str(key): str(header.continues) for key, header in headers if header.continues is not None}


def _first(before: Mapping[str, str]) -> set[str]:
    """Streams that others go on from, and that go on from none."""
    return set(before.values()) - set(before)


def _faults_of(text: str, streams: Sequence[StreamDescription]) -> list[Fault]:
    """Faults of streams by key, which may be named by name, type or number; capitals do not matter."""
    keys: dict[str, set[str]] = {}
    for stream in streams:
        for alias in (stream.name, stream.type, stream.key):
            for spelling in {alias, alias.lower()} - {""}:
                keys.setdefault(spelling, set()).add(stream.key)
    found: list[Fault] = []
    for fault in parse_faults(text, tuple(keys)):
        if len(keys[fault.device]) > 1:
            raise ConfigurationError(
                f"--fault {fault}: {fault.device!r} may be any of the streams {', '.join(sorted(keys[fault.device]))}.",
                cure="Say its number, as rtemo info shows it.",
            )
        if fault.kind in NOT_PLAYED:
            raise ConfigurationError(
                f"--fault {fault}: a recording is played by one process, at the rate that it has: no {fault.kind}.",
                cure="Take drop, gap, burst or stamps, or rtemo simulate.",
            )
        found.append(replace(fault, device=next(iter(keys[fault.device]))))
    for stream in streams:
        own = [fault for fault in found if fault.device == stream.key]
        check_faults(own, stream.channel_labels, is_text=stream.is_text)
    return found


def _ahead(actions: Sequence[Action], lead_s: float) -> list[Action]:
    """Outlets that are there from the start are there before it."""
    return [replace(a, at_s=-lead_s) if isinstance(a, Appear) and a.at_s == 0 else a for a in actions]


def _from(stream: FaultedStream, at_s: float) -> list[Action]:
    """A stream's outlet appears in the course of the recording."""
    return [Appear(at_s, stream.outlet_at(at_s))]


def _from_first(items: Iterator[Chunk | Marker]) -> Iterator[tuple[float, Chunk | Marker]]:
    """Every item, with the first moment of all, which is known once some seconds have been read."""
    held: list[Chunk | Marker] = []
    first_s, last_s = math.inf, -math.inf
    for item in items:
        start_s, stop_s = _span(item)
        first_s, last_s = min(first_s, start_s), max(last_s, stop_s)
        held.append(item)
        if last_s - first_s > READ_AHEAD_S:
            break
    for item in itertools.chain(held, items):
        yield first_s, item


def _span(item: Chunk | Marker) -> tuple[float, float]:
    if isinstance(item, Marker):
        return item.stamp_s, item.stamp_s
    return float(item.stamps_s[0]), float(item.stamps_s[-1])


def _sent(item: Chunk | Marker, stream: FaultedStream, since_s: float) -> Iterator[list[Action]]:
    """An item as it is sent, a tenth of a second at most at once."""
    if isinstance(item, Marker):
        channels = stream.outlet_at(-math.inf).stream.channels
        row = item.text.split("\t", channels - 1)
        yield stream.send(np.array([item.stamp_s + since_s]), [row + [""] * (channels - len(row))])
        return
    times_s = item.stamps_s + since_s
    turns = np.floor((times_s - times_s[0]) / CHUNK_S)
    for part in np.split(np.arange(len(times_s)), np.flatnonzero(np.diff(turns)) + 1):
        yield stream.send(times_s[part], item.values[part[0] : part[-1] + 1])
