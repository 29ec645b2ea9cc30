"""What an experiment is: tasks that can run anywhere, each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rtemo.evaluation.baselines.registry import METHODS, method_named
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.protocols import PROTOCOLS, Protocol, available
from rtemo.evaluation.study.task import Result, Setting, Task
from rtemo.evaluation.study.training import Recipe

LABELS: Mapping[Protocol, tuple[str, ...]] = {
    "paper": ("1%", "2%", "3%"),
    "honest": ("1 trial", "2 trials", "3 trials", "all"),
}
FEW: Mapping[Protocol, str] = {"paper": "3%", "honest": "3 trials"}
"""The labels of experiments that vary something else."""


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What of an experiment is run.

    Parameters
    ----------
    seeds : int
    methods : tuple of str, optional
        All that the experiment compares where not given.
    tuning : int
        So many settings of each method are tried on the labelled windows; 1 takes each one's default.
    steps : int, optional
        Training steps of every net.
    quick : bool
        Fewer points of what an experiment varies.
    protocols : tuple of {"paper", "honest"}
    """

    seeds: int = 5
    methods: tuple[str, ...] | None = None
    tuning: int = 1
    steps: int | None = None
    quick: bool = False
    protocols: tuple[Protocol, ...] = PROTOCOLS

    def chosen(self, methods: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Of the methods that an experiment compares, those that are wished, in the order of the registry."""
        wished = tuple(METHODS) if self.methods is None else self.methods
        for name in wished:
            method_named(name)
        compared = tuple(METHODS) if methods is None else methods
        return tuple(name for name in compared if name in wished)


class Experiment:
    """Base of all experiments.

    Attributes
    ----------
    name : str
        As on the command line.
    title, description : str
        For the report.
    protocols : tuple of {"paper", "honest"}
        Those that it can run in.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    protocols: ClassVar[tuple[Protocol, ...]] = PROTOCOLS

    def tasks(self, dataset: Dataset, options: StudyOptions) -> list[Task]:
        """All tasks on a data set, in an order in which a part of them says something; none where it does not apply."""
        raise NotImplementedError

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        """Run one task of `tasks`: the same task gives the same figures, but for times."""
        raise NotImplementedError

    def task(self, dataset: Dataset, method: str, seed: int, options: StudyOptions, **settings: Setting) -> Task:
        """A task whose settings also say how methods are tuned and trained."""
        common: dict[str, Setting] = {"tuning": options.tuning, "steps": options.steps}
        return Task(self.name, dataset.name, dataset.digest, method, {**settings, **common}, seed)


def complete(dataset: Dataset) -> Dataset:
    """The windows with all views: what an experiment hides, it hides itself."""
    return dataset.take(np.flatnonzero(available(dataset).all(axis=1)))


def recipe_of(task: Task, device: str) -> Recipe:
    """How a task's method is trained: who fills missing views, where the task does not say, and the rest of it."""
    settings = task.settings
    imputer = settings.get("imputer")
    if imputer is None:
        imputer = "none" if method_named(task.method).allows_missing else "mean"
    view = settings.get("views")
    return Recipe(
        task.method,
        imputer=str(imputer),
        parameters={name: settings[name] for name in ("entropy", "c1", "c2") if name in settings},
        steps=steps_of(task),
        tuning=int(str(settings.get("tuning", 1))),
        views=None if view in (None, "both") else (str(view),),
        device=device,
    )


def steps_of(task: Task) -> int | None:
    """Training steps of every net of a task; None where each one's own count."""
    steps = task.settings.get("steps")
    return None if steps is None else int(str(steps))


def protocol_of(task: Task) -> Protocol:
    """The protocol of a task."""
    return "paper" if task.settings["protocol"] == "paper" else "honest"


def seeds_and_protocols(options: StudyOptions) -> Iterator[tuple[int, Protocol]]:
    """Seed by seed, so that a study that is stopped has whole runs."""
    for seed in range(options.seeds):
        for protocol in options.protocols:
            yield seed, protocol
