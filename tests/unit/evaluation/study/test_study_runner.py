"""A study runs what its table lacks, goes on after errors and kills, and says how far it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import made_up_study
import pytest
from made_up_study import A, B, Options, Tiny, figures

from rtemo.cli.stopping import interruptible
from rtemo.errors import ConfigurationError
from rtemo.evaluation.study.backends import LocalBackend
from rtemo.evaluation.study.progress import Progress, TimeLeft, duration, name_of, shown
from rtemo.evaluation.study.runner import Study, run_study
from rtemo.evaluation.study.table import ResultTable, read_results
from rtemo.evaluation.study.task import Result, Task

HERE = LocalBackend(1, "cpu")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "results.jsonl"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """Where each task that begins leaves a file."""
    (tmp_path / "begun").mkdir()
    return tmp_path / "begun"


def names(begun: Path) -> list[str]:
    """Method and seed of all that was begun."""
    return sorted(file.name.rsplit("-", 2)[0] for file in begun.iterdir())


def run(path: Path, tiny: Tiny, options: Options = Options(), *, resume: bool = False) -> Study:  # noqa: B008
    return run_study([tiny], [A], options, path, HERE, resume=resume)


def test_every_task_runs_once_and_its_result_is_that_of_the_experiment(path: Path, begun: Path) -> None:
    told: list[Progress] = []
    study = run_study([Tiny(begun=begun)], [A, B], Options(), path, HERE, on_progress=told.append)
    assert len(names(begun)) == 8
    assert (study.ran, study.kept, study.failed) == (8, 0, ())
    direct = Tiny()
    for dataset in (A(), B()):
        for task in direct.tasks(dataset, Options()):
            expected = direct.run(task, made_up_study.tiny(dataset.name, seed=int(dataset.name == "b")))
            (found,) = (one for one in study.results if one.task == task)
            assert found.figures == {**expected.figures, "nan": None}
            assert found.arrays["all"] == expected.arrays["all"].tolist()
            assert found.seconds > 0
            assert found.made["device"] == "cpu"
            assert found.made["threads"] == "1"
            assert found.made["python"] == sys.version.split()[0]
    assert figures(read_results(path)) == figures(study.results)
    assert [(at.done, at.failed, at.total) for at in told] == [(n, 0, 8) for n in range(9)]
    assert told[0].last is None
    assert told[-1].left_s == 0


def test_a_task_that_two_experiments_ask_for_runs_once(path: Path, begun: Path) -> None:
    tiny = Tiny(begun=begun)
    assert run_study([tiny, tiny], [A, A], Options(), path, HERE).ran == 4
    assert len(names(begun)) == 4


def test_a_table_that_is_there_is_refused_unless_it_is_resumed(path: Path, begun: Path) -> None:
    run(path, Tiny())
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="--resume"):
        run(path, Tiny(begun=begun))
    study = run(path, Tiny(begun=begun), resume=True)
    assert (study.ran, study.kept, len(study.results)) == (0, 4, 4)
    assert names(begun) == []
    assert path.read_bytes() == before


def test_a_table_that_is_empty_is_none(path: Path) -> None:
    ResultTable(path).close()
    assert run(path, Tiny()).ran == 4
    assert run(path.with_name("other.jsonl"), Tiny(), resume=True).ran == 4


def test_resume_runs_what_is_new_and_keeps_the_rest(path: Path, begun: Path) -> None:
    run(path, Tiny(), Options(seeds=1))
    study = run(path, Tiny(begun=begun), Options(seeds=3), resume=True)
    assert names(begun) == ["norm-1", "norm-2", "product-1", "product-2"]
    assert (study.ran, study.kept, len(study.results)) == (4, 2, 6)


def test_an_error_is_a_result_the_rest_goes_on_and_resume_tries_again(path: Path, begun: Path) -> None:
    told: list[Progress] = []
    troubled = Tiny(trouble={("norm", 0): "raise", ("product", 1): "raise"})
    study = run_study([troubled], [A], Options(), path, HERE, on_progress=told.append)
    assert {(one.task.method, one.task.seed) for one in study.failed} == {("norm", 0), ("product", 1)}
    assert study.failed[0].error == r"ArithmeticError: no such number\nin any line"
    assert study.failed[0].figures == {}
    assert study.failed[0].made["device"] == "cpu"
    assert (told[-1].done, told[-1].failed, told[-1].total) == (2, 2, 4)
    log = study.log.read_text("utf-8")
    assert study.log == path.with_name("errors.log")
    assert log.count("Traceback") == 2
    assert "made_up_study.py" in log
    assert name_of(study.failed[1].task) in log
    mended = run(path, Tiny(begun=begun), resume=True)
    assert names(begun) == ["norm-0", "product-1"]
    assert (mended.ran, mended.kept, mended.failed) == (2, 2, ())
    assert figures(mended.results) == figures(run(path.with_name("other.jsonl"), Tiny()).results)


def test_a_result_of_another_task_is_an_error(path: Path) -> None:
    class Confused(Tiny):
        def run(self, task: Task, dataset: object, *, device: str = "cpu") -> Result:
            return Result(replace(task, seed=task.seed + 1), {"x": 1.0})

    study = run(path, Confused())
    assert len(study.failed) == 4
    assert "another task" in str(study.failed[0].error)


def test_a_result_that_json_cannot_hold_is_an_error_of_its_task(path: Path) -> None:
    class Odd(Tiny):
        def run(self, task: Task, dataset: object, *, device: str = "cpu") -> Result:
            return Result(task, {}, {"what": {1, 2}})

    assert "cannot hold a set" in str(run(path, Odd()).failed[0].error)


def test_a_table_of_other_data_is_refused(path: Path) -> None:
    run(path, Tiny())
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="other data of the name a"):
        run_study([Tiny()], [lambda: made_up_study.tiny("a", seed=5)], Options(), path, HERE, resume=True)
    assert path.read_bytes() == before
    assert run_study([Tiny()], [B], Options(), path, HERE, resume=True).ran == 4


def test_a_table_of_other_training_is_refused(path: Path) -> None:
    run(path, Tiny(), Options(steps=100))
    with pytest.raises(ConfigurationError, match=r"steps 100, now it is None.*--steps"):
        run(path, Tiny(), Options(), resume=True)
    with pytest.raises(ConfigurationError, match="--tuning"):
        run(path, Tiny(), Options(steps=100, tuning=4), resume=True)


def test_nothing_to_run_is_told(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to run"):
        run_study([Tiny()], [], Options(), path, HERE)
    assert not path.exists()


def test_what_was_finished_before_an_interruption_is_on_the_disk(path: Path, begun: Path) -> None:
    tiny = Tiny(trouble={("norm", 1): "interrupt"}, owner=os.getpid())
    # Whatever runs the tests may ignore the signal, and so would this process.
    with pytest.raises(KeyboardInterrupt), interruptible():
        run(path, tiny)
    assert [(one.task.method, one.task.seed) for one in read_results(path)] == [("norm", 0), ("product", 0)]
    assert run(path, Tiny(begun=begun), resume=True).ran == 2
    assert names(begun) == ["norm-1", "product-1"]


KILLED = """
import sys
from pathlib import Path
from made_up_study import A, Options, Tiny
from rtemo.evaluation.study.backends import LocalBackend
from rtemo.evaluation.study.runner import run_study

