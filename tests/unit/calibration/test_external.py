"""Trials of another program, followed as their markers come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from calibration.external import MarkedTrials
from rtemo.config import MarkerSettings, StreamSelector
from rtemo.labels import Segment, segments_from_markers
from rtemo.types import Marker

STREAM = StreamSelector(name="PsychoPy")
LABELS = {"clip/happy": "positive", "clip/sad": "negative"}


def test_a_trial_ends_with_the_next_marker_or_its_length():
    marked = MarkedTrials(MarkerSettings(stream=STREAM, labels=LABELS))
    marked.take("clip/happy", 1.0)
    assert marked.ended(5.0) == []
    marked.take("rest", 6.0)
    assert marked.ended(6.1) == [Segment(1.0, 6.0, "positive")]
    assert marked.ended(6.2) == []
    lasting = MarkedTrials(MarkerSettings(stream=STREAM, labels=LABELS, duration_s=3.0))
    lasting.take("clip/sad", 10.0)
    assert lasting.ended(12.9) == []
    assert lasting.ended(13.0) == [Segment(10.0, 13.0, "negative")]
    lasting.take("clip/happy", 20.0)
    lasting.take("clip/sad", 21.0)
    assert lasting.ended(21.0) == [Segment(20.0, 21.0, "positive")]


@given(
    texts=st.lists(st.sampled_from(["clip/happy", "clip/sad", "rest", ""]), max_size=30),
    steps=st.lists(st.floats(0.01, 10.0), min_size=30, max_size=30),
    duration_s=st.none() | st.floats(0.05, 20.0),
)
def test_it_follows_as_the_recording_is_read_afterwards(texts: list[str], steps: list[float], duration_s: float | None):
    settings = MarkerSettings(stream=STREAM, labels=LABELS, duration_s=duration_s)
    marked, markers, now_s = MarkedTrials(settings), [], 0.0
    found: list[Segment] = []
    for text, step in zip(texts, steps, strict=False):
        now_s += step
        markers.append(Marker("m", now_s, text))
        marked.take(text, now_s)
        found += marked.ended(now_s)
    marked.take("end", now_s + 100.0)
    markers.append(Marker("m", now_s + 100.0, "end"))
    found += marked.ended(now_s + 100.0)
    assert found == segments_from_markers(markers, settings)
