"""The session over time: what was felt, what the frozen model says, and which sensor said so. All plots are linked."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPen
from PySide6.QtWidgets import QPushButton

from rtemo.dashboard.history import stretches
from rtemo.dashboard.minutes import MinuteAxis
from rtemo.dashboard.panel import Panel, shown, style_axes
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.strokes import Line, Rectangles, Strokes
from rtemo.dashboard.theme import Theme
from rtemo.types import Floats

SPAN_S: Final = 300.0
"""Seen at first, and after `follow`."""
SHORTEST_S, LONGEST_S = 5.0, 6 * 3600.0
AHEAD: Final = 0.02
"""Of the span, right of now."""
MOST_BARS: Final = 900
MOST_TEXTS: Final = 16
LANE_TOP, LANE_PX = 1.03, 16.0
"""Where the lane of trials begins, above the probabilities, and its height."""
AXIS_PX = 62
LEAST_P, LEAST_LANES = 0.36, 0.34
"""Parts of the height that probabilities and lanes keep, where there is little of it."""
DRAW_EVERY_S: Final = 1.0
SCALES = (0.1, 0.2, 0.5, 1.0)


class TimelinePanel(Panel):
    """Probabilities, contributions, weights, and a lane a view that says when it was there.

    Follows the session until the operator pans or zooms.

    Attributes
    ----------
    following_changed : Signal of bool
    """

    following_changed = Signal(bool)

    def __init__(self, theme: Theme) -> None:
        super().__init__("Over time", theme)
        self.following = True
        self.span_s = SPAN_S
        self._drawn: tuple[object, ...] = ()
        self._drawn_s = -math.inf
        self._origin_s = 0.0
        self._scale = 1.0
        self._setting = False
        self.follow_button = QPushButton("Following")
        self.follow_button.setCheckable(True)
        self.follow_button.setChecked(True)
        self.follow_button.setToolTip("Follow the session, five minutes wide (Space)")
        self.follow_button.clicked.connect(lambda: self.follow(not self.following))
        self.heading.addWidget(self.follow_button)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.setAccessibleName("Probabilities, contributions and weights over time")
        self.graphics.setMinimumHeight(200)
        self.body.addWidget(self.graphics, 1)
        self.plots: dict[str, pg.PlotItem] = {}
        self.strokes: dict[str, Strokes] = {}
        for row, (name, title, stretch) in enumerate(
            (("p", "p(label)", 6), ("c", "contrib.", 3), ("w", "weight", 3), ("there", "there", 2))
        ):
            plot = self.graphics.addPlot(row=row, col=0, enableMenu=False, axisItems={"bottom": MinuteAxis("bottom")})
            plot.setLabel("left", title)
            plot.hideButtons()
            plot.setMouseEnabled(x=True, y=False)
            if name != "there":
                plot.hideAxis("bottom")
            plot.disableAutoRange()
            self.strokes[name] = Strokes()
            plot.addItem(self.strokes[name], ignoreBounds=True)
            if row:
                plot.setXLink(self.plots["p"])
            plot.getAxis("left").enableAutoSIPrefix(False)
            self.graphics.ci.layout.setRowStretchFactor(row, stretch)
            self.graphics.ci.layout.setRowPreferredHeight(row, 40.0 * stretch)
            self.graphics.ci.layout.setRowMinimumHeight(row, 20.0)
            self.plots[name] = plot
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 2, 6, 0)
        self.plots["w"].setYRange(0, 1, padding=0.03)
        self.plots["c"].setYRange(-SCALES[-1], SCALES[-1], padding=0.05)
        box = self.plots["p"].getViewBox()
        box.setLimits(minXRange=SHORTEST_S, maxXRange=LONGEST_S)
        box.sigRangeChangedManually.connect(lambda *_: self._panned())
        for plot in list(self.plots.values())[1:]:
            plot.getViewBox().sigRangeChangedManually.connect(lambda *_: self._panned())
        self._texts: list[pg.TextItem] = []
        self._scale_c = SCALES[-1]
        self._lane = 0.1
        self._font = self.font()
        self._fitted: tuple[object, ...] = ()
        self._told = True
        self.set_theme(theme, 1.0)

    @property
    def visible_range(self) -> tuple[float, float]:
        """Moments of the session's clock between which everything is seen."""
        low, high = self.plots["p"].getViewBox().viewRange()[0]
        return float(low), float(high)

    def follow(self, on: bool = True) -> None:
        """Go with the session again, five minutes wide; or stand still."""
        if on and not self.following:
            self.span_s = SPAN_S
        self._set_following(on)
        self._drawn = ()

    def zoom(self, factor: float) -> None:
        """Show less or more: the right edge stays."""
        low, high = self.visible_range
        self.span_s = min(max((high - low) * factor, SHORTEST_S), LONGEST_S)
        self._set_range(high - self.span_s, high)
        self._drawn = ()

    def pan(self, spans: float) -> None:
        """Go back or forth by a part of what is seen."""
        low, high = self.visible_range
        self._set_following(False)
        self._set_range(low + spans * (high - low), high + spans * (high - low))
        self._drawn = ()

    def refresh(self, state: DashboardState) -> None:
        """Draw what is new, once a second at most."""
        now_s = state.now_s()
        if self.following and math.isfinite(now_s):
            low, high = self.visible_range
            right = now_s + AHEAD * self.span_s
            if not high - DRAW_EVERY_S <= right <= high + DRAW_EVERY_S or abs(high - low - self.span_s) > 1e-3:
                self._set_range(right - self.span_s, right)
        if state.status is not None:
            self._set_origin(state.status.now_s - state.status.elapsed_s)
        self._fit(state.predictions.views)
        low, high = self.visible_range
        seen = (state.predictions, round(low, 1), round(high, 1), self.theme.name, self._fitted)
        known = (state.predictions.revision, state.trials.revision, len(state.annotations))
        if (*seen, *known) == self._drawn:
            return
        due = not math.isfinite(now_s) or not abs(now_s - self._drawn_s) < DRAW_EVERY_S
        if due or seen != self._drawn[: len(seen)]:
            self._drawn, self._drawn_s = (*seen, *known), now_s
            self._draw(state, low, high)

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._drawn, self._fitted, self._scale = (), (), scale
        self.graphics.setBackground(theme.panel)
        for plot in self.plots.values():
            self._font = QFont(style_axes(plot, theme, scale))
            plot.getAxis("left").setWidth(round(AXIS_PX * scale))
        for text in self._texts:
            text.setFont(self._font)

    def _fit(self, views: tuple[str, ...]) -> None:
        """Give each plot the room that it needs most, and the ticks that it has room for."""
        heights = {name: plot.getViewBox().height() for name, plot in self.plots.items()}
        fitted = (views, self._scale, self._scale_c, *map(round, heights.values()))
        if fitted == self._fitted:
            return
        self._fitted = fitted
        metrics = QFontMetricsF(self._font)
        line, all_px = metrics.height(), self.graphics.height()
        rows = self.graphics.ci.layout
        rows.setRowMinimumHeight(0, LEAST_P * all_px)
        rows.setRowMinimumHeight(3, min((len(views) + 1.4) * line, LEAST_LANES * all_px))
        lane_px = min(LANE_PX * self._scale, heights["p"] / 3)
        self._lane = LANE_TOP * lane_px / max(heights["p"] - lane_px, 1.0)
        self._told = lane_px >= 0.9 * line
        self.plots["p"].setYRange(0, LANE_TOP + self._lane, padding=0)
        room = AXIS_PX * self._scale - line - 8
        names = [metrics.elidedText(shown(view), Qt.TextElideMode.ElideRight, room) for view in views]
        self.plots["there"].setYRange(-0.5, max(len(views) - 0.5, 0.5), padding=0.02)
        lanes = self.plots["there"].getAxis("left")
        lanes.setTicks([[(len(views) - 1 - number, name) for number, name in enumerate(names)]])
        # Lower lanes have smaller names.
        font = QFont(self._font)
        font.setPointSizeF(max(font.pointSizeF() * min(1.0, heights["there"] / (max(len(views), 1) * line)), 5.0))
        lanes.setStyle(tickFont=font)
        half = self._scale_c / 2
        # A height in lines, and the ticks of a plot that is as high: the first that fits.
        choices: dict[str, tuple[tuple[int, list[tuple[float, str]]], ...]] = {
            "p": ((4, [(0, "0"), (0.5, "50 %"), (1, "100 %")]), (3, [(0, "0"), (1, "100 %")]), (0, [(1, "100 %")])),
            "c": ((5, [(-half, f"{-half:g}"), (0, "0"), (half, f"{half:g}")]), (0, [(0, "0")])),
            "w": ((4, [(0, "0"), (0.5, "0.5"), (1, "1")]), (3, [(0, "0"), (1, "1")]), (0, [(0.5, "0.5")])),
        }
        for name, choice in choices.items():
            ticks = next(ticks for lines, ticks in choice if heights[name] >= lines * line or not lines)
            self.plots[name].getAxis("left").setTicks([ticks])
        for name, plot in self.plots.items():
            axis = plot.getAxis("left")
            axis.showLabel(axis.label.boundingRect().width() <= heights[name])
            # Without a label the axis would give its room to the plot, and the plots would not stand in line.
            axis.setWidth(round(AXIS_PX * self._scale))

    def _panned(self) -> None:
        if not self._setting:
            low, high = self.visible_range
            self.span_s = high - low
            self._set_following(False)

    def _set_following(self, on: bool) -> None:
        if on == self.following:
            return
        self.following = on
        self.follow_button.setChecked(on)
        self.follow_button.setText("Following" if on else "Follow again (Space)")
        self.following_changed.emit(on)

    def _set_range(self, low: float, high: float) -> None:
        self._setting = True
        try:
            self.plots["p"].setXRange(low, high, padding=0)
        finally:
            self._setting = False

    def _set_origin(self, origin_s: float) -> None:
        # The clock's own jitter is no reason to write all ticks anew.
        if abs(origin_s - self._origin_s) > 0.5:
            self._origin_s = origin_s
            for plot in self.plots.values():
                axis = plot.getAxis("bottom")
                axis.origin_s = origin_s
                axis.picture = None
                axis.update()

    def _draw(self, state: DashboardState, low: float, high: float) -> None:
        rectangles: dict[str, list[Rectangles]] = {name: [] for name in self.plots}
        lines: dict[str, list[Line]] = {name: [] for name in self.plots}
        labels: list[tuple[str, float, float, object, bool]] = []
        layout, history = state.layout, state.predictions
        if layout is not None:
            first, last = np.searchsorted(history.stop_s, [low, high + layout.hop_s])
            step = max(1, math.ceil((last - first) / MOST_BARS))
            # Counted from the session's beginning: the same windows are shown, wherever the edge lies.
            offset = -(history.revision - len(history) + first) % step
            at = slice(first + offset, last, step)
            stop_s = history.stop_s[at]
            if len(stop_s):
                width = step * layout.hop_s
                self._probabilities(state, at, stop_s, width, rectangles["p"], lines["p"])
                self._views(state, at, stop_s, width, lines)
            self._sensors(state, low, high, rectangles)
            self._trials(state, low, high, rectangles["p"], lines["p"], labels)
        for name, strokes in self.strokes.items():
            bottom, top = self.plots[name].getViewBox().viewRange()[1]
            strokes.put(rectangles[name], lines[name], QRectF(low, bottom, high - low, top - bottom))
        self._write(labels)

    def _probabilities(
        self,
        state: DashboardState,
        at: slice,
        stop_s: Floats,
        width: float,
        rectangles: list[Rectangles],
        lines: list[Line],
    ) -> None:
        history, theme = state.predictions, self.theme
        p = _fractions(history.probabilities[at])
        nobody = ~history.available[at].any(axis=1)
        whole = np.isfinite(p).all(axis=1)
        upper = np.cumsum(p, axis=1)
        for number in range(p.shape[1]):
            colour = QColor(theme.of_class(number))
            # Without a sensor there is the prior alone, which nobody feels.
            for chosen, pattern in ((~nobody, Qt.BrushStyle.SolidPattern), (nobody, Qt.BrushStyle.Dense6Pattern)):
                seen = whole & chosen
                bottom, height = (upper[seen, number] - p[seen, number]), p[seen, number]
                rectangles.append(Rectangles(stop_s[seen] - width, width, bottom, height, QBrush(colour, pattern)))
        shadow = np.cumsum(_fractions(history.shadow[at]), axis=1)[:, :-1]
        pen = pg.mkPen(theme.text, width=1)
        lines += [Line(*_steps(stop_s, width, shadow[:, number]), pen) for number in range(shadow.shape[1])]

    def _views(
        self, state: DashboardState, at: slice, stop_s: Floats, width: float, lines: dict[str, list[Line]]
    ) -> None:
        history, theme = state.predictions, self.theme
        available = history.available[at]
        # None is larger than 1 that a session has worked out; a network may say otherwise.
        contributions = np.where(available, np.clip(history.contributions[at], -1, 1), np.nan)
        weights = np.where(available, np.clip(history.weights[at], 0, 1), np.nan)
        zero = np.array([stop_s[0] - width, stop_s[-1]])
        lines["c"].append(Line(zero, np.zeros(2), pg.mkPen(theme.line, width=1)))
        for number in range(available.shape[1]):
            pen = pg.mkPen(theme.of_view(number), width=1)
            for plot, values in (("c", contributions), ("w", weights)):
                lines[plot].append(Line(*_steps(stop_s, width, values[:, number]), pen))
        largest = float(np.nanmax(np.abs(contributions), initial=0.1)) if np.isfinite(contributions).any() else 0.1
        # In few steps, so that the scale does not jump from window to window.
        scale = next(scale for scale in SCALES if scale >= largest)
        if scale != self._scale_c:
            self._scale_c = scale
            self.plots["c"].setYRange(-scale, scale, padding=0.05)

    def _sensors(self, state: DashboardState, low: float, high: float, rectangles: dict[str, list[Rectangles]]) -> None:
        """A lane a view: full where it was there, hatched where it was missing, and empty where there was no window."""
        history, theme = state.predictions, self.theme
        views, hop_s = history.views, state.layout.hop_s if state.layout is not None else 1.0
        lanes = len(views)
        if not len(history):
            return
        available = history.available
        grey = QColor(theme.muted)
        hatched, edge = QBrush(grey, Qt.BrushStyle.BDiagPattern), pg.mkPen(grey, width=1)
        shade = QColor(theme.muted)
        shade.setAlpha(45)
        for number, view in enumerate(views):
            lane = lanes - 1 - number - 0.36
            there = _seen(stretches(history.stop_s, available[:, number], hop_s), low, high)
            missing = _seen(state.missing_stretches(view), low, high)
            rectangles["there"].append(_spans(there, lane, 0.72, QBrush(QColor(theme.of_view(number)))))
            rectangles["there"].append(_spans(missing, lane, 0.72, hatched, edge))
            rectangles["c"].append(_spans(missing, -10.0, 20.0, QBrush(shade)))
            rectangles["w"].append(_spans(missing, -1.0, 3.0, QBrush(shade)))

    def _trials(
        self,
        state: DashboardState,
        low: float,
        high: float,
        rectangles: list[Rectangles],
        lines: list[Line],
        labels: list[tuple[str, float, float, object, bool]],
    ) -> None:
        theme, layout = self.theme, state.layout
        now_s = state.now_s()
        assert layout is not None
        for trial in state.trials.trials:
            stop_s = trial.stop_s if trial.stop_s is not None else max(now_s, trial.start_s)
            if stop_s < low or trial.start_s > high or trial.label not in layout.labels:
                continue
            colour = QColor(theme.of_class(layout.labels.index(trial.label)))
            span = [(trial.start_s, stop_s)]
            rectangles.append(_spans(span, LANE_TOP, self._lane, QBrush(colour), pg.mkPen(theme.panel)))
            start_s = max(trial.start_s, low)
            wide = (min(stop_s, high) - start_s) / (high - low)
            needed = QFontMetricsF(self._font).horizontalAdvance(shown(trial.label, 24)) + 10
            if self._told and len(labels) < MOST_TEXTS and wide * self.plots["p"].getViewBox().width() > needed:
                labels.append((trial.label, start_s, LANE_TOP + self._lane / 2, _on(colour), False))
        markers = np.array([m.stamp_s for m in state.trials.markers if low <= m.stamp_s <= high][-500:])
        y = np.tile([0.0, LANE_TOP], len(markers))
        lines.append(Line(np.repeat(markers, 2), y, pg.mkPen(theme.line, width=1), pairs=True))
        notes = [note for note in state.annotations if low <= note.stamp_s <= high][-MOST_TEXTS:]
        stamps = np.array([note.stamp_s for note in notes])
        y = np.tile([0.0, 0.3], len(notes))
        lines.append(Line(np.repeat(stamps, 2), y, pg.mkPen(theme.text, width=1), pairs=True))
        labels += [(note.text, note.stamp_s, 0.3, theme.text, True) for note in notes]

    def _write(self, labels: list[tuple[str, float, float, object, bool]]) -> None:
        """Texts at their places; those that are there already are used again."""
        while len(self._texts) < len(labels):
            text = pg.TextItem("", anchor=(0, 0.5))
            text.setFont(self._font)
            self.plots["p"].addItem(text, ignoreBounds=True)
            self._texts.append(text)
        for text, label in zip(self._texts, labels, strict=False):
            said, x, y, colour, boxed = label
            text.fill = pg.mkBrush(self.theme.panel if boxed else None)
            text.setColor(colour)
            if text.toPlainText() != shown(said, 24):
                text.setPlainText(shown(said, 24))
            text.setPos(x, y)
        for number, text in enumerate(self._texts):
            text.setVisible(number < len(labels))


