"""The timeline: labels to be dragged, markers, every stream, and the whole recording below."""

from __future__ import annotations

import math
from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from calibration.editor.boxes import Grip, Hands, grip
from calibration.editor.desk import Desk, Side
from calibration.editor.lanes import Lanes
from calibration.editor.loading import Loaded
from calibration.editor.stream_plot import StreamPlot
from rtemo.dashboard.theme import Theme

SHORTEST_S: Final = 0.05
MARGIN: Final = 0.05
"""Of the recording, that can be seen beyond its ends."""
LANE_PX, MARKERS_PX, WHOLE_PX, STREAM_PX = 54, 36, 46, 60
FADE: Final = 46
"""Opacity of a segment behind signals, of 255."""
STEPS: Final = {"free": "new segment", "inside": "move", "start": "other start", "stop": "other stop"}


class Timeline(QWidget):
    """Labels, markers and streams over time; moments are seconds since the first sample.

    Attributes
    ----------
    changed : Signal
        Something was selected, moved, or made.
    streams : dict of str to StreamPlot
        By key.
    hidden : set of str
        Keys of streams that are not shown.
    count, page : int
        Channels of a stream that are shown at once, and which of them.
    gain : float
    duration_s : float
        Of the recording; 0 before it is known.
    """

    changed = Signal()

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__()
        self._desk, self._theme, self._scale = desk, theme, 1.0
        self.count, self.page, self.gain = 8, 0, 1.0
        self.duration_s = 0.0
        self.streams: dict[str, StreamPlot] = {}
        self.hidden: set[str] = set()
        self._grip = Grip("free")
        self._from_s = self._offset_s = 0.0
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.setAccessibleName("Timeline")
        self.graphics.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.graphics)
        self._grid = self.graphics.ci.layout
        self._grid.setSpacing(2)
        self._grid.setContentsMargins(4, 4, 10, 2)
        self._hands = Hands(self._at, self._press, self._move, self._release, self._click)
        whole = Hands(
            lambda at_s, within_s: Grip("free"),
            lambda held, at_s: self.centre(at_s),
            lambda to_s, within_s: self.centre(to_s),
            lambda: None,
            self.centre,
        )
        self.lanes = Lanes(desk, self._hands, whole, theme)
        # Many wishes to draw, of a wheel or a mouse, are one.
        self._drawing = QTimer(self)
        self._drawing.setSingleShot(True)
        self._drawing.timeout.connect(self.draw)
        for told in (self._box.sigXRangeChanged, self._box.sigResized):
            told.connect(lambda *_: self.draw_soon())
        self._arrange()
        self.set_theme(theme, 1.0)

    @property
    def seen(self) -> tuple[float, float]:
        """Between which moments everything is seen."""
        low, high = self._box.viewRange()[0]
        return float(low), float(high)

    def show_recording(self, loaded: Loaded) -> None:
        """Show a recording from its beginning to its end."""
        survey = loaded.survey
        self.duration_s = self.lanes.duration_s = survey.duration_s
        names = {stream.key: stream.name for stream in survey.streams}
        several = len({marker.stream for marker in survey.markers}) > 1
        marks = [
            (marker.stamp_s - survey.first_s, f"{names[marker.stream]}: {marker.text}" if several else marker.text)
            for marker in survey.markers
        ]
        self.lanes.markers = sorted([*marks, *self._desk.others])
        for key, pyramid in loaded.pyramids.items():
            self.streams[key] = StreamPlot(pyramid, survey.first_s, self._hands)
            self.streams[key].plot.setXLink(self.lanes.plots["labels"])
            # How many names there is room for is known once Qt has laid the plots out.
            self.streams[key].plot.getViewBox().sigResized.connect(lambda *_: self.draw_soon())
        margin_s = MARGIN * self.duration_s
        linked = [self.lanes.plots["labels"], self.lanes.plots["markers"], *(one.plot for one in self.streams.values())]
        for plot in linked:
            plot.getViewBox().setLimits(xMin=-margin_s, xMax=self.duration_s + margin_s, minXRange=SHORTEST_S)
        self.lanes.plots["whole"].setXRange(0, self.duration_s, padding=0.01)
        self.arrange()
        self.fit()

    def fit(self) -> None:
        """Show all of it."""
        self._box.setXRange(0, max(self.duration_s, SHORTEST_S), padding=0.01)

    def zoom(self, factor: float) -> None:
        """Show less or more around the cursor, or the middle where it is not seen."""
        low, high = self.seen
        middle = self._desk.cursor_s if low <= self._desk.cursor_s <= high else (low + high) / 2
        self.show_stretch(middle - (middle - low) * factor, middle + (high - middle) * factor)

    def pan(self, spans: float) -> None:
        """Go back or forth by a part of what is seen."""
        low, high = self.seen
        self.show_stretch(low + spans * (high - low), high + spans * (high - low))

    def centre(self, at_s: float) -> None:
        """Bring a moment to the middle."""
        low, high = self.seen
        self.show_stretch(at_s - (high - low) / 2, at_s + (high - low) / 2)

    def bring(self, start_s: float, stop_s: float) -> None:
        """See to it that a stretch, or its beginning, is seen."""
        low, high = self.seen
        span = high - low
        if start_s < low or (stop_s > high and start_s > low + span / 2):
            begin = start_s - max(0.1 * span, (span - (stop_s - start_s)) / 2)
            self.show_stretch(begin, begin + span)

    def show_stretch(self, low: float, high: float) -> None:
        """Show a stretch, as far as the recording goes."""
        margin_s = MARGIN * self.duration_s
        span = min(max(high - low, SHORTEST_S), max(self.duration_s + 2 * margin_s, SHORTEST_S))
        low = min(max(low, -margin_s), self.duration_s + margin_s - span)
        self._box.setXRange(low, low + span, padding=0)

    def step_cursor(self, spans: float) -> None:
        """Move the cursor by a part of what is seen."""
        low, high = self.seen
        desk = self._desk
        desk.cursor_s = min(max(desk.cursor_s + spans * (high - low), 0.0), self.duration_s)
        self.bring(desk.cursor_s, desk.cursor_s)
        self.changed.emit()

    def set_hidden(self, key: str, hidden: bool) -> None:
        """Show a stream, or do not."""
        (self.hidden.add if hidden else self.hidden.discard)(key)
        self.arrange()

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        self._theme, self._scale = theme, scale
        self.graphics.setBackground(theme.panel)
        self.arrange()

    def arrange(self) -> None:
        """Lay the plots out anew."""
        self._arrange()
        self.lanes.set_theme(self._theme, self._scale)
        for stream in self._shown():
            stream.set_theme(self._theme, self._scale)
        self.draw_soon()

    def colour(self, label: str) -> QColor:
        """Of a label; grey for one that is not known."""
        return self.lanes.colour(label)

    def draw_soon(self) -> None:
        """Draw once the events that wait are done with."""
        if not self._drawing.isActive():
            self._drawing.start(0)

    def draw(self) -> None:
        """Draw everything that is seen."""
        self._drawing.stop()
        low, high = self.seen
        segments = [one for one in self._desk.track.segments if one.stop_s >= low and one.start_s <= high]
        self.lanes.draw(segments, low, high)
        for stream in self._shown():
            stream.draw(self.count, self.page, self.gain)
            bottom, top = stream.plot.getViewBox().viewRange()[1]
            bounds = QRectF(low, bottom, high - low, top - bottom)
            stream.regions.put(self.lanes.rectangles(segments, bottom, top, FADE), [], bounds)
            stream.lines.put([], self.lanes.lines(bottom, top, low, high), bounds)

    @property
    def _box(self) -> pg.ViewBox:
        return self.lanes.plots["labels"].getViewBox()

    def _shown(self) -> list[StreamPlot]:
        return [stream for key, stream in self.streams.items() if key not in self.hidden]

    def _arrange(self) -> None:
        """Lay the plots out below each other; each stream gets room by its channels."""
        for plot in list(self.graphics.ci.items):
            self.graphics.ci.removeItem(plot)
        streams, lanes = self._shown(), self.lanes.plots
        plots = [lanes["labels"], lanes["markers"], *(one.plot for one in streams), lanes["whole"]]
        fixed = {0: LANE_PX, 1: MARKERS_PX, len(plots) - 1: WHOLE_PX}
        for row, plot in enumerate(plots):
            self.graphics.addItem(plot, row=row, col=0)
            px = fixed.get(row)
            if px is not None:
                self._grid.setRowFixedHeight(row, px * self._scale)
                continue
            channels = streams[row - 2].shown(self.count, self.page)
            weight = math.sqrt(channels.stop - channels.start)
            self._grid.setRowMinimumHeight(row, STREAM_PX / 2)
            self._grid.setRowMaximumHeight(row, 16_000)
            self._grid.setRowPreferredHeight(row, STREAM_PX * weight)
            self._grid.setRowStretchFactor(row, round(10 * weight))
        for row in range(len(plots), self._grid.rowCount()):
            self._grid.setRowFixedHeight(row, 0)
        for stream in streams:
            stream.plot.showAxis("bottom", stream is streams[-1])

    def _at(self, moment_s: float, within_s: float) -> Grip:
        return grip(self._desk.history.track, moment_s, within_s, self._desk.selected)

    def _press(self, held: Grip, at_s: float) -> None:
        self._grip, self._from_s, self._offset_s = held, at_s, 0.0
        self._desk.select(held.number)
        if held.place == "inside" and self._desk.segment is not None:
            self._offset_s = at_s - self._desk.segment.start_s

    def _move(self, to_s: float, within_s: float) -> None:
        desk, held = self._desk, self._grip
        if held.number is None:
            desk.draw(desk.near(self._from_s, within_s), desk.near(to_s, within_s))
        elif held.place == "inside":
            desk.drag(held.number, None, desk.near(to_s - self._offset_s, within_s, but=held.number))
        else:
            side: Side = "start" if held.place == "start" else "stop"
            desk.drag(held.number, side, desk.near(to_s, within_s, but=held.number))
        self.draw_soon()

    def _release(self) -> None:
        self._desk.drop(STEPS[self._grip.place])
        self.changed.emit()

    def _click(self, at_s: float) -> None:
        self._desk.cursor_s = min(max(at_s, 0.0), self.duration_s)
        self._desk.select(self._desk.history.track.at(at_s))
        self.changed.emit()
