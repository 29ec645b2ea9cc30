"""Cross-validation over whole trials: every labelled window is predicted by a model that saw nothing of its trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.training.fitting import Candidate, candidates, fit, fit_plain, one_thread
from calibration.training.progress import Meter, OnProgress
from calibration.training.splits import (
    MOST_FOLDS,
    fold_of_trials,
    folds_of_windows,
    possible_folds,
    subset_of_trials,
    touching,
    trial_labels,
)
from rtemo.config import Configuration
from rtemo.errors import LabelError
from rtemo.evaluation.evaluate import COMPLETE, WITHOUT
from rtemo.extraction import Extraction, join, label_indices
from rtemo.features.standardise import Standardiser
from rtemo.model.data import TrainingData
from rtemo.model.labelled import LabelledWindows
from rtemo.model.predict import Predictor
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.trained import TrainedModel
from rtemo.training import standardise
from rtemo.types import Bools, FeatureTable, Floats

STEPS = 100
"""Steps of one training, unless the configuration asks for fewer. The few hundred windows of a calibration are learnt
by then; a thousand steps took ten times as long, and learnt them by heart."""
FRACTIONS = (1 / 3, 2 / 3)
"""Shares of the training trials for the learning curve, besides all of them."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CurvePoint:
    """What models say that learnt from a part of the trials.

    Parameters
    ----------
    fraction : float
    trials, minutes : float
        That the models learnt from, labelled; means over the folds.
    probabilities : ndarray of float64, shape (windows, labels)
        Of the windows of `CrossValidation`.
    """

    fraction: float
    trials: float
    minutes: float
    probabilities: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """Held-out predictions of all labelled windows in which something was seen.

    Parameters
    ----------
    labels, views : tuple of str
    folds, seed, steps : int
    rows : ndarray of int64, shape (windows,)
        Of the joined table.
    truth, trial, recording, fold : ndarray of int64, shape (windows,)
    start_s : ndarray of float64, shape (windows,)
    available : ndarray of bool, shape (windows, views)
    probabilities : mapping of str to ndarray of float64, shape (windows, labels)
        ``complete`` and ``without:<view>``.
    weights, contributions : ndarray of float64, shape (windows, views)
    chosen : tuple of str
        Settings by fold.
    losses : mapping of str to tuple of float
        Of each of the settings, by fold: classification loss on trials held out inside the training side.
    curve : tuple of CurvePoint
        From few trials to all of them.
    seconds : float
    """

    labels: tuple[str, ...]
    views: tuple[str, ...]
    folds: int
    seed: int
    steps: int
    rows: Ints
    truth: Ints
    trial: Ints
    recording: Ints
    fold: Ints
    start_s: Floats
    available: Bools
    probabilities: Mapping[str, Floats]
    weights: Floats
    contributions: Floats
    chosen: tuple[str, ...]
    losses: Mapping[str, tuple[float, ...]]
    curve: tuple[CurvePoint, ...]
    seconds: float

    @property
    def complete(self) -> Floats:
        """Probabilities from all views that are there."""
        return self.probabilities[COMPLETE]

    def seen(self, condition: str) -> Bools:
        """Windows in which a view is left under a condition, shape (windows,)."""
        kept = [condition != WITHOUT + view for view in self.views]
        return np.asarray(self.available[:, kept].any(axis=1))


def short(settings: SimvaeSettings) -> SimvaeSettings:
    """Settings for a training of a calibration, the model for use included: as configured, of `STEPS` steps at most."""
    return settings.model_copy(update={"steps": min(settings.steps, STEPS)})


def planned_steps(folds: int, options: int, fractions: int, steps: int) -> int:
    """Steps that a cross-validation takes at most; without a choice there is still a first go, for the temperature."""
    return folds * steps * (options + 1 + fractions)


