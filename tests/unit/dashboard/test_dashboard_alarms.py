"""Alarms come with their cause, go with it, sound when they come again, and are taken note of; in virtual time."""

from __future__ import annotations

import pytest
from dashboard_words import Watched, stream

from rtemo.dashboard.alarms import AlarmBoard, Cause
from rtemo.dashboard.messages import Attached, Detached
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
        ({"streams": (stream(state="waiting", age_s=None),)}, {}),
        ({"streams": (stream("markers", state="lost"),)}, {"stream:markers": "warning"}),
        ({"age_p99_s": 0.99}, {}),
        ({"age_p99_s": 1.01}, {"late": "warning"}),
        ({"age_p99_s": None}, {}),
        ({"backlog_s": 4.9}, {}),
        ({"backlog_s": 5.1}, {"backlog": "warning"}),
        ({"disk_left_s": 1801.0, "disk_free_bytes": 10**10}, {}),
        ({"disk_left_s": 1799.0}, {"disk": "warning"}),
        ({"disk_left_s": 299.0}, {"disk": "critical"}),
        ({"disk_left_s": 9999.0, "disk_free_bytes": 999_999_999}, {"disk": "warning"}),
        ({"disk_free_bytes": 10**9}, {}),
        ({"adaptation": AdaptationState(mode="guarded", frozen=True, last_reason="drift")}, {"frozen": "warning"}),
        (
            {"window": WindowState(index=1, stop_s=1.0, missing={"eeg": "bad channels 5 of 8: Fp1 flat"})},
            {"quality:eeg": "warning"},
        ),
        ({"window": WindowState(index=1, stop_s=1.0, missing={"eeg": "coverage 0.42 < 0.80"})}, {}),
    ],
)
def test_what_a_status_says_is_amiss_comes_and_goes(said, expected):
    watched = Watched()
    watched.pass_s(5.0)
    watched.pass_s(1.0, **said)
    assert watched.alarms() == expected
    watched.pass_s(1.0)
    assert watched.alarms() == {}


def test_late_is_measured_by_the_hop_where_that_is_long_and_half_a_second_where_it_is_short():
    for hop_s, age_s, late in ((0.1, 0.45, False), (0.1, 0.55, True), (4.0, 3.0, False)):
        watched = Watched(hop_s=hop_s)
        watched.tell(age_p99_s=age_s)
        assert ("late" in watched.alarms()) == late


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
