"""The window of ``rtemo label``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QColor, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QMenu,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from calibration.editor.desk import Desk
from calibration.editor.keys import HelpOverlay
from calibration.editor.loading import Loaded, Loader
from calibration.editor.side import ProblemList, SegmentPanel, SegmentTable
from calibration.editor.timeline import Timeline
from rtemo.dashboard.panel import Choice, ElidedLabel, set_text, shown
from rtemo.dashboard.shortcuts import bind
from rtemo.dashboard.theme import LARGEST, SMALLEST, THEMES, ThemeName, style_sheet
from rtemo.errors import LabelError
from rtemo.printable import printable

POLL_MS: Final = 50
GAIN_STEP, SCALE_STEP, ZOOM_STEP = 1.5, 1.1, 1.5
COUNTS: Final = (4, 8, 16, 32, 64)
MOST_STREAMS: Final = 6
"""Shown at first."""
SIDE_PX: Final = 340
Answer = Literal["save", "discard", "cancel"]


@dataclass(frozen=True)
class Asks:
    """What a window asks a person, to be replaced by tests.

    Parameters
    ----------
    leave : callable
        What becomes of unsaved labels.
    overwrite : callable
        Given why: whether to save over what somebody else has written.
    """

    leave: Callable[[QWidget], Answer]
    overwrite: Callable[[QWidget, str], bool]


class EditorWindow(QMainWindow):
    """A recording, its labels, and all that can be done to them.

    Parameters
    ----------
    desk : Desk
    loader : Loader
        Started by the window, and closed with it.
    theme : {"dark", "light"}
    scale : float
        Of all writing.
    asks : Asks, optional

    Attributes
    ----------
    failure : Exception or None
        Why the recording could not be read; the window has closed itself then.
    """

    def __init__(
        self, desk: Desk, loader: Loader, *, theme: ThemeName = "dark", scale: float = 1.0, asks: Asks | None = None
    ) -> None:
        super().__init__()
        self.desk, self._loader = desk, loader
        self._theme_name: ThemeName = theme
        self._scale = scale
        self._asks = asks or Asks(ask_leave, ask_overwrite)
        self.failure: Exception | None = None
        self._labels_shown: tuple[object, ...] = ()
        self.timeline = Timeline(desk, THEMES[theme])
        self.segment = SegmentPanel(desk, THEMES[theme])
        self.table = SegmentTable(desk, THEMES[theme])
        self.problems = ProblemList(desk, THEMES[theme])
        self._build()
        self.help = HelpOverlay(self)
        self.shortcuts = bind(self, self._actions())
        self.timeline.changed.connect(self.refresh)
        self.segment.changed.connect(self.refresh)
        for panel in (self.table, self.problems):
            panel.chosen.connect(self._choose)
        self._polling = QTimer(self)
        self._polling.timeout.connect(self._poll)
        self._polling.start(POLL_MS)
        self.set_theme(theme)
        self._enable(False)
        self.progress.setRange(0, 0)
        loader.start()
        self.refresh()

    def refresh(self) -> None:
        """Show everything as it is now."""
        desk = self.desk
        theme = THEMES[self._theme_name]
        self.timeline.draw_soon()
        self.segment.show_segment()
        self.table.show_segments({label: QColor(self.timeline.colour(label)) for label in desk.labels})
        self.problems.show_problems()
        set_text(self.message, printable(desk.message, 300))
        self.message.setStyleSheet(f"color: {theme.critical if desk.refused else theme.muted};")
        set_text(self.cursor_at, f"cursor {desk.cursor_s:.3f} s")
        self.undo_button.setEnabled(bool(desk.history.undoes))
        self.undo_button.setToolTip(f"Undo {desk.history.undoes} (Ctrl+Z)")
        self.redo_button.setEnabled(bool(desk.history.redoes))
        self.redo_button.setToolTip(f"Do again: {desk.history.redoes} (Ctrl+Shift+Z)")
        self.save_button.setEnabled(desk.unsaved)
        mark = "●  " if desk.unsaved else ""
        set_text(self.name, f"{mark}{printable(desk.recording.name, 80)}{'   not saved' if desk.unsaved else ''}")
        self.setWindowTitle(f"{mark}{printable(desk.recording.name, 80)} - rtemo label")
        self._show_labels()

    def save(self) -> bool:
        """Save; whether the file holds everything now."""
        try:
            self.desk.save()
        except LabelError as error:
            if not self._asks.overwrite(self, str(error)):
                self.desk.message, self.desk.refused = "not saved", True
                self.refresh()
                return False
            self.desk.save(all_the_same=True)
        except OSError as error:
            self.desk.message, self.desk.refused = f"not saved: {error}", True
            self.refresh()
            return False
        self.refresh()
        return True

    def set_theme(self, name: ThemeName) -> None:
        """Dark or light."""
        self._theme_name = name
        theme = THEMES[name]
        self.setStyleSheet(style_sheet(theme, self._scale))
        for panel in (self.segment, self.table, self.problems, self.timeline):
            panel.set_theme(theme, self._scale)
        self._labels_shown = ()
        self._side.setFixedWidth(round(SIDE_PX * self._scale))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask what becomes of labels that are not saved."""
        if self.desk.unsaved and self.failure is None:
            answer = self._asks.leave(self)
            if answer == "cancel" or (answer == "save" and not self.save()):
                event.ignore()
                return
        self._polling.stop()
        self._loader.close()
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the help in the middle, and draw for the new width."""
        super().resizeEvent(event)
        if self.help.isVisible():
            self.help.place()
        self.timeline.draw_soon()

    def _build(self) -> None:
        self.name = ElidedLabel("", "strong")
        self.message, self.cursor_at = ElidedLabel("", "muted"), ElidedLabel("", "muted")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self.save_button = QPushButton("Save")
        self.save_button.setToolTip("Save (Ctrl+S)")
        for button, work in (
            (self.undo_button, self._undo),
            (self.redo_button, self._redo),
            (self.save_button, self.save),
        ):
            button.clicked.connect(lambda _, work=work: work())
        self.streams = QToolButton()
        self.streams.setText("Streams")
        self.streams.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.streams.setMenu(QMenu(self.streams))
        self.count = Choice("Channels of a stream")
        for number in COUNTS:
            self.count.addItem(f"{number} channels", number)
        self.count.setCurrentIndex(COUNTS.index(self.timeline.count))
        self.count.currentIndexChanged.connect(lambda _: self._set_count())
        top = QHBoxLayout()
        top.addWidget(self.name, 1)
        for widget in (self.streams, self.count, self.undo_button, self.redo_button, self.save_button):
            top.addWidget(widget)
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Reading")
        self._side = QWidget()
        side = QVBoxLayout(self._side)
        side.setContentsMargins(0, 0, 0, 0)
        side.addWidget(self.segment)
        lists = QSplitter(Qt.Orientation.Vertical)
        lists.addWidget(self.table)
        lists.addWidget(self.problems)
        lists.setSizes([500, 200])
        side.addWidget(lists, 1)
        middle = QHBoxLayout()
        middle.addWidget(self.timeline, 1)
        middle.addWidget(self._side)
        self._palette = QHBoxLayout()
        self._palette.setSpacing(6)
        self.label_buttons: list[QPushButton] = []
        bottom = QHBoxLayout()
        bottom.addLayout(self._palette)
        bottom.addWidget(self.message, 1)
        bottom.addWidget(self.cursor_at)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addLayout(top)
        layout.addWidget(self.progress)
        layout.addLayout(middle, 1)
        layout.addLayout(bottom)
        self.setCentralWidget(body)
        self.resize(1280, 800)

    def _actions(self) -> dict[str, Callable[[], object]]:
        desk, timeline = self.desk, self.timeline
        does: dict[str, Callable[[], object]] = {
            "I": self._then(desk.begin),
            "O": self._then(desk.end),
            "[": self._then(lambda: desk.set_edge("start", desk.cursor_s)),
            "]": self._then(lambda: desk.set_edge("stop", desk.cursor_s)),
            "S": self._then(desk.split),
            "M": self._then(desk.merge),
            "Del": self._then(desk.delete),
            "J": self._then(lambda: desk.go(1), bring=True),
            "K": self._then(lambda: desk.go(-1), bring=True),
            "N": self._then(lambda: desk.go_to_marker(1), bring=True),
            "Shift+N": self._then(lambda: desk.go_to_marker(-1), bring=True),
            "Shift+Left": lambda: timeline.step_cursor(-0.01),
            "Shift+Right": lambda: timeline.step_cursor(0.01),
            "Left": lambda: timeline.pan(-0.2),
            "Right": lambda: timeline.pan(0.2),
            "Ctrl+Up": lambda: timeline.zoom(1 / ZOOM_STEP),
            "Ctrl+Down": lambda: timeline.zoom(ZOOM_STEP),
            "F": timeline.fit,
            "Home": lambda: timeline.bring(0, 0),
            "End": lambda: timeline.bring(timeline.duration_s, timeline.duration_s),
            "PgUp": lambda: self._turn(-1),
            "PgDown": lambda: self._turn(1),
            "+": lambda: self._gain(GAIN_STEP),
            "=": lambda: self._gain(GAIN_STEP),
            "-": lambda: self._gain(1 / GAIN_STEP),
            "Esc": self._then(self._escape),
            "0": self._then(lambda: desk.relabel("")),
            "Ctrl+Z": self._undo,
            "Ctrl+Shift+Z": self._redo,
            "Ctrl+Y": self._redo,
            "Ctrl+S": self.save,
            "T": lambda: self._switch_theme(),
            "Ctrl++": lambda: self._set_scale(self._scale * SCALE_STEP),
            "Ctrl+=": lambda: self._set_scale(self._scale * SCALE_STEP),
            "Ctrl+-": lambda: self._set_scale(self._scale / SCALE_STEP),
            "F11": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            "?": self.help.toggle,
        }
        for number in range(1, 10):
            does[str(number)] = self._then(partial(self._label, number - 1))
        return does

    def _then(self, work: Callable[[], object], *, bring: bool = False) -> Callable[[], None]:
        """Do something, then show what has become."""

        def done() -> None:
            focused = QApplication.focusWidget()
            if isinstance(focused, QAbstractSpinBox | QLineEdit) and self.isAncestorOf(focused):
                # What is being typed there counts first.
                focused.clearFocus()
            work()
            segment = self.desk.segment
            if bring and segment is not None and segment.start_s == self.desk.cursor_s:
                self.timeline.bring(segment.start_s, segment.stop_s)
            elif bring:
                self.timeline.bring(self.desk.cursor_s, self.desk.cursor_s)
            self.refresh()

        return done

    def _escape(self) -> None:
        self.help.hide()
        self.desk.select(None)

    def _label(self, number: int) -> None:
        if number < len(self.desk.labels):
            self.desk.relabel(self.desk.labels[number])

    def _choose(self, number: int) -> None:
        self.desk.select(number)
        segment = self.desk.segment
        if segment is not None:
            self.desk.cursor_s = segment.start_s
            self.timeline.bring(segment.start_s, segment.stop_s)
        self.refresh()

    def _undo(self) -> None:
        self.desk.undo()
        self.refresh()

    def _redo(self) -> None:
        self.desk.redo()
        self.refresh()

    def _turn(self, pages: int) -> None:
        most = max((one.pyramid.stream.channels for one in self.timeline.streams.values()), default=1)
        last = (most - 1) // self.timeline.count
        self.timeline.page = min(max(self.timeline.page + pages, 0), last)
        self.timeline.draw_soon()

    def _gain(self, factor: float) -> None:
        self.timeline.gain = min(max(self.timeline.gain * factor, 1e-3), 1e3)
        self.timeline.draw_soon()

    def _set_count(self) -> None:
        self.timeline.count, self.timeline.page = int(self.count.currentData()), 0
        self.timeline.arrange()

    def _switch_theme(self) -> None:
        self.set_theme("light" if self._theme_name == "dark" else "dark")
        self.refresh()

    def _set_scale(self, scale: float) -> None:
        self._scale = min(max(scale, SMALLEST), LARGEST)
        self.set_theme(self._theme_name)
        self.refresh()

    def _show_labels(self) -> None:
        """A button a label, with its number and colour."""
        desk = self.desk
        segment = desk.segment
        now = desk.label if segment is None else segment.label
        shown_now: tuple[object, ...] = (tuple(desk.labels), now, self._theme_name)
        if shown_now == self._labels_shown:
            return
        self._labels_shown = shown_now
        for button in self.label_buttons:
            self._palette.removeWidget(button)
            button.deleteLater()
        self.label_buttons = []
        for number, label in enumerate(desk.labels[:9]):
            button = QPushButton(f"{number + 1}  {shown(label, 24)}")
            button.setCheckable(True)
            button.setChecked(label == now)
            button.setEnabled(self.timeline.isEnabled())
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            colour = self.timeline.colour(label).name()
            edge = THEMES[self._theme_name].text if label == now else colour
            button.setStyleSheet(
                f"QPushButton {{ border: 1px solid {edge}; border-left: 10px solid {colour};"
                f" font-weight: {700 if label == now else 400}; }}"
            )
            button.clicked.connect(self._then(partial(desk.relabel, label)))
            self._palette.addWidget(button)
            self.label_buttons.append(button)

    def _poll(self) -> None:
        """Look whether the recording is read."""
        loader = self._loader
        reading = loader.reading
        if reading:
            known = loader.of_s is not None
            self.progress.setRange(0, 1000 if known else 0)
            if loader.of_s is not None:
                self.progress.setValue(min(999, int(1000 * loader.done_s / loader.of_s)))
            self.progress.setFormat(f"reading: {loader.done_s / 60:.1f} min" + (" (%p %)" if known else ""))
            return
        self._polling.stop()
        self.progress.hide()
        if loader.error is not None:
            self.failure = loader.error
            self.close()
        elif loader.loaded is not None:
            self._show_recording(loader.loaded)

    def _show_recording(self, loaded: Loaded) -> None:
        self.desk.know(loaded.survey)
        # A recorder may have had twenty streams open; the others are a click away.
        self.timeline.hidden = set(list(loaded.pyramids)[MOST_STREAMS:])
        self.timeline.show_recording(loaded)
        menu = self.streams.menu()
        for key, pyramid in loaded.pyramids.items():
            action = QAction(shown(f"{pyramid.stream.name} ({pyramid.stream.type})"), menu)
            action.setCheckable(True)
            action.setChecked(key not in self.timeline.hidden)
            action.toggled.connect(lambda on, key=key: self.timeline.set_hidden(key, not on))
            menu.addAction(action)
        if loaded.left_out and not self.desk.message:
            self.desk.message = f"{loaded.left_out} samples came after younger ones and are not drawn"
        self._enable(True)
        self.timeline.graphics.setFocus()
        self.refresh()

    def _enable(self, on: bool) -> None:
        for widget in (self.timeline, self.segment, self.table, self.streams, self.count):
            widget.setEnabled(on)
        for keys, shortcut in self.shortcuts.items():
            shortcut.setEnabled(on or keys in ("?", "T", "F11"))
        self._labels_shown = ()


def ask_leave(parent: QWidget) -> Answer:
    """Whether to save labels before the window closes."""
    box = QMessageBox(parent)
    box.setWindowTitle("rtemo label")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText("The labels are not saved.")
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Save)
    answers: dict[int, Answer] = {buttons.Save.value: "save", buttons.Discard.value: "discard"}
    return answers.get(int(box.exec()), "cancel")


def ask_overwrite(parent: QWidget, why: str) -> bool:
    """Whether to save over what somebody else has written."""
    box = QMessageBox(parent)
    box.setWindowTitle("rtemo label")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"{printable(why, 400)}\n\nSave all the same? The file as it is now will be kept beside it.")
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Yes | buttons.No)
    box.setDefaultButton(buttons.No)
    return box.exec() == buttons.Yes
