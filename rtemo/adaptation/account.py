"""What adaptation did in a session, on one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rtemo.adaptation.adapter import FROZEN, OFF, PAUSED, RESET, RESUMED, ROLLBACK, SKIP, START, UPDATE
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
    paused : bool
        Whether the operator has paused it.
    refused : int
        Windows that a gate refused.
    resets : int
        Whole or soft, by the operator or by itself.
    drift : float
        Relative distance of the weights that predict from the calibrated ones; NaN before the first update.
    last_reason : str
        Why the newest rollback, reset or refusal was.
    differ, compared : int
        Windows in which the adapted and the frozen model said different labels, of so many.
    """

    mode: str = "off"
    reason: str = ""
    learnt: int = 0
    updates: int = 0
    rollbacks: int = 0
    frozen: bool = False
    paused: bool = False
    refused: int = 0
    resets: int = 0
    drift: float = math.nan
    last_reason: str = ""
    differ: int = 0
    compared: int = 0

    @property
    def brief(self) -> str:
        """What adaptation does, for a line that has more to say."""
        if self.mode == "off":
            return f"off: {self.reason}" if self.reason else "off"
        said = f"{self.mode}: {_count(self.learnt, 'window')} learnt from, {_count(self.updates, 'update')}, "
        return said + _count(self.rollbacks, "rollback") + ", FROZEN" * self.frozen + ", PAUSED" * self.paused

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
            self.status = replace(status, reason=str(details.get("reason", "")))
        elif kind == UPDATE:
            learnt = details["accepted"]
            assert isinstance(learnt, int)
            drift = _drift(details, "drift")
            self.status = replace(status, learnt=learnt, updates=status.updates + 1, drift=drift)
        elif kind == SKIP:
            self.status = replace(status, refused=status.refused + 1, last_reason=str(details.get("reason", "")))
        elif kind == ROLLBACK:
            drift, reason = _drift(details, "drift_after"), str(details.get("reason", ""))
            self.status = replace(status, rollbacks=status.rollbacks + 1, drift=drift, last_reason=reason)
        elif kind == RESET:
            drift, reason = _drift(details, "drift"), str(details.get("reason", ""))
            self.status = replace(status, resets=status.resets + 1, drift=drift, last_reason=reason)
        elif kind == FROZEN:
            self.status = replace(status, frozen=True)
        elif kind in (PAUSED, RESUMED):
            self.status = replace(status, paused=kind == PAUSED)

    def write(self, prediction: Prediction) -> None:
        """Take a prediction; one of a window without views, or that was skipped, says nothing."""
        if math.isnan(prediction.probabilities[0]) or not prediction.available.any():
            return
        differs = int(prediction.probabilities.argmax() != prediction.shadow.argmax())
        status = self.status
        self.status = replace(status, differ=status.differ + differs, compared=status.compared + 1)


def _drift(details: Mapping[str, object], key: str) -> float:
    found = details.get(key)
    return found if isinstance(found, float) else math.nan


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
