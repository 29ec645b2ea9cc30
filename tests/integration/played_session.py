"""Plays a session's streams and its devices with plain pylsl: ``python played_session.py SESSION_ID``.

Told by lines of stdin: ``session on NAME TOKEN``, ``session off``, ``session end``, ``device on``, ``device off``,
``mark TEXT``, ``status TEXT``, ``event TEXT``. Each command that comes is written as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from queue import Empty, SimpleQueue

import numpy as np
import pylsl

from rtemo.config import NetworkSettings
from rtemo.liblsl import configure
from rtemo.outputs.lsl import prediction_channels
from rtemo.telemetry import AdaptationState, SessionLayout, SessionStatus, StreamState, ViewLayout, WindowState

RATE_HZ, CHANNELS = 250, 8
TICK_S = 0.02
LABELS, VIEWS = ("calm", "tense"), ("eeg",)


def outlet(name, kind, channels, number_format, source_id, rate_hz=0.0, **said):
    info = pylsl.StreamInfo(name, kind, len(channels), rate_hz, number_format, source_id)
    info.set_channel_labels(list(channels))
    for key, text in said.items():
        info.desc().append_child_value(key, text)
    return pylsl.StreamOutlet(info)


class Device:
    """Two outlets: EEG whose first channel is the number of the sample, and markers."""

    def __init__(self) -> None:
        channels = [f"E{k}" for k in range(CHANNELS)]
        self.eeg = outlet("Amp", "EEG", channels, pylsl.cf_float32, "amp-1", RATE_HZ)
        self.markers = outlet("Stim", "Markers", ["marker"], pylsl.cf_string, "stim-1")
        self.began_s = pylsl.local_clock()
        self.sent = 0

    def tick(self) -> None:
        due = int((pylsl.local_clock() - self.began_s) * RATE_HZ)
        if due > self.sent:
            numbers = np.arange(self.sent, due, dtype=np.float32)
            stamps = (self.began_s + (np.arange(self.sent, due) + 1) / RATE_HZ).tolist()
            self.eeg.push_chunk(np.repeat(numbers[:, None], CHANNELS, axis=1), stamps)
            self.sent = due


class Session:
    """The four outlets of a session."""

    def __init__(self, name: str, token: str, heard: SimpleQueue[str]) -> None:
        self.layout = SessionLayout(
            version=1,
            session=name,
            token=token,
            hostname="lab",
            labels=LABELS,
            length_s=0.5,
            hop_s=0.5,
            views=(ViewLayout(name="eeg", stream="view:eeg", features="statistics", channels=("E0", "E1")),),
            markers="markers",
            marker_labels={"clip/calm": "calm"},
        )
        self.names = prediction_channels(LABELS, VIEWS)
        self.status = outlet(
            "rtemo-status",
            "Status",
            ["status"],
            pylsl.cf_string,
            f"rtemo-status-{name}",
            session=name,
            layout=self.layout.model_dump_json(),
        )
        # Not in the order that the dashboard works in.
        self.prediction = outlet(
            "rtemo-prediction", "Prediction", self.names[::-1], pylsl.cf_double64, f"rtemo-prediction-{name}"
        )
        self.events = outlet("rtemo-events", "Markers", ["event"], pylsl.cf_string, f"rtemo-events-{name}")
        self.quality = outlet(
            "rtemo-quality", "Quality", ["eeg:E0", "eeg:E1"], pylsl.cf_double64, f"rtemo-quality-{name}"
        )
        self.began_s = pylsl.local_clock()
        self.told_s = self.window_s = self.began_s
        self.heard = heard
        self.operators: list[tuple[str, str]] = []
        self.stop = threading.Event()
        self.listener = threading.Thread(target=self.listen)
        self.listener.start()

    def listen(self) -> None:
        resolver = pylsl.ContinuousResolver(prop="name", value="rtemo-command", forget_after=1.0)
        inlets: dict[str, pylsl.StreamInlet] = {}
        while not self.stop.wait(0.05):
            for info in resolver.results():
                if info.uid() not in inlets and self.layout.session in info.source_id():
                    inlet = pylsl.StreamInlet(info, recover=False)
                    inlet.open_stream(2.0)
                    inlets[info.uid()] = inlet
                    self.operators.append((info.hostname(), info.source_id()))
            for uid, inlet in list(inlets.items()):
                try:
                    rows, stamps = inlet.pull_chunk(timeout=0.0)
                except pylsl.util.LostError:
                    del inlets[uid]
                    continue
                for row, stamp_s in zip(rows, stamps, strict=True):
                    self.heard.put(json.dumps({"stamp_s": stamp_s, **json.loads(row[0])}))
        for inlet in inlets.values():
            inlet.close_stream()

    def tell(self, *, ending: bool = False) -> None:
        now_s = pylsl.local_clock()
        state = StreamState(
            key="view:eeg",
            name="eeg",
            views=("eeg",),
            state="live",
            age_s=0.0,
            rate_hz=250.0,
            nominal_hz=250.0,
            samples=1,
            late=0,
            rejected=0,
            stream_name="Amp",
            type="EEG",
            source_id="amp-1",
        )
        markers = state.model_copy(
            update={"key": "markers", "stream_name": "Stim", "type": "Markers", "source_id": "stim-1", "views": ()}
        )
        status = SessionStatus(
            now_s=now_s,
            elapsed_s=now_s - self.began_s,
            streams=(state, markers),
            window=WindowState(index=1, stop_s=now_s),
            predicted=1,
            skipped=0,
            age_p50_s=0.1,
            age_p99_s=0.1,
            adaptation=AdaptationState(mode="off"),
            operators=tuple(hostname for hostname, _ in self.operators),
            operator_ids=tuple(source_id for _, source_id in self.operators),
            ending=ending,
        )
        self.status.push_sample([status.model_dump_json()])

    def tick(self) -> None:
        now_s = pylsl.local_clock()
        if now_s - self.told_s >= 0.25:
            self.told_s = now_s
            self.tell()
        if now_s - self.window_s >= 0.5:
            self.window_s = now_s
            row = np.arange(float(len(self.names)))
            self.prediction.push_sample(row[::-1].tolist(), now_s)
            self.quality.push_sample([0.25, 1.0], now_s)
            self.events.push_sample([json.dumps({"stamp": now_s, "event": "late", "samples": 3})], now_s)

    def close(self) -> None:
        self.stop.set()
        self.listener.join()
        del self.status, self.prediction, self.events, self.quality


def main(session_id: str) -> None:
    configure(NetworkSettings(scope="machine", session_id=session_id))
    told: SimpleQueue[str | None] = SimpleQueue()
    heard: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            told.put(line.rstrip("\n"))
        told.put(None)

    threading.Thread(target=read, daemon=True).start()
    session: Session | None = None
    device: Device | None = None
    while True:
        try:
            line = told.get(timeout=TICK_S)
        except Empty:
            line = ""
        if line is None:
            break
        words = line.split(" ", 1)
        match line.split(" "):
            case ["session", "on", name, token]:
                session = Session(name, token, heard)
            case ["session", how]:
                assert session is not None
                if how == "end":
                    session.tell(ending=True)
                    # What is sent at the very end may be lost with the connection.
                    time.sleep(0.2)
                session.close()
                session = None
            case ["device", "on"]:
                device = Device()
            case ["device", "off"]:
                device = None
            case ["mark", _] if device is not None:
                device.markers.push_sample([words[1]])
            case ["status", *_] if session is not None:
                session.status.push_sample([words[1]])
            case ["event", *_] if session is not None:
                session.events.push_sample([words[1]])
        for one in (device, session):
            if one is not None:
                one.tick()
        while not heard.empty():
            print(heard.get(), flush=True)
    if session is not None:
        session.close()


if __name__ == "__main__":
    main(sys.argv[1])
