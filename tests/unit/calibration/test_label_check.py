"""What is said of labels: overlaps, ends, gaps, windows; and what a recording is surveyed for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from calibration.labels.bids import LabelFile
from calibration.labels.check import check_labels
from calibration.labels.survey import Survey, survey_recording, windows_in
from calibration.labels.track import LabelSegment, LabelTrack
from rtemo.config import Configuration, parse_configuration
from rtemo.errors import RecordingError
from rtemo.types import Chunk, Marker, StreamDescription

EEG = StreamDescription("1", "eeg", "EEG", ("Fp1", "Fp2"), 100.0)
TEXT = StreamDescription("2", "clips", "Markers", ("1",), 0.0, is_text=True)
OWN = StreamDescription("3", "rtemo-prediction", "Prediction", ("p:a",), 0.0)
SLOW = StreamDescription("4", "temperature", "Temperature", ("t",), 1.0)
START_S = 1000.25


@dataclass
class Recorded:
    """A source out of a list."""

    items: list[Chunk | Marker]
    streams: tuple[StreamDescription, ...] = (EEG, TEXT, OWN, SLOW)
    origin: str = "run-1.xdf"
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Chunk | Marker]:
        return iter(self.items)

    def close(self) -> None:
        pass


def chunk(stream: StreamDescription, start_s: float, stop_s: float, segment: int = 0) -> Chunk:
    stamps_s = np.arange(start_s, stop_s - 1e-9, 1 / (stream.nominal_rate_hz or 10))
    return Chunk(stream.key, stamps_s, np.zeros((len(stamps_s), stream.channels)), segment)


def config(**more: object) -> Configuration:
    document = {
        "labels": ["sad", "joy"],
        "views": {"eeg": {"stream": {"type": "EEG"}, "features": "statistics"}},
        "markers": {"stream": {"type": "Markers"}, "labels": {"clip/sad": "sad", "clip/joy": "joy"}},
        "window": {"length_s": 2.0},
        **more,
    }
    return parse_configuration(document, "test")


def recorded() -> Recorded:
    """A minute of EEG with a hole of ten seconds, and predictions before it that do not count."""
    return Recorded(
        [
            chunk(OWN, START_S - 5, START_S - 4),
            chunk(EEG, START_S, START_S + 30),
            Marker("2", START_S + 2, "clip/sad"),
            chunk(EEG, START_S + 40, START_S + 60, 1),
            chunk(SLOW, START_S + 1, START_S + 50),
            Marker("2", START_S + 20, "pause"),
            Marker("2", START_S + 45, "clip/joy"),
        ]
    )


def survey() -> Survey:
    return survey_recording(recorded(), config())


def labels(*stretches: tuple[float, float, str]) -> LabelFile:
    return LabelFile(LabelTrack(tuple(LabelSegment(*one) for one in stretches)))


def told(file: LabelFile, about: Survey | None = None, of: Configuration | None = None) -> list[tuple[str, bool]]:
    return [(one.kind, one.error) for one in check_labels(file, of or config(), about)]


def test_onsets_count_from_the_first_sample_of_streams_that_are_not_our_own() -> None:
    assert survey().first_s == START_S
    assert survey().duration_s == pytest.approx(60)


def test_a_hole_is_found_and_a_stream_has_none_before_it_began() -> None:
    eeg, slow = survey().spans
    assert eeg.gaps == ((pytest.approx(START_S + 30), pytest.approx(START_S + 40)),)
    assert eeg.missing_s(START_S + 25, START_S + 45) == pytest.approx(10)
    assert slow.missing_s(START_S, START_S + 60) == pytest.approx(11)


def test_markers_open_segments_and_the_last_lasts_as_long_as_windows_do() -> None:
    sad, joy = survey().marked
    assert (sad.start_s, sad.stop_s, sad.label, sad.cells["trial"]) == (2, 20, "sad", "1")
    assert joy.start_s == 45
    # The last window that holds a sample is [1060, 1062).
    assert START_S + joy.stop_s == pytest.approx(1062)


def test_a_recording_without_samples_has_no_origin() -> None:
    with pytest.raises(RecordingError, match="expected samples"):
        survey_recording(Recorded([Marker("2", 1.0, "clip/sad")]), config())


def test_progress_is_told_and_every_item_is_handed_on() -> None:
    seen, progress = [], []
    survey_recording(recorded(), None, on_item=seen.append, on_progress=lambda done, of: progress.append((done, of)))
    assert len(seen) == 7
    assert progress[-1] == (pytest.approx(49), None)


def test_a_stream_that_came_back_under_another_description_is_one_stream() -> None:
    back = StreamDescription("9", "eeg", "EEG", ("Fp1",), 50.0, continues="1")
    source = Recorded([chunk(EEG, 0, 10), chunk(back, 15, 20)], (EEG, back))
    (span,) = survey_recording(source, None).spans
    assert (span.start_s, span.stop_s) == (0, pytest.approx(20, abs=0.02))
    assert span.gaps == ((pytest.approx(10), 15),)


def test_windows_are_those_of_the_clocks_grid() -> None:
    # Windows of two seconds begin at even seconds of the clock: 1000.25 + 1.75 = 1002.
    for start_s, stop_s, windows in ((1.75, 5.75, 2), (1.74, 5.74, 1), (0, 1.7, 0), (1.75, 3.75 - 5e-7, 1)):
        assert windows_in(LabelSegment(start_s, stop_s, "joy"), START_S, config()) == windows


def test_labels_that_are_right_are_not_complained_of() -> None:
    assert told(labels((2, 20, "sad"), (45, 60, "joy")), survey()) == []


def test_what_markers_say_is_right() -> None:
    assert told(LabelFile(LabelTrack(survey().marked)), survey()) == []


def test_overlaps_are_errors_where_training_looks() -> None:
    assert ("overlap", True) in told(labels((2, 20, "sad"), (19, 30, "joy")))
    assert ("overlap", False) in told(labels((2, 20, "sad"), (19, 30, "baseline"), (50, 60, "joy")))


def test_a_label_that_nobody_knows_is_an_error_where_it_looks_misspelt() -> None:
    file = labels((2, 20, "sad"), (20, 28, "Joy"), (45, 60, "joy"), (40, 44, "baseline"))
    problems = check_labels(file, config(), None)
    assert [(one.kind, one.error, one.segments) for one in problems] == [
        ("unknown label", True, (1,)),
        ("unknown label", False, (2,)),
    ]
    assert "did you mean 'joy'?" in problems[0].text


def test_no_length_and_no_window_are_told() -> None:
    found = told(labels((2, 20, "sad"), (45, 45, "joy")), survey())
    assert ("zero length", True) in found
    assert ("no window", True) in found


def test_a_label_without_a_window_cannot_be_learnt() -> None:
    problems = check_labels(labels((2, 20, "sad"), (45, 46, "joy")), config(), survey())
    assert [(one.error, one.segments) for one in problems] == [(True, ()), (False, (1,))]
    assert "label 'joy' is in no window" in problems[0].text


def test_ends_of_the_recording() -> None:
    found = told(labels((-5, 20, "sad"), (45, 70, "joy"), (100, 120, "joy")), survey())
    assert found == [("outside", False), ("outside", False), ("outside", True)]


def test_a_hole_under_a_segment_is_told_of_streams_that_views_read() -> None:
    problems = check_labels(labels((2, 20, "sad"), (25, 60, "joy")), config(), survey())
    assert [(one.kind, one.error) for one in problems] == [("gap", False)]
    assert "stream 'eeg' has no samples in 10.0 of 35.0 s" in problems[0].text
    assert {one.kind for one in check_labels(labels((52, 59, "x")), None, survey())} == {"gap"}


def test_without_a_configuration_only_what_can_be_known_is_said() -> None:
    assert check_labels(labels((2, 20, "anything")), None, None) == ()


def test_labelled_rows_of_unknown_duration_are_told() -> None:
    rows = tuple(
        {"onset": onset, "duration": duration, "trial_type": kind}
        for onset, duration, kind in (
            ("5", "n/a", "clip/joy "),
            ("3.5", " n/a", "joy"),
            ("4", "n/a", "button"),
            ("4", "0", "button"),
        )
    )
    file = LabelFile(labels((2, 20, "sad"), (45, 60, "joy")).track, rows)
    problems = check_labels(file, config(), survey())
    assert [(one.kind, one.error, one.segments) for one in problems] == [("no duration", False, ())]
    assert problems[0].text == "2 rows of label 'joy' (onset 5, 3.5) have the duration n/a: they label no window"
