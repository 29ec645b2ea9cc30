"""What the session has learnt, what its guard thought of that, and the operator's say in it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from rtemo.dashboard.event_store import EventStore
from rtemo.dashboard.messages import EventSeen
from rtemo.dashboard.panel import ElidedLabel, Panel, set_text, shown
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.trials import Accuracy

TOLD = ("adaptation-rollback", "adaptation-reset", "adaptation-frozen", "adaptation-paused", "adaptation-resumed")
LINES = 200
ROWS = (
    ("mode", "Mode"),
    ("learnt", "Windows learnt from"),
    ("refused", "Windows refused"),
    ("updates", "Updates"),
    ("rollbacks", "Rollbacks"),
    ("drift", "Drift from calibration"),
    ("differ", "Labels other than the frozen model's"),
    ("accuracy", "Right, adapted model"),
    ("shadow", "Right, frozen model"),
)


def ask_reset(parent: QWidget) -> bool:
    """Ask the operator whether everything learnt is to be forgotten."""
    asked = QMessageBox.question(
        parent,
        "Reset adaptation",
        "Forget all that this session has learnt, and go back to the calibrated model?",
        QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
        QMessageBox.StandardButton.No,
    )
    return asked == QMessageBox.StandardButton.Yes


class AdaptationPanel(Panel):
    """Figures, the guard's decisions with their reasons, and three buttons.

    Parameters
    ----------
    theme : Theme
    send : callable
        Takes a command's name.
    confirm : callable
        Asks before a reset.
    heard : callable
        Whether the session takes commands from this dashboard.
    """

    def __init__(
        self,
        theme: Theme,
        send: Callable[[str], None],
        confirm: Callable[[QWidget], bool] = ask_reset,
        heard: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__("Adaptation", theme)
        self._send, self._confirm, self._heard = send, confirm, heard
        self._seen = 0
        self._of: tuple[EventStore | None, bool] = (None, False)
        self._old = False
        self.values: dict[str, QLabel] = {}
        figures = QWidget()
        grid = QGridLayout(figures)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(16)
        for row, (key, name) in enumerate(ROWS):
            grid.addWidget(ElidedLabel(name, "muted"), row, 0)
            self.values[key] = ElidedLabel("–", "strong")
            grid.addWidget(self.values[key], row, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(len(ROWS), 1)
        # Figures may scroll away in a low window; the buttons below them do not.
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(figures)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        buttons = QHBoxLayout()
        self.pause = QPushButton("Pause")
        self.resume = QPushButton("Resume")
        self.reset = QPushButton("Reset …")
        for button, work in ((self.pause, "pause"), (self.resume, "resume")):
            button.clicked.connect(lambda _=False, work=work: self._send(work))
            buttons.addWidget(button)
        self.reset.clicked.connect(lambda _=False: self.ask_reset())
        for button, key in ((self.pause, "Ctrl+P"), (self.resume, "Ctrl+P"), (self.reset, "Ctrl+R")):
            # Beside the texts they would leave a window of large letters no room.
            button.setToolTip(key)
        buttons.addWidget(self.reset)
        buttons.addStretch(1)
        self.why = ElidedLabel("", "muted")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMinimumWidth(20)
        self.log.setMaximumBlockCount(LINES)
        self.log.setAccessibleName("What the guard decided, and why")
        column = QVBoxLayout()
        column.addWidget(area, 1)
        column.addWidget(self.why)
        column.addLayout(buttons)
        sides = QHBoxLayout()
        sides.addLayout(column, 1)
        sides.addWidget(self.log, 1)
        self.body.addLayout(sides, 1)

    def toggle(self) -> None:
        """Pause, or resume where it is paused."""
        if self.resume.isEnabled():
            self._send("resume")
        elif self.pause.isEnabled():
            self._send("pause")

    def ask_reset(self) -> None:
        """Reset, once the operator has said that it is meant."""
        if self.reset.isEnabled() and self._confirm(self):
            self._send("reset")

    def decide(self, state: DashboardState) -> str:
        """Say what buttons and keys do now, also while the panel cannot be seen; gives why they do nothing.

        What has been decided is listed then too: it may be many events later that the panel is looked at.
        """
        self._list(state)
        why = self._why_not(state)
        paused = state.status is not None and state.status.adaptation.paused
        self.pause.setEnabled(not why and not paused)
        self.resume.setEnabled(not why and paused)
        self.reset.setEnabled(not why)
        return why

    def refresh(self, state: DashboardState) -> None:
        """Show how adaptation stands."""
        self._figures(state)
        why = self.decide(state)
        last = "" if state.status is None else state.status.adaptation.last_reason
        set_text(self.why, why or (f"last decision: {shown(last, 100)}" if last else ""))

    def _list(self, state: DashboardState) -> None:
        """List what the guard and the operator have decided."""
        # Before the first status nobody knows when the session began: what is written by then is written again.
        of = (state.events, state.status is not None)
        if self._of != of:
            self._of, self._seen = of, 0
            self.log.clear()
        if self._seen == state.events.added:
            return
        fresh, self._seen = state.events.since(self._seen), state.events.added
        for event in fresh:
            if event.kind in TOLD:
                self.log.appendPlainText(self._line(event, state))

    def _figures(self, state: DashboardState) -> None:
        """Figures; grey, with their age, where they are of a session that is not heard."""
        old = state.status is not None and state.link is not Link.LIVE
        set_text(self.title, f"Adaptation, as of {state.elapsed_silent_s:.0f} s ago" if old else "Adaptation")
        if old is not self._old:
            self._old = old
            for value in self.values.values():
                value.setObjectName("muted" if old else "strong")
                # The style sheet looks at names only when it is asked to.
                value.style().unpolish(value)
                value.style().polish(value)
        status = None if state.status is None else state.status.adaptation
        found = dict.fromkeys(self.values, "–")
        if status is not None:
            mode = status.mode + (", PAUSED" if status.paused else "") + (", FROZEN" if status.frozen else "")
            found |= {
                "mode": mode + (f": {shown(status.reason)}" if status.reason else ""),
                "learnt": str(status.learnt),
                "refused": str(status.refused),
                "updates": str(status.updates),
                "rollbacks": str(status.rollbacks),
                "drift": "–" if status.drift is None else f"{100 * status.drift:.2f} %",
                "differ": f"{status.differ} of {status.compared}",
            }
        accuracy = state.accuracy()
        if accuracy is not None:
            found["accuracy"] = _share(accuracy, accuracy.right)
            found["shadow"] = _share(accuracy, accuracy.shadow_right)
        for key, text in found.items():
            set_text(self.values[key], text)

    def _why_not(self, state: DashboardState) -> str:
        """Why the buttons do nothing now; empty where they do something."""
        if state.status is None or state.link is not Link.LIVE:
            return "no session is heard"
        if state.status.adaptation.mode == "off":
            return "adaptation is off in this session"
        if not self._heard():
            return "the session takes no commands from here yet"
        return ""

    @staticmethod
    def _line(event: EventSeen, state: DashboardState) -> str:
        status = state.status
        moment = f"{'–':>7}" if status is None else f"{event.stamp_s - status.now_s + status.elapsed_s:7.0f}"
        reason = str(event.details.get("reason", ""))
        window = event.details.get("window", "")
        what = event.kind.removeprefix("adaptation-")
        return shown(f"{moment} s  {what}: {reason}  (window {window})", 200)


def _share(accuracy: Accuracy, right: int) -> str:
    return f"{100 * right / accuracy.windows:.0f} %  ({right} of {accuracy.windows} windows)"
