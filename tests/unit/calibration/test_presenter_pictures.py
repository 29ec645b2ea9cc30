"""How scenes look: nothing is cut off, text is text, and the figures of a scale differ."""

from __future__ import annotations

import itertools

import pytest
from presenter_lab import AROUSAL, EMOTION, LIKING, VALENCE, lit_part, painted, plain
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from calibration.presenter.form import Form
from calibration.presenter.form_view import paint_form
from calibration.presenter.manikin import DRAWN, paint_manikin
from calibration.presenter.stimuli import MOST_LETTERS, clean, paint_scene
from calibration.scenes import BlankStimulus, Fixation, ImageStimulus, Message, Rest, Scene, TextStimulus
from calibration.selfreport import Scale

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("qtbot")]
SIZES = [(640, 400), (1920, 1080), (1080, 1920)]


def scene_image(scene: Scene, size: tuple[int, int] = (640, 400), picture: QImage | None = None) -> QImage:
    return painted(lambda painter, window: paint_scene(painter, window, scene, picture), *size)


def edge_is_black(image: QImage) -> bool:
    width, height = image.width(), image.height()
    edges = [(x, y) for x in range(0, width, 3) for y in (0, height - 1)]
    edges += [(x, y) for y in range(0, height, 3) for x in (0, width - 1)]
    return all(image.pixelColor(x, y).lightness() == 0 for x, y in edges)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "text",
    ["short", "Ein langer Satz. " * 60, "x" * 400, "zeile\n" * 80, "中文" * 300, "שלום עולם " * 40, "word " * 5000],
    ids=["short", "sentences", "one word", "lines", "Chinese", "Hebrew", "too long"],
)
def test_text_stays_inside_the_screen(size: tuple[int, int], text: str):
    image = scene_image(TextStimulus(1, text), size)
    assert edge_is_black(image)
    assert lit_part(image) > 0


def test_text_is_never_markup_nor_control():
    assert clean("<b>a</b>\n\tb\x1b[31m\u202e") == "<b>a</b>\n    b\\x1b[31m\\u202e"
    assert clean("a\r\nb\u2028c") == "a\nb\nc"
    assert len(clean("\x1b" * 10**6)) == MOST_LETTERS


def test_a_cross_is_in_the_very_middle():
    image = scene_image(Fixation(1), (641, 401))
    lit = [
        (x, y) for x in range(image.width()) for y in range(image.height()) if image.pixelColor(x, y).lightness() > 100
    ]
    assert sum(x for x, _ in lit) / len(lit) == pytest.approx(320, abs=1)
    assert sum(y for _, y in lit) / len(lit) == pytest.approx(200, abs=1)


def test_a_blank_stimulus_is_black():
    assert lit_part(scene_image(BlankStimulus(1))) == 0


@pytest.mark.parametrize(("shape", "corner_is_lit"), [((100, 100), False), ((160, 100), True), ((1000, 10), False)])
def test_a_picture_keeps_its_proportions(shape: tuple[int, int], corner_is_lit: bool):
    image = scene_image(ImageStimulus(1, __file__), picture=plain("#ffffff", *shape))  # type: ignore[arg-type]
    assert image.pixelColor(320, 200).name() == "#ffffff"
    assert (image.pixelColor(2, 2).name() == "#ffffff") is corner_is_lit


def test_a_rest_shows_how_far_it_is():
    def filled(done: int, total: int) -> int:
        image = scene_image(Rest(1, "Rest", done, total), (1000, 600))
        y = round(600 - 0.14 * 600) + 1
        blue = QColor("#56b4e9").name()
        return sum(image.pixelColor(x, y).name() == blue for x in range(1000))

    assert filled(0, 8) == 0
    assert filled(4, 8) == pytest.approx(150, abs=2)
    assert filled(8, 8) == filled(20, 8) == pytest.approx(300, abs=2)
    assert filled(0, 0) == 0


def test_a_message_says_which_key_goes_on_only_where_one_does():
    waits, goes_on = (scene_image(Message(1, "hello", continue_key=key)) for key in (False, True))
    assert lit_part(goes_on) > lit_part(waits)


@pytest.mark.parametrize("scale", DRAWN)
def test_every_step_of_a_scale_has_its_own_figure(scale: str):
    def figure(level: float) -> QImage:
        white, black = QColor("white"), QColor("black")
        box = QRectF(10, 10, 100, 160)
        return painted(lambda painter, _: paint_manikin(painter, box, scale, level, white, black), 120, 180)

    figures = [figure(step / 8) for step in range(9)]
    assert all(one != other for one, other in itertools.combinations(figures, 2))
    assert all(edge_is_black(each) for each in figures)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "scale",
    [VALENCE, AROUSAL, EMOTION, LIKING, Scale("long", "choice", "How? " * 80, choices=("joy " * 60, "b" * 300, "c"))],
    ids=lambda scale: scale.name,
)
def test_a_question_stays_inside_and_shows_what_is_chosen(size: tuple[int, int], scale: Scale):
    form = Form((VALENCE, scale), page=1)
    before = painted(lambda painter, window: paint_form(painter, window, form), *size)
    assert edge_is_black(before)
    form.move(1)
    after = painted(lambda painter, window: paint_form(painter, window, form), *size)
    assert before != after
    assert edge_is_black(after)


def test_the_anchors_are_plain_text(qtbot: QtBot):
    def of(anchor: str) -> QImage:
        form = Form((Scale("liking", "free", "?", (1.0, 2.0), (anchor, "")),))
        return painted(lambda painter, window: paint_form(painter, window, form))

    assert of("<b></b>") != of("")
    assert of("a\nb") == of("a b")
