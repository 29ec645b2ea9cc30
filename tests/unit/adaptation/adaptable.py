"""A model small enough to be trained in a moment, windows for it, and sessions in which it adapts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rtemo.adaptation.adapter import Adapter
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.config import AdaptationSettings
from rtemo.features.standardise import Standardiser
from rtemo.model.data import TrainingData
from rtemo.model.labelled import LabelledWindows
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train
from rtemo.model.trained import TrainedModel
from rtemo.session import WindowPredictor
from rtemo.types import FeatureWindow

DIMS = {"a": 4, "b": 3}
LABELS = ("calm", "joy")
SETTINGS = AdaptationSettings(every=2, min_confidence=0.0, max_novelty=1e6, batch=4, learning_rate=1e-2)
HOP_S = 0.1


def features(windows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two classes some way apart, in trials of ten windows."""
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) // 10 % 2
    return {view: rng.normal(size=(windows, dim)) + 2.0 * truth[:, None] - 1.0 for view, dim in DIMS.items()}, truth


def small_model() -> tuple[TrainedModel, LabelledWindows]:
    """A model, and the windows of its calibration."""
    views, truth = features(80, seed=0)
    trial = np.arange(80) // 10
    settings = make_settings("default", {"epochs": 3, "hidden": (8, 6), "latent": 3, "front_end": "none"})
    trained = train(TrainingData(views, truth, trial, LABELS), settings, device="cpu")
    narrow = {view: x.astype(np.float32) for view, x in views.items()}
    return trained, LabelledWindows(narrow, truth, trial, trial * 0)


def session_windows(count: int = 24) -> list[FeatureWindow]:
    """Windows of a session that has drifted, one without a view, and one whose signal is bad."""
    views, _ = features(count, seed=1)
    made = []
    for index in range(count):
        available = {"a": index != 5, "b": index != 7}
        values = {view: np.where(available[view], x[index] + 0.5, np.nan) for view, x in views.items()}
        stop_s = (100 + index) * HOP_S
        scores = {"a": np.array([1.0, 0.2, np.nan, np.nan if index else 0.1])}
        made.append(
            FeatureWindow(100 + index, stop_s - 1, stop_s, values, available, dict.fromkeys(DIMS, 1.0), quality=scores)
        )
    return made


class Session:
    """A model that adapts, and what it said of what it did."""

    def __init__(
        self,
        made: tuple[TrainedModel, LabelledWindows],
        settings: AdaptationSettings = SETTINGS,
        *,
        seed: int = 0,
        wrap: Callable[[Adapter], Adapter | LoggedAdapter] = lambda adapter: adapter,
    ) -> None:
        trained, calibration = made
        self.events: list[tuple[str, Mapping[str, object]]] = []
        adapter = Adapter(trained, calibration, None, settings, device="cpu", seed=seed, emit=self._take)
        self.adapter = wrap(adapter)
        usual = {view: np.zeros(dim) for view, dim in DIMS.items()}
        self.predictor = WindowPredictor(
            Standardiser(usual, {view: np.ones(dim) for view, dim in DIMS.items()}),
            Predictor(trained, device="cpu"),
            labels=LABELS,
            views=tuple(DIMS),
            adapter=self.adapter,
        )

    def _take(self, kind: str, details: Mapping[str, object]) -> None:
        self.events.append((kind, details))

    def windows_of(self, *kinds: str) -> list[object]:
        """The windows of some kinds of events."""
        return [details["window"] for kind, details in self.events if kind in kinds]
