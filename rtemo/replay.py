"""Replay of a recording through the session that serves live."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rtemo.adaptation.account import Account, AdaptationStatus
from rtemo.adaptation.adapter import OFF, Adapter, adapter_for
from rtemo.adaptation.log import AdaptationLog
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.clock import Clock, MonotonicClock
from rtemo.config import Configuration
from rtemo.errors import ConfigurationError, RecordingError, StreamError
from rtemo.extraction import bind, extract, said_by
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.outputs.events import Event
from rtemo.session import Session, Sink, WindowPredictor, WindowSink
from rtemo.sources import open_recording
from rtemo.tally import Tally
from rtemo.training import check_configuration, check_streams
from rtemo.types import FeatureWindow, Prediction, StreamDescription


class ReplayClock:
    """The moment that a replay stands at, in the recording's LSL seconds.

    As fast as it goes, that is the end of the window that is being published. At a given speed the clock runs by itself
    from the end of the first window on, and each window is held back until it is over; reading runs ahead, so that a
    stream that a recorder wrote late is no reason to publish late.

    Parameters
    ----------
    speed : float or None
        Recorded seconds a second; None is as fast as it goes.
    machine : Clock
        Runs in real time; injected by tests.
    wait : callable
        Pauses for so many seconds of the machine's clock; injected by tests.
    """

    def __init__(
        self, speed: float | None, *, machine: Clock | None = None, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._speed = speed
        self._machine = machine or MonotonicClock()
        self._wait = wait
        self._reached_s = -math.inf
        self._began_s = 0.0
        self._origin_s: float | None = None

    def now_s(self) -> float:
        """LSL local-clock seconds of the recording."""
        if self._speed is None or self._origin_s is None:
            return self._reached_s
        return self._origin_s + (self._machine.now_s() - self._began_s) * self._speed

    def begin(self, recorded_s: float, machine_s: float) -> None:
        """Say when, on the machine's clock, a moment of the recording comes; the first window's end, if not said."""
        self._origin_s, self._began_s = recorded_s, machine_s

    def reach(self, window: FeatureWindow) -> None:
        """Go on to the end of a window: wait for it where the clock runs by itself."""
        self._reached_s = window.stop_s
        if self._speed is None:
            return
        if self._origin_s is None:
            self._origin_s, self._began_s = window.stop_s, self._machine.now_s()
        due_s = window.stop_s - self.now_s()
        if due_s > 0:
            self._wait(due_s / self._speed)


class Replay:
    """Plays a recording to predictions, once. What does not fit is refused before anything is written.

    Parameters
    ----------
    path : path-like
        The recording.
    config : Configuration
    bundle : Bundle
    speed : float, optional
        See `ReplayClock`.
    device : str
        Where the model runs.
    unsynchronised : bool
        See `rtemo.sources.open_recording`.
    adaptation_log : AdaptationLog, optional
        Of the session: the replay learns what it learnt, after the same windows, whatever the configuration says of
        adaptation. Without one it learns by the configuration, the same each time.
    on_event : callable, optional
        Takes the events of adaptation, while the replay runs.
    clock : ReplayClock, optional
        In place of one of that speed.

    Raises
    ------
    ConfigurationError, StreamError
        The configuration or the recording's streams are not those of the bundle, or the log is not that of a session
        with them.
    RecordingError
        The recording cannot be read, or what the log says of late windows is not of this bundle.
    """

    def __init__(
        self,
        path: str | Path,
        config: Configuration,
        bundle: Bundle,
        *,
        speed: float | None = None,
        device: str = "auto",
        unsynchronised: bool = False,
        adaptation_log: AdaptationLog | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        clock: ReplayClock | None = None,
    ) -> None:
        check_configuration(bundle, config)
        self.views = bundle.model.views
        self._config = config
        self._warnings: list[str] = []
        self._clock = clock or ReplayClock(speed)
        self._predictor = Predictor(bundle.model, device=device)
        self._on_event = on_event
        self._early: list[tuple[str, Mapping[str, object]]] = []
        self._account = Account()
        self._log = adaptation_log
        # Opened before an adapter is made, which takes longer.
        self._source = open_recording(path, unsynchronised=unsynchronised)
        try:
            self._pipeline = bind(config, self._source, bundle.references)
            if any(stream.own for stream in self._source.streams):
                self._do_without_misfits(bundle)
            else:
                check_streams(bundle, self._pipeline.bound, where=self._source.origin)
            self._adapter = self._make_adapter(bundle, device)
            self._standardiser = bundle.standardiser or self._of_recording(path, bundle, unsynchronised)
        except BaseException:
            self._source.close()
            raise

    def _do_without_misfits(self, bundle: Bundle) -> None:
        """Leave out, in a recording of a session, what came in its course and did not fit, as the session did."""
        for view in bundle.views:
            try:
                check_streams(bundle, {view.name: self._pipeline.bound[view.name]}, where=self._source.origin)
            except StreamError as error:
                self._pipeline.refuse(view.name, error.message)
                self._warnings.append(error.message)

    def _make_adapter(self, bundle: Bundle, device: str) -> Adapter | LoggedAdapter | None:
        """What learns, as the log says where there is one; None, and a warning, where nothing can."""
        log = self._log
        if log is None:
            return adapter_for(bundle, self._config.adaptation, device=device, emit=self._emit)
        window = self._config.window
        if log.grid not in (None, (window.length_s, window.hop)):
            raise ConfigurationError(
                f"{log.origin}: the log is of windows of {log.grid} s (length, hop), the configuration has "
                f"{(window.length_s, window.hop)}.",
                cure="Give the configuration that the session ran with: its config.toml.",
            )
        self._warnings += log.warnings
        if log.settings.mode == "off":
            self._warnings.append(f"{log.origin}: nothing adapted in the session, and nothing does in the replay")
        adapter = adapter_for(bundle, log.settings, device=device, seed=log.seed, emit=self._emit)
        if adapter is None and log.settings.mode != "off":
            raise ConfigurationError(
                f"{log.origin}: the log is of another model: this bundle cannot adapt, as "
                f"{self._account.status.reason}.",
                cure="Give the bundle that the session ran with; its environment.json names it.",
            )
        return None if adapter is None else LoggedAdapter(adapter, log, emit=self._emit)

    def _emit(self, kind: str, details: Mapping[str, object]) -> None:
        """Take an event of adaptation; before the first window there is no moment to put it at."""
        self._account.take(kind, details)
        self._early.append((kind, details))
        if kind == OFF:
            self._warnings.append(f"adaptation is off, as the bundle cannot adapt: {details['reason']}")
        if math.isfinite(self._clock.now_s()):
            self._pass_on()

    def _pass_on(self) -> None:
        early, self._early = self._early, []
        for kind, details in early:
            self._on_event(Event(self._clock.now_s(), kind, details))

    def _reach(self, window: FeatureWindow) -> None:
        self._clock.reach(window)
        self._pass_on()

    @property
    def adaptation(self) -> AdaptationStatus:
        """What adaptation did so far."""
        return self._account.status

    @property
    def differs_after(self) -> int | None:
        """The window after which the replay first learnt something else than the session whose log it has."""
        return self._adapter.differs_after if isinstance(self._adapter, LoggedAdapter) else None

    @property
    def learnt_late(self) -> int | None:
        """The first window that it learnt from with samples that came late, which the session learnt from without."""
        return self._adapter.learnt_late if isinstance(self._adapter, LoggedAdapter) else None

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know, one line each; complete once the replay has ended."""
        return tuple(self._warnings)

    @property
    def bound(self) -> Mapping[str, StreamDescription | None]:
        """The stream of each view, with the channels that it reads; None for a view that is missing throughout."""
        return self._pipeline.bound

    @property
    def quality_names(self) -> Mapping[str, tuple[str, ...]]:
        """By view that is watched, what its quality scores are of."""
        return self._pipeline.quality_names

    def close(self) -> None:
        """Let go of the recording, where it is not to be played after all. Idempotent."""
        self._source.close()

    def run(
        self, sinks: Sequence[Sink] = (), window_sinks: Sequence[WindowSink] = ()
    ) -> Iterator[tuple[FeatureWindow, Prediction]]:
        """Each window with its prediction, after the sinks have them.

        Raises
        ------
        RecordingError
            The recording holds no window.
        """
        source, pipeline = self._source, self._pipeline
        session = Session(
            source,
            pipeline,
            self._config,
            WindowPredictor(
                self._standardiser,
                self._predictor,
                labels=self._config.labels,
                views=self.views,
                adapter=self._adapter,
            ),
            clock=self._clock,
            sinks=[*sinks, self._account],
            window_sinks=window_sinks,
            on_window=self._reach,
        )
        tally = Tally(source.origin)
        try:
            for window, prediction in session.run():
                tally.take(window)
                yield window, prediction
            self._warnings += [*said_by(source, pipeline), *tally.warnings()]
            if isinstance(self._adapter, LoggedAdapter):
                self._warnings += self._adapter.warnings()
        finally:
            source.close()
        if tally.windows == 0:
            raise RecordingError(
                f"{source.origin}: expected at least one window of {self._config.window.length_s:g} s, found none.",
                cure="The recording is too short or its streams carry no samples; see rtemo info.",
            )

    def _of_recording(self, path: str | Path, bundle: Bundle, unsynchronised: bool) -> Standardiser:
        """Statistics of the whole recording, where the configuration says so."""
        self._warnings.append(
            f"{path}: standardised by the whole recording, read beforehand (transductive): live could not"
        )
        table = extract(
            path, self._config, read_labels=False, unsynchronised=unsynchronised, references=bundle.references
        ).table
        return Standardiser.fit(table.features, table.available)
