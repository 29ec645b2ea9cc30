"""Windows that are lost and why, and how good the channels were."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.config import Configuration
from rtemo.extraction import bind, windows_of
from rtemo.sources import open_recording
from rtemo.types import FeatureTable

BAD = 0.5
NUMBER = re.compile(r"-?\d+(\.\d+)?")
MOST_REASONS = 8

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ViewLosses:
    """Labelled windows without a view.

    Parameters
    ----------
    missing, windows : int
        Labelled windows that lack it, of how many.
    reasons : mapping of str to int
        Commonest first; numbers in a reason are those of its first window.
    """

    missing: int
    windows: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """A channel, or a measure, over the labelled windows in which it was judged.

    Parameters
    ----------
    name : str
    judged : int
    bad : int
        Windows with a score below a half.
    score : float
        Mean, 1 is best.
    """

    name: str
    judged: int
    bad: int
    score: float


def losses(
    paths: Sequence[str | Path], tables: Sequence[FeatureTable], config: Configuration, *, unsynchronised: bool = False
) -> dict[str, ViewLosses]:
    """Labelled windows that lack a view, by view, with the reasons that the pipeline gives.

    A recording is read once more where it lacks any; most lack none.

    Parameters
    ----------
    paths : sequence of path-like
        Of the recordings, each of which gave one of the tables.
    tables : sequence of FeatureTable
    config : Configuration
    unsynchronised : bool
    """
    missing, windows = Counter[str](), 0
    reasons: dict[str, Counter[str]] = {view: Counter() for view in config.views}
    for path, table in zip(paths, tables, strict=True):
        labelled = table.trial >= 0
        windows += int(labelled.sum())
        lost = {view: labelled & ~table.available[view] for view in config.views}
        missing.update({view: int(rows.sum()) for view, rows in lost.items()})
        if any(rows.any() for rows in lost.values()):
            for view, found in _reasons(path, table, lost, config, unsynchronised).items():
                reasons[view].update(found)
    return {
        view: ViewLosses(missing[view], windows, dict(_alike(reasons[view]).most_common(MOST_REASONS)))
        for view in config.views
    }


def channel_quality(table: FeatureTable) -> dict[str, tuple[ChannelQuality, ...]]:
    """Quality of every channel of every view that is watched, over labelled windows."""
    labelled = table.trial >= 0
    out = {}
    for view, names in table.quality_names.items():
        scores = table.quality[view][labelled]
        judged = np.isfinite(scores)
        total = np.where(judged, scores, 0.0).sum(axis=0)
        out[view] = tuple(
            ChannelQuality(
                name,
                int(judged[:, i].sum()),
                int((scores[:, i] < BAD).sum()),
                float(total[i] / judged[:, i].sum()) if judged[:, i].any() else float("nan"),
            )
            for i, name in enumerate(names)
        )
    return out


def _reasons(
    path: str | Path,
    table: FeatureTable,
    lost: Mapping[str, NDArray[np.bool_]],
    config: Configuration,
    unsynchronised: bool,
) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {view: Counter() for view in lost}
    wanted = {view: set(table.start_s[rows].tolist()) for view, rows in lost.items()}
    source = open_recording(path, unsynchronised=unsynchronised)
    try:
        for window in windows_of(source, bind(config, source), config, lambda _item: None):
            for view, reason in window.reason.items():
                if window.start_s in wanted[view]:
                    found[view][reason] += 1
    finally:
        source.close()
    return found


def _alike(counts: Counter[str]) -> Counter[str]:
    """Reasons that differ in their numbers only, as one."""
    names: dict[str, str] = {}
    out = Counter[str]()
    for reason, count in counts.items():
        out[names.setdefault(NUMBER.sub("#", reason), reason)] += count
    return out
