"""The clock map puts a headset whose clock is 4,796 s off onto the time of the EEG: eye movements say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from rtemo.sources import open_recording
from rtemo.types import Chunk

pytestmark = pytest.mark.real
RATE_HZ = 100.0
MAX_LAG_S = 2.0


@pytest.fixture(scope="module")
def signals(data_folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Stamps and values of every channel of interest, on the recorder's clock."""
    source = open_recording(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf")
    chunks: dict[str, list[Chunk]] = {}
    for item in source:
        if isinstance(item, Chunk):
            chunks.setdefault(item.stream, []).append(item)
    found = {}
    for stream in source.streams:
        if stream.key in chunks:
            stamps = np.concatenate([chunk.stamps_s for chunk in chunks[stream.key]])
            values = np.concatenate([chunk.values for chunk in chunks[stream.key]])
            for label, column in zip(stream.channel_labels, values.T, strict=True):
                found[label] = (stamps, column.astype(np.float64))
    source.close()
    return found


def peak_lag_s(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Lag of the largest absolute cross-correlation of two signals, each on its own stamps, on a common grid."""
    start = max(one[0][0], other[0][0])
    stop = min(one[0][-1], other[0][-1])
    at = np.arange(start, stop, 1 / RATE_HZ)
    sos = butter(2, (0.5, 8.0), btype="bandpass", fs=RATE_HZ, output="sos")
    a, b = (sosfiltfilt(sos, np.interp(at, *signal)) for signal in (one, other))
    correlation = np.correlate(a - a.mean(), b - b.mean(), mode="full")
    lags = np.arange(1 - len(at), len(at)) / RATE_HZ
    near = np.abs(lags) <= MAX_LAG_S
    return float(lags[near][np.abs(correlation[near]).argmax()])


def test_blinks_in_the_eeg_fall_on_the_eye_trackers_blink_flags(signals: dict) -> None:
    stamps, fp1 = signals["Fp1"]
    frontal = (stamps, fp1 + signals["Fp2"][1])
    flags = [label for label in signals if "blink" in label.lower()]
    assert flags
    for flag in flags:
        assert abs(peak_lag_s(frontal, signals[flag])) <= 0.150


def test_horizontal_eye_movements_agree_between_eeg_and_gaze(signals: dict) -> None:
    stamps, f8 = signals["F8"]
    horizontal = (stamps, f8 - signals["F7"][1])
    gaze = next(label for label in signals if "GazeRayDirectionX" in label.replace(".", "").replace("_", ""))
    assert abs(peak_lag_s(horizontal, signals[gaze])) <= 0.150
