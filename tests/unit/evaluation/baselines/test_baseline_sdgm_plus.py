import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from rtemo.evaluation.baselines.networks import Batch, seeded
from rtemo.evaluation.baselines.sdgm import SkipNet, skip_terms
from rtemo.evaluation.baselines.sdgm_plus import SdgmPlus, SkipFusionNet
from rtemo.model.networks import Cases

DRAWS = 20_000


def _random(*sizes: int, rows: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, size, generator=generator, dtype=torch.float64) for size in sizes]


def _log_density(of: Distribution, x: Tensor) -> Tensor:
    found: Tensor = of.log_prob(x)
    return found


def _decoded(raw: Tensor) -> Normal:
    """A decoder's Gaussian, its deviation squashed between 0.1 and 4."""
    mean, log_var = raw.chunk(2, dim=-1)
    middle, half = math.log(0.1 * 4.0), math.log(4.0 / 0.1)
    return Normal(mean, torch.exp((middle + half * torch.tanh((log_var - middle) / half)) / 2))


@pytest.mark.parametrize("entropy", ["bhattacharyya", "jensen"])
def test_with_one_view_it_is_sdgm_but_for_jensens_gap(entropy: str) -> None:
    single, fused = SkipNet(3, 2, (6,), 4, 2, seeded(0)), SkipFusionNet((3,), 2, (6,), 4, 2, entropy, seeded(0))
    names = dict(single.named_parameters())
    for name, parameter in fused.named_parameters():
        if name != "weight_logits":
            parameter.data = names[name.replace(".0.", ".", 1) if not name.startswith("q_y") else name].data.clone()
    x, a_noise, z_noise = _random(3, 2, 4, rows=5, seed=0)
    with torch.inference_mode():
        labels = torch.tensor([1, 0])
        one = skip_terms(single.double(), x, labels, a_noise, z_noise)
        other = skip_terms(fused.double(), x, labels, a_noise, z_noise)
    # Eq. 5 loses (1 - log 2) / 2 nats in each of the four dimensions of z; 2 and 3 of 5 windows are in each mean.
    gap = 0.0 if entropy == "bhattacharyya" else 4 * (1 - math.log(2)) / 2
    assert (one.labelled_bound - other.labelled_bound).item() == pytest.approx(gap * 2 / 5, abs=1e-9)
    assert (one.unlabelled_bound - other.unlabelled_bound).item() == pytest.approx(gap * 3 / 5, abs=1e-9)
    torch.testing.assert_close(one.classification, other.classification)


def test_the_bound_lies_a_little_below_that_with_the_mixtures_true_density() -> None:
    net = SkipFusionNet((2, 3), 2, (6,), 2, 1, "bhattacharyya", seeded(0)).double()
    net.weight_logits.data = torch.tensor([0.5, -0.3], dtype=torch.float64)
    x = _random(5, rows=1, seed=0)[0].expand(DRAWS, 5)
    a_noise, z_noise, own_a, own_z = _random(2, 2, 2, 2, rows=DRAWS, seed=1)
    cases = Cases(torch.arange(DRAWS), torch.zeros(DRAWS, dtype=torch.int64))
    with torch.inference_mode():
        found = skip_terms(net, x, cases.label, a_noise, z_noise).labelled_bound.item()
        q_a = net.infer(x)
        a = q_a.rsample(own_a)
        parts = net.components(x, a, cases)
        each = Independent(Normal(parts.mean.transpose(0, 1), parts.std.transpose(0, 1)), 1)
        mixture = MixtureSameFamily(Categorical(logits=net.weight_logits.expand(DRAWS, 2)), each)
        chosen = torch.multinomial(net.log_weights().exp(), DRAWS, True, generator=torch.Generator().manual_seed(3))
        rows = torch.arange(DRAWS)
        z = parts.mean[chosen, rows] + parts.std[chosen, rows] * own_z
        told = _log_density(Normal(0.0, 1.0), z).sum(-1) - math.log(2) - _log_density(mixture, z)
        told = told - _log_density(Normal(q_a.mean, q_a.std), a).sum(-1)
        for net_a, net_x, place, aux in zip(
            net.p_a, net.p_x, (slice(0, 2), slice(2, 5)), (slice(0, 1), slice(1, 2)), strict=True
        ):
            told = told + _log_density(_decoded(net_a(None, z, cases)), a[:, aux]).sum(-1)
            told = told + _log_density(_decoded(net_x(a[:, aux], z, cases)), x[:, place]).sum(-1)
    error = float(told.std() / math.sqrt(DRAWS))
    assert error < 0.03
    assert -0.3 < found - float(told.mean()) < 4 * error


def test_the_prior_keeps_the_weights_of_the_views_apart_from_nothing() -> None:
    made = SdgmPlus(dims=(2, 2), latent=2, auxiliary=1, hidden=(4,))
    net = SkipFusionNet((2, 2), 2, (4,), 2, 1, "jensen", seeded(0))
    net.weight_logits.data = torch.tensor([2.0, -1.0])
    x = torch.zeros(4, 4)

    def loss(windows: int) -> float:
        return made._loss(net, Batch(x, torch.tensor([0, 1]), torch.Generator().manual_seed(0)), windows).item()

    weights = np.exp([2.0, -1.0]) / np.exp([2.0, -1.0]).sum()
    assert loss(10) - loss(20) == pytest.approx(-np.log(weights).sum() * (1 / 10 - 1 / 20), rel=1e-4)


def test_the_view_that_carries_z_gets_the_weight() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(80, 1))
    told = np.hstack([shared + 0.1 * rng.normal(size=(80, 4)), rng.normal(size=(80, 4))])
    y = np.where(np.arange(80) < 20, np.arange(80) % 2, -1)
    weights = []
    for X in (told, told[:, [4, 5, 6, 7, 0, 1, 2, 3]]):
        found = SdgmPlus(dims=(4, 4), latent=2, auxiliary=2, hidden=(16,), steps=80, learning_rate=2e-2).fit(X, y)
        assert isinstance(found.net_, SkipFusionNet)
        weights.append(found.net_.log_weights().exp().tolist())
    assert weights[0][0] > 0.5
    assert weights[1][1] > 0.5
