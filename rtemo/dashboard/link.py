"""How a dashboard stands to its session, and what of it may be said of now."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rtemo.telemetry import SessionLayout

SILENT_AFTER_S: Final = 2.0
OLD_HOPS, OLD_AT_LEAST_S = 2.0, 1.0
"""What is older than so many hops, and than this, is not of now."""
AHEAD_S: Final = 1.0
"""What is stamped further ahead of the session's clock than this has no age: clocks differ by less."""


class Link(StrEnum):
    """How a dashboard stands to its session: none there, heard, attached but not heard, or said to be over."""

    LOOKING = "looking"
    LIVE = "live"
    SILENT = "silent"
    ENDED = "ended"


def is_of_now(age_s: float, layout: SessionLayout) -> bool:
    """Whether a window that ended so long ago may be shown as what is so now; no, where its age is NaN."""
    return age_s <= max(OLD_HOPS * layout.hop_s, OLD_AT_LEAST_S) + layout.lateness_s
