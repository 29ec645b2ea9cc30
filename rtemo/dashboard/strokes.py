"""What a plot over time is painted with: all rectangles and all lines of a plot in one item, which is repainted whole.

An item for each bar or line would do as well; Qt and pyqtgraph then spend more time on the items than on painting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QBrush, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rtemo.types import Floats


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

    def put(self, rectangles: Sequence[Rectangles], lines: Sequence[Line], bounds: QRectF) -> None:
        """Paint these from now on, and nothing else.

        Parameters
        ----------
        rectangles : sequence of Rectangles
        lines : sequence of Line
        bounds : QRectF
            Within which all of it lies.
        """
        self.prepareGeometryChange()
        self._bounds = bounds
        self._rectangles = [(part.brush, part.pen, _of(part)) for part in rectangles if len(part.left)]
        self._lines = [
            (line.pen, pg.arrayToQPath(line.x, line.y, connect="pairs" if line.pairs else "finite"))
            for line in lines
            if len(line.x)
        ]
        self.update()

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


def _of(part: Rectangles) -> list[QRectF]:
    columns = np.broadcast_arrays(part.left, part.bottom, part.width, part.height)
    return [QRectF(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]
