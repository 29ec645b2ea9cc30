"""The operators of a session: command streams are looked for, opened, checked, and never waited for.

Nothing that comes over them, and nothing that goes wrong with them, ends or holds up the session.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import pylsl

from rtemo.clock import Clock
from rtemo.sources.lsl.command_check import (
    SHOWN,
    Allowance,
    CommandCheck,
    OverRateError,
    Refusals,
    RefusedCommandError,
)
from rtemo.sources.lsl.connection import MEASURE_EVERY_S, MEASURE_TIMEOUT_S
from rtemo.sources.lsl.inlet import Inlet, StreamEndedError, StreamRefusedError, UnmeasuredError
from rtemo.sources.lsl.matching import Visible
from rtemo.sources.lsl.streams import BARRED_S, FORGET_AFTER_S, visible_of
from rtemo.telemetry import COMMAND_SOURCE, Command
from rtemo.types import COMMAND_STREAM
from rtemo.worker import Worker

COMMAND_TYPE = "Command"
EVERY_S, LOOK_S = 2.0, 0.4
"""Each question to the network takes one of LSL's few ports for a while: operators are looked for now and then."""
UNSEEN_S = 30.0
"""An operator that the network does not tell of for so long is let go: its machine is gone without a word."""
PULL_S, LAST_PULL_S = 0.2, 0.3
MEASURE_AGAIN_S = 0.3
MOST_OPERATORS = 8
MOST_REFUSED, MOST_OVER_RATE, PER_S, LET_GO_S = 100, 3000, 60.0, 60.0
"""A stream of which so many commands are refused in a minute is not listened to for a while. That a command is one too
many says little: a key that is held down gives thirty a second."""
CONNECTIONS, CONNECTION_EVERY_S = 20, 10.0
"""So many connections at once, and one more every so often: whoever comes and goes all the time fills no log."""
MAX_XML_BYTES = 64_000
"""Nobody describes a command stream at greater length; reading a long description would hold up others."""
STOP_WITHIN_S = 2.0
JOINED, LEFT, REFUSED, FAILED = "operator-joined", "operator-left", "command-refused", "command-error"

OnCommand = Callable[[Command, float, str, bool], None]
"""Takes a command, its moment on the session's clock, who gave it, and whether the moment is that of its arrival."""

_log = logging.getLogger(__name__)


