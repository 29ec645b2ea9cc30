"""Real drift: participants that the model has not met, causal, in time order: `python benchmarks/adaptation_drift.py`.

PhysioNet's "Non-EEG Dataset for Assessment of Neurological Status" as XDF, found through RTEMO_DATA; ten-second windows
of configs/noneeg.toml, standardised by calibration: of the new participant nothing is known beforehand. Trained on
subjects 1 to 10, applied to 11 to 14 (and to two further splits); scored from five minutes after the start of each
recording on. Beside it logistic regression as it is, with running z-scores, and with statistics of the whole recording,
which no live system can have.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from baselines import logistic, save

import numpy as np  # isort: skip  # baselines sets the number of threads first

from rich.console import Console
from rich.table import Table
from sklearn.metrics import balanced_accuracy_score

from rtemo.adaptation.adapter import Adapter, Observation, adapter_for
from rtemo.config import AdaptationSettings, Configuration, load_configuration
from rtemo.extraction import Extraction, extract, label_indices
from rtemo.model.bundle import Bundle
from rtemo.model.predict import Predictor
from rtemo.training import train_bundle
from rtemo.types import FeatureTable

ROOT = Path(__file__).resolve().parents[1]
EVERYBODY = range(1, 15)
SPLITS: Mapping[str, Sequence[int]] = {
    "11-14 from 1-10": range(11, 15),
    "6-10 from the others": range(6, 11),
    "1-5 from the others": range(1, 6),
}
AFTER_S = 300.0
MODES = ("frozen", "recentre", "guarded")


def load(config: Configuration) -> dict[int, Extraction]:
    """One recording a subject."""
    folder = Path(os.environ.get("RTEMO_DATA", ROOT.parent / "shared" / "data")) / "noneeg_xdf"
    return {subject: extract(folder / f"noneeg_S{subject:02d}.xdf", config) for subject in EVERYBODY}


def predict(bundle: Bundle, table: FeatureTable, settings: AdaptationSettings, seed: int) -> np.ndarray:
    """Probabilities of every window of a recording, each before anything is learnt from it."""
    views = {view: bundle.standardiser.transform(view, table.features[view]) for view in bundle.model.views}
    shadow = Predictor(bundle.model, device="cpu").predict_many(views).probabilities
    adapter: Adapter | None = adapter_for(bundle, settings, device="cpu", seed=seed)
    if adapter is None:
        return shadow
    said = np.empty_like(shadow)
    for row in range(len(table)):
        window = {view: x[row] if np.isfinite(x[row]).all() else None for view, x in views.items()}
        said[row] = adapter.predict(window).probabilities
        bad = np.zeros(len(window))
        adapter.observe(Observation(row, float(table.stop_s[row]), window, said[row], shadow[row], bad))
        if adapter.due:
            adapter.update()
    return said


def logistic_rows(tables: Sequence[FeatureTable], tests: Sequence[FeatureTable], config: Configuration) -> dict:
    """Predicted labels of the test recordings by logistic regression, three ways."""

    def stacked(table: FeatureTable) -> np.ndarray:
        return np.hstack([table.features[view] for view in config.views])

    def scaled(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.clip((x - mean) / np.where(std > 0, std, 1.0), -8, 8))

    x = np.vstack([stacked(table) for table in tables])
    labels = np.concatenate([label_indices(table, config.labels) for table in tables])
    mean, std = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    model = logistic().fit(scaled(x, mean, std)[labels >= 0], labels[labels >= 0])
    rows = {"as it is": [], "running z-scores": [], "whole recording": []}
    for table in tests:
        own = stacked(table)
        running = np.vstack([scaled(own[t : t + 1], np.nanmean(own[: t + 1], axis=0), np.nanstd(own[: t + 1], axis=0))
                             for t in range(len(own))])  # fmt: skip
        whole = scaled(own, np.nanmean(own, axis=0), np.nanstd(own, axis=0))
        for name, z in zip(rows, (scaled(own, mean, std), running, whole), strict=True):
            rows[name].append(model.predict(z))
    return rows


def scored(table: FeatureTable, config: Configuration) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and which windows count."""
    labels = label_indices(table, config.labels)
    views = np.all([table.available[view] for view in config.views], axis=0)
    return labels, (labels >= 0) & views & (table.start_s >= table.start_s[0] + AFTER_S)


def balanced(tests: Sequence[FeatureTable], said: Sequence[np.ndarray], config: Configuration) -> float:
    """Balanced accuracy over all windows that count."""
    truth, found = [], []
    for table, labels in zip(tests, said, strict=True):
        true, counts = scored(table, config)
        truth.append(true[counts])
        found.append(labels[counts])
    return float(balanced_accuracy_score(np.concatenate(truth), np.concatenate(found)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed, the first split")
    options = parser.parse_args()
    config = load_configuration(ROOT / "configs" / "noneeg.toml").model_copy(update={"standardise": "calibration"})
    recordings = load(config)
    figures: dict[str, dict[str, list[float]]] = {}
    for name, test in list(SPLITS.items())[: 1 if options.quick else None]:
        train = [recordings[s] for s in EVERYBODY if s not in test]
        tests = [recordings[s].table for s in test]
        rows = logistic_rows([extraction.table for extraction in train], tests, config)
        table = {f"logistic regression, {way}": [balanced(tests, said, config)] for way, said in rows.items()}
        for seed in range(1 if options.quick else options.seeds):
            bundle = train_bundle(config, train, [], seed=seed, device="cpu").bundle
            for mode in MODES:
                settings = AdaptationSettings(mode="off" if mode == "frozen" else mode)
                said = [predict(bundle, one, settings, seed).argmax(axis=1) for one in tests]
                table.setdefault(f"SiMVAE, {mode}", []).append(balanced(tests, said, config))
        figures[name] = {row: [round(value, 4) for value in values] for row, values in table.items()}
        show(name, table)
    if not options.quick:
        save("adaptation_drift", figures)


def show(name: str, rows: Mapping[str, Sequence[float]]) -> None:
    """Print one split."""
    table = Table(title=f"subjects {name}: balanced accuracy after {AFTER_S / 60:g} minutes", title_justify="left")
    for header in ("", "mean", "SD", "worst", "runs"):
        table.add_column(header, justify="right" if header else "left")
    for row, values in rows.items():
        spread = f"{np.std(values):.3f}" if len(values) > 1 else ""
        table.add_row(row, f"{np.mean(values):.3f}", spread, f"{np.min(values):.3f}", str(len(values)))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
