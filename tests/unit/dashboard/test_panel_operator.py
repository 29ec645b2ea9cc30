"""Annotations go to the session; alarms are seen, heard, and acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from dashboard_words import stream
from panel_lab import PanelLab, picture, pixels_of
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rtemo.dashboard.operator_panel import MOST_ALARMS, PRESETS, SOUND_EVERY_S
from rtemo.dashboard.theme import DARK
from rtemo.telemetry import MAX_ANNOTATION

pytestmark = pytest.mark.gui
TITLE = "rtemo dashboard"


def lose(lab: PanelLab, *keys: str, state: str = "lost") -> None:
    lab.live(streams=tuple(stream(key, state=state, age_s=7.0) for key in keys))
    lab.say(ago_s=-lab.clock.now_s() * 1e-3)
    lab.frame()


@pytest.fixture
def heard(lab: PanelLab) -> PanelLab:
    lab.live()
    lab.say()
    lab.frame()
    return lab


def test_what_is_written_is_sent_by_enter_and_by_the_button(heard: PanelLab):
    bar = heard.window.annotations
    heard.press(Qt.Key.Key_N)
    assert bar.line.hasFocus()
    # Letters that are keys elsewhere are letters here.
    QTest.keyClicks(bar.line, " map nt? +- ")
    heard.press(Qt.Key.Key_Return)
    assert heard.sent == [("annotate", "map nt? +-")]
    assert bar.line.text() == ""
    bar.line.setText("again")
    bar.button.click()
    assert heard.sent[-1] == ("annotate", "again")
    heard.press(Qt.Key.Key_Return)
    assert len(heard.sent) == 2
    heard.press(Qt.Key.Key_Escape)
    assert not bar.line.hasFocus()


def test_each_preset_has_a_key_and_a_button(heard: PanelLab):
    assert len(PRESETS) == 8
    for number, text in enumerate(PRESETS):
        heard.press(Qt.Key(Qt.Key.Key_F1 + number))
        heard.window.annotations.preset_buttons[number].click()
        assert heard.sent[-2:] == [("annotate", text)] * 2
    assert len(heard.sent) == 16


def test_presets_can_be_used_while_writing(heard: PanelLab):
    heard.press(Qt.Key.Key_N)
    QTest.keyClicks(heard.window.annotations.line, "half a sent")
    heard.press(Qt.Key.Key_F3)
    assert heard.sent == [("annotate", PRESETS[2])]
    assert heard.window.annotations.line.text() == "half a sent"


def test_nothing_longer_than_a_session_takes_can_be_written(heard: PanelLab):
    heard.window.annotations.line.setText("x" * 2 * MAX_ANNOTATION)
    heard.window.annotations.write()
    assert len(heard.sent[0][1]) == MAX_ANNOTATION


@pytest.mark.parametrize("how", ["nobody", "not this one", "silent", "ended"])
def test_where_nobody_listens_nothing_is_sent_and_what_is_written_stays(open_lab: Callable[..., PanelLab], how: str):
    lab = open_lab(nobody=how == "nobody")
    if how != "nobody":
        # Another dashboard of this very machine may well be heard.
        lab.heard = how != "not this one"
        lab.live(ending=how == "ended")
    if how == "silent":
        lab.clock.advance(3.0)
    lab.frame()
    bar = lab.window.annotations
    assert bar.said.text() == "not heard yet"
    assert not any(button.isEnabled() for button in (bar.button, *bar.preset_buttons))
    bar.line.setText("not lost")
    bar.line.setFocus()
    lab.press(Qt.Key.Key_Return)
    lab.press(Qt.Key.Key_F1)
    assert lab.sent == []
    assert bar.line.text() == "not lost"


def test_annotations_that_came_back_are_counted(heard: PanelLab):
    heard.event("annotation", text="movement", operator="lab")
    heard.frame()
    assert heard.window.annotations.said.text() == "1 noted"


def warned(lab: PanelLab) -> str:
    """What stands above the line, to be read from afar."""
    warning = lab.window.annotations.warning
    assert warning.isVisible() == bool(warning.text())
    if warning.text():
        assert pixels_of(picture(warning), DARK.critical) > 2000
    return warning.text()


def wait(lab: PanelLab, seconds: float) -> None:
    for _ in range(round(4 * seconds)):
        lab.clock.advance(0.25)
        lab.live()
        lab.frame()


def note(lab: PanelLab, text: str) -> None:
    lab.window.annotations.line.setText(text)
    lab.window.annotations.write()


def test_an_annotation_that_the_session_notes_is_done_with(heard: PanelLab):
    note(heard, "coughs")
    heard.press(Qt.Key.Key_F1)
    heard.event("annotation", text=PRESETS[0], operator="lab")
    heard.event("annotation", text="coughs", operator="lab")
    wait(heard, 10.0)
    assert warned(heard) == ""
    assert heard.window.annotations.line.text() == ""


@pytest.mark.parametrize("said", [None, {"text": "coughs", "operator": "lab"}, {"text": "cough", "operator": "lab"}])
def test_an_annotation_that_is_not_answered_for_is_said_to_be_missing_and_comes_back(
    heard: PanelLab, said: dict[str, object] | None
):
    if said is not None and said["text"] == "coughs":
        # The same was noted before.
        heard.event("annotation", **said)
        heard.clock.advance(5.0)
        heard.live()
    note(heard, "coughs")
    if said is not None and said["text"] != "coughs":
        heard.event("annotation", **said)
    wait(heard, 2.5)
    assert warned(heard) == ""
    wait(heard, 1.0)
    assert warned(heard) == "NOT NOTED: “coughs”: the session has not answered. Enter sends it again"
    assert heard.window.annotations.line.text() == "coughs"
    heard.window.annotations.line.setFocus()
    heard.press(Qt.Key.Key_Return)
    assert heard.sent == [("annotate", "coughs")] * 2
    heard.event("annotation", text="coughs", operator="lab")
    wait(heard, 5.0)
    assert warned(heard) == ""
    assert heard.window.annotations.line.text() == ""


def test_one_that_the_feed_could_not_send_comes_back_at_once_with_the_reason(heard: PanelLab):
    note(heard, "a\x07b")
    heard.event("dashboard-refused", what="pause", reason="x")
    heard.event("dashboard-refused", what="annotate", reason="<b>nobody</b>\n", text=r"a\x07b")
    heard.frame()
    assert warned(heard) == r"NOT NOTED: “a\x07b”: <b>nobody</b>\n. Enter sends it again"
    assert heard.window.annotations.line.text() == "a\x07b"


def test_what_the_session_refuses_is_said_with_its_reason(heard: PanelLab):
    heard.press(Qt.Key.Key_F1)
    heard.event("command-refused", hostname="another", reason="its token", commands=1)
    heard.event("command-refused", hostname=socket.gethostname(), reason="its stamp is 61 s ago", commands=1)
    wait(heard, 4.0)
    assert warned(heard).startswith(f"NOT NOTED: “{PRESETS[0]}”: the session refused it: its stamp is 61 s ago")


def test_several_that_were_lost_come_back_one_after_the_other(heard: PanelLab):
    for number in (1, 2, 3):
        note(heard, f"note {number}")
    heard.window.annotations.line.setText("half a sent")
    wait(heard, 4.0)
    bar = heard.window.annotations
    # What is being written is not touched.
    assert bar.line.text() == "half a sent"
    assert warned(heard) == "NOT NOTED: “note 1” and 2 more: the session has not answered"
    bar.line.clear()
    for number in (1, 2):
        heard.frame()
        assert bar.line.text() == f"note {number}"
        bar.write()
    heard.frame()
    # Who wants one no more takes it out.
    assert bar.line.text() == "note 3"
    bar.line.clear()
    heard.frame()
    assert warned(heard) == ""
    assert heard.sent[3:] == [("annotate", "note 1"), ("annotate", "note 2")]


def test_one_that_is_noted_late_is_not_asked_for_again(heard: PanelLab):
    note(heard, "coughs")
    note(heard, "yawns")
    wait(heard, 4.0)
    heard.event("annotation", text="coughs", operator="lab")
    heard.frame()
    assert heard.window.annotations.line.text() == "yawns"
    heard.event("annotation", text="yawns", operator="lab")
    heard.frame()
    assert heard.window.annotations.line.text() == ""
    assert warned(heard) == ""


def test_what_was_begun_for_one_session_does_not_go_to_another_unnoticed(heard: PanelLab):
    bar = heard.window.annotations
    heard.press(Qt.Key.Key_N)
    QTest.keyClicks(bar.line, "half a")
    heard.other_session(token="t2")
    heard.live()
    heard.frame()
    assert warned(heard).startswith("What is written was begun before another was shown")
    # Who goes on writing has not seen it.
    QTest.keyClicks(bar.line, " sentence")
    heard.press(Qt.Key.Key_Return)
    assert heard.sent == []
    assert bar.line.text() == "half a sentence"
    assert warned(heard) == "Enter once more notes it in another"
    # Yet another one is not meant by that.
    heard.other_session(token="t3", session="a third")
    heard.live()
    heard.frame()
    heard.press(Qt.Key.Key_Return)
    assert heard.sent == []
    heard.press(Qt.Key.Key_Return)
    assert (heard.sent, heard.sent_to) == ([("annotate", "half a sentence")], ["t3"])
    heard.frame()
    assert warned(heard) == ""
    QTest.keyClicks(bar.line, "new")
    heard.press(Qt.Key.Key_Return)
    assert heard.sent[-1] == ("annotate", "new")


def test_what_was_on_its_way_to_a_session_that_is_left_comes_back_and_is_asked_about(heard: PanelLab):
    note(heard, "coughs")
    heard.other_session(token="t2")
    heard.live()
    heard.frame()
    bar = heard.window.annotations
    assert bar.line.text() == "coughs"
    assert warned(heard).startswith("NOT NOTED: “coughs”: another session is shown now. What is written was begun")
    bar.write()
    assert len(heard.sent) == 1
    bar.write()
    assert (heard.sent[1:], heard.sent_to[1:]) == ([("annotate", "coughs")], ["t2"])


def test_where_there_is_little_room_presets_are_called_by_their_keys(heard: PanelLab):
    bar = heard.window.annotations
    assert bar.preset_buttons[0].text() == f"F1 {PRESETS[0]}"
    heard.window.resize(1024, 640)
    heard.frame()
    assert [button.text() for button in bar.preset_buttons] == [f"F{number}" for number in range(1, 9)]
    assert bar.preset_buttons[0].toolTip() == PRESETS[0]
    assert bar.line.width() > 200
    heard.window.resize(1600, 900)
    heard.frame()
    assert bar.preset_buttons[0].text() == f"F1 {PRESETS[0]}"


def test_without_an_alarm_there_is_no_bar_and_no_sound(heard: PanelLab):
    assert not heard.window.alarms.isVisible()
    assert heard.beeps == 0
    assert heard.window.windowTitle() == TITLE


def test_a_lost_stream_is_seen_and_heard_once(heard: PanelLab):
    lose(heard, "view:eye")
    alarms = heard.window.alarms
    assert alarms.isVisible()
    assert alarms.texts == ["✕  eye is lost: no samples for 7 s"]
    assert pixels_of(picture(alarms), DARK.critical) > 2000
    heard.frame(5)
    assert heard.beeps == 1


def test_a_critical_alarm_is_heard_again_until_somebody_says_so(heard: PanelLab):
    lose(heard, "view:eye")
    for _ in range(3):
        heard.clock.advance(SOUND_EVERY_S + 0.1)
        lose(heard, "view:eye")
    assert heard.beeps == 4
    heard.press(Qt.Key.Key_A)
    heard.clock.advance(SOUND_EVERY_S + 0.1)
    lose(heard, "view:eye")
    assert heard.beeps == 4


def test_a_warning_is_heard_once(heard: PanelLab):
    lose(heard, "view:eye", state="stale")
    assert pixels_of(picture(heard.window.alarms), DARK.warning) > 2000
    heard.clock.advance(SOUND_EVERY_S + 0.1)
    lose(heard, "view:eye", state="stale")
    assert heard.beeps == 1


@pytest.mark.parametrize("by", ["key", "button", "space on the button"])
def test_an_acknowledged_alarm_stays_quietly_until_its_cause_is_gone(heard: PanelLab, by: str):
    lose(heard, "view:eye")
    if by == "key":
        heard.press(Qt.Key.Key_A)
    elif by == "button":
        heard.window.alarms.acknowledge.click()
    else:
        heard.window.alarms.acknowledge.setFocus()
        heard.press(Qt.Key.Key_Space)
    heard.frame()
    alarms = heard.window.alarms
    assert len(alarms.texts) == 1
    assert pixels_of(picture(alarms), DARK.critical) == 0
    assert not alarms.acknowledge.isEnabled()
    heard.clock.advance(0.25)
    heard.live()
    heard.frame()
    assert not alarms.isVisible()
    heard.clock.advance(0.25)
    lose(heard, "view:eye")
    assert heard.beeps == 2
    assert alarms.acknowledge.isEnabled()


def test_muted_alarms_are_seen_but_not_heard(heard: PanelLab):
    heard.press(Qt.Key.Key_M)
    lose(heard, "view:eye")
    assert heard.window.alarms.isVisible()
    assert heard.beeps == 0
    assert heard.window.alarms.mute.text() == "Muted (M)"
    heard.window.alarms.mute.click()
    heard.clock.advance(0.25)
    lose(heard, "view:eye")
    assert heard.beeps == 1


def test_the_title_flashes_with_what_nobody_has_acknowledged(heard: PanelLab):
    lose(heard, "view:eye")
    heard.press(Qt.Key.Key_A)
    heard.clock.advance(0.25)
    lose(heard, "view:eye", "view:pps")
    titles = set()
    for _ in range(8):
        heard.clock.advance(0.25)
        lose(heard, "view:eye", "view:pps")
        titles.add(heard.window.windowTitle())
    assert titles == {TITLE, f"!! pps is lost: no samples for 7 s - {TITLE}"}
    heard.press(Qt.Key.Key_A)
    heard.clock.advance(0.25)
    lose(heard, "view:eye", "view:pps")
    assert heard.window.windowTitle() == TITLE


def test_however_much_is_amiss_the_emotion_stays_in_sight(open_lab: Callable[..., PanelLab]):
    lab = open_lab(size=(1024, 640))
    lose(lab, *(f"view:{'x' * 300}{number}" for number in range(12)))
    lab.frame(2)
    texts = lab.window.alarms.texts
    assert len(texts) == MOST_ALARMS
    assert texts[-1] == "… and 9 more"
    assert lab.window.emotion.height() >= 180
    assert lab.window.centralWidget().minimumSizeHint().width() <= 1024


def test_an_alarm_of_which_nobody_has_taken_note_comes_before_those_that_are_known(heard: PanelLab):
    lose(heard, *(f"view:{number}" for number in range(6)))
    heard.press(Qt.Key.Key_A)
    heard.clock.advance(0.25)
    heard.live(
        streams=(*(stream(f"view:{number}", state="lost", age_s=7.0) for number in range(6)), stream(state="stale"))
    )
    heard.say(ago_s=-0.2)
    heard.frame()
    assert heard.window.alarms.texts[0].startswith("!  No samples from eeg")


def test_markup_in_an_alarm_is_text(heard: PanelLab):
    heard.live(streams=(stream(name="<h1>x</h1>\x1b", state="lost", age_s=7.0),))
    heard.say(ago_s=-0.1)
    heard.frame()
    assert heard.window.alarms.texts == [r"✕  <h1>x</h1>\x1b is lost: no samples for 7 s"]
    assert heard.window.alarms._labels[0].textFormat() == Qt.TextFormat.PlainText
