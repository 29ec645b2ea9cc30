"""The window as a whole: keys, focus, sizes, themes, sessions that come and go, pictures and tables."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from dashboard_words import stream
from panel_lab import VIEWS, PanelLab, picture
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QPlainTextEdit, QWidget

from rtemo.dashboard.messages import Attached, Detached, FeedFailed, Sessions, StreamOpened
from rtemo.dashboard.panel import Panel
from rtemo.dashboard.shortcuts import HELP
from rtemo.dashboard.strokes import Strokes
from rtemo.dashboard.theme import DARK, LARGEST, LIGHT, SMALLEST

pytestmark = pytest.mark.gui
CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


def reached_by_tab(lab: PanelLab) -> list[QWidget]:
    found: list[QWidget] = []
    for _ in range(80):
        lab.press(Qt.Key.Key_Tab)
        widget = QApplication.focusWidget()
        if widget is None or widget in found:
            break
        found.append(widget)
    return found


def test_the_link_is_told_in_words_and_shape(open_lab: Callable[..., PanelLab]):
    nobody = open_lab(nobody=True)
    assert nobody.window.link.text() == "◌ looking for a session"
    lab = open_lab()
    lab.live(age_p99_s=0.008, predicted=420, skipped=3)
    lab.frame()
    words = lab.window.link.text()
    assert words.startswith("● live    sub-01-ses-20260102T030405Z on lab    1:00    420 windows, 3 skipped")
    assert words.endswith("age p99 8 ms")
    lab.clock.advance(3.0)
    lab.frame()
    assert lab.window.link.text().startswith("✕ SILENT")
    lab.live(ending=True)
    lab.frame()
    assert lab.window.link.text().startswith("■ ended")


def test_a_feed_that_failed_is_an_alarm(lab: PanelLab):
    lab.state.take(FeedFailed(OSError("no multicast here")))
    lab.frame()
    assert lab.window.alarms.texts[0] == "✕  The dashboard hears nothing: OSError: no multicast here"


def test_a_window_that_has_failed_shows_nothing_and_obeys_no_key(lab: PanelLab):
    lab.open_streams()
    lab.watch(20)
    lab.frame()
    lab.window.blank()
    QApplication.processEvents()
    assert lab.window.windowTitle().startswith("FAILED")
    # Not a letter of what was shown.
    assert len(np.unique(picture(lab.window).reshape(-1, 3), axis=0)) == 1
    for key in (Qt.Key.Key_F1, Qt.Key.Key_Question):
        lab.press(key)
    assert lab.sent == []
    assert not lab.window.help.isVisible()


def test_a_key_reaches_the_session_that_was_drawn_and_not_one_that_nobody_has_seen(lab: PanelLab):
    lab.live()
    lab.frame()
    lab.press(Qt.Key.Key_F1)
    lab.other_session(token="t2")
    lab.press(Qt.Key.Key_F2)
    lab.live()
    lab.frame()
    lab.press(Qt.Key.Key_F3)
    assert lab.sent_to == ["t1", "t1", "t2"]


def test_a_reset_that_was_said_yes_to_is_not_for_a_session_that_came_meanwhile(lab: PanelLab):
    lab.live()
    lab.frame()

    def another_comes(parent: QWidget) -> bool:
        lab.other_session(token="t2")
        lab.live()
        lab.frame()
        return True

    object.__setattr__(lab.window._ports, "confirm", another_comes)
    lab.press(Qt.Key.Key_R, CONTROL)
    assert lab.sent == []
    assert lab.window.note.text() == "nothing was reset: another session is shown now"


def test_sessions_on_the_network_can_be_chosen(lab: PanelLab):
    lab.state.take(Sessions(("sub-02", "<b>sub-01</b>\x1b")))
    lab.frame()
    sessions = lab.window.sessions
    assert [sessions.itemText(at) for at in range(3)] == ["any, the newest first", "sub-02", r"<b>sub-01</b>\x1b"]
    sessions.setFocus()
    lab.press(Qt.Key.Key_Down)
    lab.press(Qt.Key.Key_Down)
    assert lab.chosen == ["sub-02", "<b>sub-01</b>\x1b"]
    lab.state.take(Sessions(("<b>sub-01</b>\x1b",)))
    lab.frame()
    assert sessions.currentData() == "<b>sub-01</b>\x1b"
    lab.press(Qt.Key.Key_Up)
    assert lab.chosen[-1] is None


def test_no_key_chooses_another_session_unless_the_list_was_reached(lab: PanelLab):
    lab.state.take(Sessions(("sub-02",)))
    lab.frame()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_S, Qt.Key.Key_Return):
        lab.press(key)
    assert lab.chosen == []


def test_a_session_that_vanishes_and_returns_goes_on_in_the_same_window(lab: PanelLab):
    lab.open_streams()
    lab.samples("view:eeg", 5)
    lab.watch(30)
    lab.frame()
    lab.state.take(Detached("the connection is lost"))
    lab.frame(2)
    assert "gone" in lab.window.alarms.texts[0]
    lab.clock.advance(20.0)
    lab.state.take(Attached(lab.layout))
    lab.watch(5)
    lab.frame()
    assert len(lab.state.predictions) == 35
    assert lab.window.emotion.emotion.current
    assert lab.window.link.text().startswith("● live")


def test_everything_can_be_reached_by_tab_and_back_again(lab: PanelLab):
    lab.live()
    lab.open_streams()
    lab.frame()
    window = lab.window
    for tab in range(window.tabs.count()):
        lab.press(getattr(Qt.Key, f"Key_{tab + 1}"), ALT)
        lab.press(Qt.Key.Key_Escape)
        reached = reached_by_tab(lab)
        wanted = [
            widget
            for kind in (QAbstractButton, QComboBox, QLineEdit)
            for widget in window.findChildren(kind)
            if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
            # A clear button inside of a field is not a stop of its own.
            if not isinstance(widget.parentWidget(), QLineEdit)
        ]
        assert set(wanted) <= set(reached), window.tabs.tabText(tab)
        places = [widget.mapTo(window, QPoint(0, 0)) for widget in reached if widget in wanted]
        # From the top to the bottom of the window.
        assert places[0].y() < 60
        assert places[-1].y() > window.height() - 80


def test_focus_can_be_seen(lab: PanelLab):
    lab.live()
    lab.frame()
    for widget in (lab.window.sessions, lab.window.annotations.line, lab.window.timeline.follow_button):
        before = picture(widget)
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        lab.frame()
        assert (picture(widget) != before).any(axis=2).sum() > 50
        lab.press(Qt.Key.Key_Escape)
        assert not widget.hasFocus()


def test_the_space_bar_presses_what_is_focused_and_else_follows(lab: PanelLab):
    following = lab.window.timeline.following
    lab.window.alarms.setVisible(True)
    lab.window.alarms.mute.setFocus()
    lab.press(Qt.Key.Key_Space)
    assert lab.window.alarms.muted
    assert lab.window.timeline.following is following
    lab.press(Qt.Key.Key_Escape)
    lab.press(Qt.Key.Key_Space)
    assert lab.window.timeline.following is not following


def test_a_click_does_not_give_a_button_the_keyboard(lab: PanelLab):
    QTest.mouseClick(lab.window.timeline.follow_button, Qt.MouseButton.LeftButton)
    assert not lab.window.timeline.follow_button.hasFocus()


def test_tabs_have_keys(lab: PanelLab):
    seen = []
    for number in range(1, 6):
        lab.press(getattr(Qt.Key, f"Key_{number}"), ALT)
        seen.append(lab.window.tabs.tabText(lab.window.tabs.currentIndex()))
    assert seen == ["Signals", "Scalp and spectrum", "Gaze", "Adaptation", "Events"]


def test_the_help_names_every_key_and_goes_away(lab: PanelLab):
    said = " ".join(keys for keys, _ in HELP)
    spoken = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "-": "−", "+": "+", "=": "+"}
    for keys in lab.window.keys:
        if keys[:1] == "F" and keys[1:].isdigit() and int(keys[1:]) <= 8:
            assert "F1 … F8" in said
        elif keys.startswith("Alt+"):
            assert "Alt+1 … Alt+5" in said
        elif keys != "Esc":
            head, _, tail = keys.rpartition("+") if len(keys) > 1 and not keys.endswith("++") else (keys[:-2], "", "+")
            assert (f"{head}+" if head else "") + spoken.get(tail or keys, tail or keys) in said, keys
    overlay = lab.window.help
    assert not overlay.isVisible()
    lab.press(Qt.Key.Key_Question)
    assert overlay.isVisible()
    lab.press(Qt.Key.Key_Escape)
    assert not overlay.isVisible()
    lab.press(Qt.Key.Key_Question)
    lab.press(Qt.Key.Key_Question)
    assert not overlay.isVisible()
    lab.press(Qt.Key.Key_Question)
    QTest.mouseClick(overlay, Qt.MouseButton.LeftButton)
    assert not overlay.isVisible()


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_help_lies_inside_of_the_window_however_small_it_is(open_lab: Callable[..., PanelLab], scale: float):
    lab = open_lab(size=(1600, 1000), scale=scale)
    lab.press(Qt.Key.Key_Question)
    lab.window.resize(1024, 640)
    lab.frame()
    assert lab.window.rect().contains(lab.window.help.geometry())


def overlaps(widgets: list[QWidget], window: QWidget) -> list[tuple[str, str]]:
    """Pairs of widgets beside each other that lie on each other."""
    boxes = [
        (widget.accessibleName() or widget.objectName(), widget.rect().translated(widget.mapTo(window, QPoint(0, 0))))
        for widget in widgets
    ]
    return [
        (first, second)
        for number, (first, one) in enumerate(boxes)
        for second, other in boxes[number + 1 :]
        if one.intersects(other)
    ]


@pytest.mark.parametrize("scale", [SMALLEST, 1.0, 1.5, LARGEST])
def test_nothing_lies_on_something_else_and_all_lies_in_the_window(open_lab: Callable[..., PanelLab], scale: float):
    lab = open_lab(scale=scale)
    lab.watch(20)
    window = lab.window
    # From large to small too: what has grown must be able to shrink.
    sizes = ((1280, 800), (2560, 1440), (1920, 1080), (1024, 640))
    for size, tab in itertools.product(sizes, range(window.tabs.count())):
        window.resize(*size)
        window.tabs.setCurrentIndex(tab)
        lab.frame(2)
        assert (window.width(), window.height()) == size
        needed = window.centralWidget().minimumSizeHint()
        assert needed.width() <= size[0], window.tabs.tabText(tab)
        assert needed.height() <= size[1], window.tabs.tabText(tab)
        panels = [panel for panel in window.panels if panel.isVisible()]
        around = [window.annotations, *panels]
        assert overlaps(around, window) == []
        for panel in around:
            assert window.rect().contains(panel.rect().translated(panel.mapTo(window, QPoint(0, 0))))
        buttons = [button for button in window.findChildren(QAbstractButton) if button.isVisible() and button.text()]
        assert overlaps(buttons, window) == []
        for button in buttons:
            assert button.width() >= button.fontMetrics().horizontalAdvance(button.text()), button.text()


def test_letters_grow_and_shrink_within_limits(lab: PanelLab):
    lab.watch(5)
    lab.frame()

    def height() -> int:
        return lab.window.annotations.button.fontMetrics().height()

    first = height()
    lab.press(Qt.Key.Key_Plus, CONTROL)
    lab.frame()
    assert height() > first
    lab.window.rescale(1.8 / lab.window.scale)
    for _ in range(3):
        lab.press(Qt.Key.Key_Plus, CONTROL)
    lab.frame()
    assert lab.window.scale == LARGEST
    assert height() == pytest.approx(LARGEST * first, rel=0.1)
    lab.window.rescale(0.8 / lab.window.scale)
    for _ in range(3):
        lab.press(Qt.Key.Key_Minus, CONTROL)
    lab.frame()
    assert lab.window.scale == SMALLEST
    assert height() == pytest.approx(SMALLEST * first, rel=0.1)


def test_axes_grow_with_the_letters(lab: PanelLab):
    plots = (
        lab.window.timeline.plots["p"],
        lab.window.signals.plot.getPlotItem(),
        lab.window.spectrum.plot.getPlotItem(),
        lab.window.gaze.plot.getPlotItem(),
    )
    before = [plot.getAxis("bottom").style["tickFont"].pointSizeF() for plot in plots]
    lab.window.rescale(1.5)
    after = [plot.getAxis("bottom").style["tickFont"].pointSizeF() for plot in plots]
    assert after == pytest.approx([1.5 * size for size in before])


def test_dark_and_light_are_one_key_apart_and_reach_every_panel(lab: PanelLab):
    lab.open_streams()
    lab.watch(20)
    for tab in range(lab.window.tabs.count()):
        lab.window.tabs.setCurrentIndex(tab)
        lab.frame(2)
        # As a person would say: which of both is it?
        assert picture(lab.window).mean() < 80, tab
        lab.press(Qt.Key.Key_T)
        lab.frame(2)
        assert lab.window.theme is LIGHT
        assert picture(lab.window).mean() > 180, tab
        lab.press(Qt.Key.Key_T)
        assert lab.window.theme is DARK


def written_in(view: pg.GraphicsView) -> list[pg.TextItem]:
    return [item for item in view.scene().items() if isinstance(item, pg.TextItem)]


def test_hostile_names_are_plain_text_everywhere_and_make_nothing_wider(open_lab: Callable[..., PanelLab]):
    evil = "<img src='http://x'><h1>\x1b[2J\n\u202e" + "w" * 440
    views = tuple(view.model_copy(update={"name": evil[:-3] + view.name}) for view in VIEWS)
    lab = open_lab(
        size=(1024, 640),
        session=evil,
        hostname=evil,
        labels=(evil + "1", evil + "2", evil + "3"),
        marker_labels={evil: evil + "1"},
        views=views,
    )
    lab.state.take(Sessions((evil,)))
    lab.event(evil, **{evil: evil})
    lab.event("annotation", text=evil, operator=evil)
    lab.mark(evil, lab.session_s - 60)
    lab.live(operators=(evil,))
    lab.open_streams()
    lab.samples("view:eeg", 3)
    lab.watch(30)
    lab.state.take(Detached(evil))
    for tab in range(lab.window.tabs.count()):
        lab.window.tabs.setCurrentIndex(tab)
        lab.frame(2)
        assert lab.window.centralWidget().minimumSizeHint().width() <= 1024
    labels = lab.window.findChildren(QLabel)
    assert {label.textFormat() for label in labels} == {Qt.TextFormat.PlainText}
    for text in (*(label.text() for label in labels), lab.window.windowTitle(), *lab.window.events.lines):
        assert text.isprintable(), text
    texts = [item.toPlainText() for view in lab.window.findChildren(pg.GraphicsView) for item in written_in(view)]
    choices = [box.itemText(at) for box in lab.window.findChildren(QComboBox) for at in range(box.count())]
    ticks = [name for _, name in lab.window.timeline.plots["there"].getAxis("left")._tickLevels[0]]
    assert any("<img" in text for text in texts)
    assert any("<img" in text for text in choices)
    for text in (*texts, *choices, *ticks):
        assert text.isprintable(), text
        assert len(text) <= 60
    # Tool tips would be taken for markup.
    assert not any("<" in widget.toolTip() for widget in lab.window.findChildren(QWidget))


def test_a_screenshot_is_a_png_of_the_window(lab: PanelLab, tmp_path: Path):
    lab.watch(5)
    lab.frame()
    lab.path = str(tmp_path / "seen.png")
    lab.press(Qt.Key.Key_S, CONTROL)
    image = QImage(lab.path)
    assert (image.width(), image.height()) == (1280, 800)
    assert lab.window.note.text().startswith("screenshot -> ")


def test_the_export_holds_what_is_seen(lab: PanelLab, tmp_path: Path):
    lab.watch(100)
    lab.frame()
    for _ in range(3):
        lab.press(Qt.Key.Key_Up, CONTROL)
    lab.frame()
    low, high = lab.window.timeline.visible_range
    lab.path = str(tmp_path / "seen.csv")
    lab.press(Qt.Key.Key_E, CONTROL)
    lines = [line for line in Path(lab.path).read_text("utf-8").splitlines() if not line.startswith("#")]
    stops = [float(line["stop_s"]) for line in csv.DictReader(lines)]
    kept = lab.state.predictions.stop_s
    assert stops == kept[(kept >= low) & (kept <= high)].tolist()
    assert 30 < len(stops) < 40
    assert lab.window.note.text().startswith(f"{len(stops)} windows -> ")


def test_what_cannot_be_written_is_said(lab: PanelLab, tmp_path: Path):
    for key in (Qt.Key.Key_S, Qt.Key.Key_E):
        lab.window.note.setText("")
        lab.path = str(tmp_path / "nowhere" / "seen")
        lab.press(key, CONTROL)
        assert lab.window.note.text().startswith("cannot be written")
        lab.window.note.setText("")
        lab.path = ""
        lab.press(key, CONTROL)
        assert lab.window.note.text() == ""


def refreshes(lab: PanelLab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of panels, as they are refreshed instead of being so."""
    refreshed: list[str] = []

    def spy(panel: Panel) -> Callable[[object], None]:
        return lambda state: refreshed.append(type(panel).__name__)

    for panel in lab.window.panels:
        monkeypatch.setattr(panel, "refresh", spy(panel))
    return refreshed


