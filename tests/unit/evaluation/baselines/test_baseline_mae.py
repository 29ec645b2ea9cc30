from typing import Any, Literal

import numpy as np
import pytest
import torch
from sklearn.base import clone

from rtemo.evaluation.baselines.base import Floats, Ints
from rtemo.evaluation.baselines.mae import MultimodalAutoencoder, random_subset

DIMS = (6, 4)
QUICK: dict[str, Any] = {"steps": 15, "latent": 5, "hidden": (16, 8)}


def _toy(windows: int = 120, labels: int = 16, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Two classes on one of three directions that both views share."""
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % 2
    shared = rng.normal(size=(windows, 3))
    shared[:, 0] = np.where(truth == 1, 2.0, -2.0) + 0.5 * shared[:, 0]
    X = shared @ rng.normal(size=(3, sum(DIMS))) + 0.3 * rng.normal(size=(windows, sum(DIMS)))
    return (X - X.mean(axis=0)) / X.std(axis=0), np.where(np.arange(windows) < labels, truth, -1), truth


def _without(X: Floats, view: int, rows: slice = slice(None)) -> Floats:
    out = X.copy()
    out[rows, slice(0, DIMS[0]) if view == 0 else slice(DIMS[0], None)] = np.nan
    return out


def test_a_linear_one_that_drops_no_view_attains_the_error_of_principal_components() -> None:
    X, y, _ = _toy()
    linear = MultimodalAutoencoder(
        dims=DIMS,
        activation="linear",
        drop=False,
        hidden=(12, 8),
        latent=2,
        steps=400,
        batch_size=120,
        learning_rate=0.01,
    )
    error = np.square(linear.fit(X, y).reconstruction(X) - X).sum()
    # Eckart and Young: no map of rank 2 leaves less than the squares of the other singular values.
    least = np.square(np.linalg.svd(X - X.mean(axis=0), compute_uv=False)[2:]).sum()
    assert least < error < 1.02 * least


def test_a_view_that_is_dropped_in_training_is_told_by_the_other() -> None:
    X, y, _ = _toy()

    def error(drop: bool) -> float:
        found = MultimodalAutoencoder(dims=DIMS, drop=drop, steps=100, learning_rate=1e-2, latent=5, hidden=(16,)).fit(
            X, y
        )
        return float(np.square(found.reconstruction(_without(X, 1)) - X)[:, DIMS[0] :].mean())

    # 1 is the error of the mean.
    assert error(drop=True) < 0.35 < error(drop=False)


def test_every_subset_of_the_views_there_is_as_likely() -> None:
    seen = torch.tensor([[1.0, 1, 1], [1, 0, 1], [0, 1, 0]]).repeat_interleave(2100, dim=0)
    shown = random_subset(seen, ((torch.arange(2100) + 0.5) / 2100).repeat(3))
    codes = (shown @ torch.tensor([1.0, 2.0, 4.0])).long().view(3, 2100)
    counts = [torch.bincount(row, minlength=8).tolist() for row in codes]
    assert counts == [[0] + [300] * 7, [0, 700, 0, 0, 700, 700, 0, 0], [0, 0, 2100, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("head", ["logistic", "svm"])
def test_it_learns_and_predicts_with_either_view_missing(head: Literal["logistic", "svm"]) -> None:
    X, y, truth = _toy()
    found = MultimodalAutoencoder(dims=DIMS, head=head, steps=120).fit(_without(X, 0, slice(60, 90)), y)
    for given in (X, _without(X, 0), _without(X, 1)):
        said = found.predict_proba(given)
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-9)
        assert (said.argmax(axis=1) == truth).mean() > 0.85


def test_what_stands_in_a_missing_view_and_all_labels_leave_the_representation_alone() -> None:
    X, y, _ = _toy()
    gaps = _without(X, 1, slice(50, 80))
    first = MultimodalAutoencoder(dims=DIMS, **QUICK).fit(gaps, y).representation(gaps)
    gaps[50:80, DIMS[0] :] = np.inf
    flipped = np.where(y >= 0, 1 - y, -1)
    second = MultimodalAutoencoder(dims=DIMS, **QUICK).fit(gaps, flipped).representation(gaps)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-9)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    X, y, _ = _toy()
    made = MultimodalAutoencoder(dims=DIMS, **QUICK)
    state = torch.get_rng_state()
    first = made.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(made).fit(X, y).predict_proba(X), first)
    assert np.abs(clone(made).set_params(random_state=1).fit(X, y).predict_proba(X) - first).max() > 1e-4
    assert torch.equal(torch.get_rng_state(), state)