class CommandListener:
    """Listens to the operators of a session, in threads of its own.

    Parameters
    ----------
    session, token : str
        That a command must bear.
    clock : Clock
        The LSL local clock.
    local_host : str
        Of this machine: an operator here needs no measurement of its clock.
    on_command : callable
        Takes what was checked; must not wait.
    emit : callable
        Takes events.
    """

    def __init__(
        self,
        session: str,
        token: str,
        *,
        clock: Clock,
        local_host: str,
        on_command: OnCommand,
        emit: Callable[..., None],
    ) -> None:
        self._prefix = f"{COMMAND_SOURCE}{session}-"
        self._clock, self._local_host = clock, local_host
        self._on_command, self._emit = on_command, emit
        self._check = CommandCheck(session, token, clock)
        self._refusals = Refusals(self._say_refused, clock)
        self._failures = Allowance(10, 60.0, clock)
        self._connections = Allowance(CONNECTIONS, CONNECTION_EVERY_S, clock)
        self._operators: dict[str, _Operator] = {}
        self._barred: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._closed = False
        self._watcher = Worker("rtemo-operators", self._watch, lambda error: self.failed(error, ""))

    @property
    def operators(self) -> tuple[tuple[str, str], ...]:
        """Machine and source_id of those that are listened to."""
        with self._lock:
            heard = [operator for operator in self._operators.values() if operator.listening]
        return tuple((operator.hostname, operator.visible.source_id) for operator in heard)

    def start(self) -> None:
        """Begin to look for operators; returns at once."""
        self._watcher.start()

    def stop(self) -> None:
        """Take what has come by now, and listen no longer; waits for the threads, but not for long."""
        self._stop.set()
        with self._lock:
            threads = [self._watcher, *(operator.thread for operator in self._operators.values())]
            for operator in self._operators.values():
                operator.stop.set()
        until_s = self._clock.now_s() + STOP_WITHIN_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until_s - self._clock.now_s()))

    def finish(self) -> None:
        """Say what was not said yet; what a thread that has not ended says later is not heard."""
        self._refusals.finish()
        with self._lock:
            self._closed = True

    def refuse(self, hostname: str, reason: str) -> None:
        """Say that a command is not done; from any thread."""
        self._refusals.take(hostname, reason)

    def take(self, text: str, stamp_s: float, operator: _Operator, on_arrival: bool) -> None:
        """Take what came from an operator.

        Raises
        ------
        RefusedCommandError
        """
        command = self._check.check(text, stamp_s, operator.visible.source_id)
        with self._lock:
            if self._closed:
                return
        self._on_command(command, stamp_s, operator.hostname, on_arrival)

    def tell(self, kind: str, **details: object) -> None:
        """Make an event, until the end."""
        with self._lock:
            if self._closed:
                return
        self._emit(kind, **details)

    def failed(self, error: BaseException, hostname: str) -> None:
        """Say what went wrong in a thread; the session goes on."""
        _log.error("listening to operators: %s", error, exc_info=error)
        if self._failures.take():
            self.tell(FAILED, hostname=hostname, error=f"{type(error).__name__}: {error}"[:500])

    def ended(self, operator: _Operator) -> None:
        """Forget an operator, and do not listen to it for a while, or for good where its stream is none of commands."""
        with self._lock:
            self._operators.pop(operator.visible.uid, None)
            self._barred[operator.visible.uid] = self._clock.now_s() + operator.barred_s

    def _say_refused(self, hostname: str, reason: str, count: int) -> None:
        self.tell(REFUSED, hostname=hostname, reason=reason, commands=count)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - told by an event and the log; it is tried again
                self.failed(error, "")
            self._stop.wait(EVERY_S - LOOK_S)

    def _look(self) -> None:
        """Ask the network for a moment, and listen to whoever is new."""
        # Our own names hold no quotes: participants are letters and digits.
        question = f"name='{COMMAND_STREAM}' and type='{COMMAND_TYPE}' and starts-with(source_id,'{self._prefix}')"
        resolver = pylsl.ContinuousResolver(pred=question, forget_after=FORGET_AFTER_S)
        if self._stop.wait(LOOK_S):
            return
        now_s = self._clock.now_s()
        for info in resolver.results():
            # Whoever answers may not have minded the question.
            visible = visible_of(info)
            if visible is not None and self._ours(visible):
                self._meet(visible, info, now_s)
        with self._lock:
            self._barred = {uid: until_s for uid, until_s in self._barred.items() if until_s > now_s}
            for operator in self._operators.values():
                if now_s - operator.seen_s > UNSEEN_S:
                    operator.stop.set()

    def _ours(self, visible: Visible) -> bool:
        return (
            visible.name == COMMAND_STREAM
            and visible.type == COMMAND_TYPE
            and visible.is_text
            and visible.source_id.startswith(self._prefix)
        )

    def _meet(self, visible: Visible, info: Any, now_s: float) -> None:
        with self._lock:
            known = self._operators.get(visible.uid)
            if known is not None:
                known.seen_s = now_s
                return
            if self._barred.get(visible.uid, -math.inf) > now_s or len(self._operators) >= MOST_OPERATORS:
                return
            if not self._connections.take():
                return
            operator = _Operator(self, visible, info, self._clock, local=visible.hostname == self._local_host)
            self._operators[visible.uid] = operator
        operator.thread.start()


