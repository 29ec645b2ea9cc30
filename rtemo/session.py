"""Wires source -> windows -> features -> model -> outputs; the same object live and in replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from rtemo.clock import Clock
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.standardise import Standardiser
from rtemo.model.predict import Predictor
from rtemo.sources.base import Source
from rtemo.types import Chunk, FeatureWindow, Floats, Prediction

NO_LABEL = "none"


class Sink(Protocol):
    """Something that predictions are written to."""

    def write(self, prediction: Prediction) -> None:
        """Take one prediction."""
        ...


class Session:
    """Predictions for every window of a source.

    Parameters
    ----------
    source : Source
        Chunks on one clock.
    pipeline : FeaturePipeline
        From chunks to features; bound to the source's streams.
    standardiser : Standardiser
        Calibration statistics, or those of the recording.
    predictor : Predictor
    labels : sequence of str
        In the order of the model's classes.
    views : sequence of str
        In the order of the model's views.
    clock : Clock
        Says when a prediction is published.
    sinks : sequence of Sink
        Each gets every prediction, in order.
    on_window : callable, optional
        Called with each window before its prediction: a replay's clock waits in it.
    """

    def __init__(
        self,
        source: Source,
        pipeline: FeaturePipeline,
        standardiser: Standardiser,
        predictor: Predictor,
        *,
        labels: Sequence[str],
        views: Sequence[str],
        clock: Clock,
        sinks: Sequence[Sink] = (),
        on_window: Callable[[FeatureWindow], None] | None = None,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._standardiser = standardiser
        self._predictor = predictor
        self._labels = tuple(labels)
        self._views = tuple(views)
        self._clock = clock
        self._sinks = tuple(sinks)
        self._on_window = on_window

    def run(self) -> Iterator[tuple[FeatureWindow, Prediction]]:
        """Play the source to its end; yields each window with its prediction, after the sinks have it."""
        for item in self._source:
            if isinstance(item, Chunk):
                yield from map(self._publish, self._pipeline.push(item))
        yield from map(self._publish, self._pipeline.end())

    def _publish(self, window: FeatureWindow) -> tuple[FeatureWindow, Prediction]:
        if self._on_window is not None:
            self._on_window(window)
        prediction = self._predict(window)
        for sink in self._sinks:
            sink.write(prediction)
        return window, prediction

    def _predict(self, window: FeatureWindow) -> Prediction:
        views = self._model_input(window)
        said = self._predictor.predict(views)
        available = np.array([views[view] is not None for view in self._views], dtype=bool)
        label = self._labels[int(said.probabilities.argmax())] if available.any() else NO_LABEL
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
            coverage=np.array([window.coverage[view] for view in self._views]),
            shadow=said.probabilities,
            age_s=self._clock.now_s() - window.newest_s,
        )

    def _model_input(self, window: FeatureWindow) -> Mapping[str, Floats | None]:
        """Standardised features of the views that are there, None for those that are missing."""
        return {
            view: self._standardiser.transform(view, window.features[view]) if window.available[view] else None
            for view in self._views
        }
