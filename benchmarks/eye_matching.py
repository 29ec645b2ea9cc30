"""How well two lists of events agree: pairs one to one, and what is left over on either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from eye_recordings import BLINK, FIXATION, SACCADE, MarkedEvent
from scipy.optimize import linear_sum_assignment

Nearness = Callable[[MarkedEvent, MarkedEvent], float]
"""Of a found and a true event: 0 where they are no pair, else the more the better."""


@dataclass(frozen=True)
class Agreement:
    """Counts of found events, true events and pairs of them."""

    found: int
    true: int
    pairs: int

    @property
    def precision(self) -> float:
        """Share of the found events that are true; NaN where nothing is found."""
        return self.pairs / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the true events that are found; NaN where there are none."""
        return self.pairs / self.true if self.true else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN where there is nothing to find and nothing was found."""
        return 2 * self.pairs / (self.found + self.true) if self.found + self.true else float("nan")


def overlap(one: MarkedEvent, other: MarkedEvent) -> float:
    """Time that two events share, over the time that they take together."""
    shared_s = min(one.stop_s, other.stop_s) - max(one.start_s, other.start_s)
    return max(0.0, shared_s / (max(one.stop_s, other.stop_s) - min(one.start_s, other.start_s)))


def within(tolerance_s: float, *, onset_only: bool = False) -> Nearness:
    """Events whose starts, and stops too unless told otherwise, are at most so far apart."""

    def nearness(one: MarkedEvent, other: MarkedEvent) -> float:
        apart_s = abs(one.start_s - other.start_s)
        if not onset_only:
            apart_s = max(apart_s, abs(one.stop_s - other.stop_s))
        # A hair of room for the rounding of stamps; and an event at the very edge is still a pair.
        return max(0.0, 1 + 1e-6 - apart_s / tolerance_s)

    return nearness


def pairs(
    found: Sequence[MarkedEvent], true: Sequence[MarkedEvent], nearness: Nearness
) -> list[tuple[MarkedEvent, MarkedEvent]]:
    """One-to-one pairs of a found and a true event, as many as can be and then as near as can be."""
    if not found or not true:
        return []
    near = np.array([[nearness(one, other) for other in true] for one in found])
    # A pair outweighs all nearness: nearness is at most about 1, and there are at most so many pairs.
    weight = np.where(near > 0, len(found) + len(true) + near, 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return [(found[i], true[j]) for i, j in zip(rows, columns, strict=True) if near[i, j] > 0]


def agreement(found: Sequence[MarkedEvent], true: Sequence[MarkedEvent], nearness: Nearness) -> Agreement:
    """Count found events, true events and their pairs."""
    return Agreement(len(found), len(true), len(pairs(found, true, nearness)))


LABELS = {"other": 0, FIXATION: 1, SACCADE: 2, BLINK: 3}


def labels_at(stamps_s: np.ndarray, events: Sequence[MarkedEvent]) -> np.ndarray:
    """What each sample is, as in `LABELS`; where events overlap, a blink comes before a saccade before a fixation."""
    labels = np.zeros(len(stamps_s), dtype=int)
    for event in sorted(events, key=lambda event: LABELS[event.kind]):
        first, stop = np.searchsorted(stamps_s, [event.start_s - 1e-6, event.stop_s - 1e-6])
        labels[first:stop] = LABELS[event.kind]
    return labels
