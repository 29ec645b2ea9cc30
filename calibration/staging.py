"""What is on the screen now, what is asked of the experimenter, and how long a phase still lasts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from calibration.protocol import Stimulus as StimulusSettings
from calibration.scenes import (
    BlankStimulus,
    Chosen,
    ImageStimulus,
    Question,
    Scene,
    Screen,
    Shown,
    SoundStimulus,
    Stimulus,
    TextStimulus,
    VideoStimulus,
)

SHOWN_WITHIN_S: Final = 30.0
"""A screen that does not show a scene for so long does not work any more."""


def stimulus_scene(stimulus: StimulusSettings, folder: Path, number: int) -> Stimulus:
    """The scene of a protocol's stimulus, whose file counts from a folder."""
    path = stimulus.path(folder)
    if path is None:
        return BlankStimulus(number) if stimulus.text is None else TextStimulus(number, stimulus.text)
    match stimulus.kind:
        case "video":
            return VideoStimulus(number, path)
        case "sound":
            return SoundStimulus(number, path)
        case _:
            return ImageStimulus(number, path)


class Staging:
    """Numbers scenes, and tells what belongs to the one that is shown from what came too late.

    Parameters
    ----------
    screen : Screen

    Attributes
    ----------
    shown : bool
        Whether the scene that was asked for last is on the screen.
    stimulus : Stimulus or None
        The latest that was prepared.
    question : Question or None
        What waits for the experimenter.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._numbers = 0
        self._scene_id = 0
        self._asked_s = 0.0
        self.shown = False
        self.stimulus: Stimulus | None = None
        self.question: Question | None = None

    def show(self, make: Callable[[int], Scene], now_s: float) -> None:
        """Ask for a scene, made with its number."""
        self._numbers += 1
        self._ask_for(make(self._numbers), now_s)

    def prepare(self, stimulus: StimulusSettings, folder: Path) -> None:
        """Let the next stimulus be loaded."""
        self._numbers += 1
        self.stimulus = stimulus_scene(stimulus, folder, self._numbers)
        self._screen.prepare(self.stimulus)

    def show_stimulus(self, now_s: float) -> None:
        """Ask for the stimulus that was prepared."""
        assert self.stimulus is not None, "no stimulus was prepared"
        self._ask_for(self.stimulus, now_s)

    def is_asked_for(self, scene_id: int) -> bool:
        """Whether this is the scene that was asked for last."""
        return scene_id == self._scene_id

    def is_shown(self, scene_id: int) -> bool:
        """Whether this is the scene on the screen."""
        return self.shown and self.is_asked_for(scene_id)

    def comes_up(self, shown: Shown) -> bool:
        """Take that a scene is on the screen; returns whether it is the one that was asked for, for the first time."""
        if self.shown or not self.is_asked_for(shown.scene_id):
            return False
        self.shown = True
        return True

    def is_behind_stimulus(self, scene_id: int) -> bool:
        """Whether a scene was asked for after the latest stimulus."""
        return self.stimulus is not None and scene_id > self.stimulus.scene_id

    def overdue(self, now_s: float) -> bool:
        """Whether the scene should have come up long ago."""
        return not self.shown and now_s - self._asked_s > SHOWN_WITHIN_S

    def ask(self, text: str, choices: tuple[str, ...]) -> None:
        """Ask the experimenter."""
        self._numbers += 1
        self.question = Question(self._numbers, text, choices)
        self._screen.ask(self.question)

    def takes(self, chosen: Chosen) -> bool:
        """Whether a choice answers the question that waits, which it then does no more.

        Raises
        ------
        ValueError
            It was not among the choices.
        """
        question = self.question
        if question is None or question.scene_id != chosen.scene_id:
            return False
        if chosen.choice not in question.choices:
            raise ValueError(f"a question was answered with {chosen.choice!r}, expected one of {question.choices}")
        self.question = None
        return True

    def withdraw(self) -> None:
        """Ask no more; nothing where no question waits."""
        if self.question is not None:
            self.question = None
            self._screen.ask(None)

    def _ask_for(self, scene: Scene, now_s: float) -> None:
        self._scene_id, self._asked_s, self.shown = scene.scene_id, now_s, False
        self._screen.show(scene)


class PhaseTimer:
    """How long a phase lasts; it runs from the moment that its scene is shown, and can be held."""

    def __init__(self) -> None:
        self._length_s: float | None = None
        self.since_s: float | None = None

    def set(self, length_s: float | None) -> None:
        """Set a length, None for one that nobody knows; it does not run yet."""
        self._length_s, self.since_s = length_s, None

    def run(self, since_s: float) -> None:
        """Let it run from a moment."""
        self.since_s = since_s

    def hold(self, now_s: float) -> None:
        """Stop it; what is left is what it is set to."""
        self.set(self.left_s(now_s))

    def left_s(self, now_s: float) -> float | None:
        """What is left of it."""
        if self._length_s is None or self.since_s is None:
            return self._length_s
        return max(0.0, self._length_s - (now_s - self.since_s))

    def over(self, now_s: float) -> bool:
        """Whether it ran out."""
        return self.since_s is not None and self.left_s(now_s) == 0

    def ran_s(self, now_s: float) -> float:
        """How long it has been running."""
        return 0.0 if self.since_s is None else now_s - self.since_s
