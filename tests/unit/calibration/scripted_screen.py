"""A screen that plays a script in virtual time: frames, media that end, a participant who answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from calibration.attempts import TrialQuality
from calibration.conductor import Conductor
from calibration.journal import read_journal
from calibration.logbook import Logbook
from calibration.machine import Progress, Stage, fold
from calibration.protocol import Protocol
from calibration.scenes import (
    Answered,
    Chosen,
    Key,
    MediaEnded,
    MediaFailed,
    Message,
    Question,
    ReportForm,
    Scene,
    ScreenEvent,
    Shown,
    SoundStimulus,
    Stimulus,
    VideoStimulus,
)
from calibration.schedule import planned
from rtemo.clock import VirtualClock

FRAME_S = 1 / 60
TICK_S = 0.05

WORDS = {
    "name": "test",
    "instructions": "Look.",
    "baseline_s": 2.0,
    "timing": {"fixation_s": 0.5, "stimulus_s": 2.0, "rest_s": 1.0},
    "order": {"shuffle": "within-blocks", "no_repeat": True},
    "blocks": [
        {
            "name": "practice",
            "practice": True,
            "trials": [{"label": "calm", "stimulus": {"kind": "text", "text": "practise"}}],
        },
        {
            "name": "main",
            "trials": [
                {"label": "calm", "stimulus": {"kind": "text", "text": "sea"}, "repeat": 2},
                {"label": "tense", "stimulus": {"kind": "none"}, "repeat": 2},
            ],
        },
    ],
}
REPORT = {"scales": ["valence", "arousal"], "timeout_s": 5.0}


def protocol_of(**changes: object) -> Protocol:
    return Protocol.model_validate({**WORDS, **changes})


class ScriptedScreen:
    """Shows each scene at the next frame; answers messages and forms by itself unless told otherwise."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.scenes: list[Scene] = []
        self.prepared: list[Stimulus] = []
        self.questions: list[Question | None] = []
        self.closed = False
        self.answers: Mapping[str, float | str] | None = {"valence": 8.0, "arousal": 3.0}
        self.answer_after_s = 1.0
        self.continues = True
        self.choose: Callable[[Question], str | None] = lambda question: None
        self.media_s: dict[str, float] = {}
        self.failing: dict[str, str] = {}
        self.shows = True
        self.before_show: Callable[[Scene], None] = lambda scene: None
        self._waiting: list[tuple[float, ScreenEvent]] = []

    @property
    def scene(self) -> Scene:
        return self.scenes[-1]

    def prepare(self, scene: Stimulus) -> None:
        self.prepared.append(scene)
        path = getattr(scene, "path", None)
        if path is not None and path.name in self.failing:
            self.tell(MediaFailed(scene.scene_id, self.failing[path.name]))

    def show(self, scene: Scene) -> None:
        if self.closed:
            return
        self.before_show(scene)
        self.scenes.append(scene)
        now_s = self.clock.now_s()
        flip_s = (math.floor(now_s / FRAME_S) + 1) * FRAME_S
        # What was to come from the scene before will not.
        self._waiting = [(at_s, e) for at_s, e in self._waiting if not isinstance(e, MediaEnded | Answered)]
        if not self.shows:
            return
        self.tell(Shown(scene.scene_id, flip_s, flip=True), flip_s)
        if isinstance(scene, Message) and scene.continue_key and self.continues:
            self.tell(Key("continue"), flip_s + 0.5)
        if isinstance(scene, ReportForm) and self.answers is not None:
            self.tell(Answered(scene.scene_id, self.answers), flip_s + self.answer_after_s)
        if isinstance(scene, VideoStimulus | SoundStimulus) and scene.path.name in self.media_s:
            ended_s = flip_s + self.media_s[scene.path.name]
            self.tell(MediaEnded(scene.scene_id, ended_s), ended_s)

    def ask(self, question: Question | None) -> None:
        self.questions.append(question)
        choice = None if question is None else self.choose(question)
        if question is not None and choice is not None:
            self.tell(Chosen(question.scene_id, choice), self.clock.now_s() + 0.3)

    def tell(self, event: ScreenEvent, at_s: float = 0.0) -> None:
        self._waiting.append((at_s, event))

    def events(self) -> list[ScreenEvent]:
        now_s = self.clock.now_s()
        due = [pair for pair in self._waiting if pair[0] <= now_s]
        self._waiting = [pair for pair in self._waiting if pair[0] > now_s]
        return [event for _, event in sorted(due, key=lambda pair: pair[0])]

    def close(self) -> None:
        self.closed = True


class Markers:
    def __init__(self) -> None:
        self.pushed: list[tuple[str, float]] = []

    def push(self, text: str, stamp_s: float) -> None:
        self.pushed.append((text, stamp_s))

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.pushed]


class Sitting:
    """One run of a session in a folder: everything that a conductor needs, in virtual time."""

    def __init__(self, folder: Path, protocol: Protocol, *, start_s: float = 1000.0) -> None:
        self.path = folder / "journal.jsonl"
        self.clock = VirtualClock(start_s)
        self.screen = ScriptedScreen(self.clock)
        self.markers = Markers()
        self.protocol = protocol
        self.plan = planned(protocol, 1)
        self.quality: Callable[[float, float], TrialQuality | None] = lambda start_s, stop_s: TrialQuality(poor=False)
        self.logbook = Logbook(self.path)
        progress = self.logbook.progress
        if not progress.facts:
            self.logbook.write("session", participant="p1", seed=1)
        self.logbook.write("run", number=progress.run + 1, recording=f"run-{progress.run + 1}.xdf")
        if progress.stage is not Stage.CHECK:
            self.logbook.write("stage", stage="check")
        self.conductor = Conductor(
            protocol,
            self.plan,
            folder,
            screen=self.screen,
            clock=self.clock,
            logbook=self.logbook,
            markers=self.markers,
            quality=lambda start_s, stop_s: self.quality(start_s, stop_s),
        )
        self.conductor.begin()

    def until(self, condition: Callable[[], bool], most_s: float = 600.0) -> None:
        end_s = self.clock.now_s() + most_s
        while not condition():
            assert self.clock.now_s() < end_s, f"never came: {self.conductor.status}"
            self.tick()

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(TICK_S)
            self.conductor.tick()

    def until_phase(self, phase: str, trial: int | None = None) -> None:
        """Until a phase's scene is on the screen."""

        def there() -> bool:
            status = self.conductor.status
            number = None if status.trial is None else status.trial.number
            return status.phase == phase and self.conductor._staging.shown and trial in (None, number)

        self.until(there)

    def finish(self) -> None:
        self.until(lambda: self.conductor.finished)

    def close(self) -> Progress:
        self.logbook.close()
        told = fold(read_journal(self.path))
        assert told == self.logbook.progress
        return told

    def kinds(self) -> list[str]:
        return [entry.kind for entry in read_journal(self.path)]

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.path.read_text("ascii").splitlines()]


def check_complete(progress: Progress, sitting: Sitting) -> None:
    """Every trial is accepted exactly once, and its stimulus is known from flip to flip."""
    accepted = [attempt.trial for attempt in progress.attempts if attempt.accepted]
    assert sorted(accepted) == [trial.number for trial in sitting.plan]
    segments = [segment for run in progress.runs for segment in progress.segments(run)]
    assert sorted(segment.trial for segment in segments) == sorted(accepted)
    assert all(segment.stop_s > segment.start_s for segment in segments)
    assert all(attempt.flip for attempt in progress.attempts if attempt.accepted)
    assert progress.interrupted is None
    assert progress.next_trial(sitting.plan) is None
