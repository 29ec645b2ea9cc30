"""rtemo's own adaptation in the shape of the methods that `adaptation_safety` compares, and with guards left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from adaptation_peers import Frozen
from adaptation_streams import Calibration, Floats

from rtemo.adaptation.adapter import Adapter, Observation
from rtemo.config import AdaptationSettings
from rtemo.model.labelled import take_windows
from rtemo.model.predict import Predictor
from rtemo.model.trained import TrainedModel

HOP_S = 10.0


class Ours:
    """An `Adapter`, driven as a session drives it."""

    def __init__(
        self, trained: TrainedModel, calibration: Calibration, seed: int, settings: AdaptationSettings
    ) -> None:
        probe = trained.probe if trained.probe.any() else trained.held_out
        if not len(probe):
            probe = np.zeros(len(calibration.labels), dtype=bool)

        def windows(rows: np.ndarray) -> object:
            parts = (calibration.views, calibration.labels, calibration.trials, calibration.recordings)
            return take_windows(rows, *parts)

        self._shadow = Predictor(trained, device="cpu")
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self._adapter = Adapter(
            trained,
            windows(~probe & (calibration.labels >= 0)),
            windows(probe) if probe.any() else None,
            settings,
            device="cpu",
            seed=seed,
            emit=lambda kind, details: self.events.append((kind, details)),
        )
        self._index = 0

    def predict(self, views: Mapping[str, Floats]) -> Floats:
        """Predict, then learn."""
        window = {view: x if np.isfinite(x).all() else None for view, x in views.items()}
        said = self._adapter.predict(window).probabilities
        shadow = self._shadow.predict(window).probabilities
        self._index += 1
        bad = np.zeros(len(views))
        self._adapter.observe(Observation(self._index, HOP_S * self._index, window, said, shadow, bad))
        if self._adapter.due:
            self._adapter.update()
        return said


def ours(mode: str, **changes: object) -> Callable[[TrainedModel, Calibration, int], Ours]:
    """A method of a mode, with settings that no configuration allows where a guard is to be left out."""
    settings = AdaptationSettings(mode=mode).model_copy(update=changes)
    return lambda trained, calibration, seed: Ours(trained, calibration, seed, settings)


OURS: dict[str, Callable[[TrainedModel, Calibration, int], Ours]] = {
    "recentre": ours("recentre"),
    "guarded": ours("guarded"),
}

NEVER = math.inf
UNGUARDED = {"probe_drop": NEVER, "elbo_drop": NEVER, "entropy_drop": NEVER, "max_drift": NEVER}
FAST = 0.01
"""A rate a hundred times the default: what the guards are for."""
ABLATIONS: dict[str, Callable[[TrainedModel, Calibration, int], Frozen | Ours]] = {
    "frozen": Frozen,
    "recentre": ours("recentre"),
    "recentre without evidence": ours("recentre", min_evidence=0.0),
    "recentre without gates": ours("recentre", min_confidence=0.0, max_novelty=NEVER),
    "recentre without cap": ours("recentre", max_shift=NEVER),
    "guarded, fast": ours("guarded", learning_rate=FAST),
    "fast without probe": ours("guarded", learning_rate=FAST, probe_drop=NEVER),
    "fast without bound": ours("guarded", learning_rate=FAST, elbo_drop=NEVER),
    "fast without entropy": ours("guarded", learning_rate=FAST, entropy_drop=NEVER),
    "fast without drift cap": ours("guarded", learning_rate=FAST, max_drift=NEVER),
    "fast without pull and reset": ours("guarded", learning_rate=FAST, pull=0.0, reset_every_s=NEVER),
    "fast without any of these": ours("guarded", learning_rate=FAST, pull=0.0, reset_every_s=NEVER, **UNGUARDED),
}
