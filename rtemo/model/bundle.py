"""A saved model: a folder of JSON and safetensors (the model, its probe, its calibration); nothing is executed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from rtemo.config import Configuration
from rtemo.errors import BundleError, ModelError
from rtemo.features.reference import Reference
from rtemo.features.standardise import Standardiser
from rtemo.model.front_end import FrontEnd, ViewMap
from rtemo.model.labelled import LabelledWindows, check_windows, read_windows, tensors_of
from rtemo.model.manifest import (
    CURE,
    VERSION,
    BundleView,
    ChannelReference,
    Epoch,
    Manifest,
    TrainingRecording,
    finite_json,
    read_manifest,
    write_manifest,
)
from rtemo.model.simvae import Simvae
from rtemo.model.tensors import expect, read_tensors, take
from rtemo.model.trained import EpochReport, TrainedModel

__all__ = [
    "Bundle",
    "BundleView",
    "ChannelReference",
    "LabelledWindows",
    "TrainingRecording",
    "load_bundle",
    "save_bundle",
]

MANIFEST, MODEL = "bundle.json", "model.safetensors"
PROBE, CALIBRATION = "probe.safetensors", "calibration.safetensors"


@dataclass(frozen=True)
class Bundle:
    """A trained model and everything that a session needs to use it rightly.

    Parameters
    ----------
    model : TrainedModel
    views : tuple of BundleView
        In the order of the model's views.
    configuration : Configuration
        Under which it was trained.
    standardiser : Standardiser or None
        None where ``standardise = "recording"``.
    recordings : tuple of TrainingRecording
    versions : dict of str to str
        Of rtemo, Python, torch, ... when the model was trained.
    metrics : dict
        Held-out figures, any JSON.
    probe : LabelledWindows or None
        Whole trials that were held out, by which a live session notices that its model has gone astray. Whether the
        model has learnt from them all the same, ``metrics["refitted"]`` says.
    calibration : LabelledWindows or None
        Labelled windows that the model learnt from, to be shown again while it adapts; none of the probe's trials.
    """

    model: TrainedModel
    views: tuple[BundleView, ...]
    configuration: Configuration
    standardiser: Standardiser | None = None
    recordings: tuple[TrainingRecording, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    probe: LabelledWindows | None = None
    calibration: LabelledWindows | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        return self.model.class_names

    @property
    def labelled(self) -> dict[str, LabelledWindows]:
        """The labelled windows that there are, by the file that holds them."""
        found = {PROBE: self.probe, CALIBRATION: self.calibration}
        return {name: windows for name, windows in found.items() if windows is not None}

    @property
    def references(self) -> dict[str, Reference]:
        """By view that has one, what was usual for its channels."""
        found = {view.name: view.reference for view in self.views if view.reference is not None}
        return {
            name: Reference(
                np.array(given.windows),
                np.array(given.mean),
                None if given.mending is None else np.array(given.mending),
            )
            for name, given in found.items()
        }


def check_target(folder: str | Path) -> None:
    """Refuse a folder that `save_bundle` would not write to: one that holds something else, or that cannot be made.

    Raises
    ------
    BundleError
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BundleError(f"{folder}: exists and is not a bundle, so it is left as it is.", cure="Give another folder.")
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BundleError(f"{folder}: cannot be written in {parent}.", cure="Check the path and its permissions.")


