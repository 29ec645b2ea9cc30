"""The process: feed, state and window, a timer for what comes and one for what is drawn."""

from __future__ import annotations

import signal
import sys
import traceback
from types import TracebackType
from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from rtemo.clock import LslClock
from rtemo.config import NetworkSettings
from rtemo.dashboard.feed import Feed
from rtemo.dashboard.mailbox import Mailbox
from rtemo.dashboard.state import DashboardState
from rtemo.dashboard.theme import ThemeName
from rtemo.dashboard.window import DashboardWindow, Ports
from rtemo.printable import printable

TAKE_EVERY_MS: Final = 50
DRAW_EVERY_MS: Final = 100
INTERPRET_EVERY_MS: Final = 200
FRAME_BUDGET_S: Final = 0.004


def run(
    network: NetworkSettings,
    *,
    session: str | None = None,
    theme: ThemeName | None = None,
    scale: float = 1.0,
    full_screen: bool = False,
) -> int:
    """Show a dashboard until it is closed.

    Parameters
    ----------
    network : NetworkSettings
        Where to look for sessions.
    session : str, optional
        Which one; the newest if not given.
    theme : {"dark", "light"}, optional
        As the desktop has it, if not given.
    scale : float
        Of all writing.
    full_screen : bool

    Returns
    -------
    int
        0; 1 where something went wrong, which is said on standard error.
    """
    pg.setConfigOptions(antialias=False, useOpenGL=False)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("rtemo")
    mailbox = Mailbox()
    feed = Feed(network, session=session, post=mailbox.put)
    state = DashboardState(LslClock())
    window = DashboardWindow(
        state,
        Ports(send=feed.send, choose=feed.choose, heard=feed.heard),
        theme=theme or desktop_theme(),
        scale=scale,
        session=session,
        budget_s=FRAME_BUDGET_S,
    )
    failed: list[BaseException] = []

    def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """What goes wrong in a slot ends the dashboard, and is told; the session does not care."""
        failed.append(error)
        if len(failed) == 1:
            traceback.print_exception(kind, error, trace)
            drawing.stop()
            taking.stop()
            # As long as the message stands, nobody shall read an emotion that is over.
            window.blank()
            if QGuiApplication.platformName() != "offscreen":
                failure_box(window, error).exec()
            application.exit(1)

    def take() -> None:
        for message in mailbox.take():
            state.take(message)

    taking, drawing, interpreting = QTimer(), QTimer(), QTimer()
    taking.timeout.connect(take)
    drawing.timeout.connect(window.draw)
    # Python looks at signals only while it interprets something.
    interpreting.timeout.connect(lambda: None)
    before = sys.excepthook
    sys.excepthook = fail
    handlers = {
        number: signal.signal(number, lambda *_: application.quit()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    feed.start()
    try:
        for timer, every_ms in (
            (taking, TAKE_EVERY_MS),
            (drawing, DRAW_EVERY_MS),
            (interpreting, INTERPRET_EVERY_MS),
        ):
            timer.start(every_ms)
        if full_screen:
            window.showFullScreen()
        else:
            window.show()
        code = application.exec()
    finally:
        for timer in (taking, drawing, interpreting):
            timer.stop()
        feed.stop()
        window.close()
        sys.excepthook = before
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 1 if failed else code


def failure_box(parent: QWidget, error: BaseException) -> QMessageBox:
    """Says what went wrong, in plain text: a name from the network may be in it."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Critical)
    box.setWindowTitle("rtemo dashboard")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(printable(f"{type(error).__name__}: {error}", 500))
    return box


def desktop_theme() -> ThemeName:
    """Light where the desktop is light; else dark, which does not light up a dim laboratory."""
    hints = QGuiApplication.styleHints()
    return "light" if hints is not None and hints.colorScheme().name == "Light" else "dark"
