"""The newest seconds of a signal: own decimation against a naive one, gaps, late samples, clocks that are set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.dashboard.traces import COLUMNS, SignalBuffer


def naive(stamps_s, values, column_s):
    """Lowest and highest value by column, over the newest columns."""
    number = np.floor(stamps_s / column_s).astype(int)
    last = number.max()
    low = np.full((values.shape[1], COLUMNS), np.nan)
    high = low.copy()
    for at in range(COLUMNS):
        mine = values[number == last - COLUMNS + 1 + at]
        for channel in range(values.shape[1]):
            finite = mine[np.isfinite(mine[:, channel]), channel]
            if len(finite):
                low[channel, at], high[channel, at] = finite.min(), finite.max()
    return low, high


def pieces(draw, count):
    """Sizes that sum up to a count."""
    sizes = []
    while count:
        size = draw(st.integers(1, min(count, 400)))
        sizes.append(size)
        count -= size
    return sizes


@st.composite
def recordings(draw):
    """A signal with gaps, cut into pieces, some of which come in another order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate_hz = draw(st.sampled_from([100.0, 250.0, 1000.0]))
    count = draw(st.integers(1, 3000))
    gaps = np.where(rng.random(count) < 0.002, rng.uniform(0.0, 3.0, count), 0.0)
    stamps_s = draw(st.floats(0, 1e5)) + np.cumsum(1 / rate_hz + gaps)
    values = rng.normal(size=(count, 2)).astype(np.float32)
    values[rng.random((count, 2)) < 0.01] = np.nan
    values[rng.random((count, 2)) < 0.01] = np.inf
    cuts = np.cumsum(pieces(draw, count))[:-1]
    parts = list(zip(np.split(stamps_s, cuts), np.split(values, cuts), strict=True))
    for at in range(len(parts) - 1):
        # A neighbour's turn is taken only where what is late is not too late.
        if draw(st.booleans()) and parts[at + 1][0][-1] - parts[at][0][0] < 9.0:
            parts[at], parts[at + 1] = parts[at + 1], parts[at]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(parts) - 1))
        order = rng.permutation(len(parts[at][0]))
        if np.ptp(parts[at][0]) < 9.0:
            parts[at] = parts[at][0][order], parts[at][1][order]
    return rate_hz, parts


@given(recordings())
def test_columns_are_those_of_all_samples_however_they_came(recording):
    rate_hz, parts = recording
    buffer = SignalBuffer(["a", "b"], ["uV", "uV"], rate_hz)
    for stamps_s, values in parts:
        buffer.append(stamps_s, values)
    stamps_s = np.concatenate([part[0] for part in parts])
    expected = naive(stamps_s, np.concatenate([part[1] for part in parts]), buffer.column_s)
    edges_s, low, high = buffer.columns()
    np.testing.assert_array_equal(low, expected[0].astype(np.float32))
    np.testing.assert_array_equal(high, expected[1].astype(np.float32))
    # The edge is a product: half a bit may be missing.
    assert edges_s[-1] - 1e-9 <= stamps_s.max() < edges_s[-1] + 1.01 * buffer.column_s
    np.testing.assert_allclose(np.diff(edges_s), buffer.column_s, rtol=1e-6)


@given(recordings())
def test_what_is_kept_as_it_came_is_in_order_and_lacks_what_was_late(recording):
    rate_hz, parts = recording
    buffer = SignalBuffer(["a", "b"], ["uV", "uV"], rate_hz)
    kept_s, kept = [-np.inf], []
    for stamps_s, values in parts:
        buffer.append(stamps_s, values)
        for stamp_s, value in zip(stamps_s, values, strict=True):
            if stamp_s > kept_s[-1]:
                kept_s.append(stamp_s)
                kept.append(value)
    found_s, found = buffer.latest(2.0)
    wanted = np.array(kept_s[1:]) > kept_s[-1] - 2.0
    np.testing.assert_array_equal(found_s, np.array(kept_s[1:])[wanted])
    np.testing.assert_array_equal(found, np.array(kept)[wanted])
    assert buffer.late == sum(len(part[0]) for part in parts) - len(kept)


def made(rate_hz=100.0, channels=1):
    return SignalBuffer([str(k) for k in range(channels)], [""] * channels, rate_hz)


