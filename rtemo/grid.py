"""The grid of windows on the LSL clock, and the cells between their edges.

Window k covers ``[k * hop, k * hop + length)``. The starts and ends of all windows cut time into *cells*, so every
window is a run of whole cells and no sample has to be looked at again when windows overlap.
"""

from __future__ import annotations

import math

EDGE_TOLERANCE_S = 1e-6
"""A stamp this little below an edge counts as on it: the arithmetic of clocks leaves about 1e-10 s.

The clock map itself errs by more, up to 0.3 ms in the first seconds of a recording: a sample that lies on an edge may
then fall on its other side.
"""


class Grid:
    """The grid of windows and of the cells between their edges.

    Parameters
    ----------
    length_s, hop_s : float
        Length of a window and distance of two starts, in seconds; windows overlap where the hop is the
        shorter one and leave stretches of time out where it is the longer one.

    Notes
    -----
    With ``length = whole * hop + rest`` there is one cell a hop where ``rest`` is zero, else two:
    ``[i * hop, i * hop + rest)`` and ``[i * hop + rest, (i + 1) * hop)``. Cells are numbered without a break.
    """

    __slots__ = ("_rest_s", "_whole", "cells_per_hop", "hop_s", "length_s")

    def __init__(self, length_s: float, hop_s: float) -> None:
        if not (0 < length_s < math.inf and 0 < hop_s < math.inf):
            raise ValueError(f"window length and hop must be positive, found {length_s} s and {hop_s} s")
        self.length_s = length_s
        self.hop_s = hop_s
        nearest = round(length_s / hop_s)
        if nearest >= 1 and abs(length_s - nearest * hop_s) <= EDGE_TOLERANCE_S:
            self._whole, self._rest_s, self.cells_per_hop = nearest, 0.0, 1
        else:
            self._whole = math.floor(length_s / hop_s)
            self._rest_s, self.cells_per_hop = length_s - self._whole * hop_s, 2

    def start_s(self, window: int) -> float:
        """Start of a window, LSL clock seconds."""
        return window * self.hop_s

    def stop_s(self, window: int) -> float:
        """End of a window, LSL clock seconds; itself outside."""
        return window * self.hop_s + self.length_s

    def cells(self, window: int) -> range:
        """Cells that make up a window."""
        per_hop = self.cells_per_hop
        return range(per_hop * window, per_hop * (window + self._whole) + per_hop - 1)

    def cell_start_s(self, cell: int) -> float:
        """Start of a cell, LSL clock seconds."""
        hop, part = divmod(cell, self.cells_per_hop)
        return hop * self.hop_s + part * self._rest_s

    def cell_of(self, stamp_s: float) -> int:
        """Cell in which a stamp lies, an edge counting from `EDGE_TOLERANCE_S` below it."""
        stamp_s += EDGE_TOLERANCE_S
        hop = math.floor(stamp_s / self.hop_s)
        if hop * self.hop_s > stamp_s:
            hop -= 1
        elif (hop + 1) * self.hop_s <= stamp_s:
            hop += 1
        if self.cells_per_hop == 1:
            return hop
        return 2 * hop + (stamp_s >= hop * self.hop_s + self._rest_s)

    def first_window(self, cell: int) -> int:
        """First window that ends after the beginning of a cell: the first that holds it, if any does."""
        if self.cells_per_hop == 1:
            return cell - self._whole + 1
        return -(-cell // 2) - self._whole

    def last_window(self, cell: int) -> int:
        """Last window that starts before the end of a cell: the last that holds it, if any does."""
        return cell // self.cells_per_hop

    def in_window(self, cell: int) -> bool:
        """Whether any window holds the cell; with a hop longer than the window some do not."""
        return self.first_window(cell) <= self.last_window(cell)
