"""BIDS ``_events.tsv``: read so that nothing is lost, and written so that nothing is lost either."""

from __future__ import annotations

import bisect
import datetime
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from calibration.labels.replacing import replace_file
from calibration.labels.sidecar import sidecar_path, sidecar_text
from calibration.labels.track import NO_LABEL, LabelSegment, LabelTrack, seconds
from rtemo.errors import LabelError
from rtemo.labels import EDGE_S, NO_VALUE, REQUIRED_COLUMNS, events_table, has_no_duration, label_of

MOST_BYTES = 16 * 2**20
MOST_ROWS = 100_000
ONSET, DURATION, TRIAL_TYPE = REQUIRED_COLUMNS
_CLOSE_S = 1e-9
"""Numbers that differ by less were not changed: their text stays as it was."""


_BREAKS = str.maketrans("\t\r\n", "   ")
"""What would end a cell or a row, for which BIDS has no quotes, becomes a blank."""
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was read.

    Parameters
    ----------
    text : str
        All of it, with the mark that spreadsheets begin with.
    track : LabelTrack
    others : tuple of mapping of str to str
        What was found in it.
    """

    text: str
    track: LabelTrack
    others: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What an events file holds.

    Parameters
    ----------
    track : LabelTrack
        Its segments.
    others : tuple of mapping of str to str
        Rows that are no segments, by column: events without length, stretches of other kinds that overlap segments.
    columns : tuple of str
        In their order.
    fingerprint : str
        Of the file as it was read; empty where there was none.
    original : Original, optional
        What was read, which is written again as far as it is not changed.
    """

    track: LabelTrack = field(default_factory=LabelTrack)
    others: tuple[Mapping[str, str], ...] = ()
    columns: tuple[str, ...] = REQUIRED_COLUMNS
    fingerprint: str = ""
    original: Original | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What writing did: files that were written, copies of the old ones, and the fingerprint of the events file."""

    files: tuple[Path, ...] = ()
    backups: tuple[Path, ...] = ()
    fingerprint: str = ""


def read_label_file(
    path: str | Path, labels: Sequence[str] | None = None, aliases: Mapping[str, str] | None = None
) -> LabelFile:
    """Read an events file; a file that is not there holds nothing.

    Parameters
    ----------
    path : path-like
    labels : sequence of str, optional
        A row whose ``trial_type`` is among them is a segment, whatever it overlaps. Rows of other types with a length
        are segments where they overlap none; without `labels`, every row with a length is one. A row of the duration
        ``n/a`` never is.
    aliases : mapping of str to str, optional
        Labels by further names of theirs.

    Returns
    -------
    LabelFile

    Raises
    ------
    LabelError
        The file cannot be read as tab-separated text, lacks a column, or a labelled row has no numbers.
    """
    path = Path(path)
    content = _content(path)
    if content is None:
        return LabelFile()
    columns, rows = _table(path, content)
    known = None if labels is None else frozenset(labels)
    segments: list[LabelSegment] = []
    doubtful: list[tuple[LabelSegment, Mapping[str, str]]] = []
    others: list[Mapping[str, str]] = []
    for line, cells in rows:
        label = label_of(cells[TRIAL_TYPE], aliases or {})
        label = "" if label in ("", NO_LABEL) else label
        sure = bool(label) and known is not None and label in known and not has_no_duration(cells[DURATION])
        onset_s, duration_s = (_number(path, line, name, cells[name], needed=sure) for name in REQUIRED_COLUMNS[:2])
        if sure or duration_s > EDGE_S:
            segment = LabelSegment(onset_s, onset_s + duration_s, label, cells)
            if sure or (known is None and label):
                segments.append(segment)
            else:
                doubtful.append((segment, cells))
        else:
            others.append(cells)
    taken = _union(segments)
    for segment, row in doubtful:
        place = bisect.bisect_left(taken, (segment.start_s, segment.stop_s))
        beside = taken[max(place - 1, 0) : place + 1]
        if any(min(segment.stop_s, stop_s) - max(segment.start_s, start_s) > EDGE_S for start_s, stop_s in beside):
            others.append(row)
        else:
            taken.insert(place, (segment.start_s, segment.stop_s))
            segments.append(segment)
    track, kept = LabelTrack(tuple(segments)), tuple(others)
    return LabelFile(track, kept, columns, _fingerprint(content), Original(content.decode(), track, kept))


def write_label_file(
    path: str | Path,
    labels: LabelFile,
    *,
    levels: Sequence[str] = (),
    descriptions: Mapping[str, str] | None = None,
    now: datetime.datetime | None = None,
    expected: str | None = None,
) -> Written:
    """Write an events file and its sidecar; the old ones are kept as ``<name>.<UTC>.bak``.

    A reader finds the old file or the new one, never half of one. Where nothing would change, nothing is written. A
    link stays one: what it leads to is replaced. Files keep their modes.

    Parameters
    ----------
    path : path-like
        ``<recording>_events.tsv``; the sidecar is ``<recording>_events.json`` beside it.
    labels : LabelFile
    levels : sequence of str
        Labels of the configuration, for the sidecar.
    descriptions : mapping of str to str, optional
        Of columns that the sidecar does not describe by itself.
    now : datetime, optional
        When this is; with a time zone.
    expected : str, optional
        The fingerprint that the file should have: what was read before. Any, where it is not given.

    Returns
    -------
    Written

    Raises
    ------
    LabelError
        Somebody else has changed the file since it was read.
    OSError
        The disk is full, or the folder cannot be written; the old files are as they were.
    """
    path = Path(path)
    content = label_text(labels).encode()
    old = _content(path)
    if expected is not None and ("" if old is None else _fingerprint(old)) != expected:
        raise LabelError(
            f"{path}: somebody has changed the file since it was read.", cure="Read it again, or save all the same."
        )
    described = _described(labels)
    files, backups = [], []
    for target, new in (
        (sidecar_path(path), sidecar_text(sidecar_path(path), described, levels, descriptions or {})),
        (path, content),
    ):
        before = _content(target)
        if before == new:
            continue
        backup = replace_file(target, before, new, now or datetime.datetime.now(datetime.UTC))
        files.append(target)
        backups += [backup] if backup is not None else []
    return Written(tuple(files), tuple(backups), _fingerprint(content))


def label_text(labels: LabelFile) -> str:
    """An events file as text: as it was read where nothing is changed, else its rows in order of their onsets.

    What is not known is ``n/a``; tabs and line ends within a cell become blanks. Line ends are those of the file that
    was read.

    Raises
    ------
    LabelError
        Two columns would have one name.
    """
    was = labels.original
    if was is not None and (was.track, was.others) == (labels.track, labels.others):
        return was.text
    columns = _described(labels)
    header = [name.translate(_BREAKS) for name in columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise LabelError(f"expected columns of different names, found twice {', '.join(twice)[:200]}.")
    rows: list[tuple[float, Mapping[str, str]]] = [(one.start_s, _cells(one)) for one in labels.track.segments]
    rows += [(_onset(cells), cells) for cells in labels.others]
    rows.sort(key=lambda row: row[0])
    lines = [header, *([cells.get(name, NO_VALUE).translate(_BREAKS) for name in columns] for _, cells in rows)]
    end, mark, last = ("\n", "", "\n") if was is None else _form(was.text)
    return mark + end.join("\t".join(line) for line in lines) + last


def new_label_file(segments: Iterable[LabelSegment], columns: Sequence[str] = ()) -> LabelFile:
    """An events file of segments that come from elsewhere; `columns` says which of their cells come first.

    Empty cells, which BIDS does not know, are ``n/a``.
    """
    told = (replace(one, cells={name: text or NO_VALUE for name, text in one.cells.items()}) for one in segments)
    return LabelFile(LabelTrack(tuple(told)), (), tuple(dict.fromkeys((*REQUIRED_COLUMNS, *columns))))


def _form(text: str) -> tuple[str, str, str]:
    """How a text ends its lines, how it begins, and how it ends."""
    end = next((one for one in ("\r\n", "\n", "\r") if one in text), "\n")
    return end, _BOM if text.startswith(_BOM) else "", end if text.endswith(("\n", "\r")) else ""


def _union(segments: Sequence[LabelSegment]) -> list[tuple[float, float]]:
    """The stretches that segments cover, in order and apart from each other."""
    union: list[tuple[float, float]] = []
    for start_s, stop_s in sorted((one.start_s, one.stop_s) for one in segments):
        if union and start_s <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], stop_s)
        else:
            union.append((start_s, stop_s))
    return union


def _described(labels: LabelFile) -> tuple[str, ...]:
    """All columns: those of the file, then those that segments brought."""
    brought = (name for segment in labels.track.segments for name in segment.cells)
    return tuple(dict.fromkeys((*labels.columns, *brought)))


def _cells(segment: LabelSegment) -> dict[str, str]:
    """A segment's row; what was not changed is written as it was read."""
    cells = dict(segment.cells)
    read_onset, read_duration = (_float(cells.get(name, "")) for name in REQUIRED_COLUMNS[:2])
    if not (
        abs(read_onset - segment.start_s) <= _CLOSE_S and abs(read_onset + read_duration - segment.stop_s) <= _CLOSE_S
    ):
        cells[ONSET] = seconds(segment.start_s)
        # Of the rounded edges, so that neighbours that touch still do.
        cells[DURATION] = seconds(float(seconds(segment.stop_s)) - float(cells[ONSET]))
    # Further names of a label stay in the file as long as the label is not changed.
    cells.setdefault(TRIAL_TYPE, segment.label or NO_LABEL)
    return cells


