"""Trials as the markers open them, and accuracy in them, against the rules that recordings are labelled by."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from dashboard_words import LABELS, Watched, layout, values
from hypothesis import given
from hypothesis import strategies as st

from rtemo.config import MarkerSettings
from rtemo.dashboard import history, trials
from rtemo.dashboard.messages import PredictionsSeen
from rtemo.dashboard.trials import MARKERS_KEPT, MAX_TEXT, TrialTracker
from rtemo.labels import label_windows, segments_from_markers
from rtemo.types import Marker

TEXTS = [f"clip/{label}" for label in LABELS] + ["pause"]


def settings(duration_s):
    said = {"stream": {"type": "Markers"}, "labels": layout().marker_labels, "duration_s": duration_s}
    return MarkerSettings.model_validate(said)


@given(
    markers=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(TEXTS)), max_size=30),
    duration_s=st.sampled_from([None, 2.5, 7.0]),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_trials_are_those_of_a_recording_in_whatever_order_markers_come(markers, duration_s, cuts):
    tracker = TrialTracker(layout(marker_duration_s=duration_s))
    edges = [0, *sorted(cuts), len(markers)]
    for first, last in itertools.pairwise(edges):
        part = markers[first:last]
        tracker.take(np.array([float(stamp) for stamp, _ in part]), [text for _, text in part])
    expected = segments_from_markers([Marker("m", float(s), text) for s, text in markers], settings(duration_s))
    assert tracker.segments() == expected
    assert [m.stamp_s for m in tracker.markers] == sorted(float(stamp) for stamp, _ in markers)


def test_a_trial_is_open_until_the_next_marker():
    watched = Watched()
    watched.mark("clip/neutral", 10.0)
    assert [(t.start_s, t.stop_s, t.label) for t in watched.state.trials.trials] == [(10.0, None, "neutral")]
    watched.mark("pause", 14.0)
    assert [(t.start_s, t.stop_s, t.label) for t in watched.state.trials.trials] == [(10.0, 14.0, "neutral")]


def test_markers_are_kept_up_to_a_bound_with_their_trials():
    tracker = TrialTracker(layout())
    for at in range(3 * MARKERS_KEPT):
        tracker.take(np.array([float(at)]), [TEXTS[at % 4]])
    assert MARKERS_KEPT <= len(tracker.markers) <= 1.1 * MARKERS_KEPT
    assert len(tracker.trials) <= len(tracker.markers)
    assert tracker.trials[0].start_s >= tracker.markers[0].stamp_s


def test_an_endless_text_is_cut_and_a_stamp_that_is_none_passed_over():
    tracker = TrialTracker(layout())
    tracker.take(np.array([1.0, np.nan]), ["x" * 10_000, "clip/neutral"])
    assert [len(marker.text) for marker in tracker.markers] == [MAX_TEXT]
    assert not tracker.trials


def test_accuracy_counts_windows_wholly_inside_a_trial_that_have_a_view():
    watched = Watched()
    assert watched.state.accuracy() is None
    watched.mark("clip/positive", 9.5)
    watched.predict(10.0)  # begins before the trial
    watched.predict(11.0, 12.0)
    watched.predict(13.0, probabilities=(0.8, 0.1, 0.1), shadow=(0.1, 0.1, 0.8))
    watched.predict(14.0, available=(0.0, 0.0))
    watched.predict(15.0, probabilities=(np.nan,) * 3)
    watched.mark("clip/negative", 15.5)
    watched.predict(16.0)  # across an edge
    watched.predict(17.0, shadow=(np.nan,) * 3)
    accuracy = watched.state.accuracy()
    assert accuracy is not None
    assert (accuracy.right, accuracy.shadow_right, accuracy.windows) == (2, 1, 4)
    assert accuracy.per_class == {"negative": (0, 0, 1), "neutral": (0, 0, 0), "positive": (2, 1, 3)}
    assert accuracy.fraction == pytest.approx(0.5)
    assert accuracy.shadow_fraction == pytest.approx(0.25)


def test_a_label_that_the_model_does_not_know_counts_nothing():
    watched = Watched(marker_labels={"x": "surprise"})
    watched.mark("x", 0.0)
    watched.predict(5.0)
    assert watched.state.accuracy() is None


def test_a_marker_that_comes_after_its_windows_changes_what_was_counted():
    watched = Watched()
    watched.mark("clip/positive", 0.0)
    watched.predict(5.0, 6.0)
    assert watched.state.accuracy().right == 2
    watched.mark("pause", 5.5)
    assert watched.state.accuracy().windows == 1


def test_accuracy_is_of_the_whole_session_though_predictions_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "KEPT_S", 4000.0)
    monkeypatch.setattr(history, "FEWEST", 4000)
    rng = np.random.default_rng(0)
    watched = Watched()
    count = 9000
    starts = np.arange(0.0, count, 20.0)
    texts = [TEXTS[k] for k in rng.integers(0, 4, len(starts))]
    probabilities = rng.dirichlet(np.ones(3), count)
    stops = np.arange(1.0, count + 1)
    for start, text in zip(starts, texts, strict=True):
        watched.mark(text, float(start))
        mine = (stops > start) & (stops <= start + 20)
        rows = np.repeat(values(), mine.sum(), axis=0)
        rows[:, :3] = probabilities[mine]
        watched.state.take(PredictionsSeen(stops[mine], rows))
    segments = segments_from_markers(
        [Marker("m", float(s), t) for s, t in zip(starts, texts, strict=True)], settings(None)
    )
    names, _ = label_windows(stops - 1, stops, segments)
    right = np.array(LABELS)[probabilities.argmax(axis=1)] == names
    accuracy = watched.state.accuracy()
    assert len(watched.state.predictions) < count
    assert (accuracy.right, accuracy.windows) == (int(right.sum()), int((names != "").sum()))


def test_accuracy_counts_each_window_once_though_most_are_counted_for_good(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trials, "RECOUNTED", 10)
    watched = Watched()
    watched.mark("clip/positive", 0.0)
    for number in range(1, 101):
        watched.predict(float(number))
        assert watched.state.accuracy().windows == number
    # A marker that comes late still changes what was counted of the newest.
    watched.mark("pause", 95.5)
    assert watched.state.accuracy().windows == 95
