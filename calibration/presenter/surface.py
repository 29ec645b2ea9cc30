"""The window that is painted on: by OpenGL where it works, else by Qt's own raster.

Both call `paint` when a picture is wanted and `flipped` as soon as it was handed to the screen: after the swap of
buffers, or after the raster was flushed to the window's system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import (
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QOffscreenSurface,
    QOpenGLContext,
    QPainter,
    QPaintEvent,
    QRasterWindow,
    QSurfaceFormat,
)
from PySide6.QtOpenGL import QOpenGLWindow

Paint: TypeAlias = Callable[[QPainter, QRectF], None]
GL_RENDERER: Final = 0x1F01
GL_SCISSOR_TEST: Final = 0x0C11
GL_COLOR_BUFFER_BIT: Final = 0x4000
IN_SOFTWARE: Final = ("llvmpipe", "softpipe", "swrast", "swiftshader", "gdi generic", "microsoft basic render")
"""Renderers that wait for no screen, and are slower than Qt's own raster."""


class RasterSurface(QRasterWindow):
    """Painted by the processor.

    Parameters
    ----------
    paint : callable
        Takes a painter and the window's rectangle.
    flipped : callable
        Called after the picture was flushed.
    """

    path: Final[Literal["opengl", "raster"]] = "raster"

    def __init__(self, paint: Paint, flipped: Callable[[], None]) -> None:
        super().__init__()
        self._paint, self._flipped = paint, flipped
        self._painted = False

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint all of it: Qt keeps nothing that could be relied upon."""
        painter = QPainter(self)
        try:
            self._paint(painter, QRectF(0, 0, self.width(), self.height()))
        finally:
            painter.end()
        self._painted = True

    def event(self, event: QEvent) -> bool:
        """Qt paints, and flushes, while it handles an event: the stamp is taken when it has."""
        handled = super().event(event)
        if self._painted:
            self._painted = False
            self._flipped()
        return handled


class GlSurface(QOpenGLWindow):
    """Painted by OpenGL, each picture swapped onto the screen at its flip.

    Parameters
    ----------
    paint : callable
        Takes a painter and the window's rectangle.
    flipped : callable
        Called after the swap.
    """

    path: Final[Literal["opengl", "raster"]] = "opengl"

    def __init__(self, paint: Paint, flipped: Callable[[], None]) -> None:
        super().__init__()
        self._paint, self._flipped = paint, flipped
        form = QSurfaceFormat.defaultFormat()
        form.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
        form.setSwapInterval(1)
        self.setFormat(form)
        self.frameSwapped.connect(self._swapped)

    def paintGL(self) -> None:  # noqa: N802 - Qt's name
        """Paint all of it: what the back buffer holds is not defined."""
        painter = QPainter(self)
        try:
            self._paint(painter, QRectF(0, 0, self.width(), self.height()))
        finally:
            painter.end()

    def _swapped(self) -> None:
        """Wait for the flip: a driver may take the swap into a queue, and stops at what needs the next back buffer."""
        functions = self.context().functions()
        functions.glEnable(GL_SCISSOR_TEST)
        functions.glScissor(0, 0, 1, 1)
        functions.glClear(GL_COLOR_BUFFER_BIT)
        functions.glDisable(GL_SCISSOR_TEST)
        functions.glFinish()
        self._flipped()


Surface: TypeAlias = RasterSurface | GlSurface


def opengl_support() -> tuple[str, str]:
    """What OpenGL is of use: its renderer, or why there is none; one of the two is empty.

    It is tried on a surface of its own, for a window of Qt that finds no context brings the program down.
    """
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create() or not surface.isValid() or not context.makeCurrent(surface):
        return "", f"no OpenGL on Qt's platform {QGuiApplication.platformName()!r}"
    renderer = str(context.functions().glGetString(GL_RENDERER))
    context.doneCurrent()
    if any(name in renderer.lower() for name in IN_SOFTWARE):
        return "", f"OpenGL is drawn in software here: {renderer}"
    return renderer, ""


class Input(QObject):
    """Hands on what happens to a window: keys, the mouse, and that it is closed.

    Parameters
    ----------
    key : callable
        Takes a key that was pressed; gives whether it meant something.
    mouse : callable
        Takes a mouse button that was pressed, or a mouse that moved.
    closed : callable
    """

    def __init__(
        self,
        key: Callable[[QKeyEvent], bool],
        mouse: Callable[[QMouseEvent], None],
        closed: Callable[[], None],
    ) -> None:
        super().__init__()
        self._key, self._mouse, self._closed = key, mouse, closed

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Look at everything, and keep what was of use."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._key(event)
        if isinstance(event, QMouseEvent) and event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove):
            self._mouse(event)
        elif event.type() == QEvent.Type.Close:
            self._closed()
        return False


def left_button(event: QMouseEvent) -> bool:
    """Whether the left button was pressed, rather than the mouse moved."""
    return event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton
