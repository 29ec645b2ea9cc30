"""One method trained on one split and scored: what every experiment that compares methods does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rtemo.evaluation.baselines.base import UNLABELLED, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.registry import Method, method_named
from rtemo.evaluation.datasets.base import Bools, Dataset, Floats, Ints
from rtemo.evaluation.imputers.base import ViewImputer
from rtemo.evaluation.imputers.registry import imputer_named
from rtemo.evaluation.metrics import mean_log_likelihood, score
from rtemo.evaluation.protocols import Split, standardised
from rtemo.evaluation.study.tuning import choose

COMPLETE = "complete"
WITHOUT = "without:"
Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a method is trained.

    Parameters
    ----------
    method : str
    imputer : str
        Who fills missing views, in training and at test; ``"none"``: the method itself, which must be able to.
    parameters : mapping
        Of the method, beside its defaults.
    steps : int, optional
        Training steps of methods that have them.
    tuning : int
        So many settings are tried on the labelled windows; 1 takes the default.
    views : tuple of str, optional
        The views that are used; all where not given.
    device : str
        For methods that can use one.
    """

    method: str
    imputer: str = "none"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    tuning: int = 1
    views: tuple[str, ...] | None = None
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Trained:
    """A method that has learnt, and what it learnt from.

    Parameters
    ----------
    estimator : MultiViewClassifier
    imputer : ViewImputer or None
    matrix : ndarray of float64, shape (windows, sum of dims)
        All windows of the set, standardised; NaN where a view is missing.
    views : tuple of str
    dims : tuple of int
    train_s : float
    candidate : int
        Which of the method's settings was chosen.
    """

    estimator: MultiViewClassifier
    imputer: ViewImputer | None
    matrix: Floats
    views: tuple[str, ...]
    dims: tuple[int, ...]
    train_s: float
    candidate: int

    def probabilities(self, X: Floats) -> Floats:
        """Class probabilities of standardised windows, some of whose views may be missing."""
        return self.estimator.predict_proba(X if self.imputer is None else self.imputer.transform(X))

    def without(self, X: Floats, view: str) -> Floats:
        """The same windows with a view missing."""
        parts = dict(zip(self.views, split_views(X, self.dims), strict=True))
        parts[view] = np.full_like(parts[view], np.nan)
        return np.hstack(list(parts.values()))


def train_on(dataset: Dataset, parts: Split, recipe: Recipe, seed: int, *, only_complete: bool = False) -> Trained:
    """Train a method.

    Parameters
    ----------
    dataset : Dataset
        Views that are hidden in training are missing in it.
    parts : Split
    recipe : Recipe
    seed : int
    only_complete : bool
        Leave incomplete training windows out (the bound "PartialData").
    """
    method = method_named(recipe.method)
    views = standardised(dataset, parts.train)
    used = recipe.views or tuple(views)
    matrix = np.hstack([views[name] for name in used])
    dims = tuple(views[name].shape[1] for name in used)
    rows, labelled = parts.train, parts.labelled
    if only_complete:
        whole = np.isfinite(matrix[rows]).all(axis=1)
        rows, labelled = rows[whole], labelled[whole]
    X, y = matrix[rows], np.where(labelled, dataset.labels[rows], UNLABELLED)
    # Made before the clock starts: the first one imports its module.
    parameters = {**_offered(method, recipe), **recipe.parameters}
    imputer: ViewImputer | None = None
    if recipe.imputer != "none":
        imputer = imputer_named(recipe.imputer).make(dims, seed, steps=recipe.steps, device=recipe.device)
    started = time.perf_counter()
    if imputer is not None:
        X = imputer.fit(X).transform(X)
    candidate = choose(method, parameters, dims, X, y, dataset.trials[rows], budget=recipe.tuning, seed=seed)
    made = method.make(dims, seed, **{**method.candidates[candidate], **parameters})
    estimator = made.fit(X, y, dataset.trials[rows])
    spent = time.perf_counter() - started
    return Trained(estimator, imputer, matrix, used, dims, spent, candidate)


def _offered(method: Method, recipe: Recipe) -> dict[str, Any]:
    """What a recipe says that a method has a parameter for."""
    known = method.make((1,), 0).get_params()
    wished = {"device": recipe.device, **({} if recipe.steps is None else {"steps": recipe.steps})}
    return {name: value for name, value in wished.items() if name in known}


def scores_of(trained: Trained, dataset: Dataset, parts: Split) -> Figures:
    """Figures on unlabelled training windows, and on test windows with every view missing in turn.

    Parameters
    ----------
    trained : Trained
    dataset : Dataset
        As it was trained on.
    parts : Split
    """
    figures: Figures = {
        "train_s": trained.train_s,
        "candidate": float(trained.candidate),
        "labelled": float(parts.labelled.sum()),
        "unlabelled": float((~parts.labelled).sum()),
        "test": float(len(parts.test)),
        "classes": float(len(dataset.class_names)),
    }
    figures |= _scored("transductive.complete", *_transductive(trained, dataset, parts))
    started = time.perf_counter()
    inside = trained.matrix[parts.test]
    conditions = {COMPLETE: inside}
    if len(trained.views) > 1:
        conditions |= {WITHOUT + view: trained.without(inside, view) for view in trained.views}
    truth = dataset.labels[parts.test]
    for name, X in conditions.items():
        # Where nothing was recorded in the views left, there is nothing to predict from.
        seen = np.isfinite(X).any(axis=1)
        figures |= _scored(f"inductive.{name}", truth[seen], trained.probabilities(X[seen]))
    figures["test_s"] = time.perf_counter() - started
    return figures


def _transductive(trained: Trained, dataset: Dataset, parts: Split) -> tuple[Ints, Floats]:
    """Truth and predictions of the training windows whose label was not seen."""
    truth = dataset.labels[parts.train]
    rows: Bools = ~parts.labelled & (truth >= 0)
    if not rows.any():
        return np.empty(0, dtype=np.int64), np.empty((0, len(dataset.class_names)))
    found = getattr(trained.estimator, "label_distributions_", None)
    if found is not None and len(found) == len(rows):
        return truth[rows], found[rows]
    return truth[rows], trained.probabilities(trained.matrix[parts.train[rows]])


def _scored(prefix: str, truth: Ints, probabilities: Floats) -> Figures:
    found = score(truth, probabilities)
    if not len(truth):
        return {f"{prefix}.windows": 0.0}
    return {
        f"{prefix}.accuracy": found.accuracy,
        f"{prefix}.balanced_accuracy": found.balanced_accuracy,
        f"{prefix}.macro_f1": found.macro_f1,
        f"{prefix}.ece": found.ece,
        f"{prefix}.nll": -mean_log_likelihood(truth, probabilities),
        f"{prefix}.windows": float(len(truth)),
    }
