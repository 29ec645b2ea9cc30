"""Gaussian log-densities and the entropy of a Gaussian mixture, all in log space.

The vocabulary is that of ``torch.distributions``: `log_prob`, `entropy`. ``log_var`` is the logarithm of a variance.
"""

from __future__ import annotations

import math

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


def normal_entropy(log_var: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian, 1/2 sum log(2 pi e sigma^2), over the last axis."""
    return 0.5 * (LOG_2PI_E + log_var).sum(-1)


def standard_cross_entropy(mean: Tensor, log_var: Tensor) -> Tensor:
    """E_q log N(z; 0, I) for q = N(mean, exp(log_var)): -1/2 sum (log 2pi + mu^2 + sigma^2), last axis (Eq. 5)."""
    return -0.5 * (LOG_2PI + mean.square() + log_var.exp()).sum(-1)


def _mix(log_weights: Tensor, log_overlap: Tensor) -> Tensor:
    """-sum_v l_v log sum_k l_k exp(log_overlap[v, k]) for weights (V, ...) and overlaps (V, V, ...)."""
    return -(log_weights.exp() * torch.logsumexp(log_weights + log_overlap, dim=1)).sum(0)


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
    variance = log_var.exp()
    total = variance[:, None] + variance[None]
    distance = (mean[:, None] - mean[None]).square() / total
    return _mix(log_weights, -0.5 * (LOG_2PI + total.log() + distance).sum(-1))


def bhattacharyya_entropy(log_weights: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Lower bound on a mixture's entropy from Bhattacharyya distances (Kolchinsky & Tracey 2017).

    H >= sum_v l_v H(N_v) - sum_v l_v log sum_k l_k exp(-B_vk): exact for one component and for components far apart,
    and never looser than `jensen_entropy`. Shapes as there.
    """
    variance = log_var.exp()
    shared = 0.5 * (variance[:, None] + variance[None])
    distance = 0.125 * (mean[:, None] - mean[None]).square() / shared
    distance = distance + 0.5 * shared.log() - 0.25 * (log_var[:, None] + log_var[None])
    return (log_weights.exp() * normal_entropy(log_var)).sum(0) + _mix(log_weights, -distance.sum(-1))


def kl_entropy(log_weights: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Upper bound on a mixture's entropy from KL divergences (Kolchinsky & Tracey 2017). Shapes as above."""
    variance = log_var.exp()
    ratio = (variance[:, None] + (mean[:, None] - mean[None]).square()) / variance[None]
    divergence = 0.5 * (log_var[None] - log_var[:, None] + ratio - 1)
    return (log_weights.exp() * normal_entropy(log_var)).sum(0) + _mix(log_weights, -divergence.sum(-1))


MIXTURE_ENTROPY = {"jensen": jensen_entropy, "bhattacharyya": bhattacharyya_entropy}
