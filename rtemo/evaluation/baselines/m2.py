"""M2 (Kingma et al. 2014): SiMVAE's model where there is one view only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import Floats, Ints, MultiViewClassifier, split_views
from rtemo.evaluation.baselines.networks import (
    BATCH_SIZE,
    COOL_DOWN,
    GRADIENT_CLIP,
    LEARNING_RATE,
    STEPS,
    refuse_missing,
)
from rtemo.evaluation.baselines.simvae import SiMvae


class M2(MultiViewClassifier):
    """M2 of Kingma et al. (2014, "Semi-supervised learning with deep generative models", Eq. 6 to 9).

    With ``p(x, y, z) = p(y) N(z; 0, I) N(x; mu(y, z), diag sigma^2(y, z))`` and
    ``q(y, z | x) = q(y | x) N(z; phi(x, y))``, minimised, per window::

        l(x, y) = E_q(z|x,y) [ log p(x | y, z) + log p(y) + log p(z) - log q(z | x, y) ]
        u(x)    = sum_y q(y | x) l(x, y) + H(q(y | x))
        -(1/N) [ sum_labelled l(x, y) + sum_unlabelled u(x) ] - weight * mean over labelled of log q(y | x)

    The last term is Eq. 9 with ``alpha = weight * N / N_labelled``; its mean gives each class the same say, as in the
    other methods. The features go in as they are.

    Parameters
    ----------
    dims : sequence of int
    view : int, optional
        The view that is used; all side by side, as if one, where None.
    weight : float
        c, of the classification loss.
    steps, batch_size : int
    learning_rate : float
    random_state : int
    device : str
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        view: int | None = None,
        weight: float = 0.5,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.dims = dims
        self.view = view
        self.weight = weight
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn; see the base class.

        Raises
        ------
        ConfigurationError
            There is no such view.
        ValueError
            A feature is missing.
        """
        used = self._used(X)
        self.model_ = SiMvae(
            dims=(used.shape[1],),
            preset="paper",
            steps=self.steps,
            learning_rate=self.learning_rate,
            # Both bounds hold for one component, and this one is its entropy.
            entropy="bhattacharyya",
            weight=self.weight,
            refit=False,
            random_state=self.random_state,
            device=self.device,
            settings={
                "class_weight": "balanced",
                "batch": "mixed",
                "batch_size": self.batch_size,
                "cool_down": COOL_DOWN,
                "gradient_clip": GRADIENT_CLIP,
                "validation_fraction": 0.0,
            },
        ).fit(used, y, groups)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """q(y | x), (windows, K)."""
        return self.model_.predict_proba(self._used(X))

    def _used(self, X: Floats) -> Floats:
        views = split_views(X, self.dims)
        if self.view is not None and not 0 <= self.view < len(views):
            raise ConfigurationError(
                f"M2: there is no view {self.view}, as there are {len(views)} in all.", cure="Use another method."
            )
        used = np.asarray(X if self.view is None else views[self.view])
        refuse_missing(used, "M2")
        return used
