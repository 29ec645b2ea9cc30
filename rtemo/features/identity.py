"""A stream that already carries features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rtemo.features.base import ClosingWindow, ExtractorSettings, Missing, ViewSource
from rtemo.features.cells import not_finite
from rtemo.types import Floats


class IdentitySettings(ExtractorSettings):
    """Nothing to set."""


class Identity:
    """Extractor ``identity``: the newest sample in the window, channel by channel.

    The newest and not the mean: such a stream sends one feature vector a window or fewer, and a vector is one
    measurement.

    Parameters
    ----------
    settings : IdentitySettings
    """

    Settings: ClassVar[type[BaseModel]] = IdentitySettings

    def __init__(self, settings: IdentitySettings) -> None:
        self._labels: tuple[str, ...] = ()
        self._newest: dict[int, Floats] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The channel labels."""
        return self._labels

    def reset(self, source: ViewSource) -> None:
        """Forget all samples."""
        self._labels = source.description.channel_labels
        self._newest = {}

    def begin_segment(self) -> None:
        """Nothing is carried from sample to sample."""

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep the newest sample of the cell."""
        self._newest[cell] = values[-1].astype(np.float64)

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """The newest sample, shape (channels,)."""
        newest = next((self._newest[cell] for cell in reversed(window.cells) if cell in self._newest), None)
        if newest is None:
            return Missing("no samples")
        if not np.isfinite(newest).all():
            return Missing(not_finite(self._labels, newest))
        return newest.copy()

    def discard(self, before: int) -> None:
        """Forget old samples."""
        for cell in [cell for cell in self._newest if cell < before]:
            del self._newest[cell]
