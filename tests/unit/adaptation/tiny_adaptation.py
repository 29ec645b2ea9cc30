"""A model of a few weights, calibration whose moments are known, and adapters over them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtemo.adaptation.adapter import Adapter, Observation
from rtemo.adaptation.learner import Learner, Windows
from rtemo.adaptation.statistics import CalibrationStatistics
from rtemo.config import AdaptationSettings
from rtemo.model.data import TrainingData
from rtemo.model.labelled import LabelledWindows
from rtemo.model.networks import view_slices
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train
from rtemo.model.trained import TrainedModel, frozen_copy

Floats = NDArray[np.float64]
CPU = torch.device("cpu")
DIMS = {"a": 3, "b": 2}
SLICES = view_slices(tuple(DIMS.values()))
MEANS = np.array([[-1.2, 1.0, -0.8, 1.1, -0.9], [1.2, -1.0, 0.8, -1.1, 0.9]])
TRIAL = 8
QUICK = AdaptationSettings(every=4, batch=8, memory=8, min_confidence=0.0, max_novelty=1e6, learning_rate=1e-3)
"""Every window teaches, and little is kept."""


def labelled(trials: int, seed: int, *, missing: float = 0.0) -> LabelledWindows:
    """Trials of 8 windows, classes in turn, two recordings; some windows without the second view."""
    rng = np.random.default_rng(seed)
    count = trials * TRIAL
    trial = np.arange(count) // TRIAL
    labels = trial % 2
    x = MEANS[labels] + rng.normal(size=(count, MEANS.shape[1]))
    views = {view: x[:, where].astype(np.float32) for view, where in zip(DIMS, SLICES, strict=True)}
    views["b"][rng.random(count) < missing] = np.nan
    return LabelledWindows(views, labels, trial, trial * 2 // trials)


@cache
def model(**overrides: Any) -> TrainedModel:
    """A model of the two classes; never to be changed."""
    settings = make_settings("default", {"hidden": (8, 4), "latent": 2, "front_end": "none", "epochs": 6, **overrides})
    known = labelled(16, seed=0, missing=0.1)
    return train(TrainingData(known.views, known.labels, known.trials, ("calm", "joy")), settings, device="cpu")


def flat_inputs(windows: LabelledWindows) -> Windows:
    """As the model takes them: side by side, 0 where missing."""
    x = np.hstack([windows.views[view] for view in DIMS]).astype(float)
    return Windows(np.nan_to_num(x), windows.available)


def learner(trained: TrainedModel | None = None, seed: int = 0, **settings: Any) -> Learner:
    known = labelled(12, seed=1)
    chosen = QUICK.model_copy(update=settings)
    return Learner(trained or model(), flat_inputs(known), known.labels, chosen, CPU, seed)


def stream(count: int, seed: int, *, shift: float = 0.0, label: int | None = None) -> list[Mapping[str, Floats | None]]:
    """Windows of a session, classes in turn (or one of them), all views there."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        x = MEANS[index // TRIAL % 2 if label is None else label] + shift + rng.normal(size=MEANS.shape[1])
        made.append(MappingProxyType({view: x[where] for view, where in zip(DIMS, SLICES, strict=True)}))
    return made


class Run:
    """An adapter, its frozen shadow, and what it told."""

    def __init__(
        self, trained: TrainedModel | None = None, *, probe: bool = True, seed: int = 0, **settings: Any
    ) -> None:
        self.trained = trained or model()
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.shadow = Predictor(self.trained, device="cpu")
        self.index = 0
        self.adapter = Adapter(
            self.trained,
            labelled(12, seed=1),
            labelled(8, seed=2) if probe else None,
            QUICK.model_copy(update=settings),
            device="cpu",
            seed=seed,
            emit=lambda kind, details: self.events.append((kind, details)),
        )

    def see(self, views: Mapping[str, Floats | None], *, bad: float = 0.0, hop_s: float = 1.0) -> Floats:
        """Predict a window, show it, learn where it is time; what the adapter predicted."""
        said = self.adapter.predict(views).probabilities
        shadow = self.shadow.predict(views).probabilities
        moment = self.index * hop_s
        self.adapter.observe(Observation(self.index, moment, views, said, shadow, np.full(len(DIMS), bad)))
        if self.adapter.due:
            self.adapter.update()
        self.index += 1
        return said

    def told(self, kind: str) -> list[Mapping[str, object]]:
        return [details for told, details in self.events if told == kind]


def spoilt(trained: TrainedModel, part: str, by: float) -> TrainedModel:
    """A copy with something added to the weights of a part; random for numbers, NaN for NaN."""
    copy = frozen_copy(trained)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in copy.model.named_parameters():
            if name.startswith(part):
                parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return copy


def known_statistics(
    classes: int = 2, trial: float = 1.0, *, between: float = 1.0, apart: float = 4.0, seed: int = 0
) -> CalibrationStatistics:
    """Statistics over the two views with correlated scatter."""
    rng = np.random.default_rng(seed)
    size = MEANS.shape[1]
    mixing = 0.4 * rng.normal(size=(size, size))
    prior = np.zeros((size, size))
    for where in SLICES:
        part = 0.3 * rng.normal(size=(where.stop - where.start,) * 2)
        prior[where, where] = between * (part @ part.T + np.eye(len(part)))
    return CalibrationStatistics(
        apart * rng.normal(size=(classes, size)), mixing @ mixing.T + np.eye(size), prior, trial
    )
