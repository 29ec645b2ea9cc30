"""Events by pymovements, with the parameters of rtemo where both have them; on samples of one eye or of both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from eye_recordings import BLINK, FIXATION, SACCADE, MarkedEvent
from pymovements.events.detection import blink, idt, ivt, microsaccades
from pymovements.transforms.numpy import pos2vel

VELOCITY_DEG_S = 30.0
DISPERSION_DEG = 1.0
BREAK_S = 0.1
SHORTEST_FIXATION_S = 0.06
SHORTEST_SACCADE_S, SMALLEST_SACCADE_DEG = 0.008, 0.3
SHORTEST_BLINK_S, LONGEST_BLINK_S, BLINK_GAP_S = 0.03, 1.0, 0.03


def events_by_pymovements(
    stamps_s: np.ndarray, signals: Mapping[str, np.ndarray], rate_hz: float, units_per_degree: float, *, fixations: str
) -> list[MarkedEvent]:
    """Fixations by ``ivt`` or ``idt``, saccades by ``microsaccades`` and blinks by ``blink``.

    Saccades smaller than rtemo's least are dropped, for which pymovements has no parameter. It counts samples, so every
    unbroken stretch is worked on by itself. Blinks are looked for in the pupil where there is one, and gaze in a blink
    is left out.
    """
    breaks = np.flatnonzero(np.diff(stamps_s) > BREAK_S) + 1
    found: list[MarkedEvent] = []
    for stretch in np.split(np.arange(len(stamps_s)), breaks):
        if len(stretch) >= 10:
            part = {role: column[stretch] for role, column in signals.items()}
            found += _stretch(stamps_s[stretch], part, rate_hz, units_per_degree, fixations)
    return sorted(found, key=lambda event: event.start_s)


def _stretch(
    stamps_s: np.ndarray, signals: Mapping[str, np.ndarray], rate_hz: float, units_per_degree: float, fixations: str
) -> list[MarkedEvent]:
    degrees = np.column_stack([signals["x"], signals["y"]]) / units_per_degree
    if "valid" in signals:
        degrees[signals["valid"] < 0.5] = np.nan
    found = []
    pupils = [column for role, column in signals.items() if role.startswith("pupil")]
    if pupils:
        table = blink(
            np.mean(pupils, axis=0),
            minimum_duration=_samples(SHORTEST_BLINK_S, rate_hz),
            maximum_duration=_samples(LONGEST_BLINK_S, rate_hz),
            minimum_gap=_samples(BLINK_GAP_S, rate_hz),
        )
        for first, last in _spans(table):
            found.append(MarkedEvent(BLINK, "", stamps_s[first], stamps_s[last] + 1 / rate_hz))
            degrees[first : last + 1] = np.nan
    velocity = pos2vel(degrees, sampling_rate=rate_hz, method="smooth")
    shortest = _samples(SHORTEST_FIXATION_S, rate_hz)
    if fixations == "ivt":
        resting = ivt(velocity, minimum_duration=shortest, velocity_threshold=VELOCITY_DEG_S)
    else:
        with warnings.catch_warnings():
            # Its dispersion of samples that are all missing is a warning; they make no fixation.
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            resting = idt(degrees, minimum_duration=shortest, dispersion_threshold=DISPERSION_DEG)
    found += [MarkedEvent(FIXATION, "", stamps_s[a], stamps_s[b] + 1 / rate_hz) for a, b in _spans(resting)]
    for first, last in _spans(microsaccades(velocity, minimum_duration=_samples(SHORTEST_SACCADE_S, rate_hz))):
        amplitude = float(np.hypot(*(degrees[last] - degrees[first])))
        if amplitude >= SMALLEST_SACCADE_DEG:
            found.append(MarkedEvent(SACCADE, "", stamps_s[first], stamps_s[last] + 1 / rate_hz, amplitude))
    return found


def _samples(seconds: float, rate_hz: float) -> int:
    return max(1, round(seconds * rate_hz))


def _spans(events: object) -> list[tuple[int, int]]:
    """First and last sample of events of pymovements."""
    table = events.frame
    return list(zip(table["onset"].to_list(), table["offset"].to_list(), strict=True))
