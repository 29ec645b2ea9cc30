"""Tasks give the same results wherever they run, and what goes wrong there is told and stays there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
import torch
from made_up_study import A, B, Options, Tiny, cluster, counted, figures, tiny

from rtemo.cli.stopping import interruptible
from rtemo.errors import ConfigurationError, RtemoError
from rtemo.evaluation.study import worker
from rtemo.evaluation.study.backends import LocalBackend
from rtemo.evaluation.study.dask_backend import DaskBackend
from rtemo.evaluation.study.devices import device_of_worker, take_number
from rtemo.evaluation.study.runner import Study, run_study
from rtemo.evaluation.study.table import read_results
from rtemo.evaluation.study.task import Result, Task
from rtemo.evaluation.study.worker import Data, Job, one_thread, run_job

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """What everything else is compared with: one task after the other, in this process."""
    return run_study([Tiny()], [A, B], Options(4), tmp_path_factory.mktemp("alone") / "r.jsonl", LocalBackend(1, "cpu"))


def is_there(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until_gone(processes: set[int], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while any(map(is_there, processes)):
        assert time.monotonic() < until, "a worker process outlived its study"
        time.sleep(0.05)


def processes_of(begun: Path) -> set[int]:
    return {int(file.name.split("-")[2]) for file in begun.iterdir()}


def test_processes_give_the_same_digits_and_load_each_data_set_once(alone: Study, tmp_path: Path) -> None:
    (loads := tmp_path / "loads").mkdir()
    sets = [partial(counted, loads, "a"), partial(counted, loads, "b")]
    study = run_study([Tiny()], sets, Options(4), tmp_path / "r.jsonl", LocalBackend(2, "cpu"))
    assert figures(study.results) == figures(alone.results)
    assert len(study.results) == 16
    loaded = [file.name.rsplit("-", 1)[0] for file in loads.iterdir()]
    assert len(loaded) == len(set(loaded)), "a process loaded a data set twice"
    assert {f"{name}-{os.getpid()}" for name in "ab"} <= set(loaded)
    assert 4 <= len(loaded) <= 6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_a_killed_process_costs_its_own_task_only(alone: Study, path: Path) -> None:
    tiny = Tiny(trouble={("norm", 1): "kill", ("product", 2): "raise"})
    study = run_study([tiny], [A], Options(4), path, LocalBackend(2, "cpu"))
    errors = {(one.task.method, one.task.seed): str(one.error) for one in study.failed}
    assert set(errors) == {("norm", 1), ("product", 2)}
    assert errors["norm", 1].startswith("WorkerKilledError: its process was killed")
    assert errors["product", 2].startswith("ArithmeticError")
    expected, found = figures(alone.results), figures(study.results)
    assert len(found) == 8
    assert all(found[key] == expected[key] for key, one in found.items() if one.error is None)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks the system for processes")
def test_an_interruption_keeps_what_is_finished_and_ends_the_processes(path: Path, tmp_path: Path) -> None:
    (begun := tmp_path / "begun").mkdir()
    tiny = Tiny(trouble={("norm", 3): "interrupt"}, begun=begun, owner=os.getpid(), sleep_s=0.05)
    told: set[str] = set()
    # Whatever runs the tests may ignore the signal, and so would this process.
    with pytest.raises(KeyboardInterrupt), interruptible():
        run_study(
            [tiny],
            [A],
            Options(20),
            path,
            LocalBackend(2, "cpu"),
            on_progress=lambda at: told.add(at.last.task.key) if at.last else None,
        )
    wait_until_gone(processes_of(begun))
    # Each result is on the disk before it is told; the signal may fall in between.
    kept = {one.task.key for one in read_results(path)}
    assert told <= kept
    assert len(kept - told) <= 1
    assert 1 <= len(told) < 39
    study = run_study([Tiny()], [A], Options(20), path, LocalBackend(1, "cpu"), resume=True)
    assert (study.ran, len(study.results), study.failed) == (40 - len(kept), 40, ())


ORPHANS = """
import sys
from pathlib import Path
from made_up_study import A, Options, Tiny
from rtemo.evaluation.study.backends import LocalBackend
from rtemo.evaluation.study.runner import run_study
out = Path(sys.argv[1])
tiny = Tiny(begun=out / "begun", sleep_s=300.0)
run_study([tiny], [A], Options(), out / "results.jsonl", LocalBackend(2, "cpu"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks the system for processes")
def test_processes_of_a_study_that_was_killed_end_soon(tmp_path: Path) -> None:
    (begun := tmp_path / "begun").mkdir()
    with subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path)], env=ENVIRONMENT) as study:
        while len(processes_of(begun)) < 2:
            assert study.poll() is None
            time.sleep(0.1)
        study.kill()
    wait_until_gone(processes_of(begun))


