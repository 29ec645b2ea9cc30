"""The transductive machine: without unlabelled windows, at its optimum, and where the gap is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from scipy.optimize import minimize
from sklearn.svm import LinearSVC

from rtemo.evaluation.baselines.transductive_svm import Machines, TransductiveSvm


@pytest.mark.parametrize("classes", [2, 3])
def test_it_keeps_the_contract(classes: int) -> None:
    X, y, _ = clusters(classes)
    check_contract(TransductiveSvm(DIMS), X, y)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("ignored", [False, True])
def test_without_unlabelled_windows_it_is_the_supervised_machine(classes: int, ignored: bool) -> None:
    X, y, _ = clusters(classes, labelled=30, spread=2.0)
    known = y >= 0
    counts = np.bincount(y[known])
    weights = known.sum() / (classes * counts[y[known]])
    reference = LinearSVC(C=0.3, loss="squared_hinge", dual=False, tol=1e-10, max_iter=10_000)
    reference.fit(X[known], y[known], sample_weight=weights)
    if ignored:
        ours = TransductiveSvm(DIMS, C=0.3, weight=0.0).fit(X, y)
    else:
        ours = TransductiveSvm(DIMS, C=0.3).fit(X[known], y[known])
    np.testing.assert_allclose(ours.weights_[:-1].T, reference.coef_, atol=2e-3)
    np.testing.assert_allclose(ours.weights_[-1], reference.intercept_, atol=2e-3)


def _gap(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two clusters with a gap at 0 of the first feature, and a label each that points across it aslant."""
    rng = np.random.default_rng(seed)
    truth = np.arange(200) % 2
    X = rng.normal(size=(200, 2)) * [0.3, 1.0]
    X[:, 0] += np.where(truth, 1.0, -1.0)
    X[0], X[1] = [-0.9, 0.9], [0.9, -0.9]
    return X, np.where(np.arange(200) < 2, truth, -1), truth


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_gap_that_labels_alone_miss(seed: int) -> None:
    X, y, truth = _gap(seed)
    supervised = TransductiveSvm((1, 1), C=1.0, weight=0.0).fit(X, y)
    transductive = TransductiveSvm((1, 1), C=1.0).fit(X, y)
    assert (supervised.predict(X) == truth).mean() < 0.95
    assert (transductive.predict(X) == truth).mean() > 0.99


@pytest.mark.parametrize("classes", [2, 3])
def test_the_objective_never_rises_at_one_level(classes: int) -> None:
    X, y, _ = clusters(classes, spread=3.0)
    course = TransductiveSvm(DIMS, C=1.0).fit(X, y).course_
    assert len(course) == 5
    for values in course:
        total = np.sum(values, axis=1)
        assert (np.diff(total) <= 1e-9 * total[0]).all()
    assert max(len(values) for values in course) > 3


def _machines(unlabelled: int = 6) -> Machines:
    rng = np.random.default_rng(3)
    labelled, others = (np.hstack([rng.normal(size=(n, 3)), np.ones((n, 1))]) for n in (5, unlabelled))
    signs = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    return Machines(labelled, others, signs, np.full((5, 1), 0.7), np.array([2, 3]))


def test_the_guessed_signs_are_the_best_of_all() -> None:
    machines = _machines()
    w = np.random.default_rng(4).normal(size=(4, 2))
    best = machines.values(w, machines.guesses(w), 0.5)
    for machine, inside in enumerate((2, 3)):
        for chosen in itertools.combinations(range(6), inside):
            signs = np.full((6, 2), -1.0)
            signs[list(chosen)] = 1.0
            assert machines.values(w, signs, 0.5)[machine] >= best[machine] - 1e-12


def test_the_weights_are_the_optimum_for_given_signs() -> None:
    machines = _machines()
    signs = machines.guesses(np.random.default_rng(5).normal(size=(4, 2)))
    found = machines.weights(np.zeros((4, 2)), signs, 0.5)
    reference = minimize(
        lambda flat: machines.values(flat.reshape(4, 2), signs, 0.5).sum(), np.zeros(8), method="BFGS", tol=1e-9
    )
    assert machines.values(found, signs, 0.5).sum() == pytest.approx(reference.fun, rel=1e-5)
    np.testing.assert_allclose(found.ravel(), reference.x, atol=5e-3)


def test_as_many_windows_are_in_a_class_as_its_share_of_the_labels() -> None:
    # Nine labels, two to four a class, of clusters in the same shares.
    X, _, truth = clusters(3, windows=99, spread=0.5)
    rows = np.concatenate([np.flatnonzero(truth == k)[: n * 6] for k, n in enumerate((2, 3, 4))])
    X, truth = X[rows], truth[rows]
    first = np.concatenate([np.flatnonzero(truth == k)[:n] for k, n in enumerate((2, 3, 4))])
    y = np.full(54, -1)
    y[first] = truth[first]
    machine = TransductiveSvm(DIMS, C=1.0).fit(X, y)
    f = X[y < 0] @ machine.weights_[:-1] + machine.weights_[-1]
    # Where clusters are clear, the sign is the guess.
    np.testing.assert_array_equal((f > 0).sum(axis=0), [10, 15, 20])
    assert (machine.predict(X) == truth).all()
