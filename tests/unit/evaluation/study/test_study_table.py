"""The table of a study on the disk: what is in it counts, whatever ended the program that wrote it."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtemo.errors import RtemoError
from rtemo.evaluation.study.table import ResultTable, TableError, read_results
from rtemo.evaluation.study.task import Result, Task


def task(seed: int = 0, method: str = "svm") -> Task:
    return Task("tiny", "a", "0" * 64, method, {"labels": "2%", "rate": 0.1, "steps": None, "on": True}, seed)


def result(seed: int = 0, figure: float = 0.5) -> Result:
    return Result(task(seed), {"accuracy": figure}, {}, 1.5, {"python": "3.11"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study" / "results.jsonl"


def filled(path: Path, *results: Result) -> bytes:
    with ResultTable(path) as table:
        for one in results:
            table.append(one)
    return path.read_bytes()


def test_a_result_comes_back_to_the_last_bit(path: Path) -> None:
    figure = math.nextafter(1 / 3, 1)
    given = Result(task(2**40), {"x": figure, "none": None}, {"map": [[1, 2.5], ["é"]]}, 0.1, {"device": "cpu"}, None)
    filled(path, given)
    (found,) = read_results(path)
    assert found == given
    assert found.task.key == given.task.key
    assert found.figures["x"] == figure


def test_arrays_and_what_is_not_finite_become_plain(path: Path) -> None:
    figures = {"nan": float("nan"), "inf": np.float64("inf"), "single": np.float32(0.1), "whole": 3}
    filled(path, Result(task(), figures, {"m": np.array([[1.0, np.nan]]), "n": np.int64(4), "t": (1,)}))
    (found,) = read_results(path)
    assert found.figures == {"nan": None, "inf": None, "single": float(np.float32(0.1)), "whole": 3.0}
    assert found.arrays == {"m": [[1.0, None]], "n": 4, "t": [1]}


def test_what_json_does_not_know_is_refused_and_leaves_no_trace(path: Path) -> None:
    with ResultTable(path) as table:
        with pytest.raises(TypeError, match="object"):
            table.append(Result(task(), {}, {"x": object()}))
        assert table.results() == []
    assert path.read_bytes() == b""


def test_the_last_result_of_a_task_counts_and_errors_are_not_done(path: Path) -> None:
    wrong = replace(result(1), figures={}, error="ValueError: no")
    with ResultTable(path) as table:
        for one in (result(0), wrong, result(2), replace(wrong, task=task(3)), result(1, 0.75)):
            table.append(one)
        assert table.done() == {task(seed).key for seed in (0, 1, 2)}
        assert len(table) == 4
    with ResultTable(path) as again:
        assert again.done() == {task(seed).key for seed in (0, 1, 2)}
        assert [one.task.seed for one in again.results()] == [0, 1, 2, 3]
        assert again.results()[1].figures == {"accuracy": 0.75}


def test_a_result_is_on_the_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    with ResultTable(path) as table:
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
        table.append(result())
        assert synced == [path.stat().st_size]
        assert read_results(path) == [result()]


def test_a_line_torn_anywhere_is_set_aside_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = filled(tmp_path / "whole.jsonl", result(0), result(1))
    start = whole.index(b"\n") + 1
    for cut in range(start + 1, len(whole)):
        path = tmp_path / str(cut) / "results.jsonl"
        path.parent.mkdir()
        path.write_bytes(whole[:cut])
        caplog.clear()
        with ResultTable(path) as table:
            assert table.done() == {task(0).key}
            assert table.torn == path.with_name("results.jsonl.torn")
            assert table.torn.read_bytes() == whole[start:cut] + b"\n"
            assert "line 2 was torn" in caplog.text
            table.append(result(1))
        assert path.read_bytes() == whole


def test_zeros_that_a_power_cut_left_are_set_aside(path: Path) -> None:
    whole = filled(path, result(0))
    path.write_bytes(whole + whole[:40] + b"\0" * 500)
    with ResultTable(path) as table:
        assert table.done() == {task(0).key}
    assert path.read_bytes() == whole


def test_a_reader_passes_over_a_line_that_is_being_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = filled(path, result(0), result(1))
    path.write_bytes(whole[:-7])
    with caplog.at_level(logging.WARNING):
        assert read_results(path) == [result(0)]
    assert "line 2 has no end" in caplog.text
    assert path.read_bytes() == whole[:-7]


@pytest.mark.parametrize(
    "content",
    [
        b"accuracy,method\n0.5,svm\n",
        b"{}\n",
        b"[1]\n",
        b"\n",
        b"null\n",
        b'{"kind": "note", "time": "x"}\n',
        b"a letter without an end",
        b'{"key": "torn, but not of ours"}\n{"a": 1',
        b"\x89PNG\r\n\x1a\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_a_foreign_file_is_refused_and_stays_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(2):  # A refusal leaves no lock behind.
        with pytest.raises(TableError, match="no result of a study") as caught:
            ResultTable(path)
        assert len(str(caught.value)) < 500 + len(str(path))
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("figures", {"accuracy": "high"}),
        ("figures", {"accuracy": True}),
        ("figures", [0.5]),
        ("arrays", None),
        ("seconds", None),
        ("made", {"python": 3}),
        ("error", 5),
        ("key", 7),
        ("task", {"experiment": "tiny"}),
        ("task", {**task().to_dict(), "seed": "0"}),
        ("task", {**task().to_dict(), "settings": {"labels": ["2%"]}}),
        ("figures", {"accuracy": 10**400}),
        ("figures", {"accuracy": -1.7e308}),
        ("seconds", 1.7e308),
        ("arrays", {"original": [[0.5], [{"deep": 1e300}]]}),
        ("task", {**task().to_dict(), "seed": 10**400}),
        ("task", {**task().to_dict(), "settings": {"tuning": 10**400}}),
        ("task", {**task().to_dict(), "settings": {"labels": "9" * 5000}}),
    ],
)
def test_a_line_with_a_wrong_value_is_refused_by_its_number(path: Path, name: str, value: object) -> None:
    filled(path, result(0))
    with path.open("a") as file:
        file.write(json.dumps({**result(1).to_dict(), name: value}) + "\n")
    with pytest.raises(TableError, match="line 2"):
        read_results(path)


def test_results_of_an_older_code_do_not_count_and_are_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(path, result(0))
    monkeypatch.setattr("rtemo.evaluation.study.task.VERSION", 10**6)
    filled(path, result(1))
    with ResultTable(path) as table:
        assert table.results() == [result(1)]
        assert table.done() == {task(1).key}
    assert "1 results do not count" in caplog.text


def test_a_full_disk_leaves_the_table_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with ResultTable(path) as table:
        table.append(result(0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(TableError, match="No space left"):
                table.append(result(1))
        assert table.done() == {task(0).key}
        table.append(result(2))
    assert [one.task.seed for one in read_results(path)] == [0, 2]


def test_where_nothing_can_be_written_or_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TableError, match="the disk refuses"):
        ResultTable(tmp_path / "file" / "results.jsonl")
    with pytest.raises(TableError, match="cannot be read"):
        read_results(tmp_path / "gone.jsonl")


def test_two_programs_cannot_have_a_table_at_once_but_one_can_look_on(path: Path) -> None:
    with ResultTable(path) as table:
        table.append(result(0))
        with pytest.raises(RtemoError, match="another program has this study open"):
            ResultTable(path)
        assert read_results(path) == [result(0)]
        table.append(result(1))
    assert len(filled(path, result(2)).splitlines()) == 3


WRITER = """
import sys
from rtemo.evaluation.study.table import ResultTable, TableError
from rtemo.evaluation.study.task import Result, Task
done = 0
while done < 40:
    try:
        with ResultTable(sys.argv[1]) as table:
            for _ in range(4):
                task = Task("tiny", "a", "0" * 64, sys.argv[2], {}, done)
                table.append(Result(task, {"x": 1.0}, {"long": ["x" * 5000]}))
                done += 1
    except TableError as error:
        assert "another program" in str(error), error
