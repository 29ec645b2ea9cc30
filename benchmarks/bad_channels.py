"""Five of nineteen channels spoilt: `python benchmarks/bad_channels.py` (four minutes).

PhysioNet's "EEG During Mental Arithmetic Tasks", found through RTEMO_DATA: rest against mental arithmetic, windows of
4 s of the EEG of configs/eegmat.toml. Across participants accuracy is at chance, so each has a model of their own: the
first 60 % of both recordings train, the rest tests. For the test, five channels, drawn anew for each participant and
seed, go flat, pick up 150 uV of 50 Hz, or burst into noise of 300 uV for a second every three; or a mixture of these.
The same bundle is then evaluated with channels watched and not. Figures are over the windows of all participants.

Prints first what watching costs: milliseconds a window of 62 channels at 1000 Hz, on one thread.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from baselines import save, show

import mne  # isort: skip  # baselines sets the number of threads first
import numpy as np

from rtemo.config import Configuration, QualitySettings, load_configuration
from rtemo.evaluation.metrics import score
from rtemo.extraction import extract, join, label_indices
from rtemo.features.base import ClosingWindow, ViewSource
from rtemo.features.quality import ChannelMonitor
from rtemo.grid import Grid
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.training import standardise, train_bundle
from rtemo.types import StreamDescription

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("RTEMO_DATA", ROOT.parent / "shared" / "data")) / "eegmat"
TRAINS, SPOILT, RATE_HZ = 0.6, 5, 500
PADDED_S = 2.0
"""Recordings end in zeros, into which the filters that made them have run out."""
CLASSES = {"1": "rest", "2": "arithmetic"}

Rng = np.random.Generator


def flat(signal: np.ndarray, rng: Rng) -> np.ndarray:
    return np.full_like(signal, signal[0])


def line(signal: np.ndarray, rng: Rng) -> np.ndarray:
    return signal + 150e-6 * np.sin(2 * np.pi * 50 * np.arange(len(signal)) / RATE_HZ + rng.uniform(0, 6))


def bursts(signal: np.ndarray, rng: Rng) -> np.ndarray:
    phase = (np.arange(len(signal)) / RATE_HZ + rng.uniform(0, 3)) % 3
    return signal + 300e-6 * rng.normal(size=len(signal)) * (phase < 1)


def mixture(signal: np.ndarray, rng: Rng) -> np.ndarray:
    return (flat, line, bursts)[rng.integers(3)](signal, rng)


KINDS: dict[str, Callable[[np.ndarray, Rng], np.ndarray]] = {
    "flat": flat,
    "50 Hz": line,
    "bursts": bursts,
    "mixture": mixture,
}


def write(folder: Path, name: str, raw: mne.io.BaseRaw, label: str) -> Path:
    """A recording of one label."""
    path = folder / f"{name}_raw.fif"
    raw.save(path, overwrite=True, verbose="error")
    events = f"onset\tduration\ttrial_type\n0\t{raw.times[-1] + 1:.3f}\t{label}\n"
    path.with_name(f"{path.stem}_events.tsv").write_text(events, encoding="utf-8")
    return path


def participant(folder: Path, number: str) -> tuple[dict[str, mne.io.BaseRaw], dict[str, mne.io.BaseRaw]]:
    """By label, the part of a recording that trains and the part that tests, without the zeros that pad its end."""
    first, last = {}, {}
    for part, label in CLASSES.items():
        raw = mne.io.read_raw_edf(FOLDER / f"Subject{number}_{part}.edf", preload=True, verbose="error")
        raw.drop_channels([name for name in raw.ch_names if "ECG" in name or "A2" in name])
        raw.rename_channels({name: name.removeprefix("EEG ") for name in raw.ch_names})
        stop_s = np.flatnonzero(np.diff(raw.get_data()).all(axis=0))[-1] / RATE_HZ - PADDED_S
        first[label] = raw.copy().crop(0, TRAINS * stop_s)
        last[label] = raw.copy().crop(TRAINS * stop_s, stop_s)
    return first, last


def spoil(raw: mne.io.BaseRaw, kind: str, channels: np.ndarray, rng: Rng) -> mne.io.BaseRaw:
    """A copy with some channels spoilt."""
    copy = raw.copy()
    for channel in channels:
        copy._data[channel] = KINDS[kind](copy._data[channel], rng)
    return copy


def tested(bundle: Bundle, config: Configuration, paths: list[Path]) -> tuple[np.ndarray, np.ndarray, int]:
    """Truth, probabilities, and how many windows had no view; those get the prior."""
    table = join([extract(path, config, references=bundle.references).table for path in paths])
    views = standardise(table, config, bundle.standardiser)
    probabilities = Predictor(bundle.model, device="cpu").predict_many(views).probabilities
    truth = label_indices(table, config.labels)
    return truth[truth >= 0], probabilities[truth >= 0], int((~table.available["eeg"][truth >= 0]).sum())


def unwatched(config: Configuration) -> Configuration:
    """The configuration with channels not judged."""
    view = config.views["eeg"]
    quality = view.quality.model_copy(update={"enabled": False})
    return config.model_copy(update={"views": {"eeg": view.model_copy(update={"quality": quality})}})


def accuracy(seeds: range, numbers: list[str]) -> dict[str, object]:
    """Print a table; returns the figures of every seed."""
    config = load_configuration(ROOT / "configs" / "eegmat.toml")
    config = config.model_copy(update={"views": {"eeg": config.views["eeg"]}})
    conditions = {"clean": ("", config), "clean, not watched": ("", unwatched(config))}
    for kind in KINDS:
        conditions |= {f"{kind}, watched": (kind, config), f"{kind}, not watched": (kind, unwatched(config))}
    rows: dict[str, list] = {name: [] for name in conditions}
    missing: dict[str, list[int]] = {name: [] for name in conditions}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in seeds:
            results: dict[str, list] = {name: [] for name in conditions}
            for number in numbers:
                first, last = participant(folder, number)
                paths = [write(folder, f"train{label}", raw, label) for label, raw in first.items()]
                bundle = train_bundle(
                    config, [extract(path, config) for path in paths], [], seed=seed, device="cpu"
                ).bundle
                rng = np.random.default_rng([seed, int(number)])
                channels = rng.choice(19, SPOILT, replace=False)
                for name, (kind, settings) in conditions.items():
                    draw = np.random.default_rng([seed, int(number), 1])
                    made = {k: spoil(raw, kind, channels, draw) if kind else raw for k, raw in last.items()}
                    paths = [write(folder, f"test{label}", raw, label) for label, raw in made.items()]
                    results[name].append(tested(bundle, settings, paths))
            for name, found in results.items():
                truth, probabilities = (np.concatenate([r[i] for r in found]) for i in (0, 1))
                rows[name].append(score(truth, probabilities))
                missing[name].append(sum(r[2] for r in found))
    figures = show(f"{SPOILT} of 19 channels spoilt, {len(numbers)} participants", rows)
    for name, counts in missing.items():
        print(f"{name}: windows without EEG {counts} of {len(truth)}")
    drop = min(np.mean([b.accuracy - a.accuracy for a, b in zip(rows["clean"], rows[f"{kind}, watched"], strict=True)])
               for kind in KINDS)  # fmt: skip
    print(f"largest fall of the mean accuracy against clean, channels watched: {-drop:+.3f}")
    return {"accuracy": figures, "windows without EEG": missing}


def timing() -> dict[str, float]:
    """Milliseconds to push and to judge a window, the median of 300."""
    rng, found = np.random.default_rng(0), {}
    signal = 10 * np.cumsum(rng.normal(size=(1000, 62)), axis=0)
    stream = StreamDescription("eeg", "EEG", "EEG", tuple(f"C{i + 1}" for i in range(62)), 1000.0)
    for dtype in (np.float32, np.float64):
        for chunk in (1000, 100, 8):
            monitor = ChannelMonitor(QualitySettings(), 0.25)
            monitor.reset(ViewSource("eeg", stream, Grid(1.0, 1.0), {}))
            samples, times = signal.astype(dtype), []
            for index in range(300):
                begin = time.perf_counter()
                for start in range(0, 1000, chunk):
                    monitor.push(index, np.empty(0), samples[start : start + chunk])
                window = ClosingWindow(index, float(index), index + 1.0, range(index, index + 1), 1000)
                monitor.keep(monitor.judge(window))
                monitor.discard(index)
                times.append(1e3 * (time.perf_counter() - begin))
            name = f"{np.dtype(dtype).name}, chunks of {chunk}"
            found[name] = round(float(np.median(times)), 3)
            print(f"{name:28s} p50 {np.median(times):.3f} ms   p99 {np.quantile(times, 0.99):.3f} ms")
    return found


def main() -> None:
    """Print both, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, two participants")
    options = parser.parse_args()
    numbers = sorted({path.name[7:9] for path in FOLDER.glob("Subject*_1.edf")})
    figures: dict[str, object] = {"milliseconds a window": timing()}
    figures |= accuracy(range(1 if options.quick else options.seeds), numbers[:2] if options.quick else numbers)
    if not options.quick:
        save("bad_channels", figures)


if __name__ == "__main__":
    main()
