"""Models and data small enough to know the answer."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch
from torch import Tensor

from rtemo.model.data import TrainingData
from rtemo.model.objective import Batch, LossTerms, Noise, loss_terms
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.simvae import Simvae


def small_settings(**overrides: object) -> SimvaeSettings:
    """Settings of a small model on raw features."""
    return make_settings("default", {"latent": 3, "hidden": (8, 6), "front_end": "none", **overrides})


def random_model(dims: tuple[int, ...], classes: int, settings: SimvaeSettings, seed: int = 0) -> Simvae:
    """A float64 model in which every parameter is random, those that start at zero included."""
    model = Simvae(dims, classes, settings, seed=seed).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        model.log_prior.fill_(-math.log(classes))
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def draw_noise(model: Simvae, windows: int, seed: int = 0) -> Noise:
    """Float64 noise for a loss."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(windows, model.settings.latent, generator=generator, dtype=torch.float64)
    imputed = torch.randn(windows, sum(model.dims), generator=generator, dtype=torch.float64)
    return Noise(latent, imputed if model.settings.imputation == "sample" else None)


def make_batch(x: Tensor, observed: Tensor, labels: Tensor, shown: Tensor | None = None) -> Batch:
    """A batch that knows whether it is complete."""
    return Batch(x, observed, shown, labels, complete=bool(observed.all()))


def terms_of(model: Simvae, batch: Batch, noise: Noise, **options: object) -> LossTerms:
    """The loss, in a training set of just this batch."""
    return loss_terms(model, batch, noise, windows=len(batch.x), **options)  # type: ignore[arg-type]


def masks(views: int) -> list[list[bool]]:
    """Every pattern in which at least one view is observed."""
    return [list(mask) for mask in product([True, False], repeat=views) if any(mask)]


class LinearGaussian:
    """A Simvae whose decoders are exactly linear, so that log p(x^o, y) is known in closed form.

    relu(h) - relu(-h) = h: hidden units come in pairs of opposite sign.
    """

    def __init__(
        self, dims: tuple[int, ...], classes: int, seed: int = 0, latent: int = 2, **overrides: object
    ) -> None:
        pairs = 3
        settings = small_settings(latent=latent, hidden=(2 * pairs, 2 * pairs), **overrides)
        self.model = model = random_model(dims, classes, settings, seed)
        rng = torch.Generator().manual_seed(seed + 7)
        views, total = len(dims), sum(dims)

        def draw(*shape: int) -> Tensor:
            return 0.6 * torch.randn(*shape, generator=rng, dtype=torch.float64)

        def opposite(x: Tensor) -> Tensor:
            return torch.cat([x, -x], dim=-1)

        self.from_z, self.from_x, self.constant = [], [], []
        decoders = model.decoders
        with torch.no_grad():
            decoders.second_bias.zero_()
            for view in range(views):
                block = slice(view * 2 * pairs, (view + 1) * 2 * pairs)
                first, label, between, head = (
                    draw(latent, pairs),
                    draw(classes, pairs),
                    draw(pairs, pairs),
                    draw(pairs, dims[view]),
                )
                decoders.first[:, block] = opposite(first)
                decoders.first_label[:, block] = opposite(label)
                decoders.second[view] = torch.cat([opposite(between), -opposite(between)])
                decoders.head[view].copy_(torch.cat([head, -head]))
                through = between @ head
                self.from_z.append(first @ through)
                self.constant.append(label @ through + decoders.head_bias[view])
                chained = torch.zeros(total, pairs, dtype=torch.float64)
                if decoders.chain is not None:
                    chained = draw(total, pairs)
                    decoders.chain[:, block] = opposite(chained)
                    chained = chained * decoders.earlier[:, block.start, None]
                self.from_x.append(chained @ through)
        self.log_var = [decoders.shared_log_var(view).detach() for view in range(views)]

    def log_evidence(self, x: Tensor, observed: list[bool]) -> Tensor:
        """log p(x^o, y) for each class, of one window x (D,)."""
        model = self.model
        latent, total = model.settings.latent, sum(model.dims)
        # In the order z, x^1, ..., x^V every variable is linear in those before it.
        scatter = torch.zeros(latent + total, latent + total, dtype=torch.float64)
        scatter[:latent, :latent] = torch.eye(latent)
        means = torch.zeros(model.classes, latent + total, dtype=torch.float64)
        for view, where in enumerate(model.slices):
            rows = slice(latent + where.start, latent + where.stop)
            before = slice(0, latent + where.start)
            weights = torch.cat([self.from_z[view], self.from_x[view][: where.start]])
            means[:, rows] = means[:, before] @ weights + self.constant[view]
            scatter[rows, before] = weights.T @ scatter[before, before]
            scatter[before, rows] = scatter[rows, before].T
            scatter[rows, rows] = weights.T @ scatter[before, before] @ weights + torch.diag(self.log_var[view].exp())
        kept = model.by_dim(torch.tensor(observed)).nonzero()[:, 0]
        joint = torch.distributions.MultivariateNormal(
            means[:, latent + kept], scatter[latent + kept][:, latent + kept].expand(model.classes, -1, -1)
        )
        return joint.log_prob(x[kept]) + model.log_prior


def make_data(
    windows: int = 240,
    dims: tuple[int, ...] = (12, 5),
    classes: int = 3,
    *,
    labelled: float = 1.0,
    missing: float = 0.0,
    seed: int = 0,
) -> tuple[TrainingData, np.ndarray]:
    """Standardised windows in trials of ten, and the true labels."""
    rng = np.random.default_rng(seed)
    trial = np.arange(windows) // 10
    truth = trial % classes
    z = rng.normal(size=(windows, 4)) + 2.0 * rng.normal(size=(classes, 4))[truth]
    views = {}
    for name, dim in zip("abcdef", dims, strict=False):
        x = z @ rng.normal(size=(4, dim)) + 0.7 * rng.normal(size=(windows, dim))
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        x[rng.random(windows) < missing] = math.nan
        views[name] = x
    known = trial < max(classes, round(labelled * trial.max() + 1))
    labels = np.where(known, truth, -1)
    return TrainingData(views, labels, np.where(known, trial, -1), tuple("pqrstuv"[:classes])), truth
