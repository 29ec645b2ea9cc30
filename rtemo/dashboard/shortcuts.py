"""Which key does what: bound in one place, and told by the help overlay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QMouseEvent, QShortcut
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QFrame, QGridLayout, QWidget

from rtemo.dashboard.panel import plain_label

HELP: Final = (
    ("N", "write an annotation; Enter sends it, Esc leaves"),
    ("F1 … F8", "annotate at once"),
    ("A", "acknowledge all alarms"),
    ("M", "mute, or be heard again"),
    ("Space", "follow the session, five minutes wide; or stand still"),
    ("Tab Shift+Tab", "to the next button or field; Space then presses it"),
    ("← →", "earlier, later"),
    ("Ctrl+↑ Ctrl+↓", "zoom in, zoom out"),
    ("Alt+1 … Alt+5", "signals, scalp, gaze, adaptation, events"),
    ("PgUp PgDown", "channels above, below"),
    ("+ −", "higher, lower traces"),
    ("Ctrl+P", "pause adaptation, or resume it"),
    ("Ctrl+R", "reset adaptation"),
    ("Ctrl+F", "filter events"),
    ("Ctrl+S", "screenshot (PNG)"),
    ("Ctrl+E", "export what is seen (CSV)"),
    ("T", "dark or light"),
    ("Ctrl++ Ctrl+−", "larger, smaller letters"),
    ("F11", "full screen"),
    ("?", "this help"),
)


SMALLEST_PT: Final = 6.0


REPEATED: Final = frozenset({"Left", "Right", "Ctrl+Up", "Ctrl+Down", "PgUp", "PgDown", "+", "-"})


def bind(window: QWidget, actions: Mapping[str, Callable[[], object]]) -> dict[str, QShortcut]:
    """Bind keys of a whole window; where text is being written, letters are letters."""
    bound = {}
    for keys, work in actions.items():
        shortcut = QShortcut(QKeySequence(keys), window)
        # A key that is held asks once: the session bars an operator who asks without end.
        shortcut.setAutoRepeat(keys in REPEATED)
        shortcut.activated.connect(work)
        bound[keys] = shortcut
    return bound


def space(work: Callable[[], object]) -> Callable[[], None]:
    """What the space bar does: it presses what the keyboard is at, as everywhere, and else does this."""

    def press() -> None:
        focused = QApplication.focusWidget()
        if isinstance(focused, QAbstractButton):
            focused.click()
        elif isinstance(focused, QComboBox):
            focused.showPopup()
        else:
            work()

    return press


class HelpOverlay(QFrame):
    """All keys, over the window; a click, ``?`` or Esc closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        grid = QGridLayout(self)
        grid.setContentsMargins(24, 18, 24, 18)
        grid.setHorizontalSpacing(24)
        grid.addWidget(plain_label("Keys", "title"), 0, 0)
        for row, (keys, what) in enumerate(HELP, start=1):
            grid.addWidget(plain_label(keys, "strong"), row, 0)
            grid.addWidget(plain_label(what), row, 1)
        self.setAccessibleName("Keys")
        self.hide()

    def toggle(self) -> None:
        """Show it in the middle of the window, or hide it."""
        if self.isVisible():
            self.hide()
            return
        self.place()
        self.show()
        self.raise_()

    def place(self) -> None:
        """Lie in the middle of the window, in letters that are as small as it takes to show all keys."""
        parent = self.parentWidget() or self.window()
        self.setStyleSheet("")
        self.ensurePolished()
        point = self.fontInfo().pointSizeF()
        while True:
            self.setStyleSheet(f"QLabel {{ font-size: {point:.1f}pt; background: transparent; }}")
            self.adjustSize()
            if point <= SMALLEST_PT or (self.height() <= parent.height() and self.width() <= parent.width()):
                break
            point *= 0.92
        self.move((parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Close."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.hide()
