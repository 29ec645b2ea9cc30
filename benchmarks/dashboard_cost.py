"""What a dashboard costs: itself, frame by frame, and the session that it watches.

Run ``python benchmarks/dashboard_cost.py`` (ten minutes), or a part at a time, none of which takes more than seven on a
slow machine: ``frames``, ``memory``, ``session``. Each part replaces what ``results/dashboard_cost.json`` held of it.
``--quick`` looks at each for less long, and saves nothing. Nothing needs a screen: Qt draws into memory, which takes
more of the processor than a graphics card would.

* **Frames**: a window of 1920 x 1080 with every panel open, in this process; 62 channels at 1000 Hz, gaze at 120 Hz and
  eight peripheral channels at 256 Hz come in pieces of a tenth of a second, as they do over LSL. Each frame counts from
  the messages that wait to the last pixel.
* **Memory** of that process over eight simulated hours.
* **Process**: processor time of ``rtemo dashboard`` beside a live session, from /proc.
* **Session**: one live session that predicts ten times a second, watched in every second stretch of a minute. ``age_s``
  of its predictions, watched and unwatched; the ten seconds around a dashboard's start and end count by themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np
from live_soak import prepare, resident_mb

from rtemo.clock import VirtualClock
from rtemo.telemetry import SessionLayout, SessionStatus

RESULTS = Path(__file__).with_name("results") / "dashboard_cost.json"
ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
LEAD_S = 10.0
SETTLE_S = 10.0
FRAME_S = 0.1
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Processor time of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


@contextlib.contextmanager
def process(*arguments: object, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An rtemo command in a process of its own, ended at the end."""
    command = [sys.executable, "-m", "rtemo", *map(str, arguments)]
    with log.open("wb") as said, subprocess.Popen(command, env=ENVIRONMENT, stdout=said, stderr=said) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def percentiles(values: list[float]) -> dict[str, float]:
    """In milliseconds."""
    p50, p95, p99 = np.percentile(values, [50, 95, 99]) * 1e3
    return {"n": len(values), "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99)}


def beside_a_session(stretches: int, stretch_s: float) -> dict[str, object]:
    """Ages of predictions with and without a dashboard, and what the dashboard's process takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, bundle = prepare(folder)
        watched: list[tuple[float, float]] = []
        edges: list[tuple[float, float]] = []
        shares: list[float] = []
        total_s = stretches * stretch_s + LEAD_S
        run = ("run", config, "-m", bundle, "-p", "01", "-o", folder / "out", "--no-dashboard", "--duration", total_s)
        with (
            process("simulate", config, "--trial", 6, "--rest", 2, log=folder / "simulate.log"),
            process(*run, log=folder / "run.log") as session,
        ):
            from rtemo.liblsl import local_clock

            until_s = time.monotonic() + 60.0
            while not list(folder.glob("out/*/*/predictions.csv")) and time.monotonic() < until_s:
                time.sleep(0.1)
            time.sleep(LEAD_S / 2)
            for number in range(stretches):
                began_s = local_clock()
                if number % 2 == 0:
                    time.sleep(stretch_s)
                else:
                    with process("dashboard", "-c", config, log=folder / "dashboard.log") as dashboard:
                        time.sleep(SETTLE_S)
                        before_s, at_s = processor_s(dashboard.pid), time.monotonic()
                        time.sleep(stretch_s - 2 * SETTLE_S)
                        shares.append((processor_s(dashboard.pid) - before_s) / (time.monotonic() - at_s))
                        watched.append((began_s + SETTLE_S, local_clock()))
                        if dashboard.poll() is not None:
                            raise RuntimeError((folder / "dashboard.log").read_text())
                    time.sleep(SETTLE_S)
                    edges += [(began_s, began_s + SETTLE_S), (watched[-1][1], local_clock())]
            session.wait(60)
        (table,) = folder.glob("out/*/*/predictions.csv")
        rows = [(float(row["stop"]), float(row["age_s"])) for row in csv.DictReader(table.read_text().splitlines())]
    first_s = rows[0][0] + LEAD_S / 2
    ages: dict[str, list[float]] = {"watched": [], "unwatched": [], "while a dashboard starts or ends": []}
    for stop_s, age_s in rows:
        if stop_s < first_s or not np.isfinite(age_s):
            continue
        for name, spans in (("watched", watched), ("while a dashboard starts or ends", edges)):
            if any(start_s <= stop_s <= end_s for start_s, end_s in spans):
                ages[name].append(age_s)
                break
        else:
            ages["unwatched"].append(age_s)
    return {
        "age": {name: percentiles(of) for name, of in ages.items()},
        "process": {"share_of_a_core": [round(share, 3) for share in shares]},
    }


class Watched:
    """A window on a session that is made up, in virtual time."""

    def __init__(self) -> None:
        from PySide6.QtWidgets import QApplication

        from rtemo.dashboard.app import FRAME_BUDGET_S
        from rtemo.dashboard.messages import Attached, PredictionsSeen, StreamOpened
        from rtemo.dashboard.state import DashboardState
        from rtemo.dashboard.window import DashboardWindow, Ports

        self.application = QApplication.instance() or QApplication([])
        rows = ("Fp", "AF", "F", "FC", "C", "CP", "P", "PO", "O")
        channels = tuple(f"{row}{place}" for row in rows for place in "123456z")[:62]
        self.streams = {"view:eeg": (channels, 1000), "view:eye": (("x", "y", "pupil"), 120)}
        self.streams["view:pps"] = (PERIPHERAL, 256)
        self.generator = np.random.default_rng(0)
        self.clock = VirtualClock(5000.0)
        self.state = DashboardState(self.clock)
        self.state.take(Attached(layout_of(channels)))
        for key, (names, rate_hz) in self.streams.items():
            self.state.take(StreamOpened(key, names, ("uV",) * len(names), float(rate_hz)))
        self.state.take(PredictionsSeen(self.clock.now_s() - np.arange(3600.0, 0.0, -1.0), self.predictions(3600)))
        ports = Ports(send=lambda *_: None, beep=lambda: None)
        self.window = DashboardWindow(self.state, ports, budget_s=FRAME_BUDGET_S)
        self.window.signals.count.setCurrentIndex(self.window.signals.count.count() - 1)
        self.window.resize(1920, 1080)
        self.window.show()

    def predictions(self, windows: int) -> np.ndarray:
        """Of three labels and views; each view is missing for some minutes of an hour."""
        p, shadow, weights = (self.generator.dirichlet((2, 2, 2), windows) for _ in range(3))
        second = self.clock.now_s() - np.arange(windows)[::-1]
        available = np.column_stack([(second // 60 + 7 * view) % 20 > 0 for view in range(3)]).astype(float)
        rest = [weights * 0.3, available, available, np.full((windows, 1), 0.005)]
        return np.hstack([p, shadow, weights * available, *rest])

    def pass_by(self, step_s: float) -> list[object]:
        """What is said of a stretch of time, of whose end a tenth of a second of signals comes."""
        from rtemo.dashboard.messages import EventSeen, EventsSeen, PredictionsSeen, SamplesSeen, StatusSeen

        before_s = self.clock.now_s()
        self.clock.advance(step_s)
        now_s = self.clock.now_s()
        messages: list[object] = []
        for key, (names, rate_hz) in self.streams.items():
            stamps_s = now_s - FRAME_S + np.arange(rate_hz // 10) / rate_hz
            samples = self.generator.normal(0, 10, (rate_hz // 10, len(names))).astype(np.float32)
            messages.append(SamplesSeen(key, stamps_s, samples))
        windows = np.arange(np.ceil(before_s), np.ceil(now_s))
        if len(windows):
            messages.append(PredictionsSeen(windows, self.predictions(len(windows))))
            messages.append(EventsSeen((EventSeen(now_s, "adaptation-update", {"window": int(now_s)}),)))
        messages.append(StatusSeen(status_at(now_s, self.streams), now_s))
        return messages

    def frame(self, messages: list[object]) -> None:
        """From the messages that wait to the last pixel."""
        for message in messages:
            self.state.take(message)  # type: ignore[arg-type]
        self.window.draw()
        self.application.processEvents()


def frames(seconds: float) -> dict[str, object]:
    """How long frames take, and what part of a core ten of them a second are, by what is seen."""
    watched = Watched()
    found: dict[str, object] = {}
    tabs = watched.window.tabs
    for tab in range(tabs.count()):
        tabs.setCurrentIndex(tab)
        took: list[float] = []
        busy: list[float] = []
        for number in range(round((seconds + WARM_UP_S) / FRAME_S)):
            if number == round(WARM_UP_S / FRAME_S):
                took, busy = [], []
            messages = watched.pass_by(FRAME_S)
            start_s, before_s = time.perf_counter(), time.process_time()
            watched.frame(messages)
            took.append(time.perf_counter() - start_s)
            busy.append(time.process_time() - before_s)
        found[tabs.tabText(tab)] = percentiles(took) | {
            # What other work on the machine does not add to.
            "processor": percentiles(busy),
            "share_of_a_core": round(sum(busy) / seconds, 3),
        }
    watched.window.close()
    return found


def memory(hours: int) -> dict[str, object]:
    """Resident memory of the window's process at each simulated hour, all panels having been seen."""
    watched = Watched()
    tabs = watched.window.tabs
    resident = []
    for hour in range(hours + 1):
        for number in range(round(3600 / STEP_S)):
            tabs.setCurrentIndex(number // 20 % tabs.count())
            watched.frame(watched.pass_by(STEP_S))
        resident.append(round(resident_mb(os.getpid()), 1))
        print(f"hour {hour + 1}: {resident[-1]} MB", flush=True)
    watched.window.close()
    return {"resident_mb_by_hour": resident, "grown_mb": round(resident[-1] - resident[0], 1)}


PARTS = ("frames", "memory", "session")
STEP_S = 8.0
PERIPHERAL = tuple(f"P{number}" for number in range(1, 9))
WARM_UP_S = 5.0
BEGAN_S = 1000.0


def layout_of(channels: tuple[str, ...]) -> SessionLayout:
    """A session with three views."""
    bands = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)}
    return SessionLayout.model_validate(
        {
            "version": 1,
            "session": "sub-01-ses-1",
            "token": "token",
            "hostname": "here",
            "labels": ("negative", "neutral", "positive"),
            "length_s": 1.0,
            "hop_s": 1.0,
            "views": (
                {"name": "eeg", "stream": "view:eeg", "features": "differential-entropy", "channels": channels}
                | {"bands": bands},
                {"name": "eye", "stream": "view:eye", "features": "eye", "channels": ("x", "y", "pupil")}
                | {"columns": {"x": "x", "y": "y"}},
                {"name": "pps", "stream": "view:pps", "features": "statistics", "channels": PERIPHERAL},
            ),
        }
    )


