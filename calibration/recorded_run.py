"""One run of a calibration session: every configured stream recorded, and its windows judged, without a model."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtemo.clock import Clock, LslClock
from rtemo.config import Configuration
from rtemo.errors import RecordingError, StreamError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.liblsl import configure
from rtemo.live.acquisition import Acquisition
from rtemo.live.gather import StreamStatus
from rtemo.live.sink import RecordedQuality
from rtemo.live.transitions import Transitions
from rtemo.live.wanted import MARKERS_KEY
from rtemo.outputs.backlog import RECORDER_LOST
from rtemo.outputs.events import Event, EventLog
from rtemo.outputs.lsl import EventOutlet, QualityOutlet
from rtemo.outputs.recording import Recorder, RecorderStatus
from rtemo.session import WindowSink
from rtemo.types import FeatureWindow
from rtemo.worker import Worker

EVENTS_SHOWN = 200
WINDOWS_KEPT = 40_000
"""Enough for the longest trial at the shortest hop."""
STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run stands.

    Parameters
    ----------
    now_s : float
        LSL local-clock seconds.
    elapsed_s : float
    streams : sequence of StreamStatus
    window : FeatureWindow or None
        The newest.
    recorder : RecorderStatus
    """

    now_s: float
    elapsed_s: float
    streams: Sequence[StreamStatus]
    window: FeatureWindow | None
    recorder: RecorderStatus


