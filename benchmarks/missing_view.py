"""Who tells a missing view best, and from what: `python benchmarks/missing_view.py` (some minutes).

One SiMVAE per split (five folds of whole subjects or numerals, complete training windows, all labels), and its own
classifier on test windows of which one view is missing and filled by

* psi, the model's net, which sees the front end's outputs: at most 20 principal components of the views left;
* ridge regression from the same components, onto the missing view's;
* ridge regression from all features of the views left, onto the missing view's components;
* kNN over all features.

The classifier is one and the same, so differences are those of what fills the view. `--steps` as in `rtemo study`,
whose splits, standardisation and training these are.
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
PENALTIES = np.logspace(-2, 4, 13)
Filler = Callable[[np.ndarray], np.ndarray]


def ridge(inputs: np.ndarray, outputs: np.ndarray) -> Filler:
    """The linear regression of outputs on inputs, its penalty chosen by leaving one window out."""
    return RidgeCV(PENALTIES).fit(inputs, outputs).predict


def measure(dataset: Dataset, missing: str, seed: int, steps: int) -> dict[str, Scores]:
    """Scores of one model without a view, by who fills it."""
    parts = split(dataset, "honest", "all", seed)
    trained = train_on(dataset, parts, Recipe("simvae", steps=steps), seed)
    train, test = trained.matrix[parts.train], trained.matrix[parts.test]
    gone, left = trained.views.index(missing), 1 - trained.views.index(missing)
    maps = trained.estimator.trained_.front_end.maps
    seen, given = split_views(train, trained.dims), split_views(test, trained.dims)

    def inside(view: int, x: np.ndarray) -> np.ndarray:
        return (x - maps[view].offset) @ maps[view].matrix

    def filled(by: Filler, x: np.ndarray) -> np.ndarray:
        views = list(given)
        views[gone] = maps[gone].offset + by(x) @ np.linalg.pinv(maps[gone].matrix)
        return np.hstack(views)

    target = inside(gone, seen[gone])
    without = trained.without(test, missing)
    nearest = imputer_named("knn").make(trained.dims, seed, steps=steps, device="cpu").fit(train)
    of = {
        "psi": without,
        "ridge from the components": filled(ridge(inside(left, seen[left]), target), inside(left, given[left])),
        "ridge from all features": filled(ridge(seen[left], target), given[left]),
        "kNN over all features": nearest.transform(without),
        "nothing is missing": test,
    }
    return {name: scores(dataset.labels[parts.test], trained.probabilities(X)) for name, X in of.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", action="append", choices=SETS, help="one of the sets, again for more; all if not given"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    figures = {}
    for name in options.data or SETS:
        dataset = complete(load_dataset(name))
        for missing in dataset.views:
            runs = [measure(dataset, missing, seed, options.steps) for seed in range(options.seeds)]
            title = f"{name} without {missing}"
            figures[title] = show(title, {row: [run[row] for run in runs] for row in runs[0]})
    if not options.data:
        save("missing_view", figures)


if __name__ == "__main__":
    main()