def tell(at):
    if at.last is not None:
        print(at.last.task.key, flush=True)

out, begun, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
study = [Tiny(begun=begun, sleep_s=0.05)], [A], Options(10), out / "results.jsonl", LocalBackend(jobs, "cpu")
run_study(*study, resume=True, on_progress=tell)
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_study_that_is_killed_loses_nothing_that_it_told(path: Path, begun: Path, jobs: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
    told: set[str] = set()
    for results in (3, 5):
        arguments = [sys.executable, "-c", KILLED, str(path.parent), str(begun), str(jobs)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as study:
            assert study.stdout is not None
            for _ in range(results):
                told.add(study.stdout.readline().strip())
            study.kill()
    before = figures(read_results(path))
    assert len(told) == 8, "a task that was done ran again"
    assert told <= set(before)
    study = run_study([Tiny(begun=begun)], [A], Options(10), path, HERE, resume=True)
    here = [file for file in begun.iterdir() if file.name.split("-")[2] == str(os.getpid())]
    keys = [task.key for task in Tiny().tasks(A(), Options(10))]
    assert sorted(one.task.key for one in study.results) == sorted(keys)
    assert figures(study.results).items() >= before.items()
    assert len(here) == study.ran == 20 - len(before)
    lines = [line for line in path.read_bytes().splitlines() if line]
    assert len(lines) == 20, "a task is in the table twice"


def of(method: str, dataset: str, seconds: float = 1.0, seed: int = 0, error: str | None = None) -> Result:
    return Result(Task("tiny", dataset, "0" * 64, method, {}, seed), {}, {}, seconds, {}, error)


def test_time_left_weighs_each_method_and_data_set_by_what_is_left() -> None:
    kinds = [("fast", "a"), ("slow", "a"), ("slow", "a"), ("slow", "b"), ("new", "b")]
    left = TimeLeft([of(*kind).task for kind in kinds])
    assert left.seconds(2) is None
    left.take(of("fast", "a", 1.0))
    # Nothing else is known: everything takes as long.
    assert left.seconds(1) == pytest.approx(4 * 1.0)
    left.take(of("slow", "a", 9.0))
    # One more on a; on b as on a; what is new as the mean of all.
    assert left.seconds(1) == pytest.approx(9.0 + 9.0 + 5.0)
    assert left.seconds(2) == pytest.approx(23.0 / 2)
    left.take(of("slow", "b", 21.0))
    assert left.seconds(1) == pytest.approx(9.0 + 31.0 / 3)
    # The last ones cannot be shared among more workers.
    assert left.seconds(100) == pytest.approx(31.0 / 3)
    left.take(of("slow", "a", 9.0))
    left.take(of("new", "b", 2.0))
    assert left.seconds(1) == 0.0


def test_time_left_knows_earlier_results_and_learns_nothing_from_errors() -> None:
    left = TimeLeft([of("slow", "a").task] * 3, [of("slow", "a", 4.0), of("slow", "a", 0.0, error="no")])
    assert left.seconds(1) == pytest.approx(12.0)
    left.take(of("slow", "a", 0.01, error="no"))
    assert left.seconds(1) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1 h 30 min"), (172_800, "2 d 0 h")]
)
def test_durations_are_told_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_terminal_lines_come_now_and_then_and_always_for_errors() -> None:
    stream = io.StringIO()
    with shown(stream) as show:
        show(Progress(4, 0, 0, None))
        show(Progress(4, 1, 0, 200.0, of("svm", "a")))  # Too soon after the last line.
        show(Progress(4, 1, 1, 100.0, of("svm", "b\x1b", error="ValueError: no")))
        show(Progress(4, 3, 1, 0.0, of("lr", "a")))
    assert stream.getvalue().splitlines() == [
        "0/4 tasks",
        r"failed: tiny · b\x1b · svm · seed 0: ValueError: no",
        "4/4 tasks  1 failed",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_shows_tasks_failures_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    with shown(stream) as show:
        show(Progress(40, 0, 0, None))
        show(Progress(40, 3, 1, 700.0, of("svm", "[red]", error="ValueError: [bold]no")))
    text = stream.getvalue()
    assert "4/40" in text
    assert "1 failed" in text
    assert "about 12 min left" in text
    assert "failed: tiny · [red] · svm · seed 0: ValueError: [bold]no" in text
