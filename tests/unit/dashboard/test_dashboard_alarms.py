"""Alarms come with their cause, go with it, sound when they come again, and are taken note of; in virtual time."""

from __future__ import annotations

import numpy as np
import pytest
from dashboard_words import Watched, layout, stream, values

from rtemo.dashboard.alarms import AlarmBoard, Cause
from rtemo.dashboard.messages import (
    Attached,
    Detached,
    EventSeen,
    EventsSeen,
    PredictionsSeen,
    SamplesSeen,
    StreamOpened,
)
from rtemo.telemetry import AdaptationState, WindowState

QUIET = Cause("stream:eeg", "warning", "No samples")
LOST = Cause("stream:eeg", "critical", "lost")
DISK = Cause("disk", "warning", "little is left")


def keys(alarms):
    return [alarm.key for alarm in alarms]


def test_an_alarm_stands_since_it_came_and_goes_with_its_cause():
    board = AlarmBoard()
    board.update([QUIET], 10.0)
    board.update([Cause("stream:eeg", "warning", "No samples for 3 s")], 12.0)
    (alarm,) = board.active
    assert (alarm.since_s, alarm.text) == (10.0, "No samples for 3 s")
    board.update([], 13.0)
    assert board.active == ()


def test_a_new_alarm_is_heard_once_and_again_when_it_comes_again():
    board = AlarmBoard()
    board.update([QUIET, DISK], 1.0)
    assert keys(board.newly()) == ["stream:eeg", "disk"]
    board.update([QUIET, DISK], 2.0)
    assert board.newly() == []
    board.update([DISK], 3.0)
    board.update([QUIET, DISK], 4.0)
    assert keys(board.newly()) == ["stream:eeg"]


def test_an_alarm_that_went_before_anyone_asked_is_not_heard():
    board = AlarmBoard()
    board.update([QUIET], 1.0)
    board.update([], 2.0)
    assert board.newly() == []


def test_what_becomes_critical_is_new():
    board = AlarmBoard()
    board.update([QUIET], 1.0)
    board.newly()
    board.acknowledge()
    board.update([LOST], 5.0)
    (alarm,) = board.newly()
    assert (alarm.severity, alarm.since_s, alarm.acknowledged) == ("critical", 5.0, False)
    board.update([QUIET], 6.0)
    assert board.newly() == []
    assert board.active[0].severity == "warning"


def test_an_alarm_that_was_acknowledged_stays_but_must_be_acknowledged_again_when_it_comes_again():
    board = AlarmBoard()
    board.update([QUIET, DISK], 1.0)
    board.acknowledge("disk")
    board.acknowledge("unheard of")
    assert {alarm.key: alarm.acknowledged for alarm in board.active} == {"stream:eeg": False, "disk": True}
    assert keys(board.newly()) == ["stream:eeg"]
    board.update([QUIET, DISK], 2.0)
    assert {alarm.key: alarm.acknowledged for alarm in board.active} == {"stream:eeg": False, "disk": True}
    board.update([QUIET], 3.0)
    board.update([QUIET, DISK], 4.0)
    assert not any(alarm.acknowledged for alarm in board.active)


def test_critical_alarms_come_first_then_the_oldest():
    board = AlarmBoard()
    board.update([DISK], 1.0)
    board.update([DISK, QUIET], 2.0)
    board.update([DISK, QUIET, Cause("link", "critical", "No word")], 3.0)
    assert keys(board.active) == ["link", "disk", "stream:eeg"]


