"""What operators ask of a session, and what comes of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from rtemo.clock import Clock
from rtemo.live.worker import Asked
from rtemo.outputs.events import Event
from rtemo.sources.lsl.commands import CommandListener
from rtemo.telemetry import Command

ANNOTATION = "annotation"


class Adapting(Protocol):
    """Who is told what is asked of adaptation."""

    def ask(self, asked: Asked) -> None:
        """Take it; must not wait."""
        ...


class Operators:
    """Listens to the operators of a session, and does as they ask.

    Parameters
    ----------
    session, token : str
        That a command must bear.
    clock : Clock
        The LSL local clock.
    model : Adapting
    take : callable
        Takes events.
    wanted : bool
        Whether anybody is listened to at all.
    """

    def __init__(
        self,
        session: str,
        token: str,
        *,
        clock: Clock,
        model: Adapting,
        take: Callable[[Event], None],
        wanted: bool = True,
    ) -> None:
        self._model, self._take, self._wanted = model, take, wanted
        self._listener = CommandListener(
            session,
            token,
            clock=clock,
            local_host=socket.gethostname(),
            on_command=self.do,
            emit=lambda kind, **details: take(Event(clock.now_s(), kind, details)),
        )

    def hostnames(self) -> tuple[str, ...]:
        """Machines of those that are listened to."""
        return tuple(hostname for hostname, _ in self._listener.operators)

    def source_ids(self) -> tuple[str, ...]:
        """Command streams that are listened to, so that each operator knows whether it is."""
        return tuple(source_id for _, source_id in self._listener.operators)

    def start(self) -> None:
        """Begin to listen; returns at once."""
        if self._wanted:
            self._listener.start()

    def stop(self) -> None:
        """Listen no longer, once what has come by now is taken."""
        self._listener.stop()

    def finish(self) -> None:
        """Say what is left to say, once all that was asked is done or refused."""
        self._listener.finish()

    def do(self, command: Command, stamp_s: float, operator: str, on_arrival: bool) -> None:
        """Do what was asked, or see to it that it is done.

        Parameters
        ----------
        command : Command
            Checked.
        stamp_s : float
            When it was given, on the session's clock.
        operator : str
            Whose machine it is from.
        on_arrival : bool
            Whether that moment is only when it came.
        """
        if command.command == "annotate":
            guessed = {"stamped": "on arrival"} if on_arrival else {}
            self._take(Event(stamp_s, ANNOTATION, {"text": command.text, "operator": operator, **guessed}))
        else:
            self._model.ask(Asked(command.command, operator, lambda reason: self._listener.refuse(operator, reason)))
