"""Probabilities from the decision values of a classifier that has none of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedGroupKFold

from rtemo.evaluation.baselines.base import Bools, Floats, Ints

FOLDS = 3
LOG_SHARPNESS = (-5.0, 5.0)


def one_a_class(decisions: Floats) -> Floats:
    """Decision values (windows, K) from what scikit-learn gives: a column a class, or a vector for two classes."""
    return np.stack([-decisions / 2, decisions / 2], axis=1) if decisions.ndim == 1 else decisions


def probabilities(decisions: Floats, sharpness: float) -> Floats:
    """Softmax of decision values (windows, K) times a number: the order of the classes stays the machine's own."""
    found: Floats = softmax(sharpness * decisions, axis=1)
    return found


def sharpness_of(decisions: Floats, truth: Ints) -> float:
    """By what to multiply decision values of windows that a machine did not learn from.

    The inverse temperature of Guo et al. (2017) that minimises the cross-entropy to smoothed labels: (n + 1) / (n + K)
    for the true class and 1 / (n + K) for the others, which for two classes are the targets of Platt (1999), with n all
    held-out windows. Smoothing keeps it finite where all of them are right.

    Parameters
    ----------
    decisions : ndarray of float64, shape (n, K)
    truth : ndarray of int64, shape (n,)
        Columns of the true classes.
    """
    n, classes = decisions.shape
    target = np.full((n, classes), 1 / (n + classes))
    target[np.arange(n), truth] = (n + 1) / (n + classes)

    def cross_entropy(log_sharpness: float) -> float:
        return -float((target * log_softmax(np.exp(log_sharpness) * decisions, axis=1)).sum())

    return float(np.exp(minimize_scalar(cross_entropy, bounds=LOG_SHARPNESS, method="bounded").x))


def held_out_folds(y: Ints, groups: Ints | None, seed: int) -> list[tuple[Ints, Ints]]:
    """Windows to learn from and windows to hold out, three times (or twice), no group on both sides.

    Empty where a class has a single group, so that nothing can be held out; a fold that leaves too few classes to
    learn from is left out.
    """
    trials = np.arange(len(y)) if groups is None else groups
    classes = np.unique(y)
    folds = min(FOLDS, *(len(np.unique(trials[y == k])) for k in classes))
    if folds < 2:
        return []
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y[:, None], y, trials)
    return [(kept, out) for kept, out in splits if len(np.unique(y[kept])) == len(classes) and len(out)]


def held_out_sharpness(decide: Callable[[Bools, Bools], Floats], y: Ints, groups: Ints | None, seed: int) -> float:
    """The sharpness from held-out windows; 1 where there are none, so that probabilities are a plain softmax.

    Parameters
    ----------
    decide : callable
        From masks of the windows to learn from and to decide on, decision values (windows held out, K).
    y : ndarray of int64, shape (windows,)
        Columns of the classes, 0 to K - 1.
    groups : ndarray of int64, shape (windows,), optional
    seed : int
    """
    decisions, truth = [], []
    for kept, out in held_out_folds(y, groups, seed):
        learn, test = (np.isin(np.arange(len(y)), rows) for rows in (kept, out))
        decisions.append(decide(learn, test))
        truth.append(y[test])
    return sharpness_of(np.vstack(decisions), np.concatenate(truth)) if decisions else 1.0
