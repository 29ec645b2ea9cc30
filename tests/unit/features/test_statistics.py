"""Statistics and identity: closed forms, refusal of what is not finite, independence of chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.features.base import ClosingWindow, Missing, ViewSource
from rtemo.features.identity import Identity, IdentitySettings
from rtemo.features.statistics import Statistics, StatisticsSettings, window_statistics
from rtemo.grid import Grid
from rtemo.types import StreamDescription

GRID = Grid(10.0, 5.0)
WINDOW = ClosingWindow(0, 0.0, 10.0, GRID.cells(0), 80)
MAKERS = {"statistics": lambda: Statistics(StatisticsSettings()), "identity": lambda: Identity(IdentitySettings())}


def ready(kind, labels=("x", "y")):
    made = MAKERS[kind]()
    made.reset(ViewSource("wrist", StreamDescription("k", "n", "t", labels, 8.0), GRID, {}))
    made.begin_segment()
    return made


def push(made, stamps, values, edges=()):
    cells = np.array([GRID.cell_of(stamp) for stamp in stamps])
    edges = np.union1d(np.flatnonzero(np.diff(cells)) + 1, [e for e in edges if 0 < e < len(stamps)]).astype(int)
    for part in np.split(np.arange(len(stamps)), edges):
        made.push(int(cells[part[0]]), stamps[part], values[part])


def test_a_straight_line_has_its_slope_per_second():
    time_s = np.array([0.0, 0.5, 1.5, 2.0])
    found = window_statistics(time_s, (3.0 - 2.0 * time_s)[:, None])[0]
    np.testing.assert_allclose(found, [1.0, np.std(3 - 2 * time_s), -2.0, -1.0, 3.0, 4 / 3])


def test_slope_is_that_of_least_squares_over_the_stamps():
    rng = np.random.default_rng(0)
    time_s, values = 1e6 + np.sort(rng.uniform(0, 10, 80)), rng.normal(size=(80, 3))
    slope = np.polynomial.polynomial.polyfit(time_s - 1e6, values, 1)[1]
    np.testing.assert_allclose(window_statistics(time_s, values)[:, 2], slope, rtol=1e-7)


def test_a_single_sample_has_no_spread_slope_or_change():
    np.testing.assert_array_equal(window_statistics(np.array([1.0]), np.array([[7.0]])), [[7, 0, 0, 7, 7, 0]])


def test_features_go_channel_by_channel():
    made = ready("statistics")
    values = np.random.default_rng(1).normal(size=(80, 2))
    push(made, np.arange(80) / 8, values)
    features = dict(zip(made.names, made.close(WINDOW), strict=True))
    assert made.names[:2] == ("x:mean", "x:std")
    assert features["y:mean"] == pytest.approx(values[:, 1].mean())
    assert features["y:max"] == values[:, 1].max()
    assert features["x:mean_abs_diff"] == pytest.approx(np.abs(np.diff(values[:, 0])).mean())


@given(st.sampled_from(sorted(MAKERS)), st.lists(st.integers(1, 79), max_size=20))
def test_results_do_not_depend_on_chunks_in_a_bit(kind, edges):
    values = np.random.default_rng(2).normal(size=(80, 2)).astype(np.float32)
    whole, cut = ready(kind), ready(kind)
    push(whole, np.arange(80) / 8, values)
    push(cut, np.arange(80) / 8, values, edges)
    np.testing.assert_array_equal(whole.close(WINDOW), cut.close(WINDOW))


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_makes_the_view_missing(kind, bad):
    made = ready(kind)
    values = np.ones((80, 2))
    values[79, 1] = bad
    push(made, np.arange(80) / 8, values)
    assert made.close(WINDOW) == Missing("not finite: y")


def test_a_reason_names_four_channels_at_most():
    made = ready("identity", tuple("abcdef"))
    push(made, np.array([1.0]), np.full((1, 6), np.nan))
    assert made.close(WINDOW) == Missing("not finite: a, b, c, d and 2 more")


def test_identity_gives_the_newest_sample_of_the_window():
    made = ready("identity")
    push(made, np.array([1.0, 4.0, 6.0, 11.0]), np.arange(8.0).reshape(4, 2))
    np.testing.assert_array_equal(made.close(WINDOW), [4, 5])
    assert made.names == ("x", "y")


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_samples_are_copied_and_old_ones_forgotten(kind):
    made = ready(kind)
    values = np.ones((80, 2))
    push(made, np.arange(80) / 8, values)
    before = made.close(WINDOW)
    values[:] = 9
    np.testing.assert_array_equal(made.close(WINDOW), before)
    made.discard(2)
    assert made.close(WINDOW) == Missing("no samples")


def test_samples_that_are_not_finite_are_left_out_where_enough_remain():
    values = np.random.default_rng(2).normal(size=(80, 2))
    holed = values.copy()
    holed[10:30, 1] = np.nan
    stamps = np.arange(80) / 8
    for min_finite, there in ((0.75, True), (0.8, False)):
        made = Statistics(StatisticsSettings(min_finite=min_finite))
        made.reset(ViewSource("eye", StreamDescription("k", "n", "t", ("x", "y"), 8.0), GRID, {}))
        push(made, stamps, holed)
        features = made.close(WINDOW)
        assert isinstance(features, Missing) != there
        if there:
            kept = np.isfinite(holed[:, 1])
            np.testing.assert_allclose(features[:6], window_statistics(stamps, values)[0], rtol=1e-12)
            np.testing.assert_allclose(features[6:], window_statistics(stamps[kept], values[kept, 1:])[0], rtol=1e-12)
