"""Events are on disk as they come, are JSON whatever they hold, and outlast a full disk."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.outputs.events import Event, EventLog

TEXT = st.text(st.characters(blacklist_categories=()), max_size=20)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text("ascii").splitlines()]


class Refusal:
    """A disk that refuses while it is told to."""

    def __init__(self, log: EventLog) -> None:
        assert log._file is not None
        self.on = False
        self._write = log._file._file.write
        log._file._file.write = self.write  # type: ignore[method-assign]

    def write(self, piece: bytes) -> None:
        if self.on:
            raise OSError(errno.ENOSPC, "full")
        self._write(piece)


def test_an_event_is_on_disk_as_soon_as_it_is_emitted(tmp_path: Path) -> None:
    with EventLog(tmp_path / "e.jsonl") as log:
        log.emit(Event(12.5, "stream-lost", {"stream": "eeg", "age_s": np.float32(0.5), "count": np.int64(3)}))
        assert lines(tmp_path / "e.jsonl") == [
            {"stamp": 12.5, "event": "stream-lost", "stream": "eeg", "age_s": 0.5, "count": 3}
        ]


@given(st.dictionaries(TEXT.filter(lambda key: key not in ("stamp", "event")), VALUE, max_size=4), TEXT, st.floats())
def test_whatever_an_event_holds_is_one_line_of_json(details: dict[str, object], kind: str, stamp_s: float) -> None:
    line = Event(stamp_s, kind, details).as_json()
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line, parse_constant=pytest.fail)
    assert read["event"] == kind
    assert set(read) == {"stamp", "event", *details}


def test_numbers_that_json_lacks_are_null() -> None:
    event = Event(float("nan"), "k", {"a": [float("inf"), 1.0], "b": {"c": np.float64("nan")}})
    assert json.loads(event.as_json()) == {"stamp": None, "event": "k", "a": [None, 1.0], "b": {"c": None}}


def test_a_detail_cannot_take_the_place_of_the_stamp() -> None:
    with pytest.raises(ValueError, match="stamp"):
        Event(1.0, "k", {"stamp": 2.0})


def test_a_full_disk_delays_events_and_loses_none(tmp_path: Path) -> None:
    heard: list[str] = []
    with EventLog(tmp_path / "e.jsonl", lambda event: heard.append(event.kind)) as log:
        refusal = Refusal(log)
        log.emit(Event(1.0, "a"))
        refusal.on = True
        log.emit(Event(2.0, "b"))
        log.emit(Event(3.0, "c"))
        assert (log.kept, log.refused) == (2, 2)
        refusal.on = False
        log.emit(Event(4.0, "d"))
        assert (log.kept, log.lost) == (0, 0)
    expected = ["a", "b", "c", "d", "events-recovered"]
    assert [line["event"] for line in lines(tmp_path / "e.jsonl")] == expected
    assert heard == expected


def test_closing_writes_what_was_kept_or_counts_it(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl")
    refusal = Refusal(log)
    refusal.on = True
    log.emit(Event(1.0, "a"))
    refusal.on = False
    log.close()
    log.close()
    assert [line["event"] for line in lines(tmp_path / "e.jsonl")] == ["a"]
    full = EventLog(tmp_path / "f.jsonl")
    Refusal(full).on = True
    full.emit(Event(1.0, "a"))
    full.close()
    assert full.lost == 1


def test_a_listener_may_emit_events_of_its_own(tmp_path: Path) -> None:
    with EventLog(tmp_path / "e.jsonl") as log:
        log.listen(lambda event: log.emit(Event(2.0, "answer")) if event.kind == "question" else None)
        log.emit(Event(1.0, "question"))
    assert [line["event"] for line in lines(tmp_path / "e.jsonl")] == ["question", "answer"]


def test_events_of_many_threads_never_mix(tmp_path: Path) -> None:
    with EventLog(tmp_path / "e.jsonl") as log:
        threads = [
            threading.Thread(target=lambda name=name: [log.emit(Event(k, name, {"x": "y" * 300})) for k in range(200)])
            for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read = lines(tmp_path / "e.jsonl")
    for name in "abcd":
        assert [line["stamp"] for line in read if line["event"] == name] == list(range(200))


def test_an_older_log_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("older")
    with pytest.raises(FileExistsError):
        EventLog(tmp_path / "e.jsonl")
