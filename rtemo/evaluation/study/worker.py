"""What runs one task, in whatever process or machine."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtemo.errors import RtemoError
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.study.devices import device_of_worker
from rtemo.evaluation.study.made import made_with
from rtemo.evaluation.study.table import plain_result
from rtemo.evaluation.study.task import Result, Task
from rtemo.printable import printable

if TYPE_CHECKING:
    from rtemo.evaluation.study.experiments.base import Experiment

LONGEST_ERROR = 500
Given = Dataset | Callable[[], Dataset]
_datasets: dict[str, Dataset] = {}
"""By content hash: a process loads each data set once."""
_one_at_a_time = threading.Lock()
"""How many threads compute, and which warnings are shown, is one setting for the whole process."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task and the experiment that runs it."""

    experiment: Experiment
    task: Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task, and, where it failed, from where."""

    result: Result
    traceback: str = ""


@dataclass(frozen=True, eq=False)
class Data:
    """A data set that is here, and how another process of this machine gets it."""

    dataset: Dataset
    load: Callable[[], Dataset]


def run_job(job: Job, given: Given, device: str) -> Outcome:
    """Run a task with one thread; an error of its own is what came of it.

    Parameters
    ----------
    job : Job
    given : Dataset or callable
        The data set, or what loads it; not looked at where this process has it already.
    device : str
        ``auto``: a GPU of this process's own where there is one.
    """
    with _one_at_a_time:
        started = time.perf_counter()
        made: Mapping[str, str] = {}
        try:
            place = device_of_worker(device)
            with one_thread() as threads:
                made = made_with(place, threads)
                dataset = _dataset(job.task, given)
                started = time.perf_counter()
                result = job.experiment.run(job.task, dataset, device=place)
                spent = time.perf_counter() - started
            if result.task != job.task:
                raise RtemoError(f"experiment {job.experiment.name}: gave the result of another task.")
            return Outcome(replace(plain_result(result), seconds=spent, made=made))
        except Exception as error:  # noqa: BLE001  (whatever a method raises: the other tasks go on, and it is told)
            return failed(job.task, error, seconds=time.perf_counter() - started, made=made)


def failed(task: Task, error: BaseException, *, seconds: float = 0.0, made: Mapping[str, str] | None = None) -> Outcome:
    """The outcome of a task that has no figures."""
    said = printable(f"{type(error).__name__}: {error}".rstrip(": "), LONGEST_ERROR)
    told = "".join(traceback.format_exception(error))
    return Outcome(Result(task, {}, {}, seconds, made or {}, said), told)


@contextlib.contextmanager
def one_thread() -> Iterator[int]:
    """Let all numeric libraries compute with one thread: faster on small windows, and the same digits everywhere."""
    # A library that is loaded later would not know of it.
    import scipy.linalg  # noqa: F401
    import sklearn  # noqa: F401
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield 1
    finally:
        torch.set_num_threads(before)


def _dataset(task: Task, given: Given) -> Dataset:
    """The task's data set, which must be what the task was made for."""
    if task.digest in _datasets:
        return _datasets[task.digest]
    dataset = _own(given if isinstance(given, Dataset) else given())
    if dataset.digest != task.digest:
        raise RtemoError(
            f"data set {task.dataset}: here it has the content hash {dataset.digest[:12]}, expected "
            f"{task.digest[:12]}: other files, or another version of rtemo.",
            cure="Install the same version and give the same data everywhere, then go on with --resume.",
        )
    _datasets[task.digest] = dataset
    return dataset


def _own(dataset: Dataset) -> Dataset:
    """A copy that knows no content hash yet, whose arrays can be written and lie alike in memory.

    What came over a network is read-only, and the digits of a matrix product hang on how its factors lie.
    """
    return replace(
        dataset,
        views={name: np.array(x, order="C") for name, x in dataset.views.items()},
        labels=np.array(dataset.labels),
        subjects=np.array(dataset.subjects),
        sessions=np.array(dataset.sessions),
        trials=np.array(dataset.trials),
        paper_train=None if dataset.paper_train is None else np.array(dataset.paper_train),
    )
