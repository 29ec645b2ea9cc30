"""Qt's loop of a session: the participant's window, the experimenter's, and the conductor between them."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Final, cast

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from calibration.attempts import TrialQuality
from calibration.conductor import Conductor
from calibration.folder import CalibrationFolder
from calibration.presenter.experimenter import ExperimenterWindow
from calibration.presenter.photodiode import Corner, Photodiode
from calibration.presenter.placing import Placing, chosen_screen
from calibration.presenter.session_view import StreamLine, view_of
from calibration.presenter.window import PresenterWindow
from calibration.recorded_run import RecordedRun
from calibration.schedule import least_s
from calibration.stimulus_outlet import StimulusOutlet
from calibration.trial_quality import trial_quality
from calibration.watch import Watch
from rtemo.clock import LslClock
from rtemo.dashboard.theme import ThemeName
from rtemo.errors import ConfigurationError

TICK_MS: Final = 4
"""Short against a frame, so that what a tick asks for is painted in the next one."""
REFRESH_MS: Final = 250
LAST_MS: Final = 2000
"""So long the thanks stay on the screen."""


@dataclass(frozen=True)
class Showing:
    """How a session is shown.

    Parameters
    ----------
    placing : Placing
        Of the participant's window.
    experimenter : bool
        Whether there is a window for the experimenter.
    theme : {"dark", "light"}
        Of that window.
    """

    placing: Placing
    experimenter: bool
    theme: ThemeName = "dark"


def showing_of(screen: int, window: str | None, photodiode: str | None, *, experimenter: bool | None) -> Showing:
    """How a session is shown, from the words of a command line.

    Parameters
    ----------
    screen : int
    window : str, optional
        Such as ``1280x800``; all of the screen if not given.
    photodiode : str, optional
        A corner; no square if not given.
    experimenter : bool, optional
        Where there is room beside the participant's window, if not given.

    Raises
    ------
    ConfigurationError
        There is no such screen, or a word is none of those expected.
    """
    size = None
    if window is not None:
        match = re.fullmatch(r"(\d{3,5})x(\d{3,5})", window)
        if match is None:
            raise ConfigurationError(f"--window {window!r}: expected e.g. 1280x800.", cure="Or leave it out.")
        size = int(match[1]), int(match[2])
    square = None if photodiode is None else Photodiode(cast(Corner, photodiode))
    application = _application()
    chosen_screen(screen)
    beside = len(application.screens()) > 1 or size is not None
    own_window = beside if experimenter is None else experimenter
    # With a window of their own, experimenters have their keys there: the participant's do nothing but answer.
    return Showing(Placing(screen, size, square, operator_keys=not own_window), own_window)


def _application() -> QApplication:
    application = QApplication.instance() or QApplication(["rtemo"])
    assert isinstance(application, QApplication)
    application.setApplicationName("rtemo")
    application.setQuitOnLastWindowClosed(False)
    return application


class RecordedMarkers:
    """Puts markers on the network and into the recording."""

    def __init__(self, outlet: StimulusOutlet, run: RecordedRun) -> None:
        self._outlet, self._run = outlet, run

    def push(self, text: str, stamp_s: float) -> None:
        """Send one."""
        self._run.mark(text, stamp_s)
        self._outlet.push(text, stamp_s)


def present(
    session: CalibrationFolder,
    run: RecordedRun,
    outlet: StimulusOutlet,
    showing: Showing,
    say: Callable[[str], None],
) -> str:
    """Take the participant through baseline and trials; everything is in the journal when this returns.

    Parameters
    ----------
    session : CalibrationFolder
        With a protocol; its run is begun.
    run : RecordedRun
        Which records already.
    outlet : StimulusOutlet
    showing : Showing
    say : callable
        Takes lines for the experimenter where there is no window for them.

    Returns
    -------
    str
        ``"done"``, or why it ended before.

    Raises
    ------
    JournalError
        The disk refuses the journal.
    BaseException
        Whatever goes wrong in a slot, after the session was stopped in order.
    """
    return _Presentation(_application(), session, run, outlet, showing, say).exec()


class _Presentation:
    def __init__(
        self,
        application: QApplication,
        session: CalibrationFolder,
        run: RecordedRun,
        outlet: StimulusOutlet,
        showing: Showing,
        say: Callable[[str], None],
    ) -> None:
        assert session.protocol is not None
        self._application, self._session, self._run = application, session, run
        self._protocol = session.protocol
        self._watch = Watch(session.config)
        self._operator = ExperimenterWindow(showing.theme) if showing.experimenter else None
        self._say = say if self._operator is None else self._operator.say
        self._screen = PresenterWindow(LslClock(), showing.placing, operator=self._operator)
        self._conductor = Conductor(
            session.protocol,
            session.plan,
            session.media,
            screen=self._screen,
            clock=LslClock(),
            logbook=session.logbook,
            markers=RecordedMarkers(outlet, run),
            quality=self._quality,
        )
        self._failed: BaseException | None = None
        self._signalled = 0
        self._waits: list[str] = []
        self._ticking, self._refreshing = QTimer(), QTimer()
        self._ticking.timeout.connect(self._tick)
        self._refreshing.timeout.connect(self._refresh)
        if self._operator is not None:
            self._operator.commanded.connect(self._screen.command)
            self._operator.noted.connect(lambda text: session.logbook.write("note", text=text))

    def exec(self) -> str:
        before = sys.excepthook
        sys.excepthook = self._fail
        handlers = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if self._operator is not None:
                self._operator.show()
            flips = self._screen.open()
            self._session.logbook.write("note", text=flips.words())
            self._say(flips.words())
            self._conductor.begin()
            self._refresh()
            self._ticking.start(TICK_MS)
            self._refreshing.start(REFRESH_MS)
            self._application.exec()
        finally:
            self._ticking.stop()
            self._refreshing.stop()
            self._screen.close()
            if self._operator is not None:
                self._operator.finish()
            sys.excepthook = before
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self._failed is not None:
            raise self._failed
        return self._conductor.status.outcome

    def _tick(self) -> None:
        if self._signalled:
            self._conductor.abort("interrupted", signal.Signals(self._signalled).name)
        if self._run.error is not None:
            self._conductor.abort("error", f"{type(self._run.error).__name__}: {self._run.error}")
        self._conductor.tick()
        if self._conductor.finished and self._ticking.isActive():
            self._ticking.stop()
            QTimer.singleShot(LAST_MS if self._conductor.status.outcome == "done" else 0, self._application.quit)

    def _refresh(self) -> None:
        status = self._run.status()
        for line in self._watch.take(self._run.take_events()):
            self._say(line)
        self._hold(self._watch.waits_for(status))
        if self._operator is not None:
            lines = tuple(StreamLine(note.name, note.state, note.words) for note in self._watch.notes(status))
            waits = tuple(f"waiting for {name}: trials go on when it is back and you resume" for name in self._waits)
            stage = self._session.logbook.progress.stage.value
            self._operator.refresh(
                view_of(
                    self._conductor.status,
                    stage,
                    streams=lines,
                    warnings=(*waits, *self._watch.lines),
                    session_left_s=self._left_s(),
                )
            )

    def _left_s(self) -> float:
        """Seconds until the last trial ends, if no report takes any time."""
        progress = self._session.logbook.progress
        finished = progress.done.keys() | progress.skipped
        return least_s(self._protocol, [trial for trial in self._session.plan if trial.number not in finished])

    def _hold(self, waits: list[str]) -> None:
        """Pause while a required stream is lost: a participant's time is not to be wasted."""
        self._waits = waits
        if waits and not self._conductor.status.paused and self._conductor.pause():
            text = f"paused, as {', '.join(waits)} is lost: P resumes once it is back"
            self._session.logbook.write("warning", text=text)
            self._say(text)

    def _quality(self, start_s: float, stop_s: float) -> TrialQuality | None:
        return trial_quality(
            self._run.windows(start_s, stop_s),
            start_s,
            stop_s,
            newest_s=self._run.judged_until_s,
            grid=self._session.config.window,
        )

    def _signal(self, number: int, _frame: FrameType | None) -> None:
        self._signalled = number

    def _fail(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """What goes wrong in a slot ends the session in order, and is raised once Qt's loop is over."""
        if self._failed is None:
            self._failed = error.with_traceback(trace)
            self._ticking.stop()
            self._refreshing.stop()
            try:
                if not self._conductor.finished:
                    self._conductor.abort("error", f"{kind.__name__}: {error}")
            finally:
                # Also where the journal takes nothing more.
                self._application.quit()
