"""The process: what goes wrong in it ends it with a trace; who closes it is obeyed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import uuid

import pytest
from pytestqt.qtbot import QtBot

pytestmark = [pytest.mark.lsl, pytest.mark.gui]
START = """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QTimer
from rtemo.config import NetworkSettings
from rtemo.dashboard import app, window

frames = 0
draw = window.DashboardWindow.draw
def counted(self):
    global frames
    frames += 1
    draw(self)
    after(self)
window.DashboardWindow.draw = counted
{after}
print("code", app.run(NetworkSettings(scope="machine", session_id="{session}"), theme="{theme}"), flush=True)
"""


def start(after: str, *, theme: str = "dark") -> subprocess.Popen[str]:
    session = f"test-{uuid.uuid4().hex[:8]}"
    script = START.format(after=textwrap.dedent(after), session=session, theme=theme)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
    )


def test_an_error_in_a_slot_is_printed_and_is_exit_code_1():
    done = start(
        """
        def after(window):
            if frames == 3:
                raise ZeroDivisionError("in the third frame")
        """
    )
    out, err = done.communicate(timeout=60)
    assert out.strip() == "code 1"
    assert "ZeroDivisionError: in the third frame" in err
    assert err.count("Traceback") == 1


@pytest.mark.parametrize("where", ["draw", "take"])
def test_no_emotion_is_seen_while_the_message_of_an_error_stands(where: str):
    done = start(
        f"""
        class Box:
            def __init__(self, parent, error):
                self.parent = parent

            def exec(self):
                print("seen", self.parent.emotion.isVisible(), self.parent.windowTitle(), flush=True)

        app.failure_box = Box
        app.QGuiApplication = type("Screen", (app.QGuiApplication,), {{"platformName": staticmethod(lambda: "xcb")}})

        def fail(*_):
            raise ZeroDivisionError("in the third frame")

        def after(window):
            if frames == 2:
                assert window.emotion.isVisible()
            if frames == 3:
                if {where!r} == "draw":
                    fail()
                app.Mailbox.take = fail
        """
    )
    out, err = done.communicate(timeout=60)
    assert out.splitlines() == ["seen False FAILED - rtemo dashboard", "code 1"]
    assert err.count("Traceback") == 1


def test_a_window_that_is_closed_ends_the_process_well():
    done = start(
        """
        def after(window):
            if frames == 3:
                window.close()
        """,
        theme="light",
    )
    out, err = done.communicate(timeout=60)
    assert out.strip() == "code 0"
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_well(number: signal.Signals):
    started = start(
        """
        def after(window):
            if frames == 3:
                print("drawn", flush=True)
        """
    )
    assert started.stdout is not None
    assert started.stdout.readline().strip() == "drawn"
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert out.strip() == "code 0"
    assert "Traceback" not in err


def test_what_went_wrong_is_told_in_plain_text(qtbot: QtBot):
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QWidget

    from rtemo.dashboard.app import failure_box

    parent = QWidget()
    qtbot.addWidget(parent)
    box = failure_box(parent, KeyError("<img src=x>\x1b\u202e" + "x" * 10_000))
    assert box.textFormat() == Qt.TextFormat.PlainText
    assert box.text().startswith("KeyError: '<img src=x>")
    assert box.text().isprintable()
    assert len(box.text()) == 500
