"""The experimenter's window: what it shows, what its buttons and keys say, and how it works with the participant's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from presenter_lab import VALENCE, PresenterLab, wait
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from calibration.presenter.experimenter import RESUME, SURE, ExperimenterWindow
from calibration.presenter.session_view import (
    RUNNING,
    SessionView,
    StreamLine,
    allowed_in,
    clock_words,
    trial_words,
    view_of,
)
from calibration.scenes import Chosen, Fixation, Key, Message, Question, ReportForm
from calibration.status import Phase, Status

pytestmark = pytest.mark.gui
VIEW = SessionView(
    stage="trials",
    phase="stimulus",
    trial=3,
    trials=24,
    done=2,
    label="positive",
    left_s=12.2,
    session_left_s=605.0,
    streams=(
        StreamLine("eeg", "good", "live, all channels good"),
        StreamLine("eye", "warning", "live, 40 % of the gaze missing"),
    ),
    allowed=RUNNING,
)


class Desk:
    """The window and what it said."""

    def __init__(self) -> None:
        self.window = ExperimenterWindow()
        self.commands: list[str] = []
        self.notes: list[str] = []
        self.window.commanded.connect(self.commands.append)
        self.window.noted.connect(self.notes.append)

    def key(self, key: Qt.Key) -> None:
        QTest.keyClick(self.window, key)

    def texts(self) -> list[str]:
        wait(10)
        return [label.text() for label in self.window.findChildren(QLabel) if not label.isHidden()]


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    desk = Desk()
    qtbot.addWidget(desk.window, before_close_func=lambda window: window.finish())
    desk.window.show()
    qtbot.waitExposed(desk.window)
    desk.window.activateWindow()
    yield desk
    desk.window.finish()


def test_it_shows_where_the_session_is(desk: Desk):
    desk.window.refresh(VIEW)
    window = desk.window
    assert (window.phase.text(), window.left.text()) == ("stimulus", "0:13")
    assert window.trial.text() == "trial 3 of 24    positive"
    assert window.session_left.text() == "10:05 to the last trial's end"
    assert [stage for stage, label in window.stages.items() if label.objectName() == "here"] == ["trials"]
    assert (window.progress.value(), window.progress.maximum()) == (2, 24)
    assert "●  live, all channels good" in desk.texts()
    assert "▲  live, 40 % of the gaze missing" in desk.texts()


def test_streams_come_and_go(desk: Desk):
    desk.window.refresh(VIEW)
    desk.window.refresh(SessionView(stage="check", streams=(StreamLine("ecg\x1b", "critical", "lost"),)))
    texts = desk.texts()
    assert r"ecg\x1b" in texts
    assert "✕  lost" in texts
    assert "eeg" not in texts


def test_warnings_stand_and_many_are_counted(desk: Desk):
    desk.window.refresh(SessionView(stage="trials", warnings=("signal poor: repeat trial 3?",)))
    assert [label.text() for label in desk.window.warnings if not label.isHidden()] == [
        "!  signal poor: repeat trial 3?"
    ]
    desk.window.refresh(SessionView(stage="trials", warnings=tuple("abcdef")))
    assert [label.text() for label in desk.window.warnings if not label.isHidden()] == [
        "!  a",
        "!  b",
        "!  ... and 4 more",
    ]
    desk.window.refresh(SessionView(stage="trials"))
    assert all(label.isHidden() for label in desk.window.warnings)


def test_keys_and_buttons_are_commands_where_they_mean_something(desk: Desk):
    for key in (Qt.Key.Key_P, Qt.Key.Key_S, Qt.Key.Key_R, Qt.Key.Key_Space):
        desk.key(key)
    assert desk.commands == []
    desk.window.refresh(VIEW)
    for key in (Qt.Key.Key_P, Qt.Key.Key_S, Qt.Key.Key_R, Qt.Key.Key_Space):
        desk.key(key)
    assert desk.commands == ["pause", "skip", "redo"]
    desk.window.refresh(SessionView(stage="check", allowed=allowed_in(Phase.INSTRUCTIONS, paused=False)))
    desk.key(Qt.Key.Key_Space)
    assert desk.commands[-1] == "continue"


def test_the_pause_button_resumes(desk: Desk):
    desk.window.refresh(SessionView(stage="trials", paused=True, allowed=allowed_in(Phase.REST, paused=True)))
    assert desk.window.buttons["pause"].text() == RESUME
    assert desk.window.phase.text() == "paused"
    desk.key(Qt.Key.Key_P)
    assert desk.commands == ["resume"]


def test_the_end_is_asked_for_twice_and_forgotten_after_a_while(desk: Desk):
    desk.window.refresh(VIEW)
    end = desk.window.buttons["abort"]
    desk.key(Qt.Key.Key_Escape)
    assert end.text() == SURE
    assert desk.commands == []
    desk.window._sure.setInterval(1)
    desk.window._sure.start()
    wait(20)
    assert end.text() == "End (Esc)"
    desk.window._sure.setInterval(4000)
    desk.key(Qt.Key.Key_Escape)
    end.click()
    assert desk.commands == ["abort"]
    assert end.text() == "End (Esc)"


def test_closing_the_window_is_asking_for_the_end(desk: Desk):
    desk.window.refresh(VIEW)
    desk.window.close()
    assert desk.window.isVisible()
    assert desk.commands == []
    desk.window.close()
    assert desk.commands == ["abort"]
    assert desk.window.isVisible(), "it stays until the session is over"
    desk.window.finish()
    assert not desk.window.isVisible()


def test_a_note_is_written_without_giving_commands(desk: Desk):
    desk.window.refresh(VIEW)
    desk.key(Qt.Key.Key_N)
    assert desk.window.needs_keyboard()
    QTest.keyClicks(desk.window.line, "p s r 1")
    QTest.keyClick(desk.window.line, Qt.Key.Key_Return)
    assert desk.notes == ["p s r 1"]
    assert desk.commands == []
    assert desk.window.log.toPlainText() == "note: p s r 1"
    assert not desk.window.needs_keyboard()
    desk.key(Qt.Key.Key_N)
    QTest.keyClick(desk.window.line, Qt.Key.Key_Escape)
    assert not desk.window.needs_keyboard()
    QTest.keyClick(desk.window.line, Qt.Key.Key_Return)
    assert desk.notes == ["p s r 1"], "an empty note is none"


def test_a_question_is_answered_by_key_once(desk: Desk):
    answers: list[str] = []
    desk.window.ask(Question(1, "Signal poor. Repeat?", ("repeat", "accept")), answers.append)
    assert desk.window.asking.isVisible()
    assert desk.window.needs_keyboard()
    desk.key(Qt.Key.Key_3)
    assert answers == []
    desk.key(Qt.Key.Key_2)
    assert answers == ["accept"]
    assert not desk.window.asking.isVisible()
    desk.key(Qt.Key.Key_2)
    assert answers == ["accept"]


def test_another_question_takes_the_place_of_the_first(desk: Desk):
    answers: list[str] = []
    desk.window.ask(Question(1, "First?", ("a", "b")), answers.append)
    first = desk.window.choice_buttons[0]
    desk.window.ask(Question(2, "Second?", ("c", "d", "e")), answers.append)
    assert first not in desk.window.choice_buttons
    desk.window.choice_buttons[2].click()
    assert answers == ["e"]


def test_it_works_beside_the_participants_window(desk: Desk):
    lab = PresenterLab(operator=desk.window)
    try:
        desk.window.commanded.connect(lab.window.command)
        desk.window.refresh(VIEW)
        lab.shown(Fixation(1))
        desk.window.buttons["redo"].click()
        assert lab.window.events() == [Key("redo")]
        lab.window.ask(Question(7, "Repeat?", ("repeat", "accept")))
        wait(10)
        desk.key(Qt.Key.Key_1)
        assert lab.window.events() == [Chosen(7, "repeat")]
        lab.window.ask(Question(8, "Repeat?", ("repeat", "accept")))
        lab.window.close()
        assert not desk.window.asking.isVisible()
    finally:
        lab.window.close()


@pytest.mark.parametrize(
    "scene", [ReportForm(2, (VALENCE,)), Message(2, "go", continue_key=True)], ids=["form", "message"]
)
def test_the_participant_has_the_keyboard_where_it_is_needed(desk: Desk, scene: ReportForm | Message):
    lab = PresenterLab(operator=desk.window)
    try:
        lab.shown(Fixation(1))
        desk.window.activateWindow()
        desk.window.line.setFocus()
        wait(10)
        lab.shown(scene)
        lab.window.events()
        wait(10)
        assert not lab.window.surface.isActive(), "the experimenter is writing"
        desk.window.setFocus()
        lab.window.events()
        wait(10)
        assert lab.window.surface.isActive()
    finally:
        lab.window.close()


def status(phase: Phase, **how: object) -> Status:
    facts: dict[str, object] = {
        "paused": False,
        "trial": None,
        "attempt": 0,
        "done": 0,
        "total": 5,
        "left_s": None,
        "question": None,
        "outcome": "",
    }
    return Status(phase=phase, **(facts | how))  # type: ignore[arg-type]


def test_a_conductors_status_is_shown():
    view = view_of(status(Phase.REST, done=2, left_s=3.0), "trials", warnings=("w",))
    assert (view.phase, view.trials, view.done, view.left_s, view.warnings) == ("rest", 5, 2, 3.0, ("w",))
    assert view.allowed == RUNNING
    ended = view_of(status(Phase.ENDED, outcome="closed"), "trials")
    assert ended.phase == "ended: closed"
    assert ended.allowed == frozenset()
    assert view_of(status(Phase.REST, paused=True), "trials").allowed == {"resume", "abort"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0.0, "0:00"), (0.1, "0:01"), (59.01, "1:00"), (-3.0, "0:00"), (3725.0, "62:05")],
)
def test_time_is_told_in_minutes_and_seconds(seconds: float | None, words: str):
    assert clock_words(seconds) == words


def test_a_trial_is_told_with_label_and_attempt():
    assert trial_words(SessionView(stage="check")) == ""
    assert trial_words(SessionView(stage="check", trials=9)) == "9 trials"
    view = SessionView(stage="trials", trials=9, trial=2, label="sad", attempt=2)
    assert trial_words(view) == "trial 2 of 9    sad    attempt 2"
