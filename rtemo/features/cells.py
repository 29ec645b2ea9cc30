"""Samples kept by cell, for extractors that need them as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Floats


class CellStore:
    """Samples of the cells that an open window may still need, as float64 copies."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[int, list[tuple[Floats, Floats]]] = {}

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep samples of a cell."""
        kept = (stamps_s.astype(np.float64), values.astype(np.float64, order="C"))
        self._cells.setdefault(cell, []).append(kept)

    def samples(self, cells: range) -> tuple[Floats, Floats] | None:
        """Stamps (samples,) and values (samples, channels) of a run of cells; None where there are none."""
        parts = [part for cell in cells for part in self._cells.get(cell, ())]
        if not parts:
            return None
        return np.concatenate([stamps for stamps, _ in parts]), np.concatenate([values for _, values in parts])

    def discard(self, before: int) -> None:
        """Forget the cells below `before`."""
        for cell in [cell for cell in self._cells if cell < before]:
            del self._cells[cell]


def not_finite(labels: tuple[str, ...], values: Floats) -> str:
    """Why a view is missing whose values, (..., channels), are not all finite: it names up to four channels."""
    columns = values.reshape(-1, len(labels)).T
    bad = [label for label, column in zip(labels, columns, strict=True) if not np.isfinite(column).all()]
    more = f" and {len(bad) - 4} more" if len(bad) > 4 else ""
    return f"not finite: {', '.join(bad[:4])}{more}"
