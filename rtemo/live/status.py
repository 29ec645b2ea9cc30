"""How a live session stands: what a status line, or a dashboard, is drawn from."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtemo.adaptation.account import AdaptationStatus
from rtemo.live.gather import StreamStatus
from rtemo.outputs.recording import RecorderStatus
from rtemo.printable import printable
from rtemo.types import FeatureWindow, Prediction

AGES_KEPT = 1000
CHANNELS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How a session stands.

    Parameters
    ----------
    now_s : float
        LSL local-clock seconds.
    elapsed_s : float
    streams : sequence of StreamStatus
    window : FeatureWindow or None
        The newest, with the reasons of missing views.
    prediction : Prediction or None
        The newest.
    predicted, skipped : int
        Windows so far.
    age_p50_s, age_p99_s : float
        Of ``age_s`` over the latest windows; NaN before the first.
    recorder : RecorderStatus
    adaptation : AdaptationStatus
    """

    now_s: float
    elapsed_s: float
    streams: Sequence[StreamStatus]
    window: FeatureWindow | None
    prediction: Prediction | None
    predicted: int
    skipped: int
    age_p50_s: float
    age_p99_s: float
    recorder: RecorderStatus
    adaptation: AdaptationStatus


class Newest:
    """Keeps the newest window and prediction, and how old predictions were of late."""

    def __init__(self) -> None:
        self.window: FeatureWindow | None = None
        self.prediction: Prediction | None = None
        self._ages: deque[float] = deque(maxlen=AGES_KEPT)

    def write(self, prediction: Prediction) -> None:
        """Keep one."""
        self.prediction = prediction
        if math.isfinite(prediction.age_s):
            self._ages.append(prediction.age_s)

    def age_percentiles(self) -> tuple[float, float]:
        """The 50th and the 99th percentile of ``age_s``; NaN before the first."""
        ages = list(self._ages)
        if not ages:
            return math.nan, math.nan
        p50_s, p99_s = np.percentile(ages, [50, 99])
        return float(p50_s), float(p99_s)


def bad_channels(window: FeatureWindow) -> list[str]:
    """A line for each view that has bad channels, as ``"eeg: 2 of 32 bad (Fp1 flat, T7 line noise)"``."""
    lines = []
    for view, bad in window.bad.items():
        named = [printable(f"{channel} {reason}") for channel, reason in bad.items()]
        more = [f"{len(named) - CHANNELS_SHOWN} more"] if len(named) > CHANNELS_SHOWN else []
        shown = ", ".join(named[:CHANNELS_SHOWN] + more)
        lines.append(f"{view}: {len(named)} of {len(window.quality[view])} bad ({shown})")
    return lines
