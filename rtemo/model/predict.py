"""Prediction: p(y | x^o) with missing views integrated out, and what each view had to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from torch import Tensor

from rtemo.errors import ModelError
from rtemo.model.contributions import coalitions
from rtemo.model.front_end import CLAMP
from rtemo.model.trained import TrainedModel, frozen_copy, resolve_device

Floats = NDArray[np.float64]
MAX_ROWS = 32_768


@dataclass(frozen=True)
class ModelOutput:
    """What the model says of one window.

    Parameters
    ----------
    probabilities : ndarray, shape (K,)
        Mean over imputations of q(y | x^o, x^u_s); the prior where no view is available.
    spread : float
        Standard deviation of the winning class's probability over imputations; 0 with all views there, or none.
    posterior_weights : ndarray, shape (V,)
        l, renormalised over the available views: their weights in the posterior of z, not their say in the decision.
    contributions : ndarray, shape (V,)
        Shapley values for the probability of the winning class: they sum to it less its prior; 0 for a missing view.
    """

    probabilities: Floats
    spread: float
    posterior_weights: Floats
    contributions: Floats


@dataclass(frozen=True)
class ModelOutputs:
    """`ModelOutput` of many windows, each field with an axis of windows in front."""

    probabilities: Floats
    spread: Floats
    posterior_weights: Floats
    contributions: Floats

    def __len__(self) -> int:
        return len(self.spread)


class Predictor:
    """Predicts with a frozen model; deterministic, its imputations drawn once from the model's seed.

    Parameters
    ----------
    model : TrainedModel
        Its weights are copied: later changes to it do not show.
    device : str
        ``auto``, ``cpu`` or ``cuda``; on CUDA one window is predicted by a captured graph.
    imputations : int, optional
        S, as in the settings where not given; 0 is E[psi] in one pass.
    """

    def __init__(self, model: TrainedModel, *, device: str = "auto", imputations: int | None = None) -> None:
        self.views, self.dims, self.class_names = model.views, model.dims, model.class_names
        self._device = resolve_device(device)
        self._forward = _Forward(model, model.settings.imputations if imputations is None else imputations).to(
            self._device
        )
        classes = len(self.class_names)
        self._splits = (classes, classes + 1, classes + 1 + len(self.views))
        self._row = np.zeros((1, sum(self.dims)), dtype=np.float32)
        self._there = np.zeros((1, len(self.dims)), dtype=np.bool_)
        # The tensors share the arrays' memory: one window is predicted without an allocation on the way in.
        self._inputs = torch.from_numpy(self._row), torch.from_numpy(self._there)
        self._graph = _Graph(self._forward, *self._inputs, self._device) if self._device.type == "cuda" else None

    def predict(self, views: Mapping[str, NDArray[np.floating] | None]) -> ModelOutput:
        """Predict one window.

        Parameters
        ----------
        views : mapping of str to ndarray of shape (D_v,) or None
            Standardised features; a view that is None, absent or not finite is missing.
        """
        self._refuse_unknown(views)
        start = 0
        for index, (name, dim) in enumerate(zip(self.views, self.dims, strict=True)):
            x = views.get(name)
            place = self._row[0, start : start + dim]
            if x is None:
                there = False
            else:
                if x.shape != (dim,):
                    raise ModelError(f"view {name!r} has shape {x.shape}: expected ({dim},).")
                place[:] = x
                there = bool(np.isfinite(place).all())
            if not there:
                place[:] = 0
            self._there[0, index] = there
            start += dim
        if self._graph is not None:
            packed = self._graph(*self._inputs)
        else:
            with torch.inference_mode():
                packed = self._forward(*self._inputs)
        row = packed[0].numpy().astype(np.float64)
        classes, views_count = len(self.class_names), len(self.views)
        return ModelOutput(
            row[:classes],
            float(row[classes]),
            row[classes + 1 : classes + 1 + views_count],
            row[classes + 1 + views_count :],
        )

    def predict_many(self, views: Mapping[str, NDArray[np.floating]]) -> ModelOutputs:
        """Predict many windows, each as `predict` would.

        Parameters
        ----------
        views : mapping of str to ndarray of shape (windows, D_v)
            Standardised features; a view is missing where its row is not finite, or throughout where it is absent.
        """
        self._refuse_unknown(views)
        counts = {len(x) for x in views.values()}
        if len(counts) != 1:
            raise ModelError(f"views of {sorted(counts)} windows: expected one number, the same for all views.")
        count = counts.pop()
        columns, there = [], np.zeros((count, len(self.views)), dtype=np.bool_)
        for index, (name, dim) in enumerate(zip(self.views, self.dims, strict=True)):
            x = np.full((count, dim), np.nan) if name not in views else views[name]
            if x.shape != (count, dim):
                raise ModelError(f"view {name!r} has shape {x.shape}: expected ({count}, {dim}).")
            x = x.astype(np.float32)
            there[:, index] = np.isfinite(x).all(axis=1)
            columns.append(np.where(there[:, index, None], x, np.float32(0)))
        rows, available = torch.from_numpy(np.hstack(columns)), torch.from_numpy(there)
        chunk = max(1, MAX_ROWS // self._forward.rows_a_window)
        with torch.inference_mode():
            parts = [
                self._forward(rows[at : at + chunk].to(self._device), available[at : at + chunk].to(self._device)).cpu()
                for at in range(0, count, chunk)
            ]
        width = len(self.class_names) + 1 + 2 * len(self.views)
        packed = torch.cat(parts).double().numpy() if parts else np.zeros((0, width))
        probabilities, spread, weights, contributions = np.split(packed, self._splits, axis=1)
        return ModelOutputs(probabilities, spread[:, 0], weights, contributions)

    def _refuse_unknown(self, views: Mapping[str, object]) -> None:
        if not views.keys() <= set(self.views):
            raise ModelError(
                f"views {sorted(set(views) - set(self.views))} are unknown to the model, which has {list(self.views)}."
            )


class _Forward(torch.nn.Module):
    """Standardised features to all outputs side by side: every subset of views and every imputation in one batch."""

    shown: Tensor
    shapley: Tensor
    empty: Tensor
    prior: Tensor
    noise: Tensor
    front: Tensor
    front_bias: Tensor

    def __init__(self, trained: TrainedModel, imputations: int) -> None:
        super().__init__()
        self.model = frozen_copy(trained).model.requires_grad_(False)
        inputs = sum(self.model.dims)
        subsets = coalitions(len(trained.views))
        generator = torch.Generator().manual_seed(trained.seed)
        noise = torch.randn(imputations, inputs, generator=generator) if imputations else torch.zeros(1, inputs)
        self._imputes = self.model.imputer is not None
        if not self._imputes:
            noise = noise[:1]
        self.rows_a_window = len(subsets.shown) * len(noise)
        matrices = [view.matrix for view in trained.front_end.maps if view.matrix is not None]
        self._plain = not matrices
        front = block_diag(*matrices)
        offset = np.concatenate([view.offset for view in trained.front_end.maps])
        self.register_buffer("front", torch.from_numpy(front).float())
        self.register_buffer("front_bias", torch.from_numpy(np.zeros(0) if self._plain else -(offset @ front)).float())
        self.register_buffer("noise", noise)
        self.register_buffer("shown", torch.from_numpy(subsets.shown).float())
        self.register_buffer("shapley", torch.from_numpy(subsets.weights.T.copy()).float())
        self.register_buffer("empty", torch.from_numpy(subsets.empty).float())
        self.register_buffer("prior", torch.from_numpy(trained.prior).float())
        self._temperature = trained.temperature

    def forward(self, features: Tensor, available: Tensor) -> Tensor:
        """(windows, K + 1 + 2 V): probabilities, spread, posterior weights, contributions.

        Parameters
        ----------
        features : Tensor of float32, shape (windows, all features)
            0 in missing views.
        available : Tensor of bool, shape (windows, V)
        """
        windows, model = len(features), self.model
        x = features.clamp(-CLAMP, CLAMP)
        if not self._plain:
            x = torch.addmm(self.front_bias, x, self.front).clamp(-CLAMP, CLAMP)
        subsets, views = self.shown.shape
        seen = (self.shown * available[:, None]).view(windows * subsets, views)
        x = x[:, None].expand(-1, subsets, -1).reshape(windows * subsets, -1)
        if self._imputes and model.imputer is not None:
            dims_seen = model.by_dim(seen)
            psi = model.imputer(x, dims_seen, seen)
            base = torch.lerp(psi.mean, x, dims_seen)
            scale = torch.exp(0.5 * psi.log_var) * (1 - dims_seen)
            x = torch.addcmul(base[:, None], scale[:, None], self.noise).view(windows * self.rows_a_window, -1)
        logits = model.classify(x)
        probabilities = torch.softmax(logits / self._temperature, dim=-1).view(windows, subsets, len(self.noise), -1)
        nothing = seen.view(windows, subsets, views).sum(-1, keepdim=True) == 0
        means = torch.where(nothing, self.prior, probabilities.mean(dim=2))
        full = means[:, 0]
        winner = full.argmax(dim=-1, keepdim=True)
        draws = probabilities[:, 0].gather(2, winner[:, None].expand(-1, len(self.noise), -1))
        spread = draws.std(dim=1, correction=0)
        settled = (available.all(dim=1) | ~available.any(dim=1))[:, None]
        spread = torch.where(settled, 0.0, spread)
        value = means.gather(2, winner[:, None].expand(-1, subsets, -1)).squeeze(2)
        contributions = value @ self.shapley + self.prior[winner] * self.empty
        contributions = torch.where(available, contributions, 0.0)
        weights = torch.where(available, model.log_weights(available).exp(), 0.0)
        return torch.cat([full, spread, weights, contributions], dim=1)


class _Graph:
    """The forward pass of one window as a captured CUDA graph over static buffers."""

    def __init__(self, forward: _Forward, features: Tensor, available: Tensor, device: torch.device) -> None:
        self._features, self._available = features.to(device), available.to(device)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(3):
                forward(self._features, self._available)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._packed = forward(self._features, self._available)

    def __call__(self, features: Tensor, available: Tensor) -> Tensor:
        """Outputs on the CPU."""
        with torch.inference_mode():
            self._features.copy_(features)
            self._available.copy_(available)
            self._graph.replay()
            packed: Tensor = self._packed.cpu()
            return packed
