"""One method on one split: what it may see, what is scored, and how settings are chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from study_sets import small_set

from rtemo.evaluation.baselines.linear import Logistic
from rtemo.evaluation.baselines.registry import Method
from rtemo.evaluation.imputers.registry import IMPUTERS
from rtemo.evaluation.protocols import hide, split, standardised
from rtemo.evaluation.study.training import Recipe, scores_of, train_on
from rtemo.evaluation.study.tuning import choose


def test_figures_are_those_of_a_model_trained_by_hand():
    from sklearn.linear_model import LogisticRegression

    dataset = small_set()
    parts = split(dataset, "honest", "2 trials", 0)
    figures = scores_of(train_on(dataset, parts, Recipe("lr", imputer="mean"), 0), dataset, parts)
    X = dataset.matrix
    X = (X - X[parts.train].mean(axis=0)) / X[parts.train].std(axis=0)
    rows = parts.train[parts.labelled]
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000).fit(X[rows], dataset.labels[rows])
    truth = dataset.labels[parts.test]
    assert figures["inductive.complete.accuracy"] == pytest.approx((model.predict(X[parts.test]) == truth).mean())
    likelihood = model.predict_proba(X[parts.test])[np.arange(len(truth)), truth]
    assert figures["inductive.complete.nll"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-4)
    rest = parts.train[~parts.labelled]
    assert figures["transductive.complete.accuracy"] == pytest.approx(
        (model.predict(X[rest]) == dataset.labels[rest]).mean()
    )
    # A view that is missing is filled by its mean, which is 0.
    X[:, :4] = 0
    assert figures["inductive.without:pps.accuracy"] == pytest.approx((model.predict(X[parts.test]) == truth).mean())
    assert figures["labelled"] == 6 * 6
    assert figures["test"] == len(parts.test)


@pytest.mark.parametrize("method", ["lr", "self-training", "lda"])
def test_labels_that_are_not_given_have_no_say(method):
    dataset = small_set()
    parts = split(dataset, "honest", "2 trials", 0)
    known = np.isin(np.arange(len(dataset)), parts.train[parts.labelled])
    other = replace(dataset, labels=np.where(known, dataset.labels, (dataset.labels + 1) % 3))
    X = dataset.matrix[:20]
    first, second = (train_on(d, parts, Recipe(method, imputer="mean"), 0).probabilities(X) for d in (dataset, other))
    np.testing.assert_array_equal(first, second)


def test_only_complete_windows_train_where_that_is_asked():
    dataset = small_set()
    parts = split(dataset, "honest", "all", 0)
    hidden = hide(dataset, parts, "pps", 0.5, 0)
    bound = train_on(hidden, parts, Recipe("lr"), 0, only_complete=True)
    kept = parts.train[np.isfinite(hidden.views["pps"][parts.train]).all(axis=1)]
    X = np.hstack(list(standardised(hidden, parts.train).values()))
    by_hand = Logistic(hidden.dims).fit(X[kept], hidden.labels[kept])
    np.testing.assert_array_equal(bound.probabilities(X[parts.test]), by_hand.predict_proba(X[parts.test]))


def test_one_view_alone_is_scored_without_conditions():
    dataset = small_set()
    parts = split(dataset, "honest", "all", 0)
    trained = train_on(dataset, parts, Recipe("lr", views=("eeg",)), 0)
    figures = scores_of(trained, dataset, parts)
    assert trained.dims == (3,)
    assert not any("without" in name for name in figures)
    assert figures["transductive.complete.windows"] == 0


METHOD = Method("LR", "supervised", "linear", "Logistic", {}, ({"C": 1e-9}, {"C": 1.0}, {"C": 1e9}))


def test_a_budget_takes_so_many_candidates_and_the_best_on_held_out_trials():
    dataset = small_set(windows=4, apart=8.0)
    parts = split(dataset, "honest", "4 trials", 0)
    X = dataset.matrix[parts.train]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.where(parts.labelled, dataset.labels[parts.train], -1)
    groups = dataset.trials[parts.train]
    assert choose(METHOD, {}, dataset.dims, X, y, groups, budget=1, seed=0) == 0
    assert choose(METHOD, {}, dataset.dims, X, y, groups, budget=2, seed=0) == 1


def test_nothing_is_chosen_where_a_class_has_a_single_trial():
    dataset = small_set(windows=4, apart=8.0)
    parts = split(dataset, "honest", "1 trial", 0)
    y = np.where(parts.labelled, dataset.labels[parts.train], -1)
    X, groups = dataset.matrix[parts.train], dataset.trials[parts.train]
    assert choose(METHOD, {}, dataset.dims, X, y, groups, budget=3, seed=0) == 0


@pytest.mark.parametrize("name", sorted(IMPUTERS))
def test_steps_and_device_reach_every_imputer_that_trains_a_net(name):
    made = IMPUTERS[name].make((3, 2), 4, steps=7, device="cpu").get_params()
    nets = {"dccae", "corrnet", "conet", "simvae"}
    assert made.get("steps") == (7 if name in nets else None)
    assert made.get("device") == ("cpu" if name in nets else None)


def test_an_imputer_of_a_task_trains_as_long_as_its_method():
    dataset = small_set()
    parts = split(dataset, "honest", "2 trials", 0)
    trained = train_on(dataset, parts, Recipe("lr", imputer="corrnet", steps=3), 0)
    assert trained.imputer is not None
    assert trained.imputer.get_params()["steps"] == 3