def cross_validate(
    config: Configuration,
    extractions: Sequence[Extraction],
    *,
    folds: int = MOST_FOLDS,
    seed: int = 0,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    meter: Meter | None = None,
    options: Sequence[Candidate] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    replay: LabelledWindows | None = None,
) -> CrossValidation:
    """Hold out whole trials, fold by fold, and predict them; everything is learnt from the other trials alone.

    Standardiser, front end, settings, temperature and weights come from windows that share no moment with a trial
    held out. With ``standardise = "recording"`` each recording is scaled by all of its windows, without labels.

    Parameters
    ----------
    config : Configuration
    extractions : sequence of Extraction
        Whose labels were read.
    folds : int
        At most; never more than a label has trials.
    seed, device
    on_progress : callable, optional
    meter : Meter, optional
        One that others count with as well; `on_progress` is not called then.
    options : sequence of Candidate, optional
        `candidates` where not given.
    fractions : sequence of float
        Of the learning curve; none: no curve.
    replay : LabelledWindows, optional
        Older windows, in every training.

    Raises
    ------
    LabelError
        A label has fewer than two trials.
    """
    table = join([extraction.table for extraction in extractions])
    truth = label_indices(table, config.labels)
    possible = _Sides(config, table, truth)
    by_trial = trial_labels(np.where(possible.usable, truth, -1), table.trial)
    numbers, labels = np.array(list(by_trial), dtype=np.int64), np.array(list(by_trial.values()), dtype=np.int64)
    folds = possible_folds(labels.tolist(), len(config.labels), folds)
    if folds == 0:
        counts = np.bincount(labels, minlength=len(config.labels)).tolist()
        listing = ", ".join(f"{label}: {count}" for label, count in zip(config.labels, counts, strict=True))
        raise LabelError(
            f"expected at least two trials of every label to hold one out, found {listing}.",
            cure="Record more trials, or take the label out of the configuration.",
        )
    options = candidates(config) if options is None else options
    settings = short(make_settings(config.model.preset, config.model.settings))
    if meter is None:
        meter = Meter(planned_steps(folds, len(options), len(fractions), settings.steps), on_progress)
    of_trial = dict(zip(numbers.tolist(), fold_of_trials(labels, folds, seed).tolist(), strict=True))
    fold = folds_of_windows(table.trial, of_trial)
    rows = np.flatnonzero((truth >= 0) & (fold >= 0) & possible.usable)
    out = _Collected(len(rows), len(config.labels), tuple(config.views))
    durations = minutes_of(table, numbers)
    began_s = meter.elapsed_s
    with one_thread():
        for held in range(folds):
            side = ~touching(table, fold == held)
            views = possible.standardised(side)
            mine = fold[rows] == held
            given = {view: x[rows[mine]] for view, x in views.items()}
            doing = f"fold {held + 1} of {folds}"
            found = fit(possible.data(views, side), settings, options, meter,
                        replay=replay, seed=seed, device=device, doing=doing)  # fmt: skip
            out.take(mine, found.model, given, found.chosen.name, found.losses)
            learnt = np.array([of_trial[number] != held for number in numbers.tolist()])
            chosen = settings.model_copy(update=dict(found.chosen.changes))
            for fraction in fractions:
                part = subset_of_trials(labels[learnt], fraction, seed + held)
                trials = numbers[learnt][part]
                # Unlabelled windows as well: the last point of the curve has them.
                few = side & (np.isin(table.trial, trials) | (table.trial < 0))
                few_views = possible.standardised(few)
                model = fit_plain(possible.data(few_views, few), chosen, meter,
                                  replay=replay, seed=seed, device=device,
                                  doing=f"{doing}: {len(trials)} trials")  # fmt: skip
                less = {view: x[rows[mine]] for view, x in few_views.items()}
                out.take_point(fraction, mine, _probabilities(model, less), len(trials), durations[learnt][part].sum())
            out.take_point(1.0, mine, out.probabilities[COMPLETE][mine], int(learnt.sum()), durations[learnt].sum())
    return CrossValidation(
        labels=tuple(config.labels),
        views=tuple(config.views),
        folds=folds,
        seed=seed,
        steps=settings.steps,
        rows=rows,
        truth=truth[rows],
        trial=table.trial[rows],
        recording=table.recording[rows],
        fold=fold[rows],
        start_s=table.start_s[rows],
        available=possible.available[rows],
        probabilities=out.probabilities,
        weights=out.weights,
        contributions=out.contributions,
        chosen=tuple(out.chosen),
        losses={name: tuple(values) for name, values in out.losses.items()},
        curve=out.curve(folds),
        seconds=meter.elapsed_s - began_s,
    )


