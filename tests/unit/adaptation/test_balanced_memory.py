"""Memories against a list that forgets nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rtemo.adaptation.memory import BalancedMemory

THERE = np.ones(1, bool)


def fill(memory: BalancedMemory, events: list[tuple[int, float]], start: int = 0, now_s: float = 0.0) -> float:
    """Add windows that are told apart by their number."""
    for number, (key, wait_s) in enumerate(events, start):
        now_s += wait_s
        memory.add((key,), np.array([float(number)]), THERE, now_s)
    return now_s


def expected(events: list[tuple[int, float]], size: int, stride: int, age_s: float) -> dict[int, list[int]]:
    """Which windows are kept, from the whole past."""
    times = np.cumsum([wait_s for _, wait_s in events])
    kept = {}
    for key in {key for key, _ in events}:
        mine = [number for number, (other, _) in enumerate(events) if other == key][::stride]
        # What was pushed out by number and what is too old are the same ends of a queue in order of time.
        kept[key] = [number for number in mine[-size:] if times[-1] - times[number] <= age_s]
    return kept


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0, 7.0])), min_size=1, max_size=60)


@given(EVENTS, st.integers(1, 5), st.integers(1, 3), st.sampled_from([1.0, 5.0, 1e6]))
def test_it_keeps_what_the_rules_say(events: list[tuple[int, float]], size: int, stride: int, age_s: float) -> None:
    memory = BalancedMemory(cell_size=size, stride=stride, max_age_s=age_s)
    fill(memory, events)
    kept = expected(events, size, stride, age_s)
    assert {key[0]: count for key, count in memory.cells.items()} == {key: len(rows) for key, rows in kept.items()}
    assert len(memory) == sum(len(rows) for rows in kept.values())
    x, available = memory.windows()
    assert len(x) == len(available) == len(memory)
    if len(x):
        assert_array_equal(x[:, 0], [number for key in sorted(kept) for number in kept[key]])


@given(EVENTS, EVENTS, st.integers(0, 2**31))
def test_after_a_restore_all_goes_as_it_would_have_gone(
    before: list[tuple[int, float]], after: list[tuple[int, float]], seed: int
) -> None:
    memory = BalancedMemory(cell_size=3, stride=2, max_age_s=10.0, max_cells=3)
    now_s = fill(memory, before)
    saved = memory.save()
    drawn = []
    for _ in range(2):
        rng = np.random.default_rng(seed)
        first = memory.draw(5, rng)[0]
        fill(memory, after, len(before), now_s)
        cells = np.array([(key[0], count) for key, count in memory.cells.items()])
        drawn.append((first, memory.draw(9, rng)[0], memory.windows()[0], cells))
        memory.restore(saved)
    for one, other in zip(*drawn, strict=True):
        assert_array_equal(one, other)


def test_a_draw_takes_cells_alike_and_windows_of_a_cell_alike() -> None:
    memory = BalancedMemory(cell_size=20, max_age_s=1e6)
    fill(memory, [(0, 1.0)] * 20 + [(1, 1.0)] * 2)
    x, _ = memory.draw(4000, np.random.default_rng(0))
    rare = x[:, 0] >= 20
    assert abs(rare.mean() - 0.5) < 0.03
    counts = np.bincount(x[~rare, 0].astype(int), minlength=20)
    assert counts.min() > 60  # 100 each on average


def test_of_too_many_cells_the_one_unused_for_longest_goes_and_is_begun_anew() -> None:
    memory = BalancedMemory(cell_size=4, stride=2, max_age_s=1e6, max_cells=2)
    fill(memory, [(0, 1.0), (1, 1.0), (0, 1.0), (2, 1.0)])
    assert set(memory.cells) == {(0,), (2,)}
    fill(memory, [(1, 1.0)], start=4, now_s=4.0)
    assert memory.cells == {(2,): 1, (1,): 1}  # the count that spaces windows began anew as well


def test_nothing_is_drawn_from_nothing() -> None:
    memory = BalancedMemory(cell_size=4, max_age_s=1.0)
    assert len(memory.draw(3, np.random.default_rng(0))[0]) == 0
    assert len(memory.windows()[0]) == 0
    fill(memory, [(0, 1.0)])
    assert len(memory.draw(0, np.random.default_rng(0))[0]) == 0
