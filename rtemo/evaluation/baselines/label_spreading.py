"""Label spreading on one graph of all views side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn import semi_supervised

from rtemo.evaluation.baselines.base import UNLABELLED, Floats, Ints, MultiViewClassifier, split_views

ROUNDS = 2000
SETTLED = 1e-6


class LabelSpreading(MultiViewClassifier):
    """Label spreading (Zhou et al. 2004; scikit-learn) on the concatenated features.

    Repeats ``F <- alpha S F + (1 - alpha) Y`` to its fixed point ``(1 - alpha) (I - alpha S)^-1 Y``, S the normalised
    graph of nearest neighbours, Y one-hot labels. Other windows get the mean of their nearest training windows'
    distributions. A window that no label reaches (a part of the graph without one) gets the classes' shares.

    Parameters
    ----------
    dims : sequence of int
    alpha : float
        What a window takes from its neighbours; 0.99 is the paper's.
    neighbours : int
        With the window itself.
    """

    def __init__(self, dims: Sequence[int] = (), alpha: float = 0.99, neighbours: int = 7) -> None:
        self.dims = dims
        self.alpha = alpha
        self.neighbours = neighbours

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Label the training windows."""
        del groups
        split_views(X, self.dims)
        self.model_ = semi_supervised.LabelSpreading(
            kernel="knn",
            n_neighbors=min(self.neighbours, len(X)),
            alpha=self.alpha,
            max_iter=ROUNDS,
            tol=SETTLED,
        ).fit(X, y)
        self.classes_ = self.model_.classes_
        counts = np.bincount(np.searchsorted(self.classes_, y[y != UNLABELLED]))
        self.shares_ = counts / counts.sum()
        found = self.model_.label_distributions_
        self.label_distributions_: Floats = np.where(found.any(axis=1, keepdims=True), found, self.shares_)
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        # scikit-learn divides by 0 where all neighbours are out of reach of a label.
        with np.errstate(invalid="ignore"):
            found = self.model_.predict_proba(X)
        filled: Floats = np.where(np.isfinite(found), found, self.shares_)
        return filled