"""


def test_lines_of_two_programs_never_mix(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("left", "right")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    found = {(one.task.method, one.task.seed) for one in read_results(path)}
    assert found == {(name, seed) for name in ("left", "right") for seed in range(40)}


def test_a_writer_that_is_killed_at_any_moment_loses_nothing_that_it_told(path: Path) -> None:
    script = """
import sys
from rtemo.evaluation.study.table import ResultTable
from rtemo.evaluation.study.task import Result, Task
with ResultTable(sys.argv[1]) as table:
    seed = len(table)
    while True:
        table.append(Result(Task("tiny", "a", "0" * 64, "svm", {}, seed), {"x": 1.0}, {"long": ["x" * 100_000]}))
        seed += 1
        print(seed, flush=True)
"""
    told = 0
    for lines in (1, 7, 12):
        with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                told = int(writer.stdout.readline())
            writer.kill()
    with ResultTable(path) as table:
        assert {one.task.seed for one in table.results()} >= set(range(told))
        assert len(path.read_bytes().splitlines()) == len(table) >= told


def test_figures_too_large_to_be_read_again_are_none(path: Path) -> None:
    large = Result(task(), {"error": 1e200, "ratio": float("nan"), "r2": -1e100}, {"matrix": [[1e300, 1.0]]})
    filled(path, large)
    (found,) = read_results(path)
    assert dict(found.figures) == {"error": None, "ratio": None, "r2": -1e100}
    assert found.arrays["matrix"] == [[None, 1.0]]
