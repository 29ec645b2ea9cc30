"""A report: what keys and clicks choose, and what is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presenter_lab import AROUSAL, EMOTION, LIKING, VALENCE
from PySide6.QtCore import QPointF, QRectF

from calibration.presenter.form import Form
from calibration.presenter.form_view import hit, layout
from calibration.selfreport import Scale

SCREENS = [QRectF(0, 0, 640, 400), QRectF(0, 0, 1920, 1080), QRectF(0, 0, 1080, 1920), QRectF(0, 0, 3440, 1440)]
ALL = (VALENCE, AROUSAL, EMOTION, LIKING)
MANY = Scale("word", "choice", "Which?", choices=tuple(f"word {number}" for number in range(30)))


def test_each_scale_is_a_page_and_the_last_sends_all():
    form = Form(ALL)
    assert not form.confirm(), "nothing is chosen yet"
    assert form.digit(7)
    assert form.confirm()
    assert form.digit(2)
    assert form.confirm()
    assert form.digit(3)
    assert form.confirm()
    assert form.is_last
    assert form.move(1)
    assert form.move(1)
    assert form.confirm()
    assert form.sent
    assert form.answers() == {"valence": 7.0, "arousal": 2.0, "emotion": "none of these", "liking": 51.0}


def test_nothing_changes_a_report_that_was_sent():
    form = Form((VALENCE,))
    form.digit(5)
    form.confirm()
    assert [form.digit(6), form.move(1), form.confirm(), form.back()] == [False] * 4
    assert form.answers() == {"valence": 5.0}


def test_going_back_keeps_the_answers():
    form = Form((VALENCE, AROUSAL))
    assert not form.back()
    form.digit(8)
    form.confirm()
    form.digit(3)
    assert form.back()
    assert form.chosen == 7
    form.digit(9)
    assert form.answers() == {"valence": 9.0, "arousal": 3.0}


def test_a_digit_is_a_step_or_a_place_and_nothing_else():
    form = Form((Scale("pain", "free", "", (0.0, 5.0, 10.0)),))
    assert form.digit(0)
    assert form.digit(5)
    assert not form.digit(1)
    assert form.chosen == 1
    form = Form((EMOTION,))
    assert not form.digit(0)
    assert not form.digit(4)
    assert form.digit(1)
    assert form.answers() == {"emotion": "joy"}


def test_arrows_begin_in_the_middle_of_a_scale_and_stop_at_its_ends():
    form = Form((VALENCE,))
    form.move(-1)
    assert form.chosen == 4
    for _ in range(20):
        form.move(1)
    assert form.chosen == 8
    words = Form((EMOTION,))
    words.move(1)
    assert words.chosen == 0


@given(
    presses=st.lists(st.sampled_from(["digit", "left", "right", "on", "back"]), max_size=60), digit=st.integers(0, 9)
)
def test_whatever_is_pressed_what_is_sent_is_complete_and_of_the_scales(presses: list[str], digit: int):
    form = Form(ALL)
    work = {
        "digit": lambda: form.digit(digit),
        "left": lambda: form.move(-1),
        "right": lambda: form.move(1),
        "on": form.confirm,
        "back": form.back,
    }
    for press in presses:
        work[press]()
    answers = form.answers()
    if form.sent:
        assert list(answers) == [scale.name for scale in ALL]
    for scale in ALL:
        if scale.name in answers:
            assert answers[scale.name] in (scale.choices if scale.kind == "choice" else scale.values)


@pytest.mark.parametrize("window", SCREENS, ids=lambda window: f"{window.width():g}x{window.height():g}")
@pytest.mark.parametrize("scale", [*ALL, MANY, Scale("two", "free", "", (1.0, 2.0))], ids=lambda scale: scale.name)
def test_nothing_overlaps_and_all_is_inside_the_window(scale: Scale, window: QRectF):
    form = Form((VALENCE, scale), page=1)
    plan = layout(form, window)
    boxes = [plan.question, *plan.boxes, plan.back, plan.on, plan.hint]
    boxes += list(plan.anchors) if scale.kind != "choice" else []
    assert all(window.contains(box) for box in boxes)
    boxes = [box.adjusted(0.5, 0.5, -0.5, -0.5) for box in boxes]
    ends = plan.anchors if len(plan.boxes) < 3 else ()
    for number, box in enumerate(boxes):
        for other in boxes[number + 1 :]:
            between_ends = any(end.contains(box.center()) for end in ends) and any(
                end.contains(other.center()) for end in ends
            )
            assert between_ends or not box.intersects(other)


def test_a_click_chooses_what_lies_there():
    window = SCREENS[1]
    form = Form((VALENCE, LIKING))
    assert hit(form, window, layout(form, window).boxes[6].center())
    assert form.answers() == {"valence": 7.0}
    assert not hit(form, window, QPointF(1, 1))
    assert not hit(form, window, layout(form, window).back.center()), "there is no page before"
    assert hit(form, window, layout(form, window).on.center())
    line = layout(form, window).boxes[0]
    assert hit(form, window, QPointF(line.left() + 0.333 * line.width(), line.center().y()))
    assert form.answers()["liking"] == 33.0
    assert hit(form, window, QPointF(line.right() + 10, line.center().y())), "a little beside the end is the end"
    assert form.answers()["liking"] == 100.0
    assert hit(form, window, layout(form, window).back.center())
    assert form.page == 0
