"""Spectra against scipy and against what is known of a sine; nothing across a gap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from rtemo.dashboard.spectrum import FLOOR_DB, band_levels, newest_stretch, spectrum


def noise(rate_hz, seconds, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    stamps_s = 100 + np.arange(round(rate_hz * seconds)) / rate_hz
    return stamps_s, 50 + rng.normal(size=(len(stamps_s), channels))


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 257.0, 1000.0])
@pytest.mark.parametrize("seconds", [2.0, 3.0, 10.0])
def test_the_density_is_that_of_scipy(rate_hz, seconds):
    stamps_s, values = noise(rate_hz, seconds)
    found = spectrum(stamps_s, values, rate_hz)
    length = round(2 * rate_hz)
    half = length // 2
    used = values[(len(values) - length) % half :]
    frequencies, expected = signal.welch(
        used, rate_hz, window="hann", nperseg=length, noverlap=length - half, detrend="constant", axis=0
    )
    np.testing.assert_allclose(found.frequencies_hz, frequencies)
    np.testing.assert_allclose(found.density, expected.T, rtol=1e-9)


def test_power_is_that_of_the_signal():
    stamps_s, values = noise(250.0, 60.0)
    found = spectrum(stamps_s, values, 250.0)
    total = found.density.sum(axis=1) * found.frequencies_hz[1]
    # Parseval, to the chance of sixty seconds.
    np.testing.assert_allclose(total, values.var(axis=0), rtol=0.03)


def test_a_sine_shows_its_power_at_its_frequency():
    stamps_s = np.arange(1000) / 250
    values = 20 * np.sin(2 * np.pi * 10 * stamps_s)[:, None]
    found = spectrum(stamps_s, values, 250.0)
    assert found.frequencies_hz[found.density[0].argmax()] == 10.0
    levels = band_levels(found, [(8, 14), (14, 31), (130, 140)])
    assert levels[0, 0] == pytest.approx(10 * np.log10(20**2 / 2), abs=0.01)
    assert levels[0, 1] < 0
    assert np.isnan(levels[0, 2])
    assert band_levels(found, []).shape == (1, 0)


def test_a_silent_channel_has_the_floor_and_a_broken_one_nothing():
    stamps_s, values = noise(250.0, 3.0)
    values[:, 0] = 7.0
    values[10, 1] = np.nan
    found = spectrum(stamps_s[-750:], values, 250.0)
    assert found.density_db[0, 10] == FLOOR_DB
    stamps_s, values = noise(250.0, 2.0)
    values[10, 1] = np.nan
    found = spectrum(stamps_s, values, 250.0)
    assert np.isfinite(found.density[0]).all()
    assert np.isnan(found.density[1]).all()


def test_nothing_is_shown_across_a_gap():
    stamps_s, values = noise(100.0, 6.0)
    torn_s = stamps_s + np.where(np.arange(600) >= 350, 0.5, 0.0)
    assert newest_stretch(torn_s, 100.0) == 350
    np.testing.assert_array_equal(
        spectrum(torn_s, values, 100.0).density, spectrum(stamps_s[350:], values[350:], 100.0).density
    )
    late_s = stamps_s + np.where(np.arange(600) >= 450, 0.5, 0.0)
    assert spectrum(late_s, values, 100.0) is None


@pytest.mark.parametrize(("rate_hz", "seconds"), [(0.0, 10.0), (250.0, 1.9), (1.0, 100.0)])
def test_without_a_rate_or_enough_samples_there_is_no_spectrum(rate_hz, seconds):
    stamps_s, values = noise(rate_hz or 100.0, seconds)
    assert spectrum(stamps_s, values, rate_hz) is None
