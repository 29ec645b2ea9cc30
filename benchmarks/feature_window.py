"""What all features of a window cost: EEG of 62 channels at 1000 Hz and an eye tracker of 6 channels at 120 Hz.

Everything from chunks to feature windows on one thread: cutting, quality of each channel, differential entropy, events
of the eye, pupils. The chunks of both streams come in turns.

Run: python benchmarks/feature_window.py [--json FILE]
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import platform
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rtemo.config import parse_configuration
from rtemo.features.pipeline import FeaturePipeline
from rtemo.types import Chunk, StreamDescription

EEG = StreamDescription("eeg", "EEG", "EEG", tuple(f"C{i + 1}" for i in range(62)), 1000.0)
EYE = StreamDescription("eye", "Eye", "Gaze", ("x", "y", "pupil_left", "pupil_right", "blink", "valid"), 120.0)
SCREEN = {"resolution_px": [1920, 1080], "size_m": [0.53, 0.3], "distance_m": 0.6}
VIEWS: dict[str, dict[str, Any]] = {
    "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
    "eye": {
        "stream": {"type": "Gaze"},
        "features": "eye",
        "columns": {label: label for label in EYE.channel_labels},
        "settings": {"screen": SCREEN},
    },
}
SECONDS, ROUNDS = 60, 5
START_S = 1000.2345


def eye_samples(rng: np.random.Generator) -> np.ndarray:
    """Gaze that jumps thrice a second, pupils that drift, and a blink every four seconds."""
    rate, count = int(EYE.nominal_rate_hz), int(SECONDS * EYE.nominal_rate_hz)
    jumps = np.cumsum(rng.random(count) < 3 / rate)
    gaze = rng.uniform([200, 200], [1700, 900], (count, 2))[jumps] + rng.normal(0, 1, (count, 2))
    pupils = 3 + np.cumsum(rng.normal(0, 0.005, (count, 2)), axis=0)
    shut = np.arange(count) % (4 * rate) < rate // 8
    pupils[shut] = np.nan
    return np.column_stack([gaze, pupils, shut, ~shut]).astype(np.float32)


def chunks(rng: np.random.Generator, views: list[str], chunk_s: float) -> list[list[Chunk]]:
    """Chunks of both streams, second by second."""
    signals = {"eeg": (EEG, np.cumsum(rng.normal(size=(SECONDS * 1000, 62)), axis=0).astype(np.float32))}
    signals["eye"] = EYE, eye_samples(rng)
    made: list[list[Chunk]] = [[] for _ in range(SECONDS)]
    for view in views:
        stream, values = signals[view]
        stamps = START_S + np.arange(len(values)) / stream.nominal_rate_hz
        edges = np.searchsorted(stamps - START_S, np.arange(0, SECONDS + chunk_s / 2, chunk_s) - 1e-9)
        for number, (first, stop) in enumerate(pairwise(edges)):
            made[int(number * chunk_s + 1e-9)].append(Chunk(view, stamps[first:stop], values[first:stop]))
    return [sorted(second, key=lambda chunk: float(chunk.stamps_s[-1])) for second in made]


def timings(views: list[str], chunk_s: float, *, quality: bool) -> tuple[float, float]:
    """Microseconds a window, half and all but one in a hundred."""
    rng = np.random.default_rng(0)
    given = chunks(rng, views, chunk_s)
    asked = {view: {**VIEWS[view], "quality": {"enabled": quality}} for view in views}
    times = []
    for _ in range(ROUNDS):
        configuration = parse_configuration({"labels": ["a"], "views": asked}, "benchmark")
        pipeline = FeaturePipeline(configuration, [EEG, EYE], origin="benchmark")
        windows = []
        for second in given:
            begin = time.perf_counter()
            for chunk in second:
                windows += pipeline.push(chunk)
            times.append((time.perf_counter() - begin) * 1e6)
        assert len(windows) >= SECONDS - 1, len(windows)
        assert all(all(window.available.values()) for window in windows[2:-1])
    half, most = np.quantile(times, [0.5, 0.99])
    return float(half), float(most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, one thread; microseconds a window of 1 s")
    print(f"{'':44s} {'p50':>8s} {'p99':>8s}")
    figures = {}
    for chunk_s in (1.0, 0.1):
        for views in (["eeg"], ["eye"], ["eeg", "eye"]):
            for quality in (True, False):
                name = f"{' + '.join(views)}, chunks of {chunk_s:g} s{'' if quality else ', quality off'}"
                half, most = timings(views, chunk_s, quality=quality)
                figures[name] = {"p50_us": half, "p99_us": most}
                print(f"{name:44s} {half:8.0f} {most:8.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
