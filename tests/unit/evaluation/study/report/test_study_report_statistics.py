"""Means by hand, and tests against SciPy, brute force and numbers that were worked out on paper."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtemo.evaluation.study.report.statistics import (
    Summary,
    compare,
    holm,
    signed_rank,
    smallest_p,
    summarise,
)


def test_mean_and_sd_are_those_worked_out_by_hand() -> None:
    # Deviations of 2, 4, 4, 6 from 4: 4 + 0 + 0 + 4 = 8, over n - 1 = 3.
    found = summarise([2.0, 4.0, None, 4.0, math.nan, 6.0])
    assert found is not None
    assert (found.mean, found.runs) == (4.0, 4)
    assert found.sd == pytest.approx(math.sqrt(8 / 3), abs=1e-15)


def test_a_single_run_has_no_sd_and_no_run_no_mean() -> None:
    assert summarise([0.5]) == Summary(0.5, None, 1)
    assert summarise([None, math.inf]) is None


@pytest.mark.parametrize("pairs", [1, 2, 5, 6, 12, 30])
def test_without_ties_p_is_scipys_exact_one(pairs: int) -> None:
    differences = np.random.default_rng(pairs).normal(0.4, 1.0, pairs)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences.tolist()) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_with_ties_and_zeros_p_is_that_of_all_signs_counted_one_by_one(whole: list[int]) -> None:
    there = [x for x in whole if x]
    if not there:
        assert signed_rank([float(x) for x in whole]) == 1.0
        return
    ranks = stats.rankdata(np.abs(there))
    seen = float(ranks[np.array(there) > 0].sum())
    sums = [float(np.dot(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(there))]
    below, above = np.mean([s <= seen for s in sums]), np.mean([s >= seen for s in sums])
    assert signed_rank([float(x) for x in whole]) == pytest.approx(min(1.0, 2 * min(below, above)), rel=1e-12)


@pytest.mark.parametrize("pairs", range(1, 12))
def test_no_p_is_smaller_than_so_many_pairs_can_give(pairs: int) -> None:
    assert signed_rank([0.1 * (k + 1) for k in range(pairs)]) == pytest.approx(smallest_p(pairs), rel=1e-12)
    assert smallest_p(5) == 0.0625
    assert smallest_p(6) == 0.03125


def test_differences_that_are_rounding_are_none() -> None:
    assert signed_rank([0.1 + 0.2 - 0.3] * 9) == 1.0


def test_holm_gives_the_numbers_worked_out_by_hand() -> None:
    # Sorted .005 x 4, .01 x 3, .03 x 2, .04 x 1, and none below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.5, 0.9]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


def test_holm_never_claims_what_bonferroni_alone_would_not_bound() -> None:
    p = np.random.default_rng(0).uniform(0, 0.2, 20)
    adjusted = np.array(holm(p.tolist()))
    assert (adjusted <= np.minimum(1, 20 * p) + 1e-15).all()
    assert (adjusted >= p).all()
    assert (np.argsort(p, kind="stable") == np.lexsort((p, adjusted))).all()


def test_only_runs_that_both_have_are_compared() -> None:
    values = {"ours": {1: 0.5, 2: 0.6, 3: 0.7}, "other": {2: 0.5, 3: 0.9, 4: 0.0}, "alone": {9: 1.0}}
    (found,) = compare(values, "ours")
    assert (found.other, found.splits) == ("other", 2)
    assert found.ahead == pytest.approx((0.1 - 0.2) / 2)
    assert found.behind
    assert not found.leads


def test_a_small_error_counts_as_ahead() -> None:
    (found,) = compare({"ours": {1: 0.1}, "other": {1: 0.3}}, "ours", better=-1)
    assert found.ahead == pytest.approx(0.2)
    assert found.leads


def test_p_is_corrected_over_the_methods_that_have_pairs() -> None:
    runs = range(8)
    values = {"ours": dict.fromkeys(runs, 0.5), "gone": {}}
    values |= {name: {k: 0.4 - 0.01 * k for k in runs} for name in ("a", "b", "c")}
    found = compare(values, "ours")
    assert [c.p for c in found] == pytest.approx([2 / 256] * 3)
    assert [c.adjusted for c in found] == pytest.approx([6 / 256] * 3)
    assert all(c.significant for c in found)


def test_a_mean_that_the_ranks_contradict_is_not_significant() -> None:
    # Twelve small wins and one huge loss: the ranks favour the first, the mean does not.
    values = {"ours": dict.fromkeys(range(13), 0.0), "other": {k: -0.001 * (k + 1) for k in range(12)} | {12: 5.0}}
    (found,) = compare(values, "ours")
    assert found.adjusted < 0.05
    assert found.behind
    assert not found.significant


def test_pairs_of_one_split_are_averaged_before_the_splits_are_tested() -> None:
    # Two columns of three seeds: differences of .1 and .3, -.1 and .2, .1 and .2 become .2, .05 and .15.
    ours = {(c, s): 0.5 for c in "ab" for s in range(3)}
    less = {("a", 0): 0.1, ("b", 0): 0.3, ("a", 1): -0.1, ("b", 1): 0.2, ("a", 2): 0.1, ("b", 2): 0.2}
    theirs = {pair: 0.5 - less[pair] for pair in ours}
    (found,) = compare({"ours": ours, "other": theirs}, "ours", split=lambda pair: pair[1])
    assert found.splits == 3
    assert found.p == pytest.approx(stats.wilcoxon([0.2, 0.05, 0.15]).pvalue) == pytest.approx(2 / 8)
    assert found.ahead == pytest.approx(0.4 / 3)


def test_more_columns_of_the_same_splits_do_not_make_p_smaller() -> None:
    # Five splits that all win are 2 / 32 in any number of columns. Were each counted, four would give 2 / 2^20.
    for columns in (1, 2, 4):
        pairs = [(column, seed) for column in range(columns) for seed in range(5)]
        values = {"ours": dict.fromkeys(pairs, 0.5), "other": {(c, s): 0.4 - 0.01 * s - 0.001 * c for c, s in pairs}}
        (found,) = compare(values, "ours", split=lambda pair: pair[1])
        assert (found.splits, found.p, found.significant) == (5, 2 / 32, False)
        (counted,) = compare(values, "ours")
        assert (counted.splits, counted.p) == (5 * columns, 2 / 2 ** (5 * columns))


def test_a_split_weighs_the_same_however_many_columns_it_has() -> None:
    # Seed 0 has three columns, seed 1 one: (.1 + .3) / 2, and not (.1 + .1 + .1 + .3) / 4.
    pairs = {("a", 0): 0.1, ("b", 0): 0.1, ("c", 0): 0.1, ("a", 1): 0.3}
    (found,) = compare({"ours": pairs, "other": dict.fromkeys(pairs, 0.0)}, "ours", split=lambda pair: pair[1])
    assert found.ahead == pytest.approx(0.2)


def test_a_method_without_runs_is_compared_with_nobody() -> None:
    assert compare({"other": {1: 0.3}}, "ours") == []
