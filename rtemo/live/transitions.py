"""When a channel turns bad or a view goes missing, and when they are back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rtemo.live.gather import Emit
from rtemo.types import FeatureWindow


class Transitions:
    """Makes events of what changes from window to window: ``view-missing``, ``view-back``, ``channel-bad``, ``-good``.

    Of a window whose signal was not judged nothing follows for the channels: they stay what they were.

    Parameters
    ----------
    names : mapping of str to sequence of str
        By view that is watched, what its scores are of.
    emit : callable
        Takes events.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], emit: Emit) -> None:
        self._names = names
        self._emit = emit
        self._missing: set[str] = set()
        self._bad: dict[str, set[str]] = {}

    def write(self, window: FeatureWindow) -> None:
        """Look at one window; they come in order."""
        for view, available in window.available.items():
            self._follow_view(window, view, available)
        for view, scores in window.quality.items():
            if not np.isnan(scores).all():
                by_name = dict(zip(self._names[view], scores.tolist(), strict=False))
                self._follow_channels(window, view, by_name)

    def _follow_view(self, window: FeatureWindow, view: str, available: bool) -> None:
        if available and view in self._missing:
            self._missing.remove(view)
            self._emit("view-back", view=view, window=window.index)
        elif not available and view not in self._missing:
            self._missing.add(view)
            self._emit("view-missing", view=view, reason=window.reason.get(view, ""), window=window.index)

    def _follow_channels(self, window: FeatureWindow, view: str, scores: Mapping[str, float]) -> None:
        known, found = self._bad.setdefault(view, set()), window.bad.get(view, {})
        for channel, reason in found.items():
            if channel not in known:
                score = scores.get(channel, math.nan)
                self._emit("channel-bad", view=view, channel=channel, reason=reason, score=score, window=window.index)
        # A channel that was not judged, as it has no score, stays bad.
        good = [channel for channel in known - found.keys() if not math.isnan(scores.get(channel, 1.0))]
        for channel in sorted(good):
            self._emit("channel-good", view=view, channel=channel, score=scores.get(channel), window=window.index)
        known.update(found)
        known.difference_update(good)
