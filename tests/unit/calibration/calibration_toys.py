"""Calibrations small enough to be cross-validated in a second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rtemo.config import Configuration, parse_configuration
from rtemo.extraction import Extraction
from rtemo.types import FeatureTable, StreamDescription

LABELS = ("calm", "joy")
DIMS = {"eeg": 6, "eye": 3}
EACH = 8
"""Windows a trial; one more lies across its edge, which has no label."""
SMALL = {
    "steps": 8,
    "hidden": [8, 6],
    "latent": 3,
    "pca_size": 4,
    "imputations": 2,
    "validation_windows": 8,
    "batch_size": 32,
}


def toy_configuration(standardise: str = "calibration", **settings: object) -> Configuration:
    """Two views of ready-made features."""
    return parse_configuration(
        {
            "labels": list(LABELS),
            "standardise": standardise,
            "window": {"length_s": 2.0, "hop_s": 1.0},
            "views": {view: {"stream": {"type": view}, "features": "identity"} for view in DIMS},
            "model": {"settings": SMALL | settings},
        },
        "test",
    )


def toy_extraction(
    *, trials: int = 10, effect: float = 2.0, seed: int = 0, name: str = "a.xdf", spread: float = 1.0
) -> Extraction:
    """A recording of trials of shuffled labels; every trial has an offset of its own, of standard deviation 1."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(trials) % 2)
    windows = trials * (EACH + 1)
    trial = np.repeat(np.arange(trials), EACH + 1)
    inside = np.arange(windows) % (EACH + 1) < EACH
    features = {}
    for view, dim in DIMS.items():
        offset = rng.normal(size=(trials, dim))[trial]
        moved = effect * label[trial][:, None] * np.where(np.arange(dim) < 2, 1.0, 0.0)
        features[view] = 5 + offset + moved + spread * rng.normal(size=(windows, dim))
    features["eye"][rng.random(windows) < 0.1] = np.nan
    available = {view: np.isfinite(x).all(axis=1) for view, x in features.items()}
    table = FeatureTable(
        start_s=np.arange(windows) * 1.0,
        stop_s=np.arange(windows) * 1.0 + 2.0,
        features=features,
        available=available,
        coverage={view: there.astype(float) for view, there in available.items()},
        names={view: tuple(f"{view}{i}" for i in range(dim)) for view, dim in DIMS.items()},
        label=np.where(inside, np.array(LABELS)[label[trial]], ""),
        trial=np.where(inside, trial, -1),
        recording=np.zeros(windows, dtype=np.int64),
        recordings=[name],
    )
    bound = {view: StreamDescription(view, view, view, table.names[view], 10.0) for view in DIMS}
    return Extraction(table, bound, ())


def with_features(extraction: Extraction, rows: np.ndarray, value: float) -> Extraction:
    """The same recording, the features of some windows replaced."""
    table = extraction.table
    features = {view: np.where(rows[:, None], value, x) for view, x in table.features.items()}
    return replace(extraction, table=replace(table, features=features))
