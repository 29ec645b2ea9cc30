"""The participant's window: shows scenes, stamps their flips, and tells what happened."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QMouseEvent, QPainter, QScreen

from calibration.presenter.cue import Cue
from calibration.presenter.flips import FlipReport, report_of
from calibration.presenter.form import Form
from calibration.presenter.form_view import hit, paint_form
from calibration.presenter.keys import Notes, command_of, form_key
from calibration.presenter.media import PlayerFactory, qt_player
from calibration.presenter.overlay import paint_note, paint_question
from calibration.presenter.placing import Placing, WarmUp, chosen_screen, identity, place
from calibration.presenter.stimuli import GROUND, paint_scene, rehearsed
from calibration.presenter.surface import GlSurface, Input, RasterSurface, Surface, left_button, opengl_support
from calibration.scenes import (
    STIMULI,
    Answered,
    Chosen,
    Closed,
    Command,
    Key,
    MediaEnded,
    MediaFailed,
    Message,
    Question,
    ReportForm,
    Scene,
    ScreenEvent,
    Shown,
    Stimulus,
)
from rtemo.clock import Clock
from rtemo.errors import RtemoError

logger = logging.getLogger(__name__)
PAINT_LIMIT_S: Final = 3.0
"""A scene that is ready and was not painted for so long will not be: the window is hidden, or the screen is off."""
LOAD_LIMIT_S: Final = 20.0
"""So long a file may take to be loaded."""


class Operator(Protocol):
    """Where the experimenter is asked; `calibration.presenter.experimenter.ExperimenterWindow` is one."""

    def ask(self, question: Question, answer: Callable[[str], None]) -> None:
        """Ask, and hand on the choice."""
        ...

    def withdraw(self) -> None:
        """Ask no more."""
        ...

    def needs_keyboard(self) -> bool:
        """Whether the experimenter is writing, or is asked: then the keyboard stays there."""
        ...


class PresenterWindow:
    """A `calibration.scenes.Screen` by Qt. There must be a `QGuiApplication` whose events are processed.

    Parameters
    ----------
    clock : Clock
        Of stamps.
    placing : Placing
    operator : Operator, optional
        Where the experimenter is asked; on this window if not given.
    player : callable
        Makes a player of sounds and videos.
    """

    def __init__(
        self,
        clock: Clock,
        placing: Placing | None = None,
        *,
        operator: Operator | None = None,
        player: PlayerFactory = qt_player,
    ) -> None:
        self._clock, self._placing = clock, placing or Placing()
        self._operator, self._player = operator, player
        self._events: list[ScreenEvent] = []
        self._next: Cue | None = None
        self._wanted: Cue | None = None
        self._current: Cue | None = None
        self._since_s = 0.0
        self._is_painted = self._is_told = False
        self._form: Form | None = None
        self._question: Question | None = None
        self._notes = Notes(self._repaint)
        self._warm_up = WarmUp()
        self._is_open = True
        self._locked = False
        self._screen = identity(chosen_screen(self._placing.screen))
        self._renderer, self._why_raster = opengl_support() if self._placing.opengl else ("", "not wanted")
        make = GlSurface if self._renderer else RasterSurface
        self.surface: Surface = make(self._paint, self._flipped)
        self._input = Input(self._key, self._mouse, self._closed)
        self.surface.installEventFilter(self._input)
        self.surface.setTitle("rtemo calibrate")
        self.surface.setCursor(Qt.CursorShape.BlankCursor)
        self.surface.screenChanged.connect(self._moved)

    # What the session asks for.

    def open(self) -> FlipReport:
        """Put the window on its screen, and see how its flips come; returns within seconds.

        Raises
        ------
        RtemoError
            Where the window is not painted.
        """
        screen = chosen_screen(self._placing.screen)
        self._screen, refresh_hz = identity(screen), screen.refreshRate()
        place(self.surface, screen, self._placing.size)
        try:
            self._warm_up.run(self.surface)
        except RtemoError:
            self.close()
            raise
        report = report_of(self.surface.path, self._renderer, refresh_hz, self._warm_up.flips_s, self._why_raster)
        self._locked = report.locked
        return report

    def prepare(self, scene: Stimulus) -> None:
        """Load what a stimulus needs, as it is shown next; what was asked to be shown before is painted first."""
        if not self._is_open:
            return
        self._drop_next()
        self._next = self._cue(scene)
        if self._is_told or self._current is None:
            QTimer.singleShot(0, self._next.load)

    def show(self, scene: Scene) -> None:
        """Replace what is shown, as soon as what it needs is loaded."""
        if not self._is_open:
            return
        if self._wanted is not None:
            self._wanted.stop()
        if self._current is not None:
            self._current.stop()
        self._since_s = self._clock.now_s()
        if self._next is not None and self._next.scene == scene:
            self._wanted, self._next = self._next, None
            if self._wanted.failure:
                self._news(self._wanted, "failed")
            elif self._wanted.is_ready:
                self._raise(self._wanted)
            else:
                self._wanted.load()
        else:
            self._drop_next()
            self._wanted = self._cue(scene)
            self._wanted.load()

    def ask(self, question: Question | None) -> None:
        """Ask the experimenter: in the experimenter's window where there is one, else above what is shown here."""
        if not self._is_open:
            return
        self._withdraw()
        self._question = question
        if question is not None and self._operator is not None:
            self._operator.ask(question, partial(self._choose, question))
        self._repaint()

    def events(self) -> list[ScreenEvent]:
        """What happened since the last call, oldest first."""
        if self._is_open:
            self._watch()
            self._keep_keyboard()
        events, self._events = self._events, []
        return events

    def command(self, command: Command) -> None:
        """Take a command of the experimenter, from wherever it was given."""
        self._events.append(Key(command))

    def close(self) -> None:
        """Take the window away; calling it again does nothing."""
        if not self._is_open:
            return
        self._shut()
        self.surface.close()

    @property
    def form(self) -> Form | None:
        """The report that is being filled in."""
        return self._form

    # From a scene that is wanted to one that was flipped.

    def _cue(self, scene: Scene) -> Cue:
        return Cue(scene, self._player, self._news)

    def _news(self, cue: Cue, what: str) -> None:
        """What a cue tells: it is ready, has a picture, has ended, or failed."""
        if not self._is_open:
            return
        if what == "failed":
            self._events.append(MediaFailed(cue.scene.scene_id, cue.failure))
            if cue is self._wanted:
                self._wanted = None
        elif what == "ready":
            pixels = self.surface.size() * self.surface.devicePixelRatio()
            cue.picture = rehearsed(cue.scene, cue.picture, pixels)
            if cue is self._wanted:
                self._raise(cue)
        elif what == "frame" and cue is self._current:
            self._repaint()
        elif what == "ended" and cue is self._current:
            self._events.append(MediaEnded(cue.scene.scene_id, self._clock.now_s()))

    def _raise(self, cue: Cue) -> None:
        """Have it painted next."""
        self._wanted, self._current = None, cue
        self._is_painted = self._is_told = False
        self._form = Form(cue.scene.scales) if isinstance(cue.scene, ReportForm) else None
        self._since_s = self._clock.now_s()
        pointer = Qt.CursorShape.ArrowCursor if self._form is not None else Qt.CursorShape.BlankCursor
        self.surface.setCursor(pointer)
        self._repaint()

    def _repaint(self) -> None:
        if self._is_open:
            self.surface.update()

    def _paint(self, painter: QPainter, window: QRectF) -> None:
        painter.fillRect(window, GROUND)
        cue = self._current
        if cue is not None:
            if self._form is not None:
                paint_form(painter, window, self._form)
            else:
                paint_scene(painter, window, cue.scene, cue.picture)
        if self._question is not None and self._operator is None:
            paint_question(painter, window, self._question)
        if self._notes.text:
            paint_note(painter, window, self._notes.text)
        if self._placing.photodiode is not None:
            lit = cue is not None and isinstance(cue.scene, STIMULI)
            self._placing.photodiode.paint(painter, window, lit)
        self._is_painted = cue is not None

    def _flipped(self) -> None:
        """A picture is on the screen: stamp first, then everything else."""
        stamp_s = self._clock.now_s()
        if not self.surface.isExposed():
            # Qt also paints windows that nobody can see.
            return
        self._warm_up.flipped(stamp_s)
        cue = self._current
        if cue is None or not self._is_painted or self._is_told:
            return
        self._is_told = True
        self._events.append(Shown(cue.scene.scene_id, stamp_s, self._locked))
        cue.begin()
        if self._next is not None:
            QTimer.singleShot(0, self._next.load)

    def _watch(self) -> None:
        """Tell of what should have happened long ago."""
        waited_s = self._clock.now_s() - self._since_s
        if self._wanted is not None and waited_s > LOAD_LIMIT_S:
            self._wanted.failed(f"it could not be loaded within {LOAD_LIMIT_S:g} s")
        elif self._wanted is None and self._current is not None and not self._is_told and waited_s > PAINT_LIMIT_S:
            self._is_told = True
            reason = (
                f"the participant's window was not painted for {PAINT_LIMIT_S:g} s: it is hidden, or its screen off"
            )
            self._events.append(MediaFailed(self._current.scene.scene_id, reason))

    # What participant and experimenter do.

    def _keep_keyboard(self) -> None:
        """Take the keyboard back from the experimenter's window where the participant needs it."""
        focused = QGuiApplication.focusWindow()
        # Where it is another program's, somebody took it there on purpose.
        if focused is None or focused is self.surface or not self._waits_for_participant():
            return
        if self._operator is None or not self._operator.needs_keyboard():
            self.surface.requestActivate()

    def _waits_for_participant(self) -> bool:
        """Whether what is shown waits for a key of the participant."""
        if self._form is not None:
            return self._is_told and not self._form.sent
        scene = None if self._current is None else self._current.scene
        return self._is_told and isinstance(scene, Message) and scene.continue_key

    def _key(self, event: QKeyEvent) -> bool:
        if not self._is_open:
            return False
        if self._question is not None and self._operator is None and _picks(event, self._question):
            self._choose(self._question, self._question.choices[event.key() - Qt.Key.Key_1])
            return True
        if self._waits_for_participant():
            if self._form is not None and form_key(self._form, event):
                self._filled()
                return True
            if self._form is None and event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
                self.command("continue")
                return True
        if event.isAutoRepeat():
            return False
        command = command_of(event, self._notes) if self._placing.operator_keys else None
        if command is not None:
            self.command(command)
        return command is not None

    def _mouse(self, event: QMouseEvent) -> None:
        if self._form is None or not self._waits_for_participant() or not left_button(event):
            return
        window = QRectF(0, 0, self.surface.width(), self.surface.height())
        if hit(self._form, window, QPointF(event.position())):
            self._filled()

    def _filled(self) -> None:
        """Something was changed in the report; where it was sent, tell it."""
        form, cue = self._form, self._current
        assert form is not None
        assert cue is not None
        if form.sent:
            self._events.append(Answered(cue.scene.scene_id, form.answers()))
            self.surface.setCursor(Qt.CursorShape.BlankCursor)
        self._repaint()

    def _choose(self, question: Question, choice: str) -> None:
        """The experimenter answered; an answer to a question that was withdrawn is none."""
        if question is self._question and choice in question.choices:
            self._events.append(Chosen(question.scene_id, choice))
            self._withdraw()

    def _withdraw(self) -> None:
        if self._question is None:
            return
        self._question = None
        if self._operator is not None:
            self._operator.withdraw()
        self._repaint()

    def _moved(self, screen: QScreen) -> None:
        """Another screen than the one that was chosen: its own was unplugged, and nobody looks at this one."""
        if self._is_open and self._warm_up.flips_s and identity(screen) != self._screen:
            logger.warning("the participant's screen is gone; the session pauses")
            self.command("pause")

    def _closed(self) -> None:
        if self._is_open:
            self._shut()
            self._events.append(Closed())

    def _shut(self) -> None:
        self._is_open = False
        self._drop_next()
        for cue in (self._wanted, self._current):
            if cue is not None:
                cue.stop()
        if self._operator is not None and self._question is not None:
            self._operator.withdraw()
        self._notes.stop()

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.stop()
            self._next = None


def _picks(event: QKeyEvent, question: Question) -> bool:
    """Whether a key is the number of one of the choices."""
    return 0 <= event.key() - Qt.Key.Key_1 < min(len(question.choices), 9) and not event.isAutoRepeat()
