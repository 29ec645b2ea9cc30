"""The deep imputers: close to the conditional mean of a Gaussian, true to what was observed, and blind to the rest."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone

from rtemo.errors import ConfigurationError
from rtemo.evaluation.imputers.conet import CoNetImputer, relative_distance
from rtemo.evaluation.imputers.corrnet import CorrNetImputer, mean_correlation
from rtemo.evaluation.imputers.dccae import DccaeImputer
from rtemo.evaluation.imputers.simvae import SimvaeImputer

with warnings.catch_warnings():
    # PyTorch Lightning, which cca-zoo brings along, warns of others' modules when it is first imported.
    warnings.simplefilter("ignore")
    import cca_zoo.deep  # noqa: F401

DIMS = (4, 5)
KINDS = [DccaeImputer, CorrNetImputer, CoNetImputer, SimvaeImputer]
SMALL = {"hidden": (64, 32), "latent": 16, "learning_rate": 4e-3}
QUICK = {"hidden": (8, 8), "latent": 4, "steps": 5, "batch_size": 32}


def covariance(dims: tuple[int, ...]) -> np.ndarray:
    """Of features of variance 1 that four factors explain for the most part."""
    weights = np.random.default_rng(99).normal(size=(4, sum(dims)))
    weights /= np.sqrt((weights**2).sum(axis=0) + 0.3)
    return weights.T @ weights + np.diag(1 - (weights**2).sum(axis=0))


def windows(count: int, seed: int, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Draws from that Gaussian, of mean 2."""
    root = np.linalg.cholesky(covariance(dims))
    return 2.0 + np.random.default_rng(seed).normal(size=(count, sum(dims))) @ root.T


def hidden(X: np.ndarray, dims: tuple[int, ...] = DIMS, *, share: float = 0.3, seed: int = 3) -> np.ndarray:
    """The same with views missing by chance, never all of a window."""
    gone = np.random.default_rng(seed).random((len(X), len(dims))) < share
    gone[gone.all(axis=1), 0] = False
    return np.where(np.repeat(gone, dims, axis=1), np.nan, X)


