"""Windows of these tests open nowhere; said before anything imports Qt."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

if TYPE_CHECKING:
    from panel_lab import PanelLab
    from pytestqt.qtbot import QtBot


@pytest.fixture
def open_lab(qtbot: QtBot) -> Iterator[Callable[..., PanelLab]]:
    """Opens real windows on real states in virtual time, and closes them after the test."""
    from panel_lab import PanelLab

    opened: list[PanelLab] = []

    def make(**how: object) -> PanelLab:
        lab = PanelLab(**how)  # type: ignore[arg-type]
        opened.append(lab)
        qtbot.addWidget(lab.window)
        lab.window.show()
        qtbot.waitExposed(lab.window)
        lab.frame()
        return lab

    yield make
    for lab in opened:
        lab.window.close()


@pytest.fixture
def lab(open_lab: Callable[..., PanelLab]) -> PanelLab:
    """A window on a session with an EEG of eight channels, an eye tracker and two peripheral channels."""
    return open_lab()
