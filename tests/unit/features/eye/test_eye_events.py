"""Fixations, saccades and blinks: against courses of gaze that are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scanpath import SCREEN, course, directions, pixels, wandering

from rtemo.features.eye import EyeSettings, detect_events
from rtemo.features.eye.columns import find_columns
from rtemo.features.eye.extractor import EyeTracking

POINTS = {"x": "x", "y": "y"}
SQUINT = np.array([0.5, 0.0])
EYES = {"x_left": "xl", "y_left": "yl", "x_right": "xr", "y_right": "yr"}


def events_of(kind, events):
    return [event for event in events if event.kind == kind]


def detect(stamps_s, values, columns, **settings):
    return detect_events(
        stamps_s, np.asarray(values), labels=tuple(columns.values()), columns=columns, settings=EyeSettings(**settings)
    )


def assert_jumps(events, targets, *, within_s, rate_hz):
    """One saccade for each jump, at its time and of its size but for the slow tails."""
    tails = 0.3 + 2 * 30.0 / rate_hz
    saccades = events_of("saccade", events)
    assert len(saccades) == len(targets) - 1
    for saccade, here, there in zip(saccades, targets, targets[1:], strict=False):
        assert abs(saccade.start_s - there[0]) < within_s
        assert abs(saccade.stop_s - (there[0] + 0.04)) < within_s
        expected = np.hypot(there[1] - here[1], there[2] - here[2])
        assert saccade.amplitude == pytest.approx(expected, rel=0.06, abs=tails)


@pytest.mark.parametrize("rate_hz", [30, 60, 90, 120, 250, 500, 1000, 2000])
@pytest.mark.parametrize("threshold", [30.0, "adaptive"])
def test_jumps_between_rests_are_found_at_any_rate(rate_hz, threshold):
    stamps_s, gaze, targets = wandering(rate_hz, 20, rng=np.random.default_rng(1), noise=0.03)
    events = detect(stamps_s, pixels(gaze), POINTS, screen=SCREEN, velocity_threshold=threshold)
    assert_jumps(events, targets, within_s=0.02 + 1 / rate_hz, rate_hz=rate_hz)
    fixations = events_of("fixation", events)
    assert len(fixations) == len(targets)
    for fixation, target in zip(fixations[1:], targets[1:], strict=False):
        assert abs(fixation.start_s - (target[0] + 0.04)) < 0.02 + 1 / rate_hz
        assert max(fixation.dispersion_x, fixation.dispersion_y) < 3.5


@pytest.mark.parametrize("rate_hz", [30, 120, 1000])
def test_the_dispersion_method_finds_the_same_rests(rate_hz):
    stamps_s, gaze, targets = wandering(rate_hz, 20, rng=np.random.default_rng(2), noise=0.03, per_s=2)
    events = detect(stamps_s, pixels(gaze), POINTS, screen=SCREEN, method="dispersion", min_fixation_s=0.1)
    fixations = events_of("fixation", events)
    starts = np.array([fixation.start_s for fixation in fixations])
    # A slow tail within its bounds, a rest may leave them later on and go on as another.
    assert len(targets) - 1 <= len(fixations) <= 1.2 * len(targets)
    for moment, *_ in targets[1:-1]:
        assert np.abs(starts - (moment + 0.04)).min() < 0.03 + 1 / rate_hz
    assert all(fixation.dispersion_x + fixation.dispersion_y <= 1.0 for fixation in fixations)
    assert len(events_of("saccade", events)) == len(targets) - 1


@pytest.mark.parametrize(
    ("columns", "convert", "settings"),
    [
        (POINTS, lambda g: g, {"unit": "degrees"}),
        (POINTS, pixels, {"screen": SCREEN}),
        (POINTS, lambda g: pixels(g) / SCREEN["resolution_px"], {"unit": "normalised", "screen": SCREEN}),
        (POINTS, lambda g: 15.5 * g + 800, {"units_per_degree": 15.5}),
        ({"direction_x": "a", "direction_y": "b", "direction_z": "c"}, directions, {}),
        (
            EYES,
            lambda g: np.hstack([pixels(g - np.array([0.5, 0])), pixels(g + np.array([0.5, 0]))]),
            {"screen": SCREEN},
        ),
    ],
)
def test_every_form_of_gaze_gives_the_same_degrees(columns, convert, settings):
    stamps_s, gaze, targets = wandering(250, 10, rng=np.random.default_rng(3))
    # Angles along two axes and the angle between two directions differ far from the middle: keep near it.
    gaze, targets = gaze / 3, [(t, x / 3, y / 3) for t, x, y in targets]
    assert_jumps(detect(stamps_s, convert(gaze), columns, **settings), targets, within_s=0.02, rate_hz=250)


def test_without_degrees_the_adaptive_threshold_and_amplitudes_are_in_the_trackers_unit():
    stamps_s, gaze, targets = wandering(120, 20, rng=np.random.default_rng(4))
    saccades = events_of("saccade", detect(stamps_s, 0.02 * gaze + 0.5, POINTS, unit="normalised"))
    # Nothing is known of the noise in the first half second.
    expected = [np.hypot(b[1] - a[1], b[2] - a[2]) for a, b in pairwise(targets) if b[0] > 0.45]
    assert [s.amplitude for s in saccades] == pytest.approx([0.02 * e for e in expected], rel=0.1, abs=0.006)


def test_the_adaptive_threshold_rises_with_the_noise():
    rng = np.random.default_rng(5)
    stamps_s = np.arange(60 * 20) / 60
    noisy = rng.normal(0, 0.5, (len(stamps_s), 2))
    fixed = events_of("saccade", detect(stamps_s, noisy, POINTS, unit="degrees", velocity_threshold=30.0))
    adaptive = events_of("saccade", detect(stamps_s, noisy, POINTS, unit="degrees"))
    assert len(fixed) > 100
    assert len([s for s in adaptive if s.start_s > 1]) <= 2


def test_one_eye_serves_where_the_other_is_lost_and_a_change_of_eyes_is_no_jump():
    stamps_s, gaze, targets = wandering(250, 10, rng=np.random.default_rng(6))
    values = np.hstack([gaze - np.array([2, 0]), gaze + np.array([2, 0])])
    values[500:900, :2] = np.nan
    values[1500:1900, 2:] = np.nan
    saccades = events_of("saccade", detect(stamps_s, values, EYES, unit="degrees"))
    lost = [1500 / 250, 1900 / 250, 500 / 250, 900 / 250]
    apart = [t for t in targets[1:] if min(abs(t[0] + 0.02 - moment) for moment in lost) > 0.06]
    starts = np.array([s.start_s for s in saccades])
    assert len(saccades) <= len(targets) - 1
    for moment, *_ in apart:
        assert np.abs(starts - moment).min() < 0.02


def closing(stamps_s, start_s, stop_s):
    return (stamps_s >= start_s - 1e-9) & (stamps_s < stop_s - 1e-9)


def by_flag(stamps_s, gaze, shut):
    return np.column_stack([gaze, shut]), {**POINTS, "blink": "b"}


def by_flags_of_both(stamps_s, gaze, shut):
    # One eye alone is a wink.
    wink = closing(stamps_s, 7.0, 7.2)
    return np.column_stack([gaze, shut | wink, shut]), {**POINTS, "blink_left": "l", "blink_right": "r"}


def by_pupil(stamps_s, gaze, shut):
    return np.column_stack([gaze, np.where(shut, 0.0, 3.0)]), {**POINTS, "pupil": "p"}


def by_validity(stamps_s, gaze, shut):
    return np.column_stack([gaze, ~shut]), {**POINTS, "valid": "v"}


def by_nan(stamps_s, gaze, shut):
    return np.column_stack([np.where(shut[:, None], np.nan, gaze), np.zeros(len(gaze))]), {**POINTS, "aperture": "a"}


def by_aperture(stamps_s, gaze, shut):
    return np.column_stack([gaze, np.where(shut, 1.0, 10.0), np.where(shut, 2.0, 11.0)]), {
        **POINTS,
        "aperture_left": "l",
        "aperture_right": "r",
    }


@pytest.mark.parametrize("rate_hz", [60, 500])
@pytest.mark.parametrize("form", [by_flag, by_flags_of_both, by_pupil, by_validity, by_aperture])
def test_blinks_are_found_by_whatever_tells_of_them(form, rate_hz):
    rng = np.random.default_rng(7)
    stamps_s = np.arange(rate_hz * 12) / rate_hz
    gaze = rng.normal(0, 0.05, (len(stamps_s), 2))
    blinks = [(2.0, 2.15), (4.5, 4.7), (9.0, 9.4)]
    shut = np.logical_or.reduce([closing(stamps_s, *blink) for blink in blinks])
    # Too short for a blink, and too long.
    shut |= closing(stamps_s, 6.0, 6.0 + 1 / rate_hz) | closing(stamps_s, 10.0, 11.5)
    values, columns = form(stamps_s, gaze, shut)
    found = events_of("blink", detect(stamps_s, values, columns, unit="degrees"))
    np.testing.assert_allclose([(b.start_s, b.stop_s) for b in found], blinks, atol=1.01 / rate_hz)


def test_blinks_by_validity_are_those_of_lost_gaze_where_it_is_asked_for():
    stamps_s = np.arange(1200) / 120
    shut = closing(stamps_s, 3.0, 3.2)
    values, columns = by_nan(stamps_s, np.ones((1200, 2)), shut)
    found = events_of("blink", detect(stamps_s, values, columns, unit="degrees", blink_source="validity"))
    assert [(b.start_s, b.stop_s) for b in found] == pytest.approx(np.array([(3.0, 3.2)]), abs=0.01)


def test_two_blinks_a_moment_apart_are_one():
    stamps_s = np.arange(2000) / 500
    shut = closing(stamps_s, 1.0, 1.1) | closing(stamps_s, 1.12, 1.2) | closing(stamps_s, 1.3, 1.4)
    values, columns = by_flag(stamps_s, np.zeros((2000, 2)), shut)
    found = events_of("blink", detect(stamps_s, values, columns, unit="degrees"))
    assert [(b.start_s, b.stop_s) for b in found] == pytest.approx(np.array([(1.0, 1.2), (1.3, 1.4)]))


def test_what_the_lid_does_to_gaze_is_no_saccade():
    rng = np.random.default_rng(8)
    stamps_s = np.arange(500 * 4) / 500
    gaze = rng.normal(0, 0.02, (2000, 2))
    shut = closing(stamps_s, 2.0, 2.2)
    # Gaze seems to dive just before the eyes close, and to come back just after they open.
    gaze[:, 1] -= 8 * np.interp(stamps_s, [1.96, 2.0, 2.2, 2.24], [0, 1, 1, 0])
    values, columns = by_flag(stamps_s, gaze, shut)
    events = detect(stamps_s, values, columns, unit="degrees")
    assert [e.kind for e in events if e.kind != "fixation"] == ["blink"]
    fixations = events_of("fixation", events)
    assert fixations[0].stop_s < 2.0
    assert all(f.dispersion_y < 1 for f in fixations)


def test_a_fixation_goes_on_over_a_short_loss_and_ends_at_a_long_one():
    gaze = np.ones((1200, 2))
    stamps_s = np.arange(1200) / 120
    gaze[240:246] = np.nan
    gaze[600:660] = np.nan
    events = detect(stamps_s, gaze, POINTS, unit="degrees")
    found = [(e.start_s, e.stop_s) for e in events if e.kind == "fixation"]
    # Nothing is known of the noise in the first half second.
    np.testing.assert_allclose(found, [(0.5, 599 / 120), (660 / 120, 1199 / 120)], atol=0.02)
    assert len(events) == 2


def test_an_overshoot_belongs_to_its_saccade():
    stamps_s = np.arange(1000) / 500
    gaze = course(stamps_s, [(0, 0, 0), (1.0, 10, 0)])
    gaze[:, 0] += 1.0 * np.exp(-(((stamps_s - 1.055) / 0.008) ** 2))
    saccades = events_of("saccade", detect(stamps_s, gaze, POINTS, unit="degrees", velocity_threshold=30.0))
    assert len(saccades) == 1
    assert saccades[0].amplitude == pytest.approx(10, abs=0.7)


def test_nothing_goes_on_over_a_gap_and_what_has_ended_before_it_counts():
    stamps_s = np.concatenate([np.arange(240) / 120, 5 + np.arange(240) / 120])
    gaze = np.repeat([[0.0, 0.0], [10.0, 0.0]], 240, axis=0)
    shut = closing(stamps_s, 1.7, 1.98) | closing(stamps_s, 5.0, 5.2) | closing(stamps_s, 6.8, 7.0)
    values, columns = by_flag(stamps_s, gaze, shut)
    events = detect(stamps_s, values, columns, unit="degrees", velocity_threshold=30.0)
    # Of the other two blinks nobody saw the beginning or the end.
    assert [e.kind for e in events] == ["fixation", "blink", "fixation"]
    assert (events[1].start_s, events[1].stop_s) == pytest.approx((1.7, 1.98), abs=0.01)
    assert (events[2].start_s, events[2].stop_s) == pytest.approx((5.2, 6.8), abs=0.03)


def test_a_blink_by_aperture_is_the_whole_movement_of_the_lid():
    stamps_s = np.arange(1200) / 200
    lid = np.interp(stamps_s, [3.0, 3.1, 3.15, 3.35], [10.0, 1.0, 1.0, 10.0])
    # A lid that only droops closes nothing, nor does one eye alone.
    lid = np.where(closing(stamps_s, 4.0, 4.3), 6.0, lid)
    other = np.where(closing(stamps_s, 2.0, 2.3), 0.4, lid)
    columns = {**POINTS, "aperture_left": "l", "aperture_right": "r"}
    values = np.column_stack([np.zeros((1200, 2)), lid, other])
    blinks = events_of("blink", detect(stamps_s, values, columns, unit="degrees"))
    # 8 of 10 is passed two ninths into the fall, and two ninths before the end of the rise.
    np.testing.assert_allclose([(b.start_s, b.stop_s) for b in blinks], [(3.0222, 3.3056)], atol=0.006)


MOVING = [
    {"unit": "degrees"},
    {"unit": "degrees", "velocity_threshold": 30.0},
    {"unit": "degrees", "velocity_threshold": 30.0, "velocity_span_s": 0.05},
    {"screen": SCREEN, "method": "dispersion"},
    {"unit": "degrees", "method": "dispersion"},
]


@pytest.mark.parametrize("settings", MOVING)
@pytest.mark.parametrize("rate_hz", [30, 120, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_events_are_the_same_sample_by_sample_and_chunk_by_chunk(settings, rate_hz, seed):
    rng = np.random.default_rng(seed)
    stamps_s, gaze, _ = wandering(rate_hz, 4, rng=rng)
    # The segment begins in the middle of a jump, and gaze is lost here and there, also at once.
    first = round(rate_hz * rng.uniform(0.5, 1.5))
    for start in rng.integers(first, len(gaze), 6):
        gaze[start : start + rng.integers(1, 9)] = np.nan
    if seed % 2:
        gaze[first] = [10.0, 5.0]
    stamps_s, gaze = stamps_s[first:], gaze[first:]
    values = np.column_stack([pixels(gaze) if "screen" in settings else gaze, np.zeros(len(gaze))])
    columns = find_columns({"x": "x", "y": "y"}, ("x", "y", "z"), EyeSettings(**settings), view="eye")
    found = []
    for size in (len(stamps_s), 1, 7):
        tracking, events = EyeTracking(columns), []
        for start in range(0, len(stamps_s), size):
            tracking.take(columns.samples(stamps_s[start : start + size], values[start : start + size]))
            events += tracking.machine.taken()
        tracking.end_segment()
        found.append(sorted(events + tracking.machine.taken(), key=lambda event: (event.start_s, event.kind)))
    # NaN differs from itself, its text does not.
    assert repr(found[0]) == repr(found[1]) == repr(found[2])
    assert all(event.start_s >= stamps_s[0] - 1e-9 for event in found[0])


def test_a_jump_to_or_from_lost_gaze_has_no_size_and_is_no_saccade():
    stamps_s, gaze, targets = wandering(120, 10, rng=np.random.default_rng(9))
    for moment, *_ in targets[1:]:
        gaze[(stamps_s >= moment) & (stamps_s < moment + 0.06)] = np.nan
    for settings in ({"screen": SCREEN, "method": "dispersion"}, {"screen": SCREEN}):
        assert events_of("saccade", detect(stamps_s, pixels(gaze), POINTS, **settings)) == []


@pytest.mark.parametrize(("rate_hz", "span_s"), [(30, 0.1), (60, 0.07), (1000, 0.1)])
def test_the_longest_span_still_knows_velocities(rate_hz, span_s):
    stamps_s, gaze, targets = wandering(rate_hz, 10, rng=np.random.default_rng(10), per_s=1.5)
    found = events_of("saccade", detect(stamps_s, gaze, POINTS, unit="degrees", velocity_span_s=span_s))
    assert len(found) == len(targets) - 1


def test_there_and_back_again_is_no_saccade_and_none_is_lost_before_a_blink_that_is_far_enough():
    stamps_s = np.arange(1500) / 500
    gaze = course(stamps_s, [(0, 0, 0), (1.0, 3, 0), (1.045, 0.02, 0), (2.0, 8, 0)], jump_s=0.03)
    shut = closing(stamps_s, 2.09, 2.2)
    values, columns = by_flag(stamps_s, gaze, shut)
    merging = {"saccade_merge_s": 0.06, "blink_margin_s": 0.02, "velocity_threshold": 30.0, "unit": "degrees"}
    found = events_of("saccade", detect(stamps_s, values, columns, **merging))
    assert [round(s.start_s, 1) for s in found] == [2.0]


def test_a_lid_that_is_not_seen_for_a_moment_while_it_falls_keeps_its_start():
    stamps_s = np.arange(800) / 200
    lid = np.interp(stamps_s, [3.0, 3.2, 3.25, 3.35], [10.0, 1.0, 1.0, 10.0])
    lid[(stamps_s >= 3.07) & (stamps_s < 3.085)] = np.nan
    values = np.column_stack([np.zeros((800, 2)), lid])
    (blink,) = events_of("blink", detect(stamps_s, values, {**POINTS, "aperture": "a"}, unit="degrees"))
    assert blink.start_s == pytest.approx(3.0444, abs=0.006)
