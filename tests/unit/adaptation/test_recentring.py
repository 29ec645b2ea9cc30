"""The recentring against data drawn from its own model, and its score against SciPy's densities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t
from tiny_adaptation import SLICES, known_statistics

from rtemo.adaptation import recentre
from rtemo.adaptation.recentre import SCALE_PRIOR, SCALES, Recentrer, Recentring
from rtemo.adaptation.statistics import CalibrationStatistics

BOTH = np.ones(2, bool)
SHIFT = np.array([1.5, -1.0, 0.5, 1.0, -1.5])
PATTERNS = np.array([[True, True], [True, False], [False, True]])


EVIDENCE = 3.0


def recentrer(statistics: CalibrationStatistics, max_shift: float = 100.0, max_age_s: float = 1e9) -> Recentrer:
    return Recentrer(statistics, SLICES, max_shift=max_shift, max_age_s=max_age_s, min_evidence=EVIDENCE)


def drawn(statistics: CalibrationStatistics, count: int, shift: np.ndarray, seed: int = 0) -> np.ndarray:
    """Windows of the very model, classes in turn."""
    rng = np.random.default_rng(seed)
    scatter = rng.multivariate_normal(np.zeros(len(shift)), statistics.within, size=count)
    return statistics.means[np.arange(count) % len(statistics.means)] + shift + scatter


def show(target: Recentrer, x: np.ndarray, labels: np.ndarray, available: np.ndarray = BOTH) -> None:
    for number, (row, label) in enumerate(zip(x, labels, strict=True)):
        target.observe(row, available, int(label), float(number))


def score(statistics: CalibrationStatistics, x: np.ndarray, available: np.ndarray, shift: np.ndarray) -> float:
    """Log-posterior by SciPy's densities, constants and all."""
    total = 0.0
    for row, views in zip(x, available, strict=True):
        there = np.repeat(views, [3, 2])
        covariance = statistics.within[np.ix_(there, there)]
        total += logsumexp(
            [
                multivariate_normal.logpdf(row[there], (mean + shift)[there], covariance)
                - np.log(len(statistics.means))
                for mean in statistics.means
            ]
        )
    return total / statistics.trial + multivariate_t.logpdf(shift, shape=statistics.between, df=len(shift))


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([1.0, 3.0]))
def test_the_score_is_the_log_posterior_up_to_a_constant(seed: int, trial: float) -> None:
    rng = np.random.default_rng(seed)
    statistics = known_statistics(3, trial, seed=seed % 7)
    x, available = drawn(statistics, 9, SHIFT, seed), PATTERNS[rng.integers(3, size=9)]
    ours = recentrer(statistics)
    groups = ours._groups(np.where(np.repeat(available, [3, 2], axis=1), x, np.nan), available)
    shifts = rng.normal(size=(2, 5)) * 3
    found = ours._score(groups, shifts[0]) - ours._score(groups, shifts[1])
    truth = score(statistics, x, available, shifts[0]) - score(statistics, x, available, shifts[1])
    assert_allclose(found, truth, rtol=1e-9, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.0, 4.0))
def test_no_step_of_the_climb_lowers_the_score(seed: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    statistics = known_statistics(3, 2.0, apart=apart, seed=seed % 5)
    ours = recentrer(statistics)
    available = PATTERNS[rng.integers(3, size=30)]
    groups = ours._groups(drawn(statistics, 30, 2 * SHIFT, seed), available)
    shift = rng.normal(size=5) * 3
    last = ours._score(groups, shift)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recentre, "ITERATIONS", 1)
        for _ in range(25):
            now, shift = ours._climb(groups, shift)
            assert now >= last - 1e-9 * abs(last)
            last = now


def test_the_climb_ends_where_the_log_posterior_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recentre, "ITERATIONS", 500)
    monkeypatch.setattr(recentre, "TOLERANCE", 1e-12)
    statistics = known_statistics(3, 2.0)
    available = PATTERNS[np.arange(30) % 3]
    x, ours = drawn(statistics, 30, SHIFT), recentrer(statistics)
    _, shift = ours._climb(ours._groups(x, available), np.zeros(5))
    steps = 1e-4 * np.eye(5)
    slopes = [
        (score(statistics, x, available, shift + step) - score(statistics, x, available, shift - step)) / 2e-4
        for step in steps
    ]
    assert_allclose(slopes, 0, atol=1e-4)


