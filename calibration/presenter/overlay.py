"""What lies above a scene: a question to the experimenter where there is no window for it, and a line of notice."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter

from calibration.presenter.stimuli import LINE, MUTED, TEXT, letters, outline, paint_line, paint_text
from calibration.scenes import Question

PANEL = QColor("#1a2029")


def paint_question(painter: QPainter, window: QRectF, question: Question) -> None:
    """Draw a question and the keys of its choices over the lower part of the window."""
    h = window.height()
    panel = QRectF(0.18 * window.width(), 0.62 * h, 0.64 * window.width(), 0.28 * h)
    painter.fillRect(panel, PANEL)
    painter.setPen(outline(LINE, max(1.0, h / 540)))
    painter.drawRect(panel)
    pad = 0.03 * panel.width()
    inner = panel.adjusted(pad, 0.06 * panel.height(), -pad, -0.06 * panel.height())
    head = QRectF(inner.left(), inner.top(), inner.width(), 0.6 * inner.height())
    paint_text(painter, head, question.text, letters(h, 0.85), TEXT)
    keys = "      ".join(f"{number}: {choice}" for number, choice in enumerate(question.choices, start=1))
    foot = QRectF(inner.left(), head.bottom(), inner.width(), 0.4 * inner.height())
    paint_line(painter, foot, keys, letters(h, 0.8, bold=True), TEXT)


def paint_note(painter: QPainter, window: QRectF, text: str) -> None:
    """Draw a line at the top."""
    h = window.height()
    bar = QRectF(0.2 * window.width(), 0.012 * h, 0.6 * window.width(), 0.05 * h)
    painter.fillRect(bar, PANEL)
    paint_line(painter, bar, text, letters(h, 0.6), MUTED)
