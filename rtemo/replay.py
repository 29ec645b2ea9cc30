"""Replay of a recording through the session that serves live."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rtemo.config import Configuration
from rtemo.errors import RecordingError
from rtemo.extraction import PATIENCE_S, extract
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.session import Session, Sink
from rtemo.sources import open_recording
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
    monotonic_s, wait : callable
        The machine's clock and a pause of so many seconds; injected by tests.
    """

    def __init__(
        self,
        speed: float | None,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._speed = speed
        self._monotonic_s = monotonic_s
        self._wait = wait
        self._reached_s = -math.inf
        self._began_s = 0.0
        self._origin_s: float | None = None

    def now_s(self) -> float:
        """LSL local-clock seconds of the recording."""
        if self._speed is None or self._origin_s is None:
            return self._reached_s
        return self._origin_s + (self._monotonic_s() - self._began_s) * self._speed

    def reach(self, window: FeatureWindow) -> None:
        """Go on to the end of a window: wait for it where the clock runs by itself."""
        self._reached_s = window.stop_s
        if self._speed is None:
            return
        if self._origin_s is None:
            self._origin_s, self._began_s = window.stop_s, self._monotonic_s()
        due_s = window.stop_s - self.now_s()
        if due_s > 0:
            self._wait(due_s / self._speed)


class Replay:
    """Plays a recording to predictions.

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
        self._path = path
        self._bundle = bundle
        self._device = device
        self._unsynchronised = unsynchronised
        self._clock = ReplayClock(speed)

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know, one line each; complete once the replay has ended."""
        return tuple(self._warnings)

    def run(self, sinks: Sequence[Sink] = ()) -> Iterator[tuple[FeatureWindow, Prediction]]:
        """Each window with its prediction, after the sinks have it."""
        source = open_recording(self._path, unsynchronised=self._unsynchronised)
        try:
            pipeline = FeaturePipeline(self._config, source.streams, origin=source.origin, lost_after_s=PATIENCE_S)
            check_streams(self._bundle, pipeline.bound, where=source.origin)
            session = Session(
                source,
                pipeline,
                self._standardiser(),
                Predictor(self._bundle.model, device=self._device),
                labels=self._config.labels,
                views=self.views,
                clock=self._clock,
                sinks=sinks,
                on_window=self._clock.reach,
            )
            windows = 0
            for window, prediction in session.run():
                windows += 1
                yield window, prediction
            self._warnings += [*source.warnings, *pipeline.warnings]
            self._warnings += [
                f"{source.origin}: {n} samples of {key!r} came late" for key, n in pipeline.late.items() if n
            ]
        finally:
            source.close()
        if windows == 0:
            raise RecordingError(
                f"{self._path}: expected at least one window of {self._config.window.length_s:g} s, found none.",
                cure="The recording is too short or its streams carry no samples; see rtemo info.",
            )

    def _standardiser(self) -> Standardiser:
        """Statistics of calibration, or of the whole recording where the configuration says so."""
        if self._bundle.standardiser is not None:
            return self._bundle.standardiser
        self._warnings.append(
            f"{self._path}: standardised by the whole recording, read beforehand (transductive): live could not"
        )
        table = extract(self._path, self._config, read_labels=False, unsynchronised=self._unsynchronised).table
        return Standardiser.fit(table.features, table.available)
