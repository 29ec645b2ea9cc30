"""AMGL: a harmonic solution, a descent, and weights that tell noise."""

from __future__ import annotations

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from scipy.optimize import minimize

from rtemo.evaluation.baselines.amgl import SMOOTHING, Amgl
from rtemo.evaluation.baselines.graphs import view_graph


def _laplacians(X: np.ndarray, dims: tuple[int, ...], neighbours: int = 10) -> list[np.ndarray]:
    views = np.split(X, np.cumsum(dims)[:-1], axis=1)
    return [np.eye(len(X)) - view_graph(x, neighbours).similarity.toarray() for x in views]


def _harmonic(L: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    known = y >= 0
    F = (y[:, None] == np.arange(classes)).astype(float)
    F[~known] = -np.linalg.solve(L[np.ix_(~known, ~known)], L[np.ix_(~known, known)] @ F[known])
    return F


@pytest.mark.parametrize("classes", [2, 3])
def test_it_keeps_the_contract(classes: int) -> None:
    X, y, _ = clusters(classes, spread=2.0)
    check_contract(Amgl(DIMS), X, y)


def test_one_view_is_the_harmonic_solution() -> None:
    X, y, _ = clusters(spread=2.0)
    machine = Amgl((9,)).fit(X, y)
    F = _harmonic(_laplacians(X, (9,))[0], y, 3)
    np.testing.assert_allclose(machine.scores_, F, atol=1e-7)
    np.testing.assert_allclose(machine.label_distributions_, F / F.sum(axis=1, keepdims=True), atol=1e-6)


def test_it_settles_where_weights_and_scores_agree() -> None:
    X, y, _ = clusters(spread=2.5)
    machine = Amgl(DIMS).fit(X, y)
    L = _laplacians(X, DIMS)
    w = machine.view_weights_
    np.testing.assert_allclose(machine.scores_, _harmonic(w[0] * L[0] + w[1] * L[1], y, 3), atol=1e-4)
    traces = [np.trace(machine.scores_.T @ matrix @ machine.scores_) for matrix in L]
    np.testing.assert_allclose(w, [1 / (2 * np.sqrt(t)) for t in traces], rtol=1e-6)
    assert machine.objectives_[-1] == pytest.approx(np.sqrt(traces).sum())


def test_the_objective_never_rises() -> None:
    X, y, _ = clusters(spread=2.5)
    noise = np.random.default_rng(1).normal(size=(90, 9))
    course = Amgl((9, 9)).fit(np.hstack([X, noise]), y).objectives_
    assert len(course) > 2
    assert (np.diff(course) <= 1e-9 * course[0]).all()


def test_it_finds_what_a_search_over_all_scores_finds() -> None:
    X, y, _ = clusters(2, windows=20, labelled=4, spread=2.0)
    L = _laplacians(X, DIMS, 5)
    start = _harmonic(L[0] + L[1], y, 2)

    def objective(flat: np.ndarray) -> float:
        F = start.copy()
        F[4:] = flat.reshape(16, 2)
        return sum(np.sqrt(np.trace(F.T @ matrix @ F) + SMOOTHING) for matrix in L)

    found = minimize(objective, start[4:].ravel(), tol=1e-10)
    machine = Amgl(DIMS, neighbours=5).fit(X, y)
    assert machine.objectives_[-1] == pytest.approx(found.fun, rel=1e-6)


def test_a_view_of_noise_gets_the_smaller_weight() -> None:
    X, y, truth = clusters(3, windows=150, labelled=30)
    noise = np.random.default_rng(1).normal(size=(150, 9))
    machine = Amgl((9, 9)).fit(np.hstack([X, noise]), y)
    assert machine.view_weights_[0] > 1.3 * machine.view_weights_[1]
    assert (machine.label_distributions_.argmax(axis=1) == truth).mean() > 0.85


def test_labels_stay_as_they_are() -> None:
    X, y, _ = clusters(spread=3.0)
    found = Amgl(DIMS).fit(X, y).label_distributions_
    np.testing.assert_array_equal(found[y >= 0], np.eye(3)[y[y >= 0]])


def test_windows_out_of_reach_get_the_shares_of_the_labels() -> None:
    X, y, _ = clusters(2, labelled=6)
    y[0] = -1
    far = np.full((15, 9), 1e3) + np.random.default_rng(0).normal(size=(15, 9))
    machine = Amgl(DIMS).fit(np.vstack([X, far]), np.append(y, np.full(15, -1)))
    np.testing.assert_allclose(machine.label_distributions_[-15:], np.tile([0.4, 0.6], (15, 1)))
    np.testing.assert_allclose(machine.predict_proba(far + 0.1), np.tile([0.4, 0.6], (15, 1)))


def test_all_windows_may_have_labels() -> None:
    X, _, truth = clusters()
    machine = Amgl(DIMS).fit(X, truth)
    np.testing.assert_array_equal(machine.label_distributions_.argmax(axis=1), truth)
    assert (machine.predict(X + 0.01) == truth).mean() > 0.95
