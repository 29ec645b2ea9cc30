"""Windows that are kept: bounded in number and age, spaced in time, and balanced over cells."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from rtemo.types import Bools, Floats

Cell = tuple[Hashable, ...]


class Kept(NamedTuple):
    """A window: model inputs (D,), views (V,), and when it ended."""

    x: Floats
    available: Bools
    stop_s: float


class BalancedMemory:
    """First in, first out within each cell, so that what comes often does not crowd out what is rare.

    Parameters
    ----------
    cell_size : int
        Windows a cell, at most.
    stride : int
        Of the windows of a cell only every so-many-th is kept.
    max_age_s : float
        Older windows, against the newest one seen, are let go.
    max_cells : int
        Of more cells, the one that was not added to for longest is let go.
    """

    def __init__(self, *, cell_size: int, stride: int = 1, max_age_s: float, max_cells: int = 256) -> None:
        self._cell_size = cell_size
        self._stride = stride
        self._max_age_s = max_age_s
        self._max_cells = max_cells
        self._cells: dict[Cell, deque[Kept]] = {}
        self._seen: dict[Cell, int] = {}

    def __len__(self) -> int:
        return sum(len(cell) for cell in self._cells.values())

    @property
    def cells(self) -> dict[Cell, int]:
        """Windows by cell."""
        return {key: len(cell) for key, cell in self._cells.items()}

    def add(self, key: Cell, x: Floats, available: Bools, stop_s: float) -> None:
        """Keep a window in a cell, or pass over it where the last one kept is too near."""
        # Taken out and put back: the order of the keys is the order in which cells were last added to.
        cell = self._cells.pop(key, None)
        self._cells[key] = deque(maxlen=self._cell_size) if cell is None else cell
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        if count % self._stride == 0:
            self._cells[key].append(Kept(x, available, stop_s))
        for other in self._cells.values():
            while other and stop_s - other[0].stop_s > self._max_age_s:
                other.popleft()
        if len(self._cells) > self._max_cells:
            oldest = next(iter(self._cells))
            del self._cells[oldest], self._seen[oldest]

    def clear(self) -> None:
        """Keep nothing."""
        self._cells.clear()
        self._seen.clear()

    def windows(self) -> tuple[Floats, Bools]:
        """All windows, (windows, D) and (windows, V), cell by cell in a fixed order; empty where there are none."""
        kept = [window for key in sorted(self._cells, key=repr) for window in self._cells[key]]
        if not kept:
            return np.zeros((0, 0)), np.zeros((0, 0), dtype=bool)
        return np.stack([window.x for window in kept]), np.stack([window.available for window in kept])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Floats, Bools]:
        """`count` windows, cells alike, drawn with replacement; as `windows`."""
        filled = [self._cells[key] for key in sorted(self._cells, key=repr) if self._cells[key]]
        if not filled or not count:
            return np.zeros((0, 0)), np.zeros((0, 0), dtype=bool)
        cells = rng.integers(len(filled), size=count)
        kept = [filled[cell][int(rng.integers(len(filled[cell])))] for cell in cells]
        return np.stack([window.x for window in kept]), np.stack([window.available for window in kept])

    def save(self) -> object:
        """All that it holds, for `restore`."""
        return {key: tuple(cell) for key, cell in self._cells.items()}, dict(self._seen)

    def restore(self, saved: object) -> None:
        """Back to what it held when `saved` was."""
        assert isinstance(saved, tuple)
        cells, seen = saved
        self._cells = {key: deque(cell, maxlen=self._cell_size) for key, cell in cells.items()}
        self._seen = dict(seen)
