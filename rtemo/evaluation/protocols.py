"""Which windows train, which of them have a label, and which test: the paper's way, and one that does not leak.

``paper`` (Du et al. 2018): where the set says which windows train, those; else four fifths of all windows, drawn
blindly. Labels go to single windows drawn blindly. Neighbours in time are nearly the same window, so both leak.

``honest``: one of five folds tests, made of whole subjects, sessions or trials (`Dataset.unit`); labels go to whole
trials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from rtemo.errors import ConfigurationError
from rtemo.evaluation.datasets.base import Bools, Dataset, Floats, Ints
from rtemo.features.standardise import Standardiser

Protocol = Literal["paper", "honest"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("paper", "honest")
FOLDS = 5
ALL = "all"
EITHER = "either"
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_TRIALS = re.compile(r"(\d+) trials?")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set.

    Parameters
    ----------
    train, test : ndarray of int64
        In the order of the set, none in both. All test windows have a label.
    labelled : ndarray of bool, shape (len(train),)
        Whose labels may be seen.
    """

    train: Ints
    test: Ints
    labelled: Bools


def split(dataset: Dataset, protocol: Protocol, labels: str, seed: int) -> Split:
    """Rows that train, those of them with a label, and rows that test.

    Parameters
    ----------
    dataset : Dataset
    protocol : {"paper", "honest"}
    labels : str
        ``"2%"`` of the training windows, ``"3 trials"`` a class, or ``"all"``; every class has one window or trial at
        least.
    seed : int
        In ``honest``, seeds 0 to 4 test the five folds of one partition, 5 to 9 those of another, and so on.

    Raises
    ------
    ConfigurationError
        `labels` is none of these, or the set has too few groups or labels to split.
    """
    if protocol == "paper":
        train = _paper_rows(dataset, seed)
    elif protocol == "honest":
        train = _whole_units(dataset, seed)
    else:
        raise ConfigurationError(f"protocol {protocol!r} is unknown.", cure=f"Use one of {', '.join(PROTOCOLS)}.")
    rows, known = np.flatnonzero(train), dataset.labels >= 0
    labelled = _labelled(dataset.labels[rows], dataset.trials[rows], labels, np.random.default_rng([seed, 1]))
    missing = set(range(len(dataset.class_names))) - set(dataset.labels[rows[labelled]].tolist())
    if missing:
        names = ", ".join(dataset.class_names[k] for k in sorted(missing))
        raise ConfigurationError(
            f"data set {dataset.name}, protocol {protocol}, seed {seed}: no training window has the label {names}.",
            cure="Use more subjects, or another protocol.",
        )
    return Split(rows, np.flatnonzero(~train & known), labelled)


def _paper_rows(dataset: Dataset, seed: int) -> Bools:
    """Which windows train; labels are drawn anew by seed where the set says which."""
    if dataset.paper_train is not None:
        return dataset.paper_train
    order = np.random.default_rng([seed, 0]).permutation(len(dataset))
    train = np.zeros(len(dataset), dtype=bool)
    train[order[: round((1 - 1 / FOLDS) * len(dataset))]] = True
    return train


