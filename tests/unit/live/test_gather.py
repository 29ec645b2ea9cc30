"""The live core in virtual time: what a lab does to it, and that a replay of its recording gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from virtual_lab import START_S, VIEWS, Device, VirtualLab, assert_same, xml_of

from rtemo.clock import VirtualClock
from rtemo.config import HealthSettings, QualitySettings
from rtemo.live.gather import Gatherer
from rtemo.xdf import Samples, XdfReader
from rtemo.xdf.chunks import parse_stream_header


def two(path, **options) -> VirtualLab:
    """A lab with both devices connected and begun."""
    eeg = Device("eeg", "EEG", 200.0, offset_s=options.pop("eeg_offset_s", 12.5))
    eye = Device("eye", "Gaze", 50.0, offset_s=options.pop("eye_offset_s", -4000.0), born_s=START_S + 0.003)
    lab = VirtualLab(path / "recording.xdf", eeg, eye, **options)
    lab.connect("eeg", "eye")
    lab.run(0.5)
    lab.begin()
    return lab


def available(lab: VirtualLab, view: str) -> list[bool]:
    return [window.available[view] for window in lab.windows]


def test_two_clocks_that_differ_by_an_hour_meet_in_one_window(tmp_path):
    lab = two(tmp_path)
    lab.run(10)
    lab.end()
    assert len(lab.windows) >= 9
    for window in lab.windows:
        assert window.available == {"eeg": True, "eye": True}
        # The smallest and largest sample number in the window, from the statistics of channel 0.
        device = lab.devices["eye"]
        low, high = window.features["eye"][3:5]
        assert device.true_time(low) == pytest.approx(window.start_s, abs=1.5 / device.rate_hz)
        assert device.true_time(high) == pytest.approx(window.stop_s, abs=1.5 / device.rate_hz)
    assert_same(lab)


def test_a_lost_view_is_missing_in_the_very_next_window_which_is_on_time(tmp_path):
    lab = two(tmp_path, step_s=0.02)
    lab.run(4.7)
    lab.disconnect("eye")
    lab.run(8)
    lab.end()
    lost = int(START_S + 0.5 + 4.7)
    for window in lab.windows:
        assert window.available["eye"] == (window.index < lost)
        assert window.available["eeg"]
        assert lab.closed_s[window.index] <= window.stop_s + 0.1 + 0.03
    states = [e["state"] for e in lab.kinds("stream-state") if e["stream"] == "eye"]
    assert states == ["live", "stale", "lost"]
    assert_same(lab)


def test_a_stream_that_comes_back_is_a_new_segment_and_available_in_the_next_whole_window(tmp_path):
    lab = two(tmp_path)
    lab.run(4.2)
    lab.disconnect("eye")
    lab.run(3)
    lab.connect("eye")
    lab.run(4)
    lab.end()
    missing = [window.index for window in lab.windows if not window.available["eye"]]
    assert missing == [1004, 1005, 1006, 1007]
    assert_same(lab)


def test_after_a_freeze_the_backlog_is_counted_and_not_predicted_on(tmp_path):
    lab = two(tmp_path)
    lab.run(4)
    lab.devices["eye"].frozen = True
    lab.run(3.2)
    closed = len(lab.windows)
    lab.devices["eye"].frozen = False
    lab.run(0.05)
    # The burst closes nothing by itself, and opens nothing again.
    assert len(lab.windows) - closed <= 1
    lab.run(4)
    lab.end()
    assert [w.index for w in lab.windows] == list(range(lab.windows[0].index, lab.windows[-1].index + 1))
    assert [w.index for w in lab.windows if not w.available["eye"]] == [1004, 1005, 1006]
    assert {1005, 1006} <= lab.late_windows()
    recorded = [w for w in lab.replayed() if w.available["eye"]]
    assert len(recorded) == len(lab.windows)
    assert_same(lab)


def test_no_stream_holds_up_another(tmp_path):
    lab = two(tmp_path, step_s=0.02)
    lab.run(3)
    lab.devices["eye"].silent = True
    lab.run(6)
    lab.end()
    assert all(available(lab, "eeg"))
    stale_from = 1004 + 2
    for window in lab.windows:
        wait_s = lab.closed_s[window.index] - window.stop_s
        # Once the eye tracker is stale, nobody waits for it any more.
        assert wait_s <= (0.13 if window.index < stale_from else 0.03)
    assert_same(lab)


@pytest.mark.parametrize("jump_s", [1000.0, -1000.0, 5000.0, -5000.0, 90.0])
def test_a_device_whose_clock_is_set_goes_on_within_seconds_and_never_shows_other_moments(tmp_path, jump_s):
    lab = two(tmp_path)
    lab.run(5)
    lab.devices["eye"].offset_s -= jump_s
    lab.run(10)
    lab.end()
    assert all(available(lab, "eeg"))
    missing = [window.index for window in lab.windows if not window.available["eye"]]
    assert 1 <= len(missing) <= 3
    assert lab.windows[-1].index >= 1014
    for window in lab.windows:
        if window.available["eye"]:
            low, high = window.features["eye"][3:5]
            assert lab.devices["eye"].true_time(low) == pytest.approx(window.start_s, abs=0.03)
            assert lab.devices["eye"].true_time(high) == pytest.approx(window.stop_s, abs=0.03)
    assert_same(lab)


@pytest.mark.parametrize("jump_s", [1000.0, -1000.0, 20.0, -20.0])
def test_stamps_that_jump_without_their_clock_are_a_missing_view_and_nothing_else(tmp_path, jump_s):
    lab = two(tmp_path)
    lab.run(5)
    lab.devices["eye"].stamp_error_s = jump_s
    lab.run(12)
    lab.end()
    assert all(available(lab, "eeg"))
    assert [w.index for w in lab.windows] == list(range(1001, lab.windows[-1].index + 1))
    assert lab.windows[-1].index >= 1015
    assert not any(window.available["eye"] for window in lab.windows if window.index >= 1006)
    assert lab.gatherer.status(lab.clock.now_s())[1].state in ("lost", "stale")


def test_a_gap_is_seen_and_stamps_after_it_are_right(tmp_path):
    lab = two(tmp_path)
    lab.run(5)
    lab.devices["eye"].silent = True
    lab.run(2)
    lab.devices["eye"].silent = False
    lab.run(5)
    lab.end()
    assert [w.index for w in lab.windows if not w.available["eye"]] == [1005, 1006, 1007]
    device = lab.devices["eye"]
    for window in lab.windows[-3:]:
        inside = np.flatnonzero(
            (device.true_time(np.arange(2000)) >= window.start_s) & (device.true_time(np.arange(2000)) < window.stop_s)
        )
        assert window.features["eye"][3:5].tolist() == pytest.approx([inside[0], inside[-1]], abs=1)
    assert_same(lab)


def test_a_stream_that_is_absent_at_the_start_is_missing_until_it_comes(tmp_path):
    eeg, eye = Device("eeg", "EEG", 200.0), Device("eye", "Gaze", 50.0, offset_s=77.0)
    lab = VirtualLab(tmp_path / "recording.xdf", eeg, eye)
    lab.connect("eeg")
    lab.run(0.5)
    lab.begin()
    lab.run(5)
    lab.connect("eye")
    lab.run(5)
    lab.end()
    assert [w.index for w in lab.windows if not w.available["eye"]] == [1001, 1002, 1003, 1004, 1005]
    assert all(available(lab, "eeg"))
    assert_same(lab)


def test_a_stream_that_comes_back_at_another_rate_is_an_event_and_a_missing_view(tmp_path):
    lab = two(tmp_path)
    lab.run(3)
    lab.disconnect("eye")
    device = lab.devices["eye"]
    device.rate_hz, device.born_s, device.made = 100.0, lab.clock.now_s(), 0
    lab.run(1)
    lab.connect("eye")
    lab.run(4)
    (unfit,) = lab.kinds("view-unfit")
    assert unfit["view"] == "eye"
    assert "50 Hz was expected, 100 Hz was found" in unfit["reason"]
    lab.disconnect("eye")
    device.rate_hz, device.born_s, device.made = 50.0, lab.clock.now_s(), 0
    lab.run(1)
    lab.connect("eye")
    lab.run(4)
    lab.end()
    gone = [w.index for w in lab.windows if not w.available["eye"]]
    assert gone == list(range(1003, 1010))
    assert_same(lab)


def test_a_stream_that_comes_back_with_one_more_channel_goes_on_where_the_view_names_its_channels(tmp_path):
    views = {"eye": {"stream": {"type": "Gaze"}, "features": "statistics", "channels": ["eye0", "eye1"]}}
    lab = VirtualLab(tmp_path / "recording.xdf", Device("eye", "Gaze", 50.0, offset_s=3.0), views=views)
    lab.connect("eye")
    lab.run(0.5)
    lab.begin()
    lab.run(3)
    lab.disconnect("eye")
    lab.devices["eye"].channels = 3
    lab.run(0.5)
    lab.connect("eye")
    lab.run(4)
    lab.end()
    assert [w.index for w in lab.windows if not w.available["eye"]] in ([1003], [1003, 1004])
    assert_same(lab)


def test_a_clock_that_nobody_answers_for_is_assumed_here_and_unknown_elsewhere(tmp_path):
    eeg = Device("eeg", "EEG", 200.0, host="here", answers=False)
    eye = Device("eye", "Gaze", 50.0, offset_s=50.0, answers=False)
    lab = VirtualLab(tmp_path / "recording.xdf", eeg, eye)
    lab.connect("eeg", "eye")
    lab.run(0.5)
    lab.begin()
    lab.run(8)
    lab.end()
    assert lab.kinds("clock-assumed") == [{"stream": "eeg", "offset_s": 0.0}]
    assert lab.kinds("clock-unknown") == [{"stream": "eye", "hostname": "far"}]
    assert available(lab, "eeg")[-3:] == [True] * 3
    assert not any(available(lab, "eye"))
    # Its samples are recorded all the same; a replay leaves them out, as the session did.
    with XdfReader(lab.path) as reader:
        recorded = [item for item in reader.items() if isinstance(item, Samples) and item.stream_id == 4]
    assert sum(len(samples.stamps_s) for samples in recorded) > 350
    assert_same(lab)


def test_a_clock_that_answers_late_lets_its_stream_in_from_then_on(tmp_path):
    lab = two(tmp_path)
    lab.disconnect("eye")
    lab.devices["eye"].answers = False
    lab.run(1)
    lab.connect("eye")
    lab.run(5)
    lab.devices["eye"].answers = True
    lab.run(5)
    lab.end()
    assert available(lab, "eye")[-2:] == [True] * 2
    assert_same(lab)


def test_a_stream_that_ends_before_its_clock_was_known_harms_nothing(tmp_path):
    eeg, eye = Device("eeg", "EEG", 200.0), Device("eye", "Gaze", 50.0, offset_s=-4000.0, answers=False)
    lab = VirtualLab(tmp_path / "recording.xdf", eeg, eye)
    lab.connect("eeg")
    lab.run(0.5)
    lab.begin()
    lab.run(2)
    lab.connect("eye")
    lab.run(0.4)
    lab.disconnect("eye")
    lab.run(1)
    eye.answers = True
    lab.connect("eye")
    lab.run(4)
    lab.end()
    assert available(lab, "eye")[-3:] == [True] * 3
    assert all(available(lab, "eeg"))
    assert_same(lab)


def test_another_rate_while_another_view_is_dead_changes_no_window_before_it(tmp_path):
    lab = two(tmp_path)
    lab.run(4)
    lab.disconnect("eye")
    lab.run(8)
    lab.disconnect("eeg")
    device = lab.devices["eeg"]
    device.rate_hz, device.born_s, device.made = 100.0, lab.clock.now_s(), 0
    lab.run(0.2)
    lab.connect("eeg")
    lab.run(3)
    lab.end()
    assert sum(available(lab, "eeg")) >= 10
    assert lab.kinds("view-unfit")
    assert_same(lab)


def test_a_channel_that_goes_flat_is_bad_until_it_was_good_for_some_windows_and_so_in_a_replay(tmp_path):
    eeg = Device("eeg", "EEG", 200.0, offset_s=12.5, channels=6)
    labels = ["eeg1", "eeg2", "eeg3", "eeg4", "eeg5"]
    views = VIEWS | {"eeg": VIEWS["eeg"] | {"channels": labels}}
    lab = VirtualLab(tmp_path / "recording.xdf", eeg, Device("eye", "Gaze", 50.0), views=views)
    lab.connect("eeg", "eye")
    lab.run(0.5)
    lab.begin()
    lab.run(4.5)
    eeg.flat = True
    lab.run(3)
    eeg.flat = False
    lab.run(7)
    lab.disconnect("eeg")
    lab.run(2)
    lab.end()
    assert lab.pipeline.quality_names == {"eeg": tuple(labels)}
    bad = {window.index: dict(window.bad["eeg"]) for window in lab.windows if window.bad}
    assert bad == {index: {"eeg5": "flat"} for index in range(1005, 1008 + GOOD_AFTER - 1)}
    for window in lab.windows:
        scores = window.quality["eeg"]
        assert (scores[4] < 0.5) == (window.index in bad)
        assert np.isnan(scores).all() == (window.index >= 1015)
    assert_same(lab)


def test_the_window_in_which_a_session_ends_is_not_closed_while_its_streams_are_closed(tmp_path):
    lab = two(tmp_path)
    lab.run(4.2)
    lab.gatherer.ending()
    # The thread of one stream takes longer to end than that of the other, past the end of the window.
    lab.disconnect("eye", "stopped")
    lab.run(1.5)
    lab.disconnect("eeg", "stopped")
    lab.end()
    assert [window.index for window in lab.windows] == [1001, 1002, 1003]
    assert available(lab, "eye") == [True] * 3
    assert_same(lab)


def test_overlapping_windows_are_the_same_in_replay(tmp_path):
    lab = two(tmp_path, hop_s=0.1)
    lab.run(3)
    lab.disconnect("eye")
    lab.run(1)
    lab.connect("eye")
    lab.run(3)
    lab.end()
    assert len(lab.windows) >= 60
    assert_same(lab)


GOOD_AFTER = QualitySettings().good_after
ACTIONS = st.sampled_from(
    ["drop", "back", "freeze", "thaw", "silent", "loud", "set-clock", "other-rate", "mute", "answer", "flat", "whole"]
)


# The numbers of samples go from left to right: gaze that drifts, and is faster than its noise in between.
EYE = {
    "stream": {"type": "Gaze"},
    "features": "eye",
    "columns": {"x": "eye0", "y": "eye1", "pupil": "eye0"},
    "settings": {"unit": "degrees", "blink_source": "validity", "velocity_threshold": 51.0},
}


def assert_whatever_happens(folder, steps, hop_s, method, jitter_s, eye):
    views = {"eeg": VIEWS["eeg"] | {"settings": {"bands": {"low": (2.0, 20.0)}, "method": method}}, "eye": eye}
    # Steps that fit neither windows nor samples: each finds them elsewhere.
    lab = two(folder, hop_s=hop_s, views=views, step_s=0.047)
    lab.devices["eeg"].jitter_s = lab.devices["eye"].jitter_s = jitter_s
    lab.run(2)
    restarted = False
    for action, key, then_s in steps:
        device = lab.devices[key]
        if action == "drop" and device.connected:
            device.waiting.clear()
            lab.disconnect(key)
        elif action == "back" and not device.connected:
            device.frozen = False
            lab.connect(key)
        elif action in ("freeze", "thaw"):
            device.frozen = action == "freeze"
        elif action in ("silent", "loud"):
            device.silent = action == "silent"
        elif action == "set-clock":
            device.offset_s += 700.0
        elif action in ("flat", "whole"):
            device.flat = action == "flat"
        elif action in ("mute", "answer"):
            device.answers = action == "answer"
        elif action == "other-rate" and not device.connected:
            # A device that was restarted: its samples are counted anew.
            device.rate_hz = 50.0 if device.rate_hz != 50.0 else {"eeg": 200.0, "eye": 25.0}[key]
            device.born_s, device.made, restarted = lab.clock.now_s(), 0, True
        lab.run(then_s)
    lab.run(2)
    lab.end()
    indices = [window.index for window in lab.windows]
    assert indices == list(range(indices[0], indices[-1] + 1))
    for window in lab.windows:
        if window.available["eye"] and not restarted and eye is not EYE:
            low, high = window.features["eye"][3:5]
            assert lab.devices["eye"].true_time(low) == pytest.approx(window.start_s, abs=0.05)
            assert lab.devices["eye"].true_time(high) == pytest.approx(window.stop_s, abs=0.05)
    assert_same(lab, carried=GOOD_AFTER)


@pytest.mark.parametrize("examples", [16, pytest.param(150, marks=pytest.mark.slow)])
def test_whatever_happens_a_replay_gives_the_same_windows(tmp_path_factory, examples):
    @settings(max_examples=examples)
    @given(
        st.lists(st.tuples(ACTIONS, st.sampled_from(["eeg", "eye"]), st.floats(0.05, 2.5)), min_size=1, max_size=8),
        st.sampled_from([1.0, 0.25, 1.5]),
        st.sampled_from(["dft", "filterbank"]),
        st.sampled_from([0.0, 0.003]),
        st.sampled_from([VIEWS["eye"], EYE]),
    )
    # At the end nothing is known yet of the clock of a stream that came back: what was held is decided on then.
    @example([("drop", "eeg", 3.0), ("mute", "eeg", 0.1), ("back", "eeg", 1.0)], 1.0, "dft", 0.0, VIEWS["eye"])
    def check(steps, hop_s, method, jitter_s, eye):
        assert_whatever_happens(tmp_path_factory.mktemp("lab"), steps, hop_s, method, jitter_s, eye)

    check()


def test_a_marker_stream_that_is_silent_for_long_may_be_replaced_without_haste():
    clock, asked = VirtualClock(1000.0), []
    gatherer = Gatherer(
        {"markers": "markers"},
        HealthSettings(),
        clock=clock,
        emit=lambda kind, **details: None,
        measure_soon=lambda key: None,
        let_go=lambda key, silent_s, hurry: asked.append((silent_s, hurry)),
        local_host="here",
    )
    xml = xml_of("markers", "Markers", 0.0, 1, text=True)
    gatherer.opened("markers", parse_stream_header(0, xml), xml)
    for _ in range(60):
        clock.advance(0.1)
        gatherer.tick(clock.now_s())
    # It counts as alive all the while: it may just have nothing to say.
    assert gatherer.status(clock.now_s())[0].state == "live"
    assert [(silent_s is None, hurry) for silent_s, hurry in asked] == [(True, True), (False, False)]
    assert asked[1][0] == pytest.approx(5.1, abs=0.11)
