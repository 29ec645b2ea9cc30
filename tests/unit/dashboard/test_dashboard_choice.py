"""Which session a feed watches, without LSL: never another one than the operator thinks."""

from __future__ import annotations

import logging

import pytest

from rtemo.clock import VirtualClock
from rtemo.config import NetworkSettings
from rtemo.dashboard import feed as feed_module
from rtemo.dashboard.feed import GONE_FOR_S, SILENT_FOR_S, UNREACHABLE_S, Feed
from rtemo.dashboard.messages import EventsSeen

OLD, MIDDLE, NEW = (f"sub-0{day}-ses-2026010{day}T000000Z" for day in (1, 2, 3))


class Watched:
    """What a feed sees of an attachment."""

    def __init__(self, session, network, *, post, clock, on_error):
        self.session, self.clock = session, clock
        self.known = self.attached = self.gone = self.ended = self.refused = self.back = False
        self.since_s = clock.now_s()
        self.asked, self.unsent, self.left = [], [], None
        self.token = f"token of {session}"

    def appear(self):
        self.known = self.attached = True
        self.gone = self.ended = False
        self.since_s = self.clock.now_s()

    def vanish(self, *, ended=False):
        self.attached, self.gone, self.ended = False, True, ended
        self.since_s = self.clock.now_s()

    def away_s(self):
        return self.clock.now_s() - self.since_s

    def now_s(self):
        return 1000.0 + self.clock.now_s()

    @property
    def heard_as(self):
        return self.token if self.attached else ""

    def ask(self, command, text, at_s, shown):
        if shown != self.token:
            return "another session"
        self.asked.append((command, text))
        return ""

    def tend(self, visible):
        pass

    def close(self, reason):
        self.left = reason
        return self.unsent


class Bench:
    def __init__(self, monkeypatch, session=None):
        monkeypatch.setattr(feed_module, "Attachment", Watched)
        self.posted = []
        self.clock = VirtualClock(50.0)
        monkeypatch.setattr(feed_module, "local_clock", self.clock.now_s)
        self.feed = Feed(NetworkSettings(), session=session, post=self.posted.append)

    def there(self, *sessions):
        """The network's answer, the newest first."""
        self.feed._sessions = tuple(sorted(sessions, key=feed_module._moment, reverse=True))
        return self.turn()

    def turn(self):
        self.feed._choose(self.clock)
        self.feed._pass_on()
        self.feed._tell(self.clock)
        return self.now

    def wait(self, seconds):
        """Turns for so long."""
        for _ in range(round(10 * seconds)):
            self.clock.advance(0.1)
            self.turn()
        return self.now

    @property
    def now(self):
        return self.feed._attachment

    def events(self, kind):
        seen = [event for message in self.posted if isinstance(message, EventsSeen) for event in message.events]
        return [dict(event.details) for event in seen if event.kind == kind]


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


def watching(bench, session, *others):
    first = bench.there(session)
    first.appear()
    bench.turn()
    bench.there(session, *others)
    bench.wait(60)
    assert bench.now is first
    # It has been heard of all the time.
    first.since_s = bench.clock.now_s()
    return first


def test_the_newest_is_watched_and_a_newer_one_is_not_gone_over_to(bench):
    assert bench.there(OLD, MIDDLE).session == MIDDLE


@pytest.mark.parametrize("other", [OLD, NEW])
def test_a_session_that_vanishes_for_a_moment_is_waited_for(bench, other):
    first = bench.there(MIDDLE)
    first.appear()
    bench.there(MIDDLE, other)
    first.since_s = bench.clock.now_s()
    bench.clock.advance(20.0)
    first.vanish()
    assert bench.wait(GONE_FOR_S - 0.5) is first
    first.appear()
    assert bench.wait(GONE_FOR_S) is first
    assert bench.feed._barred == {}


@pytest.mark.parametrize("how", ["ended", "gone", "silent"])
def test_an_older_session_is_never_gone_over_to_unasked(bench, how):
    first = watching(bench, MIDDLE, OLD)
    if how != "silent":
        first.vanish(ended=how == "ended")
    assert bench.wait(10 * SILENT_FOR_S) is first
    bench.feed.choose(OLD)
    bench.turn()
    assert bench.now.session == OLD
    bench.now.appear()
    bench.turn()
    assert bench.events("dashboard-switched") == []