class _Sides:
    """Training data of one side of a split."""

    def __init__(self, config: Configuration, table: FeatureTable, truth: Ints) -> None:
        self._config, self._table, self._truth = config, table, truth
        # Scaled recording by recording nothing depends on the split.
        self._given = standardise(table, config, None) if config.standardise == "recording" else None
        features = [np.isfinite(table.features[view]).any(axis=1) for view in config.views]
        self.available = np.stack(features, axis=1)
        missing = make_settings(config.model.preset, config.model.settings).missing
        # A model that drops windows with a missing view in training still predicts them.
        self.usable = np.asarray(self.available.all(axis=1) if missing == "drop" else self.available.any(axis=1))

    def standardised(self, side: Bools) -> Mapping[str, Floats]:
        """All windows as the model takes them, scaled by those of one side."""
        if self._given is not None:
            return self._given
        features = {view: self._table.features[view] for view in self._config.views}
        there = {view: self._table.available[view] & side for view in self._config.views}
        return standardise(self._table, self._config, Standardiser.fit(features, there))

    def data(self, views: Mapping[str, Floats], side: Bools) -> TrainingData:
        """The windows of one side."""
        return TrainingData(
            {view: x[side] for view, x in views.items()},
            self._truth[side],
            self._table.trial[side],
            tuple(self._config.labels),
        )


class _Collected:
    """What the folds give, put in its place."""

    def __init__(self, windows: int, classes: int, views: tuple[str, ...]) -> None:
        self._views, self._shape = views, (windows, classes)
        conditions = (COMPLETE, *(WITHOUT + view for view in views))
        self.probabilities = {name: np.full(self._shape, np.nan) for name in conditions}
        self.weights, self.contributions = np.zeros((windows, len(views))), np.zeros((windows, len(views)))
        self.chosen: list[str] = []
        self.losses: dict[str, list[float]] = {}
        self._points: dict[float, tuple[Floats, list[float], list[float]]] = {}

    def take(
        self, rows: Bools, model: TrainedModel, given: Mapping[str, Floats], chosen: str, losses: Mapping[str, float]
    ) -> None:
        """Predict the windows of a fold, complete and with every view missing in turn."""
        predictor = Predictor(model, device="cpu")
        for condition, kept in self.probabilities.items():
            left = {v: (np.full_like(x, np.nan) if condition == WITHOUT + v else x) for v, x in given.items()}
            said = predictor.predict_many(left)
            kept[rows] = said.probabilities
            if condition == COMPLETE:
                self.weights[rows], self.contributions[rows] = said.posterior_weights, said.contributions
        self.chosen.append(chosen)
        for name, loss in losses.items():
            self.losses.setdefault(name, []).append(loss)

    def take_point(self, fraction: float, rows: Bools, probabilities: Floats, trials: int, minutes: float) -> None:
        """Keep the learning curve's predictions of a fold."""
        kept, counts, lengths = self._points.setdefault(fraction, (np.full(self._shape, np.nan), [], []))
        kept[rows] = probabilities
        counts.append(float(trials))
        lengths.append(float(minutes))

    def curve(self, folds: int) -> tuple[CurvePoint, ...]:
        """The points from few trials to all, those of the same number of trials once."""
        points: dict[float, CurvePoint] = {}
        for fraction, (kept, counts, minutes) in sorted(self._points.items()):
            assert len(counts) == folds
            point = CurvePoint(fraction, float(np.mean(counts)), float(np.mean(minutes)), kept)
            points[point.trials] = point
        return tuple(sorted(points.values(), key=lambda point: point.trials))


def _probabilities(model: TrainedModel, given: Mapping[str, Floats]) -> Floats:
    return Predictor(model, device="cpu").predict_many(given).probabilities


def minutes_of(table: FeatureTable, trials: Ints) -> Floats:
    """Length of each trial as far as windows cover it; between its parts it has none."""
    out = []
    for number in trials.tolist():
        start_s = np.sort(table.start_s[table.trial == number])
        length_s = (table.stop_s - table.start_s)[table.trial == number].max()
        out.append(float(np.minimum(np.diff(start_s), length_s).sum() + length_s) / 60)
    return np.array(out)
