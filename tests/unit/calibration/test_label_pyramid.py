"""The picture of a whole recording: bounded memory, no lost peak, holes that stay holes; and reading in a thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_lab import small_recording

from calibration.editor.loading import Loader
from calibration.editor.pyramid import Envelope, envelopes
from rtemo.errors import RecordingError
from rtemo.types import Chunk, StreamDescription

RATE_HZ = 100.0
ALL = slice(None)


def stream(channels: int = 2, rate_hz: float = RATE_HZ, **more: object) -> StreamDescription:
    labels = tuple(str(number) for number in range(channels))
    return StreamDescription("1", "eeg", "EEG", labels, rate_hz, **more)  # type: ignore[arg-type]


def gathered(values: np.ndarray, *, budget: int = 10**8, start_s: float = 1e5, piece: int = 37) -> Envelope:
    envelope = Envelope(stream(values.shape[1]), budget)
    stamps_s = start_s + np.arange(len(values)) / RATE_HZ
    for first in range(0, len(values), piece):
        envelope.take(Chunk("1", stamps_s[first : first + piece], values[first : first + piece]))
    return envelope


@settings(max_examples=30)
@given(st.integers(1, 5000), st.integers(256 * 24 * 2, 200_000), st.integers(1, 400))
def test_no_peak_is_lost_at_any_resolution(samples: int, budget: int, piece: int) -> None:
    rng = np.random.default_rng(samples)
    values = rng.normal(size=(samples, 2)).astype(np.float32)
    pyramid = gathered(values, budget=budget, piece=piece).finish()
    for columns in (10, 100, 10_000):
        seen = pyramid.between(1e5 - 1, 1e5 + samples / RATE_HZ + 1, columns, ALL)
        np.testing.assert_array_equal(np.nanmin(seen.low, axis=0), values.min(axis=0))
        np.testing.assert_array_equal(np.nanmax(seen.high, axis=0), values.max(axis=0))
        assert np.count_nonzero(np.isfinite(seen.low[:, 0])) <= 2 * columns + 2 or pyramid.bin_s > 1 / RATE_HZ


def test_memory_is_bounded_however_long_the_recording_is() -> None:
    budget = 60_000
    envelope = Envelope(stream(), budget)
    for minute in range(600):
        stamps_s = minute * 60 + np.arange(6000) / RATE_HZ
        envelope.take(Chunk("1", stamps_s, np.zeros((6000, 2), dtype=np.float32)))
    pyramid = envelope.finish()
    assert pyramid.bytes <= 1.1 * budget
    assert pyramid.bin_s == pytest.approx(0.01 * 2**11)


def test_the_memory_of_a_recording_is_shared_by_its_streams() -> None:
    own = StreamDescription("3", "rtemo-prediction", "Prediction", ("p",), 0.0)
    text = StreamDescription("4", "stim", "Markers", ("1",), 0.0, is_text=True)
    assert set(envelopes([stream(), own, text])) == {"1"}


def test_a_peak_of_one_sample_is_where_it_was() -> None:
    values = np.zeros((60_000, 2), dtype=np.float32)
    values[12_345, 1] = 7
    pyramid = gathered(values, budget=50_000).finish()
    seen = pyramid.between(1e5, 1e5 + 600, 300, ALL)
    peak = seen.at_s[np.nanargmax(seen.high[:, 1])]
    assert peak == pytest.approx(1e5 + 123.45, abs=2.0)


def test_a_hole_is_not_bridged() -> None:
    envelope = gathered(np.ones((1000, 2), dtype=np.float32))
    late_s = 1e5 + 20 + np.arange(1000) / RATE_HZ
    envelope.take(Chunk("1", late_s, np.ones((1000, 2)), 1))
    for columns in (20, 2000):
        seen = envelope.finish().between(1e5, 1e5 + 30, columns, ALL)
        inside = (seen.at_s > 1e5 + 11.5) & (seen.at_s < 1e5 + 18.5)
        assert not np.isfinite(seen.low[inside]).any()
        (hole,) = np.flatnonzero(np.isnan(seen.low[:, 0]))
        assert 1e5 + 9.9 < seen.at_s[hole] < 1e5 + 20


def test_slow_streams_have_no_holes_between_their_samples() -> None:
    envelope = Envelope(stream(1, 1.0), 10**6)
    stamps_s = 1000.7 + np.arange(100) + np.random.default_rng(0).normal(0, 0.05, 100)
    envelope.take(Chunk("1", np.sort(stamps_s), np.ones((100, 1))))
    assert np.isfinite(envelope.finish().between(1000, 1100, 500, ALL).low).all()


def test_whatever_a_device_sends_is_drawn_or_counted() -> None:
    envelope = Envelope(stream(), 10**6)
    values = np.array([[1, np.nan], [np.inf, 1e300], [2, 3]])
    envelope.take(Chunk("1", np.array([10.0, 10.01, 10.02]), values))
    envelope.take(Chunk("1", np.array([5.0, 10.03]), np.zeros((2, 2))))
    envelope.take(Chunk("1", np.array([11.0]), np.zeros((1, 7))))
    assert envelope.left_out == 2
    seen = envelope.finish().between(9, 12, 100, ALL)
    assert np.nanmax(seen.high) == 3


def test_nothing_is_drawn_of_nothing() -> None:
    pyramid = Envelope(stream(), 10**6).finish()
    assert len(pyramid) == 0
    assert pyramid.between(0, 1, 100, slice(0, 1)).low.shape == (0, 1)
    assert pyramid.height.tolist() == [1, 1]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_recording(tmp_path_factory.mktemp("pyramid") / "run-1.xdf")


def finished(loader: Loader) -> Loader:
    loader.start()
    while loader.reading:
        threading.Event().wait(0.01)
    return loader


def test_a_recording_is_read_in_the_background_with_progress(recording: Path) -> None:
    loader = finished(Loader(recording, None))
    assert loader.error is None
    assert loader.loaded is not None
    assert loader.of_s is not None
    assert loader.done_s == pytest.approx(loader.of_s, rel=0.05)
    assert {one.stream.type for one in loader.loaded.pyramids.values()} == {"EEG", "Gaze"}
    assert loader.loaded.left_out == 0


def test_reading_stops_when_it_is_told_to(recording: Path) -> None:
    loader = Loader(recording, None)
    loader.close()
    finished(loader)
    assert loader.loaded is None
    assert loader.error is None


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.xdf"
    path.write_bytes(b"XDF:")
    loader = finished(Loader(path, None))
    assert isinstance(loader.error, RecordingError)
