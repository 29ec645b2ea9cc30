"""A session, its status and its operators over real LSL: what they ask is done, recorded and replayed, or refused."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import math
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from lab import Run
from live_lab import ENVIRONMENT, LiveLab, until

from rtemo.adaptation.log import read_adaptation_log
from rtemo.telemetry import SessionLayout, SessionStatus

pytestmark = pytest.mark.lsl

OPERATING = Path(__file__).with_name("operating.py")
HOST = socket.gethostname()
BETWEEN_S = 2.1


@dataclass
class Operator:
    """An operator's process, and what it sent."""

    process: subprocess.Popen[str]
    layout: SessionLayout = field(init=False)
    sent: dict[str, float] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def attach(self) -> None:
        """Wait until the session listens."""
        assert self.process.stdout is not None
        self.layout = SessionLayout.model_validate_json(self.process.stdout.readline())

    def send(self, text: str, *, ago_s: float = 0.0) -> float:
        """Send anything; gives the stamp that it bore."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([text, ago_s]) + "\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))

    def command(self, command: str, text: str = "", *, ago_s: float = 0.0, **changed: object) -> None:
        """Send a command."""
        said = {
            "session": self.layout.session,
            "token": self.layout.token,
            "number": next(self.numbers),
            "command": command,
            "text": text,
        }
        self.sent[text or command] = self.send(json.dumps(said | changed), ago_s=ago_s)

    def statuses(self) -> list[tuple[float, SessionStatus]]:
        """Leave, and wait for the session's end."""
        out, _ = self.process.communicate(timeout=40)
        return [(stamp, SessionStatus.model_validate_json(said)) for stamp, said in json.loads(out)]


