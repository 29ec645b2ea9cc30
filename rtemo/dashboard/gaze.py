"""Where the person looks, and where they have looked in the last seconds."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtemo.dashboard.panel import ElidedLabel, Panel, set_text, shown, style_axes
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.traces import SignalBuffer
from rtemo.telemetry import ViewLayout
from rtemo.types import Floats

TRAIL_S = 3.0
OLD_S = 0.5
POINTS = 60
START = (0.0, 1.0, 0.0, 1.0)
SURE = (1, 99)
"""Percentiles of the trail that the axes make room for: a tracker's single slip does not shrink all the rest."""
NORMALISED = 1.5
"""Coordinates that are hardly larger are fractions of a screen."""


def gaze_view(state: DashboardState) -> ViewLayout | None:
    """The first view that knows which of its channels are the gaze's x and y."""
    views = () if state.layout is None else state.layout.views
    return next((view for view in views if {"x", "y"} <= set(view.columns)), None)


class GazePanel(Panel):
    """The gaze on the screen; y grows downwards, as trackers count."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Gaze", theme)
        self.note = ElidedLabel("", "muted")
        self.heading.addWidget(self.note)
        self.plot = pg.PlotWidget(enableMenu=False)
        self.plot.setAccessibleName("Gaze")
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.invertY(True)
        item.setAspectLocked(False)
        self.trail = pg.PlotCurveItem(connect="finite")
        self.dots = pg.ScatterPlotItem(size=5, pen=pg.mkPen(None))
        self.point = pg.ScatterPlotItem(size=16)
        self.frame = pg.PlotCurveItem()
        for part in (self.frame, self.trail, self.dots, self.point):
            item.addItem(part)
        self.body.addWidget(self.plot, 1)
        self._drawn: tuple[object, ...] = ()
        self._edges = START
        self._of: SignalBuffer | None = None
        self.set_theme(theme, 1.0)

    def refresh(self, state: DashboardState) -> None:
        """Draw the newest gaze; none where it is old."""
        view = gaze_view(state)
        if view is None:
            self._clear("no view of this session has columns x and y")
            return
        buffer = state.signals.get(view.stream)
        if buffer is None or not {view.columns["x"], view.columns["y"]} <= set(buffer.labels):
            self._clear("waiting for the signal")
            return
        if buffer is not self._of:
            # Another session's tracker, or the same in other units, may count quite otherwise.
            self._of, self._edges, self._drawn = buffer, START, ()
        now_s = state.now_s()
        mark = (buffer.revision, round(now_s, 1))
        if mark == self._drawn:
            return
        self._drawn = mark
        stamps_s, values = buffer.latest(TRAIL_S)
        recent = stamps_s > now_s - TRAIL_S
        at = [buffer.labels.index(view.columns[part]) for part in ("x", "y")]
        points = values[recent][:, at].astype(np.float64)
        stamps_s = stamps_s[recent]
        if "valid" in view.columns and view.columns["valid"] in buffer.labels:
            valid = values[recent][:, buffer.labels.index(view.columns["valid"])] > 0
            points[~valid] = np.nan
        self._show(points, stamps_s, now_s)
        gone = "NOT THERE" if view.stream in state.gone else ""
        old = not len(stamps_s) or now_s - float(stamps_s[-1]) > OLD_S
        set_text(self.note, gone or ("no gaze now" if old else f"{shown(view.name)}, the last {TRAIL_S:g} s"))

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._drawn = ()
        self.plot.setBackground(theme.panel)
        self.trail.setPen(pg.mkPen(theme.muted, width=1))
        self.dots.setBrush(pg.mkBrush(theme.muted))
        self.point.setBrush(pg.mkBrush(theme.accent))
        self.point.setPen(pg.mkPen(theme.text))
        self.frame.setPen(pg.mkPen(theme.line, width=1))
        style_axes(self.plot.getPlotItem(), theme, scale)

    def _clear(self, why: str) -> None:
        """What was seen of another session is not left standing."""
        set_text(self.note, why)
        if self._drawn != (why,):
            self._drawn = (why,)
            self._of = None
            for part in (self.trail, self.dots, self.point, self.frame):
                part.setData([], [])

    def _show(self, points: Floats, stamps_s: Floats, now_s: float) -> None:
        thinned = points[:: max(1, len(points) // POINTS)]
        self.trail.setData(thinned[:, 0], thinned[:, 1])
        seen = np.isfinite(thinned).all(axis=1)
        self.dots.setData(pos=thinned[seen])
        newest = bool(len(points)) and np.isfinite(points[-1]).all() and now_s - float(stamps_s[-1]) <= OLD_S
        self.point.setData(pos=points[-1:] if newest else np.empty((0, 2)))
        finite = points[np.isfinite(points).all(axis=1)]
        if not len(finite):
            return
        low, high = np.percentile(finite, SURE, axis=0)
        left, right, top, bottom = self._edges
        if max(np.abs([low, high]).max(), right, bottom) <= NORMALISED:
            edges = (min(left, low[0], 0.0), max(right, high[0], 1.0), min(top, low[1], 0.0), max(bottom, high[1], 1.0))
        else:
            if right <= NORMALISED:
                left, right, top, bottom = low[0], high[0], low[1], high[1]
            edges = (min(left, low[0]), max(right, high[0]), min(top, low[1]), max(bottom, high[1]))
        self._edges = tuple(float(edge) for edge in edges)  # type: ignore[assignment]
        left, right, top, bottom = self._edges
        self.frame.setData([left, right, right, left, left], [top, top, bottom, bottom, top])
        self.plot.setRange(xRange=(left, right), yRange=(top, bottom), padding=0.05)