class _Operator:
    """One command stream, in a thread of its own."""

    def __init__(self, listener: CommandListener, visible: Visible, info: Any, clock: Clock, *, local: bool) -> None:
        self.visible = visible
        self.hostname = visible.hostname[:500]
        self.listening = False
        self.barred_s = BARRED_S
        self.seen_s = clock.now_s()
        self.stop = threading.Event()
        self.thread = Worker("rtemo-operator", self._serve, lambda error: listener.failed(error, self.hostname))
        self._listener, self._info, self._clock = listener, info, clock
        self._offset_s = 0.0 if local else math.nan
        self._measure_s = -math.inf
        self._misses = Allowance(MOST_REFUSED, PER_S / MOST_REFUSED, clock)
        self._over_rate = Allowance(MOST_OVER_RATE, PER_S / MOST_OVER_RATE, clock)

    def _serve(self) -> None:
        try:
            self._open_and_listen()
        except BaseException:
            # What broke once would break again.
            self.barred_s = math.inf
            raise
        finally:
            self._listener.ended(self)

    def _open_and_listen(self) -> None:
        try:
            inlet = Inlet(self._info, max_xml_bytes=MAX_XML_BYTES)
        except (StreamRefusedError, StreamEndedError) as error:
            if isinstance(error, StreamRefusedError):
                self.barred_s = math.inf
            self._listener.refuse(self.hostname, f"its stream: {error}"[:SHOWN])
            return
        try:
            header = inlet.header
            if not header.is_text or header.channel_count != 1:
                self.barred_s = math.inf
                self._listener.refuse(self.hostname, "its stream: one channel of text was expected")
            else:
                self._be_heard(inlet)
        finally:
            inlet.close()

    def _be_heard(self, inlet: Inlet) -> None:
        reason = "an error"
        self.listening = True
        self._listener.tell(JOINED, hostname=self.hostname)
        try:
            reason = self._listen(inlet)
        finally:
            self.listening = False
            self._listener.tell(LEFT, hostname=self.hostname, reason=reason)

    def _listen(self, inlet: Inlet) -> str:
        """Listen until the stream ends or is to be let go; returns why."""
        while True:
            # What was sent before it is let go is on its way, or here already: once more, then.
            last = self.stop.is_set()
            try:
                if not last:
                    self._keep_time(inlet)
                pulled = inlet.pull(1, LAST_PULL_S if last else PULL_S)
            except StreamEndedError as error:
                return str(error)
            if pulled is not None:
                arrived_s = self._clock.now_s()
                for raw_s, row in zip(pulled.stamps_s.tolist(), pulled.rows, strict=True):
                    if not self._take(row[0], raw_s, arrived_s):
                        self.barred_s = LET_GO_S
                        return f"more than {MOST_REFUSED} commands a minute were refused"
            if last:
                return "it was let go"

    def _take(self, text: str, raw_s: float, arrived_s: float) -> bool:
        """Have a command done, or refused; gives whether there were not too many of these."""
        # Of a clock that nobody knows, the arrival is the best guess.
        on_arrival = math.isnan(self._offset_s)
        try:
            self._listener.take(text, arrived_s if on_arrival else raw_s + self._offset_s, self, on_arrival)
        except RefusedCommandError as error:
            self._listener.refuse(self.hostname, str(error))
            return (self._over_rate if isinstance(error, OverRateError) else self._misses).take()
        return True

    def _keep_time(self, inlet: Inlet) -> None:
        """Measure the operator's clock at first, and every few seconds."""
        if self._clock.now_s() < self._measure_s:
            return
        first = self._measure_s == -math.inf
        try:
            self._offset_s = inlet.measure(MEASURE_TIMEOUT_S if first else MEASURE_AGAIN_S).offset_s
        except UnmeasuredError as error:
            if first:
                self._listener.tell(
                    "clock-unmeasured", stream=COMMAND_STREAM, hostname=self.hostname, reason=str(error)
                )
        self._measure_s = self._clock.now_s() + MEASURE_EVERY_S
