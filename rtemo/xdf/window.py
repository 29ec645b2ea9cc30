"""A reused window onto a file: what lets a recording of any length be read in bounded memory."""

from __future__ import annotations

import os
from typing import BinaryIO

from rtemo.xdf.chunks import BOUNDARY_UUID, XdfError

CAPACITY = 2 << 20


class FileWindow:
    """Bytes of a file through one buffer that is filled again and again.

    Parameters
    ----------
    file : binary file
        Opened without buffering.
    capacity : int
        Size of the buffer, the most that `need` can be asked for.

    Attributes
    ----------
    limit : int
        Nothing from this byte on is read ahead of what is needed; the end of the file at first.
    """

    def __init__(self, file: BinaryIO, capacity: int = CAPACITY) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.limit = self.size
        self.capacity = capacity
        self.buffer = bytearray(capacity)
        self._view = memoryview(self.buffer)
        self.start = 0
        self.stop = 0

    def need(self, position: int, count: int, fill: int) -> int:
        """Have bytes `position` to `position + count` in the buffer, and read on to `fill` bytes if reading is needed.

        Returns
        -------
        int
            Where in the buffer `position` lies.
        """
        if self.start <= position and position + count <= self.stop:
            return position - self.start
        if count > self.capacity or position + count > self.size:
            raise XdfError(f"{count} bytes from byte {position} on were expected, the file has {self.size}")
        wanted = max(count, min(fill, self.capacity, self.limit - position))
        self._file.seek(position)
        got = 0
        while got < wanted:
            more = self._file.readinto(self._view[got:wanted])  # type: ignore[attr-defined]
            if not more:
                break
            got += more
        self.start, self.stop = position, position + got
        if got < count:
            raise XdfError(f"the file ended at byte {self.stop} while it was read")
        return 0

    def read(self, position: int, count: int) -> bytes:
        """A copy of some bytes, which may be more than the buffer holds."""
        if count <= self.capacity:
            at = self.need(position, count, count)
            return bytes(self._view[at : at + count])
        if position + count > self.size:
            raise XdfError(f"{count} bytes from byte {position} on were expected, the file has {self.size}")
        self._file.seek(position)
        return self._file.read(count)

    def after_next_boundary(self, position: int) -> int | None:
        """Position behind the first boundary mark at or after `position`; None where there is none."""
        overlap = len(BOUNDARY_UUID) - 1
        while self.size - position > overlap:
            count = min(self.capacity, self.size - position)
            at = self.need(position, count, count)
            found = self.buffer.find(BOUNDARY_UUID, at, at + count)
            if found >= 0:
                return position + found - at + len(BOUNDARY_UUID)
            position += count - overlap
        return None
