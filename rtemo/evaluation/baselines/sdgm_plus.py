"""SDGM+: a skip deep generative model of several views, fused as Du et al. (2018) fuse them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rtemo.evaluation.baselines.networks import (
    BATCH_SIZE,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    STEPS,
    Batch,
    CaseMlp,
    mlp,
)
from rtemo.evaluation.baselines.sdgm import DECODER_STD, HEAD_GAIN, LOGIT_GAIN, Sdgm, SkipModel, gaussian
from rtemo.model.distributions import MIXTURE_ENTROPY, normal_log_prob, standard_cross_entropy
from rtemo.model.networks import POSTERIOR_STD, Cases, Normal

A0 = 2.0
"""Dirichlet prior of the weights l, as in SiMVAE."""


class SkipFusionNet(SkipModel):
    """The distributions of SDGM+.

    Parameters
    ----------
    dims : sequence of int
    classes : int
    hidden : sequence of int
        Layers from a view to its variables; back, in reverse.
    latent, auxiliary : int
        Sizes of z, and of a of each view.
    entropy : {"bhattacharyya", "jensen"}
    generator : torch.Generator
        Of the weights.
    """

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        hidden: Sequence[int],
        latent: int,
        auxiliary: int,
        entropy: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__(classes, latent, auxiliary * len(dims))
        self.dims, self.sizes = list(dims), [auxiliary] * len(dims)
        self._entropy = MIXTURE_ENTROPY[entropy]
        back = list(reversed(hidden))

        def each(made: Any) -> nn.ModuleList:
            return nn.ModuleList(made(d) for d in dims)

        self.q_a = each(lambda d: mlp([d, *hidden, 2 * auxiliary], generator, gain=HEAD_GAIN))
        self.q_y = mlp([self.auxiliary + sum(dims), *hidden, classes], generator, gain=LOGIT_GAIN)
        self.q_z = each(lambda d: CaseMlp(auxiliary + d, 0, classes, [*hidden, 2 * latent], generator, HEAD_GAIN))
        self.p_a = each(lambda d: CaseMlp(0, latent, classes, [*back, 2 * auxiliary], generator, HEAD_GAIN))
        self.p_x = each(lambda d: CaseMlp(auxiliary, latent, classes, [*back, 2 * d], generator, HEAD_GAIN))
        self.weight_logits = nn.Parameter(torch.zeros(len(self.dims)))

    def log_weights(self) -> Tensor:
        """Logarithms of l, (V,)."""
        return torch.log_softmax(self.weight_logits, dim=0)

    def infer(self, x: Tensor) -> Normal:
        """q(a | x) = prod_v q(a^v | x^v), (windows, V * auxiliary)."""
        views = torch.split(x, self.dims, dim=1)
        each = [gaussian(net(view), POSTERIOR_STD) for net, view in zip(self.q_a, views, strict=True)]
        return Normal(torch.cat([q.mean for q in each], dim=1), torch.cat([q.log_var for q in each], dim=1))

    def classify(self, x: Tensor, a: Tensor) -> Tensor:
        """Logits of q(y | a, x), (windows, K)."""
        logits: Tensor = self.q_y(torch.cat([a, x], dim=1))
        return logits

    def components(self, x: Tensor, a: Tensor, cases: Cases) -> Normal:
        """Components of q(z | a, x, y), (V, cases, latent)."""
        pairs = zip(self.q_z, torch.split(x, self.dims, dim=1), torch.split(a, self.sizes, dim=1), strict=True)
        each = [gaussian(net(torch.cat([aux, view], dim=1), None, cases), POSTERIOR_STD) for net, view, aux in pairs]
        return Normal(torch.stack([q.mean for q in each]), torch.stack([q.log_var for q in each]))

    def case_bound(self, x: Tensor, a: Tensor, cases: Cases, noise: Tensor) -> Tensor:
        """E(x, a, y) of each case, (cases,), a draw of each component by the same noise."""
        q_z = self.components(x, a, cases)
        views, count, _ = q_z.mean.shape
        z = q_z.rsample(noise.index_select(0, cases.window)).flatten(0, 1)
        drawn = Cases(cases.window.repeat(views), cases.label.repeat(views))
        told = x.new_zeros(views * count)
        pairs = zip(torch.split(x, self.dims, dim=1), torch.split(a, self.sizes, dim=1), strict=True)
        for (view, aux), net_a, net_x in zip(pairs, self.p_a, self.p_x, strict=True):
            p_a = gaussian(net_a(None, z, drawn), DECODER_STD)
            p_x = gaussian(net_x(aux, z, drawn), DECODER_STD)
            told = told + normal_log_prob(aux.index_select(0, drawn.window), *p_a).sum(-1)
            told = told + normal_log_prob(view.index_select(0, drawn.window), *p_x).sum(-1)
        log_weights = self.log_weights()[:, None].expand(views, count)
        each = told.view(views, count) + standard_cross_entropy(*q_z)

        return (log_weights.exp() * each).sum(0) + self._entropy(log_weights, *q_z) - math.log(self.classes)


class SdgmPlus(Sdgm):
    """SDGM+: SDGM with a view's own auxiliary variable, encoder and decoder, and one z for all.

    Du et al. (2018) name SDGM+ without defining it; taken here as SDGM with their own fusion, a mixture posterior of z
    whose weights l are learnt (their Eq. 4 with a^v beside x^v)::

        p(x, a, y, z) = p(y) N(z; 0, I) prod_v p(x^v | a^v, z, y) p(a^v | z, y)
        q(a, y, z | x) = prod_v q(a^v | x^v) * q(y | a, x) * sum_v l_v q_v(z | a^v, x^v, y)

    The objective is that of `Sdgm`, in which::

        E(x, a, y) = sum_v l_v E_q_v [ sum_w log p(x^w | a^w, z, y) + log p(a^w | z, y) + log p(z) ] + log p(y) + H

    with H a lower bound on the entropy of the mixture, less ``(a0 - 1)/N sum_v log l_v``. With one view it is SDGM.

    Parameters are those of `Sdgm` (``auxiliary`` that of each view), and

    Parameters
    ----------
    entropy : {"bhattacharyya", "jensen"}
        The bound; "jensen" is that of Du et al. (Eq. 5).
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        weight: float = 0.5,
        entropy: Literal["bhattacharyya", "jensen"] = "bhattacharyya",
        samples: int = 16,
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        auxiliary: int = LATENT,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            dims,
            weight=weight,
            samples=samples,
            hidden=hidden,
            latent=latent,
            auxiliary=auxiliary,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
            device=device,
        )
        self.entropy = entropy

    def _net(self, classes: int, generator: torch.Generator) -> SkipFusionNet:
        return SkipFusionNet(self.dims, classes, self.hidden, self.latent, self.auxiliary, self.entropy, generator)

    def _loss(self, net: SkipModel, batch: Batch, windows: int) -> Tensor:
        assert isinstance(net, SkipFusionNet)
        return super()._loss(net, batch, windows) - (A0 - 1) / windows * net.log_weights().sum()