class RecordedRun:
    """Records what the configuration names, and judges its windows. Made once, run once.

    Parameters
    ----------
    config : Configuration
    clock : Clock, optional
        The LSL local clock where not given.
    on_marker : callable
        Told the texts of the configuration's marker stream, in a thread of its own.

    Attributes
    ----------
    error : BaseException or None
        The first thing that went wrong in a thread.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        clock: Clock | None = None,
        on_marker: Callable[[str], None] = lambda text: None,
    ) -> None:
        configure(config.network)
        self._config = config
        self._clock = clock or LslClock()
        self._stop = threading.Event()
        self._early: list[Event] | None = []
        self._early_lock = threading.Lock()
        self._log: EventLog | None = None
        self._shown: deque[Event] = deque(maxlen=EVENTS_SHOWN)
        self._kept: deque[FeatureWindow] = deque(maxlen=WINDOWS_KEPT)
        self._lost: object = None
        self._began_s = math.nan
        self.error: BaseException | None = None
        self._on_marker = on_marker
        self._acquisition = Acquisition(
            config, clock=self._clock, take_event=self._take_event, on_error=self._fail, on_texts=self._take_texts
        )
        self._pipeline: FeaturePipeline | None = None
        self._recorder: Recorder | None = None
        self._markers: int | None = None
        self._judge: _Judge | None = None
        self._closing = contextlib.ExitStack()

    def find(self, wait_s: float, on_wait: Callable[[list[str]], None], ending: threading.Event) -> list[str]:
        """Look for the streams until all are there, or for so long; see `Acquisition.find`.

        Returns
        -------
        list of str
            Names of the streams that are not there: markers at most, unless `ending` was set.

        Raises
        ------
        StreamError
            A view's stream is not there: nothing could be learnt of that view. Or one cannot be used.
        """
        try:
            missing = self._acquisition.find(wait_s, on_wait, ending)
            if self.error is not None:
                raise self.error
            if not ending.is_set():
                self._pipeline = self._make_pipeline()
        except BaseException:
            self._acquisition.stop()
            raise
        return missing

    def _make_pipeline(self) -> FeaturePipeline:
        found, keys = self._acquisition.found(), self._acquisition.keys
        absent = [view for view, key in keys.items() if key not in found]
        if absent:
            listing = "; ".join(f"{view!r} wants a stream with {self._config.views[view].stream}" for view in absent)
            raise StreamError(
                f"the network: {listing}, and there is none: nothing could be learnt of it.",
                cure="Start the device's LSL outlet, see what is there by rtemo streams, wait longer by --wait, or "
                "take the view out of the configuration.",
            )
        chosen = {view: found[key] for view, key in keys.items()}
        streams = list({stream.key: stream for stream in chosen.values()}.values())
        return FeaturePipeline(
            self._config, streams, origin="the network", lost_after_s=math.inf, chosen=chosen, live=True
        )

    def start(self, recording: Path, log: Path, session: str, markers_xml: bytes | None = None) -> None:
        """Begin to record; returns at once. `find` was called before.

        Parameters
        ----------
        recording : Path
            The XDF file, not there yet.
        log : Path
            Where events are written, a line each.
        session : str
            What the session is called on the network.
        markers_xml : bytes, optional
            Describes the stream of markers that this process itself makes: `mark` records them.
        """
        assert self._pipeline is not None  # found
        closing = self._closing
        closing.callback(self._acquisition.stop)
        self._log = closing.enter_context(EventLog(log, self._shown.append))
        events = EventOutlet(session=session)
        closing.callback(events.close)
        recorder = self._recorder = Recorder(recording, clock=self._clock, on_alarm=self._alarm, on_error=self._fail)
        closing.callback(recorder.close)
        own = [recorder.add_stream(events.xml)]
        if markers_xml is not None:
            self._markers = recorder.add_stream(markers_xml)
            own.append(self._markers)
        self._log.listen(events.write)
        self._log.listen(lambda event: recorder.texts(own[0], np.array([event.stamp_s]), [(event.as_json(),)]))
        names = dict(self._pipeline.quality_names)
        sinks: list[WindowSink] = [Transitions(names, self._acquisition.emit)]
        if names:
            quality = QualityOutlet(names, session=session)
            closing.callback(quality.close)
            own.append(recorder.add_stream(quality.xml))
            sinks += [quality, RecordedQuality(recorder, own[-1], names)]
        self._begin_log(self._log)
        judge = self._judge = _Judge([_Kept(self._kept), *sinks], self._fail)
        self._began_s = self._acquisition.begin(self._pipeline, recorder, own, judge.offer)
        judge.start()
        self._acquisition.start_ticking()

    def mark(self, text: str, stamp_s: float) -> None:
        """Record a marker of this process."""
        assert self._recorder is not None and self._markers is not None  # noqa: PT018 - started with markers
        self._recorder.texts(self._markers, np.array([stamp_s]), [(text,)])

    def windows(self, start_s: float, stop_s: float) -> list[FeatureWindow]:
        """The windows of a stretch of this run that have been judged by now, those wholly inside it."""
        found = []
        for window in reversed(self._kept.copy()):
            if window.start_s < start_s:
                break
            if window.stop_s <= stop_s:
                found.append(window)
        return found[::-1]

    @property
    def judged_until_s(self) -> float:
        """Where the newest window that has been judged ends; NaN before the first."""
        return self._kept[-1].stop_s if self._kept else math.nan

    def status(self) -> RunStatus:
        """How it stands."""
        assert self._recorder is not None  # started
        now_s = self._clock.now_s()
        return RunStatus(
            now_s=now_s,
            elapsed_s=now_s - self._began_s,
            streams=self._acquisition.status(now_s),
            window=self._kept[-1] if self._kept else None,
            recorder=self._recorder.status(),
        )

    def take_events(self) -> list[Event]:
        """Events since the last call, at most the latest 200."""
        taken = []
        while self._shown:
            taken.append(self._shown.popleft())
        return taken

    def stop(self) -> None:
        """Write everything and close; idempotent.

        Raises
        ------
        RecordingError
            The disk refused the end of the recording.
        BaseException
            Whatever went wrong in a thread.
        """
        closing, self._closing = self._closing, contextlib.ExitStack()
        with closing:
            if self._judge is not None:
                judge, self._judge = self._judge, None
                try:
                    self._acquisition.end()
                finally:
                    judge.stop()
                    reason = "stopped" if self.error is None else f"{type(self.error).__name__}: {self.error}"
                    self._acquisition.emit("session-stop", reason=reason)
            else:
                self._acquisition.stop()
        if self.error is not None:
            raise self.error
        if self._lost is not None and self._recorder is not None:
            raise RecordingError(
                f"{self._recorder.path}: the disk refused the end of the recording ({self._lost} samples are missing).",
                cure="Make room; what is in the file is whole, and rtemo repair adds the footers.",
            )

    def _take_texts(self, key: str, rows: Sequence[Sequence[str]]) -> None:
        if key == MARKERS_KEY:
            for row in rows:
                self._on_marker(row[0] if row else "")

    def _take_event(self, event: Event) -> None:
        """Take an event; those from before the log is open wait for it."""
        with self._early_lock:
            if self._early is not None:
                self._early.append(event)
                return
        if self._log is not None:
            self._log.emit(event)

    def _begin_log(self, log: EventLog) -> None:
        with self._early_lock:
            early, self._early = self._early or [], None
        for event in early:
            log.emit(event)

    def _alarm(self, kind: str, details: Mapping[str, object]) -> None:
        """Take an alarm of the recorder; what is lost for good makes the run fail in the end."""
        if kind == RECORDER_LOST:
            self._lost = details.get("samples")
        self._acquisition.emit(kind, **details)

    def _fail(self, error: BaseException) -> None:
        """Keep the first thing that goes wrong; the session asks for it."""
        if self.error is None:
            self.error = error
            self._acquisition.emit("error", error=f"{type(error).__name__}: {error}")


class _Kept:
    """Keeps windows."""

    def __init__(self, kept: deque[FeatureWindow]) -> None:
        self._kept = kept

    def write(self, window: FeatureWindow) -> None:
        self._kept.append(window)


class _Judge:
    """Hands windows to those who judge and record them, in a thread of its own: acquisition never waits."""

    def __init__(self, sinks: Sequence[WindowSink], on_error: Callable[[BaseException], None]) -> None:
        self._sinks = sinks
        self._queue: queue.SimpleQueue[list[FeatureWindow] | None] = queue.SimpleQueue()
        self._thread = Worker("rtemo-windows", self._work, on_error)

    def start(self) -> None:
        self._thread.start()

    def offer(self, windows: list[FeatureWindow]) -> None:
        self._queue.put(windows)

    def stop(self) -> None:
        """Judge what was offered, then end."""
        self._queue.put(None)
        self._thread.join(STOP_WITHIN_S)

    def _work(self) -> None:
        while (windows := self._queue.get()) is not None:
            for window in windows:
                for sink in self._sinks:
                    sink.write(window)
