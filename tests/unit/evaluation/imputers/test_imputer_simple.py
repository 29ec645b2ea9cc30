"""Imputers without a model: closed forms, scikit-learn, and what none may do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.impute import KNNImputer

from rtemo.evaluation.imputers.simple import IterativeRidgeImputer, MeanImputer, NearestImputer

DIMS = (3, 2, 2)
ALL = [MeanImputer(DIMS), NearestImputer(DIMS, n_neighbors=3), IterativeRidgeImputer(DIMS)]


def windows(count: int = 200, *, seed: int = 0, missing: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """A linear-Gaussian set of three views, and the same with views missing, never all three."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 2))
    truth = 2.0 + z @ np.random.default_rng(1).normal(size=(2, 7)) + 0.1 * rng.normal(size=(count, 7))
    gone = rng.random((count, 3)) < missing
    gone[gone.all(axis=1), 0] = False
    return truth, np.where(np.repeat(gone, DIMS, axis=1), np.nan, truth)


@pytest.mark.parametrize("imputer", ALL, ids=lambda i: type(i).__name__)
def test_what_was_observed_stays_and_windows_do_not_see_each_other(imputer):
    _, X = windows()
    fitted = clone(imputer).fit(X)
    filled = fitted.transform(X)
    np.testing.assert_array_equal(filled[np.isfinite(X)], X[np.isfinite(X)])
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(fitted.transform(X[10:20]), filled[10:20], rtol=1e-12)


@pytest.mark.parametrize("imputer", ALL, ids=lambda i: type(i).__name__)
def test_a_window_without_any_view_gets_the_means(imputer):
    _, X = windows()
    means = np.nanmean(X, axis=0)
    np.testing.assert_allclose(clone(imputer).fit(X).transform(np.full((2, 7), np.nan)), np.tile(means, (2, 1)))


@pytest.mark.parametrize("imputer", ALL, ids=lambda i: type(i).__name__)
def test_a_view_that_no_training_window_has_is_said(imputer):
    _, X = windows()
    X[:, 3:5] = np.nan
    with pytest.raises(ValueError, match="view 1 is missing in all 200"):
        clone(imputer).fit(X)
    with pytest.raises(ValueError, match="expected"):
        clone(imputer).fit(windows()[1]).transform(X[:, :5])


def test_neighbours_are_those_of_scikit_learn_where_one_view_of_two_is_missing():
    truth, _ = windows(missing=0.0)
    X = truth[:, :5].copy()
    X[150:, 3:] = np.nan
    ours = NearestImputer((3, 2), n_neighbors=5).fit(X).transform(X)
    # Ties aside, scikit-learn's distance over the columns that are there orders windows as ours does.
    theirs = KNNImputer(n_neighbors=5).fit(X).transform(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_ridge_reaches_the_conditional_mean_of_a_gaussian():
    truth, X = windows(4000)
    test, given = windows(2000, seed=9)
    filled = IterativeRidgeImputer(DIMS).fit(X).transform(given)
    mean, covariance = truth.mean(axis=0), np.cov(truth.T)
    errors, best = [], []
    for row, x, t in zip(filled, given, test, strict=True):
        gone = np.isnan(x)
        if gone.any():
            gain = np.linalg.solve(covariance[np.ix_(~gone, ~gone)], covariance[np.ix_(~gone, gone)])
            best.append(np.sum((mean[gone] + (x[~gone] - mean[~gone]) @ gain - t[gone]) ** 2))
            errors.append(np.sum((row[gone] - t[gone]) ** 2))
    assert np.mean(errors) < 1.3 * np.mean(best)
    plain = MeanImputer(DIMS).fit(X).transform(given)
    assert np.mean(errors) < 0.1 * np.sum((plain - test) ** 2) / len(errors)


def test_with_two_views_it_is_one_ridge_regression_either_way():
    from sklearn.linear_model import RidgeCV

    truth, _ = windows(missing=0.0)
    X = truth[:, :5].copy()
    X[150:180, 3:] = np.nan
    X[180:, :3] = np.nan
    there, here = (RidgeCV([10.0**k for k in range(-1, 5)]) for _ in range(2))
    there.fit(X[:150, :3], X[:150, 3:])
    here.fit(X[:150, 3:], X[:150, :3])
    filled = IterativeRidgeImputer((3, 2)).fit(X).transform(X)
    np.testing.assert_allclose(filled[150:180, 3:], there.predict(X[150:180, :3]), rtol=1e-9)
    np.testing.assert_allclose(filled[180:, :3], here.predict(X[180:, 3:]), rtol=1e-9)


def test_ridge_agrees_with_the_iterative_imputer_of_scikit_learn():
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import Ridge

    truth, _ = windows(missing=0.0)
    X = truth[:, :5].copy()
    X[150:, 3:] = np.nan
    # Theirs goes feature by feature, those that are missing together included: at its fixed point that is the same.
    theirs = IterativeImputer(Ridge(0.1), max_iter=500, tol=1e-7, random_state=0).fit(X).transform(X)
    ours = IterativeRidgeImputer((3, 2)).fit(X).transform(X)
    assert np.sqrt(np.mean((ours - theirs)[150:, 3:] ** 2)) < 0.02 * X[:150, 3:].std()