def test_a_session_in_order_has_no_alarm():
    watched = Watched()
    watched.pass_s(30.0)
    assert watched.alarms() == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"streams": (stream(state="stale"),)}, {"stream:view:eeg": "warning"}),
        ({"streams": (stream(state="lost"),)}, {"stream:view:eeg": "critical"}),
        ({"streams": (stream(state="waiting", age_s=None),), "elapsed_s": 15.0}, {}),
        ({"streams": (stream(state="waiting", age_s=None),), "elapsed_s": 16.0}, {"stream:view:eeg": "warning"}),
        ({"streams": (stream("markers", state="waiting", age_s=None),), "elapsed_s": 60.0}, {}),
        (
            {"streams": (stream("markers", state="waiting", age_s=None),), "elapsed_s": 61.0},
            {"stream:markers": "warning"},
        ),
        ({"streams": (stream(nominal_hz=0.0, age_s=29.0),)}, {}),
        ({"streams": (stream(nominal_hz=0.0, age_s=31.0),)}, {"stream:view:eeg": "warning"}),
        ({"streams": (stream("markers", nominal_hz=0.0, age_s=900.0),)}, {}),
        ({"streams": (stream("markers", state="lost"),)}, {"stream:markers": "warning"}),
        ({"age_p99_s": 9.0}, {}),
        ({"backlog_s": 4.9}, {}),
        ({"backlog_s": 5.1}, {"backlog": "warning"}),
        ({"disk_left_s": 1801.0, "disk_free_bytes": 10**10}, {}),
        ({"disk_left_s": 1799.0}, {"disk": "warning"}),
        ({"disk_left_s": 299.0}, {"disk": "critical"}),
        ({"disk_left_s": 9999.0, "disk_free_bytes": 999_999_999}, {"disk": "warning"}),
        ({"disk_free_bytes": 10**9}, {}),
        ({"adaptation": AdaptationState(mode="guarded", frozen=True, last_reason="drift")}, {"frozen": "warning"}),
    ],
)
def test_what_a_status_says_is_amiss_comes_and_goes(said, expected):
    watched = Watched()
    watched.pass_s(5.0)
    watched.pass_s(1.0, **said)
    assert watched.alarms() == expected
    watched.pass_s(1.0)
    assert watched.alarms() == {}


def predicted(watched, ages_s):
    """A window a second, the prediction of each as old as it is said."""
    for age_s in ages_s:
        watched.clock.advance(1.0)
        watched.tell()
        row = values()
        row[:, -1] = age_s
        watched.state.take(PredictionsSeen(np.array([watched.session_s]), row))
        watched.state.tick()


@pytest.mark.parametrize(
    ("hop_s", "age_s", "late"), [(0.1, 0.45, False), (0.1, 0.55, True), (4.0, 3.0, False), (4.0, np.nan, False)]
)
def test_late_is_measured_by_the_hop_where_that_is_long_and_half_a_second_where_it_is_short(hop_s, age_s, late):
    watched = Watched(hop_s=hop_s)
    predicted(watched, [age_s] * 5)
    assert ("late" in watched.alarms()) == late


def test_late_comes_with_the_third_late_one_of_five_and_goes_soon_after_the_last():
    watched = Watched()
    predicted(watched, [0.1] * 1000 + [1.2, 0.1, 1.4])
    assert watched.alarms() == {}
    predicted(watched, [1.25])
    assert watched.alarms() == {"late": "warning"}
    assert watched.state.alarms.active[0].text == (
        "Predictions are late: 3 of the last 5 were more than 1 s old, the newest of them 1.2 s"
    )
    predicted(watched, [0.1] * 4)
    assert watched.alarms() == {"late": "warning"}
    predicted(watched, [0.1] * 2)
    assert watched.alarms() == {}


def missing(watched, seconds, reason="", **said):
    """A session whose newest window lacks a view, for so long."""
    for _ in range(round(4 * seconds)):
        watched.clock.advance(0.25)
        lacks = {"eeg": reason} if reason else {}
        watched.tell(window=WindowState(index=1, stop_s=watched.session_s, missing=lacks), **said)
        watched.predict(watched.session_s)
        watched.state.tick()


@pytest.mark.parametrize(
    ("reason", "key", "text"),
    [
        ("bad channels 5 of 8: Fp1 flat", "quality:eeg", "eeg is missing: bad channels 5 of 8: Fp1 flat"),
        (
            "coverage 0.42 < 0.80",
            "missing:eeg",
            "eeg is missing: too few of its samples come (coverage 0.42 < 0.80)",
        ),
        (
            "gaze valid in 12% of samples < 50%",
            "missing:eeg",
            "eeg is missing: gaze valid in 12% of samples < 50%",
        ),
        ("gap", "missing:eeg", "eeg is missing: its samples have gaps"),
    ],
)
def test_a_view_that_is_missing_for_long_is_told_of_and_one_short_window_is_not(reason, key, text):
    watched = Watched()
    missing(watched, 1.0, reason)
    missing(watched, 4.0)
    assert watched.alarms() == {}
    missing(watched, 5.5, reason)
    assert watched.alarms() == {key: "warning"}
    assert watched.state.alarms.active[0].text == text
    missing(watched, 2.0)
    assert watched.alarms() == {key: "warning"}
    missing(watched, 2.0)
    assert watched.alarms() == {}


