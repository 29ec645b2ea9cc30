"""Where a calibration session stands: a pure fold over its journal, and the steps that it may take."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from calibration.journal import Entry
from calibration.schedule import PlannedTrial
from calibration.selfreport import Answers


class Stage(StrEnum):
    """A stage of the session."""

    CHECK = "check"
    BASELINE = "baseline"
    TRIALS = "trials"
    TRAIN = "train"
    VERIFY = "verify"
    DONE = "done"


_ALLOWED: Final[Mapping[Stage, frozenset[Stage]]] = MappingProxyType(
    {
        Stage.CHECK: frozenset({Stage.BASELINE, Stage.TRIALS, Stage.TRAIN}),
        Stage.BASELINE: frozenset({Stage.CHECK, Stage.TRIALS}),
        Stage.TRIALS: frozenset({Stage.CHECK, Stage.TRAIN}),
        Stage.TRAIN: frozenset({Stage.CHECK, Stage.VERIFY}),
        Stage.VERIFY: frozenset({Stage.CHECK, Stage.TRAIN, Stage.DONE}),
        # Labels that were mended afterwards are trained on anew, and so is what further trials bring.
        Stage.DONE: frozenset({Stage.CHECK, Stage.TRAIN}),
    }
)

SKIPPED: Final = "skipped"
INTERRUPTED: Final = "interrupted"


def allowed(stage: Stage, to: Stage) -> bool:
    """Whether a session may go from one stage to another; whatever is resumed goes back to the check of streams."""
    return to in _ALLOWED[stage]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a trial was shown.

    Attributes
    ----------
    trial, attempt, run : int
    block : str
    practice : bool
    intended : str or None
    on_s, off_s : float or None
        When the stimulus came and went, on the LSL clock.
    flip : bool
        Whether both stamps are of buffer swaps.
    answers : mapping
    label : str or None
    quality : mapping
        What was said of the signals.
    accepted : bool
    void : str or None
        Why it does not count; None while it does or may.
    """

    trial: int
    attempt: int
    run: int
    block: str
    practice: bool
    intended: str | None
    on_s: float | None = None
    off_s: float | None = None
    flip: bool = True
    answers: Answers = field(default_factory=dict)
    label: str | None = None
    quality: Mapping[str, object] = field(default_factory=dict)
    accepted: bool = False
    void: str | None = None

    @property
    def open(self) -> bool:
        """Whether it was begun and not ended."""
        return not self.accepted and self.void is None


@dataclass(frozen=True, slots=True)
class LabelledSegment:
    """The stimulus of an accepted trial, ``[start_s, stop_s)`` on the LSL local clock."""

    start_s: float
    stop_s: float
    label: str | None
    trial: int
    attempt: int
    intended: str | None
    answers: Answers
    practice: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What a journal says, up to some entry.

    Attributes
    ----------
    stage : Stage
    facts : mapping
        Details of the entry ``session``.
    runs : mapping of int to str
        Recordings by number of the run.
    attempts : tuple of Attempt
        In the order in which they were begun.
    baseline : tuple of int, float, float, or None
        Run, start and stop of the latest that was recorded.
    paused : bool
    stopped : str or None
        Why the latest run ended early.
    stopped_text : str
        More of it; empty where nothing was said.
    completed : frozenset of int
        Runs whose trials came to their end, so that training could follow.
    extended : tuple of str
        For each further pass through the protocol the hash of the plan that it made.
    """

    stage: Stage = Stage.CHECK
    facts: Mapping[str, object] = field(default_factory=dict)
    runs: Mapping[int, str] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    baseline: tuple[int, float, float] | None = None
    paused: bool = False
    stopped: str | None = None
    stopped_text: str = ""
    completed: frozenset[int] = frozenset()
    extended: tuple[str, ...] = ()

    @property
    def run(self) -> int:
        """Number of the latest run; 0 before the first."""
        return max(self.runs, default=0)

    @property
    def interrupted(self) -> Attempt | None:
        """The attempt that was begun and not ended."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.open), None)

    @property
    def done(self) -> dict[int, int]:
        """By trial the attempt that was accepted."""
        return {attempt.trial: attempt.attempt for attempt in self.attempts if attempt.accepted}

    @property
    def unlabelled(self) -> int:
        """How many trials were accepted without a label, those of practice not counted."""
        return sum(one.accepted and one.label is None and not one.practice for one in self.attempts)

    @property
    def passes(self) -> int:
        """How often the protocol is gone through."""
        return 1 + len(self.extended)

    @property
    def skipped(self) -> set[int]:
        """Trials that the experimenter left out."""
        return {trial for trial, latest in self._latest().items() if latest.void == SKIPPED}

    def attempt(self, trial: int) -> int:
        """Number of a trial's latest attempt; 0 before the first."""
        latest = self._latest().get(trial)
        return 0 if latest is None else latest.attempt

    def next_trial(self, plan: Sequence[PlannedTrial]) -> PlannedTrial | None:
        """The first trial of a plan that is neither done nor skipped; None where there is none."""
        finished = self.done.keys() | self.skipped
        return next((trial for trial in plan if trial.number not in finished), None)

    def segments(self, run: int) -> list[LabelledSegment]:
        """Stimuli of accepted trials in a run, in order of time."""
        segments = [
            LabelledSegment(a.on_s, a.off_s, a.label, a.trial, a.attempt, a.intended, a.answers, a.practice)
            for a in self.attempts
            if a.run == run and a.accepted and a.on_s is not None and a.off_s is not None
        ]
        return sorted(segments, key=lambda segment: segment.start_s)

    def after(self, entry: Entry) -> Progress:
        """Where it stands after one more entry.

        Raises
        ------
        JournalError
            The entry cannot come here.
        """
        step = _STEPS.get(entry.kind)
        if step is None:
            return self
        # What a kill left of the very first line may stand before the session.
        if (entry.kind == "session") == bool(self.facts):
            raise entry.wrong("a session is opened by one entry 'session'")
        return step(self, entry)

    def _latest(self) -> dict[int, Attempt]:
        return {attempt.trial: attempt for attempt in self.attempts}


