"""The editor's window, by mouse and keyboard, on a recording that it reads itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyqtgraph as pg
import pytest
from label_lab import EditorLab, OpenEditor, configuration, small_recording
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from calibration.editor import app as editor_app
from calibration.editor import loading
from calibration.editor.boxes import grip
from calibration.editor.desk import Desk
from calibration.labels.track import LabelSegment, LabelTrack
from rtemo.errors import RecordingError
from rtemo.labels import events_path

pytestmark = pytest.mark.gui
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
FROM_MARKERS = [(5, 15, "sad"), (25, 40, "joy")]


@pytest.fixture(autouse=True)
def _every_move_counts() -> Iterator[None]:
    """A test moves the mouse faster than a hand; pyqtgraph would leave moves out."""
    before = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", -1)
    yield
    pg.setConfigOption("mouseRateLimit", before)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return small_recording(tmp_path / "run-1.xdf")


@pytest.fixture
def open_editor(qtbot: QtBot, recording: Path) -> Iterator[OpenEditor]:
    opened: list[EditorLab] = []

    def make(config: object = "usual", **how: object) -> EditorLab:
        lab = EditorLab(qtbot, recording, configuration() if config == "usual" else None)  # type: ignore[arg-type]
        opened.append(lab)
        qtbot.addWidget(lab.window)
        return lab

    yield make
    for lab in opened:
        lab.leave_answer = "discard"
        lab.window.close()


@pytest.fixture
def lab(open_editor: OpenEditor) -> EditorLab:
    return open_editor().read()


def test_edges_come_before_insides_and_the_selected_one_before_its_neighbour() -> None:
    track = LabelTrack((LabelSegment(0, 10, "a"), LabelSegment(10, 20, "b")))
    assert grip(track, 5, 0.5, None) == grip(track, 5, 0.5, 1)
    assert (grip(track, 5, 0.5, None).place, grip(track, 25, 0.5, None).place) == ("inside", "free")
    assert (grip(track, 10.1, 0.5, 0).number, grip(track, 10.1, 0.5, 0).place) == (0, "stop")
    assert (grip(track, 10.1, 0.5, 1).number, grip(track, 9.9, 0.5, None).number) == (1, 0)


def test_it_reads_with_a_bar_and_then_shows_streams_markers_and_segments(lab: EditorLab) -> None:
    assert lab.stretches() == FROM_MARKERS
    assert "not saved" in lab.window.name.text()
    assert lab.window.save_button.isEnabled()
    timeline = lab.window.timeline
    assert timeline.lanes.written["labels"] == ["sad", "joy"]
    assert timeline.lanes.written["markers"] == [
        "clip/sad",
        "pause",
        "clip/joy",
        "pause",
    ]
    eeg, gaze = timeline.streams.values()
    assert "amplifier (EEG)   channels 1-8 of 12, uV" in eeg.title.toPlainText()
    assert len(gaze.curve.xData) > 100
    # Channels fill their plot, whenever Qt lays it out.
    for plot, channels in ((eeg, 8), (gaze, 2)):
        assert channels < plot.plot.getViewBox().viewRange()[1][1] < 1.5 * channels


def test_while_it_reads_nothing_can_be_changed_and_the_window_lives(
    open_editor: OpenEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    real = loading.survey_recording

    def slow(*args: object, **how: object) -> object:
        gate.wait(20)
        return real(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "survey_recording", slow)
    lab = open_editor()
    assert lab.window.progress.isVisible()
    assert not lab.window.timeline.isEnabled()
    lab.press(Qt.Key.Key_I)
    assert lab.desk.message == ""
    lab.press(Qt.Key.Key_T)
    assert lab.window._theme_name == "light"
    gate.set()
    assert lab.read().stretches() == FROM_MARKERS


def test_a_window_that_is_closed_while_it_reads_stops_reading(open_editor: OpenEditor) -> None:
    lab = open_editor()
    lab.window.close()
    assert not lab.window._loader.reading


def test_a_recording_that_cannot_be_read_closes_the_window_with_the_reason(
    qtbot: QtBot, tmp_path: Path, recording: Path
) -> None:
    broken = tmp_path / "broken.xdf"
    broken.write_bytes(recording.read_bytes()[:4])
    lab = EditorLab(qtbot, broken)
    qtbot.addWidget(lab.window)
    qtbot.waitUntil(lambda: not lab.window.isVisible())
    assert isinstance(lab.window.failure, RecordingError)


def test_dragging_draws_moves_and_resizes(lab: EditorLab) -> None:
    lab.press(Qt.Key.Key_Escape)
    lab.drag("labels", 16.9, 18, 21)
    assert lab.stretches()[1] == (pytest.approx(16.9, abs=0.1), pytest.approx(21, abs=0.1), "sad")
    assert lab.desk.selected == 1
    lab.press(Qt.Key.Key_2)
    assert lab.stretches()[1][2] == "joy"
    lab.drag("labels", lab.stretches()[1][1], 22, 23)
    assert lab.stretches()[1][1] == pytest.approx(23, abs=0.1)
    lab.drag("labels", 20, 50)
    # As far as its neighbour.
    assert lab.stretches()[1] == (pytest.approx(18.9, abs=0.2), 25, "joy")
    for _ in range(4):
        lab.press(Qt.Key.Key_Z, CONTROL)
    assert lab.stretches() == FROM_MARKERS
    lab.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert len(lab.stretches()) == 3


def test_an_edge_is_dragged_over_a_signal_too_and_snaps(lab: EditorLab) -> None:
    key = next(iter(lab.window.timeline.streams))
    lab.drag(key, 15, 20, 24.95)
    assert lab.stretches()[0] == (5, 25, "sad")


def test_dragging_a_signal_pans_and_changes_no_label(lab: EditorLab) -> None:
    lab.window.timeline.show_stretch(10, 30)
    lab.settle()
    key = next(iter(lab.window.timeline.streams))
    before = lab.window.timeline.seen
    lab.drag(key, 22, 18)
    assert lab.window.timeline.seen[0] == pytest.approx(before[0] + 4, abs=0.5)
    assert lab.stretches() == FROM_MARKERS


def test_clicking_selects_and_puts_the_cursor(lab: EditorLab) -> None:
    lab.click("labels", 30)
    assert lab.desk.selected == 1
    assert lab.desk.cursor_s == pytest.approx(30, abs=0.1)
    assert "Segment 2 of 2" in lab.window.segment.title.text()
    lab.press(Qt.Key.Key_S)
    assert [label for *_, label in lab.stretches()] == ["sad", "joy", "joy"]
    lab.press(Qt.Key.Key_K)
    lab.press(Qt.Key.Key_M)
    assert lab.stretches() == FROM_MARKERS
    lab.press(Qt.Key.Key_Delete)
    assert len(lab.stretches()) == 1


def test_keyboard_alone_makes_a_segment(lab: EditorLab) -> None:
    lab.press(Qt.Key.Key_N)
    lab.press(Qt.Key.Key_N)
    assert lab.desk.cursor_s == 15
    lab.press(Qt.Key.Key_I)
    lab.press(Qt.Key.Key_N)
    lab.press(Qt.Key.Key_O)
    assert lab.stretches()[1] == (15, 25, "sad")
    lab.press(Qt.Key.Key_0)
    assert lab.stretches()[1] == (15, 25, "")
    lab.press(Qt.Key.Key_N, SHIFT)
    lab.press(Qt.Key.Key_Right, SHIFT)
    lab.press(Qt.Key.Key_BracketLeft)
    assert lab.stretches()[1][0] == pytest.approx(15.6, abs=0.1)


def test_figures_can_be_typed_and_overlaps_are_refused_in_words(lab: EditorLab) -> None:
    lab.press(Qt.Key.Key_J)
    stop = lab.window.segment.edges["stop"]
    stop.setValue(17.25)
    lab.settle()
    assert lab.stretches()[0] == (5, 17.25, "sad")
    stop.setValue(30)
    lab.settle()
    assert "would overlap joy" in lab.window.message.text()
    assert stop.value() == 17.25


def test_navigation_stays_within_the_recording(lab: EditorLab) -> None:
    timeline = lab.window.timeline
    lab.press(Qt.Key.Key_Up, CONTROL)
    low, high = timeline.seen
    assert high - low < 45
    for _ in range(20):
        lab.press(Qt.Key.Key_Right)
    assert timeline.seen[1] <= 63.1
    lab.press(Qt.Key.Key_Home)
    assert timeline.seen[0] <= 0
    lab.press(Qt.Key.Key_F)
    assert timeline.seen == (pytest.approx(-0.6, abs=0.1), pytest.approx(60.6, abs=0.1))
    lab.click("whole", 30)
    lab.press(Qt.Key.Key_PageDown)
    assert "channels 5-12 of 12" in next(iter(timeline.streams.values())).title.toPlainText()
    lab.press(Qt.Key.Key_Plus)
    assert timeline.gain > 1


def test_streams_can_be_hidden_and_shown_again(lab: EditorLab) -> None:
    timeline = lab.window.timeline
    first, second = lab.window.streams.menu().actions()
    first.setChecked(False)
    lab.settle()
    assert len(timeline._shown()) == 1
    second.setChecked(False)
    first.setChecked(True)
    lab.settle()
    assert [one.pyramid.stream.type for one in timeline._shown()] == ["EEG"]


def test_the_table_and_the_check_bring_segments_into_sight(lab: EditorLab) -> None:
    lab.desk.select(1)
    lab.desk.relabel("sad")
    lab.window.refresh()
    assert lab.window.table.model.data(lab.window.table.model.index(1, 3)) == "sad"
    assert "1 error" in lab.window.problems.title.text()
    lab.window.timeline.show_stretch(0, 5)
    lab.window.table.view.selectRow(0)
    lab.window.table.view.selectRow(1)
    lab.settle()
    assert lab.desk.selected == 1
    assert lab.window.timeline.seen[1] > 25


def test_saving_by_key_and_leaving_with_unsaved_labels_asks(lab: EditorLab, recording: Path) -> None:
    lab.press(Qt.Key.Key_S, CONTROL)
    assert events_path(recording).read_text().count("\n") == 3
    assert not lab.window.save_button.isEnabled()
    lab.press(Qt.Key.Key_J)
    lab.press(Qt.Key.Key_Delete)
    lab.leave_answer = "cancel"
    assert not lab.window.close()
    lab.leave_answer = "save"
    assert lab.window.close()
    assert lab.asked == ["leave", "leave"]
    assert events_path(recording).read_text().count("\n") == 2
    assert len(list(recording.parent.glob("*.bak"))) == 1


def test_somebody_elses_change_is_not_saved_over_unasked(lab: EditorLab, recording: Path) -> None:
    events_path(recording).write_text("onset\tduration\ttrial_type\n1\t2\tjoy\n")
    lab.press(Qt.Key.Key_S, CONTROL)
    assert lab.asked == ["overwrite"]
    assert lab.desk.unsaved
    assert events_path(recording).read_text().count("\n") == 2
    lab.overwrite_answer = True
    lab.press(Qt.Key.Key_S, CONTROL)
    assert not lab.desk.unsaved
    assert len(list(recording.parent.glob("*_events.tsv.*.bak"))) == 1


def test_a_full_disk_is_told_and_nothing_is_lost(lab: EditorLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calibration.editor.desk.write_label_file", full)
    lab.press(Qt.Key.Key_S, CONTROL)
    assert "No space left" in lab.window.message.text()
    lab.leave_answer = "save"
    assert not lab.window.close()


def test_themes_letters_and_help(lab: EditorLab) -> None:
    lab.press(Qt.Key.Key_T)
    assert lab.window._theme_name == "light"
    lab.press(Qt.Key.Key_Plus, CONTROL)
    lab.press(Qt.Key.Key_Question)
    assert lab.window.help.isVisible()
    lab.press(Qt.Key.Key_Escape)
    assert not lab.window.help.isVisible()


def test_without_a_configuration_labels_are_typed(open_editor: OpenEditor) -> None:
    lab = open_editor(None).read()
    assert lab.stretches() == []
    lab.window.segment.labels.setEditText("calm")
    lab.window.segment.labels.activated.emit(0)
    lab.settle()
    lab.drag("labels", 10, 20)
    assert lab.stretches()[0][2] == "calm"
    assert [button.text() for button in lab.window.label_buttons] == ["1  calm"]


def test_hostile_texts_are_shown_as_they_are(open_editor: OpenEditor, recording: Path) -> None:
    events_path(recording).write_text("onset\tduration\ttrial_type\tnote\n1\t9\t<b>sad</b>\t\x1b[2J\n", "utf-8")
    lab = open_editor().read()
    assert lab.window.timeline.lanes.written["labels"] == ["<b>sad</b>"]
    lab.press(Qt.Key.Key_J)
    assert "\\x1b[2J" in lab.window.segment.details.text()


def test_what_is_rescued_is_the_whole_file(recording: Path) -> None:
    rows = ["a\t2\t3\tsad", "b\t4\t0\tbutton", 'c"\tn/a\tn/a\tcomment']
    events_path(recording).write_text("\n".join(("file\tonset\tduration\ttrial_type", *rows)) + "\n")
    desk = Desk(recording, configuration())
    desk.add(10, 12)
    path = editor_app.rescue(desk)
    assert path.read_text().splitlines()[1:] == [*rows[:2], "n/a\t10\t2\tsad", rows[2]]


def test_labels_of_a_window_that_broke_are_rescued(recording: Path) -> None:
    desk = Desk(recording, configuration())
    desk.add(1, 2)
    path = editor_app.rescue(desk)
    assert path.read_text().splitlines() == ["onset\tduration\ttrial_type", "1\t1\tsad"]
    assert path.name.endswith(".rescued")
