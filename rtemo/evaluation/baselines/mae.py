"""A multimodal autoencoder (Ngiam et al. 2011; for emotions Liu, Zheng & Lu 2016), and a linear classifier on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from rtemo.evaluation.baselines.base import Floats, Ints, MultiViewClassifier, seen_views, split_views
from rtemo.evaluation.baselines.linear import linear_head
from rtemo.evaluation.baselines.networks import (
    BATCH_SIZE,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    STEPS,
    Batch,
    Plan,
    by_dim,
    mlp,
    seeded,
    tensor,
    train_net,
)

TINY = 1e-6


class MultimodalAutoencoder(MultiViewClassifier):
    """A representation that all views share, learnt from all windows, and a linear classifier of the labelled ones.

    Minimised, with encoders f_v, a shared layer W, decoders g_v and the views s that a window is shown::

        mean over windows of  sum_v in o | x^v - g_v(h) |^2 / D,   h = W [f_v(x^v) where v in s, f_v(0) elsewhere]

    Every view there is (o) is to be reconstructed from some of them: s is drawn from all subsets of o but the empty
    one, alike (Ngiam et al.: a third both, a third either one). That is also how a missing view is dealt with.

    Parameters
    ----------
    dims : sequence of int
    head : {"logistic", "svm"}
        The classifier of h, standardised.
    C : float
        Its weight of the likelihood, or of errors.
    drop : bool
        Whether views are dropped in training.
    activation : {"relu", "linear"}
        Between layers; a linear net without dropping finds the span of the principal components.
    hidden : sequence of int
        Layers between a view and the shared one.
    latent : int
        Size of the shared one.
    steps, batch_size : int
    learning_rate : float
    random_state : int
    device : str
    """

    allows_missing: ClassVar[bool] = True

    def __init__(
        self,
        dims: Sequence[int] = (),
        *,
        head: Literal["logistic", "svm"] = "logistic",
        C: float = 0.1,
        drop: bool = True,
        activation: Literal["relu", "linear"] = "relu",
        hidden: Sequence[int] = HIDDEN,
        latent: int = LATENT,
        steps: int = STEPS,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = LEARNING_RATE,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.dims = dims
        self.head = head
        self.C = C
        self.drop = drop
        self.activation = activation
        self.hidden = hidden
        self.latent = latent
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.device = device

    def fit(self, X: Floats, y: Ints, groups: Ints | None = None) -> Self:
        """Learn the representation from all windows that have a view, the classifier from the labelled ones."""
        rows = seen_views(X, self.dims).any(axis=1)
        X, y, groups = X[rows], y[rows], None if groups is None else groups[rows]
        self.net_ = _Autoencoder(self.dims, self.hidden, self.latent, self.activation, seeded(self.random_state, 0))
        plan = Plan(self.steps, self.batch_size, self.learning_rate, self.random_state, self.device)
        # A row holds a window and, behind it, which of its views are there. No label is looked at here.
        train_net(self.net_, self._loss, self._rows(X), np.full(len(X), -1), plan)
        codes = self._codes(X)
        self._scale = codes.mean(axis=0), codes.std(axis=0) + TINY
        self.head_ = linear_head(self.head, self.latent, self.C, self.random_state)
        self.head_.fit(self.representation(X), y, groups)
        self.classes_ = self.head_.classes_
        return self

    def predict_proba(self, X: Floats) -> Floats:
        """Class probabilities (windows, K)."""
        return self.head_.predict_proba(self.representation(X))

    def representation(self, X: Floats) -> Floats:
        """h, standardised by the training windows, (windows, latent)."""
        mean, std = self._scale
        return np.asarray((self._codes(X) - mean) / std)

    def reconstruction(self, X: Floats) -> Floats:
        """All views as they are told by those that are there, (windows, sum of dims)."""
        with torch.inference_mode():
            out: Floats = self.net_.decode(self.net_.encode(*self._inputs(X))).double().cpu().numpy()
        return out

    def _rows(self, X: Floats) -> Floats:
        return np.hstack([np.where(np.isfinite(X), X, 0.0), seen_views(X, self.dims)])

    def _inputs(self, X: Floats) -> tuple[Tensor, Tensor]:
        x, seen = torch.split(tensor(self._rows(X), self.device), [sum(self.dims), len(self.dims)], dim=1)
        return x, seen

    def _codes(self, X: Floats) -> Floats:
        split_views(X, self.dims)
        with torch.inference_mode():
            out: Floats = self.net_.encode(*self._inputs(X)).double().cpu().numpy()
        return out

    def _loss(self, batch: Batch) -> Tensor:
        x, seen = torch.split(batch.x, [sum(self.dims), len(self.dims)], dim=1)
        shown = random_subset(seen, batch.uniform()) if self.drop else seen
        error = (self.net_.decode(self.net_.encode(x, shown)) - x) * by_dim(seen, self.dims)
        return error.square().mean()


def random_subset(seen: Tensor, chance: Tensor) -> Tensor:
    """One of the subsets of the views that are there, each as likely but for the empty one.

    Parameters
    ----------
    seen : Tensor of float, shape (windows, V)
        1 or 0; at least one view a window.
    chance : Tensor, shape (windows,)
        From 0 to below 1.
    """
    subsets = 2 ** seen.sum(dim=1) - 1
    number = 1 + torch.minimum((chance * subsets).floor(), subsets - 1).long()
    place = (seen.cumsum(dim=1) - 1).long().clamp_min(0)
    return seen * ((number[:, None] >> place) & 1)


class _Autoencoder(nn.Module):
    def __init__(
        self, dims: Sequence[int], hidden: Sequence[int], latent: int, activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dims = tuple(dims)
        last = hidden[-1]
        self.encoders = nn.ModuleList(mlp([d, *hidden], generator, activation=activation) for d in dims)
        self.shared = mlp([last * len(dims), latent], generator)
        self.decoders = nn.ModuleList(
            mlp([latent, *reversed(hidden), d], generator, activation=activation) for d in dims
        )
        self.activation = torch.relu if activation == "relu" else nn.Identity()

    def encode(self, x: Tensor, shown: Tensor) -> Tensor:
        """h, (windows, latent)."""
        views = torch.split(x * by_dim(shown, self.dims), list(self.dims), dim=1)
        each = [self.activation(f(view)) for f, view in zip(self.encoders, views, strict=True)]
        out: Tensor = self.shared(torch.cat(each, dim=1))
        return out

    def decode(self, code: Tensor) -> Tensor:
        """All views side by side."""
        return torch.cat([g(code) for g in self.decoders], dim=1)
