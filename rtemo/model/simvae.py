"""SiMVAE for V views and any missing pattern: inference and generative model (Du et al. 2018, Eq. 3, 4, 10, 11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rtemo.errors import ModelError
from rtemo.model.networks import Cases, Classifier, Decoders, Encoders, Imputer, Normal, view_slices
from rtemo.model.settings import SimvaeSettings

MAX_INPUTS = 100_000
MAX_CLASSES = 1_000
MAX_VIEWS = 32


class Simvae(nn.Module):
    """The model, over front-end outputs of all views side by side: x of shape (windows, D), D = sum of `dims`.

    Parameters
    ----------
    dims : sequence of int
        Inputs a view, in the order of the chain.
    classes : int
        K.
    settings : SimvaeSettings
    beyond : sequence of int, optional
        Further inputs a view that only psi sees, E in all; none where not given.
    prior : sequence of float, optional
        pi, uniform where not given.
    seed : int
        Of the initial weights.
    """

    log_prior: Tensor

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        settings: SimvaeSettings,
        *,
        beyond: Sequence[int] | None = None,
        prior: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        beyond = [0] * len(dims) if beyond is None else beyond
        if (
            not 1 <= len(dims) <= MAX_VIEWS
            or min(dims) < 1
            or len(beyond) != len(dims)
            or min(beyond) < 0
            or sum(dims) + sum(beyond) > MAX_INPUTS
            or not 1 <= classes <= MAX_CLASSES
        ):
            raise ModelError(
                f"views with {list(dims)} and {list(beyond)} features and {classes} classes: expected 1 to "
                f"{MAX_VIEWS} views, at most {MAX_INPUTS} features and {MAX_CLASSES} classes."
            )
        generator = torch.Generator().manual_seed(seed)
        generated = classes if settings.labels else 1
        self.dims, self.beyond, self.classes, self.settings = tuple(dims), tuple(beyond), classes, settings
        self.views = len(self.dims)
        self.slices = view_slices(self.dims)
        self.slices_beyond = view_slices(self.beyond, sum(self.dims))
        self.encoders = Encoders(self.dims, generated, settings, generator)
        self.decoders = Decoders(self.dims, generated, settings, generator)
        self.classifier = Classifier(self.dims, classes, settings, generator)
        # Drawn last: how much psi sees does not change what the others start from.
        self.imputer = Imputer(self.dims, self.beyond, settings, generator) if self.views > 1 else None
        self.weight_logits = nn.Parameter(torch.zeros(self.views))
        pi = torch.full((classes,), 1 / classes) if prior is None else torch.tensor(list(prior), dtype=torch.float32)
        self.register_buffer("log_prior", pi.clamp_min(1e-12).log())

    @property
    def tau(self) -> float:
        """Scale of the unlabelled bound's gradient into the classifier."""
        return 1 / sum(self.dims) if self.settings.tau is None else self.settings.tau

    def by_dim(self, mask: Tensor) -> Tensor:
        """A mask (..., V) spread over the inputs (..., D)."""
        return _spread(mask, self.dims)

    def by_input(self, mask: Tensor) -> Tensor:
        """A mask (..., V) spread over all that psi sees (..., D + E)."""
        own = self.by_dim(mask)
        return torch.cat([own, _spread(mask, self.beyond)], dim=-1) if any(self.beyond) else own

    def log_weights(self, available: Tensor | None = None) -> Tensor:
        """Logarithms of l, renormalised over the available views; -inf elsewhere.

        Parameters
        ----------
        available : Tensor of bool, shape (windows, V), optional
            All views where not given. A row without any view gives NaN.

        Returns
        -------
        Tensor, shape (windows, V), or (V,) without `available`
        """
        floor = self.settings.weight_floor
        log_weights = torch.log_softmax(self.weight_logits, dim=0)
        if floor > 0:
            uniform = torch.full_like(log_weights, math.log(floor / self.views))
            log_weights = torch.logaddexp(log_weights + math.log1p(-floor), uniform)
        if available is None:
            return log_weights
        return torch.log_softmax(torch.where(available, log_weights, -torch.inf), dim=-1)

    def inference(self, x: Tensor, cases: Cases) -> Normal:
        """Components N(z; phi_v(x^v, y)) of the posterior, (V, cases, latent); x (windows, D) is filled (Eq. 4)."""
        components: Normal = self.encoders(x, cases)
        return components

    def generative(self, z: Tensor, x: Tensor, cases: Cases) -> list[Normal]:
        """p(x^w | y, z[, x^{<w}]) of every view w, each (V, cases, d_w), from z (V, cases, latent) (Eq. 3, 10)."""
        decoded: list[Normal] = self.decoders(z, x, cases)
        return decoded

    def impute(self, x: Tensor, seen: Tensor) -> Normal:
        """psi: every view (windows, D) from those that are seen, a mask (windows, V) of bool (Eq. 11).

        x (windows, D + E) is finite: the inputs, and beside them what only psi sees.
        """
        if self.imputer is None:
            raise ModelError("a model of one view has nothing to impute from.")
        bits = seen.to(x.dtype)
        imputed: Normal = self.imputer(x, self.by_input(bits), bits)
        return imputed

    def fill(self, x: Tensor, there: Tensor) -> Tensor:
        """The inputs (windows, D) with views that are not there, a mask (windows, V), at their expectation E[psi].

        x (windows, D + E) is finite.
        """
        own = x[:, : sum(self.dims)]
        return own if self.imputer is None else torch.where(self.by_dim(there), own, self.impute(x, there).mean)

    def classify(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Logits (windows, K) of q(y | X); x (windows, D) holds no missing entry."""
        logits: Tensor = self.classifier(x, keep)
        return logits


def _spread(mask: Tensor, sizes: Sequence[int]) -> Tensor:
    return torch.cat([mask[..., v : v + 1].expand(*mask.shape[:-1], size) for v, size in enumerate(sizes)], dim=-1)
