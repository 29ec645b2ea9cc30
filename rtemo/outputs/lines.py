"""A text file that grows line by line, and outlives a full disk."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from rtemo.xdf.appending import AppendFile

MOST_KEPT = 100_000


class LineFile:
    """Lines that are on disk as soon as they are written; what the disk refuses is kept and goes with a later line.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.

    Attributes
    ----------
    refused : int
        How often the disk refused to take what there was.
    lost : int
        Lines that are missing for good: the oldest beyond `MOST_KEPT`, and what still waited at the end.

    Raises
    ------
    FileExistsError
        There is a file already.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = AppendFile(path)
        self._kept: deque[bytes] = deque(maxlen=MOST_KEPT)
        self.refused = 0
        self.lost = 0

    @property
    def kept(self) -> int:
        """Lines that wait for the disk."""
        return len(self._kept)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    def write(self, line: bytes) -> int | None:
        """Write a line, behind those that wait.

        Returns
        -------
        int or None
            How many lines that had waited went with it; None where the disk refused.
        """
        waited = len(self._kept)
        self.lost += int(waited == MOST_KEPT)
        self._kept.append(line)
        return waited if self._put() else None

    def close(self) -> None:
        """Write what waits, if the disk takes it, and close the file. Idempotent."""
        if self._file.closed:
            return
        if self._kept and not self._put():
            self.lost += len(self._kept)
            self._kept.clear()
        self._file.close()

    def _put(self) -> bool:
        """Whether the disk took what waits; if not, none of it is in the file."""
        try:
            self._file.write(b"".join(self._kept))
        except OSError:
            self.refused += 1
            return False
        self._kept.clear()
        return True
