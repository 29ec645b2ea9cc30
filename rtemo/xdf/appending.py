"""A file that only grows, by pieces that are there whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path


class AppendFile:
    """A new file to which pieces are appended, each handed to the operating system before `write` returns.

    A process that is killed loses no piece that was written. A piece that fails, as on a full disk, leaves the file as
    it was before, so it can be written again later.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.

    Attributes
    ----------
    end : int
        Bytes of whole pieces.

    Raises
    ------
    FileExistsError
        There is a file already.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.end = 0
        self._torn = False
        self._file = self.path.open("xb", buffering=0)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append one piece.

        Raises
        ------
        OSError
            Nothing of the piece is in the file, now or, where the disk refuses even that, by the next piece.
        """
        if self._torn:
            self._mend()
        rest = memoryview(piece)
        size = len(rest)
        try:
            while len(rest):
                # On a disk that is nearly full, a first write puts down a part and the next one fails.
                rest = rest[self._file.write(rest) or 0 :]
        except BaseException:
            self._torn = True
            # The failure of the write is what the caller must know; mending is tried again before the next piece.
            with contextlib.suppress(OSError):
                self._mend()
            raise
        self.end += size

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._torn and not self.closed:
            with contextlib.suppress(OSError):
                self._mend()
        self._file.close()

    def _mend(self) -> None:
        self._file.truncate(self.end)
        self._file.seek(self.end)
        self._torn = False
