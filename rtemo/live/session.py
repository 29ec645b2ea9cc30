"""A live session from its start to its end: threads, outputs, and an orderly close whatever happens."""

from __future__ import annotations

import contextlib
import datetime
import gc
import math
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rtemo.adaptation.account import Account, AdaptationStatus
from rtemo.adaptation.adapter import adapter_for
from rtemo.adaptation.log import LATE
from rtemo.clock import Clock, LslClock
from rtemo.config import Configuration
from rtemo.errors import ConfigurationError, RecordingError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.liblsl import configure
from rtemo.live.acquisition import Acquisition
from rtemo.live.late import remembering
from rtemo.live.operators import Operators
from rtemo.live.sink import RecordedPredictions, RecordedQuality
from rtemo.live.status import LiveStatus, Newest
from rtemo.live.telemetry import UNTOLD, Telemetry, session_layout
from rtemo.live.transitions import Transitions
from rtemo.live.wanted import expected_streams
from rtemo.live.worker import ModelWorker
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.outputs.backlog import RECORDER_LOST
from rtemo.outputs.events import Event, EventLog, Listener
from rtemo.outputs.folder import (
    EVENTS,
    PREDICTIONS,
    QUALITY,
    RECORDING,
    environment,
    make_session_folder,
    session_name,
    write_configuration,
    write_environment,
)
from rtemo.outputs.lsl import EventOutlet, PredictionOutlet, QualityOutlet, StatusOutlet
from rtemo.outputs.recording import Recorder
from rtemo.outputs.table import LiveTable, prediction_layout, quality_layout
from rtemo.session import WindowPredictor, WindowSink
from rtemo.training import check_configuration, check_streams
from rtemo.types import FeatureWindow

EVENTS_SHOWN = 200


