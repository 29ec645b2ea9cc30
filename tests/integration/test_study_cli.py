"""`rtemo study`, end to end on data that come with scikit-learn: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Run

from rtemo.evaluation.study.table import read_results

TABLE2 = ("study", "table2", "--data", "digits", "--quick", "--protocols", "honest", "--methods")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written into the checkout, and no data are there but those built in."""
    monkeypatch.chdir(tmp_path)
    for variable in ("RTEMO_DATA", "RTEMO_SEED", "RTEMO_SEED_IV", "RTEMO_DEAP"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RTEMO_CACHE", str(tmp_path / "cache"))


def figures(folder: Path) -> dict[str, dict[str, float | None]]:
    """Figures by key, without times."""
    return {
        one.task.key: {name: value for name, value in one.figures.items() if not name.endswith("_s")}
        for one in read_results(folder / "results.jsonl")
    }


def test_a_study_writes_a_table_and_a_report_and_goes_on_with_resume(rtemo: Run, tmp_path: Path) -> None:
    done = rtemo(*TABLE2, "lr,lda", "--seeds", 1)
    assert done.code == 0, done.err
    folder = tmp_path / "studies" / "table2"
    results = read_results(folder / "results.jsonl")
    # One, two and three trials a class, and all labels.
    assert len(results) == 2 * 4
    assert {one.task.method for one in results} == {"lr", "lda"}
    assert all(one.error is None and one.seconds > 0 and one.made["threads"] == "1" for one in results)
    every = [one for one in results if one.task.settings["labels"] == "all" and one.task.method == "lr"]
    # As a linear classifier of these digits is known to be.
    assert 0.9 < every[0].figures["inductive.complete.accuracy"] < 0.99  # type: ignore[operator]
    assert "8/8 tasks" in done.err
    report = folder / "report" / "report.html"
    assert done.out.strip().splitlines()[-1] == f"8 results -> {report.relative_to(tmp_path)}"
    assert "Logistic regression" in report.read_text("utf-8")

    refused = rtemo(*TABLE2, "lr,lda", "--seeds", 1)
    assert (refused.code, refused.out) == (2, "")
    assert "--resume" in refused.err
    before = (folder / "results.jsonl").read_bytes()
    more = rtemo(*TABLE2, "lda", "--seeds", 2, "--resume")
    assert more.code == 0
    assert (folder / "results.jsonl").read_bytes().startswith(before)
    assert len(read_results(folder / "results.jsonl")) == 12

    report.unlink()
    again = rtemo("study", "table2", "--report-only", "--markdown", "docs/results.md")
    assert again.code == 0
    assert report.is_file()
    told = (tmp_path / "docs" / "results.md").read_text("utf-8")
    assert "Logistic regression" in told
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", told):
        assert (tmp_path / "docs" / picture).is_file()
    other = rtemo("study", "table2", "--data", "digits", "--steps", 10, "--resume")
    assert other.code == 2
    assert "steps" in other.err


@pytest.mark.slow
def test_two_processes_give_the_same_figures_as_one(rtemo: Run, tmp_path: Path) -> None:
    line = (*TABLE2, "cca-lr,simvae", "--steps", 30, "--seeds", 1)
    assert rtemo(*line, "-o", "one").code == 0
    assert rtemo(*line, "-o", "two", "--jobs", 2).code == 0
    assert len(figures(tmp_path / "one")) == 8
    assert figures(tmp_path / "one") == figures(tmp_path / "two")


def test_tasks_that_fail_are_named_and_the_rest_is_reported(
    rtemo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit(*_: object, **__: object) -> None:
        raise ArithmeticError("did not converge\x1b[2J")

    with monkeypatch.context() as patch:
        patch.setattr("rtemo.evaluation.baselines.linear.Logistic.fit", unfit)
        done = rtemo(*TABLE2, "lr,lda", "--seeds", 1, "-o", "out")
    assert done.code == 1
    assert "4 of 8 tasks failed" in done.err
    assert r"ArithmeticError: did not converge\x1b[2J" in done.err
    assert "\x1b" not in done.err
    assert (tmp_path / "out" / "report" / "report.html").is_file()
    assert "in unfit" in (tmp_path / "out" / "errors.log").read_text()
    assert rtemo(*TABLE2, "lr,lda", "--seeds", 1, "-o", "out", "--resume").code == 0
    assert all(one.error is None for one in read_results(tmp_path / "out" / "results.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_study_ends_with_130_and_keeps_what_is_finished(tmp_path: Path, number: signal.Signals) -> None:
    line = [sys.executable, "-m", "rtemo", *TABLE2, "lda,net", "--seeds", "5", "--steps", "5000", "-o", "out"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as study:
        assert study.stderr is not None
        table = tmp_path / "out" / "results.jsonl"
        while not (table.is_file() and table.read_bytes().count(b"\n")):
            assert study.poll() is None, study.stderr.read()
        study.send_signal(number)
        said = study.stderr.read()
    assert study.returncode == 130
    assert "--resume" in said
    assert "what was written so far is whole" in said
    assert "Traceback" not in said
    assert 1 <= len(read_results(table)) < 40


def test_list_names_everything_and_what_is_here(rtemo: Run, tmp_path: Path) -> None:
    listed = rtemo("study", "--list", "--folder", f"seed={tmp_path}")
    assert listed.code == 0
    rows = {line.split()[0]: line for line in listed.out.splitlines() if line.strip()}
    for name in ("table2", "figure3", "simvae", "label-spreading", "soft-impute", "noneeg"):
        assert name in rows
    assert " here " in rows["digits"]
    assert " here " in rows["seed"]
    assert " here " not in rows["deap"]
    assert "https://www.eecs.qmul.ac.uk/mmv/datasets/deap/" in listed.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "--list"),
        (["table9"], "table9"),
        (["table2", "--data", "digitz"], "digitz"),
        (["table2", "--data", "digits", "--methods", "svm,magic"], "magic"),
        (["table2", "--data", "digits", "--methods", ""], "nothing to run"),
        (["table2", "--data", "digits", "--protocols", "paper,kind"], "honest"),
        (["table2", "--data", "digits", "--folder", "/data"], "NAME=PATH"),
        (["table2", "--data", "digits", "--folder", "seed=/data"], "--data seed"),
        (["table2", "--data", "digits", "--device", "abacus"], "abacus"),
        (["table2", "--data", "digits", "--dask", "tcp://127.0.0.1:9", "--jobs", "2"], "--jobs"),
        (["table2", "--data", "seed"], "bcmi.sjtu.edu.cn"),
        (["table2", "--seeds", "0"], "--seeds"),
    ],
)
def test_wrong_usage_is_told_and_leaves_nothing(rtemo: Run, tmp_path: Path, line: list[str], said: str) -> None:
    done = rtemo("study", *line)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "studies").exists()


def test_a_report_of_nothing_is_told(rtemo: Run) -> None:
    done = rtemo("study", "table2", "--report-only")
    assert done.code == 1
    assert "Run the study first" in done.err


def test_help_teaches_by_example_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys; sys.argv = ['rtemo', 'study', '--help']\n"
        "from rtemo.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'joblib', 'distributed', 'numpy', 'scipy', 'PySide6'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rtemo study table2 --data digits --quick" in done.stdout


def test_without_the_extra_the_cure_is_named() -> None:
    probe = (
        "import sys; sys.argv = ['rtemo', 'study', 'table2', '--data', 'digits']\n"
        "sys.modules['sklearn'] = None\n"
        "from rtemo.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "rtemo: rtemo study needs scikit-learn. Install rtemo with its extra: pip install 'rtemo[study]'."
    ]


def test_results_are_lines_of_json_that_say_what_made_them(rtemo: Run, tmp_path: Path) -> None:
    assert rtemo("study", "table1", "--data", "digits", "-o", "out").code == 0
    (line,) = (tmp_path / "out" / "results.jsonl").read_text("ascii").splitlines()
    values = json.loads(line)
    assert values["task"]["experiment"] == "table1"
    assert (values["figures"]["windows"], values["figures"]["classes"]) == (1797.0, 10.0)
    assert values["made"]["scikit-learn"]
    assert os.uname().nodename not in values["made"].values()


def test_an_experiment_is_not_run_in_a_protocol_that_it_does_not_have(rtemo: Run) -> None:
    found = rtemo("study", "calibration", "--data", "digits", "--quick", "--protocols", "paper", "-o", "out")
    assert found.code != 0
    assert "calibration" in found.err
    assert "honest is the only protocol" in found.err