@contextlib.contextmanager
def operator_of(session_id: str) -> Iterator[Operator]:
    command = [sys.executable, str(OPERATING), session_id]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=ENVIRONMENT, text=True, **pipes) as process:
        try:
            yield Operator(process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Operated:
    """A session that an operator took part in."""

    lab: LiveLab
    operator: Operator
    statuses: list[tuple[float, SessionStatus]]
    out: str

    def events(self, *kinds: str) -> list[dict]:
        return [event for event in self.lab.events() if event["event"] in kinds]


@pytest.fixture(scope="module")
def operated(trained_live_lab: LiveLab, tmp_path_factory: pytest.TempPathFactory) -> Operated:
    lab = trained_live_lab.alone(tmp_path_factory.mktemp("operated"))
    with lab.start("--wait", "60", "--duration", "60") as session, operator_of(lab.network.session_id) as operator:
        out = until(session, "looking for")
        with lab.simulated():
            operator.attach()
            operator.command("annotate", "first")
            operator.command("annotate", "half a second ago", ago_s=0.5)
            operator.command("annotate", "ten seconds ago \x1b[31m\u2028<&>\x00", ago_s=10.0)
            operator.command("annotate", "long ago", ago_s=100.0)
            operator.command("annotate", "not yet", ago_s=-100.0)
            operator.command("annotate", "no token", token="0" * 32)
            operator.command("annotate", "another session", session="sub-02-ses-20200101T000000Z")
            operator.command("annotate", "again", number=1)
            operator.command("erase")
            for garbage in ("", "{", "[" * 4000, "null", "x" * 5000, '{"number": 1e999}'):
                operator.send(garbage)
            for order in ("pause", "resume", "reset"):
                time.sleep(BETWEEN_S)
                operator.command(order)
                operator.command(order)
            time.sleep(BETWEEN_S)
            operator.command("annotate", "in the last moment")
            session.send_signal(signal.SIGINT)
            statuses = operator.statuses()
            rest, _ = session.communicate(timeout=40)
    assert session.returncode == 130
    return Operated(lab, operator, statuses, out + rest)


def test_the_status_says_how_the_session_stands(operated: Operated):
    layout, statuses = operated.operator.layout, [status for _, status in operated.statuses]
    folder = operated.lab.session()
    assert layout.session == f"sub-01-{folder.name}"
    assert len(layout.token) == 32
    assert (layout.hostname, layout.labels) == (HOST, ("negative", "neutral", "positive"))
    views = {view.name: view for view in layout.views}
    assert {name: view.channels for name, view in views.items()} == {"pps": ("ECG", "EDA"), "eye": ("x",)}
    assert (layout.length_s, layout.hop_s, layout.markers) == (1.0, 1.0, "markers")
    stamps = np.array([stamp for stamp, _ in operated.statuses])
    assert np.median(np.diff(stamps)) == pytest.approx(0.25, abs=0.1)
    assert [status.now_s for status in statuses] == stamps.tolist()
    last = statuses[-1]
    assert [status.ending for status in statuses] == [False] * (len(statuses) - 1) + [True]
    rows = operated.lab.rows()
    assert (last.predicted, last.skipped) == (len(rows), 0)
    assert last.window is not None
    assert last.window.label in layout.labels
    assert math.isclose(last.window.spread or 0.0, float(rows[-1]["spread"]), abs_tol=1e-12)
    streams = {stream.key: stream for stream in last.streams}
    assert streams[views["pps"].stream].stream_name == "SimulatedPeripheral"
    assert streams[views["eye"].stream].type == "Gaze"
    assert all(stream.source_id and stream.hostname == HOST for stream in streams.values())
    middle = statuses[len(statuses) // 2]
    assert all(stream.state == "live" for stream in middle.streams)
    assert all(s.samples > m.samples for s, m in zip(last.streams, middle.streams, strict=True) if s.views)
    assert last.recorded_bytes > middle.recorded_bytes > 0
    assert last.disk_free_bytes is not None
    assert last.disk_left_s is not None
    assert HOST in middle.operators
    # Two dashboards of one machine are two operators.
    assert middle.operator_ids == (f"rtemo-command-{layout.session}-1",)
    assert "rtemo-status" not in operated.out


def test_an_annotation_bears_the_operators_stamp_in_events_on_lsl_and_in_the_recording(operated: Operated, rtemo: Run):
    import pyxdf

    sent = operated.operator.sent
    texts = [text for text in sent if text in ("first", "half a second ago", "in the last moment") or text[:3] == "ten"]
    assert len(texts) == 4
    said = {event["text"]: event for event in operated.events("annotation")}
    assert list(said) == texts
    recording = operated.lab.session() / "recording.xdf"
    streams, _ = pyxdf.load_xdf(str(recording), dejitter_timestamps=False)
    (events,) = (stream for stream in streams if stream["info"]["name"] == ["rtemo-events"])
    recorded = {}
    for stamp_s, (line,) in zip(events["time_stamps"], events["time_series"], strict=True):
        event = json.loads(line)
        if event["event"] == "annotation":
            recorded[event["text"]] = stamp_s
    assert list(recorded) == texts
    for text in texts:
        assert said[text]["operator"] == HOST
        assert abs(said[text]["stamp"] - sent[text]) < 0.02
        assert recorded[text] == said[text]["stamp"]
    # Our own reader, and what it finds.
    told = rtemo("info", recording, "--json")
    report = json.loads(told.out)
    (stream,) = (stream for stream in report["streams"] if stream["name"] == "rtemo-events")
    assert (stream["rejected"], stream["samples"]) == (0, len(events["time_stamps"]))
    assert not [line for line in report["findings"] if "rtemo-" in line]


def test_what_is_wrong_is_refused_and_harms_nothing(operated: Operated):
    refused = operated.events("command-refused")
    reasons = " | ".join(event["reason"] for event in refused)
    for reason in ("100 s ago", "in the future", "token", "another session", "number 1 after 5", "annotate"):
        assert reason in reasons
    assert all(event["hostname"] == HOST for event in refused)
    # Eight commands, six samples of garbage, a stream of two channels, and three orders that came twice but one.
    assert sum(event["commands"] for event in refused) == 6 + 6 + 1 + 2
    assert not operated.events("error", "command-error")
    joined, left = operated.events("operator-joined"), operated.events("operator-left")
    assert [event["hostname"] for event in joined] == [event["hostname"] for event in left] == [HOST]
    assert operated.out.count("predicted, 0 skipped") == 1


def test_learning_stops_goes_on_and_begins_anew_as_the_operator_asks(operated: Operated):
    orders = operated.events("adaptation-paused", "adaptation-resumed", "adaptation-reset")
    kinds = [event["event"].removeprefix("adaptation-") for event in orders]
    assert kinds == ["paused", "resumed", "reset", "reset"]
    assert all((event["reason"], event["operator"]) == ("operator", HOST) for event in orders)
    paused, resumed, reset, _ = orders
    (start,) = operated.events("adaptation-start")
    assert paused["digest"] == resumed["digest"]
    assert paused["digest"] != start["digest"] == reset["digest"]
    updates = [event["window"] for event in operated.events("adaptation-update")]
    assert not [window for window in updates if paused["window"] < window <= resumed["window"]]
    assert resumed["window"] - paused["window"] >= 2
    assert [window for window in updates if window > resumed["window"]]
    states = [status.adaptation for _, status in operated.statuses]
    assert [key for key, _ in itertools.groupby(state.paused for state in states)] == [False, True, False]
    assert states[-1].resets == 2
    assert states[-1].learnt > 0
    assert states[-1].drift is not None
    rows = {int(row["window"]): row for row in operated.lab.rows()}
    after = rows[reset["window"] + 1]
    for label in operated.operator.layout.labels:
        assert after[f"p_{label}"] == after[f"shadow_{label}"]
    during = rows[resumed["window"]]
    assert during["p_negative"] != during["shadow_negative"]


def test_a_replay_learns_as_the_operator_asked(operated: Operated, rtemo: Run, tmp_path: Path):
    folder = operated.lab.session()
    told = operated.lab.agreement()
    assert told.holds, told
    assert told.largest == 0.0
    command = ["-c", folder / "config.toml", "-m", operated.lab.bundle, "--adaptation-log"]
    logs = [folder, tmp_path / "one", tmp_path / "two"]
    for log_of, folder_of in itertools.pairwise(logs):
        done = rtemo("play", folder / "recording.xdf", *command, log_of / "events.jsonl", "-o", folder_of)
        assert (done.code, done.err) == (0, "")
    rows = [list(csv.DictReader((path / "predictions.csv").read_text().splitlines())) for path in logs]
    for one, other in itertools.pairwise(rows):
        assert [row | {"age_s": ""} for row in one] == [row | {"age_s": ""} for row in other]
    orders = [read_adaptation_log(path / "events.jsonl").orders for path in logs]
    assert len(orders[0]) == 4
    assert orders[0] == orders[1] == orders[2]
