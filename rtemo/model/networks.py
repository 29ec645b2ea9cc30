"""The networks of the model: encoders, decoders, imputer, classifier; views are an axis wherever sizes agree.

A *case* is a window with one class: a labelled window makes one, an unlabelled window K. First layers are split into a
part of x, worked out once a window, and a bias a class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtemo.model.distributions import bound_log_var
from rtemo.model.settings import SimvaeSettings

POSTERIOR_STD = (0.01, 5.0)
STD_MAX = 4.0

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": nn.functional.softplus,
}


class Cases(NamedTuple):
    """Pairs of a window and a class, each of shape (cases,)."""

    window: Tensor
    label: Tensor


class Normal(NamedTuple):
    """A diagonal Gaussian; `mean` and `log_var` of shapes that broadcast."""

    mean: Tensor
    log_var: Tensor

    @property
    def std(self) -> Tensor:
        """Standard deviation."""
        return torch.exp(0.5 * self.log_var)

    def rsample(self, noise: Tensor) -> Tensor:
        """Draw mean + std * noise."""
        return torch.addcmul(self.mean, self.std, noise)


def _weight(generator: torch.Generator, *shape: int, fan_in: int, gain: float = 1.0) -> nn.Parameter:
    bound = gain * math.sqrt(3.0 / max(fan_in, 1))
    return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))


def view_slices(dims: Sequence[int], start: int = 0) -> tuple[slice, ...]:
    """Where each view lies in the concatenated features, the first of which is at `start`."""
    ends = tuple(start + end for end in accumulate(dims))
    return tuple(slice(end - dim, end) for end, dim in zip(ends, dims, strict=True))


class Encoders(nn.Module):
    """phi_v(x^v, y) for all views: parameters of the components of q(z | x, y) (Eq. 4)."""

    def __init__(self, dims: Sequence[int], classes: int, settings: SimvaeSettings, generator: torch.Generator) -> None:
        super().__init__()
        views, (wide, narrow), latent = len(dims), settings.hidden, settings.latent
        self._activation = ACTIVATIONS[settings.activation]
        self._slices = view_slices(dims)
        self.first = nn.ParameterList(_weight(generator, dim, wide, fan_in=dim, gain=1.4) for dim in dims)
        self.first_label = _weight(generator, classes, views * wide, fan_in=10)
        self.second = _weight(generator, views, wide, narrow, fan_in=wide, gain=1.4)
        self.second_bias = _zeros(views, 1, narrow)
        self.head = _weight(generator, views, narrow, 2 * latent, fan_in=narrow, gain=0.5)
        self.head_bias = _zeros(views, 1, 2 * latent)

    def forward(self, x: Tensor, cases: Cases) -> Normal:
        """Components of shape (V, cases, latent) from x (windows, D) without missing entries."""
        first = torch.cat([x[:, where] @ weight for where, weight in zip(self._slices, self.first, strict=True)], dim=1)
        hidden = self._activation(first.index_select(0, cases.window) + self.first_label.index_select(0, cases.label))
        by_view = hidden.view(len(hidden), len(self.second), -1).transpose(0, 1)
        hidden = self._activation(torch.baddbmm(self.second_bias, by_view, self.second))
        mean, raw = torch.baddbmm(self.head_bias, hidden, self.head).chunk(2, dim=-1)
        return Normal(mean, bound_log_var(raw, *POSTERIOR_STD))


class Decoders(nn.Module):
    """theta_w(y, z[, x^{<w}]) for all views w (Eq. 3 without, Eq. 10 with the chain)."""

    earlier: Tensor

    def __init__(self, dims: Sequence[int], classes: int, settings: SimvaeSettings, generator: torch.Generator) -> None:
        super().__init__()
        views, (wide, narrow), latent = len(dims), settings.hidden, settings.latent
        self._views, self._narrow = views, narrow
        self._activation = ACTIVATIONS[settings.activation]
        self._std = (settings.std_floor, STD_MAX)
        self._per_window = settings.decoder_variance == "window"
        self.first = _weight(generator, latent, views * narrow, fan_in=latent, gain=1.4)
        self.first_label = _weight(generator, classes, views * narrow, fan_in=10)
        self.chain = None
        if settings.chain and views > 1:
            self.chain = _weight(generator, sum(dims), views * narrow, fan_in=sum(dims))
            earlier = torch.zeros(sum(dims), views * narrow)
            for view, where in enumerate(view_slices(dims)):
                earlier[: where.start, view * narrow : (view + 1) * narrow] = 1
            self.register_buffer("earlier", earlier, persistent=False)
        self.second = _weight(generator, views, narrow, wide, fan_in=narrow, gain=1.4)
        self.second_bias = _zeros(views, 1, wide)
        outputs = [2 * dim if self._per_window else dim for dim in dims]
        self.head = nn.ParameterList(_weight(generator, wide, size, fan_in=wide, gain=0.5) for size in outputs)
        self.head_bias = nn.ParameterList(_zeros(size) for size in outputs)
        start = 0.0 if settings.decoder_variance == "shared" else 2 * math.log(settings.decoder_std)
        self.shared = (
            nn.ParameterList()
            if self._per_window
            else nn.ParameterList(
                nn.Parameter(torch.full((dim,), start), requires_grad=settings.decoder_variance == "shared")
                for dim in dims
            )
        )

    def forward(self, z: Tensor, x: Tensor, cases: Cases) -> list[Normal]:
        """Of each view w a Gaussian of shape (V, cases, d_w), from z (V, cases, latent) and x (windows, D)."""
        components, count, _ = z.shape
        given = self.first_label.index_select(0, cases.label)
        if self.chain is not None:
            given = given + (x @ (self.chain * self.earlier)).index_select(0, cases.window)
        hidden = self._activation(z @ self.first + given).reshape(components * count, self._views, self._narrow)
        hidden = self._activation(torch.baddbmm(self.second_bias, hidden.transpose(0, 1), self.second))
        views = []
        for view, (weight, bias) in enumerate(zip(self.head, self.head_bias, strict=True)):
            out = torch.addmm(bias, hidden[view], weight).view(components, count, -1)
            if self._per_window:
                mean, raw = out.chunk(2, dim=-1)
                views.append(Normal(mean, bound_log_var(raw, *self._std)))
            else:
                views.append(Normal(out, self.shared_log_var(view)))
        return views

    def shared_log_var(self, view: int) -> Tensor:
        """Log-variance (d_w,) of a view, where it is not a matter of the window."""
        return bound_log_var(self.shared[view], *self._std)


class Imputer(nn.Module):
    """psi: p(x^u | x^o) for any mask, one trunk over the masked views and the mask bits (Eq. 11).

    It sees more of a view than it tells: `dims` and `beyond`.
    """

    def __init__(
        self, dims: Sequence[int], beyond: Sequence[int], settings: SimvaeSettings, generator: torch.Generator
    ) -> None:
        super().__init__()
        inputs, outputs, (wide, narrow) = sum(dims) + sum(beyond) + len(dims), sum(dims), settings.hidden
        self._activation = ACTIVATIONS[settings.activation]
        self._std = (settings.std_floor, STD_MAX)
        self.first = _weight(generator, inputs, wide, fan_in=inputs, gain=1.4)
        self.first_bias = _zeros(wide)
        self.second = _weight(generator, wide, narrow, fan_in=wide, gain=1.4)
        self.second_bias = _zeros(narrow)
        self.head = _zeros(narrow, 2 * outputs)
        self.head_bias = _zeros(2 * outputs)
        self.skip = _zeros(inputs, outputs) if settings.imputer_skip else None

    def forward(self, x: Tensor, inputs_seen: Tensor, seen: Tensor) -> Normal:
        """All views (batch, D) as told by those that are seen.

        Parameters
        ----------
        x : Tensor, shape (batch, D + E)
            Finite everywhere; what is not seen is not looked at.
        inputs_seen, seen : Tensor of float, shapes (batch, D + E) and (batch, V)
            1 where seen, else 0: the same mask by input and by view.
        """
        inputs = torch.cat([x * inputs_seen, seen], dim=-1)
        hidden = self._activation(torch.addmm(self.first_bias, inputs, self.first))
        hidden = self._activation(torch.addmm(self.second_bias, hidden, self.second))
        mean, raw = torch.addmm(self.head_bias, hidden, self.head).chunk(2, dim=-1)
        if self.skip is not None:
            mean = torch.addmm(mean, inputs, self.skip)
        return Normal(mean, bound_log_var(raw, *self._std))

    def squared_weights(self) -> Tensor:
        """Sum of squares of the weights, biases left out."""
        return _squared(self.first, self.second, self.head, self.skip)


class Classifier(nn.Module):
    """q(y | X) over the concatenated views: logits only (Eq. 4)."""

    def __init__(self, dims: Sequence[int], classes: int, settings: SimvaeSettings, generator: torch.Generator) -> None:
        super().__init__()
        inputs, (wide, narrow) = sum(dims), settings.hidden
        self._activation = ACTIVATIONS[settings.activation]
        self.first = _weight(generator, inputs, wide, fan_in=inputs)
        self.first_bias = _zeros(wide)
        self.second = _weight(generator, wide, narrow, fan_in=wide)
        self.second_bias = _zeros(narrow)
        self.head = _weight(generator, narrow, classes, fan_in=narrow, gain=0.2)
        self.head_bias = _zeros(classes)
        self.skip = _zeros(inputs, classes) if settings.classifier_skip else None

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Logits (batch, K) from x (batch, D); `keep` (batch, wide + narrow) scales the hidden units (dropout)."""
        hidden = self._activation(torch.addmm(self.first_bias, x, self.first))
        if keep is not None:
            hidden = hidden * keep[:, : hidden.shape[1]]
        hidden = self._activation(torch.addmm(self.second_bias, hidden, self.second))
        if keep is not None:
            hidden = hidden * keep[:, -hidden.shape[1] :]
        logits = torch.addmm(self.head_bias, hidden, self.head)
        return logits if self.skip is None else torch.addmm(logits, x, self.skip)

    def squared_weights(self) -> Tensor:
        """Sum of squares of the weights, biases left out."""
        return _squared(self.first, self.second, self.head, self.skip)


def _squared(*weights: Tensor | None) -> Tensor:
    return torch.cat([weight.flatten() for weight in weights if weight is not None]).square().sum()
