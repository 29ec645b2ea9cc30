"""Causal re-centring and re-scaling of the model's inputs toward the session, without labels and without gradients.

A session differs from calibration by a shift that all classes share. Its prior is how calibration's recordings differ;
the evidence is a reservoir of the session's windows, balanced over predicted classes, whose own classes are summed
out: x ~ sum_k 1/K N(mu_k + shift, within). One long clip is then a cluster near its class, not a drifting mean. The
windows of a trial count as one observation, as neighbours are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rtemo.adaptation.memory import BalancedMemory
from rtemo.adaptation.statistics import CalibrationStatistics, Ints
from rtemo.types import Bools, Floats

ITERATIONS = 8
TOLERANCE = 1e-3
TRIALS_KEPT = 3
"""How many trials' worth of windows the reservoir holds of each predicted class."""
KEPT_A_TRIAL = 30
"""More windows of a trial tell no more; the reservoir takes every so-many-th of longer ones."""
SCALE_PRIOR = 30.0
"""Trials that calibration's own scatter counts in the scale of a view."""
SCALES = (2 / 3, 3 / 2)


@dataclass(frozen=True)
class Recentring:
    """What is done to the model's inputs: ``centre + (x - shift - centre) / scale``.

    Parameters
    ----------
    shift : ndarray of float64, shape (D,)
    scale : ndarray of float64, shape (D,)
        The same for all inputs of a view.
    centre : ndarray of float64, shape (D,)
        Of calibration: what scaling leaves where it is.
    """

    shift: Floats
    scale: Floats
    centre: Floats

    @classmethod
    def none(cls, centre: Floats) -> Recentring:
        """Nothing is done."""
        return cls(np.zeros_like(centre), np.ones_like(centre), centre)

    def beside(self, centre: Floats, owners: Ints) -> Recentring:
        """Extend it to what only psi sees of a view: the view's scale, and no shift, as nothing is known of one.

        Parameters
        ----------
        centre : ndarray of float64, shape (E,)
            Of calibration.
        owners : ndarray of int64, shape (E,)
            An input of the view that each is of.
        """
        return Recentring(
            np.concatenate([self.shift, np.zeros_like(centre)]),
            np.concatenate([self.scale, self.scale[owners]]),
            np.concatenate([self.centre, centre]),
        )

    @property
    def gain(self) -> Floats:
        """Factor of x in ``gain * x + bias``."""
        return np.asarray(1 / self.scale)

    @property
    def bias(self) -> Floats:
        """See `gain`; exactly 0 where nothing is done."""
        return np.asarray(self.centre * (1 - self.gain) - self.shift * self.gain)

    def __call__(self, x: Floats) -> Floats:
        """Model inputs (..., D) in calibration's coordinates."""
        return np.asarray(x * self.gain + self.bias)


class Moments(NamedTuple):
    """Windows with the same views: precision of the scatter, 0 in missing inputs, and rows."""

    precision: Floats
    rows: Floats
    there: Bools


