"""`rtemo play --dashboard`: the replay as whoever watches it over LSL sees it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Run
from live_lab import ENVIRONMENT

from rtemo.telemetry import SessionLayout, SessionStatus

pytestmark = pytest.mark.lsl

SPEED = 16.0
PROGRAM = """
import json, sys, threading
from pathlib import Path
from rtemo.clock import LslClock
from rtemo.config import load_configuration
from rtemo.live.watched import WatchedReplay, replay_network
from rtemo.model.bundle import load_bundle
from rtemo.replay import Replay, ReplayClock

config, bundle = load_configuration(sys.argv[1]), load_bundle(sys.argv[2])
recording, speed = sys.argv[3], float(sys.argv[4])
clock = ReplayClock(speed, machine=LslClock())
events = []
replay = Replay(recording, config, bundle, device="cpu", clock=clock, on_event=lambda event: events.append(event))
heard = {"predictions": [], "status": [], "gaze": 0}
over = threading.Event()

def listen():
    import pylsl
    def inlet(**wanted):
        (found,) = pylsl.resolve_byprop(*next(iter(wanted.items())), timeout=10)
        return pylsl.StreamInlet(found, recover=False)
    status, predictions, eye = inlet(name="rtemo-status"), inlet(name="rtemo-prediction"), inlet(type="EyeFeatures")
    eye.open_stream(5)
    heard["layout"] = status.info(5).desc().child_value("layout")
    there = {"status": status, "predictions": predictions, "gaze": eye}
    while there and not over.is_set():
        for name, one in list(there.items()):
            try:
                values, stamps = one.pull_chunk(0.02)
            except pylsl.util.LostError:
                del there[name]
                continue
            if name == "gaze":
                heard[name] += len(stamps)
            else:
                heard[name] += [[stamp, *row] for stamp, row in zip(stamps, values)]

with WatchedReplay(Path(recording), replay, config, clock, replay_network(), speed=speed) as watched:
    listener = threading.Thread(target=listen)
    listener.start()
    origin = watched._origin_s, watched._first_s
    run = replay.run([watched], [watched.windows])
    seen = [(window.stop_s, prediction.probabilities.tolist()) for window, prediction in run]
listener.join(5)
over.set()
listener.join(5)
print(json.dumps(heard | {"origin": origin, "seen": seen}))
"""


def test_what_was_recorded_is_shown_as_it_was_at_moments_of_now(lab: Lab):
    command = [sys.executable, "-c", PROGRAM, lab.config, lab.bundle, lab.session, SPEED]
    done = subprocess.run(
        [*map(str, command)], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    layout = SessionLayout.model_validate_json(heard["layout"])
    assert layout.session.startswith("replay-session-")
    assert layout.labels == ("negative", "neutral", "positive")
    assert [view.name for view in layout.views] == ["eeg", "eye"]
    assert layout.views[0].bands["alpha"] == (8.0, 14.0)
    origin_s, first_s = heard["origin"]
    expected = {round(origin_s + (stop_s - first_s) / SPEED, 6): p for stop_s, p in heard["seen"]}
    assert len(heard["predictions"]) > 0.9 * len(expected)
    for stamp_s, *values in heard["predictions"]:
        np.testing.assert_array_equal(values[:3], expected[round(stamp_s, 6)])
    told = [SessionStatus.model_validate_json(line) for _, line in heard["status"]]
    assert told[-1].ending
    assert told[-1].predicted == len(expected)
    states = {stream.views: {status.streams[i].state for status in told} for i, stream in enumerate(told[-1].streams)}
    # The recording's own dropouts are seen as they happen, and no sample is from before.
    assert "lost" in states["eeg",]
    assert "live" in states["eye",]
    missing = {view for status in told if status.window is not None for view in status.window.missing}
    assert missing == {"eeg", "eye"}
    assert heard["gaze"] > 100
    assert all(status.now_s >= status.window.stop_s for status in told if status.window is not None)


def test_without_a_screen_it_is_refused_before_anything_is_written(
    lab: Lab, rtemo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for screen in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(screen, raising=False)
    options = ["-c", lab.config, "-m", lab.bundle, "-o", tmp_path / "out", "--dashboard"]
    refused = rtemo("play", lab.session, *options)
    assert refused.code == 2
    assert "no screen" in refused.err
    assert not (tmp_path / "out" / "predictions.csv").exists()


@pytest.mark.slow
def test_a_dashboard_changes_nothing_of_what_is_predicted(lab: Lab, tmp_path: Path):
    command = [sys.executable, "-m", "rtemo", "play", lab.session, "-c", lab.config, "-m", lab.bundle, "-o"]
    watching = ["--dashboard", "--speed", "20"]
    for name, options in (("plain", []), ("watched", watching)):
        done = subprocess.run(
            [*map(str, [*command, tmp_path / name, *options])],
            env=ENVIRONMENT | {"QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    plain, watched = (
        [
            {key: value for key, value in row.items() if key != "age_s"}
            for row in csv.DictReader((tmp_path / name / "predictions.csv").read_text().splitlines())
        ]
        for name in ("plain", "watched")
    )
    assert plain == watched
