"""The monitor of channels: measures by construction and by other formulas, verdicts, independence of chunks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from rtemo.config import QualitySettings, load_configuration
from rtemo.extraction import bind, windows_of
from rtemo.features.base import ClosingWindow, ViewSource
from rtemo.features.quality import ChannelMonitor
from rtemo.features.reference import Reference, join_references, median_of_channels
from rtemo.features.signal_blocks import HIGH, LINE, LOW, SPREAD, SignalBlocks
from rtemo.grid import Grid
from rtemo.sources import open_recording
from rtemo.types import StreamDescription

CAP = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Cz", "Pz")
RATE_HZ = 250.0


def eeg(seconds=6.0, channels=12, rate_hz=RATE_HZ, seed=0):
    """Something like EEG in uV, (samples, channels): 1/f noise of 20 uV and white noise of 1 uV."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=(round(seconds * rate_hz), channels)), axis=0)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))[:, None]
    spectrum[0] = 0
    pink = np.fft.irfft(spectrum, round(seconds * rate_hz), axis=0)
    return 20 * pink / pink.std(axis=0) + rng.normal(size=pink.shape)


def monitor(grid=None, rate_hz=RATE_HZ, labels=CAP, max_bad=0.25, reference=None, **options):
    made = ChannelMonitor(QualitySettings(**options), max_bad, reference)
    made.reset(ViewSource("eeg", StreamDescription("k", "n", "EEG", labels, rate_hz), grid or Grid(1.0, 1.0), {}))
    return made


def run(made, signal, grid=None, rate_hz=RATE_HZ, cuts=()):
    """Judges every whole window as soon as it is over; cuts are sample numbers at which pushes end besides."""
    grid = grid or Grid(1.0, 1.0)
    stamps = np.arange(len(signal)) / rate_hz
    cells = np.array([grid.cell_of(stamp) for stamp in stamps.tolist()])
    edges = sorted({0, len(signal), *(np.flatnonzero(np.diff(cells)) + 1).tolist(), *cuts})
    found, index = [], 0

    def judge():
        window = ClosingWindow(index, grid.start_s(index), grid.stop_s(index), grid.cells(index), 0)
        quality = made.judge(window)
        made.keep(quality)
        made.discard(grid.cells(index).start)
        found.append(quality)

    for start, stop in pairwise(edges):
        while grid.cells(index).stop <= cells[start]:
            judge()
            index += 1
        made.push(int(cells[start]), stamps[start:stop], signal[start:stop])
    while grid.stop_s(index) <= len(signal) / rate_hz + 1e-9:
        judge()
        index += 1
    return found


def second(k):
    return slice(round(k * RATE_HZ), round((k + 1) * RATE_HZ))


def tone(hz, seconds=1.0, rate_hz=RATE_HZ):
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_clean_signal_has_no_bad_channel_and_high_scores(dtype):
    for quality in run(monitor(), (eeg() + 40_000).astype(dtype)):
        assert quality.bad == {}
        assert quality.missing == ""
        assert quality.repair is None
        assert quality.scores.shape == (12,)
        assert (quality.scores > 0.7).all()


