"""What the operator says to the session, and what it says to the operator: annotations and alarms."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from rtemo.dashboard.alarms import Alarm
from rtemo.dashboard.commands import ANNOTATE, checked
from rtemo.dashboard.notes import Note, Notes
from rtemo.dashboard.panel import ElidedLabel, plain_label, set_text, shown
from rtemo.dashboard.state import DashboardState
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
    clock : callable
        Seconds of any clock.

    Attributes
    ----------
    warning : ElidedLabel
        What the operator might not notice, as that something was not noted; to be laid out by the window.
    """

    def __init__(
        self,
        send: Callable[[str], None],
        presets: Sequence[str] = PRESETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._send, self.presets = send, tuple(presets)
        self._notes = Notes(clock)
        self._state: DashboardState | None = None
        self._written_for = ""
        """Token of the session that was shown when what is in the line was begun."""
        self._confirmed_for = ""
        self._restored: Note | None = None
        self.warning = ElidedLabel("", "alarm-critical")
        self.warning.setContentsMargins(8, 3, 8, 3)
        self.warning.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 10, 5)
        row.addWidget(plain_label("Annotate", "title"))
        self.line = QLineEdit()
        self.line.setMaxLength(MAX_ANNOTATION)
        self.line.setPlaceholderText("what happens (N, then Enter): goes into the recording")
        self.line.setAccessibleName("Annotation")
        self.line.returnPressed.connect(self.write)
        self.line.textChanged.connect(self._begin)
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
        """Send what is written; it stays where the session would not hear it, and comes back where that is not noted.

        What was begun while another session was shown is sent when it is asked for twice.
        """
        text = self.line.text().strip()
        if not text or not self.button.isEnabled():
            return
        if self._token not in (self._written_for, self._confirmed_for):
            self._confirmed_for = self._token
            self._warn()
            return
        if self._restored is not None:
            self._notes.lost.remove(self._restored)
            self._restored = None
        self.annotate(text)
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
        """Send an annotation; gives whether it was sent, which it is not where the session would not hear it."""
        if self._state is None or not self.button.isEnabled():
            return False
        _, text = checked(ANNOTATE, text)
        self._send(text)
        self._notes.sent(text, self._state)
        return True

    def refresh(self, state: DashboardState, heard: bool) -> None:
        """Show whether the session would hear an annotation, and give back what it has not noted.

        Parameters
        ----------
        state : DashboardState
        heard : bool
            Whether the session listens to this very dashboard.
        """
        self._state = state
        for button in (self.button, *self.preset_buttons):
            button.setEnabled(heard)
        set_text(self.said, f"{len(state.annotations)} noted" if heard else "not heard yet")
        self._notes.look(state)
        self._restore()
        self._warn()

    @property
    def _token(self) -> str:
        """Of the session that is shown."""
        layout = None if self._state is None else self._state.layout
        return "" if layout is None else layout.token

    def _begin(self, text: str) -> None:
        """Remember for which session it is that something is being written."""
        if not text:
            self._written_for = self._confirmed_for = ""
            if self._restored is not None:
                # Nobody wants it any more.
                self._notes.lost.remove(self._restored)
                self._restored = None
        elif not self._written_for:
            self._written_for = self._token

    def _restore(self) -> None:
        """Put what was not noted into the line, where that is free; take it out again where it was noted after all."""
        note, lost = self._restored, self._notes.lost
        if note is not None and note not in lost:
            self._restored = None
            if self.line.text() == note.text:
                self.line.clear()
        if lost and not self.line.text():
            self._written_for = lost[0].token
            self.line.setText(lost[0].text)
            self._restored = lost[0]

    def _warn(self) -> None:
        """Say what the operator might not notice."""
        words, lost = [], self._notes.lost
        if lost:
            first = self._restored or lost[0]
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            words.append(f"NOT NOTED: “{shown(first.text, 40)}”{more}: {shown(first.reason, 80)}")
        layout = None if self._state is None else self._state.layout
        if self.line.text() and self._written_for != self._token:
            name = "no session" if layout is None else shown(layout.session)
            if self._confirmed_for == self._token:
                words.append(f"Enter once more notes it in {name}")
            else:
                words.append(f"What is written was begun before {name} was shown: Enter asks, and does not send yet")
        elif self._restored is not None:
            words.append("Enter sends it again")
        text = ". ".join(words)
        set_text(self.warning, text)
        self.warning.setVisible(bool(text))


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
