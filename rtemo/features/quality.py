"""How good the signal of each channel is, window by window, and which channels are bad."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtemo.config import QualitySettings
from rtemo.features.base import ClosingWindow, Quality, ViewSource
from rtemo.types import Floats


class ChannelMonitor:
    """Judges the channels of a view."""

    def __init__(self, settings: QualitySettings, max_bad: float) -> None:
        self._names: tuple[str, ...] = ()

    @property
    def quality_names(self) -> tuple[str, ...]:
        """The channel labels."""
        return self._names

    def reset(self, source: ViewSource) -> None:
        """Forget everything."""
        self._names = source.description.channel_labels

    def begin_segment(self) -> None:
        """The next sample does not continue the last one."""

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take samples in."""

    def judge(self, window: ClosingWindow) -> Quality:
        """Quality of a window."""
        return Quality(np.ones(len(self._names)))

    def keep(self, quality: Quality) -> None:
        """The window has closed with this."""

    def discard(self, before: int) -> None:
        """Forget old samples."""
