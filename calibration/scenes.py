"""What is shown, what the screen says of it, and the screen itself as the session sees it. No Qt is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from calibration.selfreport import Scale

Command: TypeAlias = Literal["continue", "pause", "resume", "skip", "redo", "abort"]


@dataclass(frozen=True, slots=True)
class Message:
    """Text in the middle of the screen; with `continue_key`, it says which key goes on, and that key is told."""

    scene_id: int
    text: str
    continue_key: bool


@dataclass(frozen=True, slots=True)
class Fixation:
    """A cross in the middle."""

    scene_id: int


@dataclass(frozen=True, slots=True)
class TextStimulus:
    """A stimulus that is read."""

    scene_id: int
    text: str


@dataclass(frozen=True, slots=True)
class ImageStimulus:
    """A picture, as large as fits, its proportions kept."""

    scene_id: int
    path: Path


@dataclass(frozen=True, slots=True)
class SoundStimulus:
    """A sound, over a fixation cross; it plays once from its beginning, and its end is told."""

    scene_id: int
    path: Path


@dataclass(frozen=True, slots=True)
class VideoStimulus:
    """A video with its sound; it plays once from its beginning, and its end is told."""

    scene_id: int
    path: Path


@dataclass(frozen=True, slots=True)
class BlankStimulus:
    """An empty screen that counts as a stimulus."""

    scene_id: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Between two trials: a text and how far the session is."""

    scene_id: int
    text: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ReportForm:
    """The participant's report on one stimulus; all scales are answered, then sent together."""

    scene_id: int
    scales: tuple[Scale, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the experimenter."""

    scene_id: int
    text: str
    choices: tuple[str, ...]


Stimulus: TypeAlias = TextStimulus | ImageStimulus | SoundStimulus | VideoStimulus | BlankStimulus
"""Scenes that switch the photodiode's square to white; it is black in all others."""
STIMULI = (TextStimulus, ImageStimulus, SoundStimulus, VideoStimulus, BlankStimulus)
"""The same, for `isinstance`."""
MEDIA = (ImageStimulus, SoundStimulus, VideoStimulus)
"""Scenes with a file, which is loaded before they are shown."""
Scene: TypeAlias = Message | Fixation | Stimulus | Rest | ReportForm


@dataclass(frozen=True, slots=True)
class Shown:
    """A scene is on the screen since a moment of the LSL clock.

    Attributes
    ----------
    flip : bool
        Whether the stamp was taken at the buffer swap; otherwise it was taken after painting.
    """

    scene_id: int
    stamp_s: float
    flip: bool


@dataclass(frozen=True, slots=True)
class MediaEnded:
    """A sound or a video came to its own end; its last frame stays until the next scene."""

    scene_id: int
    stamp_s: float


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """A file cannot be loaded or played on, before its scene is shown or while it is."""

    scene_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The participant sent a report: a number by scale, or the word chosen."""

    scene_id: int
    answers: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The experimenter answered a question."""

    scene_id: int
    choice: str


@dataclass(frozen=True, slots=True)
class Key:
    """A command by key or button. `abort` was confirmed before it is told."""

    command: Command


@dataclass(frozen=True, slots=True)
class Closed:
    """The window was closed, by whatever; nothing can be shown any more."""


ScreenEvent: TypeAlias = Shown | MediaEnded | MediaFailed | Answered | Chosen | Key | Closed


class Screen(Protocol):
    """Where scenes are shown and answers come from.

    Calls return at once; everything that happened since is told by `events`, in the order in which it happened. Once
    the window is closed, they do nothing.
    """

    def prepare(self, scene: Stimulus) -> None:
        """Load what a stimulus needs, as it is shown next; a failure is told as `MediaFailed` of its number."""
        ...

    def show(self, scene: Scene) -> None:
        """Replace what is shown. `Shown` follows once it is on the screen; what played before has stopped by then."""
        ...

    def ask(self, question: Question | None) -> None:
        """Ask the experimenter, beside what the participant sees; `Chosen` follows.

        The question stays while other scenes are shown, until it is answered, another is asked, or None withdraws it.
        """
        ...

    def events(self) -> list[ScreenEvent]:
        """What happened since the last call, oldest first."""
        ...

    def close(self) -> None:
        """Take the window away; calling it again does nothing."""
        ...
