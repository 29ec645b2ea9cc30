"""Imputation by a correlational neural network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rtemo.evaluation.baselines.base import Bools, Floats
from rtemo.evaluation.baselines.mae import random_subset
from rtemo.evaluation.baselines.networks import BATCH_SIZE, HIDDEN, IMPUTER_RATE, LATENT, STEPS, Batch, by_dim
from rtemo.evaluation.imputers.training import TINY, DeepImputer


class CorrNetImputer(DeepImputer):
    """CorrNet (Chandar, Khapra, Larochelle & Ravindran 2016): views reconstructed from a code that each alone can tell.

    Minimised, with ``h(s) = sum_{v in s} f_v(x^v)`` the code from views s, and o those there::

        mean over windows of  sum_s sum_{w in o} | x^w - g_w(h(s)) |^2 / D
        - weight * mean over pairs v < w and coordinates k of  corr_k( h({v}), h({w}) )

    where s is all of o, and each view of it alone (the paper's L1 to L3 and lambda times its L4; a window with one view
    reconstructs this one, as in the paper). Of more than two views, which the paper does not treat, s is one more
    subset, drawn for each window. A missing view w is told as ``g_w(h(o))``.

    The paper's nets have one layer; here they are as deep as all others. Correlations are those within a batch.

    Parameters are those of `DeepImputer`, and

    Parameters
    ----------
    weight : float
        Of the correlation; the paper's lambda, for means instead of sums.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        weight: float = 0.1,
        activation: str = "relu",
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = IMPUTER_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            dims,
            activation=activation,
            hidden=hidden,
            latent=latent,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
            device=device,
        )
        self.weight = weight

    def _learn(self, X: Floats, seen: Bools) -> None:
        self.net_ = self._coders()
        rows = seen.any(axis=1)
        self._train(self.net_, self._loss, self._centred(X[rows], seen[rows]), seen[rows])

    def _loss(self, x: Tensor, seen: Tensor, batch: Batch) -> Tensor:
        net, count = self.net_, len(x)
        codes = net.codes(x)
        alone = torch.eye(len(self.dims), device=x.device)
        shown = [seen, *(seen * view for view in alone)]
        if len(self.dims) > 2:
            shown.append(random_subset(seen, batch.uniform()))
        sets = torch.stack(shown)
        told = net.decoded(torch.einsum("sbv,vbl->sbl", sets, codes).flatten(0, 1)).view(len(sets), count, -1)
        # A view that is not there tells nothing, and is not to be told.
        wanted = by_dim(seen, self.dims) * sets.amax(dim=2, keepdim=True)
        error = ((told - x).square() * wanted).sum() / (count * x.shape[1])
        return error - self.weight * mean_correlation(codes, seen)

    def _told(self, X: Floats, seen: Bools) -> Floats:
        x, there = self._tensors(X, seen)
        with torch.inference_mode():
            code = torch.einsum("bv,vbl->bl", there, self.net_.codes(x))
            out: Floats = self.net_.decoded(code).double().cpu().numpy()
        return out


def mean_correlation(codes: Tensor, seen: Tensor) -> Tensor:
    """Correlation between codes of two views, averaged over coordinates and pairs of views.

    Parameters
    ----------
    codes : Tensor, shape (V, windows, latent)
    seen : Tensor of 0 and 1, shape (windows, V)
        Windows count that have both views of a pair.
    """
    found = []
    for first in range(len(codes)):
        for second in range(first):
            both = (seen[:, first] * seen[:, second])[:, None]
            count = both.sum().clamp_min(1)
            a, b = (codes[v] - (both * codes[v]).sum(0) / count for v in (first, second))
            product, left, right = ((both * p * q).sum(0) / count for p, q in ((a, b), (a, a), (b, b)))
            found.append((product / (left * right + TINY).sqrt()).mean())
    return torch.stack(found).mean()
