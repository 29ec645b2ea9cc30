"""Features of bad channels, moved to where calibration says that they are."""

from __future__ import annotations

import numpy as np

from rtemo.config import parse_configuration
from rtemo.features.base import Repair
from rtemo.features.mending import mend_features, mending_sums
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.reference import Reference, join_references
from rtemo.types import Chunk, StreamDescription

CAP = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Cz", "Pz")
STREAM = StreamDescription("1", "Cap", "EEG", CAP, 250.0)


def learnt(own, substitute):
    return np.sum([mending_sums(x, y) for x, y in zip(own, substitute, strict=True)], axis=0)


def test_a_line_is_fitted_by_least_squares():
    rng = np.random.default_rng(0)
    substitute = 5 + rng.normal(size=(200, 6))
    own = 2 + 0.5 * substitute + 0.1 * rng.normal(size=(200, 6))
    found = mend_features(np.arange(6.0), np.array([1]), 3, learnt(own, substitute))
    lines = [np.polyfit(substitute[:, i], own[:, i], 1) for i in range(6)]
    expected = [0.0, 1.0, *(np.polyval(lines[i], i) for i in (2, 3)), 4.0, 5.0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_substitute_that_tells_nothing_gives_the_mean_of_calibration():
    rng = np.random.default_rng(0)
    own, substitute = rng.normal(size=(50, 2)), np.full((50, 2), 3.0)
    found = mend_features(np.array([7.0, 7.0]), np.array([0, 1]), 2, learnt(own, substitute))
    np.testing.assert_allclose(found, own.mean(axis=0), atol=1e-6)


def test_without_windows_enough_features_stay_as_they_are_and_nan_stays_nan():
    values = np.ones((9, 2))
    assert mend_features(np.array([7.0, 8.0]), np.array([0]), 2, learnt(values, values)).tolist() == [7.0, 8.0]
    values = np.full((20, 2), np.nan)
    assert learnt(values, np.ones((20, 2))).tolist() == np.zeros((5, 2)).tolist()
    known = learnt(np.ones((20, 2)), np.ones((20, 2)))
    assert np.isnan(mend_features(np.array([np.nan, 8.0]), np.array([0]), 2, known)[0])


def test_what_a_broken_channel_holds_goes_nowhere():
    signals = np.array([[1.0, np.nan, 3.0, np.inf]])
    weights = np.array([[0.5, 0, 0.5, 0], [np.nan] * 4])
    Repair(np.array([1, 3]), weights).mend(signals)
    np.testing.assert_array_equal(signals, [[1.0, 2.0, 3.0, np.nan]])
    signals = np.ones((1, 4))
    Repair(np.array([3]), weights[1:]).mend(signals)
    np.testing.assert_array_equal(signals, [[1.0, 1.0, 1.0, np.nan]])


def cap(seed, seconds=40, flat=None):
    """One source seen by all electrodes, and noise of each."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 250)
    level = np.repeat(np.exp(0.4 * rng.normal(size=seconds)), 250)[:, None]
    values = 20 * level * rng.normal(size=(samples, 1)) + 30 * rng.normal(size=(samples, 12))
    if flat is not None:
        values[:, flat] = 0
    return Chunk("1", np.arange(samples) / 250 + 1e-4, values)


def run(chunk, references=None, **view):
    # White noise is taken for hum now and then, in one of a thousand windows of a channel.
    quality = {"max_line": 3.0}
    views = {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy", "quality": quality, **view}}
    config = parse_configuration({"labels": ["a"], "views": views}, "test")
    made = FeaturePipeline(config, [STREAM], origin="test", references=references)
    windows = made.push(chunk) + made.end()
    return np.array([window.features["eeg"] for window in windows]), made.references["eeg"]


def test_a_flat_channel_is_nearer_to_what_it_would_be_once_calibration_is_known():
    _, reference = run(cap(0))
    assert reference.mending.shape == (5, 60)
    assert (reference.mending[0] == 40).all()
    truth, _ = run(cap(1))
    plain, _ = run(cap(1, flat=4))
    mended, learnt_now = run(cap(1, flat=4), {"eeg": reference})
    assert learnt_now.mending is None
    mine = slice(20, 25)
    errors = [found[:, mine] - truth[:, mine] for found in (plain, mended)]
    assert np.abs(errors[1].mean(axis=0)).max() < 0.6 * np.abs(errors[0].mean(axis=0)).min()
    assert np.square(errors[1]).mean() < 0.7 * np.square(errors[0]).mean()
    np.testing.assert_array_equal(np.delete(mended, np.r_[mine], axis=1), np.delete(truth, np.r_[mine], axis=1))
    part, _ = run(cap(1, flat=4), {"eeg": reference}, subset=["C3:*"])
    np.testing.assert_array_equal(part, mended[:, mine])


def test_sums_of_recordings_add_up():
    (_, one), (_, other) = run(cap(0)), run(cap(1, seconds=20))
    joined = join_references([one, other])
    np.testing.assert_array_equal(joined.mending, one.mending + other.mending)
    bare = Reference(one.windows, one.mean)
    np.testing.assert_array_equal(join_references([one, bare]).mending, one.mending)
    assert join_references([bare, bare]).mending is None
