"""The process of one simulated device. Nothing heavy is imported before its clock is set.

A Linux time namespace gives a process another monotonic clock, and so another LSL clock, whose offset an inlet measures
as it would that of another machine.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import sys

CLONE_NEWTIME = 0x80
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
OFFSETS = "/proc/self/timens_offsets"


def die_with(parent: int) -> None:
    """End with the process that started this one, even if this one stands still at that moment."""
    if not sys.platform.startswith("linux"):
        return  # the end of standard input must do
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def enter_clock(offset_s: float) -> bool:
    """Go on in a process whose monotonic clock is off by so much; False where that is not permitted.

    The process that was started stays behind, waits for the new one and ends as it does.
    """
    if not offset_s or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    # Without root's rights, a user namespace may give them for the time namespace alone.
    if library.unshare(CLONE_NEWTIME) and library.unshare(CLONE_NEWUSER | CLONE_NEWTIME):
        return False
    seconds = math.floor(offset_s)
    try:
        with open(OFFSETS, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(f"monotonic {seconds} {int((offset_s - seconds) * 1e9)}\n")
    except OSError:
        # The clock would start before zero, or the kernel forbids it: the clock stays what it is.
        return False
    outer = os.getpid()
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for pipe in (0, 1):
            os.close(pipe)  # or the ends of the pipes would never be seen
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    die_with(outer)
    return True


def main() -> None:
    """Run the device that the first argument describes."""
    specification = json.loads(sys.argv[1])
    die_with(specification["parent"])
    # A terminal's Ctrl-C reaches every process; who started them stops them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own_clock = enter_clock(specification["clock_offset_s"])
    from rtemo.devices.process import run

    run(specification, own_clock=own_clock)


if __name__ == "__main__":
    main()
