"""Imputation by nets of all views whose codes agree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rtemo.evaluation.baselines.base import Bools, Floats
from rtemo.evaluation.baselines.networks import BATCH_SIZE, HIDDEN, IMPUTER_RATE, LATENT, STEPS, Batch, by_dim
from rtemo.evaluation.imputers.training import TINY, DeepImputer


class CoNetImputer(DeepImputer):
    """CoNet, after Quanz & Huan (CIKM 2012, "feature generation [...] with partially observed views").

    The paper's objective could not be looked up: neither its text nor code of it was found in public. What is known is
    its aim, which the title tells: features learnt without labels from windows of several views, some of them missing.
    What follows is a reading of that and not the authors' method: every view has a net to a code and back, codes of one
    window agree, and each term counts the views that are there. Minimised, with o the views of a window::

        mean over windows of  sum_{v in o} | x^v - g_v(f_v(x^v)) |^2 / D
                              + across * sum_{v != w in o} | x^w - g_w(f_v(x^v)) |^2 / D
        + agreement * sum_{pairs} |f_v - f_w|^2 / sum_{pairs} ( |f_v - mean f_v|^2 + |f_w - mean f_w|^2 )

    The last term is relative to the spread of codes, for else smaller codes would agree better. Other than in
    `CorrNetImputer`, there is no code of several views at once, and codes agree by distance. A missing view w is told
    as ``g_w(mean over v in o of f_v(x^v))``.

    Parameters are those of `DeepImputer`, and

    Parameters
    ----------
    across : float
        Weight of telling one view by another.
    agreement : float
        Weight of codes' agreement.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        across: float = 1.0,
        agreement: float = 0.1,
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
        self.across = across
        self.agreement = agreement

    def _learn(self, X: Floats, seen: Bools) -> None:
        self.net_ = self._coders()
        rows = seen.any(axis=1)
        self._train(self.net_, self._loss, self._centred(X[rows], seen[rows]), seen[rows])

    def _loss(self, x: Tensor, seen: Tensor, batch: Batch) -> Tensor:
        net, (count, features) = self.net_, x.shape
        codes = net.codes(x)
        views = len(codes)
        told = net.decoded(codes.flatten(0, 1)).view(views, count, features)
        own = by_dim(torch.eye(views, device=x.device), self.dims)
        weights = (own + self.across * (1 - own))[:, None] * seen.T[:, :, None] * by_dim(seen, self.dims)
        error = ((told - x).square() * weights).sum() / (count * features)
        return error + self.agreement * relative_distance(codes, seen)

    def _told(self, X: Floats, seen: Bools) -> Floats:
        x, there = self._tensors(X, seen)
        with torch.inference_mode():
            code = torch.einsum("bv,vbl->bl", there / there.sum(dim=1, keepdim=True), self.net_.codes(x))
            out: Floats = self.net_.decoded(code).double().cpu().numpy()
        return out


def relative_distance(codes: Tensor, seen: Tensor) -> Tensor:
    """Squared distance between codes of a window, relative to their spread over windows: 1 where they are unrelated.

    Parameters
    ----------
    codes : Tensor, shape (V, windows, latent)
    seen : Tensor of 0 and 1, shape (windows, V)
        Windows count that have both views of a pair.
    """
    apart = spread = codes.new_zeros(())
    for first in range(len(codes)):
        for second in range(first):
            both = (seen[:, first] * seen[:, second])[:, None]
            count = both.sum().clamp_min(1)
            a, b = codes[first], codes[second]
            apart = apart + (both * (a - b).square()).sum()
            for code in (a, b):
                spread = spread + (both * (code - (both * code).sum(0) / count).square()).sum()
    return apart / (spread + TINY)
