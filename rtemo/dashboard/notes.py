"""What became of annotations: sent, until the session says that it has noted them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from rtemo.dashboard.commands import ANNOTATE
from rtemo.dashboard.messages import REFUSED, EventSeen
from rtemo.dashboard.refusals import MAX_TEXT
from rtemo.dashboard.state import ANNOTATION, DashboardState
from rtemo.printable import printable

ANSWER_S = 3.0
"""A session says within so long that it has noted something; where it does not, it may have been lost."""
CLOCKS_S = 1.0
"""So much earlier than here an annotation may be stamped there: clocks are measured, not known."""
COMMAND_REFUSED = "command-refused"


@dataclass(slots=True, eq=False)
class Note:
    """An annotation on its way.

    Parameters
    ----------
    text : str
    token : str
        Of the session that was shown.
    moment_s : float
        When it was made, on the session's clock.
    sent_s : float
        The same on another clock, which goes on whatever becomes of the session.
    reason : str
        Why it counts as not noted; empty while it is on its way.
    """

    text: str
    token: str
    moment_s: float
    sent_s: float
    reason: str = ""


class Notes:
    """Annotations that the session has not said yet that it has noted.

    Parameters
    ----------
    clock : callable
        Seconds of any clock.

    Attributes
    ----------
    lost : list of Note
        Those that were refused, or not noted in time, the oldest first; one that is noted after all leaves the list.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lost: list[Note] = []
        self._clock = clock
        self._waiting: list[Note] = []
        self._events: object = None
        self._seen = 0
        self._refused: tuple[float, str] = (float("-inf"), "")

    def sent(self, text: str, state: DashboardState) -> None:
        """Take an annotation that has just been sent to the session that is shown."""
        token = "" if state.layout is None else state.layout.token
        self._waiting.append(Note(text, token, state.now_s(), self._clock()))

    def look(self, state: DashboardState) -> None:
        """See what the session, and the dashboard's own feed, have said since."""
        if self._events is not state.events:
            # Another session.
            self._events, self._seen = state.events, 0
        for event in state.events.since(self._seen):
            self._take(event)
        self._seen = state.events.added
        now_s = self._clock()
        token = "" if state.layout is None else state.layout.token
        for note in list(self._waiting):
            if note.token != token:
                self._lose(note, "another session is shown now")
            elif now_s - note.sent_s > ANSWER_S:
                at_s, reason = self._refused
                self._lose(note, reason if at_s >= note.sent_s else "the session has not answered")

    def _take(self, event: EventSeen) -> None:
        text = event.details.get("text")
        if event.kind == ANNOTATION:
            for notes in (self._waiting, self.lost):
                for note in notes:
                    if note.text == text and event.stamp_s >= note.moment_s - CLOCKS_S:
                        notes.remove(note)
                        return
        elif event.kind == REFUSED and event.details.get("what") == ANNOTATE:
            refused = next((note for note in self._waiting if printable(note.text, MAX_TEXT) == text), None)
            if refused is not None:
                self._lose(refused, str(event.details.get("reason", "")))
        elif event.kind == COMMAND_REFUSED and event.details.get("hostname") == socket.gethostname():
            # The session does not say which command of this machine; that an annotation is not noted will be seen.
            self._refused = self._clock(), f"the session refused it: {event.details.get('reason', '')}"

    def _lose(self, note: Note, reason: str) -> None:
        note.reason = reason
        self._waiting.remove(note)
        self.lost.append(note)
