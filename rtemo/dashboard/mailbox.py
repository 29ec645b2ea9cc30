"""Between the feed's threads and the GUI's: messages in order, and never more of them than memory is meant to hold."""

from __future__ import annotations

import threading
from collections import deque

from rtemo.dashboard.messages import (
    EventsSeen,
    MarkersSeen,
    Message,
    PredictionsSeen,
    QualitySeen,
    SamplesSeen,
    Sessions,
    StatusSeen,
)

SIGNAL_BYTES = 32_000_000
"""Samples that wait: over a minute of 62 channels at 1 kHz."""
TOLD, KEPT = 20_000, 4000
"""Predictions, events, markers and scores that wait; and all else, which is rare."""

_Numbered = tuple[int, Message]


class Mailbox:
    """Takes messages from any thread, and gives them to one.

    Where nobody takes them out: of samples the oldest batches are dropped, and counted; of everything else so much is
    kept that a day's work passes before anything is. Of statuses and lists of sessions only the newest is of use.

    Parameters
    ----------
    signal_bytes : int
        Of the samples that wait.

    Attributes
    ----------
    dropped_batches, dropped_samples : int
        Of signals.
    dropped_messages : int
        All others.
    """

    def __init__(self, signal_bytes: int = SIGNAL_BYTES) -> None:
        self.dropped_batches = self.dropped_samples = self.dropped_messages = 0
        self._most_bytes = signal_bytes
        self._lock = threading.Lock()
        self._number = 0
        self._bytes = 0
        self._signals: deque[tuple[int, SamplesSeen]] = deque()
        self._told: deque[_Numbered] = deque()
        self._kept: deque[_Numbered] = deque()
        self._newest: dict[type[Message], _Numbered] = {}

    def put(self, message: Message) -> None:
        """Post a message; never waits."""
        with self._lock:
            self._number += 1
            match message:
                case SamplesSeen():
                    self._signals.append((self._number, message))
                    self._bytes += _size(message)
                    while self._bytes > self._most_bytes and len(self._signals) > 1:
                        _, dropped = self._signals.popleft()
                        self._bytes -= _size(dropped)
                        self.dropped_batches += 1
                        self.dropped_samples += len(dropped.stamps_s)
                case StatusSeen() | Sessions():
                    self._newest[type(message)] = self._number, message
                case PredictionsSeen() | EventsSeen() | QualitySeen() | MarkersSeen():
                    self._append(self._told, message, TOLD)
                case _:
                    self._append(self._kept, message, KEPT)

    def take(self) -> list[Message]:
        """All messages that wait, in the order in which they were posted."""
        with self._lock:
            waiting = [*self._signals, *self._told, *self._kept, *self._newest.values()]
            self._bytes = 0
            for queue in (self._signals, self._told, self._kept, self._newest):
                queue.clear()
        waiting.sort(key=lambda one: one[0])
        return [message for _, message in waiting]

    def _append(self, queue: deque[_Numbered], message: Message, most: int) -> None:
        queue.append((self._number, message))
        if len(queue) > most:
            queue.popleft()
            self.dropped_messages += 1


def _size(message: SamplesSeen) -> int:
    return message.values.nbytes + message.stamps_s.nbytes