def test_a_view_that_is_missing_again_and_again_is_told_of_and_stays():
    watched = Watched()
    for _ in range(4):
        missing(watched, 1.0, "coverage 0.42 < 0.80")
        missing(watched, 1.0)
    assert watched.alarms() == {"missing:eeg": "warning"}


def test_of_a_stream_that_does_not_come_there_is_one_alarm():
    watched = Watched()
    missing(watched, 8.0, "coverage 0.00 < 0.80", streams=(stream(state="stale"),))
    assert watched.alarms() == {"stream:view:eeg": "warning"}


def test_a_stream_that_was_not_found_and_one_that_gives_nothing_are_told_apart():
    watched = Watched()
    watched.pass_s(1.0, streams=(stream(state="waiting", age_s=None),))
    assert watched.state.alarms.active[0].text == "eeg was not found on the network"
    watched.pass_s(1.0, streams=(stream(state="waiting", age_s=None, stream_name="cap"),))
    assert watched.state.alarms.active[0].text == "eeg has given no sample yet"


def test_predictions_stamped_ahead_are_told_of_and_keep_out_none_that_follow():
    watched = Watched()
    watched.pass_s(5.0)
    kept = len(watched.state.predictions)
    watched.predict(watched.session_s + 1000.0)
    assert watched.alarms() == {"ahead": "warning"}
    assert watched.state.alarms.active[0].text.endswith("session's clock and not shown: 1 so far")
    watched.pass_s(5.0)
    assert len(watched.state.predictions) == kept + 5
    assert watched.alarms() == {"ahead": "warning"}
    watched.pass_s(26.0)
    assert watched.alarms() == {}


def test_what_was_taken_before_the_clock_was_known_and_lies_ahead_is_dropped():
    watched = Watched()
    watched.predict(50.0, 1e9)
    watched.pass_s(2.0)
    assert watched.state.predictions.stop_s.tolist() == [50.0, 1101.0, 1102.0]
    assert watched.alarms() == {"ahead": "warning"}
    assert watched.state.refused == 0


def test_a_dashboard_that_went_over_by_itself_says_so_until_it_is_acknowledged():
    gone = "sub-01-ses-20260102T030405Z"
    other = layout(session="sub-02\x07", token="t2")
    switched = EventsSeen((EventSeen(0.0, "dashboard-switched", {"from": gone, "to": other.session}),))
    for order in ((switched, Attached(other)), (Attached(other), switched)):
        watched = Watched()
        watched.pass_s(1.0)
        for message in order:
            watched.state.take(message)
        watched.pass_s(60.0)
        assert watched.alarms() == {"dashboard-switched": "warning"}
        assert watched.state.alarms.active[0].text == (
            f"The dashboard has gone over to sub-02\\x07 by itself: {gone} is gone"
        )
        assert [event.kind for event in watched.state.events] == ["dashboard-switched"]
        watched.state.alarms.acknowledge()
        assert watched.alarms() == {}
        watched.state.take(Attached(layout(token="t3")))
        assert watched.alarms() == {}


def test_what_an_old_status_says_is_marked_as_old():
    watched = Watched()
    watched.pass_s(2.0, streams=(stream(state="stale", age_s=3.0),))
    watched.clock.advance(12.0)
    watched.state.tick()
    texts = [alarm.text for alarm in watched.state.alarms.active]
    assert texts == ["No word from the session for 12 s", "No samples from eeg for 3 s (as of 12 s ago)"]


def test_samples_that_come_and_lie_where_nobody_sees_them_are_told_of():
    watched = Watched()
    watched.state.take(StreamOpened("view:eeg", ("Fp1",), ("uV",), 100.0))
    for off_s, expected in ((0.0, {}), (-9.0, {}), (3.0, {"clock:view:eeg"}), (-500.0, {"clock:view:eeg"})):
        for _ in range(5):
            watched.pass_s(1.0)
            watched.state.take(SamplesSeen("view:eeg", np.array([watched.session_s + off_s]), np.ones((1, 1))))
        assert set(watched.alarms()) == set(expected), off_s
    assert watched.state.alarms.active[0].text == (
        "Samples of eeg are stamped 500 s behind the session's clock: they are not shown (a clock may not be measured)"
    )
    # That none come any more is another thing.
    watched.pass_s(5.0)
    assert watched.alarms() == {}


