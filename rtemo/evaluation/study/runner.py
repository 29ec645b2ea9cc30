"""Runs the tasks of a study that its table does not have yet."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtemo.errors import ConfigurationError
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.study.backends import Backend
from rtemo.evaluation.study.progress import OnProgress, Progress, TimeLeft, name_of
from rtemo.evaluation.study.table import ResultTable
from rtemo.evaluation.study.task import Result
from rtemo.evaluation.study.worker import Data, Job, Outcome

if TYPE_CHECKING:
    from rtemo.evaluation.study.experiments.base import Experiment, StudyOptions

ERRORS: Final = "errors.log"
COMMON: Final = ("tuning", "steps")
"""Settings that are one and the same within a table: a mean over two of them would say nothing."""


@dataclass(frozen=True)
class Study:
    """What a study came to.

    Parameters
    ----------
    results : tuple of Result
        All of the table, also those of earlier runs.
    ran, kept : int
        Tasks of this run; tasks that were there already.
    failed : tuple of Result
        Of the tasks that were wished, those that have no figures.
    log : Path
        Where the tracebacks of the failed ones are.
    """

    results: tuple[Result, ...]
    ran: int
    kept: int
    failed: tuple[Result, ...]
    log: Path


def run_study(
    experiments: Sequence[Experiment],
    datasets: Sequence[Callable[[], Dataset]],
    options: StudyOptions,
    table: str | Path,
    backend: Backend,
    *,
    resume: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> Study:
    """Run what the table does not have yet; each result is on the disk before the next one is taken.

    Parameters
    ----------
    experiments : sequence of Experiment
    datasets : sequence of callables
        Each gives a data set, the same in every process.
    options : StudyOptions
    table : path-like
        The table's file; tracebacks go to ``errors.log`` beside it.
    backend : Backend
    resume : bool
        Go on with a table that is there. Tasks that failed are tried again.
    on_progress : callable

    Raises
    ------
    ConfigurationError
        There is a table already, or it was made with other data or other training; or there is nothing to do.
    TableError
        The table cannot be written.
    """
    table = Path(table)
    with contextlib.suppress(FileNotFoundError):
        if table.stat().st_size and not resume:
            raise ConfigurationError(
                f"{table}: this study was begun already.",
                cure="Go on with it by --resume, or name another folder with -o.",
            )
    data = _loaded(datasets)
    jobs = _jobs(experiments, data.values(), options)
    with ResultTable(table) as kept:
        before = kept.results()
        _refuse_others(before, jobs.values(), table)
        done = kept.done()
        missing = [job for key, job in jobs.items() if key not in done]
        left = TimeLeft((job.task for job in missing), before)
        log = table.with_name(ERRORS)
        here, wrong = len(jobs) - len(missing), 0
        on_progress(Progress(len(jobs), here, wrong, left.seconds(backend.workers)))
        # Closed at once when something interrupts: what still runs ends now, and not when garbage is collected.
        with contextlib.closing(backend.run(missing, data)) as outcomes:
            for outcome in outcomes:
                result = outcome.result
                # The table first: that a log cannot be written must not cost a result.
                kept.append(result)
                if result.error is None:
                    here += 1
                else:
                    wrong += 1
                    _tell(log, outcome)
                left.take(result)
                on_progress(Progress(len(jobs), here, wrong, left.seconds(backend.workers), result))
        results = tuple(kept.results())
    failures = tuple(r for r in results if r.error is not None and r.task.key in jobs)
    return Study(results, len(missing), len(jobs) - len(missing), failures, log)


def _loaded(datasets: Iterable[Callable[[], Dataset]]) -> dict[str, Data]:
    """Data sets by content hash."""
    made = (Data(load(), load) for load in datasets)
    return {data.dataset.digest: data for data in made}


def _jobs(experiments: Iterable[Experiment], data: Iterable[Data], options: StudyOptions) -> dict[str, Job]:
    """All tasks by key, each once, in the order in which they are begun."""
    sets = [one.dataset for one in data]
    jobs = {
        task.key: Job(experiment, task)
        for experiment in experiments
        for dataset in sets
        for task in experiment.tasks(dataset, options)
    }
    if not jobs:
        raise ConfigurationError(
            "there is nothing to run: no experiment applies to these data sets with these methods.",
            cure="See rtemo study --list.",
        )
    return jobs


def _refuse_others(before: Iterable[Result], jobs: Iterable[Job], table: Path) -> None:
    """Refuse a table with results of other data of the same name, or of other training."""
    tasks = [job.task for job in jobs]
    digests = {task.dataset: task.digest for task in tasks}
    common = {task.experiment: {name: task.settings.get(name) for name in COMMON} for task in tasks}
    for result in before:
        task = result.task
        if digests.get(task.dataset, task.digest) != task.digest:
            raise ConfigurationError(
                f"{table}: was made with other data of the name {task.dataset}: content hash {task.digest[:12]}, now "
                f"{digests[task.dataset][:12]}.",
                cure="Give the data as it was, or name another folder with -o.",
            )
        for name, value in common.get(task.experiment, {}).items():
            if task.settings.get(name) != value:
                raise ConfigurationError(
                    f"{table}: {task.experiment} was run with {name} {task.settings.get(name)}, now it is {value}.",
                    cure=f"Say --{name} as it was, or name another folder with -o.",
                )


def _tell(log: Path, outcome: Outcome) -> None:
    """Add a traceback to the log."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = f"{now}  {name_of(outcome.result.task)}\n{outcome.traceback.rstrip()}\n\n"
    with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
