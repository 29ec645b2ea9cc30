"""Views missing in training: accuracy (Figure 3), imputation error (Figure 4), recovered matrices (Figure 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from rtemo.evaluation.baselines.base import split_views
from rtemo.evaluation.datasets.base import Dataset, Floats
from rtemo.evaluation.imputers.registry import IMPUTERS, imputer_named
from rtemo.evaluation.protocols import Split, hide, split, standardised
from rtemo.evaluation.study.experiments.base import (
    FEW,
    Experiment,
    StudyOptions,
    complete,
    protocol_of,
    recipe_of,
    seeds_and_protocols,
    steps_of,
)
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import scores_of, train_on

FULL, PARTIAL = "full-data", "partial-data"
RATES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEW_RATES: Final = (0.1, 0.5, 0.9)
SHOWN_WINDOWS = 60


def _rates(options: StudyOptions) -> tuple[float, ...]:
    return FEW_RATES if options.quick else RATES


class Figure3(Experiment):
    """Du et al. 2018, Figure 3."""

    name = "figure3"
    title = "Figure 3: a view missing in training"
    description = (
        "Accuracy on complete test windows where the first view is missing in 10 to 90 % of the training windows: "
        "SiMVAE, SMVAE after an imputer, SMVAE on the complete windows alone (PartialData), and on all views as if "
        "nothing were missing (FullData)."
    )
    compared: Final = (
        ("simvae", "none"),
        ("smvae", FULL),
        ("smvae", PARTIAL),
        *(("smvae", name) for name in ("mean", "knn", "iterative", "soft-impute", "dccae", "corrnet", "conet")),
        ("lr", "iterative"),
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Every method and imputer at every rate."""
        if len(dataset.views) < 2:
            return []
        first = next(iter(dataset.views))
        return [
            self.task(
                dataset,
                method,
                seed,
                options,
                protocol=protocol,
                labels=FEW[protocol],
                rate=rate,
                missing_view=first,
                imputer=imputer,
            )
            for seed, protocol in seeds_and_protocols(options)
            for rate in _rates(options)
            for method, imputer in self.compared
            if method in options.chosen()
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train with the view hidden, test on complete windows."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        rate, imputer = float(str(task.settings["rate"])), task.settings["imputer"]
        given = whole if imputer == FULL else hide(whole, parts, str(task.settings["missing_view"]), rate, task.seed)
        recipe = recipe_of(task, device)
        if imputer in (FULL, PARTIAL):
            recipe = replace(recipe, imputer="none")
        trained = train_on(given, parts, recipe, task.seed, only_complete=imputer == PARTIAL)
        return Result(task, scores_of(trained, given, parts))


class Figure4(Experiment):
    """Du et al. 2018, Figure 4."""

    name = "figure4"
    title = "Figure 4: error of imputation"
    description = (
        "How far imputed training windows of the first view are from the hidden ones: ||X - X'|| / ||X|| (Frobenius; "
        "printed as NMSE in the paper) and R2, of standardised features."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Every imputer at every rate."""
        if len(dataset.views) < 2:
            return []
        first = next(iter(dataset.views))
        return [
            self.task(dataset, imputer, seed, options, protocol=protocol, labels="all", rate=rate, missing_view=first)
            for seed, protocol in seeds_and_protocols(options)
            for rate in _rates(options)
            for imputer in IMPUTERS
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Hide, fill, compare."""
        whole = complete(dataset)
        truth, hidden, _ = _hidden(task, whole)
        filled = _filled(task, whole, hidden, device)
        gone = np.isnan(hidden)
        return Result(task, imputation_figures(truth[gone], filled[gone]))


def _hidden(task: Task, whole: Dataset) -> tuple[Floats, Floats, Split]:
    """Standardised training windows, the same with a view hidden, and the split."""
    parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
    given = hide(whole, parts, str(task.settings["missing_view"]), float(str(task.settings["rate"])), task.seed)
    truth, hidden = (
        np.hstack([x[parts.train] for x in standardised(dataset, parts.train, seen=given).values()])
        for dataset in (whole, given)
    )
    return truth, hidden, parts


def _filled(task: Task, whole: Dataset, hidden: Floats, device: str) -> Floats:
    """What the task's imputer makes of the windows that it learns from."""
    imputer = imputer_named(task.method).make(whole.dims, task.seed, steps=steps_of(task), device=device)
    return imputer.fit(hidden).transform(hidden)


def imputation_figures(truth: Floats, filled: Floats) -> dict[str, float | None]:
    """Error as the paper prints it (erratum 5), and the share of variance explained."""
    error = float(np.linalg.norm(truth - filled))
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {"nmse": error / float(np.linalg.norm(truth)), "r2": 1 - error**2 / spread if spread > 0 else None}


class Figure5(Experiment):
    """Du et al. 2018, Figure 5."""

    name = "figure5"
    title = "Figure 5: hidden and recovered windows"
    protocols = ("honest",)
    description = (
        f"The first view of up to {SHOWN_WINDOWS} training windows in which it was hidden, sorted by class, and what "
        "each imputer makes of it; half of the windows incomplete, seed 0."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Every imputer once."""
        if len(dataset.views) < 2:
            return []
        first = next(iter(dataset.views))
        return [
            self.task(dataset, imputer, 0, options, protocol="honest", labels="all", rate=0.5, missing_view=first)
            for imputer in IMPUTERS
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Hide, fill, and keep what was and what was made of it."""
        whole = complete(dataset)
        truth, hidden, parts = _hidden(task, whole)
        filled = _filled(task, whole, hidden, device)
        view = list(whole.views).index(str(task.settings["missing_view"]))
        gone = np.flatnonzero(np.isnan(split_views(hidden, whole.dims)[view]).all(axis=1))
        spread = gone[np.linspace(0, len(gone) - 1, min(SHOWN_WINDOWS, len(gone))).astype(np.int64)]
        rows = spread[np.argsort(whole.labels[parts.train[spread]], kind="stable")]
        original, recovered = (split_views(x, whole.dims)[view][rows].round(3).tolist() for x in (truth, filled))
        missing = np.isnan(hidden)
        arrays = {"original": original, f"recovered.{task.method}": recovered}
        return Result(task, imputation_figures(truth[missing], filled[missing]), arrays)
