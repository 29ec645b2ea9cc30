"""What an operator asks: annotations become events at their moment, the rest goes to the model's thread."""

from __future__ import annotations

import pytest

from rtemo.clock import VirtualClock
from rtemo.live.operators import Operators
from rtemo.live.worker import Asked
from rtemo.outputs.events import Event
from rtemo.telemetry import Command


class Model(list):
    """Takes what is asked of adaptation."""

    def ask(self, asked: Asked) -> None:
        self.append(asked)


def command(what: str, text: str = "") -> Command:
    return Command(session="s", token="t", number=1, command=what, text=text)


@pytest.fixture
def made() -> tuple[Operators, Model, list[Event]]:
    events: list[Event] = []
    model = Model()
    operators = Operators("s", "t", clock=VirtualClock(1000.0), model=model, take=events.append)
    return operators, model, events


def test_an_annotation_is_an_event_at_the_operators_moment(made: tuple[Operators, Model, list[Event]]) -> None:
    operators, model, events = made
    operators.do(command("annotate", "yawns"), 999.5, "desk", False)
    operators.do(command("annotate", ""), 1000.0, "desk", True)
    assert model == []
    assert [(event.stamp_s, event.kind, event.details) for event in events] == [
        (999.5, "annotation", {"text": "yawns", "operator": "desk"}),
        (1000.0, "annotation", {"text": "", "operator": "desk", "stamped": "on arrival"}),
    ]


@pytest.mark.parametrize("what", ["pause", "resume", "reset"])
def test_orders_go_to_the_model_and_its_refusal_is_an_event(
    made: tuple[Operators, Model, list[Event]], what: str
) -> None:
    operators, model, events = made
    operators.do(command(what), 999.5, "desk", False)
    assert events == []
    (asked,) = model
    assert (asked.what, asked.by) == (what, "desk")
    asked.refuse("nothing adapts")
    (event,) = events
    assert (event.stamp_s, event.kind) == (1000.0, "command-refused")
    assert event.details == {"hostname": "desk", "reason": "nothing adapts", "commands": 1}


def test_where_nobody_is_to_be_listened_to_nobody_is() -> None:
    operators = Operators("s", "t", clock=VirtualClock(0.0), model=Model(), take=print, wanted=False)
    operators.start()
    assert operators._listener._watcher.ident is None
    assert operators.hostnames() == operators.source_ids() == ()
    operators.stop()
    operators.finish()


def test_operators_are_told_by_machine_and_by_stream(
    made: tuple[Operators, Model, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    operators, _, _ = made
    monkeypatch.setattr(type(operators._listener), "operators", (("desk", "one"), ("desk", "two")))
    assert operators.hostnames() == ("desk", "desk")
    assert operators.source_ids() == ("one", "two")
