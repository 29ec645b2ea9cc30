"""What held-out predictions amount to: every figure that the verdict and the report speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.training.crossval import CrossValidation
from calibration.training.plan import confounds
from calibration.training.standin import SHUFFLES, Chance, chance
from calibration.training.statistics import (
    Estimate,
    TrialCounts,
    accuracy,
    balanced_accuracy,
    binomial_p,
    count_trials,
    exact_interval,
    recall,
)
from calibration.training.verdict import Figures
from rtemo.config import Configuration
from rtemo.evaluation.evaluate import COMPLETE
from rtemo.evaluation.metrics import Scores, score
from rtemo.extraction import label_indices
from rtemo.features.standardise import Standardiser
from rtemo.model.settings import make_settings
from rtemo.training import standardise
from rtemo.types import FeatureTable


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Figures of held-out predictions.

    Parameters
    ----------
    figures : Figures
        What the verdict is made of.
    counts : TrialCounts
        All views.
    accuracy : Estimate
    trials_right : Estimate
        Share of the trials, with its exact interval.
    accuracy_by_chance, trials_by_chance : float
        Of always saying the commonest label: its share of the windows, and of the trials.
    recall : mapping of str to Estimate
        By label.
    precision : mapping of str to float
        By label; NaN where it was never said.
    conditions : mapping of str to Estimate
        Balanced accuracy, ``complete`` and ``without:<view>``.
    scores : mapping of str to Scores
        The same conditions, all figures.
    chance : Chance
    """

    figures: Figures
    counts: TrialCounts
    accuracy: Estimate
    trials_right: Estimate
    accuracy_by_chance: float
    trials_by_chance: float
    recall: Mapping[str, Estimate]
    precision: Mapping[str, float]
    conditions: Mapping[str, Estimate]
    scores: Mapping[str, Scores]
    chance: Chance


def judge(config: Configuration, table: FeatureTable, found: CrossValidation, shuffles: int = SHUFFLES) -> Judged:
    """Count what a cross-validation gave.

    Parameters
    ----------
    config : Configuration
    table : FeatureTable
        That was cross-validated.
    found : CrossValidation
    shuffles : int
        See `calibration.training.standin.chance`.
    """
    seen = found.seen(COMPLETE)
    counts = count_trials(found.truth[seen], found.trial[seen], found.complete[seen])
    conditions, scores = {}, {}
    for name, probabilities in found.probabilities.items():
        rows = found.seen(name)
        conditions[name] = balanced_accuracy(count_trials(found.truth[rows], found.trial[rows], probabilities[rows]))
        scores[name] = score(found.truth[rows], probabilities[rows])
    whole = Standardiser.fit(
        {view: table.features[view] for view in config.views}, {view: table.available[view] for view in config.views}
    )
    by_chance = chance(
        {view: x[found.rows] for view, x in standardise(table, config, whole).items()},
        found.truth,
        found.trial,
        found.recording,
        make_settings(config.model.preset, config.model.settings),
        folds=found.folds,
        seed=found.seed,
        shuffles=shuffles,
    )
    labelled = label_indices(table, config.labels) >= 0
    there = np.stack([table.available[view] for view in config.views], axis=1)[labelled]
    by_label = {label: recall(counts, k) for k, label in enumerate(found.labels)}
    confusion = scores[COMPLETE].confusion
    said = confusion.sum(axis=0)
    figures = Figures(
        trials={label: int((counts.label == k).sum()) for k, label in enumerate(found.labels)},
        balanced_accuracy=conditions[COMPLETE],
        p_shuffled=by_chance.p(conditions[COMPLETE].value),
        p_trials=binomial_p(counts),
        recall={label: estimate.value for label, estimate in by_label.items()},
        calibration_error=scores[COMPLETE].ece,
        seen=float(there.any(axis=1).mean()),
        complete=float(there.all(axis=1).mean()),
        confounded=confounded(found),
        least_p=by_chance.least_p,
    )
    return Judged(
        figures=figures,
        counts=counts,
        accuracy=accuracy(counts),
        trials_right=exact_interval(int((counts.decided == counts.label).sum()), len(counts)),
        accuracy_by_chance=_commonest(confusion.sum(axis=1)),
        trials_by_chance=_commonest(np.bincount(counts.label)),
        recall=by_label,
        precision={
            label: float(confusion[k, k] / said[k]) if said[k] else float("nan") for k, label in enumerate(found.labels)
        },
        conditions=conditions,
        scores=scores,
        chance=by_chance,
    )


def confounded(found: CrossValidation) -> str:
    """What in the plan of the recordings could pass for the labels; empty where nothing is known.

    Parameters
    ----------
    found : CrossValidation
    """
    _, first = np.unique(found.trial, return_index=True)
    return " ".join(confounds(found.labels, found.truth[first], found.recording[first], found.start_s[first]))


def _commonest(counts: NDArray[np.int64]) -> float:
    """Share of the commonest."""
    return float(counts.max() / counts.sum()) if counts.sum() else float("nan")
