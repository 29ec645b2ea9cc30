"""AMMSS: each half-step at its optimum, known methods as its special cases, and weights that tell noise."""

from __future__ import annotations

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from scipy.optimize import minimize
from scipy.sparse import eye_array
from sklearn.neighbors import NearestNeighbors

from rtemo.errors import ModelError
from rtemo.evaluation.baselines.ammss import Ammss, view_weights
from rtemo.evaluation.baselines.graphs import solve, view_graph


def _dense(x: np.ndarray, k: int) -> np.ndarray:
    """The normalised similarity of a view, window by window."""
    squared = ((x[:, None] - x) ** 2).sum(axis=2)
    W = np.zeros_like(squared)
    for i, row in enumerate(squared):
        order = [j for j in np.argsort(row) if j != i][: k + 1]
        gap = row[order[-1]] - row[order]
        W[i, order] = gap / gap.sum()
    W = (W + W.T) / 2
    degree = np.sqrt(W.sum(axis=1))
    return W / degree / degree[:, None]


@pytest.mark.parametrize("classes", [2, 3])
def test_it_keeps_the_contract(classes: int) -> None:
    X, y, _ = clusters(classes, spread=2.0)
    check_contract(Ammss(DIMS), X, y)


def test_the_graph_is_that_of_adaptive_neighbours() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    np.testing.assert_allclose(view_graph(x, 5).similarity.toarray(), _dense(x, 5), atol=1e-12)


def test_adaptive_weights_are_the_optimum_of_their_problem() -> None:
    # min sum_j d_j w_j + g sum_j w_j^2 on the simplex, g such that just k weights are positive (Nie et al. 2016).
    x = np.random.default_rng(1).normal(size=(20, 3))
    distances, indices = NearestNeighbors(n_neighbors=6).fit(x).kneighbors()
    d = distances[0] ** 2
    g = (5 * d[5] - d[:5].sum()) / 2
    found = minimize(
        lambda w: d @ w + g * w @ w,
        np.full(6, 1 / 6),
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-12,
    )
    gap = d[5] - d
    np.testing.assert_allclose(gap / gap.sum(), found.x, atol=1e-5)
    graph = view_graph(x, 5)
    joined = graph.towards(x[[0]]).toarray() * np.sqrt(graph.degrees)
    # A training window that asks is its own neighbour; its k - 1 others follow.
    assert joined.sum() == pytest.approx(1.0)
    assert set(np.flatnonzero(joined)) == {0, *indices[0][:4]}


def test_windows_at_one_place_are_neighbours_alike() -> None:
    x = np.repeat(np.random.default_rng(2).normal(size=(4, 3)), 8, axis=0)
    graph = view_graph(x, 5)
    assert np.isfinite(graph.similarity.data).all()
    np.testing.assert_allclose(graph.towards(x[:1]).sum(), (1 / np.sqrt(graph.degrees))[:8].mean(), rtol=0.5)


def test_two_windows_are_no_graph() -> None:
    with pytest.raises(ModelError, match="at least 3"):
        view_graph(np.eye(2), 5)


@pytest.mark.parametrize("r", [1.5, 2.0, 5.0])
def test_weights_are_the_optimum_on_the_simplex(r: float) -> None:
    t = np.array([0.7, 2.0, 0.4])
    found = minimize(
        lambda a: (a**r) @ t,
        np.full(3, 1 / 3),
        bounds=[(1e-9, 1)] * 3,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        tol=1e-14,
    )
    np.testing.assert_allclose(view_weights(t, r), found.x, atol=1e-4)


