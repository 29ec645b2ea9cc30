"""Checkpoints of a training run: one safetensors file, its header holding the rest as JSON; nothing is executed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rtemo.errors import ModelError
from rtemo.model.data import TrainingData
from rtemo.model.settings import SimvaeSettings
from rtemo.model.simvae import Simvae
from rtemo.model.trained import EpochReport

VERSION = 1
CURE = "Start without --resume, or delete it."


@dataclass
class Progress:
    """Where training stands; with the optimiser, all that a checkpoint holds."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[EpochReport] = field(default_factory=list)


def fingerprint(data: TrainingData, settings: SimvaeSettings, seed: int) -> str:
    """What a checkpoint must agree on: data, settings and seed."""
    digest = hashlib.sha256(json.dumps([settings.model_dump(), seed, list(data.class_names)]).encode())
    for name, array in [*data.views.items(), ("labels", data.labels), ("groups", data.groups)]:
        digest.update(f"{name} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, mark: str, model: Simvae, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Write a checkpoint; a reader finds the old one or the new one, never a half."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in progress.best.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
    document = {
        "version": VERSION,
        "fingerprint": mark,
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_score": progress.best_score,
        "history": [asdict(report) for report in progress.history],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            beside,
            {"rtemo": json.dumps(document)},
        )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_checkpoint(path: Path, mark: str, model: Simvae, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Put a run back where its checkpoint left it.

    Raises
    ------
    ModelError
        The file is damaged, or of a run with other data, settings or seed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            document: dict[str, Any] = json.loads((file.metadata() or {})["rtemo"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a checkpoint of rtemo ({error}).", cure=CURE) from error
    if document.get("version") != VERSION or document.get("fingerprint") != mark:
        raise ModelError(f"{path}: the checkpoint is of a run with other data, settings, seed or version.", cure=CURE)
    try:
        model.load_state_dict(_below(tensors, "model."))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _below(tensors, "adam.").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        progress.best = _below(tensors, "best.")
        progress.epoch, progress.best_epoch = int(document["epoch"]), int(document["best_epoch"])
        progress.best_score = float(document["best_score"])
        progress.history = [EpochReport(**report) for report in document["history"]]
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: the checkpoint does not fit the model ({error}).", cure=CURE) from error


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