def test_with_more_trials_the_estimate_comes_nearer_to_the_shift() -> None:
    statistics = known_statistics(3)
    ours = recentrer(statistics)
    errors = []
    for count in (3, 60, 1200, 24_000):
        several = [drawn(statistics, count, SHIFT, seed) for seed in range(4)]
        found = [ours._climb(ours._groups(x, np.ones((count, 2), bool)), np.zeros(5))[1] for x in several]
        errors.append(float(np.mean(np.abs(np.array(found) - SHIFT))))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


def test_the_windows_of_a_trial_count_as_one() -> None:
    one, many = known_statistics(2, 1.0), known_statistics(2, 6.0)
    x = drawn(one, 8, SHIFT)
    few, often = recentrer(one), recentrer(many)
    _, first = few._climb(few._groups(x, np.ones((8, 2), bool)), np.zeros(5))
    _, second = often._climb(often._groups(np.repeat(x, 6, axis=0), np.ones((48, 2), bool)), np.zeros(5))
    assert_allclose(first, second, atol=1e-9)


def test_without_windows_nothing_is_recentred_and_one_window_moves_little() -> None:
    statistics = known_statistics()
    ours = recentrer(statistics)
    assert ours.update() == 0.0
    x = drawn(statistics, 1, np.zeros(5))
    assert_array_equal(ours.state(x), x)
    _, shift = ours._climb(ours._groups(x, np.ones((1, 2), bool)), np.zeros(5))
    assert 0 < np.linalg.norm(shift) < 0.75 * np.linalg.norm(x[0] - statistics.means[0])


def test_nothing_is_recentred_where_nothing_has_moved() -> None:
    statistics = known_statistics(2, 10.0)
    for seed in range(10):
        ours = recentrer(statistics)
        show(ours, drawn(statistics, 60, np.zeros(5), seed), np.arange(60) % 2)
        ours.update()
        assert np.sqrt(np.mean((ours.state.shift / statistics.spread) ** 2)) < 0.35


@pytest.mark.parametrize("label", [0, 1])
def test_a_long_stretch_of_one_class_is_no_drift(label: int) -> None:
    """300 windows at the mean of one class, which lies off the centre of all."""
    statistics = known_statistics(2, 30.0, apart=4.0)
    rng = np.random.default_rng(label)
    ours = recentrer(statistics)
    x = statistics.means[label] + rng.multivariate_normal(np.zeros(5), statistics.within, size=300)
    for at in range(0, 300, 10):
        show(ours, x[at : at + 10], np.full(10, label))
        ours.update()
        assert np.sqrt(np.mean((ours.state.shift / statistics.spread) ** 2)) < 0.1
    away = np.sqrt(np.mean(((x.mean(axis=0) - statistics.centre) / statistics.spread) ** 2))
    assert away > 0.5  # what a running mean would have taken for drift


def test_a_shift_is_found_from_windows_as_they_come() -> None:
    statistics = known_statistics(3, 10.0)
    ours = recentrer(statistics)
    x = drawn(statistics, 240, SHIFT)
    show(ours, x, np.arange(240) % 3)
    ours.update()
    assert_allclose(ours.state.shift, SHIFT, atol=0.6)
    assert np.abs(ours.state(x).mean(axis=0) - statistics.centre).max() < 0.5


def test_the_cap_of_a_view_holds_exactly() -> None:
    statistics = known_statistics(2, 10.0)
    ours = recentrer(statistics, max_shift=0.5)
    far = 8 * statistics.spread
    show(ours, drawn(statistics, 60, far), np.arange(60) % 2)
    ours.update()
    for where in SLICES:
        size = np.sqrt(np.mean((ours.state.shift[where] / statistics.spread[where]) ** 2))
        assert_allclose(size, 0.5, rtol=1e-12)


def test_a_view_that_is_missing_stays_where_it_is() -> None:
    statistics = known_statistics(2, 10.0)
    ours = recentrer(statistics)
    x = drawn(statistics, 60, 2 * SHIFT)
    x[:, 3:] = 0
    show(ours, x, np.arange(60) % 2, np.array([True, False]))
    ours.update()
    assert np.abs(ours.state.shift[:3]).min() > 0.3
    assert_array_equal(ours.state.shift[3:], 0)
    assert_array_equal(ours.state.scale[3:], 1)
    assert_array_equal(ours.state(x)[:, 3:], 0)


