"""Which labelled windows a bundle keeps: as many of each class and recording as can be, evenly in time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rtemo.model.labelled import MAX_WINDOWS, fair_shares, take_windows, thin


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 100))
def test_shares_are_full_or_equal(sizes: list[int], limit: int) -> None:
    limit = min(limit, sum(sizes))
    shares = fair_shares(np.array(sizes), limit)
    assert shares.sum() == limit
    assert (shares <= sizes).all()
    cut = shares[shares < sizes]
    # Whoever is cut short has as much as anybody, to one window.
    assert len(cut) == 0 or cut.min() >= shares.max() - 1


def test_few_windows_are_all_kept() -> None:
    rows = np.arange(50) % 3 > 0
    assert_array_equal(thin(rows, np.zeros(50, dtype=int), np.zeros(50, dtype=int), limit=33), rows)


def test_many_windows_are_thinned_evenly_in_every_class_of_every_recording() -> None:
    recordings = np.repeat([0, 1], [9000, 3000])
    labels = np.concatenate([np.repeat([0, 1, 2], [8000, 900, 100]), np.repeat([0, 1], 1500)])
    rows = np.ones(12_000, dtype=bool)
    rows[:500] = False
    kept = thin(rows, labels, recordings)
    assert kept.sum() == MAX_WINDOWS
    assert not kept[~rows].any()
    counts = {(r, c): int((kept & (recordings == r) & (labels == c)).sum()) for r in (0, 1) for c in (0, 1, 2)}
    # 4,000 windows less the 100 and the 900 that are all there is, over three larger cells.
    assert counts == {(0, 0): 1000, (0, 1): 900, (0, 2): 100, (1, 0): 1000, (1, 1): 1000, (1, 2): 0}
    for cell in counts:
        where = np.flatnonzero(kept & (recordings == cell[0]) & (labels == cell[1]))
        steps = np.diff(where)
        assert len(steps) == 0 or steps.max() - steps.min() <= 1
    first = np.flatnonzero(kept & (recordings == 0) & (labels == 0))
    assert first[0] - 500 < 8
    assert 8000 - first[-1] < 8


def test_classes_keep_a_share_where_they_lie_mingled_in_time() -> None:
    labels = np.random.default_rng(0).choice(3, 5000, p=[0.9, 0.08, 0.02])
    kept = thin(np.ones(5000, dtype=bool), labels, np.zeros(5000, dtype=int), limit=600)
    rare = int((labels == 2).sum())
    assert np.bincount(labels[kept]).tolist() == [600 - rare - (600 - rare) // 2, (600 - rare) // 2, rare]


def test_windows_are_taken_in_order_with_all_that_belongs_to_them() -> None:
    x = np.arange(12.0).reshape(6, 2)
    x[3] = np.nan
    rows = np.array([True, False, True, True, False, True])
    taken = take_windows(rows, {"b": x, "a": x[:, :1]}, np.arange(6) % 2, np.arange(6) + 10, np.arange(6) // 3)
    assert list(taken.views) == ["b", "a"]
    assert taken.views["b"].dtype == np.float32
    assert_array_equal(taken.views["b"], x[rows])
    assert_array_equal(taken.labels, [0, 0, 1, 1])
    assert_array_equal(taken.trials, [10, 12, 13, 15])
    assert_array_equal(taken.recordings, [0, 0, 1, 1])
    assert_array_equal(taken.available, [[True, True], [True, True], [False, False], [True, True]])
    assert len(taken) == 4
