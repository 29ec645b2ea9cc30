"""What a session says, read as hostile input: it fits the words of `rtemo.telemetry`, or it is refused.

Beyond those words, no number is infinite, NaN or absurdly long, and nothing is larger than a dashboard can bear.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rtemo.dashboard.messages import EventSeen
from rtemo.printable import printable
from rtemo.telemetry import VERSION, SessionLayout, SessionStatus
from rtemo.xdf.chunks import XdfError, parse_xml

MAX_LAYOUT, MAX_STATUS, MAX_EVENT = 1_000_000, 500_000, 16_000
"""Characters."""
MAX_KIND = 100
MAX_LABELS, MAX_VIEWS, MAX_STREAMS, MAX_BANDS = 64, 64, 128, 64
MAX_CHANNELS = 1024
"""Of a stream of signals that is drawn, and of a view."""
MAX_SPAN_S = 3600.0
MAX_DIGITS = 18
REASON_WIDTH = 200

Words = TypeVar("Words", bound=BaseModel)


class RefusedError(ValueError):
    """What came cannot be taken; the text says why, fit to be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(printable(reason, REASON_WIDTH))


def read_layout(xml: bytes) -> SessionLayout:
    """The layout of a session, from the description of its ``rtemo-status``.

    Raises
    ------
    RefusedError
    """
    try:
        text = parse_xml(xml).findtext("./desc/layout")
    except XdfError as error:
        raise RefusedError(f"its description is no XML: {error}") from error
    if not text:
        raise RefusedError("its description holds no layout")
    layout = _words(SessionLayout, text, MAX_LAYOUT)
    if layout.version > VERSION:
        raise RefusedError(f"it speaks version {layout.version} of rtemo's words, this dashboard {VERSION}: update it")
    _check_names("labels", layout.labels, MAX_LABELS)
    _check_names("views", [view.name for view in layout.views], MAX_VIEWS)
    for what, span_s in (("length_s", layout.length_s), ("hop_s", layout.hop_s)):
        if not 0 < span_s <= MAX_SPAN_S:
            raise RefusedError(f"its {what} is {span_s:g}")
    if not 0 <= layout.lateness_s <= MAX_SPAN_S:
        raise RefusedError(f"its lateness_s is {layout.lateness_s:g}")
    if layout.marker_duration_s is not None and layout.marker_duration_s <= 0:
        raise RefusedError(f"its marker_duration_s is {layout.marker_duration_s:g}")
    for view in layout.views:
        if len(view.channels) > MAX_CHANNELS:
            raise RefusedError(f"{view.name!r} has {len(view.channels)} channels, over the limit of {MAX_CHANNELS}")
        if len(view.bands) > MAX_BANDS or not all(0 <= low < high for low, high in view.bands.values()):
            raise RefusedError(f"the bands of {view.name!r} are none")
    return layout


def read_status(text: str) -> SessionStatus:
    """A sample of ``rtemo-status``.

    Raises
    ------
    RefusedError
    """
    status = _words(SessionStatus, text, MAX_STATUS)
    if len(status.streams) > MAX_STREAMS:
        raise RefusedError(f"a status of {len(status.streams)} streams")
    return status


def read_event(text: str) -> EventSeen:
    """A sample of ``rtemo-events``.

    Raises
    ------
    RefusedError
    """
    said = _plain(text, MAX_EVENT)
    if not isinstance(said, dict):
        raise RefusedError("an event that is no object")
    stamp_s, kind = said.pop("stamp", None), said.pop("event", None)
    if not isinstance(stamp_s, float | int) or isinstance(stamp_s, bool):
        raise RefusedError("an event without a stamp")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_KIND:
        raise RefusedError("an event without a kind")
    return EventSeen(float(stamp_s), kind, said)


def _words(model: type[Words], text: str, most: int) -> Words:
    _plain(text, most)
    try:
        # Strict: "nan" in quotes is no number.
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError(f"{model.__name__}: {where}: {first['msg']}") from error


def _plain(text: str, most: int) -> object:
    """JSON of numbers that are numbers, and not too much of it."""
    if len(text) > most:
        raise RefusedError(f"{len(text)} characters, over the limit of {most}")
    try:
        return json.loads(text, parse_float=_finite, parse_int=_short, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON: {error}") from error


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:MAX_DIGITS]} is no number")
    return value


def _short(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _check_names(what: str, names: Sequence[str], most: int) -> None:
    if not 0 < len(names) <= most:
        raise RefusedError(f"{len(names)} {what}: 1 to {most} expected")
    if len(set(names)) != len(names):
        raise RefusedError(f"two of its {what} are called the same")
