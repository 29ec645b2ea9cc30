"""Self-training against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from sklearn.linear_model import LogisticRegression

from rtemo.evaluation.baselines.self_training import SelfTraining


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000)


@pytest.mark.parametrize("classes", [2, 3])
def test_it_keeps_the_contract(classes: int) -> None:
    X, y, _ = clusters(classes)
    check_contract(SelfTraining(DIMS, C=1.0), X, y)


def test_it_learns_from_what_it_is_sure_of() -> None:
    X, y, _ = clusters(spread=2.0)
    labels = y.copy()
    for _ in range(10):
        model = _logistic().fit(X[labels >= 0], labels[labels >= 0])
        p = model.predict_proba(X)
        sure = (labels < 0) & (p.max(axis=1) > 0.75)
        if not sure.any():
            break
        labels[sure] = p[sure].argmax(axis=1)
    assert (labels >= 0).sum() > (y >= 0).sum() + 10
    model = _logistic().fit(X[labels >= 0], labels[labels >= 0])
    np.testing.assert_allclose(SelfTraining(DIMS, C=1.0).fit(X, y).predict_proba(X), model.predict_proba(X))


def test_without_unlabelled_windows_it_is_logistic_regression() -> None:
    X, _, truth = clusters()
    np.testing.assert_allclose(
        SelfTraining(DIMS, C=1.0).fit(X, truth).predict_proba(X), _logistic().fit(X, truth).predict_proba(X)
    )


def test_an_unreachable_threshold_leaves_the_labels_as_they_are() -> None:
    X, y, _ = clusters()
    known = y >= 0
    found = SelfTraining(DIMS, C=1.0, threshold=0.999999).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found, _logistic().fit(X[known], y[known]).predict_proba(X))
