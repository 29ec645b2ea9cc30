"""Imputation by deep canonically correlated autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor

from rtemo.evaluation.baselines.base import Bools, Floats
from rtemo.evaluation.baselines.networks import BATCH_SIZE, HIDDEN, IMPUTER_RATE, LATENT, STEPS, Batch
from rtemo.evaluation.imputers.training import DeepImputer

ALPHAS = tuple(10.0**k for k in range(-3, 4))


class DccaeImputer(DeepImputer):
    """DCCAE (Wang, Arora, Livescu & Bilmes 2015): a missing view is decoded from what the others tell of its code.

    Minimised on the complete windows (`cca_zoo.deep.DCCAE`), with f encoders, g decoders and rho the canonical
    correlations between their outputs, of more than two views summed over pairs::

        -(1 - share) * sum rho^2 + share * sum_v mean ( x^v - g_v(f_v(x^v)) )^2

    The codes of two views are correlated, not equal: the paper says nothing of telling one view by another. Given those
    of the views that are there, the code of a missing one is expected at its regression on them (with two views this is
    canonical regression: each canonical variate is told as rho times its partner). So a missing view w is told as
    ``g_w( ridge regression of f_w on f_v, v in o )``, learnt from the complete windows for each pattern that occurs.

    Parameters are those of `DeepImputer`, and

    Parameters
    ----------
    share : float
        Of the reconstruction, 0 to 1: large, as it is views that are to be told here, not what correlates in them.
    ridge : float
        Added to variances within a view.
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        share: float = 0.9,
        ridge: float = 1e-3,
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
        self.share = share
        self.ridge = ridge

    def _learn(self, X: Floats, seen: Bools) -> None:
        rows = seen.all(axis=1)
        if not rows.any():
            raise ValueError(f"none of {len(X)} training windows is complete: DCCAE learns from those alone.")
        from cca_zoo.deep import DCCAE  # brings PyTorch Lightning along

        self.net_ = self._coders()
        model: Any = DCCAE(
            self.latent, list(self.net_.encoders), list(self.net_.decoders), lam=self.share, reg_covar=self.ridge
        )

        def loss(x: Tensor, seen: Tensor, batch: Batch) -> Tensor:
            objective: Tensor = model.loss({"views": list(torch.split(x, list(self.dims), dim=1))})["objective"]
            return objective

        windows = self._centred(X[rows], seen[rows])
        self._train(self.net_, loss, windows, seen[rows])
        self.codes_ = self._codes(windows)

    def _told(self, X: Floats, seen: Bools) -> Floats:
        codes = self._codes(X)
        for mask in np.unique(seen, axis=0):
            rows = np.flatnonzero((seen == mask).all(axis=1))
            known = np.hstack(list(self.codes_[mask]))
            given = np.hstack([code[rows] for code in codes[mask]])
            for view in np.flatnonzero(~mask):
                codes[view, rows] = RidgeCV(ALPHAS).fit(known, self.codes_[view]).predict(given)
        with torch.inference_mode():
            told = torch.from_numpy(codes).float().to(self.device)
            parts = [g(code) for g, code in zip(self.net_.decoders, told, strict=True)]
            out: Floats = torch.cat(parts, dim=1).double().cpu().numpy()
        return out

    def _codes(self, X: Floats) -> Floats:
        """Codes (V, windows, latent)."""
        x, _ = self._tensors(X, np.ones((len(X), len(self.dims)), dtype=bool))
        with torch.inference_mode():
            out: Floats = self.net_.codes(x).double().cpu().numpy()
        return out
