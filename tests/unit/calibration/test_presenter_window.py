"""The participant's window: scenes, stamps, keys, questions, and what ends it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from presenter_lab import AROUSAL, EMOTION, VALENCE, PresenterLab, painted, plain
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QOpenGLContext
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from calibration.presenter.form_view import layout
from calibration.presenter.photodiode import Photodiode
from calibration.presenter.placing import Placing
from calibration.presenter.surface import IN_SOFTWARE, GlSurface, opengl_support
from calibration.presenter.window import PAINT_LIMIT_S, PresenterWindow
from calibration.scenes import (
    Answered,
    BlankStimulus,
    Chosen,
    Closed,
    Fixation,
    ImageStimulus,
    Key,
    MediaFailed,
    Message,
    Question,
    ReportForm,
    Rest,
    Screen,
    Shown,
    TextStimulus,
)
from rtemo.clock import VirtualClock
from rtemo.errors import ConfigurationError

pytestmark = pytest.mark.gui
WHITE, BLACK = "#ffffff", "#000000"


@pytest.fixture
def open_lab(qtbot: QtBot) -> Iterator[Callable[..., PresenterLab]]:
    labs: list[PresenterLab] = []

    def make(**how: object) -> PresenterLab:
        labs.append(PresenterLab(**how))
        return labs[-1]

    yield make
    for lab in labs:
        lab.window.close()


@pytest.fixture
def lab(open_lab: Callable[..., PresenterLab]) -> PresenterLab:
    return open_lab()


def test_the_window_is_a_screen(lab: PresenterLab):
    screen: Screen = lab.window
    assert screen.events() == []
    assert lab.report.path == "raster"
    assert not lab.report.locked
    assert "without OpenGL" in lab.report.words()


def test_a_scene_is_told_once_with_the_moment_after_painting(lab: PresenterLab):
    lab.clock.advance_to(250.0)
    assert lab.shown(Fixation(1)) == Shown(1, 250.0, flip=False)
    lab.window.surface.update()
    lab.settle()
    assert lab.window.events() == []


def test_of_scenes_that_follow_at_once_the_last_one_is_shown(lab: PresenterLab):
    lab.window.show(Fixation(1))
    lab.window.show(TextStimulus(2, "now"))
    lab.settle()
    assert [event.scene_id for event in lab.window.events() if isinstance(event, Shown)] == [2]


@pytest.mark.parametrize(
    ("scene", "colour"),
    [
        (Message(1, "hello", continue_key=True), BLACK),
        (Fixation(1), BLACK),
        (TextStimulus(1, "a happy moment"), WHITE),
        (BlankStimulus(1), WHITE),
        (Rest(1, "rest", 1, 4), BLACK),
        (ReportForm(1, (VALENCE,)), BLACK),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_the_square_is_white_for_stimuli_and_black_for_all_else(lab: PresenterLab, scene: Fixation, colour: str):
    assert lab.square() == BLACK
    lab.shown(scene)
    assert lab.square() == colour


def test_a_picture_is_shown_as_large_as_fits(lab: PresenterLab, tmp_path: Path):
    plain("#c02040", 100, 100).save(str(tmp_path / "a.png"))
    lab.shown(ImageStimulus(1, tmp_path / "a.png"))
    seen = lab.seen()
    assert [seen.pixelColor(x, 200).name() for x in (10, 125, 320, 515, 630)] == [
        BLACK,
        "#c02040",
        "#c02040",
        "#c02040",
        BLACK,
    ]


def test_a_prepared_picture_needs_no_file_any_more(lab: PresenterLab, tmp_path: Path):
    path = tmp_path / "a.png"
    plain("#2040c0").save(str(path))
    scene = ImageStimulus(2, path)
    lab.window.show(Fixation(1))
    lab.window.prepare(scene)
    lab.settle()
    path.unlink()
    assert [type(event) for event in lab.window.events()] == [Shown]
    lab.shown(scene)
    assert lab.seen().pixelColor(320, 200).name() == "#2040c0"


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\nrubbish", b"no picture"])
def test_a_picture_that_cannot_be_read_is_told_while_it_is_prepared(
    lab: PresenterLab, tmp_path: Path, content: bytes | None
):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    lab.shown(Fixation(1))
    lab.window.prepare(ImageStimulus(2, path))
    lab.settle()
    (event,) = lab.window.events()
    assert isinstance(event, MediaFailed)
    assert event.scene_id == 2
    assert event.reason
    lab.window.show(ImageStimulus(2, path))
    lab.settle()
    assert [type(event) for event in lab.window.events()] == [MediaFailed]
    assert lab.square() == BLACK, "what was there before stays"


def test_a_picture_of_absurd_size_is_refused_unread(lab: PresenterLab, tmp_path: Path):
    path = tmp_path / "bomb.png"
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 90_000, 90_000, 1, 0, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND"]
    framed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    lab.shown(Fixation(1))
    lab.window.show(ImageStimulus(2, path))
    lab.settle()
    (event,) = lab.window.events()
    assert isinstance(event, MediaFailed)
    assert "90000 x 90000" in event.reason


def test_space_goes_on_only_where_the_message_says_so(lab: PresenterLab):
    lab.shown(Message(1, "wait", continue_key=False))
    lab.key(Qt.Key.Key_Space)
    lab.shown(Fixation(2))
    lab.key(Qt.Key.Key_Space)
    assert lab.window.events() == []
    lab.shown(Message(3, "go", continue_key=True))
    lab.key(Qt.Key.Key_Space)
    assert lab.window.events() == [Key("continue")]


def test_the_experimenters_keys_are_commands(lab: PresenterLab):
    lab.shown(Fixation(1))
    for key in (Qt.Key.Key_P, Qt.Key.Key_S, Qt.Key.Key_R, Qt.Key.Key_X):
        lab.key(key)
    lab.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert lab.window.events() == [Key("pause"), Key("skip"), Key("redo")]


def test_the_end_is_asked_for_twice(lab: PresenterLab):
    lab.shown(Fixation(1))
    lab.key(Qt.Key.Key_Escape)
    assert lab.window.events() == []
    assert lab.seen().pixelColor(320, 8).name() != BLACK, "it says so"
    lab.key(Qt.Key.Key_Escape)
    assert lab.window.events() == [Key("abort")]
    assert lab.seen().pixelColor(320, 8).name() == BLACK
    lab.key(Qt.Key.Key_Escape)
    assert lab.window.events() == []


def test_where_the_keyboard_is_the_participants_there_are_no_commands(open_lab: Callable[..., PresenterLab]):
    lab = open_lab(placing=Placing(size=(640, 400), operator_keys=False))
    lab.shown(Fixation(1))
    for key in (Qt.Key.Key_P, Qt.Key.Key_Escape, Qt.Key.Key_Escape):
        lab.key(key)
    assert lab.window.events() == []


def test_a_report_is_filled_in_by_keys_and_sent_once(lab: PresenterLab):
    lab.shown(ReportForm(4, (VALENCE, AROUSAL)))
    for key in (Qt.Key.Key_7, Qt.Key.Key_Space, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_9):
        lab.key(key)
    assert lab.window.events() == [Answered(4, {"valence": 7.0, "arousal": 6.0})]
    lab.key(Qt.Key.Key_Space)
    assert lab.window.events() == []


def test_a_report_is_filled_in_by_mouse(lab: PresenterLab):
    lab.shown(ReportForm(4, (VALENCE, EMOTION)))
    form = lab.window.form
    assert form is not None
    assert lab.window.surface.cursor().shape() == Qt.CursorShape.ArrowCursor
    lab.click(layout(form, lab.area()).boxes[0])
    lab.click(layout(form, lab.area()).on)
    lab.click(layout(form, lab.area()).boxes[1])
    lab.click(layout(form, lab.area()).on)
    assert lab.window.events() == [Answered(4, {"valence": 1.0, "emotion": "anger"})]
    assert lab.window.surface.cursor().shape() == Qt.CursorShape.BlankCursor


def test_nothing_is_answered_before_the_form_is_on_the_screen(lab: PresenterLab):
    lab.window.show(ReportForm(4, (VALENCE,)))
    lab.key(Qt.Key.Key_7)
    lab.key(Qt.Key.Key_Space)
    lab.settle()
    assert not any(isinstance(event, Answered) for event in lab.window.events())


def test_commands_work_while_a_report_is_filled_in(lab: PresenterLab):
    lab.shown(ReportForm(4, (VALENCE,)))
    lab.key(Qt.Key.Key_R)
    assert lab.window.events() == [Key("redo")]


def test_a_question_lies_above_the_scene_until_it_is_answered(lab: PresenterLab):
    question = Question(9, "The signal was poor. Repeat the trial?", ("repeat", "accept"))
    lab.shown(Rest(1, "rest", 1, 4))
    lab.window.ask(question)
    asked = lab.seen()
    lab.shown(Rest(2, "rest", 1, 4))
    assert lab.seen() == asked, "it stays while other scenes are shown"
    lab.key(Qt.Key.Key_3)
    assert lab.window.events() == []
    lab.key(Qt.Key.Key_2)
    assert lab.window.events() == [Chosen(9, "accept")]
    assert lab.seen() != asked
    lab.key(Qt.Key.Key_2)
    assert lab.window.events() == []


def test_a_question_can_be_withdrawn(lab: PresenterLab):
    lab.shown(Rest(1, "rest", 1, 4))
    before = lab.seen()
    lab.window.ask(Question(9, "Repeat?", ("repeat", "accept")))
    lab.window.ask(None)
    assert lab.seen() == before
    lab.key(Qt.Key.Key_1)
    assert lab.window.events() == []


class Desk:
    """An experimenter's desk."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, Callable[[str], None]]] = []
        self.withdrawn = 0

    def ask(self, question: Question, answer: Callable[[str], None]) -> None:
        self.asked.append((question, answer))

    def withdraw(self) -> None:
        self.withdrawn += 1

    def needs_keyboard(self) -> bool:
        return False


