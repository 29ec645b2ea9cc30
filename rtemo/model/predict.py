"""Prediction: p(y | x^o) with missing views integrated out, and what each view had to do with it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtemo.errors import ModelError
from rtemo.model.contributions import coalitions
from rtemo.model.front_end import CLAMP
from rtemo.model.simvae import Simvae
from rtemo.model.trained import TrainedModel, frozen_copy, resolve_device

Floats = NDArray[np.float64]
MAX_ROWS = 32_768
TINY = 1e-30


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
    adaptable : bool
        Whether `adapt` may be called, which costs a prediction some tens of microseconds.
    """

    def __init__(
        self,
        model: TrainedModel,
        *,
        device: str = "auto",
        imputations: int | None = None,
        adaptable: bool = False,
    ) -> None:
        self.views, self.dims, self.class_names = model.views, model.dims, model.class_names
        self._device = resolve_device(device)
        self._temperature = model.temperature
        draws = model.settings.imputations if imputations is None else imputations
        self._forward = _Forward(model, draws, adaptable=adaptable).to(self._device)
        classes = len(self.class_names)
        self._splits = (classes, classes + 1, classes + 1 + len(self.views))
        self._row = np.zeros((1, sum(self.dims)), dtype=np.float32)
        self._there = np.zeros((1, len(self.dims)), dtype=np.float32)
        # The tensors share the arrays' memory: one window is predicted without an allocation on the way in.
        self._inputs = torch.from_numpy(self._row), torch.from_numpy(self._there)
        self._graph = _Graph(self._forward, *self._inputs, self._device) if self._device.type == "cuda" else None
        self._one = self._forward if self._graph is not None else _recorded(self._forward, *self._inputs)

    def adapt(self, model: Simvae, gain: Floats, bias: Floats) -> None:
        """Predict with other weights, and other inputs, from the next window on.

        Between two predictions, in the thread that predicts: no window sees a half of it.

        Parameters
        ----------
        model : Simvae
            Of the same sizes, on any device; its classifier and imputer are taken.
        gain, bias : ndarray of float64, shape (D + E,)
            The model's inputs, after the front end, and what only psi sees become ``gain * x + bias``.
        """
        with torch.inference_mode():
            self._forward.load(model, self._temperature)
            self._forward.gain.copy_(torch.from_numpy(gain))
            self._forward.bias.copy_(torch.from_numpy(bias))

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
                packed = self._one(*self._inputs)
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
        columns, there = [], np.zeros((count, len(self.views)), dtype=np.float32)
        for index, (name, dim) in enumerate(zip(self.views, self.dims, strict=True)):
            x = np.full((count, dim), np.nan) if name not in views else views[name]
            if x.shape != (count, dim):
                raise ModelError(f"view {name!r} has shape {x.shape}: expected ({count}, {dim}).")
            x = x.astype(np.float32)
            finite = np.isfinite(x).all(axis=1)
            there[:, index] = finite
            columns.append(np.where(finite[:, None], x, np.float32(0)))
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
    """Standardised features to all outputs side by side: every subset of views and every imputation in one batch.

    The model is small, so a window costs what its operations cost to start: masks are 0 and 1 in floating point, which
    saves conversions, and whatever does not depend on the window is worked out here, once.
    """

    shown: Tensor
    shapley: Tensor
    prior: Tensor
    weights: Tensor
    noise: Tensor
    front: Tensor
    front_bias: Tensor
    gain: Tensor
    bias: Tensor

    def __init__(self, trained: TrainedModel, imputations: int, *, adaptable: bool = False) -> None:
        super().__init__()
        self.model = frozen_copy(trained).model.requires_grad_(False)
        self.adaptable = adaptable
        self._cool(trained.temperature)
        inputs = sum(self.model.dims)
        subsets = coalitions(len(trained.views))
        generator = torch.Generator().manual_seed(trained.seed)
        noise = torch.randn(imputations, inputs, generator=generator) if imputations else torch.zeros(1, inputs)
        if self.model.imputer is None:
            noise = noise[:1]
        self.rows_a_window = len(subsets.shown) * len(noise)
        front_end = trained.front_end
        self._plain = all(view.matrix is None for view in front_end.maps)
        # Where features are the inputs, no identity is made: it may be large.
        parts = () if self._plain else (front_end.maps, front_end.beyond)
        blocks = [
            torch.block_diag(*(torch.from_numpy(view.weights) for view in maps))  # type: ignore[no-untyped-call]
            for maps in parts
        ]
        front = torch.hstack(blocks).numpy() if blocks else np.zeros((0, 0))
        offset = np.zeros(0) if self._plain else np.concatenate([view.offset for view in front_end.maps])
        shapley = np.vstack([subsets.weights.T, subsets.empty])
        self.register_buffer("front", torch.from_numpy(front).float())
        self.register_buffer("front_bias", torch.from_numpy(-(offset @ front)).float())
        self.register_buffer("noise", noise)
        self.register_buffer("gain", torch.ones(inputs + sum(self.model.beyond)))
        self.register_buffer("bias", torch.zeros(inputs + sum(self.model.beyond)))
        self.register_buffer("shown", torch.from_numpy(subsets.shown).float())
        self.register_buffer("shapley", torch.from_numpy(shapley).float())
        self.register_buffer("prior", torch.from_numpy(trained.prior).float())
        self.register_buffer("weights", self.model.log_weights().exp())

    def load(self, model: Simvae, temperature: float) -> None:
        """Take the classifier and the imputer of another model, in place: a recorded program sees them."""
        pairs: list[tuple[torch.nn.Module, torch.nn.Module]] = [(self.model.classifier, model.classifier)]
        if self.model.imputer is not None and model.imputer is not None:
            pairs.append((self.model.imputer, model.imputer))
        for mine, other in pairs:
            for parameter, value in zip(mine.parameters(), other.parameters(), strict=True):
                parameter.copy_(value)
        self._cool(temperature)

    def _cool(self, temperature: float) -> None:
        """Divide the logits by the temperature, once and for all."""
        classifier = self.model.classifier
        for parameter in (classifier.head, classifier.head_bias, classifier.skip):
            if parameter is not None:
                parameter.div_(temperature)

    def forward(self, features: Tensor, available: Tensor) -> Tensor:
        """(windows, K + 1 + 2 V): probabilities, spread, posterior weights, contributions.

        Parameters
        ----------
        features : Tensor of float32, shape (windows, all features)
            0 in missing views.
        available : Tensor of float32, shape (windows, V)
            1 where available, else 0.
        """
        windows, model = len(features), self.model
        (subsets, views), draws = self.shown.shape, len(self.noise)
        x = features.clamp(-CLAMP, CLAMP)
        if not self._plain:
            x = torch.addmm(self.front_bias, x, self.front).clamp_(-CLAMP, CLAMP)
        if self.adaptable:
            x = torch.addcmul(self.bias, x, self.gain).clamp_(-CLAMP, CLAMP)
        seen = self.shown * available[:, None]
        x = x[:, None].expand(-1, subsets, -1).reshape(windows * subsets, -1)
        if model.imputer is not None:
            flat = seen.view(windows * subsets, views)
            inputs_seen = model.by_input(flat)
            psi = model.imputer(x, inputs_seen, flat)
            dims_seen = inputs_seen[:, : self.noise.shape[1]]
            base = torch.lerp(psi.mean, x[:, : self.noise.shape[1]], dims_seen)
            scale = torch.addcmul(psi.std, psi.std, dims_seen, value=-1)
            x = torch.addcmul(base[:, None], scale[:, None], self.noise).view(windows * self.rows_a_window, -1)
        probabilities = torch.softmax(model.classify(x), dim=-1).view(windows, subsets, draws, -1)
        any_seen = seen.amax(dim=-1, keepdim=True)
        means = torch.lerp(self.prior, probabilities.mean(dim=2), any_seen)
        full = means[:, 0]
        winner = full.argmax(dim=-1)[:, None, None]
        value = torch.cat([means, self.prior.expand(windows, 1, -1)], dim=1)
        contributions = value.gather(2, winner.expand(-1, subsets + 1, -1)).squeeze(2) @ self.shapley
        contributions *= available  # exactly 0 for a missing view, whatever rounding left
        winning = probabilities[:, 0].gather(2, winner.expand(-1, draws, -1)).squeeze(2)
        deviation = winning - winning.mean(dim=1, keepdim=True)
        partly = available.amax(dim=1, keepdim=True) - available.amin(dim=1, keepdim=True)
        spread = torch.linalg.vector_norm(deviation, dim=1, keepdim=True) * partly / math.sqrt(draws)
        weights = available * self.weights
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min_(TINY)
        return torch.cat([full, spread, weights, contributions], dim=1)


def _recorded(forward: _Forward, features: Tensor, available: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The forward pass of one window as a recorded program: most of its time is what Python does between operations.

    In a session it runs once a second, on cold caches, where that counts three times as much as in a loop.
    """
    with warnings.catch_warnings():
        # Recording is said to be on its way out; what is to follow it needs a compiler on the user's machine.
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(forward.eval(), (features, available), check_trace=False)  # type: ignore[no-untyped-call]
        # A frozen program holds its weights as constants, which nothing can adapt.
        program: Callable[[Tensor, Tensor], Tensor] = traced if forward.adaptable else torch.jit.freeze(traced)
    with torch.inference_mode():
        for _ in range(3):
            program(features, available)
    return program


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