@pytest.mark.parametrize("classes", [2, 12])
def test_the_scale_of_a_view_is_found_against_its_prior_and_capped(classes: int) -> None:
    """Scatter of the second view doubled around classes far apart, so that every window's class is certain."""
    statistics = known_statistics(classes, 10.0, apart=60.0)
    rng = np.random.default_rng(0)
    count = 30 * classes
    scatter = rng.multivariate_normal(np.zeros(5), statistics.within, size=count)
    scatter[:, 3:] *= 2
    labels = np.arange(count) % classes
    ours = recentrer(statistics)
    show(ours, statistics.means[labels] + 3 + scatter, labels)
    ours.update()
    residual = scatter + 3 - ours.state.shift
    for where in SLICES:
        ratio = np.mean(residual[:, where].var(axis=0) / np.diag(statistics.within)[where])
        trials = count / 10
        expected = np.sqrt((SCALE_PRIOR + trials * ratio) / (SCALE_PRIOR + trials))
        assert_allclose(ours.state.scale[where], np.clip(expected, *SCALES), rtol=1e-9)
    assert ours.state.scale[-1] > 1.1
    assert (ours.state.scale[-1] == SCALES[1]) == (classes == 12)


def test_gain_and_bias_are_the_recentring() -> None:
    rng = np.random.default_rng(0)
    shift, scale, centre, x = rng.normal(size=5), rng.uniform(0.5, 2, 5), rng.normal(size=5), rng.normal(size=(20, 5))
    state = Recentring(shift, scale, centre)
    assert_allclose(state(x), centre + (x - shift - centre) / scale, rtol=1e-12)
    assert_array_equal(state.gain * x + state.bias, state(x))


@given(st.lists(st.floats(-8, 8), min_size=5, max_size=5), st.integers(0, 99))
def test_at_the_start_nothing_is_changed_by_a_single_bit(values: list[float], seed: int) -> None:
    x = np.array(values)
    assert_array_equal(Recentring.none(np.random.default_rng(seed).normal(size=5))(x), x)


def test_it_forgets_with_its_reservoir() -> None:
    statistics = known_statistics(2, 10.0)
    ours = recentrer(statistics, max_age_s=100.0)
    show(ours, drawn(statistics, 60, 2 * SHIFT), np.arange(60) % 2)
    ours.update()
    moved = ours.state.shift
    x = drawn(statistics, 60, np.zeros(5))
    for number, row in enumerate(x):
        ours.observe(row, BOTH, number % 2, 1000.0 + number)
    ours.update()
    assert np.abs(ours.state.shift).max() < 0.5 < np.abs(moved).max()


def evidence(ours: Recentrer, statistics: CalibrationStatistics, x: np.ndarray, shift: np.ndarray) -> float:
    """Nats by which a shift makes windows with all views likelier, by SciPy's densities."""
    there = np.ones((len(x), 2), bool)
    return score(statistics, x, there, shift) - score(statistics, x, there, np.zeros(5))


def test_a_shift_is_believed_from_so_many_nats_on_and_dropped_below_half_of_them() -> None:
    """Windows as they would be at growing and then shrinking shifts; belief has a memory of its own."""
    statistics = known_statistics(2, 10.0)
    believed, ours = False, recentrer(statistics)
    scatter = drawn(statistics, 60, np.zeros(5))
    seen = set()
    for number, size in enumerate([*np.linspace(0, 1, 14), *np.linspace(1, 0, 14)]):
        x = scatter + size * SHIFT
        ours.memory.restore(recentrer(statistics).memory.save())
        show(ours, x, np.arange(60) % 2)
        gain = ours.update()
        if (believed and gain >= EVIDENCE / 2) or (not believed and gain >= EVIDENCE):
            assert ours.state.shift.any(), number
            assert_allclose(gain, evidence(ours, statistics, x, ours.state.shift), rtol=1e-4)
            believed = True
        else:
            assert_array_equal(ours.state(x), x)
            believed = False
        seen.add((believed, gain >= EVIDENCE, gain >= EVIDENCE / 2))
    assert seen == {(False, False, False), (False, False, True), (True, False, True), (True, True, True)}


def test_a_shift_beyond_the_cap_is_not_taken_for_scatter() -> None:
    statistics = known_statistics(2, 10.0, apart=60.0)
    ours = recentrer(statistics, max_shift=0.1)
    show(ours, drawn(statistics, 60, np.full(5, 8.0)), np.arange(60) % 2)
    ours.update()
    assert ours.state.shift.any()
    assert_allclose(ours.state.scale, 1, atol=0.1)
