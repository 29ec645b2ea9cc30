"""What waits for a recording is written in order, in small chunks, and is kept while the disk refuses it."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import content, counted, header

from rtemo.clock import VirtualClock
from rtemo.outputs.backlog import Backlog
from rtemo.outputs.batches import Entry, Header, Numbers, Offset, Rows, merged
from rtemo.xdf import XdfWriter
from rtemo.xdf.markup import recordable_header


class Disk:
    """An XDF writer whose disk can be full."""

    def __init__(self, path: Path) -> None:
        self.writer = XdfWriter(path)
        self.full: int | None = None
        self._write = self.writer._file.write
        self.writer._file.write = self.write  # type: ignore[method-assign]

    def write(self, piece: bytes) -> None:
        if self.full is not None:
            raise OSError(self.full, "refused")
        self._write(piece)


class Bench:
    """A backlog, its clock, its disk, and the alarms that it gave."""

    def __init__(self, path: Path) -> None:
        self.clock = VirtualClock(100.0)
        self.disk = Disk(path)
        self.alarms: list[tuple[str, Mapping[str, object]]] = []
        self.backlog = Backlog(self.disk.writer, self.clock, lambda kind, details: self.alarms.append((kind, details)))

    def add(self, stream_id: int, xml: bytes) -> None:
        self.backlog.put(Header(self.clock.now_s(), *recordable_header(stream_id, xml)))

    def put(self, stream_id: int, start: int, stop: int) -> None:
        self.backlog.put(Numbers(self.clock.now_s(), stream_id, *counted(start, stop)))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.alarms]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "a.xdf")
    yield bench
    bench.disk.full = None
    bench.disk.writer.close()


def test_samples_between_two_clock_offsets_become_one_chunk() -> None:
    entries: list[Entry] = []
    for k in range(4):
        entries += [Numbers(0, 1, *counted(5 * k, 5 * k + 5)), Numbers(0, 2, *counted(5 * k, 5 * k + 5))]
        if k == 1:
            entries.append(Offset(0, 1, 0.1, 0.5))
    got = [
        (type(entry).__name__, entry.stream_id, len(getattr(entry, "stamps_s", ())))
        for entry in merged(entries, {1: 25, 2: 25})
    ]
    assert got == [("Numbers", 1, 10), ("Offset", 1, 0), ("Numbers", 2, 20), ("Numbers", 1, 10)]


def test_a_chunk_never_holds_more_than_a_quarter_of_a_second() -> None:
    entries = [Numbers(0, 1, *counted(0, 130)), *(Numbers(0, 1, *counted(k, k + 10)) for k in range(130, 200, 10))]
    chunks = list(merged(entries, {1: 25}))
    assert all(len(chunk.stamps_s) <= 25 for chunk in chunks)
    np.testing.assert_array_equal(np.concatenate([chunk.values[:, 0] for chunk in chunks]), np.arange(200))


def test_irregular_samples_far_apart_are_not_joined() -> None:
    entries = [Numbers(0, 1, *counted(k, k + 1)) for k in (0, 10, 20, 100, 110)]
    assert [len(chunk.stamps_s) for chunk in merged(entries, {1: 1024})] == [3, 2]


def test_texts_are_joined_up_to_a_size_that_readers_take() -> None:
    entries = [Rows(0, 1, np.array([1.0]), [("x" * 600_000,)]) for _ in range(3)]
    assert [len(chunk.stamps_s) for chunk in merged(entries, {1: 1024})] == [1, 1, 1]


def test_a_stamp_that_is_no_number_is_written_as_it_came(bench: Bench, tmp_path: Path) -> None:
    bench.add(1, header())
    stamps, values = counted(0, 4)
    stamps[2] = np.nan
    bench.backlog.put(Numbers(0, 1, stamps, values))
    assert bench.backlog.write()
    bench.disk.writer.close()
    np.testing.assert_array_equal([stamp for stamp, _ in content(tmp_path / "a.xdf")[1]], stamps)


def test_a_boundary_is_written_every_ten_seconds(bench: Bench, tmp_path: Path) -> None:
    for _ in range(41):
        bench.backlog.write()
        bench.clock.advance(1.0)
    bench.disk.writer.close()
    assert (tmp_path / "a.xdf").read_bytes().count(bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")) == 5


def test_a_full_disk_is_one_alarm_then_reminders_and_nothing_is_lost(bench: Bench, tmp_path: Path) -> None:
    bench.add(1, header())
    bench.put(1, 0, 50)
    assert bench.backlog.write()
    bench.disk.full = errno.ENOSPC
    for second in range(50):
        bench.put(1, 50 + 100 * second, 150 + 100 * second)
        assert not bench.backlog.write()
        bench.clock.advance(1.0)
        assert bench.backlog.refused
    assert bench.kinds() == ["disk-full"] * 4
    ages = [details["backlog_s"] for _, details in bench.alarms]
    assert ages == [0, 10, 20, 40]
    sizes = [details["backlog_bytes"] for _, details in bench.alarms]
    assert sizes == sorted(sizes)
    assert bench.backlog.age_s == 50
    bench.disk.full = None
    assert bench.backlog.write()
    assert bench.kinds()[4:] == ["recorder-recovered"]
    assert bench.alarms[-1][1] == {"outage_s": 50.0}
    assert bench.backlog.age_s == 0
    bench.disk.writer.close()
    assert [row[0] for _, row in content(tmp_path / "a.xdf")[1]] == list(range(5050))


def test_a_second_episode_is_a_second_alarm(bench: Bench) -> None:
    bench.add(1, header())
    for start in (0, 10):
        bench.disk.full = errno.EIO
        bench.put(1, start, start + 10)
        bench.backlog.write()
        bench.disk.full = None
        bench.backlog.write()
    assert bench.kinds() == ["recorder-error", "recorder-recovered"] * 2


def test_what_cannot_be_written_does_not_hold_up_the_rest(bench: Bench, tmp_path: Path) -> None:
    bench.add(1, header())
    bench.backlog.put(Numbers(0, 1, np.zeros(3), np.zeros((3, 7), np.float32)))
    bench.backlog.put(Offset(0, 1, 1.0, 0.5))
    with pytest.raises(ValueError, match="2 channels"):
        bench.backlog.write()
    bench.put(1, 0, 10)
    assert bench.backlog.write()
    bench.disk.writer.close()
    assert len(content(tmp_path / "a.xdf")[1]) == 11


def test_giving_up_says_how_much_is_lost(bench: Bench) -> None:
    bench.add(1, header())
    bench.disk.full = errno.ENOSPC
    bench.put(1, 0, 130)
    bench.backlog.write()
    bench.backlog.give_up()
    kind, details = bench.alarms[-1]
    assert (kind, details["samples"], details["streams"]) == ("recorder-lost", 130, 1)
    assert bench.backlog.write() is False or bench.backlog.age_s == 0


STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["samples", "offset", "write", "full"]), st.integers(1, 60)),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_any_order_of_samples_and_offsets_reads_back_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    path = tmp_path_factory.mktemp("xdf") / "a.xdf"
    bench = Bench(path)
    formats = ["float32", "string", "int16"]
    for number, channel_format in enumerate(formats, 1):
        bench.add(number, header(channels=1, channel_format=channel_format, rate_hz=[100, 0, 7][number - 1]))
    expected: dict[int, list[tuple[float, object]]] = {}
    sample = 0
    for number, step, count in steps:
        if step == "write":
            bench.backlog.write()
        elif step == "full":
            bench.disk.full = None if bench.disk.full else errno.ENOSPC
        elif step == "offset":
            sample += 1
            bench.backlog.put(Offset(0, number, float(sample), 0.5))
            expected.setdefault(number, []).append((float(sample), 0.5))
        else:
            stamps = np.arange(sample, sample + count) / 100
            rows: list[tuple[object, ...]] = [(sample + k,) for k in range(count)]
            if formats[number - 1] == "string":
                rows = [(str(sample + k),) for k in range(count)]
                bench.backlog.put(Rows(0, number, stamps, rows))  # type: ignore[arg-type]
            else:
                bench.backlog.put(Numbers(0, number, stamps, np.array(rows, dtype=formats[number - 1])))
            expected.setdefault(number, []).extend(zip(stamps.tolist(), rows, strict=True))
            sample += count
    bench.disk.full = None
    assert bench.backlog.write()
    bench.disk.writer.close()
    assert content(path) == expected
