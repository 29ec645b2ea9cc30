"""What the simulated participant is shown, and how that and time move what sensors measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtemo.sources.simulate import MARKER_PREFIX, REST
from rtemo.types import Floats

MAX_NUMBER = 2**24
"""Sample numbers up to this are exact in float32: four and a half hours at 1000 Hz."""
DRIFT_PERIODS_S = (40.0, 900.0)
DRIFT_WAVES = 4
# One stream of random numbers for each purpose, so that one never shifts another.
PERSON_EEG, PERSON_EYE, PERSON_PPS, ORDER, SESSION_EEG, SESSION_EYE, SESSION_PPS, NOISE, GAZE, ANCHOR, BLINK = range(11)


@dataclass(frozen=True, slots=True)
class LaboratorySettings:
    """Who sits in the laboratory, and what is shown.

    Parameters
    ----------
    labels : tuple of str
        Emotions, shown in shuffled rounds.
    texts : mapping of str to str
        Marker of each label; ``clip/<label>`` where it is not given.
    participant : int
        Seeds what stays the same for one person: what each emotion does to each signal.
    session : int
        Seeds what differs between sessions of one person: levels, drift, order of the clips.
    seed : int
        Seeds the noise.
    trial_s, rest_s : float
        Length of a clip and of the rest before it.
    effect : float
        How far the emotions lie apart, in standard deviations of the slow drift.
    numbered : bool
        Whether the first channel of every device is the number of the sample, exact up to `MAX_NUMBER`.
    """

    labels: tuple[str, ...] = ("negative", "neutral", "positive")
    texts: Mapping[str, str] = field(default_factory=dict)
    participant: int = 0
    session: int = 0
    seed: int = 0
    trial_s: float = 15.0
    rest_s: float = 3.0
    effect: float = 0.8
    numbered: bool = False


class Device(Protocol):
    """A sensor: any samples of it, by number."""

    def samples(self, first: int, count: int) -> NDArray[np.float32]:
        """Samples from number `first` on, at the nominal rate since the origin; shape (count, channels)."""
        ...


class Shown(Protocol):
    """What the participant is shown when, as far as it is known."""

    @property
    def settings(self) -> LaboratorySettings:
        """Who sits there."""
        ...

    @property
    def version(self) -> int:
        """Grows whenever moments turn out to be other than they were said to be."""
        ...

    def label_at(self, at_s: float) -> int:
        """Number of the label that is shown at a moment; -1 where none is."""
        ...

    def effect(self, effects: Floats, at_s: Floats, lag_s: float) -> Floats:
        """What the emotions do to a quantity, which follows them with a lag.

        Parameters
        ----------
        effects : ndarray of float64, shape (labels,)
            Where the quantity goes to under each label; 0 where none is shown.
        at_s : ndarray of float64, shape (samples,)
        lag_s : float
            Time constant.

        Returns
        -------
        ndarray of float64, shape (samples,)
        """
        ...

    def shown_s(self, at_s: Floats) -> Floats:
        """How long each label has been shown up to moments that lie close together; shape (samples, labels)."""
        ...


class Schedule:
    """What is shown by a plan of its own: a rest, then a clip, and so on without end.

    Parameters
    ----------
    settings : LaboratorySettings

    Attributes
    ----------
    version : int
        Always 0.
    """

    def __init__(self, settings: LaboratorySettings) -> None:
        self.settings = settings
        self.version = 0
        self.period_s = settings.rest_s + settings.trial_s
        self._labels: list[int] = []
        self._before: dict[int, Floats] = {}

    def label_of(self, trial: int) -> int:
        """Number of the label of a trial; -1 before the first."""
        if trial < 0:
            return -1
        while trial >= len(self._labels):
            chosen = self.settings
            order = np.random.default_rng([chosen.participant, chosen.session, ORDER, len(self._labels)])
            self._labels += order.permutation(len(chosen.labels)).tolist()
        return self._labels[trial]

    def label_at(self, at_s: float) -> int:
        """Number of the label that is shown at a moment; -1 in a rest."""
        trial, within_s = divmod(at_s, self.period_s)
        return self.label_of(int(trial)) if within_s >= self.settings.rest_s else -1

    def marker(self, number: int) -> tuple[float, str]:
        """Moment and text of a marker; even ones start a clip, odd ones end it."""
        trial, ends = divmod(number, 2)
        if ends:
            return (trial + 1) * self.period_s, REST
        label = self.settings.labels[self.label_of(trial)]
        return trial * self.period_s + self.settings.rest_s, self.settings.texts.get(label, MARKER_PREFIX + label)

    def marker_from(self, at_s: float) -> int:
        """Number of the first marker at a moment or later."""
        number = 2 * max(0, int(at_s // self.period_s) - 1)
        while self.marker(number)[0] < at_s:
            number += 1
        return number

    def effect(self, effects: Floats, at_s: Floats, lag_s: float) -> Floats:
        """See `Shown`."""
        rest_s = self.settings.rest_s
        trials = np.floor_divide(at_s, self.period_s).astype(np.int64)
        within_s = at_s - trials * self.period_s
        first = int(trials[0]) if len(trials) else 0
        reached = np.array([self._effect_of(effects, k) for k in range(first - 1, int(trials.max(initial=first)) + 1)])
        before, now = reached[trials - first], reached[trials - first + 1]
        fading = before * np.exp(-within_s / lag_s)
        shown = np.where(within_s >= rest_s, now * -np.expm1(-np.maximum(within_s - rest_s, 0.0) / lag_s), 0.0)
        result: Floats = fading + shown
        return result

    def shown_s(self, at_s: Floats) -> Floats:
        """See `Shown`."""
        trial = math.floor(at_s[0] / self.period_s)
        shown = np.tile(self._shown_before(trial), (len(at_s), 1))
        # Samples of the next trial lie in its rest, where nothing is shown.
        lasts_s, start_s = self.settings.trial_s, trial * self.period_s + self.settings.rest_s
        shown[:, self.label_of(trial)] += np.clip(at_s - start_s, 0.0, lasts_s)
        return shown

    def _shown_before(self, trial: int) -> Floats:
        """How long each label has been shown in all trials before this one."""
        if trial not in self._before:
            labels = [self.label_of(k) for k in range(trial)]
            counts = np.bincount(np.array(labels, dtype=np.int64), minlength=len(self.settings.labels))
            self._before = {trial: self.settings.trial_s * counts.astype(np.float64)}
        return self._before[trial]

    def _effect_of(self, effects: Floats, trial: int) -> float:
        label = self.label_of(trial)
        return float(effects[label]) if label >= 0 else 0.0


class Drift:
    """Slow drift of some quantities: a few waves of minutes each, with a level of its own for each session.

    Parameters
    ----------
    random : numpy.random.Generator
    quantities : int
    scale : float
        Standard deviation, of the waves and of the level.
    """

    def __init__(self, random: np.random.Generator, quantities: int, scale: float) -> None:
        low, high = (math.log(period_s) for period_s in DRIFT_PERIODS_S)
        shape = (DRIFT_WAVES, quantities)
        self._rates = 2 * np.pi / np.exp(random.uniform(low, high, shape))
        self._phases = random.uniform(0, 2 * np.pi, shape)
        self._scale = scale * math.sqrt(2 / DRIFT_WAVES)
        self._level = scale * random.standard_normal(quantities)
        self._second = -1
        self._now = self._level

    def at(self, at_s: float) -> Floats:
        """Every quantity's drift in the second that a moment lies in; shape (quantities,)."""
        second = math.floor(at_s)
        if second != self._second:
            self._second = second
            self._now = self._level + self._scale * np.sin(self._rates * second + self._phases).sum(axis=0)
        return self._now
