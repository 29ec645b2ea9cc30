"""The journal of a calibration session on the disk."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from calibration.journal import Journal, JournalError, read_journal
from calibration.logbook import Logbook


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def test_what_is_appended_is_read_back(path: Path) -> None:
    journal = Journal(path)
    told = [
        journal.append("session", participant="Zoë\n", labels=["a", "b"]),
        journal.append("stimulus-on", stamp_s=np.float64(1.5), trial=np.int64(3), flip=True, odd=float("nan")),
    ]
    assert list(read_journal(path)) == told
    journal.close()
    assert journal.closed
    assert told[1].stamp_s == 1.5
    assert told[1].details == {"trial": 3, "flip": True, "odd": None}
    assert datetime.fromisoformat(told[0].time).utcoffset() is not None
    assert path.read_bytes().isascii()


def test_an_entry_is_on_the_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.stat().st_size))
    journal = Journal(path)
    journal.append("note", text="x")
    journal.close()
    assert synced == [path.stat().st_size]


def test_a_journal_goes_on_behind_its_last_line(path: Path) -> None:
    for text in ("first", "second"):
        journal = Journal(path)
        journal.append("note", text=text)
        journal.close()
    assert [entry.text("text") for entry in read_journal(path)] == ["first", "second"]
    assert [entry.where for entry in read_journal(path)] == [f"{path}: line 1", f"{path}: line 2"]


def test_a_torn_last_line_is_told_and_gone_on_behind(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(path)
    journal.append("note", text="whole")
    journal.append("note", text="torn")
    journal.close()
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    with caplog.at_level(logging.WARNING):
        assert len(read_journal(path)) == 1
    assert "line 2 was torn" in caplog.text
    journal = Journal(path)
    assert [entry.kind for entry in journal.before] == ["note", "torn"]
    journal.append("note", text="next")
    journal.close()
    assert [entry.kind for entry in read_journal(path)] == ["note", "torn", "note"]
    assert '"text": "to' in read_journal(path)[1].text("text")


@pytest.mark.parametrize(
    "line",
    [
        "nothing",
        "[1]",
        "{}",
        '{"kind": "dance", "time": "x"}',
        '{"kind": "note", "time": 3}',
        '{"kind": "note", "time": "x", "stamp_s": "soon"}',
        '{"kind": "note", "time": "x", "stamp_s": true}',
        '{"kind": "note", "time": "x", "stamp_s": NaN}',
        '{"kind": "note", "time": "x", "stamp_s": 1e999}',
        '{"kind": ["note"], "time": "x"}',
        "",
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_whole_line_that_is_no_entry_is_an_error_that_names_it(path: Path, line: str) -> None:
    path.write_bytes(b'{"kind": "note", "time": "x"}\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(JournalError, match="line 2") as caught:
        read_journal(path)
    assert len(str(caught.value)) < 500 + len(str(path))
    with pytest.raises(JournalError):
        Journal(path)


def test_a_journal_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "gone.jsonl")
    with pytest.raises(JournalError, match="the disk refuses"):
        Journal(tmp_path / "gone" / "journal.jsonl")


def test_an_entry_that_the_disk_refuses_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.append("note", text="first")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(JournalError, match="No space left"):
            journal.append("note", text="second")
    assert path.read_bytes() == before
    journal.append("note", text="third")
    journal.close()
    assert [entry.text("text") for entry in read_journal(path)] == ["first", "third"]


def test_a_second_program_is_refused_and_changes_nothing(path: Path) -> None:
    first = Journal(path)
    first.append("note", text="mine")
    with path.open("ab") as file:
        file.write(b"half a l")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"journal\.jsonl: another program has this session open"):
        Journal(path)
    with pytest.raises(JournalError, match="another program"):
        Logbook(path)
    assert path.read_bytes() == before
    assert len(read_journal(path)) == 1
    first.close()
    Journal(path).close()


def test_a_lock_goes_with_the_process_that_held_it(path: Path) -> None:
    script = """
import sys
from calibration.journal import Journal
journal = Journal(sys.argv[1])
journal.append("note", text="x")
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii"
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(JournalError, match="another program"):
            Journal(path)
        other.kill()
        other.wait()
        journal = Journal(path)
        assert len(journal.before) == 1
        journal.close()


def test_what_makes_no_sense_is_not_left_locked(path: Path) -> None:
    written(path, "nothing")
    for _ in range(2):
        with pytest.raises(JournalError, match="not JSON"):
            Journal(path)


@pytest.mark.skipif(sys.platform == "win32", reason="locks are another thing there")
def test_a_file_system_without_locks_still_shows_a_second_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unlocked(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("rtemo.locked_lines.fcntl.flock", unlocked)
    first, second = Journal(path), Journal(path)
    assert "No locks available" in caplog.text
    second.append("note", text="mine")
    with pytest.raises(JournalError, match="grew by other hands"):
        first.append("note", text="mine too")
    first.close()
    second.close()


def test_entries_of_no_kind_or_with_names_that_are_taken_are_refused(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(ValueError, match="no entries of kind"):
        journal.append("dance")
    with pytest.raises(ValueError, match="cannot be called"):
        journal.append("note", time=3)
    with pytest.raises(TypeError):
        journal.append("note", text=object())
    with pytest.raises(ValueError, match="JSON"):
        journal.append("note", stamp_s=float("nan"))
    journal.close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "reader"),
    [("trial", "integer"), ("start_s", "number"), ("flip", "truth"), ("text", "text"), ("quality", "mapping")],
)
@pytest.mark.parametrize("value", ['"x"', "[]", "1.5", "true", "{}", "3", "null", "1e999"])
def test_details_of_another_kind_than_expected_are_told(path: Path, name: str, reader: str, value: str) -> None:
    (entry,) = read_journal(written(path, f'{{"kind": "note", "time": "x", "{name}": {value}}}'))
    right = {
        "integer": ("3",),
        "number": ("1.5", "3"),
        "truth": ("true",),
        "text": ('"x"',),
        "mapping": ("{}",),
    }[reader]
    if value in right:
        getattr(entry, reader)(name)
    else:
        with pytest.raises(JournalError, match=f"line 1: note: '{name}'"):
            getattr(entry, reader)(name)


def test_a_logbook_refuses_what_cannot_come_before_it_is_written(path: Path) -> None:
    logbook = Logbook(path)
    logbook.write("session", participant="p")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="cannot follow"):
        logbook.write("stage", stage="done")
    with pytest.raises(JournalError, match="never begun"):
        logbook.write("trial-void", trial=1, attempt=1, reason="redo")
    assert path.read_bytes() == before
    logbook.write("run", number=1, recording="run-1.xdf")
    logbook.close()
    logbook.close()
    again = Logbook(path)
    assert again.progress == logbook.progress
    assert again.progress.run == 1
    again.close()


def test_a_logbook_of_a_journal_that_makes_no_sense_cannot_be_opened(path: Path) -> None:
    written(path, json.dumps({"kind": "stage", "time": "x", "stage": "trials"}))
    with pytest.raises(JournalError, match=r"line 1.*opened by one entry"):
        Logbook(path)
