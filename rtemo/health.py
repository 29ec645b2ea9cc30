"""Whether a stream is alive, judged by the age of its newest sample: LSL says nothing when a stream dies."""

from __future__ import annotations

import math
from enum import StrEnum

from rtemo.config import HealthSettings


class Health(StrEnum):
    """States of a stream: WAITING until its first sample, then LIVE, STALE, LOST by data age, and LIVE again."""

    WAITING = "waiting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"


class StreamHealth:
    """The health of one stream.

    Parameters
    ----------
    settings : HealthSettings
    rate_hz : float
        Nominal; 0 for an irregular stream, which is alive as long as it is connected.

    Attributes
    ----------
    state : Health
    newest_s : float
        Newest stamp, LSL local-clock seconds; -inf before the first.
    connected : bool
    """

    def __init__(self, settings: HealthSettings, rate_hz: float) -> None:
        self.state = Health.WAITING
        self.newest_s = -math.inf
        self.connected = False
        self._settings = settings
        self.set_rate(rate_hz)

    def set_rate(self, rate_hz: float) -> None:
        """Say what the nominal rate is: slow streams are given more time."""
        self._rate_hz = rate_hz
        periods_s = self._settings.stale_periods / rate_hz if rate_hz > 0 else 0.0
        self.stale_after_s = max(self._settings.stale_s, periods_s)
        self.lost_after_s = max(self._settings.lost_s, self.stale_after_s)

    def fed(self, newest_s: float) -> None:
        """Note that samples came, the newest with this stamp; one from the past changes nothing."""
        self.newest_s = max(self.newest_s, newest_s)

    def age_s(self, now_s: float) -> float:
        """Age of the newest sample in seconds, 0 where its stamp lies ahead; infinite before the first."""
        return max(0.0, now_s - self.newest_s)

    def judge(self, now_s: float) -> Health | None:
        """Judge anew; returns the new state where it changed."""
        state = self._judged(now_s)
        if state is self.state:
            return None
        self.state = state
        return state

    def _judged(self, now_s: float) -> Health:
        if self._rate_hz == 0:
            if self.connected:
                return Health.LIVE
            return Health.WAITING if self.state is Health.WAITING else Health.LOST
        if self.newest_s == -math.inf:
            return Health.WAITING
        age_s = self.age_s(now_s)
        if age_s > self.lost_after_s:
            return Health.LOST
        return Health.STALE if age_s > self.stale_after_s else Health.LIVE
