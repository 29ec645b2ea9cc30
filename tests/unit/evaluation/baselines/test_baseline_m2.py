import math

import numpy as np
import pytest
import torch
from sklearn.base import clone

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import Floats, Ints
from rtemo.evaluation.baselines.m2 import M2
from rtemo.model.objective import Batch, LossTerms, Noise, loss_terms

DIMS = (5, 3)


def _toy(windows: int = 60, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % 2
    X = np.where(truth == 1, 1.2, -1.2)[:, None] + rng.normal(size=(windows, sum(DIMS)))
    return X / X.std(axis=0), np.where(np.arange(windows) < 12, truth, -1), truth


def test_it_learns_and_gives_probabilities() -> None:
    X, y, truth = _toy()
    found = M2(dims=DIMS, steps=80).fit(X, y)
    said = found.predict_proba(X)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert (found.predict(X) == truth).mean() > 0.9
    assert found.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("view", [0, 1])
def test_a_view_alone_is_all_that_it_sees(view: int) -> None:
    X, y, _ = _toy()
    columns = slice(0, 5) if view == 0 else slice(5, None)
    other = np.full_like(X, np.nan)
    other[:, columns] = X[:, columns]
    alone = M2(dims=(DIMS[view],), steps=5).fit(X[:, columns], y).predict_proba(X[:, columns])
    made = M2(dims=DIMS, view=view, steps=5)
    np.testing.assert_array_equal(made.fit(other, y).predict_proba(other), alone)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    X, y, _ = _toy()
    made = M2(dims=DIMS, steps=5)
    first = made.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(made).fit(X, y).predict_proba(X), first)
    assert np.abs(clone(made).set_params(random_state=1).fit(X, y).predict_proba(X) - first).max() > 1e-4


def test_missing_features_and_unknown_views_are_refused() -> None:
    X, y, _ = _toy()
    gaps = X.copy()
    gaps[3, :5] = np.nan
    assert not M2.allows_missing
    with pytest.raises(ValueError, match="1 of 60"):
        M2(dims=DIMS).fit(gaps, y)
    with pytest.raises(ConfigurationError, match="no view 2"):
        M2(dims=DIMS, view=2).fit(X, y)


def _terms(found: M2, x: torch.Tensor, labels: torch.Tensor, z: torch.Tensor) -> LossTerms:
    model = found.model_.trained_.model
    seen = torch.ones(len(x), 1, dtype=torch.bool)
    return loss_terms(model, Batch(x, seen, None, labels, True), Noise(z), windows=len(x))


def test_what_is_minimised_is_kingmas_objective_and_nothing_else() -> None:
    X, y, _ = _toy()
    found = M2(dims=DIMS, weight=0.3, steps=1).fit(X, y)
    settings = found.model_.trained_.settings
    assert (settings.front_end, settings.tau, settings.warm_up) == ("none", 1.0, 0.0)
    x, labels = torch.from_numpy(X[:4]).float(), torch.tensor([0, 1])
    with torch.inference_mode():
        terms = _terms(found, x, labels, torch.zeros(4, settings.latent))
        # Eq. 9: the labelled and the unlabelled bound, and alpha = weight * N / N_labelled times log q(y | x).
        log_q = torch.log_softmax(found.model_.trained_.model.classify(x), dim=-1)
        alpha = 0.3 * 4 / 2
        by_hand = -4 * (terms.labelled_bound + terms.unlabelled_bound) - alpha * log_q[[0, 1], labels].sum()
        assert terms.total.item() * 4 == pytest.approx(by_hand.item(), rel=1e-5)
        # p(y) is uniform, and every case counts it.
        assert terms.class_prior.item() == pytest.approx(-math.log(2), rel=1e-5)
