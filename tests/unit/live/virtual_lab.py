"""Devices in virtual time that feed a gatherer, which records as it goes: what a lab does, without waiting for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from rtemo.clock import Measurement, VirtualClock
from rtemo.config import Configuration, HealthSettings, parse_configuration
from rtemo.extraction import bind, windows_of
from rtemo.features.pipeline import FeaturePipeline
from rtemo.live.gather import Gatherer, Raw
from rtemo.outputs.events import Event
from rtemo.sources.xdf import XdfSource
from rtemo.types import EVENT_STREAM, PREDICTION_STREAM, SESSION_START, FeatureWindow, StreamDescription
from rtemo.windows import Late
from rtemo.xdf import StreamHeader, XdfWriter
from rtemo.xdf.chunks import parse_stream_header
from rtemo.xdf.markup import recordable_header

STEP_S = 0.04
START_S = 1000.0
VIEWS = {
    "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy", "settings": {"bands": {"low": (2.0, 20.0)}}},
    "eye": {"stream": {"type": "Gaze"}, "features": "statistics"},
}


def xml_of(name: str, kind: str, rate_hz: float, channels: int, *, text: bool = False, host: str = "far") -> bytes:
    labels = "".join(f"<channel><label>{name}{i}</label></channel>" for i in range(channels))
    form = "string" if text else "double64"
    return (
        f"<info><name>{name}</name><type>{kind}</type><channel_count>{channels}</channel_count>"
        f"<nominal_srate>{rate_hz}</nominal_srate><channel_format>{form}</channel_format>"
        f"<source_id>{name}-1</source_id><hostname>{host}</hostname>"
        f"<desc><channels>{labels}</channels></desc></info>"
    ).encode()


@dataclass
class Device:
    """A stream whose first channel is the number of the sample, and whose clock may differ from ours.

    Where it is flat, its last channel is constant.
    """

    key: str
    kind: str
    rate_hz: float
    offset_s: float = 0.0
    host: str = "far"
    channels: int = 2
    connected: bool = False
    frozen: bool = False
    silent: bool = False
    flat: bool = False
    answers: bool = True
    made: int = 0
    stamp_error_s: float = 0.0
    jitter_s: float = 0.0
    born_s: float = START_S
    waiting: list[Raw] = field(default_factory=list)
    measured_s: float = -math.inf
    wanted: bool = False
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    @property
    def xml(self) -> bytes:
        return xml_of(self.key, self.kind, self.rate_hz, self.channels, host=self.host)

    @property
    def header(self) -> StreamHeader:
        return parse_stream_header(0, self.xml)

    def true_time(self, number: float) -> float:
        """When a sample was taken, on our clock."""
        return self.born_s + number / self.rate_hz

    def samples(self, now_s: float) -> Raw | None:
        """What was made until now."""
        stop = math.floor((now_s - self.born_s) * self.rate_hz) + 1
        numbers = np.arange(self.made, max(stop, self.made))
        self.made += len(numbers)
        if not len(numbers) or self.silent:
            return None
        true_s = self.born_s + numbers / self.rate_hz
        stamps = true_s - self.offset_s + self.stamp_error_s + self.random.normal(0, self.jitter_s, len(numbers))
        values = np.column_stack([numbers, *([np.sin(numbers * 0.37)] * (self.channels - 1))]).astype(float)
        values[:, -1] *= not self.flat
        return Raw(stamps, values)


class DirectRecorder:
    """Writes a recording at once, in the order in which things come."""

    def __init__(self, path: Path) -> None:
        self.writer = XdfWriter(path)
        self._next = 1

    def add_stream(self, header_xml: bytes, *, continues: int | None = None) -> int:
        number, self._next = self._next, self._next + 1
        self.writer.write_header(*recordable_header(number, header_xml, continues=continues))
        return number

    def samples(self, stream_id, stamps_s, values) -> None:
        self.writer.write_samples(stream_id, stamps_s, values)

    def texts(self, stream_id, stamps_s, rows) -> None:
        self.writer.write_samples(stream_id, stamps_s, rows)

    def clock_offset(self, stream_id, time_s, offset_s) -> None:
        self.writer.write_clock_offset(stream_id, time_s, offset_s)


class VirtualLab:
    """Devices, a gatherer and a recording in virtual time; what is new is gathered every ``step_s`` seconds."""

    def __init__(
        self,
        path: Path,
        *devices: Device,
        views: Mapping[str, object] | None = None,
        step_s: float = STEP_S,
        **window: float,
    ) -> None:
        self.step_s = step_s
        document = {"labels": ["a"], "window": {"length_s": 1.0, **window}, "views": views or VIEWS}
        self.config: Configuration = parse_configuration(document, "test")
        self.path = path
        self.devices = {device.key: device for device in devices}
        self.clock = VirtualClock(START_S)
        self.events: list[Event] = []
        self.windows: list[FeatureWindow] = []
        self.closed_s: dict[int, float] = {}
        self.let_go: dict[str, float | None] = {}
        self.gatherer = Gatherer(
            {device.key: device.key for device in devices},
            HealthSettings(),
            clock=self.clock,
            emit=lambda kind, **details: self.events.append(Event(self.clock.now_s(), kind, details)),
            measure_soon=self._measure_soon,
            let_go=lambda key, silent_s, hurry: self.let_go.__setitem__(key, silent_s),
            local_host="here",
        )

    def _measure_soon(self, key: str) -> None:
        self.devices[key].wanted = True

    def connect(self, *keys: str) -> None:
        for key in keys:
            device = self.devices[key]
            device.samples(self.clock.now_s())  # what was made before nobody gets
            device.connected, device.measured_s = True, -math.inf
            self.gatherer.opened(key, device.header, device.xml)

    def disconnect(self, key: str, reason: str = "the stream has been lost") -> None:
        self.devices[key].connected = False
        self.gatherer.closed(key, reason)

    def begin(self) -> None:
        """Start the session with the devices as they are; a device that is not connected is known all the same."""
        chosen = {}
        for view, settings in self.config.views.items():
            device = next(d for d in self.devices.values() if d.kind == settings.stream.type)
            chosen[view] = StreamDescription(
                device.key,
                device.key,
                device.kind,
                device.header.labels,
                device.rate_hz,
                channel_units=device.header.units,
            )
            found = self.gatherer.found().get(device.key)
            chosen[view] = found or chosen[view]
        pipeline = FeaturePipeline(
            self.config, list(chosen.values()), origin="lab", lost_after_s=math.inf, chosen=chosen, live=True
        )
        self.recorder = DirectRecorder(self.path)
        own = self.recorder.add_stream(xml_of(EVENT_STREAM, "Markers", 0.0, 1, text=True, host="here"))
        window = self.config.window
        first = math.ceil(self.clock.now_s() / window.hop)
        start = {"first_window": first, "length_s": window.length_s, "hop_s": window.hop}
        self.said = self.recorder.add_stream(xml_of(PREDICTION_STREAM, "Prediction", 0.0, 1, host="here"))
        for number in (own, self.said):
            self.recorder.clock_offset(number, self.clock.now_s(), 0.0)
        event = Event(self.clock.now_s(), SESSION_START, start)
        self.recorder.texts(own, np.array([event.stamp_s]), [(event.as_json(),)])
        self.pipeline = pipeline
        self.gatherer.begin(pipeline, self.recorder, first, self._take, self._take_late)

    def _take_late(self, late: Late) -> None:
        """What learns from windows wants to know."""

    def _take(self, windows: list[FeatureWindow]) -> None:
        for window in windows:
            self.windows.append(window)
            self.closed_s[window.index] = self.clock.now_s()
            self.recorder.samples(self.said, np.array([window.stop_s]), np.zeros((1, 1)))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        stop_s = self.clock.now_s() + seconds
        while self.clock.now_s() < stop_s - 1e-9:
            self.clock.advance(self.step_s)
            for device in self.devices.values():
                self._serve(device, self.clock.now_s())
            self.gatherer.tick(self.clock.now_s())

    def _serve(self, device: Device, now_s: float) -> None:
        raw = device.samples(now_s)
        if raw is not None and device.frozen:
            device.waiting.append(raw)
            raw = None
        if not device.connected:
            return
        if device.answers and (device.wanted or now_s - device.measured_s >= 5.0):
            device.wanted, device.measured_s = False, now_s
            self.gatherer.measured(device.key, Measurement(now_s - device.offset_s, device.offset_s))
        if not device.frozen:
            for waiting in device.waiting:
                self.gatherer.take(device.key, waiting)
            device.waiting.clear()
            if raw is not None:
                self.gatherer.take(device.key, raw)

    def end(self) -> list[FeatureWindow]:
        """End the session; gives its windows."""
        self.gatherer.end()
        self.recorder.writer.close()
        return self.windows

    def late_windows(self) -> set[int]:
        """Windows that the events say miss late samples."""
        return {
            k
            for event in self.events
            if event.kind == "late"
            for k in range(event.details["first_window"], event.details["last_window"] + 1)
        }

    def kinds(self, kind: str) -> list[dict]:
        """Details of the events of one kind."""
        return [dict(event.details) for event in self.events if event.kind == kind]

    def replayed(self) -> list[FeatureWindow]:
        """The windows that a replay of the recording gives."""
        source = XdfSource(self.path)
        try:
            return list(windows_of(source, bind(self.config, source), self.config, lambda item: None))
        finally:
            source.close()


def assert_same(lab: VirtualLab, *, carried: int = 0) -> None:
    """Live equals replay, bit for bit, in every window in which no sample came late.

    Left out are also so many windows after a late one, which carry on what it said of channels.
    """
    live = {w.index: w for w in lab.windows}
    replay = {w.index: w for w in lab.replayed()}
    late = {late + more for late in lab.late_windows() for more in range(carried + 1)}
    assert list(replay) == list(live)
    for k in sorted(set(replay) - late):
        np.testing.assert_equal(
            asdict(replay[k]) | {"reason": 0}, asdict(live[k]) | {"reason": 0}, err_msg=f"window {k}"
        )
