"""Whether what came over a command stream may be done: everything about it is doubted."""

from __future__ import annotations

import hmac
import math
import threading
from collections.abc import Callable

from pydantic import ValidationError

from rtemo.clock import Clock
from rtemo.telemetry import MAX_COMMAND_BYTES, OLDEST_S, Command

AHEAD_S = 1.0
"""So far a stamp may lie ahead of the session's clock: clocks are measured, not known."""
MOST_STREAMS = 1000
BURST, EVERY_S = 20, 0.5
"""So many commands of a stream at once, and one more every so often, are more than anyone types."""
SHOWN = 200


class RefusedCommandError(Exception):
    """The command is not done; the message says why."""


class OverRateError(RefusedCommandError):
    """There is nothing wrong with the command but that it is one too many: a key may have been held down."""


class Allowance:
    """Lets through so many at once, and then one every so many seconds; from any thread.

    Parameters
    ----------
    burst : int
    every_s : float
    clock : Clock
    """

    def __init__(self, burst: int, every_s: float, clock: Clock) -> None:
        self._burst, self._every_s, self._clock = float(burst), every_s, clock
        self._left, self._at_s = float(burst), clock.now_s()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may pass."""
        with self._lock:
            now_s = self._clock.now_s()
            self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) / self._every_s)
            self._at_s = now_s
            passes = self._left >= 1.0
            self._left -= passes
            return passes


class CommandCheck:
    """Checks the commands of one session; from any thread.

    Parameters
    ----------
    session, token : str
        That a command must bear.
    clock : Clock
        The session's.
    """

    def __init__(self, session: str, token: str, clock: Clock) -> None:
        self._session, self._token, self._clock = session, token.encode("utf-8"), clock
        self._numbers: dict[str, int] = {}
        self._allowances: dict[str, Allowance] = {}
        self._lock = threading.Lock()

    def check(self, text: str, stamp_s: float, source_id: str) -> Command:
        """The command that a text holds.

        Parameters
        ----------
        text : str
            A sample of a command stream.
        stamp_s : float
            On the session's clock.
        source_id : str
            Of the stream, which counts its commands.

        Raises
        ------
        RefusedCommandError
        """
        # Characters first: what is far too long is not even encoded.
        if len(text) > MAX_COMMAND_BYTES or len(text.encode("utf-8", "replace")) > MAX_COMMAND_BYTES:
            raise RefusedCommandError(f"it is longer than {MAX_COMMAND_BYTES} bytes")
        try:
            command = Command.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise RefusedCommandError(f"{key}: {problem['msg']}".removeprefix(": ")[:SHOWN]) from error
        if command.session != self._session:
            raise RefusedCommandError("it is for another session")
        if not hmac.compare_digest(command.token.encode("utf-8"), self._token):
            raise RefusedCommandError("its token is not the session's")
        self._count(command.number, source_id)
        age_s = self._clock.now_s() - stamp_s
        if not math.isfinite(age_s):
            raise RefusedCommandError("its stamp is no number")
        if age_s < -AHEAD_S or age_s > OLDEST_S:
            told = f"{-age_s:.3g} s in the future" if age_s < 0 else f"{age_s:.3g} s ago"
            raise RefusedCommandError(f"its stamp is {told}")
        return command

    def _count(self, number: int, source_id: str) -> None:
        """Take no command twice, and not too many."""
        with self._lock:
            newest = self._numbers.pop(source_id, 0)
            allowance = self._allowances.pop(source_id, None) or Allowance(BURST, EVERY_S, self._clock)
            # Put back at the end: the order of the keys is that in which streams last spoke.
            self._numbers[source_id] = max(newest, number)
            self._allowances[source_id] = allowance
            while len(self._numbers) > MOST_STREAMS:
                oldest = next(iter(self._numbers))
                del self._numbers[oldest], self._allowances[oldest]
        if number <= newest:
            raise RefusedCommandError(f"number {number} after {newest}: it was done already, or overtaken")
        if not allowance.take():
            raise OverRateError(f"more than {1 / EVERY_S:g} commands a second")


class Refusals:
    """Makes events of refused commands, so few that a flood of them fills no log; from any thread.

    Parameters
    ----------
    say : callable
        Takes hostname, reason, and how many commands were refused since it was last told.
    clock : Clock
    """

    BURST, EVERY_S = 10, 5.0

    def __init__(self, say: Callable[[str, str, int], None], clock: Clock) -> None:
        self._say = say
        self._allowance = Allowance(self.BURST, self.EVERY_S, clock)
        self._untold = 0
        self._latest = ("", "")
        self._lock = threading.Lock()

    def take(self, hostname: str, reason: str) -> None:
        """Take a refused command."""
        with self._lock:
            self._untold += 1
            self._latest = hostname, reason
            told = self._allowance.take()
            count, self._untold = (self._untold, 0) if told else (0, self._untold)
        if told:
            self._say(hostname, reason, count)

    def finish(self) -> None:
        """Tell of those that were not told yet."""
        with self._lock:
            (hostname, reason), count, self._untold = self._latest, self._untold, 0
        if count:
            self._say(hostname, reason, count)
