"""The recorder's thread: data on disk within a batch, whole files at the end, and errors that are heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from recordings import content, counted, header

from rtemo.clock import MonotonicClock
from rtemo.errors import StreamError
from rtemo.outputs.recording import Recorder
from rtemo.xdf import XdfReader

FORMATS = ("int8", "int16", "int32", "int64", "float32", "float64")


def unheard(kind: str, details: Mapping[str, object]) -> None:
    raise AssertionError(f"{kind}: {details}")


def impatient(event: threading.Event, timeout_s: float) -> bool:
    """Waits, but a hundred times shorter."""
    return event.wait(timeout_s / 100)


def recorder(path: Path, **more: object) -> Recorder:
    return Recorder(path, clock=MonotonicClock(), **{"on_alarm": unheard, "wait": impatient, **more})  # type: ignore[arg-type]


def until(condition: object, seconds: float = 10.0) -> None:
    """Wait for another thread; fails rather than hangs."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_recorded_reads_alike_in_our_reader_and_in_pyxdf(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.xdf"
    rng = np.random.default_rng(3)
    stamps = 5000 + np.arange(500) / 100 + rng.normal(0, 1e-3, 500)
    values = (rng.normal(0, 40, (500, 3))).astype(kind)
    markers = [("a", "ä"), ("", "b\n"), ("\ud800", "\x00")]
    with recorder(path) as writer:
        one = writer.add_stream(header("one", 3, 100, "double64" if kind == "float64" else kind))
        two = writer.add_stream(header("two", 2, 0, "string"))
        for start in range(0, 500, 20):
            writer.samples(one, stamps[start : start + 20].copy(), values[start : start + 20].copy())
            if start % 100 == 0:
                writer.clock_offset(one, 5000 + start / 100, -12.5)
                writer.clock_offset(two, 5000 + start / 100, 0.25)
        writer.texts(two, np.array([5000.0, 5001.0, 5002.0]), markers)
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=False)
    theirs = {stream["info"]["name"][0]: stream for stream in streams}
    np.testing.assert_array_equal(theirs["one"]["time_stamps"], stamps)
    np.testing.assert_array_equal(theirs["one"]["time_series"], values)
    assert theirs["one"]["time_series"].dtype == values.dtype
    assert theirs["two"]["time_series"] == [["a", "ä"], ["", "b\n"], ["?", "\x00"]]
    assert theirs["one"]["clock_values"] == [-12.5] * 5
    assert int(theirs["one"]["footer"]["info"]["sample_count"][0]) == 500
    ours = content(path)
    samples = [entry for entry in ours[one] if not isinstance(entry[1], float)]
    np.testing.assert_array_equal([stamp for stamp, _ in samples], stamps)
    np.testing.assert_array_equal([row for _, row in samples], values)
    assert [row for _, row in ours[two] if not isinstance(row, float)] == [("a", "ä"), ("", "b\n"), ("?", "\x00")]
    with XdfReader(path) as reader:
        footer = reader.footers[one]
        assert (footer.first_stamp_s, footer.last_stamp_s, footer.sample_count) == (stamps[0], stamps[-1], 500)


def test_samples_are_on_disk_without_closing(tmp_path: Path) -> None:
    with recorder(tmp_path / "a.xdf") as writer:
        stream = writer.add_stream(header())
        writer.samples(stream, *counted(0, 100))
        until(lambda: writer.status().samples == 100)
        assert len(content(tmp_path / "a.xdf")[stream]) == 100
        assert writer.bytes_written == (tmp_path / "a.xdf").stat().st_size
        until(lambda: writer.backlog_s == 0)


def test_a_stream_may_come_late_and_continue_another(tmp_path: Path) -> None:
    with recorder(tmp_path / "a.xdf") as writer:
        first = writer.add_stream(header(more="<continues>77</continues>"))
        writer.samples(first, *counted(0, 10))
        until(lambda: writer.status().samples == 10)
        second = writer.add_stream(header(channels=3), continues=first)
        writer.samples(second, *counted(10, 20, channels=3))
    with XdfReader(tmp_path / "a.xdf") as reader:
        assert [stream.continues for stream in reader.streams.values()] == [None, first]
        assert reader.footers[second].sample_count == 10


def test_closing_writes_what_is_left_and_can_be_done_twice(tmp_path: Path) -> None:
    writer = recorder(tmp_path / "a.xdf", wait=lambda event, timeout_s: event.wait())
    stream = writer.add_stream(header())
    writer.samples(stream, *counted(0, 1000))
    status = writer.close()
    assert (status.samples, status.backlog_s, status.failed) == (1000, 0, None)
    assert writer.close() == status
    assert len(content(tmp_path / "a.xdf")[stream]) == 1000


