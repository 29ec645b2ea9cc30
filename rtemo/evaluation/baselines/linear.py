"""Classifiers of all views side by side: support vectors, logistic regression, linear discriminants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from scipy.linalg import lstsq
from scipy.special import softmax
from sklearn.covariance import OAS
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from rtemo.evaluation.baselines.base import UNLABELLED, Bools, Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.margins import held_out_sharpness, one_a_class, probabilities
from rtemo.model.front_end import FrontEnd, fit_front_end
from rtemo.model.settings import make_settings

# Separable data at a large C need more than scikit-learn's hundred.
STEPS = 5000


class Svm(MultiViewClassifier):
    """Support vector machine on the concatenated features.

    Minimises ``|w|^2 / 2 + C sum_i c_i max(0, 1 - y_i f(x_i))`` for each pair of classes, c_i the balance of classes;
    the class with most votes wins (Cortes & Vapnik 1995; libsvm). Probabilities are a softmax of the votes, ties broken
    by margins; its sharpness comes from held-out labelled windows, and is 1 where a class has labels in a single trial.
    The likeliest class is always the machine's own choice.

    Parameters
    ----------
    dims : sequence of int
    C : float
        Weight of errors against the margin.
    kernel : {"linear", "rbf"}
        Linear is what is usual for differential entropy; the width of "rbf" is ``1 / (D var(X))``.
    random_state : int
        For the folds of the sharpness.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        C: float = 0.1,
        kernel: Literal["linear", "rbf"] = "linear",
        random_state: int = 0,
    ) -> None:
        self.dims = dims
        self.C = C
        self.kernel = kernel
        self.random_state = random_state

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn from the labelled windows."""
        split_views(X, self.dims)
        known = y != UNLABELLED
        x, trials = X[known], None if groups is None else groups[known]
        self.classes_, columns = np.unique(y[known], return_inverse=True)

        def decide(learn: Bools, test: Bools) -> Floats:
            return one_a_class(self._machine().fit(x[learn], columns[learn]).decision_function(x[test]))

        self.sharpness_ = held_out_sharpness(decide, columns, trials, self.random_state)
        self.machine_ = self._machine().fit(x, columns)
        return self

    def _machine(self) -> SVC:
        return SVC(C=self.C, kernel=self.kernel, class_weight="balanced")

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        return probabilities(one_a_class(self.machine_.decision_function(X)), self.sharpness_)


class Logistic(MultiViewClassifier):
    """Logistic regression on the concatenated features, or on a linear map of each view.

    Minimises ``|W|^2 / 2 + C sum_i c_i (-log p(y_i | x_i))``, p the softmax of ``W x + b``, c_i the balance of classes.

    Parameters
    ----------
    dims : sequence of int
    C : float
        Weight of the likelihood against the ridge.
    front_end : {None, "pca", "shrunk", "cca"}
        The map, fitted on all training windows, labelled or not: whitened principal components, those of SiMVAE's
        default (`rtemo.model.settings`), or canonical directions of the views (MAXVAR where there are more than two).
    pca_size, cca_size : int
        Components a view.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        C: float = 0.1,
        front_end: Literal["pca", "shrunk", "cca"] | None = None,
        pca_size: int = 15,
        cca_size: int = 8,
    ) -> None:
        self.dims = dims
        self.C = C
        self.front_end = front_end
        self.pca_size = pca_size
        self.cca_size = cca_size

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn the map from all windows, the rest from the labelled ones."""
        del groups
        views = split_views(X, self.dims)
        self.map_: FrontEnd | None = None
        if self.front_end is not None:
            sizes = {"front_end": self.front_end, "pca_size": self.pca_size, "cca_size": self.cca_size}
            self.map_ = fit_front_end(views, make_settings("default", sizes))
        known = y != UNLABELLED
        self.model_ = LogisticRegression(C=self.C, class_weight="balanced", max_iter=STEPS)
        self.model_.fit(self._mapped(X)[known], y[known])
        self.classes_ = self.model_.classes_
        return self

    def _mapped(self, X: Floats) -> Floats:
        return X if self.map_ is None else np.hstack(self.map_(split_views(X, self.dims)))

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        found: Floats = self.model_.predict_proba(self._mapped(X))
        return found


class ShrinkageLda(MultiViewClassifier):
    """Linear discriminant analysis whose covariance is shrunk, on the concatenated features.

    Classes are normal with a common covariance, the mean over classes (weighted by their shares) of each one's own OAS
    estimate (Chen et al. 2010), and so ``log p(k | x) = x' S^-1 m_k - m_k' S^-1 m_k / 2 + const``: as the other methods
    weigh classes the same, all are equally likely beforehand. Not Ledoit-Wolf: class by class it hardly shrinks at two
    windows a class. A class with a single window says nothing of the covariance; where all are such, it is the
    identity, as the features are standardised.

    Parameters
    ----------
    dims : sequence of int
    """

    def __init__(self, dims: Sequence[int] = ()) -> None:
        self.dims = dims

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn from the labelled windows."""
        del groups
        split_views(X, self.dims)
        known = y != UNLABELLED
        self.classes_, columns, counts = np.unique(y[known], return_inverse=True, return_counts=True)
        parts = [X[known][columns == k] for k in range(len(counts))]
        spread = [n * OAS().fit(x).covariance_ for x, n in zip(parts, counts, strict=True) if n > 1]
        covariance = np.sum(spread, axis=0) / counts[counts > 1].sum() if spread else np.eye(X.shape[1])
        means = np.stack([x.mean(axis=0) for x in parts])
        # Least squares, as a class of equal windows leaves a covariance without full rank.
        self.coefficients_: Floats = lstsq(covariance, means.T)[0].T
        self.offsets_: Floats = -np.einsum("kd,kd->k", means, self.coefficients_) / 2
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        found: Floats = softmax(X @ self.coefficients_.T + self.offsets_, axis=1)
        return found


def linear_head(kind: Literal["logistic", "svm"], size: int, C: float, random_state: int) -> MultiViewClassifier:
    """A linear classifier of codes of a size, for methods that learn these first."""
    if kind == "svm":
        return Svm((size,), C=C, random_state=random_state)
    return Logistic((size,), C=C)
