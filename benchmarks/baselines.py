"""The baselines that every table of accuracy prints, and the scores that it prints of them."""

from __future__ import annotations

import json
import os
import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from rtemo.evaluation.metrics import Scores, score
from rtemo.model.front_end import fit_front_end
from rtemo.model.predict import Predictor
from rtemo.model.refit import refit
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.train import TrainingData, train

torch.set_num_threads(1)
warnings.simplefilter("ignore", ConvergenceWarning)
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "ece")
RESULTS = Path(__file__).parent / "results"

Views = Mapping[str, np.ndarray]
Method = Callable[[Views, np.ndarray, np.ndarray, Views, int], np.ndarray]
"""From training views, labels (-1 unlabelled), trials, test views and a seed to test probabilities."""


def logistic() -> LogisticRegression:
    """Logistic regression as the comparison is defined: balanced classes, C = 0.1."""
    return LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)


def _columns(views: Views) -> np.ndarray:
    return np.hstack(list(views.values()))


def _mapped(front_end: str, fit_on: Views, views: Views) -> np.ndarray:
    """Outputs of a linear front end fitted on all training windows, labelled or not."""
    settings = make_settings("default", {"front_end": front_end, "pca_size": 15, "cca_size": 8})
    return np.hstack(fit_front_end(list(fit_on.values()), settings)(list(views.values())))


def _linear(classifier: Callable[[], object], front_end: str | None = None) -> Method:
    def method(views: Views, labels: np.ndarray, trials: np.ndarray, test: Views, seed: int) -> np.ndarray:
        del trials, seed
        x, z = (_columns(v) if front_end is None else _mapped(front_end, views, v) for v in (views, test))
        known = labels >= 0
        return classifier().fit(x[known], labels[known]).predict_proba(z)

    return method


def _self_training(views: Views, labels: np.ndarray, trials: np.ndarray, test: Views, seed: int) -> np.ndarray:
    del trials, seed
    if (labels >= 0).all():
        return logistic().fit(_columns(views), labels).predict_proba(_columns(test))
    return SelfTrainingClassifier(logistic()).fit(_columns(views), labels).predict_proba(_columns(test))


def simvae(settings: SimvaeSettings, *, labels_only: bool = False) -> Method:
    """A SiMVAE with settings; `labels_only` is its classifier net on labelled windows alone."""

    def method(views: Views, labels: np.ndarray, trials: np.ndarray, test: Views, seed: int) -> np.ndarray:
        rows = labels >= 0 if labels_only else np.ones(len(labels), dtype=bool)
        names = tuple(str(k) for k in range(int(labels.max()) + 1))
        data = TrainingData({v: x[rows] for v, x in views.items()}, labels[rows], trials[rows], names)
        model = refit(train(data, settings, seed=seed, device="cpu"), data, seed=seed, device="cpu")
        return Predictor(model, device="cpu").predict_many(test).probabilities

    return method


def default_settings(**changes: object) -> SimvaeSettings:
    """The default preset, with changes."""
    return make_settings("default", changes)


LABELS_ONLY = {"tau": 0.0, "c1": 0.0, "c3": 0.0}

BASELINES: dict[str, Method] = {
    "logistic regression": _linear(logistic),
    "PCA + logistic regression": _linear(logistic, "pca"),
    "CCA + logistic regression": _linear(logistic, "cca"),
    # Not shrinkage="auto": Ledoit-Wolf, class by class, hardly shrinks at two windows a class.
    "shrinkage LDA": _linear(lambda: LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=OAS())),
    "self-training": _self_training,
    "labels-only net": simvae(default_settings(**LABELS_ONLY), labels_only=True),
}


def scores(truth: np.ndarray, probabilities: np.ndarray) -> Scores:
    """The figures of every table."""
    return score(truth, probabilities)


def show(title: str, rows: Mapping[str, Sequence[Scores]]) -> dict[str, dict[str, list[float]]]:
    """Print mean and standard deviation over runs; returns the figures of every run."""
    table = Table(title=title, title_justify="left")
    for header in ("", "accuracy", "balanced", "macro F1", "ECE", "runs"):
        table.add_column(header, justify="right" if header else "left")
    figures = {}
    for name, runs in rows.items():
        values = {
            key: [getattr(run, key) for run in runs] for key in ("accuracy", "balanced_accuracy", "macro_f1", "ece")
        }
        cells = [f"{np.mean(v):.3f} ± {np.std(v):.3f}" if len(v) > 1 else f"{v[0]:.3f}" for v in values.values()]
        table.add_row(name, *cells, str(len(runs)))
        figures[name] = {key: [round(float(x), 4) for x in v] for key, v in values.items()}
    Console(width=110).print(table)
    return figures


def save(name: str, figures: Mapping[str, object]) -> None:
    """Write the figures, with what they were made by."""
    RESULTS.mkdir(exist_ok=True)
    made_by = {package: version(package) for package in ("rtemo", "torch", "numpy", "scikit-learn")}
    document = {"versions": {"python": platform.python_version(), **made_by}, **figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
