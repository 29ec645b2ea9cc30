"""Labelled segments: from markers or from a BIDS events.tsv, and the label that each window takes from them."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
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
TRIAL_COLUMN = "trial"
NO_VALUE = "n/a"
"""What BIDS writes where there is no value."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one label, ``[start_s, stop_s)`` on the LSL local clock: a trial, or a part of one.

    Segments of one recording that have the same label and the same ``trial`` are parts of one trial; one whose
    ``trial`` is empty is a trial of its own.
    """

    start_s: float
    stop_s: float
    label: str
    trial: str = ""


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


def events_table(path: Path, content: bytes) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """Names of the columns of a BIDS events file, and its rows with their lines.

    BIDS knows no quoting: a quotation mark is a letter like any other.

    Parameters
    ----------
    path : Path
        For errors.
    content : bytes
        Of the file.

    Raises
    ------
    LabelError
        It is no tab-separated text, lacks a column, or has one twice.
    """
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: cannot be read as tab-separated text: {error}.") from error
    columns = tuple(rows[0][1]) if rows else ()
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice or any(name not in columns for name in REQUIRED_COLUMNS):
        found = f"twice {', '.join(twice)[:200]}" if twice else f"{', '.join(columns)[:200] or 'none'}"
        raise LabelError(
            f"{path}: expected the columns {', '.join(REQUIRED_COLUMNS)}, each once; found {found}.",
            cure="Write BIDS events: tab-separated, without quotes.",
        )
    return columns, rows[1:]


def label_of(trial_type: str, aliases: Mapping[str, str]) -> str:
    """The label that a row's ``trial_type`` names, by itself or by a further name; blanks around it are not of it."""
    kind = trial_type.strip()
    return aliases.get(kind, kind)


def has_no_duration(duration: str) -> bool:
    """Whether a row's ``duration`` is not known: such a row is an instant to us, and no segment (BIDS allows it)."""
    return duration.strip() == NO_VALUE


def read_events(path: str | Path, labels: Sequence[str], aliases: dict[str, str], origin_s: float) -> list[Segment]:
    """Segments of a BIDS events file.

    Parameters
    ----------
    path : path-like
        Tab-separated, with the columns ``onset`` and ``duration`` (seconds) and ``trial_type``; where there is a column
        ``trial``, it says which segments of a label are parts of one trial.
    labels : sequence of str
        The labels that are looked for; rows of other types are passed over, as are those of the duration ``n/a``.
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
        content = path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: cannot be read: {error}.") from error
    columns, rows = events_table(path, content)
    segments = []
    for line, cells in rows:
        row = dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))
        label = label_of(row["trial_type"], aliases)
        if label not in labels or has_no_duration(row["duration"]):
            continue
        onset_s, duration_s = (_seconds(path, line, column, row[column]) for column in ("onset", "duration"))
        trial = row.get(TRIAL_COLUMN, "").strip()
        trial = "" if trial == NO_VALUE else trial
        segments.append(Segment(origin_s + onset_s, origin_s + onset_s + duration_s, label, trial))
    segments.sort(key=lambda segment: segment.start_s)
    for before, after in itertools.pairwise(segments):
        if after.start_s < before.stop_s - EDGE_S:
            raise LabelError(
                f"{path}: segment {after.label!r} at {after.start_s - origin_s:g} s begins inside {before.label!r}, "
                f"which ends at {before.stop_s - origin_s:g} s.",
                cure="A moment has one label: shorten one of them.",
            )
    return segments


def _seconds(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (column == "duration" and value < 0):
        raise LabelError(
            f"{path}: line {line}: expected seconds in column {column!r}, found {text[:80]!r}.",
            cure="Mend the line.",
        )
    return value


def label_windows(
    start_s: Floats, stop_s: Floats, segments: Sequence[Segment]
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Label and trial of each window: those of the segment it lies wholly inside, else none.

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
    trial : ndarray of int64, shape (windows,)
        Index into `segments` of the first segment of the trial, -1 where there is none. Windows of all parts of a
        trial have one number, so that none of them is held out without the others.
    """
    if not segments:
        return np.full(len(start_s), "", dtype=np.str_), np.full(len(start_s), -1, dtype=np.int64)
    starts = np.array([segment.start_s for segment in segments])
    stops = np.array([segment.stop_s for segment in segments])
    candidate = np.searchsorted(starts, start_s + EDGE_S, side="right") - 1
    inside = (candidate >= 0) & (stop_s <= stops[candidate] + EDGE_S)
    index = np.where(inside, candidate, -1).astype(np.int64)
    names = np.array([*(segment.label for segment in segments), ""], dtype=np.str_)
    return names[index], np.array([*_trials(segments), -1], dtype=np.int64)[index]


def _trials(segments: Sequence[Segment]) -> list[int]:
    """For each segment the index of the first one of its trial."""
    first: dict[tuple[str, str], int] = {}
    return [
        first.setdefault((segment.label, segment.trial), number) if segment.trial else number
        for number, segment in enumerate(segments)
    ]
