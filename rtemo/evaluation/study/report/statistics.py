"""Means over runs, and paired tests that never say more than so many runs can."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEVEL = 0.05
_DIGITS = 12
"""Accuracies of the same counts differ by rounding alone beyond these."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean and standard deviation over runs (divided by n - 1; None for a single run)."""

    mean: float
    sd: float | None
    runs: int


def summarise(values: Iterable[float | None]) -> Summary | None:
    """Mean and standard deviation of the values that are there; None where there is none."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    if not there:
        return None
    return Summary(float(np.mean(there)), float(np.std(there, ddof=1)) if len(there) > 1 else None, len(there))


def signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, exact for any number of pairs.

    All 2^n signs of the ranks are equally likely where nothing differs but by chance. Ties share their mean rank, and
    zeros are left out (Wilcoxon 1945); the distribution is the one of the ranks as they are, so that ties do not make
    it approximate.

    Parameters
    ----------
    differences : sequence of float
        One a pair.

    Returns
    -------
    float
        1 where no pair differs.
    """
    found, ranks = _ranked(differences)
    if not len(found):
        return 1.0
    chance = np.zeros(int(ranks.sum()) + 1)
    chance[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chance)
        moved[rank:] = chance[: len(chance) - rank]
        chance = (chance + moved) / 2
    positive = int(ranks[found > 0].sum())
    below, above = float(chance[: positive + 1].sum()), float(chance[positive:].sum())
    return min(1.0, 2 * min(below, above))


def _ranked(differences: Sequence[float]) -> tuple[Floats, Ints]:
    """The differences that are not 0, and twice their ranks by size: mean ranks are halves."""
    found = np.round(np.asarray(differences, dtype=np.float64), _DIGITS)
    found = found[found != 0]
    return found, np.rint(2 * stats.rankdata(np.abs(found))).astype(np.int64)


def _agrees(differences: Sequence[float]) -> bool:
    found, ranks = _ranked(differences)
    return float((np.sign(found) * ranks).sum()) * float(np.mean(differences)) > 0


def smallest_p(pairs: int) -> float:
    """The smallest p that so many pairs can give: all differences of one sign, 2 * 2^-n."""
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): the chance of a single false claim among them stays below the level."""
    adjusted, highest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


@dataclass(frozen=True, slots=True)
class Comparison:
    """One method against another over paired runs.

    Parameters
    ----------
    other : hashable
        Whom it is compared with.
    splits : int
        Seeds of data sets with a run of both. Runs of a split that differ in a setting, as the number of labels, share
        its windows: their differences are averaged first, for they are no evidence of their own.
    ahead : float
        Mean difference over splits; above 0 where the first one is better, whichever direction is.
    p : float
        Of the signed-rank test over splits.
    agrees : bool
        Whether its ranks favour the one whose mean is better: a few large differences can outweigh many small ones.
    adjusted : float
        p after Holm's correction over all others.
    """

    other: Hashable
    splits: int
    ahead: float
    p: float
    agrees: bool
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether chance is ruled out at .05, after correction."""
        return self.agrees and self.adjusted < LEVEL

    @property
    def behind(self) -> bool:
        """Whether the first one has the worse mean."""
        return round(self.ahead, _DIGITS) < 0

    @property
    def leads(self) -> bool:
        """Whether the first one has the better mean."""
        return round(self.ahead, _DIGITS) > 0


def compare(
    values: Mapping[Hashable, Mapping[Hashable, float]],
    first: Hashable,
    *,
    better: int = 1,
    split: Callable[[Any], Hashable] = lambda pair: pair,
) -> list[Comparison]:
    """Compare one method with every other one, over the splits that both have runs of.

    Parameters
    ----------
    values : mapping
        By method, the figure of each run by what pairs it: data set, setting, seed.
    first : hashable
    better : {1, -1}
        -1 where a small figure is good.
    split : callable
        The data set and seed of what pairs runs; each pair is a split of its own where not given.

    Returns
    -------
    list of Comparison
        Of those with a pair, in the order given; corrected over these.
    """
    own = values.get(first, {})
    found = []
    for other, theirs in values.items():
        differences = {pair: better * (own[pair] - theirs[pair]) for pair in own if pair in theirs}
        if other != first and differences:
            found.append((other, _split_means(differences, split)))
    p_values = [signed_rank(differences) for _, differences in found]
    return [
        Comparison(other, len(differences), float(np.mean(differences)), p, _agrees(differences), adjusted)
        for (other, differences), p, adjusted in zip(found, p_values, holm(p_values), strict=True)
    ]


def _split_means(differences: Mapping[Hashable, float], split: Callable[[Any], Hashable]) -> list[float]:
    by: dict[Hashable, list[float]] = {}
    for pair, difference in differences.items():
        by.setdefault(split(pair), []).append(difference)
    return [float(np.mean(found)) for found in by.values()]