class Recentrer:
    """Estimates the recentring from the windows that it is shown.

    Parameters
    ----------
    statistics : CalibrationStatistics
    slices : sequence of slice
        Where each view lies in the model's inputs.
    max_shift : float
        Cap of each view's shift: root mean square, in standard deviations of calibration.
    max_age_s : float
        Windows older than this no longer count.
    min_evidence : float
        Nats that a shift must gain to be believed; half of them keep it.
    """

    def __init__(
        self,
        statistics: CalibrationStatistics,
        slices: Sequence[slice],
        *,
        max_shift: float,
        max_age_s: float,
        min_evidence: float,
    ) -> None:
        self._statistics = statistics
        self._slices = tuple(slices)
        self._max_shift, self._min_evidence = max_shift, min_evidence
        stride = max(1, round(statistics.trial / KEPT_A_TRIAL))
        self._observation = statistics.trial / stride
        self._memory = BalancedMemory(
            cell_size=max(4, round(TRIALS_KEPT * self._observation)), stride=stride, max_age_s=max_age_s
        )
        self._between_precision = np.linalg.inv(statistics.between)
        self._precisions: dict[tuple[bool, ...], Floats] = {}
        self.state = Recentring.none(statistics.centre)

    @property
    def memory(self) -> BalancedMemory:
        """The reservoir."""
        return self._memory

    def observe(self, x: Floats, available: Bools, label: int, stop_s: float) -> None:
        """Keep a window: inputs (D,) as they came, its views (V,), its predicted class, and when it ended."""
        self._memory.add((label,), x, available, stop_s)

    def forget(self) -> None:
        """Recentre nothing, and begin anew."""
        self._memory.clear()
        self.state = Recentring.none(self._statistics.centre)

    def update(self) -> float:
        """Estimate anew from the reservoir.

        Returns
        -------
        float
            By how much the likeliest shift makes the reservoir likelier, in nats, its prior included; 0 where the
            reservoir is empty. Below `min_evidence` nothing is recentred.
        """
        x, available = self._memory.windows()
        if not len(x):
            return 0.0
        groups = self._groups(x, available)
        nothing = np.zeros(x.shape[1])
        found = [self._climb(groups, start) for start in (self.state.shift, nothing)]
        score, shift = max(found, key=lambda pair: pair[0])
        gain = score - self._score(groups, nothing)
        believed = self.state.shift.any()
        if gain < self._min_evidence / (2 if believed else 1):
            self.state = Recentring.none(self._statistics.centre)
            return float(gain)
        shift = self._capped(shift)
        self.state = replace(self.state, shift=shift, scale=self._scales(groups, shift))
        return float(gain)

    def _groups(self, x: Floats, available: Bools) -> list[Moments]:
        groups, used = [], {}
        for pattern in np.unique(available, axis=0):
            rows = (available == pattern).all(axis=1)
            there = np.concatenate(
                [np.full(where.stop - where.start, seen) for where, seen in zip(self._slices, pattern, strict=True)]
            )
            key = tuple(bool(seen) for seen in pattern)
            precision = self._precisions.get(key)
            if precision is None:
                precision = np.zeros_like(self._statistics.within)
                precision[np.ix_(there, there)] = np.linalg.inv(self._statistics.within[np.ix_(there, there)])
            used[key] = precision
            groups.append(Moments(precision, np.where(there, x[rows], 0.0), there))
        # Only those of the windows that are kept: there may be very many sets of views in the end.
        self._precisions = used
        return groups

    def _log_joint(self, group: Moments, shift: Floats) -> Floats:
        """Logarithm of N(x; mu_k + shift, within) over the views that are there, up to what is the same for all."""
        projected = self._statistics.means @ group.precision
        y = np.where(group.there, group.rows - shift, 0.0)
        squares = (y @ group.precision * y).sum(axis=1)
        own = (projected * self._statistics.means).sum(axis=1)
        return np.asarray(y @ projected.T - 0.5 * squares[:, None] - 0.5 * own)

    def _score(self, groups: Sequence[Moments], shift: Floats) -> float:
        """Log-posterior of a shift.

        Its prior is a Student t of as many degrees of freedom as there are inputs: one session in many differs far
        more than calibration's recordings do.
        """
        likelihood = sum(float(_log_sum(self._log_joint(group, shift)).sum()) for group in groups)
        distance = float(shift @ self._between_precision @ shift)
        size = len(shift)
        return likelihood / self._observation - size * float(np.log1p(distance / size))

    def _climb(self, groups: Sequence[Moments], shift: Floats) -> tuple[float, Floats]:
        """Expectation maximisation from a start: classes given the shift, the shift given the classes."""
        means = self._statistics.means
        for _ in range(ITERATIONS):
            distance = float(shift @ self._between_precision @ shift)
            tail = 2 * len(shift) / (len(shift) + distance)
            curvature, pull = tail * self._between_precision, np.zeros_like(shift)
            for group in groups:
                joint = self._log_joint(group, shift)
                share = np.exp(joint - _log_sum(joint)[:, None])
                residual = np.where(group.there, (group.rows - share @ means).sum(axis=0), 0.0)
                curvature = curvature + len(group.rows) / self._observation * group.precision
                pull = pull + group.precision @ residual / self._observation
            moved = np.linalg.solve(curvature, pull)
            done = np.abs(moved - shift).max() < TOLERANCE
            shift = moved
            if done:
                break
        return self._score(groups, shift), shift

    def _capped(self, shift: Floats) -> Floats:
        """The shift with each view's size capped."""
        capped = shift.copy()
        for where in self._slices:
            size = float(np.sqrt(np.mean((shift[where] / self._statistics.spread[where]) ** 2)))
            capped[where] /= max(1.0, size / self._max_shift)
        return capped

    def _scales(self, groups: Sequence[Moments], shift: Floats) -> Floats:
        """One scale a view: how far windows scatter around their classes, against calibration."""
        means, scale = self._statistics.means, np.ones_like(shift)
        variance = np.diag(self._statistics.within)
        for where in self._slices:
            seen = [group for group in groups if group.there[where].all()]
            count = sum(len(group.rows) for group in seen)
            if not count:
                continue
            first, second = np.zeros(where.stop - where.start), np.zeros(where.stop - where.start)
            for group in seen:
                joint = self._log_joint(group, shift)
                share = np.exp(joint - _log_sum(joint)[:, None])[:, :, None]
                residual = group.rows[:, None, where] - shift[where] - means[:, where]
                first += (share * residual).sum(axis=(0, 1)) / count
                second += (share * residual**2).sum(axis=(0, 1)) / count
            # Around their own mean: what cap and prior leave of a shift is no scatter.
            ratio = float(((second - first**2) / variance[where]).mean())
            trials = count / self._observation
            scale[where] = np.clip(np.sqrt((SCALE_PRIOR + trials * ratio) / (SCALE_PRIOR + trials)), *SCALES)
        return scale


def _log_sum(joint: Floats) -> Floats:
    """Log of the sum over classes."""
    top = joint.max(axis=1)
    return np.asarray(top + np.log(np.exp(joint - top[:, None]).sum(axis=1)))
