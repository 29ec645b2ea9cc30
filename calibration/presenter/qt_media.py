"""A player by Qt Multimedia, prepared up to its first picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, QUrl
from PySide6.QtMultimedia import (
    QAudioOutput,
    QMediaDevices,
    QMediaFormat,
    QMediaPlayer,
    QVideoFrame,
    QVideoSink,
)

from calibration.presenter.media import Listener

Status = QMediaPlayer.MediaStatus
LOADED = (Status.LoadedMedia, Status.BufferedMedia)


def backend_problem(*, sound: bool) -> str | None:
    """Why Qt Multimedia, which can be imported, plays nothing here; None where it does."""
    if not QMediaFormat().supportedFileFormats(QMediaFormat.ConversionMode.Decode):
        return (
            "Qt Multimedia has no backend that can decode anything. "
            "Install the system's packages that Qt's FFmpeg backend needs, or reinstall PySide6-Addons."
        )
    if sound and not QMediaDevices.audioOutputs():
        return "There is no audio output. Plug in loudspeakers or headphones, and see that the sound system runs."
    return None


class QtMediaPlayer(QObject):
    """Plays one file, once.

    A `QObject`, so that what Qt's decoding thread tells arrives in the thread of the window.
    """

    def __init__(self) -> None:
        super().__init__()
        self._player = QMediaPlayer(self)
        self._audio = QAudioOutput(self)
        self._sink: QVideoSink | None = None
        self._listener: Listener | None = None
        self._ready = False
        self._player.setAudioOutput(self._audio)
        self._player.mediaStatusChanged.connect(self._status)
        self._player.errorOccurred.connect(self._error)

    def load(self, path: Path, listener: Listener, *, video: bool) -> None:
        """Begin to load; a video is loaded up to its first picture."""
        self._listener = listener
        if video:
            self._sink = QVideoSink(self)
            self._sink.videoFrameChanged.connect(self._frame)
            self._player.setVideoSink(self._sink)
        self._player.setSource(QUrl.fromLocalFile(str(path.absolute())))

    def play(self) -> None:
        """Play, from the beginning."""
        self._player.play()

    def stop(self) -> None:
        """Be silent from now on, and let everything go."""
        if self._listener is None:
            return
        self._listener = None
        # Not by the player's own `stop`, which waits for Qt's threads with Python's lock in hand, while one of them may
        # wait for that lock (PySide6 6.11). This call gives it away.
        self._player.setSource(QUrl())
        self.deleteLater()

    def _status(self, status: Status) -> None:
        if self._listener is None:
            return
        if status == Status.InvalidMedia:
            self._fail(self._player.errorString() or "the file holds nothing that can be played")
        elif status == Status.EndOfMedia:
            self._listener.ended()
        elif status in LOADED and not self._ready:
            self._loaded()

    def _loaded(self) -> None:
        if self._sink is None:
            if not self._player.hasAudio():
                self._fail("the file holds no sound")
                return
            self._tell_ready()
        elif not self._player.hasVideo():
            self._fail("the file holds no video")
        else:
            # The first picture of what is paused is decoded, and comes by the sink.
            self._player.pause()

    def _frame(self, frame: QVideoFrame) -> None:
        """Hand a picture on; an empty one, as comes at the end, leaves the last in place."""
        if self._listener is None or not frame.isValid():
            return
        image = frame.toImage()
        if image.isNull():
            self._fail("a picture of the video cannot be converted")
            return
        self._listener.frame(image)
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self._listener is not None and not self._ready:
            self._ready = True
            self._listener.ready()

    def _error(self, error: QMediaPlayer.Error, words: str) -> None:
        if error != QMediaPlayer.Error.NoError:
            self._fail(words or error.name)

    def _fail(self, reason: str) -> None:
        """Tell it, but not while Qt is in the middle of telling: whoever is told stops the player."""
        QTimer.singleShot(0, partial(self._tell_failure, reason))

    def _tell_failure(self, reason: str) -> None:
        if self._listener is not None:
            self._listener.failed(reason)
