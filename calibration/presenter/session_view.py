"""What the experimenter is shown of a session: values only, made anew for every refresh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from calibration.scenes import Command
from calibration.status import Phase, Status

State: TypeAlias = Literal["good", "warning", "critical"]
STAGES: Final = ("check", "baseline", "trials", "train", "verify", "done")
MARKS: Final[dict[State, str]] = {"good": "●", "warning": "▲", "critical": "✕"}
"""Shapes, for states are never said by colour alone."""


@dataclass(frozen=True, slots=True)
class StreamLine:
    """One stream.

    Parameters
    ----------
    name : str
        As the configuration calls it.
    state : {"good", "warning", "critical"}
    words : str
        Its state and quality, such as ``live, 3 of 32 channels bad``.
    """

    name: str
    state: State
    words: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session at one moment.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    phase : str
        What is going on, such as ``stimulus``.
    trial, trials : int
        Which trial, counted from 1, and of how many; 0 where none.
    done : int
        Trials that are done.
    label : str
        The trial's intended label; empty where none.
    attempt : int
        Which time that this trial is done.
    left_s : float, optional
        Until the phase ends; none where it ends by itself.
    session_left_s : float, optional
        Until the last trial ends.
    streams : tuple of StreamLine
    warnings : tuple of str
        What stands amiss.
    paused : bool
    allowed : frozenset of str
        Commands that mean something now.
    """

    stage: str
    phase: str = ""
    trial: int = 0
    trials: int = 0
    done: int = 0
    label: str = ""
    attempt: int = 1
    left_s: float | None = None
    session_left_s: float | None = None
    streams: tuple[StreamLine, ...] = ()
    warnings: tuple[str, ...] = ()
    paused: bool = False
    allowed: frozenset[Command] = field(default_factory=frozenset)


RUNNING: Final = frozenset[Command](("pause", "skip", "redo", "abort"))


def allowed_in(phase: Phase, *, paused: bool) -> frozenset[Command]:
    """Commands that mean something in a phase."""
    match phase:
        case Phase.ENDED:
            return frozenset()
        case Phase.IDLE:
            return frozenset(("abort",))
        case Phase.INSTRUCTIONS:
            return frozenset(("continue", "abort"))
        case _:
            return frozenset(("resume", "abort")) if paused else RUNNING


def view_of(
    status: Status,
    stage: str,
    *,
    streams: tuple[StreamLine, ...] = (),
    warnings: tuple[str, ...] = (),
    session_left_s: float | None = None,
) -> SessionView:
    """What is shown of a conductor's status.

    Parameters
    ----------
    status : Status
    stage : str
        One of `STAGES`.
    streams : tuple of StreamLine
    warnings : tuple of str
    session_left_s : float, optional
    """
    trial = status.trial
    return SessionView(
        stage=stage,
        phase=f"ended: {status.outcome}" if status.phase is Phase.ENDED else status.phase.value,
        trial=0 if trial is None else trial.number,
        trials=status.total,
        done=status.done,
        label="" if trial is None or trial.label is None else trial.label,
        attempt=status.attempt,
        left_s=status.left_s,
        session_left_s=session_left_s,
        streams=streams,
        warnings=warnings,
        paused=status.paused,
        allowed=allowed_in(status.phase, paused=status.paused),
    )


def clock_words(seconds: float | None) -> str:
    """Minutes and seconds; a dash where it is not known. A second that has begun counts as a whole one."""
    if seconds is None:
        return "-"
    whole = max(0, -int(-seconds // 1))
    return f"{whole // 60}:{whole % 60:02d}"


def trial_words(view: SessionView) -> str:
    """Which trial, of how many, of what label, and which time."""
    if view.trials == 0:
        return ""
    words = f"trial {view.trial} of {view.trials}" if view.trial else f"{view.trials} trials"
    if view.label:
        words += f"    {view.label}"
    if view.attempt > 1:
        words += f"    attempt {view.attempt}"
    return words
