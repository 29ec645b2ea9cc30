"""Windows of recordings by rtemo's own pipeline, kept in the cache, as the pipeline takes seconds."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import rtemo
from rtemo.config import Configuration, parse_configuration
from rtemo.evaluation.datasets.base import Floats, Ints
from rtemo.evaluation.datasets.places import cache_folder, digest_of
from rtemo.extraction import extract, join, label_indices
from rtemo.labels import events_path

LOG = logging.getLogger(__name__)
CODE = ("features", "sources", "xdf")
"""Packages that windows are made by, beside the modules directly in rtemo."""
LIBRARIES = ("numpy", "scipy", "mne")
VIEW = "view_"


@dataclass(frozen=True, eq=False)
class Recorded:
    """Windows of several recordings that have at least one view.

    Parameters
    ----------
    views : mapping of str to ndarray of float64, shape (windows, D_v)
    labels : ndarray of int64, shape (windows,)
    recording : ndarray of int64, shape (windows,)
        Which of the recordings.
    trials : ndarray of int64, shape (windows,)
        A number for each labelled segment, and one for each window outside of them.
    """

    views: Mapping[str, Floats]
    labels: Ints
    recording: Ints
    trials: Ints


def recorded(
    paths: Sequence[Path], config: str, *, where: str, read_labels: bool = True, cache: Path | None = None
) -> Recorded:
    """Windows of recordings, from the cache where it has them.

    Parameters
    ----------
    paths : sequence of path
    config : str
        TOML.
    where : str
        What to name in errors of the configuration.
    read_labels : bool
    cache : path, optional
        See `rtemo.evaluation.datasets.places.cache_folder`.
    """
    settings = parse_configuration(tomllib.loads(config), where)
    kept = cache_folder(cache) / "windows" / f"{_digest(paths, config, read_labels)}.npz"
    found = _read(kept, settings, len(paths))
    if found is None:
        found = _extracted(paths, settings, read_labels)
        _write(kept, found)
    return found


def _extracted(paths: Sequence[Path], config: Configuration, read_labels: bool) -> Recorded:
    extractions = [extract(path, config, read_labels=read_labels) for path in paths]
    for extraction in extractions:
        for line in extraction.warnings:
            LOG.warning("%s", line)
    table = join([extraction.table for extraction in extractions])
    some = np.any([table.available[view] for view in config.views], axis=0)
    alone = table.trial < 0
    trials = table.trial.copy()
    trials[alone] = trials.max(initial=-1) + 1 + np.arange(alone.sum())
    return Recorded(
        {view: np.where(table.available[view][:, None], table.features[view], np.nan)[some] for view in config.views},
        label_indices(table, config.labels)[some],
        table.recording[some],
        np.unique(trials[some], return_inverse=True)[1].astype(np.int64),
    )


def _digest(paths: Sequence[Path], config: str, read_labels: bool) -> str:
    """SHA-256 of all that the windows come from: the recordings, the configuration and the code."""
    state = hashlib.sha256(repr((config, read_labels, [version(library) for library in LIBRARIES])).encode())
    package = Path(rtemo.__file__).parent
    code = [*package.glob("*.py"), *(path for part in CODE for path in (package / part).rglob("*.py"))]
    events = [events_path(path) for path in paths] if read_labels else []
    for path in [*sorted(code), *paths, *(path for path in events if path.is_file())]:
        state.update(repr((path.name, digest_of(path))).encode())
    return state.hexdigest()


def _write(path: Path, found: Recorded) -> None:
    """Whole or not at all, whoever else writes."""
    arrays: dict[str, Any] = {VIEW + view: x for view, x in found.views.items()}
    arrays |= {"labels": found.labels, "recording": found.recording, "trials": found.trials}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(path: Path, config: Configuration, recordings: int) -> Recorded | None:
    """What the cache has, None where it has nothing or nothing sound."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            views = {view: np.asarray(file[VIEW + view], dtype=np.float64) for view in config.views}
            whole = [np.asarray(file[name], dtype=np.int64) for name in ("labels", "recording", "trials")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        LOG.warning("%s cannot be read (%s): its windows are made anew", path, error)
        return None
    labels, recording, trials = whole
    sound = all(x.ndim == 2 and len(x) == len(labels) for x in views.values())
    sound = sound and all(x.shape == labels.shape == (len(labels),) for x in whole)
    if not sound or not len(labels) or not 0 <= recording.min() <= recording.max() < recordings:
        LOG.warning("%s does not hold what it should: its windows are made anew", path)
        return None
    return Recorded(views, labels, recording, trials)
