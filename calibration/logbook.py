"""The journal of a session together with where it leads."""

from __future__ import annotations

from pathlib import Path

from calibration.journal import Entry, Journal, JournalError
from calibration.machine import INTERRUPTED, fold


class Logbook:
    """A journal together with where it leads; what cannot come next is refused before it is written.

    Parameters
    ----------
    path : path-like
        ``journal.jsonl``; one that exists is gone on with.

    Attributes
    ----------
    progress : Progress

    Raises
    ------
    JournalError
        The file cannot be opened, or tells what cannot have happened.
    """

    def __init__(self, path: str | Path) -> None:
        self._journal = Journal(path)
        try:
            self.progress = fold(self._journal.before)
        except JournalError:
            self._journal.close()
            raise

    def write(self, kind: str, *, stamp_s: float | None = None, **details: object) -> None:
        """Write an entry; it is on the disk when this returns.

        Raises
        ------
        JournalError
            The entry cannot come here, or the disk refuses it; the file is as it was.
        """
        after = self.progress.after(Entry(kind, "", stamp_s, details, str(self._journal.path)))
        self._journal.append(kind, stamp_s=stamp_s, **details)
        self.progress = after

    def close_interrupted(self) -> None:
        """Let the attempt that a kill cut off be void, so that its trial is done again."""
        attempt = self.progress.interrupted
        if attempt is not None:
            self.write("trial-void", trial=attempt.trial, attempt=attempt.attempt, reason=INTERRUPTED)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._journal.close()
