"""What a dashboard does not take, said once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rtemo.dashboard.messages import REFUSED, EventSeen, EventsSeen, Message
from rtemo.printable import printable

MAX_REFUSALS = 200
"""Different things that are complained of."""
MAX_TEXT = 500

Post = Callable[[Message], None]


class Refusals:
    """Says once what is not taken, and why.

    Parameters
    ----------
    post : callable
    now_s : callable
        The session's clock.
    """

    def __init__(self, post: Post, now_s: Callable[[], float]) -> None:
        self._post = post
        self._now_s = now_s
        self._lock = threading.Lock()
        self._said: set[tuple[str, str]] = set()

    def say(self, what: str, reason: str, *, topic: str = "") -> None:
        """Post it, unless the same of the same was posted before.

        Parameters
        ----------
        what : str
            A stream.
        reason : str
        topic : str
            What counts as the same.
        """
        with self._lock:
            if (what, topic) in self._said or len(self._said) >= MAX_REFUSALS:
                return
            self._said.add((what, topic))
        self._post(EventsSeen((refusal(self._now_s(), what, reason),)))

    def say_command(self, command: str, text: str, reason: str) -> None:
        """Post that a command is not sent, each time."""
        self._post(EventsSeen((refusal(self._now_s(), command, reason, text),)))


def refusal(stamp_s: float, what: str, reason: str, text: str = "") -> EventSeen:
    """The event of something that is not taken; of an annotation, with its text."""
    details = {"what": printable(what, MAX_TEXT), "reason": printable(reason, MAX_TEXT)}
    if text:
        details["text"] = printable(text, MAX_TEXT)
    return EventSeen(stamp_s, REFUSED, details)
