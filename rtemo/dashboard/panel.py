"""What all panels share: a frame with a title, a theme, and a refresh that is cheap where nothing has changed."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.printable import printable

MARGIN, SPACING = 10, 6
WIDEST = 60
"""Characters of a name that are shown."""
AXIS_PT = 8.5


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


class ElidedLabel(QLabel):
    """A label of one line that ends in an ellipsis where there is no room: a long text makes no window wider."""

    def __init__(self, text: str = "", kind: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName(kind)
        self.setText(text)

    def text(self) -> str:
        """All of the text, whether it is seen or not."""
        return self._whole

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Say something else."""
        self._whole = text
        self.setAccessibleName(text)
        self.updateGeometry()
        self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for all of it."""
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + self._frame() + 2, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for hardly anything."""
        return QSize(20, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Cut anew."""
        super().resizeEvent(event)
        self._fit()

    def _frame(self) -> int:
        """Width of what the style sheet puts around the text."""
        return self.width() - self.contentsRect().width()

    def _fit(self) -> None:
        room = self.contentsRect().width()
        super().setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room))


class Choice(QComboBox):
    """A list to choose from, which a wheel that happens to turn above it does not change."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to what lies behind."""
        event.ignore()


def opaque(view: pg.GraphicsView) -> None:
    """Say of plots that they cover their ground, so that Qt does not paint what lies behind for every frame."""
    view.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)


def style_axes(plot: pg.PlotItem, theme: Theme, scale: float) -> QFont:
    """Give a plot's axes their colours and letters; gives the font of its writing."""
    font = QFont(plot.getViewWidget().font())
    font.setPointSizeF(AXIS_PT * scale)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(theme.line)
        axis.setTextPen(theme.muted)
        axis.setStyle(tickFont=font)
        axis.label.setFont(font)
        axis.label.setDefaultTextColor(pg.mkColor(theme.muted))
    return font


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
        self.title = ElidedLabel(title, "title")
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
