"""Sounds and videos: what the window asks of a player, whether this machine has one, and pictures from files.

The player itself (`calibration.presenter.qt_media`) is imported only where one is needed: Qt Multimedia is an optional
part of Qt, and system libraries that it needs are missing on some machines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from PySide6.QtCore import QSize
from PySide6.QtGui import QImage, QImageReader

INSTALL: Final = "Install rtemo with its extra: pip install 'rtemo[video]'."
LARGEST_SIDE_PX: Final = 16_384


class Listener(Protocol):
    """Who is told what a player does."""

    def ready(self) -> None:
        """Everything is loaded: playing begins at once when it is asked for. Told once."""
        ...

    def frame(self, image: QImage) -> None:
        """A video's next picture; the first one comes before `ready`."""
        ...

    def ended(self) -> None:
        """The media came to its own end."""
        ...

    def failed(self, reason: str) -> None:
        """It cannot be loaded, or played on."""
        ...


class MediaPlayer(Protocol):
    """Plays one file, once, from its beginning."""

    def load(self, path: Path, listener: Listener, *, video: bool) -> None:
        """Begin to load; a video is loaded up to its first picture."""
        ...

    def play(self) -> None:
        """Play, from the beginning."""
        ...

    def stop(self) -> None:
        """Be silent from now on, and let everything go; nothing is told any more."""
        ...


PlayerFactory: TypeAlias = Callable[[], MediaPlayer]


def media_support(*, sound: bool = True) -> str | None:
    """Why this machine can play neither video nor sound; None where it can.

    Parameters
    ----------
    sound : bool
        Whether it has to be heard: then a machine without an audio output is refused, too.
    """
    try:
        from calibration.presenter.qt_media import backend_problem
    except ImportError as error:
        return f"Qt Multimedia cannot be loaded ({error}). {_cure(error)}"
    return backend_problem(sound=sound)


def _cure(error: ImportError) -> str:
    """What to do about it: Qt's part is missing, or a library of the system that it needs."""
    if isinstance(error, ModuleNotFoundError):
        return INSTALL
    library = str(error).partition(":")[0]
    hint = " (Debian and Ubuntu: apt install libpulse0)" if library.startswith("libpulse") else ""
    return f"Install the system's package that brings {library}{hint}."


def qt_player() -> MediaPlayer:
    """A player by Qt Multimedia."""
    from calibration.presenter.qt_media import QtMediaPlayer

    return QtMediaPlayer()


def load_picture(path: Path) -> tuple[QImage | None, str]:
    """A picture, upright as its camera says it was held; or why it cannot be read."""
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    size: QSize = reader.size()
    if size.isValid() and max(size.width(), size.height()) > LARGEST_SIDE_PX:
        return None, f"{size.width()} x {size.height()} pixels; at most {LARGEST_SIDE_PX} a side can be shown"
    image = reader.read()
    if image.isNull():
        return None, reader.errorString()
    return image, ""
