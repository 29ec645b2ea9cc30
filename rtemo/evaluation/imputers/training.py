"""What the deep imputers share: parameters, training, and filling from what a net tells of a window.

Layers, optimiser, batches and loop are those of the deep classifiers (`rtemo.evaluation.baselines.networks`), the
learning rate is that of psi's head start, so that imputers differ by their objectives.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from rtemo.errors import ConfigurationError
from rtemo.evaluation.baselines.base import Bools, Floats, seen_views
from rtemo.evaluation.baselines.networks import (
    BATCH_SIZE,
    HIDDEN,
    IMPUTER_RATE,
    LATENT,
    STEPS,
    Batch,
    Plan,
    mlp,
    seeded,
    tensor,
    train_net,
)
from rtemo.evaluation.imputers.base import ViewImputer
from rtemo.evaluation.imputers.simple import training_means

TINY = 1e-8
Loss = Callable[[Tensor, Tensor, Batch], Tensor]


class DeepImputer(ViewImputer):
    """Base of the imputers that train a net on what is there.

    Parameters
    ----------
    dims : sequence of int
    activation : {"relu", "linear"}
        Between layers.
    hidden : sequence of int
        Layers between a view and its code, and back in reverse.
    latent : int
        Size of a code.
    steps, batch_size : int
    learning_rate : float
    random_state : int
    device : str
    """

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        activation: str = "relu",
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = IMPUTER_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.dims = dims
        self.activation = activation
        self.hidden = hidden
        self.latent = latent
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device

    def fit(self, X: Floats, y: object = None) -> Self:
        """Train the net.

        Raises
        ------
        ConfigurationError
            There is a single view.
        ValueError
            A view is missing in every window, or no window has several.
        """
        if len(self.dims) < 2:
            raise ConfigurationError("a missing view is told from others, and there is one.", cure="Use the mean.")
        self.means_ = training_means(X, self.dims)
        seen = seen_views(X, self.dims)
        if not (seen.sum(axis=1) > 1).any():
            raise ValueError(f"none of {len(X)} training windows has two views: nothing relates them.")
        self._learn(X, seen)
        return self

    def transform(self, X: Floats) -> Floats:
        """Fill missing views by what the net tells of them; means where no view is there."""
        seen = seen_views(X, self.dims)
        out = X.copy()
        some = seen.any(axis=1) & ~seen.all(axis=1)
        there = np.repeat(seen, self.dims, axis=1)
        told = np.tile(self.means_, (len(X), 1))
        if some.any():
            told[some] += self._told(self._centred(X[some], seen[some]), seen[some])
        return np.where(there, out, told)

    @abstractmethod
    def _learn(self, X: Floats, seen: Bools) -> None:
        """Train on windows (windows, D), NaN in missing views."""

    @abstractmethod
    def _told(self, X: Floats, seen: Bools) -> Floats:
        """All views less their means, (windows, D), from windows less their means, 0 in missing views."""

    def _centred(self, X: Floats, seen: Bools) -> Floats:
        return np.where(np.repeat(seen, self.dims, axis=1), X - self.means_, 0.0)

    def _train(self, net: nn.Module, loss: Loss, x: Floats, seen: Bools) -> None:
        """Minimise a loss of windows (batch, D), finite everywhere, and masks (batch, V) of 0 and 1."""

        def of_batch(batch: Batch) -> Tensor:
            inputs, there = torch.split(batch.x, [x.shape[1], seen.shape[1]], dim=1)
            return loss(inputs, there, batch)

        plan = Plan(self.steps, self.batch_size, self.learning_rate, self.random_state, self.device)
        train_net(net, of_batch, np.hstack([x, seen]), np.full(len(x), -1), plan)

    def _coders(self) -> ViewCoders:
        generator = seeded(self.random_state, 0)
        return ViewCoders(self.dims, self.hidden, self.latent, self.activation, generator)

    def _tensors(self, X: Floats, seen: Bools) -> tuple[Tensor, Tensor]:
        return tensor(X, self.device), tensor(np.asarray(seen, dtype=np.float64), self.device)


class ViewCoders(nn.Module):
    """An encoder and a decoder for each view, which meet in codes of one size.

    Parameters
    ----------
    dims, hidden : sequence of int
    latent : int
    activation : {"relu", "linear"}
    generator : torch.Generator
        Of the weights.
    """

    def __init__(
        self, dims: Sequence[int], hidden: Sequence[int], latent: int, activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dims = tuple(dims)
        self.encoders = nn.ModuleList(mlp([d, *hidden, latent], generator, activation=activation) for d in dims)
        back = [latent, *reversed(hidden)]
        self.decoders = nn.ModuleList(mlp([*back, d], generator, activation=activation) for d in dims)

    def codes(self, x: Tensor) -> Tensor:
        """The code of each view, (V, windows, latent), from windows (windows, D)."""
        views = torch.split(x, list(self.dims), dim=1)
        return torch.stack([f(view) for f, view in zip(self.encoders, views, strict=True)])

    def decoded(self, code: Tensor) -> Tensor:
        """All views side by side, (windows, D), from one code (windows, latent)."""
        return torch.cat([g(code) for g in self.decoders], dim=1)
