"""Rows that come one after another, the newest of which are kept: memory that stays the same however long it runs."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtemo.telemetry import SessionLayout
from rtemo.types import Bools, Floats

Number = TypeVar("Number", bound=np.generic)
KEPT_S = 8 * 3600.0
FEWEST, MOST = 28_800, 300_000
"""Predictions that are kept: eight hours of them, unless windows follow each other by less than a tenth of a second."""
SPARE = 4
"""A ring has room for so many parts of its capacity more: so often a row is moved at most."""


class Ring(Generic[Number]):
    """The newest rows of an array that grows, always side by side in memory.

    Room for the rows that are kept and a quarter more is asked for once, of which the system gives what is used; when
    it is full, the newest are moved to the front.

    Parameters
    ----------
    capacity : int
        Rows that are kept.
    shape : tuple of int
        Of one row.
    dtype : numpy dtype

    Attributes
    ----------
    added : int
        Rows so far, those that are no longer kept included.
    """

    def __init__(self, capacity: int, shape: tuple[int, ...], dtype: type[Number] | np.dtype[Number]) -> None:
        self.capacity = capacity
        self.added = 0
        self._rows: NDArray[Number] = np.empty((capacity + math.ceil(capacity / SPARE), *shape), dtype=dtype)
        self._start = self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def rows(self) -> NDArray[Number]:
        """What is kept, the oldest first: a view, good until rows are added."""
        return self._rows[self._start : self._stop]

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows, shape (rows, ...); the oldest make room for them."""
        count = len(rows)
        kept = rows[-self.capacity :] if count > self.capacity else rows
        self._start = max(self._start, self._stop + len(kept) - self.capacity)
        if self._stop + len(kept) > len(self._rows):
            stays = max(self._stop - self._start, 0)
            # Rows that are moved may lie where they are moved to: numpy sees to that.
            self._rows[:stays] = self._rows[self._start : self._stop]
            self._start, self._stop = 0, stays
        self._rows[self._stop : self._stop + len(kept)] = kept
        self._stop += len(kept)
        self.added += count

    def drop_newest(self, count: int) -> None:
        """Forget the newest rows, that many of those that are kept."""
        self._stop -= min(count, len(self))

    def clear(self) -> None:
        """Forget everything."""
        self.added = 0
        self._start = self._stop = 0


class PredictionHistory:
    """The newest predictions of a session, eight hours of them; see `MOST`.

    All arrays are views, good until predictions are added.

    Parameters
    ----------
    layout : SessionLayout, optional
        None before a session is known.
    """

    def __init__(self, layout: SessionLayout | None = None) -> None:
        self.labels = () if layout is None else layout.labels
        self.views = () if layout is None else tuple(view.name for view in layout.views)
        self._hop_s = 1.0 if layout is None else layout.hop_s
        wanted = min(max(math.ceil(KEPT_S / self._hop_s), FEWEST), MOST)
        self.channels = 2 * len(self.labels) + 4 * len(self.views) + 1
        kept = wanted if layout is not None else 1
        self._ring = Ring(kept, (1 + self.channels,), np.float64)
        # By itself: to find it out of all predictions for each frame takes longer than to draw them.
        self._available = Ring(kept, (len(self.views),), np.bool_)
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def revision(self) -> int:
        """Grows with every prediction that comes or is dropped: what was drawn at the same revision is drawn still."""
        return self._ring.added + self._dropped

    @property
    def forgotten(self) -> int:
        """How many have made room for others."""
        return self._ring.added - self._dropped - len(self)

    @property
    def capacity(self) -> int:
        """How many are kept."""
        return self._ring.capacity

    def fitting(self, stamps_s: Floats, values: Floats, until_s: float = math.inf) -> tuple[Floats, Floats]:
        """Those that can be added: as wide as they should be, each later than the one before it, and up to a moment."""
        if values.ndim != 2 or values.shape[1] != self.channels or not len(values):
            return np.empty(0), np.empty((0, self.channels))
        last_s = self.stop_s[-1] if len(self) else -np.inf
        stamps = np.where(np.isfinite(stamps_s) & (stamps_s <= until_s), stamps_s, -np.inf)
        before = np.maximum.accumulate(np.concatenate(([last_s], stamps)))[:-1]
        later = stamps > before
        return stamps_s[later], values[later]

    def extend(self, stamps_s: Floats, values: Floats) -> None:
        """Add predictions that `fitting` gave."""
        self._ring.extend(np.column_stack([stamps_s, values]))
        first = 2 * (len(self.labels) + len(self.views))
        self._available.extend(values[:, first : first + len(self.views)] > 0.5)

    def drop_after(self, until_s: float) -> int:
        """Forget the predictions that lie behind a moment: they would stand before all that come; gives how many."""
        ahead = len(self) - int(np.searchsorted(self.stop_s, until_s, "right"))
        if ahead:
            self._ring.drop_newest(ahead)
            self._available.drop_newest(ahead)
            self._dropped += ahead
        return ahead

    @property
    def stop_s(self) -> Floats:
        """Ends of the windows, shape (windows,), strictly increasing."""
        return self._ring.rows[:, 0]

    @property
    def probabilities(self) -> Floats:
        """Shape (windows, labels); NaN for a window that the model had no time for."""
        return self._columns(0, len(self.labels))

    @property
    def shadow(self) -> Floats:
        """The frozen model's probabilities, shape (windows, labels)."""
        return self._columns(len(self.labels), len(self.labels))

    @property
    def weights(self) -> Floats:
        """Shape (windows, views)."""
        return self._of_views(0)

    @property
    def contributions(self) -> Floats:
        """Shape (windows, views)."""
        return self._of_views(1)

    @property
    def available(self) -> Bools:
        """Shape (windows, views)."""
        return self._available.rows

    @property
    def coverage(self) -> Floats:
        """Shape (windows, views)."""
        return self._of_views(3)

    @property
    def age_s(self) -> Floats:
        """Shape (windows,)."""
        return self._ring.rows[:, -1]

    def missing_stretches(self, view: str) -> list[tuple[float, float]]:
        """When a view was missing: starts and stops, in order; empty for a view that is not known.

        A window stands for the hop before its end. Where there was no window at all, nothing is said.
        """
        if view not in self.views or not len(self):
            return []
        missing = ~self.available[:, self.views.index(view)]
        return stretches(self.stop_s, missing, self._hop_s)

    def _columns(self, first: int, count: int) -> Floats:
        return self._ring.rows[:, 1 + first : 1 + first + count]

    def _of_views(self, which: int) -> Floats:
        return self._columns(2 * len(self.labels) + which * len(self.views), len(self.views))


def stretches(stop_s: Floats, chosen: Bools, hop_s: float) -> list[tuple[float, float]]:
    """Runs of windows that are chosen and follow each other without a hole: starts and stops."""
    at = np.flatnonzero(chosen)
    if not len(at):
        return []
    ends = np.flatnonzero((np.diff(at) > 1) | (np.diff(stop_s[at]) > 1.5 * hop_s))
    first, last = np.concatenate(([0], ends + 1)), np.concatenate((ends, [len(at) - 1]))
    return list(zip((stop_s[at[first]] - hop_s).tolist(), stop_s[at[last]].tolist(), strict=True))