@pytest.mark.parametrize(("how", "after_s"), [("ended", 0.0), ("gone", GONE_FOR_S), ("silent", SILENT_FOR_S)])
def test_a_newer_session_is_gone_over_to_when_its_time_has_come_and_it_is_said_once_it_is_there(bench, how, after_s):
    first = watching(bench, MIDDLE)
    if how != "silent":
        first.vanish(ended=how == "ended")
    bench.there(MIDDLE, NEW)
    if after_s:
        assert bench.wait(after_s - 0.5) is first
    second = bench.wait(1.0)
    assert (second.session, first.left) == (NEW, "another session is watched")
    # With the new session, what was said before is forgotten.
    assert bench.events("dashboard-switched") == []
    second.appear()
    bench.turn()
    bench.turn()
    assert bench.events("dashboard-switched") == [{"from": MIDDLE, "to": NEW}]


def test_one_that_does_not_say_what_it_is_takes_nobody_away_for_long(bench):
    first = watching(bench, MIDDLE, OLD)
    first.vanish()
    bench.there(OLD, MIDDLE, NEW)
    assert bench.wait(GONE_FOR_S + 0.5).session == NEW
    back = bench.wait(UNREACHABLE_S + 0.5)
    assert back.session == MIDDLE
    back.appear()
    bench.turn()
    assert bench.events("dashboard-switched") == []


def test_a_session_that_is_there_again_after_its_end_is_attached_anew(bench):
    first = watching(bench, MIDDLE)
    first.vanish(ended=True)
    assert bench.wait(100.0) is first
    first.back = True
    assert bench.turn() is not first
    assert bench.now.session == MIDDLE


def test_a_session_that_was_named_is_left_for_no_other(monkeypatch):
    bench = Bench(monkeypatch, session=MIDDLE)
    assert bench.there(OLD, NEW) is None
    first = bench.there(OLD, NEW, MIDDLE)
    assert first.session == MIDDLE
    first.appear()
    first.vanish(ended=True)
    assert bench.wait(100.0) is first


def test_what_was_asked_of_the_session_that_was_shown_reaches_no_other_one(bench):
    first = watching(bench, MIDDLE)
    bench.feed.send("annotate", "coughs", first.token)
    bench.turn()
    assert first.asked == [("annotate", "coughs")]
    first.unsent = [("pause", "")]
    first.vanish(ended=True)
    second = bench.there(MIDDLE, NEW)
    bench.feed.send("annotate", "yawns", first.token)
    bench.turn()
    assert second.asked == []
    assert bench.events("dashboard-refused") == []
    second.appear()
    bench.turn()
    # Also what was asked before, and never sent.
    reason = f"the session {MIDDLE} was left before it listened"
    assert bench.events("dashboard-refused") == [
        {"what": "pause", "reason": reason},
        {"what": "annotate", "reason": "another session", "text": "yawns"},
    ]
    bench.turn()
    assert len(bench.events("dashboard-refused")) == 2


def test_what_was_refused_is_said_though_the_other_session_never_answers(bench):
    first = watching(bench, MIDDLE)
    first.vanish(ended=True)
    bench.there(MIDDLE, NEW)
    bench.feed.send("pause", "", first.token)
    bench.wait(UNREACHABLE_S - 0.5)
    assert bench.events("dashboard-refused") == []
    bench.wait(1.0)
    assert bench.events("dashboard-refused") == [{"what": "pause", "reason": "another session"}]


def test_what_is_asked_in_the_last_moment_is_passed_on_and_what_is_not_sent_is_logged(bench, caplog):
    first = watching(bench, MIDDLE)
    bench.feed._clock = bench.clock
    bench.feed.send("annotate", "the end", first.token)
    bench.feed.send("annotate", "of\x1b another", "another token")
    first.unsent = [("reset", "")]
    bench.feed._stop.set()
    with caplog.at_level(logging.WARNING):
        bench.feed._work()
    assert first.asked == [("annotate", "the end")]
    assert first.left == ""
    assert [record.getMessage() for record in caplog.records] == [
        r"not sent: annotate of\x1b another: another session",
        f"not sent: reset : the session {MIDDLE} was left before it listened",
    ]


def test_a_dashboard_is_heard_by_the_session_that_is_shown_or_not_at_all(bench):
    first = watching(bench, MIDDLE)
    bench.feed._heard_as = first.heard_as
    assert bench.feed.heard(first.token)
    assert not bench.feed.heard("another")
    bench.feed._heard_as = ""
    assert not bench.feed.heard("")
