"""Differential entropy: against numpy's FFT, closed forms and scipy; streaming, batch and filter bank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, lfilter

from rtemo.errors import ConfigurationError
from rtemo.features.base import ClosingWindow, Missing, ViewSource
from rtemo.features.batch import differential_entropy
from rtemo.features.entropy import DifferentialEntropy, DifferentialEntropySettings
from rtemo.features.spectrum import SEED_BANDS, VARIANCE_FLOOR
from rtemo.grid import Grid
from rtemo.types import StreamDescription

FLOOR = 0.5 * math.log(2 * math.pi * math.e * VARIANCE_FLOOR)


def reference(signals, rate_hz, bands=SEED_BANDS, length=None):
    """DE of (channels, samples) by numpy.fft in float64; other numbers keep the length's bins and Hann window."""
    n = signals.shape[1]
    length = n if length is None else length
    position = np.arange(n, dtype=np.float64)
    line = np.polynomial.polynomial.polyfit(position, signals.T, 1)
    flat = signals - np.polynomial.polynomial.polyval(position, line)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * position / length)
    folded = np.zeros((len(signals), length))
    np.add.at(folded.T, np.arange(n) % length, (flat * hann).T)
    power = np.abs(np.fft.rfft(folded, axis=1)) ** 2
    frequency = np.fft.rfftfreq(length, 1 / rate_hz) + 1e-9
    variance = [2 * power[:, (frequency >= low) & (frequency < high)].sum(1) for low, high in bands.values()]
    return 0.5 * np.log(2 * np.pi * np.e * np.stack(variance, 1) / (length * np.sum(hann**2)))


def coloured(rng, channels, samples, offset=0.0):
    """Something like EEG: 1/f noise of 20 uV, white noise of 2 uV, drift of 100 uV, each channel with its offset."""
    spectrum = np.fft.rfft(rng.normal(size=(channels, samples)))
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    pink = np.fft.irfft(spectrum, samples)
    pink *= 20 / pink.std(axis=1, keepdims=True)
    drift = 100 * np.sin(np.linspace(0, 6, samples))
    return pink + 2 * rng.normal(size=(channels, samples)) + drift + offset * rng.normal(size=(channels, 1))


def extractor(rate_hz, grid, channels, **options):
    made = DifferentialEntropy(DifferentialEntropySettings(**options))
    labels = tuple(f"C{i + 1}" for i in range(channels))
    made.reset(ViewSource("eeg", StreamDescription("k", "n", "EEG", labels, rate_hz), grid, {}))
    return made


def stream(made, grid, signal, rate_hz, cuts=(), start_s=0.0, dtype=np.float64):
    """Push (samples, channels) cut anywhere; returns window -> features for all windows within the signal."""
    signal = signal.astype(dtype)
    stamps = start_s + np.arange(len(signal)) / rate_hz
    cells = np.array([grid.cell_of(stamp) for stamp in stamps])
    edges = np.union1d(np.flatnonzero(np.diff(cells)) + 1, [c for c in cuts if 0 < c < len(signal)]).astype(int)
    made.begin_segment()
    for part in np.split(np.arange(len(signal)), edges):
        made.push(int(cells[part[0]]), stamps[part], signal[part])
    found = {}
    k = grid.first_window(int(cells[0]))
    while grid.stop_s(k) <= stamps[-1] + 1e-6:
        inside = np.isin(cells, grid.cells(k))
        closing = ClosingWindow(k, grid.start_s(k), grid.stop_s(k), grid.cells(k), int(inside.sum()))
        if inside.sum() >= 0.8 * rate_hz * grid.length_s:
            found[k] = (made.close(closing), signal[inside])
        k += 1
    return found


@pytest.mark.parametrize("amplitude", [0.5, 10.0, 300.0])
def test_a_sine_has_the_entropy_of_half_its_squared_amplitude(amplitude):
    time_s = np.arange(2000) / 500
    wave = amplitude * np.sin(2 * np.pi * 10 * time_s + 0.3)[None, None]
    expected = 0.5 * np.log(2 * np.pi * np.e * amplitude**2 / 2)
    assert differential_entropy(wave, 500.0)[0, 0, 2] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("rate_hz", "length_s"),
    [(128.0, 1.0), (250.0, 1.0), (500.0, 4.0), (512.0, 1.5), (997.0, 1.0), (1000.0, 1.0), (4000.0, 1.0)],
)
def test_the_batch_agrees_with_numpy(rate_hz, length_s):
    rng = np.random.default_rng(1)
    windows = np.stack([coloured(rng, 9, round(rate_hz * length_s)) for _ in range(16)])
    expected = np.stack([reference(window, rate_hz) for window in windows])
    np.testing.assert_allclose(differential_entropy(windows, rate_hz), expected, atol=1e-5)
    np.testing.assert_allclose(differential_entropy(windows.astype(np.float32), rate_hz), expected, atol=1e-5)


