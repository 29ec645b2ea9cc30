"""Causal smoothing and standardising."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.features.smoothing import MAX_MISSING, KalmanSmoothing, MeanSmoothing, NoSmoothing, make_smoother
from rtemo.features.standardise import Standardiser


def textbook_kalman(observations, q):
    """Scalar filter with explicit missing steps; None is a missing window."""
    estimate, variance, out = None, None, []
    for y in observations:
        if variance is not None:
            variance += q
        if y is not None:
            if estimate is None:
                estimate, variance = y, 1.0
            else:
                gain = variance / (variance + 1)
                estimate, variance = estimate + gain * (y - estimate), (1 - gain) * variance
            out.append(estimate)
    return out


@given(st.lists(st.one_of(st.none(), st.floats(-50, 50)), min_size=1, max_size=10))
def test_kalman_smoothing_is_the_textbook_filter_with_missing_steps(observations):
    made = KalmanSmoothing(step_variance=0.1)
    found = [made.update(i, np.array([y]))[0] for i, y in enumerate(observations) if y is not None]
    np.testing.assert_allclose(found, textbook_kalman(observations, 0.1), atol=1e-9)


def test_kalman_smoothing_reduces_noise_and_follows_a_step():
    rng = np.random.default_rng(0)
    truth = np.repeat([0.0, 5.0], 200)
    made = KalmanSmoothing()
    found = np.array([made.update(i, np.array([y]))[0] for i, y in enumerate(truth + rng.normal(size=400))])
    assert found[50:200].std() < 0.6
    assert abs(found[220:].mean() - 5) < 0.2


def test_kalman_smoothing_begins_anew_after_a_long_gap():
    made = KalmanSmoothing(max_missing=10)
    made.update(0, np.array([0.0]))
    assert made.update(11, np.array([100.0]))[0] < 100
    assert made.update(23, np.array([-100.0]))[0] == -100


def test_mean_smoothing_averages_the_windows_that_were_there():
    made = MeanSmoothing(3)
    found = [made.update(i, np.array([y]))[0] for i, y in [(0, 1.0), (1, 2.0), (2, 6.0), (4, 8.0), (9, 5.0)]]
    assert found == [1.0, 1.5, 3.0, 7.0, 5.0]


@pytest.mark.parametrize("kind", ["kalman", "mean", "none"])
def test_smoothing_does_not_hold_on_to_its_input(kind):
    made, features = make_smoother(kind), np.ones(2)
    first = made.update(0, features).copy()
    if not isinstance(made, NoSmoothing):
        features[:] = 99
        np.testing.assert_array_equal(made.update(1, np.ones(2)), first)


def test_standardised_features_have_mean_0_and_deviation_1_over_available_windows():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 5, size=(200, 4))
    available = rng.random(200) < 0.7
    values[~available] = np.nan
    made = Standardiser.fit({"eeg": values}, {"eeg": available})
    scaled = made.transform("eeg", values)
    np.testing.assert_allclose(scaled[available].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[available].std(axis=0), 1)
    assert np.isnan(scaled[~available]).all()


def test_a_constant_feature_becomes_0_and_an_unseen_one_too():
    values = np.array([[0.1 + 0.2, np.nan], [0.3, np.nan], [0.3, np.nan]])
    made = Standardiser.fit({"v": values}, {"v": np.ones(3, bool)})
    np.testing.assert_array_equal(made.transform("v", np.array([123.0, 5.0])), [0, 0])


def test_no_window_at_all_standardises_to_0():
    made = Standardiser.fit({"v": np.empty((0, 2))}, {"v": np.empty(0, bool)})
    np.testing.assert_array_equal(made.transform("v", np.array([[1.0, 2.0]])), [[0, 0]])


def test_a_single_unknown_feature_becomes_the_mean_and_a_missing_view_stays_missing():
    made = Standardiser({"v": np.array([5.0, 7.0])}, {"v": np.ones(2)})
    nan = np.nan
    rows = made.transform("v", np.array([[6.0, nan], [nan, nan], [nan, 6.0]]))
    np.testing.assert_array_equal(rows, [[1, 0], [nan, nan], [0, -1]])
    np.testing.assert_array_equal(made.transform("v", np.array([nan, nan])), [nan, nan])


def test_a_feature_that_is_unknown_for_long_is_not_held_for_ever():
    made, fresh = make_smoother("kalman"), make_smoother("kalman")
    for index in range(5):
        made.update(index, np.array([1.0, index]))
    held = [made.update(index, np.array([1.0, np.nan]))[1] for index in range(5, 30)]
    assert np.isfinite(held[:MAX_MISSING]).all()
    assert np.isnan(held[MAX_MISSING + 1 :]).all()
    again = [made.update(index, np.array([1.0, index]))[1] for index in range(30, 35)]
    np.testing.assert_array_equal(again, [fresh.update(index, np.array([float(index)]))[0] for index in range(30, 35)])


@pytest.mark.parametrize("kind", ["kalman", "mean"])
def test_smoothing_passes_over_what_is_unknown_in_a_window(kind):
    made, alone = make_smoother(kind), make_smoother(kind)
    nan = np.nan
    rows = np.array([[1.0, nan], [2.0, nan], [3.0, 5.0], [4.0, 7.0]])
    smoothed = np.array([made.update(i, row) for i, row in enumerate(rows)])
    np.testing.assert_allclose(smoothed[:, 0], [alone.update(i, row[:1])[0] for i, row in enumerate(rows)])
    assert np.isnan(smoothed[:2, 1]).all()
    assert smoothed[2, 1] == 5
    assert 5 < smoothed[3, 1] < 7
    assert np.isfinite(made.update(4, np.array([5.0, nan]))).all()


def test_standardised_features_are_clamped():
    made = Standardiser({"v": np.zeros(3)}, {"v": np.ones(3)})
    np.testing.assert_array_equal(made.transform("v", np.array([100.0, -np.inf, 2.0])), [8, -8, 2])
