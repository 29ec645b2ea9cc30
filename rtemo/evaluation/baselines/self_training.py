"""Self-training: a classifier that learns from what it is sure of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from rtemo.evaluation.baselines.base import UNLABELLED, Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.linear import STEPS


class SelfTraining(MultiViewClassifier):
    """Logistic regression that adds its own confident predictions to the labels (Yarowsky 1995; scikit-learn).

    Each round it is fitted on all labels so far, and windows whose likeliest class has a probability above `threshold`
    get that class as a label for good. It ends when none is added, or after `rounds`. Where all windows have labels it
    is logistic regression.

    Parameters
    ----------
    dims : sequence of int
    C : float
        Weight of the likelihood against the ridge.
    threshold : float
        Probability above which a prediction becomes a label.
    rounds : int
    """

    def __init__(self, dims: Sequence[int] = (), C: float = 0.1, threshold: float = 0.75, rounds: int = 10) -> None:
        self.dims = dims
        self.C = C
        self.threshold = threshold
        self.rounds = rounds

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn from all windows."""
        del groups
        split_views(X, self.dims)
        logistic = LogisticRegression(C=self.C, class_weight="balanced", max_iter=STEPS)
        if (y != UNLABELLED).all():
            self.model_ = logistic.fit(X, y)
        else:
            training = SelfTrainingClassifier(logistic, threshold=self.threshold, max_iter=self.rounds)
            self.model_ = training.fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        found: Floats = self.model_.predict_proba(X)
        return found
