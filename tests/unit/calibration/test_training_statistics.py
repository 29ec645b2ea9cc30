"""Intervals hold what they promise with few trials, and chance is what shuffled trials reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from calibration.training.standin import arrangements, chance
from calibration.training.statistics import (
    TrialCounts,
    accuracy,
    balanced_accuracy,
    binomial_p,
    count_trials,
    difference,
    draw_trials,
    exact_interval,
    recall,
    redrawn,
)
from rtemo.model.settings import make_settings

SETTINGS = make_settings("default", {"pca_size": 5})


def counts_of(hits: list[int], windows: list[int], labels: list[int]) -> TrialCounts:
    right = np.array(hits) * 2 > np.array(windows)
    label = np.array(labels)
    return TrialCounts(
        np.arange(len(hits)), label, np.array(windows), np.array(hits), np.where(right, label, (label + 1) % 3)
    )


def test_windows_are_counted_by_trial_and_a_trial_is_decided_by_its_mean_probability() -> None:
    truth, trial = np.array([0, 0, 1, 1, 1]), np.array([7, 7, 3, 3, 3])
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.6, 0.4], [0.9, 0.1]])
    counts = count_trials(truth, trial, p)
    assert counts.trial.tolist() == [3, 7]
    assert counts.label.tolist() == [1, 0]
    assert counts.windows.tolist() == [3, 2]
    assert counts.hits.tolist() == [1, 1]
    assert counts.decided.tolist() == [0, 0]


def test_balanced_accuracy_is_the_mean_recall_over_windows() -> None:
    counts = counts_of([10, 0, 5, 5], [10, 10, 10, 30], [0, 0, 1, 1])
    assert balanced_accuracy(counts).value == pytest.approx((0.5 + 0.25) / 2)
    assert accuracy(counts).value == pytest.approx(20 / 60)
    assert recall(counts, 1).value == pytest.approx(0.25)


def test_a_label_with_a_single_trial_has_no_interval() -> None:
    found = balanced_accuracy(counts_of([10, 0, 5], [10, 10, 10], [0, 0, 1]))
    assert math.isfinite(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_one_trial_less_is_drawn_than_there_are() -> None:
    drawn = draw_trials(np.array([0, 0, 0, 1, 1, 2]), 50, 0)
    assert (drawn[:, :3].sum(axis=1) == 2).all()
    assert (drawn[:, 3:5].sum(axis=1) == 1).all()
    assert (drawn[:, 5] == 1).all()


@pytest.mark.parametrize("trials", [4, 8])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(trials: int) -> None:
    """Three labels; the share right of a trial is beta distributed about 60 %: its windows are alike."""
    rng = np.random.default_rng(1)
    held, runs = 0, 250
    labels = np.repeat([0, 1, 2], trials)
    for run in range(runs):
        hits = rng.binomial(15, rng.beta(3, 2, size=len(labels)))
        found = balanced_accuracy(
            TrialCounts(np.arange(len(labels)), labels, np.full(len(labels), 15), hits, labels), 400, run
        )
        held += found.low <= 0.6 <= found.high
    assert held / runs > 0.92


@pytest.mark.parametrize("trials", [(3, 3), (5, 5), (10, 10), (12, 3)])
@pytest.mark.parametrize("truth", [0.6, 0.9, 0.95])
def test_the_lower_end_is_above_the_truth_in_one_case_of_twenty_at_most(trials: tuple[int, ...], truth: float) -> None:
    """Most trials come out right or wrong as a whole, as with real recordings: little is seen of what is rare."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(len(trials)), trials)
    above = np.zeros(3)
    for run in range(100):
        hits = rng.binomial(20, rng.beta(truth, 1 - truth, size=len(labels)))
        counts = TrialCounts(np.arange(len(labels)), labels, np.full(len(labels), 20), hits, labels)
        found = balanced_accuracy(counts, 60, run), accuracy(counts, 60, run), recall(counts, 1, 60, run)
        above += [estimate.low > truth for estimate in found]
    assert (above <= 5).all()


def test_the_interval_holds_the_truth_where_all_errors_lie_with_the_rarer_label() -> None:
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1], [12, 3])
    above = 0
    for run in range(200):
        hits = np.where(labels == 0, 20, 20 * (rng.random(15) < 0.8))
        counts = TrialCounts(np.arange(15), labels, np.full(15, 20), hits, labels)
        above += balanced_accuracy(counts, 60, run).low > 0.9
    assert above <= 10


def test_what_was_always_right_is_not_certain() -> None:
    found = balanced_accuracy(counts_of([10] * 10, [10] * 10, [0, 1] * 5))
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.025 ** (1 / 10), 1.0))
    # Labels of 12 and 3 trials tell as much as 3 of each.
    unequal = balanced_accuracy(counts_of([10] * 15, [10] * 15, [0] * 12 + [1] * 3))
    assert unequal.low == pytest.approx(0.025 ** (1 / 6))
    one = recall(counts_of([10] * 6, [10] * 6, [0, 1] * 3), 0)
    assert one.low == pytest.approx(0.025 ** (1 / 3))