def expected(X: np.ndarray, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Missing views at their conditional mean, in closed form."""
    sigma, out = covariance(dims), X.copy()
    for row in out:
        gone = np.isnan(row)
        row[gone] = 2.0 + sigma[np.ix_(gone, ~gone)] @ np.linalg.solve(sigma[np.ix_(~gone, ~gone)], row[~gone] - 2.0)
    return out


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_a_missing_view_is_told_about_as_well_as_a_gaussian_allows(kind):
    imputer = kind(DIMS, steps=300, **SMALL).fit(hidden(windows(4000, 0)))
    truth = windows(1000, 1)
    for view in (slice(0, 4), slice(4, 9)):
        given = truth.copy()
        given[:, view] = np.nan
        error, best = (np.mean((f(given) - truth)[:, view] ** 2) for f in (imputer.transform, expected))
        assert error < 1.15 * best
        assert error < 0.6 * np.mean((truth[:, view] - 2.0) ** 2)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_any_of_three_views_is_told_by_any_others(kind):
    dims = (3, 4, 3)
    imputer = kind(dims, steps=250, **SMALL).fit(hidden(windows(2000, 0, dims), dims, share=0.2))
    truth = windows(600, 1, dims)
    given = hidden(truth, dims, share=0.5)
    gone = np.isnan(given)
    error, best = (np.mean((f - truth)[gone] ** 2) for f in (imputer.transform(given), expected(given, dims)))
    assert error < 1.35 * best
    assert error < 0.75 * np.mean((truth[gone] - 2.0) ** 2)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_what_was_observed_stays_and_windows_do_not_see_each_other(kind):
    X = hidden(windows(80, 0))
    X[5] = np.nan
    fitted = kind(DIMS, **QUICK).fit(X)
    filled = fitted.transform(X)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[np.isfinite(X)], X[np.isfinite(X)])
    np.testing.assert_allclose(filled[5], np.nanmean(X, axis=0))
    np.testing.assert_allclose(fitted.transform(X[4:20]), filled[4:20], rtol=1e-5, atol=1e-6)
    whole = windows(3, 1)
    np.testing.assert_array_equal(fitted.transform(whole), whole)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_what_stands_in_a_missing_view_has_no_say(kind):
    X = hidden(windows(80, 0))
    other = np.where(np.isnan(X), np.inf, X)
    # A view of which one feature is missing is missing.
    partly = np.where(np.isnan(X), windows(80, 9), X)
    partly[np.isnan(X[:, 0]), 0] = partly[np.isnan(X[:, 4]), 4] = np.nan
    filled = kind(DIMS, **QUICK).fit(X).transform(X)
    for same in (other, partly):
        np.testing.assert_array_equal(kind(DIMS, **QUICK).fit(same).transform(same), filled)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_a_seed_says_all(kind):
    X = hidden(windows(80, 0))
    imputer = kind(DIMS, random_state=3, **QUICK)
    torch.manual_seed(1)
    filled = imputer.fit(X).transform(X)
    torch.manual_seed(2)
    np.testing.assert_array_equal(clone(imputer).fit(X).transform(X), filled)
    assert not np.array_equal(kind(DIMS, random_state=4, **QUICK).fit(X).transform(X), filled)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_what_relates_no_views_is_refused(kind):
    X = windows(40, 0)
    X[:20, :4] = X[20:, 4:] = np.nan
    with pytest.raises(ValueError, match="none of 40 training windows has two views"):
        kind(DIMS, **QUICK).fit(X)
    with pytest.raises(ConfigurationError, match="there is one"):
        kind((4,), **QUICK).fit(windows(40, 0)[:, :4])
    X[:, :4] = np.nan
    with pytest.raises(ValueError, match="view 0 is missing in all 40"):
        kind(DIMS, **QUICK).fit(X)


def test_dccae_says_that_it_needs_a_complete_window():
    dims = (3, 4, 2)
    X = windows(30, 0, dims)
    X[:10, :3] = X[10:20, 3:7] = X[20:, 7:] = np.nan
    with pytest.raises(ValueError, match="none of 30 training windows is complete"):
        DccaeImputer(dims, **QUICK).fit(X)
    for kind in (CorrNetImputer, CoNetImputer, SimvaeImputer):
        assert np.isfinite(kind(dims, **QUICK).fit(X).transform(X)).all()


def test_a_linear_dccae_is_the_regression_of_one_view_on_the_other():
    X = windows(2000, 0)
    given = windows(300, 1)
    given[:, :4] = np.nan
    imputer = DccaeImputer(DIMS, activation="linear", share=1.0, latent=5, steps=400, learning_rate=1e-2).fit(X)
    A = np.hstack([np.ones((len(X), 1)), X[:, 4:]])
    regression = np.hstack([np.ones((300, 1)), given[:, 4:]]) @ np.linalg.lstsq(A, X[:, :4])[0]
    np.testing.assert_allclose(imputer.transform(given)[:, :4], regression, atol=0.05)


def test_correlation_is_that_of_numpy_over_windows_with_both_views():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(3, 50, 2)) + rng.normal(size=(50, 2))
    seen = rng.random((50, 3)) < 0.7
    wanted = []
    for v, w in ((0, 1), (0, 2), (1, 2)):
        both = seen[:, v] & seen[:, w]
        wanted += [np.corrcoef(codes[v, both, k], codes[w, both, k])[0, 1] for k in range(2)]
    found = mean_correlation(torch.from_numpy(codes), torch.from_numpy(seen.astype(float)))
    assert float(found) == pytest.approx(np.mean(wanted), abs=1e-6)
    nobody = mean_correlation(torch.from_numpy(codes), torch.zeros(50, 3, dtype=torch.float64))
    assert float(nobody) == 0.0


def test_distance_is_relative_to_the_spread_of_codes():
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.normal(size=(2, 20_000, 3)))
    seen = torch.ones(20_000, 2, dtype=torch.float64)
    assert float(relative_distance(codes, seen)) == pytest.approx(1.0, abs=0.02)
    assert float(relative_distance(codes * 1e-3, seen)) == pytest.approx(1.0, abs=0.02)
    assert float(relative_distance(codes[[0, 0]], seen)) == 0.0
    seen[::2, 0] = 0
    codes[0, ::2] = 1e6
    assert float(relative_distance(codes, seen)) == pytest.approx(1.0, abs=0.02)


def test_simvae_goes_back_from_the_front_end_by_least_squares():
    dims = (30, 4)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 4))
    # Of rank 4, so that 20 principal components hold all of the first view.
    X = np.hstack([z @ np.random.default_rng(1).normal(size=(4, 30)) / 2, z + 0.05 * rng.normal(size=(500, 4))])
    given = X[:100].copy()
    given[:, :30] = np.nan
    filled = SimvaeImputer(dims, steps=300, **SMALL).fit(X).transform(given)
    assert np.mean((filled - X[:100]) ** 2) < 0.05 * np.mean(X[:100, :30] ** 2)


def test_simvae_can_learn_psi_from_the_bound_as_well():
    X, truth = hidden(windows(600, 0)), windows(300, 1)
    given = truth.copy()
    given[:, :4] = np.nan
    filled = SimvaeImputer(DIMS, gradient="elbo", steps=120, **SMALL).fit(X).transform(given)
    assert np.mean((filled - truth)[:, :4] ** 2) < 1.35 * np.mean((expected(given) - truth)[:, :4] ** 2)
