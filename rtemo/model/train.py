"""Training: one loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtemo.errors import ModelError
from rtemo.model.batches import Draw, Sampler
from rtemo.model.checkpoint import Progress, fingerprint, load_checkpoint, save_checkpoint
from rtemo.model.data import TrainingData, check, held_out, observations, usable_windows
from rtemo.model.front_end import fit_front_end
from rtemo.model.head_start import teach_imputer
from rtemo.model.objective import Batch, LossTerms, Noise, loss_terms
from rtemo.model.schedule import cooling
from rtemo.model.settings import SimvaeSettings
from rtemo.model.simvae import Simvae
from rtemo.model.trained import EpochReport, TrainedModel, resolve_device

__all__ = ["EpochReport", "TrainedModel", "TrainingData", "train"]

MIN_EPOCHS = 5
# A few held-out trials that all come out right would ask for certainty; they do not prove it.
TEMPERATURES = (0.5, 5.0)


def train(
    data: TrainingData,
    settings: SimvaeSettings,
    *,
    seed: int = 0,
    device: str = "auto",
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train a SiMVAE.

    Parameters
    ----------
    data : TrainingData
        Standardised windows, labelled and unlabelled.
    settings : SimvaeSettings
    seed : int
        Same seed, same data, same machine: same model.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    on_epoch : callable, optional
        Called after every epoch; the head start of psi comes before the first.
    checkpoint : Path, optional
        File written after every epoch.
    resume : bool
        Continue from `checkpoint`, to the same bits as without a break; from the start where there is none.

    Raises
    ------
    ModelError
        The data holds too little to learn from, training diverges, or the checkpoint is of another run.
    """
    on = resolve_device(device)
    available = check(data)
    usable = usable_windows(available, settings)
    classes = len(data.class_names)
    held = held_out(data, usable, settings.validation_fraction, settings.validation_windows, seed)
    known = np.where(usable & ~held, data.labels, -1)
    counts = np.bincount(known[known >= 0], minlength=classes)
    if (counts == 0).any():
        raise ModelError(
            f"no window with all views has the label {data.class_names[int(counts.argmin())]!r}.",
            cure='Use missing = "impute", or label more windows.',
        )
    views = [np.asarray(x, dtype=np.float64) for x in data.views.values()]
    front_end = fit_front_end(views, settings)
    x = front_end.shown(views, available).astype(np.float32)
    frequency = (counts + 1) / (counts + 1).sum()
    prior = frequency if settings.prior == "frequency" else np.full(classes, 1 / classes)

    beyond = front_end.dims_beyond
    model = Simvae(front_end.dims, classes, settings, beyond=beyond, prior=prior.tolist(), seed=seed).to(on)
    sampler = Sampler(known[usable], available[usable], settings, seed)
    trials = observations(data, usable & (available.sum(axis=1) > 1))
    windows = Windows(x[usable], available[usable], known[usable], on)
    validation = Windows(x[held], available[held], data.labels[held], on)
    balance = class_weights(counts, settings).to(on)
    epochs = settings.epochs or max(MIN_EPOCHS, -(-settings.steps // sampler.batches))
    warm_epochs = settings.warm_up * epochs
    resumed = resume and checkpoint is not None and checkpoint.exists()
    if not resumed:
        head_start = round(settings.imputer_head_start * epochs * sampler.batches)
        teach_imputer(model, windows.x, windows.available, trials=trials, steps=head_start, seed=seed)
    weights = flatten(model)
    optimiser = torch.optim.Adam([weights], lr=settings.learning_rate, fused=True)

    progress, mark = Progress(), fingerprint(data, settings, seed)
    if resumed and checkpoint is not None:
        load_checkpoint(checkpoint, mark, model, optimiser, progress)
    while progress.epoch < epochs and progress.epoch - max(progress.best_epoch, warm_epochs) < settings.patience:
        started = time.perf_counter()
        warm = 1.0 if warm_epochs == 0 else min(1.0, (progress.epoch + 1) / warm_epochs)
        generator = epoch_generator(seed, progress.epoch)
        losses: list[LossTerms] = []
        optimiser.param_groups[0]["lr"] = settings.learning_rate * cooling(progress.epoch / epochs, settings.cool_down)
        skipped = 0
        model.train()
        for draw in sampler.epoch(progress.epoch):
            batch, noise = windows.batch(draw, settings), draw_noise(len(draw.windows), model, generator, on)
            optimiser.zero_grad(set_to_none=False)
            terms = loss_terms(
                model,
                batch,
                noise,
                windows=len(known),
                trials=trials,
                class_weights=balance,
                warm=warm,
            )
            terms.total.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(weights, settings.gradient_clip)
            if torch.isfinite(norm + terms.total):
                optimiser.step()
                losses.append(terms)
            else:
                skipped += 1
        if not losses:
            raise ModelError(
                f"training diverged: no step of epoch {progress.epoch + 1} had a finite loss.",
                cure="Lower learning_rate, or look for wild features.",
            )
        progress.epoch += 1
        score = validation_score(model, validation, balance) if held.any() else None
        report = EpochReport(progress.epoch, epochs, mean_terms(losses), score, time.perf_counter() - started, skipped)
        progress.history.append(report)
        if score is None or score < progress.best_score:
            progress.best_score = float("inf") if score is None else score
            progress.best_epoch = progress.epoch
            progress.best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if checkpoint is not None:
            save_checkpoint(checkpoint, mark, model, optimiser, progress)
        if on_epoch is not None:
            on_epoch(report)

    model.load_state_dict(progress.best)
    temperature = fit_temperature(model, validation) if held.any() and settings.temperature else 1.0
    final = Simvae(front_end.dims, classes, settings, beyond=beyond, prior=prior.tolist())
    final.load_state_dict(progress.best)
    return TrainedModel(
        model=final.eval(),
        front_end=front_end,
        settings=settings,
        views=tuple(data.views),
        dims=tuple(view.shape[1] for view in views),
        class_names=tuple(data.class_names),
        prior=prior,
        temperature=temperature,
        history=tuple(progress.history),
        seed=seed,
        held_out=held,
        probe=held,
    )


def flatten(model: Simvae) -> Tensor:
    """Make all weights of a model, and their gradients, views of one vector each: a step then takes a few operations.

    Returns
    -------
    Tensor, shape (weights,)
        With its gradient in ``grad``, which must be set to zero, never to None.
    """
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in learnt])
    flat.grad = torch.zeros_like(flat)
    sizes = [parameter.numel() for parameter in learnt]
    for parameter, values, gradient in zip(
        learnt, torch.split(flat, sizes), torch.split(flat.grad, sizes), strict=True
    ):
        shape = parameter.shape
        parameter.data = values.view(shape)
        parameter.grad = gradient.view(shape)
    return flat


