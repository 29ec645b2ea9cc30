"""All methods side by side: few labels (Table 2), calibration of probabilities, and views missing at test."""

from __future__ import annotations

from typing import Final

from rtemo.evaluation.datasets.base import Dataset, Floats
from rtemo.evaluation.metrics import reliability
from rtemo.evaluation.protocols import EITHER, Split, hide, split
from rtemo.evaluation.study.experiments.base import (
    FEW,
    LABELS,
    Experiment,
    StudyOptions,
    complete,
    protocol_of,
    recipe_of,
    seeds_and_protocols,
)
from rtemo.evaluation.study.task import Result, Setting, Task
from rtemo.evaluation.study.training import Trained, scores_of, train_on


class Table2(Experiment):
    """Du et al. 2018, Table 2."""

    name = "table2"
    title = "Table 2: few labels"
    description = (
        "Accuracy on unlabelled training windows (transductive) and on test windows (inductive) with few labels. "
        "Protocol paper: 1, 2 and 3 % of single windows; honest: 1, 2 and 3 whole trials a class, and all labels."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Every method with every number of labels."""
        return [
            self.task(dataset, method, seed, options, protocol=protocol, labels=labels)
            for seed, protocol in seeds_and_protocols(options)
            for labels in LABELS[protocol]
            for method in options.chosen()
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train and score."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        return Result(task, scores_of(train_on(whole, parts, recipe_of(task, device), task.seed), whole, parts))


class Calibration(Experiment):
    """Whether a probability of .8 is right in four cases of five."""

    name = "calibration"
    title = "Calibration of probabilities"
    protocols = ("honest",)
    description = (
        "Expected calibration error, likelihood and reliability on test windows, honest protocol, with the labels of 3 "
        "trials a class and with all. Support vectors, and the nets of SiMVAE, SMVAE and the labels alone, scale their "
        "probabilities on held-out labelled windows; the other methods are shown as they are."
    )
    compared: Final = ("svm", "lr", "lda", "net", "label-spreading", "mae", "dccae", "m2", "sdgm+", "smvae", "simvae")

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """Methods whose probabilities are compared."""
        return [
            self.task(dataset, method, seed, options, protocol="honest", labels=labels)
            for seed in range(options.seeds)
            for labels in (FEW["honest"], "all")
            for method in options.chosen(self.compared)
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train, score, and count how often confident windows are right."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        trained = train_on(whole, parts, recipe_of(task, device), task.seed)
        return Result(task, scores_of(trained, whole, parts), _reliability(trained, whole, parts))


def _reliability(trained: Trained, dataset: Dataset, parts: Split) -> dict[str, list[float | None]]:
    """Mean confidence, accuracy and share of windows in equal bins of confidence; None in an empty bin."""
    found = reliability(dataset.labels[parts.test], trained.probabilities(trained.matrix[parts.test]))
    there = found.windows > 0

    def listed(values: Floats) -> list[float | None]:
        return [float(x) if filled else None for x, filled in zip(values, there, strict=True)]

    return {
        "reliability.confidence": listed(found.confidence),
        "reliability.accuracy": listed(found.accuracy),
        "reliability.share": (found.windows / found.windows.sum()).tolist(),
    }


IMPUTED: Final = (
    *(("smvae", name) for name in ("mean", "knn", "iterative", "soft-impute", "dccae", "corrnet", "conet")),
    *(("lr", name) for name in ("mean", "knn", "iterative", "soft-impute")),
    ("svm", "iterative"),
    ("lda", "iterative"),
    ("mae", "mean"),
    ("net", "iterative"),
)
"""Methods that need all views, and who fills them."""


class MissingTest(Experiment):
    """What the paper never did."""

    name = "missing-test"
    title = "Views missing at test"
    protocols = ("honest",)
    description = (
        "Accuracy with every view missing at test in turn; trained on complete windows (rate 0), and with one view or "
        "the other missing in half of the training windows (rate .5). Beside it models made for one view alone."
    )
    rates = (0.0, 0.5)

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """SiMVAE with both bounds, methods with imputers, and models of one view."""
        if len(dataset.views) < 2:
            return []
        out = []
        for seed in range(options.seeds):
            for rate in self.rates:
                common: dict[str, Setting] = {
                    "protocol": "honest",
                    "labels": "all",
                    "rate": rate,
                    "missing_view": EITHER,
                }
                for method in options.chosen(("simvae", "smvae")):
                    for entropy in ("bhattacharyya", "jensen"):
                        out.append(self.task(dataset, method, seed, options, **common, imputer="none", entropy=entropy))
                for method, imputer in IMPUTED:
                    if method in options.chosen():
                        out.append(self.task(dataset, method, seed, options, **common, imputer=imputer))
                for method in options.chosen(("lr", "simvae")):
                    for view in dataset.views:
                        out.append(self.task(dataset, method, seed, options, **common, views=view))
        return out

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train with views hidden, and test with every view missing in turn."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        rate = float(str(task.settings["rate"]))
        hidden = hide(whole, parts, str(task.settings["missing_view"]), rate, task.seed)
        recipe = recipe_of(task, device)
        # A model of one view learns from the windows that have it.
        trained = train_on(hidden, parts, recipe, task.seed, only_complete=recipe.views is not None)
        return Result(task, scores_of(trained, hidden, parts))
