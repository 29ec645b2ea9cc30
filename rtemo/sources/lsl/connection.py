"""The life of one connection: a thread that pulls, and one that measures the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Measurement
from rtemo.sources.lsl.inlet import Inlet, Pulled, StreamEndedError, StreamRefusedError, UnmeasuredError
from rtemo.sources.lsl.matching import Visible
from rtemo.types import Floats
from rtemo.worker import Worker
from rtemo.xdf import StreamHeader

MEASURE_EVERY_S = 5.0
MEASURE_TIMEOUT_S = 2.0
PULL_TIMEOUT_S = 0.1
BATCH_S = 0.05
"""Samples are pulled at least so often; near the end of a window, as soon as its last one is there."""
MEASURE_APART_S = 0.05


class LiveSink(Protocol):
    """Where the samples of live streams go; called from many threads, one call at a time for one stream's data."""

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """A stream was opened, for the first time or again."""
        ...

    def closed(self, key: str, reason: str) -> None:
        """An open stream has ended."""
        ...

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """Something that the user should know of."""
        ...

    def measured(self, key: str, measurement: Measurement) -> None:
        """The clock of an open stream was measured."""
        ...

    def samples(self, key: str, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Numeric samples of an open stream with raw stamps; the arrays are the sink's own."""
        ...

    def texts(self, key: str, pulled: Pulled) -> None:
        """Text samples of an open stream with raw stamps."""
        ...

    def needed(self, key: str) -> int:
        """How many samples of the stream are still to come in the window that is open."""
        ...


class Connection:
    """An inlet at work.

    Parameters
    ----------
    key : str
    visible : Visible
        The outlet.
    info : pylsl.StreamInfo
    sink : LiveSink
    on_end : callable
        Called with the connection and the reason when the outlet is gone, in the connection's own thread.
    on_error : callable
        Called with what a thread raised.
    """

    def __init__(
        self,
        key: str,
        visible: Visible,
        info: Any,
        sink: LiveSink,
        *,
        on_end: Callable[[Connection, str], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.key = key
        self.visible = visible
        self.refused = False
        self.opened = False
        self.offset_s: float | None = None
        self._info = info
        self._sink = sink
        self._on_end = on_end
        self._on_error = on_error
        self._stop = threading.Event()
        self._measure_wanted = threading.Event()
        self._thread = Worker(f"rtemo-pull-{key}", self._serve, on_error)

    def start(self) -> None:
        """Open the stream and pull, in a thread."""
        self._thread.start()

    def measure_soon(self) -> None:
        """Ask for a clock measurement now; returns at once."""
        self._measure_wanted.set()

    def stop(self) -> None:
        """Ask the threads to end; returns at once."""
        self._stop.set()
        self._measure_wanted.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads to end; tells whether they have."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            inlet = Inlet(self._info)
        except StreamRefusedError as error:
            self.refused = True
            self._on_end(self, f"refused: {error}")
            return
        except StreamEndedError as error:
            self._on_end(self, str(error))
            return
        reason = "stopped"
        timer = Worker(f"rtemo-clock-{self.key}", lambda: self._keep_time(inlet), self._on_error)
        try:
            self.opened = True
            self._sink.opened(self.key, inlet.header, inlet.xml)
            timer.start()
            reason = self._pull(inlet)
        finally:
            self.stop()
            if timer.ident is not None:
                timer.join()
            inlet.close()
        self._sink.closed(self.key, reason)
        self._on_end(self, reason)

    def _pull(self, inlet: Inlet) -> str:
        """Pull until the stream ends or is to be stopped; returns why."""
        rate_hz = 0.0 if inlet.header.is_text else inlet.header.nominal_rate_hz
        batch = max(1, int(BATCH_S * rate_hz))
        timeout_s = max(PULL_TIMEOUT_S, 2 * BATCH_S)
        while not self._stop.is_set():
            needed = self._sink.needed(self.key) if batch > 1 else 1
            try:
                pulled = inlet.pull(min(max(needed, 1), batch), timeout_s)
            except StreamEndedError as error:
                return str(error)
            if pulled is None:
                continue
            if pulled.values is None:
                self._sink.texts(self.key, pulled)
            else:
                self._sink.samples(self.key, pulled.stamps_s, pulled.values)
        return "stopped"

    def _keep_time(self, inlet: Inlet) -> None:
        """Measure the clock at once, every five seconds, and whenever it is asked for."""
        failed = False
        while not self._stop.is_set():
            self._measure_wanted.clear()
            try:
                measurement = inlet.measure(MEASURE_TIMEOUT_S)
            except StreamEndedError:
                # The pull meets the same end, and reports it.
                return
            except UnmeasuredError as error:
                if not failed:
                    failed = True
                    self._sink.noticed(self.key, "clock-unmeasured", {"reason": str(error)})
                continue
            if inlet.was_clock_reset():
                self._sink.noticed(self.key, "clock-reset-suspected", {"offset_s": measurement.offset_s})
            self.offset_s = measurement.offset_s
            self._sink.measured(self.key, measurement)
            self._stop.wait(MEASURE_APART_S)
            self._measure_wanted.wait(MEASURE_EVERY_S - MEASURE_APART_S)
