"""One training of a calibration: settings chosen inside its own windows, old windows shown again beside new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from calibration.training.progress import Meter
from rtemo.config import Configuration
from rtemo.model.data import Bools, TrainingData, check, held_out, usable_windows
from rtemo.model.labelled import LabelledWindows
from rtemo.model.refit import refit
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.train import Windows, class_weights, fit_temperature, train, validation_score
from rtemo.model.trained import TrainedModel

AS_CONFIGURED = "as configured"
LEAST_VALIDATION = 6
"""Windows held out that a choice may be made by, at least."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings that a calibration may choose.

    Parameters
    ----------
    name : str
        For people.
    changes : mapping
        Of settings of the model, against those configured.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


CANDIDATES = (
    Candidate(AS_CONFIGURED),
    Candidate("stronger weight decay", {"weight_decay": 0.1}),
    Candidate("fewer components", {"pca_size": 8}),
    Candidate("fewer components, stronger weight decay", {"pca_size": 8, "weight_decay": 0.1}),
)
"""What a short calibration asks for, if anything: a simpler model. Four, so that few trials can choose among them."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model and how its settings were chosen.

    Parameters
    ----------
    model : TrainedModel
    chosen : Candidate
    losses : mapping of str to float
        Classification loss of each candidate on trials held out inside the training windows; empty where there was
        nothing to choose, or nothing to choose by.
    """

    model: TrainedModel
    chosen: Candidate
    losses: Mapping[str, float]


