"""Training in two goes: one holds labelled trials out and tells how good it is, one learns from all but the probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtemo.model.data import Bools, TrainingData, check, held_out, probe_windows, rows_of, usable_windows, whole_trials
from rtemo.model.settings import SimvaeSettings
from rtemo.model.train import train
from rtemo.model.trained import EpochReport, TrainedModel


def left_out(data: TrainingData, settings: SimvaeSettings, seed: int) -> Bools:
    """Windows that `refit` will leave out, known before any training: all windows of the probe's trials.

    Which views are there decides, and the labels; the values of the features do not.

    Parameters
    ----------
    data : TrainingData
    settings : SimvaeSettings
    seed : int
        That of the training.

    Returns
    -------
    ndarray of bool, shape (windows,)
    """
    if not settings.refit:
        return np.zeros(len(data), dtype=bool)
    usable = usable_windows(check(data), settings)
    held = held_out(data, usable, settings.validation_fraction, settings.validation_windows, seed)
    return whole_trials(data, probe_windows(data, held, settings, seed))


def refit(
    first: TrainedModel,
    data: TrainingData,
    *,
    seed: int = 0,
    device: str = "auto",
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train again on all windows but those of the probe, as long as the first go found right.

    Holding trials out costs labels: on ten participants two points of accuracy. The first go pays that once, for its
    figures, its temperature and, where it stopped early, the number of epochs. These two numbers are all that the
    probe, being held out like the others, has a say in: weights and front end never see its windows.

    Parameters
    ----------
    first : TrainedModel
        As `train` gave it on the same data.
    data : TrainingData
    seed, device, on_epoch, checkpoint, resume
        See `train`; the checkpoint of this go is ``<checkpoint>.refit``.

    Returns
    -------
    TrainedModel
        `first` itself where nothing was held out or ``settings.refit`` is off. Its ``held_out`` tells what the first go
        held out, its ``probe`` (see `probe_windows`) from which of these windows the model has not learnt.
    """
    settings = first.settings
    if not settings.refit or not first.held_out.any():
        return first
    last = first.history[-1]
    changes: dict[str, object] = {"validation_fraction": 0.0}
    if last.epoch < last.epochs:
        scores = [report.validation for report in first.history if report.validation is not None]
        steps_an_epoch = settings.steps / last.epochs
        changes["steps"] = max(1, round((scores.index(min(scores)) + 1) * steps_an_epoch))
    probe = probe_windows(data, first.held_out, settings, seed)
    again = train(
        rows_of(data, ~whole_trials(data, probe)),
        settings.model_copy(update=changes),
        seed=seed,
        device=device,
        on_epoch=on_epoch,
        checkpoint=None if checkpoint is None else checkpoint.with_name(checkpoint.name + ".refit"),
        resume=resume,
    )
    return replace(
        again,
        settings=settings,
        temperature=first.temperature,
        held_out=first.held_out,
        probe=probe,
        history=(*first.history, *again.history),
    )
