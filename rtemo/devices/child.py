"""The process of a device, as the one who started it sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import rtemo
from rtemo.devices.process import Specification
from rtemo.sources.followed import MOST_CHANGES


class DeviceProcess:
    """A device's process and what it says.

    Parameters
    ----------
    told : Specification
    on_line : callable
        Called in a thread of its own with this object and each line that the process says; an empty one at its end.

    Attributes
    ----------
    told : Specification
    pid : int
        Of the device itself; 0 before it is known.
    own_clock : bool
        Whether it has a clock of its own.
    frozen, expected : bool
        Whether it stands still; whether its end is no surprise.
    """

    def __init__(self, told: Specification, on_line: Callable[[DeviceProcess, str], None]) -> None:
        self.told = told
        self.pid = 0
        self.own_clock = False
        self.frozen = False
        self.expected = False
        self._held: deque[str] = deque(maxlen=MOST_CHANGES)
        # What is on the path of this process must be on that one's, and nothing from the working directory.
        place = str(Path(rtemo.__file__).parents[1])
        path = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
        self._popen = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "rtemo.devices", told.written()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._reader = threading.Thread(target=self._read, args=(on_line,), name=f"device {told.device}")
        self._reader.start()

    def begin(self, origin_s: float) -> None:
        """Tell the moment that everything counts from."""
        self._write(f"{origin_s!r}\n")

    def shows(self, at_s: float, label: int) -> None:
        """Tell what is shown from a moment on; one that stands still is told once it goes on."""
        line = json.dumps([at_s, label]) + "\n"
        if self.frozen:
            # Nobody reads: a pipe that is full would hold up whoever writes.
            self._held.append(line)
        else:
            self._write(line)

    def signal(self, number: int) -> None:
        """Send a signal to the device itself."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago, which its reader tells
                os.kill(self.pid or self._popen.pid, number)

    def kill(self) -> None:
        """Kill the device."""
        self.expected = True
        if hasattr(signal, "SIGKILL"):
            self.signal(signal.SIGKILL)
        else:
            self._popen.kill()

    def freeze(self) -> None:
        """Let the device stand still."""
        self.frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        self._write("".join(self._held))
        self._held.clear()
        self.signal(signal.SIGCONT)

    def expect(self) -> None:
        """It ends as planned."""
        self.expected = True

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and kill it where that does not come; its exit code."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._popen.kill()
        self._reader.join()
        code = self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # an origin that was never read
                pipe.close()
        return code

    def close_input(self) -> None:
        """Tell it to end."""
        self.expected = True
        if self.frozen:
            self.thaw()
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()

    def _write(self, text: str) -> None:
        assert self._popen.stdin is not None
        if self._popen.stdin.closed:
            return  # it has ended, and that was told
        with contextlib.suppress(BrokenPipeError):  # it has ended, which its reader tells
            self._popen.stdin.write(text)
            self._popen.stdin.flush()

    def _read(self, on_line: Callable[[DeviceProcess, str], None]) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            on_line(self, line)
        on_line(self, "")
