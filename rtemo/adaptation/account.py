"""What adaptation did in a session, on one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rtemo.adaptation.adapter import FROZEN, OFF, ROLLBACK, START, UPDATE
from rtemo.types import Prediction


@dataclass(frozen=True, slots=True)
class AdaptationStatus:
    """How adaptation stands.

    Parameters
    ----------
    mode : str
        ``off`` also where a bundle cannot adapt.
    reason : str
        Why it is off though the configuration asks for it; else empty.
    learnt : int
        Windows that updates learnt from.
    updates, rollbacks : int
        Updates that stayed, and those that were taken back.
    frozen : bool
        Whether the session goes on with the frozen model.
    differ, compared : int
        Windows in which the adapted and the frozen model said different labels, of so many.
    """

    mode: str = "off"
    reason: str = ""
    learnt: int = 0
    updates: int = 0
    rollbacks: int = 0
    frozen: bool = False
    differ: int = 0
    compared: int = 0

    @property
    def brief(self) -> str:
        """What adaptation does, for a line that has more to say."""
        if self.mode == "off":
            return f"off: {self.reason}" if self.reason else "off"
        said = f"{self.mode}: {_count(self.learnt, 'window')} learnt from, {_count(self.updates, 'update')}, "
        return said + _count(self.rollbacks, "rollback") + ", FROZEN" * self.frozen

    def __str__(self) -> str:
        """One line, with how often both models said different labels."""
        if self.mode == "off":
            return self.brief
        return f"{self.brief}, {self.differ} of {self.compared} labels other than the frozen model's"


class Account:
    """Keeps account of adaptation, from its events and the predictions.

    Attributes
    ----------
    status : AdaptationStatus
        As it stands; may be read from any thread.
    """

    def __init__(self) -> None:
        self.status = AdaptationStatus()

    def take(self, kind: str, details: Mapping[str, object]) -> None:
        """Take an event of adaptation."""
        status = self.status
        if kind == START:
            self.status = replace(status, mode=str(details["mode"]))
        elif kind == OFF:
            self.status = replace(status, reason=str(details["reason"]))
        elif kind == UPDATE:
            learnt = details["accepted"]
            assert isinstance(learnt, int)
            self.status = replace(status, learnt=learnt, updates=status.updates + 1)
        elif kind == ROLLBACK:
            self.status = replace(status, rollbacks=status.rollbacks + 1)
        elif kind == FROZEN:
            self.status = replace(status, frozen=True)

    def write(self, prediction: Prediction) -> None:
        """Take a prediction; one of a window without views, or that was skipped, says nothing."""
        if math.isnan(prediction.probabilities[0]) or not prediction.available.any():
            return
        differs = int(prediction.probabilities.argmax() != prediction.shadow.argmax())
        status = self.status
        self.status = replace(status, differ=status.differ + differs, compared=status.compared + 1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
