"""An operator's stream, from its opening to its end: nothing of it reaches the session but what is right."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtemo.clock import Measurement, VirtualClock
from rtemo.sources.lsl import commands
from rtemo.sources.lsl.commands import (
    LET_GO_S,
    MOST_OPERATORS,
    MOST_OVER_RATE,
    MOST_REFUSED,
    PER_S,
    UNSEEN_S,
    CommandListener,
)
from rtemo.sources.lsl.inlet import Pulled, StreamEndedError, StreamRefusedError, UnmeasuredError
from rtemo.sources.lsl.matching import Visible
from rtemo.telemetry import Command

SESSION, TOKEN = "sub-01-ses-20260102T030405Z", "0123456789abcdef"
NOW_S, OFFSET_S = 1000.0, -400.0


def visible(uid: str = "u1", host: str = "far", **changed: Any) -> Visible:
    fields = {"name": "rtemo-command", "type": "Command", "source_id": f"rtemo-command-{SESSION}-{uid}"}
    return Visible(uid=uid, hostname=host, is_text=True, **(fields | changed))


def said(number: int = 1, command: str = "annotate") -> str:
    return json.dumps({"session": SESSION, "token": TOKEN, "number": number, "command": command, "text": "hm"})


class Sent:
    """An inlet on which texts come, one a pull, each stamped by the operator's clock; then the stream ends."""

    def __init__(
        self,
        *texts: str,
        measures: bool = True,
        channels: int = 1,
        is_text: bool = True,
        offset_s: float = OFFSET_S,
    ) -> None:
        self.texts, self.measures, self.offset_s = list(texts), measures, offset_s
        self.header = SimpleNamespace(is_text=is_text, channel_count=channels)
        self.closed = False

    def __call__(self, info: object, **limits: int) -> Sent:
        assert limits["max_xml_bytes"] < 100_000
        return self

    def measure(self, timeout_s: float) -> Measurement:
        if not self.measures:
            raise UnmeasuredError("nobody answers")
        return Measurement(NOW_S - self.offset_s, self.offset_s)

    def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
        if not self.texts:
            raise StreamEndedError("the stream is gone")
        return Pulled(np.array([NOW_S - self.offset_s - 0.25]), None, [(self.texts.pop(0),)])

    def close(self) -> None:
        self.closed = True


class Heard:
    """A listener, what it was told to do, and the events that it made."""

    def __init__(self) -> None:
        self.clock = VirtualClock(NOW_S)
        self.done: list[tuple[str, float, str, bool]] = []
        self.events: list[tuple[str, dict[str, object]]] = []
        self.listener = CommandListener(
            SESSION, TOKEN, clock=self.clock, local_host="here", on_command=self.do, emit=self.emit
        )

    def do(self, command: Command, stamp_s: float, operator: str, on_arrival: bool) -> None:
        if command.command == "reset":
            raise ValueError("it broke")
        self.done.append((command.command, stamp_s, operator, on_arrival))

    def emit(self, kind: str, **details: object) -> None:
        self.events.append((kind, details))

    def meet(self, found: Visible) -> None:
        """Listen to an operator until its stream ends."""
        self.listener._meet(found, None, self.clock.now_s())
        for thread in threading.enumerate():
            if thread.name == "rtemo-operator":
                thread.join(10)
                assert not thread.is_alive()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def sends(monkeypatch: pytest.MonkeyPatch, inlet: Any) -> Any:
    monkeypatch.setattr(commands, "Inlet", inlet)
    return inlet


