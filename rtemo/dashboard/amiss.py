"""What is amiss in a session now, and what must be remembered to say so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rtemo.dashboard.alarms import (
    PREDICTION_PATIENCE_S,
    SKIPPED_SHOWN_S,
    Cause,
    EventCauses,
    Steady,
    causes_of_status,
    causes_of_window,
    late_causes,
)
from rtemo.dashboard.link import AHEAD_S, Link
from rtemo.dashboard.messages import SWITCHED, EventSeen
from rtemo.printable import printable
from rtemo.telemetry import SessionLayout, SessionStatus

if TYPE_CHECKING:
    from rtemo.dashboard.state import DashboardState

MOST_TEXT: Final = 200
MISSING_AFTER_S, MISSING_UNTIL_S = 5.0, 3.0
"""A view that is missing for so long, with no longer break than this, is an alarm; one window that is short is none."""
LATE_UNTIL_S: Final = 3.0
AHEAD_SHOWN_S: Final = 30.0
"""So long after the last prediction that was stamped ahead there is an alarm."""
COMES_S: Final = 2.0
"""A stream of which something has come for so long ago comes."""
UNPLACED_AFTER_S, UNPLACED_UNTIL_S = 3.0, 2.0
"""Samples that wait in an outlet are old when they come, for a moment."""


class Amiss:
    """Finds what is amiss in a session, from what is known of it.

    Attributes
    ----------
    switched : EventSeen or None
        The dashboard went over to another session by itself, and nobody has acknowledged it.
    """

    def __init__(self, switched: EventSeen | None = None) -> None:
        self.switched = switched
        self._events = EventCauses()
        self._missing = Steady(MISSING_AFTER_S, MISSING_UNTIL_S)
        self._late = Steady(0.0, LATE_UNTIL_S)
        self._unplaced = Steady(UNPLACED_AFTER_S, UNPLACED_UNTIL_S)
        self._skipped: tuple[int, int, float] | None = None
        self._ahead: tuple[int, float] | None = None
        self._came_s: dict[str, float] = {}

    def take_status(self, before: SessionStatus | None, status: SessionStatus, here_s: float) -> None:
        """Take a status, and the one before it, at a moment of this machine's clock."""
        if before is not None and status.skipped > before.skipped:
            first = self._skipped[0] if self._skipped is not None else before.skipped
            self._skipped = first, status.skipped, here_s

    def take_event(self, event: EventSeen) -> None:
        """Take an event."""
        if event.kind == SWITCHED:
            self.switched = event
        self._events.take(event.kind, event.details.get("error"))

    def take_samples(self, key: str, here_s: float) -> None:
        """Take note that samples of a stream came."""
        self._came_s[key] = here_s

    def take_ahead(self, count: int, here_s: float) -> None:
        """Take note of predictions that were stamped ahead of the session's clock."""
        before = 0 if self._ahead is None else self._ahead[0]
        self._ahead = before + count, here_s

    def causes(self, state: DashboardState, here_s: float) -> list[Cause]:
        """What is amiss now, at a moment of this machine's clock."""
        causes = self._of_switch(state)
        layout, status = state.layout, state.status
        if layout is None:
            return causes
        causes += self._events.causes
        if state.link is Link.ENDED:
            return causes
        if state.link is Link.SILENT:
            causes.append(Cause("link", "critical", f"No word from the session for {state.since_word_s:.0f} s"))
        elif not state.attached:
            causes.append(Cause("link", "critical", f"The session is gone: {printable(state.reason, MOST_TEXT)}"))
        if status is None:
            return causes
        if state.link is not Link.LIVE:
            # What stood when the last status came still does, as far as anybody knows.
            old = f" (as of {state.elapsed_silent_s:.0f} s ago)"
            return causes + [replace(cause, text=cause.text + old) for cause in causes_of_status(status)]
        causes += causes_of_status(status)
        window = state.window
        causes += self._missing.of([] if window is None else causes_of_window(window, status.streams), here_s)
        causes += self._of_predictions(state, layout, status, here_s)
        causes += self._unplaced.of(self._of_stamps(state, here_s), here_s)
        return causes

    def _of_switch(self, state: DashboardState) -> list[Cause]:
        if self.switched is None:
            return []
        if any(alarm.key == SWITCHED and alarm.acknowledged for alarm in state.alarms.active):
            self.switched = None
            return []
        gone, now = (printable(str(self.switched.details.get(end, "?")), 60) for end in ("from", "to"))
        return [Cause(SWITCHED, "warning", f"The dashboard has gone over to {now} by itself: {gone} is gone")]

    def _of_predictions(
        self, state: DashboardState, layout: SessionLayout, status: SessionStatus, here_s: float
    ) -> list[Cause]:
        causes = []
        quiet_s = _quiet_s(state, layout, status)
        if quiet_s > 0:
            causes.append(Cause("predictions", "critical", f"No prediction for {quiet_s:.0f} s"))
        # Of predictions that have stopped there is that alarm.
        causes += self._late.of([] if quiet_s > 0 else late_causes(state.predictions.age_s, layout.hop_s), here_s)
        if self._ahead is not None and here_s - self._ahead[1] <= AHEAD_SHOWN_S:
            said = f"stamped ahead of the session's clock and not shown: {self._ahead[0]} so far"
            causes.append(Cause("ahead", "warning", f"Predictions {said}"))
        else:
            self._ahead = None
        if self._skipped is not None and here_s - self._skipped[2] <= SKIPPED_SHOWN_S:
            first, now, _ = self._skipped
            causes.append(Cause("skipped", "warning", f"{now - first} windows were skipped: the model is too slow"))
        else:
            self._skipped = None
        return causes

    def _of_stamps(self, state: DashboardState, here_s: float) -> list[Cause]:
        """Streams that come, and lie where nobody sees them: a clock that was not measured says so in no other way."""
        causes = []
        for key, came_s in self._came_s.items():
            buffer = state.signals.get(key)
            if buffer is None or here_s - came_s > COMES_S:
                continue
            off_s = buffer.newest_s - state.now_s()
            if off_s > AHEAD_S or off_s < -buffer.seconds:
                off = f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} the session's clock"
                said = f"Samples of {printable(state.name_of(key), 60)} are stamped {off}: they are not shown"
                causes.append(Cause(f"clock:{key}", "warning", f"{said} (a clock may not be measured)"))
        return causes


def _quiet_s(state: DashboardState, layout: SessionLayout, status: SessionStatus) -> float:
    """For how long there has been no prediction, where that is longer than it may be; else 0."""
    since_s = state.since_attached_s
    age_s = state.prediction_age_s
    if math.isfinite(age_s):
        since_s = min(since_s, age_s)
        usual_s = layout.hop_s
    else:
        # A window has to end first.
        since_s = min(since_s, status.elapsed_s)
        usual_s = layout.length_s + layout.hop_s
    return since_s if since_s > usual_s + layout.lateness_s + PREDICTION_PATIENCE_S else 0.0
