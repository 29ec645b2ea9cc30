"""A small recording with markers, and the editor's window on it, in tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from calibration.editor.desk import Desk
from calibration.editor.loading import Loader
from calibration.editor.window import Asks, EditorWindow
from rtemo.config import Configuration, parse_configuration
from rtemo.xdf.writer import XdfWriter

START_S = 1000.0
MARKERS = ((5.0, "clip/sad"), (15.0, "pause"), (25.0, "clip/joy"), (40.0, "pause"))
LABELS = ("sad", "joy")


def small_recording(path: Path, seconds: int = 60, channels: int = 12) -> Path:
    """A minute of EEG and gaze, and markers of two clips."""
    rng = np.random.default_rng(0)
    with XdfWriter(path) as writer:
        names = [f"E{number}" for number in range(1, channels + 1)]
        eeg = writer.add_stream("amplifier", "EEG", names, 50.0, units="microvolts", hostname="h")
        gaze = writer.add_stream("tracker", "Gaze", ["x", "y"], 30.0, hostname="h")
        text = writer.add_stream("clips", "Markers", 1, 0.0, "string", hostname="h")
        for second in range(seconds):
            if second % 5 == 0:
                for stream in (eeg, gaze, text):
                    writer.write_clock_offset(stream, START_S + second, 0.0)
            for stream, rate, width in ((eeg, 50, channels), (gaze, 30, 2)):
                stamps_s = START_S + second + np.arange(rate) / rate
                writer.write_samples(stream, stamps_s, rng.normal(0, 10, (rate, width)).astype(np.float32))
            for at_s, said in MARKERS:
                if second <= at_s < second + 1:
                    writer.write_samples(text, [START_S + at_s], [[said]])
    return path


def configuration(**more: object) -> Configuration:
    document = {
        "labels": list(LABELS),
        "views": {"eeg": {"stream": {"type": "EEG"}, "features": "statistics"}},
        "markers": {"stream": {"type": "Markers"}, "labels": {f"clip/{name}": name for name in LABELS}},
        **more,
    }
    return parse_configuration(document, "test")


class EditorLab:
    """A window, what it is asked, and a hand on mouse and keyboard; moments are seconds of the recording."""

    def __init__(self, qtbot: QtBot, recording: Path, config: Configuration | None = None) -> None:
        self.qtbot = qtbot
        self.leave_answer, self.overwrite_answer = "discard", False
        self.asked: list[str] = []
        asks = Asks(lambda parent: self._ask("leave"), lambda parent, why: bool(self._ask("overwrite")))
        self.desk = Desk(recording, config)
        self.window = EditorWindow(self.desk, Loader(recording, config), asks=asks)
        self.window.show()
        qtbot.waitExposed(self.window)

    def _ask(self, what: str) -> str:
        self.asked.append(what)
        return self.leave_answer if what == "leave" else "yes" if self.overwrite_answer else ""

    def read(self) -> EditorLab:
        self.qtbot.waitUntil(lambda: not self.window.progress.isVisible(), timeout=20_000)
        self.settle()
        return self

    def settle(self) -> None:
        QApplication.processEvents()
        self.window.timeline.draw()

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.window.timeline.graphics, key, modifier)
        self.settle()

    def drag(self, lane: str, *moments_s: float) -> None:
        """Press at the first moment, move over the others, and let go at the last."""
        places = [self._place(lane, moment_s) for moment_s in moments_s]
        self._mouse(QEvent.Type.MouseButtonPress, places[0])
        for before, after in itertools.pairwise(places):
            for part in (0.25, 0.5, 0.75, 1.0):
                self._mouse(QEvent.Type.MouseMove, before + (after - before) * part)
        self._mouse(QEvent.Type.MouseButtonRelease, places[-1])
        self.settle()

    def click(self, lane: str, moment_s: float) -> None:
        place = self._place(lane, moment_s)
        self._mouse(QEvent.Type.MouseButtonPress, place)
        self._mouse(QEvent.Type.MouseButtonRelease, place)
        self.settle()

    def stretches(self) -> list[tuple[float, float, str]]:
        return [(round(one.start_s, 2), round(one.stop_s, 2), one.label) for one in self.desk.history.track.segments]

    def _place(self, lane: str, moment_s: float) -> QPointF:
        timeline = self.window.timeline
        plot = timeline.lanes.plots.get(lane) or timeline.streams[lane].plot
        box = plot.getViewBox()
        bottom, top = box.viewRange()[1]
        scene = box.mapViewToScene(QPointF(moment_s, bottom + 0.4 * (top - bottom)))
        return QPointF(timeline.graphics.mapFromScene(scene))

    def _mouse(self, kind: QEvent.Type, place: QPointF) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        held = none if kind == QEvent.Type.MouseButtonRelease else left
        viewport = self.window.timeline.graphics.viewport()
        where = QPointF(viewport.mapToGlobal(place))
        event = QMouseEvent(kind, place, where, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(viewport, event)
        QApplication.processEvents()


OpenEditor = Callable[..., EditorLab]
