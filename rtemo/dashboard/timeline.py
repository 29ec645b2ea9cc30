"""The session over time: what was felt, what the frozen model says, and which sensor said so. All plots are linked."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF
from PySide6.QtWidgets import QPushButton

from rtemo.dashboard.bars import bars_of
from rtemo.dashboard.minutes import MinuteAxis
from rtemo.dashboard.panel import Panel, opaque, shown, style_axes
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.strokes import WIDEST, Strokes, Texts
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.timeline_strokes import (
    LANE_TOP,
    contributions,
    contributions_seen,
    lanes,
    probabilities,
    trials,
    weights,
)
from rtemo.types import Floats

SPAN_S: Final = 300.0
"""Seen at first, and after `follow`."""
SHORTEST_S, LONGEST_S = 5.0, 6 * 3600.0
AHEAD, LEAST_AHEAD_S = 0.02, 1.0
"""Of the span, right of now, and at least so much."""
LANE_PX: Final = 16.0
"""Height of the lane of trials."""
AXIS_PX = 62
LEAST_P, LEAST_LANES = 0.36, 0.34
"""Parts of the height that probabilities and lanes keep, where there is little of it."""
DRAW_EVERY_S, LATE = 1.0, 1.5
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
        self._ground: tuple[object, ...] = ()
        self._marks: tuple[object, ...] = ()
        self._due: list[str] = []
        self._whole: set[str] = set()
        self._newest_s: dict[str, float] = {}
        self._drawn_low = self._round_s = -math.inf
        self._revision = 0
        self._newest_stop_s = math.nan
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
        opaque(self.graphics)
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
        self._texts = Texts(self.plots["p"])
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
        self._ground = ()

    def zoom(self, factor: float) -> None:
        """Show less or more: the right edge stays."""
        low, high = self.visible_range
        self.span_s = min(max((high - low) * factor, SHORTEST_S), LONGEST_S)
        self._set_range(high - self.span_s, high)

    def pan(self, spans: float) -> None:
        """Go back or forth by a part of what is seen."""
        low, high = self.visible_range
        self._set_following(False)
        self._set_range(low + spans * (high - low), high + spans * (high - low))

    def refresh(self, state: DashboardState) -> None:
        """Draw what is new: a plot a frame, so that no frame takes long; all of them where all is another picture."""
        now_s = state.now_s()
        if self.following and math.isfinite(now_s):
            self._follow_to(now_s)
        if state.status is not None:
            self._set_origin(state.status.now_s - state.status.elapsed_s)
        self._fit(state.predictions.views)
        low, high = self.visible_range
        ground = (state.predictions, self.theme.name, self._fitted, round(high - low, 6))
        marks = (state.trials.revision, len(state.annotations))
        far = abs(low - self._drawn_low) > (self._ahead_s() if self.following else 0.0)
        if ground != self._ground or far or self._is_late(state):
            self._ground, self._marks, self._whole, self._due = ground, marks, set(self.plots), list(self.plots)
            self._begin_round(state, low)
        elif low != self._drawn_low or (self._round_is_due(now_s) and state.predictions.revision != self._revision):
            # In the frames to come: this one has to show the emotion, or the plots at their new places.
            self._due = list(self.plots)
            self._begin_round(state, low)
            return
        if marks != self._marks:
            self._marks = marks
            self._whole.add("p")
            self._due = ["p", *(name for name in self._due if name != "p")]
        at_once = len(self._due) if self._whole >= set(self.plots) else 1
        for name in self._due[:at_once]:
            self._draw(name, state, low, high)
        del self._due[:at_once]

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._ground, self._fitted, self._scale = (), (), scale
        self.graphics.setBackground(theme.panel)
        for plot in self.plots.values():
            self._font = QFont(style_axes(plot, theme, scale))
            plot.getAxis("left").setWidth(round(AXIS_PX * scale))
        self._texts.set_font(self._font)

    def _fit(self, views: tuple[str, ...]) -> None:
        """Give each plot the room that it needs most, and the ticks that it has room for."""
        heights = {name: plot.getViewBox().height() for name, plot in self.plots.items()}
        fitted = (views, self._scale, *map(round, heights.values()))
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

    def _ahead_s(self) -> float:
        """So far right of now the edge is put, and stands until now has come to it."""
        return max(AHEAD * self.span_s, LEAST_AHEAD_S)

    def _follow_to(self, now_s: float) -> None:
        """Go on with the session in steps: a picture that stands is not painted again."""
        low, high = self.visible_range
        ahead_s = self._ahead_s()
        if not high - 1.5 * ahead_s <= now_s <= high or abs(high - low - self.span_s) > 1e-3:
            self._set_range(now_s + ahead_s - self.span_s, now_s + ahead_s)

    def _begin_round(self, state: DashboardState, low: float) -> None:
        history = state.predictions
        self._drawn_low, self._round_s, self._revision = low, state.now_s(), history.revision
        self._newest_stop_s = float(history.stop_s[-1]) if len(history) else math.nan

    def _round_is_due(self, now_s: float) -> bool:
        """Once a second; the clock may be another session's."""
        return not math.isfinite(now_s) or not abs(now_s - self._round_s) < DRAW_EVERY_S

    def _is_late(self, state: DashboardState) -> bool:
        """Whether more is new than the next windows of a second: it is shown at once."""
        history = state.predictions
        if (
            state.layout is None
            or not len(history)
            or history.revision == self._revision
            or not self._round_is_due(state.now_s())
        ):
            return False
        return not float(history.stop_s[-1]) - self._newest_stop_s <= LATE * max(DRAW_EVERY_S, state.layout.hop_s)

    def _draw(self, name: str, state: DashboardState, low: float, high: float) -> None:
        theme = self.theme
        bars = bars_of(state.predictions.stop_s, low, high, state.layout.hop_s if state.layout is not None else 1.0)
        if name == "p":
            content = probabilities(state, theme, bars)
            marks = trials(state, theme, low, high, self._lane, self._fits)
            content.rectangles.extend(marks.rectangles)
            content.lines.extend(marks.lines)
            self._texts.put(marks.texts, theme.panel)
        elif name == "c":
            self._fit_contributions(contributions_seen(state, bars))
            content = contributions(state, theme, bars, low, high)
        elif name == "w":
            content = weights(state, theme, bars, low, high)
        else:
            content = lanes(state, theme, low, high)
        bottom, top = self.plots[name].getViewBox().viewRange()[1]
        from_s = -math.inf if name in self._whole else self._newest_s.get(name, -math.inf)
        self._whole.discard(name)
        # The newest bar may grow; its edge is a pixel wide.
        pixel_s = (high - low) / max(self.plots[name].getViewBox().width(), 1.0)
        self._newest_s[name] = float(bars.left[-1]) - 2 * pixel_s if len(bars.at) else -math.inf
        bounds = QRectF(low, bottom, high - low, top - bottom)
        self.strokes[name].put(content.rectangles, content.lines, bounds, from_s)

    def _fit_contributions(self, seen: Floats) -> None:
        """In few steps, so that the scale does not jump from window to window."""
        largest = float(np.nanmax(np.abs(seen), initial=0.1)) if np.isfinite(seen).any() else 0.1
        scale = next(scale for scale in SCALES if scale >= largest)
        if scale != self._scale_c:
            self._scale_c = scale
            self.plots["c"].setYRange(-scale, scale, padding=0.05)

    def _fits(self, text: str, part: float) -> bool:
        """Whether the name of a trial has room in the lane."""
        needed = QFontMetricsF(self._font).horizontalAdvance(shown(text, WIDEST)) + 10
        return self._told and part * self.plots["p"].getViewBox().width() > needed
