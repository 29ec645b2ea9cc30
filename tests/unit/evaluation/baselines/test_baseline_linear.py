"""Linear classifiers against scikit-learn, and sharpness against its closed truths."""

from __future__ import annotations

import numpy as np
import pytest
from baseline_contract import DIMS, check_contract, clusters
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.covariance import OAS
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from rtemo.evaluation.baselines.linear import Logistic, ShrinkageLda, Svm
from rtemo.evaluation.baselines.margins import held_out_folds, one_a_class, probabilities, sharpness_of


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "estimator", [Svm(DIMS), Svm(DIMS, kernel="rbf"), Logistic(DIMS), Logistic(DIMS, front_end="cca", cca_size=2),
                  ShrinkageLda(DIMS)], ids=str,
)  # fmt: skip
def test_they_keep_the_contract(estimator, classes: int) -> None:
    X, y, _ = clusters(classes, spread=2.0)
    check_contract(estimator, X, y)


@pytest.mark.parametrize("estimator", [Svm(DIMS), Logistic(DIMS), ShrinkageLda(DIMS)], ids=str)
def test_windows_without_a_label_do_not_matter(estimator) -> None:
    X, y, _ = clusters()
    known = y >= 0
    whole = estimator.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(estimator.fit(X[known], y[known]).predict_proba(X), whole, atol=1e-9)


@pytest.mark.parametrize("estimator", [Svm(DIMS), Logistic(DIMS), ShrinkageLda(DIMS)], ids=str)
def test_a_matrix_of_another_width_is_refused(estimator) -> None:
    X, y, _ = clusters()
    with pytest.raises(ValueError, match="expected"):
        estimator.fit(X[:, :-1], y)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_likeliest_class_is_that_of_scikit_learn(kernel: str, classes: int) -> None:
    X, y, _ = clusters(classes, labelled=40, spread=3.0)
    y[:20][y[:20] == 0] = -1
    known = y >= 0
    reference = SVC(C=0.5, kernel=kernel, class_weight="balanced", break_ties=classes > 2).fit(X[known], y[known])
    ours = Svm(DIMS, C=0.5, kernel=kernel).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), reference.predict(X))


def test_probabilities_are_a_plain_softmax_where_a_class_has_one_trial() -> None:
    X, y, _ = clusters(2, labelled=20, spread=2.0)
    machine = Svm(DIMS).fit(X, y, groups=np.where(np.arange(len(y)) < 20, y, 2 + np.arange(len(y))))
    reference = SVC(C=0.1, kernel="linear", class_weight="balanced").fit(X[:20], y[:20])
    np.testing.assert_allclose(machine.predict_proba(X)[:, 1], expit(reference.decision_function(X)))


def test_sharpness_is_close_to_the_best_for_other_windows() -> None:
    # Clear clusters: a plain softmax of the votes is not sure enough.
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 3000)
    X = 0.5 * rng.normal(size=(3000, 9)) + 2.0 * np.eye(9)[truth]
    y = np.where(np.arange(3000) < 300, truth, -1)
    machine = Svm(DIMS).fit(X, y)
    votes = machine.machine_.decision_function(X[300:])

    def loss(sharpness: float) -> float:
        return -float(np.log(probabilities(votes, sharpness))[np.arange(2700), truth[300:]].mean())

    best = min(loss(s) for s in np.geomspace(0.01, 100, 200))
    assert loss(1.0) > best + 0.05
    assert loss(machine.sharpness_) < best + 0.02


def test_sharpness_undoes_a_scale() -> None:
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.normal(size=(20_000, 4))
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert sharpness_of(3.0 * logits, truth) == pytest.approx(1 / 3, rel=0.03)
    np.testing.assert_allclose(probabilities(logits, 1.0), np.exp(log_softmax(logits, axis=1)))


def test_sharpness_of_two_classes_is_that_of_platt() -> None:
    rng = np.random.default_rng(1)
    f = rng.normal(size=40)
    truth = (f + rng.normal(size=40) > 0).astype(int)
    # Platt's targets with as many windows in each class as in all, and no offset.
    target = np.where(truth == 1, 41 / 42, 1 / 42)
    found = minimize(lambda a: -(target * np.log(expit(a * f)) + (1 - target) * np.log(expit(-a * f))).sum(), [1.0])
    assert sharpness_of(one_a_class(f), truth) == pytest.approx(found.x[0], rel=1e-3)


