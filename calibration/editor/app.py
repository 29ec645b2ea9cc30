"""The process of ``rtemo label``: window, and what happens where something goes wrong."""

from __future__ import annotations

import datetime
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from calibration.editor.desk import Desk
from calibration.editor.loading import Loader
from calibration.editor.window import EditorWindow
from calibration.labels.bids import label_text
from rtemo.config import Configuration
from rtemo.dashboard.app import desktop_theme, failure_box
from rtemo.dashboard.theme import ThemeName

INTERPRET_EVERY_MS: Final = 200
INTERRUPTED: Final = 130


def run(
    recording: Path,
    config: Configuration | None,
    *,
    unsynchronised: bool = False,
    theme: ThemeName | None = None,
    scale: float = 1.0,
) -> int:
    """Edit the labels of a recording until the window is closed.

    Parameters
    ----------
    recording : Path
    config : Configuration, optional
    unsynchronised : bool
        See `rtemo.sources.open_recording`.
    theme : {"dark", "light"}, optional
        As the desktop has it, if not given.
    scale : float
        Of all writing.

    Returns
    -------
    int
        0; 1 where something went wrong, which is said on standard error; 130 where the process was interrupted.

    Raises
    ------
    RtemoError
        The recording or its events file cannot be read.
    """
    desk = Desk(recording, config)
    pg.setConfigOptions(antialias=False, useOpenGL=False)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("rtemo")
    loader = Loader(recording, config, unsynchronised=unsynchronised)
    window = EditorWindow(desk, loader, theme=theme or desktop_theme(), scale=scale)
    failed: list[BaseException] = []

    def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """What goes wrong in a slot ends the window and is told; no label is lost by it."""
        failed.append(error)
        if len(failed) == 1:
            traceback.print_exception(kind, error, trace)
            if desk.unsaved:
                sys.stderr.write(f"rtemo: the labels as they were lie in {rescue(desk)}\n")
            if application.platformName() != "offscreen":
                failure_box(window, error).exec()
            application.exit(1)

    def interrupt(*_: object) -> None:
        """Whoever ends the process from outside is not there to be asked."""
        if desk.unsaved and desk.history.undoes:
            sys.stderr.write(f"rtemo: the labels as they were lie in {rescue(desk)}\n")
        application.exit(INTERRUPTED)

    # Python looks at signals only while it interprets something.
    interpreting = QTimer()
    interpreting.timeout.connect(lambda: None)
    before = sys.excepthook
    sys.excepthook = fail
    handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        interpreting.start(INTERPRET_EVERY_MS)
        window.show()
        code = application.exec()
    finally:
        interpreting.stop()
        loader.close()
        sys.excepthook = before
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if window.failure is not None:
        raise window.failure
    return 1 if failed else code


def rescue(desk: Desk) -> Path:
    """Write what saving would write beside the events file, under a name that nothing else has; gives where."""
    stamp = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S%fZ}"
    path = desk.path.with_name(f"{desk.path.name}.{stamp}.rescued")
    path.write_bytes(label_text(desk.file).encode())
    return path
