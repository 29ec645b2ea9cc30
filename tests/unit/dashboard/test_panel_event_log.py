"""Events, one line each, and a filter."""

from __future__ import annotations

import pytest
from panel_lab import PanelLab
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rtemo.dashboard.event_log import LINES, WIDTH, EventLogPanel
from rtemo.dashboard.messages import Attached, EventSeen, EventsSeen

pytestmark = pytest.mark.gui


@pytest.fixture
def log(lab: PanelLab) -> EventLogPanel:
    lab.live()
    lab.event("stream-opened", stream="eeg", channels=62)
    lab.event("view-missing", view="eye", reason="coverage 0.31 < 0.80")
    lab.event("adaptation-update", window=3)
    lab.event("stream-closed", stream="eye")
    lab.window.tabs.setCurrentIndex(4)
    lab.frame()
    return lab.window.events


def kinds(log: EventLogPanel) -> list[str]:
    return [line.split()[2] for line in log.lines]


def test_an_event_is_a_line_with_its_moment_and_details(log: EventLogPanel):
    assert log.lines[0].split() == ["60.00", "s", "stream-opened", "stream", "eeg,", "channels", "62"]


def test_routine_is_shown_where_it_is_asked_for_by_the_keyboard_too(lab: PanelLab, log: EventLogPanel):
    assert kinds(log) == ["stream-opened", "view-missing", "stream-closed"]
    log.routine.setFocus()
    lab.press(Qt.Key.Key_Space)
    lab.frame()
    assert kinds(log) == ["stream-opened", "view-missing", "adaptation-update", "stream-closed"]
    assert lab.window.timeline.following


def test_the_filter_wants_every_word_and_forbids_some(lab: PanelLab, log: EventLogPanel):
    lab.press(Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    lab.press(Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert lab.window.tabs.currentWidget() is log
    assert log.filter.hasFocus()
    QTest.keyClicks(log.filter, "STREAM")
    lab.frame()
    assert kinds(log) == ["stream-opened", "stream-closed"]
    QTest.keyClicks(log.filter, " eye")
    lab.frame()
    assert kinds(log) == ["stream-closed"]
    log.filter.setText("-eye")
    lab.frame()
    assert kinds(log) == ["stream-opened"]
    log.filter.clear()
    lab.frame()
    assert len(kinds(log)) == 3


def test_a_filter_holds_for_what_comes_later(lab: PanelLab, log: EventLogPanel):
    log.filter.setText("view")
    lab.event("view-back", view="eye")
    lab.event("stream-opened", stream="eye")
    lab.frame()
    assert kinds(log) == ["view-missing", "view-back"]


def test_events_of_another_session_are_not_mixed_with_these(lab: PanelLab, log: EventLogPanel):
    lab.state.take(Attached(lab.layout.model_copy(update={"session": "another"})))
    lab.event("session-start")
    lab.frame()
    assert kinds(log) == ["session-start"]


def test_what_an_event_says_is_plain_text_of_one_line(lab: PanelLab, log: EventLogPanel):
    lab.event("<b>kind</b>", text="a\nb\x1b[2J\u202e" + "c" * 1000)
    lab.frame()
    assert len(log.lines) == 4
    assert r"<b>kind</b>  text a\nb\x1b[2J\u202eccc" in log.lines[-1]
    assert len(log.lines[-1]) == WIDTH


def test_a_flood_keeps_the_newest_lines_only(lab: PanelLab, log: EventLogPanel):
    lab.state.take(EventsSeen(tuple(EventSeen(lab.session_s, f"n{number}", {}) for number in range(LINES + 500))))
    lab.frame()
    assert len(log.lines) == LINES
    assert kinds(log)[-1] == f"n{LINES + 499}"


def test_without_a_new_event_nothing_is_written(lab: PanelLab, log: EventLogPanel, monkeypatch: pytest.MonkeyPatch):
    written = []
    monkeypatch.setattr(log.text, "appendPlainText", written.append)
    lab.frame(3)
    assert written == []


def test_what_came_before_the_first_status_is_told_from_the_beginning_of_the_session_too(lab: PanelLab):
    lab.window.tabs.setCurrentIndex(4)
    lab.state.take(EventsSeen((EventSeen(1105.0, "session-start", {}),)))
    lab.frame()
    # Nobody knows yet how long after its beginning.
    assert [line.split()[:3] for line in lab.window.events.lines] == [["–", "s", "session-start"]]
    lab.live()
    lab.frame(2)
    assert [line.split()[:3] for line in lab.window.events.lines] == [["65.00", "s", "session-start"]]


def test_what_is_not_routine_is_seen_however_much_routine_there_was(lab: PanelLab, log: EventLogPanel):
    lab.event("annotation", text="coughs")
    for number in range(6000):
        lab.event("adaptation-skip", number=number)
    log.routine.setChecked(True)
    log.filter.setText("coughs")
    lab.frame()
    assert kinds(log) == ["annotation"]
