"""A participant at the real window: ``python calibration_participant.py ARGUMENTS`` is ``rtemo ARGUMENTS``.

Presses Space whenever the participant's window waits for it, and fills in forms by keys.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rtemo.cli import main

TITLE = "rtemo calibrate"
LOOK_EVERY_MS = 200


def press() -> None:
    for window in QGuiApplication.topLevelWindows():
        if window.title() == TITLE and window.isVisible():
            QTest.keyClick(window, Qt.Key.Key_Space)


if __name__ == "__main__":
    application = QApplication(["rtemo"])
    pressing = QTimer()
    pressing.timeout.connect(press)
    pressing.start(LOOK_EVERY_MS)
    main()
