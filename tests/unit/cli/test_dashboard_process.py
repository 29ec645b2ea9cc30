"""The process of a dashboard beside a session: opened without a wait, closed whatever it does."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from rtemo.cli import dashboard_process
from rtemo.cli.dashboard_process import DashboardProcess, dashboard_beside, no_display
from rtemo.config import NetworkSettings

NETWORK = NetworkSettings(scope="machine", session_id="unit-test")
PROGRAM = """#!{python}
import os, signal, sys, time
{before}
print(os.getpid(), *sys.argv[1:], flush=True)
time.sleep(60)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program in the place of Python, which the dashboard would be run by."""

    def put(before: str = "") -> None:
        path = tmp_path / "python"
        path.write_text(PROGRAM.format(python=sys.executable, before=before))
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return put


def said(log: Path) -> list[str]:
    """The words of the program, once it has said them."""
    until_s = time.monotonic() + 10.0
    while time.monotonic() < until_s:
        if log.exists() and log.read_text().endswith("\n"):
            return log.read_text().split()
        time.sleep(0.02)
    raise AssertionError("the program said nothing")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["polite", "stubborn"])
def test_it_is_told_the_session_and_closed_with_it(program, tmp_path: Path, monkeypatch, before: str):
    program(before)
    monkeypatch.setattr(dashboard_process, "CLOSE_WITHIN_S", 0.3)
    process = DashboardProcess(NETWORK, tmp_path / "lab.toml")
    process.open("sub-01-ses-1", tmp_path / "said.log")
    pid, *arguments = said(tmp_path / "said.log")
    expected = "-m rtemo dashboard --session sub-01-ses-1 --scope machine --session-id unit-test -c"
    assert arguments == [*expected.split(), str(tmp_path / "lab.toml")]
    assert process.close() == ""
    assert not is_there(int(pid))
    assert process.close() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_one_that_has_ended_by_itself_is_told_of(program, tmp_path: Path):
    program("print('no Qt here', flush=True); os._exit(1)")
    process = DashboardProcess(NETWORK)
    process.open("sub-01-ses-1", tmp_path / "said.log")
    assert said(tmp_path / "said.log") == ["no", "Qt", "here"]
    time.sleep(0.5)  # from its last word to its end
    assert process.close() == "the dashboard ended before the session, with exit code 1: no Qt here"


@pytest.mark.parametrize(
    ("environment", "platform", "none"),
    [
        ({}, "linux", True),
        ({"DISPLAY": ""}, "linux", True),
        ({"DISPLAY": ":0"}, "linux", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", False),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", False),
        ({}, "darwin", False),
        ({}, "win32", False),
    ],
)
def test_without_a_screen_there_is_none(environment, platform, none):
    assert no_display(environment, platform) is none


def test_it_is_opened_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dashboard_process, "no_display", lambda: False)
    with dashboard_beside(NETWORK, wanted=False) as none:
        assert none is None
    with dashboard_beside(NETWORK, wanted=True) as process:
        assert isinstance(process, DashboardProcess)
    monkeypatch.setattr(dashboard_process, "no_display", lambda: True)
    with dashboard_beside(NETWORK, wanted=True) as none:
        assert none is None


def test_one_that_cannot_be_started_is_told_of_and_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    process = DashboardProcess(NETWORK)
    process.open("sub-01-ses-1", tmp_path / "none" / "said.log")
    assert "no dashboard: it cannot be started" in capsys.readouterr().err
    assert process.close() == ""


def test_what_it_said_last_may_be_gone_and_that_ends_nothing(program, tmp_path: Path):
    process = DashboardProcess(NETWORK)
    program("os._exit(3)")
    process.open("sub-01-ses-1", tmp_path / "said.log")
    process._process.wait(10)
    (tmp_path / "said.log").unlink()
    said = process.close()
    assert said.startswith("the dashboard ended before the session, with exit code 3: what it said cannot be read (")


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
@pytest.mark.parametrize(
    ("stays", "error", "left"),
    [
        ("never", None, False),
        ("never", RuntimeError, False),
        ("after a failure", None, False),
        ("after a failure", RuntimeError, True),
        ("after a failure", KeyboardInterrupt, False),
        ("always", None, True),
    ],
)
def test_it_stays_open_where_that_is_wanted(program, tmp_path: Path, monkeypatch, capsys, stays, error, left):
    monkeypatch.setattr(dashboard_process, "no_display", lambda: False)
    program()
    log = tmp_path / "said.log"
    ended = contextlib.nullcontext() if error is None else pytest.raises(error)
    with ended, dashboard_beside(NETWORK, wanted=True, stays=stays) as process:
        process.open("sub-01-ses-1", log)
        pid = int(said(log)[0])
        if error is not None:
            raise error
    gc.collect()
    assert is_there(pid) is left
    assert ("stays open" in capsys.readouterr().err) is left
    if left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
