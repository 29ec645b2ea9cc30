"""One stream on the recorder's clock: what waits, what is dropped, and when segments start."""

from __future__ import annotations

import numpy as np

from rtemo.dejitter import Piece
from rtemo.timeline import IrregularStamps, Timeline


def numbers(pieces: list[Piece]) -> list[int]:
    return [int(value) for piece in pieces for value in piece.values]


def test_samples_after_a_clock_reset_wait_for_the_next_measurement() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    before = line.push(1000 + np.arange(200) / 100, np.arange(200))
    assert numbers(before) == list(range(200))
    assert line.push(7 + np.arange(100) / 100, np.arange(200, 300)) == []
    after = line.measure(8.0, 1000.0)
    assert numbers(after) == list(range(200, 300))
    assert {piece.segment for piece in after} == {1}
    np.testing.assert_allclose(after[0].stamps_s, 1007 + np.arange(100) / 100, atol=1e-6)


def test_samples_that_no_measurement_places_are_dropped_and_counted() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    line.push(7 + np.arange(100) / 100, np.arange(100))
    assert line.finish() == []
    assert (line.unplaced, line.rejected) == (100, 100)


def test_what_waits_is_bounded() -> None:
    line = Timeline(100, measured=True)
    line.measure(1e6, 5.0)
    line.push(1e6 + np.arange(200) / 100, np.arange(200))
    for k in range(200):
        line.push(7 + k + np.arange(100) / 100, np.arange(100))
    kept = sum(len(piece.stamps_s) for piece in line.measure(207.0, 1e6))
    assert 5_000 < kept <= 6_200
    assert kept + line.unplaced == 20_000


def test_without_measurements_a_reset_is_a_segment_on_raw_stamps() -> None:
    line = Timeline(100, measured=False)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    pieces = line.push(7 + np.arange(100) / 100, np.arange(100))
    np.testing.assert_allclose(np.concatenate([p.stamps_s for p in pieces]), 7 + np.arange(100) / 100)
    assert line.segment == 1


def test_irregular_stamps_pass_unchanged() -> None:
    stamps = np.cumsum(np.random.default_rng(0).exponential(3, 100))
    guard = IrregularStamps(ordered=True)
    pieces = [piece for k in range(100) for piece in guard.push(stamps[k : k + 1], np.array([k]))]
    np.testing.assert_array_equal(np.concatenate([p.stamps_s for p in pieces]), stamps)
    assert (guard.rejected, guard.segment) == (0, 0)


def test_a_small_step_back_is_raised_only_where_order_is_asked_for() -> None:
    stamps = np.array([1.0, 2.0, 1.9, 3.0])
    ordered = IrregularStamps(ordered=True).push(stamps, np.arange(4))
    free = IrregularStamps(ordered=False).push(stamps, np.arange(4))
    np.testing.assert_array_equal(ordered[0].stamps_s, [1, 2, 2, 3])
    np.testing.assert_array_equal(free[0].stamps_s, stamps)


def test_absurd_irregular_stamps_are_rejected() -> None:
    guard = IrregularStamps(ordered=True)
    stamps = np.array([100.0, np.nan, 101.0, 1e268, 102.0, 9e6, 103.0, 3.0, 104.0])
    assert numbers(guard.push(stamps, np.arange(9))) == [0, 2, 4, 6, 8]
    assert (guard.rejected, guard.segment) == (4, 0)


def test_irregular_stamps_follow_a_reset_that_the_next_one_confirms() -> None:
    guard = IrregularStamps(ordered=True)
    assert numbers(guard.push(np.array([5000.0, 5001.0, 3.0]), np.arange(3))) == [0, 1]
    pieces = guard.push(np.array([4.0]), np.array([3]))
    assert numbers(pieces) == [2, 3]
    assert pieces[0].reset
    assert guard.segment == 1


def test_samples_behind_a_gap_wait_for_the_clock_to_come_to_them() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    assert line.push(1010 + np.arange(100) / 100, np.arange(200, 300)) == []
    assert line.waiting
    pieces = line.measure(1011.0, 5.0)
    assert numbers(pieces) == list(range(200, 300))
    np.testing.assert_allclose(pieces[0].stamps_s, 1015 + np.arange(100) / 100, atol=1e-6)
    assert not line.waiting


def test_a_clock_that_was_set_forward_takes_its_samples_along() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    line.push(2002 + np.arange(100) / 100, np.arange(200, 300))
    # What was measured before the jump says nothing of it.
    assert line.measure(1002.5, 5.0) == []
    pieces = line.measure(2003.0, -995.0)
    assert numbers(pieces) == list(range(200, 300))
    np.testing.assert_allclose(pieces[0].stamps_s, 1007 + np.arange(100) / 100, atol=1e-6)


def test_stamps_from_the_future_of_their_own_clock_are_dropped_in_the_end() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    given = 0
    for second in range(70):
        given += len(line.push(5000 + second + np.arange(100) / 100, np.arange(100)))
        given += len(line.measure(1002.0 + second, 5.0))
    assert given == 0
    assert line.finish() == []
    assert line.unplaced == 7000


def test_a_gap_in_a_recording_whose_clock_is_measured_no_more_is_a_gap() -> None:
    line = Timeline(100, measured=True)
    line.measure(1000.0, 5.0)
    line.push(1000 + np.arange(200) / 100, np.arange(200))
    pieces = [p for k in range(20) for p in line.push(1100 + k + np.arange(100) / 100, np.arange(100))]
    assert sum(len(piece.stamps_s) for piece in pieces) == 2000
    assert line.segment == 1


def test_the_delay_of_a_device_is_taken_off_its_stamps() -> None:
    line = Timeline(100, measured=True, delay_s=0.25)
    line.measure(1000.0, 5.0)
    (piece,) = line.push(1000 + np.arange(50) / 100, np.arange(50))
    np.testing.assert_allclose(piece.stamps_s, 1004.75 + np.arange(50) / 100, atol=1e-6)


def test_stamps_that_jump_and_come_back_cost_only_what_was_wrong() -> None:
    line, placed = Timeline(120.0, measured=True), []
    line.measure(10.0, 50.0)
    for k in range(0, 60 * 120, 12):
        n = np.arange(k, k + 12)
        stamps = 10 + n / 120
        placed += line.push(stamps + 1000.0 * ((stamps >= 18) & (stamps < 22)), n)
        if line.waiting or k % 600 == 0:
            placed += line.measure(10 + (k + 12) / 120, 50.0)
    given = np.array(numbers(placed))
    np.testing.assert_array_equal(np.setdiff1d(np.arange(7200), given), np.arange(960, 1440))
    assert line.unplaced == 480
    np.testing.assert_allclose(np.concatenate([p.stamps_s for p in placed]), 60 + given / 120, atol=1e-6)


def test_text_may_go_back_as_far_as_it_is_said_to() -> None:
    stamps_s = 1000.0 + np.array([0.0, 1.0, -9.0, 2.0, -70.0, 3.0])
    usual, wide = IrregularStamps(ordered=False), IrregularStamps(ordered=False, backward_s=65.0)
    assert numbers(usual.push(stamps_s, np.arange(6))) == [0, 1, 3, 5]
    assert usual.rejected == 2
    pieces = wide.push(stamps_s, np.arange(6))
    assert numbers(pieces) == [0, 1, 2, 3, 5]
    assert np.concatenate([piece.stamps_s for piece in pieces]).tolist() == stamps_s[[0, 1, 2, 3, 5]].tolist()
    assert (wide.rejected, wide.segment) == (1, 0)
