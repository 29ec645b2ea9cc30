"""What the person feels, to be read from two metres, and whether it may be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from rtemo.dashboard.panel import Panel, shown
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.theme import Theme

TALLEST_PT, SHORTEST_PT = 64.0, 12.0
SAME_WINDOW_S = 1e-3
LINKS = {Link.LOOKING: "no session", Link.SILENT: "no word from the session", Link.ENDED: "the session is over"}


@dataclass(frozen=True, slots=True)
class Emotion:
    """What is shown.

    Parameters
    ----------
    headline : str
        The label, or why there is none.
    detail : str
        Probability and spread, or how old the newest prediction is.
    probabilities : tuple of (str, float)
        By label; empty where none is to be shown.
    best : int
        Number of the label; -1 where there is none.
    current : bool
        Whether it is of now.
    """

    headline: str
    detail: str = ""
    probabilities: tuple[tuple[str, float], ...] = ()
    best: int = -1
    current: bool = False


def emotion_of(state: DashboardState) -> Emotion:
    """What is to be said of a session now: an old prediction is never said as if it were of now."""
    layout, predictions = state.layout, state.predictions
    if layout is None or state.link in (Link.LOOKING, Link.SILENT, Link.ENDED):
        headline = LINKS[Link.LOOKING if layout is None else state.link]
        if layout is not None and state.link is Link.LOOKING and not state.reason:
            headline = "waiting for the session"
        return Emotion(headline, _last(state))
    if not len(predictions):
        return Emotion("waiting", "no prediction yet")
    if not state.prediction_is_of_now:
        return Emotion("no prediction", _last(state))
    p = predictions.probabilities[-1]
    if not np.isfinite(p).all():
        return Emotion("skipped", "the model had no time for the newest window", current=True)
    each = tuple((shown(label), float(of)) for label, of in zip(layout.labels, p, strict=True))
    if not predictions.available[-1].any():
        return Emotion("no sensor", "nothing is known of this moment: prior only", each, current=True)
    best = int(p.argmax())
    return Emotion(each[best][0], f"{100 * each[best][1]:.0f} %{_spread(state)}", each, best, current=True)


def _spread(state: DashboardState) -> str:
    """Uncertainty of the probability for the views that are missing; nothing where none is.

    The status, which tells it, comes less often than predictions: that of another window is not shown.
    """
    if bool(state.predictions.available[-1].all()):
        return ""
    window = state.window
    own = window is not None and abs(window.stop_s - float(state.predictions.stop_s[-1])) < SAME_WINDOW_S
    return f"  ± {100 * window.spread:.0f}" if window is not None and own and window.spread is not None else "  ± …"


def _last(state: DashboardState) -> str:
    """The newest prediction, said as what it is: old."""
    layout, predictions = state.layout, state.predictions
    age_s = state.prediction_age_s
    if layout is None or not math.isfinite(age_s):
        return state.reason
    p = predictions.probabilities[-1]
    if not np.isfinite(p).all() or not predictions.available[-1].any():
        return f"nothing for {age_s:.0f} s"
    label = shown(layout.labels[int(p.argmax())])
    return f"last: {label}, {age_s:.0f} s ago"


class EmotionPanel(Panel):
    """The label in letters as large as the panel allows, and a bar for each label."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Emotion", theme)
        self.face = _Face(theme)
        self.body.addWidget(self.face, 1)
        self.setMinimumHeight(190)

    @property
    def emotion(self) -> Emotion:
        """What is shown."""
        return self.face.emotion

    def refresh(self, state: DashboardState) -> None:
        """Show what is to be said now."""
        self.face.show_emotion(emotion_of(state))

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self.face.theme, self.face.scale = theme, scale
        self.face.update()


class _Face(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme, self.scale = theme, 1.0
        self.emotion = Emotion("no session")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)

    def show_emotion(self, emotion: Emotion) -> None:
        if emotion != self.emotion:
            self.emotion = emotion
            self.setAccessibleName(f"{emotion.headline} {emotion.detail}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        emotion, theme = self.emotion, self.theme
        width, height = float(self.width()), float(self.height())
        rows = len(emotion.probabilities)
        row = min(26.0 * self.scale, 0.45 * height / rows) if rows else 0.0
        room = height - rows * row
        colour = theme.muted
        if emotion.best >= 0:
            colour = theme.of_class(emotion.best)
        elif emotion.current:
            colour = theme.warning
        head = QRectF(0, 0, width, room * 0.62)
        self._write(painter, head, emotion.headline, QColor(colour), weight=QFont.Weight.Bold)
        under = QRectF(0, head.bottom(), width, room * 0.32)
        self._write(painter, under, emotion.detail, QColor(theme.text if emotion.current else theme.muted), most=30.0)
        for number, (label, p) in enumerate(emotion.probabilities):
            self._bar(painter, QRectF(0, height - (rows - number) * row, width, row), number, label, p)
        painter.end()

    def _write(
        self,
        painter: QPainter,
        room: QRectF,
        text: str,
        colour: QColor,
        *,
        most: float = TALLEST_PT,
        weight: QFont.Weight = QFont.Weight.Normal,
    ) -> None:
        """Text as large as its room allows, cut with an ellipsis where even the smallest letters are too wide."""
        font = QFont(self.font())
        font.setWeight(weight)
        font.setPointSizeF(most)
        measured = QFontMetricsF(font)
        wide, tall = max(measured.horizontalAdvance(text), 1.0), measured.height()
        font.setPointSizeF(max(min(most, most * room.width() / wide * 0.98, most * room.height() / tall), SHORTEST_PT))
        painter.setFont(font)
        painter.setPen(colour)
        fitted = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, fitted)

    def _bar(self, painter: QPainter, room: QRectF, number: int, label: str, p: float) -> None:
        theme = self.theme
        font = QFont(self.font())
        font.setPointSizeF(max(min(10.0 * self.scale, 0.5 * room.height()), 7.0))
        painter.setFont(font)
        names, figures = 0.36 * room.width(), 0.14 * room.width()
        painter.setPen(QColor(theme.text))
        measured = QFontMetricsF(font)
        left = QRectF(room.left(), room.top(), names - 6, room.height())
        name = measured.elidedText(label, Qt.TextElideMode.ElideRight, left.width())
        painter.drawText(left, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        track = QRectF(
            room.left() + names, room.top() + 0.3 * room.height(), room.width() - names - figures, 0.4 * room.height()
        )
        painter.fillRect(track, QColor(theme.raised))
        filled = QRectF(track.left(), track.top(), track.width() * min(max(p, 0.0), 1.0), track.height())
        painter.fillRect(filled, QColor(theme.of_class(number) if self.emotion.best >= 0 else theme.muted))
        right = QRectF(track.right(), room.top(), figures, room.height())
        painter.drawText(right, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{100 * p:.0f} %")
