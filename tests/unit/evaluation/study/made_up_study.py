"""A study of nothing, quick to run, for tests of what runs studies."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.study.task import Result, Task

METHODS = ("norm", "product")


def tiny(name: str = "a", seed: int = 0) -> Dataset:
    """Sixty windows of two views, one of which lies in memory as Fortran has it."""
    rng = np.random.default_rng(seed)
    windows = np.arange(60)
    return Dataset(
        name,
        name.upper(),
        {"first": np.asfortranarray(rng.normal(size=(60, 33))), "second": rng.normal(size=(60, 7))},
        windows % 3,
        windows // 20,
        windows // 10,
        windows,
        ("x", "y", "z"),
        "trial",
    )


def counted(folder: Path, name: str = "a") -> Dataset:
    """`A` or `B`; leaves a file for each time that it was loaded."""
    (folder / f"{name}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return {"a": A, "b": B}[name]()


A, B = partial(tiny, "a"), partial(tiny, "b", 1)


@dataclass(frozen=True)
class Options:
    """As `StudyOptions`, as far as `Tiny` looks at it."""

    seeds: int = 2
    methods: tuple[str, ...] | None = None
    tuning: int = 1
    steps: int | None = None
    quick: bool = False


@dataclass(frozen=True)
class Tiny:
    """Figures in which a digit changes with the order of a sum.

    Parameters
    ----------
    trouble : mapping of (method, seed) to str
        "raise", "kill" (its process), "kill-dask" (its worker), "interrupt" (the process that began the study).
    sleep_s : float
    begun : path, optional
        A folder in which each task leaves a file when it begins.
    """

    trouble: dict[tuple[str, int], str] = field(default_factory=dict)
    sleep_s: float = 0.0
    begun: Path | None = None
    owner: int = 0
    name: str = "tiny"
    title: str = "Tiny"
    description: str = "Of nothing."

    def tasks(self, dataset: Dataset, options: Options) -> list[Task]:
        common = {"tuning": options.tuning, "steps": options.steps}
        return [
            Task(self.name, dataset.name, dataset.digest, method, common, seed)
            for seed in range(options.seeds)
            for method in options.methods or METHODS
        ]

    def run(self, task: Task, dataset: Dataset, *, device: str = "cpu") -> Result:
        if self.begun is not None:
            (self.begun / f"{task.method}-{task.seed}-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(self.sleep_s)
        match self.trouble.get((task.method, task.seed)):
            case "raise":
                raise ArithmeticError("no such number\nin any line")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "interrupt":
                os.kill(self.owner, signal.SIGINT)
                time.sleep(60)
        rng = np.random.default_rng(task.seed)
        x, w = dataset.views["first"], rng.normal(size=(33, 300))
        if task.method == "product":
            found = np.linalg.svd(x @ w / 3, compute_uv=False)
        else:
            y = torch.from_numpy(x).float().to(device) @ torch.from_numpy(w).float().to(device)
            found = (y.T @ y).sum(dim=0).cpu().double().numpy() / 7
        return Result(task, {"sum": float(found.sum()), "none": None, "nan": float("nan")}, {"all": found[:5]})


def figures(results: Sequence[Result]) -> dict[str, Result]:
    """Results by key, without what differs from run to run."""
    return {result.task.key: replace(result, seconds=0.0, made={}) for result in results}


@contextlib.contextmanager
def cluster(workers: int = 2) -> Iterator[str]:
    """The address of a cluster of worker processes over loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address=None,
    ) as made:
        yield made.scheduler_address
