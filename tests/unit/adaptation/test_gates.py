"""Gates: every reason, and distances against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import mahalanobis
from tiny_adaptation import SLICES, known_statistics

from rtemo.adaptation.gates import Gates
from rtemo.config import AdaptationSettings

STATISTICS = known_statistics()
RNG = np.random.default_rng(0)
CALIBRATION = STATISTICS.means[np.arange(400) % 2] + RNG.multivariate_normal(np.zeros(5), STATISTICS.within, size=400)
SEEN = np.column_stack([np.ones(400, bool), np.arange(400) % 4 != 0])
SETTINGS = AdaptationSettings(max_bad_channels=0.25, min_confidence=0.5, max_novelty=2.0)
USUAL = STATISTICS.means[0]
BOTH, GOOD = np.ones(2, bool), np.zeros(2)


def gates(available: np.ndarray = SEEN) -> Gates:
    return Gates(STATISTICS, SLICES, CALIBRATION, available, SETTINGS)


def nearest(x: np.ndarray, view: int) -> float:
    """Distance to the nearest class, windows and recordings scattering as they do."""
    where = SLICES[view]
    precision = np.linalg.inv((STATISTICS.within + STATISTICS.between)[where, where])
    return min(mahalanobis(x[where], mean[where], precision) for mean in STATISTICS.means)


def test_novelty_is_the_distance_to_the_nearest_class_against_a_quantile_of_calibration() -> None:
    ours = gates()
    for view in (0, 1):
        usual = np.quantile([nearest(x, view) for x in CALIBRATION[SEEN[:, view]]], 0.999)
        for x in RNG.normal(size=(5, 5)) * 6:
            assert_allclose(ours.novelty(x, view), nearest(x, view) / usual, rtol=1e-9)


def test_calibration_itself_is_usual() -> None:
    refused = [gates().check(x, there, 0.9, GOOD) for x, there in zip(CALIBRATION, SEEN, strict=True)]
    assert refused == [None] * len(CALIBRATION)


FAR = USUAL + np.array([0, 0, 0, 80.0, 0])


@pytest.mark.parametrize(
    ("x", "available", "confidence", "bad", "reason"),
    [
        (USUAL, BOTH, 0.5, GOOD, None),
        (USUAL, np.zeros(2, bool), 0.9, GOOD, "no view"),
        (USUAL, BOTH, 0.9, np.array([0.25, 0.26]), "signal quality"),
        (USUAL, BOTH, 0.9, np.array([0.25, 0.25]), None),
        (USUAL, np.array([True, False]), 0.9, np.array([0.0, 1.0]), None),
        (USUAL, BOTH, 0.499, GOOD, "confidence"),
        (USUAL, BOTH, float("nan"), GOOD, "confidence"),
        (FAR, BOTH, 0.9, GOOD, "novelty"),
        (FAR, np.array([True, False]), 0.9, GOOD, None),
        (np.full(5, np.nan), BOTH, 0.9, GOOD, "novelty"),
    ],
)
def test_each_reason(
    x: np.ndarray, available: np.ndarray, confidence: float, bad: np.ndarray, reason: str | None
) -> None:
    refused = gates().check(x, available, confidence, bad)
    assert (None if refused is None else refused.reason) == reason


def test_quality_that_is_not_known_to_be_good_does_not_pass() -> None:
    refused = gates().check(USUAL, BOTH, 0.9, np.array([np.nan, 0.0]))
    assert refused is not None
    assert refused.reason == "signal quality"


def test_a_view_that_calibration_never_had_is_never_novel() -> None:
    never = np.column_stack([np.ones(400, bool), np.zeros(400, bool)])
    assert gates(never).check(FAR, BOTH, 0.9, GOOD) is None
