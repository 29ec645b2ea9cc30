"""The clock of the session's machine, on which everything that is shown lies."""

from __future__ import annotations

import threading

import numpy as np

from rtemo.clock import Clock, ClockMap, Measurement


class SessionClock:
    """The clock of a session's machine, as it is measured from here; from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._map = ClockMap()

    @property
    def known(self) -> bool:
        """Whether it was measured."""
        return self._map.latest is not None

    def measured(self, measurement: Measurement) -> None:
        """Take a measurement: this machine's clock minus the session's."""
        with self._lock:
            self._map.add(measurement.time_s, measurement.offset_s, measurement.uncertainty_s)

    def ahead_s(self, here_s: float) -> float:
        """How far this machine's clock is ahead of the session's, at a moment of its own; 0 before it was measured."""
        with self._lock:
            latest = self._map.latest
            if latest is None:
                return 0.0
            there_s = np.array([here_s - latest.offset_s])
            mapped, _ = self._map.map(there_s)
            return float(mapped[0] - there_s[0])

    def now_s(self) -> float:
        """The session's clock."""
        here_s = self._clock.now_s()
        return here_s - self.ahead_s(here_s)
