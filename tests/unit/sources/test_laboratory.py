"""The simulated laboratory: the same at every look, plausible, and different between emotions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rtemo.sources.laboratory import DEVICES, Laboratory
from rtemo.sources.schedule import Drift, LaboratorySettings, Schedule
from rtemo.sources.sensors import EEG_LABELS, band_noise

RATES = {"eeg": 1000, "eye": 120, "pps": 256}


def samples(key: str, first_s: float, length_s: float, **settings: object) -> np.ndarray:
    laboratory = Laboratory(LaboratorySettings(**settings))  # type: ignore[arg-type]
    chunk, rate = laboratory.describe(key).chunk, RATES[key]
    device = laboratory.device(key)
    first, count = round(first_s * rate), round(length_s * rate)
    return np.concatenate([device.samples(first + k, chunk) for k in range(0, count, chunk)])


def test_the_devices_are_those_of_the_study() -> None:
    described = {key: Laboratory().describe(key).stream for key in DEVICES}
    assert {key: (s.channels, s.nominal_rate_hz, s.type) for key, s in described.items()} == {
        "eeg": (62, 1000, "EEG"),
        "eye": (5, 120, "Gaze"),
        "pps": (8, 256, "Peripheral"),
        "markers": (1, 0, "Markers"),
    }
    assert len(set(EEG_LABELS)) == 62
    assert {"Fp1", "Cz", "CB2"} <= set(EEG_LABELS)


@pytest.mark.parametrize("key", sorted(RATES))
def test_a_moment_gives_the_same_samples_whatever_came_before(key: str) -> None:
    whole = samples(key, 0.0, 24.0, seed=3)
    later = samples(key, 18.0, 6.0, seed=3)
    assert np.array_equal(whole[-len(later) :], later, equal_nan=True)


@pytest.mark.parametrize("key", sorted(RATES))
def test_seed_session_and_participant_each_make_a_difference(key: str) -> None:
    told = [samples(key, 4.0, 2.0, **{name: 1}) for name in ("seed", "session", "participant")]
    told.append(samples(key, 4.0, 2.0))
    for one, other in itertools.combinations(told, 2):
        assert not np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("key", sorted(RATES))
def test_emotions_may_lie_as_far_apart_as_may_be(key: str) -> None:
    for participant in range(4):
        told = samples(key, 0.0, 24.0, effect=10.0, participant=participant, trial_s=3.0, rest_s=1.0)
        assert not np.isinf(told).any()


def test_labels_come_in_shuffled_rounds() -> None:
    schedule = Schedule(LaboratorySettings(labels=("a", "b", "c")))
    order = [schedule.label_of(k) for k in range(30)]
    assert all(sorted(order[k : k + 3]) == [0, 1, 2] for k in range(0, 30, 3))
    assert len({tuple(order[k : k + 3]) for k in range(0, 30, 3)}) > 1


def test_markers_stand_where_the_label_changes() -> None:
    schedule = Schedule(LaboratorySettings(texts={"neutral": "film 2"}))
    told = [schedule.marker(k) for k in range(12)]
    assert [text for _, text in told[1::2]] == ["rest"] * 6
    assert {text for _, text in told[::2]} == {"clip/negative", "film 2", "clip/positive"}
    for at_s, text in told:
        assert (schedule.label_at(at_s - 1e-6) >= 0) == (text == "rest")
        assert (schedule.label_at(at_s) >= 0) == (text != "rest")
    for number in (0, 1, 5, 8):
        at_s = told[number][0]
        assert schedule.marker_from(at_s) == number
        assert schedule.marker_from(at_s + 1e-6) == number + 1


def test_bands_of_the_eeg_differ_between_emotions_more_than_within_one() -> None:
    settings = LaboratorySettings(labels=("low", "high"), trial_s=20.0, rest_s=2.0, effect=2.0)
    schedule = Schedule(settings)
    device = Laboratory(settings).device("eeg")
    alpha: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for trial in range(6):
        first = round((trial * schedule.period_s + settings.rest_s) * 1000)
        block = np.concatenate([device.samples(first + k, 20) for k in range(0, 20_000, 20)])
        power = np.abs(np.fft.rfft(block, axis=0)) ** 2
        alpha[schedule.label_of(trial)].append(np.log(power[8 * 20 : 14 * 20].sum(axis=0)))
    low, high = np.array(alpha[0]), np.array(alpha[1])
    between = np.abs(low.mean(axis=0) - high.mean(axis=0)).mean()
    within = np.mean([low.std(axis=0).mean(), high.std(axis=0).mean()])
    assert between > 1.5 * within


def test_the_eeg_is_of_the_size_of_an_eeg() -> None:
    eeg = samples("eeg", 0.0, 10.0)
    assert eeg.dtype == np.float32
    assert 5 < np.median(eeg.std(axis=0)) < 50
    # Channels are no copies of each other.
    correlation = np.corrcoef(eeg[::4].T) - np.eye(62)
    assert np.abs(correlation).max() < 0.7


def test_a_closed_eye_sees_nothing() -> None:
    eye = samples("eye", 0.0, 120.0)
    closed = eye[:, 3] == 1
    assert 0.005 < closed.mean() < 0.25
    assert np.isnan(eye[closed, :3]).all()
    assert np.isfinite(eye[~closed]).all()
    assert np.array_equal(eye[:, 4] == 0, closed)
    starts = np.flatnonzero(np.diff(closed.astype(int)) == 1)
    stops = np.flatnonzero(np.diff(closed.astype(int)) == -1)
    lengths = (stops - starts[: len(stops)]) / 120
    assert lengths.min() > 0.05
    assert lengths.max() < 0.4


def test_the_eye_fixates_and_jumps() -> None:
    eye = samples("eye", 0.0, 60.0)
    gaze = eye[np.isfinite(eye[:, 0])][:, :2]
    assert gaze.min() > 0
    assert gaze.max() < 1
    speed = np.hypot(*np.diff(gaze, axis=0).T) * 120
    assert np.median(speed) < 1.0
    assert 0.02 < (speed > 2.0).mean() < 0.3
    assert np.nanmin(eye[:, 2]) >= 1.5
    assert np.nanmax(eye[:, 2]) <= 9


def test_the_heart_beats_about_once_a_second_and_never_skips() -> None:
    ecg = samples("pps", 0.0, 120.0)[:, 0]
    peaks = np.flatnonzero((ecg[1:-1] > 0.7) & (ecg[1:-1] >= ecg[:-2]) & (ecg[1:-1] > ecg[2:]))
    beats = peaks[np.flatnonzero(np.diff(peaks, prepend=-1000) > 64)]
    intervals = np.diff(beats) / 256
    assert intervals.min() > 0.5
    assert intervals.max() < 1.5
    assert intervals.max() < 1.6 * intervals.min()


def test_drift_differs_between_sessions_and_moves_slowly() -> None:
    levels = np.array([[Drift(np.random.default_rng(s), 20, 0.25).at(t) for t in range(120)] for s in range(20)])
    assert 0.15 < levels.mean(axis=1).std() < 0.4
    assert np.abs(np.diff(levels, axis=1)).max() < 0.1


def test_a_band_holds_its_noise_and_nothing_else() -> None:
    noise = band_noise(np.random.default_rng(0), 4096, 256.0, 8.0, 14.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(4096, 1 / 256)
    inside = (frequencies >= 8) & (frequencies < 14)
    assert power[inside].sum() > 0.999 * power.sum()
    assert noise.std() == pytest.approx(1.0, rel=1e-3)
    assert not band_noise(np.random.default_rng(0), 64, 16.0, 30.0, 50.0).any()