def test_with_unequal_labels_the_interval_of_accuracy_lies_about_its_figure() -> None:
    # The commoner label is always right, the rarer one never: accuracy is known to be the share of the commoner one.
    drawn = draw_trials(np.repeat([0, 1], [12, 3]), 500, 0)
    counts = counts_of([10] * 12 + [0] * 3, [10] * 15, [0] * 12 + [1] * 3)
    assert_allclose(redrawn(counts, np.array([0.8, 0.2]), drawn), 0.8)
    found = accuracy(counts)
    assert found.value == pytest.approx(0.8)
    assert found.low < 0.8 < found.high


def test_two_that_agree_on_every_trial_seen_may_differ_on_the_next() -> None:
    one = counts_of([10] * 10, [10] * 10, [0, 1] * 5)
    other = counts_of([4, 10] * 5, [10] * 10, [0, 1] * 5)
    same = difference(one, one)
    assert same.value == 0
    assert same.low == pytest.approx(-same.high) == pytest.approx(0.025 ** (1 / 10) - 1)
    gain, loss = difference(one, other), difference(other, one)
    assert gain.value == pytest.approx(0.3)
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low), abs=0.02)
    assert gain.low < 0.3 < gain.high


def test_few_trials_cannot_prove_much_however_well_they_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    least = {}
    for each in (3, 4, 5):
        labels = np.arange(2 * each) % 2
        x, truth, trial = features(rng, labels, 30.0)
        found = chance({"a": x}, truth, trial, np.zeros_like(trial), SETTINGS, folds=3, seed=0, shuffles=199)
        least[each] = found.least_p
        assert found.p(1.0) >= found.least_p
    # 2! / 20, 2! / 70, 2! / 252
    assert least == pytest.approx({3: 0.1, 4: 0.02857, 5: 0.00794}, abs=1e-4)


def test_exact_figures_of_trials_are_those_of_the_binomial_law() -> None:
    found = exact_interval(9, 12)
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.4281415, 0.9451394), abs=1e-6)
    counts = counts_of([15] * 9 + [0] * 3, [15] * 12, [0, 1, 2] * 4)
    assert binomial_p(counts) == pytest.approx(stats.binom.sf(8, 12, 1 / 3))
    # With unequal labels, always saying the commonest is the guess to beat.
    unequal = counts_of([15] * 6, [15] * 6, [0, 0, 0, 0, 1, 2])
    assert binomial_p(unequal) == pytest.approx((4 / 6) ** 6)


def features(rng: np.random.Generator, labels: np.ndarray, effect: float, each: int = 10) -> tuple[np.ndarray, ...]:
    trial = np.repeat(np.arange(len(labels)), each)
    offset = rng.normal(size=(len(labels), 6))
    offset[:, :3] += effect * np.eye(3)[labels]
    return offset[trial] + rng.normal(size=(len(trial), 6)), labels[trial], trial


def test_chance_is_as_wide_as_its_trials_are_few_and_labels_that_show_are_told_from_it() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    x, truth, trial = features(rng, labels, 6.0)
    found = chance({"a": x}, truth, trial, np.zeros_like(trial), SETTINGS, folds=4, seed=0, shuffles=99)
    assert found.p(found.stand_in) == 1 / 100
    assert found.shuffled.mean() == pytest.approx(1 / 3, abs=0.06)
    # Independent windows would scatter by 0.04.
    assert found.shuffled.std() > 0.08
    assert found.p(float("nan")) == 1.0


def test_p_is_uniform_where_labels_mean_nothing() -> None:
    rng = np.random.default_rng(3)
    ps = []
    for seed in range(80):
        labels = rng.permutation(np.arange(12) % 3)
        x, truth, trial = features(rng, labels, 0.0)
        found = chance({"a": x}, truth, trial, np.zeros_like(trial), SETTINGS, folds=4, seed=seed, shuffles=29)
        ps.append(found.p(found.stand_in))
    assert stats.kstest(ps, "uniform").pvalue > 0.01


def test_labels_are_shuffled_within_recordings_where_these_hold_enough_of_them() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 2
    x, truth, trial = features(rng, labels, 0.0)
    halves = (trial >= 6).astype(np.int64)
    few = chance({"a": x}, truth, trial, halves, SETTINGS, folds=3, seed=0, shuffles=9)
    assert not few.within_recordings
    assert arrangements(labels, np.repeat([0, 1], 6)) == pytest.approx(2 * math.log(20))
    labels = np.arange(24) % 2
    x, truth, trial = features(rng, labels, 0.0)
    more = chance({"a": x}, truth, trial, (trial >= 12).astype(np.int64), SETTINGS, folds=3, seed=0, shuffles=9)
    assert more.within_recordings


def test_a_missing_view_is_no_trouble_to_the_stand_in() -> None:
    rng = np.random.default_rng(0)
    x, truth, trial = features(rng, np.arange(12) % 3, 6.0)
    other = x[:, :2].copy()
    other[::3] = np.nan
    gone = np.full((len(x), 2), np.nan)
    views = {"a": x, "b": other, "c": gone}
    found = chance(views, truth, trial, np.zeros_like(trial), SETTINGS, folds=4, seed=0, shuffles=9)
    assert np.isfinite(found.shuffled).all()
    assert_allclose(found.p(1.1), 0.1)
