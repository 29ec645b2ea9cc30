"""What waits to be written into a recording: in order, in memory, and for as long as the disk refuses it."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from rtemo.clock import Clock
from rtemo.outputs.batches import Boundary, Entry, Header, Numbers, Offset, Rows, merged, most_samples, size_in_bytes
from rtemo.xdf import XdfWriter

Alarm = Callable[[str, Mapping[str, object]], None]

DISK_FULL: Final = "disk-full"
RECORDER_ERROR: Final = "recorder-error"
RECORDER_RECOVERED: Final = "recorder-recovered"
RECORDER_LOST: Final = "recorder-lost"
BOUNDARY_EVERY_S = 10.0
FIRST_REMINDER_S = 10.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Backlog:
    """Entries on their way into a file: any thread puts, one thread at a time writes.

    Overflow policy: alarm and never drop. Where the disk refuses a chunk, it and everything behind it stay in memory,
    in order, and the next `write` tries again. One alarm opens such an episode (``disk-full``, or ``recorder-error``
    for any other refusal), reminders follow when the backlog is 10, 20, 40, ... seconds old, and
    ``recorder-recovered`` closes it.

    Parameters
    ----------
    writer : XdfWriter
    clock : Clock
        For the age of what waits, and the boundary marks, one every ten seconds.
    on_alarm : callable
        Takes the kind of an alarm and its details; called by the thread that writes.
    """

    def __init__(self, writer: XdfWriter, clock: Clock, on_alarm: Alarm) -> None:
        self._writer = writer
        self._clock = clock
        self._on_alarm = on_alarm
        # Appending to a deque and taking from it are atomic, so putting never waits for writing.
        self._queue: deque[Entry] = deque()
        self._pending: deque[Entry] = deque()
        self._most: dict[int, int] = {}
        self._boundary_due_s = clock.now_s()
        self._refused_since_s: float | None = None
        self._remind_at_s = FIRST_REMINDER_S
        self.samples = 0

    @property
    def refused(self) -> bool:
        """Whether the disk refuses to take what waits."""
        return self._refused_since_s is not None

    @property
    def age_s(self) -> float:
        """How long the oldest entry that is not in the file has waited, 0 where none waits."""
        for waiting in (self._pending, self._queue):
            try:
                return max(0.0, self._clock.now_s() - waiting[0].put_s)
            except IndexError:
                continue
        return 0.0

    def put(self, entry: Entry) -> None:
        """Take an entry. Never waits, never drops."""
        self._queue.append(entry)

    def write(self) -> bool:
        """Write everything that waits, in order.

        Returns
        -------
        bool
            Whether all of it is in the file now; otherwise call again.
        """
        self._pending.extend(merged(self._taken(), self._most))
        now_s = self._clock.now_s()
        if now_s >= self._boundary_due_s:
            self._pending.append(Boundary(now_s))
            self._boundary_due_s = now_s + BOUNDARY_EVERY_S
        while self._pending:
            try:
                self._write_one(self._pending[0])
            except OSError as error:
                self._refuse(error)
                return False
            except Exception:
                # What cannot be written is out of the way of what comes behind it; the caller makes the error known.
                self._pending.popleft()
                raise
            self._pending.popleft()
        self._recover()
        return not self._queue

    def give_up(self) -> None:
        """Let go of what the disk still refuses, with an alarm that says how much that is."""
        self._pending.extend(merged(self._taken(), self._most))
        lost = [entry for entry in self._pending if isinstance(entry, Numbers | Rows)]
        if lost:
            samples = sum(len(entry.stamps_s) for entry in lost)
            details = {**self._details(), "samples": samples, "streams": len({entry.stream_id for entry in lost})}
            self._on_alarm(RECORDER_LOST, details)
        self._pending.clear()

    def _taken(self) -> list[Entry]:
        """All that was put so far; what is put meanwhile is left for the next time."""
        taken = [self._queue.popleft() for _ in range(len(self._queue))]
        for entry in taken:
            if isinstance(entry, Header):
                self._most[entry.header.stream_id] = most_samples(entry.header)
        return taken

    def _write_one(self, entry: Entry) -> None:
        if isinstance(entry, Numbers):
            self._writer.write_stamped(entry.stream_id, entry.stamps_s, entry.values)
            self.samples += len(entry.stamps_s)
        elif isinstance(entry, Rows):
            self._writer.write_stamped(entry.stream_id, entry.stamps_s, entry.rows)
            self.samples += len(entry.stamps_s)
        elif isinstance(entry, Offset):
            self._writer.write_clock_offset(entry.stream_id, entry.time_s, entry.offset_s)
        elif isinstance(entry, Header):
            self._writer.write_header(entry.header, entry.xml)
        else:
            self._writer.write_boundary()

    def _refuse(self, error: OSError) -> None:
        if self._refused_since_s is None:
            self._refused_since_s = self._clock.now_s()
            self._remind_at_s = FIRST_REMINDER_S
        elif self.age_s < self._remind_at_s:
            return
        else:
            self._remind_at_s = 2 * max(self._remind_at_s, self.age_s)
        kind = DISK_FULL if error.errno in _FULL else RECORDER_ERROR
        self._on_alarm(kind, {**self._details(), "error": str(error.strerror or error)})

    def _recover(self) -> None:
        if self._refused_since_s is not None:
            outage_s = self._clock.now_s() - self._refused_since_s
            self._refused_since_s = None
            self._on_alarm(RECORDER_RECOVERED, {"outage_s": round(outage_s, 3)})

    def _details(self) -> dict[str, object]:
        waiting = sum(size_in_bytes(entry) for entry in self._pending)
        return {"backlog_s": round(self.age_s, 3), "backlog_bytes": waiting}
