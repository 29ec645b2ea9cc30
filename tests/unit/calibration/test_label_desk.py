"""What the window works on: selection, edits with their reasons, snapping, saving; without a window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibration.editor import desk as desk_module
from calibration.editor.desk import Desk
from calibration.labels.bids import Written, write_label_file
from calibration.labels.survey import StreamSpan, Survey
from calibration.labels.track import LabelSegment
from rtemo.config import Configuration, parse_configuration
from rtemo.errors import LabelError
from rtemo.types import Marker, StreamDescription

EEG = StreamDescription("1", "eeg", "EEG", ("Fp1",), 100.0)
EVENTS = "onset\tduration\ttrial_type\ttrial\n5\t10\tsad\t1\n25\t15\tclip/joy\t2\n40\t0\tbutton\tn/a\n"


def config() -> Configuration:
    return parse_configuration(
        {
            "labels": ["sad", "joy"],
            "views": {"eeg": {"stream": {"type": "EEG"}, "features": "statistics"}},
            "markers": {"stream": {"type": "Markers"}, "labels": {"clip/joy": "joy"}},
        },
        "test",
    )


def survey(**more: object) -> Survey:
    span = StreamSpan(EEG, 1000.0, 1060.0)
    markers = (Marker("2", 1017.5, "x"), Marker("2", 1030.0, "y"))
    return replace(Survey("run-1.xdf", 1000.0, 1060.0, (span,), markers), **more)  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "run-1_events.tsv").write_text(EVENTS)
    made = Desk(tmp_path / "run-1.xdf", config())
    made.know(survey())
    return made


def stretches(desk: Desk) -> list[tuple[float, float, str]]:
    return [(one.start_s, one.stop_s, one.label) for one in desk.track.segments]


def test_it_begins_with_the_file(desk: Desk) -> None:
    assert stretches(desk) == [(5, 15, "sad"), (25, 40, "joy")]
    assert desk.others == [(40.0, "button")]
    assert not desk.unsaved
    assert desk.problems == ()


def test_without_a_file_it_begins_with_the_markers_unsaved(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "run-1.xdf", config())
    assert desk.track.segments == ()
    desk.know(survey(marked=(LabelSegment(5, 15, "joy"),)))
    assert stretches(desk) == [(5, 15, "joy")]
    assert desk.unsaved
    assert "from the markers; not saved yet" in desk.message


def test_what_is_drawn_snaps_to_markers_and_stops_at_neighbours(desk: Desk) -> None:
    assert desk.near(17.3, 0.5) == 17.5
    assert desk.near(15.2, 0.5) == 15
    assert desk.near(20.0, 0.5) == 20.0
    assert desk.near(59.9, 0.5) == 60
    desk.draw(17.5, 99)
    assert stretches(desk)[1] == (17.5, 25, "sad")
    desk.draw(17.5, -5)
    assert stretches(desk)[1] == (15, 17.5, "sad")
    assert not desk.history.undoes
    assert desk.drop("new segment")
    assert desk.history.undoes == "new segment"
    assert desk.selected == 1


def test_a_drag_is_one_step_and_stops_at_neighbours(desk: Desk) -> None:
    for to_s in (16, 20, 30):
        desk.drag(0, "stop", to_s)
    assert stretches(desk)[0] == (5, 25, "sad")
    desk.drop("other stop")
    desk.undo()
    assert stretches(desk)[0] == (5, 15, "sad")
    desk.drag(0, "stop", -10)
    assert stretches(desk)[0] == (5, 5.01, "sad")
    desk.drop("other stop")
    desk.undo()
    desk.drag(1, None, 100)
    assert stretches(desk)[1] == (100, 115, "joy")
    desk.drag(1, None, 0)
    assert stretches(desk)[1] == (15, 30, "joy")


def test_what_does_not_change_anything_is_no_step(desk: Desk) -> None:
    desk.draw(8, 9)
    assert not desk.drop("new segment")
    desk.drag(0, "stop", 15)
    desk.drop("other stop")
    assert not desk.history.undoes


def test_edits_keep_the_segment_selected(desk: Desk) -> None:
    desk.go(1)
    assert (desk.selected, desk.cursor_s) == (0, 5)
    assert desk.set_edge("start", 3)
    assert desk.relabel("joy")
    assert stretches(desk)[0] == (3, 15, "joy")
    assert desk.selected == 0
    desk.go(5)
    assert desk.selected == 1
    assert desk.delete()
    assert desk.selected is None
    desk.go(-1)
    assert desk.selected == 0


def test_what_is_refused_says_why(desk: Desk) -> None:
    for work in (desk.delete, desk.merge, lambda: desk.set_edge("start", 1)):
        assert not work()
        assert desk.refused
        assert desk.message == "select a segment first"
    assert not desk.end()
    assert "press I" in desk.message
    desk.cursor_s = 20
    assert not desk.split()
    assert not desk.relabel("unknown")
    desk.select(0)
    assert not desk.set_edge("stop", 30)
    assert "would overlap joy" in desk.message
    assert stretches(desk) == [(5, 15, "sad"), (25, 40, "joy")]


def test_a_segment_is_made_from_the_keyboard(desk: Desk) -> None:
    desk.cursor_s = 16
    desk.go_to_marker(1)
    assert desk.cursor_s == 17.5
    desk.begin()
    desk.cursor_s = 20
    desk.relabel("joy")
    assert desk.end()
    assert stretches(desk)[1] == (17.5, 20, "joy")
    desk.go_to_marker(-1)
    assert desk.cursor_s == 17.5
    desk.go_to_marker(-1)
    desk.go_to_marker(-1)
    assert desk.cursor_s == 0


def test_without_a_configuration_any_label_can_be_typed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "run-1.xdf", None)
    assert desk.relabel("calm")
    assert desk.add(1, 2)
    assert desk.labels == ["calm"]
    assert stretches(desk) == [(1, 2, "calm")]


def test_saving_keeps_the_old_file_and_is_remembered(desk: Desk) -> None:
    desk.select(0)
    desk.delete()
    assert desk.unsaved
    written = desk.save()
    assert not desk.unsaved
    assert written.backups[0].read_text() == EVENTS
    assert "kept as" in desk.message
    assert desk.path.read_text().splitlines()[1:] == ["25\t15\tclip/joy\t2", "40\t0\tbutton\tn/a"]
    desk.undo()
    assert desk.unsaved
    desk.save()
    assert desk.path.read_text() == EVENTS


def test_saving_over_somebody_elses_change_needs_a_second_word(desk: Desk) -> None:
    desk.add(16, 17)
    desk.path.write_text(EVENTS.replace("sad", "joy"))
    with pytest.raises(LabelError, match="somebody has changed"):
        desk.save()
    desk.save(all_the_same=True)
    assert len(list(desk.path.parent.glob("*.bak"))) >= 1
    assert not desk.unsaved


def test_problems_follow_what_is_done(desk: Desk) -> None:
    desk.select(1)
    desk.delete()
    assert [problem.text for problem in desk.problems] == ["label 'joy' is in no window: training cannot learn it"]
    desk.undo()
    assert desk.problems == ()


def test_what_is_written_is_the_file_with_what_was_edited(desk: Desk) -> None:
    desk.select(0)
    desk.delete()
    assert desk.file.track is desk.track
    assert [row["trial_type"] for row in desk.file.others] == ["button"]
    assert desk.file.columns[-1] == "trial"


def test_what_somebody_writes_while_it_is_saved_is_not_taken_for_our_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(path: Path, *arguments: Any, **options: Any) -> Written:
        written = write_label_file(path, *arguments, **options)
        path.write_text(EVENTS)
        return written

    monkeypatch.setattr(desk_module, "write_label_file", overtaken)
    desk.add(16, 17)
    desk.save()
    desk.add(18, 19)
    with pytest.raises(LabelError, match="somebody has changed"):
        desk.save()
