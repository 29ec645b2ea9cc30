"""A thread whose exception reaches whoever must know."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker(threading.Thread):
    """A thread that passes an exception on instead of dying unnoticed.

    Parameters
    ----------
    name : str
        For logs and debuggers.
    target : callable
    on_error : callable
        Called in the thread itself with what it raised.
    """

    def __init__(self, name: str, target: Callable[[], None], on_error: Callable[[BaseException], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = target
        self._on_error = on_error

    def run(self) -> None:
        """Work, and pass on whatever goes wrong."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # nothing is swallowed: the session is told, and stops
            self._on_error(error)