def test_the_experimenters_window_is_asked_and_the_participant_sees_nothing_of_it(
    open_lab: Callable[..., PresenterLab],
):
    desk = Desk()
    lab = open_lab(operator=desk)
    lab.shown(Rest(1, "rest", 1, 4))
    before = lab.seen()
    lab.window.ask(Question(9, "Repeat?", ("repeat", "accept")))
    assert lab.seen() == before
    (question, answer), *_ = desk.asked
    answer("something else")
    assert lab.window.events() == []
    answer("repeat")
    answer("repeat")
    assert lab.window.events() == [Chosen(question.scene_id, "repeat")]
    assert desk.withdrawn == 1


def test_a_late_answer_to_a_question_that_was_withdrawn_is_none(open_lab: Callable[..., PresenterLab]):
    desk = Desk()
    lab = open_lab(operator=desk)
    lab.window.ask(Question(9, "Repeat?", ("repeat", "accept")))
    lab.window.ask(None)
    desk.asked[0][1]("repeat")
    assert lab.window.events() == []


def test_a_window_that_somebody_closes_is_told_and_shows_nothing_any_more(lab: PresenterLab):
    lab.shown(Fixation(1))
    lab.window.surface.close()
    assert lab.window.events() == [Closed()]
    lab.window.show(Fixation(2))
    lab.window.prepare(BlankStimulus(3))
    lab.window.ask(Question(4, "?", ("a", "b")))
    lab.key(Qt.Key.Key_P)
    lab.settle()
    assert lab.window.events() == []


