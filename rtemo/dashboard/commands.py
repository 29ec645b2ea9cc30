"""What an operator asks of a session: numbered, stamped when the key was pressed, sent once the session listens."""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rtemo.outputs.publish import Appear, OutletDescription, Send
from rtemo.telemetry import COMMAND_SOURCE, MAX_ANNOTATION, MAX_COMMAND_BYTES, Command, SessionLayout, SessionStatus
from rtemo.types import COMMAND_STREAM, StreamDescription

ANNOTATE = "annotate"
COMMANDS = (ANNOTATE, "pause", "resume", "reset")
PATIENCE_S = 10.0
"""A command that nobody listened to for so long is dropped: what it was about is over."""
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
    to this very stream, and is sent once.

    Parameters
    ----------
    layout : SessionLayout
    outlets : Outlets
        Where the stream is opened, at once; to be closed by the caller.
    refuse : callable
        Told why a command was not sent: command, text, reason.

    Attributes
    ----------
    source_id : str
        Of the stream.
    sent_s : float
        When a command was sent last, on the clock that `pump` is told.
    """

    def __init__(
        self, layout: SessionLayout, outlets: CommandOutlets, *, refuse: Callable[[str, str, str], None]
    ) -> None:
        self._layout = layout
        self._outlets = outlets
        self._refuse = refuse
        self._number = 0
        self._waiting: deque[_Asked] = deque()
        self.sent_s = -math.inf
        self.source_id = f"{COMMAND_SOURCE}{layout.session}-{uuid.uuid4().hex}"
        stream = StreamDescription(
            COMMAND_STREAM, COMMAND_STREAM, "Command", ("command",), 0.0, self.source_id, is_text=True
        )
        outlets.perform(Appear(0.0, OutletDescription(stream, "string", manufacturer="rtemo")), 0.0)

    def ask(self, command: str, text: str, at_s: float) -> None:
        """Take a command, as the key was pressed at a moment of the local LSL clock.

        The same order as the one before it that still waits is that one. An annotation is of its moment.
        """
        orders = [asked.command for asked in self._waiting if asked.command != ANNOTATE]
        if command in orders[-1:]:
            return
        if len(self._waiting) == MOST_WAITING:
            self._refuse(command, text, NOT_HEARD)
            return
        self._waiting.append(_Asked(command, text, at_s))

    def named(self, status: SessionStatus | None) -> bool:
        """Whether the session says that it listens to this dashboard."""
        return status is not None and self.source_id in status.operator_ids

    def pump(self, now_s: float, status: SessionStatus | None) -> None:
        """Send what can be sent, and drop what has waited too long."""
        while self._waiting:
            first = self._waiting[0]
            if self._would_arrive(status):
                self._waiting.popleft()
                self._send(first, now_s)
            elif now_s - first.at_s > PATIENCE_S:
                self._waiting.popleft()
                self._refuse(first.command, first.text, NOT_HEARD)
            else:
                return

    def finish(self, now_s: float, status: SessionStatus | None) -> list[tuple[str, str]]:
        """Send what can be sent now; gives the commands that cannot, and their texts."""
        while self._waiting and self._would_arrive(status):
            self._send(self._waiting.popleft(), now_s)
        unsent = [(asked.command, asked.text) for asked in self._waiting]
        self._waiting.clear()
        return unsent

    def _would_arrive(self, status: SessionStatus | None) -> bool:
        return self.named(status) and self._outlets.heard(COMMAND_STREAM)

    def _send(self, asked: _Asked, now_s: float) -> None:
        said = Command(
            session=self._layout.session,
            token=self._layout.token,
            number=self._number + 1,
            command=asked.command,  # type: ignore[arg-type]  # the model checks it
            text=asked.text,
        ).model_dump_json()
        if len(said.encode("utf-8")) > MAX_COMMAND_BYTES:
            self._refuse(asked.command, asked.text, f"it is longer than {MAX_COMMAND_BYTES} bytes")
            return
        self._number += 1
        self.sent_s = now_s
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
