"""How scenes look: text, crosses, pictures, rests. All on black, all of the participant's screen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from calibration.scenes import (
    BlankStimulus,
    Fixation,
    ImageStimulus,
    Message,
    Rest,
    Scene,
    SoundStimulus,
    TextStimulus,
    VideoStimulus,
)
from rtemo.printable import printable

GROUND: Final = QColor("#000000")
TEXT: Final = QColor("#e8edf3")
MUTED: Final = QColor("#9aa7b6")
ACCENT: Final = QColor("#56b4e9")
LINE: Final = QColor("#4a5666")
CROSS: Final = QColor("#c8d0d8")
CROSS_PART: Final = 0.05
"""Of the window's height."""
WRAP: Final = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
LARGEST_PART, SMALLEST_PX = 1 / 18, 10
"""Letters: at most so large a part of the window's height, and never under so many pixels."""
MOST_LETTERS: Final = 4000
CONTINUE: Final = "Press the space bar to go on"


def clean(text: str) -> str:
    """Text of a protocol, fit to be shown: lines stay, control characters do not."""
    lines = text[: MOST_LETTERS + 1].expandtabs(4).splitlines()
    shown = "\n".join(printable(line) for line in lines)
    return shown if len(shown) <= MOST_LETTERS else shown[: MOST_LETTERS - 1] + "…"


def paint_scene(painter: QPainter, window: QRectF, scene: Scene, picture: QImage | None) -> None:
    """Draw a scene that is no form.

    Parameters
    ----------
    painter : QPainter
    window : QRectF
        All of the window, which is black already.
    scene : Scene
    picture : QImage or None
        Of an image, or a video's latest.
    """
    match scene:
        case Message():
            _message(painter, window, scene)
        case Fixation() | SoundStimulus():
            paint_cross(painter, window)
        case TextStimulus():
            paint_text(painter, inside(window, 0.1, 0.12), scene.text, letters(window.height(), 1.25), TEXT)
        case ImageStimulus() | VideoStimulus():
            if picture is not None:
                paint_picture(painter, window, picture)
        case Rest():
            _rest(painter, window, scene)
        case BlankStimulus():
            pass


def rehearsed(scene: Scene, picture: QImage | None, size: QSize) -> QImage | None:
    """What is left to be drawn at a scene's onset, once all that takes long is done; in place of its picture.

    Parameters
    ----------
    scene : Scene
    picture : QImage or None
        As it was loaded.
    size : QSize
        Of the window, in pixels of the screen.
    """
    if size.isEmpty():
        return picture
    if isinstance(scene, ImageStimulus) and picture is not None:
        return picture.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
    if isinstance(scene, TextStimulus):
        unseen = QImage(size, QImage.Format.Format_RGB32)
        painter = QPainter(unseen)
        try:
            paint_scene(painter, QRectF(unseen.rect()), scene, None)
        finally:
            painter.end()
    return picture


def inside(window: QRectF, horizontal: float, vertical: float) -> QRectF:
    """The window without margins, which are parts of its sides."""
    dx, dy = horizontal * window.width(), vertical * window.height()
    return window.adjusted(dx, dy, -dx, -dy)


def letters(window_height: float, size: float = 1.0, *, bold: bool = False) -> QFont:
    """A font whose letters are a part of the window's height."""
    font = QFont()
    font.setPixelSize(max(SMALLEST_PX, round(LARGEST_PART * 0.62 * size * window_height)))
    font.setBold(bold)
    return font


def paint_text(painter: QPainter, box: QRectF, text: str, largest: QFont, colour: QColor) -> None:
    """Draw text in the middle of a box, in smaller letters where it is long."""
    shown = clean(text)
    font = QFont(largest)
    font.setPixelSize(_fitting_px(shown, box.width(), box.height(), font.pixelSize(), font.bold()))
    painter.save()
    painter.setFont(font)
    painter.setPen(colour)
    painter.setClipRect(box)
    painter.drawText(box, WRAP, shown)
    painter.restore()


@lru_cache(maxsize=64)
def _fitting_px(text: str, width: float, height: float, largest_px: int, bold: bool) -> int:
    """Size of letters in which a text fits; kept, for finding it takes longer than a frame where a text is long."""
    font, box = QFont(), QRectF(0, 0, width, height)
    font.setBold(bold)
    for pixels in _smaller(largest_px):
        font.setPixelSize(pixels)
        needed = QFontMetricsF(font).boundingRect(box, WRAP, text)
        if needed.height() <= height and needed.width() <= width:
            return pixels
    return SMALLEST_PX


def _smaller(pixels: int) -> Iterator[int]:
    """Sizes from the largest to just above the smallest."""
    while pixels > SMALLEST_PX:
        yield pixels
        pixels = int(0.92 * pixels)


def paint_line(painter: QPainter, box: QRectF, text: str, font: QFont, colour: QColor) -> None:
    """Draw one line in the middle of a box, cut where there is no room."""
    painter.setFont(font)
    painter.setPen(colour)
    shown = QFontMetricsF(font).elidedText(printable(text, 200), Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), shown)


def paint_cross(painter: QPainter, window: QRectF) -> None:
    """Draw a fixation cross in the middle, on whole pixels."""
    half = round(CROSS_PART * window.height() / 2)
    thick = max(2, round(half / 6)) * 2
    middle = QPointF(round(window.center().x()), round(window.center().y()))
    painter.fillRect(QRectF(middle.x() - half, middle.y() - thick / 2, 2 * half, thick), CROSS)
    painter.fillRect(QRectF(middle.x() - thick / 2, middle.y() - half, thick, 2 * half), CROSS)


def fitted(window: QRectF, size: QSizeF) -> QRectF:
    """Where a picture lies that is as large as fits, its proportions kept."""
    scaled = size.scaled(window.size(), Qt.AspectRatioMode.KeepAspectRatio)
    return QRectF(
        window.center().x() - scaled.width() / 2,
        window.center().y() - scaled.height() / 2,
        scaled.width(),
        scaled.height(),
    )


def paint_picture(painter: QPainter, window: QRectF, picture: QImage) -> None:
    """Draw a picture as large as fits."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(fitted(window, QSizeF(picture.size())), picture, QRectF(picture.rect()))


def _message(painter: QPainter, window: QRectF, scene: Message) -> None:
    paint_text(painter, inside(window, 0.12, 0.14), scene.text, letters(window.height()), TEXT)
    if scene.continue_key:
        foot = QRectF(window.left(), window.bottom() - 0.12 * window.height(), window.width(), 0.06 * window.height())
        paint_line(painter, foot, CONTINUE, letters(window.height(), 0.75), MUTED)


def _rest(painter: QPainter, window: QRectF, scene: Rest) -> None:
    paint_text(painter, inside(window, 0.12, 0.25), scene.text, letters(window.height()), TEXT)
    if scene.total <= 0:
        return
    width, height = 0.3 * window.width(), max(4.0, 0.008 * window.height())
    bar = QRectF(window.center().x() - width / 2, window.bottom() - 0.14 * window.height(), width, height)
    painter.fillRect(bar, LINE)
    done = min(max(scene.done / scene.total, 0.0), 1.0)
    painter.fillRect(QRectF(bar.left(), bar.top(), width * done, height), ACCENT)
    foot = bar.adjusted(0, 2 * height, 0, 2 * height + 0.05 * window.height())
    paint_line(painter, foot, f"{scene.done} of {scene.total}", letters(window.height(), 0.7), MUTED)


def outline(colour: QColor, width: float) -> QPen:
    """A pen for edges."""
    pen = QPen(colour, width)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen
