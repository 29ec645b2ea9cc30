"""What the windows of a trial say of its signals, and when nothing can be said yet."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibration.trial_quality import trial_quality
from rtemo.config import WindowSettings
from rtemo.types import FeatureWindow

GRID = WindowSettings()


def window(index: int, *, eeg: bool = True, eye: bool = True, bad: dict[str, str] | None = None) -> FeatureWindow:
    there = {"eeg": eeg, "eye": eye}
    return FeatureWindow(
        index=index,
        start_s=float(index),
        stop_s=float(index + 1),
        features={view: np.zeros(1) for view in there},
        available=there,
        coverage={view: float(here) for view, here in there.items()},
        reason={view: "coverage 0.10 < 0.80" for view, here in there.items() if not here},
        bad={} if bad is None else {"eeg": bad},
    )


def test_a_trial_whose_views_are_there_is_good_and_its_bad_channels_are_kept():
    windows = [window(k, bad={"Fp1": "flat"}) for k in range(10, 14)]
    quality = trial_quality(windows, 9.7, 14.2, newest_s=14.0, grid=GRID)
    assert quality is not None
    assert not quality.poor
    assert quality.reason == ""
    assert quality.details == {"windows": 4, "usable": {"eeg": 1.0, "eye": 1.0}, "bad": {"eeg": ["Fp1"]}}


def test_a_view_that_is_missing_in_more_than_half_of_it_makes_it_poor_with_the_commonest_reason():
    windows = [window(k, eye=k == 10) for k in range(10, 14)]
    quality = trial_quality(windows, 10.0, 14.0, newest_s=20.0, grid=GRID)
    assert quality is not None
    assert quality.poor
    assert quality.reason == "eye is missing in 75% of it (coverage 0.10 < 0.80)"
    half = trial_quality([window(k, eye=k < 12) for k in range(10, 14)], 10.0, 14.0, newest_s=20.0, grid=GRID)
    assert half is not None
    assert not half.poor


@pytest.mark.parametrize("newest_s", [math.nan, 12.0, 13.0])
def test_nothing_is_said_while_its_last_window_is_still_to_come(newest_s: float):
    assert trial_quality([], 10.0, 14.0, newest_s=newest_s, grid=GRID) is None


def test_edges_of_float_noise_do_not_wait_for_a_window_that_never_comes():
    windows = [window(10), window(11)]
    quality = trial_quality(windows, 10.0 + 1e-9, 12.0 - 1e-9, newest_s=12.0, grid=GRID)
    assert quality is not None
    assert not quality.poor


def test_a_trial_too_short_for_a_window_or_without_any_is_poor():
    short = trial_quality([], 10.2, 11.9, newest_s=math.nan, grid=GRID)
    assert short is not None
    assert "no whole window of 1 s" in short.reason
    lost = trial_quality([], 10.0, 14.0, newest_s=30.0, grid=GRID)
    assert lost is not None
    assert lost.reason == "no window was recorded"
    assert short.poor
    assert lost.poor


def test_overlapping_windows_count_from_the_grid():
    grid = WindowSettings(length_s=2.0, hop_s=0.5)
    # Windows inside [10.1, 14]: from 10.5 to 12.0, each half a second; the last ends at 14.
    assert trial_quality([], 10.1, 14.0, newest_s=13.5, grid=grid) is None
    assert trial_quality([], 10.1, 14.0, newest_s=14.0, grid=grid) is not None
