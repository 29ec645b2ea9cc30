"""Damaged, lying and hostile files: a right result, a noted problem or a clear error, in bounded memory."""

from __future__ import annotations

import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtemo.xdf import Samples, Texts, XdfError, XdfReader, XdfWriter
from rtemo.xdf.chunks import packed_chunk, parse_stream_header

HEADER = (
    b"<info><name>n</name><type>t</type><channel_count>2</channel_count>"
    b"<nominal_srate>10</nominal_srate><channel_format>%s</channel_format></info>"
)


def stream_header(stream_id: int = 1, channel_format: bytes = b"int16") -> bytes:
    return packed_chunk(2, struct.pack("<I", stream_id) + HEADER % channel_format)


def sample(stamp: float, *values: int) -> bytes:
    return b"\x08" + struct.pack("<d", stamp) + struct.pack(f"<{len(values)}h", *values)


def samples_chunk(stream_id: int, count: int, body: bytes) -> bytes:
    return packed_chunk(3, struct.pack("<IBI", stream_id, 4, count) + body)


BOUNDARY = packed_chunk(5, bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4"))


def read(tmp_path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray, list[str]]:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"XDF:" + content)
    with XdfReader(path) as reader:
        items = [item for item in reader.items() if isinstance(item, Samples)]
        problems = [str(problem) for problem in reader.problems]
    if not items:
        return np.empty(0), np.empty((0, 2)), problems
    return np.concatenate([i.stamps_s for i in items]), np.concatenate([i.values for i in items]), problems


def test_reading_goes_on_at_the_boundary_behind_damage(tmp_path: Path) -> None:
    good = samples_chunk(1, 1, sample(1, 1, 2))
    late = samples_chunk(1, 1, sample(9, 3, 4))
    stamps, values, problems = read(tmp_path, stream_header() + good + b"\x00" * 50 + late + BOUNDARY + late)
    np.testing.assert_array_equal(stamps, [1, 9])
    np.testing.assert_array_equal(values, [[1, 2], [3, 4]])
    assert len(problems) == 1
    assert "up to the next boundary were skipped" in problems[0]


def test_a_boundary_across_two_fills_of_the_buffer_is_found(tmp_path: Path) -> None:
    late = samples_chunk(1, 1, sample(9, 3, 4))
    for shift in range(18):
        stamps, _, _ = read(tmp_path, stream_header() + b"\x00" * ((1 << 20) - shift) + BOUNDARY + late)
        np.testing.assert_array_equal(stamps, [9])


def test_a_truncated_chunk_is_lost_and_said_so(tmp_path: Path) -> None:
    body = b"".join(sample(k, k, k) for k in range(4))
    whole = stream_header() + samples_chunk(1, 4, body)
    for cut in range(1, len(samples_chunk(1, 4, body))):
        stamps, _, problems = read(tmp_path, whole + samples_chunk(1, 4, body)[:-cut])
        assert len(stamps) == 4
        assert len(problems) == 1


def test_a_count_that_does_not_fit_costs_the_chunk_only(tmp_path: Path) -> None:
    lie = samples_chunk(1, 2_000_000_000, sample(1, 1, 1))
    short = samples_chunk(1, 3, sample(1, 1, 1) * 2)
    good = samples_chunk(1, 1, sample(7, 5, 6))
    stamps, _, problems = read(tmp_path, stream_header() + lie + short + good)
    np.testing.assert_array_equal(stamps, [7])
    assert len(problems) == 2


