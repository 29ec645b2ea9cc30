"""What separates the labels: the effect of each feature, by trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Effect sizes of a view's features, from one mean a trial.

    Parameters
    ----------
    names : tuple of str
        Of the features.
    sizes : ndarray of float64, shape (features,)
        With two labels Cohen's d, second less first; with more the share of the variance between trials that lies
        between labels (eta squared). NaN where nothing can be told.
    signed : bool
        Whether these are Cohen's d.
    chance : float
        Eta squared to expect where no feature tells labels apart, (labels - 1) / (trials - 1); for Cohen's d the
        standard error there.
    trials : int
    """

    names: tuple[str, ...]
    sizes: Floats
    signed: bool
    chance: float
    trials: int

    def strongest(self, count: int) -> list[tuple[str, float]]:
        """The features with the largest effects, largest first."""
        order = np.argsort(-np.abs(np.nan_to_num(self.sizes)), kind="stable")
        return [(self.names[i], float(self.sizes[i])) for i in order[:count] if np.isfinite(self.sizes[i])]

    def by_band(self, channels: Sequence[str]) -> dict[str, Floats]:
        """Effects by band, one a channel; empty unless every feature is ``<channel>:<band>`` of these channels."""
        bands: dict[str, Floats] = {}
        place = {label: i for i, label in enumerate(channels)}
        for name, size in zip(self.names, self.sizes.tolist(), strict=True):
            channel, _, band = name.rpartition(":")
            if not channel or channel not in place:
                return {}
            bands.setdefault(band, np.full(len(channels), np.nan))[place[channel]] = size
        return bands


def effects(names: Sequence[str], features: Floats, truth: Ints, trial: Ints, recording: Ints) -> Effects:
    """Effect sizes from one mean a trial; each recording is centred first, for days differ more than labels do.

    Parameters
    ----------
    names : sequence of str
    features : ndarray of float64, shape (windows, features)
        NaN where missing.
    truth, trial, recording : ndarray of int64, shape (windows,)
        Only windows with a label.
    """
    numbers, first = np.unique(trial, return_index=True)
    means = np.stack([_mean(features[trial == number]) for number in numbers]) if len(numbers) else features[:0]
    labels, place = truth[first], recording[first]
    for where in np.unique(place):
        rows = place == where
        # A recording of a single label has nothing to be centred by: that would take the label away.
        if len(np.unique(labels[rows])) > 1:
            means[rows] -= _mean(means[rows])
    classes = np.unique(labels)
    trials = len(numbers)
    if len(classes) < 2 or trials <= len(classes):
        return Effects(tuple(names), np.full(features.shape[1], np.nan), len(classes) == 2, float("nan"), trials)
    groups = [means[labels == label] for label in classes]
    within = sum(np.nansum((group - _mean(group)) ** 2, axis=0) for group in groups)
    if len(classes) == 2:
        pooled = np.sqrt(within / (trials - 2))
        sizes = (_mean(groups[1]) - _mean(groups[0])) / np.where(pooled > 0, pooled, np.nan)
        return Effects(tuple(names), sizes, True, float(np.sqrt(sum(1 / len(group) for group in groups))), trials)
    total = np.nansum((means - _mean(means)) ** 2, axis=0)
    sizes = 1 - within / np.where(total > 0, total, np.nan)
    return Effects(tuple(names), sizes, False, (len(classes) - 1) / (trials - 1), trials)


def effects_of_views(
    names: Mapping[str, tuple[str, ...]], features: Mapping[str, Floats], truth: Ints, trial: Ints, recording: Ints
) -> dict[str, Effects]:
    """`effects` of every view that is there."""
    return {view: effects(names[view], x, truth, trial, recording) for view, x in features.items() if x.shape[1] > 0}


def _mean(values: Floats) -> Floats:
    """Mean over rows, NaN left out; NaN where there is none."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    return np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
