"""What all panels share: a frame with a title, a theme, and a refresh that is cheap where nothing has changed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.printable import printable

MARGIN, SPACING = 10, 6
WIDEST = 60
"""Characters of a name that are shown."""


def shown(text: str, width: int = WIDEST) -> str:
    """Text from the network, fit to be shown."""
    return printable(text, width)


def plain_label(text: str = "", kind: str = "") -> QLabel:
    """A label whose text is never taken for markup; `kind` is what the style sheet calls it."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setObjectName(kind)
    return label


def set_text(label: QLabel, text: str) -> None:
    """Change a label only where its text is another one: Qt lays out anew for nothing otherwise."""
    if label.text() != text:
        label.setText(text)


class Panel(QFrame):
    """A frame with a title.

    Parameters
    ----------
    title : str
    theme : Theme
    """

    def __init__(self, title: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAccessibleName(title)
        self.theme = theme
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(MARGIN, SPACING, MARGIN, MARGIN)
        self.body.setSpacing(SPACING)
        self.heading = QHBoxLayout()
        self.title = plain_label(title, "title")
        self.title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.heading.addWidget(self.title)
        self.heading.addStretch(1)
        self.body.addLayout(self.heading)

    def refresh(self, state: DashboardState) -> None:
        """Show what is known now; called only while the panel can be seen."""
        raise NotImplementedError

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        self.theme = theme