class LiveSession:
    """Live streams in, predictions out, everything recorded. Made once, run once.

    Parameters
    ----------
    config : Configuration
    bundle : Bundle
    device : str
        Where the model runs.
    clock : Clock, optional
        The LSL local clock where not given.
    on_windows : callable, optional
        Called with windows as their features are ready, on the acquisition's own thread: for measurements.

    Raises
    ------
    ConfigurationError
        The configuration is not that of the bundle, or cannot be lived up to live.
    """

    def __init__(
        self,
        config: Configuration,
        bundle: Bundle,
        *,
        device: str = "auto",
        clock: Clock | None = None,
        on_windows: Callable[[list[FeatureWindow]], None] | None = None,
    ) -> None:
        check_configuration(bundle, config)
        if bundle.standardiser is None:
            raise ConfigurationError(
                'standardise = "recording" needs the whole recording, which a live session does not have yet.',
                cure='Train with standardise = "calibration".',
            )
        configure(config.network)
        self.config = config
        self._bundle = bundle
        self._clock = clock or LslClock()
        self._watch_windows = on_windows
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._lost: object = None
        self._early: list[Event] | None = []
        self._early_lock = threading.Lock()
        self._log: EventLog | None = None
        self._shown: deque[Event] = deque(maxlen=EVENTS_SHOWN)
        self._newest = Newest()
        self._account = Account()
        self._acquisition = Acquisition(config, clock=self._clock, take_event=self._take_event, on_error=self._fail)
        self._emit = self._acquisition.emit
        adapter = adapter_for(bundle, config.adaptation, device=device, emit=self._adapted)
        self._remembered = remembering(adapter, config, self._adapted)
        self._predictor = WindowPredictor(
            bundle.standardiser,
            Predictor(bundle.model, device=device),
            labels=config.labels,
            views=bundle.model.views,
            adapter=self._remembered,
        )

    @property
    def adaptation(self) -> AdaptationStatus:
        """What adaptation did so far."""
        return self._account.status

    def stop(self) -> None:
        """Ask the session to end; returns at once, and may be called from anywhere, also from a signal handler."""
        self._stop.set()

    def take_events(self) -> list[Event]:
        """Events since the last call, at most the latest 200."""
        taken = []
        while self._shown:
            taken.append(self._shown.popleft())
        return taken

    def find(self, wait_s: float, on_wait: Callable[[list[str]], None] = lambda missing: None) -> list[str]:
        """Look for the streams until all are there, or for so long.

        Parameters
        ----------
        wait_s : float
        on_wait : callable
            Told now and then which are missing.

        Returns
        -------
        list of str
            Names of the streams that are not there, and need not be.

        Raises
        ------
        StreamError
            A required stream is not there, none is, several fit, or one differs from what the bundle was trained on.
        """
        try:
            missing = self._acquisition.find(wait_s, on_wait, self._stop)
            if self._error is not None:
                raise self._error
            if self._stop.is_set():
                self._acquisition.stop()
            else:
                self._pipeline = self._make_pipeline()
        except BaseException:
            self._acquisition.stop()
            raise
        return missing

    def _make_pipeline(self) -> FeaturePipeline:
        found = self._acquisition.found()
        chosen = expected_streams(self.config, self._acquisition.keys, self._bundle, found)
        streams = list({stream.key: stream for stream in chosen.values()}.values())
        pipeline = FeaturePipeline(
            self.config,
            streams,
            origin="the network",
            lost_after_s=math.inf,
            chosen=chosen,
            live=True,
            references=self._bundle.references,
        )
        check_streams(self._bundle, pipeline.bound, where="the network")
        return pipeline

    def run(
        self,
        out: Path,
        participant: str,
        *,
        duration_s: float | None = None,
        source: bytes | None = None,
        bundle_path: Path | None = None,
        bundle_hash: str | None = None,
        on_begin: Callable[[Path], None] = lambda folder: None,
        on_status: Callable[[LiveStatus], None] = lambda status: None,
        status_every_s: float = 0.25,
    ) -> LiveStatus:
        """Run until `stop` is called, the time is over, or something goes wrong; then close everything.

        Parameters
        ----------
        out : Path
            Folder of all sessions.
        participant : str
            Letters and digits.
        duration_s : float, optional
        source : bytes, optional
            The configuration's file, kept byte for byte.
        bundle_path, bundle_hash : optional
            For ``environment.json``.
        on_begin : callable
            Told the session's folder.
        on_status : callable
            Told now and then how the session stands.
        status_every_s : float

        Returns
        -------
        LiveStatus
            How it stood at the end.

        Raises
        ------
        BaseException
            Whatever went wrong in any thread, after everything was written.
        """
        with contextlib.ExitStack() as closing:
            closing.callback(self._acquisition.stop)
            started = datetime.datetime.now(datetime.UTC)
            folder = make_session_folder(out, participant, started)
            write_configuration(folder, self.config, source)
            write_environment(folder, environment(started, bundle=bundle_path, bundle_hash=bundle_hash))
            on_begin(folder)
            last = self._run(folder, duration_s, on_status, status_every_s, closing)
        if self._error is not None:
            raise self._error
        if self._lost is not None:
            raise RecordingError(
                f"{folder / RECORDING}: the disk refused the end of the recording ({self._lost} samples are missing).",
                cure="Make room; what is in the file is whole, and rtemo repair adds the footers.",
            )
        return last

    def _run(
        self,
        folder: Path,
        duration_s: float | None,
        on_status: Callable[[LiveStatus], None],
        status_every_s: float,
        closing: contextlib.ExitStack,
    ) -> LiveStatus:
        session = session_name(folder)
        # Closed in reverse: the recorder may have something to say while it closes.
        log = closing.enter_context(EventLog(folder / EVENTS, _short(self._shown.append)))
        token = secrets.token_hex(16)
        layout = session_layout(self.config, self._acquisition.keys, self._pipeline.bound, session=session, token=token)
        stated = StatusOutlet(layout)
        closing.callback(stated.close)
        events = EventOutlet(session=session)
        closing.callback(events.close)
        predictions = PredictionOutlet(self.config.labels, self._predictor.views, session=session)
        closing.callback(predictions.close)
        recorder = Recorder(
            folder / RECORDING,
            clock=self._clock,
            on_alarm=self._alarm,
            on_error=self._fail,
        )
        closing.callback(recorder.close)
        own = [recorder.add_stream(events.xml), recorder.add_stream(predictions.xml)]
        log.listen(_short(events.write))
        log.listen(_short(lambda event: recorder.texts(own[0], np.array([event.stamp_s]), [(event.as_json(),)])))
        table = LiveTable(folder / PREDICTIONS, prediction_layout(self.config.labels, self._predictor.views))
        closing.callback(table.close)
        quality = self._quality_sinks(folder, session, recorder, own, closing)
        model = ModelWorker(
            self._predictor,
            [predictions, RecordedPredictions(recorder, own[1]), table, self._newest, self._account],
            clock=self._clock,
            on_error=self._fail,
            on_skip=lambda windows: self._emit(
                "windows-skipped", windows=len(windows), first_window=windows[0].index, last_window=windows[-1].index
            ),
            window_sinks=[*quality, Transitions(self._pipeline.quality_names, self._emit)],
            remembered=self._remembered,
        )
        wanted = self.config.network.commands
        operators = Operators(session, token, clock=self._clock, model=model, take=self._take_event, wanted=wanted)
        telemetry = Telemetry(
            stated,
            folder,
            operators.hostnames,
            lambda error: self._emit(UNTOLD, error=error),
            operator_ids=operators.source_ids,
        )
        self._begin_log(log)

        def offer(windows: list[FeatureWindow]) -> None:
            if self._watch_windows is not None:
                self._watch_windows(windows)
            model.offer(windows)
            self._newest.window = windows[-1]

        began_s = self._acquisition.begin(self._pipeline, recorder, own, offer, model.late)
        # What is there by now stays: the collector need not look through all of torch while a window waits.
        gc.collect()
        gc.freeze()
        model.start()
        self._acquisition.start_ticking()
        operators.start()
        try:
            while not self._stop.is_set():
                left_s = math.inf if duration_s is None else began_s + duration_s - self._clock.now_s()
                if left_s <= 0:
                    break
                status = self._status(model, recorder, began_s)
                telemetry.tell(status)
                on_status(status)
                self._stop.wait(min(status_every_s, left_s))
        finally:
            operators.stop()
            try:
                self._acquisition.end()
            finally:
                model.stop()
                operators.finish()
                reason = "stopped" if self._error is None else f"{type(self._error).__name__}: {self._error}"
                self._emit("session-stop", reason=reason, predicted=model.predicted, skipped=model.skipped)
        last = self._status(model, recorder, began_s)
        telemetry.tell(last, ending=True)
        on_status(last)
        return last

    def _quality_sinks(
        self, folder: Path, session: str, recorder: Recorder, own: list[int], closing: contextlib.ExitStack
    ) -> list[WindowSink]:
        """What takes the quality of windows, none where no view is watched; its recorded stream is added to `own`."""
        names = dict(self._pipeline.quality_names)
        if not names:
            return []
        outlet = QualityOutlet(names, session=session)
        closing.callback(outlet.close)
        table = LiveTable(folder / QUALITY, quality_layout(names))
        closing.callback(table.close)
        own.append(recorder.add_stream(outlet.xml))
        return [outlet, RecordedQuality(recorder, own[-1], names), table]

    def _status(self, model: ModelWorker, recorder: Recorder, began_s: float) -> LiveStatus:
        now_s = self._clock.now_s()
        p50_s, p99_s = self._newest.age_percentiles()
        return LiveStatus(
            now_s=now_s,
            elapsed_s=now_s - began_s,
            streams=self._acquisition.status(now_s),
            window=self._newest.window,
            prediction=self._newest.prediction,
            predicted=model.predicted,
            skipped=model.skipped,
            age_p50_s=p50_s,
            age_p99_s=p99_s,
            recorder=recorder.status(),
            adaptation=self.adaptation,
        )

    def _take_event(self, event: Event) -> None:
        """Take an event; those from before the log is open wait for it."""
        with self._early_lock:
            if self._early is not None:
                self._early.append(event)
                self._shown.append(event)
                return
        if self._log is not None:
            self._log.emit(event)

    def _adapted(self, kind: str, details: Mapping[str, object]) -> None:
        """Take an event of adaptation."""
        self._account.take(kind, details)
        self._emit(kind, **details)

    def _alarm(self, kind: str, details: Mapping[str, object]) -> None:
        """Take an alarm of the recorder; what is lost for good makes the session fail in the end."""
        if kind == RECORDER_LOST:
            self._lost = details.get("samples")
        self._emit(kind, **details)

    def _begin_log(self, log: EventLog) -> None:
        with self._early_lock:
            early, self._early, self._log = self._early or [], None, log
        for event in early:
            log.emit(event)

    def _fail(self, error: BaseException) -> None:
        """Keep the first thing that goes wrong, and end the session."""
        if self._error is None:
            self._error = error
            self._emit("error", error=f"{type(error).__name__}: {error}", thread=threading.current_thread().name)
        self._stop.set()


def _short(listener: Listener) -> Listener:
    """Spare a listener the events that hold all features of a window, which are for the log alone."""

    def told(event: Event) -> None:
        if event.kind != LATE:
            listener(event)

    return told
