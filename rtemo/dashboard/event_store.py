"""The events of a session that a dashboard keeps: what is routine does not push out what is not."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from rtemo.dashboard.messages import EventSeen

EVENTS_KEPT, ROUTINE_KEPT = 5000, 2000
ROUTINE: Final = frozenset({"adaptation-update", "adaptation-skip", "channel-good", "channel-bad"})
"""Kinds of which there are very many."""

Numbered = tuple[int, EventSeen]


class EventStore:
    """The newest events, in the order in which they came; those of routine kinds push out none but their like.

    Attributes
    ----------
    added : int
        Events so far, those that are no longer kept included.
    """

    def __init__(self) -> None:
        self.added = 0
        self._kept: tuple[deque[Numbered], ...] = deque(maxlen=EVENTS_KEPT), deque(maxlen=ROUTINE_KEPT)

    def __len__(self) -> int:
        return sum(map(len, self._kept))

    def __iter__(self) -> Iterator[EventSeen]:
        return iter(self.since(0))

    def append(self, event: EventSeen) -> None:
        """Take an event."""
        self._kept[event.kind in ROUTINE].append((self.added, event))
        self.added += 1

    def since(self, number: int) -> list[EventSeen]:
        """Those that came after the first so many, as far as they are kept."""
        fresh = [list(takewhile(lambda one: one[0] >= number, reversed(kept))) for kept in self._kept]
        return [event for _, event in heapq.merge(*(reversed(one) for one in fresh), key=lambda one: one[0])]
