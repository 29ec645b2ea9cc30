"""Sessions one after the other, in time order, without their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from rtemo.adaptation.adapter import Adapter, Observation
from rtemo.config import AdaptationSettings
from rtemo.evaluation.datasets.base import Bools, Dataset, Floats, Ints
from rtemo.evaluation.metrics import score
from rtemo.evaluation.protocols import Split, split, standardised
from rtemo.evaluation.study.experiments.base import Experiment, StudyOptions, complete
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import Figures
from rtemo.model.labelled import LabelledWindows, take_windows
from rtemo.model.predict import Predictor
from rtemo.model.refit import refit
from rtemo.model.settings import make_settings
from rtemo.model.train import TrainingData, train
from rtemo.model.trained import TrainedModel

MODES: Final = ("frozen", "running-z", "recentre", "guarded")
HOP_S: Final = 10.0
"""Of a set's windows: what ages in seconds, ages by so much a window."""
RUNNING: Final = 120
"""Windows of the running z-scores."""
FIRST: Final = 10
"""Windows before which they say too little of a mean."""
Predict = Callable[[Mapping[str, Floats | None]], Floats]


class Adaptation(Experiment):
    """Prediction is causal: a window is predicted before anything is learnt from it, and no later one is seen."""

    name = "adaptation"
    title = "Adaptation over sessions"
    protocols = ("honest",)
    description = (
        "Balanced accuracy over whole sessions that the model has not seen, windows in time order and without labels, "
        "standardised by the training windows as a live system must: the model as it was trained (frozen), running "
        f"z-scores over {RUNNING} windows, and rtemo's own two modes. Where a subject has several sessions, the first "
        "trains and the others follow; else whole subjects train and others follow. Each starts from the trained model."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Every mode; none for sets without sessions."""
        if dataset.unit == "window":
            return []
        return [
            self.task(dataset, method, seed, options, mode=mode)
            for seed in range(options.seeds)
            for method in options.chosen(("simvae",))
            for mode in MODES
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train once, then stream each session."""
        whole = complete(dataset)
        parts = sessions_apart(whole, task.seed)
        views = standardised(whole, parts.train, causal=True)
        steps = task.settings.get("steps")
        settings = make_settings("default", {} if steps is None else {"steps": steps})
        inside = {view: x[parts.train] for view, x in views.items()}
        data = TrainingData(inside, whole.labels[parts.train], whole.trials[parts.train], whole.class_names)
        first = train(data, settings, seed=task.seed, device=device)
        model = refit(first, data, seed=task.seed, device=device)
        mode, figures, gained = str(task.settings["mode"]), Figures(), []
        for number, session in enumerate(np.unique(whole.sessions[parts.test])):
            rows = parts.test[whole.sessions[parts.test] == session]
            predict = self._predictor(mode, model, data, whole.sessions[parts.train], task.seed, device)
            said = np.stack([predict({view: x[row] for view, x in views.items()}) for row in rows])
            found = score(whole.labels[rows], said)
            figures[f"session.{number}.balanced_accuracy"] = found.balanced_accuracy
            gained.append(found.balanced_accuracy)
        figures["mean.balanced_accuracy"], figures["worst.balanced_accuracy"] = (
            float(np.mean(gained)),
            float(np.min(gained)),
        )
        return Result(task, figures)

    def _predictor(
        self, mode: str, model: TrainedModel, data: TrainingData, sessions: Ints, seed: int, device: str
    ) -> Predict:
        frozen = Predictor(model, device=device, imputations=0)
        if mode == "frozen":
            return lambda window: frozen.predict(window).probabilities
        if mode == "running-z":
            return _RunningZ(frozen)
        probe: Bools = model.probe if model.probe.any() else model.held_out
        probe = probe if len(probe) else np.zeros(len(data), dtype=bool)

        def kept(rows: Bools) -> LabelledWindows:
            return take_windows(rows, data.views, data.labels, data.groups, sessions)

        adapter = Adapter(
            model,
            kept(~probe & (data.labels >= 0)),
            kept(probe & (data.labels >= 0)) if probe.any() else None,
            AdaptationSettings(mode="recentre" if mode == "recentre" else "guarded"),
            device=device,
            seed=seed,
            emit=lambda kind, details: None,
        )
        return _Adapting(adapter, frozen)


class _RunningZ:
    """Standardises once more, by the latest windows: what many systems do; the first few are taken as they are."""

    def __init__(self, frozen: Predictor) -> None:
        self._frozen = frozen
        self._seen: dict[str, list[Floats]] = {view: [] for view in frozen.views}

    def __call__(self, window: Mapping[str, Floats | None]) -> Floats:
        scaled = {}
        for view, x in window.items():
            if x is None:
                continue
            latest = self._seen[view]
            latest.append(x)
            del latest[:-RUNNING]
            if len(latest) < FIRST:
                scaled[view] = x
                continue
            std = np.std(latest, axis=0)
            scaled[view] = (x - np.mean(latest, axis=0)) / np.where(std > 0, std, 1.0)
        return self._frozen.predict(scaled).probabilities


class _Adapting:
    """Drives an adapter as a session does: predict first, then learn."""

    def __init__(self, adapter: Adapter, shadow: Predictor) -> None:
        self._adapter, self._shadow, self._windows = adapter, shadow, 0

    def __call__(self, window: Mapping[str, Floats | None]) -> Floats:
        said: Floats = self._adapter.predict(window).probabilities
        shadow = self._shadow.predict(window).probabilities
        self._windows += 1
        clean = np.zeros(len(self._shadow.views))
        self._adapter.observe(Observation(self._windows, HOP_S * self._windows, window, said, shadow, clean))
        if self._adapter.due:
            self._adapter.update()
        return said


def sessions_apart(dataset: Dataset, seed: int) -> Split:
    """The first session of every subject trains and the others test; where each has one, some subjects test."""
    first = {int(s): int(dataset.sessions[dataset.subjects == s].min()) for s in np.unique(dataset.subjects)}
    train = np.isin(dataset.sessions, list(first.values()))
    if train.all():
        return split(dataset, "honest", "all", seed)
    rows = np.flatnonzero(train)
    return Split(rows, np.flatnonzero(~train & (dataset.labels >= 0)), dataset.labels[rows] >= 0)
