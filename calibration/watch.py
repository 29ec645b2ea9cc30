"""What the experimenter must know of the streams while trials run, and when a session has to wait for one."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from calibration.recorded_run import RunStatus
from rtemo.config import Configuration
from rtemo.health import Health
from rtemo.live.gather import StreamStatus
from rtemo.live.wanted import MARKERS_KEY
from rtemo.outputs.events import Event
from rtemo.types import FeatureWindow

LINES_KEPT: Final = 5
STATES: Final = {"stale": "gives no samples", "lost": "is lost", "live": "is back"}
WARN_OF: Final = {
    "disk-full": "the disk is full: the recording waits in memory",
    "recorder-error": "the recording cannot be written",
    "view-missing": "is missing",
}
"""Events that the experimenter is told of, and in which words."""


@dataclass(frozen=True, slots=True)
class StreamNote:
    """How a stream stands, in words.

    Parameters
    ----------
    name : str
    state : {"good", "warning", "critical"}
    words : str
    required : bool
        Whether trials without it are for nothing.
    lost : bool
    """

    name: str
    state: Literal["good", "warning", "critical"]
    words: str
    required: bool
    lost: bool


class Watch:
    """Follows a run for the experimenter.

    Parameters
    ----------
    config : Configuration
    """

    def __init__(self, config: Configuration) -> None:
        self._config = config
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._away: set[str] = set()

    def notes(self, status: RunStatus) -> tuple[StreamNote, ...]:
        """The streams of the views, one line each."""
        return tuple(self._note(stream, status.window) for stream in status.streams if stream.key != MARKERS_KEY)

    def waits_for(self, status: RunStatus) -> list[str]:
        """Required streams that are lost: until they are back no trial is worth its time."""
        return [note.name for note in self.notes(status) if note.required and note.lost]

    def take(self, events: Iterable[Event]) -> list[str]:
        """New warnings among what happened, one line each."""
        said = []
        for event in events:
            words = WARN_OF.get(event.kind)
            if event.kind == "stream-state":
                words = self._turn(str(event.details.get("stream")), str(event.details.get("state")))
            if words is None:
                continue
            name = event.details.get("stream") or event.details.get("view") or ""
            reason = event.details.get("reason") or event.details.get("error") or ""
            said.append(" ".join(filter(None, (str(name), words, f"({reason})" if reason else ""))))
        self._lines.extend(said)
        return said

    def _turn(self, stream: str, state: str) -> str | None:
        """What to say of a stream's new state; a stream is back only where something was said before."""
        if state == "live":
            known = stream in self._away
            self._away.discard(stream)
            return STATES[state] if known else None
        self._away.add(stream)
        return STATES.get(state)

    @property
    def lines(self) -> tuple[str, ...]:
        """The latest warnings."""
        return tuple(self._lines)

    def _note(self, stream: StreamStatus, window: FeatureWindow | None) -> StreamNote:
        required = any(self._config.views[view].required for view in stream.views)
        bad = [f"{len(found)} bad channels" for view in stream.views if (found := (window and window.bad.get(view)))]
        missing = [view for view in stream.views if window is not None and not window.available.get(view, True)]
        rate = "" if math.isnan(stream.rate_hz) else f"{stream.rate_hz:.0f} Hz"
        words = ", ".join(filter(None, (stream.state.value, rate, *bad, *(f"{view} missing" for view in missing))))
        lost = stream.state is Health.LOST
        if lost or stream.state is Health.WAITING:
            state: Literal["good", "warning", "critical"] = "critical"
        elif stream.state is Health.STALE or bad or missing:
            state = "warning"
        else:
            state = "good"
        return StreamNote(stream.name, state, words, required, lost)
