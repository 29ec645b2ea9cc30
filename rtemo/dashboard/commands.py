"""What an operator asks of a session: numbered, stamped when the key was pressed, sent once the session listens."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rtemo.outputs.publish import Appear, OutletDescription, Send
from rtemo.telemetry import COMMAND_SOURCE, MAX_ANNOTATION, MAX_COMMAND_BYTES, Command, SessionLayout, SessionStatus
from rtemo.types import COMMAND_STREAM, StreamDescription

COMMANDS = ("annotate", "pause", "resume", "reset")
PATIENCE_S = 10.0
"""A command that nobody listened to for so long is dropped: what it was about is over."""
UNNAMED_S = 5.0
"""So long after the key was pressed, it is enough that anyone listens: the session may know us by another name."""
MOST_WAITING = 100
NOT_HEARD = "the session does not listen to this dashboard"


class CommandOutlets(Protocol):
    """What `rtemo.outputs.publish.Outlets` does."""

    def perform(self, action: Appear | Send, origin_s: float) -> Any:
        """Open an outlet, or send on it."""
        ...

    def heard(self, stream: str) -> bool:
        """Whether anyone listens to it."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    command: str
    text: str
    at_s: float


class Commander:
    """The command stream to one session; in one thread.

    LSL gives nothing to those who come later: so a command waits until the session says, in its status, that it listens
    to this machine, and is sent once.

    Parameters
    ----------
    layout : SessionLayout
    outlets : Outlets
        Where the stream is opened, at once; to be closed by the caller.
    hostname : str
        This machine's, as LSL tells it.
    refuse : callable
        Told why a command was not sent: command, reason.
    """

    def __init__(
        self, layout: SessionLayout, outlets: CommandOutlets, *, hostname: str, refuse: Callable[[str, str], None]
    ) -> None:
        self._layout = layout
        self._outlets = outlets
        self._hostname = hostname
        self._refuse = refuse
        self._number = 0
        self._waiting: deque[_Asked] = deque()
        self.source_id = f"{COMMAND_SOURCE}{layout.session}-{uuid.uuid4().hex}"
        stream = StreamDescription(
            COMMAND_STREAM, COMMAND_STREAM, "Command", ("command",), 0.0, self.source_id, is_text=True
        )
        outlets.perform(Appear(0.0, OutletDescription(stream, "string", manufacturer="rtemo")), 0.0)

    def ask(self, command: str, text: str, at_s: float) -> None:
        """Take a command, as the key was pressed at a moment of the local LSL clock."""
        if len(self._waiting) == MOST_WAITING:
            self._refuse(command, NOT_HEARD)
            return
        self._waiting.append(_Asked(command, text, at_s))

    def pump(self, now_s: float, status: SessionStatus | None) -> None:
        """Send what can be sent, and drop what has waited too long."""
        while self._waiting:
            first = self._waiting[0]
            waited_s = now_s - first.at_s
            known = status is not None and self._hostname in status.operators
            if self._outlets.heard(COMMAND_STREAM) and (known or waited_s > UNNAMED_S):
                self._waiting.popleft()
                self._send(first)
            elif waited_s > PATIENCE_S:
                self._waiting.popleft()
                self._refuse(first.command, NOT_HEARD)
            else:
                return

    def _send(self, asked: _Asked) -> None:
        said = Command(
            session=self._layout.session,
            token=self._layout.token,
            number=self._number + 1,
            command=asked.command,  # type: ignore[arg-type]  # the model checks it
            text=asked.text,
        ).model_dump_json()
        if len(said.encode("utf-8")) > MAX_COMMAND_BYTES:
            self._refuse(asked.command, f"it is longer than {MAX_COMMAND_BYTES} bytes")
            return
        self._number += 1
        self._outlets.perform(Send(0.0, COMMAND_STREAM, np.zeros(1), [[said]]), asked.at_s)


def checked(command: str, text: str) -> tuple[str, str]:
    """A command and its text as they can be sent.

    Raises
    ------
    ValueError
        There is no such command.
    """
    if command not in COMMANDS:
        raise ValueError(f"no command {command!r}: one of {', '.join(COMMANDS)}")
    # A half of a pair of surrogates, as a key may give it, is no text.
    return command, text.encode("utf-8", "replace").decode("utf-8")[:MAX_ANNOTATION]
