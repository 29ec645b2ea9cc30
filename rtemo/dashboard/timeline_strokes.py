"""What the plots over time are made of: from a state to rectangles, lines and texts between two moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QPen

from rtemo.dashboard.bars import Bars, steps
from rtemo.dashboard.history import stretches
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.strokes import Line, Rectangles, Writing
from rtemo.dashboard.theme import Theme
from rtemo.types import Floats

MOST_TEXTS: Final = 16
MOST_MARKERS: Final = 500
LANE_TOP: Final = 1.03
"""Where the lane of trials begins, above the probabilities."""
NOTE_TOP: Final = 0.3

Fits = Callable[[str, float], bool]
"""Whether a text has room in a part of the width."""


@dataclass(frozen=True, slots=True)
class Content:
    """Of one plot."""

    rectangles: list[Rectangles] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Writing] = field(default_factory=list)


def probabilities(state: DashboardState, theme: Theme, bars: Bars) -> Content:
    """A stack a bar, dithered where no sensor was there; the frozen model's borders as thin lines."""
    history, content = state.predictions, Content()
    p = _fractions(history.probabilities[bars.at])
    nobody = ~history.available[bars.at].any(axis=1)
    whole = np.isfinite(p).all(axis=1)
    upper = np.cumsum(p, axis=1)
    width = bars.right - bars.left
    for number in range(p.shape[1]):
        colour = QColor(theme.of_class(number))
        # Without a sensor there is the prior alone, which nobody feels.
        for chosen, pattern in ((~nobody, Qt.BrushStyle.SolidPattern), (nobody, Qt.BrushStyle.Dense6Pattern)):
            seen = whole & chosen
            bottom, height = (upper[seen, number] - p[seen, number]), p[seen, number]
            brush = QBrush(colour, pattern)
            content.rectangles.append(Rectangles(bars.left[seen], width[seen], bottom, height, brush))
    shadow = np.cumsum(_fractions(history.shadow[bars.at]), axis=1)[:, :-1]
    pen = pg.mkPen(theme.text, width=1)
    content.lines.extend(Line(*steps(bars, shadow[:, number]), pen) for number in range(shadow.shape[1]))
    return content


def contributions(state: DashboardState, theme: Theme, bars: Bars, low: float, high: float) -> Content:
    """A line a view, around zero; shaded where one was missing."""
    content = _missing(state, theme, low, high, -10.0, 20.0)
    if len(bars.at):
        zero = np.array([bars.left[0], bars.right[-1]])
        content.lines.append(Line(zero, np.zeros(2), pg.mkPen(theme.line, width=1)))
    content.lines.extend(_of_views(theme, bars, contributions_seen(state, bars)))
    return content


def contributions_seen(state: DashboardState, bars: Bars) -> Floats:
    """Shape (bars, views); NaN where a view was missing."""
    history = state.predictions
    # None is larger than 1 that a session has worked out; a network may say otherwise.
    return np.where(history.available[bars.at], np.clip(history.contributions[bars.at], -1, 1), np.nan)


def weights(state: DashboardState, theme: Theme, bars: Bars, low: float, high: float) -> Content:
    """A line a view; shaded where one was missing."""
    history, content = state.predictions, _missing(state, theme, low, high, -1.0, 3.0)
    seen = np.where(history.available[bars.at], np.clip(history.weights[bars.at], 0, 1), np.nan)
    content.lines.extend(_of_views(theme, bars, seen))
    return content


def lanes(state: DashboardState, theme: Theme, low: float, high: float) -> Content:
    """A lane a view: full where it was there, hatched where it was missing, and empty where there was no window."""
    history, content = state.predictions, Content()
    hop_s = state.layout.hop_s if state.layout is not None else 1.0
    grey = QColor(theme.muted)
    hatched, edge = QBrush(grey, Qt.BrushStyle.BDiagPattern), pg.mkPen(grey, width=1)
    for number, view in enumerate(history.views):
        bottom = len(history.views) - 1 - number - 0.36
        there = _seen(stretches(history.stop_s, history.available[:, number], hop_s), low, high)
        missing = _seen(state.missing_stretches(view), low, high)
        content.rectangles.append(_spans(there, bottom, 0.72, QBrush(QColor(theme.of_view(number)))))
        content.rectangles.append(_spans(missing, bottom, 0.72, hatched, edge))
    return content


