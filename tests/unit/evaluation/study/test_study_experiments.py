"""Every experiment: its tasks say all that they depend on, and each runs by itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from study_sets import small_set

from rtemo.errors import ConfigurationError
from rtemo.evaluation.imputers.simple import MeanImputer
from rtemo.evaluation.protocols import hide, split, standardised
from rtemo.evaluation.study.experiments import EXPERIMENTS, StudyOptions
from rtemo.evaluation.study.experiments.adaptation import sessions_apart
from rtemo.evaluation.study.experiments.incomplete import FULL, PARTIAL, imputation_figures
from rtemo.evaluation.study.experiments.inside import fewer_unlabelled
from rtemo.evaluation.study.experiments.properties import neighbours_agree
from rtemo.evaluation.study.task import Task
from rtemo.evaluation.study.worker import one_thread


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As a worker runs tasks: small windows are slower with more."""
    with one_thread():
        yield


QUICK = StudyOptions(seeds=2, steps=20, quick=True)
SET = small_set()


def tasks(name: str, **changes: object) -> list[Task]:
    return EXPERIMENTS[name].tasks(SET, replace(QUICK, **changes))


def figures(task: Task) -> dict[str, float | None]:
    return dict(EXPERIMENTS[task.experiment].run(task, SET).figures)


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_tasks_are_told_apart_by_their_keys_and_survive_json(name):
    found = tasks(name)
    assert found
    assert len({task.key for task in found}) == len(found)
    for task in found:
        assert Task(**json.loads(json.dumps(task.to_dict()))).key == task.key
        assert task.digest == SET.digest
    seeds = [task.seed for task in found]
    assert seeds == sorted(seeds)


@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"table1", "figure4", "figure5"}))
def test_only_the_methods_that_are_wished(name):
    assert {task.method for task in tasks(name, methods=("simvae",))} <= {"simvae"}
    with pytest.raises(ConfigurationError, match="nonsense"):
        tasks(name, methods=("nonsense",))


def test_other_data_other_keys():
    other = replace(SET, labels=np.roll(SET.labels, 1))
    ours, theirs = (EXPERIMENTS["table2"].tasks(data, QUICK) for data in (SET, other))
    assert not {task.key for task in ours} & {task.key for task in theirs}


CASES = [
    ("table2", {"protocol": "honest", "labels": "2 trials"}, "lr"),
    ("table2", {"protocol": "paper", "labels": "3%"}, "simvae"),
    ("calibration", {"labels": "all"}, "lr"),
    ("missing-test", {"imputer": "none", "entropy": "jensen", "rate": 0.5}, "simvae"),
    ("missing-test", {"imputer": "iterative", "rate": 0.5}, "lr"),
    ("missing-test", {"views": "eeg", "rate": 0.5}, "lr"),
    ("figure2", {"part": "a", "unlabelled_share": 0.5}, "smvae"),
    ("figure2", {"part": "b"}, "simvae"),
    ("figure2", {"part": "c", "views": "pps"}, "simvae"),
    ("figure3", {"imputer": "none", "rate": 0.9}, "simvae"),
    ("figure3", {"imputer": PARTIAL, "rate": 0.9}, "smvae"),
    ("figure3", {"imputer": "knn", "rate": 0.5}, "smvae"),
    ("figure6", {"c1": 0.1, "c2": 1.0}, "simvae"),
    ("contributions", {}, "simvae"),
    ("sizes", {"longer": 3}, "simvae"),
]


def one(name: str, settings: dict[str, object], method: str) -> Task:
    """The first task of an experiment with a method and settings."""
    return next(
        task for task in tasks(name) if task.method == method and settings.items() <= dict(task.settings).items()
    )


@pytest.mark.parametrize(("name", "settings", "method"), CASES)
def test_a_task_runs_by_itself_and_again_to_the_same_figures(name, settings, method):
    task = one(name, settings, method)
    first, second = figures(task), figures(task)
    timed = {"train_s", "test_s"}
    assert {k: v for k, v in first.items() if k not in timed} == {k: v for k, v in second.items() if k not in timed}
    assert 1 / 3 < first["inductive.complete.accuracy"] <= 1
    assert all(value is None or math.isfinite(value) for value in first.values())


def test_full_data_is_what_smvae_makes_of_all_views():
    bound = figures(one("figure3", {"imputer": FULL, "rate": 0.9, "protocol": "honest"}, "smvae"))
    plain = figures(one("table2", {"labels": "3 trials", "protocol": "honest"}, "smvae"))
    for name in ("inductive.complete.accuracy", "transductive.complete.nll"):
        assert bound[name] == plain[name]


def test_nothing_hidden_is_what_the_plain_model_makes():
    task = one("missing-test", {"imputer": "none", "entropy": "bhattacharyya", "rate": 0.0}, "simvae")
    plain = one("table2", {"labels": "all", "protocol": "honest"}, "simvae")
    assert figures(task)["inductive.complete.nll"] == figures(plain)["inductive.complete.nll"]


