"""One session, without LSL: how long it is away, what it is asked, and what stays open once it is over."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np
import pytest
from dashboard_words import layout, status, stream

from rtemo.clock import VirtualClock
from rtemo.config import NetworkSettings
from rtemo.dashboard import attachment as attachment_module
from rtemo.dashboard.attachment import LINGER_S, OVER_S, Attachment
from rtemo.dashboard.intake import STATUS
from rtemo.dashboard.messages import REFUSED, Attached, Detached, EventsSeen
from rtemo.outputs.publish import Appear
from rtemo.sources.lsl.inlet import Pulled
from rtemo.telemetry import Command
from rtemo.xdf import StreamHeader

SESSION = layout().session
STATUS_ID = f"rtemo-status-{SESSION}"


class Streams:
    """In the place of streams that are looked for."""

    made: list[Streams]

    def __init__(self, wanted, network, sink, *, clock, on_error):
        self.keys = [one.key for one in wanted]
        self.open = True
        self.made.append(self)

    def start(self):
        pass

    def stop(self):
        self.open = False

    def let_go(self, key, silent_s, *, hurry):
        pass

    def measure_soon(self, key):
        pass


class Desk:
    """In the place of the outlets."""

    def __init__(self, bench):
        self.bench, self.sent, self.open = bench, [], True

    def perform(self, action, origin_s):
        if not isinstance(action, Appear):
            assert self.open
            self.sent.append(Command.model_validate_json(action.values[0][0]))

    def heard(self, stream):
        return True

    def close(self):
        if self.open and self.sent:
            self.bench.closed_s = self.bench.clock.now_s()


class Bench:
    def __init__(self, monkeypatch):
        self.clock = VirtualClock(50.0)
        self.posted, self.closed_s = [], None
        self.desk = Desk(self)
        monkeypatch.setattr(Streams, "made", [], raising=False)
        monkeypatch.setattr(attachment_module, "LiveStreams", Streams)
        monkeypatch.setattr(attachment_module, "Outlets", lambda: self.desk)
        monkeypatch.setattr(attachment_module.time, "sleep", self.clock.advance)
        self.one = Attachment(
            SESSION, NetworkSettings(), post=self.posted.append, clock=self.clock, on_error=self.posted.append
        )

    def come(self, *, tended=True, **changes):
        text = escape(layout(**changes).model_dump_json())
        header = StreamHeader(1, "rtemo-status", "Status", 1, 0.0, "string", hostname="lab", source_id=STATUS_ID)
        self.one._status.gate.opened(STATUS, header, f"<info><desc><layout>{text}</layout></desc></info>".encode())
        if tended:
            self.one.tend((STATUS_ID,))

    def say(self, **changes):
        pulled = Pulled(
            np.array([self.clock.now_s()]), None, [(status(self.clock.now_s(), **changes).model_dump_json(),)]
        )
        self.one._status.gate.texts(STATUS, pulled)

    def listen(self, **changes):
        self.say(operators=("lab",), operator_ids=(self.one._commander.source_id,), **changes)

    def go(self):
        self.one._status.gate.closed(STATUS, "the connection is lost")

    def looked_for(self):
        for thread in self.one._closing:
            thread.join(10)
        return [key for streams in Streams.made if streams.open for key in streams.keys]

    def of(self, kind):
        return [message for message in self.posted if isinstance(message, kind)]

    def refused(self):
        return [dict(e.details) for m in self.of(EventsSeen) for e in m.events if e.kind == REFUSED]


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


def test_a_session_is_away_since_it_left_however_long_it_was_watched(bench):
    bench.come()
    bench.say()
    bench.clock.advance(3600.0)
    bench.say()
    bench.clock.advance(0.2)
    bench.go()
    # Before anyone has tended it.
    assert bench.one.gone
    assert bench.one.away_s() == 0.0
    bench.clock.advance(2.0)
    bench.one.tend(())
    assert bench.one.away_s() == pytest.approx(2.0)
    bench.come()
    assert bench.one.away_s() == 0.0
    assert bench.one.attached


def test_one_that_was_never_found_is_away_since_it_was_looked_for(bench):
    bench.clock.advance(9.0)
    assert bench.one.away_s() == pytest.approx(9.0)
    assert not bench.one.known


def test_a_command_is_for_the_session_that_was_shown(bench):
    assert bench.one.ask("pause", "", 50.0, "t1") == "there is no session to tell"
    bench.come()
    assert bench.one.ask("pause", "", 50.0, "t0") == "it was meant for the session that was shown before"
    assert bench.one.ask("annotate", "coughs", 50.0, "t1") == ""
    bench.one.tend(())
    assert bench.desk.sent == []
    bench.listen()
    bench.one.tend(())
    assert [(said.command, said.text, said.token) for said in bench.desk.sent] == [("annotate", "coughs", "t1")]
    bench.go()
    assert bench.one.ask("pause", "", 50.0, "t1") == "there is no session to tell"


def test_a_dashboard_is_heard_where_the_session_names_its_stream_and_not_its_machine(bench):
    bench.come()
    assert bench.one.heard_as == ""
    bench.say(operators=("lab",), operator_ids=("another",))
    assert bench.one.heard_as == ""
    bench.listen()
    assert bench.one.heard_as == "t1"
    bench.go()
    assert bench.one.heard_as == ""


def test_a_command_of_the_last_moment_is_sent_and_its_stream_stays_for_a_moment(bench):
    bench.come()
    bench.listen()
    assert bench.one.ask("annotate", "the end", 50.0, "t1") == ""
    assert bench.one.close() == []
    assert [said.text for said in bench.desk.sent] == ["the end"]
    assert bench.closed_s == pytest.approx(50.0 + LINGER_S)


def test_what_cannot_be_sent_in_the_last_moment_is_given_back_and_nobody_waits(bench):
    bench.come()
    assert bench.one.ask("annotate", "the end", 50.0, "t1") == ""
    assert bench.one.close() == [("annotate", "the end")]
    assert bench.clock.now_s() == 50.0
    assert bench.looked_for() == []


@pytest.mark.parametrize("tended", [True, False])
def test_a_session_that_is_left_is_said_to_be_so_at_once_and_nothing_after_that(bench, tended):
    bench.come(tended=tended)
    bench.one.close("another session is watched")
    bench.say()
    bench.go()
    assert [type(message) for message in bench.posted] == [Attached, Detached]
    assert bench.posted[-1].reason == "another session is watched"


def test_what_waits_for_a_session_is_refused_where_another_one_of_its_name_comes(bench):
    bench.come()
    assert bench.one.ask("annotate", "coughs", 50.0, "t1") == ""
    bench.go()
    bench.come(token="t2")
    assert bench.refused() == [{"what": "annotate", "reason": "the session is another one", "text": "coughs"}]
    bench.listen()
    bench.one.tend(())
    assert bench.desk.sent == []


def test_nothing_of_a_session_that_is_over_is_looked_for_until_it_is_there_again(bench):
    bench.come()
    bench.say(streams=(stream(stream_name="Amp", type="EEG", source_id="amp-1"),))
    bench.clock.advance(4.0)
    bench.one.tend((STATUS_ID, f"rtemo-quality-{SESSION}"))
    assert set(bench.looked_for()) == {"status", "prediction", "events", "quality", "view:eeg"}
    bench.listen(ending=True)
    bench.go()
    bench.one.tend((STATUS_ID,))
    assert len(bench.looked_for()) == 5
    bench.clock.advance(OVER_S + 0.1)
    for visible in ((STATUS_ID,), (STATUS_ID,), ()):
        bench.one.tend(visible)
        assert bench.looked_for() == []
        # The network tells of it for a while.
        assert not bench.one.back
    assert bench.one.ended
    bench.one.tend((STATUS_ID,))
    assert bench.one.back


def test_a_session_that_vanished_without_a_word_is_looked_for_without_end(bench):
    bench.come()
    bench.say()
    bench.go()
    bench.clock.advance(1000.0)
    bench.one.tend(())
    assert "status" in bench.looked_for()
