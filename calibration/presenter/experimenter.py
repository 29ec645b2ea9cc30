"""The experimenter's window: where the session is, how the streams are, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from calibration.presenter.session_view import MARKS, STAGES, SessionView, clock_words, trial_words
from calibration.scenes import Command, Question
from rtemo.dashboard.panel import ElidedLabel, plain_label, set_text
from rtemo.dashboard.shortcuts import bind
from rtemo.dashboard.theme import THEMES, Theme, ThemeName, style_sheet
from rtemo.printable import printable

TITLE: Final = "rtemo calibrate - experimenter"
CONFIRM_MS: Final = 4000
MOST_WARNINGS: Final = 3
LOG_LINES: Final = 500
LONGEST_NOTE: Final = 500
BUTTONS: Final[tuple[tuple[Command, str, str], ...]] = (
    ("continue", "Go on (Space)", "Go on to what comes next"),
    ("pause", "Pause (P)", "Pause; a stimulus that is being shown is voided and done again"),
    ("skip", "Skip (S)", "Leave this trial out"),
    ("redo", "Redo (R)", "Void this trial and do it again"),
    ("abort", "End (Esc)", "End the session; everything so far is saved, and it can be resumed"),
)
RESUME: Final = "Resume (P)"
SURE: Final = "End: sure?"


class ExperimenterWindow(QWidget):
    """Shows a session, and tells what the experimenter wants.

    Parameters
    ----------
    theme : {"dark", "light"}
    scale : float
        Of all writing.

    Attributes
    ----------
    commanded : Signal
        Of a `calibration.scenes.Command`.
    noted : Signal
        Of the text of a note.
    """

    commanded = Signal(str)
    noted = Signal(str)

    def __init__(self, theme: ThemeName = "dark", scale: float = 1.0) -> None:
        super().__init__()
        self._theme, self._scale = THEMES[theme], scale
        self._answer: Callable[[str], None] | None = None
        self._finished = False
        self._paused = False
        self._streams: dict[int, tuple[ElidedLabel, ElidedLabel]] = {}
        self._sure = QTimer(self)
        self._sure.setSingleShot(True)
        self._sure.setInterval(CONFIRM_MS)
        self._sure.timeout.connect(self._not_sure)
        self.setWindowTitle(TITLE)
        self._lay_out()
        self.setStyleSheet(style_sheet(self._theme, scale) + _own_looks(self._theme, scale))
        self.resize(round(900 * scale), round(680 * scale))
        self.setMinimumSize(640, 480)
        actions: dict[str, Callable[[], object]] = {
            "Space": partial(self._press, "continue"),
            "P": partial(self._press, "pause"),
            "S": partial(self._press, "skip"),
            "R": partial(self._press, "redo"),
            "Esc": self._escape,
            "N": self.line.setFocus,
        }
        for number in range(1, 10):
            actions[str(number)] = partial(self._pick, number - 1)
        self.keys = bind(self, actions)
        self.setFocus()

    # What the session says.

    def refresh(self, view: SessionView) -> None:
        """Show where the session is now."""
        for stage, label in self.stages.items():
            _rename(label, "here" if stage == view.stage else "muted")
        set_text(self.phase, printable("paused" if view.paused else view.phase, 60))
        set_text(self.trial, printable(trial_words(view), 120))
        set_text(self.left, clock_words(view.left_s))
        left = "" if view.session_left_s is None else f"{clock_words(view.session_left_s)} to the last trial's end"
        set_text(self.session_left, left)
        self.progress.setVisible(view.trials > 0)
        self.progress.setMaximum(max(view.trials, 1))
        self.progress.setValue(min(view.done, view.trials))
        self._paused = view.paused
        pause = self.buttons["pause"]
        pause.setText(RESUME if view.paused else BUTTONS[1][1])
        for command, button in self.buttons.items():
            if command == "pause":
                button.setEnabled(("resume" if view.paused else "pause") in view.allowed)
            else:
                button.setEnabled(command in view.allowed)
        self._refresh_streams(view)
        self._refresh_warnings(view)

    def say(self, text: str) -> None:
        """Add a line to the log."""
        self.log.appendPlainText(printable(text, 1000))

    def ask(self, question: Question, answer: Callable[[str], None]) -> None:
        """Ask, and hand on the choice; in place of what was asked before."""
        self.withdraw()
        self._answer = answer
        set_text(self.question, printable(question.text, 400))
        for number, choice in enumerate(question.choices):
            button = QPushButton(f"{printable(choice, 40)} ({number + 1})" if number < 9 else printable(choice, 40))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(partial(self._answered, choice))
            self.choices.addWidget(button)
            self.choice_buttons.append(button)
        self.asking.setVisible(True)
        # The participant's window has the keyboard otherwise.
        self.activateWindow()

    def withdraw(self) -> None:
        """Ask no more."""
        self._answer = None
        self.asking.setVisible(False)
        for button in self.choice_buttons:
            self.choices.removeWidget(button)
            button.deleteLater()
        self.choice_buttons.clear()

    def needs_keyboard(self) -> bool:
        """Whether a note is being written, or a question waits."""
        return self.line.hasFocus() or self._answer is not None

    def finish(self) -> None:
        """Close: the session is over."""
        self._finished = True
        self._sure.stop()
        self.close()

    # What the experimenter does.

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Closing the window is asking to end the session, which is asked for twice."""
        if self._finished:
            super().closeEvent(event)
        else:
            event.ignore()
            self._press("abort")

    def _press(self, command: Command) -> None:
        """As if its button were clicked; nothing where it means nothing now."""
        self.buttons[command].click()

    def _clicked(self, command: Command) -> None:
        if command == "abort" and not self._sure.isActive():
            self._sure.start()
            self.buttons["abort"].setText(SURE)
            return
        if command == "abort":
            self._sure.stop()
            self._not_sure()
        self.commanded.emit("resume" if command == "pause" and self._paused else command)

    def _not_sure(self) -> None:
        self.buttons["abort"].setText(BUTTONS[-1][1])

    def _escape(self) -> None:
        """Leave the note that is being written; else ask to end."""
        if self.line.hasFocus():
            self.setFocus()
        else:
            self._press("abort")

    def _pick(self, number: int) -> None:
        if number < len(self.choice_buttons):
            self.choice_buttons[number].click()

    def _answered(self, choice: str, _checked: bool = False) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(choice)
        self.withdraw()

    def _note(self) -> None:
        text = self.line.text().strip()
        if text:
            self.line.clear()
            self.noted.emit(text)
            self.say(f"note: {text}")
        self.setFocus()

    # How it looks.

    def _refresh_streams(self, view: SessionView) -> None:
        for row in list(self._streams):
            if row >= len(view.streams):
                for label in self._streams.pop(row):
                    self.table.removeWidget(label)
                    label.deleteLater()
        for row, stream in enumerate(view.streams):
            if row not in self._streams:
                pair = ElidedLabel("", "muted"), ElidedLabel()
                for column, label in enumerate(pair):
                    self.table.addWidget(label, row, column)
                self._streams[row] = pair
            name, words = self._streams[row]
            set_text(name, printable(stream.name, 40))
            set_text(words, f"{MARKS[stream.state]}  {printable(stream.words, 160)}")
            _rename(words, stream.state)

    def _refresh_warnings(self, view: SessionView) -> None:
        lines = list(view.warnings)
        if len(lines) > MOST_WARNINGS:
            lines = [*lines[: MOST_WARNINGS - 1], f"... and {len(lines) - MOST_WARNINGS + 1} more"]
        for number, label in enumerate(self.warnings):
            label.setVisible(number < len(lines))
            set_text(label, f"!  {printable(lines[number], 200)}" if number < len(lines) else "")

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(10, 8, 10, 10)
        rows.setSpacing(8)
        rows.addLayout(self._stages_row())
        self.warnings = [ElidedLabel("", "alarm-warning") for _ in range(MOST_WARNINGS)]
        for label in self.warnings:
            label.setContentsMargins(8, 4, 8, 4)
            label.hide()
            rows.addWidget(label)
        rows.addWidget(self._now_panel())
        rows.addWidget(self._question_panel())
        rows.addLayout(self._buttons_row())
        middle = QHBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(self._streams_panel(), 3)
        middle.addWidget(self._log_panel(), 2)
        rows.addLayout(middle, 1)

    def _stages_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.stages = {}
        for number, stage in enumerate(STAGES):
            if number:
                row.addWidget(plain_label("›", "muted"))
            self.stages[stage] = plain_label(stage, "muted")
            row.addWidget(self.stages[stage])
        row.addStretch(1)
        return row

    def _now_panel(self) -> QFrame:
        panel, body = _panel("Now")
        line = QHBoxLayout()
        self.phase, self.left = ElidedLabel("", "large"), plain_label("-", "large")
        line.addWidget(self.phase, 1)
        line.addWidget(self.left)
        body.addLayout(line)
        line = QHBoxLayout()
        self.trial, self.session_left = ElidedLabel(), plain_label("", "muted")
        line.addWidget(self.trial, 1)
        line.addWidget(self.session_left)
        body.addLayout(line)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Trials done")
        body.addWidget(self.progress)
        return panel

    def _question_panel(self) -> QFrame:
        self.asking, body = _panel("Your decision")
        self.question = plain_label("", "strong")
        self.question.setWordWrap(True)
        body.addWidget(self.question)
        self.choices = QHBoxLayout()
        self.choice_buttons: list[QPushButton] = []
        body.addLayout(self.choices)
        self.asking.hide()
        return self.asking

    def _buttons_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.buttons: dict[Command, QPushButton] = {}
        for command, text, tip in BUTTONS:
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setEnabled(False)
            # One that was clicked does not keep the keyboard, or the space bar would press it again.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, command=command: self._clicked(command))
            self.buttons[command] = button
            row.addWidget(button)
        return row

    def _streams_panel(self) -> QFrame:
        panel, body = _panel("Streams")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        self.table = QGridLayout()
        self.table.setColumnStretch(1, 3)
        self.table.setColumnStretch(0, 1)
        column.addLayout(self.table)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inner)
        body.addWidget(area, 1)
        return panel

    def _log_panel(self) -> QFrame:
        panel, body = _panel("Log")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(LOG_LINES)
        self.log.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.log.setAccessibleName("Log")
        body.addWidget(self.log, 1)
        row = QHBoxLayout()
        self.line = QLineEdit()
        self.line.setMaxLength(LONGEST_NOTE)
        self.line.setPlaceholderText("a note (N, then Enter)")
        self.line.setAccessibleName("Note")
        self.line.returnPressed.connect(self._note)
        row.addWidget(self.line, 1)
        add = QPushButton("Add")
        add.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        add.clicked.connect(lambda _=False: self._note())
        row.addWidget(add)
        body.addLayout(row)
        return panel


