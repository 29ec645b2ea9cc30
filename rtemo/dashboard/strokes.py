"""What a plot over time is painted with: all rectangles and all lines of a plot in one item, and texts over it.

An item for each bar or line would do as well; Qt and pyqtgraph then spend more time on the items than on painting them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rtemo.dashboard.panel import shown
from rtemo.types import Floats

WIDEST: Final = 24
"""Characters of a text."""


@dataclass(frozen=True, slots=True, eq=False)
class Rectangles:
    """Rectangles of one look: left edges, widths, bottoms and heights (or one for all)."""

    left: Floats
    width: Floats | float
    bottom: Floats | float
    height: Floats | float
    brush: QBrush
    pen: QPen | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line through points, broken where one is NaN; in pairs of points, where `pairs` says so."""

    x: Floats
    y: Floats
    pen: QPen
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """A text at a place; `boxed` where something may lie behind it."""

    text: str
    x: float
    y: float
    colour: QColor
    boxed: bool


class Strokes(QGraphicsItem):
    """Paints rectangles and, over them, lines."""

    def __init__(self) -> None:
        super().__init__()
        self._bounds = QRectF()
        self._rectangles: list[tuple[QBrush, QPen | None, list[QRectF]]] = []
        self._lines: list[tuple[QPen, QPainterPath]] = []

    @property
    def count(self) -> int:
        """Rectangles that are painted."""
        return sum(len(rectangles) for _, _, rectangles in self._rectangles)

    def put(
        self,
        rectangles: Sequence[Rectangles],
        lines: Sequence[Line],
        bounds: QRectF,
        from_x: float = -math.inf,
    ) -> None:
        """Paint these from now on, and nothing else.

        Parameters
        ----------
        rectangles : sequence of Rectangles
        lines : sequence of Line
        bounds : QRectF
            Within which all of it lies.
        from_x : float
            Left of this nothing has changed: where the bounds have not either, it is not painted again.
        """
        changed = QRectF(bounds)
        if bounds == self._bounds:
            changed.setLeft(max(bounds.left(), from_x))
        else:
            self.prepareGeometryChange()
            self._bounds = bounds
        self._rectangles = [(part.brush, part.pen, _of(part)) for part in rectangles if len(part.left)]
        self._lines = [
            (line.pen, pg.arrayToQPath(line.x, line.y, connect="pairs" if line.pairs else "finite"))
            for line in lines
            if len(line.x)
        ]
        self.update(changed)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Where it paints."""
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Paint."""
        for brush, pen, rectangles in self._rectangles:
            painter.setBrush(brush)
            painter.setPen(pg.mkPen(None) if pen is None else pen)
            painter.drawRects(rectangles)
        painter.setBrush(QBrush())
        for pen, path in self._lines:
            painter.setPen(pen)
            painter.drawPath(path)


class Texts:
    """Texts in a plot; those that are there already are used again.

    Parameters
    ----------
    plot : PlotItem
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._font: QFont | None = None
        self._items: list[pg.TextItem] = []

    @property
    def shown(self) -> list[str]:
        """What is written."""
        return [item.toPlainText() for item in self._items if item.isVisible()]

    def set_font(self, font: QFont) -> None:
        """Write in these letters."""
        self._font = font
        for item in self._items:
            item.setFont(font)

    def put(self, writings: Sequence[Writing], ground: str) -> None:
        """Write these from now on, and nothing else; boxes have the colour of the ground."""
        while len(self._items) < len(writings):
            item = pg.TextItem("", anchor=(0, 0.5))
            if self._font is not None:
                item.setFont(self._font)
            self._plot.addItem(item, ignoreBounds=True)
            self._items.append(item)
        for item, writing in zip(self._items, writings, strict=False):
            item.fill = pg.mkBrush(ground if writing.boxed else None)
            item.setColor(writing.colour)
            text = shown(writing.text, WIDEST)
            if item.toPlainText() != text:
                item.setPlainText(text)
            item.setPos(writing.x, writing.y)
        for number, item in enumerate(self._items):
            item.setVisible(number < len(writings))


def _of(part: Rectangles) -> list[QRectF]:
    columns = np.broadcast_arrays(part.left, part.bottom, part.width, part.height)
    return [QRectF(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]