def test_sharpness_stays_finite_where_all_are_right_and_small_where_none_is() -> None:
    decisions = np.tile([[1.0, -1.0], [-1.0, 1.0]], (5, 1))
    truth = np.tile([0, 1], 5)
    # The optimum gives the true class just its smoothed target, 11 / 12.
    assert probabilities(decisions, sharpness_of(decisions, truth))[0, 0] == pytest.approx(11 / 12, abs=1e-3)
    assert sharpness_of(decisions, 1 - truth) < 0.01


def test_a_trial_is_never_on_both_sides() -> None:
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 12, 80)
    y = groups % 3
    folds = held_out_folds(y, groups, seed=0)
    assert len(folds) == 3
    for kept, out in folds:
        assert not np.intersect1d(groups[kept], groups[out]).size
        assert set(y[kept]) == {0, 1, 2}
    np.testing.assert_array_equal(np.sort(np.concatenate([out for _, out in folds])), np.arange(80))


def test_logistic_regression_is_that_of_scikit_learn() -> None:
    X, y, _ = clusters(labelled=20, spread=3.0)
    y[:10][y[:10] == 0] = -1
    known = y >= 0
    reference = LogisticRegression(C=3.0, class_weight="balanced", max_iter=5000).fit(X[known], y[known])
    np.testing.assert_allclose(Logistic(DIMS, C=3.0).fit(X, y).predict_proba(X), reference.predict_proba(X))


def test_the_principal_components_are_those_of_all_windows_a_view() -> None:
    X, y, _ = clusters(spread=3.0)
    known = y >= 0
    parts = [PCA(2, whiten=True).fit_transform(x) for x in np.split(X, [DIMS[0]], axis=1)]
    Z = np.hstack(parts) * np.sqrt(len(X) / (len(X) - 1))
    reference = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000).fit(Z[known], y[known])
    ours = Logistic(DIMS, front_end="pca", pca_size=2).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), reference.predict_proba(Z), atol=1e-4)


def test_canonical_directions_find_what_views_share() -> None:
    # The class is the one signal in both views; each has a stronger signal of its own.
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 600)
    signal = np.where(truth, 1.0, -1.0)[:, None]
    views = []
    for d in DIMS:
        rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
        own, shared = 3 * rng.normal(size=(600, d - 1)), signal + 0.3 * rng.normal(size=(600, 1))
        views.append(np.hstack([own, shared]) @ rotation)
    X = np.hstack(views)
    y = np.full(600, -1)
    y[np.flatnonzero(truth == 0)[:2]], y[np.flatnonzero(truth == 1)[:2]] = 0, 1
    accuracy = {
        front: (Logistic(DIMS, front_end=front, cca_size=1, pca_size=1).fit(X, y).predict(X) == truth).mean()
        for front in ("cca", "pca")
    }
    assert accuracy["cca"] > 0.98
    assert accuracy["pca"] < 0.7


@pytest.mark.parametrize("classes", [2, 3])
def test_discriminants_are_those_of_scikit_learn_with_equal_priors(classes: int) -> None:
    X, y, _ = clusters(classes, labelled=31 * classes)
    y = np.where((y == 0) & (np.arange(len(y)) > 31), -1, y)  # a rare class
    known = y >= 0
    ours = ShrinkageLda(DIMS).fit(X, y)
    # scikit-learn weighs each class's covariance by its prior; ours, by its windows, as where classes share one.
    shares = np.bincount(y[known]) / known.sum()
    reference = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=OAS(), priors=shares)
    reference.fit(X[known], y[known])
    balanced = reference.predict_proba(X) / shares
    np.testing.assert_allclose(
        ours.predict_proba(X), balanced / balanced.sum(axis=1, keepdims=True), rtol=1e-6, atol=1e-9
    )


def test_discriminants_of_one_window_a_class_are_the_nearest_mean() -> None:
    X, y, _ = clusters(3, labelled=3)
    nearest = KNeighborsClassifier(1).fit(X[:3], y[:3])
    np.testing.assert_array_equal(ShrinkageLda(DIMS).fit(X, y).predict(X), nearest.predict(X))


def test_a_class_of_one_window_leaves_the_covariance_to_the_others() -> None:
    X, y, _ = clusters(3, labelled=30)
    y = np.where((y == 2) & (np.arange(len(y)) > 2), -1, y)
    machine = ShrinkageLda(DIMS).fit(X, y)
    first, second = (OAS().fit(X[y == k]).covariance_ for k in (0, 1))
    means = np.stack([X[y == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(machine.coefficients_, np.linalg.solve((first + second) / 2, means.T).T, rtol=1e-6)
