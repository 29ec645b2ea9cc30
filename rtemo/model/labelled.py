"""Labelled windows that a bundle keeps: which of many, how they are written, and how they are read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtemo.model.tensors import expect, read_tensors, take

MAX_WINDOWS = 4000
"""As many calibration windows a bundle keeps at most: hours of a session, and some megabytes."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelledWindows:
    """Windows with labels, as the model takes them.

    Parameters
    ----------
    views : mapping of str to ndarray of float32, shape (windows, D_v)
        Standardised, in the order of the model's views; rows of NaN where the view is missing.
    labels : ndarray of int64, shape (windows,)
        Index into the bundle's labels.
    trials : ndarray of int64, shape (windows,)
        Unique across recordings; -1 where there is none.
    recordings : ndarray of int64, shape (windows,)
        Index into the bundle's recordings; -1 where it is not known.
    """

    views: Mapping[str, NDArray[np.float32]]
    labels: Ints
    trials: Ints
    recordings: Ints

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def available(self) -> Bools:
        """The mask, (windows, V)."""
        return np.stack([np.isfinite(x).all(axis=1) for x in self.views.values()], axis=1)


def take_windows(
    rows: Bools, views: Mapping[str, NDArray[np.floating]], labels: Ints, trials: Ints, recordings: Ints
) -> LabelledWindows:
    """Some windows of many.

    Parameters
    ----------
    rows : ndarray of bool, shape (windows,)
    views, labels, trials, recordings
        Of all windows, see `LabelledWindows`.
    """
    chosen = {view: x[rows].astype(np.float32) for view, x in views.items()}
    return LabelledWindows(chosen, labels[rows], trials[rows], recordings[rows])


def thin(rows: Bools, labels: Ints, recordings: Ints, limit: int = MAX_WINDOWS) -> Bools:
    """Keep at most `limit` of some windows, evenly in time within each class of each recording.

    Every class of every recording keeps the same number of windows, or all that it has where these are fewer.

    Parameters
    ----------
    rows : ndarray of bool, shape (windows,)
        The windows to choose from.
    labels, recordings : ndarray of int64, shape (windows,)
        In order of time within a recording.
    limit : int

    Returns
    -------
    ndarray of bool, shape (windows,)
    """
    places = np.flatnonzero(rows)
    if len(places) <= limit:
        return rows.copy()
    pairs = np.column_stack([labels[places], recordings[places]])
    _, cell, sizes = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    out = np.zeros(len(rows), dtype=bool)
    for number, share in enumerate(fair_shares(sizes, limit)):
        members = places[cell.ravel() == number]
        out[members[((np.arange(share) + 0.5) * len(members) / max(share, 1)).astype(np.int64)]] = True
    return out


def fair_shares(sizes: Ints, limit: int) -> Ints:
    """Of groups of these sizes, how many each may keep so that they are `limit` in all and the smallest shares largest.

    Parameters
    ----------
    sizes : ndarray of int64, shape (groups,)
        More than `limit` in all.
    limit : int

    Returns
    -------
    ndarray of int64, shape (groups,)
    """
    shares = np.zeros_like(sizes)
    left = limit
    # From the smallest group on: what it does not need is shared out among the larger ones.
    for done, group in enumerate(np.argsort(sizes, kind="stable")):
        shares[group] = min(int(sizes[group]), left // (len(sizes) - done))
        left -= int(shares[group])
    return shares


def tensors_of(windows: LabelledWindows) -> dict[str, Tensor]:
    """What a file of labelled windows holds."""
    views = {f"view.{view}": torch.from_numpy(np.asarray(x, dtype=np.float32)) for view, x in windows.views.items()}
    numbers = {"labels": windows.labels, "trials": windows.trials, "recordings": windows.recordings}
    return views | {name: torch.from_numpy(np.asarray(value, dtype=np.int64)) for name, value in numbers.items()}


def read_windows(
    path: Path, digest: str, dims: Mapping[str, int], *, classes: int, recordings: int, dated: bool = False
) -> LabelledWindows:
    """Read labelled windows from a file that is not trusted.

    Parameters
    ----------
    path : Path
    digest : str
        Its SHA-256.
    dims : mapping of str to int
        Features of each view of the model, in order.
    classes, recordings : int
        How many the bundle has.
    dated : bool
        Whether the file may be of a time when recordings were not written: they are -1 then.

    Raises
    ------
    BundleError
        The file is missing, damaged, or holds what does not fit the bundle; the message names it.
    """
    tensors = read_tensors(path, digest)
    count = len(tensors["labels"]) if "labels" in tensors and tensors["labels"].dim() == 1 else 0
    if dated and "recordings" not in tensors:
        tensors["recordings"] = torch.full((count,), -1, dtype=torch.int64)
    labels, trials, recording = (
        take(path, tensors, name, (count,), torch.int64).numpy() for name in ("labels", "trials", "recordings")
    )
    views = {
        view: take(path, tensors, f"view.{view}", (count, dim), torch.float32).numpy() for view, dim in dims.items()
    }
    expect(path, "tensors beside those of labelled windows", [], sorted(tensors)[:3])
    windows = LabelledWindows(views, labels, trials, recording)
    check_windows(path, windows, dims, classes=classes, recordings=recordings)
    return windows


def check_windows(
    where: Path, windows: LabelledWindows, dims: Mapping[str, int], *, classes: int, recordings: int
) -> None:
    """Refuse labelled windows that do not fit their bundle.

    Raises
    ------
    BundleError
        The message begins with `where`.
    """
    count = len(windows.labels)
    expect(where, "views of the labelled windows", sorted(dims), sorted(windows.views))
    for view, x in windows.views.items():
        expect(where, f"labelled windows of view {view!r}: shape", (count, dims[view]), x.shape)
        whole = np.isfinite(x).all(axis=1) | np.isnan(x).all(axis=1)
        expect(where, f"view {view!r}: only finite numbers, or none, in a labelled window", True, bool(whole.all()))
    for name, values in (("trials", windows.trials), ("recordings", windows.recordings)):
        expect(where, f"{name} of the labelled windows: shape", (count,), values.shape)
    expect(where, "labels within those of the bundle", True, _within(windows.labels, 0, classes))
    expect(where, "trials from -1 on", True, bool((windows.trials >= -1).all()))
    expect(where, "recordings within those of the bundle", True, _within(windows.recordings, -1, recordings))


def _within(values: Ints, low: int, stop: int) -> bool:
    return bool(((values >= low) & (values < stop)).all())
