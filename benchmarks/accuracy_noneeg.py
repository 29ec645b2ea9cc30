"""Accuracy on four states of stress: `python benchmarks/accuracy_noneeg.py` (some minutes).

PhysioNet's "Non-EEG Dataset for Assessment of Neurological Status" as XDF, found through RTEMO_DATA. Ten-second windows
of configs/noneeg.toml, through rtemo's own pipeline; each recording is standardised by its own windows (transductive,
for all methods alike). Trained on subjects 1 to 10, tested on 11 to 14, with all labels and with those of two subjects
only; a view that is missing at test is compared with logistic regression trained on the other view alone.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from baselines import BASELINES, default_settings, logistic, save, scores, show, simvae

import numpy as np  # isort: skip  # baselines sets the number of threads first

from rtemo.config import load_configuration
from rtemo.extraction import extract, join, label_indices
from rtemo.training import standardise

ROOT = Path(__file__).resolve().parents[1]
TRAIN, TEST = range(1, 11), range(11, 15)
PAIRS = ((1, 5), (2, 7), (3, 9), (4, 8), (6, 10))


def load() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Standardised views, labels, trials and subjects of all windows that have both views."""
    folder = Path(os.environ.get("RTEMO_DATA", ROOT.parent / "shared" / "data")) / "noneeg_xdf"
    config = load_configuration(ROOT / "configs" / "noneeg.toml")
    table = join([extract(folder / f"noneeg_S{s:02d}.xdf", config).table for s in (*TRAIN, *TEST)])
    views = standardise(table, config, None)
    whole = np.all([np.isfinite(x).all(axis=1) for x in views.values()], axis=0)
    labels = label_indices(table, config.labels)
    return {v: x[whole] for v, x in views.items()}, labels[whole], table.trial[whole], table.recording[whole] + 1


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, one pair of subjects")
    options = parser.parse_args()
    seeds, pairs = (range(1), PAIRS[:1]) if options.quick else (range(options.seeds), PAIRS)
    views, labels, trials, subject = load()
    train, test = np.isin(subject, TRAIN), np.isin(subject, TEST) & (labels >= 0)
    inside = {v: x[train] for v, x in views.items()}
    truth = labels[test]
    ours = simvae(default_settings())
    figures = {}

    def hidden(missing: str) -> dict[str, np.ndarray]:
        return {v: np.full_like(x[test], np.nan) if v == missing else x[test] for v, x in views.items()}

    everything = {"complete": "", "without wrist": "wrist", "without oximeter": "oximeter"}
    table = {name: [] for name in everything}
    for seed in seeds:
        # One model for all conditions: the test windows of each are put one below the other.
        stacked = {v: np.concatenate([hidden(missing)[v] for missing in everything.values()]) for v in views}
        p = ours(inside, labels[train], trials[train], stacked, seed)
        for name, part in zip(everything, np.split(p, len(everything)), strict=True):
            table[name].append(scores(truth, part))
    for name, missing in everything.items():
        rows = {"SiMVAE (default)": table[name]}
        kept = [v for v in views if v != missing]
        known = train & (labels >= 0)
        single = logistic().fit(np.hstack([views[v][known] for v in kept]), labels[known])
        p = single.predict_proba(np.hstack([views[v][test] for v in kept]))
        rows[f"logistic regression on {' and '.join(kept)}"] = [scores(truth, p)]
        if not missing:
            for baseline, method in list(BASELINES.items())[1:]:
                if baseline == "self-training":
                    continue  # nothing to label: all windows but the edges of stages are labelled
                runs = seeds if "net" in baseline else range(1)
                outside = {v: x[test] for v, x in views.items()}
                p = [method(inside, labels[train], trials[train], outside, s) for s in runs]
                rows[baseline] = [scores(truth, q) for q in p]
        figures[name] = show(f"noneeg, labels of ten subjects, {name}", rows)

    few = {"SiMVAE (default)": [], **{name: [] for name in BASELINES}}
    outside = {v: x[test] for v, x in views.items()}
    for pair in pairs:
        known = np.where(np.isin(subject, pair), labels, -1)[train]
        for name in few:
            method = ours if name.startswith("SiMVAE") else BASELINES[name]
            few[name].append(scores(truth, method(inside, known, trials[train], outside, 0)))
    title = f"noneeg, labels of two subjects ({', '.join(f'{a} and {b}' for a, b in pairs)}), eight unlabelled"
    figures["two subjects"] = show(title, few)
    if not options.quick:
        save("accuracy_noneeg", figures)


if __name__ == "__main__":
    main()
