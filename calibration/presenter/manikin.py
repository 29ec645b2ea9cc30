"""Manikins of our own for valence, arousal and dominance, drawn by formula: every step of a scale has its own.

The idea is Bradley and Lang's Self-Assessment Manikin (J. Behav. Ther. Exp. Psychiat. 25, 49-59, 1994): a mouth that
frowns or smiles, a calm or a stirred-up body, a small or a large figure.
"""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

DRAWN: Final = ("valence", "arousal", "dominance")
"""Names of scales that have a manikin."""
HEIGHT: Final = 1.5
"""Of a manikin, its width being one."""
BURST: Final = 9
"""Points of the star that stands for being stirred up."""


def paint_manikin(painter: QPainter, box: QRectF, scale: str, level: float, colour: QColor, ground: QColor) -> None:
    """Draw one manikin.

    Parameters
    ----------
    painter : QPainter
    box : QRectF
        Where; the manikin is as large as fits, standing on its bottom.
    scale : {"valence", "arousal", "dominance"}
    level : float
        From 0 (unpleasant, calm, controlled) to 1 (pleasant, excited, in control).
    colour, ground : QColor
        Of lines, and of what is inside them.
    """
    width = min(box.width(), box.height() / HEIGHT)
    if scale == "dominance":
        width *= 0.4 + 0.6 * level
    height = HEIGHT * width
    body = QRectF(box.center().x() - width / 2, box.bottom() - height, width, height)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, max(1.5, width / 34))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(ground)
    _trunk(painter, body)
    _head(painter, body, smile=2 * level - 1 if scale == "valence" else 0.0, wide=level if scale == "arousal" else 0.4)
    if scale == "arousal":
        _burst(painter, body, level, colour)
    painter.restore()


def _trunk(painter: QPainter, body: QRectF) -> None:
    """Shoulders, arms and trunk, in one outline."""
    x, y, w, h = body.left(), body.top(), body.width(), body.height()
    path = QPainterPath(QPointF(x + 0.40 * w, y + 0.40 * h))
    path.lineTo(x + 0.22 * w, y + 0.42 * h)
    path.cubicTo(x + 0.08 * w, y + 0.44 * h, x + 0.07 * w, y + 0.55 * h, x + 0.06 * w, y + 0.76 * h)
    path.lineTo(x + 0.17 * w, y + 0.76 * h)
    path.lineTo(x + 0.22 * w, y + 0.56 * h)
    path.lineTo(x + 0.22 * w, y + 0.99 * h)
    path.lineTo(x + 0.78 * w, y + 0.99 * h)
    path.lineTo(x + 0.78 * w, y + 0.56 * h)
    path.lineTo(x + 0.83 * w, y + 0.76 * h)
    path.lineTo(x + 0.94 * w, y + 0.76 * h)
    path.cubicTo(x + 0.93 * w, y + 0.55 * h, x + 0.92 * w, y + 0.44 * h, x + 0.78 * w, y + 0.42 * h)
    path.lineTo(x + 0.60 * w, y + 0.40 * h)
    painter.drawPath(path)


def _head(painter: QPainter, body: QRectF, *, smile: float, wide: float) -> None:
    """Head, eyes that are `wide` open (0 to 1), and a mouth from -1 (frown) to 1 (smile)."""
    w, h = body.width(), body.height()
    middle = QPointF(body.center().x(), body.top() + 0.21 * h)
    radius = 0.29 * w
    painter.drawEllipse(middle, radius, radius)
    for side in (-1.0, 1.0):
        eye = QPointF(middle.x() + side * 0.40 * radius, middle.y() - 0.22 * radius)
        painter.drawEllipse(eye, 0.13 * radius, radius * (0.03 + 0.17 * wide))
    half, bend = 0.52 * radius, 0.42 * radius * smile
    mouth_y = middle.y() + 0.45 * radius - bend * 0.35
    mouth = QPainterPath(QPointF(middle.x() - half, mouth_y))
    mouth.quadTo(QPointF(middle.x(), mouth_y + 2 * bend), QPointF(middle.x() + half, mouth_y))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(mouth)


def _burst(painter: QPainter, body: QRectF, level: float, colour: QColor) -> None:
    """A star in the trunk, from a point to all of it."""
    middle = QPointF(body.center().x(), body.top() + 0.70 * body.height())
    outer = body.width() * (0.03 + 0.23 * level)
    inner = outer * (0.9 - 0.45 * level)
    star = QPolygonF(
        [
            QPointF(middle.x() + radius * math.sin(angle), middle.y() - radius * math.cos(angle))
            for number in range(2 * BURST)
            for radius, angle in ((outer if number % 2 == 0 else inner, math.pi * number / BURST),)
        ]
    )
    painter.setBrush(colour)
    painter.drawPolygon(star)
