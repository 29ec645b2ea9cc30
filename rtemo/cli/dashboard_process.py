"""A dashboard beside a session: a process that the session neither waits for nor minds losing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rtemo.cli.common import warn
from rtemo.printable import printable

if TYPE_CHECKING:
    from rtemo.config import NetworkSettings

CLOSE_WITHIN_S = 2.0
LOG = "dashboard.log"
Stays = Literal["never", "after a failure", "always"]
"""When a dashboard stays open though what it watched is over."""


def no_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether there is no screen that a window could be shown on."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return platform.startswith("linux") and not any(environment.get(name) for name in screens)


class DashboardProcess:
    """Opens a dashboard once the session has a name, and closes it with the session.

    Parameters
    ----------
    network : NetworkSettings
        Of the session.
    config : Path, optional
        The configuration's file, for what the command line cannot say.
    """

    def __init__(self, network: NetworkSettings, config: Path | None = None) -> None:
        self._network, self._config = network, config
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path()

    def open(self, session: str, log: Path) -> None:
        """Start it; returns at once.

        Parameters
        ----------
        session : str
            Name of the session.
        log : Path
            Where what it says goes.
        """
        command = [sys.executable, "-m", "rtemo", "dashboard", "--session", session, "--scope", self._network.scope]
        if self._network.session_id:
            command += ["--session-id", self._network.session_id]
        if self._config is not None:
            command += ["-c", str(self._config)]
        self._log = log
        try:
            with log.open("wb") as said:
                # In a group of its own: Ctrl-C on the terminal is the session's.
                self._process = subprocess.Popen(  # noqa: S603 - our own program, without a shell
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
                )
        except OSError as error:
            warn([printable(f"no dashboard: it cannot be started ({error})")])

    def close(self) -> str:
        """Ask it to close, and see to it. Idempotent.

        Returns
        -------
        str
            What the user should know where it had ended by itself, and not well; else empty.
        """
        process, self._process = self._process, None
        if process is None:
            return ""
        code = process.poll()
        if code is None:
            process.terminate()
            try:
                process.wait(CLOSE_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not code:
            return ""
        return printable(f"the dashboard ended before the session, with exit code {code}: {self._last_words()}")

    def leave(self) -> str:
        """Leave it open, for the operator to close. Idempotent.

        Returns
        -------
        str
            What the user should know, also of one that had ended by itself; else empty.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return self.close()
        self._process = None
        # It outlives this program, as it should; nobody is to be warned of a child that was not waited for.
        process.returncode = 0
        return "the dashboard stays open; close its window once it is not needed any more"

    def _last_words(self) -> str:
        """The last line that it said, or why that is not known."""
        try:
            said = self._log.read_text("utf-8", "replace").splitlines()
        except OSError as error:
            return f"what it said cannot be read ({error})"
        return said[-1] if said else "it said nothing"


@contextlib.contextmanager
def dashboard_beside(
    network: NetworkSettings, config: Path | None = None, *, wanted: bool, stays: Stays = "never"
) -> Iterator[DashboardProcess | None]:
    """A dashboard that is closed at the end, unless it stays; None where none is wanted or there is no screen.

    A failure is an error of the work beside it; that the user breaks it off is none.
    """
    if not wanted or no_display():
        yield None
        return
    process = DashboardProcess(network, config)
    left = stays == "always"
    try:
        yield process
    except Exception:
        left = stays != "never"
        raise
    finally:
        said = process.leave() if left else process.close()
        warn([said] if said else [])