def test_a_gap_shows_as_a_gap():
    buffer = made()
    stamps_s = np.arange(500) / 100
    there = (stamps_s < 2.0) | (stamps_s >= 3.0)
    buffer.append(stamps_s[there], np.ones((there.sum(), 1)))
    edges_s, low, _ = buffer.columns()
    inside = (edges_s >= 2.0) & (edges_s < 2.99)
    assert np.isnan(low[0, inside]).all()
    # To the rounding of an edge.
    assert np.isfinite(low[0, (edges_s >= 0.01) & (edges_s < 1.97)]).all()
    assert np.isfinite(low[0, edges_s >= 3.01]).all()


def test_a_stream_that_has_stopped_scrolls_out_of_the_picture():
    buffer = made()
    buffer.append(np.arange(1000) / 100, np.ones((1000, 1)))
    edges_s, low, _ = buffer.columns(until_s=14.99)
    assert edges_s[-1] == pytest.approx(14.98)
    assert np.isfinite(low[0, edges_s < 9.9]).all()
    assert np.isnan(low[0, edges_s > 10.0]).all()
    assert np.isnan(buffer.columns(until_s=100.0)[1]).all()
    assert np.isfinite(buffer.columns(until_s=float("nan"))[1]).all()


def test_a_slow_stream_is_drawn_on_until_its_next_sample_should_have_come():
    buffer = made(rate_hz=4.0)
    stamps_s = np.array([0.0, 0.25, 0.5, 0.75, 3.0])
    buffer.append(stamps_s, stamps_s[:, None])
    edges_s, low, high = buffer.columns(until_s=3.1)
    drawn = ~np.isnan(low[0])
    held = (edges_s > -0.01) & (edges_s < 1.1)
    assert drawn[held].all()
    assert not drawn[(edges_s > 1.2) & (edges_s < 2.9)].any()
    at = np.searchsorted(edges_s, 0.4, side="right") - 1
    assert low[0, at] == high[0, at] == 0.25


def test_before_the_first_sample_there_is_nothing():
    buffer = made()
    edges_s, low, high = buffer.columns()
    assert low.shape == high.shape == (1, COLUMNS)
    assert np.isfinite(edges_s).all()
    assert np.isnan(low).all()
    assert buffer.latest(1.0)[0].tolist() == []
    assert np.isnan(buffer.newest_s)


def test_stamps_that_are_none_are_passed_over():
    buffer = made()
    buffer.append(np.array([np.nan, 1.0, np.inf, 1e300]), np.arange(4.0)[:, None])
    assert buffer.latest(10.0)[1].tolist() == [[1.0]]


def test_values_beyond_single_precision_are_shown_as_missing():
    buffer = made()
    buffer.append(np.array([1.0, 1.1]), np.array([[1e300], [2.0]]))
    _, low, _ = buffer.columns()
    assert np.nanmax(low) == 2.0


def test_a_batch_of_another_width_is_refused():
    with pytest.raises(ValueError, match="expected"):
        made(channels=2).append(np.array([1.0]), np.zeros((1, 3)))


def test_one_batch_from_long_ago_changes_nothing_and_a_clock_that_was_set_back_begins_anew():
    buffer = made()
    buffer.append(1000 + np.arange(100) / 100, np.ones((100, 1)))
    before = buffer.columns()
    buffer.append(np.arange(10) / 100, np.full((10, 1), 7.0))
    for expected, found in zip(before, buffer.columns(), strict=True):
        np.testing.assert_array_equal(found, expected)
    buffer.append(0.1 + np.arange(10) / 100, np.full((10, 1), 8.0))
    _, low, high = buffer.columns()
    assert np.nanmin(low) == np.nanmax(high) == 8.0
    assert buffer.latest(5.0)[1][:, 0].tolist() == [8.0] * 10


def test_a_buffer_says_whether_a_stream_goes_on_in_it():
    buffer = SignalBuffer(["a"], ["uV"], 100.0)
    assert buffer.fits(("a",), ("uV",), 100.0)
    assert not buffer.fits(("a",), ("uV",), 200.0)
    assert not buffer.fits(("b",), ("uV",), 100.0)
    assert not buffer.fits(("a",), ("mV",), 100.0)


def test_memory_of_an_absurd_stream_is_bounded():
    buffer = SignalBuffer([str(k) for k in range(1000)], [""] * 1000, 1e6)
    assert buffer._values._rows.nbytes <= 64_000_000
