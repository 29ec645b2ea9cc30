"""SoftImpute-ALS against a plain loop of SVDs, and what its theory says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from rtemo.evaluation.imputers.soft_impute import SoftImputeAls, hide_some, random_start, soft_impute_als

DIMS = (6, 4)


def low_rank(rows: int = 60, *, rank: int = 2, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    factors = np.random.default_rng(7).normal(size=(rank, sum(DIMS)))
    return rng.normal(size=(rows, rank)) @ factors + noise * rng.normal(size=(rows, sum(DIMS)))


def without_a_view(X: np.ndarray, share: float = 0.4, seed: int = 1) -> np.ndarray:
    """The first view missing in some windows, the second in others, never both."""
    chance = np.random.default_rng(seed).random(len(X))
    out = X.copy()
    out[chance < share / 2, : DIMS[0]] = np.nan
    out[(chance >= share / 2) & (chance < share), DIMS[0] :] = np.nan
    return out


def shrunk(matrix: np.ndarray, penalty: float) -> np.ndarray:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left * np.maximum(values - penalty, 0)) @ right


def by_svds(X: np.ndarray, seen: np.ndarray, penalty: float) -> np.ndarray:
    """Mazumder et al. 2010, Algorithm 1: no factor, no rank."""
    Z = np.zeros_like(X)
    for _ in range(5000):
        Z = shrunk(np.where(seen, X, Z), penalty)
    return Z


def test_it_finds_the_fixed_point_of_soft_impute():
    rng = np.random.default_rng(3)
    X = low_rank(25, rank=3, noise=0.5)
    seen = rng.random(X.shape) < 0.7
    found = soft_impute_als(X, seen, 2.0, random_start(*X.shape, 8, rng), tol=1e-12, max_iter=20_000)
    np.testing.assert_allclose(found.matrix, shrunk(np.where(seen, X, found.matrix), 2.0), atol=1e-6)
    np.testing.assert_allclose(found.matrix, by_svds(X, seen, 2.0), atol=1e-5)
    assert 1 < (found.values > 0).sum() < 8


@pytest.mark.parametrize("penalty", [0.1, 3.0])
def test_no_round_raises_the_objective(penalty):
    rng = np.random.default_rng(4)
    X = low_rank(noise=0.3)
    seen = rng.random(X.shape) < 0.6
    found = soft_impute_als(X, seen, penalty, random_start(*X.shape, 5, rng), tol=1e-9)
    assert len(found.objectives) > 5
    assert (np.diff(found.objectives) <= 1e-10 * found.objectives[0]).all()


def test_a_matrix_of_low_rank_is_recovered():
    X = low_rank()
    gone = np.isnan(without_a_view(X))
    start = random_start(*X.shape, 2, np.random.default_rng(0))
    found = soft_impute_als(np.where(gone, 0.0, X), ~gone, 1e-6, start, tol=1e-11, max_iter=5000)
    np.testing.assert_allclose(found.matrix, X, atol=1e-4)


def test_windows_of_low_rank_are_filled_in_training_and_after_it():
    X, unseen = low_rank(200), low_rank(50, seed=5)
    hidden, gone = without_a_view(X), without_a_view(unseen)
    imputer = SoftImputeAls(DIMS).fit(hidden)
    for truth, given in ((X, hidden), (unseen, gone)):
        error = (imputer.transform(given) - truth)[np.isnan(given)]
        assert np.mean(error**2) < 0.1 * np.mean(truth[np.isnan(given)] ** 2)


def test_training_windows_are_filled_as_the_fit_fills_them():
    hidden = without_a_view(low_rank(noise=0.3))
    imputer = SoftImputeAls(DIMS, penalty=2.0, tol=1e-9, max_iter=20_000).fit(hidden)
    gone = np.isnan(hidden)
    fitted = imputer.low_rank_.matrix + imputer.means_
    np.testing.assert_allclose(imputer.transform(hidden)[gone], fitted[gone], atol=1e-6)


def test_the_penalty_is_chosen_close_to_the_best():
    X = low_rank(300, noise=0.5)
    hidden = without_a_view(X)
    gone = np.isnan(hidden)

    def error(imputer: SoftImputeAls) -> float:
        return float(np.mean((imputer.fit(hidden).transform(hidden) - X)[gone] ** 2))

    best = min(error(SoftImputeAls(DIMS, penalty=2.0**k)) for k in range(-1, 8))
    assert error(SoftImputeAls(DIMS)) < 1.05 * best


def test_what_was_observed_stays_and_windows_do_not_see_each_other():
    hidden = without_a_view(low_rank(noise=0.3))
    hidden[3] = np.nan
    fitted = SoftImputeAls(DIMS, random_state=1).fit(hidden)
    filled = fitted.transform(hidden)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[np.isfinite(hidden)], hidden[np.isfinite(hidden)])
    np.testing.assert_allclose(fitted.transform(hidden[2:9]), filled[2:9], rtol=1e-10)
    np.testing.assert_allclose(filled[3], np.nanmean(hidden, axis=0))
    np.testing.assert_array_equal(clone(fitted).fit(hidden).transform(hidden), filled)


def test_complete_windows_can_be_learnt_from():
    X = low_rank(100, noise=0.1)
    given = without_a_view(low_rank(50, noise=0.1, seed=8))
    truth = low_rank(50, noise=0.1, seed=8)
    gone = np.isnan(given)
    filled = SoftImputeAls(DIMS).fit(X).transform(given)
    assert np.mean((filled - truth)[gone] ** 2) < 0.1 * np.mean(truth[gone] ** 2)


def test_views_are_hidden_as_they_are_missing_and_never_the_last():
    views = np.ones((500, 3), dtype=bool)
    views[:100, 0] = views[100:130, 1] = False
    kept = hide_some(views, np.random.default_rng(0))
    lost = (views & ~kept).sum(axis=0)
    assert lost.sum() == 100
    assert lost[2] == 0
    assert lost[0] > lost[1] > 0
    assert kept.any(axis=1).all()
    rare = np.array([[True, True], [True, False], [True, False]])
    np.testing.assert_array_equal(hide_some(rare, np.random.default_rng(0)), rare)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="penalty = 0"):
        SoftImputeAls(DIMS, penalty=0.0).fit(low_rank())
    gone = low_rank()
    gone[:, : DIMS[0]] = np.nan
    with pytest.raises(ValueError, match="view 0 is missing in all 60"):
        SoftImputeAls(DIMS).fit(gone)
