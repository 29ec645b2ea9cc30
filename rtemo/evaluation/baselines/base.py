"""The interface of every method: a scikit-learn classifier over views that lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
UNLABELLED = -1


def split_views(X: Floats, dims: Sequence[int]) -> list[Floats]:
    """The views of a matrix (windows, sum of `dims`).

    Raises
    ------
    ValueError
        The matrix has another number of columns.
    """
    if X.ndim != 2 or X.shape[1] != sum(dims):
        raise ValueError(f"X has shape {X.shape}: expected (windows, {sum(dims)}) for views of {list(dims)} features.")
    return np.split(X, np.cumsum(dims)[:-1], axis=1)


def seen_views(X: Floats, dims: Sequence[int]) -> Bools:
    """Which views are there, (windows, V): those whose features are all finite."""
    return np.stack([np.isfinite(x).all(axis=1) for x in split_views(X, dims)], axis=1)


class MultiViewClassifier(ClassifierMixin, BaseEstimator):
    """Base of all methods.

    A method is a class with keyword parameters in its ``__init__`` (kept as they are): ``dims``,
    features of each view, first; ``random_state``, an int, where chance plays a part. After `fit` it has ``classes_``
    (0 to K - 1), and, where it labels the training windows themselves, ``label_distributions_`` (windows, K).

    X holds standardised features, its views side by side; y is -1 where a window has no label. Where `allows_missing`,
    a view may be NaN throughout a window, in training and in prediction; elsewhere someone fills it first.
    """

    allows_missing: ClassVar[bool] = False
    dims: Sequence[int]
    classes_: Ints

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn.

        Parameters
        ----------
        X : ndarray of float64, shape (windows, sum of dims)
        y : ndarray of int64, shape (windows,)
            -1 where there is no label; every class occurs.
        groups : ndarray of int64, shape (windows,), optional
            Trials: what a method holds out inside never splits one.
        """
        raise NotImplementedError

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        raise NotImplementedError

    def predict(self, X: Floats) -> Ints:
        """The likeliest class of each window."""
        found: Ints = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found
