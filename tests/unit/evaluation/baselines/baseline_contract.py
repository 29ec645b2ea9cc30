"""What holds of every method, and small data to hold it on."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)

from rtemo.evaluation.baselines.base import MultiViewClassifier

DIMS = (6, 3)


def clusters(classes: int = 3, windows: int = 90, labelled: int = 9, spread: float = 1.0, seed: int = 0):
    """Normal clusters in two views: features, labels of a few windows (-1 elsewhere), and all labels."""
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % classes
    centres = rng.normal(size=(classes, sum(DIMS))) * 2.0
    X = centres[truth] + spread * rng.normal(size=(windows, sum(DIMS)))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, np.where(np.arange(windows) < labelled, truth, -1), truth


def check_contract(estimator: MultiViewClassifier, X: np.ndarray, y: np.ndarray) -> None:
    """A scikit-learn estimator whose probabilities are probabilities, the same in each run, of labels as they come."""
    name = type(estimator).__name__
    check_parameters_default_constructible(name, type(estimator)())
    check_no_attributes_set_in_init(name, type(estimator)())
    check_get_params_invariance(name, type(estimator)())
    check_set_params(name, type(estimator)())
    kept = (X.copy(), y.copy())
    first = clone(estimator).fit(X, y)
    again = clone(estimator).fit(X, y)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    np.testing.assert_array_equal(first.classes_, np.unique(y[y >= 0]))
    p = first.predict_proba(X)
    assert p.shape == (len(X), len(first.classes_))
    assert p.dtype == np.float64
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(p, again.predict_proba(X))
    # Classes keep their names: the same labels, each 1 more with a gap, are the same columns.
    moved = clone(estimator).fit(X, np.where(y >= 0, 2 * y + 1, -1))
    np.testing.assert_array_equal(moved.classes_, 2 * first.classes_ + 1)
    np.testing.assert_allclose(moved.predict_proba(X), p, atol=1e-10)
    np.testing.assert_array_equal(moved.predict(X), 2 * first.predict(X) + 1)
