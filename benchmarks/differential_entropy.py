"""How fast differential entropy is, beside numpy's rfft and scipy's filters, all in one run on one thread.

Run: python benchmarks/differential_entropy.py [--json FILE]
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
from scipy.signal import butter, sosfilt

from rtemo.config import parse_configuration
from rtemo.features.base import ClosingWindow, ViewSource
from rtemo.features.batch import differential_entropy
from rtemo.features.entropy import DifferentialEntropy, DifferentialEntropySettings
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.spectrum import SEED_BANDS
from rtemo.grid import Grid
from rtemo.types import Chunk, StreamDescription

CHANNELS, RATE_HZ, WINDOWS, ROUNDS = 62, 1000.0, 32, 30
SAMPLES = int(RATE_HZ)
STREAM = StreamDescription("eeg", "EEG", "EEG", tuple(f"C{i + 1}" for i in range(CHANNELS)), RATE_HZ)


def numpy_rfft_loop(windows: np.ndarray) -> np.ndarray:
    """The same quantity as most code computes it: detrend, window, rfft, sum, one window after the other."""
    samples = windows.shape[2]
    position = np.arange(samples) - (samples - 1) / 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
    frequency = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    masks = [(frequency >= low) & (frequency < high) for low, high in SEED_BANDS.values()]
    slices = [slice(mask.argmax(), mask.argmax() + mask.sum()) for mask in masks]
    scale = 2 / (samples * np.sum(hann**2))
    out = np.empty((len(windows), windows.shape[1], len(slices)))
    for window, entropies in zip(windows, out, strict=True):
        flat = window - window.mean(axis=1, keepdims=True)
        flat -= (flat @ position / (position @ position))[:, None] * position
        spectrum = np.fft.rfft(flat * hann, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        for band, bins in enumerate(slices):
            entropies[:, band] = 0.5 * np.log(2 * np.pi * np.e * scale * power[:, bins].sum(axis=1))
    return out


def numpy_rfft_only(windows: np.ndarray) -> None:
    """Nothing but the transforms."""
    for window in windows:
        np.fft.rfft(window, axis=1)


BANK = [butter(4, edges, btype="bandpass", output="sos", fs=RATE_HZ) for edges in SEED_BANDS.values()]


def scipy_filter_bank(windows: np.ndarray) -> np.ndarray:
    """Band-pass filters of fourth order, and the variance of what they give."""
    return np.stack([sosfilt(sections, windows, axis=2).var(axis=2) for sections in BANK], axis=2)


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def batch_timings(rng: np.random.Generator) -> dict[str, float]:
    """Microseconds a window; the contestants take turns, so that a slow moment of the machine meets all."""
    double = np.cumsum(rng.normal(size=(WINDOWS, CHANNELS, SAMPLES)), axis=2)
    single = double.astype(np.float32)
    largest = np.abs(differential_entropy(double, RATE_HZ) - numpy_rfft_loop(double)).max()
    actions: dict[str, tuple[Callable[[], object], int]] = {
        "batch float32": (lambda: differential_entropy(single, RATE_HZ), WINDOWS),
        "batch float64": (lambda: differential_entropy(double, RATE_HZ), WINDOWS),
        "numpy rfft loop float32": (lambda: numpy_rfft_loop(single), WINDOWS),
        "numpy rfft loop float64": (lambda: numpy_rfft_loop(double), WINDOWS),
        "numpy rfft alone float32": (lambda: numpy_rfft_only(single), WINDOWS),
        "scipy sosfilt bank": (lambda: scipy_filter_bank(double[:2]), 2),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(ROUNDS):
        for name, (action, count) in actions.items():
            if count == WINDOWS or turn % 10 == 0:
                times[name].append(seconds(action) / count * 1e6)
    found = {name: statistics.median(values) for name, values in times.items()}
    return found | {"largest difference from numpy (nat)": float(largest)}


def close_timing(rng: np.random.Generator, hop_s: float) -> float:
    """Microseconds to close a window whose samples have all been pushed."""
    grid = Grid(1.0, hop_s)
    extractor = DifferentialEntropy(DifferentialEntropySettings())
    extractor.reset(ViewSource("eeg", STREAM, grid, {}))
    signal = rng.normal(size=(SAMPLES, CHANNELS)).astype(np.float32)
    part = round(hop_s * SAMPLES)
    times = []
    for index in range(200):
        extractor.push(index, np.arange(part) / RATE_HZ + index * hop_s, signal[:part])
        if index > len(grid.cells(0)):
            cells = grid.cells(index - len(grid.cells(0)))
            window = ClosingWindow(cells.start, grid.start_s(cells.start), grid.stop_s(cells.start), cells, SAMPLES)
            times.append(seconds(lambda window=window: extractor.close(window)) * 1e6)
            extractor.discard(cells.start)
    return statistics.median(times)


def pipeline_timing(rng: np.random.Generator, chunk_s: float, duration_s: int = 60) -> float:
    """Microseconds for a second of signal from chunks to feature windows, everything included."""
    config = {"stream": {"type": "EEG"}, "features": "differential-entropy"}
    signal = np.cumsum(rng.normal(size=(SAMPLES, CHANNELS)), axis=0).astype(np.float32)
    size = round(chunk_s * RATE_HZ)
    times = []
    for _ in range(7):
        configuration = parse_configuration({"labels": ["a"], "views": {"eeg": config}}, "benchmark")
        pipeline = FeaturePipeline(configuration, [STREAM], origin="benchmark")
        stamps = 1000.2345 + np.arange(duration_s * SAMPLES) / RATE_HZ
        chunks = [
            Chunk("eeg", stamps[i : i + size], signal[i % SAMPLES : i % SAMPLES + size])
            for i in range(0, len(stamps), size)
        ]
        begin = time.perf_counter()
        windows = sum(len(pipeline.push(chunk)) for chunk in chunks)
        times.append((time.perf_counter() - begin) / duration_s * 1e6)
        assert windows == duration_s
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{CHANNELS} channels, {SAMPLES} samples, 5 bands; Python {platform.python_version()}, ", end="")
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, one thread; medians in microseconds")
    figures = batch_timings(rng)
    figures["close, windows side by side"] = close_timing(rng, 1.0)
    figures["close, windows every quarter second"] = close_timing(rng, 0.25)
    for chunk_s in (1.0, 0.25, 0.1, 0.05):
        figures[f"pipeline, a second in chunks of {chunk_s:g} s"] = pipeline_timing(rng, chunk_s)
    for name, value in figures.items():
        print(f"{name:45s} {value:12.3g}" if "nat" in name else f"{name:45s} {value:12.1f}")
    ratios = {
        "numpy rfft loop / batch (float32)": figures["numpy rfft loop float32"] / figures["batch float32"],
        "numpy rfft loop / batch (float64)": figures["numpy rfft loop float64"] / figures["batch float64"],
        "numpy rfft alone / batch (float32)": figures["numpy rfft alone float32"] / figures["batch float32"],
        "scipy sosfilt bank / batch (float32)": figures["scipy sosfilt bank"] / figures["batch float32"],
        "real time / pipeline in 1-s chunks": 1e6 / figures["pipeline, a second in chunks of 1 s"],
    }
    for name, value in ratios.items():
        print(f"{name:45s} {value:12.1f} x")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures | ratios, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
