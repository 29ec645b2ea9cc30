"""How good the signals were while a trial was shown, from the windows of that time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from calibration.attempts import TrialQuality
from rtemo.config import WindowSettings
from rtemo.labels import EDGE_S
from rtemo.types import FeatureWindow

MIN_USABLE: Final = 0.5
"""A trial in which a view is missing in more than half of the windows should be repeated."""
MOST_CHANNELS: Final = 8


def trial_quality(
    windows: Sequence[FeatureWindow], start_s: float, stop_s: float, *, newest_s: float, grid: WindowSettings
) -> TrialQuality | None:
    """What the windows of a trial say of its signals.

    Parameters
    ----------
    windows : sequence of FeatureWindow
        Those that lie wholly inside the trial, as far as they have come.
    start_s, stop_s : float
        The trial, LSL local-clock seconds.
    newest_s : float
        Where the newest window of the session ends; NaN before the first.
    grid : WindowSettings

    Returns
    -------
    TrialQuality or None
        None while windows of the trial may still come.
    """
    last_s = math.floor((stop_s - grid.length_s + EDGE_S) / grid.hop) * grid.hop + grid.length_s
    first_s = math.ceil((start_s - EDGE_S) / grid.hop) * grid.hop
    if first_s + grid.length_s > last_s + EDGE_S:
        return TrialQuality(poor=True, reason=f"it holds no whole window of {grid.length_s:g} s")
    if not newest_s >= last_s - EDGE_S:
        return None
    if not windows:
        return TrialQuality(poor=True, reason="no window was recorded")
    usable, wrong = {}, []
    for view in windows[0].available:
        share = sum(window.available[view] for window in windows) / len(windows)
        usable[view] = round(share, 3)
        if share < MIN_USABLE:
            reasons = Counter(window.reason.get(view, "") for window in windows if not window.available[view])
            wrong.append(f"{view} is missing in {1 - share:.0%} of it ({reasons.most_common(1)[0][0] or 'no reason'})")
    bad = {
        view: [
            channel
            for channel, _ in Counter(c for w in windows for c in w.bad.get(view, ())).most_common(MOST_CHANNELS)
        ]
        for view in usable
    }
    details = {"windows": len(windows), "usable": usable, "bad": {view: found for view, found in bad.items() if found}}
    return TrialQuality(poor=bool(wrong), reason="; ".join(wrong), details=details)
