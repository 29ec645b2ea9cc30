"""What comes over a command stream is done only where everything about it is right."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.clock import VirtualClock
from rtemo.sources.lsl import command_check
from rtemo.sources.lsl.command_check import Allowance, CommandCheck, OverRateError, Refusals, RefusedCommandError

SESSION, TOKEN = "sub-01-ses-20260102T030405Z", "0123456789abcdef"
NOW_S = 1000.0


def said(number: object = 1, **changed: object) -> str:
    right = {"session": SESSION, "token": TOKEN, "number": number, "command": "annotate", "text": "hm"}
    return json.dumps(right | changed)


@pytest.fixture
def check() -> CommandCheck:
    return CommandCheck(SESSION, TOKEN, VirtualClock(NOW_S))


def test_a_command_with_everything_right_is_taken(check: CommandCheck) -> None:
    command = check.check(said(text="Ünï\u2028\x00", later="more"), NOW_S - 0.1, "one")
    assert (command.command, command.text, command.number) == ("annotate", "Ünï\u2028\x00", 1)
    for number, what in enumerate(("pause", "resume", "reset"), start=2):
        assert check.check(said(number, command=what, text=""), NOW_S + 0.5, "one").command == what


@pytest.mark.parametrize(
    ("text", "age_s", "reason"),
    [
        ("", 0.0, "Invalid JSON"),
        ("[1]", 0.0, "object"),
        ("[" * 4000, 0.0, "Invalid JSON"),
        (said(command="erase"), 0.0, "command"),
        (said(number=0), 0.0, "number"),
        (said(number=1.5), 0.0, "number"),
        (said(text="x" * 501), 0.0, "text"),
        (said(text="x" * 5000), 0.0, "longer than 4096 bytes"),
        (said()[:-1] + " " * 4096 + "}", 0.0, "longer than 4096 bytes"),
        ("ü" * 3000, 0.0, "longer than 4096 bytes"),
        ('{"text": "\\ud800"}', 0.0, "Invalid JSON"),
        (said(session="sub-02-ses-20260102T030405Z"), 0.0, "another session"),
        (said(token=""), 0.0, "token"),
        (said(token="0123456789abcdeF"), 0.0, "token"),
        (said(token="ü"), 0.0, "token"),
        (said(), 61.0, "61 s ago"),
        (said(), -1.5, "1.5 s in the future"),
        (said(), math.nan, "no number"),
        (said(), math.inf, "no number"),
    ],
)
def test_what_is_wrong_is_refused_in_words(check: CommandCheck, text: str, age_s: float, reason: str) -> None:
    with pytest.raises(RefusedCommandError, match=reason) as caught:
        check.check(text, NOW_S - age_s, "one")
    assert len(str(caught.value)) <= 200


@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: raw.decode("utf-8", "replace")), st.floats())
def test_whatever_comes_is_taken_or_refused(text: str, stamp_s: float) -> None:
    with pytest.raises(RefusedCommandError):
        CommandCheck(SESSION, TOKEN, VirtualClock(NOW_S)).check(text, stamp_s, text)


def test_no_command_is_done_twice_and_each_stream_counts_its_own(check: CommandCheck) -> None:
    for number in (3, 7):
        check.check(said(number), NOW_S, "one")
    for number in (7, 3, 1):
        with pytest.raises(RefusedCommandError, match=f"number {number} after 7"):
            check.check(said(number), NOW_S, "one")
    check.check(said(1), NOW_S, "two")
    # Whoever does not know the token cannot use up numbers.
    with pytest.raises(RefusedCommandError, match="token"):
        check.check(said(100, token="x"), NOW_S, "one")
    check.check(said(8), NOW_S, "one")


def test_more_commands_than_anyone_gives_are_refused_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(NOW_S)
    check = CommandCheck(SESSION, TOKEN, clock)
    for number in range(1, 21):
        check.check(said(number), NOW_S, "one")
    with pytest.raises(OverRateError, match="more than 2 commands a second"):
        check.check(said(21), NOW_S, "one")
    check.check(said(1), NOW_S, "two")
    clock.advance(0.6)
    check.check(said(22), NOW_S, "one")
    monkeypatch.setattr(command_check, "MOST_STREAMS", 10)
    for stream in range(50):
        check.check(said(1), NOW_S, f"stream {stream}")
    assert len(check._numbers) == len(check._allowances) == 10


def test_an_allowance_gives_a_burst_and_then_one_every_so_often() -> None:
    clock = VirtualClock(0.0)
    allowance = Allowance(3, 5.0, clock)
    assert [allowance.take() for _ in range(5)] == [True] * 3 + [False] * 2
    clock.advance(4.9)
    assert not allowance.take()
    clock.advance(0.2)
    assert [allowance.take(), allowance.take()] == [True, False]
    clock.advance(1e6)
    assert sum(allowance.take() for _ in range(10)) == 3


def test_a_flood_of_refusals_makes_few_events_which_count_them_all() -> None:
    clock, told = VirtualClock(0.0), []
    refusals = Refusals(lambda *said: told.append(said), clock)
    for number in range(100_000):
        refusals.take("evil", f"reason {number}")
        clock.advance(0.001)
    assert len(told) == 10 + 100 // 5 - 1
    refusals.finish()
    refusals.finish()
    assert sum(count for _, _, count in told) == 100_000
    assert told[:2] == [("evil", "reason 0", 1), ("evil", "reason 1", 1)]
    assert told[-1][:2] == ("evil", "reason 99999")
