"""Signals as they come: all channels of a stream in one curve, bad ones struck out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QPushButton

from rtemo.dashboard.channel_names import ChannelNames
from rtemo.dashboard.panel import Choice, ElidedLabel, Panel, opaque, set_text, shown, style_axes
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.traces import SignalBuffer
from rtemo.printable import printable

Singles = NDArray[np.float32]
SHOWN = (8, 16, 32, 64)
GAIN_STEP = 1.5
ROOM = 0.8
"""Of its row that a trace fills, where it is as high as most."""
SECONDS = 10.0
"""Of the time axis before a signal is there."""


class SignalsPanel(Panel):
    """Scrolling traces of one stream."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Signals", theme)
        self._gain = 1.0
        self._chosen = False
        self._first = 0
        self._scale = 1.0
        self._height: float | None = None
        self._drawn: tuple[object, ...] = ()
        self._offered: dict[str, str] = {}
        self._rows: tuple[object, ...] = ()
        self.streams = Choice("Stream")
        self.streams.currentIndexChanged.connect(lambda _: self._begin())
        self.streams.activated.connect(lambda _: self._choose())
        self.count = Choice("Channels shown")
        for number in SHOWN:
            self.count.addItem(f"{number} channels", number)
        self.count.setCurrentIndex(1)
        self.count.currentIndexChanged.connect(lambda _: self._begin())
        self.where = ElidedLabel("", "muted")
        self.heading.addWidget(self.where)
        for text, tip, step in (("▲", "Channels above (PgUp)", -1), ("▼", "Channels below (PgDn)", 1)):
            self._button(text, tip, lambda step=step: self.turn(step))
        for text, tip, factor in (("−", "Lower gain (-)", 1 / GAIN_STEP), ("+", "Higher gain (+)", GAIN_STEP)):
            self._button(text, tip, lambda factor=factor: self.change_gain(factor))
        self.heading.addWidget(self.count)
        self.heading.addWidget(self.streams)
        self.plot = pg.PlotWidget(enableMenu=False)
        self.plot.setAccessibleName("Traces")
        opaque(self.plot)
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.hideAxis("left")
        self.curve = pg.PlotCurveItem(connect="finite", antialias=False)
        self.bad_curve = pg.PlotCurveItem(connect="finite", antialias=False)
        for curve in (self.curve, self.bad_curve):
            curve.setSegmentedLineMode("on")
            item.addItem(curve)
        item.disableAutoRange()
        item.setXRange(-SECONDS, 0, padding=0.005)
        self.names = ChannelNames(item, theme)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self.names)
        row.addWidget(self.plot, 1)
        self.body.addLayout(row, 1)
        self.set_theme(theme, 1.0)

    def _button(self, text: str, tip: str, clicked: object) -> None:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.clicked.connect(clicked)
        button.setMaximumWidth(34)
        self.heading.addWidget(button)

    @property
    def key(self) -> str:
        """Of the stream that is shown; empty where there is none."""
        data = self.streams.currentData()
        return data if isinstance(data, str) else ""

    @property
    def struck(self) -> tuple[str, ...]:
        """Labels of shown channels that are struck out."""
        return tuple(label for label, bad in self.names.rows if bad)

    def change_gain(self, factor: float) -> None:
        """Make traces higher or lower."""
        self._gain = min(max(self._gain * factor, 1e-3), 1e3)
        self._drawn = ()

    def turn(self, pages: int) -> None:
        """Show the channels above or below."""
        self._first = max(0, self._first + pages * int(self.count.currentData()))
        self._drawn = ()

    def refresh(self, state: DashboardState) -> None:
        """Draw what has come."""
        self._offer(state)
        buffer = state.signals.get(self.key)
        if buffer is None:
            self._clear()
            return
        shown_now = int(self.count.currentData())
        self._first = max(0, min(self._first, len(buffer.labels) - shown_now))
        chosen = slice(self._first, min(self._first + shown_now, len(buffer.labels)))
        bad = _bad_of(state, self.key)
        self.names.show_scores(_scores_of(state, self.key, buffer.labels[chosen]))
        now_s = state.now_s()
        gone = self.key in state.gone
        # Before the first status the clock is NaN, which is not even itself.
        at_s = round(now_s, 1) if math.isfinite(now_s) else None
        mark = (buffer, buffer.revision, at_s, gone, chosen.start, chosen.stop, self._gain, tuple(sorted(bad)))
        if mark == self._drawn:
            return
        self._drawn = mark
        # Whatever a device sends: what is beyond float32 is cut off like all that is too high.
        with np.errstate(over="ignore", invalid="ignore"):
            self._draw(buffer, chosen, bad, now_s)
        unit = shown(buffer.units[chosen.start], 12) if buffer.units else ""
        row = (self._height or 1.0) / self._gain
        there = "   NOT THERE" if gone else ""
        said = f"{chosen.start + 1}-{chosen.stop} of {len(buffer.labels)}   {row:.3g} {unit} a row{there}"
        set_text(self.where, said)

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._scale = scale
        self._drawn, self._rows = (), ()
        self.names.theme, self.names.scale = theme, scale
        self.plot.setBackground(theme.panel)
        self.curve.setPen(pg.mkPen(theme.text, width=1))
        self.bad_curve.setPen(pg.mkPen(theme.critical, width=1))
        style_axes(self.plot.getPlotItem(), theme, scale)

    def _offer(self, state: DashboardState) -> None:
        """Keep the list of streams as the session's is."""
        names = {key: shown(_name_of(state, key), 24) for key in state.signal_keys}
        if self._offered == names:
            return
        if list(self._offered) == list(names):
            # A stream's name may be known later than its samples are.
            for number, name in enumerate(names.values()):
                self.streams.setItemText(number, name)
        else:
            kept = self.key
            self.streams.blockSignals(True)
            self.streams.clear()
            for key, name in names.items():
                self.streams.addItem(name, key)
            if kept in names and self._chosen:
                self.streams.setCurrentIndex(list(names).index(kept))
            self.streams.blockSignals(False)
            self._begin()
        self._offered = names

    def _clear(self) -> None:
        """Nothing of a stream that is not there any more is left standing, nor are its names."""
        if self._drawn != ("nothing",):
            self._drawn, self._rows = ("nothing",), ()
            self.curve.setData([], [])
            self.bad_curve.setData([], [])
            self.names.show_rows(())
            self.names.show_scores(())
        set_text(self.where, "no signal yet")

    def _choose(self) -> None:
        """The operator has chosen: from now on nothing else is shown by itself."""
        self._chosen = True

    def _begin(self) -> None:
        self._drawn, self._rows = (), ()
        self._height = None

    def _draw(self, buffer: SignalBuffer, chosen: slice, bad: set[str], now_s: float) -> None:
        edges_s, low, high = buffer.columns(now_s)
        low, high = low[chosen], high[chosen]
        labels = buffer.labels[chosen]
        # Of every eighth column: enough for where a trace lies.
        centre = _median(low[:, ::8] / 2 + high[:, ::8] / 2)
        height = self._follow_height(low, high)
        channels, columns = low.shape
        offset = np.arange(channels, 0, -1, dtype=np.float32) - 0.5
        # From lowest to highest and on to the next column: as many points as a screen can show, however many samples.
        y = np.empty((channels, 2 * columns + 1), dtype=np.float32)
        scale = np.float32(ROOM * self._gain / height)
        flip = np.arange(columns) % 2 == 0
        y[:, 0:-1:2] = np.where(flip, low, high)
        y[:, 1:-1:2] = np.where(flip, high, low)
        y[:, :-1] = (y[:, :-1] - centre[:, None]) * scale
        np.clip(y, -1.5, 1.5, out=y)
        y += offset[:, None]
        y[:, -1] = np.nan
        x = np.empty(2 * columns + 1, dtype=np.float32)
        x[0:-1:2] = x[1:-1:2] = edges_s - edges_s[-1]
        x[-1] = 0
        struck = np.array([label in bad for label in labels], dtype=bool)
        for curve, of in ((self.curve, ~struck), (self.bad_curve, struck)):
            if of.any():
                curve.setData(np.tile(x, int(of.sum())), y[of].ravel())
            else:
                curve.setData([], [])
        self._lay_out(labels, struck, offset, buffer.seconds)

    def _follow_height(self, low: Singles, high: Singles) -> float:
        """What a row stands for: the usual range of a channel; it follows slowly, so that traces do not jump."""
        ranges = np.nanmax(high, axis=1, initial=-np.inf) - np.nanmin(low, axis=1, initial=np.inf)
        ranges = ranges[np.isfinite(ranges) & (ranges > 0)]
        wanted = float(np.median(ranges)) if len(ranges) else 1.0
        before = wanted if self._height is None else self._height
        kept = before if 0.5 < wanted / before < 1.5 else before + 0.2 * (wanted - before)
        self._height = max(kept, 1e-12)
        return self._height

    def _lay_out(self, labels: tuple[str, ...], struck: NDArray[np.bool_], offset: Singles, seconds: float) -> None:
        """Names at the left; anew only where there are others."""
        rows = (labels, struck.tobytes(), seconds, self.theme.name, self._scale)
        if rows == self._rows:
            return
        self._rows = rows
        item = self.plot.getPlotItem()
        set_text(self.title, f"Signals: the last {seconds:g} s")
        item.setXRange(-seconds, 0, padding=0.005)
        item.setYRange(0, max(len(labels), 1), padding=0.01)
        self.names.show_rows(tuple(zip((shown(label, 12) for label in labels), struck.tolist(), strict=True)))


