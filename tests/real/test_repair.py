"""Repair of hard files: what our reader finds in the damaged file is what it, and pyxdf, find in the repaired one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from rtemo.types import Floats
from rtemo.xdf import ClockOffset, Samples, Texts, XdfReader
from rtemo.xdf.repair import repair
from rtemo.xdf.survey import Findings

pytestmark = pytest.mark.real

MENDED = {
    "handTwo.xdf",
    "no_footers.xdf",
    "out_of_order_clock_offsets.xdf",
    "out_of_order_sample_chunk.xdf",
    "truncated_60pct.xdf",
    "zeroed_2k_mid.xdf",
}
HOPELESS = {"chunk_length_lie.xdf"}


@dataclass(frozen=True)
class Content:
    """What a file holds of one stream, in order."""

    stamps_s: Floats
    rows: np.ndarray
    offsets: list[tuple[int, float, float]]
    """Of each clock offset: how many samples stand before it, its time and its value."""


def content(path: Path) -> dict[int, Content]:
    """Every sample and clock offset by stream, in order."""
    pieces: dict[int, list[Samples | Texts]] = {}
    offsets: dict[int, list[tuple[int, float, float]]] = {}
    with XdfReader(path) as reader:
        for item in reader.items():
            if not isinstance(item, ClockOffset):
                pieces.setdefault(item.stream_id, []).extend([item] if len(item.stamps_s) else [])
            elif item.stream_id in reader.streams:
                before = sum(len(piece.stamps_s) for piece in pieces.get(item.stream_id, []))
                offsets.setdefault(item.stream_id, []).append((before, item.time_s, item.offset_s))
    found = {}
    for stream_id in sorted(pieces.keys() | offsets.keys()):
        mine = pieces.get(stream_id, [])
        rows = [piece.values if isinstance(piece, Samples) else np.array(piece.texts, dtype=object) for piece in mine]
        found[stream_id] = Content(
            np.concatenate([np.zeros(0), *(piece.stamps_s for piece in mine)]),
            np.concatenate(rows) if rows else np.zeros(0),
            offsets.get(stream_id, []),
        )
    return found


def assert_same(found: dict[int, Content], expected: dict[int, Content], name: str) -> None:
    """NaN equals NaN, and types are the same as well."""
    assert found.keys() == expected.keys(), name
    for stream_id, mine in found.items():
        theirs = expected[stream_id]
        assert mine.rows.dtype == theirs.rows.dtype, name
        np.testing.assert_array_equal(mine.stamps_s, theirs.stamps_s, err_msg=name)
        np.testing.assert_array_equal(mine.rows, theirs.rows, err_msg=name)
        np.testing.assert_array_equal(mine.offsets, theirs.offsets, err_msg=name)


@dataclass(frozen=True)
class Repaired:
    """What came of one hard file."""

    path: Path
    out: Path
    findings: Findings
    content: dict[int, Content]


@pytest.fixture(scope="module")
def hard_files(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repaired]:
    """Every hard file by name, repaired where that can be."""
    folder, made = tmp_path_factory.mktemp("repaired"), {}
    for path in sorted((data_folder / "hard").glob("*.xdf")):
        out = folder / path.name
        findings = repair(path, out)
        made[path.name] = Repaired(path, out, findings, content(out) if out.exists() else {})
    return made


def test_every_hard_file_is_fine_or_is_fine_when_repaired(hard_files: dict[str, Repaired], tmp_path: Path) -> None:
    written = set()
    for name, repaired in hard_files.items():
        out, findings = repaired.out, repaired.findings
        assert out.exists() == (not findings.fine and bool(findings.streams)), name
        if not out.exists():
            assert findings.fine != (name in HOPELESS), name
            continue
        written.add(name)
        assert_same(repaired.content, content(repaired.path), name)
        assert repair(out, tmp_path / "again.xdf").fine, name
        with XdfReader(out) as reader:
            assert set(reader.footers) == set(reader.streams)
            assert reader.problems == [], name
    assert written == MENDED


# A header of no channels that does not fit its samples: pyxdf loses its place in it, repaired or not.
@pytest.mark.parametrize("name", sorted(MENDED - {"out_of_order_sample_chunk.xdf"}))
def test_pyxdf_reads_a_repaired_file_as_we_do(hard_files: dict[str, Repaired], name: str) -> None:
    repaired = hard_files[name]
    streams, _ = pyxdf.load_xdf(str(repaired.out), dejitter_timestamps=False, synchronize_clocks=False)
    assert {stream["info"]["stream_id"] for stream in streams} >= repaired.content.keys()
    for stream in streams:
        ours = repaired.content.get(stream["info"]["stream_id"], Content(np.zeros(0), np.zeros(0), []))
        np.testing.assert_array_equal(ours.stamps_s, stream["time_stamps"])
        if len(ours.rows):
            np.testing.assert_array_equal(ours.rows, stream["time_series"])
