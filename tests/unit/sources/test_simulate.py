"""The simulated participant keeps the promises of a source."""

from __future__ import annotations

import numpy as np

from rtemo.sources.simulate import Dropout, SimulatedSource, SimulationSettings
from rtemo.types import Chunk, Marker

SETTINGS = SimulationSettings(trials=3, trial_s=6.0, dropouts=(Dropout("eeg", 5.3, 9.7),))


def stamps(source: SimulatedSource, key: str) -> np.ndarray:
    return np.concatenate([i.stamps_s for i in source if isinstance(i, Chunk) and i.stream == key])


def test_the_same_seed_gives_the_same_samples() -> None:
    for one, other in zip(SimulatedSource(SETTINGS), SimulatedSource(SETTINGS), strict=True):
        assert type(one) is type(other)
        if isinstance(one, Chunk) and isinstance(other, Chunk):
            np.testing.assert_array_equal(one.values, other.values)


def test_a_dropout_has_no_samples_and_opens_a_new_segment() -> None:
    source = SimulatedSource(SETTINGS)
    at_s = stamps(source, "eeg") - SETTINGS.start_s
    assert not ((at_s >= 5.3) & (at_s < 9.7)).any()
    assert len(at_s) == round((source.duration_s - 4.4) * SETTINGS.eeg_rate_hz)
    segments = {i.segment for i in source if isinstance(i, Chunk) and i.stream == "eeg"}
    assert segments == {0, 1}
    after = [i for i in source if isinstance(i, Chunk) and i.stream == "eeg" and i.segment == 1]
    assert after[0].stamps_s[0] - SETTINGS.start_s == 9.7 or abs(after[0].stamps_s[0] - 1009.7) < 1e-9
    assert stamps(source, "eye").size == int(np.ceil(source.duration_s))


def test_every_trial_is_announced_and_ended() -> None:
    texts = [i.text for i in SimulatedSource(SETTINGS) if isinstance(i, Marker)]
    assert len(texts) == 6
    assert sorted(texts[::2]) == ["clip/negative", "clip/neutral", "clip/positive"]
    assert set(texts[1::2]) == {"rest"}
