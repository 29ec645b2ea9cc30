"""How a session stands, in words: whatever the network calls things, they fit, and they are true."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rtemo.adaptation.account import AdaptationStatus
from rtemo.config import parse_configuration
from rtemo.health import Health
from rtemo.live import disk as disk_module
from rtemo.live.disk import DiskWatch, free_bytes
from rtemo.live.gather import StreamStatus
from rtemo.live.status import LiveStatus
from rtemo.live.telemetry import Telemetry, seconds_left, session_layout
from rtemo.outputs.lsl import _as_json
from rtemo.outputs.recording import RecorderStatus
from rtemo.telemetry import SessionLayout, SessionStatus
from rtemo.types import FeatureWindow, Prediction, StreamDescription

LONG = "\x1b[31m\u2028é" * 1000
STREAM = StreamStatus("view:eeg", "eeg", ("eeg",), Health.WAITING, math.inf, math.nan, 250.0, 0, 0, 0)
RECORDED = RecorderStatus(0.25, 50_000, 10, 3, refused=False, failed=None)
STANDS = LiveStatus(1000.0, 20.0, [STREAM], None, None, 0, 0, math.nan, math.nan, RECORDED, AdaptationStatus())
WINDOW = FeatureWindow(
    7,
    7.0,
    8.0,
    {},
    {"eeg": True, "eye": False},
    {},
    reason={"eye": "coverage 0.42 < 0.80"},
    quality={"eeg": np.array([1.0, np.nan, 0.25]), "eye": np.full(2, np.nan)},
    bad={"eeg": {"Fp1": "flat"}},
)


class Kept(list):
    """A sink that keeps what it gets, as it travels."""

    def write(self, status: SessionStatus) -> None:
        self.append(SessionStatus.model_validate_json(_as_json(status)))


def told(status: LiveStatus, *, ending: bool = False, operators: tuple[str, ...] = ()) -> SessionStatus:
    kept = Kept()
    ids = tuple(f"{hostname}-1" for hostname in operators)
    Telemetry(kept, Path.cwd(), lambda: operators, operator_ids=lambda: ids).tell(status, ending=ending)
    return kept[0]


def test_what_is_not_known_yet_is_none() -> None:
    status = told(STANDS)
    (stream,) = status.streams
    assert (stream.state, stream.age_s, stream.rate_hz, stream.stream_name) == ("waiting", None, None, "")
    assert (status.window, status.age_p50_s, status.age_p99_s) == (None, None, None)
    assert (status.adaptation.mode, status.adaptation.drift) == ("off", None)
    assert (status.now_s, status.elapsed_s, status.backlog_s, status.recorded_bytes) == (1000.0, 20.0, 0.25, 50_000)
    assert (status.operators, status.ending) == ((), False)


def test_the_newest_window_is_said_with_its_quality_and_what_is_missing() -> None:
    half = np.array([0.5, 0.5])
    prediction = Prediction(7, 7.0, 8.0, "calm", half, 0.125, half, half, np.array([True, False]), half, half, 0.01)
    status = told(replace(STANDS, window=WINDOW, prediction=prediction, predicted=3, age_p50_s=0.01, age_p99_s=0.02))
    window = status.window
    assert window is not None
    assert (window.index, window.stop_s, window.label, window.spread) == (7, 8.0, "calm", 0.125)
    assert window.missing == {"eye": "coverage 0.42 < 0.80"}
    assert window.bad == {"eeg": {"Fp1": "flat"}}
    # Of what was judged; a view that was not judged has none.
    assert window.quality == {"eeg": 0.625, "eye": None}
    unsaid = told(replace(STANDS, window=WINDOW)).window
    assert unsaid is not None
    assert (unsaid.label, unsaid.spread) == ("", None)
    skipped = told(replace(STANDS, window=WINDOW, prediction=replace(prediction, spread=math.nan))).window
    assert skipped is not None
    assert skipped.spread is None


def test_adaptation_and_operators_are_said_as_they_are() -> None:
    adaptation = AdaptationStatus("guarded", "", 5, 4, 3, True, True, 2, 1, 0.5, "drift", 6, 7)
    status = told(replace(STANDS, adaptation=adaptation), ending=True, operators=("desk", "lab"))
    assert (status.operators, status.ending) == (("desk", "lab"), True)
    assert status.operator_ids == ("desk-1", "lab-1")
    said = status.adaptation.model_dump()
    assert said == {
        "mode": "guarded",
        "reason": "",
        "paused": True,
        "frozen": True,
        "learnt": 5,
        "refused": 2,
        "updates": 4,
        "rollbacks": 3,
        "resets": 1,
        "drift": 0.5,
        "last_reason": "drift",
        "differ": 6,
        "compared": 7,
    }


def test_names_as_long_as_a_sender_likes_fit() -> None:
    stream = replace(STREAM, state=Health.LIVE, stream_name=LONG, type=LONG, source_id=LONG, hostname=LONG)
    window = replace(WINDOW, reason={"eye": LONG}, bad={"eeg": {LONG: LONG}})
    adaptation = AdaptationStatus(reason=LONG, last_reason=LONG)
    status = told(replace(STANDS, streams=[stream], window=window, adaptation=adaptation), operators=(LONG,))
    assert status.streams[0].source_id == LONG[:500]
    assert status.operators == (LONG[:500],)


def asked_of(disk: DiskWatch, now_s: float) -> int | None:
    """The last answer, once the one that is owed has come."""
    answer = disk.free(now_s)
    if disk._looking is not None:
        disk._looking.join()
    return answer


def test_the_disk_is_looked_at_now_and_then_and_lasts_as_it_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []

    def usage(folder: Path) -> SimpleNamespace:
        looked.append(folder)
        return SimpleNamespace(free=1_000_000)

    monkeypatch.setattr(disk_module.shutil, "disk_usage", usage)
    disk = DiskWatch(Path("folder"))
    answers = [asked_of(disk, 1000.0 + step / 4) for step in range(9)]
    assert looked == [Path("folder")] * 3
    assert answers[1:] == [1_000_000] * 8
    kept = Kept()
    telemetry = Telemetry(kept, Path("folder"), lambda: ())
    asked_of(telemetry._disk, 0.0)
    telemetry.tell(STANDS)
    assert (kept[0].disk_free_bytes, kept[0].disk_left_s) == (1_000_000, 400.0)
    nothing = replace(STANDS, recorder=RecorderStatus(0.0, 0, 0, 0, refused=False, failed=None))
    assert told(nothing).disk_free_bytes is None
    assert seconds_left(10**9, 50_000, 2.0) is None
    assert seconds_left(10**9, 0, 20.0) is None
    assert seconds_left(None, 50_000, 20.0) is None


def test_a_disk_that_hangs_keeps_nobody_waiting_and_is_not_asked_twice() -> None:
    answers, begun, go_on = iter([5, 6]), [], threading.Event()

    def look(folder: Path) -> int:
        begun.append(folder)
        if len(begun) > 1:
            assert go_on.wait(10)
        return next(answers)

    disk = DiskWatch(Path(), look)
    asked_of(disk, 0.0)
    assert [disk.free(float(second)) for second in range(1, 60)] == [5] * 59
    assert len(begun) == 2
    go_on.set()
    asked_of(disk, 1.5)
    assert disk.free(1.6) == 6


def test_a_disk_that_does_not_answer_is_not_known(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "gone") is None
    free = free_bytes(tmp_path)
    assert free is not None
    assert free > 0


def test_a_layout_says_what_each_view_reads() -> None:
    config = parse_configuration(
        {
            "labels": ["calm", "joy"],
            "window": {"length_s": 2.0, "hop_s": 0.5, "lateness_s": 0.2},
            "views": {
                "eeg": {
                    "stream": {"type": "EEG"},
                    "features": "differential-entropy",
                    "settings": {"bands": {"low": [1.0, 4.0], LONG: [4.0, 8.0]}},
                },
                "eye": {
                    "stream": {"type": "Gaze"},
                    "features": "eye",
                    "columns": {"x": "gx", "y": "gy"},
                    "settings": {"unit": "normalised"},
                },
                "skin": {"stream": {"type": "EEG"}, "features": "statistics", "channels": ["EDA"]},
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {"clip <&>": "joy"}, "duration_s": 60.0},
        },
        "test",
    )
    eeg = StreamDescription("view:eeg", "cap", "EEG", ("Fp1", LONG), 250.0)
    bound = {"eeg": eeg, "eye": None, "skin": replace(eeg, channel_labels=("EDA",))}
    keys = {"eeg": "view:eeg", "eye": "view:eye", "skin": "view:eeg"}
    made = session_layout(config, keys, bound, session="sub-01-ses-x", token="t")
    text = _as_json(made)
    assert text.isascii()
    assert "\x1b" not in text
    layout = SessionLayout.model_validate(json.loads(text))
    assert layout == made
    assert (layout.session, layout.token, layout.labels) == ("sub-01-ses-x", "t", ("calm", "joy"))
    assert (layout.length_s, layout.hop_s, layout.lateness_s) == (2.0, 0.5, 0.2)
    one, two, three = layout.views
    assert (one.name, one.stream, one.features) == ("eeg", "view:eeg", "differential-entropy")
    assert one.channels == ("Fp1", LONG[:500])
    assert one.bands == {"low": (1.0, 4.0), LONG[:500]: (4.0, 8.0)}
    assert (two.columns, two.channels, two.bands) == ({"x": "gx", "y": "gy"}, (), {})
    assert (three.stream, three.channels) == ("view:eeg", ("EDA",))
    assert (layout.markers, layout.marker_labels, layout.marker_duration_s) == ("markers", {"clip <&>": "joy"}, 60.0)


def test_the_usual_bands_are_said_too() -> None:
    views = {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"}}
    config = parse_configuration({"labels": ["calm", "joy"], "views": views}, "test")
    layout = session_layout(config, {"eeg": "view:eeg"}, {"eeg": None}, session="s", token="t")
    assert list(layout.views[0].bands) == ["delta", "theta", "alpha", "beta", "gamma"]
    assert (layout.markers, layout.marker_labels, layout.marker_duration_s) == ("", {}, None)


def test_what_is_no_number_is_not_said_and_ends_no_session() -> None:
    stream = replace(STREAM, state=Health.LIVE, nominal_hz=math.inf, rate_hz=math.inf, age_s=0.0)
    window = replace(WINDOW, quality={"eeg": np.array([np.inf, 0.5])})
    recorder = RecorderStatus(math.inf, 50_000, 10, 3, refused=False, failed=None)
    status = told(replace(STANDS, streams=[stream], window=window, recorder=recorder, age_p99_s=math.inf))
    assert (status.streams[0].nominal_hz, status.streams[0].rate_hz) == (0.0, None)
    assert (status.backlog_s, status.age_p99_s) == (0.0, None)
    assert status.window is not None
    assert status.window.quality == {"eeg": 0.5}


def test_a_status_that_cannot_be_told_is_said_once_and_the_next_one_is_told() -> None:
    class Broken(Kept):
        broken = True

        def write(self, status: SessionStatus) -> None:
            if self.broken:
                raise RuntimeError("no outlet")
            super().write(status)

    broken, said = Broken(), []
    telemetry = Telemetry(broken, Path.cwd(), lambda: (), said.append)
    telemetry.tell(STANDS)
    telemetry.tell(STANDS, ending=True)
    telemetry.tell(replace(STANDS, now_s="never"))
    assert said == ["RuntimeError: no outlet"]
    broken.broken = False
    telemetry.tell(STANDS)
    assert len(broken) == 1


def test_where_nobody_is_named_it_is_logged_why_a_status_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(Kept(), Path.cwd(), lambda: 1 / 0)
    telemetry.tell(STANDS)
    assert "ZeroDivisionError" in caplog.text


def test_the_spread_is_of_the_window_that_it_is_said_with() -> None:
    half = np.array([0.5, 0.5])
    prediction = Prediction(6, 6.0, 7.0, "calm", half, 0.125, half, half, np.array([True, False]), half, half, 0.01)
    window = told(replace(STANDS, window=WINDOW, prediction=prediction)).window
    assert window is not None
    assert (window.label, window.spread) == ("calm", None)
