"""An axis that counts minutes and seconds since the session began."""

from __future__ import annotations

import math
from typing import Final

import pyqtgraph as pg

SPACINGS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
TICK_PX: Final = 90.0
"""Room that a tick's text is given."""


class MinuteAxis(pg.AxisItem):  # type: ignore[misc]
    """Minutes and seconds since the session began."""

    origin_s = 0.0

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        """Ticks at round moments of the session."""
        wanted_s = (high - low) * TICK_PX / max(size, 1.0)
        spacing = next((spacing for spacing in SPACINGS_S if spacing >= wanted_s), SPACINGS_S[-1])
        first = math.ceil((low - self.origin_s) / spacing)
        last = math.floor((high - self.origin_s) / spacing)
        return [(spacing, [self.origin_s + number * spacing for number in range(first, min(last, first + 200) + 1)])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Ticks as they are written."""
        return [_clock(value - self.origin_s, spacing) for value in values]


def _clock(seconds: float, spacing: float) -> str:
    sign = "-" if seconds < -0.5 else ""
    whole = abs(seconds)
    minutes, rest = divmod(whole if spacing < 1 else round(whole), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:04.1f}" if spacing < 1 else f"{int(rest):02d}"
    return f"{sign}{hours}:{minutes:02d}:{tail}" if hours else f"{sign}{minutes}:{tail}"