def test_a_silent_session_is_critical_until_it_speaks():
    watched = Watched()
    watched.pass_s(5.0)
    watched.clock.advance(2.5)
    assert watched.alarms() == {"link": "critical"}
    assert watched.state.alarms.active[0].text == "No word from the session for 2 s"
    watched.pass_s(1.0)
    assert watched.alarms() == {}


def test_a_session_that_is_gone_without_a_word_is_critical_and_one_that_ended_is_not():
    watched = Watched()
    watched.pass_s(5.0)
    watched.state.take(Detached("lost"))
    assert watched.alarms() == {"link": "critical"}
    watched.state.take(Attached(watched.layout))
    watched.tell(ending=True)
    watched.state.take(Detached("lost"))
    assert watched.alarms() == {}


def test_an_alarm_of_a_session_does_not_outlive_it():
    watched = Watched()
    watched.pass_s(2.0, streams=(stream(state="lost"),))
    assert watched.alarms()
    watched.state.take(Attached(watched.layout.model_copy(update={"session": "another", "token": "t2"})))
    assert watched.alarms() == {}


@pytest.mark.parametrize("hop_s", [1.0, 4.0])
def test_no_prediction_for_longer_than_expected_is_critical(hop_s):
    watched = Watched(hop_s=hop_s)
    watched.pass_s(20.0)
    for _ in range(round(4 * (hop_s + 2.0))):
        watched.clock.advance(0.25)
        watched.tell()
        assert watched.alarms() == {}
    watched.clock.advance(0.25)
    watched.tell()
    assert watched.alarms() == {"predictions": "critical"}
    watched.predict(watched.session_s)
    assert watched.alarms() == {}


def test_the_first_prediction_is_given_the_time_of_a_window():
    watched = Watched()
    for _ in range(16):
        watched.clock.advance(0.25)
        watched.tell()
    assert watched.alarms() == {}
    watched.clock.advance(0.25)
    watched.tell()
    assert watched.alarms() == {"predictions": "critical"}


def test_a_session_that_has_only_begun_is_not_blamed_for_what_cannot_be_there():
    watched = Watched()
    watched.clock.advance(60.0)
    watched.tell(elapsed_s=1.0)
    assert watched.alarms() == {}


def test_skipped_windows_are_told_of_for_half_a_minute():
    watched = Watched()
    watched.pass_s(2.0, skipped=3)
    assert watched.alarms() == {}
    watched.pass_s(1.0, skipped=5)
    assert watched.alarms() == {"skipped": "warning"}
    assert watched.state.alarms.active[0].text.startswith("2 windows")
    watched.pass_s(28.0, skipped=5)
    assert watched.alarms() == {"skipped": "warning"}
    watched.pass_s(2.0, skipped=5)
    assert watched.alarms() == {}
    watched.pass_s(1.0, skipped=6)
    assert watched.state.alarms.active[0].text.startswith("1 window")


def test_a_full_disk_is_critical_until_the_recorder_has_recovered():
    watched = Watched()
    watched.pass_s(1.0)
    watched.event("disk-full", error="No space left\x07", backlog_s=0.0)
    assert watched.alarms() == {"recorder": "critical"}
    assert watched.state.alarms.active[0].text == "The disk takes no more of the recording: No space left\\x07"
    watched.event("recorder-recovered", outage_s=3.0)
    assert watched.alarms() == {}
    watched.event("recorder-error", error="I/O")
    watched.state.alarms.newly()
    watched.event("recorder-lost", samples=3)
    assert watched.alarms() == {"recorder": "critical"}
    watched.event("error", error="RuntimeError: x")
    assert watched.alarms() == {"recorder": "critical", "error": "critical"}


def test_names_from_the_network_are_fit_to_be_shown():
    watched = Watched()
    watched.pass_s(1.0, streams=(stream(state="lost", name="eeg\x1b[31m" + "x" * 400),))
    text = watched.state.alarms.active[0].text
    assert text.isprintable()
    assert len(text) < 250