def test_putting_never_waits_for_the_disk(tmp_path: Path) -> None:
    writer = recorder(tmp_path / "a.xdf")
    stuck, release = threading.Event(), threading.Event()
    write = writer._writer._file.write

    def slow(piece: bytes) -> None:
        stuck.set()
        assert release.wait(10)
        write(piece)

    writer._writer._file.write = slow  # type: ignore[method-assign]
    stream = writer.add_stream(header())
    assert stuck.wait(10)
    for k in range(1000):
        writer.samples(stream, *counted(k, k + 1))
    assert writer.status().samples == 0
    release.set()
    assert writer.close().samples == 1000


def test_an_error_that_no_one_foresaw_is_heard_and_the_rest_is_written(tmp_path: Path) -> None:
    heard: list[Exception] = []
    writer = recorder(tmp_path / "a.xdf", on_error=heard.append)
    stream = writer.add_stream(header())
    broken = RuntimeError("a bug")
    write_clock_offset = writer._writer.write_clock_offset

    def once(*arguments: float) -> None:
        writer._writer.write_clock_offset = write_clock_offset  # type: ignore[method-assign]
        raise broken

    writer._writer.write_clock_offset = once  # type: ignore[method-assign]
    writer.clock_offset(stream, 0.0, 0.0)
    until(lambda: heard)
    writer.samples(stream, *counted(0, 10))
    assert writer.close().failed is broken
    assert heard == [broken]
    assert len(content(tmp_path / "a.xdf")[stream]) == 10


def test_what_does_not_fit_the_header_is_refused_where_it_is_handed_over(tmp_path: Path) -> None:
    with recorder(tmp_path / "a.xdf") as writer:
        numeric, text = writer.add_stream(header()), writer.add_stream(header(channels=1, channel_format="string"))
        stamps, values = counted(0, 4)
        with pytest.raises(ValueError, match="float64"):
            writer.samples(numeric, stamps, values.astype(np.float64))
        with pytest.raises(ValueError, match=r"\(4, 2\)"):
            writer.samples(numeric, stamps, values[:, :1])
        with pytest.raises(ValueError, match="string"):
            writer.samples(text, stamps, values)
        with pytest.raises(ValueError, match="rows"):
            writer.texts(text, stamps[:1], [("a", "b")])


@pytest.mark.parametrize(
    "evil",
    [
        b"",
        b"<info>",
        b"<other/>",
        header(channel_format="float16"),
        header(rate_hz=float("nan")),
        header(channels=-1),
        header(channels=10**9),
        b'<!DOCTYPE a [<!ENTITY x "y">]>' + header(),
        header(more="<a>" * 500 + "</a>" * 500),
        header(more="<a>" * 1_000_000 + "</a>" * 1_000_000),
        header(more="<a>" + "x" * 17_000_000 + "</a>"),
        header(more="<a>" + "&gt;" * 3 + ">" * 9_000_000 + "</a>"),
    ],
)
def test_a_hostile_header_is_refused_and_spoils_nothing(tmp_path: Path, evil: bytes) -> None:
    with recorder(tmp_path / "a.xdf") as writer:
        with pytest.raises(StreamError, match="refused"):
            writer.add_stream(evil)
        good = writer.add_stream(header())
        writer.samples(good, *counted(0, 10))
    assert len(pyxdf.load_xdf(str(tmp_path / "a.xdf"))[0]) == 1


@pytest.mark.parametrize(
    "odd",
    [
        header(name="../../etc/passwd"),
        header(name="a\x01\x1b[31m\ufffe"),
        header(name="&#1;&#x1B;&#xD800;&#xFFFF;&#9999999999;"),
        header(name="&lt;b&gt;&amp;"),
        header(name="<x>nested</x>"),
        header(name="n</name><name>again"),
        header(more="<stream_id>5</stream_id><footer/><segments>1</segments>"),
        header(more="<desc><channels>" + "<channel><label>x\x02</label></channel>" * 10_000 + "</channels></desc>"),
        header() + b"\x00\x00",
        b'<?xml version="1.0" encoding="latin-1"?>' + header(name="ä"),
    ],
)
def test_an_odd_header_is_written_so_that_pyxdf_reads_it(tmp_path: Path, odd: bytes) -> None:
    with recorder(tmp_path / "a.xdf") as writer:
        stream = writer.add_stream(odd)
        writer.samples(stream, *counted(0, 10))
    theirs = pyxdf.load_xdf(str(tmp_path / "a.xdf"))[0][0]
    with XdfReader(tmp_path / "a.xdf") as reader:
        assert reader.problems == []
        assert theirs["info"]["name"][0].strip() == reader.streams[stream].name
    assert theirs["time_series"].shape == (10, 2)