def _onset(cells: Mapping[str, str]) -> float:
    onset_s = _float(cells.get(ONSET, ""))
    return onset_s if math.isfinite(onset_s) else math.inf


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _number(path: Path, line: int, column: str, text: str, *, needed: bool) -> float:
    """A number of a row; NaN where it is none and the row need not have one."""
    value = _float(text)
    if not math.isfinite(value) or (column == DURATION and value < 0):
        if not needed:
            return math.nan
        raise LabelError(
            f"{path}: line {line}: expected seconds in column {column!r}, found {text[:80]!r}.", cure="Mend the line."
        )
    return value


def _content(path: Path) -> bytes | None:
    """What a file holds; None where there is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LabelError(
                f"{path}: expected at most {MOST_BYTES // 2**20} MB, found {path.stat().st_size // 2**20} MB.",
                cure="This is no list of events.",
            )
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _table(path: Path, content: bytes) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """Names of the columns, and the rows by column with their lines."""
    columns, lines = events_table(path, content)
    if len(lines) >= MOST_ROWS:
        raise LabelError(
            f"{path}: expected at most {MOST_ROWS} rows, found {len(lines)}.", cure="This is no list of labels."
        )
    rows = []
    for line, row in lines:
        if len(row) > len(columns):
            raise LabelError(
                f"{path}: line {line}: expected {len(columns)} cells, found {len(row)}.", cure="Mend the line."
            )
        rows.append((line, dict(itertools.zip_longest(columns, row, fillvalue=""))))
    return columns, rows
