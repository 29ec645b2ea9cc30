"""Annotations go to the session; alarms are seen, heard, and acknowledged."""

from __future__ import annotations

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


@pytest.mark.parametrize("how", ["nobody", "no operator", "silent", "ended"])
def test_where_nobody_listens_nothing_is_sent_and_what_is_written_stays(open_lab: Callable[..., PanelLab], how: str):
    lab = open_lab(nobody=how == "nobody")
    if how != "nobody":
        lab.live(operators=() if how == "no operator" else ("lab",), ending=how == "ended")
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