def save_bundle(folder: str | Path, bundle: Bundle) -> None:
    """Write a bundle; whoever looks finds the old one or the new one, never a half.

    Raises
    ------
    BundleError
        The parts do not fit together, the folder holds something else than a bundle, or it cannot be written.
    """
    folder = Path(folder)
    _check_parts(folder, bundle)
    check_target(folder)
    fresh = folder.with_name(f".{folder.name}.new-{os.getpid()}")
    stale = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        fresh.mkdir(parents=True)
        tensors = {MODEL: _model_tensors(bundle)}
        tensors |= {name: tensors_of(windows) for name, windows in bundle.labelled.items()}
        for name, content in tensors.items():
            save_file({key: value.contiguous() for key, value in content.items()}, fresh / name)
        digests = {name: hashlib.sha256((fresh / name).read_bytes()).hexdigest() for name in tensors}
        write_manifest(fresh / MANIFEST, _manifest(bundle, digests))
        if folder.exists():
            folder.rename(stale)
        fresh.rename(folder)
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot be written ({error.strerror}).", cure="Check the path and its permissions."
        ) from error
    finally:
        if stale.exists() and not folder.exists():
            stale.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def load_bundle(folder: str | Path) -> Bundle:
    """Read a bundle and check everything in it.

    Raises
    ------
    BundleError
        It is missing, damaged, foreign, or its parts do not fit together; the message names the file.
    """
    folder = Path(folder)
    manifest = read_manifest(folder / MANIFEST)
    where = folder / MANIFEST
    dims = tuple(len(view.feature_names) for view in manifest.views)
    names = tuple(view.name for view in manifest.views)
    expect(where, "labels of the configuration", manifest.labels, tuple(manifest.configuration.labels))
    expect(where, "views of the configuration", names, tuple(manifest.configuration.views))
    expect(where, "views with different names", len(manifest.views), len({view.name for view in manifest.views}))
    expect(where, "different labels", len(manifest.labels), len(set(manifest.labels)))
    expect(where, "inputs, one a view", len(manifest.views), len(manifest.inputs))
    expect(where, "beyond, one a view", len(manifest.views), len(manifest.beyond))
    if len(manifest.views) == 1 or manifest.settings.front_end == "none":
        expect(where, "beyond, where nothing can be", (0,) * len(manifest.views), manifest.beyond)
    expect(where, "probabilities in prior", len(manifest.labels), len(manifest.prior))
    expect(where, "entry for model.safetensors in files", True, MODEL in manifest.files)
    tensors = read_tensors(folder / MODEL, manifest.files[MODEL])
    trained = _load_model(folder / MODEL, manifest, tensors, dims)
    standardiser = None
    if manifest.configuration.standardise == "calibration":
        moments: dict[str, dict[str, NDArray[np.float64]]] = {"mean": {}, "std": {}}
        for view, dim in zip(manifest.views, dims, strict=True):
            for moment, by_view in moments.items():
                value = take(folder / MODEL, tensors, f"standardiser.{view.name}.{moment}", (dim,), torch.float64)
                by_view[view.name] = value.numpy()
        standardiser = Standardiser(moments["mean"], moments["std"])
    expect(folder / MODEL, "tensors beside those of the model", [], sorted(tensors)[:3])
    labelled = {
        name: read_windows(
            folder / name,
            manifest.files[name],
            dict(zip(names, dims, strict=True)),
            classes=len(manifest.labels),
            recordings=len(manifest.recordings),
            dated=name == PROBE,
        )
        for name in (PROBE, CALIBRATION)
        if name in manifest.files
    }
    return Bundle(
        model=trained,
        views=manifest.views,
        configuration=manifest.configuration,
        standardiser=standardiser,
        recordings=manifest.recordings,
        versions=manifest.versions,
        metrics=manifest.metrics,
        probe=labelled.get(PROBE),
        calibration=labelled.get(CALIBRATION),
    )


def _manifest(bundle: Bundle, digests: dict[str, str]) -> Manifest:
    trained = bundle.model
    history = tuple(
        Epoch(epoch=report.epoch, losses=finite_json(report.losses), validation=finite_json(report.validation),
              seconds=report.seconds, skipped=report.skipped)
        for report in trained.history
    )  # fmt: skip
    return Manifest.model_validate(
        {
            "format": "rtemo-bundle",
            "version": VERSION,
            "files": digests,
            "labels": trained.class_names,
            "views": bundle.views,
            "inputs": trained.front_end.dims,
            "beyond": trained.front_end.dims_beyond,
            "configuration": bundle.configuration,
            "settings": trained.settings,
            "temperature": trained.temperature,
            "prior": tuple(trained.prior.tolist()),
            "seed": trained.seed,
            "epochs": trained.history[-1].epochs if trained.history else 0,
            "history": history,
            "recordings": bundle.recordings,
            "versions": dict(bundle.versions),
            "metrics": finite_json(dict(bundle.metrics)),
        }
    )


def _check_parts(folder: Path, bundle: Bundle) -> None:
    """Refuse to write what `load_bundle` would refuse to read."""
    trained = bundle.model
    expect(folder, "views", trained.views, tuple(view.name for view in bundle.views))
    expect(folder, "features a view", trained.dims, tuple(len(view.feature_names) for view in bundle.views))
    expect(folder, "labels of the configuration", trained.class_names, tuple(bundle.configuration.labels))
    expect(folder, "views of the configuration", trained.views, tuple(bundle.configuration.views))
    expect(folder, "a standardiser", bundle.configuration.standardise == "calibration", bundle.standardiser is not None)
    for name, windows in bundle.labelled.items():
        check_windows(
            folder / name,
            windows,
            dict(zip(trained.views, trained.dims, strict=True)),
            classes=len(trained.class_names),
            recordings=len(bundle.recordings),
        )


