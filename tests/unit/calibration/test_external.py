"""Trials of another program, followed as their markers come."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.attempts import QUALITY_WITHIN_S
from calibration.external import LOOK_EVERY_S, Attendance, MarkedTrials
from calibration.folder import CalibrationFolder, begin
from calibration.journal import read_journal
from calibration.recorded_run import RecordedRun
from calibration.stimulus_outlet import StimulusOutlet
from rtemo.clock import VirtualClock
from rtemo.config import MarkerSettings, StreamSelector
from rtemo.labels import Segment, segments_from_markers
from rtemo.outputs.events import Event
from rtemo.types import FeatureWindow, Marker

STREAM = StreamSelector(name="PsychoPy")
LABELS = {"clip/happy": "positive", "clip/sad": "negative"}


def test_a_trial_ends_with_the_next_marker_or_its_length():
    marked = MarkedTrials(MarkerSettings(stream=STREAM, labels=LABELS))
    marked.take("clip/happy", 1.0)
    assert marked.ended(5.0) == []
    marked.take("rest", 6.0)
    assert marked.ended(6.1) == [Segment(1.0, 6.0, "positive")]
    assert marked.ended(6.2) == []
    lasting = MarkedTrials(MarkerSettings(stream=STREAM, labels=LABELS, duration_s=3.0))
    lasting.take("clip/sad", 10.0)
    assert lasting.ended(12.9) == []
    assert lasting.ended(13.0) == [Segment(10.0, 13.0, "negative")]
    lasting.take("clip/happy", 20.0)
    lasting.take("clip/sad", 21.0)
    assert lasting.ended(21.0) == [Segment(20.0, 21.0, "positive")]


@given(
    texts=st.lists(st.sampled_from(["clip/happy", "clip/sad", "rest", ""]), max_size=30),
    steps=st.lists(st.floats(0.01, 10.0), min_size=30, max_size=30),
    duration_s=st.none() | st.floats(0.05, 20.0),
)
def test_it_follows_as_the_recording_is_read_afterwards(texts: list[str], steps: list[float], duration_s: float | None):
    settings = MarkerSettings(stream=STREAM, labels=LABELS, duration_s=duration_s)
    marked, markers, now_s = MarkedTrials(settings), [], 0.0
    found: list[Segment] = []
    for text, step in zip(texts, steps, strict=False):
        now_s += step
        markers.append(Marker("m", now_s, text))
        marked.take(text, now_s)
        found += marked.ended(now_s)
    marked.take("end", now_s + 100.0)
    markers.append(Marker("m", now_s + 100.0, "end"))
    found += marked.ended(now_s + 100.0)
    assert found == segments_from_markers(markers, settings)


def test_a_trial_that_nothing_else_ends_is_ended_when_its_program_is_left():
    marked = MarkedTrials(MarkerSettings(stream=STREAM, labels=LABELS))
    marked.take("clip/happy", 1.0)
    marked.end(4.0)
    marked.end(5.0)
    assert marked.ended(5.0) == [Segment(1.0, 4.0, "positive")]


# -- attending --------------------------------------------------------------------------------------------------------

CONFIG = """
labels = ["negative", "positive"]
[views.eeg]
stream = { type = "EEG" }
features = "statistics"
[markers]
stream = { name = "PsychoPy" }
labels = { "clip/happy" = "positive", "clip/sad" = "negative" }
"""


class Ending(threading.Event):
    """Waiting moves the clock, and at moments of a script something happens."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.script: list[tuple[float, str]] = []
        self.take = lambda text: None

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert self.clock.now_s() < 200.0, "never ends"
        self.clock.advance(timeout)
        while self.script and self.script[0][0] <= self.clock.now_s():
            _, text = self.script.pop(0)
            if text == "Ctrl-C":
                self.set()
            else:
                self.take(text)
        return self.is_set()


class StandInRun:
    """Judges a window a second, some time after it ended; the view is there until `lost_s`."""

    def __init__(self, clock: VirtualClock, *, delay_s: float = 0.8) -> None:
        self.clock, self.delay_s, self.lost_s = clock, delay_s, np.inf
        self.error: BaseException | None = None

    @property
    def judged_until_s(self) -> float:
        return float(np.floor(self.clock.now_s() - self.delay_s))

    def windows(self, start_s: float, stop_s: float) -> list[FeatureWindow]:
        last = int(min(np.floor(stop_s), self.judged_until_s))
        return [self._window(float(k)) for k in range(int(np.ceil(start_s)), last)]

    def _window(self, start_s: float) -> FeatureWindow:
        there = {"eeg": start_s < self.lost_s}
        reason = {"eeg": "coverage 0.00 < 0.80"}
        return FeatureWindow(int(start_s), start_s, start_s + 1, {"eeg": np.zeros(1)}, there, {"eeg": 1.0}, reason, {})

    def take_events(self) -> list[Event]:
        return []

    def status(self) -> None:
        return None