@pytest.mark.parametrize("disturbance", ["offset", "trend", "both"])
def test_offsets_and_trends_cost_the_batch_no_precision(disturbance):
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(4, 5, 1000))
    if disturbance != "trend":
        windows += 1e5 * rng.normal(size=(1, 5, 1))
    if disturbance != "offset":
        windows += np.linspace(0, 1e5, 1000)
    expected = np.stack([reference(window, 1000.0) for window in windows])
    np.testing.assert_allclose(differential_entropy(windows, 1000.0), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("length_s", "hop_s"), [(1.0, 1.0), (1.0, 0.25), (1.0, 0.3), (1.5, 1.0), (0.5, 1.25), (4.0, 1.0)]
)
@pytest.mark.parametrize("rate_hz", [128.0, 500.0, 1000.0])
def test_streaming_agrees_with_numpy_and_with_the_batch(length_s, hop_s, rate_hz):
    rng = np.random.default_rng(3)
    grid, bands = Grid(length_s, hop_s), {"theta": (4, 8), "alpha": (8, 14), "gamma": (31, 50)}
    signal = coloured(rng, 6, round(9 * rate_hz), offset=1e5).T
    found = stream(extractor(rate_hz, grid, 6, bands=bands), grid, signal, rate_hz)
    assert len(found) >= (9 - length_s) / hop_s - 1
    for features, samples in found.values():
        length = round(rate_hz * length_s)
        expected = reference(samples.T, rate_hz, bands, length)
        np.testing.assert_allclose(features.reshape(6, 3), expected, atol=1e-5)
        if len(samples) == length:
            batch = differential_entropy(samples.T[None], rate_hz, bands)[0]
            np.testing.assert_allclose(features.reshape(6, 3), batch, atol=1e-5)