def _median(values: NDArray[np.floating]) -> Singles:
    """Of each row; 0 for a channel of which nothing came."""
    # NaN comes last; numpy's own median that leaves it out takes ten times as long.
    ordered = np.sort(values, axis=1)
    count = np.count_nonzero(~np.isnan(values), axis=1)
    rows = np.arange(len(values))
    middle = ordered[rows, np.maximum(count - 1, 0) // 2] / 2 + ordered[rows, count // 2] / 2
    return np.asarray(np.where(count > 0, middle, np.float32(0)), dtype=np.float32)


def _bad_of(state: DashboardState, key: str) -> set[str]:
    """Labels of a stream's channels that count as bad in any of its views."""
    views = () if state.layout is None else [view.name for view in state.layout.views if view.stream == key]
    return {channel for view in views for channel in state.bad.get(view, {})}


def _scores_of(state: DashboardState, key: str, labels: Sequence[str]) -> tuple[float | None, ...]:
    """How good channels are now, in tenths, the worst of the views that watch them; None where nobody says so."""
    if state.layout is None or state.window is None or key in state.gone:
        return (None,) * len(labels)
    found: dict[str, float] = {}
    for view in state.layout.views:
        scores = state.quality.get(view.name) if view.stream == key else None
        if scores is not None:
            for name, score in zip(scores.names, scores.scores.tolist(), strict=True):
                if math.isfinite(score):
                    # Down to a tenth: what counts as bad does not look like what does not.
                    tenths = math.floor(round(10 * score, 6)) / 10
                    found[name] = min(found.get(name, 1.0), max(tenths, 0.0))
    # Scores are called by what is printable of a channel's label.
    return tuple(found.get(printable(label)) for label in labels) if found else (None,) * len(labels)


def _name_of(state: DashboardState, key: str) -> str:
    streams = () if state.status is None else state.status.streams
    return next((stream.name for stream in streams if stream.key == key), key)