class StandInOutlet:
    def __init__(self) -> None:
        self.pushed: list[str] = []

    def push(self, text: str, stamp_s: float) -> None:
        self.pushed.append(text)


class Lab:
    """An attendance at the trials of a scripted program; moments are seconds of a virtual clock that starts at 100."""

    def __init__(self, session: CalibrationFolder) -> None:
        self.session = session
        self.clock = VirtualClock(100.0)
        self.ending, self.run, self.outlet = Ending(self.clock), StandInRun(self.clock), StandInOutlet()
        self.said: list[str] = []
        self.counts: list[int] = []

    def attend(self, *script: tuple[float, str], duration_s: float = np.inf, end_marker: str = "") -> str:
        attendance = Attendance(
            self.session,
            self.said.append,
            ending=self.ending,
            duration_s=duration_s,
            end_marker=end_marker,
            clock=self.clock,
        )
        self.ending.script, self.ending.take = list(script), attendance.take
        return attendance.attend(
            cast(RecordedRun, self.run),
            cast(StimulusOutlet, self.outlet),
            lambda status, count: self.counts.append(count),
        )

    def warnings(self) -> list[str]:
        entries = read_journal(self.session.path / "journal.jsonl")
        return [entry.text("text") for entry in entries if entry.kind == "warning"]


@pytest.fixture
def lab(tmp_path: Path):
    config = tmp_path / "lab.toml"
    config.write_text(CONFIG)
    session = begin(tmp_path / "out", "07", config, None)
    yield Lab(session)
    session.logbook.close()


def test_good_trials_are_counted_and_nothing_is_said(lab: Lab):
    assert lab.attend((101.0, "clip/sad"), (106.0, "rest"), (107.0, "end"), end_marker="end") == "done"
    assert lab.counts[-1] == 1
    assert lab.said == lab.outlet.pushed == lab.warnings() == []


def test_the_last_trial_of_a_good_session_is_waited_for(lab: Lab):
    lab.run.delay_s = 2.0
    assert lab.attend((101.0, "clip/sad"), (106.0, "end"), end_marker="end") == "done"
    assert lab.counts[-1] == 1
    assert lab.said == lab.outlet.pushed == []
    assert 108.0 <= lab.clock.now_s() <= 108.0 + 2 * LOOK_EVERY_S


def test_a_trial_that_is_open_when_the_time_is_over_ends_there(lab: Lab):
    assert lab.attend((101.0, "clip/sad"), duration_s=10.0) == "done"
    assert lab.counts[-1] == 1
    assert lab.said == []


def test_a_trial_whose_signals_were_lost_is_told_and_asked_for_again(lab: Lab):
    lab.run.lost_s = 103.0
    assert lab.attend((101.0, "clip/sad"), duration_s=10.0) == "done"
    line = "trial 1 (negative): poor signal: eeg is missing in 78% of it (coverage 0.00 < 0.80): better repeat it"
    assert lab.said == lab.warnings() == [line]
    assert lab.outlet.pushed == ["repeat/negative/1"]


def test_quality_that_never_comes_is_waited_for_so_long_and_no_longer(lab: Lab):
    lab.run.delay_s = 1000.0
    script = [(101.0 + k, "clip/sad") for k in range(80)]
    assert lab.attend(*script, duration_s=10.0) == "done"
    assert lab.clock.now_s() == pytest.approx(110.0 + QUALITY_WITHIN_S, abs=LOOK_EVERY_S)
    assert "not known" in lab.said[-1]


def test_whoever_ends_it_in_the_middle_of_trials_interrupts_it(lab: Lab):
    assert lab.attend((101.0, "clip/sad"), (103.0, "Ctrl-C"), duration_s=10.0) == "interrupted"
    assert lab.said == []


def test_whoever_ends_it_after_the_last_trial_only_waits_no_longer(lab: Lab):
    lab.run.delay_s = 1000.0
    assert lab.attend((101.0, "clip/sad"), (106.0, "end"), (107.0, "Ctrl-C"), end_marker="end") == "done"
    assert lab.clock.now_s() == 107.0


def test_a_run_that_fails_ends_it(lab: Lab):
    lab.run.error = OSError("broken")
    assert lab.attend(duration_s=10.0) == "error"