@pytest.mark.slow
def test_closing_ends_what_still_runs(path: Path, tmp_path: Path) -> None:
    (begun := tmp_path / "begun").mkdir()
    dataset = A()
    quick, slow = Tiny(begun=begun), Tiny(begun=begun, sleep_s=300.0)
    tasks = quick.tasks(dataset, Options())
    jobs = [Job(quick, tasks[0]), *(Job(slow, task) for task in tasks[1:])]
    outcomes = LocalBackend(2, "cpu").run(jobs, {dataset.digest: Data(dataset, A)})
    assert next(outcomes).result.task == tasks[0]
    outcomes.close()
    if Path("/proc").is_dir():
        wait_until_gone(processes_of(begun))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with cluster() as address:
        yield address


@pytest.mark.slow
def test_a_cluster_gives_the_same_digits(alone: Study, scheduler: str, path: Path) -> None:
    tiny = Tiny(trouble={("norm", 1): "raise"})
    with DaskBackend(scheduler, "cpu") as backend:
        assert backend.workers == 2
        study = run_study([tiny], [A, B], Options(4), path, backend)
        assert {(one.task.method, one.task.seed) for one in study.failed} == {("norm", 1)}
        assert study.log.read_text().count("Traceback") == 2
        mended = run_study([Tiny()], [A, B], Options(4), path, backend, resume=True)
    assert mended.ran == 2
    assert figures(mended.results) == figures(alone.results)
    # A second study finds the cluster as the first one left it.
    with DaskBackend(scheduler, "cpu") as backend:
        again = run_study([Tiny()], [A, B], Options(4), path.with_name("again.jsonl"), backend)
    assert figures(again.results) == figures(alone.results)


@pytest.mark.slow
def test_a_cluster_is_asked_for_one_task_at_a_time_and_goes_on_after_an_interruption(
    scheduler: str, path: Path, tmp_path: Path
) -> None:
    (begun := tmp_path / "begun").mkdir()
    tiny = Tiny(trouble={("norm", 3): "interrupt"}, begun=begun, owner=os.getpid(), sleep_s=0.05)
    with DaskBackend(scheduler, "cpu") as backend, pytest.raises(KeyboardInterrupt):
        run_study([tiny], [A], Options(20), path, backend)
    kept = len(read_results(path))
    assert 1 <= kept < 39
    assert len(list(begun.iterdir())) < 20, "tasks went on without anybody who takes their results"


