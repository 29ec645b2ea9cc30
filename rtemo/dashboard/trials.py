"""Markers as they come, the trials that they open, and how often the model was right in them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.dashboard.history import PredictionHistory
from rtemo.labels import Segment, label_windows
from rtemo.telemetry import SessionLayout
from rtemo.types import Floats

MARKERS_KEPT = 5000
RECOUNTED = 3600
"""Markers may come later than windows: so many of the newest windows are counted anew each time."""
MAX_TEXT = 500
"""Of a marker's text so much is kept."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A stretch of one label; `stop_s` is None as long as nothing says when it ends."""

    start_s: float
    stop_s: float | None
    label: str


@dataclass(frozen=True, slots=True)
class MarkerSeen:
    """A marker, or an operator's annotation."""

    stamp_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a model was right in windows that lie wholly inside a labelled trial and have a view.

    Parameters
    ----------
    right, shadow_right : int
        Windows in which the adapted and the frozen model named the trial's label.
    windows : int
    per_class : mapping of str to (int, int, int)
        By label: right, right by the frozen model, windows.
    """

    right: int
    shadow_right: int
    windows: int
    per_class: Mapping[str, tuple[int, int, int]]

    @property
    def fraction(self) -> float:
        """Of the adapted model."""
        return self.right / self.windows

    @property
    def shadow_fraction(self) -> float:
        """Of the frozen model."""
        return self.shadow_right / self.windows


class TrialTracker:
    """The newest markers of a session and their trials, by the rules of `rtemo.labels.segments_from_markers`.

    Parameters
    ----------
    layout : SessionLayout, optional
        Says which marker opens a trial of which label; None before a session is known.

    Attributes
    ----------
    revision : int
        Grows whenever trials or markers change.
    """

    def __init__(self, layout: SessionLayout | None = None) -> None:
        self.revision = 0
        self._labels: Mapping[str, str] = {} if layout is None else layout.marker_labels
        self._duration_s = None if layout is None else layout.marker_duration_s
        self._markers: list[MarkerSeen] = []
        self._named: list[str | None] = []
        self._trials: list[Trial] = []

    @property
    def markers(self) -> Sequence[MarkerSeen]:
        """By stamp."""
        return self._markers

    @property
    def trials(self) -> Sequence[Trial]:
        """In order, not overlapping."""
        return self._trials

    def take(self, stamps_s: Floats, texts: Sequence[str]) -> None:
        """Take markers, in any order."""
        came = [
            (stamp_s, text) for stamp_s, text in zip(stamps_s.tolist(), texts, strict=True) if math.isfinite(stamp_s)
        ]
        if not came:
            return
        came.sort(key=lambda one: one[0])
        self.revision += 1
        if self._markers and came[0][0] < self._markers[-1].stamp_s:
            self._insert(came)
        else:
            for stamp_s, text in came:
                self._append(stamp_s, text)
        if len(self._markers) > MARKERS_KEPT + MARKERS_KEPT // 10:
            del self._markers[:-MARKERS_KEPT], self._named[:-MARKERS_KEPT]
            first_s = self._markers[0].stamp_s
            del self._trials[: bisect.bisect_left(self._trials, first_s, key=_start_s)]

    def finish(self, at_s: float) -> None:
        """Nothing comes after a moment: a trial that is open ends there."""
        if self._trials and self._trials[-1].stop_s is None and math.isfinite(at_s):
            last = self._trials[-1]
            self._trials[-1] = Trial(last.start_s, max(at_s, last.start_s), last.label)
            self.revision += 1

    def segments(self, from_s: float = -math.inf, to_s: float = math.inf) -> list[Segment]:
        """The trials as labels are given by: those that a window between two moments may lie in."""
        first = bisect.bisect_right(self._trials, from_s, key=_start_s)
        last = bisect.bisect_right(self._trials, to_s, key=_start_s)
        return [
            Segment(t.start_s, math.inf if t.stop_s is None else t.stop_s, t.label)
            for t in self._trials[max(first - 1, 0) : last]
        ]

    def _append(self, stamp_s: float, text: str) -> None:
        label = self._labels.get(text)
        self._markers.append(MarkerSeen(stamp_s, text[:MAX_TEXT]))
        self._named.append(label)
        self._follow(stamp_s, label)

    def _insert(self, came: list[tuple[float, str]]) -> None:
        """Markers that are older than some that are known: trials are made anew."""
        for stamp_s, text in came:
            # Behind those of the same moment, as a stable sort would.
            at = bisect.bisect_right(self._markers, stamp_s, key=lambda marker: marker.stamp_s)
            self._markers.insert(at, MarkerSeen(stamp_s, text[:MAX_TEXT]))
            self._named.insert(at, self._labels.get(text))
        self._trials = []
        for marker, label in zip(self._markers, self._named, strict=True):
            self._follow(marker.stamp_s, label)

    def _follow(self, stamp_s: float, label: str | None) -> None:
        """End the trial before a marker, and begin the one that it opens."""
        if self._trials:
            last = self._trials[-1]
            if last.stop_s is None or last.stop_s > stamp_s:
                if stamp_s > last.start_s:
                    self._trials[-1] = Trial(last.start_s, stamp_s, last.label)
                else:
                    del self._trials[-1]
        if label is not None:
            stop_s = None if self._duration_s is None else stamp_s + self._duration_s
            self._trials.append(Trial(stamp_s, stop_s, label))


def _start_s(trial: Trial) -> float:
    return trial.start_s


class AccuracyCount:
    """Counts right windows over a whole session, of which only the newest predictions are kept.

    Trials that change later still change what was counted of the newest windows; see `RECOUNTED`.

    Parameters
    ----------
    labels : sequence of str
        Of the classes.
    length_s : float
        Of the windows.
    """

    def __init__(self, labels: Sequence[str], length_s: float) -> None:
        self._labels = tuple(labels)
        self._length_s = length_s
        self._settled = np.zeros((len(self._labels), 3), dtype=np.int64)
        self._settled_windows = 0
        self._seen: tuple[int, int] | None = None
        self._accuracy: Accuracy | None = None

    def before_adding(self, history: PredictionHistory, trials: TrialTracker, count: int) -> None:
        """Count for good what is older than the newest windows, before so many are added and push some out."""
        first = history.forgotten
        until = first + len(history) + count - RECOUNTED
        chosen = slice(max(self._settled_windows - first, 0), min(max(until - first, 0), len(history)))
        if chosen.start < chosen.stop:
            self._settled += self._counted(history, trials, chosen)
            self._settled_windows = first + chosen.stop

    def accuracy(self, history: PredictionHistory, trials: TrialTracker) -> Accuracy | None:
        """So far; None where no window lies in a labelled trial."""
        seen = (history.revision, trials.revision)
        if seen != self._seen:
            self._seen = seen
            newest = slice(max(self._settled_windows - history.forgotten, 0), len(history))
            counts = self._settled + self._counted(history, trials, newest)
            right, shadow_right, windows = counts.sum(axis=0).tolist()
            per_class = {
                label: (row[0], row[1], row[2]) for label, row in zip(self._labels, counts.tolist(), strict=True)
            }
            self._accuracy = Accuracy(right, shadow_right, windows, per_class) if windows else None
        return self._accuracy

    def _counted(self, history: PredictionHistory, trials: TrialTracker, chosen: slice) -> NDArray[np.int64]:
        """Right, right by the shadow and all of some windows of a history, shape (labels, 3)."""
        counts = np.zeros((len(self._labels), 3), dtype=np.int64)
        if chosen.start >= chosen.stop:
            return counts
        stop_s = history.stop_s[chosen]
        segments = trials.segments(float(stop_s[0]) - self._length_s, float(stop_s[-1]))
        if not segments:
            return counts
        _, index = label_windows(stop_s - self._length_s, stop_s, segments)
        classes = {label: number for number, label in enumerate(self._labels)}
        of_segment = np.array([*(classes.get(segment.label, -1) for segment in segments), -1])
        wanted = of_segment[index]
        judged = (wanted >= 0) & np.isfinite(history.probabilities[chosen]).all(axis=1)
        judged &= history.available[chosen].any(axis=1)
        wanted = wanted[judged]
        right = history.probabilities[chosen][judged].argmax(axis=1) == wanted
        shadow = history.shadow[chosen][judged]
        shadow_right = (shadow.argmax(axis=1) == wanted) & np.isfinite(shadow).all(axis=1)
        for column, chosen in enumerate((right, shadow_right, np.ones(len(wanted), dtype=bool))):
            counts[:, column] = np.bincount(wanted[chosen], minlength=len(self._labels))
        return counts
