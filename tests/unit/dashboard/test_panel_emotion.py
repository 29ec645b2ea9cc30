"""The emotion: what is of now is said large, and what is not is never said as if it were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from panel_lab import PanelLab, picture, pixels_of, window_state

from rtemo.dashboard.messages import Attached, Detached
from rtemo.dashboard.theme import DARK

pytestmark = pytest.mark.gui
POSITIVE = DARK.classes[2]


def shown(lab: PanelLab) -> tuple[str, str, bool]:
    lab.frame()
    emotion = lab.window.emotion.emotion
    return emotion.headline, emotion.detail, emotion.current


def coloured(lab: PanelLab) -> int:
    """Pixels in the colour of the label that is predicted here."""
    return pixels_of(picture(lab.window.emotion.face), POSITIVE)


def test_without_a_session_it_says_so(open_lab: Callable[..., PanelLab]):
    lab = open_lab(nobody=True)
    assert shown(lab) == ("no session", "", False)


def test_before_the_first_prediction_nothing_is_felt(lab: PanelLab):
    lab.live()
    assert shown(lab) == ("waiting", "no prediction yet", False)


def test_a_prediction_of_now_is_said_with_its_probability_and_in_its_colour(lab: PanelLab):
    lab.live()
    lab.say()
    assert shown(lab) == ("positive", "50 %", True)
    assert coloured(lab) > 2000


def test_the_spread_is_told_where_a_view_is_missing(lab: PanelLab):
    lab.live(window=window_state(label="positive", spread=0.07, missing={"eye": "no stream"}))
    lab.say(available=(True, False, True))
    assert shown(lab)[:2] == ("positive", "50 %  ± 7")
    # The next window's is not known before the next status.
    lab.clock.advance(1.0)
    lab.say(available=(True, False, True))
    assert shown(lab)[:2] == ("positive", "50 %  ± …")
    lab.live(window=window_state(label="positive", spread=0.12))
    assert shown(lab)[:2] == ("positive", "50 %  ± 12")


def test_without_any_sensor_it_is_no_emotion_though_there_are_probabilities(lab: PanelLab):
    lab.live()
    lab.say(available=(False, False, False))
    assert shown(lab)[0] == "no sensor"
    assert lab.window.emotion.emotion.best == -1
    assert coloured(lab) == 0


def test_a_window_that_the_model_had_no_time_for_is_no_emotion(lab: PanelLab):
    lab.live()
    lab.say(probabilities=(float("nan"),) * 3)
    assert shown(lab)[0] == "skipped"
    assert coloured(lab) == 0


@pytest.mark.parametrize("silent", [False, True])
def test_an_old_prediction_is_grey_and_says_how_old_it_is(lab: PanelLab, silent: bool):
    lab.live()
    lab.say()
    lab.frame()
    assert coloured(lab) > 2000
    lab.clock.advance(7.0)
    if not silent:
        lab.live()
    headline, detail, current = shown(lab)
    assert headline == ("no word from the session" if silent else "no prediction")
    assert detail == "last: positive, 7 s ago"
    assert not current
    assert coloured(lab) == 0


@pytest.mark.parametrize(
    ("hop_s", "ago_s", "current"), [(1, 2.05, True), (1, 2.15, False), (4, 8, True), (4, 8.2, False)]
)
def test_it_is_old_after_two_hops_and_what_a_window_may_wait(
    open_lab: Callable[..., PanelLab], hop_s: float, ago_s: float, current: bool
):
    lab = open_lab(hop_s=hop_s)
    lab.live()
    lab.say(ago_s=ago_s)
    assert shown(lab)[2] is current


def test_when_the_session_is_over_the_last_emotion_is_past(lab: PanelLab):
    lab.live()
    lab.say()
    lab.live(ending=True)
    assert shown(lab) == ("the session is over", "last: positive, 0 s ago", False)


def test_a_session_that_vanishes_and_comes_back_is_felt_again(lab: PanelLab):
    lab.live()
    lab.say()
    lab.state.take(Detached("it is gone"))
    assert not shown(lab)[2]
    assert coloured(lab) == 0
    lab.clock.advance(30.0)
    lab.state.take(Attached(lab.layout))
    lab.live()
    assert shown(lab)[1] == "last: positive, 30 s ago"
    lab.say()
    assert shown(lab) == ("positive", "50 %", True)


def test_a_label_of_any_length_fits_and_is_plain(open_lab: Callable[..., PanelLab]):
    evil = "<h1>huge</h1>\x1b[2J\u202e" + "x" * 300
    lab = open_lab(labels=(evil, "neutral", "positive"), marker_labels={})
    lab.live()
    lab.say(probabilities=(0.9, 0.05, 0.05))
    headline, _, _ = shown(lab)
    assert headline.startswith(r"<h1>huge</h1>\x1b[2J\u202e")
    assert len(headline) == 60
    assert coloured(lab) > 0  # The bar of another label is still there.


def test_the_same_emotion_is_not_painted_again(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.live()
    lab.say()
    lab.frame()
    painted = []
    monkeypatch.setattr(lab.window.emotion.face, "update", lambda *_: painted.append(1))
    lab.frame(3)
    assert painted == []
    lab.say(ago_s=-1.0, probabilities=(0.6, 0.2, 0.2))
    lab.frame()
    assert painted == [1]


def test_a_prediction_that_lies_ahead_is_not_felt_and_those_that_follow_are(lab: PanelLab):
    lab.live()
    lab.say(ago_s=-900.0, probabilities=(0.9, 0.05, 0.05))
    assert not shown(lab)[2]
    lab.say()
    assert shown(lab) == ("positive", "50 %", True)


def test_where_the_clock_was_set_back_the_newest_prediction_is_none_of_now(lab: PanelLab):
    lab.say(ago_s=-900.0)
    lab.live()
    assert shown(lab) == ("no prediction", "", False)
