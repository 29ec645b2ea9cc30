"""Usable, use with care, do not use: one rule, from figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from calibration.training.statistics import Estimate

Word = Literal["usable", "use with care", "do not use"]

FEWEST_TRIALS: Final = 3
ENOUGH_TRIALS: Final = 5
MOST_P: Final = 0.02
LEAST_GAIN: Final = 0.2
"""Share of the way from chance to perfect that the lower end of the interval must have gone."""
MOST_P_OF_TRIALS: Final = 0.05
MOST_CALIBRATION_ERROR: Final = 0.15
LEAST_SEEN: Final = 0.5
ENOUGH_SEEN: Final = 0.8

RULE: Final = (
    "Do not use: a label has fewer than 3 trials, or there are too few to prove anything by (two labels take 5 trials "
    "each); or a linear stand-in, trained on shuffled labels, reaches this balanced accuracy in more than 2 % of "
    "cases; or its 95 % interval reaches down to chance; or fewer than half of the labelled windows hold any view.",
    "Usable: none of that; each label has 5 trials or more; the interval's lower end lies at least a fifth of the way "
    "from chance to perfect; more trials come out right than guessing explains (exact binomial test, 5 %); every label "
    "is found more often than by chance; the probabilities are off by 15 points at most (ECE); 4 of 5 labelled windows "
    "hold all views; and nothing in the plan of the recordings could pass for the labels.",
    "Use with care: all that lies between.",
)
"""The rule in words, as the report prints it; `verdict` is the rule itself."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a verdict is made of; all of trials that the models had not seen.

    Parameters
    ----------
    trials : mapping of str to int
        By label.
    balanced_accuracy : Estimate
    p_shuffled : float
        How often a stand-in reaches this balanced accuracy when it is trained on shuffled labels.
    p_trials : float
        Exact binomial, over trials.
    recall : mapping of str to float
        By label.
    calibration_error : float
        ECE.
    seen, complete : float
        Share of the labelled windows that hold any view, and all views.
    confounded : str
        What else than the labels the model may have learnt to tell apart; empty where nothing is known.
    least_p : float
        The smallest `p_shuffled` that so many trials allow.
    notes : tuple of str
        What belongs beside the verdict without changing it.
    """

    trials: Mapping[str, int]
    balanced_accuracy: Estimate
    p_shuffled: float
    p_trials: float
    recall: Mapping[str, float]
    calibration_error: float
    seen: float
    complete: float
    confounded: str = ""
    least_p: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1 / max(len(self.trials), 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word, and why; every reason a sentence."""

    word: Word
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"verdict": self.word, "reasons": list(self.reasons), "rule": list(RULE)}


def verdict(figures: Figures) -> Verdict:
    """Judge a calibration by `RULE`; a figure that is not known speaks against it.

    Parameters
    ----------
    figures : Figures
    """
    against = _against(figures)
    if against:
        return Verdict("do not use", (*against, *figures.notes))
    doubts = _doubts(figures)
    found = figures.balanced_accuracy
    told = (
        f"Balanced accuracy on trials never learnt from is {_percent(found.value)} (95 % interval "
        f"{_percent(found.low)} to {_percent(found.high)}), against {_percent(figures.chance)} by chance."
    )
    return Verdict("use with care" if doubts else "usable", (told, *doubts, *figures.notes))


def _against(figures: Figures) -> list[str]:
    """What forbids the use."""
    out = []
    few = {label: count for label, count in figures.trials.items() if count < FEWEST_TRIALS}
    if few or len(figures.trials) < 2:
        listing = ", ".join(f"{label} ({count})" for label, count in few.items()) or "no second label"
        out.append(f"Too few trials to prove anything, fewer than {FEWEST_TRIALS}: {listing}.")
    found = figures.balanced_accuracy
    if figures.least_p > MOST_P and not few:
        out.append(
            f"Too few trials to prove anything: guessing which trials belong together would be right in "
            f"{_percent(figures.least_p, 1)} of cases. Two labels take {ENOUGH_TRIALS} trials each."
        )
    elif not (figures.p_shuffled <= MOST_P or figures.least_p > MOST_P):
        out.append(
            f"A linear stand-in, trained on shuffled labels, reaches a balanced accuracy of {_percent(found.value)} in "
            f"{_percent(figures.p_shuffled, 1)} of cases, more than {_percent(MOST_P)}: the model may have learnt "
            "nothing of the labels."
        )
    if not found.low > figures.chance:
        out.append(
            f"The 95 % interval of balanced accuracy begins at {_percent(found.low)}, which is not above chance "
            f"({_percent(figures.chance)})."
        )
    if not figures.seen >= LEAST_SEEN:
        out.append(f"Only {_percent(figures.seen)} of the labelled windows hold any view.")
    return out


def _doubts(figures: Figures) -> list[str]:
    """What asks for care."""
    out = []
    few = [f"{label} ({count})" for label, count in figures.trials.items() if count < ENOUGH_TRIALS]
    if few:
        out.append(f"Few trials, below {ENOUGH_TRIALS}: {', '.join(few)}. The figures may be off.")
    wanted = figures.chance + LEAST_GAIN * (1 - figures.chance)
    if not figures.balanced_accuracy.low >= wanted:
        out.append(
            f"Balanced accuracy may be as low as {_percent(figures.balanced_accuracy.low)}; {_percent(wanted)} is "
            "asked for."
        )
    if not figures.p_trials <= MOST_P_OF_TRIALS:
        out.append(f"Guessing would get as many trials right in {_percent(figures.p_trials, 1)} of cases.")
    lost = [f"{label} ({_percent(value)})" for label, value in figures.recall.items() if not value > figures.chance]
    if lost:
        out.append(f"Found no more often than by chance: {', '.join(lost)}.")
    if not figures.calibration_error <= MOST_CALIBRATION_ERROR:
        out.append(
            f"Probabilities are off by {100 * figures.calibration_error:.0f} points on average: read the label, not "
            "the number."
        )
    if not figures.complete >= ENOUGH_SEEN:
        out.append(f"Only {_percent(figures.complete)} of the labelled windows hold all views.")
    if figures.confounded:
        out.append(figures.confounded)
    return out


def _percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "unknown"
