"""What the data sets are (Table 1)."""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.metrics import balanced_accuracy_score, euclidean_distances

from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.catalogue import CATALOGUE
from rtemo.evaluation.protocols import standardised
from rtemo.evaluation.study.experiments.base import Experiment, StudyOptions, complete
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import Figures

PAPER: Final = {
    "seed": {"training": 13473, "test": 9261, "dims.1": 310, "dims.2": 33},
    "deap": {"dims.1": 128},
}
"""Du et al. 2018, Table 1, beside the number of windows (`DatasetInfo.paper_windows`)."""
ASKED = 2000
"""Windows whose nearest neighbour is looked for, at most."""
AT_ONCE = 100


class Table1(Experiment):
    """Du et al. 2018, Table 1."""

    name = "table1"
    title = "Table 1: data sets"
    description = (
        "Windows, views and classes of each data set, beside what the paper prints of it, and how often a window's "
        "nearest neighbour has its label: what methods live on that spread labels to neighbours."
    )

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """One for each set."""
        del options
        return [Task(self.name, dataset.name, dataset.digest, "", {}, 0)]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Count."""
        del device
        train = dataset.paper_train
        figures: Figures = {
            "windows": float(len(dataset)),
            "labelled": float((dataset.labels >= 0).sum()),
            "training": None if train is None else float(train.sum()),
            "test": None if train is None else float((~train).sum()),
            "classes": float(len(dataset.class_names)),
        }
        for name in ("subjects", "sessions", "trials"):
            figures[name] = float(len(np.unique(getattr(dataset, name))))
        for view, x in dataset.views.items():
            figures[f"dims.{view}"] = float(x.shape[1])
            figures[f"missing.{view}"] = float(np.isnan(x).all(axis=1).mean())
        figures["standardised.session"] = float(dataset.standardise == "session")
        figures["neighbours"] = neighbours_agree(dataset)
        about = CATALOGUE.get(dataset.name)
        windows = None if about is None else about.paper_windows
        figures["paper.windows"] = None if windows is None else float(windows)
        printed = PAPER.get(dataset.name, {})
        for name in ("training", "test", "dims.1", "dims.2"):
            figures[f"paper.{name}"] = float(printed[name]) if name in printed else None
        return Result(task, figures)


def neighbours_agree(dataset: Dataset) -> float | None:
    """How often the nearest window of another subject, session or trial has the same label; None where there is none.

    The mean over classes (balanced accuracy of the nearest neighbour), over labelled windows with all views, at most
    `ASKED` of them drawn by a fixed seed; by the Euclidean distance of standardised features.
    """
    whole = complete(dataset)
    whole = whole.take(np.flatnonzero(whole.labels >= 0))
    units = whole.units
    if len(np.unique(units)) < 2:
        return None
    x = np.hstack(list(standardised(whole, np.arange(len(whole))).values()))
    asked = np.sort(np.random.default_rng(0).permutation(len(x))[:ASKED])
    nearest = []
    for rows in np.array_split(asked, -(-len(asked) // AT_ONCE)):
        distances = euclidean_distances(x[rows], x)
        distances[units[rows, None] == units] = np.inf
        nearest.append(distances.argmin(axis=1))
    return float(balanced_accuracy_score(whole.labels[asked], whole.labels[np.concatenate(nearest)]))
