"""What a session learnt from windows that it closed too early: it is remembered until no sample can come for them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from rtemo.adaptation.adapter import Adapter, Emit, Observation, Order
from rtemo.adaptation.log import LATE, LATE_LOST, MAX_FEATURES, MAX_LATE_VALUES, Observed, WindowRanges
from rtemo.config import Configuration
from rtemo.model.predict import ModelOutput
from rtemo.types import Floats

KEPT_S = 400.0
"""Windows are remembered for so long: an LSL outlet keeps six minutes of samples for whoever froze."""
MAX_KEPT_VALUES = 2**21
CARRIED = {"none": 0, "mean": 4, "kalman": 256}
"""By smoothing, so many windows after a late one may carry on what it would have been."""


class RememberingAdapter:
    """Shows windows to an adapter and remembers them; says of those that turn out late what the adapter was shown.

    A replay of the recording has the late samples, and so other features; with what is said here it can learn from
    what the session learnt from. All in one thread, that of the adapter.

    Parameters
    ----------
    adapter : Adapter
    emit : callable
        Takes ``adaptation-late``, one event a window, and ``adaptation-late-lost``.
    windows : int
        So many are remembered; fewer, where their features are very many.
    carried : int
        So many windows after a late one are said as well.
    """

    def __init__(self, adapter: Adapter, emit: Emit, *, windows: int, carried: int = 0) -> None:
        self._adapter, self._emit = adapter, emit
        self._windows, self._carried = windows, carried
        self._kept: dict[int, Observation] = {}
        self._values = self._said = 0
        self._asked: deque[Observation] = deque()
        self._ahead = WindowRanges()
        self._first: int | None = None
        self._newest = self._forgotten = -math.inf
        self._full = False

    @property
    def due(self) -> bool:
        """See `Adapter.due`."""
        return self._adapter.due

    def predict(self, views: Mapping[str, Floats | None]) -> ModelOutput:
        """See `Adapter.predict`."""
        return self._adapter.predict(views)

    def update(self) -> None:
        """See `Adapter.update`."""
        self._adapter.update()

    def order(self, what: Order, by: str = "") -> str:
        """See `Adapter.order`."""
        return self._adapter.order(what, by)

    def observe(self, window: Observation) -> None:
        """See `Adapter.observe`."""
        self._adapter.observe(window)
        index = window.index
        self._first = index if self._first is None else self._first
        self._newest = index
        if index in self._ahead:
            self._asked.append(window)
        else:
            self._kept[index] = window
            self._values += Observed.of(window).size
        if self._ahead.ranges:
            self._ahead = WindowRanges(pair for pair in self._ahead.ranges if pair[1] > index)
        while len(self._kept) > self._windows or self._values > MAX_KEPT_VALUES:
            self._forgotten = next(iter(self._kept))
            self._take(self._forgotten)
        # A model that never has time to spare says them all the same.
        while len(self._asked) > self._windows:
            self.say()

    def late(self, first: int, last: int) -> None:
        """Take the windows for which samples came late, both ends inside; also those that are still to be observed."""
        last += self._carried
        self._asked.extend([self._take(index) for index in list(self._kept) if first <= index <= last])
        if self._first is not None and first <= self._forgotten and last >= self._first:
            self._lose(max(first, self._first), min(last, int(self._forgotten)), "too late")
        if last > self._newest:
            self._ahead = WindowRanges([*self._ahead.ranges, (first, last)])

    def say(self) -> bool:
        """Say one of the windows that turned out late; False where none is left to say."""
        if not self._asked:
            return False
        window = self._asked.popleft()
        seen = Observed.of(window)
        if not self._full and (seen.size > MAX_FEATURES or self._said + seen.size > MAX_LATE_VALUES):
            self._full = True
            self._lose(window.index, window.index, "too many: no more are written")
        if not self._full:
            self._said += seen.size
            self._emit(LATE, seen.details(window.index))
        return True

    def _take(self, index: int) -> Observation:
        window = self._kept.pop(index)
        self._values -= Observed.of(window).size
        return window

    def _lose(self, first: int, last: int, reason: str) -> None:
        self._emit(LATE_LOST, {"first_window": first, "last_window": last, "reason": reason})


def remembering(adapter: Adapter | None, config: Configuration, emit: Emit) -> RememberingAdapter | None:
    """An adapter that remembers as long as samples can be late; None where there is none.

    Parameters
    ----------
    adapter : Adapter or None
    config : Configuration
        Its grid and smoothing say how many windows.
    emit : callable
    """
    if adapter is None:
        return None
    carried = [CARRIED[view.smoothing] for view in config.views.values()]
    carried += [view.quality.good_after for view in config.views.values() if view.quality.enabled]
    windows = math.ceil(KEPT_S / config.window.hop)
    return RememberingAdapter(adapter, emit, windows=windows, carried=max(carried, default=0))
