"""A tile a stream: whether it is there, how old and how good it is, and what its views are worth to the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from rtemo.dashboard.panel import SPACING, Panel, shown
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.theme import Theme
from rtemo.telemetry import StreamState

SHAPES = {"waiting": "◌", "live": "●", "stale": "◐", "lost": "✕", "unknown": "?"}
"""Of states, beside their words and colours."""
LINE, GAP = 19.0, 4.0


@dataclass(frozen=True, slots=True)
class ViewTile:
    """A view of a stream.

    Parameters
    ----------
    name : str
    number : int
        Of the view, for its colour.
    missing : str
        Why it is missing; empty where it is there.
    weight, contribution : float
        Of the newest prediction; NaN where there is none of now, or the view is missing.
    coverage, quality : float
        0 to 1; NaN where not known.
    bad : int
        Channels that count as bad.
    """

    name: str
    number: int
    missing: str
    weight: float
    contribution: float
    coverage: float
    quality: float
    bad: int


@dataclass(frozen=True, slots=True)
class StreamTile:
    """A stream; `age` and `rate` are texts, empty where nothing is known."""

    key: str
    name: str
    state: str
    age: str
    rate: str
    late: int
    views: tuple[ViewTile, ...]


def tiles_of(state: DashboardState) -> tuple[StreamTile, ...]:
    """The tiles of a session; what was last said of a session that is not heard is not said as if it were of now."""
    if state.status is None:
        return ()
    heard = state.link is Link.LIVE
    return tuple(_tile(stream, state, heard) for stream in state.status.streams)


def _tile(stream: StreamState, state: DashboardState, heard: bool) -> StreamTile:
    age = "no sample yet" if stream.age_s is None else f"{_seconds(stream.age_s)} old"
    if stream.nominal_hz == 0 and not stream.views:
        rate = f"{stream.samples} markers"
    elif stream.rate_hz is None:
        rate = ""
    else:
        rate = (
            f"{stream.rate_hz:.0f} of {stream.nominal_hz:.0f} Hz" if stream.nominal_hz else f"{stream.rate_hz:.1f} Hz"
        )
    return StreamTile(
        stream.key,
        shown(stream.name or stream.stream_name or stream.key, 40),
        stream.state if heard else "unknown",
        age if heard else "",
        rate if heard else "",
        stream.late,
        tuple(_view(view, state, heard) for view in stream.views),
    )


def _view(name: str, state: DashboardState, heard: bool) -> ViewTile:
    predictions = state.predictions
    number = predictions.views.index(name) if name in predictions.views else 0
    window = state.window
    missing = ""
    if not heard:
        missing = "not heard"
    elif window is None:
        told = None if state.status is None else state.status.window
        missing = "no window yet" if told is None else "no window of now"
    elif name in window.missing:
        missing = window.missing[name] or "missing"
    known = heard and state.prediction_is_of_now and name in predictions.views
    if known and not missing and not predictions.available[-1][number]:
        missing = "missing"
    quality = None if window is None else window.quality.get(name)
    there = known and not missing
    return ViewTile(
        shown(name, 24),
        number,
        shown(missing, 60),
        float(predictions.weights[-1][number]) if there else math.nan,
        float(predictions.contributions[-1][number]) if there else math.nan,
        float(predictions.coverage[-1][number]) if known else math.nan,
        math.nan if quality is None else quality,
        len(state.bad.get(name, {})),
    )


def _seconds(seconds: float) -> str:
    return (
        f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
    )


class TilesPanel(Panel):
    """All tiles, one below the other."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Sensors", theme)
        self._scale = 1.0
        self._tiles: dict[str, _Tile] = {}
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACING)
        self._column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.body.addWidget(area, 1)

    @property
    def tiles(self) -> tuple[StreamTile, ...]:
        """What is shown."""
        return tuple(tile.tile for tile in self._tiles.values())

    def refresh(self, state: DashboardState) -> None:
        """Show every stream of the session."""
        tiles = {tile.key: tile for tile in tiles_of(state)}
        for key in [key for key in self._tiles if key not in tiles]:
            tile_gone = self._tiles.pop(key)
            # Qt deletes it later: until then it would still have a place among the others.
            self._column.removeWidget(tile_gone)
            tile_gone.hide()
            tile_gone.deleteLater()
        for number, (key, tile) in enumerate(tiles.items()):
            if key not in self._tiles:
                self._tiles[key] = _Tile(tile, self.theme, self._scale)
                self._column.insertWidget(number, self._tiles[key])
            self._tiles[key].show_tile(tile)
        self._tiles = {key: self._tiles[key] for key in tiles}

    def set_theme(self, theme: Theme, scale: float) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._scale = scale
        for tile in self._tiles.values():
            tile.set_theme(theme, scale)


