"""What has happened in the session, one line an event, with a filter."""

from __future__ import annotations

import json

from PySide6.QtWidgets import QCheckBox, QLineEdit, QPlainTextEdit

from rtemo.dashboard.event_store import ROUTINE, EventStore
from rtemo.dashboard.messages import EventSeen
from rtemo.dashboard.panel import Panel
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.printable import printable

LINES = 2000
WIDTH = 300


def event_line(event: EventSeen, began_s: float | None) -> str:
    """An event in one line: seconds since the session began, where that is known, its kind, and its details."""
    details = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in event.details.items()
    )
    moment = f"{'–':>9}" if began_s is None else f"{event.stamp_s - began_s:9.2f}"
    return printable(f"{moment} s  {event.kind}  {details}", WIDTH)


class EventLogPanel(Panel):
    """The newest events, those that hold every word of the filter."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Events", theme)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter (Ctrl+F): words that a line must hold; -word: must not")
        self.filter.setAccessibleName("Filter of events")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMinimumWidth(320)
        self.filter.textChanged.connect(lambda _: self._again())
        self.routine = QCheckBox("routine too")
        self.routine.setToolTip("Each update and each refused window as well")
        self.routine.toggled.connect(lambda _: self._again())
        self.heading.addWidget(self.routine)
        self.heading.addWidget(self.filter)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(LINES)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("Events")
        self.body.addWidget(self.text, 1)
        self._seen = 0
        self._of: tuple[EventStore | None, bool] = (None, False)
        self._anew = True

    @property
    def lines(self) -> list[str]:
        """What is shown."""
        return self.text.toPlainText().splitlines()

    def refresh(self, state: DashboardState) -> None:
        """Add what has come."""
        # Before the first status nobody knows when the session began: what is written by then is written again.
        of = (state.events, state.status is not None)
        if self._of != of or self._anew:
            self._of, self._seen, self._anew = of, 0, False
            self.text.clear()
        if self._seen == state.events.added:
            return
        fresh, self._seen = state.events.since(self._seen), state.events.added
        began_s = None if state.status is None else state.status.now_s - state.status.elapsed_s
        lines = [
            line
            for event in fresh
            if self.routine.isChecked() or event.kind not in ROUTINE
            if self._passes(line := event_line(event, began_s))
        ]
        if lines:
            self.text.appendPlainText("\n".join(lines[-LINES:]))

    def _passes(self, line: str) -> bool:
        low = line.lower()
        return all(
            word[1:] not in low if word.startswith("-") and len(word) > 1 else word in low
            for word in self.filter.text().lower().split()
        )

    def _again(self) -> None:
        self._anew = True
