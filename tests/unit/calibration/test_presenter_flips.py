"""Whether swaps of buffers wait for the screen, told by when they come."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.presenter.flips import SETTLING, WARM_UP, report_of, waits_for_the_screen


def flips(*intervals_s: float) -> list[float]:
    return list(itertools.accumulate(intervals_s, initial=7.0))


@given(
    refresh_hz=st.sampled_from([50.0, 59.94, 60.0, 120.0, 144.0]),
    periods=st.lists(st.integers(1, 3), min_size=WARM_UP, max_size=WARM_UP),
    jitter=st.lists(st.floats(-0.05, 0.05), min_size=WARM_UP + 1, max_size=WARM_UP + 1),
)
def test_flips_at_multiples_of_the_period_waited(refresh_hz: float, periods: list[int], jitter: list[float]):
    at = np.cumsum([0, *periods]) + np.array(jitter)
    waits, interval_s = waits_for_the_screen(list(at / refresh_hz), refresh_hz)
    assert waits
    assert 0.85 / refresh_hz <= interval_s <= 3.2 / refresh_hz


@pytest.mark.parametrize("interval_s", [0.0004, 0.004, 0.0094, 0.0249, 0.0443])
def test_flips_that_come_when_painting_is_done_did_not_wait(interval_s: float):
    waits, measured_s = waits_for_the_screen(flips(*[interval_s] * WARM_UP), 60.0)
    assert not waits
    assert measured_s == pytest.approx(interval_s)


def test_random_intervals_hardly_ever_pass_as_a_screen():
    random = np.random.default_rng(3)
    passed = [waits_for_the_screen(flips(*random.uniform(0.5 / 60, 3.5 / 60, WARM_UP)), 60.0)[0] for _ in range(2000)]
    assert np.mean(passed) < 0.005


def test_the_first_flips_do_not_count():
    waits, _ = waits_for_the_screen(flips(*[0.09] * SETTLING, *[1 / 60] * (WARM_UP - SETTLING)), 60.0)
    assert waits


@pytest.mark.parametrize(("flips_s", "refresh_hz"), [([], 60.0), ([1.0] * 3, 60.0), (flips(*[1 / 60] * 20), 0.0)])
def test_too_few_flips_or_an_unknown_screen_are_no_evidence(flips_s: list[float], refresh_hz: float):
    assert waits_for_the_screen(flips_s, refresh_hz) == (False, 0.0)


def test_a_report_says_which_path_and_why():
    locked = report_of("opengl", "Some GPU", 60.0, flips(*[1 / 60] * WARM_UP), "")
    assert locked.locked
    assert locked.words() == (
        "onsets are stamped at the buffer swap, which waits for the screen (60.0 Hz, 16.7 ms measured; Some GPU)"
    )
    loose = report_of("opengl", "Some GPU", 60.0, flips(*[0.004] * WARM_UP), "")
    assert not loose.locked
    assert "swaps come every 4.0 ms and do not wait for the screen (60.0 Hz; Some GPU)" in loose.words()
    raster = report_of("raster", "", 60.0, flips(*[1 / 60] * WARM_UP), "no OpenGL here")
    assert not raster.locked
    assert raster.words() == (
        "onsets are stamped after painting, not at the flip of the screen: "
        "the window is painted without OpenGL (no OpenGL here)"
    )
