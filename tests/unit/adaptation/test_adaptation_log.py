"""Logs of adaptation from files that nobody vouches for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtemo.adaptation import log as log_module
from rtemo.adaptation.log import Observed, WindowRanges, read_adaptation_log
from rtemo.config import AdaptationSettings
from rtemo.errors import RecordingError
from rtemo.outputs.events import Event

MORE = ("bad", "adapted", "shadow")
DIGEST = "0123456789abcdef"
SEEN: dict[str, Any] = {
    "views": {"eeg": [0.1, -8.0, None], "eye": None},
    "bad": [0.0, 0.5],
    "adapted": [0.25, 0.75],
    "shadow": [1, 0],
}
START: dict[str, Any] = {
    "stamp": 1.5,
    "event": "adaptation-start",
    "mode": "guarded",
    "seed": 4,
    "settings": AdaptationSettings(every=3).model_dump(mode="json"),
    "digest": DIGEST,
}
SESSION: dict[str, Any] = {"stamp": 2.0, "event": "session-start", "first_window": 10, "length_s": 1.0, "hop_s": 0.5}


def event(kind: str, **details: object) -> dict[str, Any]:
    return {"stamp": 1.0, "event": kind, **details}


def update(window: object, digest: object = DIGEST) -> dict[str, Any]:
    return event("adaptation-update", window=window, digest=digest)


def order(what: str, window: object, **changed: object) -> dict[str, Any]:
    return event(f"adaptation-{what}", window=window, **({"reason": "operator", "digest": DIGEST} | changed))


def late_window(window: object, **changed: object) -> dict[str, Any]:
    return event("adaptation-late", window=window, **(SEEN | changed))


def written(folder: Path, *events: object, tail: bytes = b"") -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(json.dumps(item).encode() + b"\n" for item in events) + tail)
    return path


def test_a_log_says_settings_seed_updates_and_what_was_passed_over(tmp_path: Path) -> None:
    rollback = event("adaptation-rollback", window=15, reason="drift", digest="f" * 16)
    path = written(
        tmp_path,
        START,
        event("stream-opened", stream="eeg"),
        SESSION,
        event("adaptation-skip", window=11, reason="confidence"),
        update(12),
        event("windows-skipped", windows=2, first_window=13, last_window=14),
        rollback,
        event("late", stream="eeg", samples=3, first_window=15, last_window=16),
    )
    log = read_adaptation_log(path)
    assert log.settings == AdaptationSettings(every=3)
    assert (log.seed, log.digest, log.grid) == (4, DIGEST, (1.0, 0.5))
    assert log.updates == {12: DIGEST, 15: "f" * 16}
    assert [k for k in range(-5, 30) if k in log.ignored] == [*range(-5, 10), 13, 14]
    assert [k for k in range(30) if k in log.late] == [15, 16]
    assert log.warnings == ()


def test_a_log_says_what_the_operator_asked_and_not_what_an_adapter_came_to_by_itself(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        START,
        order("paused", None),
        order("resumed", None),
        update(12),
        order("reset", 12, reason="in time"),
        order("reset", 12, reason=None, digest=None),
        order("paused", 12, digest="f" * 16),
        order("reset", 14),
        order("resumed", 14),
        update(15),
    )
    told = [(one.window, one.what, one.digest) for one in read_adaptation_log(path).orders]
    assert told == [
        (None, "pause", DIGEST),
        (None, "resume", DIGEST),
        (12, "pause", "f" * 16),
        (14, "reset", DIGEST),
        (14, "resume", DIGEST),
    ]


def test_a_log_of_a_session_without_adaptation_is_off(tmp_path: Path) -> None:
    assert read_adaptation_log(written(tmp_path, SESSION)).settings.mode == "off"
    assert read_adaptation_log(written(tmp_path)).settings.mode == "off"


def test_what_was_learnt_from_a_late_window_is_read_as_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.clip(rng.normal(size=500) * 10.0 ** rng.integers(-300, 1, 500), -8, 8)
    x[:4] = np.nan, -0.0, 5e-324, np.nextafter(8.0, 0.0)
    seen = Observed({"eeg": x, "eye": None}, np.array([1 / 3, 0.0]), rng.dirichlet([1, 1]), rng.dirichlet([1, 1]))
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(START) + "\n" + Event(1.5, "adaptation-late", seen.details(12)).as_json() + "\n")
    ((window, again),) = read_adaptation_log(path).observed.items()
    assert (window, again.views["eye"]) == (12, None)
    for one, other in ((again.views["eeg"], x), *((getattr(again, n), getattr(seen, n)) for n in MORE)):
        assert one.dtype == np.float64
        assert one.tobytes() == other.tobytes()


def test_late_windows_of_more_numbers_than_a_session_writes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, START, late_window(1), late_window(2))
    assert list(read_adaptation_log(path).observed) == [1, 2]
    monkeypatch.setattr(log_module, "MAX_LATE_VALUES", 2 * (64 + 3) - 1)
    with pytest.raises(RecordingError, match="line 3: expected at most 133 numbers of late windows in a log"):
        read_adaptation_log(path)


def test_a_last_line_that_was_cut_off_is_left_out_and_said(tmp_path: Path) -> None:
    log = read_adaptation_log(written(tmp_path, START, update(12), tail=b'{"stamp": 3.0, "event": "adapta'))
    assert list(log.updates) == [12]
    (line,) = log.warnings
    assert "line 3 was cut off" in line


def test_events_that_a_full_disk_lost_are_said(tmp_path: Path) -> None:
    log = read_adaptation_log(written(tmp_path, START, event("events-recovered", kept=4, lost=2)))
    assert "lost 2 events" in log.warnings[0]
    assert read_adaptation_log(written(tmp_path, event("events-recovered", kept=4, lost=0))).warnings == ()


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        ((order("resumed", 5),), ["resume"]),
        ((order("paused", 5), order("paused", 6)), ["pause", "pause"]),
        ((order("paused", 5), update(6)), ["pause", "resume"]),
    ],
    ids=["a pause", "the end of a pause", "the end of a pause before an update"],
)
def test_a_pause_that_a_full_disk_lost_is_told_of_and_the_rest_is_read(tmp_path: Path, lines, asked) -> None:
    log = read_adaptation_log(written(tmp_path, START, *lines, event("events-recovered", kept=4, lost=1)))
    assert [one.what for one in log.orders] == asked
    assert len(log.warnings) == 2
    assert "a line is missing" in log.warnings[1]
    assert "predictions may differ" in log.warnings[1]


WRONG = {
    "no JSON": ((b"{nothing}\n",), 1, "a JSON object"),
    "an empty line": ((START, b"\n", update(1)), 2, "a JSON object"),
    "not UTF-8": ((b'{"event": "\xff"}\n',), 1, "a JSON object"),
    "NaN": ((b'{"event": "late", "x": NaN}\n',), 1, "a JSON object"),
    "nested without end": ((b"[" * 100_000 + b"\n",), 1, "a JSON object"),
    "a number of ten thousand digits": ((b'{"event": "x", "n": ' + b"9" * 10_000 + b"}\n",), 1, "a JSON object"),
    "a list": (([1],), 1, "a text under 'event'"),
    "no event": (({"stamp": 1},), 1, "a text under 'event'"),
    "an event that is a number": (({"event": 1},), 1, "a text under 'event'"),
    "two starts": ((START, START), 2, "one adaptation-start"),
    "no settings": ((START | {"settings": None},), 1, "under 'settings'"),
    "unknown settings": ((START | {"settings": {"evry": 1}},), 1, "evry"),
    "settings out of range": ((START | {"settings": {"every": 0}},), 1, "'every'"),
    "settings that do not adapt": ((START | {"settings": {"mode": "off"}},), 1, "settings that adapt"),
    "a negative seed": ((START | {"seed": -1},), 1, "under 'seed'"),
    "a seed that is no number": ((START | {"seed": True},), 1, "under 'seed'"),
    "a seed that no generator takes": ((START | {"seed": 2**63},), 1, "under 'seed'"),
    "no digest": ((START | {"digest": None},), 1, "under 'digest'"),
    "a digest of another length": ((START, update(1, "abc")), 2, "under 'digest'"),
    "an update without a start": ((update(1),), 1, "adaptation-start before"),
    "an update of no window": ((START, update(None)), 2, "under 'window'"),
    "an update of half a window": ((START, update(1.5)), 2, "under 'window'"),
    "updates out of order": ((START, update(4), update(3)), 3, "a later window than 4"),
    "two updates after a window": ((START, update(4), update(4)), 3, "a later window than 4"),
    "a range backwards": ((event("windows-skipped", first_window=5, last_window=4),), 1, "'last_window'"),
    "a range without an end": ((event("late", first_window=5),), 1, "'last_window'"),
    "a grid of words": ((SESSION | {"hop_s": "1"},), 1, "'hop_s'"),
    "a session without a first window": ((SESSION | {"first_window": None},), 1, "'first_window'"),
    "an order without a start": ((order("paused", 1),), 1, "adaptation-start before"),
    "an order of no window after an update": ((START, update(1), order("paused", None)), 3, "under 'window'"),
    "an order of half a window": ((START, order("reset", 0.5)), 2, "under 'window'"),
    "an order without a digest": ((START, order("reset", 1, digest="x")), 2, "under 'digest'"),
    "orders out of order": ((START, order("reset", 5), order("paused", 4)), 3, "no earlier window than 5"),
    "an order before an update": ((START, update(5), order("paused", 4)), 3, "no earlier window than 5"),
    "an update after an order": ((START, order("reset", 5), update(5)), 3, "a later window than 5"),
    "an update in a pause": ((START, order("paused", 5), update(6)), 3, "adaptation-resumed before an update"),
    "two pauses": (
        (START, order("paused", 5), order("paused", 6)),
        3,
        "adaptation-resumed before it (a line is missing)",
    ),
    "the end of no pause": ((START, order("resumed", 5)), 2, "adaptation-paused before it (a line is missing)"),
    "a late window without a start": ((late_window(1),), 1, "adaptation-start before"),
    "a late window that is none": ((START, late_window("1")), 2, "under 'window'"),
    "a late window twice": ((START, late_window(1), late_window(1)), 3, "one adaptation-late of window 1"),
    "a late window without views": ((START, late_window(1, views={})), 2, "under 'views'"),
    "views in a list": ((START, late_window(1, views=[[0.0]])), 2, "under 'views'"),
    "features that are none": ((START, late_window(1, views={"eeg": []})), 2, "numbers from -8 to 8 under 'eeg'"),
    "a feature of text": ((START, late_window(1, views={"eeg": [0.0, "1"]})), 2, "under 'eeg'"),
    "a feature that is true": ((START, late_window(1, views={"eeg": [True]})), 2, "under 'eeg'"),
    "a feature out of range": ((START, late_window(1, views={"eeg": [8.1]})), 2, "under 'eeg'"),
    "a feature of 400 digits": ((START, late_window(1, views={"eeg": [10**400]})), 2, "under 'eeg'"),
    "an infinite feature": ((START, b'{"event": "adaptation-late", "window": 1, "views": {"a": [1e999]}}\n'), 2, "'a'"),
    "features in lists": ((START, late_window(1, views={"eeg": [[0.0]]})), 2, "under 'eeg'"),
    "too many features": ((START, late_window(1, views={"eeg": [0] * 20_000})), 2, "under 'eeg', found another"),
    "a view with a long name": ((START, late_window(1, views={"e" * 9999: [9]})), 2, "under 'eee"),
    "no bad channels": ((START, late_window(1, bad=None)), 2, "under 'bad'"),
    "more than all channels bad": ((START, late_window(1, bad=[1.1])), 2, "from 0 to 1 under 'bad'"),
    "a probability below 0": ((START, late_window(1, adapted=[-0.1])), 2, "under 'adapted'"),
    "a probability above 1": ((START, late_window(1, shadow=[1.1])), 2, "under 'shadow'"),
    "losses that are no number": ((event("events-recovered", lost="2"),), 1, "'lost'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_line_and_a_cure(tmp_path: Path, name: str) -> None:
    lines, number, expected = WRONG[name]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(x if isinstance(x, bytes) else json.dumps(x).encode() + b"\n" for x in lines))
    with pytest.raises(RecordingError) as caught:
        read_adaptation_log(path)
    assert caught.value.message.startswith(f"{path}: line {number}: expected ")
    assert expected in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 400
    assert "events.jsonl" in caught.value.cure


def test_an_update_after_a_window_that_was_passed_over_is_a_contradiction(tmp_path: Path) -> None:
    skipped = event("windows-skipped", windows=1, first_window=12, last_window=12)
    with pytest.raises(RecordingError, match="an update after window 12, which the session did not predict"):
        read_adaptation_log(written(tmp_path, START, update(12), skipped))
    with pytest.raises(RecordingError, match="adaptation-late of window 12, which the session did not predict"):
        read_adaptation_log(written(tmp_path, START, late_window(12), skipped))
    with pytest.raises(RecordingError, match="an operator's order after window 12, which the session did not predict"):
        read_adaptation_log(written(tmp_path, START, order("paused", 12), skipped))


def test_more_orders_than_anyone_gives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, START, order("reset", 1), order("reset", 1))
    assert len(read_adaptation_log(path).orders) == 2
    monkeypatch.setattr(log_module, "MAX_ORDERS", 1)
    with pytest.raises(RecordingError, match="line 3: expected at most 1 orders of an operator in a log"):
        read_adaptation_log(path)


def test_a_file_that_is_none_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, found in ((tmp_path, "a folder"), (tmp_path / "none.jsonl", "none")):
        with pytest.raises(RecordingError, match=f"expected a file, found {found}"):
            read_adaptation_log(path)
    path = written(tmp_path, START, update(12))
    monkeypatch.setattr(log_module, "MAX_LINE_BYTES", 100)
    with pytest.raises(RecordingError, match="line 1: expected a line of at most 100 bytes"):
        read_adaptation_log(path)
    monkeypatch.setattr(log_module, "MAX_BYTES", 100)
    with pytest.raises(RecordingError, match="expected at most 100"):
        read_adaptation_log(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KINDS = ("adaptation-start", "adaptation-update", "adaptation-rollback", "session-start", "windows-skipped", "late")
ORDERS = ("adaptation-paused", "adaptation-resumed", "adaptation-reset")
KEYS = ("reason", "window", "digest", "seed", "settings", "first_window", "last_window", "length_s", "hop_s", "lost")
GIVEN = (START["settings"], "operator", *SEEN.values())
EVENTS = st.builds(
    lambda kind, details: {"event": kind, **details},
    st.sampled_from((*KINDS, "events-recovered", "adaptation-late", *ORDERS)),
    st.dictionaries(st.sampled_from((*KEYS, *SEEN)), VALUES | st.sampled_from(GIVEN), max_size=6),
)
LINES = EVENTS.map(lambda item: json.dumps(item).encode() + b"\n") | st.binary(max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=6), st.booleans())
def test_whatever_a_file_holds_it_is_read_or_refused_in_words(tmp_path: Path, lines: list[bytes], begun: bool) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes((json.dumps(START).encode() + b"\n" if begun else b"") + b"".join(lines))
    try:
        log = read_adaptation_log(path)
    except RecordingError:
        return
    assert list(log.updates) == sorted(log.updates)
    assert (log.settings.mode == "off") == (log.digest == "")


RANGES = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))))


@given(RANGES)
def test_ranges_hold_the_windows_that_are_in_any_of_them(ranges: list[tuple[int, int]]) -> None:
    inside = {k for first, last in ranges for k in range(first, last + 1)}
    found = WindowRanges(ranges)
    assert {k for k in range(-40, 40) if k in found} == inside
    assert found.first == min(inside, default=None)
    assert {k for first, last in found.ranges for k in range(first, last + 1)} == inside