def spoil(kind, part):
    """One second of one channel, spoilt."""
    rng, samples = np.random.default_rng(3), np.arange(len(part))
    if kind == "flat":
        return np.full_like(part, 7.5)
    if kind == "hum of the amplifier":
        return 0.02 * part
    if kind == "railed":
        return np.clip(8 * part, -200, 200)
    if kind == "nan":
        return np.where(samples == 17, np.nan, part)
    if kind == "inf":
        return np.where(samples == len(part) - 1, np.inf, part)
    if kind == "loose":
        return 30 * part
    if kind == "mains 50":
        return part + 100 * tone(50)
    if kind == "mains 60":
        return part + 100 * tone(60)
    return part + 30 * np.diff(rng.normal(size=len(part) + 1))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("flat", "flat"),
        ("hum of the amplifier", "flat"),
        ("railed", "clipped"),
        ("nan", "not finite"),
        ("inf", "not finite"),
        ("mains 50", "line noise"),
        ("mains 60", "line noise"),
        ("bite", "muscle"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_spoilt_channel_is_bad_at_once_and_named(kind, word, dtype):
    signal = eeg()
    for k in range(2, 6):
        signal[second(k), 4] = spoil(kind, signal[second(k), 4])
    found = run(monitor(), signal.astype(dtype))
    assert [dict(quality.bad) for quality in found] == [{}, {}, *[{"C3": word}] * 4]
    for quality in found[2:]:
        assert quality.scores[4] < 0.5
        assert (np.delete(quality.scores, 4) > 0.5).all()
        np.testing.assert_array_equal(quality.repair.bad, [4])
        assert np.isfinite(quality.repair.weights).all()


def test_what_is_far_beyond_usual_is_bad_at_once():
    signal = eeg()
    for k in range(2, 6):
        signal[second(k), 4] = spoil("loose", signal[second(k), 4])
    for known in (None, learnt(eeg(30.0, seed=1))):
        found = run(monitor(reference=known), signal)
        assert [dict(quality.bad) for quality in found] == [{}, {}, *[{"C3": "amplitude"}] * 4]


def test_values_that_float32_cannot_hold_are_far_beyond_usual():
    signal = eeg(2.0)
    signal[second(1), 4] *= 1e300
    assert [dict(quality.bad) for quality in run(monitor(), signal)] == [{}, {"C3": "amplitude"}]


def test_integers_are_judged_alike():
    signal = np.round(20 * eeg())
    signal[second(3), 4] = 0
    found = run(monitor(), signal.astype(np.int32))
    assert [set(quality.bad) for quality in found] == [set(), set(), set(), {"C3"}, {"C3"}, {"C3"}]


def test_a_blink_is_no_excess():
    signal = eeg()
    blink = 400 * np.hanning(75)[:, None]
    signal[520:595, :2] += blink
    signal[900:975, :2] += blink
    assert all(quality.bad == {} for quality in run(monitor(), signal))


def test_the_share_of_clipped_samples_is_that_which_was_made():
    signal = eeg(1.0)
    signal[:, 1] = np.clip(100 * tone(3), -95, 500)
    inside = signal[:200, 1]
    share = np.mean((np.diff(inside) == 0) & (inside[1:] == inside.min()))
    assert 0.05 < share < 0.15
    for limit, bad in ((share * 0.9, True), (share * 1.1, False)):
        (quality,) = run(monitor(clipped_share=limit), signal)
        assert ("Fp2" in quality.bad) == bad
        assert quality.scores[1] == pytest.approx(1 - 0.5 * share / limit, abs=0.01)


def test_the_share_of_repeats_is_that_which_was_made():
    signal = eeg(1.0)
    signal[60:, 0] = signal[60, 0]
    # Of two blocks of 100: 38 samples of the first equal both that come before, and 98 of the second.
    for limit, bad in ((0.67, True), (0.7, False)):
        (quality,) = run(monitor(flat_share=limit, clipped_share=1.0), signal)
        assert quality.bad == ({"Fp1": "flat"} if bad else {})


@pytest.mark.parametrize("rate_hz", [125.0, 250.0, 500.0, 1000.0])
def test_powers_are_those_of_welch(rate_hz):
    """Blocks of 0.4 s at running cells: the bins of their DFT are the frequencies that are looked at."""
    grid = Grid(2.0, 0.2)
    made = SignalBlocks(3, rate_hz, grid)
    samples = made.block
    frequencies = np.arange(samples // 2 + 1) * rate_hz / samples
    signal = (
        eeg(2.0, 3, rate_hz) + 1e5 + 30 * tone(50.0, 2.0, rate_hz)[:, None] + np.arange(round(2 * rate_hz))[:, None]
    )
    made.push(3, signal)
    measures, _ = made.blocks(range(3, 4))
    whole = signal[: len(signal) // samples * samples].T
    _, density = welch(whole, rate_hz, "hann", samples, 0, detrend="linear")

    def at(hz):
        return density[:, np.abs(frequencies - hz).argmin()]

    assert len(measures) == whole.shape[1] // samples
    found = measures.mean(axis=0)
    exact = samples == 0.4 * rate_hz
    tolerance = 1e-4 if exact else 0.3
    np.testing.assert_allclose(found[LOW], 2.5 * sum(at(hz) for hz in np.arange(2.5, 31, 2.5)), rtol=tolerance)
    np.testing.assert_allclose(found[LINE], 1.5 * rate_hz / samples * at(50), rtol=tolerance)
    np.testing.assert_allclose(found[LINE], 450, rtol=0.2)
    high = np.arange(70, 96, 5) if rate_hz >= 200 else np.arange(35, 43, 2.5)
    np.testing.assert_allclose(found[HIGH], (high[1] - high[0]) * sum(at(hz) for hz in high), rtol=tolerance)


def test_amplitude_is_the_range_of_a_block():
    made = SignalBlocks(3, 1000.0, Grid(1.0, 1.0))
    signal = eeg(1.0, 3, 1000.0) - 3e6
    made.push(0, signal)
    measures, _ = made.blocks(range(1))
    expected = [np.ptp(signal[:400], axis=0), np.ptp(signal[400:800], axis=0)]
    np.testing.assert_allclose(measures[:, SPREAD], expected, rtol=1e-5)
    np.testing.assert_allclose(made.tail(range(1)), np.ptp(signal[800:], axis=0))


def test_a_bad_channel_is_good_again_after_good_windows_in_a_row():
    signal = eeg(12.0)
    signal[second(1), 4] = 0
    signal[second(3), 4] += 15 * tone(50)
    found = run(monitor(good_after=3, max_line=0.25), signal)
    alike = run(monitor(good_after=3, max_line=0.3), signal)
    held = [k for k, quality in enumerate(found) if quality.bad]
    assert held[0] == 1
    # The second blemish is under the limit, or over it, but not far below: counting begins anew.
    assert held == [1, 2, 3, 4, 5]
    assert [k for k, quality in enumerate(alike) if quality.bad] == held
    assert {found[2].bad["C3"], found[5].bad["C3"]} <= {"flat", "line noise"}
    assert (np.array([quality.scores[4] for quality in found])[held] < 0.5).all()
    assert run(monitor(good_after=1), signal)[2].bad == {}


def test_asking_changes_nothing_until_the_window_is_kept():
    signal = eeg()
    signal[second(0), 4] = 0
    made = monitor()
    made.push(0, np.empty(0), signal[second(0)])
    window = ClosingWindow(0, 0.0, 1.0, range(1), 250)
    first, again = made.judge(window), made.judge(window)
    assert first.bad == again.bad == {"C3": "flat"}
    made.push(1, np.empty(0), signal[second(1)])
    later = ClosingWindow(1, 1.0, 2.0, range(1, 2), 250)
    assert made.judge(later).bad == {}
    made.judge(window)
    made.keep(again)
    assert made.judge(later).bad == {"C3": "flat"}


def test_too_many_bad_channels_make_the_view_missing_and_at_most_four_are_named():
    signal = eeg(1.0)
    signal[:, :3] = 0
    (quality,) = run(monitor(), signal)
    assert quality.missing == ""
    assert len(quality.bad) == 3
    signal[:, 3:6] = np.nan
    (quality,) = run(monitor(), signal)
    assert quality.missing == "bad channels 6 of 12: Fp1 flat, Fp2 flat, F3 flat, F4 not finite and 2 more"
    (quality,) = run(monitor(max_bad=0.5), signal)
    assert quality.missing == ""


def learnt(signal, **options):
    made = monitor(**options)
    run(made, signal)
    return made.reference


def test_a_whole_cap_is_bad_only_against_its_calibration():
    reference = learnt(eeg(30.0, seed=1))
    hum, dead = eeg(3.0) + 100 * tone(50, 3.0)[:, None], 0.01 * eeg(3.0)
    for signal, word in ((hum, "line noise"), (dead, "flat")):
        assert all(quality.bad == {} for quality in run(monitor(), signal))
        for quality in run(monitor(reference=reference), signal):
            assert quality.missing.startswith(f"bad channels 12 of 12: Fp1 {word}, ")
    loud = run(monitor(reference=reference), 20 * eeg(3.0))
    assert all(set(quality.bad.values()) == {"amplitude"} for quality in loud)
    assert all(quality.bad == {} for quality in run(monitor(reference=reference), eeg(3.0)))


def test_a_view_of_muscles_alone_is_not_bad():
    signal = 50 * np.random.default_rng(0).normal(size=(15_000, 12)) * np.linspace(1, 3, 12)
    found = run(monitor(good_after=1), signal)
    assert sum(len(quality.bad) for quality in found) < 0.005 * 12 * len(found)
    assert all(quality.missing == "" for quality in found)


def test_a_channel_that_is_unlike_the_others_is_usual_by_its_own_calibration():
    signal = eeg(40.0)
    signal[:, 7] *= 0.03
    assert run(monitor(), signal)[5].bad == {"P4": "flat"}
    one = run(monitor(reference=learnt(signal, enabled=True, min_amplitude=0.001)), signal)
    assert all(quality.bad == {} for quality in one)


def test_references_of_recordings_join_to_that_of_all_their_windows():
    signal = eeg(40.0)
    parts = [learnt(part) for part in (signal[:2500], signal[2500:])]
    whole, joined = learnt(signal), join_references(parts)
    np.testing.assert_array_equal(joined.windows, whole.windows)
    assert (whole.windows == 40).all()
    np.testing.assert_allclose(joined.mean, whole.mean, rtol=1e-9)
    blocks = signal.reshape(40, 5, 50, 12)
    parts = blocks[:, :2], blocks[:, 2:4], blocks[:, 4:]
    ranges = np.max([np.ptp(part, axis=(1, 2)) for part in parts], axis=0)
    np.testing.assert_allclose(whole.mean[0], np.log(ranges).mean(axis=0), rtol=1e-4)
    assert join_references([]) is None
    assert join_references([whole, Reference.of_sums(*np.zeros((2, 3, 2)))]) is None


def test_a_reference_of_other_channels_is_passed_over():
    reference = Reference.of_sums(*np.full((2, 3, 5), 20.0))
    assert all(quality.bad == {} for quality in run(monitor(reference=reference), eeg(2.0)))


def test_bad_windows_teach_nothing():
    signal = eeg(20.0)
    signal[second(4), 2] = 0
    made = monitor()
    run(made, signal)
    assert made.reference.windows[0].tolist() == [20.0, 20.0, 17.0, *[20.0] * 9]


def test_the_median_leaves_nan_out():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 9))
    values[1, :3] = values[2, :4] = np.nan
    values[3, :6] = np.nan
    expected = np.nanmedian(values, axis=1)
    expected[3] = np.nan
    np.testing.assert_allclose(median_of_channels(values)[:, 0], expected)


def same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert mine.bad == theirs.bad
        assert mine.missing == theirs.missing
        np.testing.assert_array_equal(mine.scores, theirs.scores)


GRIDS = [(1.0, 1.0), (1.0, 0.25), (0.5, 0.8), (0.05, 0.05), (1.0, 0.3), (0.3, 0.9)]


def spoilt(rng):
    signal = eeg(4.0, 6, seed=int(rng.integers(1000)))
    for kind in ("flat", "nan", "railed", "mains 50", "loose"):
        channel, first = rng.integers(6), rng.integers(750)
        signal[first : first + 250, channel] = spoil(kind, signal[first : first + 250, channel])
    return signal


@settings(max_examples=40)
@given(st.integers(0, 1000), st.sampled_from(GRIDS), st.lists(st.integers(1, 999), max_size=40), st.booleans())
def test_verdicts_do_not_depend_on_how_samples_were_cut(seed, spans, cuts, single):
    signal = spoilt(np.random.default_rng(seed)).astype(np.float32 if single else np.float64)
    grid, labels = Grid(*spans), CAP[:6]
    same(
        run(monitor(grid, labels=labels), signal, grid),
        run(monitor(grid, labels=labels), signal, grid, cuts=cuts),
    )


@settings(max_examples=40)
@given(st.integers(0, 1000), st.sampled_from(GRIDS), st.integers(1, 3))
def test_verdicts_do_not_depend_on_later_samples(seed, spans, stop_s):
    rng = np.random.default_rng(seed)
    signal = spoilt(rng)
    grid, labels = Grid(*spans), CAP[:6]
    early = run(monitor(grid, labels=labels), signal[: round(stop_s * RATE_HZ)], grid)
    ahead = monitor(grid, labels=labels)
    for i in range(len(signal)):
        ahead.push(grid.cell_of(i / RATE_HZ), np.array([i / RATE_HZ]), signal[i : i + 1])
    late = []
    for index in range(len(early)):
        late.append(ahead.judge(ClosingWindow(index, grid.start_s(index), grid.stop_s(index), grid.cells(index), 0)))
        ahead.keep(late[-1])
    same(early, late)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(GRIDS), st.integers(0, 749), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_what_is_not_finite_is_found_in_just_its_windows(seed, spans, sample, value):
    signal = eeg(3.0, 6, seed=seed)
    signal[sample, 2] = value
    grid = Grid(*spans)
    found = run(monitor(grid, labels=CAP[:6], good_after=1), signal, grid)
    stamp_s = sample / RATE_HZ
    for index, quality in enumerate(found):
        inside = grid.start_s(index) - 1e-7 <= stamp_s < grid.stop_s(index) - 1e-7
        assert (quality.scores[2] == 0) == inside
        assert not inside or quality.bad["F3"] == "not finite"
        assert "not finite" not in {word for name, word in quality.bad.items() if name != "F3"}


def test_a_gap_drops_a_block_and_keeps_verdicts():
    grid, signal = Grid(0.1, 0.1), eeg(4.0)
    made = monitor(grid)
    signal[:400, 4] = 0
    found = run(made, signal[:250], grid)
    assert found[-1].bad == {"C3": "flat"}
    made.begin_segment()
    made.push(20, np.empty(0), signal[500:550])
    window = ClosingWindow(20, 2.0, 2.1, range(20, 21), 25)
    quality = made.judge(window)
    assert quality.bad == {"C3": "flat"}
    assert np.isnan(quality.scores).all()


@pytest.mark.parametrize(("rate_hz", "channels"), [(0.0, 12), (4.0, 12), (60.0, 12), (250.0, 1), (250.0, 2)])
def test_slow_irregular_and_narrow_streams_are_judged_by_what_there_is(rate_hz, channels):
    grid = Grid(30.0, 30.0)
    made = monitor(grid, rate_hz=rate_hz, labels=CAP[:channels])
    signal = eeg(30.0, channels, 60.0)
    made.push(0, np.empty(0), signal)
    window = ClosingWindow(0, 0.0, 30.0, range(1), len(signal))
    assert made.judge(window).bad == {}
    signal[:, 0] = 1.0
    made.push(1, np.empty(0), signal)
    assert made.judge(ClosingWindow(1, 30.0, 60.0, range(1, 2), len(signal))).bad == {"Fp1": "flat"}


def burst(signal, channel, start_s, stop_s, uv, rate_hz=RATE_HZ):
    part = slice(round(start_s * rate_hz), round(stop_s * rate_hz))
    signal[part, channel] += uv * tone(7, 100.0, rate_hz)[: part.stop - part.start]


def test_artefacts_of_calibration_do_not_excuse_those_of_later():
    calibration = eeg(60.0, seed=1)
    for start_s in range(3, 60, 10):
        burst(calibration, 4, start_s, start_s + 1, 400)
    reference = learnt(calibration)
    signal = eeg()
    burst(signal, 4, 2, 6, 3000)
    assert [dict(q.bad) for q in run(monitor(reference=reference), signal)] == [{}, {}, *[{"C3": "amplitude"}] * 4]


@pytest.mark.parametrize("start_s", [4.0, 4.6, 5.0])
def test_a_burst_that_fills_most_of_a_long_window_is_bad_without_calibration(start_s):
    grid, signal = Grid(4.0, 4.0), eeg(8.0)
    burst(signal, 4, start_s, start_s + 3, 1000)
    assert [dict(q.bad) for q in run(monitor(grid), signal, grid)] == [{}, {"C3": "amplitude"}]


def test_a_run_of_blocks_may_begin_before_the_window():
    signal = eeg(4.0)
    burst(signal, 4, 1.0, 2.4, 900)
    assert [dict(quality.bad) for quality in run(monitor(good_after=1), signal)] == [{}, {}, {"C3": "amplitude"}, {}]


@pytest.mark.parametrize("calm", [True, False])
def test_blinks_after_a_calm_calibration_leave_the_view_available(calm):
    labels = ("TP9", "AF7", "AF8", "TP10")
    signal = eeg(60.0, 4, 256.0) / 4
    reference = learnt(eeg(60.0, 4, 256.0, seed=1) / 4, labels=labels, rate_hz=256.0) if calm else None
    for start_s in np.arange(1.35, 58, 3.0):
        start = round(start_s * 256)
        signal[start : start + 77, 1:3] += 250 * np.hanning(77)[:, None]
    found = run(monitor(labels=labels, rate_hz=256.0, reference=reference), signal, rate_hz=256.0)
    assert len(found) == 60
    assert all(quality.missing == "" and quality.bad == {} for quality in found)


def test_what_was_not_measured_has_no_score():
    grid, signal = Grid(0.1, 0.1), eeg(2.0)
    found = run(monitor(grid), signal, grid)
    for quality in found[:3]:
        assert np.isnan(quality.scores).all()
        assert quality.bad == {}
    assert np.isfinite(found[4].scores).all()
    signal[:90, 0] = np.nan
    found = run(monitor(grid, good_after=1), signal, grid)
    assert found[2].scores[0] == found[3].scores[0] == 0
    # Samples of this window are finite, but its only block holds earlier ones that are not.
    assert np.isnan(found[4].scores[0])
    assert np.isfinite(found[4].scores[1:]).all()


def test_a_window_of_too_few_samples_has_no_score():
    made = monitor()
    made.push(0, np.empty(0), eeg(1.0))
    made.push(1, np.empty(0), eeg(1.0)[:90])
    assert np.isnan(made.judge(ClosingWindow(1, 1.0, 2.0, range(1, 2), 90)).scores).all()


@pytest.mark.parametrize("length_s", [0.5, 1.0, 2.0])
def test_a_stream_that_is_slower_than_it_says_is_judged(length_s):
    grid = Grid(length_s, length_s)
    signal = eeg(6.0, rate_hz=480.0)
    signal[:, 3], signal[:, 4] = 5.0, 1e4 * signal[:, 4]
    made = monitor(grid, rate_hz=500.0)
    for quality in run(made, signal, grid, rate_hz=480.0):
        assert quality.bad == {"F4": "flat", "C3": "amplitude"}
        assert np.isfinite(quality.scores).all()


@pytest.mark.parametrize("spans", [(1.0, 1.0), (1.0, 0.25), (1.0, 0.3), (0.5, 0.5)])
def test_a_burst_at_the_very_end_of_a_window_is_found(spans):
    grid = Grid(*spans)
    for index in range(7):
        signal = eeg(7.0)
        stop_s = grid.stop_s(index)
        burst(signal, 4, stop_s - 0.2, stop_s, 30 * 80)
        found = run(monitor(grid), signal, grid)
        assert found[index].bad == {"C3": "amplitude"}
        assert all(quality.bad == {} for quality in found[: max(0, index - 4)])


def test_blocks_fill_four_fifths_of_a_cell():
    assert SignalBlocks(2, 1000.0, Grid(1.0, 1.0)).block == 400
    assert SignalBlocks(2, 500.0, Grid(0.5, 0.5)).block == 200


def test_samples_that_are_held_for_one_more_are_not_flat():
    signal = np.repeat(eeg(3.0)[::2], 2, axis=0)
    for quality in run(monitor(), signal):
        assert quality.bad == {}
        assert (quality.scores > 0.5).all()


@pytest.mark.parametrize(("kind", "word"), [("mains 50", "line noise"), ("bite", "muscle")])
def test_a_narrow_view_is_judged_by_absolute_limits(kind, word):
    signal = eeg(3.0, 3)
    signal[second(1), 1] = spoil(kind, signal[second(1), 1])
    signal[second(2), 0] *= 1000
    made = monitor(labels=CAP[:3], max_bad=1.0, good_after=1)
    assert [dict(quality.bad) for quality in run(made, signal)] == [{}, {"Fp2": word}, {}]


def test_what_is_kept_is_what_is_handed_back():
    signal = eeg(2.0)
    signal[second(0), 4] = 0
    made = monitor()
    made.push(0, np.empty(0), signal[second(0)])
    first = made.judge(ClosingWindow(0, 0.0, 1.0, range(1), 250))
    made.push(1, np.empty(0), signal[second(1)])
    later = made.judge(ClosingWindow(1, 1.0, 2.0, range(1, 2), 250))
    assert later.bad == {}
    made.keep(first)
    assert made.reference.windows[0].tolist() == [1.0] * 4 + [0.0] + [1.0] * 7
    assert made.judge(ClosingWindow(1, 1.0, 2.0, range(1, 2), 250)).bad == {"C3": "flat"}


def held_bytes(made):
    return sum(block.measures.nbytes for block in made._blocks._blocks)


@pytest.mark.parametrize("spans", [(1.0, 600.0), (0.2, 600.0)])
def test_time_between_spaced_windows_costs_no_memory(spans):
    grid, signal = Grid(*spans), eeg(10.0)
    made, found = monitor(grid), []
    for start in range(0, 100_000, 50):
        made.push(grid.cell_of(start / RATE_HZ), np.empty(0), signal[start % 2500 : start % 2500 + 50])
        found.append(held_bytes(made))
    assert found[-1] <= 8 * 12 * 10 * 8


def test_channels_of_one_label_have_scores_of_their_own():
    labels = ("Fp1", "Fp1", "Fp1#2", "Fp1", "C3", "C4")
    signal = eeg(1.0, 6)
    signal[:, 1] = 0
    made = monitor(labels=labels)
    assert len(set(made.quality_names)) == 6
    assert made.quality_names[0] == "Fp1"
    assert made.quality_names[2] == "Fp1#2"
    assert monitor(labels=("Fp1", "Fp1", "F3")).quality_names == ("Fp1", "Fp1#2", "F3")
    (quality,) = run(made, signal)
    assert list(quality.bad) == [made.quality_names[1]]


@pytest.mark.real
@pytest.mark.parametrize("name", ["eegmat/Subject02_1.edf", "eegmat/Subject17_2.edf"])
def test_hardly_a_channel_of_a_clean_recording_is_bad(data_folder, name):
    config = load_configuration("configs/eegmat.toml")
    source = open_recording(data_folder / name)
    windows = list(windows_of(source, bind(config, source), config, lambda item: None))
    source.close()
    flagged = sum(len(window.bad.get("eeg", {})) for window in windows)
    assert flagged < 0.02 * 19 * len(windows)


@pytest.mark.real
@pytest.mark.parametrize("name", ["one", "four"])
def test_muscles_of_a_forearm_stay_available(data_folder, name):
    config = load_configuration("configs/openbci_motion.toml")
    source = open_recording(data_folder / "openbci_motion" / f"three_motion_{name}.xdf")
    windows = list(windows_of(source, bind(config, source), config, lambda item: None))
    source.close()
    assert sum(len(window.bad.get("emg", {})) for window in windows) < 0.01 * 8 * len(windows)
    assert not any("bad" in reason for window in windows for reason in window.reason.values())