def _panel(title: str) -> tuple[QFrame, QVBoxLayout]:
    """A frame with a title, and what is to be filled of it."""
    frame = QFrame()
    frame.setObjectName("panel")
    frame.setAccessibleName(title)
    body = QVBoxLayout(frame)
    body.setContentsMargins(10, 6, 10, 10)
    body.addWidget(plain_label(title, "title"))
    return frame, body


def _rename(label: QWidget, name: str) -> None:
    """Give a label another look; the style sheet looks at names only when it is asked to."""
    if label.objectName() != name:
        label.setObjectName(name)
        label.style().unpolish(label)
        label.style().polish(label)


def _own_looks(theme: Theme, scale: float) -> str:
    """What this window has beyond the dashboard's looks."""
    return f"""
    QLabel#large {{ font-size: {22 * scale:.1f}pt; font-weight: 600; }}
    QLabel#here {{ color: {theme.accent}; font-weight: 700; }}
    QFrame#panel QLabel#good {{ color: {theme.good}; }}
    QFrame#panel QLabel#warning {{ color: {theme.warning}; }}
    QFrame#panel QLabel#critical {{ color: {theme.critical}; }}
    QProgressBar {{ background: {theme.line}; border: 0; border-radius: 3px; max-height: 6px; }}
    QProgressBar::chunk {{ background: {theme.accent}; border-radius: 3px; }}
    """
