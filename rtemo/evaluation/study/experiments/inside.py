"""What is inside SiMVAE: unlabelled windows and weights (Figure 2), c1 and c2 (Figure 6), contributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, runtime_checkable

import numpy as np

from rtemo.evaluation.baselines.base import split_views
from rtemo.evaluation.datasets.base import Dataset, Floats
from rtemo.evaluation.metrics import score
from rtemo.evaluation.protocols import Split, split
from rtemo.evaluation.study.experiments.base import (
    FEW,
    Experiment,
    StudyOptions,
    complete,
    protocol_of,
    recipe_of,
    seeds_and_protocols,
)
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import Figures, Trained, scores_of, train_on

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
WEIGHTS: Final = (0.1, 0.5, 1.0)
"""The values of c1 and c2 in the paper."""
BOTH = "both"


@runtime_checkable
class Explained(Protocol):
    """A method that says what it makes of each view."""

    posterior_weights_: Floats

    def contributions(self, X: Floats) -> Floats:
        """Shapley values for the winning class, (windows, V)."""
        ...


class Figure2(Experiment):
    """Du et al. 2018, Figure 2."""

    name = "figure2"
    title = "Figure 2: unlabelled windows, weights of views, single views"
    description = (
        "(a) Accuracy over the share of the unlabelled training windows that is used; (b) the learnt posterior weight "
        "of each view beside its contribution to decisions; (c) each view alone and both together."
    )
    over_shares: Final = ("self-training", "label-spreading", "m2", "sdgm+", "smvae-paper", "smvae", "simvae")
    over_views: Final = ("lr", "smvae-paper", "smvae", "simvae")

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """All three parts."""
        out = []
        shares = SHARES[::2] if options.quick else SHARES
        for seed, protocol in seeds_and_protocols(options):
            labels = FEW[protocol]
            for method in options.chosen(self.over_shares):
                for share in shares:
                    common = {"part": "a", "protocol": protocol, "labels": labels, "unlabelled_share": share}
                    out.append(self.task(dataset, method, seed, options, **common))
            for method in options.chosen(("smvae-paper", "smvae", "simvae")):
                out.append(self.task(dataset, method, seed, options, part="b", protocol=protocol, labels=labels))
            for method in options.chosen(self.over_views):
                for views in (*dataset.views, BOTH):
                    common = {"part": "c", "protocol": protocol, "labels": labels, "views": views}
                    out.append(self.task(dataset, method, seed, options, **common))
        return out

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train with what the part says, and score."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        if task.settings["part"] == "a":
            parts = fewer_unlabelled(parts, float(str(task.settings["unlabelled_share"])), task.seed)
        trained = train_on(whole, parts, recipe_of(task, device), task.seed)
        figures = scores_of(trained, whole, parts)
        if task.settings["part"] == "b":
            figures |= say_of_views(trained, trained.matrix[parts.test])
        return Result(task, figures)


def fewer_unlabelled(parts: Split, share: float, seed: int) -> Split:
    """The same split with a share of the unlabelled training windows, drawn blindly."""
    unlabelled = np.flatnonzero(~parts.labelled)
    order = np.random.default_rng([seed, 6]).permutation(unlabelled)
    kept = np.sort(np.concatenate([np.flatnonzero(parts.labelled), order[: round(share * len(order))]]))
    return Split(parts.train[kept], parts.test, parts.labelled[kept])


def say_of_views(trained: Trained, X: Floats) -> Figures:
    """Posterior weight and mean contribution (Shapley value for the winning class) of each view."""
    model = trained.estimator
    if not isinstance(model, Explained):
        raise TypeError(f"{type(model).__name__} has no posterior weights.")
    weights, contributions = model.posterior_weights_, model.contributions(X).mean(axis=0)
    out: Figures = {}
    for view, weight, contribution in zip(trained.views, weights, contributions, strict=True):
        out[f"weight.{view}"], out[f"contribution.{view}"] = float(weight), float(contribution)
    return out


class Figure6(Experiment):
    """Du et al. 2018, Figure 6."""

    name = "figure6"
    title = "Figure 6: c1 and c2"
    description = "Accuracy of SiMVAE over the weights of the imputation loss (c1) and of the classification loss (c2)."

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """The paper's nine pairs."""
        return [
            self.task(dataset, method, seed, options, protocol=protocol, labels=FEW[protocol], c1=c1, c2=c2)
            for seed, protocol in seeds_and_protocols(options)
            for method in options.chosen(("simvae",))
            for c1 in WEIGHTS
            for c2 in WEIGHTS
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train with both weights, and score."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        return Result(task, scores_of(train_on(whole, parts, recipe_of(task, device), task.seed), whole, parts))


class Contributions(Experiment):
    """Whether what people read on the dashboard says what the model relies on."""

    name = "contributions"
    title = "Contributions against permutation importance"
    protocols = ("honest",)
    description = (
        "Mean contribution of each view (Shapley value for the winning class, by masking views) on test windows, the "
        "balanced accuracy lost when the view's windows are shuffled among themselves, and its posterior weight; all "
        "labels."
    )
    shuffles = 10

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """SiMVAE and SMVAE."""
        return [
            self.task(dataset, method, seed, options, protocol="honest", labels="all")
            for seed in range(options.seeds)
            for method in options.chosen(("smvae", "simvae"))
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Train, explain, shuffle."""
        whole = complete(dataset)
        parts = split(whole, protocol_of(task), str(task.settings["labels"]), task.seed)
        trained = train_on(whole, parts, recipe_of(task, device), task.seed)
        X, truth = trained.matrix[parts.test], whole.labels[parts.test]
        right = score(truth, trained.probabilities(X)).balanced_accuracy
        figures = scores_of(trained, whole, parts) | say_of_views(trained, X)
        rng = np.random.default_rng([task.seed, 7])
        for place, view in enumerate(trained.views):
            shuffled = [
                score(truth, trained.probabilities(other)).balanced_accuracy
                for other in _shuffled(X, trained.dims, place, self.shuffles, rng)
            ]
            figures[f"permutation.{view}"] = right - float(np.mean(shuffled))
        return Result(task, figures)


def _shuffled(X: Floats, dims: tuple[int, ...], place: int, times: int, rng: np.random.Generator) -> Iterator[Floats]:
    for _ in range(times):
        views = split_views(X, dims)
        views[place] = views[place][rng.permutation(len(X))]
        yield np.hstack(views)
