"""What a dashboard costs: itself, frame by frame, and the session that it watches.

Run ``python benchmarks/dashboard_cost.py`` (ten minutes; ``--quick`` for three). Nothing needs a screen: Qt draws into
memory, which takes more of the processor than a graphics card would.

* **Frames**: a window of 1920 x 1080 with every panel open, in this process; 62 channels at 1000 Hz, gaze at 120 Hz and
  eight peripheral channels at 256 Hz come in pieces of a tenth of a second, as they do over LSL. Each frame counts from
  the messages that wait to the last pixel.
* **Process**: processor time of ``rtemo dashboard`` beside a live session, from /proc.
* **Session**: one live session that predicts ten times a second, watched in every second stretch of a minute. ``age_s``
  of its predictions, watched and unwatched; the ten seconds around a dashboard's start and end count by themselves.
"""

from __future__ import annotations

import contextlib
import csv
import os
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
from live_soak import prepare

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
