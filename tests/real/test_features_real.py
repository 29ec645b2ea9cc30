"""Windows and features of real recordings, against pyxdf and numpy."""

from __future__ import annotations

import numpy as np
import pytest

from rtemo.config import parse_configuration
from rtemo.features.pipeline import FeaturePipeline
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk

pyxdf = pytest.importorskip("pyxdf")
pytestmark = pytest.mark.real


def feature_windows(path, views, length_s=1.0, hop_s=1.0):
    config = parse_configuration(
        {"labels": ["a"], "window": {"length_s": length_s, "hop_s": hop_s}, "views": views}, "test"
    )
    source = XdfSource(path)
    try:
        pipeline = FeaturePipeline(config, source.streams, origin=path.name, lost_after_s=60.0)
        windows = [window for item in source if isinstance(item, Chunk) for window in pipeline.push(item)]
    finally:
        source.close()
    windows += pipeline.end()
    assert set(pipeline.late.values()) == {0}
    return windows, pipeline


def pyxdf_streams(path):
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    return {stream["info"]["type"][0] or stream["info"]["name"][0]: stream for stream in streams}


def test_no_window_overlaps_the_hole_and_all_others_are_there(data_folder):
    path = data_folder / "hard" / "eeg_dropout_5s.xdf"
    windows, _ = feature_windows(
        path, {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"}}, hop_s=0.5
    )
    stamps = pyxdf_streams(path)["EEG"]["time_stamps"]
    hole = int(np.argmax(np.diff(stamps)))
    begin_s, end_s = stamps[hole], stamps[hole + 1]
    assert [begin_s - stamps[0], end_s - stamps[0]] == pytest.approx([15.06, 20.06], abs=0.05)
    assert len(windows) > 80
    for window in windows:
        overlaps = window.start_s < end_s - 2e-3 and window.stop_s > begin_s + 2e-3
        begun = window.start_s > stamps[0] - 0.18 and window.stop_s < stamps[-1] + 0.18
        if overlaps:
            assert not window.available["eeg"], window
            assert np.isnan(window.features["eeg"]).all()
        elif begun and not abs(window.start_s - end_s) < 3e-3 and not abs(window.stop_s - begin_s) < 3e-3:
            assert window.available["eeg"], window
            assert np.isfinite(window.features["eeg"]).all()


def test_gaze_is_available_exactly_where_it_covers_the_window(data_folder):
    path = data_folder / "hard" / "gaze_late_and_early_end.xdf"
    views = {
        "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
        "gaze": {"stream": {"type": "Gaze"}, "features": "statistics"},
    }
    windows, _ = feature_windows(path, views)
    stamps = pyxdf_streams(path)["Gaze"]["time_stamps"]
    there = 0
    for window in windows:
        inside = (stamps >= window.start_s - 1e-6) & (stamps < window.stop_s - 1e-6)
        coverage = min(1.0, inside.sum() / 60)
        assert window.coverage["gaze"] == pytest.approx(coverage, abs=2.1 / 60)
        if abs(coverage - 0.8) > 2.1 / 60:
            assert window.available["gaze"] == (coverage >= 0.8), window
        there += window.available["gaze"]
    assert 19 <= there <= 22
    assert len(windows) >= 46


def own_stamps(path):
    """Stamps by stream name, as the source maps them onto the recorder's clock."""
    source = XdfSource(path)
    try:
        names = {stream.key: stream.name for stream in source.streams}
        found = {name: [] for name in names.values()}
        for item in source:
            if isinstance(item, Chunk):
                found[names[item.stream]].append(item.stamps_s)
    finally:
        source.close()
    return {name: np.concatenate(parts) for name, parts in found.items() if parts}


@pytest.mark.parametrize("subject", ["S01", "S07"])
def test_statistics_of_slow_signals_are_those_of_numpy(data_folder, subject):
    path = data_folder / "noneeg_xdf" / f"noneeg_{subject}.xdf"
    names = ("wrist", "oximeter")
    views = {name: {"stream": {"name": name}, "features": "statistics"} for name in names}
    windows, pipeline = feature_windows(path, views, 10.0, 10.0)
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    streams = {stream["info"]["name"][0]: stream for stream in streams}
    mapped, compared = own_stamps(path), 0
    for name in names:
        stamps, values = mapped[name], np.asarray(streams[name]["time_series"], dtype=np.float64)
        np.testing.assert_allclose(stamps, streams[name]["time_stamps"], rtol=0, atol=1e-3)
        for window in windows:
            inside = (stamps >= window.start_s - 1e-6) & (stamps < window.stop_s - 1e-6)
            x, t = values[inside], stamps[inside]
            if not window.available[name]:
                assert len(x) < 0.8 * 10 * float(streams[name]["info"]["nominal_srate"][0])
                continue
            slope = np.polynomial.polynomial.polyfit(t - t.mean(), x, 1)[1]
            change = np.abs(np.diff(x, axis=0)).mean(0)
            expected = np.stack([x.mean(0), x.std(0), slope, x.min(0), x.max(0), change], axis=1)
            np.testing.assert_allclose(window.features[name], expected.reshape(-1), rtol=1e-6, atol=1e-9)
            compared += 1
    assert compared > 1.9 * len(windows)
    assert [len(pipeline.names[name]) for name in names] == [30, 12]
