"""A session's folder: what refuses to be begun, and what refuses to be gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from calibration.folder import begin, reopen
from calibration.machine import Stage
from rtemo.errors import ConfigurationError

CONFIG = """
labels = ["negative", "neutral", "positive"]
[views.eeg]
stream = { type = "EEG" }
features = "statistics"
"""
MARKERS = """
[markers]
stream = { name = "PsychoPy" }
labels = { "clip/a" = "negative", "clip/b" = "neutral", "clip/c" = "positive" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(CONFIG)
    return path


def test_what_was_begun_is_opened_again_as_it_was(tmp_path: Path, config: Path):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    session.logbook.close()
    again = reopen(session.path)
    again.logbook.close()
    same = {field.name for field in dataclasses.fields(session)} - {"logbook"}
    assert {name: getattr(again, name) for name in same} == {name: getattr(session, name) for name in same}
    assert again.logbook.progress.stage is Stage.CHECK
    assert len(again.plan) == 15
    assert again.session == f"sub-07-{session.path.name}"


def test_a_drawn_seed_is_kept(tmp_path: Path, config: Path):
    sessions = [begin(tmp_path / "out", "07", config, "quick") for _ in range(2)]
    for session in sessions:
        session.logbook.close()
    first, second = (reopen(session.path) for session in sessions)
    first.logbook.close()
    second.logbook.close()
    assert first.seed == sessions[0].seed
    assert first.plan == sessions[0].plan
    assert first.seed != second.seed


@pytest.mark.parametrize("changed", ["config.toml", "protocol.toml"])
def test_a_file_that_was_changed_meanwhile_is_refused_by_name(tmp_path: Path, config: Path, changed: str):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    session.logbook.close()
    with (session.path / changed).open("a") as file:
        file.write("\n# one more line\n")
    with pytest.raises(ConfigurationError, match=f"{changed} was changed"):
        reopen(session.path)


def test_a_file_that_is_gone_is_named(tmp_path: Path, config: Path):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    session.logbook.close()
    (session.path / "protocol.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"protocol\.toml: cannot be read"):
        reopen(session.path)


def test_another_folder_is_no_session(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"found no journal\.jsonl"):
        reopen(tmp_path)


def test_nothing_is_made_where_the_protocol_does_not_fit(tmp_path: Path, config: Path):
    config.write_text(CONFIG.replace('"neutral", ', ""))
    with pytest.raises(ConfigurationError, match="neutral"):
        begin(tmp_path / "out", "07", config, "quick")
    config.write_text(CONFIG)
    with pytest.raises(ConfigurationError, match="16 of 16 files cannot be shown"):
        begin(tmp_path / "out", "07", config, "film_clips")
    with pytest.raises(ConfigurationError, match="no such file"):
        begin(tmp_path / "out", "07", config, "nothing")
    assert not (tmp_path / "out").exists()


def test_another_program_needs_markers_for_every_label(tmp_path: Path, config: Path):
    with pytest.raises(ConfigurationError, match=r"no \[markers\]"):
        begin(tmp_path / "out", "07", config, None)
    config.write_text(CONFIG + MARKERS.replace('"clip/b" = "neutral", ', ""))
    with pytest.raises(ConfigurationError, match=r"\['neutral'\]"):
        begin(tmp_path / "out", "07", config, None)
    config.write_text(CONFIG + MARKERS)
    session = begin(tmp_path / "out", "07", config, None)
    session.logbook.close()
    again = reopen(session.path)
    again.logbook.close()
    assert again.protocol is None
    assert again.plan == ()
