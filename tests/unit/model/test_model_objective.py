"""The loss: what stands in missing entries does not matter, gradients are right, and go where they should."""

from __future__ import annotations

import math

import pytest
import torch
from toys import draw_noise, make_batch, random_model, small_settings, terms_of

from rtemo.model.objective import LossTerms
from rtemo.model.simvae import Simvae

DIMS = (3, 2, 4)
OBSERVED = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=torch.bool)
SHOWN = torch.tensor([[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.bool)
LABELS = torch.tensor([0, 2])
PAPER = {
    "imputation": "sample",
    "imputer_gradient": "elbo",
    "posterior": "all",
    "chain": True,
    "decoder_variance": "window",
}
WAYS = [
    {},
    {"imputation": "sample", "imputer_gradient": "elbo"},
    PAPER,
    {"decoder_variance": "fixed", "c3": 1.0},
    {"missing": "marginalise"},
    {"labels": False},
    {"entropy": "jensen", "dropout": 0.0, "classifier_skip": False, "imputer_skip": False},
]


def _features(seed: int = 0) -> torch.Tensor:
    return torch.randn(6, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _loss(model: Simvae, x: torch.Tensor) -> LossTerms:
    return terms_of(model, make_batch(x, OBSERVED, LABELS, SHOWN), draw_noise(model, 6))


@pytest.mark.parametrize("garbage", [0.0, 1e30, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_stands_in_a_missing_entry_changes_neither_loss_nor_gradients(
    way: dict[str, object], garbage: float
) -> None:
    model = random_model(DIMS, 3, small_settings(**way))
    x = _features()
    results = []
    for filler in (1.0, garbage):
        model.zero_grad()
        terms = _loss(model, torch.where(model.by_dim(OBSERVED), x, filler))
        terms.total.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        results.append((terms.floats(), gradients))
    assert results[0][0] == results[1][0]
    assert all(math.isfinite(value) for value in results[0][0].values())
    for name, gradient in results[0][1].items():
        assert torch.isfinite(gradient).all(), name
        assert torch.equal(gradient, results[1][1][name]), name


@pytest.mark.parametrize("entropy", ["bhattacharyya", "jensen"])
@pytest.mark.parametrize(
    "way", [{}, {"posterior": "all", "chain": True}, {"decoder_variance": "window"}, {"labels": False}], ids=str
)
@pytest.mark.parametrize("imputation", ["mean", "sample"])
def test_gradients_agree_with_finite_differences(way: dict[str, object], entropy: str, imputation: str) -> None:
    # Classifying windows with hidden views (c3) never teaches the imputer, so its gradient is not that of the total.
    settings = small_settings(
        entropy=entropy, imputation=imputation, imputer_gradient="elbo", tau=1.0, c3=0.0, activation="softplus", **way
    )
    model, x, step = random_model(DIMS, 3, settings), _features(), 1e-6
    _loss(model, x).total.backward()
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            parameter += step * direction
            above = _loss(model, x).total
            parameter -= 2 * step * direction
            below = _loss(model, x).total
            parameter += step * direction
        numeric = (above - below).item() / (2 * step)
        analytic = float((parameter.grad * direction).sum())
        assert analytic == pytest.approx(numeric, rel=2e-5, abs=2e-6), name


def test_tau_scales_the_unlabelled_gradient_into_the_classifier_and_nothing_else() -> None:
    gradients = {}
    for tau in (1.0, 0.1, 0.0):
        model = random_model(DIMS, 3, small_settings(tau=tau))
        terms = _loss(model, _features())
        (-terms.unlabelled_bound).backward()
        gradients[tau] = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for name, full in gradients[1.0].items():
        expected = {tau: tau * full if name.startswith("classifier") else full for tau in (0.1, 0.0)}
        for tau, gradient in expected.items():
            assert torch.allclose(gradients[tau][name], gradient, rtol=1e-9, atol=1e-12), (name, tau)


def test_tau_is_one_over_the_inputs_unless_set() -> None:
    assert Simvae(DIMS, 3, small_settings(tau=None)).tau == pytest.approx(1 / 9)
    assert Simvae(DIMS, 3, small_settings(tau=0.5)).tau == 0.5


@pytest.mark.parametrize("gradient", ["detached", "elbo"])
def test_a_detached_imputer_learns_from_its_own_loss_only(gradient: str) -> None:
    model = random_model(DIMS, 3, small_settings(imputer_gradient=gradient))
    terms = _loss(model, _features())
    (terms.labelled_bound + terms.unlabelled_bound + terms.classification).backward(retain_graph=True)
    reached = any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.imputer.parameters())
    assert reached == (gradient == "elbo")
    terms.imputation.backward()
    assert all(p.grad is not None for p in model.imputer.parameters())


def test_the_imputation_loss_is_the_negative_log_density_of_hidden_views() -> None:
    model = random_model(DIMS, 3, small_settings())
    x = _features()
    loss = _loss(model, x).imputation
    expected = torch.zeros((), dtype=torch.float64)
    for row in range(6):
        psi = model.impute(torch.where(model.by_dim(SHOWN[row]), x[row], 0.0)[None], SHOWN[row][None])
        density = torch.distributions.Normal(psi.mean[0], (0.5 * psi.log_var[0]).exp())
        hidden = model.by_dim(OBSERVED[row] & ~SHOWN[row])
        expected = expected - density.log_prob(x[row])[hidden].sum()
    assert loss.item() == pytest.approx(expected.item() / int((OBSERVED.sum(1) > 1).sum()), rel=1e-10)


def test_a_batch_without_labels_and_one_with_labels_only_are_both_finite() -> None:
    model = random_model(DIMS, 3, small_settings())
    for labels in (torch.zeros(0, dtype=torch.long), torch.tensor([0, 1, 2, 0, 1, 2])):
        terms = terms_of(model, make_batch(_features(), OBSERVED, labels, SHOWN), draw_noise(model, 6))
        assert all(math.isfinite(value) for value in terms.floats().values())
        assert (terms.unlabelled_bound if len(labels) else terms.labelled_bound).item() == 0.0


def test_the_classification_loss_is_a_mean_whatever_the_share_of_labels() -> None:
    model = random_model(DIMS, 3, small_settings())
    x = _features()
    alone = make_batch(x[:2], OBSERVED[:2], LABELS)
    assert torch.allclose(terms_of(model, alone, draw_noise(model, 2)).classification, _loss(model, x).classification)


def test_posterior_weights_are_renormalised_over_observed_views_and_have_a_floor() -> None:
    model = Simvae(DIMS, 3, small_settings(weight_floor=0.02))
    with torch.no_grad():
        model.weight_logits.copy_(torch.tensor([100.0, 0.0, -100.0]))
    weights = model.log_weights(OBSERVED).exp()
    assert torch.allclose(weights.sum(1), torch.ones(6))
    assert (weights[~OBSERVED] == 0).all()
    assert torch.allclose(model.log_weights().exp(), torch.tensor([0.98 + 0.02 / 3, 0.02 / 3, 0.02 / 3]))


def test_warm_up_scales_the_prior_of_z_and_the_entropy() -> None:
    model = random_model(DIMS, 3, small_settings())
    batch, noise = make_batch(_features(), OBSERVED, LABELS, SHOWN), draw_noise(model, 6)
    cold, warm = (terms_of(model, batch, noise, warm=w) for w in (0.0, 1.0))
    difference = warm.labelled_bound + warm.unlabelled_bound - cold.labelled_bound - cold.unlabelled_bound
    assert torch.allclose(difference, warm.latent_prior + warm.latent_entropy)


def test_the_weights_of_psi_have_a_normal_prior_which_counts_once_for_all_trials_it_learns_from() -> None:
    model = random_model(DIMS, 3, small_settings(imputer_decay=3.0, weight_decay=0.0))
    assert model.imputer is not None
    batch, noise = make_batch(_features(), OBSERVED, LABELS, SHOWN), draw_noise(model, 6)
    weights = [value for name, value in model.imputer.named_parameters() if "bias" not in name]
    negative_log_prior = 3.0 / 2 * sum(float(value.detach().double().square().sum()) for value in weights)
    for several in (4, 400):
        found = terms_of(model, batch, noise, trials=several)
        assert found.weight_decay.detach().item() == pytest.approx(negative_log_prior / several)
    assert (
        terms_of(model, batch, noise).weight_decay.detach().item() == 0
    )  # Windows that it does not learn from say nothing.
