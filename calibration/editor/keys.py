"""Which key does what, as the help tells it."""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from rtemo.dashboard.panel import plain_label

HELP: Final = (
    ("drag in the lane of labels", "a new segment; on one: move it; on an edge: move the edge"),
    ("1 … 9, 0", "label of the selected segment, or of new ones; 0: none"),
    ("I, O", "a new segment begins, ends at the cursor"),
    ("[ ]", "the selected segment starts, stops at the cursor"),
    ("S, M, Del", "split at the cursor, merge with the next, delete"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo"),
    ("Ctrl+S", "save; the old file is kept"),
    ("J, K", "next, previous segment"),
    ("N, Shift+N", "cursor to the next, the previous marker"),
    ("Shift+← Shift+→", "move the cursor"),
    ("← →", "earlier, later"),
    ("Ctrl+↑ Ctrl+↓", "zoom in, zoom out; wheel"),
    ("F, Home, End", "all of it, its beginning, its end"),
    ("PgUp PgDown", "channels above, below"),
    ("+ −", "higher, lower traces"),
    ("Esc", "select nothing"),
    ("T, Ctrl++ Ctrl+−, F11", "dark or light, letters, full screen"),
    ("?", "this help"),
)


class HelpOverlay(QFrame):
    """All keys, in the middle of the window; a click, ``?`` or Esc closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAccessibleName("Keys")
        grid = QGridLayout(self)
        grid.setContentsMargins(24, 18, 24, 18)
        grid.setHorizontalSpacing(24)
        for row, (keys, what) in enumerate(HELP):
            grid.addWidget(plain_label(keys, "strong"), row, 0)
            grid.addWidget(plain_label(what), row, 1)
        self.hide()

    def toggle(self) -> None:
        """Show it, or hide it."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            self.place()
            self.raise_()

    def place(self) -> None:
        """Lie in the middle."""
        self.adjustSize()
        parent = self.parentWidget() or self.window()
        self.move(max(0, (parent.width() - self.width()) // 2), max(0, (parent.height() - self.height()) // 2))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Close."""
        self.hide()
