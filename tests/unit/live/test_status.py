"""The status line of bad channels."""

from __future__ import annotations

import numpy as np

from rtemo.live.status import bad_channels
from rtemo.types import FeatureWindow


def window(bad: dict[str, dict[str, str]]) -> FeatureWindow:
    return FeatureWindow(0, 0.0, 1.0, {}, {}, {}, quality={"eeg": np.ones(32)}, bad=bad)


def test_bad_channels_are_counted_and_named_with_their_reasons():
    assert bad_channels(window({})) == []
    lines = bad_channels(window({"eeg": {"Fp1": "flat", "T7\x1b": "line noise"}}))
    assert lines == [r"eeg: 2 of 32 bad (Fp1 flat, T7\x1b line noise)"]


def test_a_line_stays_short_however_many_channels_are_bad():
    (line,) = bad_channels(window({"eeg": {f"E{i}": "flat" for i in range(20)}}))
    assert line.endswith("E5 flat, 14 more)")
