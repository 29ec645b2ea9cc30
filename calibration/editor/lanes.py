"""The lanes around the streams: labels, markers, and all of the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF

from calibration.editor.boxes import Hands, TimeBox
from calibration.editor.desk import Desk
from calibration.editor.stream_plot import AXIS_PX
from calibration.labels.track import NO_LABEL, LabelSegment
from rtemo.dashboard.minutes import MinuteAxis
from rtemo.dashboard.panel import shown, style_axes
from rtemo.dashboard.strokes import Line, Rectangles, Strokes
from rtemo.dashboard.theme import Theme
from rtemo.printable import printable

MOST_TEXTS: Final = 60
MOST_MARKS: Final = 1000
LEAST_TEXT_PX: Final = 14.0
REPORTS: Final = ("valence", "arousal", "dominance", "emotion")
Name = tuple[float, float, str, QColor]


class Lanes:
    """Labels, markers and the whole, one plot each; moments are seconds since the first sample.

    Parameters
    ----------
    desk : Desk
    hands : Hands
        Of labels and markers.
    whole : Hands
        Of the whole recording, where dragging moves what is seen.
    theme : Theme

    Attributes
    ----------
    plots : dict of str to PlotItem
        ``labels``, ``markers``, ``whole``.
    markers : list of (float, str)
        In order.
    duration_s : float
    """

    def __init__(self, desk: Desk, hands: Hands, whole: Hands, theme: Theme) -> None:
        self._desk, self._theme = desk, theme
        self._font = QFont()
        self.markers: list[tuple[float, str]] = []
        self.duration_s = 0.0
        self.plots: dict[str, pg.PlotItem] = {}
        self._strokes: dict[str, Strokes] = {}
        self._texts: dict[str, list[pg.TextItem]] = {"labels": [], "markers": []}
        for name, title, of, draws in (
            ("labels", "labels", hands, True),
            ("markers", "markers", hands, False),
            ("whole", "all of it", whole, True),
        ):
            plot = pg.PlotItem(viewBox=TimeBox(of, draws=draws), axisItems={"bottom": MinuteAxis("bottom")})
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.disableAutoRange()
            plot.setYRange(0, 1, padding=0)
            plot.getAxis("left").setTicks([[(0.5, title)]])
            plot.showAxis("bottom", name == "whole")
            self._strokes[name] = Strokes()
            plot.addItem(self._strokes[name], ignoreBounds=True)
            self.plots[name] = plot
        self.plots["whole"].setMouseEnabled(x=False, y=False)
        self.plots["markers"].setXLink(self.plots["labels"])

    @property
    def written(self) -> dict[str, list[str]]:
        """What is written, by lane."""
        return {lane: [one.toPlainText() for one in texts if one.isVisible()] for lane, texts in self._texts.items()}

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        self._theme = theme
        for plot in self.plots.values():
            self._font = QFont(style_axes(plot, theme, scale))
            plot.getAxis("left").setWidth(round(AXIS_PX * scale))
        for texts in self._texts.values():
            for text in texts:
                text.setFont(self._font)

    def colour(self, label: str) -> QColor:
        """Of a label; grey for one that is not known."""
        labels = self._desk.labels
        return QColor(self._theme.of_class(labels.index(label)) if label in labels else self._theme.muted)

    def rectangles(self, segments: Sequence[LabelSegment], bottom: float, top: float, opacity: int) -> list[Rectangles]:
        """Segments as rectangles, one look for each label, and hatching where it is none of the known ones."""
        found = []
        for label in dict.fromkeys(segment.label for segment in segments):
            of = [segment for segment in segments if segment.label == label]
            left = np.array([segment.start_s for segment in of])
            width = np.array([segment.duration_s for segment in of])
            colour = self.colour(label)
            colour.setAlpha(opacity)
            known = label in self._desk.labels
            brush = QBrush(colour, Qt.BrushStyle.SolidPattern if known else Qt.BrushStyle.BDiagPattern)
            found.append(Rectangles(left, width, bottom, top - bottom, brush))
        return found

    def lines(self, bottom: float, top: float, low: float, high: float) -> list[Line]:
        """Edges of the selected segment, and the cursor."""
        y = np.array([bottom, top])
        chosen = self._desk.segment
        marks = (
            [] if chosen is None else [(edge, pg.mkPen(self._theme.accent)) for edge in (chosen.start_s, chosen.stop_s)]
        )
        marks.append((self._desk.cursor_s, pg.mkPen(self._theme.text, style=Qt.PenStyle.DashLine)))
        return [Line(np.array([at, at]), y, pen) for at, pen in marks if low <= at <= high]

    def draw(self, segments: Sequence[LabelSegment], low: float, high: float) -> None:
        """Draw what is seen."""
        self._draw_labels(segments, low, high)
        self._draw_markers(low, high)
        window = Rectangles(np.array([low]), high - low, 0.02, 0.96, QBrush(), pg.mkPen(self._theme.accent))
        everything = self.rectangles(self._desk.track.segments, 0.2, 0.8, 235)
        self._strokes["whole"].put([*everything, window], [], QRectF(0, 0, max(self.duration_s, 1.0), 1))

    def _draw_labels(self, segments: Sequence[LabelSegment], low: float, high: float) -> None:
        lines = self.lines(0, 1, low, high)
        chosen = self._desk.segment
        if chosen is not None:
            x = np.array([chosen.start_s, chosen.stop_s, chosen.stop_s, chosen.start_s, chosen.start_s])
            # Two thin frames: a wider pen is slow.
            for inset, colour in ((0.02, self._theme.accent), (0.06, self._theme.text)):
                frame = np.array([inset, inset, 1 - inset, 1 - inset, inset])
                lines.append(Line(np.clip(x, low, high), frame, pg.mkPen(colour)))
        track = self._desk.history.track.segments
        wrong = sorted({n for one in self._desk.problems if one.error for n in one.segments if n < len(track)})
        if wrong:
            x = np.array([edge for n in wrong[:MOST_MARKS] for edge in (track[n].start_s, track[n].stop_s)])
            lines.append(Line(x, np.full(len(x), 0.02), pg.mkPen(self._theme.critical), pairs=True))
        rectangles = self.rectangles(segments, 0.08, 0.92, 235)
        self._strokes["labels"].put(rectangles, lines, QRectF(low, 0, high - low, 1))
        names = [(one.start_s, one.stop_s, said(one), self._on(one.label)) for one in segments]
        self._write("labels", names, low, high)

    def _on(self, label: str) -> QColor:
        """Black or white, whichever can be read on the colour of a label."""
        if label not in self._desk.labels:
            return QColor(self._theme.text)
        ground = self.colour(label)
        red, green, blue = (part**2.2 for part in (ground.redF(), ground.greenF(), ground.blueF()))
        # Where black and white have the same contrast (WCAG).
        return QColor("#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff")

    def _draw_markers(self, low: float, high: float) -> None:
        moments = np.array([at for at, _ in self.markers])
        first, last = (int(place) for place in np.searchsorted(moments, [low, high]))
        px_s = (high - low) / max(self.plots["markers"].getViewBox().width(), 1.0)
        # One line a pixel, however many markers there are.
        at = np.unique(np.round(moments[first:last] / px_s)) * px_s
        line = Line(np.repeat(at, 2), np.tile([0.0, 1.0], len(at)), pg.mkPen(self._theme.muted), pairs=True)
        lines = [line, *self.lines(0, 1, low, high)]
        self._strokes["markers"].put([], lines, QRectF(low, 0, high - low, 1))
        names: list[Name] = []
        for number in range(first, min(last, first + 20 * MOST_TEXTS)):
            start_s, text = self.markers[number]
            stop_s = self.markers[number + 1][0] if number + 1 < len(self.markers) else high
            names.append((start_s, stop_s, printable(text, 40), QColor(self._theme.text)))
        self._write("markers", names, low, high)

    def _write(self, lane: str, names: Sequence[Name], low: float, high: float) -> None:
        """Write into a lane what there is room for."""
        px_s = (high - low) / max(self.plots[lane].getViewBox().width(), 1.0)
        metrics = QFontMetricsF(self._font)
        texts, used = self._texts[lane], 0
        for start_s, stop_s, text, colour in names:
            from_s = max(start_s, low)
            room = (min(stop_s, high) - from_s) / px_s - 8
            if room < LEAST_TEXT_PX or used == MOST_TEXTS:
                continue
            if used == len(texts):
                texts.append(pg.TextItem(anchor=(0, 0.5)))
                texts[-1].setFont(self._font)
                self.plots[lane].addItem(texts[-1], ignoreBounds=True)
            lines = (metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in text.split("\n"))
            item, used = texts[used], used + 1
            item.setColor(colour)
            item.setPlainText("\n".join(lines))
            item.setPos(from_s + 2 * px_s, 0.5)
            item.show()
        for item in texts[used:]:
            item.hide()


def said(segment: LabelSegment) -> str:
    """A segment's label, and below it what the participant answered."""
    answers = []
    for name in REPORTS:
        text = segment.cells.get(name, "")
        if text not in ("", NO_LABEL):
            answers.append(f"{name[0].upper()} {text}" if name != "emotion" else text)
    label = shown(segment.label or "no label", 30)
    return f"{label}\n{shown('  '.join(answers), 40)}" if answers else label
