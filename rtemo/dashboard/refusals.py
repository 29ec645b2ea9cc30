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

    def say(self, what: str, reason: str, *, topic: str = "", again: bool = False) -> None:
        """Post it, unless the same of the same was posted before.

        Parameters
        ----------
        what : str
            A stream, or a command.
        reason : str
        topic : str
            What counts as the same.
        again : bool
            Whether to post it in any case.
        """
        with self._lock:
            if not again:
                if (what, topic) in self._said or len(self._said) >= MAX_REFUSALS:
                    return
                self._said.add((what, topic))
        details = {"what": printable(what, MAX_TEXT), "reason": printable(reason, MAX_TEXT)}
        self._post(EventsSeen((EventSeen(self._now_s(), REFUSED, details),)))