class _Tile(QWidget):
    def __init__(self, tile: StreamTile, theme: Theme, scale: float) -> None:
        super().__init__()
        self.tile, self.theme, self.scale = tile, theme, scale
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fit()

    def _fit(self) -> None:
        lines = 2 + 2 * len(self.tile.views)
        self.setFixedHeight(round(self.scale * (lines * LINE + 3 * GAP)))

    def set_theme(self, theme: Theme, scale: float) -> None:
        self.theme, self.scale = theme, scale
        self._fit()
        self.update()

    def show_tile(self, tile: StreamTile) -> None:
        if tile == self.tile:
            return
        if len(tile.views) != len(self.tile.views):
            self.tile = tile
            self._fit()
        self.tile = tile
        self.setAccessibleName(f"{tile.name}: {tile.state}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tile, theme, line = self.tile, self.theme, self.scale * LINE
        width = float(self.width())
        painter.setPen(QColor(theme.line))
        painter.setBrush(QColor(theme.ground))
        painter.drawRoundedRect(QRectF(0.5, 0.5, width - 1, self.height() - 1), 4, 4)
        left, right = self.scale * 8, width - self.scale * 8
        top = self.scale * GAP
        colours = {"live": theme.good, "stale": theme.warning, "lost": theme.critical}
        colour = QColor(colours.get(tile.state, theme.muted))
        word = f"{SHAPES[tile.state]} {tile.state}"
        self._text(painter, QRectF(left, top, right - left, line), word, colour, right=True, bold=True)
        taken = self._width(word, bold=True) + 12
        self._text(painter, QRectF(left, top, right - left - taken, line), tile.name, QColor(theme.text), bold=True)
        facts = "   ".join(part for part in (tile.age, tile.rate, f"{tile.late} late" if tile.late else "") if part)
        self._text(painter, QRectF(left, top + line, right - left, line), facts, QColor(theme.muted))
        for number, view in enumerate(tile.views):
            self._view(
                painter, QRectF(left, top + (2 + 2 * number) * line + self.scale * GAP, right - left, 2 * line), view
            )
        painter.end()

    def _view(self, painter: QPainter, room: QRectF, view: ViewTile) -> None:
        """The weight as a bar with its figure; a missing view is hatched and says why: it is no bar of length zero."""
        theme, line = self.theme, self.scale * LINE
        bar = QRectF(room.left(), room.top() + 0.15 * line, room.width(), 0.7 * line)
        if view.missing:
            painter.setPen(QColor(theme.muted))
            painter.setBrush(QBrush(QColor(theme.line), Qt.BrushStyle.BDiagPattern))
            painter.drawRect(bar)
            said = f"missing: {view.missing}" if view.missing != "missing" else "missing"
            covered = QRectF(
                bar.left() + 6, bar.top() - 2, min(self._width(said) + 8, bar.width() - 12), bar.height() + 4
            )
            painter.fillRect(covered, QColor(theme.ground))
            self._text(painter, covered.adjusted(4, 0, 0, 0), said, QColor(theme.text))
        else:
            figure = "–" if math.isnan(view.weight) else f"weight {view.weight:.2f}"
            # The figure stands beside the bar, not over its end: 0.8 does not look like 1.
            bar.setRight(room.right() - self._width("weight 0.00") - 8)
            painter.fillRect(bar, QColor(theme.raised))
            weight = 0.0 if math.isnan(view.weight) else min(max(view.weight, 0.0), 1.0)
            painter.fillRect(
                QRectF(bar.left(), bar.top(), bar.width() * weight, bar.height()), QColor(theme.of_view(view.number))
            )
            painter.fillRect(QRectF(bar.left(), bar.top(), 3, bar.height()), QColor(theme.of_view(view.number)))
            beside = QRectF(bar.right(), room.top(), room.right() - bar.right(), line)
            self._text(painter, beside, figure, QColor(theme.text), right=True)
        parts = []
        if not math.isnan(view.coverage):
            parts.append(f"coverage {100 * view.coverage:.0f} %")
        if not math.isnan(view.contribution):
            parts.append(f"contribution {view.contribution:+.2f}")
        if not math.isnan(view.quality):
            parts.append(f"quality {100 * view.quality:.0f} %")
        if view.bad:
            parts.append(f"{view.bad} bad")
        facts = f"{view.name}   " + "   ".join(parts)
        self._text(painter, QRectF(room.left(), room.top() + line, room.width(), line), facts, QColor(theme.muted))

    def _font(self, bold: bool) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(9.0 * self.scale)
        font.setBold(bold)
        return font

    def _width(self, text: str, *, bold: bool = False) -> float:
        return QFontMetricsF(self._font(bold)).horizontalAdvance(text)

    def _text(
        self, painter: QPainter, room: QRectF, text: str, colour: QColor, *, right: bool = False, bold: bool = False
    ) -> None:
        font = self._font(bold)
        painter.setFont(font)
        painter.setPen(colour)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        fitted = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, max(room.width(), 0.0))
        painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter, fitted)
