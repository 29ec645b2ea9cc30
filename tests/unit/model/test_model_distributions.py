"""Densities and entropies against torch.distributions and against Monte Carlo."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from rtemo.model.distributions import (
    bhattacharyya_entropy,
    bound_log_var,
    jensen_entropy,
    kl_entropy,
    normal_entropy,
    normal_log_prob,
    standard_cross_entropy,
)


def _mixture(views: int, latent: int, spread: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.log_softmax(torch.randn(views, 1, generator=generator, dtype=torch.float64), 0)
    mean = spread * torch.randn(views, 1, latent, generator=generator, dtype=torch.float64)
    log_var = 0.8 * torch.randn(views, 1, latent, generator=generator, dtype=torch.float64)
    return log_weights, mean, log_var


def _monte_carlo(log_weights: Tensor, mean: Tensor, log_var: Tensor, count: int = 40_000) -> tuple[float, float]:
    components = Independent(Normal(mean[:, 0], (0.5 * log_var[:, 0]).exp()), 1)
    mixture = MixtureSameFamily(Categorical(logits=log_weights[:, 0]), components)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        values = -mixture.log_prob(mixture.sample((count,)))
    return float(values.mean()), float(values.std() / math.sqrt(count))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.5, 10.0])
@pytest.mark.parametrize(("views", "latent"), [(2, 1), (2, 30), (3, 5), (5, 2)])
def test_the_entropy_bounds_hold_the_true_entropy_between_them(
    views: int, latent: int, spread: float, seed: int
) -> None:
    mixture = _mixture(views, latent, spread, seed)
    truth, error = _monte_carlo(*mixture)
    jensen, bhattacharyya, upper = (f(*mixture).item() for f in (jensen_entropy, bhattacharyya_entropy, kl_entropy))
    assert jensen <= bhattacharyya + 1e-12
    assert bhattacharyya <= truth + 4 * error
    assert truth - 4 * error <= upper


def test_bhattacharyya_is_exact_for_far_components_and_jensen_loses_a_constant_each_dimension() -> None:
    log_weights = torch.log(torch.tensor([[0.4], [0.6]], dtype=torch.float64))
    mean = torch.stack([torch.zeros(1, 30), torch.full((1, 30), 50.0)]).double()
    log_var = torch.full((2, 1, 30), -0.7, dtype=torch.float64)
    exact = normal_entropy(log_var)[0, 0] + Categorical(logits=log_weights[:, 0]).entropy()
    assert bhattacharyya_entropy(log_weights, mean, log_var).item() == pytest.approx(exact.item(), abs=1e-9)
    gap = exact - jensen_entropy(log_weights, mean, log_var)
    assert gap.item() == pytest.approx(30 * 0.5 * (1 - math.log(2)), abs=1e-9)


def test_a_component_left_out_does_not_exist() -> None:
    log_weights, mean, log_var = _mixture(3, 4, 1.0, 0)
    without = log_weights.clone()
    without[1] = -torch.inf
    without = torch.log_softmax(without, 0).requires_grad_()
    kept = [0, 2]
    for entropy in (jensen_entropy, bhattacharyya_entropy, kl_entropy):
        value = entropy(without, mean, log_var)
        expected = entropy(torch.log_softmax(log_weights[kept], 0), mean[kept], log_var[kept])
        assert value.item() == pytest.approx(expected.item(), rel=1e-12)


def test_one_component_has_the_entropy_of_a_gaussian() -> None:
    _, mean, log_var = _mixture(1, 6, 1.0, 0)
    one = torch.zeros(1, 1, dtype=torch.float64)
    expected = Independent(Normal(mean, (0.5 * log_var).exp()), 1).entropy()[0]
    assert torch.allclose(bhattacharyya_entropy(one, mean, log_var), expected)
    assert torch.allclose(kl_entropy(one, mean, log_var), expected)


def test_densities_agree_with_torch_distributions_and_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    x, mean, log_var = torch.randn(3, 50, 4, generator=generator, dtype=torch.float64)
    reference = Normal(mean, (0.5 * log_var).exp())
    assert torch.allclose(normal_log_prob(x, mean, log_var), reference.log_prob(x))
    assert torch.allclose(normal_entropy(log_var), Independent(reference, 1).entropy())
    draws = mean[0] + (0.5 * log_var[0]).exp() * torch.randn(40_000, 4, generator=generator, dtype=torch.float64)
    values = Independent(Normal(torch.zeros(4).double(), 1.0), 1).log_prob(draws)
    analytic = standard_cross_entropy(mean[0], log_var[0])
    assert float(analytic) == pytest.approx(float(values.mean()), abs=5 * float(values.std()) / 200)


def test_log_variances_are_bounded_whatever_the_network_says() -> None:
    raw = torch.tensor([-1e9, -5.0, 0.0, 5.0, 1e9], dtype=torch.float64, requires_grad=True)
    log_var = bound_log_var(raw, 0.1, 4.0)
    std = (0.5 * log_var.detach()).exp()
    assert float(std.min()) >= 0.1 - 1e-12
    assert float(std.max()) <= 4.0 + 1e-12
    log_var.sum().backward()
    assert torch.isfinite(raw.grad).all()
