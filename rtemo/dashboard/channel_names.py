"""Names of channels beside their traces."""

from __future__ import annotations

import html
import math
from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from rtemo.dashboard.theme import Theme

READABLE_PX, ROW_PX = 9.0, 13.0
"""Heights of the smallest letters of names, and of the usual ones."""
SCORE_PX: Final = 12
"""Length of the bar of a channel with nothing amiss."""
BAD_BELOW: Final = 0.5


class ChannelNames(QWidget):
    """Names of channels beside their traces, struck out where they are bad, each with its quality as a small bar.

    Painted only where something changes. With the mouse over a channel its quality is said in figures.

    Parameters
    ----------
    plot : PlotItem
        Whose rows are named.
    theme : Theme
    """

    def __init__(self, plot: pg.PlotItem, theme: Theme) -> None:
        super().__init__()
        self._plot, self.theme, self.scale = plot, theme, 1.0
        self.rows: tuple[tuple[str, bool], ...] = ()
        self.scores: tuple[float | None, ...] = ()
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)

    def show_rows(self, rows: tuple[tuple[str, bool], ...]) -> None:
        """Name the rows, the uppermost first."""
        self.rows = rows
        self._fit()

    def show_scores(self, scores: tuple[float | None, ...]) -> None:
        """How good each row's channel is: 1 nothing amiss, below a half bad, None where nobody says so."""
        if scores != self.scores:
            self.scores = scores
            self._fit()

    def hint(self, y: float) -> str:
        """What there is to say of the channel at a height, as markup; empty where there is nothing."""
        top, height = self._places()
        row = math.floor((y - top) / height)
        score = self.scores[row] if 0 <= row < min(len(self.rows), len(self.scores)) else None
        # Markup around it, so that Qt does not guess whether a name of the network is some.
        return "" if score is None else f"<span>{html.escape(self.rows[row][0])}: quality {100 * score:.0f} %</span>"

    def event(self, event: QEvent) -> bool:
        """Say a channel's quality where the mouse rests."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.hint(event.pos().y()), self)
            return True
        return super().event(event)

    def _fit(self) -> None:
        measured = QFontMetricsF(self._font(ROW_PX, False))
        widest = max((measured.horizontalAdvance(name) for name, _ in self.rows), default=0.0)
        self.setFixedWidth(round(widest) + 8 + (SCORE_PX + 4 if any(score is not None for score in self.scores) else 0))
        self.update()

    def _places(self) -> tuple[float, float]:
        """Where the first row begins, and the height of a row."""
        room = self._plot.getViewBox().sceneBoundingRect()
        # The plot leaves a hundredth free above and below.
        height = max(room.height(), 1.0) / (max(len(self.rows), 1) * 1.02)
        return room.top() + 0.01 * max(len(self.rows), 1) * height, height

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint names and bars."""
        painter = QPainter(self)
        top, height = self._places()
        for number, score in enumerate(self.scores[: len(self.rows)]):
            if score is not None:
                colour = QColor(self.theme.good if score >= BAD_BELOW else self.theme.critical)
                thick = min(max(0.5 * height, 2.0), 6.0)
                middle = top + (number + 0.5) * height
                # A frame as long as the best one, so that a score of nothing is seen too.
                painter.fillRect(QRectF(1, middle - thick / 2, SCORE_PX, thick), QColor(self.theme.raised))
                painter.fillRect(QRectF(1, middle - thick / 2, max(SCORE_PX * score, 1.0), thick), colour)
        # Where rows are lower than letters, every so many are named, and all that are bad.
        every = max(1, math.ceil(READABLE_PX * self.scale / max(height, 1.0)))
        struck = {number for number, (_, bad) in enumerate(self.rows) if bad}
        for number, (name, bad) in enumerate(self.rows):
            near = struck & set(range(number - every + 1, number + every))
            if not bad and (number % every or near):
                continue
            painter.setFont(self._font(height * every, bad))
            painter.setPen(QColor(self.theme.critical if bad else self.theme.muted))
            middle = top + (number + 0.5) * height
            where = QRectF(0, middle - 10 * self.scale, self.width() - 4, 20 * self.scale)
            painter.drawText(where, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
        painter.end()

    def _font(self, row_px: float, bad: bool) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(round(max(min(row_px, ROW_PX * self.scale) - 1, READABLE_PX * self.scale - 1, 6.0)))
        font.setStrikeOut(bad)
        return font
