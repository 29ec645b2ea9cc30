"""Samples kept by cell, for extractors that need them as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats

FIRST_CAPACITY = 64


class CellStore:
    """Samples of the cells that an open window may still need, as float64 copies, each cell's in one piece."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[int, _Samples] = {}

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep samples of a cell."""
        kept = self._cells.get(cell)
        if kept is None:
            kept = self._cells[cell] = _Samples(values.shape[1], bool(len(stamps_s)))
        kept.add(stamps_s, values)

    def samples(self, cells: range) -> tuple[Floats, Floats] | None:
        """Stamps (samples,) and values (samples, channels) of some cells, not to be written to; None without any."""
        parts = [kept.all() for kept in (self._cells.get(cell) for cell in cells) if kept is not None]
        if not parts:
            return None
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([stamps for stamps, _ in parts]), np.concatenate([values for _, values in parts])

    def discard(self, before: int) -> None:
        """Forget the cells below `before`."""
        for cell in [cell for cell in self._cells if cell < before]:
            del self._cells[cell]


class _Samples:
    """Samples of one cell, in arrays that grow by doubling."""

    __slots__ = ("_count", "_stamped", "_stamps", "_values")

    def __init__(self, channels: int, stamped: bool) -> None:
        self._count = 0
        self._stamped = stamped
        self._stamps = np.empty(FIRST_CAPACITY if stamped else 0)
        self._values = np.empty((FIRST_CAPACITY, channels))

    def add(self, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Append samples."""
        stop = self._count + len(values)
        if stop > len(self._values):
            capacity = max(stop, 2 * len(self._values))
            self._values = _grown(self._values, capacity, self._count)
            if self._stamped:
                self._stamps = _grown(self._stamps, capacity, self._count)
        self._values[self._count : stop] = values
        if self._stamped:
            self._stamps[self._count : stop] = stamps_s
        self._count = stop

    def all(self) -> tuple[Floats, Floats]:
        """Stamps and values."""
        return self._stamps[: self._count], self._values[: self._count]


def _grown(array: Floats, capacity: int, used: int) -> Floats:
    larger = np.empty((capacity, *array.shape[1:]))
    larger[:used] = array[:used]
    return larger


def not_finite(labels: tuple[str, ...], values: Floats) -> str:
    """Why a view is missing whose values, (..., channels), are not all finite: it names up to four channels."""
    columns = values.reshape(-1, len(labels)).T
    bad = [label for label, column in zip(labels, columns, strict=True) if not np.isfinite(column).all()]
    more = f" and {len(bad) - 4} more" if len(bad) > 4 else ""
    return f"not finite: {', '.join(bad[:4])}{more}"
