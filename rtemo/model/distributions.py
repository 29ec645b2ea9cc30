"""Gaussian log-densities and the entropy of a Gaussian mixture, all in log space.

The vocabulary is that of ``torch.distributions``: `log_prob`, `entropy`. ``log_var`` is the logarithm of a variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
LOG_2PI_E = LOG_2PI + 1.0


def bound_log_var(raw: Tensor, std_min: float, std_max: float) -> Tensor:
    """Smoothly bounded log-variance: the identity in the middle, never outside ``2 log std_min .. 2 log std_max``."""
    low, high = 2 * math.log(std_min), 2 * math.log(std_max)
    middle, half = (low + high) / 2, (high - low) / 2
    return middle + half * torch.tanh((raw - middle) / half)


def normal_log_prob(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Log-density of each coordinate, log N(x; mean, exp(log_var)); shapes broadcast."""
    return -0.5 * (LOG_2PI + log_var + (x - mean).square() * torch.exp(-log_var))


class _SquaredDistance(torch.autograd.Function):
    """sum_d ((x_d - mean_d) * inverse_std_d)^2: one large buffer forwards and one backwards instead of a dozen.

    The tensors are the largest of a training step, and the time goes into memory, not arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, inverse_std: Tensor) -> Tensor:
        scaled = torch.sub(mean, x).mul_(inverse_std)
        ctx.save_for_backward(scaled, inverse_std)
        ctx.x_shape = x.shape
        norm: Tensor = torch.linalg.vector_norm(scaled, dim=-1)
        return norm.square_()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        scaled, inverse_std = ctx.saved_tensors
        weight, by_std, buffer = 2 * grads[0], None, None
        if ctx.needs_input_grad[2]:
            buffer = scaled.square()
            by_std = (weight.flatten() @ buffer.flatten(0, -2)) / inverse_std
        by_mean = torch.mul(scaled, weight[..., None], out=buffer).mul_(inverse_std)
        by_x = -by_mean.sum_to_size(ctx.x_shape) if ctx.needs_input_grad[0] else None
        return by_x, by_mean if ctx.needs_input_grad[1] else None, by_std


def normal_log_prob_sum(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Log-density of all features together, with one variance a feature.

    Parameters
    ----------
    x : Tensor, shape (batch, d)
    mean : Tensor, shape (V, batch, d)
    log_var : Tensor, shape (d,)

    Returns
    -------
    Tensor, shape (V, batch)
    """
    squared: Tensor = _SquaredDistance.apply(x, mean, torch.exp(-0.5 * log_var))  # type: ignore[no-untyped-call]
    return -0.5 * (squared + (log_var.sum() + LOG_2PI * x.shape[-1]))


def normal_entropy(log_var: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian, 1/2 sum log(2 pi e sigma^2), over the last axis."""
    return 0.5 * (LOG_2PI_E + log_var).sum(-1)


def standard_cross_entropy(mean: Tensor, log_var: Tensor) -> Tensor:
    """E_q log N(z; 0, I) for q = N(mean, exp(log_var)): -1/2 sum (log 2pi + mu^2 + sigma^2), last axis (Eq. 5)."""
    return -0.5 * (LOG_2PI + mean.square() + log_var.exp()).sum(-1)


def _mix(log_weights: Tensor, log_overlap: Tensor) -> Tensor:
    """-sum_v l_v log sum_k l_k exp(log_overlap[v, k]) for weights (V, ...) and overlaps (V, V, ...)."""
    return -(log_weights.exp() * torch.logsumexp(log_weights + log_overlap, dim=1)).sum(0)


def _symmetric(of_pair: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """Overlaps (V, V, batch) of all components, each pair v <= k worked out once.

    Parameters
    ----------
    of_pair : callable
        Takes every parameter twice, of the first and of the second component of each pair, shape (pairs, batch, d).
    *parameters : Tensor, shape (V, batch, d)
    """
    views = len(parameters[0])
    first, second, place = _pairs(views, parameters[0].device)
    sides = [parameter.index_select(0, side) for parameter in parameters for side in (first, second)]
    overlaps = of_pair(*sides).index_select(0, place)
    return overlaps.view(views, views, *overlaps.shape[1:])


@cache
def _pairs(views: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs v <= k, and where each of them stands for (v, k), flattened."""
    with torch.inference_mode(False):
        first, second = torch.triu_indices(views, views, device=device)
        place = torch.zeros(views, views, dtype=torch.long, device=device)
        place[first, second] = place[second, first] = torch.arange(len(first), device=device)
    return first, second, place.flatten()


def jensen_entropy(log_weights: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Lower bound on a mixture's entropy: -sum_v l_v log sum_k l_k N(mu_v; mu_k, sigma2_v + sigma2_k) (Eq. 5).

    Parameters
    ----------
    log_weights : Tensor, shape (V, batch)
        -inf where a component is left out.
    mean, log_var : Tensor, shape (V, batch, d)

    Returns
    -------
    Tensor, shape (batch,)
    """

    def overlap(mean_v: Tensor, mean_k: Tensor, variance_v: Tensor, variance_k: Tensor) -> Tensor:
        total = variance_v + variance_k
        return -0.5 * (LOG_2PI + total.log() + (mean_v - mean_k).square() / total).sum(-1)

    return _mix(log_weights, _symmetric(overlap, mean, log_var.exp()))


def bhattacharyya_entropy(log_weights: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Lower bound on a mixture's entropy from Bhattacharyya distances (Kolchinsky & Tracey 2017).

    H >= sum_v l_v H(N_v) - sum_v l_v log sum_k l_k exp(-B_vk): exact for one component and for components far apart,
    and never looser than `jensen_entropy`. Shapes as there.
    """
    single = (log_weights.exp() * normal_entropy(log_var)).sum(0)
    half_log_det = 0.25 * log_var.sum(-1, keepdim=True)

    def overlap(mean_v: Tensor, mean_k: Tensor, variance_v: Tensor, variance_k: Tensor, *halves: Tensor) -> Tensor:
        shared = 0.5 * (variance_v + variance_k)
        apart = (0.25 * (mean_v - mean_k).square() / shared + shared.log()).sum(-1)
        return (halves[0] + halves[1]).squeeze(-1) - 0.5 * apart

    return single + _mix(log_weights, _symmetric(overlap, mean, log_var.exp(), half_log_det))


def kl_entropy(log_weights: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Upper bound on a mixture's entropy from KL divergences (Kolchinsky & Tracey 2017). Shapes as above."""
    variance = log_var.exp()
    ratio = (variance[:, None] + (mean[:, None] - mean[None]).square()) / variance[None]
    divergence = 0.5 * (log_var[None] - log_var[:, None] + ratio - 1)
    return (log_weights.exp() * normal_entropy(log_var)).sum(0) + _mix(log_weights, -divergence.sum(-1))


MIXTURE_ENTROPY = {"jensen": jensen_entropy, "bhattacharyya": bhattacharyya_entropy}