def trials(state: DashboardState, theme: Theme, low: float, high: float, lane: float, fits: Fits) -> Content:
    """Trials in a lane above the probabilities; markers and what operators have noted as lines through them."""
    content, now_s = Content(), state.now_s()
    labels = () if state.layout is None else state.layout.labels
    for trial in state.trials.trials:
        # Before the first status the clock is NaN. What a session that is not heard any more shows, nobody knows.
        stop_s = trial.stop_s if trial.stop_s is not None else max(trial.start_s, min(now_s, state.heard_until_s))
        if stop_s < low or trial.start_s > high or trial.label not in labels:
            continue
        colour = QColor(theme.of_class(labels.index(trial.label)))
        span = [(trial.start_s, stop_s)]
        content.rectangles.append(_spans(span, LANE_TOP, lane, QBrush(colour), pg.mkPen(theme.panel)))
        start_s = max(trial.start_s, low)
        if len(content.texts) < MOST_TEXTS and fits(trial.label, (min(stop_s, high) - start_s) / (high - low)):
            content.texts.append(Writing(trial.label, start_s, LANE_TOP + lane / 2, _on(colour), False))
    markers = [m.stamp_s for m in state.trials.markers if low <= m.stamp_s <= high][-MOST_MARKERS:]
    notes = [note for note in state.annotations if low <= note.stamp_s <= high][-MOST_TEXTS:]
    content.lines.append(_upright(markers, LANE_TOP, pg.mkPen(theme.line, width=1)))
    content.lines.append(_upright([note.stamp_s for note in notes], NOTE_TOP, pg.mkPen(theme.text, width=1)))
    text = QColor(theme.text)
    content.texts.extend(Writing(note.text, note.stamp_s, NOTE_TOP, text, True) for note in notes)
    return content


def _of_views(theme: Theme, bars: Bars, values: Floats) -> list[Line]:
    return [
        Line(*steps(bars, values[:, number]), pg.mkPen(theme.of_view(number), width=1))
        for number in range(values.shape[1])
    ]


def _missing(state: DashboardState, theme: Theme, low: float, high: float, bottom: float, height: float) -> Content:
    """A shade over the stretches in which a view was missing."""
    shade = QColor(theme.muted)
    shade.setAlpha(45)
    spans = [_seen(state.missing_stretches(view), low, high) for view in state.predictions.views]
    return Content([_spans(of_view, bottom, height, QBrush(shade)) for of_view in spans])


def _spans(
    spans: list[tuple[float, float]], bottom: float, height: float, brush: QBrush, pen: QPen | None = None
) -> Rectangles:
    starts = np.array([start for start, _ in spans])
    return Rectangles(starts, np.array([stop - start for start, stop in spans]), bottom, height, brush, pen)


def _upright(stamps_s: list[float], top: float, pen: QPen) -> Line:
    return Line(np.repeat(np.array(stamps_s), 2), np.tile([0.0, top], len(stamps_s)), pen, pairs=True)


def _fractions(values: Floats) -> Floats:
    """Probabilities; NaN for what is none."""
    return np.where((values >= 0) & (values <= 1), values, np.nan)


def _seen(spans: list[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    return [(start, stop) for start, stop in spans if stop >= low and start <= high]


def _on(colour: QColor) -> QColor:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = (part**2.2 for part in (colour.redF(), colour.greenF(), colour.blueF()))
    # Where black and white have the same contrast (WCAG).
    return QColor("#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff")