@pytest.mark.slow
def test_a_cluster_of_another_version_is_refused(scheduler: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtemo.evaluation.study.dask_backend.version", lambda package: "99.0")
    with DaskBackend(scheduler, "cpu") as backend, pytest.raises(RtemoError, match=r"have rtemo .*, here it is 99\.0"):
        run_study([Tiny()], [A], Options(1), path, backend)
    assert read_results(path) == []


@pytest.mark.slow
def test_a_cluster_that_loses_its_workers_goes_on_with_new_ones(
    alone: Study, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[int] = []
    with cluster() as address, DaskBackend(address, "cpu") as backend:

        def lose(at: object) -> None:
            # Once, after the first result: all workers at once, and the data with them. Their nannies start new ones.
            if path.exists() and path.stat().st_size and not lost:
                lost.extend(backend._client.run(os.getpid).values())
                for process in lost:
                    os.kill(process, signal.SIGKILL)

        study = run_study([Tiny(sleep_s=0.2)], [A, B], Options(4), path, backend, on_progress=lose)
    assert len(lost) == 2
    assert "begin anew" in caplog.text
    assert study.failed == ()
    assert figures(study.results) == figures(alone.results)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtemo.evaluation.study.dask_backend.CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:9", "127.0.0.1:x", "localhost", "nonsense://x", "/nowhere/scheduler.json"):
        with pytest.raises(RtemoError, match="no Dask scheduler"):
            DaskBackend(address)


def test_a_cluster_without_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'rtemo\[dask\]'"):
        DaskBackend("tcp://127.0.0.1:9")


class Threads(Tiny):
    """Says how many threads the numeric libraries have."""

    def run(self, task: Task, dataset: object, *, device: str = "cpu") -> Result:
        pools = max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
        return Result(task, {"torch": float(torch.get_num_threads()), "pools": float(pools)})


def test_a_task_has_one_thread_and_the_process_its_own_again_afterwards() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread(), threadpoolctl.threadpool_limits(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        task = Threads().tasks(A(), Options())[0]
        assert run_job(Job(Threads(), task), A, "cpu").result.figures == {"torch": 1.0, "pools": 1.0}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_data_of_another_content_are_an_error_and_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_datasets", {})
    job = Job(Tiny(), Tiny().tasks(A(), Options())[0])
    for given in (partial(tiny, "a", 5), tiny("a", 5)):
        outcome = run_job(job, given, "cpu")
        assert "content hash" in str(outcome.result.error)
        assert "--resume" in str(outcome.result.error)
    assert run_job(job, A, "cpu").result.error is None
    # From here on it is not looked at.
    assert run_job(job, tiny("a", 5), "cpu").result.error is None


def test_data_that_came_over_a_network_can_be_written_and_lie_as_loaded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_datasets", {})
    given = A()
    for array in given.views.values():
        array.setflags(write=False)
    assert run_job(Job(Tiny(), Tiny().tasks(A(), Options())[0]), given, "cpu").result.error is None
    (held,) = worker._datasets.values()
    for name, array in held.views.items():
        assert array.flags.writeable
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, given.views[name])


def test_a_task_that_is_interrupted_is_no_result() -> None:
    class Stopped(Tiny):
        def run(self, task: Task, dataset: object, *, device: str = "cpu") -> Result:
            raise KeyboardInterrupt

    # Whatever runs the tests may ignore the signal, and so would this process.
    with pytest.raises(KeyboardInterrupt), interruptible():
        run_job(Job(Stopped(), Stopped().tasks(A(), Options())[0]), A, "cpu")


def test_in_one_process_one_task_runs_at_a_time() -> None:
    running, most = [0], [0]

    class Counted(Tiny):
        def run(self, task: Task, dataset: object, *, device: str = "cpu") -> Result:
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.02)
            running[0] -= 1
            return Result(task, {})

    jobs = [Job(Counted(), task) for task in Counted().tasks(A(), Options(3))]
    threads = [threading.Thread(target=run_job, args=(job, A, "cpu")) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_device_is_taken_as_it_is_said_and_one_that_is_not_there_is_an_error() -> None:
    assert device_of_worker("cpu") == "cpu"
    if not torch.cuda.is_available():
        assert device_of_worker("auto") == "cpu"
        outcome = run_job(Job(Tiny(), Tiny().tasks(A(), Options())[0]), A, "cuda")
        assert "no CUDA device" in str(outcome.result.error)


TAKER = """
import sys
from pathlib import Path
from rtemo.evaluation.study.devices import take_number
print(take_number(2, "cuda-all", Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_each_process_takes_the_number_that_the_fewest_have(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:

        def another() -> tuple[int, subprocess.Popen[str]]:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", TAKER, str(tmp_path)], **pipes))
            assert process.stdout is not None
            return int(process.stdout.readline()), process

        (first, process), (second, _), (third, _) = another(), another(), another()
        assert {first, second} == {0, 1}
        assert third == 0
        process.kill()
        process.wait()
        # What a killed process had is free.
        assert another()[0] == first
        # Other names, and other places, are numbered for themselves.
        assert take_number(2, "cuda-0+1", tmp_path) == 0
        assert take_number(2, "../../etc/x", tmp_path / "other") == 0
        assert all(file.parent in (tmp_path, tmp_path / "other") for file in tmp_path.rglob("*.lock"))


@pytest.mark.skipif(sys.platform == "win32", reason="who owns a folder is asked elsewhere only")
def test_locks_are_not_put_where_somebody_else_could_have_laid_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match="somebody else"):
        take_number(2, "cuda-all", tmp_path / "theirs")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.gpu
def test_a_gpu_gives_its_name_to_the_result(path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    study = run_study([Tiny()], [A], Options(1), path, LocalBackend(1, "auto"))
    assert study.failed == ()
    assert study.results[0].made["device"].startswith("cuda:0 (")
