"""The window grid, coverage, gaps, late samples and closing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.grid import Grid
from rtemo.types import Chunk
from rtemo.windows import Late, Window, Windower

GRIDS = [(1.0, 1.0), (1.0, 0.25), (1.0, 0.3), (0.5, 2.0), (4.0, 0.5), (10.0, 10.0), (0.2, 0.07)]
lengths = st.floats(0.05, 20, allow_nan=False)
stamps = st.floats(0, 1e9, allow_nan=False)


def chunk(stamps_s, stream="a", segment=0):
    stamps_s = np.asarray(stamps_s, dtype=np.float64)
    return Chunk(stream, stamps_s, np.zeros((len(stamps_s), 1), np.float32), segment)


def regular(start_s, stop_s, rate_hz):
    return start_s + np.arange(round((stop_s - start_s) * rate_hz)) / rate_hz


def windower(rates, length_s=1.0, hop_s=1.0, **options):
    return Windower(Grid(length_s, hop_s), rates, **options)


def run(windower: Windower, chunks) -> list[Window]:
    windows = []
    for one in chunks:
        windower.push(one)
        windows += windower.close_ready()
    return windows + windower.close_all()


@given(lengths, lengths, stamps)
def test_a_cell_holds_its_stamps_to_within_the_edge_tolerance(length_s, hop_s, stamp_s):
    grid = Grid(length_s, hop_s)
    cell = grid.cell_of(stamp_s)
    assert grid.cell_start_s(cell) - 2e-6 <= stamp_s <= grid.cell_start_s(cell + 1) + 1e-6


@given(lengths, lengths, stamps)
def test_the_windows_of_a_cell_are_those_whose_span_holds_it(length_s, hop_s, stamp_s):
    grid = Grid(length_s, hop_s)
    cell = grid.cell_of(stamp_s)
    middle_s = (grid.cell_start_s(cell) + grid.cell_start_s(cell + 1)) / 2
    about = math.floor(middle_s / hop_s)
    for k in range(about - math.ceil(length_s / hop_s) - 1, about + 2):
        inside = cell in grid.cells(k)
        assert inside == (grid.first_window(cell) <= k <= grid.last_window(cell))
        if grid.cell_start_s(cell + 1) - grid.cell_start_s(cell) > 1e-5:
            assert inside == (grid.start_s(k) < middle_s < grid.stop_s(k))


@pytest.mark.parametrize(("length_s", "hop_s"), GRIDS)
@pytest.mark.parametrize("origin_s", [0.0, 4796.43, 1.7e9])
def test_each_window_holds_just_the_samples_between_its_edges(length_s, hop_s, origin_s):
    times = origin_s + np.arange(5000) / 50 + 0.0031
    made = windower({"a": 50.0}, length_s, hop_s)
    windows = run(made, [chunk(part) for part in np.array_split(times, 37)])
    assert len(windows) > 40 / hop_s
    for window in windows:
        inside = (times >= window.index * hop_s - 1e-6) & (times < window.index * hop_s + length_s - 1e-6)
        assert window.shares["a"].samples == inside.sum()
        assert window.newest_s == times[inside].max()
    assert [w.index for w in windows] == list(range(windows[0].index, windows[-1].index + 1))


def test_the_first_window_is_the_first_that_holds_a_sample_of_any_stream():
    made = windower({"a": 10.0, "b": 10.0}, 1.0, 0.5)
    windows = run(made, [chunk(regular(10.1, 14, 10)), chunk(regular(8.3, 14, 10), "b")])
    assert windows[0].index == 15  # [7.5, 8.5)


def test_float_noise_does_not_move_samples_that_lie_on_edges():
    rng = np.random.default_rng(0)
    exact = 1e6 + np.arange(800) * 0.125
    made = windower({"a": 8.0}, 10.0, 10.0)
    windows = run(made, [chunk(exact + rng.normal(0, 1e-10, 800))])
    assert {window.shares["a"].samples for window in windows} == {80}


@pytest.mark.parametrize("rate_hz", [1.0, 31.25, 250.0, 4000.0])
def test_coverage_is_the_fraction_of_expected_samples(rate_hz):
    made = windower({"a": rate_hz}, 4.0, 4.0)
    windows = run(made, [chunk(regular(101.0, 111.0, rate_hz))])
    assert [w.shares["a"].coverage for w in windows] == pytest.approx([0.75, 1.0, 0.75], abs=1 / (4 * rate_hz))


def test_an_irregular_stream_covers_a_window_with_any_sample():
    made = windower({"a": 10.0, "i": 0.0})
    windows = run(made, [chunk([2.5, 6.5, 6.7], "i"), chunk(regular(0, 8, 10))])
    assert [w.shares["i"].coverage for w in windows] == [0, 0, 1, 0, 0, 0, 1, 0]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.5, 20))
def test_coverage_lies_between_0_and_1(times, length_s, hop_s, rate_hz):
    made = windower({"a": rate_hz}, length_s, hop_s)
    for window in run(made, [chunk(sorted(times))]):
        assert 0 <= window.shares["a"].coverage <= 1


@given(st.floats(3, 8), st.floats(0.05, 4), st.floats(0.2, 3), st.floats(0.2, 3))
def test_a_window_never_bridges_a_gap(begin_s, gap_s, length_s, hop_s):
    made = windower({"a": 50.0}, length_s, hop_s)
    before, after = regular(0, begin_s, 50), regular(begin_s + gap_s, 15, 50)
    windows = run(made, [chunk(before), chunk(after, segment=1)])
    for window in windows:
        touches = window.start_s <= after[0] - 2e-6 < after[0] + 2e-6 < window.stop_s
        touches |= window.start_s <= before[-1] - 2e-6 < before[-1] + 1.5 / 50 + 2e-6 < window.stop_s
        if touches:
            assert window.shares["a"].gap
        if window.shares["a"].gap:
            assert window.start_s < after[0] + 2e-6
            assert window.stop_s > before[-1] - 2e-6


def test_a_window_that_is_full_up_to_its_end_is_no_part_of_the_hole_after_it():
    windows = run(windower({"a": 50.0}), [chunk(regular(0, 2, 50)), chunk(regular(3.5, 6, 50), segment=1)])
    assert [window.shares["a"].gap for window in windows] == [False, False, True, True, False, False]


def test_a_hole_is_marked_though_the_samples_before_it_are_forgotten():
    windows = run(windower({"a": 250.0}, 0.5, 0.8), [chunk(regular(0, 4, 250)), chunk(regular(4.5, 6, 250), segment=1)])
    assert [w.start_s for w in windows if w.shares["a"].gap] == pytest.approx([4.0])


def test_a_late_start_and_an_early_end_are_no_gaps():
    made = windower({"a": 50.0, "b": 50.0})
    windows = run(made, [chunk(regular(3.5, 6.5, 50), "b"), chunk(regular(0, 20, 50))])
    assert not any(window.shares["b"].gap for window in windows)


def test_a_window_closes_when_every_stream_has_passed_its_end():
    made = windower({"a": 10.0, "b": 10.0})
    made.push(chunk(regular(0, 2.5, 10)))
    assert made.close_ready() == []
    made.push(chunk(regular(0, 1.0, 10), "b"))
    assert made.close_ready() == []
    made.push(chunk([1.0], "b"))
    assert [window.index for window in made.close_ready()] == [0]


def test_a_stream_that_lags_is_not_waited_for_any_longer():
    made = windower({"a": 10.0, "b": 10.0}, lost_after_s=5.0)
    made.push(chunk(regular(0, 2.1, 10), "b"))
    made.push(chunk(regular(0, 7.0, 10)))
    assert [window.index for window in made.close_ready()] == [0, 1]
    made.push(chunk(regular(7.0, 7.2, 10)))
    assert [window.index for window in made.close_ready()] == [2, 3, 4, 5, 6]


def test_a_stream_that_never_begins_is_waited_for_as_long():
    made = windower({"a": 10.0, "b": 10.0}, lost_after_s=3.0)
    made.push(chunk(regular(0, 3.0, 10)))
    assert made.close_ready() == []
    made.push(chunk(regular(3.0, 4.2, 10)))
    assert [window.index for window in made.close_ready()] == [0, 1, 2, 3]


def test_a_stream_that_is_declared_ended_is_not_waited_for():
    made = windower({"a": 10.0, "b": 10.0})
    made.push(chunk(regular(0, 2.5, 10)))
    made.push(chunk(regular(0, 0.5, 10), "b"))
    assert [window.index for window in made.end_stream("b")] == [0, 1]


def test_live_a_window_closes_its_lateness_after_its_end():
    made = windower({"a": 10.0, "b": 10.0}, lateness_s=0.1)
    made.push(chunk(regular(0, 0.95, 10)))
    assert made.advance(1.05) == []
    assert [window.index for window in made.advance(1.1)] == [0]


def test_samples_for_closed_windows_are_counted_and_never_open_them_again():
    made = windower({"a": 10.0, "b": 10.0})
    made.push(chunk(regular(0, 1, 10)))
    assert len(made.advance(2.0)) == 1
    # The samples themselves go on to the extractor, whose filters they carry on.
    assert [(p.first, p.stop) for p in made.push(chunk(regular(0.5, 1, 10), "b"))] == [(0, 5)]
    assert made.late == {"a": 0, "b": 5}
    assert [w.index for w in run(made, [chunk(regular(1, 4, 10))])] == [1, 2, 3]


def test_a_late_sample_still_counts_in_the_overlapping_window_that_is_open():
    made = windower({"a": 10.0, "b": 10.0}, 1.0, 0.5)
    made.push(chunk(regular(0, 1.5, 10)))
    made.advance(1.15)  # closes [0, 1), leaves [0.5, 1.5)
    made.push(chunk(regular(0.5, 1.5, 10), "b"))
    assert made.late["b"] == 5
    assert {w.index: w.shares["b"].samples for w in made.close_all()} == {1: 10, 2: 5}


def test_stamps_that_step_back_are_counted_as_late_and_left_out():
    made = windower({"a": 10.0})
    pieces = made.push(chunk([0.1, 0.2, 0.15, 0.3, 0.05, 0.4]))
    assert sum(piece.stop - piece.first for piece in pieces) == 4
    assert made.late == {"a": 2}


@pytest.mark.parametrize("jump_s", [100.0, 653_461.0, 1e15])
def test_a_long_silence_calls_for_no_flood_of_empty_windows(jump_s):
    made = windower({"a": 10.0}, lost_after_s=5.0, silence_s=5.0)
    windows = run(made, [chunk(regular(0, 3, 10)), chunk(jump_s + regular(0, 3, 10), segment=1)])
    full = [w.index for w in windows if w.shares["a"].samples]
    assert len(full) == 6
    assert len(windows) <= len(full) + 6


def test_a_short_silence_gives_empty_windows():
    made = windower({"a": 10.0}, lost_after_s=5.0)
    windows = run(made, [chunk(regular(0, 1, 10)), chunk(regular(4, 5, 10), segment=1)])
    assert [w.index for w in windows] == [0, 1, 2, 3, 4]
    assert [w.shares["a"].samples for w in windows] == [10, 0, 0, 0, 10]


def test_spaced_windows_leave_the_time_between_them_out():
    made = windower({"a": 10.0}, 0.5, 2.0)
    windows = run(made, [chunk(regular(0, 6, 10))])
    assert [(w.start_s, w.stop_s, w.shares["a"].samples) for w in windows] == [(0, 0.5, 5), (2, 2.5, 5), (4, 4.5, 5)]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 1.5)), min_size=1, max_size=60),
    st.sampled_from(GRIDS),
    st.data(),
)
def test_windows_do_not_depend_on_how_samples_were_cut_into_chunks(steps, shape, data):
    """Whole chunks against chunks cut at random, with the samples in one order, of streams that are all waited for."""
    clocks = dict.fromkeys("abc", 0.0)
    chunks = []
    for stream, advance_s in [*((stream, 0.01) for stream in "abc"), *steps]:
        times = clocks[stream] + np.arange(1, 8) * advance_s / 7
        clocks[stream] = float(times[-1])
        chunks.append(chunk(times, stream, segment=int(clocks[stream] > 6)))
    cut = []
    for one in chunks:
        at = data.draw(st.integers(0, 7))
        cut += [
            Chunk(one.stream, s, np.zeros((len(s), 1)), one.segment) for s in np.split(one.stamps_s, [at]) if len(s)
        ]
    rates = dict.fromkeys("abc", 7.0)
    one, other = windower(rates, *shape, lost_after_s=1e3), windower(rates, *shape, lost_after_s=1e3)
    np.testing.assert_equal(run(one, chunks), run(other, cut))
    assert one.late == other.late


def live_windower(rates, **options):
    made = windower(rates, live=True, lost_after_s=math.inf, **options)
    made.begin(0)
    return made


def test_live_a_window_closes_as_soon_as_none_of_its_samples_can_still_come():
    made = live_windower({"a": 10.0, "b": 10.0})
    made.push(chunk(0.05 + np.arange(10) / 10))
    assert made.close_ready() == []
    # The last sample of b in [0, 1) lies at 0.95, so the next one comes at 1.05.
    made.push(chunk(0.05 + np.arange(9) / 10, "b"))
    assert made.close_ready() == []
    made.push(chunk([0.95], "b"))
    assert [w.index for w in made.close_ready()] == [0]


def test_live_a_sample_that_may_still_come_is_waited_for():
    made = live_windower({"a": 10.0})
    made.push(chunk(regular(0.0, 0.85, 10)))
    assert made.close_ready() == []


def test_live_only_streams_that_are_expected_are_waited_for():
    made = live_windower({"a": 10.0, "b": 10.0})
    made.expect("b", False)
    made.push(chunk(regular(0, 1.1, 10)))
    (window,) = made.close_ready()
    assert window.shares["b"].samples == 0
    made.expect("a", False)
    made.push(chunk(regular(1.1, 5, 10)))
    assert made.close_ready() == []
    assert [w.index for w in made.advance(2.1)] == [1]


def test_live_a_stream_from_the_future_closes_no_window_of_the_others():
    made = live_windower({"a": 10.0, "b": 10.0})
    made.push(chunk(regular(0, 0.5, 10)))
    made.push(chunk(regular(1000, 1001, 10), "b"))
    assert made.close_ready() == []


def test_a_session_begins_with_its_first_window_and_what_is_older_is_not_late():
    made = windower({"a": 10.0}, live=True, lost_after_s=math.inf)
    made.begin(2)
    windows = run(made, [chunk(regular(0, 4.5, 10))])
    assert [w.index for w in windows] == [2, 3]
    assert made.late == {"a": 0}


def test_late_samples_are_told_with_the_windows_that_miss_them():
    made = live_windower({"a": 10.0, "b": 10.0})
    made.push(chunk(regular(0, 3.0, 10)))
    made.advance(3.2)
    made.push(chunk(regular(0.5, 2.0, 10), "b"))
    made.push(chunk(regular(2.0, 3.5, 10), "b"))
    assert made.take_late() == [Late("b", 25, 0, 2)]
    assert made.take_late() == []


def test_a_window_that_nobody_closed_in_time_can_be_closed_by_its_number():
    made = windower({"a": 10.0}, ends_are_gaps=True)
    made.push(chunk(regular(0, 1.5, 10)))
    assert [w.index for w in made.close_all()] == [0]
    assert [w.index for w in made.close_to(3)] == [1, 2, 3]
