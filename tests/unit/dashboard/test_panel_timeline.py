"""The session over time: gaps stay gaps, plots move together, and following comes back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from panel_lab import PanelLab, picture, pixels, pixels_of, row
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from rtemo.dashboard.bars import MOST_BARS, bars_of
from rtemo.dashboard.messages import Attached, EventSeen, EventsSeen, MarkersSeen, PredictionsSeen
from rtemo.dashboard.strokes import Strokes
from rtemo.dashboard.theme import DARK
from rtemo.dashboard.timeline import SPAN_S

pytestmark = pytest.mark.gui


def ranges(lab: PanelLab) -> list[tuple[float, float]]:
    return [tuple(plot.getViewBox().viewRange()[0]) for plot in lab.window.timeline.plots.values()]


def plotted(lab: PanelLab, name: str) -> np.ndarray:
    """What is painted of a plot, without its axes."""
    box = lab.window.timeline.plots[name].getViewBox().sceneBoundingRect().toRect()
    return picture(lab.window.timeline.graphics)[box.top() : box.bottom(), box.left() : box.right()]


def on_screen(lab: PanelLab) -> np.ndarray:
    """What stands on the screen of the plots, painted in however many pieces; a widget that is grabbed is not."""
    graphics = lab.window.timeline.graphics
    at = graphics.mapTo(lab.window, QPoint(0, 0))
    seen = lab.window.screen().grabWindow(lab.window.winId(), at.x(), at.y(), graphics.width(), graphics.height())
    return pixels(seen)


def columns(lab: PanelLab, name: str, colour: str) -> np.ndarray:
    """Seconds before now of the columns in which a colour is seen."""
    painted = plotted(lab, name)
    wanted = tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    at = np.flatnonzero((painted == wanted).all(axis=2).any(axis=0))
    low, high = lab.window.timeline.visible_range
    return lab.session_s - (low + (at + 0.5) * (high - low) / painted.shape[1])


def test_five_minutes_up_to_now_are_seen_at_first(lab: PanelLab):
    lab.live()
    lab.frame()
    low, high = lab.window.timeline.visible_range
    assert high - low == pytest.approx(SPAN_S)
    assert low < lab.session_s < high
    assert high - lab.session_s < 10


def test_all_plots_move_together(lab: PanelLab):
    lab.watch(20)
    lab.frame()
    lab.window.timeline.pan(-0.5)
    lab.window.timeline.zoom(0.5)
    lab.frame()
    assert len({tuple(np.round(seen, 6)) for seen in ranges(lab)}) == 1


def test_it_follows_until_the_operator_pans_and_again_when_told(lab: PanelLab):
    timeline = lab.window.timeline
    told: list[bool] = []
    timeline.following_changed.connect(told.append)
    lab.watch(10)
    lab.frame()
    lab.press(Qt.Key.Key_Left)
    assert not timeline.following
    before = timeline.visible_range
    lab.watch(60)
    lab.frame()
    assert timeline.visible_range == before
    assert "again" in timeline.follow_button.text()
    lab.press(Qt.Key.Key_Space)
    lab.frame()
    assert timeline.following
    assert timeline.visible_range[0] < lab.session_s < timeline.visible_range[1]
    assert told == [False, True]
    timeline.follow_button.click()
    assert not timeline.following
    timeline.follow_button.click()
    assert timeline.following
    assert timeline.follow_button.text() == "Following"


def test_a_zoom_while_following_goes_on_following(lab: PanelLab):
    lab.watch(10)
    lab.frame()
    lab.press(Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    lab.watch(30)
    lab.frame()
    low, high = lab.window.timeline.visible_range
    assert lab.window.timeline.following
    assert high - low == pytest.approx(SPAN_S / 2)
    assert low < lab.session_s < high


def test_a_wheel_or_a_drag_of_the_plot_ends_following(lab: PanelLab):
    lab.watch(10)
    lab.frame()
    box = lab.window.timeline.plots["w"].getViewBox()
    box.translateBy(x=-50)
    box.sigRangeChangedManually.emit(box.state["mouseEnabled"])
    assert not lab.window.timeline.following


def test_where_there_was_no_prediction_there_is_a_gap(lab: PanelLab):
    lab.watch(60, probabilities=(0.0, 0.0, 1.0))
    lab.clock.advance(60)
    lab.watch(60, probabilities=(0.0, 0.0, 1.0))
    lab.frame()
    ages = columns(lab, "p", DARK.classes[2])
    assert ((ages > 0) & (ages < 59)).sum() > 50
    assert ((ages > 121) & (ages < 179)).sum() > 50
    assert not ((ages > 62) & (ages < 118)).any()


def test_probabilities_are_stacked_to_one(lab: PanelLab):
    lab.watch(300, probabilities=(0.2, 0.3, 0.5))
    lab.frame()
    painted = plotted(lab, "p")
    share = np.array([pixels_of(painted, colour) for colour in DARK.classes[:3]], float)
    assert share / share.sum() == pytest.approx((0.2, 0.3, 0.5), abs=0.04)


def test_the_shadow_is_a_thin_line_where_it_differs(lab: PanelLab):
    lab.watch(300, probabilities=(0.2, 0.3, 0.5))
    lab.frame()
    lines = lab.window.timeline.strokes["p"]._lines
    assert all(pen.width() <= 1 for pen, _ in lines)
    painted = plotted(lab, "p")
    # The frozen model's borders lie at 0.5 and 0.8 of the stack, in the colour of text.
    rows = np.flatnonzero((painted == (232, 237, 243)).all(axis=2).mean(axis=1) > 0.8)
    top = lab.window.timeline.plots["p"].getViewBox().viewRange()[1][1]
    heights = top * (1 - (rows + 0.5) / painted.shape[0])
    assert heights == pytest.approx([0.8, 0.5], abs=0.03)


def test_a_missing_stretch_is_shaded_and_hatched_and_has_no_weight(lab: PanelLab):
    lab.watch(100)
    lab.frame()
    whole = pixels_of(plotted(lab, "w"), DARK.panel)
    there = columns(lab, "there", DARK.views[1])
    assert ((there > 1) & (there < 99)).sum() > 80
    lab.watch(60, available=(True, False, True))
    lab.watch(60)
    lab.frame()
    there = columns(lab, "there", DARK.views[1])
    assert not ((there > 62) & (there < 118)).any()
    assert ((there > 2) & (there < 58)).sum() > 30
    weights = columns(lab, "w", DARK.views[1])
    assert not ((weights > 62) & (weights < 118)).any()
    assert pixels_of(plotted(lab, "w"), DARK.panel) < whole - 1000


def test_a_weight_of_zero_is_a_line_and_the_lane_is_full(lab: PanelLab):
    lab.watch(100, weights=(1.0, 0.0, 0.0))
    lab.frame()
    there, weights = columns(lab, "there", DARK.views[2]), columns(lab, "w", DARK.views[2])
    assert ((there > 1) & (there < 99)).sum() > 80
    assert ((weights > 1) & (weights < 99)).sum() > 80


def test_trials_markers_and_annotations_are_drawn_in(lab: PanelLab):
    lab.watch(10)
    began_s = lab.session_s
    lab.state.take(MarkersSeen("markers", np.array([began_s]), ("clip/negative",)))
    lab.watch(60)
    lab.state.take(MarkersSeen("markers", np.array([lab.session_s]), ("clip/neutral",)))
    lab.state.take(EventsSeen((EventSeen(lab.session_s - 20, "annotation", {"text": "cap <b>touched</b>"}),)))
    lab.watch(60)
    lab.frame()
    painted = plotted(lab, "p")
    lane = painted[: painted.shape[0] // 12]
    assert pixels_of(lane, DARK.classes[0]) > 100
    assert pixels_of(lane, DARK.classes[1]) > 100
    assert lab.window.timeline._texts.shown == ["negative", "neutral", "cap <b>touched</b>"]


def test_another_session_begins_with_an_empty_picture(lab: PanelLab):
    lab.watch(60)
    lab.frame()
    assert lab.window.timeline.strokes["p"].count > 0
    lab.state.take(Attached(lab.layout.model_copy(update={"session": "another"})))
    lab.frame()
    assert lab.window.timeline.strokes["p"].count == 0


def test_an_hour_is_drawn_with_a_bounded_number_of_bars(lab: PanelLab):
    lab.watch(3600)
    lab.frame()
    for _ in range(4):
        lab.window.timeline.zoom(2.0)
    lab.frame()
    assert 300 < lab.window.timeline.strokes["p"].count < 4 * 1000


@pytest.mark.parametrize("hole_s", [5.0, 11.0, 30.0])
def test_a_gap_is_seen_where_many_windows_share_a_bar(lab: PanelLab, hole_s: float):
    lab.watch(1800, probabilities=(0.0, 0.0, 1.0))
    lab.clock.advance(hole_s)
    lab.watch(1700, probabilities=(0.0, 0.0, 1.0))
    timeline = lab.window.timeline
    timeline.span_s = 3600.0
    lab.frame(2)
    assert 300 < timeline.strokes["p"].count <= 3 * MOST_BARS
    ages = columns(lab, "p", DARK.classes[2])
    low, high = timeline.visible_range
    pixel_s = (high - low) / plotted(lab, "p").shape[1]
    inside = (ages > 1700 + pixel_s) & (ages < 1700 + hole_s - pixel_s)
    assert not inside.any()
    wide_s = np.diff(np.sort(ages)).max()
    assert wide_s == pytest.approx(hole_s + pixel_s, abs=1.5 * pixel_s)
    # And nothing else is left out.
    assert len(ages) * pixel_s == pytest.approx(3500, abs=10 * pixel_s)


def test_a_line_does_not_bridge_a_gap_either(lab: PanelLab):
    lab.watch(1800)
    lab.clock.advance(20)
    lab.watch(1700)
    lab.window.timeline.span_s = 3600.0
    lab.frame(2)
    ages = columns(lab, "w", DARK.views[0])
    assert not ((ages > 1704) & (ages < 1716)).any()
    assert ((ages > 1) & (ages < 1699)).sum() > 300


def test_holes_everywhere_make_no_more_bars_than_can_be_seen():
    stop_s = np.arange(0.0, 40_000.0, 2.0)
    found = bars_of(stop_s, 0.0, 40_000.0, 1.0)
    assert len(found.at) <= 5 * MOST_BARS
    assert (found.left < found.right).all()
    assert (found.left[1:] >= found.right[:-1]).all()
    few = bars_of(stop_s[:100], 0.0, 300.0, 1.0)
    np.testing.assert_array_equal(few.right - few.left, 1.0)
    # A hop that is not what windows do: bars lie beside each other.
    wrong = bars_of(stop_s[:100], 0.0, 300.0, 3600.0)
    assert (wrong.left[1:] >= wrong.right[:-1]).all()
    assert len(bars_of(stop_s[:0], 0.0, 300.0, 1.0).at) == 0


def test_a_bar_stays_the_same_wherever_the_edge_lies():
    stop_s = np.arange(0.0, 4000.0)
    one, other = bars_of(stop_s, 0.0, 3600.0, 1.0), bars_of(stop_s, 7.0, 3607.0, 1.0)
    inside = (one.left > 20) & (one.right < 3500)
    assert inside.sum() > 800
    assert set(one.right[inside]) <= set(other.right)


def test_a_new_window_is_drawn_one_plot_a_frame(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.watch(30)
    lab.frame(6)
    drawn: list[list[str]] = []
    put = Strokes.put

    def watched(strokes: Strokes, *said: object, **how: object) -> None:
        drawn[-1] += [name for name, of in lab.window.timeline.strokes.items() if of is strokes]
        put(strokes, *said, **how)

    monkeypatch.setattr(Strokes, "put", watched)
    lab.clock.advance(1.0)
    lab.say()
    lab.live()
    for _ in range(7):
        drawn.append([])
        lab.frame()
    assert max(map(len, drawn)) == 1
    assert [name for frame in drawn for name in frame] == ["p", "c", "w", "there"]


def test_what_has_come_while_nobody_looked_is_drawn_at_once(lab: PanelLab):
    lab.watch(60)
    lab.frame(6)
    low = lab.window.timeline.visible_range[0]
    lab.watch(3)
    lab.frame()
    assert lab.window.timeline.visible_range[0] == low
    assert columns(lab, "p", DARK.classes[2]).min() < 1.0
    assert columns(lab, "there", DARK.views[0]).min() < 1.0


def test_the_picture_stands_between_steps_and_only_its_end_is_painted_anew(lab: PanelLab):
    """The same picture comes of pieces as of one piece."""
    lab.watch(100)
    lab.frame(6)
    for number in range(25):
        lab.clock.advance(1.0)
        lab.say(
            probabilities=(0.6, 0.3, 0.1) if number % 2 else (0.1, 0.1, 0.8),
            available=(True, number % 5 > 1, True),
            weights=(0.1 * (number % 7), 0.3, 0.2),
        )
        if number == 9:
            lab.state.take(MarkersSeen("markers", np.array([lab.session_s - 30]), ("clip/negative",)))
        lab.live()
        lab.frame(6)
    in_pieces = on_screen(lab)
    assert pixels_of(in_pieces, DARK.classes[0]) > 1000
    lab.window.timeline.follow()
    lab.window.timeline.graphics.viewport().update()
    lab.frame()
    np.testing.assert_array_equal(on_screen(lab), in_pieces)
    seen = set()
    for _ in range(12):
        lab.watch(1)
        lab.frame(6)
        low, high = lab.window.timeline.visible_range
        assert lab.session_s <= high
        seen.add(low)
    assert 2 <= len(seen) <= 4


def test_without_change_nothing_is_drawn_anew(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.watch(30)
    lab.frame(3)
    drawn = []
    draw = lab.window.timeline._draw
    monkeypatch.setattr(lab.window.timeline, "_draw", lambda name, *of: (drawn.append(name), draw(name, *of)))
    lab.frame(3)
    assert drawn == []
    lab.watch(1)
    lab.frame(7)
    assert drawn == ["p", "c", "w", "there"]


@pytest.mark.parametrize("scale", [0.75, 1.0, 2.0])
def test_plots_stand_in_line_whatever_the_size(open_lab: Callable[..., PanelLab], scale: float):
    lab = open_lab(scale=scale)
    lab.watch(20)
    for size in ((1024, 640), (2560, 1440), (1280, 800)):
        lab.window.resize(*size)
        lab.frame(3)
        in_line(lab)


def in_line(lab: PanelLab) -> None:
    boxes = [plot.getViewBox().sceneBoundingRect() for plot in lab.window.timeline.plots.values()]
    assert len({round(box.left()) for box in boxes}) == 1
    assert len({round(box.right()) for box in boxes}) == 1
    tops = [box.top() for box in boxes]
    assert tops == sorted(tops)
    assert boxes[0].height() > 1.5 * max(box.height() for box in boxes[1:3])
    assert all(box.height() > 10 for box in boxes)
    assert boxes[-1].bottom() < lab.window.timeline.graphics.height()


def test_what_no_sensor_said_is_dithered_and_what_was_skipped_is_a_gap(lab: PanelLab):
    def filled(youngest: float, oldest: float) -> float:
        """Of the lowest tenth of a stretch, what is in the colour of the first label."""
        painted = plotted(lab, "p")
        low, high = lab.window.timeline.visible_range
        left, right = (
            round((lab.session_s - ago - low) / (high - low) * painted.shape[1]) for ago in (oldest, youngest)
        )
        lowest = painted[-painted.shape[0] // 10 : -4, left:right]
        return pixels_of(lowest, DARK.classes[0]) / (lowest.shape[0] * lowest.shape[1])

    lab.watch(60, probabilities=(1.0, 0.0, 0.0))
    lab.watch(60, probabilities=(1.0, 0.0, 0.0), available=(False, False, False))
    lab.watch(60, probabilities=(np.nan, np.nan, np.nan))
    lab.watch(60, probabilities=(1.0, 0.0, 0.0))
    lab.frame()
    assert filled(5, 55) > 0.9
    assert filled(65, 115) == 0
    assert 0.02 < filled(125, 175) < 0.5
    assert filled(185, 235) > 0.9


def test_whatever_the_network_says_is_drawn_within_the_plots(lab: PanelLab):
    lab.watch(5)
    usual = row()
    for value in (np.inf, -np.inf, np.nan, 1e308, -1e308, -1.0, 5.0):
        said = np.tile(usual, (len(usual) + 1, 1))
        # Each place once, and all of them together.
        np.fill_diagonal(said, value)
        said[-1] = value
        lab.clock.advance(len(said))
        lab.state.take(PredictionsSeen(lab.session_s - np.arange(len(said))[::-1], said))
        lab.live()
        lab.frame(2)
        for plot in lab.window.timeline.plots.values():
            assert np.abs(plot.getViewBox().viewRange()[1]).max() < 4, value
    lab.watch(5)
    lab.frame()
    assert lab.window.emotion.emotion.headline == "positive"


def test_a_wheel_above_a_plot_zooms_all_of_them_and_ends_following(lab: PanelLab):
    lab.watch(60)
    lab.frame()
    timeline, view = lab.window.timeline, lab.window.timeline.graphics.viewport()
    middle = timeline.plots["p"].getViewBox().sceneBoundingRect().center()
    at = QPointF(middle)
    low, high = timeline.visible_range
    turned = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, turned)
    lab.frame()
    closer = timeline.visible_range
    assert closer[1] - closer[0] < 0.95 * (high - low)
    assert not timeline.following
    assert len({tuple(np.round(seen, 6)) for seen in ranges(lab)}) == 1
