"""Gradient steps on a copy of the model: labelled replay beside unlabelled windows of the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtemo.config import AdaptationSettings
from rtemo.model.batches import random_submask
from rtemo.model.objective import Batch, Noise, loss_terms
from rtemo.model.simvae import Simvae
from rtemo.model.train import draw_noise, flatten
from rtemo.model.trained import TrainedModel, frozen_copy
from rtemo.types import Bools, Floats


class Windows(NamedTuple):
    """Model inputs and what only psi sees (windows, D + E), zero in missing views; views (windows, V)."""

    x: Floats
    available: Bools


@dataclass(frozen=True)
class LearnerState:
    """All that a learner is, for a restore to the same bits."""

    student: Tensor
    teacher: Tensor
    moments: tuple[Tensor, Tensor]
    steps: int
    numbers: Mapping[str, Any]
    noise: Tensor


class Learner:
    """A student that learns, and the average of its past that predicts.

    Weights lie in one vector each. Adam is written out on them: its whole state is two vectors and a count, saved and
    put back bit for bit.

    Parameters
    ----------
    trained : TrainedModel
        Where it starts, and what it is pulled to.
    replay : Windows
        Labelled calibration windows.
    labels : ndarray of int64, shape (windows,)
    settings : AdaptationSettings
    device : torch.device
    seed : int
    """

    def __init__(
        self,
        trained: TrainedModel,
        replay: Windows,
        labels: NDArray[np.int64],
        settings: AdaptationSettings,
        device: torch.device,
        seed: int,
    ) -> None:
        self._settings, self._device = settings, device
        self._replay, self._labels = replay, labels
        self._by_class = [np.flatnonzero(labels == k) for k in range(len(trained.class_names))]
        self._model, self._student = _online(trained, device)
        self.teacher, self._teacher = _online(trained, device)
        self._origin = self._student.detach().clone()
        self._owners = view_weights(self._model).to(device)
        self._moments = (torch.zeros_like(self._origin), torch.zeros_like(self._origin))
        self._steps = 0
        self.rng = np.random.default_rng([seed, 5])
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def drift(self) -> float:
        """Distance of the weights that predict from the calibrated ones, as a fraction of their size."""
        return float((self._teacher.detach() - self._origin).norm() / self._origin.norm())

    def weights(self) -> NDArray[np.float32]:
        """The weights that predict, as one vector on the CPU."""
        return self._teacher.detach().cpu().numpy()

    def step(self, unlabelled: Windows, absent: Bools) -> dict[str, float]:
        """One step.

        Parameters
        ----------
        unlabelled : Windows
            Of the session, recentred; may be empty.
        absent : ndarray of bool, shape (V,)
            Views that are not there now: their decoders and imputers stay as they are, bit for bit.

        Returns
        -------
        dict of str to float
            Terms of the loss, and ``norm`` of its gradient; a step whose loss or gradient is not finite changes
            nothing, and says so by ``norm = nan``.
        """
        batch, noise = self._batch(unlabelled)
        self._model.train()
        self._student.grad.zero_()  # type: ignore[union-attr]
        terms = loss_terms(self._model, batch, noise, windows=len(self._labels))
        total = terms.total + self._settings.consistency * self._disagreement(batch)
        total.backward()  # type: ignore[no-untyped-call]
        gradient = self._student.grad
        assert gradient is not None
        norm = float(torch.nn.utils.clip_grad_norm_(self._student, self._model.settings.gradient_clip))
        finite = bool(np.isfinite(norm)) and bool(torch.isfinite(total))
        if finite:
            self._move(gradient, absent)
        told = {name: value for name, value in terms.floats().items() if name in ("labelled_bound", "unlabelled_bound")}
        return {"loss": float(total.detach()), **told, "norm": norm if finite else float("nan")}

    def soften(self) -> None:
        """Soft reset: half the way back to the calibrated weights, the optimiser forgetting."""
        with torch.no_grad():
            for weights in (self._student, self._teacher):
                weights.lerp_(self._origin, 0.5)
            for moment in self._moments:
                moment.zero_()
        self._steps = 0

    def save(self) -> LearnerState:
        """All of it."""
        return LearnerState(
            self._student.detach().clone(),
            self._teacher.detach().clone(),
            (self._moments[0].clone(), self._moments[1].clone()),
            self._steps,
            self.rng.bit_generator.state,
            self._generator.get_state(),
        )

    def restore(self, state: LearnerState) -> None:
        """Back to what `save` gave, bit for bit."""
        with torch.no_grad():
            self._student.copy_(state.student)
            self._teacher.copy_(state.teacher)
            for moment, saved in zip(self._moments, state.moments, strict=True):
                moment.copy_(saved)
        self._steps = state.steps
        self.rng.bit_generator.state = state.numbers
        self._generator.set_state(state.noise)

    def _move(self, gradient: Tensor, absent: Bools) -> None:
        """Adam's step, a pull toward the calibrated weights, and the teacher after it."""
        self._steps += 1
        moving = (self._student.detach(), self._teacher.detach(), *self._moments)
        held = self._owners[torch.from_numpy(np.flatnonzero(absent))].any(dim=0) if absent.any() else None
        before = [] if held is None else [weights[held] for weights in moving]
        first, second = self._moments
        with torch.no_grad():
            first.lerp_(gradient, 0.1)
            second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            size = (second / (1 - 0.999**self._steps)).sqrt_().add_(1e-8)
            rate = self._settings.learning_rate / (1 - 0.9**self._steps)
            self._student.addcdiv_(first, size, value=-rate)
            self._student.lerp_(self._origin, self._settings.pull)
            self._teacher.lerp_(self._student, 1 - self._settings.teacher)
            # Not by the gradient alone: momentum, pull and the average would move them too.
            for weights, kept in zip(moving, before, strict=False):
                weights[held] = kept

    def _batch(self, unlabelled: Windows) -> tuple[Batch, Noise]:
        """Replay, classes alike, half of it with views hidden; then the unlabelled windows."""
        count = self._settings.batch
        classes = (self.rng.integers(len(self._by_class)) + np.arange(count)) % len(self._by_class)
        rows = np.array([self._by_class[k][int(self.rng.integers(len(self._by_class[k])))] for k in classes])
        observed = self._replay.available[rows]
        hidden = (np.arange(count) // len(self._by_class) + self.rng.integers(2)) % 2 == 1
        observed = np.where(hidden[:, None], random_submask(observed, self.rng), observed)
        x, available = self._replay.x[rows], observed
        if len(unlabelled.x):
            x, available = np.vstack([x, unlabelled.x]), np.vstack([observed, unlabelled.available])
        shown = random_submask(available, self.rng)
        device = self._device
        batch = Batch(
            x=torch.from_numpy(x).float().to(device),
            observed=torch.from_numpy(available).to(device),
            shown=torch.from_numpy(shown).to(device) if available.shape[1] > 1 else None,
            labels=torch.from_numpy(self._labels[rows]).to(device),
            complete=bool(available.all()),
        )
        return batch, draw_noise(len(x), self._model, self._generator, device)

    def _disagreement(self, batch: Batch) -> Tensor:
        """Cross-entropy of the student, shown a part of an unlabelled window, to the teacher, shown all of it."""
        labelled = len(batch.labels)
        if batch.shown is None or self._model.imputer is None or len(batch.x) == labelled:
            return batch.x.new_zeros(())
        x, observed, shown = batch.x[labelled:], batch.observed[labelled:], batch.shown[labelled:]
        with torch.no_grad():
            target = torch.softmax(self.teacher.classify(self.teacher.fill(x, observed)), dim=-1)
            filled = self._model.fill(x, shown)
        logits = self._model.classify(filled)
        several = (observed.sum(-1) > 1).to(x.dtype)
        return -((target * torch.log_softmax(logits, dim=-1)).sum(-1) * several).sum() / several.sum().clamp_min(1)


def view_weights(model: Simvae) -> Tensor:
    """Which weights of the flat vector make a view's decoder and imputer: bool, shape (V, weights).

    The imputer's hidden layers are those of every view.
    """
    flags = []
    dims = [where.stop - where.start for where in model.slices]
    narrow = model.settings.hidden[1]
    ends = sum(dims)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        own = torch.zeros(model.views, *parameter.shape, dtype=torch.bool)
        kind, _, rest = name.partition(".")
        part, _, index = rest.partition(".")
        for view, where in enumerate(model.slices):
            if kind == "decoders" and index:
                own[view] = int(index) == view
            elif kind == "decoders" and part in ("second", "second_bias"):
                own[view, view] = True
            elif kind == "decoders":
                own[view, ..., view * narrow : (view + 1) * narrow] = True
            elif kind == "imputer" and part in ("head", "head_bias", "skip"):
                own[view, ..., where] = True
                if part != "skip":
                    own[view, ..., ends + where.start : ends + where.stop] = True
            elif kind == "imputer":
                own[view] = True
        flags.append(own.reshape(model.views, -1))
    return torch.cat(flags, dim=1)


def _online(trained: TrainedModel, device: torch.device) -> tuple[Simvae, Tensor]:
    """A copy whose unlabelled bound does not reach the classifier and whose posterior weights stay, and its weights."""
    model = frozen_copy(trained).model
    model.settings = model.settings.model_copy(update={"tau": 0.0})
    model = model.to(device)
    model.weight_logits.requires_grad_(False)
    return model, flatten(model)
