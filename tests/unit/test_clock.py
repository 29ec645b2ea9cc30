"""The map from a stream's clock to the recorder's."""

from __future__ import annotations

import numpy as np
import pytest

from rtemo.clock import ClockMap, VirtualClock


def run(times: np.ndarray, offsets: np.ndarray, rate_hz: float = 20.0) -> tuple[np.ndarray, np.ndarray, ClockMap]:
    """Stamps between the measurements, mapped as they would be live."""
    clock = ClockMap()
    stamps, mapped = [], []
    for time_s, offset_s in zip(times, offsets, strict=True):
        clock.add(time_s, offset_s)
        block = time_s + np.arange(0, 5, 1 / rate_hz)
        stamps.append(block)
        mapped.append(clock.map(block)[0])
    return np.concatenate(stamps), np.concatenate(mapped), clock


def test_without_measurements_the_map_is_the_identity() -> None:
    stamps = np.array([1.0, 2.0])
    mapped, segment = ClockMap().map(stamps)
    np.testing.assert_array_equal(mapped, stamps)
    assert segment == 0


def test_one_measurement_shifts_all_stamps() -> None:
    clock = ClockMap()
    clock.add(100.0, -12.5)
    np.testing.assert_array_equal(clock.map(np.array([3.0, 99.0, 500.0]))[0], [-9.5, 86.5, 487.5])


@pytest.mark.parametrize("drift", [0.0, 3e-5, -5e-5])
def test_a_drifting_clock_is_followed(drift: float) -> None:
    times = 1000 + 5.0 * np.arange(100)
    stamps, mapped, _ = run(times, 300 + drift * (times - 1000))
    truth = stamps + 300 + drift * (stamps - 1000)
    assert np.abs(mapped - truth).max() < 5e-4
    assert np.abs(mapped - truth)[2000:].max() < 2e-5


def test_noisy_measurements_are_averaged() -> None:
    rng = np.random.default_rng(2)
    times = 5.0 * np.arange(120)
    stamps, mapped, clock = run(times, 7 + 2e-5 * times + rng.normal(0, 3e-4, 120))
    error = mapped - (stamps + 7 + 2e-5 * stamps)
    assert np.sqrt(np.mean(error[3000:] ** 2)) < 1.5e-4
    assert clock.segment == 0


@pytest.mark.parametrize("wild", [0.02, -0.5, 30.0, 1e6])
def test_a_wild_measurement_does_nothing(wild: float) -> None:
    times = 5.0 * np.arange(40)
    offsets = np.full(40, 3.0)
    offsets[20] += wild
    stamps, mapped, clock = run(times, offsets)
    assert np.abs(mapped - stamps - 3).max() < 1e-6
    assert (clock.wild, clock.segment) == (1, 0)


def test_mapped_stamps_never_turn_back_within_a_segment() -> None:
    rng = np.random.default_rng(3)
    times = 5.0 * np.arange(200)
    _, mapped, clock = run(times, 10 + rng.standard_t(2, 200) * 1e-3, rate_hz=1000.0)
    assert clock.segment == 0
    assert np.diff(mapped).min() > 0


def test_a_reset_starts_a_segment_with_the_first_measurement_that_the_stamps_agree_with() -> None:
    clock = ClockMap()
    for k in range(10):
        clock.add(653_000 + 5.0 * k, -652_000)
    assert clock.map(np.array([653_046.0]))[1] == 0
    clock.add(104.0, 1121.0)
    mapped, segment = clock.map(np.array([100.6, 105.0]))
    np.testing.assert_allclose(mapped, [1221.6, 1226.0])
    assert segment == 1


def test_a_small_reset_is_believed_once_two_measurements_agree() -> None:
    clock = ClockMap()
    for k in range(10):
        clock.add(5.0 * k, 1.0)
    clock.add(50.0, 3.0)
    assert clock.map(np.array([52.0]))[1] == 0
    clock.add(55.0, 3.0)
    mapped, segment = clock.map(np.array([57.0]))
    assert (mapped[0], segment) == (60.0, 1)


def test_what_was_mapped_does_not_depend_on_what_came_later() -> None:
    rng = np.random.default_rng(4)
    times = 5.0 * np.arange(30)
    offsets = 5 + rng.normal(0, 1e-3, 30)
    _, whole, _ = run(times, offsets)
    _, part, _ = run(times[:17], offsets[:17])
    np.testing.assert_array_equal(whole[: len(part)], part)


def test_uncertainty_does_not_change_the_map() -> None:
    plain, weighed = ClockMap(), ClockMap()
    for k, offset in enumerate([1.0, 1.001, 0.999, 1.004]):
        plain.add(5.0 * k, offset)
        weighed.add(5.0 * k, offset, 10.0**-k)
    stamps = np.arange(20.0)
    np.testing.assert_array_equal(plain.map(stamps)[0], weighed.map(stamps)[0])


def test_a_virtual_clock_stands_until_it_is_moved() -> None:
    clock = VirtualClock(5.0)
    assert clock.now_s() == clock.now_s() == 5.0
    clock.advance(1.5)
    clock.advance_to(3.0)
    assert clock.now_s() == 6.5
    clock.advance_to(9.0)
    assert clock.now_s() == 9.0
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
