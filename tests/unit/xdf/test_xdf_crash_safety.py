"""A chunk is in the file whole or not at all, whatever the disk does."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtemo.xdf import Samples, XdfReader, XdfWriter
from rtemo.xdf.appending import AppendFile


class Faulty:
    """A raw file that fails after some bytes, having written a part, and may refuse to be cut as well."""

    def __init__(self, file: object, room: int, cut: bool = True) -> None:
        self._file = file
        self.room = room
        self.cut = cut

    def write(self, data: memoryview) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "full")
        part = min(self.room, len(data))
        self.room -= part
        return self._file.write(data[:part])  # type: ignore[attr-defined,no-any-return]

    def truncate(self, size: int) -> int:
        if not self.cut:
            raise OSError(errno.EIO, "broken")
        return self._file.truncate(size)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def make_faulty(file: AppendFile, room: int, cut: bool = True) -> Faulty:
    faulty = Faulty(file._file, room, cut)
    file._file = faulty  # type: ignore[assignment]
    return faulty


def test_a_piece_that_fails_half_way_leaves_no_trace(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "a")
    file.write(b"one.")
    faulty = make_faulty(file, 2)
    for _ in range(3):
        faulty.room = 2
        with pytest.raises(OSError, match="full"):
            file.write(b"two.")
        assert (tmp_path / "a").read_bytes() == b"one."
    faulty.room = 100
    file.write(b"two.")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"one.two."
    assert file.end == 8


def test_a_disk_that_refuses_to_be_cut_is_cut_before_the_next_piece(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "a")
    faulty = make_faulty(file, 2, cut=False)
    with pytest.raises(OSError, match="full"):
        file.write(b"onetwothree")
    with pytest.raises(OSError, match="broken"):
        file.write(b"one.")
    faulty.room, faulty.cut = 100, True
    file.write(b"1")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.parametrize("fails", range(0, 90, 7))
def test_a_writer_can_repeat_whatever_failed(tmp_path: Path, fails: int) -> None:
    writer = XdfWriter(tmp_path / "a.xdf")
    faulty = make_faulty(writer._file, fails)

    def insist(call: Callable[[], object]) -> None:
        try:
            call()
        except OSError:
            faulty.room = 10**9
            call()
            faulty.room = fails

    insist(lambda: writer.add_stream("a", "EEG", 2, 10, "int16", stream_id=1))
    for k in range(5):
        insist(lambda k=k: writer.write_samples(1, [float(k)], [[k, k]]))
        insist(lambda k=k: writer.write_clock_offset(1, k, 0.5))
        insist(writer.write_boundary)
    faulty.room = 10**9
    writer.close()
    with XdfReader(tmp_path / "a.xdf") as reader:
        values = np.concatenate([item.values for item in reader.items() if isinstance(item, Samples)])
        np.testing.assert_array_equal(values[:, 0], np.arange(5))
        assert len(reader.clock_offsets[1]) == 5
        assert reader.footers[1].sample_count == 5
        assert reader.problems == []


def test_a_file_whose_header_does_not_fit_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: AppendFile, piece: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(AppendFile, "write", refuse)
    with pytest.raises(OSError, match="full"):
        XdfWriter(tmp_path / "a.xdf")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_closed_even_where_its_footers_do_not_fit(tmp_path: Path) -> None:
    writer = XdfWriter(tmp_path / "a.xdf")
    writer.add_stream("a", "EEG", 2, 10, "int16")
    make_faulty(writer._file, 5)
    with pytest.raises(OSError, match="full"):
        writer.close()
    assert writer._file.closed
    with XdfReader(tmp_path / "a.xdf") as reader:
        assert reader.problems == []
        assert list(reader.streams) == [1]


def test_labels_of_control_characters_and_half_characters_can_be_read(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        writer.add_stream("n\x01", "\x00", ["a\x1b[31m", "\ud800", "\ufffe", "\U0001f600"])
    with XdfReader(tmp_path / "a.xdf") as reader:
        header = reader.streams[1]
    assert (header.name, header.type) == ("n\ufffd", "\ufffd")
    assert header.labels == ("a\ufffd[31m", "\ufffd", "\ufffd", "\U0001f600")
