"""`rtemo init` on real outlets: what it writes loads, finds its streams, and replaces nothing unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from network import EEG, GAZE, MARKERS, network
from test_streams_cli import HOSTILE

from rtemo.config import load_configuration

pytestmark = pytest.mark.lsl


def test_the_configuration_loads_and_names_the_streams_that_are_there(tmp_path: Path) -> None:
    out = tmp_path / "lab.toml"
    with network(EEG, GAZE, MARKERS) as there:
        done = there.rtemo("init", "-o", out, "--labels", "calm, tense", *there.options)
        again = there.rtemo("init", "-o", out, *there.options)
        before = out.read_bytes()
        forced = there.rtemo("init", "-o", out, "--force", *there.options)
    assert done.code == 0, done.err
    assert "views eeg, gaze" in done.out
    assert (again.code, forced.code) == (2, 0)
    assert "--force" in again.err
    assert out.read_bytes() != before
    out.write_bytes(before)
    config = load_configuration(out)
    assert config.labels == ["calm", "tense"]
    assert config.views["eeg"].stream.source_id == "eno-1"
    assert config.views["eeg"].features == "differential-entropy"
    assert config.views["gaze"].features == "eye"
    assert config.views["gaze"].columns == {"x": "x", "y": "y"}
    assert config.markers is not None
    assert config.markers.stream.source_id == "psy-1"
    assert (config.network.scope, config.network.session_id) == ("machine", there.session_id)
    assert list(tmp_path.iterdir()) == [out]


def test_hostile_streams_make_no_hostile_file(tmp_path: Path) -> None:
    with network(EEG, *HOSTILE) as there:
        done = there.rtemo("init", *there.options, cwd=tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "lab.toml").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in [*text.splitlines(), *done.err.splitlines()])
    config = load_configuration(tmp_path / "lab.toml")
    names = {view.stream.source_id for view in config.views.values()}
    assert names == {"eno-1", 'q"\\', "b", "d"}
    assert [path.name for path in tmp_path.iterdir()] == ["lab.toml"]


def test_without_streams_nothing_is_written(tmp_path: Path) -> None:
    with network() as there:
        done = there.rtemo("init", *there.options, "--wait", "0.2", cwd=tmp_path)
    assert done.code == 3
    assert "Is the device's own program running" in done.err
    assert list(tmp_path.iterdir()) == []
