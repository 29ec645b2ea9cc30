"""A file of lines that one program at a time appends to, each on the disk before anything goes on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import Final

from rtemo.errors import RtemoError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger(__name__)

_LOCK_AT: Final = 2**40
"""The byte that stands for the whole file where bytes are locked: far behind its end, so that anybody can read it."""


class LockedLines:
    """Appends lines to a file; what was there stays. A line without its end was torn by a kill.

    The file is locked from here to `close`, or to the end of the process, whatever ends it.

    Parameters
    ----------
    path : path-like
        Made if it is missing.
    what : str
        What the file belongs to, for messages: "session".
    error : type of RtemoError
        What is raised.

    Attributes
    ----------
    path : Path

    Raises
    ------
    RtemoError
        The file cannot be opened, or another program has it open.
    """

    def __init__(self, path: str | Path, what: str, error: type[RtemoError] = RtemoError) -> None:
        self.path = Path(path)
        self._what = what
        self._error = error
        self._torn = False
        self._end = 0
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as refusal:
            raise self._refused(refusal) from refusal
        try:
            if not lock(self._file, self.path):
                raise error(
                    f"{self.path}: another program has this {what} open.",
                    cure=f"Let it come to its end, or end it; then go on with the {what}.",
                )
            self._end = os.fstat(self._file.fileno()).st_size
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    def read(self) -> tuple[list[bytes], bytes]:
        """The whole lines without their ends, and what a kill left of a last one.

        Raises
        ------
        RtemoError
            The disk refuses.
        """
        try:
            *lines, torn = self.path.read_bytes().split(b"\n")
        except OSError as refusal:
            raise self._refused(refusal) from refusal
        return lines, torn

    def cut(self, torn: bytes) -> None:
        """Take off what a kill left of a last line, as `read` gave it.

        Raises
        ------
        RtemoError
            The disk refuses.
        """
        self._end -= len(torn)
        try:
            self._file.truncate(self._end)
        except OSError as refusal:
            raise self._refused(refusal) from refusal

    def append(self, line: bytes) -> None:
        """Write a line, its end not included; it is on the disk when this returns.

        Raises
        ------
        RtemoError
            The disk refuses, and nothing of the line is in the file then; or another program wrote to it.
        """
        try:
            self._write(line + b"\n")
        except OSError as refusal:
            raise self._refused(refusal) from refusal

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        if self._torn:
            self._file.truncate(self._end)
            self._torn = False
        if os.fstat(self._file.fileno()).st_size != self._end:
            raise self._error(
                f"{self.path}: grew by other hands: another program writes to this {self._what}.",
                cure=f"Let one program at a time run a {self._what}, then resume it.",
            )
        interruption = None
        while True:
            try:
                self._put(line)
                break
            except KeyboardInterrupt as stop:
                interruption = stop  # A line that was begun is finished first.
            except OSError:
                # A full disk takes a part of a line: that goes now or before the next line, else a reader passes it
                # over.
                self._torn = True
                with contextlib.suppress(OSError):
                    self._file.truncate(self._end)
                    self._torn = False
                raise
        self._end += len(line)
        if interruption is not None:
            raise interruption

    def _put(self, line: bytes) -> None:
        """Write what of the line is not in the file yet."""
        while rest := memoryview(line)[os.fstat(self._file.fileno()).st_size - self._end :]:
            self._file.write(rest)
        os.fsync(self._file.fileno())

    def _refused(self, error: OSError) -> RtemoError:
        return self._error(
            f"{self.path}: the disk refuses ({error.strerror}).",
            cure=f"Make room or mend the folder's permissions, then resume the {self._what}: everything before is "
            "there.",
        )


def lock(file: io.FileIO, path: Path) -> bool:
    """Lock a file for this process, without waiting; the lock goes with the file or with the process.

    Returns
    -------
    bool
        False where another has it. True, with a warning, on a network file system that knows no locks.
    """
    try:
        if sys.platform == "win32":
            file.seek(_LOCK_AT)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0, os.SEEK_END)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        # A second writer is still noticed by the length of the file.
        logger.warning("%s: cannot be locked (%s): let one program at a time write to it.", path, error.strerror)
    return True
