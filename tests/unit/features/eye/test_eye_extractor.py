"""The extractor `eye`: features of windows, the same however samples come, and never from what comes later."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpath import SCREEN, pixels, wandering
from scipy.signal import butter, sosfilt

from rtemo.errors import ConfigurationError
from rtemo.features.base import ClosingWindow, Missing, ViewSource
from rtemo.features.eye import Eye, EyeSettings
from rtemo.grid import Grid
from rtemo.types import StreamDescription

SEED = [
    *("pupil_x_mean", "pupil_y_mean", "pupil_x_std", "pupil_y_std"),
    *(f"pupil_{axis}_de_{band}" for axis in "xy" for band in ("0-0.2", "0.2-0.4", "0.4-0.6", "0.6-1")),
    *("dispersion_x_mean", "dispersion_y_mean", "dispersion_x_std", "dispersion_y_std"),
    *("fixation_duration_mean", "fixation_duration_std", "blink_duration_mean", "blink_duration_std"),
    *("saccade_duration_mean", "saccade_duration_std", "saccade_amplitude_mean", "saccade_amplitude_std"),
    *("blink_frequency", "fixation_frequency", "fixation_duration_max", "fixation_dispersion_total"),
    *("fixation_dispersion_max", "saccade_frequency", "saccade_duration_average", "saccade_amplitude_average"),
    "saccade_latency_average",
]
COLUMNS = {"x": "x", "y": "y", "pupil_left": "pl", "pupil_right": "pr", "blink": "b", "valid": "v"}
RATE_HZ = 120


def made(columns=COLUMNS, labels=None, grid=None, rate_hz=RATE_HZ, **options):
    extractor = Eye(EyeSettings(**options))
    labels = tuple(columns.values()) if labels is None else labels
    description = StreamDescription("k", "tracker", "Gaze", labels, rate_hz)
    extractor.reset(ViewSource("eye", description, grid or Grid(1.0, 1.0), columns))
    return extractor


def recording(seconds, seed=0, rate_hz=RATE_HZ, blinks_per_s=0.3):
    """Stamps and values of the columns above: gaze that wanders, pupils that drift, lids that close."""
    rng = np.random.default_rng(seed)
    stamps_s, gaze, _ = wandering(rate_hz, seconds, rng=rng)
    shut = np.zeros(len(stamps_s), bool)
    for start in rng.integers(0, len(stamps_s), round(blinks_per_s * seconds)):
        shut[start : start + round(rate_hz * rng.uniform(0.02, 0.3))] = True
    pupils = 3 + 0.2 * np.sin(2 * np.pi * stamps_s[:, None] * [0.1, 0.5]) + rng.normal(0, 0.02, (len(stamps_s), 2))
    pupils[shut] = 0
    points = pixels(gaze)
    points[shut] = np.nan
    valid = ~shut
    lost = rng.integers(0, len(stamps_s), 2)
    for start in lost:
        points[start : start + 20] = np.nan
    return stamps_s, np.column_stack([points, pupils, shut, valid])


def window(grid, index, samples=1):
    return ClosingWindow(index, grid.start_s(index), grid.stop_s(index), grid.cells(index), samples)


def stream(extractor, grid, stamps_s, values, cuts=(), gaps=(), ahead=0):
    """Push samples cut anywhere, close each window as soon as `ahead` more windows have begun; results by window."""
    cells = np.array([grid.cell_of(stamp) for stamp in stamps_s])
    edges = {0, len(stamps_s), *cuts, *gaps, *(np.flatnonzero(np.diff(cells)) + 1).tolist()}
    results, closing = {}, grid.first_window(int(cells[0]))
    last = grid.last_window(int(cells[-1]))

    def close_before(stop_s):
        nonlocal closing
        while closing <= last and grid.stop_s(closing) <= stop_s - ahead * grid.hop_s:
            ask = window(grid, closing)
            quality = extractor.judge(ask)
            results[closing] = extractor.close(ask), quality.scores, dict(quality.bad)
            extractor.discard(ask.cells.start)
            closing += 1

    for first, stop in pairwise(sorted(edges)):
        close_before(stamps_s[first])
        if first == 0 or first in gaps:
            extractor.begin_segment()
        extractor.push(int(cells[first]), stamps_s[first:stop], values[first:stop])
    close_before(math.inf)
    return results


def assert_same(one, other):
    assert one.keys() == other.keys()
    for index in one:
        (features, scores, bad), (features_too, scores_too, bad_too) = one[index], other[index]
        if isinstance(features, Missing):
            assert features == features_too
        else:
            np.testing.assert_array_equal(features, features_too)
        np.testing.assert_array_equal(scores, scores_too)
        assert bad == bad_too


KINDS = [
    {"screen": SCREEN},
    {"screen": SCREEN, "method": "dispersion"},
    {"unit": "pixels", "blink_source": "pupil"},
    {"screen": SCREEN, "velocity_threshold": 30.0, "blink_source": "validity", "velocity_span_s": 0.03},
]


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from(KINDS),
    st.sampled_from([(1.0, 1.0), (2.0, 0.5), (1.0, 0.3), (0.5, 1.25)]),
    st.lists(st.integers(1, 6 * RATE_HZ - 1), max_size=40),
    st.lists(st.integers(1, 6 * RATE_HZ - 1), max_size=2),
    st.integers(0, 2),
)
def test_features_do_not_depend_on_how_samples_are_cut_or_on_what_came_by_then(seed, kind, span, cuts, gaps, ahead):
    grid = Grid(*span)
    stamps_s, values = recording(6, seed)
    for gap in gaps:
        stamps_s[gap:] += 0.7
    whole = stream(made(grid=grid, **kind), grid, stamps_s, values, gaps=gaps)
    assert_same(whole, stream(made(grid=grid, **kind), grid, stamps_s, values, cuts, gaps, ahead))


def test_one_sample_at_a_time_gives_the_same():
    grid = Grid(1.0, 1.0)
    stamps_s, values = recording(8, 3)
    whole = stream(made(screen=SCREEN), grid, stamps_s, values)
    assert_same(whole, stream(made(screen=SCREEN), grid, stamps_s, values, cuts=range(len(stamps_s))))
    assert sum(not isinstance(features, Missing) for features, *_ in whole.values()) > 4


def test_apertures_in_pieces_give_the_same():
    grid = Grid(1.0, 1.0)
    stamps_s, values = recording(8, 4)
    rng = np.random.default_rng(0)
    lids = np.where(values[:, 4] > 0, 1.0, 10.0)[:, None] + rng.normal(0, 0.3, (len(stamps_s), 2))
    lids = np.apply_along_axis(np.convolve, 0, lids, np.ones(9) / 9, mode="same")
    lids[200:230, 1] = np.nan
    columns = {"x": "x", "y": "y", "aperture_left": "l", "aperture_right": "r"}
    values = np.column_stack([np.nan_to_num(values[:, :2], nan=5.0), lids])
    whole = stream(made(columns, screen=SCREEN), grid, stamps_s, values)
    assert_same(whole, stream(made(columns, screen=SCREEN), grid, stamps_s, values, cuts=range(len(stamps_s))))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(KINDS), st.integers(1, 5))
def test_no_feature_looks_into_the_future(seed, kind, until):
    grid = Grid(1.0, 1.0)
    stamps_s, values = recording(6, seed)
    other = values.copy()
    later = stamps_s >= until
    other[later] = recording(6, seed + 1)[1][later]
    before = stream(made(grid=grid, **kind), grid, stamps_s, values, ahead=1)
    after = stream(made(grid=grid, **kind), grid, stamps_s, other, ahead=1)
    assert_same({i: before[i] for i in range(until)}, {i: after[i] for i in range(until)})


def test_a_late_sample_changes_no_later_window():
    grid = Grid(1.0, 1.0)
    stamps_s, values = recording(6, 5)
    whole = stream(made(screen=SCREEN), grid, stamps_s, values)
    extractor, results = made(screen=SCREEN), {}
    extractor.begin_segment()
    for index in range(6):
        mine = np.flatnonzero(np.floor(stamps_s + 1e-6) == index)
        late = 7 if index == 2 else 0
        for part in (mine[: len(mine) - late], mine[len(mine) - late :]):
            if len(part):
                extractor.push(index, stamps_s[part], values[part])
            ask = window(grid, index)
            if index not in results:
                results[index] = extractor.close(ask), extractor.judge(ask).scores, dict(extractor.judge(ask).bad)
        extractor.discard(index)
    del whole[2], results[2]
    assert_same(whole, results)


def test_the_33_features_come_in_seeds_order():
    assert made(screen=SCREEN).names == tuple(SEED)


@pytest.mark.parametrize(
    ("columns", "lacking"),
    [
        ({"x": "x", "y": "y", "pupil": "p"}, [n for n in SEED if n.startswith("pupil_y")]),
        ({"x": "x", "y": "y", "valid": "v"}, [n for n in SEED if n.startswith("pupil")]),
        ({"x": "x", "y": "y"}, [n for n in SEED if n.startswith("pupil") or "blink" in n]),
    ],
)
def test_features_that_a_tracker_has_nothing_for_are_absent(columns, lacking):
    extractor = made(columns, screen=SCREEN)
    assert extractor.names == tuple(name for name in SEED if name not in lacking)
    rest = np.tile([900.0, 500.0, 3.0], (RATE_HZ, 1))[:, : len(columns)]
    values = rest + np.random.default_rng(0).normal(0, 0.1, rest.shape)
    extractor.begin_segment()
    extractor.push(0, np.arange(RATE_HZ) / RATE_HZ, values)
    assert len(extractor.close(window(Grid(1.0, 1.0), 0))) == len(extractor.names)


def still(seconds, blinks=(), rate_hz=RATE_HZ):
    """Gaze that rests but for a little noise, and lids that close at the given times; pupils of 3 and 4."""
    rng = np.random.default_rng(1)
    stamps_s = np.arange(round(seconds * rate_hz)) / rate_hz
    shut = np.zeros(len(stamps_s), bool)
    for start_s, stop_s in blinks:
        shut |= (stamps_s >= start_s - 1e-9) & (stamps_s < stop_s - 1e-9)
    gaze = np.array([960.0, 540.0]) + rng.normal(0, 0.5, (len(stamps_s), 2))
    pupils = np.array([3.0, 4.0]) + rng.normal(0, 0.1, (len(stamps_s), 2))
    pupils[shut] = 0
    return stamps_s, np.column_stack([gaze, pupils, shut, np.ones(len(stamps_s))])


def test_no_event_is_a_count_of_none_and_the_last_duration_stays():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(30, blinks=[(3.0, 3.1), (5.0, 5.3)])
    results = stream(made(screen=SCREEN, buffer_s=5.0), grid, stamps_s, values)
    rows = {i: dict(zip(SEED, features, strict=True)) for i, (features, *_) in results.items()}
    assert math.isnan(rows[2]["blink_duration_mean"])
    assert rows[2]["blink_frequency"] == 0
    assert rows[3]["blink_duration_mean"] == pytest.approx(0.1, abs=0.009)
    assert rows[3]["blink_frequency"] == pytest.approx(1 / 4, rel=0.02)
    assert rows[6]["blink_duration_mean"] == pytest.approx(0.2, abs=0.009)
    assert rows[6]["blink_duration_std"] == pytest.approx(0.1, abs=0.009)
    assert rows[6]["blink_frequency"] == pytest.approx(2 / 5, rel=0.02)
    # Both have left the buffer; both were in it when the last one ended.
    for index in (11, 29):
        assert rows[index]["blink_frequency"] == 0
        assert rows[index]["blink_duration_mean"] == rows[6]["blink_duration_mean"]
        assert rows[index]["blink_duration_std"] == rows[6]["blink_duration_std"]
    assert rows[29]["saccade_frequency"] == 0
    assert math.isnan(rows[29]["saccade_amplitude_mean"])
    # The fixation that goes on counts as far as it has come.
    assert rows[29]["fixation_duration_max"] == pytest.approx(30 - 5.3, abs=0.05)


def test_events_and_frequencies_of_a_course_that_is_known():
    grid = Grid(1.0, 1.0)
    rng = np.random.default_rng(2)
    stamps_s, gaze, targets = wandering(250, 20, rng=rng, noise=0.02)
    columns = {"x": "x", "y": "y"}
    values = np.clip(gaze, -5, 5)
    jumps = [(t[0], np.hypot(*(np.clip(t[1:], -5, 5) - np.clip(f[1:], -5, 5)))) for f, t in pairwise(targets)]
    results = stream(made(columns, unit="degrees", rate_hz=250), grid, stamps_s, values)
    names = made(columns, unit="degrees").names
    row = dict(zip(names, results[19][0], strict=True))
    counting = [jump for jump in jumps if 10 < jump[0] + 0.04 < 19.8]
    assert row["saccade_frequency"] == pytest.approx(len(counting) / 10, abs=0.11)
    assert row["saccade_amplitude_mean"] == pytest.approx(np.mean([size for _, size in counting]), rel=0.1)
    assert row["saccade_duration_mean"] == pytest.approx(0.03, abs=0.012)
    between = np.diff([start for start, _ in counting]) - 0.035
    assert row["saccade_latency_average"] == pytest.approx(between.mean(), rel=0.1)
    assert row["fixation_frequency"] == pytest.approx((len(counting) + 1) / 10, abs=0.21)
    assert row["saccade_duration_average"] == row["saccade_duration_mean"]
    assert row["fixation_dispersion_max"] >= row["dispersion_x_mean"]


def test_pupils_are_those_of_open_eyes_and_not_of_what_the_lid_half_covers():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(3, blinks=[(1.4, 1.6)])
    near = (stamps_s > 1.31) & (stamps_s < 1.69)
    values[near & (values[:, 4] == 0), 2:4] = 1.0
    results = stream(made(screen=SCREEN, blink_margin_s=0.1), grid, stamps_s, values)
    row = dict(zip(SEED, results[1][0], strict=True))
    kept = (stamps_s >= 1) & (stamps_s < 2) & ~((stamps_s >= 1.4 - 0.1) & (stamps_s < 1.6 + 0.1 - 1e-3))
    assert row["pupil_x_mean"] == pytest.approx(values[kept, 2].mean(), rel=1e-3)
    assert row["pupil_y_mean"] == pytest.approx(values[kept, 3].mean(), rel=1e-3)
    assert row["pupil_y_std"] == pytest.approx(values[kept, 3].std(), rel=0.05)
    scores = dict(zip(made(screen=SCREEN).quality_names, results[1][1], strict=True))
    assert 0.5 < scores["pupil"] < 0.8


@pytest.mark.parametrize("rate_hz", [30, 60, 1000])
def test_slow_bands_of_the_pupil_are_those_of_butterworth_filters(rate_hz):
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(40, blinks=[(20.3, 20.5)], rate_hz=rate_hz)
    tones = {0.1: 0.3, 0.3: 0.2, 0.5: 0.1, 0.8: 0.05}
    values[:, 2] += sum(size * np.sin(2 * np.pi * f * stamps_s) for f, size in tones.items()) * (values[:, 4] == 0)
    results = stream(made(screen=SCREEN, rate_hz=rate_hz), grid, stamps_s, values)
    found = [results[39][0][SEED.index(f"pupil_x_de_{band}")] for band in ("0-0.2", "0.2-0.4", "0.4-0.6", "0.6-1")]
    # The same by scipy, from means of fifths of a second in which the eyes were open.
    open_eyes = np.where(values[:, 4] > 0, np.nan, values[:, 2])
    fifths = np.floor(stamps_s * 5 + 1e-9).astype(int)
    means = np.array(
        [
            np.nanmean(open_eyes[fifths == i]) if np.isfinite(open_eyes[fifths == i]).any() else np.nan
            for i in range(200)
        ]
    )
    for i in np.flatnonzero(np.isnan(means)):
        means[i] = means[i - 1]
    expected = []
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0)):
        kind, edges = ("lowpass", high) if low == 0 else ("bandpass", (low, high))
        filtered = sosfilt(butter(2, edges, kind, output="sos", fs=5), means[:199] - means[0])
        expected.append(0.5 * np.log(2 * np.pi * np.e * filtered[-50:].var()))
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_pupil_that_is_lost_is_unknown_and_the_view_is_there():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(20)
    values[stamps_s >= 4, 3] = np.nan
    results = stream(made(screen=SCREEN), grid, stamps_s, values)
    row = dict(zip(SEED, results[19][0], strict=True))
    assert math.isnan(row["pupil_y_mean"])
    assert math.isnan(row["pupil_y_de_0.2-0.4"])
    assert row["pupil_x_mean"] == pytest.approx(3, abs=0.05)
    assert np.isfinite(row["pupil_x_de_0.2-0.4"])


def test_a_window_with_too_little_valid_gaze_is_missing():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(4)
    values[(stamps_s >= 1) & (stamps_s < 1.4), :2] = np.nan
    values[(stamps_s >= 2) & (stamps_s < 2.6), 5] = 0
    results = stream(made(screen=SCREEN), grid, stamps_s, values)
    assert isinstance(results[1][0], np.ndarray)
    assert results[2][0] == Missing("gaze valid in 40% of samples < 50%")
    assert results[2][2] == {"valid": "lost"}
    assert results[2][1][0] < 0.5 < results[1][1][0]


def test_gaze_that_stands_still_to_the_last_bit_is_frozen():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(5)
    frozen = (stamps_s >= 1.5) & (stamps_s < 3.5)
    values[frozen, :2] = values[np.argmax(frozen), :2]
    results = stream(made(screen=SCREEN), grid, stamps_s, values)
    assert isinstance(results[1][0], np.ndarray)
    assert results[2][0] == Missing("gaze frozen in 100% of samples")
    assert results[2][2] == {"moving": "frozen"}
    assert isinstance(results[4][0], np.ndarray)
    # A tracker that sends each point twice is slow, and no more.
    values = np.repeat(still(5)[1][::2], 2, axis=0)
    assert all(isinstance(features, np.ndarray) for features, *_ in stream(made(), grid, stamps_s, values).values())


def test_gaze_beside_the_screen_is_told():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(2)
    values[(stamps_s >= 1) & (stamps_s < 1.8), 0] = 2500
    results = stream(made(screen=SCREEN), grid, stamps_s, values)
    names = made(screen=SCREEN).quality_names
    assert dict(zip(names, results[1][1], strict=True))["on_screen"] == pytest.approx(0.2, abs=0.02)
    assert results[1][2] == {"on_screen": "off screen"}
    assert isinstance(results[1][0], np.ndarray)


def test_a_share_around_its_limit_does_not_come_and_go():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(8)
    extractor = made(screen=SCREEN)
    extractor.begin_segment()
    told = []
    for index, away in enumerate((0.0, 0.55, 0.45, 0.55, 0.45, 0.3, 0.45)):
        mine = (stamps_s >= index) & (stamps_s < index + 1)
        part = values[mine].copy()
        part[: round(away * len(part)), 0] = 2500
        extractor.push(index, stamps_s[mine], part)
        ask = window(grid, index)
        extractor.judge(ask)
        extractor.keep(extractor.judge(ask))
        told.append("on_screen" in extractor.judge(ask).bad)
    assert told == [False, True, True, True, True, False, False]


@pytest.mark.parametrize("lost", [(0.0, 0.0), (-32768.0, -32768.0), (1e8, 1e8), (np.nan, 3.0), (np.inf, 3.0)])
def test_codes_for_lost_gaze_are_no_gaze(lost):
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(2)
    values[(stamps_s >= 1) & (stamps_s < 1.8), :2] = lost
    assert stream(made(screen=SCREEN), grid, stamps_s, values)[1][0] == Missing("gaze valid in 20% of samples < 50%")


def test_an_irregular_stream_whose_stamps_step_back_does_no_harm():
    grid = Grid(1.0, 1.0)
    stamps_s, values = recording(6, 8)
    repeated = np.sort(np.concatenate([np.arange(len(stamps_s)), np.arange(50, 80)]))
    results = stream(made(screen=SCREEN, rate_hz=0), grid, stamps_s[repeated], values[repeated])
    plain = stream(made(screen=SCREEN, rate_hz=0), grid, stamps_s, values)
    for index in range(1, 6):
        if not isinstance(plain[index][0], Missing):
            np.testing.assert_array_equal(results[index][0], plain[index][0])


@pytest.mark.parametrize("size", [np.inf, -np.inf, 1e300, 1e8])
def test_a_pupil_that_cannot_be_leaves_no_trace(size):
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(20)
    plain = stream(made(screen=SCREEN), grid, stamps_s, values.copy())
    values[200, 2] = size
    spoilt = stream(made(screen=SCREEN), grid, stamps_s, values)
    np.testing.assert_allclose(spoilt[19][0], plain[19][0], atol=0.05)
    assert np.isfinite(spoilt[1][0][:4]).all()


def test_a_fixation_that_was_lost_long_ago_does_not_count():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(30)
    values[stamps_s >= 3, :2] = np.nan
    results = stream(made(screen=SCREEN, min_valid=0.0), grid, stamps_s, values)
    row = dict(zip(SEED, results[29][0], strict=True))
    assert row["fixation_frequency"] == row["fixation_dispersion_total"] == 0
    assert row["fixation_duration_mean"] == pytest.approx(2.5, abs=0.05)


def test_a_latency_is_held_over_a_saccade_that_has_none():
    grid = Grid(1.0, 1.0)
    rng = np.random.default_rng(3)
    stamps_s, gaze, _ = wandering(RATE_HZ, 10, rng=rng)
    later = np.arange(RATE_HZ * 16) / RATE_HZ
    after = np.where(later[:, None] < 14, gaze[-1], gaze[-1] + np.array([6.0, 0.0])) + rng.normal(
        0, 0.05, (len(later), 2)
    )
    stamps_s = np.concatenate([stamps_s, 12 + later])
    values = np.concatenate([gaze, after])
    columns = {"x": "x", "y": "y"}
    results = stream(made(columns, unit="degrees"), grid, stamps_s, values, gaps=[10 * RATE_HZ])
    at = made(columns, unit="degrees").names.index("saccade_latency_average")
    assert results[9][0][at] > 0
    assert results[27][0][at] > 0


def test_many_gaps_cost_no_memory():
    extractor = made(screen=SCREEN)
    for index in range(3000):
        extractor.begin_segment()
        extractor.push(2 * index, 2.0 * index + np.arange(3) / RATE_HZ, np.full((3, 6), np.nan))
        extractor.discard(2 * index + 1)
    assert len(extractor._history._spans) < 20


def test_nothing_pushed_is_nothing():
    extractor = made(screen=SCREEN)
    extractor.begin_segment()
    extractor.push(0, np.empty(0), np.empty((0, 6)))
    assert extractor.close(window(Grid(1.0, 1.0), 0)) == Missing("no samples")


def test_gaze_that_goes_on_behind_closed_lids_is_not_valid():
    grid = Grid(1.0, 1.0)
    stamps_s, values = still(3)
    values[stamps_s >= 1, 4] = 1
    assert stream(made(screen=SCREEN), grid, stamps_s, values)[2][0] == Missing("gaze valid in 0% of samples < 50%")


def test_an_eye_is_judged_by_its_own_flag_only():
    grid = Grid(1.0, 1.0)
    rest = still(2)[1][:, :2]
    n = len(rest)
    stamps_s = np.arange(n) / RATE_HZ
    both = {"x_left": "a", "y_left": "b", "x_right": "c", "y_right": "d", "valid_left": "v"}
    # The right eye has no flag: it is seen though the left one is not.
    values = np.column_stack([rest, rest, np.zeros(n)])
    assert isinstance(stream(made(both, screen=SCREEN), grid, stamps_s, values)[1][0], np.ndarray)
    left = {"x_left": "a", "y_left": "b", "valid_left": "v"}
    values = np.column_stack([rest, np.zeros(n)])
    assert isinstance(stream(made(left, screen=SCREEN), grid, stamps_s, values)[1][0], Missing)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": "x", "y": "x"}, {}, "same channel"),
        ({"x": "x", "y": "y", "pupil_left": "p", "pupil_right": "p"}, {}, "same channel"),
        ({"x": "x", "y": "y", "x_left": "p"}, {}, "x_left would not be used"),
        ({"x": "x", "y": "y", "pupil": "p", "pupil_left": "p"}, {}, "pupil_left would not be used"),
        ({"x_left": "x", "y_left": "y", "valid_right": "p"}, {}, "valid_right would not be used"),
        ({"x": "x"}, {}, "no gaze"),
        ({}, {}, "no gaze"),
        ({"x": "x", "y": "q"}, {}, "there is no channel 'q'"),
        ({"x": "x", "y": "y", "pupill": "p"}, {}, "unknown part 'pupill'"),
        ({"x": "x", "y": "y"}, {"blink_source": "flag"}, "names no blink"),
        ({"x": "x", "y": "y"}, {"method": "dispersion"}, "needs dispersion_threshold"),
        ({"direction_x": "x", "direction_y": "y", "direction_z": "p"}, {"screen": SCREEN}, "neither screen"),
    ],
)
def test_what_does_not_fit_is_refused(columns, options, message):
    with pytest.raises(ConfigurationError, match=message):
        made(columns, labels=("x", "y", "p"), **options)


def test_a_stream_too_slow_for_velocities_is_refused():
    with pytest.raises(ConfigurationError, match=r"at least 12\.5 Hz.*10 Hz"):
        made(rate_hz=10.0)


@pytest.mark.parametrize("options", [{"saccade_merge_s": 0.1}, {"blink_merge_s": 0.07}, {"blink_s": (1.0, 0.1)}])
def test_settings_that_contradict_each_other_are_refused(options):
    with pytest.raises(ValueError, match=r"min_fixation_s|blink_s"):
        EyeSettings(**options)
