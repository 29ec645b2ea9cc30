"""Commands are numbered, stamped when the key was pressed, and sent once, when the session listens."""

from __future__ import annotations

import json

import pytest
from dashboard_words import layout, status

from rtemo.dashboard.commands import MOST_WAITING, PATIENCE_S, Commander, checked
from rtemo.outputs.publish import Appear, Send
from rtemo.telemetry import COMMAND_SOURCE, Command


def listening(*source_ids: str):
    return status(1.0, operators=("lab",) * len(source_ids), operator_ids=source_ids)


class Desk:
    """Outlets that remember what was sent, and an operator."""

    def __init__(self, **changes):
        self.opened, self.sent, self.refused = [], [], []
        self.listener = True
        self.commander = Commander(
            layout(**changes), self, refuse=lambda command, text, reason: self.refused.append(command)
        )
        self.listening = listening("another", self.commander.source_id)

    def perform(self, action, origin_s):
        if isinstance(action, Appear):
            self.opened.append(action.outlet)
        else:
            assert isinstance(action, Send)
            ((text,),) = action.values
            self.sent.append((origin_s + float(action.stamps_s[0]), Command.model_validate_json(text)))

    def heard(self, stream):
        assert stream == self.opened[0].stream.key
        return self.listener


def test_the_stream_is_there_before_the_first_command_and_bears_the_session_s_name():
    (outlet,) = Desk().opened
    assert (outlet.stream.name, outlet.stream.type, outlet.channel_format) == ("rtemo-command", "Command", "string")
    assert outlet.stream.source_id.startswith(f"{COMMAND_SOURCE}{layout().session}-")
    assert Desk().opened[0].stream.source_id != outlet.stream.source_id


def test_commands_are_numbered_from_one_and_stamped_when_they_were_asked():
    desk = Desk()
    desk.commander.ask("annotate", "coughs", 10.0)
    desk.commander.ask("pause", "", 11.0)
    desk.commander.pump(11.5, desk.listening)
    desk.commander.ask("resume", "", 12.0)
    desk.commander.pump(12.5, desk.listening)
    assert [(at_s, c.number, c.command, c.text) for at_s, c in desk.sent] == [
        (10.0, 1, "annotate", "coughs"),
        (11.0, 2, "pause", ""),
        (12.0, 3, "resume", ""),
    ]
    assert {(c.session, c.token) for _, c in desk.sent} == {(layout().session, "t1")}


def test_a_command_waits_until_the_session_says_that_it_listens():
    desk = Desk()
    desk.commander.ask("pause", "", 10.0)
    desk.commander.pump(10.1, None)
    # Another dashboard of this machine.
    desk.commander.pump(10.2, listening("another"))
    desk.listener = False
    desk.commander.pump(10.3, desk.listening)
    assert desk.sent == []
    desk.listener = True
    desk.commander.pump(10.4, desk.listening)
    desk.commander.pump(10.5, desk.listening)
    assert len(desk.sent) == 1


def test_an_order_that_still_waits_is_not_given_twice_but_what_comes_between_counts():
    desk = Desk()
    for order in ("pause", "pause", "resume", "pause", "pause"):
        desk.commander.ask(order, "", 10.0)
        desk.commander.ask("annotate", "coughs", 10.0)
    desk.commander.pump(10.1, desk.listening)
    said = [c.command for _, c in desk.sent]
    assert [command for command in said if command != "annotate"] == ["pause", "resume", "pause"]
    assert said.count("annotate") == 5
    desk.commander.ask("pause", "", 11.0)
    desk.commander.pump(11.1, desk.listening)
    assert desk.sent[-1][1].command == "pause"
    assert len(desk.sent) == 9


def test_at_the_end_what_can_be_sent_is_sent_and_the_rest_is_given_back():
    desk = Desk()
    desk.commander.ask("annotate", "coughs", 10.0)
    assert desk.commander.finish(10.1, desk.listening) == []
    assert [c.text for _, c in desk.sent] == ["coughs"]
    assert desk.commander.sent_s == 10.1
    desk.listener = False
    desk.commander.ask("annotate", "yawns", 11.0)
    desk.commander.ask("pause", "", 11.0)
    assert desk.commander.finish(11.1, desk.listening) == [("annotate", "yawns"), ("pause", "")]
    assert desk.commander.finish(11.2, desk.listening) == []
    assert len(desk.sent) == 1


def test_a_command_that_nobody_listens_to_is_dropped_and_said_so():
    desk = Desk()
    desk.listener = False
    desk.commander.ask("reset", "", 10.0)
    desk.commander.ask("pause", "", 15.0)
    desk.commander.pump(10.1 + PATIENCE_S, desk.listening)
    assert desk.refused == ["reset"]
    desk.listener = True
    desk.commander.pump(15.1 + PATIENCE_S - 5, desk.listening)
    assert [c.command for _, c in desk.sent] == ["pause"]
    assert desk.sent[0][1].number == 1


def test_keys_that_are_held_down_fill_no_memory():
    desk = Desk()
    desk.listener = False
    for number in range(MOST_WAITING + 7):
        desk.commander.ask("annotate", str(number), 10.0)
    assert len(desk.refused) == 7


def test_a_command_beyond_the_session_s_limit_is_refused_here():
    desk = Desk(token="é" * 500, session="é" * 400)
    desk.commander.ask("annotate", "\x01" * 500, 10.0)
    desk.commander.ask("pause", "", 10.0)
    desk.commander.pump(10.1, desk.listening)
    assert desk.refused == ["annotate"]
    assert [c.number for _, c in desk.sent] == [1]


def test_what_is_no_command_is_an_error_and_what_is_too_long_is_cut():
    with pytest.raises(ValueError, match="no command 'explode'"):
        checked("explode", "")
    assert checked("annotate", "x" * 900) == ("annotate", "x" * 500)
    _, text = checked("annotate", "a\ud800b")
    assert json.loads(json.dumps(text)) == text == "a?b"
