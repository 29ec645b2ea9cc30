"""What the operator says to the session, and what it says to the operator: annotations and alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from rtemo.dashboard.alarms import Alarm
from rtemo.dashboard.panel import ElidedLabel, plain_label, set_text
from rtemo.dashboard.state import DashboardState, Link
from rtemo.telemetry import MAX_ANNOTATION

PRESETS = ("movement", "talking", "noise", "cap touched", "restless", "sleepy", "interruption", "note")
"""Texts of F1 to F8."""
LINE_PX = 220
"""Room that the line is left: where there is less, presets are called by their keys alone."""
MOST_ALARMS = 4
"""Lines of alarms at most: however much is amiss, the emotion stays in sight."""
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
            button.setAccessibleName(f"Annotate: {text}")
            button.setToolTip(text)
            self.preset_buttons.append(button)
            row.addWidget(button)
        self.said = plain_label("", "muted")
        row.addWidget(self.said)

    def write(self) -> None:
        """Send what is written; it stays where it is as long as nobody would hear it."""
        text = self.line.text().strip()
        if text and self.annotate(text):
            self.line.clear()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for the short names."""
        return QSize(100, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Call the presets by name where there is room."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Call the presets by name where there is room, else by their keys."""
        around = 26
        wanted = LINE_PX + sum(part.sizeHint().width() + 6 for part in (self.button, self.said))
        for text, button in zip(self._names(), self.preset_buttons, strict=True):
            wanted += button.fontMetrics().horizontalAdvance(text) + around
        for number, (text, button) in enumerate(zip(self._names(), self.preset_buttons, strict=True), start=1):
            button.setText(text if wanted <= self.width() - 80 else f"F{number}")

    def _names(self) -> list[str]:
        return [f"F{number} {text}" for number, text in enumerate(self.presets, start=1)]

    def annotate(self, text: str) -> bool:
        """Send an annotation; gives whether the session would hear it, and it was sent."""
        heard = self.button.isEnabled()
        if heard:
            self._send(text)
        return heard

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
    beep : callable
        Makes itself heard.
    """

    def __init__(self, beep: Callable[[], None]) -> None:
        super().__init__()
        self._beep = beep
        self.muted = False
        self._sounded_s = float("-inf")
        self._shown: tuple[object, ...] = ()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._column = QVBoxLayout()
        self._column.setSpacing(2)
        self._labels = [ElidedLabel() for _ in range(MOST_ALARMS)]
        for label in self._labels:
            label.setContentsMargins(8, 3, 8, 3)
            self._column.addWidget(label)
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
        return [label.text() for label in self._labels if not label.isHidden()]

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
            self._say(sorted(alarms, key=lambda alarm: alarm.acknowledged))
            self.setVisible(bool(alarms))
            self.acknowledge.setEnabled(bool(unheard))
        return bool(unheard)

    def _say(self, alarms: Sequence[Alarm]) -> None:
        """An alarm a line, those first that nobody has acknowledged; the last line counts those that have none."""
        lines = [
            (
                f"{'✕' if alarm.severity == 'critical' else '!'}  {alarm.text}",
                "muted" if alarm.acknowledged else f"alarm-{alarm.severity}",
            )
            for alarm in alarms
        ]
        if len(lines) > MOST_ALARMS:
            left = len(lines) - MOST_ALARMS + 1
            lines = [*lines[: MOST_ALARMS - 1], (f"… and {left} more", lines[MOST_ALARMS - 1][1])]
        for number, label in enumerate(self._labels):
            text, kind = lines[number] if number < len(lines) else ("", "")
            label.setVisible(number < len(lines))
            set_text(label, text)
            if label.objectName() != kind:
                label.setObjectName(kind)
                # The style sheet looks at names only when it is asked to.
                label.style().unpolish(label)
                label.style().polish(label)

    def _set_muted(self, on: bool) -> None:
        self.muted = on
        self.mute.setText("Muted (M)" if on else "Mute (M)")
