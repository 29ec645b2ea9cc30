"""What a session says, made up for tests of the dashboard's core."""

from __future__ import annotations

import numpy as np

from rtemo.clock import VirtualClock
from rtemo.dashboard.messages import Attached, EventSeen, EventsSeen, MarkersSeen, PredictionsSeen, StatusSeen
from rtemo.dashboard.state import DashboardState
from rtemo.telemetry import AdaptationState, SessionLayout, SessionStatus, StreamState, ViewLayout, WindowState

LABELS, VIEWS = ("negative", "neutral", "positive"), ("eeg", "eye")
AHEAD_S = 1000.0
"""Of the session's clock, compared with the dashboard's."""


def layout(**changes: object) -> SessionLayout:
    said: dict[str, object] = {
        "version": 1,
        "session": "sub-01-ses-20260102T030405Z",
        "token": "t1",
        "hostname": "lab",
        "labels": LABELS,
        "length_s": 1.0,
        "hop_s": 1.0,
        "views": (
            ViewLayout(name="eeg", stream="view:eeg", features="differential-entropy", channels=("Fp1", "Fp2")),
            ViewLayout(name="eye", stream="view:eye", features="eye", channels=("x", "y")),
        ),
        "markers": "markers",
        "marker_labels": {f"clip/{label}": label for label in LABELS},
        "lateness_s": 0.1,
    }
    return SessionLayout.model_validate(said | changes)


def stream(key: str = "view:eeg", state: str = "live", **changes: object) -> StreamState:
    said: dict[str, object] = {
        "key": key,
        "name": key.removeprefix("view:"),
        "views": () if key == "markers" else (key.removeprefix("view:"),),
        "state": state,
        "age_s": 0.1,
        "rate_hz": 250.0,
        "nominal_hz": 250.0,
        "samples": 1000,
        "late": 0,
        "rejected": 0,
    }
    return StreamState.model_validate(said | changes)


def status(now_s: float, **changes: object) -> SessionStatus:
    said: dict[str, object] = {
        "now_s": now_s,
        "elapsed_s": 60.0,
        "streams": (stream(),),
        "window": WindowState(index=1, stop_s=now_s),
        "predicted": 10,
        "skipped": 0,
        "age_p50_s": 0.1,
        "age_p99_s": 0.2,
        "adaptation": AdaptationState(mode="off"),
    }
    return SessionStatus.model_validate(said | changes)


def values(
    probabilities: object = (0.2, 0.3, 0.5),
    shadow: object = (0.5, 0.3, 0.2),
    available: object = (1.0, 1.0),
    rows: int = 1,
) -> np.ndarray:
    """Values of predictions, shape (rows, 15)."""
    weights, contributions, coverage = (0.7, 0.3), (0.1, -0.1), (1.0, 0.9)
    row = np.concatenate([probabilities, shadow, weights, contributions, available, coverage, [0.25]])
    return np.repeat(row[None], rows, axis=0)


class Watched:
    """A state in virtual time, attached to a session whose clock is ahead."""

    def __init__(self, **changes: object) -> None:
        self.clock = VirtualClock(100.0)
        self.state = DashboardState(self.clock)
        self.layout = layout(**changes)
        self.state.take(Attached(self.layout))

    @property
    def session_s(self) -> float:
        return self.clock.now_s() + AHEAD_S

    def tell(self, **changes: object) -> None:
        self.state.take(StatusSeen(status(self.session_s, **changes), self.clock.now_s()))

    def predict(self, *stops_s: float, **how: object) -> None:
        made = values(rows=len(stops_s), **how)  # type: ignore[arg-type]
        self.state.take(PredictionsSeen(np.array(stops_s), made))

    def event(self, kind: str, **details: object) -> None:
        self.state.take(EventsSeen((EventSeen(self.session_s, kind, details),)))

    def mark(self, text: str, at_s: float) -> None:
        self.state.take(MarkersSeen("markers", np.array([at_s]), (text,)))

    def pass_s(self, seconds: float, **changes: object) -> None:
        """Let time pass with a status four times a second and a prediction a second."""
        for quarter in range(round(4 * seconds)):
            self.clock.advance(0.25)
            self.tell(**changes)
            if quarter % 4 == 3:
                self.predict(self.session_s)
            self.state.tick()

    def alarms(self) -> dict[str, str]:
        """Severity by key."""
        self.state.tick()
        return {alarm.key: alarm.severity for alarm in self.state.alarms.active}