def fold(entries: Iterable[Entry]) -> Progress:
    """Where a session stands after these entries.

    Raises
    ------
    JournalError
        They tell what cannot have happened; the message names the line.
    """
    return functools.reduce(Progress.after, entries, Progress())


def _session(progress: Progress, entry: Entry) -> Progress:
    entry.text("participant")
    return replace(progress, facts=MappingProxyType(dict(entry.details)))


def _run(progress: Progress, entry: Entry) -> Progress:
    number = entry.integer("number")
    if number != progress.run + 1:
        raise entry.wrong(f"run {number} cannot follow run {progress.run}")
    runs = {**progress.runs, number: entry.text("recording")}
    return replace(progress, runs=runs, paused=False, stopped=None, stopped_text="")


def _stage(progress: Progress, entry: Entry) -> Progress:
    name = entry.text("stage")
    if name not in list(Stage):
        raise entry.wrong(f"there is no stage {name!r}")
    if not allowed(progress.stage, Stage(name)):
        raise entry.wrong(f"stage {name!r} cannot follow {progress.stage.value!r}")
    if progress.interrupted is not None and name != Stage.CHECK:
        raise entry.wrong(f"stage {name!r} in the middle of trial {progress.interrupted.trial}")
    completed = progress.completed
    if progress.stage is Stage.TRIALS and name == Stage.TRAIN and progress.stopped is None:
        completed |= {progress.run}
    return replace(progress, stage=Stage(name), completed=completed)


def _extended(progress: Progress, entry: Entry) -> Progress:
    number = entry.integer("number")
    if number != progress.passes + 1:
        raise entry.wrong(f"pass {number} cannot follow pass {progress.passes}")
    if progress.interrupted is not None:
        raise entry.wrong(f"the session is extended in the middle of trial {progress.interrupted.trial}")
    return replace(progress, extended=(*progress.extended, entry.text("plan_sha256")))


def _baseline(progress: Progress, entry: Entry) -> Progress:
    start_s, stop_s = entry.number("start_s"), entry.number("stop_s")
    if progress.stage is not Stage.BASELINE or not progress.runs:
        raise entry.wrong(f"a baseline in stage {progress.stage.value!r} of run {progress.run}")
    if stop_s < start_s:
        raise entry.wrong("it ends before it begins")
    return replace(progress, baseline=(progress.run, start_s, stop_s))


