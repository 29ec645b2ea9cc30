"""What training works on, checked before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.errors import ModelError
from rtemo.model.settings import SimvaeSettings

MIN_PROBE_TRIALS = 5
"""Where a class has fewer labelled trials, none can be spared: the model learns from all of them."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingData:
    """Windows to learn from.

    Parameters
    ----------
    views : mapping of str to ndarray of float64, shape (windows, D_v)
        Standardised, in the order of the chain; rows of NaN where the view is missing.
    labels : ndarray of int64, shape (windows,)
        Index into `class_names`, -1 where unlabelled.
    groups : ndarray of int64, shape (windows,)
        Trial of a window: early stopping never splits one. -1 where there is none; labelled windows without a trial
        count as trials of their own.
    class_names : tuple of str
    """

    views: Mapping[str, Floats]
    labels: Ints
    groups: Ints
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def check(data: TrainingData) -> Bools:
    """Refuse data that nothing can be learnt from.

    Returns
    -------
    ndarray of bool, shape (windows, V)
        Which views are there: those whose features are all finite.

    Raises
    ------
    ModelError
    """
    windows = len(data.labels)
    if not data.views:
        raise ModelError("the training data has no view.", cure="Name at least one view in the configuration.")
    for name, x in data.views.items():
        if x.ndim != 2 or x.shape[0] != windows or x.shape[1] < 1:
            raise ModelError(f"view {name!r} has shape {x.shape}: expected ({windows}, at least 1).")
    if data.groups.shape != (windows,) or data.labels.ndim != 1:
        raise ModelError(
            f"labels of shape {data.labels.shape} and groups of shape {data.groups.shape}: expected one a window."
        )
    if windows == 0:
        raise ModelError(
            "the training data is empty.", cure="Check that the recordings hold the configured streams and labels."
        )
    available = np.stack([np.isfinite(x).all(axis=1) for x in data.views.values()], axis=1)
    for name, there in zip(data.views, available.T, strict=True):
        if not there.any():
            raise ModelError(
                f"view {name!r} is missing in all {windows} training windows.",
                cure="Take it out of the configuration, or add a recording that has it.",
            )
    classes = len(data.class_names)
    if classes < 2:
        raise ModelError(
            f"{classes} class(es) {list(data.class_names)}: expected two or more.",
            cure="Add labels to the configuration.",
        )
    if len(set(data.class_names)) != classes:
        raise ModelError(f"class names {list(data.class_names)} are not all different.")
    if data.labels.min() < -1 or data.labels.max() >= classes:
        raise ModelError(
            f"labels from {data.labels.min()} to {data.labels.max()}: expected -1 (none) to {classes - 1}."
        )
    seen = available.any(axis=1)
    counts = np.bincount(data.labels[seen & (data.labels >= 0)], minlength=classes)
    if not counts.any():
        raise ModelError(
            "no training window has a label.",
            cure="Label some segments, or check the marker names in [markers] labels.",
        )
    if (counts == 0).any():
        absent = [name for name, count in zip(data.class_names, counts, strict=True) if not count]
        present = [f"{name}: {count}" for name, count in zip(data.class_names, counts, strict=True) if count]
        raise ModelError(
            f"no training window has the label {', '.join(map(repr, absent))} (found {', '.join(present)}).",
            cure="Record or label a segment of it, or take the label out of the configuration.",
        )
    return available


def usable_windows(available: Bools, settings: SimvaeSettings) -> Bools:
    """Windows that training uses at all, (windows,): those with some view, or with all of them."""
    return np.asarray(available.all(axis=1) if settings.missing == "drop" else available.any(axis=1))


def held_out(data: TrainingData, usable: Bools, fraction: float, at_least: int, seed: int) -> Bools:
    """Labelled windows to stop early by: whole trials, about `fraction` of those of each class.

    Parameters
    ----------
    data : TrainingData
    usable : ndarray of bool, shape (windows,)
        Windows that training will use at all.
    fraction : float
    at_least : int
        Fewer windows than this tell too little: then nothing is held out, and every label is learnt from.
    seed : int

    Returns
    -------
    ndarray of bool, shape (windows,)
        All False where a class has a single trial, or too few windows would be held out.
    """
    none = np.zeros(len(data), dtype=bool)
    labelled = usable & (data.labels >= 0)
    groups = trials_of(data)
    rng = np.random.default_rng([seed, 1])
    chosen: set[int] = set()
    for label in range(len(data.class_names)):
        of_class = np.unique(groups[labelled & (data.labels == label)])
        if len(of_class) < 2 or fraction <= 0:
            return none
        chosen.update(rng.permutation(of_class)[: max(1, round(fraction * len(of_class)))].tolist())
    out = labelled & np.isin(groups, list(chosen))
    remaining = np.bincount(data.labels[labelled & ~out], minlength=len(data.class_names))
    return out if out.sum() >= at_least and (remaining > 0).all() else none


def probe_windows(data: TrainingData, held: Bools, settings: SimvaeSettings, seed: int) -> Bools:
    """Labelled windows that the model is never to learn from: some whole trials of those held out.

    Parameters
    ----------
    data : TrainingData
    held : ndarray of bool, shape (windows,)
        As `held_out` gave it.
    settings : SimvaeSettings
        ``probe_fraction`` of the labelled trials of each class are chosen, at least one.
    seed : int

    Returns
    -------
    ndarray of bool, shape (windows,)
        All False where nothing was held out, nothing is wished, a class has fewer than `MIN_PROBE_TRIALS` labelled
        trials, or a view is there in these trials alone.
    """
    none = np.zeros(len(data), dtype=bool)
    if settings.probe_fraction <= 0 or not held.any():
        return none
    available = check(data)
    labelled = usable_windows(available, settings) & (data.labels >= 0)
    groups = trials_of(data)
    rng = np.random.default_rng([seed, 4])
    chosen: set[int] = set()
    for label in range(len(data.class_names)):
        of_class = data.labels == label
        trials = len(np.unique(groups[labelled & of_class]))
        if trials < MIN_PROBE_TRIALS:
            return none
        spared = max(1, round(settings.probe_fraction * trials))
        chosen.update(rng.permutation(np.unique(groups[held & of_class]))[:spared].tolist())
    out = held & np.isin(groups, list(chosen))
    return out if available[~whole_trials(data, out)].any(axis=0).all() else none


def whole_trials(data: TrainingData, rows: Bools) -> Bools:
    """All windows of the trials that some windows are of, labelled or not, usable or not; shape (windows,)."""
    groups = trials_of(data)
    return np.isin(groups, np.unique(groups[rows]))


def trials_of(data: TrainingData) -> Ints:
    """Trial of each window, (windows,); one of its own, below 0, for each window that lies in none."""
    return np.where(data.groups >= 0, data.groups, -1 - np.arange(len(data)))


def observations(data: TrainingData, rows: Bools) -> int:
    """How many observations some windows are worth: those of a trial are alike, and count as one.

    Windows that lie in no trial, such as those of a rest, are alike just so: as many as a trial has on average count as
    one. Where no window lies in a trial, nothing is known, and each counts.
    """
    found, windows = np.unique(data.groups[rows & (data.groups >= 0)], return_counts=True)
    length = float(windows.mean()) if len(found) else 1.0
    return len(found) + math.ceil(int((rows & (data.groups < 0)).sum()) / length)


def rows_of(data: TrainingData, rows: Bools) -> TrainingData:
    """Some windows of training data."""
    views = {name: x[rows] for name, x in data.views.items()}
    return TrainingData(views, data.labels[rows], data.groups[rows], data.class_names)
