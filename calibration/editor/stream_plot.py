"""The plot of one stream: its channels below each other, as lowest and highest values of each column."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetricsF

from calibration.editor.boxes import Hands, TimeBox
from calibration.editor.pyramid import Pyramid, Seen, Singles
from rtemo.dashboard.minutes import MinuteAxis
from rtemo.dashboard.panel import shown, style_axes
from rtemo.dashboard.strokes import Strokes
from rtemo.dashboard.theme import Theme

ROOM: Final = 0.7
"""Of its row that a channel's usual range fills."""
MOST_COLUMNS: Final = 900
AXIS_PX: Final = 84
NAME_MARGIN_PX: Final = 14


class StreamPlot:
    """One stream over time; moments are seconds since the first sample of the recording.

    Parameters
    ----------
    pyramid : Pyramid
    first_s : float
        LSL local-clock time of the first sample of the recording.
    hands : Hands
    """

    def __init__(self, pyramid: Pyramid, first_s: float, hands: Hands) -> None:
        self.pyramid, self._first_s = pyramid, first_s
        self.plot = pg.PlotItem(viewBox=TimeBox(hands, draws=False), axisItems={"bottom": MinuteAxis("bottom")})
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.disableAutoRange()
        self.regions = Strokes()
        self.regions.setZValue(-10)
        self.plot.addItem(self.regions, ignoreBounds=True)
        self.curve = pg.PlotCurveItem(connect="finite", antialias=False)
        self.curve.setSegmentedLineMode("on")
        self.plot.addItem(self.curve, ignoreBounds=True)
        self.lines = Strokes()
        self.lines.setZValue(10)
        self.plot.addItem(self.lines, ignoreBounds=True)
        self.title = pg.TextItem(anchor=(0, 0))
        self.title.setParentItem(self.plot.getViewBox())
        self.title.setPos(4, 0)
        self._drawn: tuple[object, ...] = ()
        self._rows: tuple[object, ...] = ()
        self._scale = 1.0
        units = set(pyramid.stream.channel_units)
        self._common = pyramid.stream.channels > 1 and len(units) == 1 and "" not in units

    def shown(self, count: int, page: int) -> slice:
        """The channels of a page, the last one being full where there are as many."""
        channels = self.pyramid.stream.channels
        first = max(0, min(page * count, channels - count))
        return slice(first, min(first + count, channels))

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        self._drawn, self._rows, self._scale = (), (), scale
        font = style_axes(self.plot, theme, scale)
        self.plot.getAxis("left").setWidth(round(AXIS_PX * scale))
        self.title.setFont(font)
        self.title.setColor(QColor(theme.muted))
        ground = QColor(theme.panel)
        ground.setAlpha(200)
        self.title.fill = pg.mkBrush(ground)
        self.curve.setPen(pg.mkPen(theme.text, width=1))

    def draw(self, count: int, page: int, gain: float) -> None:
        """Draw what is seen, unless it is drawn already."""
        low_s, high_s = self.plot.getViewBox().viewRange()[0]
        chosen = self.shown(count, page)
        self._name(chosen)
        columns = min(MOST_COLUMNS, max(50, round(self.plot.getViewBox().width())))
        mark = (low_s, high_s, chosen.start, chosen.stop, gain, columns)
        if mark != self._drawn:
            self._drawn = mark
            seen = self.pyramid.between(low_s + self._first_s, high_s + self._first_s, columns, chosen)
            self._put(seen, chosen, gain)

    def _put(self, seen: Seen, chosen: slice, gain: float) -> None:
        channels = chosen.stop - chosen.start
        if not len(seen.at_s):
            self.curve.setData([], [])
            return
        height = self.pyramid.height[chosen]
        middle = self.pyramid.middle[chosen]
        if self._common:
            # Of signals of one kind the sizes compare, and drifts do not matter.
            height = np.full(channels, np.median(self.pyramid.height), dtype=np.float32)
            middle = _median(seen, middle)
        offset = np.arange(channels, 0, -1, dtype=np.float32) - np.float32(0.5)
        points = len(seen.at_s)
        flip = (np.arange(points) % 2 == 0)[:, None]
        y = np.full((channels, 2 * points + 1), np.nan, dtype=np.float32)
        y[:, 0:-1:2] = np.where(flip, seen.low, seen.high).T
        y[:, 1:-1:2] = np.where(flip, seen.high, seen.low).T
        with np.errstate(over="ignore", invalid="ignore"):
            y[:, :-1] = (y[:, :-1] - middle[:, None]) * np.float32(ROOM * gain) / height[:, None]
        np.clip(y, -1.5, 1.5, out=y)
        y += offset[:, None]
        x = np.empty(2 * points + 1)
        x[0:-1:2] = x[1:-1:2] = seen.at_s - self._first_s
        x[-1] = x[-2]
        self.curve.setData(np.tile(x, channels), y.ravel())

    def _name(self, chosen: slice) -> None:
        """Names of channels at the left, as many as there is room for."""
        box = self.plot.getViewBox()
        channels = chosen.stop - chosen.start
        metrics = QFontMetricsF(self.title.textItem.font())
        line = metrics.height()
        room = max(box.height() - 1.2 * line, 1.0)
        every = max(1, math.ceil(channels * line / room))
        rows = (chosen.start, chosen.stop, round(room))
        if rows == self._rows:
            return
        self._rows = rows
        stream = self.pyramid.stream
        labels = stream.channel_labels[chosen]
        # A name that is wider than the axis would not be drawn at all.
        width = AXIS_PX * self._scale - NAME_MARGIN_PX
        names = [metrics.elidedText(shown(name), Qt.TextElideMode.ElideMiddle, width) for name in labels]
        ticks = [(channels - number - 0.5, name) for number, name in enumerate(names) if number % every == 0]
        self.plot.getAxis("left").setTicks([ticks])
        # Above the channels there is room for the name of the stream.
        box.setYRange(0, channels * max(box.height(), 1.0) / room, padding=0)
        units = set(stream.channel_units[chosen])
        unit = f", {shown(units.pop(), 12)}" if len(units) == 1 and "" not in units else ""
        part = f"{chosen.start + 1}-{chosen.stop} of {stream.channels}"
        kind = f" ({shown(stream.type, 20)})" if stream.type != stream.name else ""
        self.title.setPlainText(f"{shown(stream.name, 30)}{kind}   channels {part}{unit}")


def _median(seen: Seen, otherwise: Singles) -> Singles:
    """Of each channel in what is seen."""
    some = (seen.low[::4] + seen.high[::4]) / 2
    there = np.isfinite(some).any(axis=0)
    found = otherwise.copy()
    if there.any():
        found[there] = np.nanmedian(some[:, there], axis=0)
    return found
