"""XDF files as a source: units, labels, clocks, markers, and the refusal of what cannot be synchronised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtemo.errors import RecordingError
from rtemo.sources.units import microvolts_per
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk, Marker
from rtemo.xdf import XdfWriter

Opener = Callable[..., XdfSource]


def chunks_of(source: XdfSource, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chunks = [item for item in source if isinstance(item, Chunk) and item.stream == key]
    return (
        np.concatenate([c.stamps_s for c in chunks]),
        np.concatenate([c.values for c in chunks]),
        np.concatenate([np.full(len(c.stamps_s), c.segment) for c in chunks]),
    )


def two_streams(
    path: Path, *, hosts: tuple[str, str], offsets: tuple[float | None, float | None], bases: tuple[float, float]
) -> Path:
    with XdfWriter(path) as writer:
        for host, offset, base in zip(hosts, offsets, bases, strict=True):
            key = writer.add_stream("s", "X", 1, 10, hostname=host)
            if offset is not None:
                writer.write_clock_offset(key, base, offset)
            writer.write_samples(key, base + np.arange(50) / 10, np.zeros((50, 1)))
    return path


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *[("uV", 1), ("µV", 1), ("μV", 1), ("microvolts", 1), ("mV", 1e3), ("millivolt", 1e3), ("V", 1e6)],
        *[("volts", 1e6), ("nV", 1e-3), ("nanovolts", 1e-3), ("", None), ("normalized", None), ("kV", None)],
    ],
)
def test_units_are_understood_as_headers_spell_them(unit: str, factor: float | None) -> None:
    assert microvolts_per(unit) == factor


@pytest.mark.parametrize(
    ("kind", "unit", "factor", "named"),
    [
        ("EEG", "mV", 1e3, "uV"),
        ("eeg", "V", 1e6, "uV"),
        ("EEG", "", 1, "uV"),
        ("EEG", "odd", 1, "odd"),
        ("ECG", "nV", 1e-3, "uV"),
        ("Gaze", "mV", 1, "mV"),
    ],
)
def test_potentials_become_microvolts_and_nothing_else_does(
    opened: Opener, tmp_path: Path, kind: str, unit: str, factor: float, named: str
) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        key = writer.add_stream("s", kind, ["a", "b"], 10, units=unit)
        writer.write_samples(key, np.arange(5.0) / 10 + 3, np.arange(10).reshape(5, 2))
    source = opened(path)
    _, values, _ = chunks_of(source, "1")
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, factor * np.arange(10).reshape(5, 2), rtol=1e-6)
    assert source.streams[0].channel_units == ((named or "uV",) * 2 if kind == "EEG" and not unit else (named,) * 2)


def test_integers_in_millivolts_become_floating(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        key = writer.add_stream("s", "EEG", ["a"], 10, "int32", units="nV")
        writer.write_samples(key, [3.0], [[2_000_000_001]])
    values = chunks_of(opened(path), "1")[1]
    assert values[0, 0] == pytest.approx(2_000_000.001, rel=1e-12)


def test_labels_are_made_unique_and_made_up(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.add_stream("s", "EEG", ["Cz", "Cz", "", "Cz-2"], 10)
        writer.add_stream("s", "EEG", 3, 10)
    source = opened(path)
    assert source.streams[0].channel_labels == ("Cz", "Cz-2", "3", "Cz-2-2")
    assert source.streams[1].channel_labels == ("1", "2", "3")
    assert [stream.key for stream in source.streams] == ["1", "2"]
    assert any("two channels" in warning for warning in source.warnings)


def test_values_are_contiguous_and_stamps_are_on_the_recorders_clock(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    values = np.arange(400, dtype=np.float32).reshape(100, 4)
    with XdfWriter(path) as writer:
        key = writer.add_stream("s", "EEG", 4, 100)
        writer.write_samples(key, 50 + np.arange(100) / 100, values)
        writer.write_clock_offset(key, 51.0, 1000.0)
    for item in opened(path):
        assert isinstance(item, Chunk)
        assert item.values.flags.c_contiguous
        np.testing.assert_array_equal(item.values, values)
        np.testing.assert_allclose(item.stamps_s, 1050 + np.arange(100) / 100, atol=1e-6)


def test_a_source_can_be_read_twice(opened: Opener, tmp_path: Path) -> None:
    source = opened(two_streams(tmp_path / "a.xdf", hosts=("a", "b"), offsets=(0, 5), bases=(10, 5)))
    first, second = chunks_of(source, "2"), chunks_of(source, "2")
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_markers_come_among_the_chunks_with_channels_joined(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        eeg = writer.add_stream("s", "EEG", 1, 10)
        marks = writer.add_stream("m", "Markers", 2, 0, "string")
        writer.write_clock_offset(eeg, 1, 0)
        writer.write_clock_offset(marks, 1, 2)
        for k in range(3):
            writer.write_samples(eeg, k + 1 + np.arange(10) / 10, np.zeros((10, 1)))
            writer.write_samples(marks, [k + 0.5], [("x", str(k))])
    items = list(opened(path))
    assert [type(item).__name__ for item in items] == ["Chunk", "Marker"] * 3
    markers = [item for item in items if isinstance(item, Marker)]
    assert [(m.stamp_s, m.text) for m in markers] == [(k + 2.5, f"x\t{k}") for k in range(3)]


@pytest.mark.parametrize("unsynchronised", [False, True])
def test_several_hosts_without_offsets_are_refused_unless_asked_for(
    opened: Opener, tmp_path: Path, unsynchronised: bool
) -> None:
    path = two_streams(tmp_path / "a.xdf", hosts=("one", "two"), offsets=(None, None), bases=(10, 5000))
    if unsynchronised:
        source = opened(path, unsynchronised=True)
        np.testing.assert_allclose(chunks_of(source, "2")[0], 5000 + np.arange(50) / 10)
        assert any("not synchronised" in warning for warning in source.warnings)
        return
    with pytest.raises(RecordingError) as caught:
        XdfSource(path)
    message = str(caught.value)
    for part in (str(path), "1 's'", "2 's'", "expected clock measurements", "2 hosts (one, two)", "--unsynchronised"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("hosts", "offsets", "bases"),
    [
        (("one", "one"), (None, None), (10, 5000)),
        (("", ""), (None, None), (10, 11)),
        (("", ""), (-0.1, None), (10, 11)),
        (("one", "one"), (0.0, None), (10, 11)),
    ],
)
def test_what_can_be_of_one_clock_is_read_with_a_warning(
    opened: Opener,
    tmp_path: Path,
    hosts: tuple[str, str],
    offsets: tuple[float | None, float | None],
    bases: tuple[float, float],
) -> None:
    source = opened(two_streams(tmp_path / "a.xdf", hosts=hosts, offsets=offsets, bases=bases))
    assert any("no clock measurements" in warning for warning in source.warnings)


@pytest.mark.parametrize(
    ("hosts", "offsets", "bases"),
    [
        (("one", "two"), (0.0, None), (10, 11)),
        (("", ""), (None, None), (10, 5000)),
        (("one", "one"), (4000.0, None), (10, 11)),
    ],
)
def test_what_is_of_two_clocks_is_refused(
    tmp_path: Path, hosts: tuple[str, str], offsets: tuple[float | None, float | None], bases: tuple[float, float]
) -> None:
    with pytest.raises(RecordingError, match="cannot be put on one clock"):
        XdfSource(two_streams(tmp_path / "a.xdf", hosts=hosts, offsets=offsets, bases=bases))


def test_one_stream_without_offsets_is_fine(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        key = writer.add_stream("s", "X", 1, 10, hostname="h")
        writer.add_stream("empty", "X", 1, 10, hostname="other")
        writer.write_samples(key, [1.0, 1.1], [[1], [2]])
    source = opened(path)
    np.testing.assert_allclose(chunks_of(source, "1")[0], [1.0, 1.1])
    assert source.warnings == ["stream 1 's' has no clock measurements: its stamps are taken as they are"]


def test_what_is_no_recording_is_one_line_with_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"PNG")
    with pytest.raises(RecordingError, match="cannot be read as XDF") as caught:
        XdfSource(path)
    assert caught.value.cure
    with pytest.raises(RecordingError, match="cannot be read"):
        XdfSource(tmp_path / "none.xdf")


def test_memory_does_not_grow_with_the_file(opened: Opener, tmp_path: Path) -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    path = tmp_path / "a.xdf"
    peaks = []
    for seconds in (20, 200):
        path.unlink(missing_ok=True)
        with XdfWriter(path) as writer:
            key = writer.add_stream("s", "EEG", 32, 1000)
            for k in range(seconds):
                writer.write_samples(key, 100 + k + np.arange(1000) / 1000, np.zeros((1000, 32), np.float32))
                writer.write_clock_offset(key, 100 + k, 0.0)
        tracemalloc.start()
        assert sum(len(item.stamps_s) for item in opened(path) if isinstance(item, Chunk)) == seconds * 1000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000
    assert peaks[1] < 10_000_000