@pytest.mark.parametrize(
    "size", [b"\x04\xff\xff\xff\x7f", b"\x08" + b"\xff" * 7 + b"\x7f", b"\x04\x00\x00\x00\x00", b"\x02"]
)
def test_a_lying_chunk_length_costs_no_memory(tmp_path: Path, size: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    good = samples_chunk(1, 1, sample(7, 5, 6))
    stamps, _, problems = read(tmp_path, stream_header() + size + b"\x03\x00" + BOUNDARY + good)
    np.testing.assert_array_equal(stamps, [7])
    assert problems
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_an_unknown_tag_is_skipped(tmp_path: Path) -> None:
    good = samples_chunk(1, 1, sample(7, 5, 6))
    stamps, _, problems = read(tmp_path, stream_header() + packed_chunk(99, b"future") + good)
    np.testing.assert_array_equal(stamps, [7])
    assert problems == [f"byte {4 + len(stream_header())}: a chunk with unknown tag 99 was skipped"]


def test_samples_without_a_header_are_said_once(tmp_path: Path) -> None:
    lost = samples_chunk(5, 1, sample(1, 1, 1))
    good = samples_chunk(1, 1, sample(7, 5, 6))
    stamps, _, problems = read(tmp_path, stream_header() + lost + lost + good)
    np.testing.assert_array_equal(stamps, [7])
    assert [p.split(": ", 1)[1] for p in problems] == ["samples of stream 5, which has no header, were skipped"]


def test_a_header_behind_the_samples_is_found(tmp_path: Path) -> None:
    stamps, _, problems = read(tmp_path, samples_chunk(1, 1, sample(7, 5, 6)) + stream_header())
    np.testing.assert_array_equal(stamps, [7])
    assert problems == []


def test_zeroed_samples_in_a_chunk_of_stamped_ones_are_dropped_alone(tmp_path: Path) -> None:
    body = bytearray(b"".join(sample(k + 1, k, k) for k in range(10)))
    body[13 * 3 : 13 * 6] = bytes(39)
    stamps, values, problems = read(tmp_path, stream_header() + samples_chunk(1, 10, bytes(body)))
    np.testing.assert_array_equal(stamps, [1, 2, 3, 7, 8, 9, 10])
    np.testing.assert_array_equal(values[:, 0], [0, 1, 2, 6, 7, 8, 9])
    assert "3 of 10 samples" in problems[0]


def test_zeroed_samples_in_a_mixed_chunk_end_it(tmp_path: Path) -> None:
    body = bytearray(b"".join(sample(k + 1, 7, 7) + b"\x00" + struct.pack("<2h", 8, 8) for k in range(20)))
    body[18 * 10 : 18 * 12 + 3] = bytes(39)
    stamps, values, problems = read(tmp_path, stream_header() + samples_chunk(1, 40, bytes(body)))
    assert 18 <= len(stamps) <= 20
    assert set(values[:, 0].tolist()) == {7, 8}
    assert "chunk is damaged" in problems[0]


@pytest.mark.parametrize(
    "evil",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><info/>',
        b"<!doctype a><info/>",
        b"<info>",
        b"\xff\xfe<\x00",
        HEADER % b"float16",
        (HEADER % b"int16").replace(b"<channel_count>2", b"<channel_count>1000000000"),
        (HEADER % b"int16").replace(b"<channel_count>2", b"<channel_count>-2"),
        (HEADER % b"int16").replace(b"<channel_count>2", b"<channel_count>two"),
        (HEADER % b"int16").replace(b"10<", b"nan<"),
    ],
)
def test_a_hostile_stream_header_is_refused(tmp_path: Path, evil: bytes) -> None:
    with pytest.raises(XdfError):
        parse_stream_header(1, evil)
    good = stream_header(2) + samples_chunk(2, 1, sample(7, 5, 6))
    stamps, _, problems = read(tmp_path, packed_chunk(2, struct.pack("<I", 1) + evil) + good)
    np.testing.assert_array_equal(stamps, [7])
    assert "stream header was skipped" in problems[0]


def test_strings_that_claim_too_much_end_their_chunk(tmp_path: Path) -> None:
    texts = b"\x08" + struct.pack("<d", 1) + b"\x01\x01a\x01\x01b"
    liar = b"\x08" + struct.pack("<d", 2) + b"\x04\xff\xff\xff\x7fa\x01\x01b"
    path = tmp_path / "a.xdf"
    path.write_bytes(b"XDF:" + stream_header(1, b"string") + samples_chunk(1, 2, texts + liar))
    with XdfReader(path) as reader:
        items = [item for item in reader.items() if isinstance(item, Texts)]
        assert [item.texts for item in items] == [[("a", "b")]]
        assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"", "starts with"), (b"XD", "starts with"), (b"\x1f\x8b\x08\x00", "compressed"), (b"<xml>", "starts")],
)
def test_what_is_no_xdf_is_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(content)
    with pytest.raises(XdfError, match=cause):
        XdfReader(path)


def a_recording(path: Path) -> bytes:
    with XdfWriter(path) as writer:
        one = writer.add_stream("a", "EEG", 2, 10, "int16")
        two = writer.add_stream("b", "Markers", 1, 0, "string")
        for k in range(4):
            writer.write_samples(one, [k + 1.0, np.nan, k + 1.2], np.ones((3, 2)))
            writer.write_samples(two, [k + 1.0], [["hello"]])
            writer.write_clock_offset(one, k, 0.1)
            writer.write_boundary()
    return path.read_bytes()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_ends_in_samples_and_problems(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("xdf")
    content = bytearray(a_recording(folder / "good.xdf"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(content) - 1))
        what = data.draw(st.binary(min_size=1, max_size=12))
        if data.draw(st.booleans()):
            content[at : at + len(what)] = what
        else:
            del content[at : at + len(what)]
    path = folder / "bad.xdf"
    path.write_bytes(content)
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, Samples):
                assert len(item.stamps_s) == len(item.values) > 0
