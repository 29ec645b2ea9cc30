"""Scalp maps, gaze and spectrum: of now, or not there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from dashboard_words import status
from panel_lab import EEG, VIEWS, PanelLab, picture, window_state
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rtemo.dashboard.messages import Attached, SamplesSeen, StatusSeen, StreamGone, StreamOpened
from rtemo.dashboard.theme import LIGHT
from rtemo.dashboard.topography import Topography
from rtemo.telemetry import ViewLayout

pytestmark = pytest.mark.gui


def turn_to(lab: PanelLab, tab: int) -> None:
    lab.press(getattr(Qt.Key, f"Key_{tab}"), Qt.KeyboardModifier.AltModifier)
    assert lab.window.tabs.currentIndex() == tab - 1


@pytest.fixture
def scalp(lab: PanelLab, qtbot: QtBot) -> PanelLab:
    """Maps of an EEG whose alpha is at the back."""
    lab.live()
    lab.open_streams()
    stamps = np.arange(1250) / 250
    strength = np.array([1, 1, 2, 2, 4, 4, 30, 30], float)
    noise = np.random.default_rng(0).normal(0, 1, (1250, 8))
    lab.samples("view:eeg", 5, np.sin(2 * np.pi * 10 * stamps)[:, None] * strength + noise)
    turn_to(lab, 2)

    def drawn() -> None:
        lab.frame()
        assert lab.window.scalp.maps

    qtbot.waitUntil(drawn, timeout=20_000)
    return lab


def test_the_map_of_a_band_shows_where_it_is_strong(scalp: PanelLab):
    alpha = scalp.window.scalp.maps["alpha"]
    assert list(scalp.window.scalp.maps) == ["alpha", "beta"]
    # Row 0 is the back of the head.
    middle = alpha.shape[1] // 2
    assert np.nanmean(alpha[:16, middle - 8 : middle + 8]) > np.nanmean(alpha[-16:, middle - 8 : middle + 8]) + 15
    beta = scalp.window.scalp.maps["beta"]
    assert abs(np.nanmean(beta[:16]) - np.nanmean(beta[-16:])) < 5


def test_electrodes_are_marked_and_bad_ones_crossed(scalp: PanelLab):
    _, _, good, crossed = scalp.window.scalp._bands["alpha"]
    assert (len(good.data), len(crossed.data)) == (len(EEG), 0)
    scalp.clock.advance(1.0)
    scalp.samples("view:eeg", 1)
    scalp.live(window=window_state(bad={"eeg": {"O1": "flat"}}))
    scalp.frame()
    _, _, good, crossed = scalp.window.scalp._bands["alpha"]
    assert (len(good.data), len(crossed.data)) == (len(EEG) - 1, 1)
    # At the left of the back.
    assert crossed.data["x"][0] < -0.1
    assert crossed.data["y"][0] < -0.5


def test_the_map_of_a_signal_that_stopped_is_taken_away(scalp: PanelLab):
    scalp.clock.advance(4.0)
    scalp.live()
    scalp.frame()
    assert scalp.window.scalp.maps == {}
    assert scalp.window.scalp.note.text() == "no signal for 4 s"
    assert scalp.window.scalp._bands["alpha"][1].image is None


def test_the_map_of_a_stream_that_is_gone_is_taken_away_and_comes_back(scalp: PanelLab):
    scalp.state.take(StreamGone("view:eeg"))
    scalp.clock.advance(1.5)
    scalp.live()
    scalp.frame()
    assert scalp.window.scalp.maps == {}
    scalp.state.take(StreamOpened("view:eeg", EEG, ("uV",) * 8, 250.0))
    scalp.clock.advance(5.0)
    scalp.samples("view:eeg", 4)
    scalp.live()
    scalp.frame()
    assert list(scalp.window.scalp.maps) == ["alpha", "beta"]


def test_another_session_without_bands_has_no_map(scalp: PanelLab):
    views = (ViewLayout(name="pps", stream="view:pps", features="statistics", channels=("ECG",)),)
    scalp.state.take(Attached(scalp.layout.model_copy(update={"session": "another", "views": views})))
    scalp.live(streams=())
    scalp.frame()
    assert scalp.window.scalp.maps == {}
    assert scalp.window.scalp.note.text() == "no view of this session has bands"


def test_heads_are_of_one_size_and_follow_the_theme(scalp: PanelLab):
    plots = [plot for plot, *_ in scalp.window.scalp._bands.values()]
    assert len({round(plot.getViewBox().width()) for plot in plots}) == 1
    scalp.press(Qt.Key.Key_T)
    assert {text.color.name() for text in scalp.window.scalp._texts} == {LIGHT.text}


def test_bands_of_any_name_are_plain_text(open_lab: Callable[..., PanelLab], qtbot: QtBot):
    evil = "<h1>a</h1>\x1b" * 9
    lab = open_lab(
        views=(ViewLayout(name="eeg", stream="view:eeg", features="f", channels=EEG, bands={evil: (8.0, 14.0)}),)
    )
    lab.live(streams=())
    lab.state.take(StreamOpened("view:eeg", EEG, ("uV",) * 8, 250.0))
    lab.samples("view:eeg", 5)
    turn_to(lab, 2)
    qtbot.waitUntil(lambda: (lab.frame(), bool(lab.window.scalp.maps))[1], timeout=20_000)
    assert lab.window.scalp._texts[0].toPlainText() == "<h1>a</h1>\\…"


def look(lab: PanelLab, x: float, y: float, seconds: float = 2.0, *, ago_s: float = 0.0) -> None:
    count = round(seconds * 120)
    lab.samples("view:eye", seconds, np.tile([x, y, 3.0], (count, 1)), ago_s=ago_s)
    lab.frame()


@pytest.fixture
def gaze(lab: PanelLab) -> PanelLab:
    lab.live()
    lab.open_streams()
    turn_to(lab, 3)
    return lab


def seen(lab: PanelLab) -> list[tuple[float, float]]:
    return [(round(float(x), 3), round(float(y), 3)) for x, y in zip(*lab.window.gaze.point.getData(), strict=True)]


def test_the_newest_gaze_is_a_point_with_a_trail(gaze: PanelLab):
    look(gaze, 0.25, 0.75)
    assert seen(gaze) == [(0.25, 0.75)]
    assert len(gaze.window.gaze.dots.data) > 50
    assert gaze.window.gaze.note.text() == "eye, the last 3 s"
    (left, right), (top, bottom) = gaze.window.gaze.plot.getPlotItem().getViewBox().viewRange()
    assert left <= 0 < 1 <= right
    assert top <= 0 < 1 <= bottom


def test_pixels_make_their_own_room_and_a_slip_does_not(gaze: PanelLab):
    look(gaze, 200.0, 150.0)
    gaze.clock.advance(2.0)
    gaze.live()
    look(gaze, 1700.0, 900.0)
    gaze.clock.advance(0.1)
    gaze.state.take(SamplesSeen("view:eye", np.array([gaze.session_s]), np.array([[1e9, -1e9, 3.0]], dtype=np.float32)))
    gaze.frame()
    (left, right), (top, bottom) = gaze.window.gaze.plot.getPlotItem().getViewBox().viewRange()
    assert left <= 200
    assert 1700 <= right < 2500
    assert top <= 150
    assert 900 <= bottom < 1500


def test_y_grows_downwards(gaze: PanelLab):
    assert gaze.window.gaze.plot.getPlotItem().getViewBox().yInverted()


def test_an_old_gaze_is_no_point(gaze: PanelLab):
    look(gaze, 0.5, 0.5)
    gaze.clock.advance(1.0)
    gaze.live()
    gaze.frame()
    assert seen(gaze) == []
    assert gaze.window.gaze.note.text() == "no gaze now"
    gaze.state.take(StreamGone("view:eye"))
    gaze.clock.advance(0.2)
    gaze.frame()
    assert gaze.window.gaze.note.text() == "NOT THERE"


def test_shut_eyes_are_no_point(gaze: PanelLab):
    look(gaze, float("nan"), float("nan"))
    assert seen(gaze) == []


def test_another_session_has_no_gaze_of_this_one(gaze: PanelLab):
    look(gaze, 0.5, 0.5)
    gaze.state.take(Attached(gaze.layout.model_copy(update={"session": "another"})))
    gaze.live()
    gaze.frame()
    assert seen(gaze) == []
    assert len(gaze.window.gaze.dots.data) == 0
    assert gaze.window.gaze.note.text() == "waiting for the signal"


def test_the_spectrum_of_a_chosen_channel_has_its_peak(lab: PanelLab):
    lab.live()
    lab.open_streams()
    stamps = lab.session_s - np.arange(2000)[::-1] / 250
    both = np.stack([np.sin(2 * np.pi * 10 * stamps), np.sin(2 * np.pi * 20 * stamps)], axis=1)
    lab.samples("view:eeg", 8, np.tile(both, 4))
    turn_to(lab, 2)
    lab.frame()
    curve, channels = lab.window.spectrum.curve, lab.window.spectrum.channels
    assert curve.xData[curve.yData.argmax()] == pytest.approx(10, abs=0.6)
    channels.setFocus()
    lab.press(Qt.Key.Key_Down)
    lab.frame()
    assert channels.currentText() == "Fp2"
    assert curve.xData[curve.yData.argmax()] == pytest.approx(20, abs=0.6)
    lab.clock.advance(3.0)
    lab.live()
    lab.frame()
    assert len(curve.xData) == 0
    assert "gap" in lab.window.spectrum.note.text()


def test_the_chosen_channel_stays_when_streams_come_and_go(lab: PanelLab):
    lab.live()
    lab.state.take(StreamOpened("view:pps", ("Fp1", "EDA"), ("uV",) * 2, 64.0))
    turn_to(lab, 2)
    lab.frame()
    lab.window.spectrum.channels.setCurrentIndex(0)
    assert lab.window.spectrum.channels.currentData() == ("view:pps", 0)
    lab.state.take(StreamOpened("view:eeg", EEG, ("uV",) * 8, 250.0))
    lab.frame()
    assert lab.window.spectrum.channels.currentData() == ("view:pps", 0)
    assert lab.window.spectrum.channels.count() == 10


def far_behind(lab: PanelLab, hz: float) -> None:
    """Another session on a machine whose clock is far behind, with an oscillation."""
    stamps = 50 - np.arange(2000)[::-1] / 250
    values = np.random.default_rng(0).normal(0, 1, (2000, 8)) + 20 * np.sin(2 * np.pi * hz * stamps)[:, None]
    lab.other_session()
    lab.state.take(StatusSeen(status(50.0), lab.clock.now_s()))
    lab.open_streams()
    lab.state.take(SamplesSeen("view:eeg", stamps, values.astype(np.float32)))


def test_a_session_whose_clock_is_far_behind_has_its_map_and_spectrum(scalp: PanelLab):
    scalp.window.tabs.setCurrentIndex(4)
    far_behind(scalp, 20.0)
    scalp.window.tabs.setCurrentIndex(1)
    scalp.frame(2)
    assert list(scalp.window.scalp.maps) == ["alpha", "beta"]
    curve = scalp.window.spectrum.curve
    assert curve.xData[curve.yData.argmax()] == pytest.approx(20, abs=0.6)


def test_bands_of_another_session_are_told_by_their_own_edges(scalp: PanelLab):
    eeg = VIEWS[0].model_copy(update={"bands": {"alpha": (9.0, 13.0), "beta": (13.0, 30.0)}})
    scalp.other_session(views=(eeg, *VIEWS[1:]))
    scalp.live()
    scalp.frame()
    said = [text.toPlainText() for text in scalp.window.scalp._texts]
    assert said == ["alpha", "9-13 Hz", "beta", "13-30 Hz"]


def test_colours_change_after_the_maps_were_taken_away(scalp: PanelLab):
    scalp.other_session(views=VIEWS[1:])
    scalp.frame()
    scalp.press(Qt.Key.Key_T)
    scalp.frame()
    assert scalp.window.scalp.maps == {}
    assert picture(scalp.window.scalp).mean() > 180


def test_a_device_that_sends_anything_does_the_pictures_no_harm(scalp: PanelLab):
    for value in (np.inf, 3e38, np.nan, 0.0):
        scalp.clock.advance(5.0)
        scalp.live()
        scalp.samples("view:eeg", 5, np.full((1250, 8), value))
        scalp.samples("view:eye", 5, np.tile([value, -value, 3.0], (600, 1)))
        turn_to(scalp, 2)
        scalp.frame(2)
        assert bool(scalp.window.scalp.maps) is bool(np.isfinite(value)), value
        turn_to(scalp, 3)
        scalp.frame(2)
        assert len(seen(scalp)) == int(np.isfinite(value)), value


def test_a_window_that_is_closed_lets_its_thread_go(open_lab: Callable[..., PanelLab], monkeypatch: pytest.MonkeyPatch):
    before, go = set(threading.enumerate()), threading.Event()

    def waits(channels: object) -> Topography:
        go.wait(30)
        return Topography(channels)

    monkeypatch.setattr("rtemo.dashboard.scalp.Topography", waits)
    lab = open_lab()
    lab.live()
    turn_to(lab, 2)
    lab.frame()
    mine = set(threading.enumerate()) - before
    assert [thread.name[:11] for thread in mine] == ["rtemo-scalp"]
    lab.window.close()
    go.set()
    for thread in mine:
        thread.join(10)
        assert not thread.is_alive()


def test_another_sessions_tracker_has_axes_of_its_own(gaze: PanelLab):
    look(gaze, 1700.0, 900.0)
    gaze.window.tabs.setCurrentIndex(4)
    gaze.other_session()
    gaze.live()
    gaze.open_streams()
    gaze.window.tabs.setCurrentIndex(2)
    look(gaze, 0.5, 0.5)
    assert seen(gaze) == [(0.5, 0.5)]
    for low, high in gaze.window.gaze.plot.getPlotItem().getViewBox().viewRange():
        assert low <= 0 < 1 <= high < 2


def test_a_gaze_that_the_tracker_calls_invalid_is_no_point(open_lab: Callable[..., PanelLab]):
    columns = {"x": "x", "y": "y", "valid": "pupil"}
    lab = open_lab(views=(VIEWS[1].model_copy(update={"columns": columns}),))
    lab.live(streams=())
    lab.state.take(StreamOpened("view:eye", ("x", "y", "pupil"), ("",) * 3, 120.0))
    turn_to(lab, 3)
    look(lab, 0.5, 0.5)
    assert seen(lab) == [(0.5, 0.5)]
    lab.clock.advance(0.1)
    lab.state.take(SamplesSeen("view:eye", np.array([lab.session_s]), np.array([[0.5, 0.5, 0.0]], np.float32)))
    lab.frame()
    assert seen(lab) == []


def test_the_spectrum_of_another_session_is_taken_away(lab: PanelLab):
    lab.live()
    lab.open_streams()
    lab.samples("view:eeg", 8)
    turn_to(lab, 2)
    lab.frame()
    assert len(lab.window.spectrum.curve.xData) > 0
    lab.other_session()
    lab.live()
    lab.frame()
    assert len(lab.window.spectrum.curve.xData) == 0
    assert lab.window.spectrum.channels.count() == 0
    assert lab.window.spectrum.note.text() == "no signal yet"


def at_the_same_moment(lab: PanelLab) -> None:
    """Another session on the same machine, whose streams are there and have said nothing yet."""
    lab.window.tabs.setCurrentIndex(4)
    lab.other_session()
    lab.live()
    lab.open_streams()
    lab.window.tabs.setCurrentIndex(1)
    lab.frame()


def test_the_map_of_another_session_does_not_stand_at_the_same_moment(scalp: PanelLab):
    at_the_same_moment(scalp)
    assert scalp.window.scalp.maps == {}
    assert scalp.window.scalp._bands["alpha"][1].image is None


def test_the_spectrum_of_another_session_does_not_stand_at_the_same_moment(scalp: PanelLab):
    assert len(scalp.window.spectrum.curve.xData) > 0
    at_the_same_moment(scalp)
    assert len(scalp.window.spectrum.curve.xData) == 0


def test_a_session_whose_clock_is_not_known_yet_has_no_map_of_the_one_before(scalp: PanelLab):
    scalp.window.tabs.setCurrentIndex(4)
    scalp.other_session()
    scalp.open_streams()
    scalp.window.tabs.setCurrentIndex(1)
    scalp.frame()
    assert scalp.window.scalp.maps == {}
    assert len(scalp.window.spectrum.curve.xData) == 0


def test_the_same_moment_of_another_session_is_drawn_at_once(scalp: PanelLab):
    before = scalp.window.scalp.maps["beta"]
    scalp.other_session()
    scalp.live()
    scalp.open_streams()
    stamps = scalp.session_s - np.arange(1250)[::-1] / 250
    scalp.samples("view:eeg", 5, np.sin(2 * np.pi * 20 * stamps)[:, None] * np.full(8, 50.0))
    scalp.frame()
    assert np.nanmean(scalp.window.scalp.maps["beta"]) > np.nanmean(before) + 10
    curve = scalp.window.spectrum.curve
    assert curve.xData[curve.yData.argmax()] == pytest.approx(20, abs=0.6)


def test_a_map_that_takes_long_keeps_no_dashboard_alive_and_no_other_is_begun_beside_it(
    lab: PanelLab, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
):
    may_end = threading.Event()
    begun: list[tuple[str, ...]] = []

    def slow(labels: tuple[str, ...]) -> Topography:
        begun.append(labels)
        may_end.wait(20)
        return Topography(labels, size=8)

    monkeypatch.setattr("rtemo.dashboard.scalp.Topography", slow)
    lab.live()
    turn_to(lab, 2)
    lab.frame()
    (worker,) = (thread for thread in threading.enumerate() if thread.name.startswith("rtemo-scalp"))
    assert worker.daemon
    other = VIEWS[0].model_copy(update={"channels": EEG[1:]})
    lab.other_session(views=(other, *VIEWS[1:]))
    lab.live()
    lab.frame(3)
    assert begun == [EEG]
    may_end.set()
    qtbot.waitUntil(lambda: (lab.frame(), begun == [EEG, EEG[1:]])[1], timeout=20_000)


def test_after_the_window_is_closed_no_map_is_begun(lab: PanelLab):
    lab.live()
    turn_to(lab, 2)
    lab.window.close()
    lab.window.scalp.refresh(lab.state)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rtemo-scalp")]
