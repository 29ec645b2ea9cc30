"""How much room a disk has, asked so that nobody waits for one that hangs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 1.0


def free_bytes(folder: Path) -> int | None:
    """Room on the disk of a folder; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


class DiskWatch:
    """Keeps the last answer of a disk; a network disk that hangs holds up nobody but the thread that asks it.

    Parameters
    ----------
    folder : Path
    look : callable
        Gives the room on the disk of a folder; may take as long as it likes.
    """

    def __init__(self, folder: Path, look: Callable[[Path], int | None] = free_bytes) -> None:
        self._folder, self._look = folder, look
        self._free: int | None = None
        self._looked_s: float | None = None
        self._looking: threading.Thread | None = None

    def free(self, now_s: float) -> int | None:
        """The last answer, None before the first; asks again once a second, unless the disk still owes an answer."""
        owed = self._looking is not None and self._looking.is_alive()
        due = self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S
        if due and not owed:
            self._looked_s = now_s
            # A thread a look ends by itself: nothing is to be closed, and one that hangs holds up no exit.
            self._looking = threading.Thread(target=self._ask, name="rtemo-disk", daemon=True)
            self._looking.start()
        return self._free

    def _ask(self) -> None:
        self._free = self._look(self._folder)
