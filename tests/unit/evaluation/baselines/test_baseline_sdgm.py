import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, Normal

from rtemo.evaluation.baselines.base import Floats, Ints
from rtemo.evaluation.baselines.networks import seeded
from rtemo.evaluation.baselines.sdgm import Sdgm, SkipNet, skip_terms
from rtemo.evaluation.baselines.sdgm_plus import SdgmPlus, SkipFusionNet
from rtemo.model.networks import Cases

DIMS = (4, 3)
QUICK: dict[str, Any] = {"steps": 6, "latent": 3, "auxiliary": 3, "hidden": (12, 8)}
METHODS = [Sdgm, SdgmPlus]


def _toy(windows: int = 100, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % 2
    X = np.where(truth == 1, 1.2, -1.2)[:, None] + rng.normal(size=(windows, sum(DIMS)))
    return X / X.std(axis=0), np.where(np.arange(windows) < 12, truth, -1), truth


def raw_log_var(variance: float, low: float, high: float) -> float:
    """What a net must put out for a variance, as its logarithm is squashed between bounds on the deviation."""
    bottom, top = 2 * math.log(low), 2 * math.log(high)
    middle, half = (top + bottom) / 2, (top - bottom) / 2
    return middle + half * math.atanh((math.log(variance) - middle) / half)


def log_density(of: Distribution, x: Tensor) -> Tensor:
    found: Tensor = of.log_prob(x)
    return found


def _set(weight: Tensor, values: Sequence[Sequence[float]]) -> None:
    weight.data = torch.tensor(values, dtype=torch.float64)


def linear_gaussian() -> SkipNet:
    """One feature, one a, one z, two classes; every mean is linear, every variance constant.

    p: a = 0.8 z + 0.3 y + e, x = 0.9 a - 0.7 z + y + e, variances 0.5 and 0.4 (y is 0 or 1).
    """
    net = SkipNet(1, 2, (), 1, 1, seeded(0)).double()
    a_var, x_var = raw_log_var(0.5, 0.1, 4), raw_log_var(0.4, 0.1, 4)
    _set(net.p_a.case, [[0.8, 0.0]])
    _set(net.p_a.label, [[0.0, a_var], [0.3, a_var]])
    _set(net.p_x.window, [[0.9, 0.0]])
    _set(net.p_x.case, [[-0.7, 0.0]])
    _set(net.p_x.label, [[0.0, x_var], [1.0, x_var]])
    return net


def _joint(label: int) -> MultivariateNormal:
    """Of (z, a, x), given the class."""
    mean = torch.tensor([0.0, 0.3 * label, 0.9 * 0.3 * label + label], dtype=torch.float64)
    mixing = torch.tensor([[1, 0, 0], [0.8, 1, 0], [0.9 * 0.8 - 0.7, 0.9, 1]], dtype=torch.float64)
    return MultivariateNormal(mean, mixing @ torch.diag(torch.tensor([1, 0.5, 0.4], dtype=torch.float64)) @ mixing.T)


def _log_evidence(x: float, label: int) -> float:
    joint = _joint(label)
    marginal = Normal(joint.mean[2], joint.covariance_matrix[2, 2].sqrt())
    return float(log_density(marginal, torch.tensor(x, dtype=torch.float64))) - math.log(2)


def exact_posterior(net: SkipNet, label: int) -> None:
    """Make q(a | x) and q(z | a, x, y) the posterior of the class."""
    joint = _joint(label)
    (mz, ma, mx), s = joint.mean.tolist(), joint.covariance_matrix
    gain = float(s[1, 2] / s[2, 2])
    a_var = float(s[1, 1] - s[1, 2] ** 2 / s[2, 2])
    weight, bias = net.q_a.parameters()
    _set(weight, [[gain], [0.0]])
    bias.data = torch.tensor([ma - gain * mx, raw_log_var(a_var, 0.01, 5)], dtype=torch.float64)
    gains = torch.linalg.solve(s[1:, 1:], s[1:, 0])
    z_var = float(s[0, 0] - s[0, 1:] @ gains)
    _set(net.q_z.window, [[float(g), 0.0] for g in gains])
    offset = mz - float(gains @ torch.tensor([ma, mx], dtype=torch.float64))
    _set(net.q_z.label, [[offset, raw_log_var(z_var, 0.01, 5)]] * 2)


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


def _labelled(net: SkipNet, x: float, label: int, draws: int = 20_000) -> Tensor:
    """Draws of l(x, y)."""
    rows = torch.full((draws, 1), x, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(2, draws, 1, generator=generator, dtype=torch.float64)
    q_a = net.infer(rows)
    cases = Cases(torch.arange(draws), torch.full((draws,), label))
    entropy = 0.5 * (math.log(2 * math.pi) + 1 + q_a.log_var).sum(-1)
    return (net.case_bound(rows, q_a.rsample(noise[0]), cases, noise[1]) + entropy).detach()


@pytest.mark.parametrize("label", [0, 1])
def test_the_bound_is_the_evidence_where_the_posterior_is_exact(label: int) -> None:
    net = linear_gaussian()
    exact_posterior(net, label)
    for x in (-1.0, 0.4, 2.0):
        mean, error = _mean_and_error(_labelled(net, x, label))
        assert abs(mean - _log_evidence(x, label)) < 4 * error
        assert error < 0.05


def test_the_bound_lies_below_the_evidence_elsewhere() -> None:
    net = linear_gaussian()
    exact_posterior(net, 0)
    gaps = []
    for x in (-1.0, 0.4, 2.0):
        mean, error = _mean_and_error(_labelled(net, x, 1))
        gaps.append((_log_evidence(x, 1) - mean) / error)
        rows = torch.full((20_000, 1), x, dtype=torch.float64)
        noise = torch.randn(2, 20_000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        terms = skip_terms(net, rows, torch.zeros(0, dtype=torch.int64), noise[0], noise[1])
        both = np.logaddexp(_log_evidence(x, 0), _log_evidence(x, 1))
        assert terms.unlabelled_bound.item() < both
    assert min(gaps) > 4


def test_the_unlabelled_bound_is_a_sum_over_classes() -> None:
    net = SkipNet(3, 4, (6,), 2, 2, seeded(0)).double()
    generator = torch.Generator().manual_seed(0)
    x, a_noise, z_noise = (torch.randn(5, n, generator=generator, dtype=torch.float64) for n in (3, 2, 2))
    labels = torch.tensor([3, 1])
    terms = skip_terms(net, x, labels, a_noise, z_noise)

    def l_bound(row: int, label: int) -> Tensor:
        alone = skip_terms(net, x[row, None], torch.tensor([label]), a_noise[row, None], z_noise[row, None])
        return alone.labelled_bound

    labelled = l_bound(0, 3) + l_bound(1, 1)
    unlabelled = torch.zeros((), dtype=torch.float64)
    for row in range(2, 5):
        a = net.infer(x[row, None]).rsample(a_noise[row, None])
        log_q = torch.log_softmax(net.classify(x[row, None], a)[0], dim=0)
        for label in range(4):
            unlabelled = unlabelled + log_q[label].exp() * (l_bound(row, label) - log_q[label])
    torch.testing.assert_close(terms.labelled_bound, labelled / 5)
    torch.testing.assert_close(terms.unlabelled_bound, unlabelled / 5)


def test_each_class_has_the_same_say_in_the_classification_loss() -> None:
    net = SkipNet(3, 2, (6,), 2, 2, seeded(0)).double()
    generator = torch.Generator().manual_seed(0)
    x, a_noise, z_noise = (torch.randn(6, n, generator=generator, dtype=torch.float64) for n in (3, 2, 2))
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    log_q = torch.log_softmax(net.classify(x, net.infer(x).rsample(a_noise)), dim=-1)
    by_class = [-log_q[labels == k, k].mean() for k in (0, 1)]
    weights = torch.tensor([6 / 8, 6 / 4], dtype=torch.float64)
    found = skip_terms(net, x, labels, a_noise, z_noise, weights).classification
    torch.testing.assert_close(found, (by_class[0] + by_class[1]) / 2)


def test_the_labelled_bound_equals_its_monte_carlo_mean_by_densities() -> None:
    net = SkipNet(3, 2, (6,), 2, 2, seeded(0)).double()
    x = torch.randn(1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).expand(40_000, 3)
    noise = torch.randn(4, 40_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cases = Cases(torch.arange(40_000), torch.ones(40_000, dtype=torch.int64))
    with torch.inference_mode():
        # log p(x, a, y, z) - log q(a, z | x, y), nothing in closed form, other draws.
        q_a = net.infer(x)
        a = q_a.rsample(noise[0])
        raw_z = net.q_z(torch.cat([a, x], dim=1), None, cases)
        q_z = _normal(raw_z, 0.01, 5.0)
        z = q_z.mean + q_z.stddev * noise[1]
        p_a, p_x = _normal(net.p_a(None, z, cases), 0.1, 4.0), _normal(net.p_x(a, z, cases), 0.1, 4.0)
        told = log_density(p_x, x).sum(-1) + log_density(p_a, a).sum(-1) + log_density(Normal(0.0, 1.0), z).sum(-1)
        told = told - log_density(Normal(q_a.mean, q_a.std), a).sum(-1) - log_density(q_z, z).sum(-1)
        expected, error = _mean_and_error(told - math.log(2))
        found = skip_terms(net, x, torch.ones(40_000, dtype=torch.int64), noise[2], noise[3]).labelled_bound
    assert abs(found.item() - expected) < 5 * error
    assert error < 0.05


def _normal(raw: Tensor, low: float, high: float) -> Normal:
    mean, log_var = raw.chunk(2, dim=-1)
    bottom, top = 2 * math.log(low), 2 * math.log(high)
    middle, half = (top + bottom) / 2, (top - bottom) / 2
    return Normal(mean, torch.exp((middle + half * torch.tanh((log_var - middle) / half)) / 2))


@pytest.mark.parametrize("views", [1, 2])
def test_gradients_agree_with_finite_differences(views: int) -> None:
    net = (
        SkipNet(3, 2, (4,), 2, 2, seeded(0))
        if views == 1
        else SkipFusionNet((2, 1), 2, (4,), 2, 1, "jensen", seeded(0))
    ).double()
    generator = torch.Generator().manual_seed(0)
    x, a_noise, z_noise = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (3, 2, 2))

    def loss() -> Tensor:
        terms = skip_terms(net, x, torch.tensor([1]), a_noise, z_noise)
        return 0.5 * terms.classification - terms.labelled_bound - terms.unlabelled_bound

    loss().backward()  # type: ignore[no-untyped-call]
    for name, parameter in net.named_parameters():
        if parameter.numel() == 0:
            continue
        assert parameter.grad is not None, name
        flat, place = parameter.data.view(-1), int(parameter.grad.abs().argmax())
        here, step = flat[place].item(), 1e-5
        flat[place] = here + step
        up = loss().item()
        flat[place] = here - step
        down = loss().item()
        flat[place] = here
        assert parameter.grad.view(-1)[place].item() == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-7), (
            name
        )


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_and_gives_probabilities(method: type[Sdgm]) -> None:
    X, y, truth = _toy()
    found = method(dims=DIMS, steps=40).fit(X, y)
    said = found.predict_proba(X)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-9)
    assert (found.predict(X) == truth).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(method: type[Sdgm]) -> None:
    X, y, _ = _toy()
    made = method(dims=DIMS, **QUICK)
    state = torch.get_rng_state()
    first = made.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(made).fit(X, y).predict_proba(X), first)
    np.testing.assert_allclose(made.predict_proba(X[7:9]), first[7:9], rtol=1e-5)
    assert np.abs(clone(made).set_params(random_state=1).fit(X, y).predict_proba(X) - first).max() > 1e-4
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method", METHODS)
def test_missing_features_are_refused(method: type[Sdgm]) -> None:
    X, y, _ = _toy()
    found = method(dims=DIMS, **QUICK).fit(X, y)
    X[5, 0] = np.nan
    assert not method.allows_missing
    with pytest.raises(ValueError, match="1 of 100"):
        found.predict_proba(X)
    with pytest.raises(ValueError, match="1 of 100"):
        method(dims=DIMS).fit(X, y)
