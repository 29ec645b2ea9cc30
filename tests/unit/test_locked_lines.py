"""Lines that are on the disk whole, whatever interrupts; who uses them tests the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtemo.errors import ConfigurationError, RtemoError
from rtemo.locked_lines import LockedLines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lines"


@pytest.mark.parametrize("step", [2, 3, 4], ids=["before the write", "behind the write", "in the sync"])
def test_an_interruption_comes_when_the_line_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    file = LockedLines(path, "study")
    file.append(b"first")
    steps = iter(range(1, 100))
    stat, sync = os.fstat, os.fsync

    def interrupted_stat(descriptor: int) -> os.stat_result:
        # Asked whether somebody else wrote (1), what is left to write (2), and again (3).
        if next(steps) == step:
            raise KeyboardInterrupt
        return stat(descriptor)

    def interrupted_sync(descriptor: int) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", interrupted_stat)
        patch.setattr(os, "fsync", interrupted_sync)
        with pytest.raises(KeyboardInterrupt):
            file.append(b"second")
        assert next(steps) > step + 1
    assert path.read_bytes() == b"first\nsecond\n"
    file.append(b"third")
    assert file.read() == ([b"first", b"second", b"third"], b"")
    file.close()


def test_what_a_kill_left_is_told_and_can_be_cut(path: Path) -> None:
    path.write_bytes(b"first\nsec")
    file = LockedLines(path, "study")
    assert file.read() == ([b"first"], b"sec")
    file.cut(b"sec")
    file.append(b"second")
    file.close()
    assert file.closed
    assert path.read_bytes() == b"first\nsecond\n"


def test_errors_are_of_the_kind_that_is_asked_for_and_name_what_it_is(path: Path) -> None:
    first = LockedLines(path, "study", ConfigurationError)
    with pytest.raises(ConfigurationError, match="another program has this study open"):
        LockedLines(path, "study", ConfigurationError)
    with path.open("ab") as other:
        other.write(b"mine")
    with pytest.raises(ConfigurationError, match="grew by other hands"):
        first.append(b"x")
    first.close()
    with pytest.raises(RtemoError, match="the disk refuses"):
        LockedLines(path / "below", "study")
