"""What the writer writes, our reader and pyxdf read alike."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st

from rtemo.xdf import ClockOffset, Samples, Texts, XdfReader, XdfWriter
from rtemo.xdf.chunks import packed_length, read_length

FORMATS = {
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "double64": np.float64,
}


def read_all(path: Path) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray | list], XdfReader]:
    stamps: dict[int, list] = {}
    values: dict[int, list] = {}
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, Samples):
                stamps.setdefault(item.stream_id, []).append(item.stamps_s)
                values.setdefault(item.stream_id, []).append(item.values)
            elif isinstance(item, Texts):
                stamps.setdefault(item.stream_id, []).append(item.stamps_s)
                values.setdefault(item.stream_id, []).extend(item.texts)
    joined = {key: v if isinstance(v[0], tuple) else np.concatenate(v) for key, v in values.items()}
    return {key: np.concatenate(s) for key, s in stamps.items()}, joined, reader


@pytest.mark.parametrize("channel_format", FORMATS)
@pytest.mark.parametrize("layout", ["stamped", "deduced", "first", "mixed"])
def test_numbers_of_every_format_and_layout_come_back(tmp_path: Path, channel_format: str, layout: str) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "a.xdf"
    kind = FORMATS[channel_format]
    values = (rng.normal(0, 40, (60, 3))).astype(kind)
    stamps = 10 + np.arange(60) / 10
    if layout == "deduced":
        stamps[10:] = np.nan
    elif layout == "first":
        stamps[np.arange(60) % 20 > 0] = np.nan
    elif layout == "mixed":
        stamps[rng.random(60) < 0.5] = np.nan
        stamps[0] = 10
    with XdfWriter(path) as writer:
        stream = writer.add_stream("n", "EEG", 3, 10, channel_format)
        for start in range(0, 60, 20 if layout == "first" else 10):
            stop = start + (20 if layout == "first" else 10)
            writer.write_samples(stream, stamps[start:stop], values[start:stop])
    got_stamps, got_values, reader = read_all(path)
    theirs = pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=False)[0][0]
    assert got_values[stream].dtype == kind
    np.testing.assert_array_equal(got_values[stream], values)
    np.testing.assert_array_equal(got_stamps[stream], theirs["time_stamps"])
    np.testing.assert_allclose(got_stamps[stream], 10 + np.arange(60) / 10, atol=1e-9)
    assert reader.problems == []
    assert reader.footers[stream].sample_count == 60


def test_strings_of_several_channels_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    rows = [("a", "ä" * 300), ("", "b\n"), ("x" * 70_000, "{}")]
    with XdfWriter(path) as writer:
        stream = writer.add_stream("m", "Markers", 2, 0, "string")
        writer.write_samples(stream, [1.0, 2.0, np.nan], rows)
    stamps, texts, _ = read_all(path)
    assert texts[stream] == rows
    np.testing.assert_array_equal(stamps[stream], [1, 2, 2])


def test_labels_units_and_identity_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.add_stream("n & m", "EEG", ["Fp1", "F<z>"], 250, units=["uV", "mV"], source_id="s", hostname="h")
    with XdfReader(path) as reader:
        header = reader.streams[1]
    assert (header.name, header.labels, header.units) == ("n & m", ("Fp1", "F<z>"), ("uV", "mV"))
    assert (header.source_id, header.hostname, header.nominal_rate_hz) == ("s", "h", 250)


def test_samples_and_offsets_come_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        one = writer.add_stream("a", "A", 1, 10)
        two = writer.add_stream("b", "B", 1, 10)
        for k in range(6):
            writer.write_samples(one, [k], [[k]])
            writer.write_samples(two if k % 2 else one, [k + 0.1], [[k]])
            writer.write_clock_offset(one, k, 0.5)
    order = []
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, ClockOffset):
                order.append(("offset", item.time_s))
            else:
                order += [(item.stream_id, stamp) for stamp in item.stamps_s]
    wanted = [entry for k in range(6) for entry in ((one, k), (two if k % 2 else one, k + 0.1), ("offset", k))]
    assert order == wanted


def test_memory_that_is_used_again_never_changes_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        stream = writer.add_stream("a", "A", 50, 1000)
        for k in range(40):
            writer.write_samples(stream, np.full(500, float(k)), np.full((500, 50), k, np.float32))
            writer.write_clock_offset(stream, k, 0)
    with XdfReader(path) as reader:
        slices = [item.values[3:5, 7] for item in reader.items() if isinstance(item, Samples)]
        for k, kept in enumerate(slices):
            np.testing.assert_array_equal(kept, k)


def test_a_chunk_larger_than_the_buffer_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    values = np.arange(600_000, dtype=np.int32).reshape(-1, 2)
    half = values[:200_000]
    bare = np.where(np.arange(len(half)) % 2 > 0, np.nan, 1 + np.arange(len(half)) / 10)
    with XdfWriter(path) as writer:
        stream = writer.add_stream("a", "A", 2, 10, "int32")
        writer.write_samples(stream, np.arange(len(values), dtype=float), values)
        writer.write_samples(stream, bare, half)
    stamps, got, reader = read_all(path)
    np.testing.assert_array_equal(got[stream], np.concatenate((values, half)))
    np.testing.assert_array_equal(stamps[stream][: len(values)], np.arange(len(values)))
    np.testing.assert_allclose(stamps[stream][len(values) :], 1 + np.arange(len(half)) / 10)
    assert reader.problems == []


@given(st.integers(0, 2**64 - 1))
def test_lengths_come_back(value: int) -> None:
    packed = packed_length(value)
    assert read_length(packed, 0) == (value, len(packed))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_layout_of_stamps_is_read_as_pyxdf_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("xdf") / "a.xdf"
    chunks = data.draw(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=8))
    with XdfWriter(path) as writer:
        stream = writer.add_stream("n", "X", 1, 4, "int16")
        at = 5.0
        for chunk in chunks:
            stamps = np.array([at + k if stamped else np.nan for k, stamped in enumerate(chunk)])
            at += len(chunk)
            writer.write_samples(stream, stamps, np.arange(len(chunk))[:, None])
    theirs = pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=False)[0][0]
    stamps, values, _ = read_all(path)
    np.testing.assert_array_equal(stamps[stream], theirs["time_stamps"])
    np.testing.assert_array_equal(values[stream], theirs["time_series"])


def test_the_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        stream = writer.add_stream("n", "X", 2)
        with pytest.raises(ValueError, match="2 channels"):
            writer.write_samples(stream, [1.0], [[1.0]])
        with pytest.raises(ValueError, match="stamps"):
            writer.write_samples(stream, [1.0, 2.0], [[1.0, 2.0]])
        with pytest.raises(ValueError, match="none of XDF's"):
            writer.add_stream("n", "X", 2, 0, "float16")
    with pytest.raises(FileExistsError):
        XdfWriter(tmp_path / "a.xdf")


def test_counts_are_written_with_four_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        writer.write_samples(writer.add_stream("n", "X", 1), [1.0], [[1.0]])
    assert struct.pack("<HIBI", 3, 1, 4, 1) in path.read_bytes()