def status_at(now_s: float, rates: dict[str, tuple[tuple[str, ...], int]]) -> SessionStatus:
    """All is well."""
    streams = [
        {"key": key, "name": key[5:], "views": (key[5:],), "state": "live", "age_s": 0.02, "rate_hz": rate_hz}
        | {"nominal_hz": rate_hz, "samples": 1000, "late": 0, "rejected": 0}
        for key, (_, rate_hz) in rates.items()
    ]
    window = {"index": int(now_s), "stop_s": now_s, "label": "neutral", "spread": 0.02}
    adaptation = {"mode": "guarded", "learnt": 10, "updates": 1}
    return SessionStatus.model_validate(
        {
            "now_s": now_s,
            "elapsed_s": now_s - BEGAN_S,
            "streams": streams,
            "window": window,
            "predicted": 4000,
            "skipped": 0,
        }
        | {"age_p50_s": 0.005, "age_p99_s": 0.007, "adaptation": adaptation}
    )


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them, if none is named")
    parser.add_argument("--quick", action="store_true", help="three minutes; nothing is saved")
    options = parser.parse_args()
    if not set(options.parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    quick = options.quick
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for part in options.parts or PARTS:
        found: dict[str, object] = {"machine": machine}
        if part == "frames":
            found |= frames(10.0 if quick else 30.0)
        elif part == "memory":
            found |= memory(1 if quick else 8)
        else:
            found |= beside_a_session(2 if quick else 6, 50.0 if quick else 60.0)
        print(json.dumps({part: found}, indent=2), flush=True)
        if not quick:
            # At once: what comes next may fail.
            kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            RESULTS.write_text(json.dumps(kept | {part: found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