def _whole_units(dataset: Dataset, seed: int) -> Bools:
    """Which windows train: all but those of one fold of whole units, classes spread as evenly as these allow."""
    names, index = np.unique(dataset.units, return_inverse=True)
    if len(names) < FOLDS:
        raise ConfigurationError(
            f"data set {dataset.name}: {len(names)} {dataset.unit}s, expected at least {FOLDS}, one for each fold.",
            cure="Give more recordings.",
        )
    counts = np.zeros((len(names), len(dataset.class_names)))
    known = dataset.labels >= 0
    np.add.at(counts, (index[known], dataset.labels[known]), 1)
    fold_of = _stratified(counts, np.random.default_rng([seed // FOLDS, 2]))
    train: Bools = fold_of[index] != seed % FOLDS
    return train


def _stratified(counts: Floats, rng: np.random.Generator) -> Ints:
    """A fold for each unit, from its windows of each class (units, K).

    The largest units first, each goes to the fold in which its classes are rarest so far; ties by chance.
    """
    folds = np.zeros((FOLDS, counts.shape[1]))
    units = np.zeros(FOLDS)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    found = np.zeros(len(counts), dtype=np.int64)
    order = rng.permutation(len(counts))
    for unit in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        # How full a fold would be: of the unit's classes first, then of units.
        cost = ((folds + share[unit]) ** 2).sum(axis=1) - (folds**2).sum(axis=1) + 1e-9 * units
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        fold = int(rng.choice(best))
        found[unit] = fold
        folds[fold] += share[unit]
        units[fold] += 1
    return found


def _labelled(labels: Ints, trials: Ints, wanted: str, rng: np.random.Generator) -> Bools:
    known = labels >= 0
    if wanted == ALL:
        return known
    if percent := _PERCENT.fullmatch(wanted):
        return _windows(labels, float(percent[1]) / 100, rng)
    if number := _TRIALS.fullmatch(wanted):
        return _trials(labels, trials, int(number[1]), rng)
    raise ConfigurationError(
        f"labels = {wanted!r}: expected a share of windows as '2%', trials a class as '3 trials', or 'all'."
    )


def _windows(labels: Ints, share: float, rng: np.random.Generator) -> Bools:
    """So large a share of all windows, drawn blindly but for one of each class."""
    order = rng.permutation(np.flatnonzero(labels >= 0))
    chosen = [int(order[np.flatnonzero(labels[order] == k)[0]]) for k in np.unique(labels[order])]
    rest = order[~np.isin(order, chosen)]
    chosen += rest[: max(0, round(share * len(labels)) - len(chosen))].tolist()
    return np.isin(np.arange(len(labels)), chosen)


def _trials(labels: Ints, trials: Ints, number: int, rng: np.random.Generator) -> Bools:
    """All labelled windows of so many trials of each class, or of as many as there are."""
    out = np.zeros(len(labels), dtype=bool)
    for k in np.unique(labels[labels >= 0]):
        of_class = rng.permutation(np.unique(trials[labels == k]))[:number]
        out |= (labels == k) & np.isin(trials, of_class)
    return out


def hide(dataset: Dataset, parts: Split, view: str, rate: float, seed: int) -> Dataset:
    """The same set with a view missing in a share of the training windows, drawn blindly (Du et al. 2018).

    Of each class one labelled window stays complete, so that a method that leaves incomplete windows out can learn.

    Parameters
    ----------
    dataset : Dataset
    parts : Split
    view : str
        Its name; ``"either"``: in each window any one of those there, but never the last.
    rate : float
        0 to 1.
    seed : int
    """
    if view != EITHER and view not in dataset.views:
        raise ConfigurationError(
            f"data set {dataset.name} has no view {view!r}.", cure=f"Use one of {', '.join((*dataset.views, EITHER))}."
        )
    rng = np.random.default_rng([seed, 3])
    there = available(dataset)[parts.train]
    spared = _complete_of_each(dataset.labels[parts.train], parts.labelled & there.all(axis=1))
    place = rng.integers(0, len(dataset.views), len(parts.train))
    if view != EITHER:
        place[:] = list(dataset.views).index(view)
    hideable = there[np.arange(len(place)), place] & (there.sum(axis=1) > 1) & ~spared
    order = rng.permutation(np.flatnonzero(hideable))
    chosen = order[: round(rate * len(parts.train))]
    views = {name: x.copy() for name, x in dataset.views.items()}
    for v, x in enumerate(views.values()):
        x[parts.train[chosen[place[chosen] == v]]] = np.nan
    return replace(dataset, views=views)


def _complete_of_each(labels: Ints, candidates: Bools) -> Bools:
    """The first candidate of each class."""
    out = np.zeros(len(labels), dtype=bool)
    for k in np.unique(labels[candidates]):
        out[np.flatnonzero(candidates & (labels == k))[0]] = True
    return out


def available(dataset: Dataset) -> Bools:
    """Which views are there, (windows, V)."""
    return np.stack([np.isfinite(x).all(axis=1) for x in dataset.views.values()], axis=1)


def standardised(
    dataset: Dataset, train: Ints, *, causal: bool = False, seen: Dataset | None = None
) -> dict[str, Floats]:
    """Standardised views of all windows, NaN rows where missing.

    Parameters
    ----------
    dataset : Dataset
        With hidden views hidden: they have no say.
    train : ndarray of int64
        Rows whose mean and standard deviation are used; those of each session where the set says so.
    causal : bool
        Use the training windows' all the same, as a live system must.
    seen : Dataset, optional
        The same set with views hidden: what is hidden there has no say in means and standard deviations.

    Returns
    -------
    dict of str to ndarray of float64, shape (windows, D_v)
    """
    source = dataset if seen is None else seen
    there = dict(zip(source.views, available(source).T, strict=True))
    common = _fit(source.views, there, train)
    if causal or dataset.standardise == "training":
        return {name: common.transform(name, x) for name, x in dataset.views.items()}
    out = {name: np.full_like(x, np.nan) for name, x in dataset.views.items()}
    for session in np.unique(dataset.sessions):
        rows = np.flatnonzero(dataset.sessions == session)
        own = _fit(source.views, there, rows)
        for name, x in dataset.views.items():
            # A view that a session hardly has says nothing of its own mean.
            scale = own if there[name][rows].sum() > 1 else common
            out[name][rows] = scale.transform(name, x[rows])
    return out


def _fit(views: Mapping[str, Floats], there: Mapping[str, Bools], rows: Ints) -> Standardiser:
    return Standardiser.fit({n: x[rows] for n, x in views.items()}, {n: x[rows] for n, x in there.items()})
