"""The model's own thread: windows wait for it, acquisition never does."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from rtemo.clock import Clock
from rtemo.session import Sink, WindowPredictor
from rtemo.types import FeatureWindow
from rtemo.worker import Worker

MAX_LAG_S = 1.0
"""Newest wins: what ended so long before the newest window that waits is skipped, and published as skipped."""
STOP_WITHIN_S = 10.0


class ModelWorker:
    """Predicts windows in their order, in a thread of its own.

    Parameters
    ----------
    predictor : WindowPredictor
    sinks : sequence of Sink
        Each gets every prediction, in order; the first one soonest.
    clock : Clock
    on_error : callable
        Called, in the thread, with what goes wrong.
    on_skip : callable
        Called with the windows that are passed over.

    Attributes
    ----------
    predicted, skipped : int
        Windows so far.
    """

    def __init__(
        self,
        predictor: WindowPredictor,
        sinks: Sequence[Sink],
        *,
        clock: Clock,
        on_error: Callable[[BaseException], None],
        on_skip: Callable[[Sequence[FeatureWindow]], None],
    ) -> None:
        self.predicted = 0
        self.skipped = 0
        self._predictor = predictor
        self._sinks = tuple(sinks)
        self._clock = clock
        self._on_skip = on_skip
        self._queue: queue.SimpleQueue[list[FeatureWindow] | None] = queue.SimpleQueue()
        self._thread = Worker("rtemo-model", self._work, on_error)

    def start(self) -> None:
        """Begin to predict."""
        self._thread.start()

    def offer(self, windows: list[FeatureWindow]) -> None:
        """Hand windows over; never waits."""
        self._queue.put(windows)

    def stop(self) -> None:
        """Predict what was offered, then end. Idempotent."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)

    def _work(self) -> None:
        ending = False
        while not ending:
            waiting: list[FeatureWindow] = []
            offered = self._queue.get()
            while True:
                ending = ending or offered is None
                waiting += offered or []
                try:
                    offered = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._predict(waiting)

    def _predict(self, waiting: list[FeatureWindow]) -> None:
        if not waiting:
            return
        newest_s = waiting[-1].stop_s
        passed_over = [window for window in waiting if newest_s - window.stop_s > MAX_LAG_S]
        if passed_over:
            self.skipped += len(passed_over)
            self._on_skip(passed_over)
        for window in waiting:
            if newest_s - window.stop_s > MAX_LAG_S:
                prediction = self._predictor.skipped(window, self._clock)
            else:
                prediction = self._predictor.predict(window, self._clock)
                self.predicted += 1
            for sink in self._sinks:
                sink.write(prediction)
