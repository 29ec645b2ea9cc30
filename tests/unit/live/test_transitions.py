"""Events of quality are transitions: one when a channel turns bad or a view goes missing, one when it is back."""

from __future__ import annotations

import math

import numpy as np

from rtemo.live.transitions import Transitions
from rtemo.types import FeatureWindow

NAMES = {"eeg": ("Fp1", "T7", "O2")}
NOT_JUDGED = [math.nan] * 3


def window(index: int, scores: list[float], bad: dict[str, str] | None = None, missing: str = "") -> FeatureWindow:
    return FeatureWindow(
        index,
        float(index),
        index + 1.0,
        {"eeg": np.zeros(1)},
        {"eeg": not missing},
        {"eeg": 1.0},
        reason={"eeg": missing} if missing else {},
        quality={"eeg": np.array(scores)},
        bad={"eeg": bad} if bad else {},
    )


def events_of(*windows: FeatureWindow) -> list[dict[str, object]]:
    told: list[dict[str, object]] = []
    transitions = Transitions(NAMES, lambda kind, **details: told.append({"event": kind, **details}))
    for one in windows:
        transitions.write(one)
    return told


def test_a_channel_is_told_of_when_it_turns_bad_and_when_it_is_good_again():
    told = events_of(
        window(1, [1.0, 1.0, 1.0]),
        window(2, [1.0, 0.2, 1.0], {"T7": "line"}),
        window(3, [1.0, 0.1, 1.0], {"T7": "line"}),
        window(4, [0.0, 0.3, 1.0], {"Fp1": "flat", "T7": "line"}),
        window(5, [0.0, 0.9, 1.0], {"Fp1": "flat"}),
    )
    assert told == [
        {"event": "channel-bad", "view": "eeg", "channel": "T7", "reason": "line", "score": 0.2, "window": 2},
        {"event": "channel-bad", "view": "eeg", "channel": "Fp1", "reason": "flat", "score": 0.0, "window": 4},
        {"event": "channel-good", "view": "eeg", "channel": "T7", "score": 0.9, "window": 5},
    ]


def test_a_window_that_was_not_judged_changes_nothing_for_channels():
    told = events_of(
        window(1, [0.0, 1.0, 1.0], {"Fp1": "flat"}),
        window(2, NOT_JUDGED, missing="gap"),
        window(3, [0.0, 1.0, 1.0], {"Fp1": "flat"}),
        window(4, [math.nan, 1.0, 1.0]),
        window(5, [1.0, 1.0, 1.0]),
    )
    assert [(event["event"], event["window"]) for event in told] == [
        ("channel-bad", 1),
        ("view-missing", 2),
        ("view-back", 3),
        ("channel-good", 5),
    ]


def test_a_missing_view_is_told_of_once_with_the_reason_also_where_it_never_was_there():
    told = events_of(
        window(1, NOT_JUDGED, missing="no samples"),
        window(2, NOT_JUDGED, missing="coverage 0.40 < 0.80"),
        window(3, [1.0, 1.0, 1.0]),
        window(4, [0.0, 0.0, 1.0], {"Fp1": "flat", "T7": "flat"}, missing="2 of 3 channels bad"),
    )
    assert told[:3] == [
        {"event": "view-missing", "view": "eeg", "reason": "no samples", "window": 1},
        {"event": "view-back", "view": "eeg", "window": 3},
        {"event": "view-missing", "view": "eeg", "reason": "2 of 3 channels bad", "window": 4},
    ]
    assert [event["channel"] for event in told[3:]] == ["Fp1", "T7"]
