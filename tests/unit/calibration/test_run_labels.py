"""From the journal and a recording to the events of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_session import REST_S, TRIAL_S, begin_run, begun, done_trial, empty_run, recorded_run

from calibration.folder import CalibrationFolder
from calibration.run_labels import write_missing_labels
from rtemo.errors import RecordingError
from rtemo.labels import events_path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[CalibrationFolder]:
    session = begun(tmp_path)
    yield session
    session.logbook.close()


@pytest.fixture
def external(tmp_path: Path) -> Iterator[CalibrationFolder]:
    session = begun(tmp_path, external=True)
    yield session
    session.logbook.close()


def rows(recording: Path) -> list[dict[str, str]]:
    with events_path(recording).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def labelled(recording: Path) -> int:
    return sum(row["trial_type"] != "n/a" for row in rows(recording))


def test_trials_become_rows_with_what_was_answered(session: CalibrationFolder) -> None:
    said = [{"valence": 7.0}, {"valence": 2.5}, {}, {"arousal": 1.0}]
    recording = recorded_run(session, 4, answers=said)
    told: list[Path] = []
    assert write_missing_labels(session, told.append) == [events_path(recording)]
    assert told == [recording]
    found = rows(recording)
    assert [row["trial"] for row in found] == ["1", "2", "3", "4"]
    assert [row["trial_type"] for row in found] == [row["intended"] for row in found]
    assert [row["valence"] for row in found] == ["7", "2.5", "n/a", "n/a"]
    assert [float(row["duration"]) for row in found] == pytest.approx([TRIAL_S] * 4)
    assert float(found[1]["onset"]) - float(found[0]["onset"]) == pytest.approx(TRIAL_S + REST_S)


def test_labels_that_are_there_stay_as_they_are(session: CalibrationFolder) -> None:
    recording = recorded_run(session, 2)
    events_path(recording).write_text("onset\tduration\ttrial_type\n")
    assert write_missing_labels(session) == []
    assert rows(recording) == []


def test_a_run_that_cannot_be_read_does_not_keep_the_others_from_their_labels(session: CalibrationFolder) -> None:
    empty = empty_run(session)
    done_trial(session, 1, "calm", 10_000.0)
    recording = recorded_run(session, 2)
    warned: list[str] = []
    assert write_missing_labels(session, warn=warned.append) == [events_path(recording)]
    assert len(warned) == 1
    assert warned[0].startswith("run-1.xdf gets no labels:")
    assert not events_path(empty).exists()
    # Nor once they have theirs.
    assert write_missing_labels(session, warn=warned.append) == []
    assert len(warned) == 2


def test_where_no_run_can_be_read_the_reason_is_raised(session: CalibrationFolder) -> None:
    empty_run(session)
    done_trial(session, 1, "calm", 10_000.0)
    warned: list[str] = []
    with pytest.raises(RecordingError, match=r"run-1\.xdf"):
        write_missing_labels(session, warn=warned.append)
    assert len(warned) == 1


def test_a_run_without_a_trial_that_is_done_is_not_even_read(session: CalibrationFolder) -> None:
    empty_run(session)
    assert write_missing_labels(session) == []


def test_a_trial_whose_samples_a_power_cut_took_gets_no_label(session: CalibrationFolder) -> None:
    # The third trial begins at 13 s and ends at 18 s.
    recording = recorded_run(session, 4, cut_s=16.0)
    warned: list[str] = []
    write_missing_labels(session, warn=warned.append)
    assert [row["trial"] for row in rows(recording)] == ["1", "2"]
    assert warned == [
        f"run-1.xdf: trial {number} gets no label: the recording ends before it does" for number in (3, 4)
    ]


def test_a_run_whose_recording_holds_none_of_its_trials_gets_no_events(session: CalibrationFolder) -> None:
    recording = recorded_run(session, 2, cut_s=0.5)
    assert write_missing_labels(session) == []
    assert not events_path(recording).exists()


def test_a_stimulus_that_ends_within_the_last_window_is_labelled(session: CalibrationFolder) -> None:
    # The end of a recording may lie before a stimulus' by what no window needs.
    recording = recorded_run(session, 1, cut_s=TRIAL_S + REST_S - 0.5)
    warned: list[str] = []
    write_missing_labels(session, warn=warned.append)
    assert warned == []
    assert labelled(recording) == 1


# -- another program's trials -----------------------------------------------------------------------------------------


def test_trials_of_another_program_are_those_that_its_markers_tell(external: CalibrationFolder) -> None:
    recording = recorded_run(external, 4)
    external.logbook.write("stage", stage="train")
    write_missing_labels(external)
    assert labelled(recording) == 4


@pytest.mark.parametrize("how", ["stopped", "killed", "resumed", "retrained"])
def test_a_trial_that_was_open_when_the_run_was_cut_off_gets_no_label(external: CalibrationFolder, how: str) -> None:
    recording = recorded_run(external, 4, cut_s=16.0)
    match how:
        case "stopped":
            external.logbook.write("stopped", reason="interrupted")
        case "resumed":
            begin_run(external)
            external.logbook.write("stage", stage="train")
        case "retrained":
            external.logbook.write("stage", stage="check")
            external.logbook.write("stage", stage="train")
    warned: list[str] = []
    write_missing_labels(external, warn=warned.append)
    assert labelled(recording) == 2
    assert len(warned) == 1
    assert "run-1.xdf: trial 3 (" in warned[0]
    assert "was cut off" in warned[0]


def test_a_trial_that_ended_before_the_run_was_cut_off_keeps_its_label(external: CalibrationFolder) -> None:
    # In the rest after the third trial.
    recording = recorded_run(external, 4, cut_s=18.7)
    external.logbook.write("stopped", reason="interrupted")
    warned: list[str] = []
    write_missing_labels(external, warn=warned.append)
    assert labelled(recording) == 3
    assert warned == []


def test_the_trial_that_is_open_when_a_session_comes_to_its_end_is_labelled(external: CalibrationFolder) -> None:
    recording = recorded_run(external, 4, cut_s=16.0)
    external.logbook.write("stage", stage="train")
    write_missing_labels(external)
    assert labelled(recording) == 3


def test_a_trial_of_known_length_ends_by_itself(tmp_path: Path) -> None:
    session = begun(tmp_path, external=True)
    (markers := session.config.markers)
    assert markers is not None
    lasting = session.config.model_copy(update={"markers": markers.model_copy(update={"duration_s": 2.0})})
    session = CalibrationFolder(session.path, lasting, None, session.media, (), session.seed, None, session.logbook)
    recording = recorded_run(session, 4, cut_s=16.0)
    session.logbook.write("stopped", reason="interrupted")
    write_missing_labels(session)
    session.logbook.close()
    assert labelled(recording) == 3
