"""The clock of a replay."""

from __future__ import annotations

import numpy as np

from rtemo.clock import VirtualClock
from rtemo.replay import ReplayClock
from rtemo.types import FeatureWindow


def window(stop_s: float) -> FeatureWindow:
    return FeatureWindow(0, stop_s - 1, stop_s, {"eeg": np.zeros(1)}, {"eeg": True}, {"eeg": 1.0})


def test_as_fast_as_it_goes_the_clock_stands_at_the_end_of_the_window() -> None:
    clock = ReplayClock(None)
    for stop_s in (5001.0, 5002.0, 5010.0):
        clock.reach(window(stop_s))
        assert clock.now_s() == stop_s


def test_at_a_speed_windows_are_held_back_until_they_are_over() -> None:
    machine = VirtualClock(100.0)
    clock = ReplayClock(2.0, machine=machine, wait=machine.advance)
    reached = []
    for stop_s in (5001.0, 5002.0, 5010.0):
        clock.reach(window(stop_s))
        reached.append(machine.now_s())
        assert clock.now_s() == stop_s
    assert reached == [100.0, 100.5, 104.5]


def test_a_slow_consumer_is_told_its_delay_and_is_not_delayed_further() -> None:
    machine = VirtualClock(100.0)
    clock = ReplayClock(1.0, machine=machine, wait=machine.advance)
    clock.reach(window(5001.0))
    machine.advance(3.0)
    clock.reach(window(5002.0))
    assert clock.now_s() == 5004.0
    assert machine.now_s() == 103.0


def test_it_can_be_said_when_a_moment_of_the_recording_comes() -> None:
    machine = VirtualClock(100.0)
    clock = ReplayClock(2.0, machine=machine, wait=machine.advance)
    clock.begin(5000.0, 103.0)
    assert clock.now_s() == 4994.0
    clock.reach(window(5001.0))
    assert (machine.now_s(), clock.now_s()) == (103.5, 5001.0)
