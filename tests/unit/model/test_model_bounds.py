"""Every bound lies below the truth, and equals what the equations say."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal
from toys import LinearGaussian, draw_noise, make_batch, masks, random_model, small_settings, terms_of

from rtemo.model.networks import POSTERIOR_STD, Cases
from rtemo.model.objective import all_cases, case_bound

DIMS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
CLASSES = 3
WAYS = [
    {"chain": False, "imputation": "mean", "posterior": "observed"},
    {"chain": False, "imputation": "sample", "posterior": "observed"},
    {"chain": True, "imputation": "sample", "posterior": "observed"},
    {"chain": True, "imputation": "sample", "posterior": "all"},
    {"chain": False, "missing": "marginalise"},
]


def _mean_and_error(values: list[torch.Tensor]) -> tuple[float, float]:
    stacked = torch.stack(values)
    return float(stacked.mean()), float(stacked.std() / math.sqrt(len(values)))


@pytest.mark.parametrize("entropy", ["bhattacharyya", "jensen"])
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@torch.no_grad()
def test_every_bound_lies_below_the_evidence_for_every_mask(way: dict[str, object], views: int, entropy: str) -> None:
    toy = LinearGaussian(DIMS[views], CLASSES, seed=views, entropy=entropy, **way)
    x = torch.randn(sum(DIMS[views]), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    repeats, chunks = 200, 20
    for mask in masks(views):
        truth = toy.log_evidence(x, mask)
        observed = torch.tensor(mask).expand(repeats, -1)
        rows = x.expand(repeats, -1)
        for labels, evidence in [
            (torch.full((repeats,), 1), truth[1]),
            (torch.zeros(0, dtype=torch.long), truth.logsumexp(0)),
        ]:
            batch = make_batch(rows, observed, labels)
            means = [terms_of(toy.model, batch, draw_noise(toy.model, repeats, seed)) for seed in range(chunks)]
            bound, error = _mean_and_error([terms.labelled_bound + terms.unlabelled_bound for terms in means])
            assert bound <= float(evidence) + 4 * error, f"mask {mask}, labelled {len(labels) > 0}"


@pytest.mark.parametrize("entropy", ["bhattacharyya"])
@torch.no_grad()
def test_the_bound_is_the_evidence_where_the_posterior_is_exact(entropy: str) -> None:
    toy = LinearGaussian((3,), CLASSES, latent=1, entropy=entropy)
    model, loading, constant, noise = toy.model, toy.from_z[0], toy.constant[0], toy.log_var[0].exp()
    # With one latent dimension the exact posterior is N(slope x + shift_y, 1 / precision): set the encoder to it.
    precision = 1 + (loading[0].square() / noise).sum()
    slope = loading[0] / noise / precision
    encoders = model.encoders
    for parameter in encoders.parameters():
        parameter.zero_()
    encoders.first[0][:, :2] = torch.stack([slope, -slope], dim=1)
    encoders.first_label[:, :2] = torch.stack([-constant @ slope, constant @ slope], dim=1)
    encoders.second[0, 0, 0] = encoders.second[0, 1, 1] = 1
    encoders.head[0, :2, 0] = torch.tensor([1.0, -1.0])
    low, high = (2 * math.log(std) for std in POSTERIOR_STD)
    middle, half = (low + high) / 2, (high - low) / 2
    encoders.head_bias[0, 0, 1] = middle + half * torch.atanh((-precision.log() - middle) / half)
    x = torch.tensor([[0.3, -1.0, 0.5]], dtype=torch.float64)
    count = 40_000
    batch = make_batch(x.expand(count, -1), torch.ones(count, 1, dtype=torch.bool), torch.full((count,), 2))
    bound = terms_of(model, batch, draw_noise(model, count)).labelled_bound
    assert float(bound) == pytest.approx(float(toy.log_evidence(x[0], [True])[2]), abs=0.05)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("mask", [[True, True], [True, False], pytest.param([False, True], marks=pytest.mark.slow)])
@torch.no_grad()
def test_learning_closes_the_gap_to_the_evidence_but_never_crosses_it(mask: list[bool], labelled: bool) -> None:
    toy = LinearGaussian(DIMS[2], 2, seed=3, imputer_gradient="elbo", imputation="sample", tau=1.0)
    model, count = toy.model, 24
    x = torch.randn(count, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    observed = torch.tensor(mask).expand(count, -1)
    labels = torch.zeros(count if labelled else 0, dtype=torch.long)
    batch = make_batch(x, observed, labels)
    truths = torch.stack([toy.log_evidence(row, mask) for row in x])
    evidence = (truths[:, 0] if labelled else truths.logsumexp(-1)).mean()

    def bound(seed: int) -> torch.Tensor:
        terms = terms_of(model, batch, draw_noise(model, count, seed))
        return terms.labelled_bound + terms.unlabelled_bound

    before = evidence - torch.stack([bound(1000 + seed) for seed in range(50)]).mean()
    learnt = [p for part in (model.encoders, model.imputer, model.classifier) for p in part.parameters()]
    optimiser = torch.optim.Adam([*learnt, model.weight_logits], lr=1e-2)
    for step in range(300):
        optimiser.zero_grad()
        with torch.enable_grad():
            (-bound(step)).backward()
        optimiser.step()
    gaps = evidence - torch.stack([bound(1000 + seed) for seed in range(200)])
    assert -4 * gaps.std() / math.sqrt(200) < gaps.mean() < min(1.0, before / 3)


def _log_normal(x: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    return Independent(Normal(mean, (0.5 * log_var).exp()), 1).log_prob(x)


def test_one_view_is_m2_term_for_term() -> None:
    model = random_model((4,), CLASSES, small_settings(c1=0.0, weight_decay=0.0))
    labelled, unlabelled = 5, 6
    x = torch.randn(labelled + unlabelled, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 1, 0])
    noise = draw_noise(model, len(x))
    terms = terms_of(model, make_batch(x, torch.ones(len(x), 1, dtype=torch.bool), labels), noise)

    # Kingma et al. 2014: L(x, y) and U(x), one class after the other, one window after the other.
    def l_bound(row: int, label: int) -> torch.Tensor:
        case = Cases(torch.tensor([0]), torch.tensor([label]))
        mean, log_var = (part[0, 0] for part in model.inference(x[row : row + 1], case))
        z = mean + (0.5 * log_var).exp() * noise.latent[row]
        decoded = model.generative(z[None, None], x[row : row + 1], case)[0]
        q, p = Independent(Normal(mean, (0.5 * log_var).exp()), 1), Independent(Normal(torch.zeros_like(mean), 1.0), 1)
        reconstruction = _log_normal(x[row], decoded.mean[0, 0], decoded.log_var)
        return reconstruction - torch.distributions.kl_divergence(q, p) + math.log(1 / CLASSES)

    expected = torch.stack([l_bound(row, int(label)) for row, label in enumerate(labels)]).sum()
    assert terms.labelled_bound.item() == pytest.approx(expected.item() / len(x), rel=1e-10)
    expected = torch.zeros((), dtype=torch.float64)
    for row in range(labelled, len(x)):
        q = Categorical(logits=model.classify(x[row : row + 1])[0])
        expected = expected + sum(q.probs[y] * l_bound(row, y) for y in range(CLASSES)) + q.entropy()
    assert terms.unlabelled_bound.item() == pytest.approx(expected.item() / len(x), rel=1e-10)
    cross_entropy = -torch.stack([Categorical(logits=model.classify(x[:labelled])).log_prob(labels)]).mean()
    assert terms.classification.item() == pytest.approx(cross_entropy.item(), rel=1e-10)
    total = -terms.labelled_bound - terms.unlabelled_bound + cross_entropy + terms.weight_prior
    assert terms.total.item() == pytest.approx(total.item(), rel=1e-10)


@torch.no_grad()
def test_two_complete_views_without_the_chain_are_equations_5_and_6() -> None:
    model = random_model((3, 4), CLASSES, small_settings(entropy="jensen", weight_floor=0.0))
    x = torch.randn(4, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    noise = draw_noise(model, 4)
    lam = torch.softmax(model.weight_logits, 0)

    def e_bound(row: int, label: int) -> torch.Tensor:
        case = Cases(torch.tensor([0]), torch.tensor([label]))
        mean, log_var = (part[:, 0] for part in model.inference(x[row : row + 1], case))
        variance = log_var.exp()
        total = math.log(1 / CLASSES) + torch.zeros((), dtype=torch.float64)
        for v in range(2):
            z = mean[v] + variance[v].sqrt() * noise.latent[row]
            decoded = model.generative(z.expand(2, 1, -1), x[row : row + 1], case)
            for w, where in enumerate(model.slices):
                total = total + lam[v] * _log_normal(x[row, where], decoded[w].mean[0, 0], decoded[w].log_var)
            total = total - lam[v] * 0.5 * (math.log(2 * math.pi) + mean[v].square() + variance[v]).sum()
            overlap = sum(
                lam[k] * _log_normal(mean[v], mean[k], (variance[v] + variance[k]).log()).exp() for k in range(2)
            )
            total = total - lam[v] * overlap.log()
        return total

    observed = torch.ones(4, 2, dtype=torch.bool)
    labels = torch.tensor([2, 0, 1, 1])
    terms = terms_of(model, make_batch(x, observed, labels), noise)
    expected = torch.stack([e_bound(row, int(label)) for row, label in enumerate(labels)]).mean()
    assert terms.labelled_bound.item() == pytest.approx(expected.item(), rel=1e-10)
    terms = terms_of(model, make_batch(x, observed, labels[:0]), noise)
    q = torch.softmax(model.classify(x), -1)
    table = torch.stack([torch.stack([e_bound(row, y) for y in range(CLASSES)]) for row in range(4)])
    assert terms.unlabelled_bound.item() == pytest.approx((q * (table - q.log())).sum(-1).mean().item(), rel=1e-10)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@torch.no_grad()
def test_the_unlabelled_bound_is_a_sum_over_labels(way: dict[str, object]) -> None:
    model = random_model((3, 2, 2), CLASSES, small_settings(**way))
    x = torch.randn(6, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    observed = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=torch.bool)
    noise = draw_noise(model, 6)
    unlabelled = terms_of(model, make_batch(x, observed, torch.zeros(0, dtype=torch.long)), noise).unlabelled_bound
    filled = torch.where(model.by_dim(observed), x, 0.0)
    psi = model.impute(filled, observed)
    missing = psi.mean if noise.imputed is None else psi.rsample(noise.imputed)
    q = torch.softmax(model.classify(torch.where(model.by_dim(observed), x, missing)), -1)
    brute = torch.zeros((), dtype=torch.float64)
    for row in range(6):
        for label in range(CLASSES):
            one = type(noise)(
                noise.latent[row : row + 1], None if noise.imputed is None else noise.imputed[row : row + 1]
            )
            batch = make_batch(x[row : row + 1], observed[row : row + 1], torch.tensor([label]))
            bound = terms_of(model, batch, one).labelled_bound
            brute = brute + q[row, label] * (bound - q[row, label].log())
    assert unlabelled.item() == pytest.approx(brute.item() / 6, rel=1e-9)


@torch.no_grad()
def test_the_expected_reconstruction_equals_its_monte_carlo_mean() -> None:
    model = random_model((3, 2), 2, small_settings())
    count = 40_000
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, generator=generator, dtype=torch.float64).expand(count, -1)
    observed = torch.tensor([[True, False]]).expand(count, -1)
    psi = model.impute(torch.where(model.by_dim(observed), x, 0.0), observed)
    cases = all_cases(count, torch.zeros(count, dtype=torch.long), 0, 2)
    latent = torch.randn(1, 3, generator=generator, dtype=torch.float64).expand(count, -1)
    drawn = psi.rsample(torch.randn(count, 5, generator=generator, dtype=torch.float64))
    by_draws = case_bound(model, torch.where(model.by_dim(observed), x, drawn), observed, cases, latent).reconstruction
    at_mean = torch.where(model.by_dim(observed), x, psi.mean)
    analytic = case_bound(model, at_mean, observed, cases, latent, psi.log_var).reconstruction[0]
    assert float(analytic) == pytest.approx(float(by_draws.mean()), abs=5 * float(by_draws.std()) / math.sqrt(count))


@torch.no_grad()
def test_the_imputation_entropy_equals_its_monte_carlo_mean() -> None:
    model = random_model((3, 2), 2, small_settings())
    x = torch.randn(1, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    observed = torch.tensor([[False, True]])
    batch = make_batch(x, observed, torch.tensor([0]))
    analytic = terms_of(model, batch, draw_noise(model, 1)).imputation_entropy
    psi = model.impute(torch.where(model.by_dim(observed), x, 0.0), observed)
    density = Independent(Normal(psi.mean[0, :3], (0.5 * psi.log_var[0, :3]).exp()), 1)
    torch.manual_seed(0)
    draws = -density.log_prob(density.sample((40_000,)))
    assert float(analytic) == pytest.approx(float(draws.mean()), abs=5 * float(draws.std()) / 200)


@torch.no_grad()
def test_the_terms_of_the_bounds_sum_to_the_bounds() -> None:
    model = random_model((3, 2), CLASSES, small_settings())
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    observed = torch.tensor([[True, True], [True, False], [False, True], [True, True]] * 2)
    terms = terms_of(model, make_batch(x, observed, torch.tensor([0, 1, 2])), draw_noise(model, 8))
    parts = (
        terms.class_prior + terms.reconstruction + terms.latent_prior
        + terms.latent_entropy + terms.class_entropy + terms.imputation_entropy
    )  # fmt: skip
    assert parts.item() == pytest.approx((terms.labelled_bound + terms.unlabelled_bound).item(), rel=1e-10)


@torch.no_grad()
def test_without_labels_in_the_generative_model_every_window_is_one_case() -> None:
    model = random_model((3, 2), CLASSES, small_settings(labels=False))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    observed = torch.ones(4, 2, dtype=torch.bool)
    noise = draw_noise(model, 4)
    some = terms_of(model, make_batch(x, observed, torch.tensor([0, 1])), noise)
    none = terms_of(model, make_batch(x, observed, torch.zeros(0, dtype=torch.long)), noise)
    assert some.labelled_bound.item() == pytest.approx(none.labelled_bound.item(), rel=1e-12)
    assert float(some.unlabelled_bound) == 0.0
    assert float(some.class_prior) == 0.0
