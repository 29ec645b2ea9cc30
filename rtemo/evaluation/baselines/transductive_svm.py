"""Transductive support vector machine by label switching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from rtemo.evaluation.baselines.base import UNLABELLED, Bools, Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.margins import held_out_sharpness, one_a_class, probabilities

# The cost of unlabelled windows, in parts of its last value: low at first, so that labels decide on their sides.
LEVELS = (1 / 256, 1 / 64, 1 / 16, 1 / 4, 1.0)
ROUNDS = 50
STEPS = 1000
TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Machines:
    """The objective of one-against-the-rest machines, all on the same windows.

    With ``h(z) = max(0, 1 - z)^2`` and f(x) = w'x + b it is, for each machine,

    ``(|w|^2 + b^2) / 2 + sum_l c_i h(y_i f(x_i)) + c' sum_u h(y_j f(x_j))``

    Parameters
    ----------
    labelled, unlabelled : ndarray of float64, shape (l, D + 1), (u, D + 1)
        Windows; the last column is all ones, so that the offset is a weight (as in liblinear).
    signs : ndarray of float64, shape (l, machines)
        1 in the class, -1 in the rest.
    costs : ndarray of float64, shape (l, 1)
        c_i.
    inside : ndarray of int64, shape (machines,)
        How many unlabelled windows are in the class.
    """

    labelled: Floats
    unlabelled: Floats
    signs: Floats
    costs: Floats
    inside: Ints

    def values(self, w: Floats, guesses: Floats, cost: float) -> Floats:
        """The objective of each machine, (machines,), for weights, signs of unlabelled windows and their cost."""
        fitted = (self.costs * _loss(self.signs * (self.labelled @ w))).sum(axis=0)
        guessed = cost * _loss(guesses * (self.unlabelled @ w)).sum(axis=0)
        found: Floats = (w**2).sum(axis=0) / 2 + fitted + guessed
        return found

    def guesses(self, w: Floats) -> Floats:
        """The signs (u, machines) that minimise the objective for fixed weights, `inside` of them positive.

        Switching a positive and a negative sign lowers the objective just where the positive one has the smaller f
        (``h(f) - h(-f)`` falls with f): when no switch is left, the windows with the largest f are inside.
        """
        ranks = np.argsort(np.argsort(-(self.unlabelled @ w), axis=0, kind="stable"), axis=0)
        return np.where(ranks < self.inside, 1.0, -1.0)

    def weights(self, w: Floats, guesses: Floats, cost: float) -> Floats:
        """The weights (D + 1, machines) that minimise the objective for fixed signs, from a start.

        A quasi-Newton search in coordinates where the Hessian is at most one, so that it takes few steps.
        """
        factor = cholesky(self._bounds[0] + cost * self._bounds[1])
        machines = w.shape[1]

        def value_and_slope(flat: Floats) -> tuple[float, Floats]:
            w = solve_triangular(factor, flat.reshape(machines, -1).T)
            lost = np.maximum(1 - self.signs * (self.labelled @ w), 0)
            guessed = np.maximum(1 - guesses * (self.unlabelled @ w), 0)
            value = (w**2).sum() / 2 + (self.costs * lost**2).sum() + cost * (guessed**2).sum()
            slope = w - self.labelled.T @ (2 * self.costs * self.signs * lost)
            slope -= self.unlabelled.T @ (2 * cost * guesses * guessed)
            return float(value), solve_triangular(factor, slope, trans="T").T.ravel()

        start = np.asarray(factor @ w).T.ravel()
        found = minimize(
            value_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": TOLERANCE}
        )
        return np.asarray(solve_triangular(factor, found.x.reshape(machines, -1).T), dtype=np.float64)

    @cached_property
    def _bounds(self) -> tuple[Floats, Floats]:
        """A bound of the Hessian without unlabelled windows, and what they add at a cost of 1."""
        bound = np.eye(self.labelled.shape[1]) + 2 * (self.labelled * self.costs).T @ self.labelled
        return bound, 2 * self.unlabelled.T @ self.unlabelled


def _loss(z: Floats) -> Floats:
    found: Floats = np.maximum(1 - z, 0) ** 2
    return found


def switch(machines: Machines, cost: float) -> tuple[Floats, list[list[Floats]]]:
    """Minimise: from the machines of the labelled windows alone, at costs of the others that rise to `cost`.

    Returns
    -------
    weights : ndarray of float64, shape (D + 1, machines)
    course : list of list of ndarray
        The objective of each machine after each half-step, a list for each level of the cost.
        Within a level it never rises.
    """
    width, count = machines.labelled.shape[1], machines.signs.shape[1]
    w = machines.weights(np.zeros((width, count)), np.ones((len(machines.unlabelled), count)), 0.0)
    course: list[list[Floats]] = []
    if not len(machines.unlabelled) or cost == 0:
        return w, course
    for level in LEVELS:
        guesses = machines.guesses(w)
        values = [machines.values(w, guesses, level * cost)]
        for _ in range(ROUNDS):
            w = machines.weights(w, guesses, level * cost)
            values.append(machines.values(w, guesses, level * cost))
            before, guesses = guesses, machines.guesses(w)
            values.append(machines.values(w, guesses, level * cost))
            if np.array_equal(before, guesses):
                break
        course.append(values)
    return w, course


class TransductiveSvm(MultiViewClassifier):
    """Transductive support vector machine (Vapnik 1998; Joachims 1999) on the concatenated features.

    A linear machine whose boundary keeps away from unlabelled windows too: their labels are unknowns of its objective,

    ``min |w|^2 / 2 + C sum_l c_i h(y_i f(x_i)) + C' sum_u h(y_j f(x_j))`` over w, b and y_j in {-1, 1},

    with ``h(z) = max(0, 1 - z)^2`` and as large a part of y_j = 1 as of the labelled windows. As Joachims solves it:
    C' rises from almost nothing, and at each level labels are switched in pairs and the machine is trained again until
    no switch lowers the objective. All switches that help are made at once (Sindhwani & Keerthi 2006), and the loss is
    squared as theirs. One class against the rest where there are more than two. c_i balances the classes;
    ``C' = weight C l / u``, so that many unlabelled windows do not outvote the labels.

    Deterministic annealing in place of rising costs gave worse boundaries where C is large or features are many and
    noisy. Probabilities are a softmax of the decision values; its sharpness comes from labelled windows whose
    label is held out, and is 1 where a class has labels in a single trial.

    Parameters
    ----------
    dims : sequence of int
    C : float
        Weight of errors against the margin.
    weight : float
        Of all unlabelled windows against all labelled ones; 0 leaves them out.
    random_state : int
        For the folds of the sharpness.
    """

    def __init__(self, dims: Sequence[int] = (), C: float = 0.1, weight: float = 1.0, random_state: int = 0) -> None:
        self.dims = dims
        self.C = C
        self.weight = weight
        self.random_state = random_state

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn from all windows."""
        split_views(X, self.dims)
        known = np.flatnonzero(y != UNLABELLED)
        self.classes_, columns = np.unique(y[known], return_inverse=True)
        labels = np.full(len(y), UNLABELLED)

        def decide(learn: Bools, test: Bools) -> Floats:
            kept = labels.copy()
            kept[known[learn]] = columns[learn]
            return _decisions(self._trained(X, kept)[0], X[known[test]])

        trials = None if groups is None else groups[known]
        self.sharpness_ = held_out_sharpness(decide, columns, trials, self.random_state)
        labels[known] = columns
        self.weights_, self.course_ = self._trained(X, labels)
        return self

    def _trained(self, X: Floats, labels: Ints) -> tuple[Floats, list[list[Floats]]]:
        x = np.hstack([X, np.ones((len(X), 1))])
        known = labels != UNLABELLED
        counts = np.bincount(labels[known])
        # Two classes are one machine: the other one is its mirror image.
        classes = np.arange(len(counts)) if len(counts) > 2 else np.array([1])
        signs = np.where(labels[known][:, None] == classes, 1.0, -1.0)
        balance = known.sum() / (len(counts) * counts[labels[known]])
        inside = np.rint((~known).sum() * counts[classes] / known.sum()).astype(np.int64)
        machines = Machines(x[known], x[~known], signs, self.C * balance[:, None], inside)
        return switch(machines, self.weight * self.C * float(known.sum()) / max(int((~known).sum()), 1))

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        return probabilities(_decisions(self.weights_, X), self.sharpness_)


def _decisions(w: Floats, X: Floats) -> Floats:
    f = X @ w[:-1] + w[-1]
    return one_a_class(f[:, 0] if w.shape[1] == 1 else f)
