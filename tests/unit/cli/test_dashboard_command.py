"""`rtemo dashboard`: what is said on the command line reaches the window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtemo.cli import app
from rtemo.config import NetworkSettings
from rtemo.errors import ConfigurationError

Opened = list[tuple[NetworkSettings, dict[str, object]]]


@pytest.fixture
def niceness(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how much the process would have stepped back; this one does not."""
    steps: list[int] = []
    monkeypatch.setattr("os.nice", steps.append, raising=False)
    return steps


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, niceness: list[int]) -> Opened:
    """What a window would have been opened with, on a machine that has a screen."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    calls: Opened = []

    def run(network: NetworkSettings, **how: object) -> int:
        calls.append((network, how))
        return 0

    monkeypatch.setattr("rtemo.dashboard.app.run", run)
    return calls


def call(*words: str) -> object:
    return CliRunner().invoke(app, ["dashboard", *words], catch_exceptions=False)


def test_without_a_word_it_is_the_newest_session_in_a_window_as_the_desktop_is(opened: Opened):
    assert call().exit_code == 0
    assert opened == [(NetworkSettings(), {"session": None, "theme": None, "scale": 1.0, "full_screen": False})]


def test_every_word_reaches_the_window(opened: Opened):
    call(
        *("--session", "sub-07-ses-1", "--theme", "light", "--font-scale", "1.25", "--full-screen"),
        *("--scope", "machine", "--session-id", "lab-2"),
    )
    network, how = opened[0]
    assert (network.scope, network.session_id) == ("machine", "lab-2")
    assert how == {"session": "sub-07-ses-1", "theme": "light", "scale": 1.25, "full_screen": True}


def test_a_session_on_the_same_machine_comes_first(opened: Opened, niceness: list[int]):
    call()
    assert len(niceness) == 1
    assert niceness[0] > 0


def test_an_exit_code_of_the_window_is_the_command_s(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rtemo.dashboard.app.run", lambda network, **how: 1)
    assert call().exit_code == 1


def test_words_that_are_none_are_refused(opened: Opened):
    with pytest.raises(ConfigurationError, match="--theme: expected auto, dark or light, found 'pink'"):
        call("--theme", "pink")
    assert call("--font-scale", "3").exit_code == 2
    assert opened == []


def test_without_a_screen_it_says_where_to_start_it(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ConfigurationError, match="no screen"):
        call()
    assert opened == []


def test_help_teaches_by_example_and_imports_neither_qt_nor_torch(tmp_path: Path):
    script = (
        "import sys; sys.argv = ['rtemo', 'dashboard', '--help']\n"
        "from rtemo.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print({'PySide6', 'pyqtgraph', 'torch', 'mne'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "rtemo dashboard --session sub-07-ses-20260102T030405Z --full-screen" in done.stdout
    assert done.stdout.rstrip().endswith("set()")