def _model_tensors(bundle: Bundle) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value.detach().cpu() for name, value in bundle.model.model.state_dict().items()}
    front_end = bundle.model.front_end
    for name, view, beyond in zip(bundle.model.views, front_end.maps, front_end.beyond, strict=True):
        tensors[f"front_end.{name}.offset"] = torch.from_numpy(view.offset)
        if view.matrix is not None:
            tensors[f"front_end.{name}.matrix"] = torch.from_numpy(view.matrix)
        if beyond.weights.size:
            tensors[f"front_end.{name}.beyond"] = torch.from_numpy(beyond.weights)
        if bundle.standardiser is not None:
            tensors[f"standardiser.{name}.mean"] = torch.from_numpy(
                np.asarray(bundle.standardiser.mean[name], dtype=np.float64)
            )
            tensors[f"standardiser.{name}.std"] = torch.from_numpy(
                np.asarray(bundle.standardiser.std[name], dtype=np.float64)
            )
    return tensors


def _load_model(path: Path, manifest: Manifest, tensors: dict[str, Tensor], dims: tuple[int, ...]) -> TrainedModel:
    settings, classes, views = manifest.settings, len(manifest.labels), len(dims)
    wide, narrow = settings.hidden
    # Sizes are believed only where the file holds tensors that large: nothing is allocated on a number's word.
    telling: dict[str, tuple[int, ...]] = {
        f"model.encoders.first.{view}": (dim, wide) for view, dim in enumerate(manifest.inputs)
    }
    if views > 1:
        seen = sum(manifest.inputs) + sum(manifest.beyond) + views
        telling["model.imputer.first"] = (seen, wide)
        if settings.imputer_skip:
            telling["model.imputer.skip"] = (seen, sum(manifest.inputs))
    telling["model.encoders.second"] = (views, wide, narrow)
    telling["model.encoders.head"] = (views, narrow, 2 * settings.latent)
    telling["model.log_prior"] = (classes,)
    for name, shape in telling.items():
        expect(path, f"tensor {name!r}: shape", shape, tuple(tensors[name].shape) if name in tensors else None)
    try:
        model = Simvae(manifest.inputs, classes, settings, beyond=manifest.beyond)
    except ModelError as error:
        raise BundleError(f"{path}: {error.message}", cure=CURE) from error
    state = {
        name: take(path, tensors, f"model.{name}", tuple(value.shape), value.dtype)
        for name, value in model.state_dict().items()
    }
    for name, value in state.items():
        expect(path, f"tensor {name!r}: only finite numbers", True, bool(torch.isfinite(value).all()))
    model.load_state_dict(state)
    maps, beyond = [], []
    sizes = zip(dims, manifest.inputs, manifest.beyond, strict=True)
    for view, (dim, outputs, further) in zip(manifest.views, sizes, strict=True):
        offset = take(path, tensors, f"front_end.{view.name}.offset", (dim,), torch.float64).numpy()
        matrix = None
        if settings.front_end == "none":
            expect(path, f"inputs of view {view.name!r}", dim, outputs)
        else:
            matrix = take(path, tensors, f"front_end.{view.name}.matrix", (dim, outputs), torch.float64).numpy()
        rest = np.zeros((dim, 0))
        if further:
            rest = take(path, tensors, f"front_end.{view.name}.beyond", (dim, further), torch.float64).numpy()
        maps.append(ViewMap(offset, matrix))
        beyond.append(ViewMap(offset, rest))
        finite = all(np.isfinite(part).all() for part in (offset, rest, *([] if matrix is None else [matrix])))
        expect(path, f"front end of view {view.name!r}: only finite numbers", True, finite)
    return TrainedModel(
        model=model.eval(),
        front_end=FrontEnd(tuple(maps), tuple(beyond)),
        settings=settings,
        views=tuple(view.name for view in manifest.views),
        dims=dims,
        class_names=manifest.labels,
        prior=np.asarray(manifest.prior),
        temperature=manifest.temperature,
        history=tuple(
            EpochReport(
                epoch=line.epoch,
                epochs=manifest.epochs,
                losses={name: float("nan") if value is None else value for name, value in line.losses.items()},
                validation=line.validation,
                seconds=line.seconds or 0.0,
                skipped=line.skipped,
            )
            for line in manifest.history
        ),
        seed=manifest.seed,
    )
