"""Label spreading against its closed form, and where no label reaches."""

from __future__ import annotations

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from sklearn.neighbors import kneighbors_graph

from rtemo.evaluation.baselines.label_spreading import LabelSpreading


@pytest.mark.parametrize("classes", [2, 3])
def test_it_keeps_the_contract(classes: int) -> None:
    X, y, _ = clusters(classes, spread=2.0)
    check_contract(LabelSpreading(DIMS), X, y)


@pytest.mark.parametrize("alpha", [0.2, 0.99])
def test_it_is_the_fixed_point(alpha: float) -> None:
    X, y, _ = clusters(spread=2.0)
    W = kneighbors_graph(X, 7, include_self=True).toarray()
    np.fill_diagonal(W, 0.0)
    # scikit-learn normalises its directed graph by how often a window is a neighbour.
    degree = np.sqrt(W.sum(axis=0))
    degree[degree == 0] = 1.0
    S = W / degree / degree[:, None]
    Y = (y[:, None] == np.arange(3)).astype(float)
    F = np.linalg.solve(np.eye(len(X)) - alpha * S, (1 - alpha) * Y)
    found = LabelSpreading(DIMS, alpha=alpha).fit(X, y).label_distributions_
    np.testing.assert_allclose(found, F / F.sum(axis=1, keepdims=True), atol=1e-4)


def test_other_windows_get_the_mean_of_their_neighbours() -> None:
    X, y, _ = clusters(spread=2.0)
    new = X[:5] + 0.1
    machine = LabelSpreading(DIMS).fit(X, y)
    for x, p in zip(new, machine.predict_proba(new), strict=True):
        nearest = np.argsort(((X - x) ** 2).sum(axis=1))[:7]
        np.testing.assert_allclose(p, machine.label_distributions_[nearest].mean(axis=0))


def test_windows_out_of_reach_get_the_shares_of_the_labels() -> None:
    X, y, _ = clusters(2, labelled=6)
    y[0] = -1
    far = np.full((10, 9), 1e3) + np.random.default_rng(0).normal(size=(10, 9))
    machine = LabelSpreading(DIMS).fit(np.vstack([X, far]), np.append(y, np.full(10, -1)))
    np.testing.assert_allclose(machine.label_distributions_[-10:], np.tile([0.4, 0.6], (10, 1)))
    np.testing.assert_allclose(machine.predict_proba(far + 0.1), np.tile([0.4, 0.6], (10, 1)))
