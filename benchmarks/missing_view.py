"""Who tells a missing view best, and from what: `python benchmarks/missing_view.py` (some minutes).

One SiMVAE per split (five folds of whole subjects or numerals, complete training windows, all labels), and its own
classifier on test windows of which one view is missing and filled by

* psi, the model's net, which sees at most 100 principal components of the views left, shrunk, and has a head start;
* psi of another model of the same seed, which sees the 20 alone that are inputs of the model and has no head start
  (before its own classifier);
* ridge regression from all features of the views left, onto the inputs that stand for the missing one;
* kNN over all features.

`--steps` as in `rtemo study`, whose splits, standardisation and training these are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from baselines import save, scores, show  # also sets the number of threads

import numpy as np  # isort: skip
from sklearn.linear_model import RidgeCV

from rtemo.evaluation.baselines.base import split_views
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.catalogue import load_dataset
from rtemo.evaluation.imputers.registry import imputer_named
from rtemo.evaluation.metrics import Scores
from rtemo.evaluation.protocols import split
from rtemo.evaluation.study.experiments.base import complete
from rtemo.evaluation.study.training import Recipe, train_on

SETS = ("noneeg", "eegmat", "mfeat", "digits")
STEPS = 300
PENALTIES = np.logspace(-2, 4, 13)
Filler = Callable[[np.ndarray], np.ndarray]


def ridge(inputs: np.ndarray, outputs: np.ndarray) -> Filler:
    """The linear regression of outputs on inputs, its penalty chosen by leaving one window out."""
    return RidgeCV(PENALTIES).fit(inputs, outputs).predict


def measure(dataset: Dataset, seed: int, steps: int) -> dict[str, dict[str, Scores]]:
    """Scores of one model without each view, by who fills it."""
    parts = split(dataset, "honest", "all", seed)
    trained = train_on(dataset, parts, Recipe("simvae", steps=steps), seed)
    plain = {"settings": {"imputer_size": 1, "imputer_head_start": 0.0}}
    bare = train_on(dataset, parts, Recipe("simvae", steps=steps, parameters=plain), seed)
    train, test = trained.matrix[parts.train], trained.matrix[parts.test]
    maps = trained.estimator.trained_.front_end.maps
    seen, given = split_views(train, trained.dims), split_views(test, trained.dims)
    nearest = imputer_named("knn").make(trained.dims, seed, steps=steps, device="cpu").fit(train)

    def filled(view: int, by: Filler, x: np.ndarray) -> np.ndarray:
        views = list(given)
        views[view] = maps[view].inverse(by(x))
        return np.hstack(views)

    found = {}
    for gone, missing in enumerate(trained.views):
        left, target = 1 - gone, maps[gone](seen[gone])
        without = trained.without(test, missing)
        of = {
            "psi": without,
            "ridge from all features": filled(gone, ridge(seen[left], target), given[left]),
            "kNN over all features": nearest.transform(without),
            "nothing is missing": test,
        }
        truth = dataset.labels[parts.test]
        found[missing] = {
            "psi, 20 components, no head start": scores(truth, bare.probabilities(without)),
            **{row: scores(truth, trained.probabilities(X)) for row, X in of.items()},
        }
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", action="append", choices=SETS, help="one of the sets, again for more; all if not given"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    figures = {}
    for name in options.data or SETS:
        dataset = complete(load_dataset(name))
        runs = [measure(dataset, seed, options.steps) for seed in range(options.seeds)]
        for missing in dataset.views:
            title = f"{name} without {missing}"
            figures[title] = show(title, {row: [run[missing][row] for run in runs] for row in runs[0][missing]})
    if not options.data:
        save("missing_view" if options.steps == STEPS else f"missing_view_{options.steps}", figures)


if __name__ == "__main__":
    main()
