"""How a conductor stands, for the experimenter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from calibration.scenes import Question
from calibration.schedule import PlannedTrial


class Phase(StrEnum):
    """What the participant is doing."""

    IDLE = "idle"
    INSTRUCTIONS = "instructions"
    BASELINE = "baseline"
    FIXATION = "fixation"
    STIMULUS = "stimulus"
    REPORT = "report"
    REST = "rest"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands, for the experimenter.

    Attributes
    ----------
    phase : Phase
    paused : bool
    trial : PlannedTrial or None
        The latest that was begun.
    attempt : int
        At that trial.
    done, total : int
        Trials that are done or skipped, and all.
    left_s : float or None
        Seconds until the phase is over; None where nobody knows.
    question : Question or None
        What waits for the experimenter.
    outcome : str
        How it ended: ``"done"``, or why it stopped; empty before.
    unlabelled : int
        Trials that are done and have no label, so that nothing is learnt of them; those of practice not counted.
    """

    phase: Phase
    paused: bool
    trial: PlannedTrial | None
    attempt: int
    done: int
    total: int
    left_s: float | None
    question: Question | None
    outcome: str
    unlabelled: int = 0
