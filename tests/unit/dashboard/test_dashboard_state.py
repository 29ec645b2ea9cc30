"""What a dashboard knows of a session, in virtual time: links, streams, quality, and what comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dashboard_words import AHEAD_S, Watched, layout, status

from rtemo.clock import VirtualClock
from rtemo.dashboard.event_store import EVENTS_KEPT, ROUTINE_KEPT
from rtemo.dashboard.messages import (
    Attached,
    Detached,
    FeedFailed,
    MarkersSeen,
    QualitySeen,
    SamplesSeen,
    Sessions,
    StatusSeen,
    StreamGone,
    StreamOpened,
)
from rtemo.dashboard.state import DashboardState, Link
from rtemo.telemetry import ViewLayout, WindowState


def test_a_link_goes_from_looking_to_live_to_silent_and_back():
    watched = Watched()
    state = watched.state
    assert state.link is Link.LOOKING
    assert math.isnan(state.now_s())
    watched.tell()
    assert state.link is Link.LIVE
    watched.clock.advance(1.9)
    state.tick()
    assert state.link is Link.LIVE
    watched.clock.advance(0.2)
    state.tick()
    assert state.link is Link.SILENT
    assert state.elapsed_silent_s == pytest.approx(2.1)
    watched.tell()
    assert state.link is Link.LIVE


def test_a_session_that_was_attached_and_never_speaks_is_silent():
    watched = Watched()
    watched.clock.advance(2.1)
    watched.state.tick()
    assert watched.state.link is Link.SILENT


def test_an_old_status_from_a_backlog_makes_no_link_live():
    watched = Watched()
    watched.clock.advance(10.0)
    watched.state.tick()
    then_s = watched.clock.now_s() - 5.0
    watched.state.take(StatusSeen(status(then_s + AHEAD_S), then_s))
    watched.state.tick()
    assert watched.state.link is Link.SILENT


def test_a_session_that_ends_has_ended_and_one_that_vanishes_is_looked_for():
    watched = Watched()
    watched.tell()
    watched.state.take(Detached("connection lost"))
    assert watched.state.link is Link.LOOKING
    assert watched.state.reason == "connection lost"
    assert watched.state.layout is not None
    watched.state.take(Attached(watched.layout))
    watched.tell(ending=True)
    assert watched.state.link is Link.ENDED
    watched.state.take(Detached("gone"))
    watched.clock.advance(60)
    watched.state.tick()
    assert watched.state.link is Link.ENDED


def test_a_session_whose_last_status_was_lost_has_ended_by_its_event():
    watched = Watched()
    watched.tell()
    watched.event("session-stop", reason="interrupted")
    assert watched.state.link is Link.LIVE
    watched.state.take(Detached("connection lost"))
    assert watched.state.link is Link.ENDED
    assert watched.alarms() == {}


def test_the_session_s_clock_goes_on_between_two_statuses():
    watched = Watched()
    watched.tell()
    watched.clock.advance(0.1)
    assert watched.state.now_s() == pytest.approx(watched.session_s)


def test_the_same_session_goes_on_where_it_was_and_another_one_begins_anew():
    watched = Watched()
    state = watched.state
    watched.tell()
    watched.predict(watched.session_s)
    watched.mark("clip/neutral", watched.session_s)
    watched.event("view-missing", view="eeg")
    state.take(StreamOpened("view:eeg", ("Fp1",), ("uV",), 250.0))
    state.take(Detached("lost"))
    state.take(Attached(watched.layout))
    assert len(state.predictions) == len(state.trials.markers) == len(state.events) == len(state.signals) == 1
    state.take(Attached(layout(token="t2")))
    assert len(state.predictions) == len(state.trials.markers) == len(state.events) == len(state.signals) == 0
    assert state.status is None
    assert math.isnan(state.now_s())


def test_statuses_that_tell_no_time_are_not_taken():
    watched = Watched()
    watched.state.take(StatusSeen(status(math.nan), 1.0))
    assert watched.state.status is None
    free = DashboardState(VirtualClock())
    free.take(StatusSeen(status(1.0), 1.0))
    assert free.status is None


def test_a_status_that_lies_ahead_keeps_nothing_alive():
    watched = Watched()
    watched.state.take(StatusSeen(status(watched.session_s), watched.clock.now_s() + 1e6))
    watched.clock.advance(3.0)
    watched.state.tick()
    assert watched.state.link is Link.SILENT


def test_events_are_kept_up_to_a_bound_and_annotations_lie_at_their_moment():
    watched = Watched()
    for number in range(EVENTS_KEPT + 10):
        watched.event("late", number=number)
    watched.event("annotation", text="coughs", operator="lab-2")
    assert len(watched.state.events) == EVENTS_KEPT
    assert watched.state.events.added == EVENTS_KEPT + 11
    assert list(watched.state.events)[-2].details["number"] == EVENTS_KEPT + 9
    (note,) = watched.state.annotations
    assert (note.stamp_s, note.text) == (watched.session_s, "coughs")


def test_a_stream_that_returns_as_it_was_goes_on_and_another_shape_gets_a_new_buffer():
    state = Watched().state
    opened = StreamOpened("view:eeg", ("Fp1", "Fp2"), ("uV", "uV"), 100.0)
    state.take(opened)
    state.take(SamplesSeen("view:eeg", np.arange(100) / 100, np.ones((100, 2))))
    state.take(StreamGone("view:eeg"))
    assert state.gone == {"view:eeg"}
    state.take(opened)
    assert state.gone == frozenset()
    buffer = state.signals["view:eeg"]
    state.take(SamplesSeen("view:eeg", 3 + np.arange(100) / 100, np.full((100, 2), 2.0)))
    edges_s, low, _ = buffer.columns()
    assert np.isnan(low[:, (edges_s > 1.02) & (edges_s < 2.98)]).all()
    assert {1.0, 2.0} == set(low[np.isfinite(low)].tolist())
    for changed in (
        StreamOpened("view:eeg", ("Fp1", "Fp2"), ("uV", "uV"), 200.0),
        StreamOpened("view:eeg", ("Fp1", "Cz"), ("uV", "uV"), 200.0),
        StreamOpened("view:eeg", ("Fp1",), ("uV",), 200.0),
    ):
        before = state.signals["view:eeg"]
        state.take(changed)
        assert state.signals["view:eeg"] is not before
        assert np.isnan(state.signals["view:eeg"].newest_s)


def test_samples_of_the_old_shape_or_of_no_stream_are_dropped():
    state = Watched().state
    state.take(StreamOpened("view:eeg", ("Fp1",), ("uV",), 100.0))
    state.take(SamplesSeen("view:eeg", np.array([1.0]), np.ones((1, 2))))
    state.take(SamplesSeen("view:eye", np.array([1.0]), np.ones((1, 2))))
    assert np.isnan(state.signals["view:eeg"].newest_s)
    assert state.refused == 2


def test_scores_go_to_the_view_that_they_are_of():
    views = tuple(ViewLayout(name=name, stream="s", features="f", channels=("a",)) for name in ("eeg", "eeg:left"))
    state = Watched(views=views).state
    names = ("eeg:Fp1", "eeg:Fp2", "eeg:left:T7")
    state.take(QualitySeen(names, np.array([1.0, 2.0]), np.array([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]])))
    assert state.quality["eeg:left"].names == ("T7",)
    assert state.quality["eeg:left"].scores.tolist() == [0.7]
    assert state.quality["eeg"].names == ("Fp1", "Fp2")
    assert state.quality["eeg"].scores.tolist() == [0.9, 0.8]


def test_bad_channels_are_those_of_the_newest_window():
    watched = Watched()
    assert watched.state.bad == {}
    bad = {"eeg": {"Fp1": "flat"}}
    watched.tell(window=WindowState(index=1, stop_s=watched.session_s, bad=bad))
    assert watched.state.bad == bad
    watched.tell()
    assert watched.state.bad == {}
    # Not those of a window that is over, nor those of a session that is not heard.
    for off_s, found in ((2.0, bad), (2.2, {}), (-1.5, {})):
        watched.tell(window=WindowState(index=1, stop_s=watched.session_s - off_s, bad=bad))
        assert watched.state.bad == found, off_s
    watched.tell(window=WindowState(index=1, stop_s=watched.session_s, bad=bad))
    assert watched.state.bad == bad
    watched.state.take(Detached("gone"))
    assert watched.state.bad == {}


def test_markers_of_another_stream_are_no_trials():
    watched = Watched()
    watched.state.take(MarkersSeen("view:eye", np.array([1.0]), ("clip/neutral",)))
    assert not watched.state.trials.trials


def test_what_is_on_the_network_and_why_the_feed_has_failed():
    watched = Watched()
    watched.state.take(Sessions(("b", "a")))
    assert watched.state.sessions == ("b", "a")
    watched.state.take(FeedFailed(RuntimeError("no\x1bnetwork")))
    assert watched.state.reason == "RuntimeError: no\\x1bnetwork"
    assert watched.alarms()["feed"] == "critical"


def test_nothing_of_a_stream_is_told_before_a_session_is_known():
    state = DashboardState(VirtualClock())
    state.take(QualitySeen(("eeg:a",), np.array([1.0]), np.array([[1.0]])))
    state.take(MarkersSeen("markers", np.array([1.0]), ("x",)))
    state.tick()
    assert (state.quality, list(state.trials.markers), state.alarms.active, state.accuracy()) == ({}, [], (), None)


def test_routine_pushes_out_nothing_but_routine_and_the_order_is_that_in_which_they_came():
    watched = Watched()
    watched.event("annotation", text="coughs")
    for number in range(ROUTINE_KEPT + 100):
        watched.event("adaptation-skip", number=number)
        if number % 500 == 0:
            watched.event("view-missing", number=number)
    events = list(watched.state.events)
    assert events[0].kind == "annotation"
    assert len(events) == len(watched.state.events) == ROUTINE_KEPT + 6
    numbers = [event.details["number"] for event in events[1:]]
    assert numbers == sorted(numbers)
    added = watched.state.events.added
    assert added == ROUTINE_KEPT + 106
    assert watched.state.events.since(added - 2) == events[-2:]
    assert watched.state.events.since(added) == []


def test_an_age_that_is_negative_is_not_known():
    watched = Watched()
    watched.tell()
    state = watched.state
    watched.predict(watched.session_s + 0.9)
    assert state.prediction_is_of_now
    # The session's clock is set back.
    state.take(StatusSeen(status(watched.session_s - 500.0), watched.clock.now_s()))
    assert math.isnan(state.prediction_age_s)
    assert not state.prediction_is_of_now


def test_what_is_known_of_a_session_holds_until_it_was_heard_last():
    watched = Watched()
    assert math.isnan(watched.state.heard_until_s)
    watched.tell()
    heard_s = watched.session_s
    watched.clock.advance(1.0)
    watched.state.tick()
    assert watched.state.heard_until_s == pytest.approx(heard_s + 1.0)
    watched.clock.advance(9.0)
    watched.state.tick()
    assert watched.state.heard_until_s == pytest.approx(heard_s)


@pytest.mark.parametrize("by_event", [False, True])
def test_a_trial_ends_with_the_session(by_event):
    watched = Watched()
    watched.tell()
    watched.mark("clip/neutral", watched.session_s)
    watched.clock.advance(5.0)
    if by_event:
        watched.event("session-stop", reason="stopped")
    else:
        watched.tell(ending=True)
    (trial,) = watched.state.trials.trials
    assert trial.stop_s == pytest.approx(trial.start_s + 5.0)
