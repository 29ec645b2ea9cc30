"""Where on the head each band is strong: one map a band, from the newest seconds of the EEG."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QFont

from rtemo.dashboard.panel import AXIS_PT, ElidedLabel, Panel, opaque, set_text, shown
from rtemo.dashboard.spectrum import band_levels, spectrum
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.topography import Topography
from rtemo.dashboard.traces import SignalBuffer
from rtemo.telemetry import ViewLayout

SECONDS, SEGMENT_S = 4.0, 2.0
EVERY_S = 1.0


def mapped_view(state: DashboardState) -> ViewLayout | None:
    """The first view that has bands, which is the one whose maps are drawn."""
    views = () if state.layout is None else state.layout.views
    return next((view for view in views if view.bands), None)


class ScalpPanel(Panel):
    """Maps side by side, each with a colour scale of its own: blue is low and yellow high."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Scalp: power of each band (dB)", theme)
        self.note = ElidedLabel("", "muted")
        self.heading.addWidget(self.note)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.setAccessibleName("Scalp maps")
        opaque(self.graphics)
        self.body.addWidget(self.graphics, 1)
        self._made: Future[Topography] | None = None
        self._made_for: tuple[str, ...] = ()
        self._closed = False
        self._for: tuple[object, ...] = ()
        self._buffer: SignalBuffer | None = None
        self._drawn_s = -np.inf
        self._scale = 1.0
        self._texts: list[pg.TextItem] = []
        self._outlines: list[pg.PlotCurveItem] = []
        self._bands: dict[str, tuple[pg.PlotItem, pg.ImageItem, pg.ScatterPlotItem, pg.ScatterPlotItem]] = {}
        self._colours = pg.colormap.get("viridis").getLookupTable(nPts=256)
        self.maps: dict[str, np.ndarray] = {}
        self.set_theme(theme, 1.0)

    def refresh(self, state: DashboardState) -> None:
        """Draw the maps anew, once a second."""
        view = mapped_view(state)
        if view is None:
            if self._for:
                self._take_away()
                self._for, self._buffer = (), None
            set_text(self.note, "no view of this session has bands")
            return
        of = (view.name, view.channels, tuple(view.bands.items()))
        if self._for != of:
            self._for = of
            self._lay_out(view)
        buffer = state.signals.get(view.stream)
        if buffer is not self._buffer:
            # Of another session, whose clock may say just the same.
            self._buffer, self._drawn_s = buffer, -np.inf
            self._clear("waiting for the signal")
        topography = self._topography(view.channels)
        if topography is None or buffer is None:
            self._clear("waiting for the signal")
            return
        if not topography.known:
            set_text(self.note, "fewer than six channels have a place on the head")
            return
        now_s = state.now_s()
        # The clock of another session may be far behind.
        if not math.isfinite(now_s) or abs(now_s - self._drawn_s) < EVERY_S:
            return
        self._drawn_s = now_s
        stamps_s, values = buffer.latest(SECONDS)
        at = {label: number for number, label in reversed(list(enumerate(buffer.labels)))}
        columns = [at[label] for label in view.channels if label in at]
        if len(columns) != len(view.channels) or view.stream in state.gone or not len(stamps_s):
            self._clear("the signal is not there")
            return
        if now_s - float(stamps_s[-1]) > SEGMENT_S:
            self._clear(f"no signal for {now_s - float(stamps_s[-1]):.0f} s")
            return
        # Whatever a device sends: a channel with values that are not finite counts as bad here.
        with np.errstate(over="ignore", invalid="ignore"):
            found = spectrum(stamps_s, values[:, columns], buffer.rate_hz, segment_s=SEGMENT_S)
        if found is None:
            self._clear(f"needs {SEGMENT_S:g} s without a gap")
            return
        set_text(self.note, f"{shown(view.name)}, the last {SECONDS:g} s")
        bad = state.bad.get(view.name, {})
        levels = band_levels(found, view.bands.values())
        for number, band in enumerate(view.bands):
            self._show(band, topography, levels[:, number], set(bad))

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._scale = scale
        self.graphics.setBackground(theme.panel)
        self._colour()
        self._drawn_s = -np.inf

    def close_pool(self) -> None:
        """Begin no map any more; nobody waits for one that is being made."""
        self._closed = True

    def _topography(self, channels: tuple[str, ...]) -> Topography | None:
        """The one for these channels; None as long as it is being made, one at a time."""
        if self._made is None or (self._made_for != channels and self._made.done()):
            if self._closed:
                return None
            self._made, self._made_for = _in_background(channels), channels
        return self._made.result() if self._made_for == channels and self._made.done() else None

    def _colour(self) -> None:
        outline = pg.mkPen(self.theme.muted, width=1)
        for part in self._outlines:
            part.setPen(outline)
        font = QFont(self.font())
        font.setPointSizeF(AXIS_PT * self._scale)
        for text in self._texts:
            text.setColor(self.theme.text)
            text.setFont(font)
        for _, _, _, crossed in self._bands.values():
            crossed.setBrush(pg.mkBrush(self.theme.critical))

    def _take_away(self) -> None:
        """Remove all maps, and what was kept of them: Qt deletes what is removed, and nobody may colour it then."""
        self.graphics.clear()
        self._bands, self._texts, self._outlines, self.maps = {}, [], [], {}
        self._drawn_s = -np.inf

    def _lay_out(self, view: ViewLayout) -> None:
        self._take_away()
        angle = np.linspace(0, 2 * np.pi, 100)
        for number, (band, (low, high)) in enumerate(view.bands.items()):
            plot = self.graphics.addPlot(row=0, col=number, enableMenu=False)
            self.graphics.ci.layout.setColumnPreferredWidth(number, 100.0)
            self.graphics.ci.layout.setColumnStretchFactor(number, 1)
            plot.hideAxis("left")
            plot.hideAxis("bottom")
            plot.setAspectLocked()
            plot.hideButtons()
            plot.setMouseEnabled(x=False, y=False)
            image = pg.ImageItem(axisOrder="row-major")
            image.setLookupTable(self._colours)
            plot.addItem(image)
            for x, y in ((np.cos(angle), np.sin(angle)), ([-0.12, 0, 0.12], [0.99, 1.12, 0.99])):
                self._outlines.append(pg.PlotCurveItem(x, y))
                plot.addItem(self._outlines[-1])
            good = pg.ScatterPlotItem(size=3, pen=pg.mkPen(None), brush=pg.mkBrush("#000000"))
            crossed = pg.ScatterPlotItem(
                size=9, symbol="x", pen=pg.mkPen("#ffffff"), brush=pg.mkBrush(self.theme.critical)
            )
            plot.addItem(good)
            plot.addItem(crossed)
            for said, above, anchor in ((shown(band, 12), 1.16, (0.5, 1)), (f"{low:g}-{high:g} Hz", -1.05, (0.5, 0))):
                text = pg.TextItem(anchor=anchor)
                text.setPlainText(said)
                text.setPos(0, above)
                plot.addItem(text, ignoreBounds=True)
                self._texts.append(text)
            plot.setRange(xRange=(-1.1, 1.1), yRange=(-1.55, 1.65), padding=0)
            self._bands[band] = (plot, image, good, crossed)
        self._colour()

    def _show(self, band: str, topography: Topography, values: np.ndarray, bad: set[str]) -> None:
        _, image, good, crossed = self._bands[band]
        picture = topography.picture(values, bad)
        if picture is None:
            self._clear("too few good channels")
            return
        self.maps[band] = picture
        finite = picture[np.isfinite(picture)]
        image.setImage(picture, levels=(float(finite.min()), float(max(finite.max(), finite.min() + 1e-6))))
        # Pixels' middles lie on the grid from -1 to 1.
        half = 1.0 / (len(picture) - 1)
        image.setRect(-1 - half, -1 - half, 2 + 2 * half, 2 + 2 * half)
        struck = np.array([label in bad for label in topography.labels], dtype=bool) | ~np.isfinite(values)
        there = np.isfinite(topography.positions).all(axis=1)
        for points, chosen in ((good, there & ~struck), (crossed, there & struck)):
            points.setData(pos=topography.positions[chosen])

    def _clear(self, why: str) -> None:
        """An old map is not left standing."""
        set_text(self.note, why)
        if not self.maps:
            return
        self.maps = {}
        for _, image, good, crossed in self._bands.values():
            image.clear()
            good.setData([], [])
            crossed.setData([], [])


def _in_background(channels: tuple[str, ...]) -> Future[Topography]:
    """A topography to be: made in a thread that no closed dashboard waits for, as it would for an executor's."""
    made: Future[Topography] = Future()

    def make() -> None:
        try:
            made.set_result(Topography(channels))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            made.set_exception(error)

    threading.Thread(target=make, name="rtemo-scalp", daemon=True).start()
    return made
