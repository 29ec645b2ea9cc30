"""The streams of a live session: found, kept open, gathered into windows, and recorded."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from rtemo.clock import Clock
from rtemo.config import Configuration
from rtemo.errors import StreamError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.grid import Grid
from rtemo.live.gather import Gatherer, StreamStatus
from rtemo.live.sink import LockedSink
from rtemo.live.wanted import MARKERS_KEY, stream_names, wanted_streams
from rtemo.outputs.events import Event
from rtemo.outputs.recording import Recorder
from rtemo.sources.lsl.streams import SETTLE_S, LiveStreams
from rtemo.types import SESSION_START, FeatureWindow, StreamDescription
from rtemo.windows import Late
from rtemo.worker import Worker

T = TypeVar("T")
TICK_S: Final = 0.1
OFFSET_EVERY_S: Final = 5.0
MARKERS_WITHIN_S: Final = 2.0
"""Markers that are on the network are found so long after all views, or are not there."""
NO_START: Final = {
    "stream-ambiguous": "several streams fit",
    "stream-shared": "another view reads the same stream in other words",
    "stream-refused": "the stream cannot be used",
}
"""Events before the start with which there is none."""


class Acquisition:
    """Everything between the network and a window. Made once, begun once.

    Parameters
    ----------
    config : Configuration
    clock : Clock
        The LSL local clock.
    take_event : callable
        Takes events, from many threads.
    on_error : callable
        Called, in some thread, with what must end the session.
    on_texts : callable
        Told the key of a text stream and what came of it, in the stream's thread.

    Attributes
    ----------
    keys : dict of str to str
        The key of each view's stream.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        clock: Clock,
        take_event: Callable[[Event], None],
        on_error: Callable[[BaseException], None],
        on_texts: Callable[[str, Sequence[Sequence[str]]], None] = lambda key, rows: None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._take_event = take_event
        self._refused: Event | None = None
        wanted, self.keys = wanted_streams(config)
        self._names = stream_names(wanted, config)
        self._sink = LockedSink(self.emit, on_texts)
        self._streams = LiveStreams(wanted, config.network, self._sink, clock=clock, on_error=on_error)
        self._gatherer = self._sink.gatherer = Gatherer(
            self._names,
            config.health,
            clock=clock,
            emit=self.emit,
            measure_soon=self._streams.measure_soon,
            let_go=self._streams.let_go,
            local_host=socket.gethostname(),
        )
        self._ending = threading.Event()
        self._ticker = Worker("rtemo-tick", self._tick, on_error)
        self._recorder: Recorder | None = None
        self._own: Sequence[int] = ()
        self._began_s = math.nan

    def emit(self, kind: str, **details: object) -> None:
        """Make an event of what happens now; a stream's key becomes its name."""
        key = details.pop("key", None)
        if isinstance(key, str):
            details = {"stream": self._names[key], **details}
        event = Event(self._clock.now_s(), kind, details)
        if self._refused is None and kind in NO_START:
            self._refused = event
        self._take_event(event)

    def find(self, wait_s: float, on_wait: Callable[[list[str]], None], ending: threading.Event) -> list[str]:
        """Look for the streams until all are there, or for so long, or until `ending` is set.

        Parameters
        ----------
        wait_s : float
        on_wait : callable
            Told now and then which are missing.
        ending : threading.Event

        Returns
        -------
        list of str
            Names of the streams that are not there.

        Raises
        ------
        StreamError
            Several streams fit where one is wanted, or one cannot be used.
        """
        self._streams.start()
        until_s = self._clock.now_s() + wait_s + SETTLE_S
        views_s = math.inf
        while True:
            found = self.found()
            missing = [name for key, name in self._names.items() if key not in found]
            self._check()
            now_s = self._clock.now_s()
            if not set(missing) - {MARKERS_KEY}:
                views_s = min(views_s, now_s)
            # Markers may come when the presenter does: no session waits for them longer than it takes to find them.
            if not missing or now_s >= min(until_s, views_s + MARKERS_WITHIN_S) or ending.is_set():
                return missing
            on_wait(missing)
            ending.wait(0.05)

    def _check(self) -> None:
        """Turn what was noticed of a stream that is looked for into an error."""
        if self._refused is not None:
            told = self._refused.details
            raise StreamError(
                f"the network: {told.get('stream')}: {NO_START[self._refused.kind]}: "
                f"{told.get('found') or told.get('reason')}.",
                cure="Say which by source_id or name, alike wherever a view reads it, or stop the other one.",
            )

    def found(self) -> Mapping[str, StreamDescription]:
        """The streams that are there, by key."""
        return self._locked(self._gatherer.found)

    def begin(
        self,
        pipeline: FeaturePipeline,
        recorder: Recorder,
        own: Sequence[int],
        on_windows: Callable[[list[FeatureWindow]], None],
        on_late: Callable[[Late], None] = lambda late: None,
    ) -> float:
        """Let the streams in; windows begin with the first one that is still whole.

        Parameters
        ----------
        pipeline : FeaturePipeline
            Its streams have the keys of `found`.
        recorder : Recorder
        own : sequence of int
            Numbers in the recording of the streams that the session itself makes.
        on_windows : callable
            Takes windows as they close, in order, on the acquisition's own thread.
        on_late : callable
            Told for which windows samples came late.

        Returns
        -------
        float
            When that was, LSL local-clock seconds.
        """
        grid = Grid(self._config.window.length_s, self._config.window.hop)
        with self._sink.lock:
            now_s = self._began_s = self._clock.now_s()
            first = math.ceil(now_s / grid.hop_s)
            self.emit(
                SESSION_START,
                first_window=first,
                length_s=grid.length_s,
                hop_s=grid.hop_s,
                views=list(self._config.views),
                labels=list(self._config.labels),
            )
            self._recorder, self._own = recorder, own
            # Right behind the event, so that a recorder which puts streams together writes it before their samples.
            self._offset_own(now_s)
            self._gatherer.begin(pipeline, recorder, first, on_windows, on_late)
        return now_s

    def start_ticking(self) -> None:
        """Judge health and close windows in time, from now on."""
        self._ticker.start()

    def end(self) -> None:
        """Close the streams, and the windows that are still open."""
        self._locked(self._gatherer.ending)
        self._streams.stop()
        self._ending.set()
        if self._ticker.ident is not None:
            self._ticker.join()
        self._locked(self._gatherer.end)

    def stop(self) -> None:
        """Close the streams; idempotent."""
        self._streams.stop()

    def status(self, now_s: float) -> Sequence[StreamStatus]:
        """How the streams stand."""
        return self._locked(lambda: self._gatherer.status(now_s))

    def _tick(self) -> None:
        offset_due_s = self._began_s + OFFSET_EVERY_S
        lateness_s = self._config.window.lateness_s
        while not self._ending.is_set():
            now_s = self._clock.now_s()
            with self._sink.lock:
                self._gatherer.tick(now_s)
            if now_s >= offset_due_s:
                self._offset_own(now_s)
                offset_due_s = now_s + OFFSET_EVERY_S
            due_s = self._gatherer.next_stop_s + lateness_s - self._clock.now_s()
            self._ending.wait(min(max(due_s, 0.001), TICK_S))

    def _offset_own(self, now_s: float) -> None:
        """Say in the recording that our own streams are on its clock."""
        assert self._recorder is not None  # begun
        for number in self._own:
            self._recorder.clock_offset(number, now_s, 0.0)

    def _locked(self, work: Callable[[], T]) -> T:
        with self._sink.lock:
            return work()