def test_the_scores_are_the_optimum_for_the_weights_and_the_objective_never_rises() -> None:
    X, y, _ = clusters(spread=2.5)
    machine = Ammss(DIMS, fit_labelled=3.0, fit_unlabelled=0.1).fit(X, y)
    assert len(machine.objectives_) > 2
    assert (np.diff(machine.objectives_) <= 1e-9 * machine.objectives_[0]).all()
    views = np.split(X, [DIMS[0]], axis=1)
    L = [np.eye(len(X)) - _dense(x, 10) for x in views]
    U = np.diag(np.where(y >= 0, 3.0, 0.1))
    Y = (y[:, None] == np.arange(3)).astype(float)
    a = machine.view_weights_
    F = np.linalg.solve(a[0] ** 2 * L[0] + a[1] ** 2 * L[1] + U, U @ Y)
    np.testing.assert_allclose(machine.scores_, F, atol=1e-4)
    residual = U @ (machine.scores_ - Y)
    value = sum(a[v] ** 2 * np.trace(machine.scores_.T @ L[v] @ machine.scores_) for v in range(2))
    value += (residual * (machine.scores_ - Y)).sum()
    assert machine.objectives_[-1] == pytest.approx(value, rel=1e-6)


def test_one_view_and_one_weight_of_fit_are_local_and_global_consistency() -> None:
    X, y, _ = clusters(spread=2.0)
    alpha = 0.9
    fit = 1 / alpha - 1
    F = (1 - alpha) * np.linalg.inv(np.eye(len(X)) - alpha * _dense(X, 10)) @ (y[:, None] == np.arange(3))
    found = Ammss((9,), fit_labelled=fit, fit_unlabelled=fit).fit(X, y)
    np.testing.assert_allclose(found.scores_, F, atol=1e-8)
    np.testing.assert_allclose(found.label_distributions_, F / F.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_view_of_noise_gets_the_smaller_weight() -> None:
    X, y, truth = clusters(3, windows=150, labelled=15)
    noise = np.random.default_rng(1).normal(size=(150, 9))
    machine = Ammss((9, 9)).fit(np.hstack([X, noise]), y)
    assert machine.view_weights_[0] > 0.7
    assert (machine.label_distributions_.argmax(axis=1) == truth).mean() > 0.9
    swapped = Ammss((9, 9)).fit(np.hstack([noise, X]), y)
    np.testing.assert_allclose(swapped.view_weights_[::-1], machine.view_weights_, rtol=1e-5)


def test_windows_out_of_reach_get_the_shares_of_the_labels() -> None:
    X, y, _ = clusters(2, labelled=6)
    y[0] = -1
    far = np.full((15, 9), 1e3) + np.random.default_rng(0).normal(size=(15, 9))
    machine = Ammss(DIMS).fit(np.vstack([X, far]), np.append(y, np.full(15, -1)))
    np.testing.assert_allclose(machine.label_distributions_[-15:], np.tile([0.4, 0.6], (15, 1)))
    np.testing.assert_allclose(machine.predict_proba(far + 0.1), np.tile([0.4, 0.6], (15, 1)))


def test_other_windows_minimise_the_roughness_that_they_bring() -> None:
    X, y, truth = clusters(spread=0.8, labelled=15)
    machine = Ammss(DIMS).fit(X[:80], y[:80])
    new = X[80:81]
    rows = [g.towards(x).toarray()[0] for g, x in zip(machine.graphs_, np.split(new, [DIMS[0]], axis=1), strict=True)]
    a = machine.view_weights_**2

    def added(f: np.ndarray) -> float:
        # With its neighbours' scores fixed: f'f - 2 f' sum_j s_j F_j of each view.
        return sum(a[v] * (f @ f - 2 * f @ (rows[v] @ machine.scores_)) for v in range(2))

    best = minimize(added, np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(machine.predict_proba(new)[0], best / best.sum(), atol=1e-5)
    assert (machine.predict(X[80:]) == truth[80:]).mean() >= 0.9


def test_conjugate_gradients_solve_and_say_when_they_cannot() -> None:
    graph = view_graph(np.random.default_rng(3).normal(size=(40, 3)), 5)
    B = np.random.default_rng(4).normal(size=(40, 2))
    A = (1.01 * eye_array(40) - graph.similarity).tocsr()
    np.testing.assert_allclose(solve(A, B, np.zeros((40, 2))), np.linalg.solve(A.toarray(), B), atol=1e-7)
    B[0] = np.nan
    with pytest.raises(ModelError, match="converge"):
        solve(A, B, np.zeros((40, 2)))
