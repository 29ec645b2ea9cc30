"""Traces: one curve for all channels, gaps stay gaps, bad channels are struck out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from dashboard_words import stream
from panel_lab import EEG, VIEWS, PanelLab, picture, pixels_of, window_state
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from rtemo.dashboard.messages import Attached, QualitySeen, SamplesSeen, StreamGone, StreamOpened
from rtemo.dashboard.signals import _median
from rtemo.dashboard.theme import DARK

pytestmark = pytest.mark.gui


@pytest.fixture
def signals(lab: PanelLab) -> PanelLab:
    """Ten seconds of an EEG are there."""
    lab.live()
    lab.open_streams()
    lab.samples("view:eeg", 10)
    lab.frame()
    return lab


def traces(lab: PanelLab) -> list[np.ndarray]:
    """The channels of the curve, each from its first to its last point."""
    y = lab.window.signals.curve.yData
    ends = 2 * 500 + 1
    return [] if y is None else [y[start : start + ends] for start in range(0, len(y), ends)]


def test_before_a_signal_there_is_none(lab: PanelLab):
    lab.live()
    lab.frame()
    assert traces(lab) == []
    assert lab.window.signals.where.text() == "no signal yet"


def test_all_channels_are_one_curve_with_a_break_between_them(signals: PanelLab):
    assert len(traces(signals)) == len(EEG)
    assert all(np.isnan(trace[-1]) for trace in traces(signals))
    curve = signals.window.signals.curve
    assert curve.opts["connect"] == "finite"
    assert not curve.opts["antialias"]
    assert curve.opts["pen"].width() == 1
    # The first channel is the uppermost.
    middles = [np.nanmean(trace) for trace in traces(signals)]
    assert middles == sorted(middles, reverse=True)


def test_a_gap_stays_a_gap(signals: PanelLab):
    signals.clock.advance(5.0)
    signals.live()
    signals.samples("view:eeg", 2)
    signals.frame()
    x, y = signals.window.signals.curve.xData[:1000], traces(signals)[0][:1000]
    assert np.isnan(y[(x > -4.9) & (x < -2.1)]).all()
    assert np.isfinite(y[(x > -1.9)]).mean() > 0.95
    assert np.isfinite(y[(x > -9.9) & (x < -5.1)]).mean() > 0.95


def test_channels_that_are_bad_are_struck_out_and_apart(signals: PanelLab):
    signals.live(window=window_state(bad={"eeg": {"F3": "flat", "O2": "noise"}}))
    signals.frame()
    assert signals.window.signals.struck == ("F3", "O2")
    assert len(traces(signals)) == 6
    assert len(signals.window.signals.bad_curve.yData) == 2 * 1001
    signals.live()
    signals.frame()
    assert signals.window.signals.struck == ()
    assert len(traces(signals)) == 8


def test_gain_keys_make_traces_higher_and_lower(signals: PanelLab):
    def height() -> float:
        return float(np.nanmax(traces(signals)[0]) - np.nanmin(traces(signals)[0]))

    first = height()
    signals.press(Qt.Key.Key_Plus)
    signals.frame()
    assert height() == pytest.approx(1.5 * first, rel=0.01)
    signals.press(Qt.Key.Key_Minus)
    signals.press(Qt.Key.Key_Minus)
    signals.frame()
    assert height() == pytest.approx(first / 1.5, rel=0.01)


def test_where_there_are_many_channels_they_are_turned_page_by_page(open_lab: Callable[..., PanelLab]):
    lab = open_lab()
    lab.live()
    names = tuple(f"E{number}" for number in range(40))
    lab.state.take(StreamOpened("view:eeg", names, ("uV",) * 40, 250.0))
    lab.samples("view:eeg", 2)
    lab.frame()
    shown = [lab.window.signals.names.rows]
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageDown, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
        lab.press(key)
        lab.frame()
        shown.append(lab.window.signals.names.rows)
    firsts = [rows[0][0] for rows in shown]
    assert firsts == ["E0", "E16", "E24", "E24", "E8"]
    assert lab.window.signals.where.text().startswith("9-24 of 40")
    lab.window.signals.count.setCurrentIndex(3)
    lab.frame()
    assert len(lab.window.signals.names.rows) == 40


def test_another_stream_is_chosen_by_the_keyboard(signals: PanelLab):
    signals.samples("view:pps", 5)
    signals.window.signals.streams.setFocus()
    signals.press(Qt.Key.Key_Down)
    signals.press(Qt.Key.Key_Down)
    signals.frame()
    assert signals.window.signals.key == "view:pps"
    assert [name for name, _ in signals.window.signals.names.rows] == ["ECG", "EDA"]


def test_a_wheel_above_the_list_changes_nothing(signals: PanelLab):
    streams = signals.window.signals.streams
    at = QPointF(5, 5)
    turned = QWheelEvent(
        at,
        streams.mapToGlobal(at),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(streams, turned)
    assert signals.window.signals.key == "view:eeg"


def test_a_stream_that_is_gone_says_so_and_scrolls_out(signals: PanelLab):
    signals.state.take(StreamGone("view:eeg"))
    signals.clock.advance(3.0)
    signals.live()
    signals.frame()
    assert "NOT THERE" in signals.window.signals.where.text()
    assert np.isnan(traces(signals)[0][-500:-1][-200:]).all()
    signals.state.take(StreamOpened("view:eeg", EEG, ("uV",) * 8, 250.0))
    signals.samples("view:eeg", 1)
    signals.frame()
    assert "NOT THERE" not in signals.window.signals.where.text()
    assert np.isfinite(traces(signals)[0][-20:-1]).any()


def test_a_stream_that_returns_with_other_channels_is_shown_as_it_is(signals: PanelLab):
    signals.state.take(StreamGone("view:eeg"))
    signals.state.take(StreamOpened("view:eeg", ("Cz", "Pz"), ("uV",) * 2, 250.0))
    signals.samples("view:eeg", 2)
    signals.frame()
    assert [name for name, _ in signals.window.signals.names.rows] == ["Cz", "Pz"]
    assert len(traces(signals)) == 2


def test_another_session_takes_the_traces_away(signals: PanelLab):
    signals.state.take(Attached(signals.layout.model_copy(update={"session": "another"})))
    signals.frame()
    assert traces(signals) == []
    assert signals.window.signals.streams.count() == 0
    assert signals.window.signals.names.rows == ()


def test_values_that_are_none_or_infinite_do_no_harm(signals: PanelLab):
    wild = np.full((250, 8), np.nan, dtype=np.float32)
    wild[:, 0] = np.inf
    wild[:, 1] = 3e38
    stamps = signals.session_s + np.arange(250) / 250
    signals.clock.advance(1.0)
    signals.live()
    signals.state.take(SamplesSeen("view:eeg", stamps, wild))
    signals.frame()
    finite = np.concatenate([trace[np.isfinite(trace)] for trace in traces(signals)])
    assert np.abs(finite).max() < 10


def test_names_from_the_network_are_plain_and_short(open_lab: Callable[..., PanelLab]):
    lab = open_lab()
    lab.live()
    lab.state.take(StreamOpened("view:eeg", ("<b>x</b>\x1b" + "y" * 500, "ok"), ("<i>" * 99, ""), 250.0))
    lab.samples("view:eeg", 2)
    lab.frame()
    assert [name for name, _ in lab.window.signals.names.rows] == [r"<b>x</b>\x1…", "ok"]
    assert len(lab.window.signals.where.text()) < 80
    assert lab.window.centralWidget().minimumSizeHint().width() <= 1024


def test_what_cannot_be_seen_is_not_drawn_and_what_has_not_changed_neither(
    signals: PanelLab, monkeypatch: pytest.MonkeyPatch
):
    drawn = []
    panel = signals.window.signals
    draw = panel._draw
    monkeypatch.setattr(panel, "_draw", lambda *of: (drawn.append(1), draw(*of)))
    signals.frame(3)
    assert drawn == []
    signals.clock.advance(0.1)
    signals.samples("view:eeg", 0.1)
    signals.frame()
    assert drawn == [1]
    signals.window.tabs.setCurrentIndex(4)
    signals.clock.advance(0.1)
    signals.samples("view:eeg", 0.1)
    signals.frame(2)
    assert drawn == [1]


def test_a_stream_is_called_by_its_name_once_that_is_known(lab: PanelLab):
    lab.open_streams()
    lab.frame()
    assert lab.window.signals.streams.itemText(0) == "view:eeg"
    lab.live(streams=(stream(name="<b>cap</b>\x1b"),))
    lab.frame()
    assert lab.window.signals.streams.itemText(0) == r"<b>cap</b>\x1b"
    assert lab.window.signals.key == "view:eeg"


def test_samples_that_come_before_the_first_status_are_shown(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.open_streams()
    lab.state.take(SamplesSeen("view:eeg", 5000 + np.arange(250) / 250, np.ones((250, 8), np.float32)))
    lab.frame()
    assert len(traces(lab)) == len(EEG)
    drawn: list[object] = []
    monkeypatch.setattr(lab.window.signals, "_draw", lambda *of: drawn.append(of))
    lab.frame(3)
    assert drawn == []


def test_rows_get_the_height_of_the_stream_that_is_shown(signals: PanelLab):
    before = signals.window.signals.where.text()
    signals.samples("view:pps", 10, np.sin(np.arange(640) / 5)[:, None] * [1e6, 1e6])
    signals.window.signals.streams.setCurrentIndex(2)
    signals.frame()
    assert "2e+06 uV a row" in signals.window.signals.where.text()
    signals.window.signals.streams.setCurrentIndex(0)
    signals.frame()
    assert signals.window.signals.where.text() == before


def judge(lab: PanelLab, *scores: float) -> None:
    names = tuple(f"eeg:{label}" for label in EEG)
    lab.state.take(QualitySeen(names, np.array([lab.session_s]), np.array([scores])))
    lab.frame()


def test_the_quality_of_each_channel_stands_beside_its_name(signals: PanelLab):
    names = signals.window.signals.names
    before = names.width()
    assert pixels_of(picture(names), DARK.good) == 0
    judge(signals, 1.0, 0.84, 0.5, 0.49, 0.0, np.nan, 1.0, 1.0)
    assert names.scores == (1.0, 0.8, 0.5, 0.4, 0.0, None, 1.0, 1.0)
    assert names.width() > before
    judge(signals, *[1.0] * 8)
    whole = pixels_of(picture(names), DARK.good)
    judge(signals, *[0.5] * 8)
    assert pixels_of(picture(names), DARK.good) == pytest.approx(whole / 2, rel=0.1)
    judge(signals, *[0.2] * 8)
    assert pixels_of(picture(names), DARK.good) == 0
    assert pixels_of(picture(names), DARK.critical) > 50
    # Of the channels that are seen.
    top, height = names._places()
    assert names.hint(top + 2.5 * height) == "<span>F3: quality 20 %</span>"
    assert names.hint(-5.0) == ""
    assert names.hint(1e5) == ""


def test_a_quality_that_is_not_of_now_is_not_shown(signals: PanelLab):
    names = signals.window.signals.names
    judge(signals, *[0.8] * 8)
    assert names.scores == (0.8,) * 8
    signals.state.take(StreamGone("view:eeg"))
    signals.frame()
    assert names.scores == (None,) * 8
    assert names.hint(names._places()[0] + 1) == ""
    signals.state.take(StreamOpened("view:eeg", EEG, ("uV",) * 8, 250.0))
    signals.frame()
    assert names.scores == (0.8,) * 8
    signals.clock.advance(5.0)
    signals.frame()
    assert names.scores == (None,) * 8
    signals.live()
    signals.window.signals.streams.setCurrentIndex(2)
    signals.frame()
    assert names.scores == (None, None)


def test_a_channel_of_two_views_is_as_good_as_the_worse_of_them_says(open_lab: Callable[..., PanelLab]):
    lab = open_lab(views=(*VIEWS, VIEWS[0].model_copy(update={"name": "left", "channels": EEG[:1]})))
    lab.live()
    lab.open_streams()
    lab.samples("view:eeg", 2)
    scores = np.array([[0.9, 0.3]])
    lab.state.take(QualitySeen(("eeg:Fp1", "left:Fp1"), np.array([lab.session_s]), scores))
    lab.frame()
    assert lab.window.signals.names.scores[:2] == (0.3, None)


def test_a_name_that_would_be_markup_is_none_in_its_hint(lab: PanelLab):
    lab.live()
    lab.state.take(StreamOpened("view:eeg", ("<b>x</b>\x1b",), ("uV",), 250.0))
    lab.samples("view:eeg", 2, np.ones((500, 1)))
    lab.state.take(QualitySeen((r"eeg:<b>x</b>\x1b",), np.array([lab.session_s]), np.array([[1.0]])))
    lab.frame()
    assert lab.window.signals.names.hint(100.0) == r"<span>&lt;b&gt;x&lt;/b&gt;\x1b: quality 100 %</span>"


def test_the_middle_of_a_trace_is_the_median_of_what_came():
    values = np.random.default_rng(0).normal(size=(40, 63)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.5] = np.nan
    values[:2] = np.nan
    values[1, 7] = 5.0
    found = _median(values)
    assert found[:2].tolist() == [0.0, 5.0]
    np.testing.assert_allclose(found[2:], np.nanmedian(values[2:], axis=1), rtol=1e-6)
