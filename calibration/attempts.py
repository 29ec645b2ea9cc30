"""The account of one attempt at a trial: its markers, its journal entries, and whether it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from calibration.logbook import Logbook
from calibration.machine import Attempt
from calibration.schedule import PlannedTrial
from calibration.selfreport import Answers, LabelSettings, label_of

QUALITY_WITHIN_S: Final = 5.0
"""So long after a stimulus its signals' quality is waited for; then the experimenter decides without it."""
POOR_SIGNAL: Final = "poor signal"

Verdict: TypeAlias = Literal["wait", "accepted", "ask"]


class Markers(Protocol):
    """Where markers go."""

    def push(self, text: str, stamp_s: float) -> None:
        """Send a marker with the moment that it is about."""
        ...


@dataclass(frozen=True, slots=True)
class TrialQuality:
    """How good the signals were in a stretch of time.

    Attributes
    ----------
    poor : bool
        Whether the trial should be repeated.
    reason : str
        What is wrong, for the experimenter.
    details : mapping of str to JSON value
        What is kept of it.
    """

    poor: bool
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


UNKNOWN = TrialQuality(poor=True, reason="the signals' quality is not known")

Quality: TypeAlias = Callable[[float, float], TrialQuality | None]
"""Of what was recorded from one moment to another; None while it is not known yet."""


class AttemptAccount:
    """Writes what happens to attempts, one at a time.

    Parameters
    ----------
    logbook : Logbook
    markers : Markers
    labels : LabelSettings
    quality : callable
    """

    def __init__(self, logbook: Logbook, markers: Markers, labels: LabelSettings, quality: Quality) -> None:
        self._logbook, self._markers = logbook, markers
        self._labels, self._ask_quality = labels, quality
        self._quality: TrialQuality | None = None

    @property
    def current(self) -> Attempt | None:
        """The attempt that is begun and not ended."""
        return self._logbook.progress.interrupted

    @property
    def quality(self) -> TrialQuality | None:
        """What is known of the current attempt's signals."""
        return self._quality

    def start(self, trial: PlannedTrial) -> None:
        """Begin the next attempt at a trial."""
        progress = self._logbook.progress
        self._quality = None
        self._logbook.write(
            "trial-start",
            trial=trial.number,
            attempt=progress.attempt(trial.number) + 1,
            run=progress.run,
            block=trial.block,
            practice=trial.practice,
            intended=trial.label,
            stimulus=trial.stimulus.model_dump(exclude_none=True),
        )

    def fixation(self, stamp_s: float, flip: bool, planned_s: float) -> None:
        """The cross is shown."""
        self._tell("fixation", stamp_s, flip=flip, planned_s=planned_s)

    def stimulus_on(self, stamp_s: float, flip: bool, planned_s: float | None) -> None:
        """The stimulus is shown."""
        attempt = self._begun()
        self._markers.push(f"stimulus/{attempt.intended or 'none'}/{attempt.trial}", stamp_s)
        self._write("stimulus-on", stamp_s, flip=flip, planned_s=planned_s)

    def stimulus_off(self, stamp_s: float, flip: bool, ended: str) -> None:
        """The stimulus is shown no more; nothing where none was."""
        attempt = self._begun()
        if attempt.on_s is not None and attempt.off_s is None:
            # A screen whose clock stumbles must not make a journal that cannot be read.
            self._tell("stimulus-off", max(stamp_s, attempt.on_s), flip=flip, ended=ended)

    def report(self, stamp_s: float) -> None:
        """The form is shown."""
        self._markers.push(f"report/{self._begun().trial}", stamp_s)

    def answers(self, answers: Answers, now_s: float, *, timed_out: bool) -> None:
        """The report came, or its time is over."""
        self._write("answers", now_s, answers=dict(answers), timed_out=timed_out)

    def judge(self, now_s: float) -> Verdict:
        """Accept the attempt if its signals were good.

        Returns
        -------
        {"wait", "accepted", "ask"}
            ``ask``: they were not, or nobody knows; `accept` or `repeat` decides. A practice trial is always accepted.
        """
        attempt = self._begun()
        if attempt.on_s is None or attempt.off_s is None:
            return "wait"
        quality = self._ask_quality(attempt.on_s, attempt.off_s)
        if quality is None and now_s - attempt.off_s < QUALITY_WITHIN_S:
            return "wait"
        self._quality = UNKNOWN if quality is None else quality
        if self._quality.poor and not attempt.practice:
            return "ask"
        self.accept()
        return "accepted"

    def accept(self, reason: str = "") -> None:
        """The attempt counts, with the label that follows from its answers."""
        attempt = self._begun()
        label = None if attempt.practice else label_of(self._labels, attempt.answers, attempt.intended)
        self._end(attempt, accepted=True, label=label, reason=reason)
        if label is None and not attempt.practice:
            why = "its answers give none" if attempt.answers else "its report was not answered"
            self._logbook.write("warning", text=f"trial {attempt.trial} is done and has no label: {why}")

    def repeat(self) -> None:
        """The attempt does not count, as its signals were poor."""
        attempt = self._begun()
        self._end(attempt, accepted=False, label=None, reason=POOR_SIGNAL)
        self._push_void(attempt, POOR_SIGNAL, attempt.off_s or 0.0)

    def void(self, attempt: Attempt, reason: str, now_s: float) -> None:
        """An attempt does not count: the current one, or one that was accepted."""
        if attempt.open:
            self.stimulus_off(now_s, flip=False, ended=reason)
        self._push_void(attempt, reason, now_s)
        self._logbook.write("trial-void", stamp_s=now_s, trial=attempt.trial, attempt=attempt.attempt, reason=reason)

    def latest(self, trial: int) -> Attempt | None:
        """The latest attempt at a trial."""
        return next((one for one in reversed(self._logbook.progress.attempts) if one.trial == trial), None)

    def _begun(self) -> Attempt:
        attempt = self.current
        assert attempt is not None, "no attempt is begun"
        return attempt

    def _end(self, attempt: Attempt, *, accepted: bool, label: str | None, reason: str) -> None:
        quality = self._quality or UNKNOWN
        self._logbook.write(
            "trial-end",
            trial=attempt.trial,
            attempt=attempt.attempt,
            label=label,
            quality={**quality.details, "poor": quality.poor, "reason": quality.reason},
            accepted=accepted,
            reason=reason,
        )

    def _push_void(self, attempt: Attempt, reason: str, stamp_s: float) -> None:
        self._markers.push(f"void/{attempt.trial}/{reason.replace(' ', '-')}", stamp_s)

    def _tell(self, kind: str, stamp_s: float, **details: object) -> None:
        self._markers.push(f"{kind}/{self._begun().trial}", stamp_s)
        self._write(kind, stamp_s, **details)

    def _write(self, kind: str, stamp_s: float, **details: object) -> None:
        attempt = self._begun()
        self._logbook.write(kind, stamp_s=stamp_s, trial=attempt.trial, attempt=attempt.attempt, **details)
