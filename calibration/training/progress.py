"""How far a training is, and how long it will take: told while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rtemo.model.trained import EpochReport

EVERY_S = 0.25
SETTLED = 0.02
"""Share of the work after which its pace says how long the rest will take."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Parameters
    ----------
    done, total : float
        In steps of training, planned ones: what stops early has done all of its steps.
    doing : str
        For people.
    left_s : float or None
        Seconds that the rest will take; None where nothing is known yet.
    """

    done: float
    total: float
    doing: str
    left_s: float | None


OnProgress = Callable[[Progress], None]


class Meter:
    """Counts steps and tells of them, four times a second at most.

    Parameters
    ----------
    total : float
        Steps that are planned.
    tell : callable or None
        What it raises ends the training.
    clock : callable
        Seconds.
    """

    def __init__(self, total: float, tell: OnProgress | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = max(total, 1.0)
        self._tell = tell
        self._clock = clock
        self._began_s = self._told_s = clock()
        self._done = 0.0

    @contextmanager
    def go(self, doing: str, steps: float) -> Iterator[Callable[[EpochReport], None]]:
        """One go of training of so many planned steps; gives what is to be called after every epoch."""
        begun = self._done
        self._say(doing, force=True)

        def epoch(report: EpochReport) -> None:
            self._done = begun + steps * report.epoch / max(report.epochs, 1)
            self._say(doing)

        yield epoch
        self._done = begun + steps
        self._say(doing, force=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began_s

    def _say(self, doing: str, *, force: bool = False) -> None:
        now_s = self._clock()
        if self._tell is None or (not force and now_s - self._told_s < EVERY_S):
            return
        self._told_s = now_s
        share = min(self._done / self.total, 1.0)
        left_s = None if share < SETTLED else (now_s - self._began_s) * (1 - share) / share
        self._tell(Progress(min(self._done, self.total), self.total, doing, left_s))
