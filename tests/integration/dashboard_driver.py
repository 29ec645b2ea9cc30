"""An operator at the real window, offscreen: presses keys, waits for what they bring, and prints what was seen.

``python dashboard_driver.py SCOPE SESSION_ID FOLDER``; ends once the session has.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rtemo.clock import LslClock
from rtemo.config import NetworkSettings
from rtemo.dashboard.feed import Feed
from rtemo.dashboard.mailbox import Mailbox
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.window import DashboardWindow, Ports

PATIENCE_S = 40.0


class Operator:
    """The window, and somebody who looks at it."""

    def __init__(self, network: NetworkSettings) -> None:
        self.beeps = 0
        self.mailbox = Mailbox()
        self.feed = Feed(network, post=self.mailbox.put)
        self.state = DashboardState(LslClock())
        self.feed.start()
        ports = Ports(
            send=self.feed.send,
            choose=self.feed.choose,
            beep=self._beep,
            confirm=lambda parent: True,
            heard=self.feed.heard,
        )
        self.window = DashboardWindow(self.state, ports)
        self.window.show()

    def _beep(self) -> None:
        self.beeps += 1

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Look at the window, frame by frame, until something is seen."""
        until_s = time.monotonic() + PATIENCE_S
        while not seen():
            if time.monotonic() > until_s:
                raise AssertionError(f"never seen: {what}; link {self.state.link}, {self.state.status}")
            for message in self.mailbox.take():
                self.state.take(message)
            self.window.draw()
            QApplication.processEvents()
            QTest.qWait(50)

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key."""
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifier)


def tile(operator: Operator, name: str) -> object:
    """The tile of a stream, None where there is none."""
    return next((one for one in operator.window.tiles.tiles if one.name == name), None)


def main(scope: str, session_id: str, folder: Path) -> dict[str, object]:
    """Do what an operator does."""
    app = QApplication([])
    operator = Operator(NetworkSettings.model_validate({"scope": scope, "session_id": session_id}))
    state, window = operator.state, operator.window
    said: dict[str, object] = {"first": window.emotion.emotion.headline}
    operator.until("the session", lambda: state.link is Link.LIVE)
    operator.until("an emotion", lambda: window.emotion.emotion.best >= 0)
    said["emotion"] = window.emotion.emotion.headline
    operator.until("live tiles", lambda: all(getattr(tile(operator, n), "state", "") == "live" for n in ("eye", "pps")))
    operator.until(
        "the signals", lambda: window.signals.curve.xData is not None and len(window.signals.curve.xData) > 0
    )
    operator.until("being heard", lambda: window.annotations.button.isEnabled())
    operator.press(Qt.Key.Key_F2)
    operator.press(Qt.Key.Key_N)
    for letter in "hello pam":
        QTest.keyClick(window.annotations.line, letter)
    operator.press(Qt.Key.Key_Return)
    operator.until("two annotations", lambda: len(state.annotations) == 2)
    said["annotations"] = [note.text for note in state.annotations]
    operator.press(Qt.Key.Key_Escape)
    operator.press(Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    operator.until("a pause", lambda: state.status.adaptation.paused)
    window.tabs.setCurrentWidget(window.adaptation)
    operator.until("the button to resume", lambda: window.adaptation.resume.isVisible())
    operator.press(Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    operator.until("no pause", lambda: not state.status.adaptation.paused)
    operator.press(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    operator.until("a reset", lambda: any(event.kind == "adaptation-reset" for event in state.events))
    operator.until("that eye is gone", lambda: tile(operator, "eye").state in ("stale", "lost"))
    operator.until("that it is missing", lambda: bool(tile(operator, "eye").views[0].missing))
    said["alarms"] = [alarm.text for alarm in state.alarms.active]
    said["beeps"] = operator.beeps
    operator.press(Qt.Key.Key_A)
    said["acknowledged"] = all(alarm.acknowledged for alarm in state.alarms.active)
    operator.until("that eye is back", lambda: tile(operator, "eye").state == "live")
    operator.until("it in predictions", lambda: bool(state.predictions.available[-1].all()))
    said["missing"] = len(state.missing_stretches("eye"))
    window.screenshot(str(folder / "window.png"))
    window.export(str(folder / "seen.csv"))
    operator.until("the end", lambda: state.link is Link.ENDED)
    operator.until("that no emotion is of now", lambda: not window.emotion.emotion.current)
    said["last"] = window.emotion.emotion.headline
    said["trials"] = len(state.trials.trials)
    said["tiles at the end"] = sorted({one.state for one in window.tiles.tiles})
    operator.feed.stop()
    window.close()
    app.quit()
    return said


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
