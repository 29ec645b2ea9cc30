"""A replay that a dashboard watches: on LSL, as a live session is, at the moments at which things were recorded."""

from __future__ import annotations

import math
import re
import secrets
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from rtemo.clock import Clock, LslClock
from rtemo.config import Configuration, NetworkSettings
from rtemo.devices.playback import LEAD_S, Playback, Playing
from rtemo.health import StreamHealth
from rtemo.live.gather import RATE_OVER_S, StreamStatus
from rtemo.live.status import LiveStatus, Newest
from rtemo.live.telemetry import Telemetry, session_layout
from rtemo.live.wanted import MARKERS_KEY
from rtemo.outputs.events import Event
from rtemo.outputs.lsl import EventOutlet, PredictionOutlet, QualityOutlet, StatusOutlet
from rtemo.outputs.publish import Send
from rtemo.outputs.recording import RecorderStatus
from rtemo.replay import Replay, ReplayClock
from rtemo.types import FeatureWindow, Prediction, StreamDescription
from rtemo.worker import Worker

STATUS_EVERY_S = 0.25
OPEN_S = 3.0
"""A dashboard that is opened with the replay has so long before the first sample."""
NOT_RECORDED = RecorderStatus(0.0, 0, 0, 0, refused=False, failed=None)


def replay_network() -> NetworkSettings:
    """A session of LSL's own on this machine: what was recorded must not pass for what is happening in the lab."""
    return NetworkSettings(scope="machine", session_id=f"rtemo-play-{uuid.uuid4().hex[:8]}")


@dataclass(slots=True)
class _Played:
    """A stream as it is played."""

    description: StreamDescription
    key: str
    views: tuple[str, ...]
    health: StreamHealth
    samples: int = 0
    sent: deque[tuple[float, int]] = field(default_factory=deque)

    def status(self, now_s: float, recorded_s: float, speed: float) -> StreamStatus:
        # By the recording's seconds: what was lost then is lost at any speed.
        self.health.judge(recorded_s)
        while self.sent and self.sent[0][0] < now_s - RATE_OVER_S:
            self.sent.popleft()
        stream = self.description
        return StreamStatus(
            key=self.key,
            name="+".join(self.views) or stream.name,
            views=self.views,
            state=self.health.state,
            age_s=self.health.age_s(recorded_s) / speed,
            # A copy: the thread that plays appends meanwhile.
            rate_hz=sum(count for _, count in list(self.sent)) / RATE_OVER_S if self.samples else math.nan,
            nominal_hz=stream.nominal_rate_hz * speed,
            samples=self.samples,
            late=0,
            rejected=0,
            stream_name=stream.name,
            type=stream.type,
            source_id=stream.source_id,
            hostname=stream.hostname,
        )


