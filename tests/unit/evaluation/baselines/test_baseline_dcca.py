from typing import Any, Literal

import numpy as np
import pytest
import torch
from sklearn.base import clone

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import Floats, Ints
from rtemo.evaluation.baselines.dcca import Dcca, Dccae

DIMS = (6, 5)
QUICK: dict[str, Any] = {"steps": 8, "latent": 3, "hidden": (12, 8)}


def _toy(windows: int = 160, dims: tuple[int, ...] = DIMS, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Two classes on one of two directions that all views share; each view has strong noise of its own."""
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % 2
    shared = rng.normal(size=(windows, 2))
    shared[:, 0] = np.where(truth == 1, 1.5, -1.5) + 0.5 * shared[:, 0]
    own = [rng.normal(size=(windows, 2)) @ rng.normal(size=(2, d)) * 2 for d in dims]
    X = np.hstack([shared @ rng.normal(size=(2, d)) + o for d, o in zip(dims, own, strict=True)])
    X += 0.5 * rng.normal(size=X.shape)
    return (X - X.mean(axis=0)) / X.std(axis=0), np.where(np.arange(windows) < 20, truth, -1), truth


def _canonical_correlations(a: Floats, b: Floats) -> Floats:
    """In closed form: the singular values of the product of two bases (Björck & Golub 1973)."""
    bases = [np.linalg.qr(x - x.mean(axis=0))[0] for x in (a, b)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_linear_nets_find_the_canonical_correlations(hidden: tuple[int, ...]) -> None:
    X, y, _ = _toy()
    found = Dcca(
        dims=DIMS,
        activation="linear",
        hidden=hidden,
        latent=2,
        ridge=1e-6,
        steps=300,
        batch_size=160,
        learning_rate=0.03,
    ).fit(X, y)
    codes = found.representation(X)
    attained = [np.corrcoef(codes[:, k], codes[:, 2 + k])[0, 1] for k in range(2)]
    exact = _canonical_correlations(X[:, :6], X[:, 6:])
    assert exact[2] < 0.5 * exact[1]
    np.testing.assert_allclose(attained, exact[:2], atol=2e-3)
    assert sum(attained) <= exact[:2].sum() + 1e-6


def test_canonical_variates_are_white_within_a_view() -> None:
    X, y, _ = _toy()
    codes = Dcca(dims=DIMS, **QUICK).fit(X, y).representation(X)
    for view in (codes[:, :3], codes[:, 3:]):
        np.testing.assert_allclose(np.corrcoef(view.T), np.eye(3), atol=1e-6)


def test_all_reconstruction_is_an_autoencoder_of_each_view() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([2.0, 1.5, 0.3, 0.2, 0.2, 0.1, 1.8, 1.4, 0.3, 0.2, 0.1])
    X = rng.normal(size=(160, 11)) * spread
    found = Dccae(
        dims=DIMS, share=1.0, activation="linear", hidden=(), latent=2, steps=150, batch_size=160, learning_rate=0.03
    ).fit(X, np.arange(160) % 2)
    # Linear autoencoders span the principal components (Baldi & Hornik 1989).
    for x, code in zip((X[:, :6], X[:, 6:]), np.split(found.representation(X), 2, axis=1), strict=True):
        left = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[0][:, :2]
        angles = np.linalg.svd(left.T @ np.linalg.qr(code - code.mean(axis=0))[0], compute_uv=False)
        assert angles.min() > 0.995


def test_no_reconstruction_is_deep_cca() -> None:
    X, y, _ = _toy()
    pair = [made.fit(X, y) for made in (Dcca(dims=DIMS, **QUICK), Dccae(dims=DIMS, share=0.0, **QUICK))]
    for first, second in zip(*[found.encoders_.parameters() for found in pair], strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", [Dcca, Dccae])
@pytest.mark.parametrize("head", ["logistic", "svm"])
def test_it_learns(method: type[Dcca], head: Literal["logistic", "svm"]) -> None:
    X, y, truth = _toy()
    said = method(dims=DIMS, head=head, latent=2, steps=60).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-9)
    assert (said.argmax(axis=1) == truth).mean() > 0.85


@pytest.mark.parametrize("method", [Dcca, Dccae])
def test_three_views_are_correlated_in_pairs(method: type[Dcca]) -> None:
    X, y, truth = _toy(dims=(5, 4, 4))
    found = method(dims=(5, 4, 4), latent=2, steps=60).fit(X, y)
    assert found.representation(X).shape == (160, 6)
    assert (found.predict(X) == truth).mean() > 0.85


@pytest.mark.parametrize("method", [Dcca, Dccae])
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(method: type[Dcca]) -> None:
    X, y, _ = _toy()
    made = method(dims=DIMS, **QUICK)
    state = torch.get_rng_state()
    first = made.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(made).fit(X, y).predict_proba(X), first)
    assert np.abs(clone(made).set_params(random_state=1).fit(X, y).predict_proba(X) - first).max() > 1e-4
    assert torch.equal(torch.get_rng_state(), state)


def test_a_single_view_and_missing_features_are_refused() -> None:
    X, y, _ = _toy()
    with pytest.raises(ConfigurationError, match="there is one"):
        Dcca(dims=(11,)).fit(X, y)
    X[3, :6] = np.nan
    assert not Dcca.allows_missing
    with pytest.raises(ValueError, match="1 of 160"):
        Dccae(dims=DIMS).fit(X, y)
