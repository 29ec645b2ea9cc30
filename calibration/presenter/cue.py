"""A scene with the media that it needs, from being loaded to being stopped."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QImage

from calibration.presenter.media import MediaPlayer, PlayerFactory, load_picture
from calibration.scenes import MEDIA, ImageStimulus, Scene, VideoStimulus
from rtemo.printable import printable

LONGEST_REASON = 300


class Cue:
    """One scene, ready to be shown or about to be.

    Parameters
    ----------
    scene : Scene
    player : callable
        Makes a player, where the scene has sound or video.
    changed : callable
        Takes this cue after it became ready, has another picture, has ended or failed; `news` says which.

    Attributes
    ----------
    is_ready : bool
        Whether it can be shown at once.
    failure : str
        Why it cannot be shown, or played on; empty where it can.
    picture : QImage or None
        To be drawn: an image, or a video's latest.
    """

    def __init__(self, scene: Scene, player: PlayerFactory, changed: Callable[[Cue, str], None]) -> None:
        self.scene = scene
        self.is_ready = False
        self.failure = ""
        self.picture: QImage | None = None
        self._changed = changed
        self._player: MediaPlayer | None = None
        self._begun = self._playing = False
        self._make = player

    def load(self) -> None:
        """Begin to load, once; what needs no file is ready by that. Nothing after `stop`."""
        if self._begun:
            return
        self._begun = True
        scene = self.scene
        if not isinstance(scene, MEDIA):
            self.ready()
        elif not scene.path.is_file():
            self.failed("there is no such file")
        elif isinstance(scene, ImageStimulus):
            self.picture, why = load_picture(scene.path)
            if self.picture is None:
                self.failed(why)
            else:
                self.ready()
        else:
            try:
                self._player = self._make()
            except ImportError as error:
                self.failed(f"Qt Multimedia cannot be loaded: {error}")
            else:
                self._player.load(scene.path, self, video=isinstance(scene, VideoStimulus))

    def begin(self) -> None:
        """Play, now that it is on the screen."""
        if self._player is not None and not self._playing and not self.failure:
            self._playing = True
            self._player.play()

    def stop(self) -> None:
        """Stop for good; the picture stays."""
        self._begun = True
        player, self._player = self._player, None
        if player is not None:
            player.stop()

    # What a player tells.

    def ready(self) -> None:
        """It can be shown, and playing begins at once when it is asked for."""
        if not self.failure:
            self.is_ready = True
            self._changed(self, "ready")

    def frame(self, image: QImage) -> None:
        """A picture of the video."""
        self.picture = image
        if self.is_ready:
            self._changed(self, "frame")

    def ended(self) -> None:
        """It came to its end by itself."""
        if self._playing:
            self._changed(self, "ended")

    def failed(self, reason: str) -> None:
        """It cannot be shown, or played on."""
        if not self.failure:
            self.failure = printable(reason, LONGEST_REASON) or "it cannot be played"
            self.stop()
            self._changed(self, "failed")