def test_imputation_is_measured_where_something_was_hidden():
    task = next(t for t in tasks("figure4") if t.method == "mean" and t.settings["rate"] == 0.5)
    found = figures(task)
    parts = split(SET, "paper", "all", task.seed)
    hidden = hide(SET, parts, "pps", 0.5, task.seed)
    truth, given = (standardised(d, parts.train, seen=hidden)["pps"][parts.train] for d in (SET, hidden))
    gone = np.isnan(given)
    filled = MeanImputer((4,)).fit(given).transform(given)
    error = truth[gone] - filled[gone]
    assert found["nmse"] == pytest.approx(np.sqrt((error**2).sum() / (truth[gone] ** 2).sum()))
    assert found["r2"] == pytest.approx(1 - (error**2).sum() / ((truth[gone] - truth[gone].mean()) ** 2).sum())


def test_figures_of_imputation_by_hand():
    truth, filled = np.array([3.0, 4.0, 5.0]), np.array([3.0, 4.0, 8.0])
    assert imputation_figures(truth, filled) == {"nmse": pytest.approx(3 / np.sqrt(50)), "r2": pytest.approx(1 - 9 / 2)}
    assert imputation_figures(np.ones(3), np.ones(3)) == {"nmse": 0.0, "r2": None}


def test_recovered_matrices_are_sorted_by_class_and_what_was_hidden():
    task = next(t for t in tasks("figure5") if t.method == "mean")
    result = EXPERIMENTS["figure5"].run(task, SET)
    original, recovered = (np.array(result.arrays[name]) for name in ("original", "recovered.mean"))
    assert original.shape == recovered.shape == (60, 4)
    # The mean is the same for all windows, and nearly 0 of standardised ones.
    assert np.ptp(recovered, axis=0).max() == 0
    assert original.std() > 0.5


def test_fewer_unlabelled_windows_and_all_labelled_ones():
    parts = split(SET, "honest", "2 trials", 0)
    fewer = fewer_unlabelled(parts, 0.25, 0)
    np.testing.assert_array_equal(fewer.train[fewer.labelled], parts.train[parts.labelled])
    assert (~fewer.labelled).sum() == round(0.25 * (~parts.labelled).sum())
    none = fewer_unlabelled(parts, 0.0, 0)
    assert none.labelled.all()


def test_contributions_and_permutation_agree_on_a_view_that_says_nothing():
    views = {"noise": np.random.default_rng(3).normal(size=(len(SET), 4)), "eeg": SET.views["eeg"] * 3}
    dataset = replace(SET, views=views)
    task = replace_digest(one("contributions", {}, "simvae"), dataset.digest, steps=150)
    found = EXPERIMENTS["contributions"].run(task, dataset).figures
    assert found["permutation.eeg"] > found["permutation.noise"] + 0.1
    assert found["contribution.eeg"] > found["contribution.noise"] + 0.1
    assert found["weight.eeg"] + found["weight.noise"] == pytest.approx(1)


def replace_digest(task: Task, digest: str, **settings: object) -> Task:
    return Task(task.experiment, task.dataset, digest, task.method, {**task.settings, **settings}, task.seed)


def test_the_first_session_trains_where_subjects_have_several_and_whole_subjects_elsewhere():
    many = small_set(sessions=3)
    parts = sessions_apart(many, 0)
    assert set(many.sessions[parts.train] % 3) == {0}
    assert set(many.sessions[parts.test] % 3) == {1, 2}
    parts = sessions_apart(SET, 0)
    assert not set(SET.subjects[parts.train]) & set(SET.subjects[parts.test])


@pytest.mark.parametrize("mode", ["frozen", "running-z", "recentre", "guarded"])
def test_sessions_are_streamed_in_order(mode):
    drifted = small_set(subjects=2, sessions=2, windows=12)
    task = next(t for t in EXPERIMENTS["adaptation"].tasks(drifted, QUICK) if t.settings["mode"] == mode)
    found = EXPERIMENTS["adaptation"].run(task, drifted).figures
    sessions = [found["session.0.balanced_accuracy"], found["session.1.balanced_accuracy"]]
    assert "session.2.balanced_accuracy" not in found
    assert found["mean.balanced_accuracy"] == pytest.approx(np.mean(sessions))
    assert found["worst.balanced_accuracy"] == min(sessions)
    assert min(sessions) > 1 / 3


def test_neighbours_are_looked_for_outside_a_windows_own_unit():
    whole = SET.take(np.flatnonzero(SET.labels >= 0))
    there = np.isfinite(whole.matrix).all(axis=1)
    whole = whole.take(np.flatnonzero(there))
    x = np.hstack(list(standardised(whole, np.arange(len(whole))).values()))
    found = cross_val_predict(KNeighborsClassifier(1), x, whole.labels, groups=whole.units, cv=LeaveOneGroupOut())
    assert neighbours_agree(SET) == pytest.approx(balanced_accuracy_score(whole.labels, found))
    one = whole.take(np.flatnonzero(whole.units == whole.units[0]))
    assert neighbours_agree(one) is None


def test_front_ends_that_keep_all_features_are_one_model():
    def sizes(features: int, longer: int = 1) -> list[object]:
        wide = replace(SET, views={name: np.tile(x, (1, features))[:, :features] for name, x in SET.views.items()})
        found = EXPERIMENTS["sizes"].tasks(wide, replace(QUICK, seeds=1))
        return [
            t.settings["components"] for t in found if (t.settings["longer"], t.settings["labels"]) == (longer, "all")
        ]

    assert [sizes(n) for n in (20, 21, 40, 41)] == [[20], [20, 40], [20, 40], [20, 40, 80]]
    assert [sizes(n, longer=3) for n in (20, 21, 41)] == [[20], [20, 40], [20, 80]]
