"""A square in a corner that is white as long as a stimulus is shown: a photodiode on it records the true onsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from rtemo.errors import ConfigurationError

Corner: TypeAlias = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
CORNERS: Final[tuple[Corner, ...]] = get_args(Corner)
SMALLEST_PX, LARGEST_PX = 8, 400


@dataclass(frozen=True, slots=True)
class Photodiode:
    """Where the square is.

    Parameters
    ----------
    corner : {"top-left", "top-right", "bottom-left", "bottom-right"}
    size_px : int
        Of its side. A screen is drawn from top to bottom within a period: a square at the bottom lights up that much
        later than one at the top.
    """

    corner: Corner = "bottom-right"
    size_px: int = 80

    def __post_init__(self) -> None:
        if self.corner not in CORNERS:
            raise ConfigurationError(
                f"photodiode: unknown corner {self.corner!r}.", cure=f"Choose one of {', '.join(CORNERS)}."
            )
        if not SMALLEST_PX <= self.size_px <= LARGEST_PX:
            raise ConfigurationError(
                f"photodiode: a side of {self.size_px} pixels; expected {SMALLEST_PX} to {LARGEST_PX}.",
                cure="Choose a size that the diode's housing covers.",
            )

    def rectangle(self, window: QRectF) -> QRectF:
        """The square in a window."""
        vertical, horizontal = self.corner.split("-")
        left = window.left() if horizontal == "left" else window.right() - self.size_px
        top = window.top() if vertical == "top" else window.bottom() - self.size_px
        return QRectF(left, top, self.size_px, self.size_px)

    def paint(self, painter: QPainter, window: QRectF, lit: bool) -> None:
        """Draw it above everything."""
        painter.fillRect(self.rectangle(window), Qt.GlobalColor.white if lit else Qt.GlobalColor.black)