@pytest.mark.parametrize("spike", [0.0, 300.0])
@pytest.mark.parametrize("level", [0.0, 50.0, 1e5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neither_an_offset_nor_an_outlying_first_sample_costs_precision(dtype, level, spike):
    rng = np.random.default_rng(4)
    grid = Grid(1.0, 1.0)
    signal = (level + rng.normal(0, 20, (3000, 8))).astype(dtype)
    signal[::500, :4] += spike
    found = stream(extractor(500.0, grid, 8), grid, signal, 500.0, dtype=dtype)
    for features, samples in found.values():
        expected = reference(samples.T.astype(np.float64), 500.0)
        np.testing.assert_allclose(features.reshape(8, 5), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_a_level_that_the_first_sample_does_not_show_is_the_same_in_any_chunks(dtype):
    rng = np.random.default_rng(5)
    grid = Grid(1.0, 1.0)
    signal = 3000 + rng.normal(0, 20, (4000, 3))
    signal[::500] = 0
    whole = stream(extractor(500.0, grid, 3), grid, signal, 500.0, dtype=dtype)
    for size in (1, 37, 250, 499, 700):
        cut = stream(extractor(500.0, grid, 3), grid, signal, 500.0, range(size, 4000, size), dtype=dtype)
        for index, (features, _) in whole.items():
            np.testing.assert_array_equal(features, cut[index][0])


@given(
    st.lists(st.integers(1, 1999), max_size=30),
    st.sampled_from([(1.0, 1.0), (1.0, 0.4), (0.5, 0.7)]),
    st.booleans(),
    st.sampled_from(["dft", "filterbank"]),
)
@settings(deadline=None, max_examples=60)
def test_results_do_not_depend_on_chunks_in_a_bit(cuts, shape, single, method):
    rng = np.random.default_rng(4)
    grid, signal = Grid(*shape), coloured(rng, 3, 2000, offset=1e4).T
    dtype = np.float32 if single else np.float64
    whole, cut = (
        stream(extractor(500.0, grid, 3, bands="deap", method=method), grid, signal, 500.0, cuts=c, dtype=dtype)
        for c in ((), cuts)
    )
    assert whole.keys() == cut.keys()
    for k, (features, _) in whole.items():
        np.testing.assert_array_equal(features, cut[k][0])


@pytest.mark.parametrize("rate_hz", [249.3, 250.0, 251.2, 290.0])
def test_a_stream_off_its_nominal_rate_is_measured_on_the_samples_that_came(rate_hz):
    rng = np.random.default_rng(5)
    grid = Grid(1.0, 1.0)
    signal = coloured(rng, 4, round(8 * rate_hz)).T
    found = stream(extractor(250.0, grid, 4), grid, signal, rate_hz)
    assert len({len(samples) for _, samples in found.values()}) >= 1
    for features, samples in found.values():
        np.testing.assert_allclose(features.reshape(4, 5), reference(samples.T, 250.0, length=250), atol=1e-5)


def test_twice_the_samples_make_the_view_missing():
    grid = Grid(1.0, 1.0)
    found = stream(extractor(250.0, grid, 1), grid, np.ones((2000, 1)), 500.0)
    assert all(isinstance(f, Missing) and "500 samples where about 250" in f.reason for f, _ in found.values())


@pytest.mark.parametrize("method", ["dft", "filterbank"])
def test_a_silent_channel_gives_the_floor_and_never_minus_infinity(method):
    grid = Grid(1.0, 1.0)
    signal = np.stack([np.full(1500, 1e5), np.zeros(1500)], axis=1)
    for features, _ in stream(extractor(250.0, grid, 2, method=method), grid, signal, 250.0).values():
        np.testing.assert_allclose(features, FLOOR)
    np.testing.assert_allclose(differential_entropy(signal.T[None, :, :250], 250.0), FLOOR)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["dft", "filterbank"])
@pytest.mark.parametrize("hop_s", [1.0, 0.5])
def test_a_sample_that_is_not_finite_makes_just_its_windows_missing(bad, method, hop_s):
    rng = np.random.default_rng(6)
    grid, signal = Grid(1.0, hop_s), rng.normal(size=(2000, 3))
    signal[610, 1] = bad  # 2.44 s
    found = stream(extractor(250.0, grid, 3, method=method), grid, signal, 250.0)
    for k, (features, _) in found.items():
        if grid.start_s(k) <= 2.44 < grid.stop_s(k):
            assert features == Missing("not finite: C2")
        else:
            assert np.isfinite(features).all()


def test_the_batch_gives_nan_for_the_channel_that_is_not_finite():
    windows = np.random.default_rng(7).normal(size=(2, 3, 250))
    windows[1, 2, 100] = np.inf
    found = differential_entropy(windows, 250.0)
    assert np.isnan(found[1, 2]).all()
    assert np.isfinite(np.delete(found.reshape(6, 5), 5, axis=0)).all()


def test_very_long_windows_are_transformed_whole():
    rng = np.random.default_rng(8)
    grid = Grid(60.0, 60.0)
    signal = coloured(rng, 2, 61 * 250, offset=1e4).T
    (features, samples), *_ = stream(extractor(250.0, grid, 2), grid, signal, 250.0).values()
    np.testing.assert_allclose(features.reshape(2, 5), reference(samples.T, 250.0), atol=1e-5)


def test_the_filter_bank_gives_the_variance_of_the_filtered_signal():
    rng = np.random.default_rng(9)
    grid, signal = Grid(1.0, 0.5), coloured(rng, 3, 2500, offset=1e3).T
    found = stream(extractor(250.0, grid, 3, method="filterbank", order=2), grid, signal, 250.0)
    for band, (low, high) in enumerate(SEED_BANDS.values()):
        b, a = butter(2, (low, high), btype="bandpass", fs=250.0)
        filtered = lfilter(b, a, signal - signal[0], axis=0)
        for k, (features, _) in found.items():
            first = round(grid.start_s(k) * 250)
            variance = filtered[first : first + 250].var(axis=0)
            expected = 0.5 * np.log(2 * np.pi * np.e * variance)
            np.testing.assert_allclose(features.reshape(3, 5)[:, band], expected, atol=1e-4)


def test_filters_begin_anew_after_a_gap():
    rng = np.random.default_rng(10)
    grid, signal = Grid(1.0, 1.0), rng.normal(size=(750, 2))
    made = extractor(250.0, grid, 2, method="filterbank")
    stream(made, grid, 1e3 * rng.normal(size=(750, 2)), 250.0)
    after = stream(made, grid, signal, 250.0, start_s=10.0)
    fresh = stream(extractor(250.0, grid, 2, method="filterbank"), grid, signal, 250.0, start_s=10.0)
    assert after.keys() == fresh.keys()
    for k, (features, _) in fresh.items():
        np.testing.assert_array_equal(after[k][0], features)


def test_names_go_channel_by_channel():
    made = extractor(250.0, Grid(1.0, 1.0), 2, bands={"low": (4, 8), "high": (8, 12)})
    assert made.names == ("C1:low", "C1:high", "C2:low", "C2:high")


@pytest.mark.parametrize("method", ["dft", "filterbank"])
def test_a_band_beyond_half_the_rate_is_refused(method):
    with pytest.raises(ConfigurationError, match=r"views\.eeg\.settings.*'beta'.*30 Hz"):
        extractor(60.0, Grid(1.0, 1.0), 1, method=method)


def test_a_band_narrower_than_a_bin_is_refused():
    with pytest.raises(ConfigurationError, match=r"'delta'.*no bin.*every 5 Hz"):
        extractor(250.0, Grid(0.2, 0.2), 1)


def test_a_band_upside_down_is_refused():
    with pytest.raises(ConfigurationError, match="Give 0 < low < high"):
        extractor(250.0, Grid(1.0, 1.0), 1, bands={"x": (8, 4)})


def test_an_irregular_stream_is_refused():
    with pytest.raises(ConfigurationError, match="regular stream"):
        extractor(0.0, Grid(1.0, 1.0), 1)


def test_the_batch_wants_three_dimensions():
    with pytest.raises(ValueError, match=r"\(windows, channels, samples\)"):
        differential_entropy(np.zeros((3, 100)), 100.0)
