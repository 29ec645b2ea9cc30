"""One-window prediction with 32 imputations, posterior weights and contributions, on one CPU thread and a GPU, if any.

Run ``python benchmarks/prediction.py``. Prints p50 and p99 in milliseconds for all views, and for each view missing.
"""

from __future__ import annotations

import argparse
import gc
import time

import numpy as np
import torch

from rtemo.model.data import TrainingData
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train

VIEWS = {"eeg": 310, "eye": 33}


def simulated(windows: int, classes: int = 3, seed: int = 0) -> TrainingData:
    """Windows of the size of SEED's, in trials of 50."""
    rng = np.random.default_rng(seed)
    trial = np.arange(windows) // 50
    labels = trial % classes
    z = rng.normal(size=(windows, 20)) + rng.normal(size=(classes, 20))[labels]
    views = {name: z @ rng.normal(size=(20, dim)) / 4 + rng.normal(size=(windows, dim)) for name, dim in VIEWS.items()}
    views = {name: (x - x.mean(0)) / x.std(0) for name, x in views.items()}
    return TrainingData(views, labels, trial, tuple("abc"[:classes]))


def latencies(predictor: Predictor, data: TrainingData, missing: str | None, count: int) -> np.ndarray:
    """Seconds of each of `count` predictions."""
    windows = [
        {name: None if name == missing else x[i].copy() for name, x in data.views.items()}
        for i in range(len(data.labels))
    ]
    for window in windows[:100]:
        predictor.predict(window)
    seconds = np.empty(count)
    gc.collect()
    for i in range(count):
        window = windows[i % len(windows)]
        started = time.perf_counter()
        predictor.predict(window)
        seconds[i] = time.perf_counter() - started
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--imputations", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = simulated(600)
    print(f"torch {torch.__version__}, {arguments.imputations} imputations, one thread, views {VIEWS}")
    print(f"{'device':6} {'front end':10} {'views':14} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for front_end in ("pca", "both", "none"):
        trained = train(data, make_settings("default", {"epochs": 2, "front_end": front_end}), device="cpu")
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            predictor = Predictor(trained, device=device, imputations=arguments.imputations)
            for missing in (None, *VIEWS):
                seconds = latencies(predictor, data, missing, arguments.count) * 1e3
                p50, p99 = np.percentile(seconds, [50, 99])
                views = "complete" if missing is None else f"without {missing}"
                print(f"{device:6} {front_end:10} {views:14} {p50:8.3f} {p99:8.3f} {seconds.max():8.3f}", flush=True)


if __name__ == "__main__":
    main()
