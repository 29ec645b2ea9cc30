"""Splits, hidden views and standardising: what may not leak does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_sets import small_set

from rtemo.errors import ConfigurationError
from rtemo.evaluation.protocols import EITHER, available, hide, split, standardised


@pytest.mark.parametrize("unit", ["subject", "session", "trial"])
def test_an_honest_split_keeps_units_whole_and_five_seeds_test_every_window_once(unit):
    dataset = small_set(sessions=2, unit=unit)
    units = {"subject": dataset.subjects, "session": dataset.sessions, "trial": dataset.trials}[unit]
    tested = np.zeros(len(dataset), dtype=int)
    for seed in range(5):
        parts = split(dataset, "honest", "all", seed)
        assert not set(units[parts.train]) & set(units[parts.test])
        assert len(parts.train) + len(parts.test) == len(dataset)
        tested[parts.test] += 1
    assert (tested == 1).all()


def test_folds_of_single_class_units_hold_every_class():
    dataset = small_set(unit="trial", subjects=5)
    for seed in range(10):
        parts = split(dataset, "honest", "all", seed)
        share = np.bincount(dataset.labels[parts.test], minlength=3) / len(parts.test)
        np.testing.assert_allclose(share, 1 / 3, atol=0.12)


def test_seeds_of_another_five_make_another_partition():
    dataset = small_set()
    first, second = (set(split(dataset, "honest", "all", seed).test) for seed in (0, 5))
    assert first != second


@given(number=st.integers(1, 5), seed=st.integers(0, 20))
def test_labels_go_to_so_many_whole_trials_of_each_class(number, seed):
    dataset = small_set()
    parts = split(dataset, "honest", f"{number} trials", seed)
    known = parts.train[parts.labelled]
    for k in range(3):
        chosen = np.unique(dataset.trials[known[dataset.labels[known] == k]])
        assert len(chosen) == number
    inside = parts.train[np.isin(dataset.trials[parts.train], dataset.trials[known])]
    assert set(inside) == set(known)


@given(seed=st.integers(0, 20), percent=st.sampled_from([1.0, 2.0, 3.0, 50.0]))
def test_a_percentage_of_the_training_windows_and_of_each_class_one(seed, percent):
    dataset = small_set()
    parts = split(dataset, "paper", f"{percent:g}%", seed)
    assert len(parts.train) == round(0.8 * len(dataset))
    assert parts.labelled.sum() == max(3, round(percent / 100 * len(parts.train)))
    assert set(dataset.labels[parts.train[parts.labelled]]) == {0, 1, 2}


def test_the_paper_s_own_training_windows_are_used():
    dataset = small_set()
    dataset = replace(dataset, paper_train=dataset.trials % 2 == 0)
    parts = split(dataset, "paper", "5%", 3)
    np.testing.assert_array_equal(parts.train, np.flatnonzero(dataset.trials % 2 == 0))
    np.testing.assert_array_equal(parts.test, np.flatnonzero(dataset.trials % 2 == 1))


def test_windows_without_label_train_but_never_test():
    dataset = small_set()
    labels = np.where(np.arange(len(dataset)) % 4 == 0, -1, dataset.labels)
    dataset = replace(dataset, labels=labels)
    parts = split(dataset, "honest", "all", 0)
    assert (labels[parts.test] >= 0).all()
    assert (labels[parts.train] < 0).any()
    np.testing.assert_array_equal(parts.labelled, labels[parts.train] >= 0)


@pytest.mark.parametrize(
    ("protocol", "labels", "said"),
    [
        ("honest", "some", "expected a share"),
        ("honest", "-3%", "expected a share"),
        ("fair", "all", "unknown"),
    ],
)
def test_what_cannot_be_split_is_said(protocol, labels, said):
    with pytest.raises(ConfigurationError, match=said):
        split(small_set(), protocol, labels, 0)


def test_too_few_subjects_and_a_class_that_never_trains_are_said():
    with pytest.raises(ConfigurationError, match="4 subjects, expected at least 5"):
        split(small_set(subjects=4), "honest", "all", 0)
    dataset = small_set(subjects=5)
    lonely = replace(dataset, labels=np.where((dataset.labels == 2) & (dataset.subjects > 0), 1, dataset.labels))
    seed = next(s for s in range(5) if 0 in lonely.subjects[split(small_set(subjects=5), "honest", "all", s).test])
    with pytest.raises(ConfigurationError, match="no training window has the label c"):
        split(lonely, "honest", "all", seed)


@given(
    rate=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    view=st.sampled_from(["pps", "eeg", EITHER]),
    seed=st.integers(0, 5),
)
def test_views_are_hidden_in_training_windows_alone_and_a_labelled_one_of_each_class_stays_whole(rate, view, seed):
    dataset = small_set()
    parts = split(dataset, "honest", "2 trials", seed)
    hidden = hide(dataset, parts, view, rate, seed)
    there = available(hidden)
    assert there[parts.test].all()
    assert there.any(axis=1).all()
    gone = ~there[parts.train]
    assert abs(gone.sum() - rate * len(parts.train)) <= 3
    if view != EITHER:
        assert not gone[:, 1 - list(dataset.views).index(view)].any()
    known = parts.train[parts.labelled]
    assert set(dataset.labels[known[there[known].all(axis=1)]]) == {0, 1, 2}
    for name, x in hidden.views.items():
        seen = np.isfinite(x)
        np.testing.assert_array_equal(x[seen], dataset.views[name][seen])


def test_a_view_that_is_not_there_cannot_be_hidden():
    dataset = small_set()
    with pytest.raises(ConfigurationError, match="no view 'eye'"):
        hide(dataset, split(dataset, "honest", "all", 0), "eye", 0.5, 0)


def test_test_windows_have_no_say_in_the_standardising():
    dataset = small_set()
    parts = split(dataset, "honest", "all", 0)
    before = standardised(dataset, parts.train)
    views = {name: x.copy() for name, x in dataset.views.items()}
    for x in views.values():
        x[parts.test] = 1e6
    after = standardised(replace(dataset, views=views), parts.train)
    for name, x in before.items():
        np.testing.assert_array_equal(x[parts.train], after[name][parts.train])
        np.testing.assert_allclose(x[parts.train].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(x[parts.train].std(axis=0), 1, atol=1e-12)


def test_hidden_windows_have_no_say_in_the_standardising():
    dataset = small_set()
    parts = split(dataset, "honest", "all", 0)
    given_ = hide(dataset, parts, "pps", 0.5, 0)
    gone = ~available(given_)[:, 0]
    views = {name: x.copy() for name, x in dataset.views.items()}
    views["pps"][gone] = 1e6
    scaled = standardised(replace(dataset, views=views), parts.train, seen=given_)
    truth = standardised(dataset, parts.train, seen=given_)
    np.testing.assert_array_equal(scaled["pps"][~gone], truth["pps"][~gone])
    assert np.isfinite(truth["pps"]).all()


def test_each_session_by_its_own_windows_where_the_set_says_so_and_never_where_it_must_be_causal():
    dataset = replace(small_set(), standardise="session")
    parts = split(dataset, "honest", "all", 0)
    scaled = standardised(dataset, parts.train)["eeg"]
    for session in np.unique(dataset.sessions):
        np.testing.assert_allclose(scaled[dataset.sessions == session].mean(axis=0), 0, atol=1e-12)
    causal = standardised(dataset, parts.train, causal=True)["eeg"]
    np.testing.assert_array_equal(causal, standardised(replace(dataset, standardise="training"), parts.train)["eeg"])