def test_an_operator_comes_is_heard_and_leaves(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    inlet = sends(monkeypatch, Sent(said(1), said(2, "pause")))
    heard.meet(visible())
    # On the session's clock, a quarter of a second ago.
    assert heard.done == [("annotate", NOW_S - 0.25, "far", False), ("pause", NOW_S - 0.25, "far", False)]
    joined, left = ("operator-joined", {"hostname": "far"}), {"hostname": "far", "reason": "the stream is gone"}
    assert heard.events == [joined, ("operator-left", left)]
    assert inlet.closed
    assert heard.listener.operators == ()


@pytest.mark.parametrize(("host", "stamp_s", "on_arrival"), [("far", NOW_S, True), ("here", NOW_S - 0.25, False)])
def test_where_a_clock_does_not_answer_a_command_counts_from_its_arrival_but_for_this_machines(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, host: str, stamp_s: float, on_arrival: bool
) -> None:
    sends(monkeypatch, Sent(said(1), measures=False, offset_s=OFFSET_S if host == "far" else 0.0))
    heard.meet(visible(host=host))
    assert heard.done == [("annotate", stamp_s, host, on_arrival)]
    assert "clock-unmeasured" in heard.kinds()


def test_an_error_ends_that_operator_for_good_and_nothing_else(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inlet = sends(monkeypatch, Sent(said(1), said(2, "reset"), said(3)))
    with caplog.at_level(logging.ERROR):
        heard.meet(visible())
    assert [what for what, *_ in heard.done] == ["annotate"]
    assert heard.kinds() == ["operator-joined", "operator-left", "command-error"]
    assert heard.events[-1][1] == {"hostname": "far", "error": "ValueError: it broke"}
    assert "it broke" in caplog.text
    assert inlet.closed
    heard.clock.advance(1e6)
    heard.meet(visible())
    assert len(heard.events) == 3
    # Another one is heard.
    sends(monkeypatch, Sent())
    heard.meet(visible("u2"))
    assert heard.kinds()[3:] == ["operator-joined", "operator-left"]


def test_an_error_while_a_stream_is_opened_takes_no_place(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(info: object, **limits: int) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    sends(monkeypatch, broken)
    for number in range(2 * MOST_OPERATORS):
        heard.meet(visible(f"u{number}"))
    assert heard.kinds() == ["command-error"] * 10
    assert heard.listener._operators == {}


class Slow(Sent):
    """An inlet whose texts come so many seconds apart."""

    clock: VirtualClock
    apart_s: float

    def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
        pulled = super().pull(at_least, timeout_s)
        self.clock.advance(self.apart_s)
        assert pulled is not None
        return Pulled(pulled.stamps_s + self.clock.now_s() - NOW_S, None, pulled.rows)


def slow(heard: Heard, apart_s: float, *texts: str) -> Slow:
    inlet = Slow(*texts)
    inlet.clock, inlet.apart_s = heard.clock, apart_s
    return inlet


def test_who_sends_nothing_but_garbage_is_let_go_for_a_while(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    inlet = sends(monkeypatch, Sent(*["{"] * (MOST_REFUSED + 50), said(1)))
    heard.meet(visible())
    heard.listener.finish()
    assert heard.done == []
    assert len(inlet.texts) == 50
    refused = [details for kind, details in heard.events if kind == "command-refused"]
    assert len(refused) <= 11
    assert sum(details["commands"] for details in refused) == MOST_REFUSED + 1  # type: ignore[misc]
    left = next(details for kind, details in heard.events if kind == "operator-left")
    assert left == {"hostname": "far", "reason": f"more than {MOST_REFUSED} commands a minute were refused"}


def test_who_was_let_go_is_heard_again_after_a_minute(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    sends(monkeypatch, Sent(*["{"] * (MOST_REFUSED + 1)))
    heard.meet(visible())
    sends(monkeypatch, slow(heard, 0.0, said(1)))
    heard.clock.advance(LET_GO_S - 1)
    heard.meet(visible())
    assert heard.done == []
    heard.clock.advance(2)
    heard.meet(visible())
    assert [what for what, *_ in heard.done] == ["annotate"]


def test_a_few_refusals_a_minute_bar_nobody_however_many_there_were(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet = slow(heard, 1.1 * PER_S / MOST_REFUSED, *["{"] * (10 * MOST_REFUSED), said(1))
    sends(monkeypatch, inlet)
    heard.meet(visible())
    assert inlet.texts == []
    assert [what for what, *_ in heard.done] == ["annotate"]


def test_a_key_that_is_held_down_bars_nobody_and_a_flood_does(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    held = slow(heard, 1 / 30, *(said(number) for number in range(1, 30 * 60 * 2)))
    sends(monkeypatch, held)
    heard.meet(visible())
    assert held.texts == []
    assert len(heard.done) < 300
    flood = sends(monkeypatch, Sent(*(said(number) for number in range(10_000, 10_000 + 2 * MOST_OVER_RATE))))
    heard.meet(visible("u2"))
    assert 0 < len(flood.texts) < MOST_OVER_RATE


def test_what_is_sent_in_the_last_moment_is_taken_before_the_session_listens_no_more(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LastMoment(Sent):
        def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
            (operator,) = heard.listener._operators.values()
            if not operator.stop.is_set():
                # While this pull waits in vain, the session ends; then the command comes.
                operator.stop.set()
                return None
            return super().pull(at_least, timeout_s)

    inlet = sends(monkeypatch, LastMoment(said(1)))
    heard.meet(visible())
    assert [what for what, *_ in heard.done] == ["annotate"]
    assert heard.events[-1] == ("operator-left", {"hostname": "far", "reason": "it was let go"})
    assert inlet.closed


def test_each_operator_is_named_by_its_machine_and_its_stream(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    sends(monkeypatch, Silent())
    for uid in ("u1", "u2"):
        heard.listener._meet(visible(uid, host="one-machine"), None, NOW_S)
    until_s = time.monotonic() + 10
    while len(heard.listener.operators) < 2:
        assert time.monotonic() < until_s
    assert heard.listener.operators == tuple(("one-machine", f"rtemo-command-{SESSION}-{uid}") for uid in ("u1", "u2"))
    heard.listener.stop()
    assert heard.listener.operators == ()


@pytest.mark.parametrize(
    ("inlet", "reason"),
    [
        (Sent(channels=2), "one channel of text"),
        (Sent(is_text=False), "one channel of text"),
        (StreamRefusedError("XML of 99 bytes"), "its stream: XML of 99 bytes"),
        (StreamEndedError("it cannot be opened"), "its stream: it cannot be opened"),
    ],
)
def test_a_stream_that_is_none_of_commands_is_refused(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, inlet: Any, reason: str
) -> None:
    def opened(info: object, **limits: int) -> Any:
        if isinstance(inlet, Exception):
            raise inlet
        return inlet

    sends(monkeypatch, opened)
    heard.meet(visible())
    ((kind, details),) = heard.events
    assert kind == "command-refused"
    assert reason in str(details["reason"])


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "rtemo-commands"},
        {"type": "Markers"},
        {"source_id": "rtemo-command-sub-02-ses-20260102T030405Z-1"},
        {"source_id": ""},
    ],
)
def test_streams_that_only_look_alike_are_not_opened(heard: Heard, changed: dict[str, str]) -> None:
    assert heard.listener._ours(visible())
    assert not heard.listener._ours(visible(**changed))


class Silent(Sent):
    """An inlet on which nothing comes, until it is let go."""

    def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
        return None


def test_there_are_only_so_many_operators_and_so_many_a_minute(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    sends(monkeypatch, Silent())
    for number in range(MOST_OPERATORS + 3):
        heard.listener._meet(visible(f"u{number}", host=f"h{number}"), None, NOW_S)
    running = list(heard.listener._operators.values())
    assert len(running) == MOST_OPERATORS
    heard.listener.stop()
    assert not any(operator.thread.is_alive() for operator in running)
    assert heard.kinds().count("operator-left") == MOST_OPERATORS
    # Whoever comes and goes all the time is not let in each time.
    sends(monkeypatch, Sent())
    for number in range(100, 200):
        heard.meet(visible(f"u{number}"))
    assert heard.kinds().count("operator-joined") == commands.CONNECTIONS


def test_an_operator_whom_the_network_knows_no_more_is_let_go(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    class Resolver:
        found: tuple[Visible, ...] = (visible(),)

        def __init__(self, **question: object) -> None:
            assert f"starts-with(source_id,'rtemo-command-{SESSION}-')" in str(question["pred"])

        def results(self) -> tuple[Visible, ...]:
            return self.found

    monkeypatch.setattr(commands.pylsl, "ContinuousResolver", Resolver)
    monkeypatch.setattr(commands, "visible_of", lambda info: info)
    monkeypatch.setattr(commands, "LOOK_S", 0.0)
    sends(monkeypatch, Silent())
    heard.listener._look()
    (operator,) = heard.listener._operators.values()
    heard.clock.advance(UNSEEN_S)
    heard.listener._look()
    assert not operator.stop.is_set()
    Resolver.found = ()
    heard.clock.advance(UNSEEN_S - 1)
    heard.listener._look()
    assert not operator.stop.is_set()
    heard.clock.advance(2.0)
    heard.listener._look()
    operator.thread.join(10)
    assert heard.events[-1] == ("operator-left", {"hostname": "far", "reason": "it was let go"})


def test_what_goes_wrong_while_looking_is_an_event_and_looking_goes_on(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def broken(**question: object) -> None:
        asked.append(1)
        if len(asked) == 3:
            heard.listener._stop.set()
        raise OSError("no port is left")

    monkeypatch.setattr(commands.pylsl, "ContinuousResolver", broken)
    monkeypatch.setattr(commands, "EVERY_S", commands.LOOK_S)
    heard.listener.start()
    heard.listener._watcher.join(10)
    assert len(asked) == 3
    told = [{"hostname": "", "error": "OSError: no port is left"}] * 3
    assert [details for kind, details in heard.events if kind == "command-error"] == told


def test_after_the_end_nothing_is_heard(heard: Heard) -> None:
    heard.listener.refuse("far", "nothing adapts")
    heard.listener.finish()
    operator = SimpleNamespace(visible=visible(), hostname="far")
    heard.listener.take(said(1), NOW_S, operator, False)  # type: ignore[arg-type]
    heard.listener.tell("operator-left", hostname="far")
    assert heard.done == []
    assert heard.kinds() == ["command-refused"]


def test_a_command_whose_stamp_is_no_number_is_refused(heard: Heard) -> None:
    operator = SimpleNamespace(visible=visible(), hostname="far")
    with pytest.raises(commands.RefusedCommandError, match="no number"):
        heard.listener.take(said(1), math.nan, operator, False)  # type: ignore[arg-type]
