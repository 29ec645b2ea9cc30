"""psi's head start: it learns alone, before anything learns from what it fills in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from rtemo.errors import ModelError
from rtemo.model.batches import Ints, cycle, random_submask
from rtemo.model.objective import imputation_loss, imputer_prior
from rtemo.model.schedule import cooling
from rtemo.model.simvae import Simvae


def teach_imputer(model: Simvae, x: Tensor, available: Tensor, *, trials: int, steps: int, seed: int) -> None:
    """Teach psi the views hidden from it, in place; nothing else of the model is touched.

    A step costs a small part of one of the whole model, which then learns from windows that are filled in well from
    the first, as if an imputer had been fitted before it. psi goes on learning with it.

    Parameters
    ----------
    model : Simvae
        ``imputer_learning_rate, cool_down, batch_size, gradient_clip`` of its settings count; without ``c1`` psi is
        not to learn, and does not.
    x : Tensor, shape (windows, D + E)
        Inputs and what only psi sees, finite.
    available : Tensor of bool, shape (windows, V)
    trials : int
        That the windows with several views are of, for psi's prior.
    steps : int
        A step whose loss or gradient is not finite is left out.
    seed : int

    Raises
    ------
    ModelError
        All were.
    """
    settings, there = model.settings, available.cpu().numpy()
    several = np.flatnonzero(there.sum(axis=1) > 1)
    if model.imputer is None or settings.c1 == 0 or not len(several):
        return
    rng = np.random.default_rng([seed, 6])
    weights = list(model.imputer.parameters())
    taken = 0
    optimiser = torch.optim.Adam(weights, lr=settings.imputer_learning_rate, fused=True)
    for step, windows in enumerate(islice(_draws(several, settings.batch_size, rng), steps)):
        optimiser.param_groups[0]["lr"] = settings.imputer_learning_rate * cooling(step / steps, settings.cool_down)
        rows = torch.from_numpy(windows).to(x.device)
        shown = torch.from_numpy(random_submask(there[windows], rng)).to(x.device)
        given, observed = x.index_select(0, rows), available.index_select(0, rows)
        optimiser.zero_grad(set_to_none=True)
        guess = model.impute(given, shown)
        total = settings.c1 * imputation_loss(model, given, observed, shown, guess) + imputer_prior(model, trials)
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(weights, settings.gradient_clip)
        if torch.isfinite(norm + total):
            optimiser.step()
            taken += 1
    optimiser.zero_grad(set_to_none=True)
    if steps and not taken:
        raise ModelError(
            f"training diverged: none of the {steps} steps of the imputer's head start had a finite loss.",
            cure="Lower imputer_learning_rate, or look for wild features.",
        )


def _draws(windows: Ints, batch_size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Batches without end, shuffled anew each time round."""
    size = min(batch_size, len(windows))
    batches = -(-len(windows) // size)
    while True:
        yield from cycle(windows, batches * size, rng).reshape(batches, size)
