"""The features that events of the last seconds make."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

from rtemo.features.eye.events import EyeEvent, Kind

EVENT_FEATURES = (
    "dispersion_x_mean",
    "dispersion_y_mean",
    "dispersion_x_std",
    "dispersion_y_std",
    "fixation_duration_mean",
    "fixation_duration_std",
    "blink_duration_mean",
    "blink_duration_std",
    "saccade_duration_mean",
    "saccade_duration_std",
    "saccade_amplitude_mean",
    "saccade_amplitude_std",
    "blink_frequency",
    "fixation_frequency",
    "fixation_duration_max",
    "fixation_dispersion_total",
    "fixation_dispersion_max",
    "saccade_frequency",
    "saccade_duration_average",
    "saccade_amplitude_average",
    "saccade_latency_average",
)
"""In the order of SEED (Lu et al. 2015, table of eye features), behind those of the pupil."""

MOST_SPANS = 10_000
LEAST_OBSERVED_S = 1.0
"""Frequencies of the first second are over a whole one."""


class EventHistory:
    """Events of the last seconds, and what is known of those before.

    Parameters
    ----------
    buffer_s : float
        Events count for so long after they ended.

    Notes
    -----
    Where no event of a kind ended in the buffer, its frequency is 0 (and a total too), and its means, deviations and
    maxima stay those of the buffer as it was when the last one ended; that nobody blinked does not make blinks short.
    """

    def __init__(self, buffer_s: float) -> None:
        self._buffer_s = buffer_s
        self._events: dict[Kind, deque[EyeEvent]] = {"fixation": deque(), "saccade": deque(), "blink": deque()}
        self._latencies: deque[tuple[float, float]] = deque()
        self._last_saccade_s = math.nan
        self._spans: deque[list[float]] = deque(maxlen=MOST_SPANS)

    def begin_segment(self) -> None:
        """The next samples are behind a gap: no time is counted over it, and no latency."""
        self._last_saccade_s = math.nan
        while len(self._spans) > 1 and self._spans[0][1] < self._spans[-1][1] - self._buffer_s:
            self._spans.popleft()
        self._spans.append([math.inf, -math.inf])

    def observe(self, first_s: float, last_s: float) -> None:
        """Samples came from and until then."""
        if not self._spans:
            self.begin_segment()
        span = self._spans[-1]
        span[0], span[1] = min(span[0], first_s), max(span[1], last_s)

    def add(self, events: Iterable[EyeEvent]) -> None:
        """Take events that have ended; those of a kind in their order."""
        for event in events:
            kept = self._events[event.kind]
            kept.append(event)
            if event.kind == "saccade":
                if not math.isnan(self._last_saccade_s):
                    self._latencies.append((event.stop_s, event.start_s - self._last_saccade_s))
                    while self._latencies[0][0] <= event.stop_s - self._buffer_s:
                        self._latencies.popleft()
                self._last_saccade_s = event.stop_s
            # Only what the buffer held when this event ended may still count.
            while kept[0].stop_s <= event.stop_s - self._buffer_s:
                kept.popleft()

    def features(self, now_s: float, under_way: EyeEvent | None) -> dict[str, float]:
        """Features by name, see `EVENT_FEATURES`; NaN for what has never been.

        Parameters
        ----------
        now_s : float
            End of the window: events of the `buffer_s` before count.
        under_way : EyeEvent or None
            The fixation that has not ended, which counts as far as it has come.
        """
        events = self._events
        fixations, fixations_now = self._counting(events["fixation"], under_way, now_s)
        blinks, blinks_now = self._counting(events["blink"], None, now_s)
        saccades, saccades_now = self._counting(events["saccade"], None, now_s)
        observed_s = self._observed_s(now_s)
        durations = [event.stop_s - event.start_s for event in fixations]
        spreads = [event.dispersion_x + event.dispersion_y for event in fixations]
        width, width_std = _mean_std([event.dispersion_x for event in fixations])
        height, height_std = _mean_std([event.dispersion_y for event in fixations])
        resting, resting_std = _mean_std(durations)
        closed, closed_std = _mean_std([event.stop_s - event.start_s for event in blinks])
        jumping, jumping_std = _mean_std([event.stop_s - event.start_s for event in saccades])
        amplitude, amplitude_std = _mean_std([event.amplitude for event in saccades])
        latencies = self._latencies
        since_s = min(now_s, latencies[-1][0]) - self._buffer_s if latencies else math.inf
        latency, _ = _mean_std([latency for stop_s, latency in latencies if stop_s > since_s])
        return {
            "dispersion_x_mean": width,
            "dispersion_y_mean": height,
            "dispersion_x_std": width_std,
            "dispersion_y_std": height_std,
            "fixation_duration_mean": resting,
            "fixation_duration_std": resting_std,
            "blink_duration_mean": closed,
            "blink_duration_std": closed_std,
            "saccade_duration_mean": jumping,
            "saccade_duration_std": jumping_std,
            "saccade_amplitude_mean": amplitude,
            "saccade_amplitude_std": amplitude_std,
            "blink_frequency": blinks_now / observed_s,
            "fixation_frequency": fixations_now / observed_s,
            "fixation_duration_max": max(durations, default=math.nan),
            "fixation_dispersion_total": sum(spreads) if fixations_now else 0.0,
            "fixation_dispersion_max": max(spreads, default=math.nan),
            "saccade_frequency": saccades_now / observed_s,
            "saccade_duration_average": jumping,
            "saccade_amplitude_average": amplitude,
            "saccade_latency_average": latency,
        }

    def _counting(
        self, kept: deque[EyeEvent], under_way: EyeEvent | None, now_s: float
    ) -> tuple[Sequence[EyeEvent], int]:
        """Events that figures are taken from, and how many of them the buffer holds."""
        since_s = now_s - self._buffer_s
        here = [event for event in kept if event.stop_s > since_s]
        if under_way is not None and under_way.stop_s > since_s:
            here.append(under_way)
        if here or not kept:
            return here, len(here)
        held_s = kept[-1].stop_s - self._buffer_s
        return [event for event in kept if event.stop_s > held_s], 0

    def _observed_s(self, now_s: float) -> float:
        """Seconds of the buffer of which there are samples."""
        from_s = now_s - self._buffer_s
        while len(self._spans) > 1 and self._spans[0][1] < from_s:
            self._spans.popleft()
        seen_s = sum(max(0.0, min(last, now_s) - max(first, from_s)) for first, last in self._spans)
        return max(seen_s, min(LEAST_OBSERVED_S, self._buffer_s))


def _mean_std(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (of the population); NaN of nothing."""
    if not values:
        return math.nan, math.nan
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum([(value - mean) * (value - mean) for value in values]) / len(values))
