"""Imputation by psi, the part of SiMVAE that tells missing views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rtemo.evaluation.baselines.base import Bools, Floats, split_views
from rtemo.evaluation.baselines.networks import BATCH_SIZE, HIDDEN, IMPUTER_RATE, LATENT, STEPS, Batch
from rtemo.evaluation.imputers.training import DeepImputer
from rtemo.model.batches import random_submask
from rtemo.model.front_end import fit_front_end
from rtemo.model.objective import Batch as Windows
from rtemo.model.objective import Noise, imputation_loss, imputer_prior, loss_terms
from rtemo.model.settings import SimvaeSettings, make_settings
from rtemo.model.simvae import Simvae


class SimvaeImputer(DeepImputer):
    """psi of SiMVAE (Du et al. 2018, Eq. 11): a Gaussian of the missing views given the others, of which the mean.

    psi is one net over the views that are there and the mask. No label is looked at. Minimised with
    ``gradient = "detached"``, the model's default, by which psi learns from nothing else (`rtemo.model.objective`)::

        mean over windows of  - sum_{v in o, not s} log N( x^v ; psi_v(x^s) ),  plus imputer_decay / (2 M) |W|^2

    with o the views of a window, where it has several, s a random part of them, and M such windows (of
    trials nothing is known here). With ``gradient = "elbo"``, as in the paper, it is c1 times this and the negative
    bound of the model without labels (Sec. 3.1), for windows of any number of views, the missing ones drawn from psi.

    With a front end, the model's default, psi tells its outputs u, ``u = (x - offset) M`` for each view, from these and
    from further components of the views that are there (``imputer_size`` in all). A missing view is told as
    ``offset + E[u] M^+``: the least-squares inverse. M spans the leading principal components, so what is told of the
    others is that they are at their mean. ``front_end = "none"`` works on the features.

    Parameters are those of `DeepImputer`, and

    Parameters
    ----------
    front_end : {"shrunk", "pca", "none"}
        As in `rtemo.model.settings`.
    gradient : {"detached", "elbo"}
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        front_end: Literal["shrunk", "pca", "none"] = "shrunk",
        gradient: Literal["detached", "elbo"] = "detached",
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
        self.front_end = front_end
        self.gradient = gradient

    def _learn(self, X: Floats, seen: Bools) -> None:
        settings = self._settings()
        self.front_end_ = fit_front_end(split_views(X - self.means_, self.dims), settings)
        rows = seen.any(axis=1)
        beyond = self.front_end_.dims_beyond
        self.model_ = Simvae(self.front_end_.dims, 1, settings, beyond=beyond, seed=self.random_state)
        rng = np.random.default_rng([self.random_state, 5])
        learnt_from = int((seen.sum(axis=1) > 1).sum())

        def own(x: Tensor, seen: Tensor, batch: Batch) -> Tensor:
            shown = self._some_of(seen, rng)
            psi = self.model_.impute(x, shown)
            return imputation_loss(self.model_, x, seen > 0, shown, psi) + imputer_prior(self.model_, learnt_from)

        def whole(x: Tensor, seen: Tensor, batch: Batch) -> Tensor:
            no_label = torch.zeros(0, dtype=torch.int64, device=x.device)
            windows = Windows(x, seen > 0, self._some_of(seen, rng), no_label, complete=False)
            noise = Noise(batch.normal(settings.latent), batch.normal(sum(self.front_end_.dims)))
            return loss_terms(self.model_, windows, noise, windows=int(rows.sum()), trials=learnt_from).total

        inputs = self._inputs(self._centred(X[rows], seen[rows]))
        self._train(self.model_, own if self.gradient == "detached" else whole, inputs, seen[rows])

    def _told(self, X: Floats, seen: Bools) -> Floats:
        x, there = self._tensors(self._inputs(X), seen)
        with torch.inference_mode():
            u = self.model_.impute(x, there > 0).mean.double().cpu().numpy()
        views = split_views(u, self.front_end_.dims)
        return np.hstack([view.inverse(u) for view, u in zip(self.front_end_.maps, views, strict=True)])

    def _inputs(self, X: Floats) -> Floats:
        """What the model is given; anything in missing views, which it does not look at."""
        return self.front_end_.inputs(split_views(X, self.dims))

    def _some_of(self, seen: Tensor, rng: np.random.Generator) -> Tensor:
        shown = random_submask(seen.cpu().numpy() > 0, rng)
        return torch.from_numpy(shown).to(seen.device)

    def _settings(self) -> SimvaeSettings:
        chosen = {
            "labels": False,
            "front_end": self.front_end,
            "hidden": tuple(self.hidden),
            "latent": self.latent,
            "activation": self.activation,
            "imputer_gradient": self.gradient,
            "dropout": 0.0,
            "weight_decay": 0.0,
        }
        if self.gradient == "elbo":
            chosen |= {"chain": True, "imputation": "sample"}
        return make_settings("default", chosen)
