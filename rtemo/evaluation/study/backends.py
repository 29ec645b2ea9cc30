"""Where tasks run: here, in processes of this machine, or on a Dask cluster; the same results everywhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Generator, Mapping, Sequence
from typing import Final, Protocol

from rtemo.errors import RtemoError
from rtemo.evaluation.study.worker import Data, Given, Job, Outcome, failed, run_job

WATCH_S: Final = 1.0


class WorkerKilledError(RtemoError):
    """The process that ran a task is gone."""


class Backend(Protocol):
    """Runs tasks."""

    @property
    def workers(self) -> int:
        """How many tasks run at the same time, now."""

    def run(self, jobs: Sequence[Job], data: Mapping[str, Data]) -> Generator[Outcome, None, None]:
        """Outcomes as they come, one for each job; closing the iterator ends what still runs.

        Parameters
        ----------
        jobs : sequence of Job
            In the order in which they are begun.
        data : mapping of str to Data
            By content hash.
        """


class LocalBackend:
    """Processes of this machine; with one job, this process.

    Parameters
    ----------
    jobs : int
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; with several GPUs, ``auto`` and ``cuda`` give each process its own.
    """

    def __init__(self, jobs: int = 1, device: str = "auto") -> None:
        self._jobs = jobs
        self._device = device

    @property
    def workers(self) -> int:
        """How many tasks run at the same time."""
        return self._jobs

    def run(self, jobs: Sequence[Job], data: Mapping[str, Data]) -> Generator[Outcome, None, None]:
        """Outcomes as they come; see `Backend.run`."""
        if self._jobs == 1:
            for job in jobs:
                yield run_job(job, data[job.task.digest].dataset, self._device)
            return
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        left = {job.task.key: job for job in jobs}
        while left:
            try:
                with contextlib.closing(self._pool(list(left.values()), data)) as outcomes:
                    for outcome in outcomes:
                        del left[outcome.result.task.key]
                        yield outcome
            except TerminatedWorkerError:
                # A process was killed with its task, most likely for its memory, and takes the whole pool with it. It
                # was one of those begun: each of these runs alone, so that the culprit is found and the rest goes on.
                for job in list(left.values())[: 2 * self._jobs]:
                    yield self._alone(job, data)
                    del left[job.task.key]

    def _alone(self, job: Job, data: Mapping[str, Data]) -> Outcome:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        try:
            return next(iter(list(self._pool([job], data))))
        except TerminatedWorkerError as error:
            killed = WorkerKilledError("its process was killed, perhaps for want of memory.")
            killed.__cause__ = error
            return failed(job.task, killed)

    def _pool(self, jobs: Sequence[Job], data: Mapping[str, Data]) -> Generator[Outcome, None, None]:
        from joblib import Parallel, delayed

        parallel = Parallel(
            n_jobs=self._jobs, backend="loky", batch_size=1, return_as="generator_unordered", inner_max_num_threads=1
        )
        with warnings.catch_warnings():
            # A process that has grown is replaced between two tasks, and what runs when the study is closed is ended:
            # both are meant.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            warnings.filterwarnings("ignore", message=".*have been cancelled")
            outcomes = parallel(
                delayed(_in_own_process)(job, data[job.task.digest].load, self._device, os.getpid()) for job in jobs
            )
            # Closed at once when something interrupts, so that the processes end, and not when garbage is collected.
            with contextlib.closing(outcomes):
                yield from outcomes


def _in_own_process(job: Job, given: Given, device: str, parent: int) -> Outcome:
    """Run a job in a process that the pool's owner ends, and nobody else."""
    if threading.current_thread() is threading.main_thread():
        # Ctrl-C reaches all processes of a terminal: the owner ends this one, without a word from here.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(parent)
    return run_job(job, given, device)


_watched: set[int] = set()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, however that ended: nobody would take what it computes."""
    if sys.platform == "win32" or parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="rtemo-parent", daemon=True).start()