def _trial_start(progress: Progress, entry: Entry) -> Progress:
    trial, attempt, run = (entry.integer(name) for name in ("trial", "attempt", "run"))
    if progress.stage is not Stage.TRIALS or run != progress.run or run == 0:
        raise entry.wrong(f"trial {trial} begins in run {run}, in stage {progress.stage.value!r} of run {progress.run}")
    if progress.stopped is not None:
        raise entry.wrong(f"trial {trial} begins after run {run} was stopped")
    if progress.interrupted is not None:
        raise entry.wrong(f"trial {trial} begins inside trial {progress.interrupted.trial}")
    if trial in progress.done or attempt != progress.attempt(trial) + 1:
        raise entry.wrong(f"attempt {attempt} of trial {trial} cannot come here")
    begun = Attempt(trial, attempt, run, entry.text("block"), entry.truth("practice"), entry.optional_text("intended"))
    return replace(progress, attempts=(*progress.attempts, begun))


def _stimulus_on(progress: Progress, entry: Entry) -> Progress:
    attempt = _open(progress, entry)
    if attempt.on_s is not None:
        raise entry.wrong(f"the stimulus of trial {attempt.trial} is shown already")
    return _replaced(progress, replace(attempt, on_s=entry.stamp(), flip=entry.truth("flip")))


def _stimulus_off(progress: Progress, entry: Entry) -> Progress:
    attempt = _open(progress, entry)
    if attempt.on_s is None or attempt.off_s is not None or entry.stamp() < attempt.on_s:
        raise entry.wrong(f"the stimulus of trial {attempt.trial} is not shown, or was not by then")
    return _replaced(progress, replace(attempt, off_s=entry.stamp(), flip=attempt.flip and entry.truth("flip")))


def _answers(progress: Progress, entry: Entry) -> Progress:
    attempt = _open(progress, entry)
    answers: dict[str, float | str] = {}
    for name, answer in entry.mapping("answers").items():
        if isinstance(answer, bool) or not isinstance(answer, int | float | str):
            raise entry.wrong(f"{name!r}: a number or a text expected, found {answer!r}")
        answers[name] = answer
    return _replaced(progress, replace(attempt, answers=answers))


def _trial_end(progress: Progress, entry: Entry) -> Progress:
    attempt = _open(progress, entry)
    if attempt.off_s is None:
        raise entry.wrong(f"trial {attempt.trial} ends, but its stimulus did not")
    accepted = entry.truth("accepted")
    ended = replace(
        attempt,
        label=entry.optional_text("label"),
        quality=entry.mapping("quality"),
        accepted=accepted,
        void=None if accepted else entry.text("reason"),
    )
    return _replaced(progress, ended)


def _trial_void(progress: Progress, entry: Entry) -> Progress:
    """An attempt that is open, or was accepted, does not count."""
    attempt = _named(progress, entry)
    if attempt.void is not None:
        raise entry.wrong(f"attempt {attempt.attempt} of trial {attempt.trial} is void already")
    return _replaced(progress, replace(attempt, accepted=False, void=entry.text("reason")))


def _paused(progress: Progress, entry: Entry) -> Progress:
    if progress.paused:
        raise entry.wrong("paused twice")
    return replace(progress, paused=True)


def _resumed(progress: Progress, entry: Entry) -> Progress:
    if not progress.paused:
        raise entry.wrong("resumed without a pause")
    return replace(progress, paused=False)


def _stopped(progress: Progress, entry: Entry) -> Progress:
    text = entry.optional_text("text") or ""
    return replace(progress, stopped=entry.text("reason"), stopped_text=text, paused=False)


_STEPS: Final = {
    "session": _session,
    "run": _run,
    "stage": _stage,
    "extended": _extended,
    "baseline": _baseline,
    "trial-start": _trial_start,
    "stimulus-on": _stimulus_on,
    "stimulus-off": _stimulus_off,
    "answers": _answers,
    "trial-end": _trial_end,
    "trial-void": _trial_void,
    "paused": _paused,
    "resumed": _resumed,
    "stopped": _stopped,
}


def _named(progress: Progress, entry: Entry) -> Attempt:
    """The attempt that an entry is about."""
    trial, number = entry.integer("trial"), entry.integer("attempt")
    for attempt in reversed(progress.attempts):
        if (attempt.trial, attempt.attempt) == (trial, number):
            return attempt
    raise entry.wrong(f"attempt {number} of trial {trial} was never begun")


def _open(progress: Progress, entry: Entry) -> Attempt:
    attempt = _named(progress, entry)
    if not attempt.open:
        raise entry.wrong(f"attempt {attempt.attempt} of trial {attempt.trial} is ended already")
    return attempt


def _replaced(progress: Progress, changed: Attempt) -> Progress:
    key = (changed.trial, changed.attempt)
    attempts = tuple(changed if (a.trial, a.attempt) == key else a for a in progress.attempts)
    return replace(progress, attempts=attempts)
