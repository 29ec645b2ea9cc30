"""What all nets here share: layers drawn from a seed, and one training loop.

Sizes are those of Du et al. 2018 (100-50-30 for each view, and 30-50-100 back); optimiser, batches and cool-down are
those of SiMVAE's own training, so that methods differ by their objectives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from rtemo.errors import ModelError
from rtemo.evaluation.baselines.base import Floats, Ints
from rtemo.model.batches import Sampler
from rtemo.model.front_end import CLAMP
from rtemo.model.networks import Cases
from rtemo.model.schedule import cooling
from rtemo.model.settings import make_settings

HIDDEN = (100, 50)
LATENT = 30
STEPS = 600
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
IMPUTER_RATE = 1e-2
"""Of nets that impute: that of psi's head start, at which all of them are better than at the rate of the others."""
COOL_DOWN = 0.3
GRADIENT_CLIP = 20.0
RELU_GAIN = math.sqrt(2.0)


@dataclass(frozen=True)
class Plan:
    """How a net is trained.

    Parameters
    ----------
    steps, batch_size : int
    learning_rate : float
        Of Adam; it falls in a line over the last `COOL_DOWN` of the steps.
    seed : int
    device : str
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    device: str


@dataclass(frozen=True)
class Batch:
    """Windows of one step.

    Parameters
    ----------
    x : Tensor, shape (windows, D)
        Labelled windows first.
    labels : Tensor of int64, shape (labelled,)
    generator : torch.Generator
        For all that is random in the loss; on the CPU, so that every device sees the same numbers.
    """

    x: Tensor
    labels: Tensor
    generator: torch.Generator

    def normal(self, size: int) -> Tensor:
        """Standard normal numbers, (windows, size)."""
        return torch.randn(len(self.x), size, generator=self.generator).to(self.x.device)

    def uniform(self) -> Tensor:
        """Numbers from 0 to below 1, (windows,)."""
        return torch.rand(len(self.x), generator=self.generator).to(self.x.device)


def seeded(seed: int, *stream: int) -> torch.Generator:
    """A generator of its own for each purpose of a seed."""
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def uniform(generator: torch.Generator, *shape: int, fan_in: int, gain: float = 1.0) -> nn.Parameter:
    """Weights of standard deviation ``gain / sqrt(fan_in)``, drawn from a generator and not from the global one."""
    bound = gain * math.sqrt(3.0 / max(fan_in, 1))
    return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)


def linear(inputs: int, outputs: int, generator: torch.Generator, gain: float = 1.0) -> nn.Linear:
    """A linear layer drawn from a generator, its offset 0."""
    layer = nn.Linear(inputs, outputs, device="meta")
    layer.weight = uniform(generator, outputs, inputs, fan_in=inputs, gain=gain)
    layer.bias = nn.Parameter(torch.zeros(outputs))
    return layer


def mlp(
    sizes: Sequence[int], generator: torch.Generator, *, activation: str = "relu", gain: float = 1.0
) -> nn.Sequential:
    """A multi-layer perceptron.

    Parameters
    ----------
    sizes : sequence of int
        Of its layers, inputs first.
    generator : torch.Generator
        Of its weights.
    activation : {"relu", "linear"}
        Between layers.
    gain : float
        Of the last layer's weights.
    """
    relu = activation == "relu"
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = place == len(sizes) - 2
        layers.append(linear(inputs, outputs, generator, gain if last else RELU_GAIN if relu else 1.0))
        if relu and not last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class CaseMlp(nn.Module):
    """A perceptron of a window, what was drawn for a case, and the case's class; a case is a window with one class.

    Its first layer is split into parts, of which that of the window is worked out once for all its classes.

    Parameters
    ----------
    by_window, by_case, classes : int
        Inputs of each kind.
    sizes : sequence of int
        Of the layers after the inputs.
    generator : torch.Generator
    gain : float
        Of the last layer's weights.
    """

    window: nn.Parameter
    case: nn.Parameter
    label: nn.Parameter

    def __init__(
        self,
        by_window: int,
        by_case: int,
        classes: int,
        sizes: Sequence[int],
        generator: torch.Generator,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        inputs, first = by_window + by_case + classes, gain if len(sizes) == 1 else RELU_GAIN
        self.window = uniform(generator, by_window, sizes[0], fan_in=inputs, gain=first)
        self.case = uniform(generator, by_case, sizes[0], fan_in=inputs, gain=first)
        # One of K inputs is on: about a tenth of the first layer's variance comes from it.
        self.label = uniform(generator, classes, sizes[0], fan_in=10, gain=first)
        self.rest = nn.Sequential(nn.ReLU(), *mlp(sizes, generator, gain=gain)) if len(sizes) > 1 else nn.Sequential()

    def forward(self, window: Tensor | None, case: Tensor | None, cases: Cases) -> Tensor:
        """Outputs (cases, last size) from inputs (windows, by_window) and (cases, by_case), or None without any."""
        first = self.label.index_select(0, cases.label)
        if window is not None:
            first = first + (window @ self.window).index_select(0, cases.window)
        if case is not None:
            first = torch.addmm(first, case, self.case)
        out: Tensor = self.rest(first)
        return out


def train_net(net: nn.Module, loss: Callable[[Batch], Tensor], X: Floats, y: Ints, plan: Plan) -> None:
    """Minimise a loss by Adam; the net ends up in evaluation mode.

    Batches hold labelled windows in a quarter at least, as in SiMVAE's own training; where no window has a label they
    are drawn blindly. A step without a finite gradient is left out.

    Parameters
    ----------
    net : Module
        Its parameters are learnt; it is moved to the device.
    loss : callable
    X : ndarray of float64, shape (windows, D)
        Clipped to +-8, as all inputs of nets are.
    y : ndarray of int64, shape (windows,)
        -1 where unlabelled.
    plan : Plan

    Raises
    ------
    ModelError
        No step was finite.
    """
    device = torch.device(plan.device)
    net.to(device).train()
    x, labels = tensor(X, plan.device), torch.from_numpy(np.asarray(y, dtype=np.int64)).to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=plan.learning_rate, fused=True)
    settings = make_settings("default", {"batch_size": plan.batch_size})
    sampler = Sampler(np.asarray(y), np.ones((len(y), 1), dtype=bool), settings, plan.seed)
    generator = seeded(plan.seed, 3)
    done = taken = 0
    while done < plan.steps:
        for draw in sampler.epoch(done // sampler.batches):
            if done == plan.steps:
                break
            rows = torch.from_numpy(draw.windows).to(device)
            optimiser.param_groups[0]["lr"] = plan.learning_rate * cooling(done / plan.steps, COOL_DOWN)
            optimiser.zero_grad(set_to_none=True)
            total = loss(Batch(x[rows], labels[rows[: draw.labelled]], generator))
            total.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_CLIP)
            if torch.isfinite(norm + total.detach()):
                optimiser.step()
                taken += 1
            done += 1
    if not taken:
        raise ModelError("training diverged: no step had a finite loss.", cure="Lower learning_rate.")
    net.eval()


def tensor(X: Floats, device: str) -> Tensor:
    """Features as nets are given them: clipped to +-8, in single precision, on the device."""
    return torch.from_numpy(np.clip(X, -CLAMP, CLAMP)).float().to(device)


def by_dim(mask: Tensor, dims: Sequence[int]) -> Tensor:
    """A mask (windows, V) spread over the features of its views, (windows, D)."""
    return mask.repeat_interleave(torch.tensor(tuple(dims), device=mask.device), dim=1)


def refuse_missing(X: Floats, method: str) -> None:
    """Refuse windows with missing features, for a method that cannot do without.

    Raises
    ------
    ValueError
    """
    bad = ~np.isfinite(X).all(axis=1)
    if bad.any():
        raise ValueError(f"{method}: {int(bad.sum())} of {len(X)} windows lack features: fill them first.")
