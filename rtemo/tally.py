"""What is to be told of the windows of a recording once it is read: views that are hardly ever there, bad channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from rtemo.features.pipeline import NO_STREAM
from rtemo.types import FeatureWindow

CHANNELS_SHOWN = 8


class Tally:
    """Counts windows in which a view is missing or a channel is bad, and why.

    Parameters
    ----------
    origin : str
        Name of the recording, for messages.

    Attributes
    ----------
    windows : int
        So far.
    """

    def __init__(self, origin: str) -> None:
        self.windows = 0
        self._origin = origin
        self._reasons: dict[str, Counter[str]] = {}
        self._channels: dict[str, _Channels] = {}

    def take(self, window: FeatureWindow) -> None:
        """Count one window."""
        self.windows += 1
        for view, reason in window.reason.items():
            self._reasons.setdefault(view, Counter())[reason] += 1
        for view, scores in window.quality.items():
            if not np.isnan(scores).all():
                self._channels.setdefault(view, _Channels()).take(window, view)

    def warnings(self) -> list[str]:
        """What the user should know, one line each.

        A view that has a stream and yet is missing in most windows, with the commonest reason; and of a view the
        channels that were bad in most windows, or that made it missing.
        """
        lines = [
            f"{self._origin}: view {view!r} is missing in {counts.total()} of {self.windows} windows, mostly: "
            f"{counts.most_common(1)[0][0]}"
            for view, counts in self._reasons.items()
            if counts.total() > self.windows / 2 and NO_STREAM not in counts
        ]
        told = {view: channels.told() for view, channels in self._channels.items()}
        return lines + [f"{self._origin}: view {view!r}: {line}" for view, line in told.items() if line]


class _Channels:
    """Counts of the channels of one view."""

    def __init__(self) -> None:
        self._judged = 0
        self._missing = 0
        self._bad: dict[str, Counter[str]] = {}
        self._to_blame: Counter[str] = Counter()

    def take(self, window: FeatureWindow, view: str) -> None:
        """Count a window in which the signal was judged."""
        self._judged += 1
        bad = window.bad.get(view, {})
        for channel, reason in bad.items():
            self._bad.setdefault(channel, Counter())[reason] += 1
        if bad and not window.available[view]:
            self._missing += 1
            self._to_blame.update(bad)

    def told(self) -> str:
        """Channels that were bad in most windows, and those that made the view missing; empty where there are none."""
        mostly = [channel for channel, counts in self._bad.items() if counts.total() > self._judged / 2]
        parts = []
        if mostly:
            parts.append(f"bad in most of {self._judged} windows: {self._listed(mostly)}")
        if self._missing:
            blamed = [channel for channel, _ in self._to_blame.most_common()]
            parts.append(f"missing in {self._missing} windows for bad channels: {self._listed(blamed)}")
        return "; ".join(parts)

    def _listed(self, channels: Iterable[str]) -> str:
        """Channels with their commonest reasons."""
        named = [f"{channel} ({self._bad[channel].most_common(1)[0][0]})" for channel in channels]
        more = f" and {len(named) - CHANNELS_SHOWN} more" if len(named) > CHANNELS_SHOWN else ""
        return ", ".join(named[:CHANNELS_SHOWN]) + more
