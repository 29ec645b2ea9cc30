"""Moments of calibration, against numbers by hand and NumPy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rtemo.adaptation.statistics import FLOOR, PRIOR_RECORDINGS, PRIOR_SHIFT, SHRINK, fit_statistics

ONE = (slice(0, 2),)
TWO = (slice(0, 3), slice(3, 5))
SHIFTS = np.array([[1.0, -2.0], [0.0, 3.0], [-1.0, -1.0]])
CLASSES = np.array([[0.0, 0.0], [10.0, -4.0]])


def crossed(repeats: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three recordings of two classes, two windows each around the mean; the first cell that many times over."""
    x, labels, recordings = [], [], []
    for r, shift in enumerate(SHIFTS):
        for k, mean in enumerate(CLASSES):
            for _ in range(repeats if (r, k) == (0, 0) else 1):
                x += [mean + shift + 1, mean + shift - 1]
                labels += [k, k]
                recordings += [r, r]
    return np.array(x), np.array(labels), np.array(recordings)


def shrunk(covariance: np.ndarray) -> np.ndarray:
    return (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))


def test_moments_by_hand() -> None:
    x, labels, recordings = crossed(1)
    found = fit_statistics(x, np.ones((len(x), 1), bool), labels, recordings, ONE, 7.0)
    assert_allclose(found.means, CLASSES, atol=1e-12)
    within = shrunk(np.ones((2, 2)))  # each window lies (1, 1) or (-1, -1) off its mean
    assert_allclose(found.within, within, atol=1e-12)
    spread = 1 + CLASSES.var(axis=0)
    assert_allclose(found.spread, np.sqrt(spread))
    assert_allclose(found.centre, [5, -2])
    told = shrunk(np.cov(SHIFTS.T))
    expected = (2 * told + PRIOR_RECORDINGS * np.diag(PRIOR_SHIFT**2 * spread)) / (2 + PRIOR_RECORDINGS)
    assert_allclose(found.between, expected, atol=1e-12)
    assert found.trial == 7.0


def test_how_often_a_class_occurs_in_a_recording_tells_nothing_of_its_shift() -> None:
    balanced, unbalanced = (
        fit_statistics(x, np.ones((len(x), 1), bool), labels, recordings, ONE, 1.0)
        for x, labels, recordings in (crossed(1), crossed(50))
    )
    assert_allclose(unbalanced.means, balanced.means, atol=1e-12)
    assert_allclose(unbalanced.between, balanced.between, atol=1e-12)


def random_windows(seed: int, recordings: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = 40 * recordings
    labels, recording = np.arange(count) % 2, np.arange(count) // 40
    return (
        rng.normal(size=(count, 5)) + labels[:, None] + rng.normal(size=(recordings, 5))[recording],
        labels,
        recording,
    )


def test_one_recording_leaves_the_default_prior() -> None:
    x, labels, recordings = random_windows(0, 1)
    found = fit_statistics(x, np.ones((40, 2), bool), labels, recordings, TWO, 1.0)
    assert_allclose(found.between, np.diag(PRIOR_SHIFT**2 * found.spread**2))


def test_views_have_no_say_in_each_others_shift() -> None:
    x, labels, recordings = random_windows(1, 4)
    found = fit_statistics(x, np.ones((160, 2), bool), labels, recordings, TWO, 1.0)
    assert_array_equal(found.between[:3, 3:], 0)
    assert_array_equal(found.between[3:, :3], 0)
    assert np.abs(found.within[:3, 3:]).max() > 0


def test_what_stands_in_a_missing_view_does_not_count() -> None:
    x, labels, recordings = random_windows(2, 3)
    available = np.ones((120, 2), bool)
    available[::3, 1] = False
    wild = x.copy()
    wild[::3, 3:] = np.nan
    wild[::6, 3:] = 1e30
    one, other = (fit_statistics(z, available, labels, recordings, TWO, 1.0) for z in (x, wild))
    for name in ("means", "within", "between"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    seen = np.arange(120) % 3 != 0
    whole = fit_statistics(x[seen], available[seen], labels[seen], recordings[seen], TWO, 1.0)
    assert_allclose(one.means[:, 3:], whole.means[:, 3:])
    assert_allclose(one.between[3:, 3:], whole.between[3:, 3:])


def test_a_view_that_one_recording_alone_has_keeps_the_default_prior() -> None:
    x, labels, recordings = random_windows(3, 4)
    available = np.column_stack([np.ones(160, bool), recordings == 0])
    found = fit_statistics(x, available, labels, recordings, TWO, 1.0)
    assert_allclose(found.between[3:, 3:], np.diag(PRIOR_SHIFT**2 * found.spread[3:] ** 2))


def test_recordings_of_one_class_each_tell_nothing_of_what_recordings_differ_by() -> None:
    x, labels, recordings = crossed(1)
    alone = np.where(labels == 0, 0, 1) == recordings  # the first recording's first class, the second's second
    found = fit_statistics(x[alone], np.ones((alone.sum(), 1), bool), labels[alone], recordings[alone], ONE, 1.0)
    assert_allclose(found.between, np.diag(PRIOR_SHIFT**2 * found.spread**2))


def test_a_recording_without_some_class_does_not_move_the_classes_apart() -> None:
    """Exactly additive data: recordings differ by one shift for all classes, one of them lacks the second class."""
    x, labels, recordings = crossed(1)
    kept = ~((recordings == 1) & (labels == 1))
    found = fit_statistics(x[kept], np.ones((kept.sum(), 1), bool), labels[kept], recordings[kept], ONE, 1.0)
    assert_allclose(found.means[1] - found.means[0], CLASSES[1] - CLASSES[0], atol=1e-9)


@given(
    seed=st.integers(0, 2**31),
    count=st.integers(2, 30),
    recordings=st.integers(1, 5),
    there=st.floats(0, 1),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 8.0]),
)
def test_covariances_are_positive_definite_whatever_is_missing(
    seed: int, count: int, recordings: int, there: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=(count, 5))
    x[:, 1] = x[:, 0]  # a feature twice over
    labels = np.arange(count) % 2
    found = fit_statistics(
        x, rng.random((count, 2)) < there, labels, rng.integers(-1, recordings, size=count), TWO, 0.1
    )
    for covariance in (found.within, found.between):
        assert_allclose(covariance, covariance.T, atol=1e-9)
        assert np.linalg.eigvalsh(covariance).min() > FLOOR * PRIOR_SHIFT**2 / 10
    assert np.isfinite(found.means).all()
    assert (found.spread > 0).all()
    assert found.trial == 1.0
