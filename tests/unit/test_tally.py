"""What is told of a recording's windows once it is read."""

from __future__ import annotations

import math

import numpy as np

from rtemo.features.pipeline import NO_STREAM
from rtemo.tally import Tally
from rtemo.types import FeatureWindow


def window(bad: dict[str, str] | None = None, missing: str = "", *, judged: bool = True) -> FeatureWindow:
    return FeatureWindow(
        0,
        0.0,
        1.0,
        {"eeg": np.zeros(1)},
        {"eeg": not missing},
        {"eeg": 1.0},
        reason={"eeg": missing} if missing else {},
        quality={"eeg": np.full(12, 1.0 if judged else math.nan)},
        bad={"eeg": bad} if bad else {},
    )


def warnings(*windows: FeatureWindow) -> list[str]:
    tally = Tally("a.xdf")
    for one in windows:
        tally.take(one)
    assert tally.windows == len(windows)
    return tally.warnings()


def test_nothing_is_said_where_channels_are_bad_now_and_then():
    assert warnings(window({"Fp1": "flat"}), window(), window({"T7": "line"}), window()) == []


def test_channels_that_are_bad_in_most_judged_windows_are_named_with_their_commonest_reason():
    bad = {"Fp1": "flat", "T7": "line"}
    (line,) = warnings(window(bad), window(bad), window({"Fp1": "line"}), window(judged=False), window(judged=False))
    assert line == "a.xdf: view 'eeg': bad in most of 3 windows: Fp1 (flat), T7 (line)"


def test_channels_that_make_a_view_missing_are_named_beside_the_reason():
    many = {f"E{i}": "amplitude" for i in range(10)}
    lines = warnings(window(), *[window(many, missing="10 of 12 channels bad")] * 2)
    assert lines[0] == "a.xdf: view 'eeg' is missing in 2 of 3 windows, mostly: 10 of 12 channels bad"
    assert "; missing in 2 windows for bad channels: E0 (amplitude), E1" in lines[1]
    assert lines[1].endswith("E7 (amplitude) and 2 more")


def test_a_view_without_a_stream_was_told_of_already():
    assert warnings(window(missing=NO_STREAM), window(missing=NO_STREAM)) == []
    assert len(warnings(window(missing="gap", judged=False))) == 1
