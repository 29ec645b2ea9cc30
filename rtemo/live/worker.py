"""The model's own thread: windows wait for it, acquisition never does, and learning waits for windows."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtemo.adaptation.adapter import Order
from rtemo.clock import Clock
from rtemo.live.late import RememberingAdapter
from rtemo.session import Sink, WindowPredictor, WindowSink
from rtemo.types import FeatureWindow, Prediction
from rtemo.windows import Late
from rtemo.worker import Worker

MAX_LAG_S = 1.0
"""Newest wins: a window that ended longer than this before the newest one offered is published as skipped."""
STOP_WITHIN_S = 10.0
MOST_TOLD = 500
"""Characters of what went wrong."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator asks of adaptation.

    Parameters
    ----------
    what : Order
    by : str
        Who asks.
    refuse : callable
        Told, in the model's thread, why nothing is done.
    """

    what: Order
    by: str
    refuse: Callable[[str], None]


class ModelWorker:
    """Predicts windows in their order, in a thread of its own, and learns from each once its prediction is out.

    An update of the model is put off while a window waits: learning makes no prediction late but those of windows that
    come during an update.

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
    window_sinks : sequence of WindowSink
        Each gets every window, in order, once its prediction is out.
    remembered : RememberingAdapter, optional
        Told of late windows, and let say what was learnt from them while no window waits; and what an operator asks.

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
        window_sinks: Sequence[WindowSink] = (),
        remembered: RememberingAdapter | None = None,
    ) -> None:
        self.predicted = 0
        self.skipped = 0
        self._predictor = predictor
        self._sinks = tuple(sinks)
        self._window_sinks = tuple(window_sinks)
        self._clock = clock
        self._on_skip = on_skip
        self._remembered = remembered
        self._queue: queue.SimpleQueue[list[FeatureWindow] | Late | Asked | None] = queue.SimpleQueue()
        self._thread = Worker("rtemo-model", self._work, on_error)
        self._ending = False

    def start(self) -> None:
        """Begin to predict."""
        self._thread.start()

    def offer(self, windows: list[FeatureWindow]) -> None:
        """Hand windows over; never waits."""
        self._queue.put(windows)

    def late(self, late: Late) -> None:
        """Tell for which windows samples came late; never waits."""
        if self._remembered is not None:
            self._queue.put(late)

    def ask(self, asked: Asked) -> None:
        """Tell what an operator asks of adaptation, to be done between two windows; never waits."""
        self._queue.put(asked)

    def stop(self) -> None:
        """Predict what was offered, then end. Idempotent."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)

    def _work(self) -> None:
        waiting: deque[FeatureWindow] = deque()
        while self._take_in(waiting):
            newest_s = waiting[-1].stop_s
            passed_over = []
            while newest_s - waiting[0].stop_s > MAX_LAG_S:
                passed_over.append(waiting.popleft())
            if passed_over:
                self._skip(passed_over)
            else:
                window = waiting.popleft()
                prediction = self._predictor.predict(window, self._clock)
                self.predicted += 1
                self._publish(window, prediction)
                self._predictor.learn(window, prediction, spare=not waiting and self._idle())

    def _idle(self) -> bool:
        """Whether nobody waits: neither a window nor the end."""
        return self._queue.empty() and not self._ending

    def _take_in(self, waiting: deque[FeatureWindow]) -> bool:
        """Add all that was offered meanwhile; False at the end, once nothing waits."""
        while not waiting or not self._queue.empty():
            if self._queue.empty() and self._remembered is not None and self._remembered.say():
                continue
            if self._ending and self._queue.empty():
                return False
            offered = self._queue.get()
            if isinstance(offered, Late):
                if self._remembered is not None:
                    self._remembered.late(offered.first, offered.last)
                continue
            if isinstance(offered, Asked):
                self._do(offered)
                continue
            self._ending = self._ending or offered is None
            waiting.extend(offered or ())
        return True

    def _do(self, asked: Asked) -> None:
        """Do it after the window that was learnt from last, whatever waits; what goes wrong in it is a refusal."""
        if self._remembered is None:
            asked.refuse("nothing adapts")
            return
        try:
            refused = self._remembered.order(asked.what, asked.by)
        except Exception as error:  # noqa: BLE001 - told by an event; predictions do not need what broke
            refused = f"{asked.what} failed: {type(error).__name__}: {error}"[:MOST_TOLD]
        if refused:
            asked.refuse(refused)

    def _skip(self, passed_over: list[FeatureWindow]) -> None:
        self.skipped += len(passed_over)
        self._on_skip(passed_over)
        for window in passed_over:
            self._publish(window, self._predictor.skipped(window, self._clock))

    def _publish(self, window: FeatureWindow, prediction: Prediction) -> None:
        for sink in self._sinks:
            sink.write(prediction)
        for window_sink in self._window_sinks:
            window_sink.write(window)
