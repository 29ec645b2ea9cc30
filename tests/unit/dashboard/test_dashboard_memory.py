"""What a dashboard holds after an hour it holds after a day's work: a day of messages in virtual time."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from dashboard_words import AHEAD_S, layout, status, stream, values

from rtemo.clock import VirtualClock
from rtemo.dashboard.event_store import EVENTS_KEPT
from rtemo.dashboard.mailbox import Mailbox
from rtemo.dashboard.messages import (
    Attached,
    EventSeen,
    EventsSeen,
    MarkersSeen,
    PredictionsSeen,
    QualitySeen,
    SamplesSeen,
    StatusSeen,
    StreamOpened,
)
from rtemo.dashboard.state import ANNOTATIONS_KEPT, DashboardState
from rtemo.dashboard.trials import MARKERS_KEPT
from rtemo.telemetry import WindowState

HOUR_S = 3600
CHANNELS = tuple(f"E{k}" for k in range(62))
SIGNAL_EVERY_S = 20
STEP_S = 4


class Day:
    """A session that has much to say: what is kept up to a bound is full within the hour."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.clock = VirtualClock(100.0)
        self.state = DashboardState(self.clock)
        self.mailbox = Mailbox()
        self.mailbox.put(Attached(layout()))
        self.mailbox.put(StreamOpened("view:eeg", CHANNELS, ("uV",) * 62, 1000.0))
        self.second = 0
        self.signal = self.rng.normal(size=(100, 62)).astype(np.float32)
        self.statuses = [
            status(0.0, streams=(stream(state="lost"), stream("view:eye"))),
            status(0.0, window=WindowState(index=1, stop_s=1.0, missing={"eye": "gap"})),
        ]

    def pass_step(self):
        """Four seconds, as a GUI that looks seldom meets them."""
        self.clock.advance(STEP_S)
        self.second += STEP_S
        now_s, post = self.clock.now_s() + AHEAD_S, self.mailbox.put
        said = self.statuses[self.second // 28 % 2].model_copy(update={"now_s": now_s, "skipped": self.second // 100})
        post(StatusSeen(said, self.clock.now_s()))
        stops_s = now_s - np.arange(STEP_S)[::-1]
        rows = values(self.rng.dirichlet(np.ones(3)), available=(1.0, self.second % 3), rows=STEP_S)
        post(PredictionsSeen(stops_s, rows))
        post(QualitySeen(("eeg:Fp1", "eeg:Fp2"), stops_s, self.rng.random((STEP_S, 2))))
        moments = now_s - np.arange(8)[::-1] / 2
        kinds = ("late", "annotation", "annotation", "annotation") * 2
        events = [EventSeen(at, k, {"text": f"no {self.second}"}) for at, k in zip(moments, kinds, strict=True)]
        post(EventsSeen(tuple(events)))
        post(MarkersSeen("markers", moments, ("clip/neutral", "pause", "clip/positive", "x") * 2))
        if self.second % SIGNAL_EVERY_S == 0:
            post(SamplesSeen("view:eeg", now_s + np.arange(100) / 1000, self.signal))
        for message in self.mailbox.take():
            self.state.take(message)
        self.state.tick()
        if self.second % 60 == 0:
            self.state.missing_stretches("eye")
            self.state.accuracy()
            self.state.alarms.acknowledge()

    def held(self):
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize(("hours", "most"), [(1.5, 250_000), pytest.param(8, 1_000_000, marks=pytest.mark.slow)])
def test_hours_hold_what_one_holds(hours, most):
    tracemalloc.start()
    try:
        day = Day()
        while day.second < HOUR_S:
            day.pass_step()
        after_one = day.held()
        assert len(day.state.events) == EVENTS_KEPT
        assert len(day.state.annotations) == ANNOTATIONS_KEPT
        assert len(day.state.trials.markers) >= MARKERS_KEPT
        assert len(day.state.predictions) == HOUR_S
        while day.second < hours * HOUR_S:
            day.pass_step()
        grown = day.held() - after_one
    finally:
        tracemalloc.stop()
    assert abs(grown) < most
    assert day.state.refused == 0
    assert day.mailbox.dropped_messages == 0
