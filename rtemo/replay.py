"""Replay of a recording through the session that serves live."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rtemo.clock import Clock, MonotonicClock
from rtemo.config import Configuration
from rtemo.errors import RecordingError, StreamError
from rtemo.extraction import bind, extract, said_by
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.session import Session, Sink, WindowPredictor, WindowSink
from rtemo.sources import open_recording
from rtemo.tally import Tally
from rtemo.training import check_configuration, check_streams
from rtemo.types import FeatureWindow, Prediction


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

    Raises
    ------
    ConfigurationError, StreamError
        The configuration or the recording's streams are not those of the bundle.
    RecordingError
        The recording cannot be read.
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
    ) -> None:
        check_configuration(bundle, config)
        self.views = bundle.model.views
        self._config = config
        self._warnings: list[str] = []
        self._clock = ReplayClock(speed)
        self._predictor = Predictor(bundle.model, device=device)
        self._source = open_recording(path, unsynchronised=unsynchronised)
        try:
            self._pipeline = bind(config, self._source, bundle.references)
            if any(stream.own for stream in self._source.streams):
                self._do_without_misfits(bundle)
            else:
                check_streams(bundle, self._pipeline.bound, where=self._source.origin)
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

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know, one line each; complete once the replay has ended."""
        return tuple(self._warnings)

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
            WindowPredictor(self._standardiser, self._predictor, labels=self._config.labels, views=self.views),
            clock=self._clock,
            sinks=sinks,
            window_sinks=window_sinks,
            on_window=self._clock.reach,
        )
        tally = Tally(source.origin)
        try:
            for window, prediction in session.run():
                tally.take(window)
                yield window, prediction
            self._warnings += [*said_by(source, pipeline), *tally.warnings()]
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
