"""The spectrum of one channel, over the newest seconds."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtemo.dashboard.panel import Choice, ElidedLabel, Panel, opaque, set_text, shown, style_axes
from rtemo.dashboard.spectrum import spectrum
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import Theme
from rtemo.dashboard.traces import SignalBuffer

SECONDS = 8.0
HIGHEST_HZ = 70.0
EVERY_S = 0.5


class SpectrumPanel(Panel):
    """Power density in dB of a channel that is chosen."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Spectrum", theme)
        self.note = ElidedLabel("", "muted")
        self.heading.addWidget(self.note, 1)
        self.channels = Choice("Channel")
        self.channels.currentIndexChanged.connect(lambda _: self._again())
        self.heading.addWidget(self.channels)
        self.plot = pg.PlotWidget(enableMenu=False)
        self.plot.setAccessibleName("Spectrum")
        opaque(self.plot)
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setMouseEnabled(x=True, y=False)
        item.setLabel("bottom", "Hz")
        item.setLabel("left", "dB")
        self.curve = pg.PlotCurveItem(connect="finite")
        item.addItem(self.curve)
        self.body.addWidget(self.plot, 1)
        self._drawn_s = -np.inf
        self._buffer: SignalBuffer | None = None
        self._offered: tuple[tuple[str, tuple[str, ...]], ...] = ()
        self.set_theme(theme, 1.0)

    def refresh(self, state: DashboardState) -> None:
        """Draw the spectrum anew, twice a second."""
        self._offer(state)
        chosen = self.channels.currentData()
        now_s = state.now_s()
        buffer = None if chosen is None else state.signals.get(chosen[0])
        if buffer is not self._buffer:
            # Of another session, whose clock may say just the same.
            self._buffer = buffer
            self._again()
        if chosen is None:
            self._clear("no signal yet")
            return
        # The clock of another session may be far behind.
        if abs(now_s - self._drawn_s) < EVERY_S:
            return
        self._drawn_s = now_s
        key, channel = chosen
        found = None
        if buffer is not None and key not in state.gone and channel < len(buffer.labels):
            stamps_s, values = buffer.latest(SECONDS)
            if len(stamps_s) and now_s - float(stamps_s[-1]) < 1.0:
                # Whatever a device sends: what is not finite gives a spectrum of NaN, of which nothing is drawn.
                with np.errstate(over="ignore", invalid="ignore"):
                    found = spectrum(stamps_s, values[:, [channel]], buffer.rate_hz)
        if found is None:
            self._clear("needs two seconds without a gap")
            return
        set_text(self.note, f"the last {SECONDS:g} s at most")
        seen = (found.frequencies_hz > 0) & (found.frequencies_hz <= HIGHEST_HZ)
        self.curve.setData(found.frequencies_hz[seen], found.density_db[0][seen])

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._again()
        self.plot.setBackground(theme.panel)
        self.curve.setPen(pg.mkPen(theme.accent, width=1))
        style_axes(self.plot.getPlotItem(), theme, scale)

    def _clear(self, why: str) -> None:
        """What was seen of another session or before a gap is not left standing."""
        set_text(self.note, why)
        if self.curve.xData is not None and len(self.curve.xData):
            self.curve.setData([], [])

    def _again(self) -> None:
        self._drawn_s = -np.inf

    def _offer(self, state: DashboardState) -> None:
        signals = ((key, state.signals[key]) for key in state.signal_keys)
        offered = tuple((key, buffer.labels) for key, buffer in signals if buffer.rate_hz > 0)
        if offered == self._offered:
            return
        offers = [(key, label) for key, labels in offered for label in labels]
        kept = self._chosen()
        self._offered = offered
        self.channels.blockSignals(True)
        self.channels.clear()
        for key, labels in offered:
            for number, label in enumerate(labels):
                self.channels.addItem(shown(label, 24), (key, number))
        if kept in offers:
            self.channels.setCurrentIndex(offers.index(kept))
        self.channels.blockSignals(False)
        self._again()

    def _chosen(self) -> tuple[str, str] | None:
        """Stream and label: labels alone are not told apart, nor do numbers stay the same."""
        chosen = self.channels.currentData()
        labels = dict(self._offered)
        return None if chosen is None else (chosen[0], labels[chosen[0]][chosen[1]])
