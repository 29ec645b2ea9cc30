"""Adaptation: how it stands, and the operator's say in it."""

from __future__ import annotations

import numpy as np
import pytest
from panel_lab import GUARDED, PanelLab
from PySide6.QtCore import Qt

from rtemo.dashboard.adaptation_panel import AdaptationPanel
from rtemo.dashboard.messages import Attached, EventSeen, EventsSeen, MarkersSeen
from rtemo.telemetry import AdaptationState

pytestmark = pytest.mark.gui
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def panel(lab: PanelLab) -> AdaptationPanel:
    lab.window.tabs.setCurrentIndex(3)
    lab.live()
    lab.frame()
    return lab.window.adaptation


def figures(panel: AdaptationPanel) -> dict[str, str]:
    return {key: label.text() for key, label in panel.values.items()}


def test_how_it_stands_is_told(lab: PanelLab, panel: AdaptationPanel):
    stands = AdaptationState(
        mode="guarded", learnt=312, refused=41, updates=39, rollbacks=1, drift=0.0123, differ=14, compared=400
    )
    lab.live(adaptation=stands.model_copy(update={"last_reason": "probe fell"}))
    lab.frame()
    assert figures(panel) == {
        "mode": "guarded",
        "learnt": "312",
        "refused": "41",
        "updates": "39",
        "rollbacks": "1",
        "drift": "1.23 %",
        "differ": "14 of 400",
        "accuracy": "–",
        "shadow": "–",
    }
    assert panel.why.text() == "last decision: probe fell"


def test_paused_frozen_and_off_are_told_with_their_reason(lab: PanelLab, panel: AdaptationPanel):
    lab.live(adaptation=GUARDED.model_copy(update={"paused": True, "frozen": True}))
    lab.frame()
    assert figures(panel)["mode"] == "guarded, PAUSED, FROZEN"
    lab.live(adaptation=AdaptationState(mode="off", reason="no probe in the bundle"))
    lab.frame()
    assert figures(panel)["mode"] == "off: no probe in the bundle"


def test_accuracy_of_both_models_is_counted_against_markers(lab: PanelLab, panel: AdaptationPanel):
    lab.state.take(MarkersSeen("markers", np.array([lab.session_s]), ("clip/positive",)))
    lab.watch(8)
    lab.watch(2, probabilities=(0.9, 0.05, 0.05))
    lab.frame()
    assert figures(panel)["accuracy"] == "80 %  (8 of 10 windows)"
    assert figures(panel)["shadow"] == "0 %  (0 of 10 windows)"


def test_rollbacks_and_what_the_operator_did_are_listed_with_reasons(lab: PanelLab, panel: AdaptationPanel):
    lab.event("adaptation-rollback", window=80, reason="probe: accuracy fell by 0.04")
    lab.event("adaptation-update", window=81)
    lab.event("adaptation-paused", window=90, reason="<b>operator</b>")
    lab.frame()
    lines = panel.log.toPlainText().splitlines()
    assert len(lines) == 2
    assert "rollback: probe: accuracy fell by 0.04  (window 80)" in lines[0]
    assert "paused: <b>operator</b>" in lines[1]
    lab.frame(2)
    assert len(panel.log.toPlainText().splitlines()) == 2
    lab.state.take(Attached(lab.layout.model_copy(update={"session": "another"})))
    lab.frame()
    assert panel.log.toPlainText() == ""


def test_buttons_pause_resume_and_reset(lab: PanelLab, panel: AdaptationPanel):
    assert (panel.pause.isEnabled(), panel.resume.isEnabled()) == (True, False)
    panel.pause.click()
    assert lab.sent == [("pause", "")]
    lab.live(adaptation=GUARDED.model_copy(update={"paused": True}))
    lab.frame()
    assert (panel.pause.isEnabled(), panel.resume.isEnabled()) == (False, True)
    panel.resume.click()
    lab.confirmed = [True]
    panel.reset.click()
    assert lab.sent == [("pause", ""), ("resume", ""), ("reset", "")]
    assert lab.asked == 1


def test_a_reset_that_is_not_meant_is_none(lab: PanelLab, panel: AdaptationPanel):
    lab.confirmed = [False, False]
    panel.reset.click()
    lab.press(Qt.Key.Key_R, CONTROL)
    assert lab.asked == 2
    assert lab.sent == []


def test_keys_do_the_same_whichever_tab_is_seen(lab: PanelLab):
    for tab in (0, 3, 4):
        lab.sent.clear()
        lab.window.tabs.setCurrentIndex(tab)
        lab.live()
        lab.frame()
        lab.press(Qt.Key.Key_P, CONTROL)
        lab.live(adaptation=GUARDED.model_copy(update={"paused": True}))
        lab.frame()
        lab.press(Qt.Key.Key_P, CONTROL)
        lab.confirmed = [True]
        lab.press(Qt.Key.Key_R, CONTROL)
        assert lab.sent == [("pause", ""), ("resume", ""), ("reset", "")], tab


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "the session takes no commands from here yet"),
        ({"adaptation": AdaptationState(mode="off")}, "adaptation is off in this session"),
        ({"ending": True}, "no session is heard"),
    ],
)
def test_buttons_and_keys_that_would_do_nothing_say_why(
    lab: PanelLab, panel: AdaptationPanel, changes: dict[str, object], why: str
):
    # Others may be heard: this dashboard is not.
    lab.heard = bool(changes)
    lab.live(**changes)
    lab.frame()
    assert [button.isEnabled() for button in (panel.pause, panel.resume, panel.reset)] == [False] * 3
    assert panel.why.text() == why
    lab.press(Qt.Key.Key_P, CONTROL)
    lab.press(Qt.Key.Key_R, CONTROL)
    assert (lab.sent, lab.asked) == ([], 0)


def test_a_silent_session_is_asked_nothing_and_comes_back(lab: PanelLab, panel: AdaptationPanel):
    lab.clock.advance(3.0)
    lab.frame()
    assert not panel.pause.isEnabled()
    assert panel.title.text() == "Adaptation, as of 3 s ago"
    assert {value.objectName() for value in panel.values.values()} == {"muted"}
    lab.live()
    lab.frame()
    assert panel.pause.isEnabled()
    assert panel.title.text() == "Adaptation"
    assert {value.objectName() for value in panel.values.values()} == {"strong"}


def test_reset_in_words_asks_and_defaults_to_no(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    from PySide6.QtWidgets import QMessageBox

    from rtemo.dashboard.adaptation_panel import ask_reset

    asked: list[tuple[object, ...]] = []

    def question(*of: object) -> QMessageBox.StandardButton:
        asked.append(of)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", question)
    assert ask_reset(lab.window)
    assert asked[0][-1] == QMessageBox.StandardButton.No


def test_what_came_before_the_first_status_is_told_from_the_beginning_of_the_session_too(lab: PanelLab):
    lab.window.tabs.setCurrentIndex(3)
    lab.state.take(EventsSeen((EventSeen(1105.0, "adaptation-rollback", {"reason": "probe"}),)))
    lab.frame()
    lab.live()
    lab.frame(2)
    assert [line.split()[:2] for line in lab.window.adaptation.log.toPlainText().splitlines()] == [["65", "s"]]


def test_what_is_decided_while_another_tab_is_seen_is_listed_too(lab: PanelLab):
    lab.window.tabs.setCurrentIndex(0)
    lab.live()
    lab.event("adaptation-rollback", window=80, reason="probe")
    lab.frame()
    for number in range(6000):
        lab.event("late", number=number)
    lab.frame()
    assert "rollback: probe" in lab.window.adaptation.log.toPlainText()
