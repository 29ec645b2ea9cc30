"""Every real XDF file: equal to pyxdf where pyxdf is right, right where it is not."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyxdf
import typer
from typer.testing import CliRunner

from rtemo.cli.info import info
from rtemo.clock import ClockMap
from rtemo.errors import RecordingError
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk
from rtemo.xdf import ClockOffset, Samples, XdfReader

Opener = Callable[..., XdfSource]


pytestmark = pytest.mark.real

FOLDERS = ("hard", "noneeg_xdf", "openbci_motion", "pico_eeg_gaze")
PYXDF_IS_WRONG = {"zeroed_2k_mid", "chunk_length_lie", "out_of_order_clock_offsets", "out_of_order_sample_chunk"}
# Clock measurements of these scatter by 1 to 12 ms. pyxdf fits one line to all of them, those to come included;
# a map that knows only the past cannot be there yet. In brackets the standard deviation about pyxdf's line.
NOISY_CLOCKS_S = {
    "handTwo": 3.5e-3,  # 1.1 ms, the first one 3.2 ms off
    "three_motion_two": 2e-3,  # 2.0 ms
    "three_motion_three": 2.5e-3,  # 1.2 ms
    "three_motion_five": 1.2e-3,  # 2.7 ms
}


def recordings() -> list[Path]:
    """Found here, as parametrizing comes before fixtures; the fixture skips where there are none."""
    named = os.environ.get("RTEMO_DATA")
    base = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    found = sorted(path.relative_to(base) for folder in FOLDERS for path in (base / folder).glob("*.xdf"))
    return found or [Path("none.xdf")]


# The noneeg recordings are alike: two of them stand for the rest where reading them all would take long.
OTHERS = [path for path in recordings() if path.stem[-1] == "3" or path.parent.name != "noneeg_xdf"]


@functools.cache
def synchronised_by_pyxdf(path: Path) -> list[dict]:
    """Stamps on the common clock; values are left out, as they would fill the memory."""
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    return [{"info": stream["info"], "time_stamps": stream["time_stamps"]} for stream in streams]


def gather(path: Path) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], dict[int, list], XdfReader]:
    """Raw stamps, mapped stamps and values by stream."""
    raw: dict[int, list] = {}
    mapped: dict[int, list] = {}
    values: dict[int, list] = {}
    with XdfReader(path) as reader:
        maps = {key: ClockMap() for key in reader.streams}
        first = dict(reader.clock_offsets)
        for key, offsets in reader.clock_offsets.items():
            maps[key].add(offsets[0].time_s, offsets[0].offset_s)
        for item in reader.items():
            if isinstance(item, ClockOffset):
                if first.pop(item.stream_id, None) is None:
                    maps[item.stream_id].add(item.time_s, item.offset_s)
                continue
            raw.setdefault(item.stream_id, []).append(item.stamps_s)
            mapped.setdefault(item.stream_id, []).append(maps[item.stream_id].map(item.stamps_s)[0])
            values.setdefault(item.stream_id, []).extend([item.values] if isinstance(item, Samples) else item.texts)
    return (
        {key: np.concatenate(parts) for key, parts in raw.items()},
        {key: np.concatenate(parts) for key, parts in mapped.items()},
        values,
        reader,
    )


@pytest.mark.parametrize("name", recordings(), ids=lambda path: path.stem)
def test_samples_and_stamps_equal_pyxdf(data_folder: Path, name: Path) -> None:
    if name.stem in PYXDF_IS_WRONG:
        pytest.skip("pyxdf reads this file wrongly: see below")
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    path = data_folder / name
    raw, mapped, values, reader = gather(path)
    theirs, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=False)
    synchronised = synchronised_by_pyxdf(path)
    assert {stream["info"]["stream_id"] for stream in theirs} == set(reader.streams)
    for stream, synced in zip(theirs, synchronised, strict=True):
        key = stream["info"]["stream_id"]
        if not len(stream["time_stamps"]):
            assert key not in raw
            continue
        np.testing.assert_array_equal(raw[key], stream["time_stamps"])
        if reader.streams[key].is_text:
            assert values[key] == [tuple(row) for row in stream["time_series"]]
        else:
            np.testing.assert_array_equal(np.concatenate(values[key]), stream["time_series"])
        offsets = [(offset.time_s, offset.offset_s) for offset in reader.clock_offsets.get(key, [])]
        assert offsets == list(zip(stream.get("clock_times", []), stream.get("clock_values", []), strict=True))
        if name.stem != "clock_resets":  # mapped there only together with the dejitter: below
            apart = np.abs(mapped[key] - synced["time_stamps"]).max()
            assert apart < NOISY_CLOCKS_S.get(name.stem, 1e-3)


def of_stream(source: XdfSource, name: str) -> list[Chunk]:
    (key,) = [stream.key for stream in source.streams if stream.name == name][:1]
    return [item for item in source if isinstance(item, Chunk) and item.stream == key]


def segments_of(chunks: list[Chunk]) -> list[tuple[float, float]]:
    spans: dict[int, list[float]] = {}
    for chunk in chunks:
        spans.setdefault(chunk.segment, [float(chunk.stamps_s[0]), 0.0])[1] = float(chunk.stamps_s[-1])
    return [(first, last) for first, last in spans.values()]


@pytest.mark.parametrize("name", OTHERS, ids=lambda path: path.stem)
def test_stamps_rise_and_stay_near_the_recorded_ones(opened: Opener, data_folder: Path, name: Path) -> None:
    if name.stem in PYXDF_IS_WRONG:
        pytest.skip("pyxdf reads this file wrongly: see below")
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    source = opened(data_folder / name, unsynchronised=True)
    theirs = synchronised_by_pyxdf(data_folder / name)
    stamps: dict[str, list] = {}
    for item in source:
        if isinstance(item, Chunk):
            stamps.setdefault(item.stream, []).append(item)
    for stream in theirs:
        chunks = stamps.get(str(stream["info"]["stream_id"]), [])
        if not chunks:
            continue
        out = np.concatenate([chunk.stamps_s for chunk in chunks])
        segments = np.concatenate([np.full(len(chunk.stamps_s), chunk.segment) for chunk in chunks])
        assert len(out) == len(stream["time_stamps"])
        if float(stream["info"]["nominal_srate"][0]) > 0:
            assert (np.diff(out)[np.diff(segments) == 0] > 0).all()
        off = np.abs(out - stream["time_stamps"])
        # OpenBCI's own stamps scatter by tens of milliseconds, and once slip by a quarter of a second.
        assert np.percentile(off, 99) < (0.2 if name.stem == "three_motion_four" else 0.05)


@pytest.mark.parametrize("stem", ["test_pico_eeg", "test_eeg"])
def test_clean_recordings_have_no_gap(opened: Opener, data_folder: Path, stem: str) -> None:
    source = opened(data_folder / "pico_eeg_gaze" / f"{stem}.xdf")
    chunks = [item for item in source if isinstance(item, Chunk)]
    assert {chunk.segment for chunk in chunks} == {0}
    assert all(timeline.rejected == 0 for timeline in source.timelines.values())


def test_a_noneeg_recording_is_one_segment_on_the_common_clock(opened: Opener, data_folder: Path) -> None:
    for path in sorted((data_folder / "noneeg_xdf").glob("*.xdf"))[::4]:
        source = opened(path)
        for name, rate_hz in (("wrist", 8), ("oximeter", 1)):
            chunks = of_stream(source, name)
            stamps = np.concatenate([chunk.stamps_s for chunk in chunks])
            # Made from a table: sample k is at k / rate on the common clock.
            assert np.abs(stamps - stamps[0].round() - np.arange(len(stamps)) / rate_hz).max() < 1e-3
            assert {chunk.segment for chunk in chunks} == {0}


def test_the_dropout_is_one_gap_of_five_seconds(opened: Opener, data_folder: Path) -> None:
    (first, before), (after, _) = segments_of(
        of_stream(opened(data_folder / "hard" / "eeg_dropout_5s.xdf"), "UB-2015.05.10")
    )
    assert before - first == pytest.approx(15.06, abs=0.01)
    assert after - before == pytest.approx(5.002, abs=0.002)


def test_gaze_that_starts_late_and_ends_early_is_where_it_should_be(opened: Opener, data_folder: Path) -> None:
    source = opened(data_folder / "hard" / "gaze_late_and_early_end.xdf")
    chunks = of_stream(source, "Unity.TobiiGaze")
    start = of_stream(source, "UB-2015.05.10")[0].stamps_s[0]
    assert chunks[0].stamps_s[0] - start == pytest.approx(15.08, abs=0.02)
    assert chunks[-1].stamps_s[-1] - start == pytest.approx(36.06, abs=0.02)


def test_a_clock_reset_is_a_gap_of_273_seconds_on_the_recorders_clock(opened: Opener, data_folder: Path) -> None:
    path = data_folder / "hard" / "clock_resets.xdf"
    source = opened(path)
    chunks = of_stream(source, "BioSemi")
    gaps = [b[0] - a[1] for a, b in zip(segments_of(chunks), segments_of(chunks)[1:], strict=False)]
    assert max(gaps) == pytest.approx(273.6, abs=0.05)
    assert sorted(gaps)[-2] < 0.1
    theirs = synchronised_by_pyxdf(path)
    truth = next(stream for stream in theirs if stream["info"]["name"] == ["BioSemi"])["time_stamps"]
    out = np.concatenate([chunk.stamps_s for chunk in chunks])
    # Samples of this stream are slept for, not clocked: their times wander by some ten milliseconds.
    assert np.percentile(np.abs(out - truth), 99) < 0.05
    assert np.median(np.abs(out - truth)) < 0.01


def test_a_zeroed_stretch_costs_its_chunk_at_most(opened: Opener, data_folder: Path) -> None:
    name = "UB-2015.05.10"
    source = opened(data_folder / "hard" / "zeroed_2k_mid.xdf")
    damaged = of_stream(source, name)
    whole = of_stream(opened(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf"), name)
    values = np.concatenate([chunk.values for chunk in whole])
    kept = np.concatenate([chunk.values for chunk in damaged])
    lost = len(values) - len(kept)
    assert 16 <= lost <= 256
    segments = [np.concatenate([c.values for c in damaged if c.segment == s]) for s in (0, 1)]
    np.testing.assert_array_equal(segments[0], values[: len(segments[0])])
    np.testing.assert_array_equal(segments[1], values[len(segments[0]) + lost :])
    (_, before), (after, _) = segments_of(damaged)
    assert after - before == pytest.approx((lost + 1) / 512, abs=0.002)
    assert any("1658035" in warning for warning in source.warnings)


def test_a_file_without_clock_measurements_is_refused(opened: Opener, data_folder: Path) -> None:
    path = data_folder / "hard" / "no_clock_offsets.xdf"
    with pytest.raises(RecordingError, match="2 hosts"):
        XdfSource(path)
    assert of_stream(opened(path, unsynchronised=True), "Unity.TobiiGaze")[0].stamps_s[0] < 1300


def test_lies_about_lengths_are_seen(opened: Opener, data_folder: Path) -> None:
    hard = data_folder / "hard"
    with pytest.raises(RecordingError, match="expected at least one stream, found none"):
        XdfSource(hard / "chunk_length_lie.xdf")
    source = opened(hard / "out_of_order_clock_offsets.xdf")
    assert list(source) == []
    assert len(source.reader.clock_offsets[0]) == 2
    assert sum("claims 48 bytes" in warning for warning in source.warnings) == 3
    # The chunk of nine int16 samples is whole; of the strings, only those that fit a stream of no channels.
    source = opened(hard / "out_of_order_sample_chunk.xdf")
    assert sum(len(item.stamps_s) for item in source if isinstance(item, Chunk)) == 9


@pytest.mark.parametrize("name", OTHERS, ids=lambda path: path.stem)
def test_info_reports_every_file_or_says_in_one_line_why_not(data_folder: Path, name: Path) -> None:
    app = typer.Typer()
    app.command()(info)
    outcome = CliRunner().invoke(app, [str(data_folder / name), "--json"])
    if name.stem in ("chunk_length_lie", "no_clock_offsets"):
        assert isinstance(outcome.exception, RecordingError)
        assert "\n" not in str(outcome.exception)
        assert str(data_folder / name) in str(outcome.exception)
        return
    assert outcome.exit_code == 0, outcome.exception
    report = json.loads(outcome.stdout)
    assert report["duration_s"] < 20_000
    assert len(report["streams"]) >= 1
    if name.stem in ("gaze_empty", "empty_streams"):
        assert any("holds no sample" in finding for finding in report["findings"])
    if name.parent.name == "hard":
        assert CliRunner().invoke(app, [str(data_folder / name)]).exit_code == 0
