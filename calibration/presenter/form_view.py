"""How a report looks, and what lies where in it: a question, its answers, and the way on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from calibration.presenter.form import Form
from calibration.presenter.manikin import DRAWN, HEIGHT, paint_manikin
from calibration.presenter.stimuli import ACCENT, LINE, MUTED, TEXT, letters, outline, paint_line, paint_text

BOX: Final = QColor("#12161c")
BOX_CHOSEN: Final = QColor("#1d3a4d")
HINT: Final = "Click, or press {keys}; the space bar goes on"
HINT_BACK: Final = ", backspace goes back"


@dataclass(frozen=True)
class Layout:
    """Where what is.

    Parameters
    ----------
    question : QRectF
    boxes : tuple of QRectF
        One an answer; for a line, the line alone.
    anchors : tuple of QRectF
        Under the lowest and the highest step.
    back, on : QRectF
        Buttons.
    hint : QRectF
    """

    question: QRectF
    boxes: tuple[QRectF, ...]
    anchors: tuple[QRectF, QRectF]
    back: QRectF
    on: QRectF
    hint: QRectF


def has_manikins(form: Form) -> bool:
    """Whether the answers are figures."""
    return form.scale.kind == "sam" and form.scale.name in DRAWN and not form.is_line


def layout(form: Form, window: QRectF) -> Layout:
    """Where what is in a window, for the page that is shown."""
    w, h, x, y = window.width(), window.height(), window.left(), window.top()
    wide = QRectF(x + 0.06 * w, y + 0.34 * h, 0.88 * w, 0.3 * h)
    if form.scale.kind == "choice":
        boxes = _grid(form.options, QRectF(x + 0.15 * w, y + 0.27 * h, 0.7 * w, 0.47 * h))
    elif form.is_line:
        boxes = (QRectF(x + 0.12 * w, y + 0.45 * h, 0.76 * w, 0.1 * h),)
    else:
        boxes = _row(form.options, wide, HEIGHT * 1.25 if has_manikins(form) else 1.0)
    bottom = max(box.bottom() for box in boxes)
    left, right = boxes[0].left(), boxes[-1].right()
    anchors = (
        QRectF(left, bottom + 0.015 * h, 0.32 * w, 0.06 * h),
        QRectF(right - 0.32 * w, bottom + 0.015 * h, 0.32 * w, 0.06 * h),
    )
    button = QRectF(0, y + 0.81 * h, 0.14 * w, 0.07 * h)
    middle = x + 0.5 * w - button.width() / 2
    apart = 0.08 * w if form.page > 0 else 0.0
    return Layout(
        question=QRectF(x + 0.08 * w, y + 0.07 * h, 0.84 * w, 0.18 * h),
        boxes=boxes,
        anchors=anchors,
        back=button.translated(middle - 0.08 * w, 0),
        on=button.translated(middle + apart, 0),
        hint=QRectF(x, y + 0.92 * h, w, 0.05 * h),
    )


def _row(count: int, room: QRectF, height_by_width: float) -> tuple[QRectF, ...]:
    """Boxes of one row, in the middle of a room."""
    gap = 0.012 * room.width()
    width = min((room.width() - gap * (count - 1)) / count, 0.12 * room.width())
    height = min(width * height_by_width, room.height())
    left = room.center().x() - (count * width + (count - 1) * gap) / 2
    return tuple(
        QRectF(left + number * (width + gap), room.center().y() - height / 2, width, height) for number in range(count)
    )


def _grid(count: int, room: QRectF) -> tuple[QRectF, ...]:
    """Boxes of words, row by row, in as many columns as keep them readable."""
    columns = 1 if count <= 3 else 2 if count <= 10 else 3
    rows = -(-count // columns)
    gap = 0.02 * room.width()
    width = (room.width() - gap * (columns - 1)) / columns
    height = min((room.height() - gap * (rows - 1)) / rows, 0.2 * room.height())
    top = room.center().y() - (rows * height + (rows - 1) * gap) / 2
    return tuple(
        QRectF(
            room.left() + (number % columns) * (width + gap), top + (number // columns) * (height + gap), width, height
        )
        for number in range(count)
    )


def hit(form: Form, window: QRectF, where: QPointF) -> bool:
    """Do what a click there means; gives whether it meant something."""
    plan = layout(form, window)
    if plan.on.contains(where):
        return form.confirm()
    if form.page > 0 and plan.back.contains(where):
        return form.back()
    if form.is_line:
        line = plan.boxes[0]
        if not line.adjusted(-line.height() / 2, 0, line.height() / 2, 0).contains(where):
            return False
        part = min(max((where.x() - line.left()) / line.width(), 0.0), 1.0)
        return form.choose(_nearest(form.scale.values, part))
    return any(box.contains(where) and form.choose(option) for option, box in enumerate(plan.boxes))


def _nearest(values: tuple[float, ...], part: float) -> int:
    """The step nearest to a part of the way from the lowest to the highest."""
    aim = values[0] + part * (values[-1] - values[0])
    return min(range(len(values)), key=lambda step: abs(values[step] - aim))


def paint_form(painter: QPainter, window: QRectF, form: Form) -> None:
    """Draw the page that is shown."""
    plan, scale, h = layout(form, window), form.scale, window.height()
    paint_text(painter, plan.question, scale.text or scale.name, letters(h, 1.1), TEXT)
    if form.is_line:
        _line(painter, plan.boxes[0], form, h)
    else:
        _boxes(painter, plan, form, h)
    if scale.kind != "choice":
        for text, box, side in zip(scale.anchors, plan.anchors, ("left", "right"), strict=True):
            _anchor(painter, box, text, side, h)
    if form.page > 0:
        _button(painter, plan.back, "Back", h, bright=False)
    _button(painter, plan.on, "Done" if form.is_last else "Next", h, bright=form.chosen is not None)
    hint = HINT.format(keys="← or →" if form.is_line else "a number") + (HINT_BACK if form.page > 0 else "")
    paint_line(painter, plan.hint, hint, letters(h, 0.6), MUTED)
    if len(form.scales) > 1:
        corner = QRectF(window.left(), window.top() + 0.025 * h, window.width(), 0.04 * h)
        paint_line(painter, corner, f"{form.page + 1} of {len(form.scales)}", letters(h, 0.6), MUTED)


def _boxes(painter: QPainter, plan: Layout, form: Form, h: float) -> None:
    scale, manikins = form.scale, has_manikins(form)
    for option, box in enumerate(plan.boxes):
        chosen = option == form.chosen
        painter.fillRect(box, BOX_CHOSEN if chosen else BOX)
        painter.setPen(outline(ACCENT if chosen else LINE, max(2.0, h / 270) if chosen else max(1.0, h / 700)))
        painter.drawRect(box)
        if scale.kind == "choice":
            number = f"{option + 1}   " if option < 9 else ""
            pad = 0.04 * box.width()
            paint_line(painter, box.adjusted(pad, 0, -pad, 0), number + scale.choices[option], letters(h, 0.8), TEXT)
            continue
        word = f"{scale.values[option]:g}"
        if not manikins:
            paint_line(painter, box, word, letters(h, 0.9, bold=chosen), TEXT)
            continue
        foot = 0.2 * box.height()
        figure = box.adjusted(0.08 * box.width(), 0.05 * box.height(), -0.08 * box.width(), -foot)
        level = option / max(1, len(plan.boxes) - 1)
        paint_manikin(painter, figure, scale.name, level, TEXT, BOX_CHOSEN if chosen else BOX)
        under = QRectF(box.left(), box.bottom() - foot, box.width(), foot)
        paint_line(painter, under, word, letters(h, 0.7, bold=chosen), TEXT if chosen else MUTED)


def _line(painter: QPainter, line: QRectF, form: Form, h: float) -> None:
    """A line from the lowest step to the highest, and where on it the answer is."""
    thick = max(3.0, h / 200)
    painter.fillRect(QRectF(line.left(), line.center().y() - thick / 2, line.width(), thick), LINE)
    values = form.scale.values
    for end in (line.left(), line.right()):
        painter.fillRect(QRectF(end - thick / 2, line.center().y() - 4 * thick, thick, 8 * thick), LINE)
    if form.chosen is None:
        return
    part = (values[form.chosen] - values[0]) / ((values[-1] - values[0]) or 1.0)
    x = line.left() + part * line.width()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ACCENT)
    painter.drawEllipse(QPointF(x, line.center().y()), 3 * thick, 3 * thick)
    painter.restore()
    above = QRectF(x - 0.1 * h, line.center().y() - 0.09 * h, 0.2 * h, 0.05 * h)
    paint_line(painter, above, f"{values[form.chosen]:g}", letters(h, 0.8, bold=True), TEXT)


def _anchor(painter: QPainter, box: QRectF, text: str, side: str, h: float) -> None:
    flag = Qt.AlignmentFlag.AlignLeft if side == "left" else Qt.AlignmentFlag.AlignRight
    painter.setFont(letters(h, 0.7))
    painter.setPen(MUTED)
    shown = painter.fontMetrics().elidedText(" ".join(text.split()), Qt.TextElideMode.ElideRight, int(box.width()))
    painter.drawText(box, int(flag) | int(Qt.AlignmentFlag.AlignTop), shown)


def _button(painter: QPainter, box: QRectF, text: str, h: float, *, bright: bool) -> None:
    painter.fillRect(box, BOX_CHOSEN if bright else BOX)
    painter.setPen(outline(ACCENT if bright else LINE, max(1.0, h / 500)))
    painter.drawRect(box)
    paint_line(painter, box, text, letters(h, 0.75), TEXT if bright else MUTED)
