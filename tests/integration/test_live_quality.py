"""Quality of signals in a live session over real LSL: what is published, written and said of a flat channel."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from lab import Run
from live_lab import LiveLab, make_live_lab

pytestmark = pytest.mark.lsl

CHANNELS = ("Fz", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz")
CONFIG = f"""
labels = ["negative", "neutral", "positive"]
[views.eeg]
stream = {{{{ type = "EEG" }}}}
features = "differential-entropy"
channels = {json.dumps(CHANNELS)}
[views.eye]
stream = {{{{ type = "Gaze" }}}}
features = "eye"
columns = {{{{ x = "x", y = "y", pupil = "pupil", valid = "valid" }}}}
settings = {{{{ unit = "normalised" }}}}
[markers]
stream = {{{{ type = "Markers" }}}}
labels = {{{{ "clip/negative" = "negative", "clip/neutral" = "neutral", "clip/positive" = "positive" }}}}
[network]
scope = "machine"
session_id = "{{session}}"
[model.settings]
steps = 60
"""


@pytest.fixture(scope="module")
def watched_lab(tmp_path_factory: pytest.TempPathFactory) -> LiveLab:
    """A laboratory with two views that are watched, after a session in which a channel went flat and came back."""
    lab = make_live_lab(tmp_path_factory.mktemp("watched"), CONFIG, numbered=False)
    faults = ("eeg:flat=C3@4+4", "eye:drop@6+2")
    code, out, err = lab.run_beside(*faults, duration_s=14, devices="eeg,eye,markers")
    assert (code, err) == (0, "")
    (lab.folder / "out.txt").write_text(out)
    return lab


def scores(lab: LiveLab) -> list[dict[str, str]]:
    return list(csv.DictReader((lab.session() / "quality.csv").read_text().splitlines()))


def test_scores_are_written_for_every_window_and_recorded_as_published(watched_lab: LiveLab):
    import pyxdf

    rows = scores(watched_lab)
    assert [row["window"] for row in rows] == [row["window"] for row in watched_lab.rows()]
    measures = ("valid", "moving", "on_screen", "pupil")
    names = [*(f"eeg:{name}" for name in CHANNELS), *(f"eye:{name}" for name in measures)]
    assert list(rows[0]) == ["window", "start", "stop", *names]
    streams, _ = pyxdf.load_xdf(str(watched_lab.session() / "recording.xdf"), dejitter_timestamps=False)
    (stream,) = (stream for stream in streams if stream["info"]["name"] == ["rtemo-quality"])
    assert stream["info"]["type"] == ["Quality"]
    labels = [channel["label"][0] for channel in stream["info"]["desc"][0]["channels"][0]["channel"]]
    assert labels == names
    assert stream["time_stamps"].tolist() == [float(row["stop"]) for row in rows]
    np.testing.assert_array_equal(stream["time_series"], [[float(row[name]) for name in names] for row in rows])


def test_a_channel_that_goes_flat_is_bad_and_good_again(watched_lab: LiveLab):
    rows = {int(row["window"]): row for row in scores(watched_lab)}
    told = [event for event in watched_lab.events() if event.get("channel") == "C3"]
    assert [event["event"] for event in told] == ["channel-bad", "channel-good"]
    bad, good = told
    assert (bad["view"], bad["reason"]) == ("eeg", "flat")
    assert float(rows[bad["window"]]["eeg:C3"]) == bad["score"] < 0.5
    assert 3 <= good["window"] - bad["window"] <= 9
    assert "eeg: 1 of 8 bad (C3 flat)" in (watched_lab.folder / "out.txt").read_text()


def test_a_view_that_goes_missing_is_told_of_once_with_the_reason(watched_lab: LiveLab):
    told = [event for event in watched_lab.events() if event["event"].startswith("view-") and event["view"] == "eye"]
    assert [event["event"] for event in told] == ["view-missing", "view-back"]
    assert told[0]["reason"]
    windows = [int(row["window"]) for row in watched_lab.rows() if row["available_eye"] == "0"]
    assert windows == list(range(told[0]["window"], told[1]["window"]))


def test_a_replay_gives_the_same_scores(watched_lab: LiveLab, rtemo: Run, tmp_path: Path):
    told = watched_lab.agreement()
    assert told.holds, told
    folder = watched_lab.session()
    options = ("-c", watched_lab.config, "-m", watched_lab.bundle, "--device", "cpu")
    played = rtemo("play", folder / "recording.xdf", *options, "--quality", tmp_path / "q.csv")
    assert played.code == 0
    assert f"quality -> {tmp_path / 'q.csv'}" in played.out
    assert (tmp_path / "q.csv").read_text() == (folder / "quality.csv").read_text()


def test_features_bring_the_scores(watched_lab: LiveLab, rtemo: Run, tmp_path: Path):
    recording = watched_lab.session() / "recording.xdf"
    out = tmp_path / "f.npz"
    done = rtemo("features", recording, "-c", watched_lab.config, "-m", watched_lab.bundle, "-o", out)
    assert done.code == 0
    with np.load(out) as arrays:
        assert arrays["quality_names_eeg"].tolist() == list(CHANNELS)
        expected = [[float(row[f"eeg:{name}"]) for name in CHANNELS] for row in scores(watched_lab)]
        np.testing.assert_array_equal(arrays["quality_eeg"], expected)
        assert arrays["quality_eye"].shape == (len(expected), 4)


def test_info_finds_nothing_wrong_with_streams_of_our_own(watched_lab: LiveLab, rtemo: Run):
    told = rtemo("info", watched_lab.session() / "recording.xdf", "--json")
    assert told.code == 0
    report = json.loads(told.out)
    assert "rtemo-quality" in [stream["name"] for stream in report["streams"]]
    assert not [line for line in report["findings"] if "rtemo-" in line]


def test_a_table_that_cannot_be_written_is_refused(watched_lab: LiveLab, rtemo: Run, tmp_path: Path):
    recording = watched_lab.session() / "recording.xdf"
    options = ("-c", watched_lab.config, "-m", watched_lab.bundle, "--device", "cpu", "--quality")
    for path, said in ((recording, "ends in .csv"), (tmp_path / "none" / "q.csv", "folder that exists")):
        refused = rtemo("play", recording, *options, path)
        assert refused.code == 2
        assert said in refused.err


def test_where_no_view_is_watched_there_is_no_table(trained_live_lab: LiveLab, rtemo: Run, tmp_path: Path):
    lab = trained_live_lab
    options = ("-c", lab.config, "-m", lab.bundle, "--device", "cpu", "--quality", tmp_path / "q.csv")
    refused = rtemo("play", lab.folder / "calibration.xdf", *options)
    assert refused.code == 2
    assert "no view is watched" in refused.err
