"""A trained model: all that a prediction needs, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rtemo.errors import ConfigurationError
from rtemo.model.front_end import FrontEnd
from rtemo.model.settings import SimvaeSettings
from rtemo.model.simvae import Simvae


@dataclass(frozen=True)
class EpochReport:
    """One epoch of training.

    Parameters
    ----------
    epoch, epochs : int
        From 1, and how many there are at most.
    losses : dict of str to float
        Mean of every loss term by name over the epoch's steps (`LossTerms`).
    validation : float or None
        Classification loss of the held-out labelled windows; None where none are held out.
    seconds : float
    skipped : int
        Steps left out because the loss or its gradient was not finite.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    validation: float | None
    seconds: float
    skipped: int = 0


@dataclass(frozen=True)
class TrainedModel:
    """A model with its front end.

    Parameters
    ----------
    model : Simvae
        On the CPU.
    front_end : FrontEnd
    settings : SimvaeSettings
    views : tuple of str
        In the order of the chain.
    dims : tuple of int
        Features a view, before the front end.
    class_names : tuple of str
    prior : ndarray, shape (K,)
        pi: the answer when no view is there.
    temperature : float
        Logits are divided by it.
    history : tuple of EpochReport
    seed : int
        Also of the common random numbers of predictions.
    held_out : ndarray of bool, shape (windows,)
        Which windows of the training data were held out, for early stopping and the temperature; empty in a model that
        was loaded.
    probe : ndarray of bool, shape (windows,)
        Which of these the model has not learnt from at all (`refit`), or not from their labels (`train`); all False
        where it learnt from every one, and empty in a model that was loaded.
    """

    model: Simvae
    front_end: FrontEnd
    settings: SimvaeSettings
    views: tuple[str, ...]
    dims: tuple[int, ...]
    class_names: tuple[str, ...]
    prior: NDArray[np.float64]
    temperature: float = 1.0
    history: tuple[EpochReport, ...] = field(default=(), repr=False)
    seed: int = 0
    held_out: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool), repr=False)
    probe: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool), repr=False)


def resolve_device(device: str) -> torch.device:
    """``auto`` is CUDA where there is a GPU, else the CPU.

    Raises
    ------
    ConfigurationError
        The device is unknown or not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(f"device {device!r} is unknown.", cure='Use "auto", "cpu" or "cuda".') from error
    if found.type not in ("cpu", "cuda"):
        raise ConfigurationError(f"device {device!r} is not supported.", cure='Use "auto", "cpu" or "cuda".')
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"device {device!r} was asked for, but torch sees no CUDA device.", cure='Use device = "auto" or "cpu".'
        )
    return found


def frozen_copy(trained: TrainedModel) -> TrainedModel:
    """The same model with weights of its own: what adapts must leave the original as it is."""
    front_end = trained.front_end
    model = Simvae(
        front_end.dims,
        len(trained.class_names),
        trained.settings,
        beyond=front_end.dims_beyond,
        prior=trained.prior.tolist(),
    )
    model.load_state_dict(trained.model.state_dict())
    return replace(trained, model=model.eval())