def _spans(
    spans: list[tuple[float, float]], bottom: float, height: float, brush: QBrush, pen: QPen | None = None
) -> Rectangles:
    starts = np.array([start for start, _ in spans])
    return Rectangles(starts, np.array([stop - start for start, stop in spans]), bottom, height, brush, pen)


def _fractions(values: Floats) -> Floats:
    """Probabilities; NaN for what is none."""
    return np.where((values >= 0) & (values <= 1), values, np.nan)


def _steps(stop_s: Floats, width: float, values: Floats) -> tuple[Floats, Floats]:
    """Each value from the beginning of its window to its end; NaN between windows that do not follow each other."""
    x = np.column_stack([stop_s - width, stop_s, stop_s])
    y = np.column_stack([values, values, np.full(len(values), np.nan)])
    follows = np.zeros(len(values), dtype=bool)
    follows[:-1] = np.diff(stop_s) < 1.5 * width
    y[follows, 2] = values[follows]
    return x.ravel(), y.ravel()


def _seen(spans: list[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    return [(start, stop) for start, stop in spans if stop >= low and start <= high]


def _on(colour: QColor) -> QColor:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = (part**2.2 for part in (colour.redF(), colour.greenF(), colour.blueF()))
    # Where black and white have the same contrast (WCAG).
    return QColor("#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff")