class WatchedReplay:
    """Publishes a replay, and plays the recording's streams beside it; a context manager around the replay's run.

    Predictions, windows and events keep the recording's moments; on LSL they, and all samples, are moved together to
    where the clock is now.

    Parameters
    ----------
    recording : Path
    replay : Replay
        Made with `clock`.
    config : Configuration
    clock : ReplayClock
        Runs on the LSL local clock.
    network : NetworkSettings
        See `replay_network`.
    speed : float
        Recorded seconds a second.
    unsynchronised : bool
        See `rtemo.sources.open_recording`.
    machine : Clock, optional
        The LSL local clock where not given.

    Attributes
    ----------
    session : str
        What it is called on the network.

    Raises
    ------
    RecordingError
        The recording cannot be played in real time.
    """

    def __init__(
        self,
        recording: Path,
        replay: Replay,
        config: Configuration,
        clock: ReplayClock,
        network: NetworkSettings,
        *,
        speed: float,
        unsynchronised: bool = False,
        machine: Clock | None = None,
    ) -> None:
        self.session = f"replay-{re.sub('[^A-Za-z0-9_-]', '-', recording.stem)[:80]}-{secrets.token_hex(4)}"
        self._replay, self._config, self._speed = replay, config, speed
        self._clock, self._machine = clock, machine or LslClock()
        self._ending = threading.Event()
        self._error: BaseException | None = None
        playing = Playing(network, speed=speed, unsynchronised=unsynchronised)
        self._playback = Playback(recording, playing, clock=self._machine, wait=self._ending.wait)
        self._streams = {stream.key: self._played(stream) for stream in self._playback.streams}
        self._newest = Newest()
        self._predicted = 0
        keys = {view: stream.key for view, stream in replay.bound.items() if stream is not None}
        layout = session_layout(
            config,
            {view: keys.get(view, "") for view in config.views},
            replay.bound,
            session=self.session,
            token=secrets.token_hex(16),
        )
        self._stated = StatusOutlet(layout)
        self._telemetry = Telemetry(self._stated, recording.parent, lambda: ())
        self._events = EventOutlet(session=self.session)
        self._predictions = PredictionOutlet(config.labels, replay.views, session=self.session)
        names = dict(replay.quality_names)
        self._quality = QualityOutlet(names, session=self.session) if names else None
        self._workers = [
            Worker("rtemo-playback", self._play, self._fail),
            Worker("rtemo-status", self._tell, self._fail),
        ]

    def __enter__(self) -> WatchedReplay:
        self._first_s = self._playback.first_s()
        self._origin_s = self._machine.now_s() + max(LEAD_S, OPEN_S)
        self._clock.begin(self._first_s, self._origin_s)
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for worker in self._workers:
            worker.join()
        self._telemetry.tell(self._status(), ending=True)
        for outlet in (self._stated, self._predictions, self._quality, self._events):
            if outlet is not None:
                outlet.close()
        self._playback.close()
        if self._error is not None and error is None:
            raise self._error

    def write(self, prediction: Prediction) -> None:
        """Publish a prediction; a `Sink`."""
        moved = replace(prediction, start_s=self._moved(prediction.start_s), stop_s=self._moved(prediction.stop_s))
        self._predictions.write(moved)
        self._newest.write(moved)
        self._predicted += 1

    @property
    def windows(self) -> Windows:
        """Takes windows, for their quality and the reasons of missing views; a `WindowSink`."""
        return Windows(self)

    def take_window(self, window: FeatureWindow) -> None:
        """Publish a window's quality.

        Raises
        ------
        BaseException
            Whatever went wrong in a thread of its own.
        """
        if self._error is not None:
            raise self._error
        moved = replace(window, start_s=self._moved(window.start_s), stop_s=self._moved(window.stop_s))
        self._newest.window = moved
        if self._quality is not None:
            self._quality.write(moved)

    def take(self, event: Event) -> None:
        """Publish an event of the replay."""
        self._events.write(replace(event, stamp_s=self._moved(event.stamp_s)))

    def _moved(self, recorded_s: float) -> float:
        """A moment of the recording on the machine's clock."""
        return self._origin_s + (recorded_s - self._first_s) / self._speed

    def _played(self, stream: StreamDescription) -> _Played:
        markers = self._config.markers
        reading = tuple(v for v, bound in self._replay.bound.items() if bound is not None and bound.key == stream.key)
        is_markers = not reading and markers is not None and markers.stream.matches(stream)
        health = StreamHealth(self._config.health, stream.nominal_rate_hz)
        health.connected = True
        return _Played(stream, MARKERS_KEY if is_markers else stream.key, reading, health)

    def _play(self) -> None:
        def note(send: Send) -> None:
            played, now_s = self._streams[send.stream], self._machine.now_s()
            played.samples += len(send.stamps_s)
            played.sent.append((now_s, len(send.stamps_s)))
            played.health.fed(self._first_s + float(send.stamps_s[-1]) * self._speed)

        self._playback.run(origin_s=self._origin_s, on_send=note)

    def _tell(self) -> None:
        while not self._ending.wait(STATUS_EVERY_S):
            self._telemetry.tell(self._status())

    def _status(self) -> LiveStatus:
        now_s = self._machine.now_s()
        p50_s, p99_s = self._newest.age_percentiles()
        return LiveStatus(
            now_s=now_s,
            elapsed_s=max(0.0, now_s - self._origin_s),
            streams=[played.status(now_s, self._clock.now_s(), self._speed) for played in self._streams.values()],
            window=self._newest.window,
            prediction=self._newest.prediction,
            predicted=self._predicted,
            skipped=0,
            age_p50_s=p50_s,
            age_p99_s=p99_s,
            recorder=NOT_RECORDED,
            adaptation=self._replay.adaptation,
        )

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._ending.set()


@dataclass(frozen=True)
class Windows:
    """The windows' side of a `WatchedReplay`, whose predictions' side has a `write` of its own."""

    watched: WatchedReplay

    def write(self, window: FeatureWindow) -> None:
        """See `WatchedReplay.take_window`."""
        self.watched.take_window(window)
