"""Rows that come one after another: the newest are kept, whatever the pieces, against a list."""

from __future__ import annotations

import numpy as np
import pytest
from dashboard_words import Watched, layout, values
from hypothesis import given
from hypothesis import strategies as st

from rtemo.dashboard.history import FEWEST, MOST, PredictionHistory, Ring, stretches


@given(capacity=st.integers(1, 12), pieces=st.lists(st.integers(0, 30), max_size=30))
def test_a_ring_holds_what_a_list_would(capacity, pieces):
    ring: Ring[np.float64] = Ring(capacity, (2,), np.float64)
    naive: list[tuple[float, float]] = []
    for count in pieces:
        came = [(float(len(naive) + i), -float(i)) for i in range(count)]
        ring.extend(np.array(came).reshape(count, 2))
        naive += came
        np.testing.assert_array_equal(ring.rows, np.array(naive[-capacity:]).reshape(-1, 2))
        assert len(ring) == min(len(naive), capacity)
        assert ring.added == len(naive)
        assert ring.rows.flags.c_contiguous


def test_a_ring_never_asks_for_more_memory():
    ring: Ring[np.float32] = Ring(100, (3,), np.float32)
    memory = ring._rows
    for _ in range(1000):
        ring.extend(np.ones((7, 3)))
    assert ring._rows is memory


@given(steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), capacity=st.integers(1, 12))
def test_a_ring_of_which_the_newest_are_dropped_holds_what_a_list_would(steps, capacity):
    ring: Ring[np.float64] = Ring(capacity, (), np.float64)
    naive: list[float] = []
    for number, (come, go) in enumerate(steps):
        came = [float(100 * number + k) for k in range(come)]
        ring.extend(np.array(came))
        ring.drop_newest(go)
        naive = (naive + came)[-capacity:]
        naive = naive[: max(len(naive) - go, 0)]
        assert ring.rows.tolist() == naive


def test_predictions_behind_a_moment_are_dropped_and_what_was_drawn_is_drawn_anew():
    history = PredictionHistory(layout())
    history.extend(np.arange(1.0, 6.0), values(rows=5))
    revision = history.revision
    assert history.drop_after(3.0) == 2
    assert history.stop_s.tolist() == [1.0, 2.0, 3.0]
    assert history.revision > revision
    assert history.forgotten == 0
    assert history.drop_after(3.0) == 0


def test_a_cleared_ring_begins_anew():
    ring: Ring[np.float64] = Ring(4, (), np.float64)
    ring.extend(np.arange(9.0))
    ring.clear()
    assert len(ring) == 0
    ring.extend(np.array([5.0]))
    assert ring.rows.tolist() == [5.0]


def test_a_prediction_is_read_by_its_parts():
    history = PredictionHistory(layout())
    history.extend(np.array([7.0]), values(available=(1.0, 0.0)))
    assert history.stop_s.tolist() == [7.0]
    assert history.probabilities.tolist() == [[0.2, 0.3, 0.5]]
    assert history.shadow.tolist() == [[0.5, 0.3, 0.2]]
    assert history.weights.tolist() == [[0.7, 0.3]]
    assert history.contributions.tolist() == [[0.1, -0.1]]
    assert history.available.tolist() == [[True, False]]
    assert history.coverage.tolist() == [[1.0, 0.9]]
    assert history.age_s.tolist() == [0.25]


@pytest.mark.parametrize(("hop_s", "kept"), [(1.0, 28_800), (0.1, 288_000), (4.0, FEWEST), (0.001, MOST)])
def test_eight_hours_are_kept_and_never_very_much_more(hop_s, kept):
    assert PredictionHistory(layout(hop_s=hop_s)).capacity == kept


def test_predictions_that_go_back_or_do_not_fit_are_left_out_and_counted():
    watched = Watched()
    watched.predict(10.0, 11.0, 10.5, 11.0, np.nan, 12.0)
    watched.predict(9.0)
    assert watched.state.predictions.stop_s.tolist() == [10.0, 11.0, 12.0]
    assert watched.state.refused == 4


def test_before_a_session_there_is_nothing():
    history = PredictionHistory()
    assert len(history) == 0
    assert history.probabilities.shape == (0, 0)
    assert history.missing_stretches("eeg") == []


def test_a_missing_stretch_covers_the_hops_of_its_windows_and_ends_at_a_hole():
    watched = Watched()
    watched.predict(1.0, 2.0)
    watched.predict(3.0, 4.0, available=(0.0, 1.0))
    watched.predict(8.0, available=(0.0, 1.0))
    watched.predict(9.0)
    watched.predict(10.0, available=(0.0, 0.0))
    assert watched.state.missing_stretches("eeg") == [(2.0, 4.0), (7.0, 8.0), (9.0, 10.0)]
    assert watched.state.missing_stretches("eye") == [(9.0, 10.0)]
    assert watched.state.missing_stretches("unheard of") == []
    watched.predict(11.0, available=(0.0, 1.0))
    assert watched.state.missing_stretches("eeg")[-1] == (9.0, 11.0)


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=40))
def test_stretches_are_those_of_a_walk_through_the_windows(steps):
    stop_s = np.cumsum([step for step, _ in steps]).astype(float)
    chosen = np.array([missing for _, missing in steps], dtype=bool)
    naive: list[tuple[float, float]] = []
    before_s = None
    for stop, missing in zip(stop_s.tolist(), chosen.tolist(), strict=True):
        if missing and naive and before_s == naive[-1][1] and stop - before_s <= 1.5:
            naive[-1] = naive[-1][0], stop
        elif missing:
            naive.append((stop - 1.0, stop))
        before_s = stop
    assert stretches(stop_s, chosen, 1.0) == naive
