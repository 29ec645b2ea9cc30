"""Repair of hard files: what our reader finds in the damaged file is what it, and pyxdf, find in the repaired one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyxdf

from rtemo.xdf import ClockOffset, Samples, XdfReader
from rtemo.xdf.repair import repair

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


def content(path: Path) -> dict[int, list[tuple[float, object]]]:
    """Every sample and clock offset by stream, in order."""
    found: dict[int, list[tuple[float, object]]] = {}
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, ClockOffset):
                if item.stream_id in reader.streams:
                    found.setdefault(item.stream_id, []).append((item.time_s, item.offset_s))
                continue
            rows = item.values.tolist() if isinstance(item, Samples) else item.texts
            found.setdefault(item.stream_id, []).extend(zip(item.stamps_s.tolist(), rows, strict=True))
    return found


def test_every_hard_file_is_fine_or_is_fine_when_repaired(data_folder: Path, tmp_path: Path) -> None:
    written = set()
    for path in sorted((data_folder / "hard").glob("*.xdf")):
        out = tmp_path / path.name
        findings = repair(path, out)
        assert out.exists() == (not findings.fine and bool(findings.streams)), path.name
        if not out.exists():
            assert findings.fine != (path.name in HOPELESS), path.name
            continue
        written.add(path.name)
        # As text, in which NaN equals NaN.
        assert repr(content(out)) == repr(content(path)), path.name
        assert repair(out, tmp_path / "again.xdf").fine, path.name
        with XdfReader(out) as reader:
            assert set(reader.footers) == set(reader.streams)
            assert reader.problems == [], path.name
    assert written == MENDED


# A header of no channels that does not fit its samples: pyxdf loses its place in it, repaired or not.
@pytest.mark.parametrize("name", sorted(MENDED - {"out_of_order_sample_chunk.xdf"}))
def test_pyxdf_reads_a_repaired_file_as_we_do(data_folder: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    repair(data_folder / "hard" / name, out)
    ours = content(out)
    streams, _ = pyxdf.load_xdf(str(out), dejitter_timestamps=False, synchronize_clocks=False)
    for stream in streams:
        number = stream["info"]["stream_id"]
        samples = [entry for entry in ours.get(number, []) if not isinstance(entry[1], float)]
        np.testing.assert_array_equal([stamp for stamp, _ in samples], stream["time_stamps"])
        if len(samples) and not isinstance(stream["time_series"], list):
            np.testing.assert_array_equal(np.array([row for _, row in samples]), stream["time_series"])
