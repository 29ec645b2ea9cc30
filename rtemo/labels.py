"""Labelled segments: from markers or from a BIDS events.tsv, and the label that each window takes from them."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.config import MarkerSettings
from rtemo.errors import LabelError
from rtemo.types import Floats, Marker

# A window's edge and a segment's edge that differ by less are one edge: float noise of the clock map.
EDGE_S = 1e-6
REQUIRED_COLUMNS = ("onset", "duration", "trial_type")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one label, ``[start_s, stop_s)`` on the LSL local clock: a trial."""

    start_s: float
    stop_s: float
    label: str


def segments_from_markers(markers: Iterable[Marker], settings: MarkerSettings) -> list[Segment]:
    """Segments that markers open: each lasts until the next marker of the stream, or for ``duration_s``.

    A marker that names no label ends the segment before it. The last segment has no end where nothing follows and
    no ``duration_s`` is set: it lasts until the recording does.

    Parameters
    ----------
    markers : iterable of Marker
        Of one stream, in any order.
    settings : MarkerSettings
        The mapping from marker text to label.

    Returns
    -------
    list of Segment
        In order, not overlapping.
    """
    ordered = sorted(markers, key=lambda marker: marker.stamp_s)
    segments = []
    for i, marker in enumerate(ordered):
        label = settings.labels.get(marker.text)
        if label is None:
            continue
        stop_s = ordered[i + 1].stamp_s if i + 1 < len(ordered) else math.inf
        if settings.duration_s is not None:
            stop_s = min(stop_s, marker.stamp_s + settings.duration_s)
        if stop_s > marker.stamp_s:
            segments.append(Segment(marker.stamp_s, stop_s, label))
    return segments


def events_path(recording: str | Path) -> Path:
    """Where the BIDS events of a recording lie: ``<recording>_events.tsv`` beside it."""
    recording = Path(recording)
    stem = recording.stem if recording.suffix.lower() != ".gz" else Path(recording.stem).stem
    return recording.with_name(stem + "_events.tsv")


def read_events(path: str | Path, labels: Sequence[str], aliases: dict[str, str], origin_s: float) -> list[Segment]:
    """Segments of a BIDS events file.

    Parameters
    ----------
    path : path-like
        Tab-separated, with the columns ``onset`` and ``duration`` (seconds) and ``trial_type``.
    labels : sequence of str
        The labels that are looked for; rows of other types are passed over.
    aliases : dict of str to str
        Further names for labels, by ``trial_type``.
    origin_s : float
        LSL local-clock time of the first sample of the recording, from which onsets count (BIDS).

    Returns
    -------
    list of Segment
        In order.

    Raises
    ------
    LabelError
        The file lacks a column, a number is none, or two labelled segments overlap.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            missing = [column for column in REQUIRED_COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise LabelError(
                    f"{path}: expected the columns {', '.join(REQUIRED_COLUMNS)}, found {reader.fieldnames}.",
                    cure="Write BIDS events, tab-separated.",
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: cannot be read as tab-separated text: {error}.") from error
    segments = []
    for number, row in enumerate(rows, start=2):
        kind = row["trial_type"] or ""
        label = aliases.get(kind, kind)
        if label not in labels:
            continue
        onset_s, duration_s = (_seconds(path, number, column, row[column]) for column in ("onset", "duration"))
        segments.append(Segment(origin_s + onset_s, origin_s + onset_s + duration_s, label))
    segments.sort(key=lambda segment: segment.start_s)
    for before, after in itertools.pairwise(segments):
        if after.start_s < before.stop_s - EDGE_S:
            raise LabelError(
                f"{path}: segment {after.label!r} at {after.start_s - origin_s:g} s begins inside {before.label!r}, "
                f"which ends at {before.stop_s - origin_s:g} s.",
                cure="A moment has one label: shorten one of them.",
            )
    return segments


def _seconds(path: Path, number: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (column == "duration" and value < 0):
        raise LabelError(
            f"{path}: line {number}: expected seconds in column {column!r}, found {text!r}.",
            cure="Mend the line.",
        )
    return value


def label_windows(
    start_s: Floats, stop_s: Floats, segments: Sequence[Segment]
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Label of each window: that of the segment it lies wholly inside, else none.

    Parameters
    ----------
    start_s, stop_s : ndarray of float64, shape (windows,)
        LSL local-clock seconds.
    segments : sequence of Segment
        In order, not overlapping.

    Returns
    -------
    label : ndarray of str, shape (windows,)
        Empty where a window lies in no segment or across an edge.
    segment : ndarray of int64, shape (windows,)
        Index into `segments`, -1 where there is none.
    """
    if not segments:
        return np.full(len(start_s), "", dtype=np.str_), np.full(len(start_s), -1, dtype=np.int64)
    starts = np.array([segment.start_s for segment in segments])
    stops = np.array([segment.stop_s for segment in segments])
    candidate = np.searchsorted(starts, start_s + EDGE_S, side="right") - 1
    inside = (candidate >= 0) & (stop_s <= stops[candidate] + EDGE_S)
    index = np.where(inside, candidate, -1).astype(np.int64)
    names = np.array([*(segment.label for segment in segments), ""], dtype=np.str_)
    return names[index], index
