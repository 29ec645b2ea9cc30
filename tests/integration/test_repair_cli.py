"""`rtemo repair` mends a recording that was cut off, says what it did, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, Run

from rtemo.xdf import XdfReader


@pytest.fixture
def cut(lab: Lab, tmp_path: Path) -> Path:
    """A recording of the laboratory without its last third."""
    path = tmp_path / "cut.xdf"
    content = lab.session.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    return path


def test_a_recording_that_was_cut_off_is_mended_beside_it(rtemo: Run, cut: Path) -> None:
    original = cut.read_bytes()
    outcome = rtemo("repair", cut)
    assert outcome.code == 0
    assert "footer added" in outcome.out
    assert "where the file was cut off" in outcome.out
    assert cut.read_bytes() == original
    mended = cut.with_name("cut_repaired.xdf")
    with XdfReader(mended) as reader:
        assert set(reader.footers) == set(reader.streams)
        assert reader.problems == []
    again = rtemo("repair", mended)
    assert again.code == 0
    assert "nothing to repair" in again.out
    assert sorted(path.name for path in cut.parent.iterdir()) == ["cut.xdf", "cut_repaired.xdf"]


def test_the_mended_recording_replays(rtemo: Run, lab: Lab, cut: Path) -> None:
    out = cut.parent / "mended.xdf"
    assert rtemo("repair", cut, "-o", out).code == 0
    outcomes = [rtemo("features", path, "-c", lab.config, "-o", cut.parent / f"{path.stem}.npz") for path in (cut, out)]
    assert [outcome.code for outcome in outcomes] == [0, 0]


def test_nothing_is_ever_replaced(rtemo: Run, cut: Path) -> None:
    (cut.parent / "cut_repaired.xdf").write_text("older")
    outcome = rtemo("repair", cut)
    assert outcome.code == 2
    assert "-o" in outcome.err
    assert (cut.parent / "cut_repaired.xdf").read_text() == "older"
    assert rtemo("repair", cut, "-o", cut).code == 2


@pytest.mark.parametrize(("content", "says"), [(b"no xdf", "XDF"), (b"XDF:", "not one stream"), (None, "no such file")])
def test_what_is_no_recording_is_one_clear_line(rtemo: Run, tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "a.xdf"
    if content is not None:
        path.write_bytes(content)
    outcome = rtemo("repair", path)
    assert outcome.code == 1
    assert says in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "a_repaired.xdf").exists()