def test_panels_that_cannot_be_seen_are_left_alone(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    refreshed = refreshes(lab, monkeypatch)
    lab.window.tabs.setCurrentIndex(4)
    lab.frame()
    assert refreshed == ["EmotionPanel", "TilesPanel", "TimelinePanel", "EventLogPanel"]


def test_a_frame_that_has_taken_long_leaves_panels_for_the_next(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.window.budget_s = 0.0
    lab.window.tabs.setCurrentIndex(1)
    refreshed = refreshes(lab, monkeypatch)
    for _ in range(6):
        lab.window.draw()
    assert refreshed.count("EmotionPanel") == refreshed.count("TilesPanel") == 6
    assert {refreshed.count(name) for name in ("TimelinePanel", "ScalpPanel", "SpectrumPanel")} == {2}


def test_an_exception_in_a_panel_is_not_swallowed(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    def fail(state: object) -> None:
        raise ZeroDivisionError("a panel")

    monkeypatch.setattr(lab.window.emotion, "refresh", fail)
    with pytest.raises(ZeroDivisionError, match="a panel"):
        lab.window.draw()


def test_two_identical_frames_paint_the_same(lab: PanelLab):
    lab.open_streams()
    lab.samples("view:eeg", 5)
    lab.watch(20)
    lab.frame(3)
    first = picture(lab.window)
    lab.frame(2)
    assert np.array_equal(picture(lab.window), first)


def test_a_session_that_was_chosen_is_waited_for_in_the_list(lab: PanelLab):
    lab.state.take(Sessions(("sub-02", "sub-01")))
    lab.frame()
    sessions = lab.window.sessions
    sessions.setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down):
        lab.press(key)
    assert lab.chosen[-1] == "sub-01"
    lab.state.take(Sessions(("sub-02",)))
    lab.frame(2)
    # The feed still waits for it: the list does not say that the newest is watched.
    assert (sessions.currentData(), sessions.currentText()) == ("sub-01", "sub-01 (not there)")
    lab.state.take(Sessions(("sub-01", "sub-02")))
    lab.frame(2)
    assert (sessions.currentData(), sessions.currentText()) == ("sub-01", "sub-01")
    assert [sessions.itemData(at) for at in range(sessions.count())] == [None, "sub-01", "sub-02"]
    assert len(lab.chosen) == 2


def test_a_session_that_was_asked_for_at_the_start_is_the_chosen_one(open_lab: Callable[..., PanelLab]):
    lab = open_lab(nobody=True, watched="sub-09")
    sessions = lab.window.sessions
    assert (sessions.currentData(), sessions.currentText()) == ("sub-09", "sub-09 (not there)")
    lab.state.take(Sessions(("sub-10", "sub-09")))
    lab.frame()
    assert sessions.currentText() == "sub-09"
    assert lab.chosen == []


def seen_by_keys(lab: PanelLab) -> dict[str, Callable[[], object]]:
    """What each key changes; all but those of presets and tabs, which have tests of their own."""
    window = lab.window

    def span() -> float:
        low, high = window.timeline.visible_range
        return round(high - low, 3)

    def left() -> float:
        return round(window.timeline.visible_range[0], 3)

    def row() -> str:
        lab.clock.advance(0.1)
        window.draw()
        return window.signals.where.text()

    note = window.note.text
    return {
        "N": window.annotations.line.hasFocus,
        "Esc": window.help.isVisible,
        "A": lambda: [alarm.acknowledged for alarm in lab.state.alarms.active],
        "M": lambda: window.alarms.muted,
        "Space": lambda: window.timeline.following,
        "Left": left,
        "Right": left,
        "Ctrl+Up": span,
        "Ctrl+Down": span,
        "PgUp": row,
        "PgDown": row,
        "+": row,
        "-": row,
        "Ctrl+P": lambda: list(lab.sent),
        "Ctrl+R": lambda: list(lab.sent),
        "Ctrl+F": window.events.filter.hasFocus,
        "Ctrl+S": note,
        "Ctrl+E": note,
        "T": lambda: window.theme.name,
        "Ctrl++": lambda: window.scale,
        "Ctrl+=": lambda: window.scale,
        "Ctrl+-": lambda: window.scale,
        "F11": window.isFullScreen,
        "?": window.help.isVisible,
    }


def test_every_key_that_is_bound_does_something(lab: PanelLab, tmp_path: Path):
    lab.open_streams()
    names = tuple(f"E{number}" for number in range(40))
    lab.state.take(StreamOpened("view:eeg", names, ("uV",) * 40, 250.0))
    lab.samples("view:eeg", 5)
    lab.watch(20)
    lab.live(streams=(stream(state="lost", age_s=7.0),))
    lab.frame(2)
    seen = seen_by_keys(lab)
    others = {key for key in lab.window.keys if key.startswith("Alt+") or (key[0] == "F" and key[1:] in "12345678")}
    assert set(seen) | others == set(lab.window.keys)
    for key, look in seen.items():
        lab.confirmed = [True]
        lab.path = str(tmp_path / f"{key[-1]}.out")
        if key == "PgUp":
            lab.press(Qt.Key.Key_PageDown)
        if key == "Esc":
            lab.window.help.toggle()
        before = look()
        combined = QKeySequence(key)[0]
        lab.press(combined.key(), combined.keyboardModifiers())
        assert look() != before, key
        lab.window.help.hide()
        lab.window.setFocus()
        lab.frame()


def test_a_frame_without_news_puts_nothing_into_any_plot(lab: PanelLab):
    lab.open_streams()
    lab.samples("view:eeg", 5)
    lab.samples("view:eye", 2)
    lab.watch(10)
    for tab in range(lab.window.tabs.count()):
        lab.window.tabs.setCurrentIndex(tab)
        lab.frame()
        if lab.window.scalp._made is not None:
            # That the maps are ready would be news.
            lab.window.scalp._made.result(timeout=20)
        lab.frame(5)
        with pytest.MonkeyPatch.context() as watched:
            put = what_is_put(watched)
            lab.frame(3)
            assert put == [], tab
            # And the spies see what there is to be seen.
            lab.watch(2)
            lab.frame()
            assert put != []


def what_is_put(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of calls that put something into plots and texts, as they are made instead of being so."""
    put: list[str] = []
    for kind, name in (
        (pg.PlotCurveItem, "setData"),
        (pg.ScatterPlotItem, "setData"),
        (pg.ImageItem, "setImage"),
        (pg.TextItem, "setPlainText"),
        (pg.ViewBox, "setRange"),
        (Strokes, "put"),
        (QLabel, "setText"),
        (QPlainTextEdit, "appendPlainText"),
    ):
        monkeypatch.setattr(kind, name, lambda *_, name=name, **__: put.append(name))
    return put
