"""What the participant is shown where somebody else decides it, and says so only when it happens."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np

from rtemo.sources.schedule import LaboratorySettings
from rtemo.types import Floats

STIMULUS = "stimulus/"
NOTHING = "none"
MOST_CHANGES = 64
"""So many changes are remembered: minutes of any experiment. What a sensor is asked about lies seconds back at most."""


def stimulus_label(text: str) -> str | None:
    """Label that a marker of a calibration says is shown from now on; None where it says that none is.

    Parameters
    ----------
    text : str
        ``stimulus/<label>/<trial>``; whatever else a marker says, nothing is shown any more.
    """
    if not text.startswith(STIMULUS):
        return None
    label, _, trial = text.removeprefix(STIMULUS).rpartition("/")
    return label if label and trial.isdecimal() else None


class Followed:
    """What is shown by what was said so far; it goes on until something else is said. See `Shown`.

    Parameters
    ----------
    settings : LaboratorySettings
    changes : iterable of (float, int)
        As `change` takes them.

    Attributes
    ----------
    settings : LaboratorySettings
    version : int
        How many changes there were.
    """

    def __init__(self, settings: LaboratorySettings, changes: Iterable[tuple[float, int]] = ()) -> None:
        self.settings = settings
        self.version = 0
        self._times_s: list[float] = [-math.inf]
        self._labels: list[int] = [-1]
        self._forgotten_s: Floats = np.zeros(len(settings.labels))
        for at_s, label in changes:
            self.change(at_s, label)

    def change(self, at_s: float, label: int) -> None:
        """Something else is shown from a moment on.

        Parameters
        ----------
        at_s : float
            Seconds since the origin; no earlier than the last change, else at the same moment as that.
        label : int
            Number of the label; -1 where none is shown.
        """
        if label == self._labels[-1]:
            return
        self.version += 1
        self._times_s.append(max(at_s, self._times_s[-1]))
        self._labels.append(label)
        if len(self._times_s) > MOST_CHANGES:
            first_s, first = self._times_s.pop(0), self._labels.pop(0)
            if first >= 0:
                self._forgotten_s[first] += self._times_s[0] - first_s

    def label_at(self, at_s: float) -> int:
        """See `Shown`."""
        return self._labels[max(0, bisect_right(self._times_s, at_s) - 1)]

    def effect(self, effects: Floats, at_s: Floats, lag_s: float) -> Floats:
        """See `Shown`."""
        times_s = np.array(self._times_s)
        towards = np.array([effects[label] if label >= 0 else 0.0 for label in self._labels])
        reached = np.zeros(len(times_s))
        for k in range(1, len(times_s)):
            stays = math.exp((times_s[k - 1] - times_s[k]) / lag_s)
            reached[k] = towards[k - 1] + stays * (reached[k - 1] - towards[k - 1])
        now = np.maximum(np.searchsorted(times_s, at_s, side="right") - 1, 0)
        result: Floats = towards[now] + (reached[now] - towards[now]) * np.exp(
            np.minimum(times_s[now] - at_s, 0.0) / lag_s
        )
        return result

    def shown_s(self, at_s: Floats) -> Floats:
        """See `Shown`."""
        shown = np.tile(self._forgotten_s, (len(at_s), 1))
        stops_s = [*self._times_s[1:], math.inf]
        for start_s, stop_s, label in zip(self._times_s, stops_s, self._labels, strict=True):
            if label >= 0:
                shown[:, label] += np.clip(at_s, start_s, stop_s) - start_s
        return shown
