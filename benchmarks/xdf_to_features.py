"""From an XDF file to differential entropy: `python benchmarks/xdf_to_features.py`.

A recording of 62 channels at 1 kHz, float32, is generated for each length; rtemo runs the path that serves live
(reader, clock map, dejitter, windows, features), its peer reads the file with pyxdf and takes numpy's rfft of each
window. Each run is a process of its own, on one thread, the two taking turns; medians. Memory is the growth of the
peak resident size from just before the file is opened.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from xdf_reading import CHANNELS, RATE_HZ, generate, peak_mb

import numpy as np  # isort: skip  # xdf_reading sets the number of threads first

BANDS = ((1, 4), (4, 8), (8, 14), (14, 31), (31, 50))


def with_rtemo(path: Path) -> int:
    """The path that serves live; returns the number of windows."""
    from rtemo.config import parse_configuration
    from rtemo.features.pipeline import FeaturePipeline
    from rtemo.sources import open_recording
    from rtemo.types import Chunk

    view = {"stream": {"type": "EEG"}, "features": "differential-entropy"}
    config = parse_configuration({"labels": ["a", "b"], "views": {"eeg": view}}, "benchmark")
    source = open_recording(path)
    pipeline = FeaturePipeline(config, source.streams, origin=source.origin)
    windows = 0
    for item in source:
        if isinstance(item, Chunk):
            windows += len(pipeline.push(item))
    windows += len(pipeline.end())
    source.close()
    return windows


def with_pyxdf(path: Path) -> int:
    """Everything in memory, then Hann window, rfft and band sums window by window."""
    import pyxdf

    stream = pyxdf.load_xdf(str(path))[0][0]
    signal = stream["time_series"]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(RATE_HZ) / RATE_HZ)
    windows = 0
    for start in range(0, len(signal) - RATE_HZ + 1, RATE_HZ):
        x = signal[start : start + RATE_HZ].T
        power = np.abs(np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * hann)) ** 2
        variance = np.stack([power[:, low:high].sum(axis=1) for low, high in BANDS], axis=1)
        0.5 * np.log(2 * np.pi * np.e * variance / RATE_HZ**2)
        windows += 1
    return windows


PATHS = {"rtemo": with_rtemo, "pyxdf + rfft": with_pyxdf}


def run_one(name: str, path: Path) -> None:
    """One measured run in this process, printed as JSON."""
    PATHS[name](path.with_name("warm.xdf"))  # imports, thread pools, page tables
    base_mb = peak_mb()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    windows = PATHS[name](path)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    print(json.dumps({"s": took_s, "cpu_s": cpu_s, "mb": peak_mb() - base_mb, "windows": windows}))


def measure(name: str, path: Path) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, options.file)
        return
    print(f"{CHANNELS} channels, {RATE_HZ} Hz, float32, one thread, {options.runs} runs")
    print(f"{'minutes':>8} {'path':>14} {'s':>8} {'x real time':>12} {'per core':>9} {'MB':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "warm.xdf", 0.2)
        for minutes in options.minutes:
            path = Path(folder) / "long.xdf"
            path.unlink(missing_ok=True)
            generate(path, minutes)
            path.read_bytes()[:0]  # into the page cache, for both alike
            # The peer holds everything in memory: an hour would take 15 GB of it.
            names = list(PATHS) if minutes <= 15 else ["rtemo"]
            runs = {name: [] for name in names}
            for _ in range(options.runs):
                for name in names:
                    runs[name].append(measure(name, path))
            for name in names:
                s = statistics.median(run["s"] for run in runs[name])
                cpu_s = statistics.median(run["cpu_s"] for run in runs[name])
                mb = max(run["mb"] for run in runs[name])
                ratio = s / statistics.median(run["s"] for run in runs["rtemo"])
                wall, core = 60 * minutes / s, 60 * minutes / cpu_s
                print(f"{minutes:>8g} {name:>14} {s:>8.3f} {wall:>12,.0f} {core:>9,.0f} {mb:>8.1f} {ratio:>6.1f}")


if __name__ == "__main__":
    main()
