"""Which key of the participant's window does what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeyEvent

from calibration.presenter.form import Form
from calibration.scenes import Command

CONFIRM_MS: Final = 4000
"""So long the second Esc is waited for."""
ESCAPE: Final = "Esc once more: end the session. Everything so far is saved."
COMMANDS: Final[dict[int, Command]] = {
    Qt.Key.Key_P: "pause",
    Qt.Key.Key_S: "skip",
    Qt.Key.Key_R: "redo",
}


class Notes:
    """A line above everything for a few seconds.

    Parameters
    ----------
    changed : callable
        Called when there is another one, or none any more.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.text = ""
        self._changed = changed
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(CONFIRM_MS)
        self._timer.timeout.connect(self.withdraw)

    def say(self, text: str) -> None:
        """Show it."""
        self.text = text
        self._timer.start()
        self._changed()

    def stop(self) -> None:
        """Show nothing, and forget about it."""
        self._timer.stop()
        self.text = ""

    def withdraw(self) -> None:
        """Show nothing any more."""
        self.stop()
        self._changed()


def command_of(event: QKeyEvent, notes: Notes) -> Command | None:
    """The experimenter's command by a key; the session's end is asked for twice."""
    if event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier):
        return None
    if event.key() != Qt.Key.Key_Escape:
        return COMMANDS.get(event.key())
    if notes.text == ESCAPE:
        notes.withdraw()
        return "abort"
    notes.say(ESCAPE)
    return None


def form_key(form: Form, event: QKeyEvent) -> bool:
    """Do in a report what a key means; gives whether it meant something."""
    key = event.key()
    if key in (Qt.Key.Key_Left, Qt.Key.Key_Up):
        return form.move(-1)
    if key in (Qt.Key.Key_Right, Qt.Key.Key_Down):
        return form.move(1)
    if event.isAutoRepeat():
        return False
    if Qt.Key.Key_0 <= key <= Qt.Key.Key_9:
        return form.digit(key - Qt.Key.Key_0)
    if key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        return form.confirm()
    return key == Qt.Key.Key_Backspace and form.back()
