"""Labelled segments, and which windows take their label."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.config import MarkerSettings, StreamSelector
from rtemo.errors import LabelError
from rtemo.labels import Segment, events_path, label_windows, read_events, segments_from_markers
from rtemo.types import Marker

SETTINGS = MarkerSettings(stream=StreamSelector(type="Markers"), labels={"clip/+": "positive", "clip/-": "negative"})


def markers(*pairs: tuple[float, str]) -> list[Marker]:
    return [Marker("m", stamp_s, text) for stamp_s, text in pairs]


def test_a_label_lasts_until_the_next_marker_whatever_it_says() -> None:
    found = segments_from_markers(markers((10, "clip/+"), (20, "pause"), (30, "clip/-"), (45, "clip/+")), SETTINGS)
    assert found == [Segment(10, 20, "positive"), Segment(30, 45, "negative"), Segment(45, math.inf, "positive")]


def test_a_duration_ends_a_label_early_but_never_after_the_next_marker() -> None:
    settings = SETTINGS.model_copy(update={"duration_s": 5.0})
    found = segments_from_markers(markers((10, "clip/+"), (12, "clip/-"), (30, "end")), settings)
    assert found == [Segment(10, 12, "positive"), Segment(12, 17, "negative")]


def test_markers_may_come_out_of_order_and_at_the_same_moment() -> None:
    found = segments_from_markers(markers((20, "end"), (10, "clip/+"), (10, "clip/-")), SETTINGS)
    assert found == [Segment(10, 20, "negative")]


def test_a_window_takes_a_label_only_if_it_lies_wholly_inside_one_segment() -> None:
    start = np.arange(0.0, 8.0)
    label, index = label_windows(start, start + 1, [Segment(0.5, 3.0, "a"), Segment(3.0, 5.5, "b")])
    assert label.tolist() == ["", "a", "a", "b", "b", "", "", ""]
    assert index.tolist() == [-1, 0, 0, 1, 1, -1, -1, -1]


def test_float_noise_at_an_edge_costs_no_window() -> None:
    label, _ = label_windows(np.array([1000.0]), np.array([1010.0]), [Segment(1000.0000000002, 1009.9999999998, "a")])
    assert label.tolist() == ["a"]


@given(
    edges=st.lists(st.floats(0, 100), min_size=2, max_size=8, unique=True),
    starts=st.lists(st.floats(0, 100), max_size=20),
    length=st.floats(0.1, 20),
)
def test_a_labelled_window_lies_inside_its_segment(edges: list[float], starts: list[float], length: float) -> None:
    edges = sorted(edges)
    segments = [Segment(a, b, "x") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    start = np.array(starts, dtype=float)
    label, index = label_windows(start, start + length, segments)
    for s, name, i in zip(start, label, index, strict=True):
        inside = [k for k, g in enumerate(segments) if g.start_s <= s and s + length <= g.stop_s]
        if inside:
            assert (name, i) == ("x", inside[0])
        elif i >= 0:
            assert segments[i].start_s - s < 2e-6
            assert s + length - segments[i].stop_s < 2e-6


def test_events_lie_beside_the_recording() -> None:
    assert events_path("a/sub-1_task.xdf") == Path("a/sub-1_task_events.tsv")
    assert events_path("a/x.fif.gz") == Path("a/x_events.tsv")
    assert events_path("a/run.1.xdf") == Path("a/run.1_events.tsv")


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(("onset\tduration\ttrial_type", *rows)) + "\n")
    return path


def test_onsets_count_from_the_first_sample(tmp_path: Path) -> None:
    path = write(tmp_path / "e.tsv", "30\t5\tneg", "0.5\t10\tpos", "12\t3\tother")
    found = read_events(path, ["positive", "neg"], {"pos": "positive"}, origin_s=1000.0)
    assert found == [Segment(1000.5, 1010.5, "positive"), Segment(1030.0, 1035.0, "neg")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["x\t5\ta"], "line 2: expected seconds in column 'onset', found 'x'"),
        (["1\t\ta"], "column 'duration'"),
        (["n/a\t1\ta"], "column 'onset'"),
        (["", "", "x\t5\ta"], "line 4: expected seconds"),
        (["1\t-2\ta"], "column 'duration'"),
        (["1\tinf\ta"], "column 'duration'"),
        (["1"], "column 'onset'|trial_type|duration"),
        (["0\t5\ta", "4\t5\ta"], "begins inside"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    path = write(tmp_path / "e.tsv", *rows)
    if rows == ["1"]:  # a short row has no trial_type, hence no label
        assert read_events(path, ["a"], {}, 0.0) == []
        return
    with pytest.raises(LabelError, match=said):
        read_events(path, ["a"], {}, 0.0)


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.tsv"
    path.write_text("time,label\n1,a\n")
    with pytest.raises(LabelError, match="expected the columns onset, duration, trial_type"):
        read_events(path, ["a"], {}, 0.0)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(LabelError, match="cannot be read"):
        read_events(path, ["a"], {}, 0.0)


def test_a_quotation_mark_is_a_letter_and_swallows_no_row(tmp_path: Path) -> None:
    path = tmp_path / "e.tsv"
    path.write_text('onset\tduration\ttrial_type\tnote\n1\t2\ta\t"hello\n5\t2\tb\tx"\n8\t1\t"a"\ty\n')
    assert read_events(path, ["a", "b"], {}, 0.0) == [Segment(1, 3, "a"), Segment(5, 7, "b")]


def test_blanks_around_a_trial_type_are_not_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "e.tsv", "1\t2\tjoy ", "5\t2\t clip/calm")
    assert [one.label for one in read_events(path, ["joy", "calm"], {"clip/calm": "calm"}, 0.0)] == ["joy", "calm"]


def test_a_labelled_row_of_unknown_duration_is_no_segment(tmp_path: Path) -> None:
    path = write(tmp_path / "e.tsv", "1\tn/a\ta", "2\t5\ta")
    assert read_events(path, ["a"], {}, 0.0) == [Segment(2, 7, "a")]


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.tsv"
    path.write_text("onset\tduration\ttrial_type\ttrial_type\n1\t2\ta\tb\n")
    with pytest.raises(LabelError, match="found twice trial_type"):
        read_events(path, ["a", "b"], {}, 0.0)


def test_a_segment_knows_its_trial(tmp_path: Path) -> None:
    path = tmp_path / "e.tsv"
    path.write_text("trial\tonset\tduration\ttrial_type\n3\t1\t2\ta\n 3 \t3\t2\ta\nn/a\t5\t2\ta\n\t7\t2\ta\n")
    assert [one.trial for one in read_events(path, ["a"], {}, 0.0)] == ["3", "3", "", ""]


def test_segments_of_one_trial_and_label_share_a_number() -> None:
    segments = [
        Segment(0, 2, "a", "1"),
        Segment(2, 4, "a", "2"),
        Segment(4, 6, "a", "1"),
        Segment(6, 8, "b", "1"),
        Segment(8, 10, "a"),
        Segment(10, 12, "a"),
    ]
    start = np.arange(0.0, 14.0, 2.0)
    label, trial = label_windows(start, start + 2, segments)
    assert label.tolist() == ["a", "a", "a", "b", "a", "a", ""]
    assert trial.tolist() == [0, 1, 0, 3, 4, 5, -1]