class Windows:
    """Windows on the device, after the front end.

    Parameters
    ----------
    x : ndarray of float32, shape (windows, D + E)
    available : ndarray of bool, shape (windows, V)
    labels : ndarray of int64, shape (windows,)
    device : torch.device
    """

    def __init__(
        self, x: NDArray[np.float32], available: NDArray[np.bool_], labels: NDArray[np.int64], device: torch.device
    ) -> None:
        self.x = torch.from_numpy(x).to(device)
        self.available = torch.from_numpy(available).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        self._complete = np.asarray(available.all(axis=1))

    def batch(self, draw: Draw, settings: SimvaeSettings) -> Batch:
        """The windows of a draw; the imputer is shown a part of them where it learns at all."""
        rows = torch.from_numpy(draw.windows).to(self.x.device, non_blocking=True)
        hide = self.available.shape[1] > 1 and (settings.c1 > 0 or settings.c3 > 0)
        return Batch(
            x=self.x.index_select(0, rows),
            observed=self.available.index_select(0, rows),
            shown=torch.from_numpy(draw.shown).to(self.x.device, non_blocking=True) if hide else None,
            labels=self.labels.index_select(0, rows[: draw.labelled]),
            complete=bool(self._complete[draw.windows].all()),
        )


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The generator of one epoch's noise: on the CPU, so that every device sees the same numbers."""
    state = np.random.SeedSequence([seed, 3, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def draw_noise(count: int, model: Simvae, generator: torch.Generator, device: torch.device) -> Noise:
    """The noise of one step, for `count` windows."""
    settings = model.settings
    latent = torch.randn(count, settings.latent, generator=generator)
    imputed = torch.randn(count, sum(model.dims), generator=generator) if settings.imputation == "sample" else None
    keep = None
    if settings.dropout > 0:
        keep = (torch.rand(count, sum(settings.hidden), generator=generator) >= settings.dropout) / (
            1 - settings.dropout
        )
    return Noise(
        latent.to(device, non_blocking=True),
        None if imputed is None else imputed.to(device, non_blocking=True),
        None if keep is None else keep.to(device, non_blocking=True),
    )


def class_weights(counts: NDArray[np.int64], settings: SimvaeSettings) -> Tensor:
    """Weights of the classification loss, of mean 1 over the labelled windows."""
    if settings.class_weight == "none":
        return torch.ones(len(counts))
    return torch.from_numpy(counts.sum() / (len(counts) * counts)).float()


def mean_terms(losses: list[LossTerms]) -> dict[str, float]:
    """Mean of every loss term by name."""
    floats = [terms.floats() for terms in losses]
    return {name: sum(step[name] for step in floats) / len(floats) for name in floats[0]}


@torch.no_grad()
def expected_logits(model: Simvae, windows: Windows) -> Tensor:
    """Logits (windows, K) with missing views at their expectation E[psi]."""
    model.eval()
    return model.classify(model.fill(windows.x, windows.available))


def validation_score(model: Simvae, windows: Windows, balance: Tensor) -> float:
    """Classification loss of held-out windows."""
    return float(functional.cross_entropy(expected_logits(model, windows), windows.labels, weight=balance))


def fit_temperature(model: Simvae, windows: Windows) -> float:
    """The temperature that makes held-out windows likeliest, by golden section on its logarithm (Guo et al. 2017)."""
    logits, labels = expected_logits(model, windows).double(), windows.labels

    def cost(log_t: float) -> float:
        return float(functional.cross_entropy(logits / np.exp(log_t), labels))

    low, high = np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1])
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return float(np.exp((low + high) / 2))
