"""What a recording is made of while it waits to be written, and how it becomes chunks of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats
from rtemo.xdf import StreamHeader

CHUNK_S = 0.25
MOST_IRREGULAR = 1024
MOST_CHARACTERS = 1 << 20
"""Of one chunk of text: readers limit what they take in one piece."""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """A new stream; `put_s` is when it was handed over, on the recorder's clock, here and below."""

    put_s: float
    header: StreamHeader
    xml: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Samples of a numeric stream: stamps of shape (samples,), values of shape (samples, channels)."""

    put_s: float
    stream_id: int
    stamps_s: Floats
    values: NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Samples of a text stream, one tuple of strings a sample."""

    put_s: float
    stream_id: int
    stamps_s: Floats
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Offset:
    """A clock measurement."""

    put_s: float
    stream_id: int
    time_s: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Boundary:
    """A mark where readers can go on after damage."""

    put_s: float


Entry = Header | Numbers | Rows | Offset | Boundary


def most_samples(header: StreamHeader) -> int:
    """How many samples of a stream a chunk may hold: 0.25 s of a regular one."""
    if header.nominal_rate_hz <= 0:
        return MOST_IRREGULAR
    return max(1, int(CHUNK_S * header.nominal_rate_hz))


def merged(entries: Iterable[Entry], most: Mapping[int, int]) -> Iterator[Entry]:
    """The same entries with consecutive samples of a stream joined into chunks of at most 0.25 s.

    The order of one stream's samples and clock offsets is kept exactly, as replay takes them in the order of the file;
    that between streams changes within one call at most.

    Parameters
    ----------
    entries : iterable of Entry
    most : mapping of int to int
        By stream, the most samples that a chunk may hold. Longer entries are cut.
    """
    growing: dict[int, list[Numbers | Rows]] = {}
    for entry in entries:
        if isinstance(entry, Numbers | Rows):
            for piece in _pieces(entry, most[entry.stream_id]):
                group = growing.get(piece.stream_id)
                if group is not None and not _fits(group, piece, most[piece.stream_id]):
                    yield _joined(group)
                    group = None
                if group is None:
                    growing[piece.stream_id] = [piece]
                else:
                    group.append(piece)
            continue
        if isinstance(entry, Offset) and entry.stream_id in growing:
            yield _joined(growing.pop(entry.stream_id))
        yield entry
    for group in growing.values():
        yield _joined(group)


def size_in_bytes(entry: Entry) -> int:
    """About how much memory an entry's content takes."""
    if isinstance(entry, Numbers):
        return entry.values.nbytes + entry.stamps_s.nbytes
    if isinstance(entry, Rows):
        return entry.stamps_s.nbytes + _characters(entry)
    return len(entry.xml) if isinstance(entry, Header) else 0


def _pieces(entry: Numbers | Rows, most: int) -> Iterator[Numbers | Rows]:
    """An entry cut into pieces that may be chunks; most often it is one already."""
    count = len(entry.stamps_s)
    if count <= most:
        if count:
            yield entry
        return
    for start in range(0, count, most):
        part = slice(start, start + most)
        if isinstance(entry, Numbers):
            yield Numbers(entry.put_s, entry.stream_id, entry.stamps_s[part], entry.values[part])
        else:
            yield Rows(entry.put_s, entry.stream_id, entry.stamps_s[part], entry.rows[part])


def _fits(group: list[Numbers | Rows], piece: Numbers | Rows, most: int) -> bool:
    count = sum(len(one.stamps_s) for one in group) + len(piece.stamps_s)
    near = abs(float(piece.stamps_s[-1]) - float(group[0].stamps_s[0])) <= CHUNK_S
    return count <= most and near and _characters(piece) + sum(map(_characters, group)) <= MOST_CHARACTERS


def _characters(entry: Numbers | Rows) -> int:
    return 0 if isinstance(entry, Numbers) else sum(len(text) for row in entry.rows for text in row)


def _joined(group: list[Numbers | Rows]) -> Numbers | Rows:
    first = group[0]
    if len(group) == 1:
        return first
    stamps_s = np.concatenate([piece.stamps_s for piece in group])
    if isinstance(first, Numbers):
        values = np.concatenate([piece.values for piece in group if isinstance(piece, Numbers)])
        return Numbers(first.put_s, first.stream_id, stamps_s, values)
    rows = [row for piece in group if isinstance(piece, Rows) for row in piece.rows]
    return Rows(first.put_s, first.stream_id, stamps_s, rows)
