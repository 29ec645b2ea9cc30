"""What the journal of a session says of its trials: which were shown for nothing, and what was shown for each label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.journal import read_journal
from calibration.machine import Attempt, fold

JOURNAL = "journal.jsonl"
NO_LABEL = "no label from its answers"


@dataclass(frozen=True, slots=True)
class LostTrial:
    """A trial that was shown, and that nothing is learnt from.

    Parameters
    ----------
    trial, attempt, run : int
    intended : str
        Empty where the protocol intends no label.
    why : str
    """

    trial: int
    attempt: int
    run: int
    intended: str
    why: str

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in ("trial", "attempt", "run", "intended", "why")}


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown.

    Parameters
    ----------
    accepted : int
        Trials with a label that count.
    lost : tuple of LostTrial
        Practice is none of them.
    single : tuple of str
        Labels all of whose trials had one and the same stimulus, two trials at least.
    """

    accepted: int
    lost: tuple[LostTrial, ...]
    single: tuple[str, ...]

    @property
    def note(self) -> str:
        """What a single stimulus means; empty where every label has several."""
        if not self.single:
            return ""
        return (
            f"All trials of {', '.join(self.single)} had one and the same stimulus: the model cannot tell the label "
            "from its only stimulus."
        )


def shown(folder: str | Path, labels: Sequence[str]) -> Shown | None:
    """What the journal in a session's folder says; None where there is no journal.

    Parameters
    ----------
    folder : path-like
    labels : sequence of str
        Of the configuration.

    Raises
    ------
    JournalError
        It cannot be read, or tells what cannot have happened.
    """
    path = Path(folder) / JOURNAL
    if not path.is_file():
        return None
    entries = read_journal(path)
    attempts = [attempt for attempt in fold(entries).attempts if not attempt.practice]
    whys = [(attempt, _why(attempt, labels)) for attempt in attempts]
    stimuli = {
        (entry.integer("trial"), entry.integer("attempt")): json.dumps(entry.mapping("stimulus"), sort_keys=True)
        for entry in entries
        if entry.kind == "trial-start" and "stimulus" in entry.details
    }
    used: dict[str, list[str]] = {}
    for attempt, why in whys:
        stimulus = stimuli.get((attempt.trial, attempt.attempt))
        if not why and stimulus is not None and attempt.label is not None:
            used.setdefault(attempt.label, []).append(stimulus)
    return Shown(
        accepted=sum(not why for _, why in whys),
        lost=tuple(LostTrial(a.trial, a.attempt, a.run, a.intended or "", why) for a, why in whys if why),
        single=tuple(label for label in labels if len(used.get(label, ())) > 1 and len(set(used[label])) == 1),
    )


def _why(attempt: Attempt, labels: Sequence[str]) -> str:
    """Why nothing is learnt from an attempt; empty where something is."""
    if attempt.open:
        return "interrupted"
    if attempt.void is not None:
        return attempt.void
    if attempt.label is None:
        return NO_LABEL
    return "" if attempt.label in labels else f"its label {attempt.label!r} is none of the configuration's"
