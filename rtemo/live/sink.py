"""Where the threads of a live session meet: one at a time into the gatherer, and what is said into the recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Measurement
from rtemo.live.gather import Gatherer, Raw
from rtemo.outputs.lsl import prediction_sample
from rtemo.outputs.quality import quality_scores
from rtemo.outputs.recording import Recorder
from rtemo.sources.lsl.connection import LiveSink
from rtemo.sources.lsl.inlet import Pulled
from rtemo.types import FeatureWindow, Floats, Prediction
from rtemo.xdf import StreamHeader


class LockedSink(LiveSink):
    """Lets the threads of the streams in one at a time: their order is the order of everything.

    Parameters
    ----------
    emit : callable
        Takes the kind of an event, and its details by name.
    on_texts : callable
        Told the key of a text stream and what came of it, in the stream's thread.

    Attributes
    ----------
    lock : threading.Lock
        To be held by whoever works with the gatherer.
    gatherer : Gatherer
        To be set before the first stream is opened.
    """

    gatherer: Gatherer

    def __init__(
        self,
        emit: Callable[..., None],
        on_texts: Callable[[str, Sequence[Sequence[str]]], None] = lambda key, rows: None,
    ) -> None:
        self.lock = threading.Lock()
        self._emit = emit
        self._on_texts = on_texts

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """See `Gatherer.opened`."""
        with self.lock:
            self.gatherer.opened(key, header, xml)

    def closed(self, key: str, reason: str) -> None:
        """See `Gatherer.closed`."""
        with self.lock:
            self.gatherer.closed(key, reason)

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """Make an event of it."""
        self._emit(kind, key=key, **details)

    def measured(self, key: str, measurement: Measurement) -> None:
        """See `Gatherer.measured`."""
        with self.lock:
            self.gatherer.measured(key, measurement)

    def samples(self, key: str, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """See `Gatherer.take`."""
        with self.lock:
            self.gatherer.take(key, Raw(stamps_s, values))

    def texts(self, key: str, pulled: Pulled) -> None:
        """See `Gatherer.take`."""
        with self.lock:
            self.gatherer.take(key, Raw(pulled.stamps_s, None, pulled.rows))
        self._on_texts(key, pulled.rows)

    def needed(self, key: str) -> int:
        """See `Gatherer.needed`, which needs no lock."""
        return self.gatherer.needed(key)


class RecordedPredictions:
    """Records predictions beside the inputs."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number

    def write(self, prediction: Prediction) -> None:
        """Record one."""
        self._recorder.samples(self._number, np.array([prediction.stop_s]), prediction_sample(prediction)[None])


class RecordedQuality:
    """Records quality scores beside the inputs."""

    def __init__(self, recorder: Recorder, number: int, views: Iterable[str]) -> None:
        self._recorder = recorder
        self._number = number
        self._views = tuple(views)

    def write(self, window: FeatureWindow) -> None:
        """Record those of one window."""
        self._recorder.samples(self._number, np.array([window.stop_s]), quality_scores(window, self._views)[None])
