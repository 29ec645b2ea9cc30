"""What the operator says to the session, and what it says to the operator: annotations and alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from rtemo.dashboard.panel import plain_label, set_text
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.theme import Theme
from rtemo.telemetry import MAX_ANNOTATION

PRESETS = ("movement", "talking", "noise", "cap touched", "restless", "sleepy", "interruption", "note")
"""Texts of F1 to F8."""
SOUND_EVERY_S = 5.0
"""So often an alarm that nobody has acknowledged is heard again."""


class AnnotationBar(QFrame):
    """A line to write in and eight texts at hand.

    Parameters
    ----------
    send : callable
        Takes an annotation.
    presets : sequence of str
        For F1, F2, ...
    """

    def __init__(self, send: Callable[[str], None], presets: Sequence[str] = PRESETS) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._send, self.presets = send, tuple(presets)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 10, 5)
        row.addWidget(plain_label("Annotate", "title"))
        self.line = QLineEdit()
        self.line.setMaxLength(MAX_ANNOTATION)
        self.line.setPlaceholderText("what happens (N, then Enter): goes into the recording")
        self.line.setAccessibleName("Annotation")
        self.line.returnPressed.connect(self.write)
        row.addWidget(self.line, 1)
        self.button = QPushButton("Add")
        self.button.clicked.connect(self.write)
        row.addWidget(self.button)
        self.preset_buttons = []
        for number, text in enumerate(self.presets, start=1):
            button = QPushButton(f"F{number} {text}")
            button.clicked.connect(lambda _=False, text=text: self.annotate(text))
            button.setMinimumWidth(10)
            self.preset_buttons.append(button)
            row.addWidget(button)
        self.said = plain_label("", "muted")
        row.addWidget(self.said)

    def write(self) -> None:
        """Send what is written."""
        text = self.line.text().strip()
        if text:
            self.annotate(text)
            self.line.clear()

    def annotate(self, text: str) -> None:
        """Send an annotation."""
        if self.button.isEnabled():
            self._send(text)

    def refresh(self, state: DashboardState) -> None:
        """Whether the session would hear an annotation."""
        heard = state.link is Link.LIVE and state.status is not None and bool(state.status.operators)
        for button in (self.button, *self.preset_buttons):
            button.setEnabled(heard)
        set_text(self.said, f"{len(state.annotations)} noted" if heard else "not heard yet")


class AlarmBar(QWidget):
    """Alarms that stand, each a line; nothing at all where there is none.

    Parameters
    ----------
    theme : Theme
    beep : callable
        Makes itself heard.
    """

    def __init__(self, theme: Theme, beep: Callable[[], None]) -> None:
        super().__init__()
        self.theme, self._beep = theme, beep
        self.muted = False
        self._sounded_s = float("-inf")
        self._shown: tuple[object, ...] = ()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._column = QVBoxLayout()
        self._column.setSpacing(2)
        self._labels: list[QLabel] = []
        row.addLayout(self._column, 1)
        self.acknowledge = QPushButton("Acknowledge (A)")
        self.mute = QPushButton("Mute (M)")
        self.mute.setCheckable(True)
        self.mute.toggled.connect(self._set_muted)
        row.addWidget(self.acknowledge)
        row.addWidget(self.mute)
        self.setVisible(False)

    @property
    def texts(self) -> list[str]:
        """What is shown."""
        return [label.text() for label in self._labels]

    def refresh(self, state: DashboardState, at_s: float) -> bool:
        """Show the alarms, and be heard where there are new ones; gives whether any stands unacknowledged."""
        alarms = state.alarms.active
        unheard = [alarm for alarm in alarms if not alarm.acknowledged]
        new = state.alarms.newly()
        again = any(alarm.severity == "critical" for alarm in unheard) and at_s - self._sounded_s >= SOUND_EVERY_S
        if (new or again) and not self.muted:
            self._sounded_s = at_s
            self._beep()
        mark = tuple((alarm.key, alarm.severity, alarm.text, alarm.acknowledged) for alarm in alarms)
        if mark != self._shown:
            self._shown = mark
            for label in self._labels:
                self._column.removeWidget(label)
                label.deleteLater()
            self._labels = []
            for alarm in alarms:
                loud = f"alarm-{alarm.severity}" if not alarm.acknowledged else "muted"
                sign = "✕" if alarm.severity == "critical" else "!"
                self._labels.append(plain_label(f"{sign}  {alarm.text}", loud))
                self._column.addWidget(self._labels[-1])
            self.setVisible(bool(alarms))
            self.acknowledge.setEnabled(bool(unheard))
        return bool(unheard)

    def _set_muted(self, on: bool) -> None:
        self.muted = on
        self.mute.setText("Muted (M)" if on else "Mute (M)")
