"""Wires source -> windows -> features -> model -> outputs; the same object live and in replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from rtemo.adaptation.adapter import Observation
from rtemo.clock import Clock
from rtemo.config import Configuration
from rtemo.extraction import windows_of
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.standardise import Standardiser
from rtemo.model.predict import ModelOutput, Predictor
from rtemo.sources.base import Source
from rtemo.types import FeatureWindow, Floats, Prediction

NO_LABEL = "none"
SKIPPED = "skipped"
"""Label of a window that a live session passed over, as the model was behind."""
BAD_BELOW = 0.5
"""Quality scores below this are of a bad channel."""


class Sink(Protocol):
    """Something that predictions are written to."""

    def write(self, prediction: Prediction) -> None:
        """Take one prediction."""
        ...


class WindowSink(Protocol):
    """Something that windows are written to."""

    def write(self, window: FeatureWindow) -> None:
        """Take one window."""
        ...


class WindowAdapter(Protocol):
    """What learns from windows: an `Adapter`, or one that does as a log says."""

    @property
    def due(self) -> bool:
        """Whether it is time for an update."""
        ...

    def predict(self, views: Mapping[str, Floats | None]) -> ModelOutput:
        """What the adapted model says of a window."""
        ...

    def observe(self, window: Observation) -> None:
        """Take a window whose prediction is out."""
        ...

    def update(self) -> None:
        """Learn from what was taken."""
        ...


class WindowPredictor:
    """From a window's features to its prediction, and then to what may be learnt from it.

    Parameters
    ----------
    standardiser : Standardiser
        Calibration statistics, or those of the recording.
    predictor : Predictor
        The frozen model.
    labels : sequence of str
        In the order of the model's classes.
    views : sequence of str
        In the order of the model's views.
    adapter : WindowAdapter, optional
        Predicts in place of the frozen model, which is its shadow then; nothing adapts without.
    """

    def __init__(
        self,
        standardiser: Standardiser,
        predictor: Predictor,
        *,
        labels: Sequence[str],
        views: Sequence[str],
        adapter: WindowAdapter | None = None,
    ) -> None:
        self._standardiser = standardiser
        self._predictor = predictor
        self._adapter = adapter
        self._latest: tuple[FeatureWindow, Mapping[str, Floats | None]] | None = None
        self.labels = tuple(labels)
        self.views = tuple(views)

    def predict(self, window: FeatureWindow, clock: Clock) -> Prediction:
        """Predict one window; `clock` says when."""
        views = self._model_input(window)
        shadow = self._predictor.predict(views)
        said = shadow if self._adapter is None else self._adapter.predict(views)
        available = np.array([views[view] is not None for view in self.views], dtype=bool)
        label = self.labels[int(said.probabilities.argmax())] if available.any() else NO_LABEL
        return Prediction(
            index=window.index,
            start_s=window.start_s,
            stop_s=window.stop_s,
            label=label,
            probabilities=said.probabilities,
            spread=said.spread,
            posterior_weights=said.posterior_weights,
            contributions=said.contributions,
            available=available,
            coverage=np.array([window.coverage[view] for view in self.views]),
            shadow=shadow.probabilities,
            age_s=clock.now_s() - window.newest_s,
        )

    def learn(self, window: FeatureWindow, prediction: Prediction, *, spare: bool = True) -> None:
        """Show a window to the adapter, and let it learn where it is time.

        Parameters
        ----------
        window : FeatureWindow
            Whose prediction is out; never one that was skipped.
        prediction : Prediction
        spare : bool
            Whether there is time: if not, an update that is due is put off until after a later window.
        """
        if self._adapter is None:
            return
        observation = Observation(
            index=window.index,
            stop_s=window.stop_s,
            views=self._model_input(window),
            adapted=prediction.probabilities,
            shadow=prediction.shadow,
            bad=np.array([bad_fraction(window.quality.get(view, np.zeros(0))) for view in self.views]),
        )
        self._adapter.observe(observation)
        if spare and self._adapter.due:
            self._adapter.update()

    def skipped(self, window: FeatureWindow, clock: Clock) -> Prediction:
        """What is published of a window that the model had no time for: which views were there, and nothing said."""
        unknown = np.full(len(self.labels), np.nan)
        per_view = np.full(len(self.views), np.nan)
        return Prediction(
            index=window.index,
            start_s=window.start_s,
            stop_s=window.stop_s,
            label=SKIPPED,
            probabilities=unknown,
            spread=float("nan"),
            posterior_weights=per_view,
            contributions=per_view,
            available=np.array([window.available[view] for view in self.views], dtype=bool),
            coverage=np.array([window.coverage[view] for view in self.views]),
            shadow=unknown,
            age_s=clock.now_s() - window.newest_s,
        )

    def _model_input(self, window: FeatureWindow) -> Mapping[str, Floats | None]:
        """Standardised features of the views that are there, None for those that are missing."""
        # The same window is learnt from right after it was predicted.
        if self._latest is None or self._latest[0] is not window:
            self._latest = (
                window,
                {
                    view: self._standardiser.transform(view, window.features[view]) if window.available[view] else None
                    for view in self.views
                },
            )
        return self._latest[1]


def bad_fraction(scores: Floats) -> float:
    """Share of a view's quality scores (scores,) that are bad, among those that were judged; 0 where none was."""
    judged = scores[~np.isnan(scores)]
    return float((judged < BAD_BELOW).mean()) if len(judged) else 0.0


class Session:
    """Predictions for every window of a source.

    Parameters
    ----------
    source : Source
        Chunks on one clock.
    pipeline : FeaturePipeline
        From chunks to features; bound to the source's streams.
    config : Configuration
    predictor : WindowPredictor
    clock : Clock
        Says when a prediction is published.
    sinks : sequence of Sink
        Each gets every prediction, in order.
    window_sinks : sequence of WindowSink
        Each gets every window, in order, after its prediction.
    on_window : callable, optional
        Called with each window before its prediction: a replay's clock waits in it.
    """

    def __init__(
        self,
        source: Source,
        pipeline: FeaturePipeline,
        config: Configuration,
        predictor: WindowPredictor,
        *,
        clock: Clock,
        sinks: Sequence[Sink] = (),
        window_sinks: Sequence[WindowSink] = (),
        on_window: Callable[[FeatureWindow], None] | None = None,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._config = config
        self._predictor = predictor
        self._clock = clock
        self._sinks = tuple(sinks)
        self._window_sinks = tuple(window_sinks)
        self._on_window = on_window

    def run(self) -> Iterator[tuple[FeatureWindow, Prediction]]:
        """Play the source to its end; yields each window with its prediction, after the sinks have it.

        Only then is a window learnt from: the predictions before it do not know it.
        """
        for window in windows_of(self._source, self._pipeline, self._config, lambda item: None):
            if self._on_window is not None:
                self._on_window(window)
            prediction = self._predictor.predict(window, self._clock)
            for sink in self._sinks:
                sink.write(prediction)
            for window_sink in self._window_sinks:
                window_sink.write(window)
            self._predictor.learn(window, prediction)
            yield window, prediction
