"""A participant's window in virtual time, with a player that does what a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QPoint, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from calibration.presenter.media import Listener
from calibration.presenter.photodiode import Photodiode
from calibration.presenter.placing import Placing
from calibration.presenter.window import PresenterWindow
from calibration.scenes import Scene, ScreenEvent, Shown
from calibration.selfreport import Scale
from rtemo.clock import VirtualClock

NINE = tuple(float(value) for value in range(1, 10))
VALENCE = Scale("valence", "sam", "How did you feel?", NINE, ("unpleasant", "pleasant"))
AROUSAL = Scale("arousal", "sam", "How stirred up were you?", NINE, ("calm", "excited"))
EMOTION = Scale("emotion", "choice", "Which word fits best?", choices=("joy", "anger", "none of these"))
LIKING = Scale("liking", "free", "Did you like it?", tuple(float(value) for value in range(101)), ("no", "yes"))
WIDE, HIGH = 640, 400


def wait(milliseconds: int) -> None:
    """Process events, as a program does that runs: Qt's own threads get Python's lock, as they do not in `qWait`."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class ScriptedPlayer:
    """A player that a test drives; it keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.listener: Listener | None = None

    def load(self, path: Path, listener: Listener, *, video: bool) -> None:
        self.told.append(f"load {path.name}{' as video' if video else ''}")
        self.listener = listener

    def play(self) -> None:
        self.told.append("play")

    def stop(self) -> None:
        self.told.append("stop")

    @property
    def hears(self) -> Listener:
        assert self.listener is not None, "nothing was loaded"
        return self.listener


class PresenterLab:
    """A window with a photodiode square, seen through what is really painted."""

    def __init__(self, **how: object) -> None:
        self.clock = VirtualClock(100.0)
        self.players: list[ScriptedPlayer] = []
        placing = how.pop("placing", None) or Placing(size=(WIDE, HIGH), photodiode=Photodiode("bottom-right", 40))
        assert isinstance(placing, Placing)
        self.window = PresenterWindow(self.clock, placing, player=self._player, **how)  # type: ignore[arg-type]
        self.report = self.window.open()

    def _player(self) -> ScriptedPlayer:
        self.players.append(ScriptedPlayer())
        return self.players[-1]

    @property
    def player(self) -> ScriptedPlayer:
        return self.players[-1]

    def until(self, done: Callable[[], bool]) -> None:
        """Process events until something is so."""
        for _ in range(600):
            if done():
                return
            wait(5)
        raise AssertionError("it did not come about")

    def settle(self) -> None:
        """Process events long enough for a repaint that was asked for."""
        wait(30)

    def shown(self, scene: Scene) -> Shown:
        """Show a scene and wait until the window says that it did."""
        self.window.show(scene)
        found: list[ScreenEvent] = []
        self.until(lambda: found.extend(self.window.events()) or any(isinstance(event, Shown) for event in found))
        (event,) = found
        assert isinstance(event, Shown)
        return event

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.window.surface, key, modifiers)

    def click(self, box: QRectF) -> None:
        middle = box.center().toPoint()
        QTest.mouseClick(self.window.surface, Qt.MouseButton.LeftButton, pos=QPoint(middle.x(), middle.y()))

    def seen(self) -> QImage:
        """What is on the screen."""
        self.settle()
        surface = self.window.surface
        # Not `surface.screen()`: Qt for Python takes the screen for the window's own, and deletes it with the window.
        screen = QGuiApplication.primaryScreen()
        return screen.grabWindow(surface.winId(), 0, 0, surface.width(), surface.height()).toImage()

    def square(self) -> str:
        """The colour of the photodiode's square, as it is seen."""
        return self.seen().pixelColor(WIDE - 20, HIGH - 20).name()

    def area(self) -> QRectF:
        return QRectF(0, 0, self.window.surface.width(), self.window.surface.height())


def painted(paint: Callable[[QPainter, QRectF], None], width: int = WIDE, height: int = HIGH) -> QImage:
    """What something paints on black."""
    assert QApplication.instance() is not None
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    try:
        paint(painter, QRectF(0, 0, width, height))
    finally:
        painter.end()
    return image


def plain(colour: str, width: int = 32, height: int = 18) -> QImage:
    """A picture of one colour."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(colour))
    return image


def lit_part(image: QImage) -> float:
    """The part of an image that is not black."""
    lit = sum(
        image.pixelColor(x, y).lightness() > 40 for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)
    )
    return lit / ((image.width() // 4) * (image.height() // 4))