def for_few_windows(config: Configuration, windows: int) -> Configuration:
    """A configuration that holds trials out of a short calibration too, unless it says itself from how many on.

    Without them there is no choice of settings, no temperature and no probe.

    Parameters
    ----------
    config : Configuration
    windows : int
        Labelled ones.
    """
    if "validation_windows" in config.model.settings:
        return config
    usual = make_settings(config.model.preset, config.model.settings).validation_windows
    wanted = min(usual, max(LEAST_VALIDATION, windows // 10))
    model = config.model.model_copy(update={"settings": {**config.model.settings, "validation_windows": wanted}})
    return config.model_copy(update={"model": model})


def candidates(config: Configuration) -> tuple[Candidate, ...]:
    """Those that change no setting which the configuration names itself."""
    named = set(config.model.settings)
    front_end = make_settings(config.model.preset, config.model.settings).front_end
    reduced = front_end in ("pca", "shrunk", "both")
    return tuple(
        candidate
        for candidate in CANDIDATES
        if not named & set(candidate.changes) and (reduced or "pca_size" not in candidate.changes)
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: its steps are too small to share, and two that wait for each other take many times as
    long on a machine that has other things to do."""  # noqa: D205, D209
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def with_replay(data: TrainingData, replay: LabelledWindows | None) -> TrainingData:
    """Training data with older labelled windows behind the new ones, as trials of their own."""
    if replay is None or len(replay) == 0:
        return data
    views = {view: np.vstack([x, replay.views[view].astype(np.float64)]) for view, x in data.views.items()}
    offset = int(data.groups.max(initial=-1)) + 1
    groups = np.where(replay.trials >= 0, replay.trials + offset, -1)
    return TrainingData(
        views, np.concatenate([data.labels, replay.labels]), np.concatenate([data.groups, groups]), data.class_names
    )


def fit(
    data: TrainingData,
    settings: SimvaeSettings,
    options: Sequence[Candidate],
    meter: Meter,
    *,
    replay: LabelledWindows | None = None,
    left_out: Bools | None = None,
    seed: int,
    device: str,
    doing: str,
) -> Fit:
    """Train with each of some settings, holding trials out, and once more with the best of them on everything.

    Parameters
    ----------
    data : TrainingData
    settings : SimvaeSettings
    options : sequence of Candidate
        At least one.
    meter : Meter
    replay : LabelledWindows, optional
        Older windows to learn from as well. No choice and no temperature is made by them: they are of another day.
    left_out : ndarray of bool, shape (windows,), optional
        Windows of `data` that the second go does not see: those of a probe. Only with `replay`.
    seed, device
    doing : str
        For people.
    """
    base = settings.model_copy(update={"probe_fraction": 0.0})
    found: list[tuple[float, Candidate, TrainedModel]] = []
    for option in options:
        with meter.go(f"{doing}: {option.name}", settings.steps) as on_epoch:
            chosen = base.model_copy(update=dict(option.changes))
            if replay is None:
                model = train(data, chosen, seed=seed, device=device, on_epoch=on_epoch)
                scores = [report.validation for report in model.history if report.validation is not None]
                loss = min(scores, default=float("inf"))
            else:
                model, loss = _first_with_replay(data, replay, chosen, seed, device, on_epoch)
        found.append((loss, option, model))
        if not model.held_out.any():
            # Nothing could be held out, so nothing can be chosen: the settings as they are.
            break
    loss, option, first = min(found, key=lambda one: one[0])
    if not first.held_out.any():
        _, option, first = found[0]
    losses = {candidate.name: value for value, candidate, _ in found if np.isfinite(value)}
    with meter.go(f"{doing}: with all trials", settings.steps) as on_epoch:
        if replay is None:
            last = refit(first, data, seed=seed, device=device, on_epoch=on_epoch)
        else:
            kept = np.ones(len(data), dtype=bool) if left_out is None else ~left_out
            last = train(
                with_replay(_rows(data, kept), replay),
                first.settings.model_copy(update={"validation_fraction": 0.0}),
                seed=seed,
                device=device,
                on_epoch=on_epoch,
            )
            last = replace(last, settings=first.settings, temperature=first.temperature)
    return Fit(last, option, losses)


def fit_plain(
    data: TrainingData,
    settings: SimvaeSettings,
    meter: Meter,
    *,
    replay: LabelledWindows | None = None,
    seed: int,
    device: str,
    doing: str,
) -> TrainedModel:
    """Train once on everything, without a choice and without a temperature."""
    plain = settings.model_copy(update={"validation_fraction": 0.0, "probe_fraction": 0.0})
    with meter.go(doing, settings.steps) as on_epoch:
        return train(with_replay(data, replay), plain, seed=seed, device=device, on_epoch=on_epoch)


def _first_with_replay(
    data: TrainingData, replay: LabelledWindows, settings: SimvaeSettings, seed: int, device: str, on_epoch: Any
) -> tuple[TrainedModel, float]:
    """The first go with older windows: the trials held out are new ones."""
    usable = usable_windows(check(data), settings)
    held = held_out(data, usable, settings.validation_fraction, settings.validation_windows, seed)
    blind = TrainingData(data.views, np.where(held, -1, data.labels), data.groups, data.class_names)
    joined = with_replay(blind, replay)
    model = train(
        joined,
        settings.model_copy(update={"validation_fraction": 0.0}),
        seed=seed,
        device=device,
        on_epoch=on_epoch,
    )
    loss, temperature = float("inf"), 1.0
    if held.any():
        windows = _after_front_end(model, _rows(data, held))
        counts = np.bincount(joined.labels[joined.labels >= 0], minlength=len(data.class_names))
        loss = validation_score(model.model, windows, class_weights(counts, settings))
        temperature = fit_temperature(model.model, windows) if settings.temperature else 1.0
    return replace(model, settings=settings, held_out=held, temperature=temperature), loss


def _after_front_end(model: TrainedModel, data: TrainingData) -> Windows:
    views = list(data.views.values())
    there = np.stack([np.isfinite(x).all(axis=1) for x in views], axis=1)
    return Windows(model.front_end.shown(views, there).astype(np.float32), there, data.labels, torch.device("cpu"))


def _rows(data: TrainingData, rows: Bools) -> TrainingData:
    return TrainingData(
        {view: x[rows] for view, x in data.views.items()}, data.labels[rows], data.groups[rows], data.class_names
    )
