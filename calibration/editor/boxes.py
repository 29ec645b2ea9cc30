"""What the mouse does on the timeline: moves edges, draws segments, selects, pans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyqtgraph as pg
from PySide6.QtCore import Qt

from calibration.labels.track import LabelTrack

GRIP_PX: Final = 6.0
"""So near to an edge the mouse takes hold of it."""
Place = Literal["start", "stop", "inside", "free"]


@dataclass(frozen=True, slots=True)
class Grip:
    """What the mouse is on: a segment's edge, the segment, or nothing."""

    place: Place
    number: int | None = None


def grip(track: LabelTrack, moment_s: float, within_s: float, selected: int | None) -> Grip:
    """What is at a moment; where two edges meet, that of the selected segment, else of the one that it points into.

    Parameters
    ----------
    track : LabelTrack
    moment_s : float
    within_s : float
        So far an edge is still taken.
    selected : int or None
    """
    near: list[tuple[bool, float, bool, Grip]] = []
    for number, one in enumerate(track.segments):
        if one.start_s - within_s > moment_s:
            break
        edges: tuple[tuple[Place, float, bool], ...] = (
            ("start", one.start_s, moment_s < one.start_s),
            ("stop", one.stop_s, moment_s > one.stop_s),
        )
        for place, edge_s, outside in edges:
            if abs(edge_s - moment_s) <= within_s:
                near.append((number != selected, abs(edge_s - moment_s), outside, Grip(place, number)))
    if near:
        return min(near, key=lambda found: found[:3])[3]
    number_at = track.at(moment_s)
    return Grip("free") if number_at is None else Grip("inside", number_at)


@dataclass(frozen=True)
class Hands:
    """What a box tells of the mouse; moments are seconds since the first sample.

    Parameters
    ----------
    at : callable
        What is at a moment, given how far a grip reaches.
    press, move, release : callable
        A drag of a grip, from a moment.
    click : callable
    """

    at: Callable[[float, float], Grip]
    press: Callable[[Grip, float], None]
    move: Callable[[float, float], None]
    release: Callable[[], None]
    click: Callable[[float], None]


class TimeBox(pg.ViewBox):  # type: ignore[misc]
    """A plot's inside over time.

    Parameters
    ----------
    hands : Hands
    draws : bool
        Whether dragging makes and moves segments; else it pans, but for edges.
    """

    def __init__(self, hands: Hands, *, draws: bool) -> None:
        super().__init__(enableMenu=False)
        self._hands, self._draws = hands, draws
        self._held: Grip | None = None
        self.setMouseEnabled(x=True, y=False)

    @property
    def second_px(self) -> float:
        """Seconds of a pixel."""
        return float(self.viewPixelSize()[0])

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802 - pyqtgraph's name
        """Move what was taken hold of; pan where that is nothing."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        if event.isStart():
            begun_s = float(self.mapToView(event.buttonDownPos()).x())
            found = self._hands.at(begun_s, GRIP_PX * self.second_px)
            self._held = found if self._draws or found.place in ("start", "stop") else None
            if self._held is not None:
                self._hands.press(self._held, begun_s)
        if self._held is None:
            super().mouseDragEvent(event, axis=0)
            return
        event.accept()
        self._hands.move(float(self.mapToView(event.pos()).x()), GRIP_PX * self.second_px)
        if event.isFinish():
            self._held = None
            self._hands.release()

    def mouseClickEvent(self, event: Any) -> None:  # noqa: N802 - pyqtgraph's name
        """Select, and put the cursor there."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self._hands.click(float(self.mapToView(event.pos()).x()))

    def hoverEvent(self, event: Any) -> None:  # noqa: N802 - pyqtgraph's name
        """Show by the mouse's shape what it would do."""
        if event.isExit():
            self.unsetCursor()
            return
        found = self._hands.at(float(self.mapToView(event.pos()).x()), GRIP_PX * self.second_px)
        if found.place in ("start", "stop"):
            self.setCursor(Qt.CursorShape.SizeHorCursor)
        elif self._draws:
            self.setCursor(Qt.CursorShape.CrossCursor if found.place == "free" else Qt.CursorShape.OpenHandCursor)
        else:
            self.unsetCursor()
