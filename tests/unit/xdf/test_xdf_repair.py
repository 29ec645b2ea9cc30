"""Repair keeps every whole chunk, touches no original, and ends in a file that is fine."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st

from rtemo.xdf import Samples, Texts, XdfError, XdfReader, XdfWriter
from rtemo.xdf.chunks import packed_chunk
from rtemo.xdf.repair import repair


def write(path: Path, *, footers: bool = True, chunks: int = 6) -> bytes:
    writer = XdfWriter(path)
    one = writer.add_stream("a", "EEG", 2, 10, "int16", stream_id=3)
    two = writer.add_stream("b", "Markers", 1, 0, "string", stream_id=8)
    for k in range(chunks):
        writer.write_samples(one, [k + 1.0, np.nan, k + 1.2], np.full((3, 2), k + 1))
        writer.write_samples(one, [k + 1.3, k + 1.4], np.full((2, 2), k + 1))
        writer.write_samples(two, [k + 1.0], [[f"m{k}"]])
        writer.write_clock_offset(one, k, 0.1)
        writer.write_boundary()
    writer.close(footers=footers)
    return path.read_bytes()


def rows(path: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, Samples | Texts):
                values = item.values.tolist() if isinstance(item, Samples) else item.texts
                found += [(item.stream_id, *pair) for pair in zip(item.stamps_s.tolist(), values, strict=True)]
            else:
                found.append((item.stream_id, item.time_s, item.offset_s))
    return found


def test_a_file_that_is_fine_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.xdf")
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert findings.fine
    assert not (tmp_path / "b.xdf").exists()


def untimed(content: bytes) -> bytes:
    """A file without the moment at which it was made."""
    return re.sub(rb"<datetime>[^<]*</datetime>", b"", content)


def test_missing_footers_are_added_with_what_the_file_holds(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xdf", footers=False)
    whole = write(tmp_path / "whole.xdf")
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    mended = (tmp_path / "b.xdf").read_bytes()
    assert [stream.footer for stream in findings.streams] == ["added", "added"]
    assert not findings.lossy
    # But for the hour in the header, what a writer that was not cut off writes.
    assert untimed(mended) == untimed(whole)
    assert mended.startswith(content)
    assert (tmp_path / "a.xdf").read_bytes() == content


@pytest.mark.parametrize("cut", range(1, 120, 3))
def test_a_cut_loses_the_chunk_that_was_cut_and_no_more(tmp_path: Path, cut: int) -> None:
    content = write(tmp_path / "a.xdf", footers=False)
    (tmp_path / "cut.xdf").write_bytes(content[:-cut])
    findings = repair(tmp_path / "cut.xdf", tmp_path / "b.xdf")
    mended = (tmp_path / "b.xdf").read_bytes()
    kept = len(content) - cut - findings.lost_bytes
    assert findings.lost_bytes == findings.cut_bytes
    assert mended[:kept] == content[:kept]
    assert rows(tmp_path / "b.xdf") == rows(tmp_path / "cut.xdf")
    assert repair(tmp_path / "b.xdf", tmp_path / "c.xdf").fine
    assert len(pyxdf.load_xdf(str(tmp_path / "b.xdf"))[0]) == 2


def test_a_damaged_chunk_keeps_the_samples_that_are_whole_and_its_footer_is_mended(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "a.xdf"))
    chunk = packed_chunk(3, struct.pack("<IBI", 3, 4, 2))[3:]
    at = content.index(chunk) + len(chunk)
    content[at : at + 13] = bytes(13)
    (tmp_path / "a.xdf").write_bytes(content)
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert (findings.damaged_chunks, findings.lost_samples) == (1, 1)
    assert [(stream.samples, stream.footer) for stream in findings.streams] == [(29, "mended"), (6, "kept")]
    assert rows(tmp_path / "b.xdf") == rows(tmp_path / "a.xdf")
    with XdfReader(tmp_path / "b.xdf") as reader:
        assert reader.footers[3].sample_count == 29


def test_what_no_reader_can_use_is_left_out(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xdf")
    orphan = packed_chunk(3, struct.pack("<IBI", 99, 4, 1) + b"\x08" + bytes(10))
    adrift = packed_chunk(4, struct.pack("<Idd", 77, 1.0, 1.0))
    wild = packed_chunk(4, struct.pack("<Idd", 3, float("nan"), 1.0))
    again = packed_chunk(2, struct.pack("<I", 3) + b"<info/>")
    (tmp_path / "a.xdf").write_bytes(content + orphan + adrift + wild + again)
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert (tmp_path / "b.xdf").read_bytes() == content
    assert findings.orphans == (77, 99)
    assert findings.lost_bytes == sum(map(len, (orphan, adrift, wild, again)))


def test_a_header_behind_its_samples_is_put_before_them(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xdf")
    with XdfReader(tmp_path / "a.xdf") as reader:
        place = next(place for place in reader.places() if place.tag == 2)
    start, stop = place.start, place.end
    header = content[start:stop]
    (tmp_path / "a.xdf").write_bytes(content[:start] + content[stop:] + header)
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert (findings.late_headers, findings.lossy) == (1, False)
    assert len(pyxdf.load_xdf(str(tmp_path / "b.xdf"))[0][1]["time_stamps"]) == 30
    assert sorted(map(str, rows(tmp_path / "b.xdf"))) == sorted(map(str, rows(tmp_path / "a.xdf")))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<version>1.0</version>", b"<version>1.\xff</version>"),
        (b"<name>a</name>", b"<name></name>"),
        (b"<sample_count>6</sample_count>", b"<sample_count>6</sample_count><x>\xff</x>"),
        (b"<channel_count>2<", b"<channel_count>2.0<"),
        (b"<channel_format>int16<", b"<channel_format> int16<"),
    ],
)
def test_xml_that_only_our_reader_takes_is_written_anew(tmp_path: Path, before: bytes, after: bytes) -> None:
    write(tmp_path / "a.xdf")
    rewritten = b"XDF:"
    with XdfReader(tmp_path / "a.xdf") as reader:
        content = (tmp_path / "a.xdf").read_bytes()
        for place in reader.places():
            rewritten += packed_chunk(place.tag, content[place.body : place.end].replace(before, after, 1))
    (tmp_path / "b.xdf").write_bytes(rewritten)
    findings = repair(tmp_path / "b.xdf", tmp_path / "c.xdf")
    assert (findings.loose_xml, findings.lossy) == (1, False)
    assert rows(tmp_path / "c.xdf") == rows(tmp_path / "a.xdf")
    assert [len(s["time_stamps"]) for s in pyxdf.load_xdf(str(tmp_path / "c.xdf"))[0]] == [30, 6]
    assert repair(tmp_path / "c.xdf", tmp_path / "d.xdf").fine


def test_unknown_chunks_are_kept(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xdf", footers=False)
    (tmp_path / "a.xdf").write_bytes(content + packed_chunk(99, b"future"))
    repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert packed_chunk(99, b"future") in (tmp_path / "b.xdf").read_bytes()


def test_a_file_without_any_stream_is_not_written(tmp_path: Path) -> None:
    XdfWriter(tmp_path / "a.xdf").close()
    (tmp_path / "a.xdf").write_bytes((tmp_path / "a.xdf").read_bytes() + b"\x07")
    findings = repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert (findings.fine, findings.streams) == (False, [])
    assert not (tmp_path / "b.xdf").exists()


def test_nothing_is_replaced_and_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.xdf", footers=False)
    (tmp_path / "b.xdf").write_text("older")
    with pytest.raises(FileExistsError):
        repair(tmp_path / "a.xdf", tmp_path / "b.xdf")
    assert (tmp_path / "b.xdf").read_text() == "older"

    def interrupt(done: int, size: int) -> None:
        if done > 0.8 * size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repair(tmp_path / "a.xdf", tmp_path / "c.xdf", interrupt)
    assert not (tmp_path / "c.xdf").exists()


def test_what_is_no_xdf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xdf").write_bytes(b"no xdf")
    with pytest.raises(XdfError):
        repair(tmp_path / "a.xdf", tmp_path / "b.xdf")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_is_repaired_to_what_our_reader_finds_in_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("xdf")
    content = bytearray(write(folder / "good.xdf"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(content) - 1))
        what = data.draw(st.binary(min_size=1, max_size=12))
        if data.draw(st.booleans()):
            content[at : at + len(what)] = what
        else:
            del content[at : at + len(what)]
    (folder / "bad.xdf").write_bytes(content)
    findings = repair(folder / "bad.xdf", folder / "b.xdf")
    if findings.fine or not findings.streams:
        return
    assert repair(folder / "b.xdf", folder / "again.xdf").fine
    with XdfReader(folder / "bad.xdf") as reader:
        known = set(reader.streams)
    before = [row for row in rows(folder / "bad.xdf") if row[0] in known]
    assert [repr(row) for row in rows(folder / "b.xdf")] == [repr(row) for row in before]
    pyxdf.load_xdf(str(folder / "b.xdf"), synchronize_clocks=False, dejitter_timestamps=False)
