"""rtemo from LSL to features, without the model: the live session's own parts, and torch never imported."""

from __future__ import annotations

import contextlib
import math
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from common import Record, task_parser
from live_outlets import DEVICES
from numpy.typing import NDArray
from rtemo_task import configuration

from rtemo.clock import LslClock, Measurement
from rtemo.features.pipeline import FeaturePipeline
from rtemo.liblsl import local_clock
from rtemo.live.gather import Gatherer, Raw
from rtemo.outputs.recording import Recorder
from rtemo.sources.lsl.connection import LiveSink
from rtemo.sources.lsl.inlet import Pulled
from rtemo.sources.lsl.matching import Wanted
from rtemo.sources.lsl.streams import LiveStreams
from rtemo.types import FeatureWindow, Floats
from rtemo.xdf import StreamHeader

TICK_S = 0.1
SWITCH_INTERVAL_S = 0.0005
"""As in ``rtemo run``."""


class NoRecorder:
    """Takes everything, keeps nothing."""

    def add_stream(self, header_xml: bytes, *, continues: int | None = None) -> int:
        """Take a stream."""
        return 0

    def samples(self, stream_id: int, stamps_s: Floats, values: NDArray) -> None:
        """Take samples."""

    def texts(self, stream_id: int, stamps_s: Floats, rows: Sequence[Sequence[str]]) -> None:
        """Take texts."""

    def clock_offset(self, stream_id: int, time_s: float, offset_s: float) -> None:
        """Take a measurement."""


class Sink(LiveSink):
    """Lets the threads of the streams in one at a time, as the live session does."""

    gatherer: Gatherer

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def opened(self, key: str, header: StreamHeader, xml: bytes) -> None:
        """A stream is open."""
        with self.lock:
            self.gatherer.opened(key, header, xml)

    def closed(self, key: str, reason: str) -> None:
        """A stream has ended."""
        with self.lock:
            self.gatherer.closed(key, reason)

    def noticed(self, key: str, kind: str, details: dict[str, object]) -> None:
        """Say it."""
        print(f"{key}: {kind}: {details}", file=sys.stderr)

    def measured(self, key: str, measurement: Measurement) -> None:
        """A clock was measured."""
        with self.lock:
            self.gatherer.measured(key, measurement)

    def samples(self, key: str, stamps_s: Floats, values: NDArray) -> None:
        """Samples came."""
        with self.lock:
            self.gatherer.take(key, Raw(stamps_s, values))

    def texts(self, key: str, pulled: Pulled) -> None:
        """No stream of this benchmark is text."""
        raise AssertionError(key)

    def needed(self, key: str) -> int:
        """Samples to the end of the open window."""
        return self.gatherer.needed(key)


def last_numbers(window: FeatureWindow, views: Sequence[str]) -> list[float]:
    """Number of the last sample of each view: its channel's maximum, where the features are statistics."""
    return [
        math.nan if view == "eeg" or not window.available[view] else float(window.features[view][-2]) for view in views
    ]


@contextlib.contextmanager
def recorder_of(kind: str, failed: list[BaseException]) -> Iterator[NoRecorder | Recorder]:
    """None at all, or the real one on a file that is thrown away."""
    if kind == "none":
        yield NoRecorder()
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.xdf"
        with Recorder(path, clock=LslClock(), on_alarm=print, on_error=failed.append) as recorder:
            yield recorder


def main() -> None:
    parser = task_parser(__doc__)
    parser.add_argument("--session", required=True)
    parser.add_argument("--views", nargs="+", default=list(DEVICES))
    parser.add_argument("--recorder", choices=("none", "xdf"), default="none")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    config = configuration(arguments.hop, arguments.views, arguments.session)
    clock, sink, done = LslClock(), Sink(), threading.Event()
    failed: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failed.append(error)
        done.set()

    wanted = [Wanted(view, settings.stream) for view, settings in config.views.items()]
    streams = LiveStreams(wanted, config.network, sink, clock=clock, on_error=fail)
    gatherer = sink.gatherer = Gatherer(
        {view: view for view in config.views},
        config.health,
        clock=clock,
        emit=lambda kind, **details: None,
        measure_soon=streams.measure_soon,
        let_go=streams.let_go,
        local_host=socket.gethostname(),
    )
    record = Record(arguments.windows, len(arguments.views))

    def on_windows(windows: list[FeatureWindow]) -> None:
        now_s = local_clock()
        for window in windows:
            if record.add(now_s, window.stop_s, *last_numbers(window, arguments.views)):
                done.set()

    streams.start()
    try:
        while len(found := gatherer.found()) < len(wanted) and not failed:
            done.wait(0.05)
        pipeline = FeaturePipeline(
            config, list(found.values()), origin="the network", lost_after_s=math.inf, chosen=found, live=True
        )
        with recorder_of(arguments.recorder, failed) as recorder:
            with sink.lock:
                gatherer.begin(pipeline, recorder, math.ceil(clock.now_s() / arguments.hop), on_windows)
            while not done.is_set():
                with sink.lock:
                    gatherer.tick(clock.now_s())
                due_s = gatherer.next_stop_s + config.window.lateness_s - clock.now_s()
                done.wait(min(max(due_s, 0.001), TICK_S))
            record.save(arguments.out, rtemo=version("rtemo"), torch="imported" if "torch" in sys.modules else "no")
    finally:
        streams.stop()
    if failed:
        raise failed[0]


if __name__ == "__main__":
    main()
