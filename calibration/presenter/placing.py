"""Where the participant's window is put, and how its flips come there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEventLoop, QSize, QTimer
from PySide6.QtGui import QGuiApplication, QScreen

from calibration.presenter.flips import WARM_UP
from calibration.presenter.photodiode import Photodiode
from calibration.presenter.surface import Surface
from rtemo.errors import ConfigurationError, RtemoError

OPENING_MS: Final = 5000
"""So long a window may take to be painted for the first time."""


@dataclass(frozen=True)
class Placing:
    """Where the window is, and who uses its keyboard.

    Parameters
    ----------
    screen : int
        Number of the screen, from 0.
    size : tuple of int, optional
        Of a window of its own; all of the screen if not given.
    photodiode : Photodiode, optional
        No square if not given.
    operator_keys : bool
        Whether P, S, R and Esc are taken here, as where participant and experimenter share a keyboard.
    opengl : bool
        Whether OpenGL may be used.
    """

    screen: int = 0
    size: tuple[int, int] | None = None
    photodiode: Photodiode | None = None
    operator_keys: bool = True
    opengl: bool = True


def chosen_screen(number: int) -> QScreen:
    """The screen of this number.

    Raises
    ------
    ConfigurationError
        There is none; the error tells which there are.
    """
    screens = QGuiApplication.screens()
    if 0 <= number < len(screens):
        return screens[number]
    there = [
        f"{at} ({screen.name() or 'unnamed'}, {screen.size().width()} x {screen.size().height()})"
        for at, screen in enumerate(screens)
    ]
    cure = f"There are: {', '.join(there)}." if there else "No screen is connected."
    raise ConfigurationError(f"screen {number}: there is no such screen.", cure=cure)


def identity(screen: QScreen) -> tuple[str, str, int, int]:
    """What tells a screen from others: its name, its serial number, and where it lies.

    Kept in place of the screen itself. Nor is a window ever asked for its screen: Qt for Python takes the answer for
    the window's own, and deletes the screen with the window.
    """
    corner = screen.geometry().topLeft()
    return screen.name(), screen.serialNumber(), corner.x(), corner.y()


def place(surface: Surface, screen: QScreen, size: tuple[int, int] | None) -> None:
    """Show a window on its screen; on all of it where no size is given."""
    area = screen.geometry()
    surface.setScreen(screen)
    if size is None:
        surface.setGeometry(area)
        surface.showFullScreen()
    else:
        surface.setPosition(area.topLeft())
        surface.resize(QSize(*size))
        surface.show()
    surface.requestActivate()


class WarmUp:
    """Flips that follow one another, before the first scene; how they come tells whether swaps wait for the screen.

    Attributes
    ----------
    flips_s : list of float
        When they came.
    """

    def __init__(self) -> None:
        self.flips_s: list[float] = []
        self._again: Callable[[], None] | None = None

    def flipped(self, stamp_s: float) -> None:
        """Count a flip, and ask for the next."""
        if self._again is not None:
            self.flips_s.append(stamp_s)
            self._again()

    def run(self, surface: Surface) -> None:
        """Process events until enough flips came, for seconds at most.

        Raises
        ------
        RtemoError
            None came.
        """
        loop, deadline = QEventLoop(), QTimer()
        deadline.setSingleShot(True)
        deadline.timeout.connect(loop.quit)

        def again() -> None:
            if len(self.flips_s) >= WARM_UP:
                loop.quit()
            else:
                surface.update()

        self._again = again
        surface.update()
        deadline.start(OPENING_MS)
        loop.exec()
        deadline.stop()
        self._again = None
        if not self.flips_s:
            raise RtemoError(
                f"the participant's window was not painted within {OPENING_MS / 1000:g} s.",
                cure="See that its screen is on and nothing locks it, and try --screen with another number.",
            )
