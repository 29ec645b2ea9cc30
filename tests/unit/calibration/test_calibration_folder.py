"""A session's folder: what refuses to be begun, and what refuses to be gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from calibration.folder import begin, extend, reopen
from calibration.journal import JournalError, read_journal
from calibration.machine import Stage
from calibration.schedule import planned
from rtemo.errors import BundleError, ConfigurationError

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


def test_a_session_that_another_program_has_open_is_refused(tmp_path: Path, config: Path):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    with pytest.raises(JournalError, match="another program has this session open"):
        reopen(session.path)
    session.logbook.close()
    reopen(session.path).logbook.close()


def test_stimuli_too_short_for_a_window_are_refused(tmp_path: Path, config: Path):
    protocol = tmp_path / "short.toml"

    def write(practice_s: float, main_s: float) -> None:
        protocol.write_text(f"""
name = "short"
instructions = "Look."
[[blocks]]
name = "practice"
practice = true
stimulus_s = {practice_s}
[[blocks.trials]]
stimulus = {{ kind = "none" }}
label = "neutral"
[[blocks]]
name = "main"
stimulus_s = 30.0
trials = [
    {{ label = "negative", stimulus = {{ kind = "none" }} }},
    {{ label = "neutral", stimulus = {{ kind = "none" }}, stimulus_s = {main_s} }},
    {{ label = "positive", stimulus = {{ kind = "none" }} }},
]
""")

    config.write_text(CONFIG + "[window]\nlength_s = 4.0\nhop_s = 1.0\n")
    write(1.0, 4.5)
    with pytest.raises(ConfigurationError, match=r"4\.5 s \(block 'main'\).*4 s every 1 s need 5 s"):
        begin(tmp_path / "out", "07", config, protocol)
    assert not (tmp_path / "out").exists()
    write(1.0, 5.0)
    begin(tmp_path / "out", "07", config, protocol).logbook.close()


# -- more trials ------------------------------------------------------------------------------------------------------


def all_done(path: Path) -> None:
    """Let a session have come to its end."""
    session = reopen(path)
    write, progress = session.logbook.write, session.logbook.progress
    number = progress.run + 1
    if progress.stage is not Stage.CHECK:
        write("stage", stage="check")
    write("run", number=number, recording=f"run-{number}.xdf")
    write("stage", stage="trials")
    for trial in session.plan:
        if trial.number in progress.done:
            continue
        named = {"trial": trial.number, "attempt": 1}
        write("trial-start", run=number, block=trial.block, practice=trial.practice, intended=trial.label, **named)
        write("stimulus-on", stamp_s=10.0 * trial.number, flip=True, **named)
        write("stimulus-off", stamp_s=10.0 * trial.number + 5.0, flip=True, **named)
        write("trial-end", label=trial.label, quality={}, accepted=True, reason="", **named)
    for stage in ("train", "verify", "done"):
        write("stage", stage=stage)
    session.logbook.close()


def test_a_session_that_is_done_can_be_extended_and_is_opened_again_with_the_longer_plan(tmp_path: Path, config: Path):
    begun = begin(tmp_path / "out", "07", config, "quick", seed=5)
    begun.logbook.close()
    for passes in (2, 3):
        all_done(begun.path)
        session = reopen(begun.path)
        longer = extend(session)
        longer.logbook.close()
        assert longer.logbook.progress.stage is Stage.CHECK
        assert longer.plan[: len(session.plan)] == session.plan
        assert [trial.number for trial in longer.plan] == list(range(1, 15 * passes + 1))
        following = longer.logbook.progress.next_trial(longer.plan)
        assert following is not None
        assert following.number == 15 * (passes - 1) + 1
        again = reopen(begun.path)
        again.logbook.close()
        assert again.plan == longer.plan
    assert begun.protocol is not None
    assert again.plan[:15] == begun.plan == planned(begun.protocol, 5)
    entries = read_journal(begun.path / "journal.jsonl")
    assert [entry.integer("number") for entry in entries if entry.kind == "extended"] == [2, 3]


def test_trials_that_are_left_come_before_any_further_pass(tmp_path: Path, config: Path):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    for stage in ("train", "verify", "done"):
        session.logbook.write("stage", stage=stage)
    longer = extend(session)
    longer.logbook.close()
    assert longer.plan == session.plan
    assert longer.logbook.progress.stage is Stage.CHECK
    assert longer.logbook.progress.passes == 1


def test_a_session_of_another_program_only_goes_back_to_its_trials(tmp_path: Path, config: Path):
    config.write_text(CONFIG + MARKERS)
    session = begin(tmp_path / "out", "07", config, None)
    session.logbook.write("stage", stage="train")
    longer = extend(session)
    longer.logbook.close()
    assert longer.logbook.progress.stage is Stage.CHECK
    assert longer.plan == ()


def test_a_further_pass_that_would_come_in_another_order_is_refused(tmp_path: Path, config: Path):
    session = begin(tmp_path / "out", "07", config, "quick", seed=5)
    session.logbook.write("extended", number=2, plan_sha256="0" * 64)
    session.logbook.close()
    with pytest.raises(ConfigurationError, match="in another order"):
        reopen(session.path)


# -- a first bundle ---------------------------------------------------------------------------------------------------


def test_a_first_bundle_that_cannot_be_read_is_refused_before_anything_is_made(tmp_path: Path, config: Path):
    with pytest.raises(BundleError, match="nowhere"):
        begin(tmp_path / "out", "07", config, "quick", first=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
    session = begin(tmp_path / "out", "07", config, "quick")
    session.logbook.close()
    with pytest.raises(BundleError, match="nowhere"):
        reopen(session.path, first=tmp_path / "nowhere")
    reopen(session.path).logbook.close()
