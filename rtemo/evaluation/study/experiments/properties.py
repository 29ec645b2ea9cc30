"""What the data sets are (Table 1)."""

from __future__ import annotations

from typing import Final

import numpy as np

from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.catalogue import CATALOGUE
from rtemo.evaluation.study.experiments.base import Experiment, StudyOptions
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.training import Figures

PAPER: Final = {
    "seed": {"training": 13473, "test": 9261, "dims.1": 310, "dims.2": 33},
    "deap": {"dims.1": 128},
}
"""Du et al. 2018, Table 1, beside the number of windows (`DatasetInfo.paper_windows`)."""


class Table1(Experiment):
    """Du et al. 2018, Table 1."""

    name = "table1"
    title = "Table 1: data sets"
    description = "Windows, views and classes of each data set, beside what the paper prints of it."

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
        about = CATALOGUE.get(dataset.name)
        windows = None if about is None else about.paper_windows
        figures["paper.windows"] = None if windows is None else float(windows)
        printed = PAPER.get(dataset.name, {})
        for name in ("training", "test", "dims.1", "dims.2"):
            figures[f"paper.{name}"] = float(printed[name]) if name in printed else None
        return Result(task, figures)