def test_closing_it_ourselves_is_no_event_and_can_be_done_twice(lab: PresenterLab):
    lab.shown(Fixation(1))
    lab.window.close()
    lab.window.close()
    assert lab.window.events() == []
    assert not lab.window.surface.isVisible()


def test_a_hidden_window_is_told_instead_of_waited_for(lab: PresenterLab):
    lab.window.surface.hide()
    lab.window.show(Fixation(5))
    lab.settle()
    assert lab.window.events() == []
    lab.clock.advance(PAINT_LIMIT_S + 0.1)
    (event,) = lab.window.events()
    assert isinstance(event, MediaFailed)
    assert event.scene_id == 5
    assert "not painted" in event.reason
    assert lab.window.events() == []


def test_a_screen_that_is_not_there_is_refused_with_those_that_are(qtbot: QtBot):
    with pytest.raises(ConfigurationError, match=r"screen 7: there is no such screen\. There are: 0 \(.*800 x 800\)"):
        PresenterWindow(VirtualClock(), Placing(screen=7))


def test_it_covers_all_of_its_screen_unless_told_otherwise(open_lab: Callable[..., PresenterLab]):
    lab = open_lab(placing=Placing())
    surface = lab.window.surface
    assert surface.geometry() == QGuiApplication.primaryScreen().geometry()
    assert surface.visibility().name == "FullScreen"
    assert surface.cursor().shape() == Qt.CursorShape.BlankCursor


def test_a_key_that_is_still_held_from_before_goes_on_with_nothing(lab: PresenterLab):
    lab.shown(Message(3, "go", continue_key=True))
    for _ in range(3):
        held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", True)
        QApplication.sendEvent(lab.window.surface, held)
    assert lab.window.events() == []


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_the_square_lies_in_its_corner(qtbot: QtBot, corner: str):
    square = Photodiode(corner, 30)  # type: ignore[arg-type]
    image = painted(lambda painter, window: square.paint(painter, window, lit=True))
    at = {"left": 3, "right": 636, "top": 3, "bottom": 396}
    vertical, horizontal = corner.split("-")
    assert image.pixelColor(at[horizontal], at[vertical]).name() == WHITE
    assert sum(image.pixelColor(x, y).name() == WHITE for x in (3, 636) for y in (3, 396)) == 1


@pytest.mark.parametrize(("corner", "size"), [("middle", 80), ("top-left", 2), ("top-left", 4000)])
def test_a_square_that_cannot_be_is_refused(corner: str, size: int):
    with pytest.raises(ConfigurationError, match="photodiode"):
        Photodiode(corner, size)  # type: ignore[arg-type]


def test_opengl_paints_what_the_raster_paints(open_lab: Callable[..., PresenterLab], monkeypatch: pytest.MonkeyPatch):
    raster = open_lab()
    if not QOpenGLContext().create():
        pytest.skip("no OpenGL on this platform of Qt")
    monkeypatch.setattr("calibration.presenter.window.opengl_support", lambda: ("any", ""))
    opengl = open_lab()
    surface = opengl.window.surface
    assert isinstance(surface, GlSurface)
    for lab in (raster, opengl):
        lab.shown(Fixation(1))
    assert surface.grabFramebuffer().convertToFormat(raster.seen().format()) == raster.seen()


def test_where_opengl_is_drawn_in_software_the_raster_is_used(qtbot: QtBot):
    renderer, why = opengl_support()
    assert bool(renderer) != bool(why)
    assert not any(name in renderer.lower() for name in IN_SOFTWARE)
