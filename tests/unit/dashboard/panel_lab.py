"""A real window on a real state, in virtual time: what tests of the panels look at."""

from __future__ import annotations

import numpy as np
from dashboard_words import LABELS, Watched, stream
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from rtemo.dashboard.messages import Attached, PredictionsSeen, SamplesSeen, StreamOpened
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import ThemeName
from rtemo.dashboard.window import DashboardWindow, Ports
from rtemo.telemetry import AdaptationState, ViewLayout, WindowState

EEG = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")
BANDS = {"alpha": (8.0, 14.0), "beta": (14.0, 31.0)}
VIEWS = (
    ViewLayout(name="eeg", stream="view:eeg", features="differential-entropy", channels=EEG, bands=BANDS),
    ViewLayout(
        name="eye", stream="view:eye", features="eye", channels=("x", "y", "pupil"), columns={"x": "x", "y": "y"}
    ),
    ViewLayout(name="pps", stream="view:pps", features="statistics", channels=("ECG", "EDA")),
)
RATES = {"view:eeg": 250.0, "view:eye": 120.0, "view:pps": 64.0}
GUARDED = AdaptationState(mode="guarded", learnt=7, refused=2, updates=3)


def row(
    probabilities: tuple[float, ...] = (0.2, 0.3, 0.5),
    available: tuple[bool, ...] = (True, True, True),
    weights: tuple[float, ...] = (0.5, 0.3, 0.2),
) -> np.ndarray:
    """A prediction of three labels and three views."""
    shadow, contributions, coverage = (0.5, 0.3, 0.2), (0.1, -0.05, 0.02), (1.0, 0.9, 0.8)
    parts = (probabilities, shadow, weights, contributions, np.asarray(available, float), coverage, (0.01,))
    return np.concatenate([np.asarray(part, float) for part in parts])


class PanelLab(Watched):
    """A session, and a window that shows it."""

    def __init__(
        self,
        *,
        theme: ThemeName = "dark",
        scale: float = 1.0,
        size: tuple[int, int] = (1280, 800),
        nobody: bool = False,
        watched: str | None = None,
        **changes: object,
    ) -> None:
        super().__init__(**({"views": VIEWS} | changes))
        if nobody:
            self.state = DashboardState(self.clock)
        self.sent: list[tuple[str, str]] = []
        self.sent_to: list[str] = []
        """The token of the session that each was meant for."""
        self.heard = True
        self.chosen: list[str | None] = []
        self.beeps = 0
        self.confirmed: list[bool] = []
        """Answers to come, the next one last."""
        self.asked = 0
        self.path = ""
        self.window = DashboardWindow(
            self.state,
            Ports(
                send=self._send,
                choose=self.chosen.append,
                beep=self._beep,
                confirm=self._confirm,
                heard=lambda token: self.heard,
                ask_path=lambda parent, title, name: self.path,
            ),
            theme=theme,
            scale=scale,
            clock=self.clock.now_s,
            session=watched,
        )
        self.window.resize(*size)

    def _send(self, command: str, text: str, shown: str) -> None:
        self.sent.append((command, text))
        self.sent_to.append(shown)

    def _beep(self) -> None:
        self.beeps += 1

    def _confirm(self, parent: QWidget) -> bool:
        self.asked += 1
        return self.confirmed.pop()

    def frame(self, count: int = 1) -> None:
        """Draw, and let Qt paint."""
        for _ in range(count):
            self.window.draw()
            QApplication.processEvents()

    def live(self, **changes: object) -> None:
        """A status and a prediction of now, all streams live, an operator heard."""
        streams = tuple(stream(key, nominal_hz=rate, rate_hz=rate) for key, rate in RATES.items())
        if isinstance(window := changes.get("window"), WindowState) and not window.stop_s:
            changes = {**changes, "window": window.model_copy(update={"stop_s": self.session_s})}
        self.tell(**({"streams": streams, "operators": ("lab",), "adaptation": GUARDED} | changes))

    def say(self, *, ago_s: float = 0.0, **how: object) -> None:
        """A prediction whose window ended so long ago."""
        self.state.take(PredictionsSeen(np.array([self.session_s - ago_s]), row(**how)[None]))  # type: ignore[arg-type]

    def watch(self, seconds: float, **how: object) -> None:
        """A prediction a second, and a status with the last."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.say(**how)
        self.live()

    def other_session(self, **changes: object) -> None:
        """The feed goes over to another session; its clock is as far ahead as this one's, until it says otherwise."""
        self.state.take(Attached(self.layout.model_copy(update={"session": "another"} | changes)))

    def open_streams(self) -> None:
        for view in VIEWS:
            count = len(view.channels)
            self.state.take(StreamOpened(view.stream, view.channels, ("uV",) * count, RATES[view.stream]))

    def samples(self, key: str, seconds: float, values: np.ndarray | None = None, *, ago_s: float = 0.0) -> None:
        """The newest seconds of a stream; sines of 10 Hz where it is not said of what."""
        rate = RATES[key]
        count = round(seconds * rate)
        stamps = self.session_s - ago_s - np.arange(count)[::-1] / rate
        if values is None:
            channels = len(self.state.signals[key].labels)
            values = np.sin(2 * np.pi * 10 * stamps)[:, None] * np.arange(1, channels + 1)
        self.state.take(SamplesSeen(key, stamps, values.astype(np.float32)))

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key, wherever the keyboard is."""
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifier)
        QApplication.processEvents()


def window_state(**said: object) -> WindowState:
    """A window; of now, where it is told without its moment."""
    return WindowState.model_validate({"index": 1, "stop_s": 0.0} | said)


def picture(widget: QWidget) -> np.ndarray:
    """What is painted, shape (height, width, 3)."""
    return pixels(widget.grab())


def pixels(of: QPixmap) -> np.ndarray:
    """Shape (height, width, 3)."""
    image = of.toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def pixels_of(image: np.ndarray, colour: str) -> int:
    """How many pixels are of just this colour."""
    wanted = QColor(colour)
    return int((image == (wanted.red(), wanted.green(), wanted.blue())).all(axis=2).sum())


assert len(LABELS) == 3
