"""Between the markers of a calibration and the devices: what is shown now, and when a device is to know it."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Sequence

from rtemo.clock import Clock
from rtemo.sources.followed import MOST_CHANGES, NOTHING, Followed, stimulus_label
from rtemo.types import STIMULUS_STREAM

MOST_WARNINGS = 10
SHOWN_CHARACTERS = 100
AHEAD_S = 1.0
"""So far ahead a device makes samples at most."""


class Participant:
    """Watches what a calibration shows; says what that is, and remembers it for devices that come later.

    Parameters
    ----------
    labels : sequence of str
        That the simulated participant reacts to.
    say : callable
        Called with the moment and a line about what happens.
    warn : callable
        Called with a line about a label that it does not react to, once for each.
    """

    def __init__(
        self, labels: Sequence[str], *, say: Callable[[float, str], None], warn: Callable[[str], None]
    ) -> None:
        self._labels, self._say, self._warn = tuple(labels), say, warn
        self._now = -1
        self._history: deque[tuple[float, int]] = deque(maxlen=MOST_CHANGES)
        self._unknown: set[str] = set()

    @property
    def history(self) -> tuple[tuple[float, int], ...]:
        """The latest changes, as `Followed.change` takes them."""
        return tuple(self._history)

    def sees(self, at_s: float, text: str | None) -> int | None:
        """Number of the label that is shown from now on, -1 where none is; None where nothing changes.

        Parameters
        ----------
        at_s : float
            Seconds since the origin.
        text : str or None
            What a marker says; None where there are no markers any more.
        """
        label = None if text is None else stimulus_label(text)
        number = self._labels.index(label) if label in self._labels else -1
        if label is not None and number < 0 and label != NOTHING:
            self._warn_of(label)
        if number == self._now:
            return None
        self._now = number
        self._history.append((at_s, number))
        self._say(at_s, f"{STIMULUS_STREAM}: {'nothing' if number < 0 else repr(self._labels[number])} is shown")
        return number

    def _warn_of(self, label: str) -> None:
        if label not in self._unknown and len(self._unknown) < MOST_WARNINGS:
            self._unknown.add(label)
            self._warn(
                f"{STIMULUS_STREAM}: the simulated participant does not react to {label[:SHOWN_CHARACTERS]!r}; "
                f"its labels are {', '.join(self._labels)}"
            )


class Attention:
    """Inside a device: lets samples be made no sooner than they are due, by what is known to be shown by then.

    Parameters
    ----------
    followed : Followed or None
        Kept up to date for the sensor, whose thread calls `before`; None where what is shown is known before.
    clock : Clock
        Of the device.
    wait : callable
        Waits for so many seconds and gives True as soon as it is to stop.
    """

    def __init__(self, followed: Followed | None, *, clock: Clock, wait: Callable[[float], bool]) -> None:
        self._followed, self._clock, self._wait = followed, clock, wait
        # Who knows what is shown may make samples ahead, but not without end where none of them is sent.
        self._early_s = AHEAD_S if followed is None else 0.0
        self._inbox: queue.SimpleQueue[tuple[float, int]] = queue.SimpleQueue()
        self._origin_s: float | None = None

    def begin(self, origin_s: float) -> None:
        """Time counts from here, on the device's clock; what was made before was made ahead."""
        self._origin_s = origin_s

    def take(self, at_s: float, label: int) -> None:
        """Something else is shown; from any thread. See `Followed.change`."""
        self._inbox.put((at_s, label))

    def before(self, first_s: float, ahead_s: float) -> bool:
        """Samples are about to be made; gives whether they are to be.

        Parameters
        ----------
        first_s : float
            When the first of them is taken, seconds since the origin.
        ahead_s : float
            What the sensor's own time is ahead of that, as its crystal is off.
        """
        if self._origin_s is not None:
            while (due_s := self._origin_s + first_s - self._early_s - self._clock.now_s()) > 0:
                if self._wait(due_s):
                    return False
        while self._followed is not None and not self._inbox.empty():
            at_s, label = self._inbox.get()
            # Samples that were made already cannot react any more, and no signal jumps to where it would have been.
            self._followed.change(max(at_s, first_s) + ahead_s, label)
        return True
