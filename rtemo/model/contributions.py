"""What each view contributes to a prediction: Shapley values over subsets of views, as one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

EXACT_VIEWS = 4


@dataclass(frozen=True)
class Coalitions:
    """The subsets of views whose predictions are needed, and how they make the contributions.

    Parameters
    ----------
    shown : ndarray of bool, shape (subsets, V)
        The first is the set of all views; the empty set, whose prediction is the prior, is left out.
    weights : ndarray, shape (V, subsets)
        ``contribution = weights @ value + empty * prior``, value being the winning label's probability by subset.
    empty : ndarray, shape (V,)
    """

    shown: NDArray[np.bool_]
    weights: NDArray[np.float64]
    empty: NDArray[np.float64]


def coalitions(views: int) -> Coalitions:
    """Subsets and weights for exact Shapley values of up to four views, and for estimates of them beyond.

    Shapley values are the mean, over orders in which the views join, of what a view adds when it joins. Up to four
    views all orders are taken. Beyond, a fixed set: each rotation of the views and its reverse, so that each view joins
    first, last and in between equally often. Either way the contributions sum to the probability minus the prior; a
    view that adds nothing to any subset (a missing one) gets 0.
    """
    if views <= EXACT_VIEWS:
        orders = [list(order) for order in permutations(range(views))]
    else:
        rotations = [[(start + step) % views for step in range(views)] for start in range(views)]
        orders = rotations + [order[::-1] for order in rotations]
    weights: dict[frozenset[int], NDArray[np.float64]] = {frozenset(range(views)): np.zeros(views)}
    for order, position in product(orders, range(views)):
        before, after = frozenset(order[:position]), frozenset(order[: position + 1])
        for subset, sign in ((after, 1.0), (before, -1.0)):
            weights.setdefault(subset, np.zeros(views))[order[position]] += sign / len(orders)
    empty = weights.pop(frozenset())
    shown = np.array([[view in subset for view in range(views)] for subset in weights])
    return Coalitions(shown, np.stack(list(weights.values()), axis=1), empty)
