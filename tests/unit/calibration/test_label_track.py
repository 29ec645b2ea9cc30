"""A track: what can be done to segments, and that nothing makes two labels of one moment."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.labels.edits import deleted, labelled
from calibration.labels.history import MOST_STEPS, History
from calibration.labels.track import LabelSegment, LabelTrack, checked_label, seconds
from rtemo.errors import LabelError


def track(*stretches: tuple[float, float, str]) -> LabelTrack:
    return LabelTrack(tuple(LabelSegment(*one) for one in stretches))


def stretches(of: LabelTrack) -> list[tuple[float, float, str]]:
    return [(one.start_s, one.stop_s, one.label) for one in of.segments]


THREE = track((10, 20, "sad"), (20, 30, "joy"), (40, 50, "joy"))


def test_segments_are_in_order_however_they_came() -> None:
    assert stretches(track((5, 6, "b"), (1, 2, "a"))) == [(1, 2, "a"), (5, 6, "b")]


def test_a_segment_is_added_where_there_is_room() -> None:
    assert stretches(THREE.add(LabelSegment(30, 40, "calm")))[2] == (30, 40, "calm")


def test_an_overlap_is_refused_and_says_with_what() -> None:
    with pytest.raises(LabelError, match=r"calm from 29\.5 to 35 s would overlap joy from 20 to 30 s.*shorten"):
        THREE.add(LabelSegment(29.5, 35, "calm"))


@pytest.mark.parametrize(("start_s", "stop_s"), [(3, 3), (5, 4), (math.nan, 3), (1, math.inf), (-1e12, 0)])
def test_a_stretch_that_is_none_is_refused(start_s: float, stop_s: float) -> None:
    with pytest.raises(LabelError, match="expected"):
        THREE.add(LabelSegment(start_s, stop_s, "joy"))


def test_an_edge_moves_up_to_its_neighbour() -> None:
    assert THREE.room(1) == (20, 40)
    assert stretches(THREE.move(1, stop_s=40))[1] == (20, 40, "joy")
    with pytest.raises(LabelError, match="would overlap"):
        THREE.move(1, stop_s=40.1)


def test_a_segment_is_split_and_both_halves_keep_what_was_known() -> None:
    whole = LabelTrack((LabelSegment(0, 10, "joy", {"trial": "7"}),))
    halves = whole.split(0, 4)
    assert stretches(halves) == [(0, 4, "joy"), (4, 10, "joy")]
    assert [one.cells["trial"] for one in halves.segments] == ["7", "7"]
    for outside in (0, 10, 11):
        with pytest.raises(LabelError, match="does not lie inside"):
            whole.split(0, outside)


@pytest.mark.parametrize("known", [{}, {"trial": "n/a"}, {"trial": ""}, {"trial": " "}])
def test_halves_of_a_segment_without_a_trial_become_one_trial_of_their_own(known: dict[str, str]) -> None:
    others = (LabelSegment(20, 30, "joy", {"trial": "7"}), LabelSegment(40, 50, "joy", {"trial": "x"}))
    halves = LabelTrack((LabelSegment(0, 10, "joy", known), *others)).split(0, 4)
    assert [one.cells["trial"] for one in halves.segments] == ["8", "8", "7", "x"]
    again = halves.split(1, 6)
    assert [one.cells["trial"] for one in again.segments] == ["8", "8", "8", "7", "x"]


def test_segments_of_one_label_are_merged_with_what_lies_between() -> None:
    assert stretches(THREE.merge(1)) == [(10, 20, "sad"), (20, 50, "joy")]
    with pytest.raises(LabelError, match="different labels"):
        THREE.merge(0)
    with pytest.raises(LabelError, match="no segment follows"):
        THREE.merge(2)


def test_merged_segments_keep_what_both_say() -> None:
    both = LabelTrack(
        (
            LabelSegment(0, 1, "a", {"trial": "1", "valence": "7"}),
            LabelSegment(1, 2, "a", {"trial": "2", "valence": "7"}),
        )
    )
    assert both.merge(0).segments[0].cells == {"valence": "7"}


def test_another_label_forgets_what_the_file_called_the_old_one() -> None:
    aliased = LabelTrack((LabelSegment(0, 1, "joy", {"trial_type": "clip/joy", "trial": "1"}),))
    assert aliased.relabel(0, "sad").segments[0].cells == {"trial": "1"}
    assert aliased.relabel(0, "n/a").segments[0].label == ""


def test_overlaps_of_a_file_are_held_and_can_be_mended_but_not_made_worse() -> None:
    bad = track((0, 10, "a"), (8, 20, "b"), (30, 40, "c"))
    assert bad.overlaps() == [(0, 1, 2)]
    assert bad.move(0, stop_s=9).overlaps() == [(0, 1, 1)]
    assert bad.move(0, stop_s=8).overlaps() == []
    with pytest.raises(LabelError, match="would overlap"):
        bad.move(0, stop_s=11)


def test_a_number_that_there_is_not_is_refused_in_the_users_count() -> None:
    for number in (-1, 3):
        with pytest.raises(LabelError, match=rf"no segment has the number {number + 1}: there are 3"):
            THREE.delete(number)


@pytest.mark.parametrize("label", ["a\tb", "a\nb", "\x1b[31m", "x" * 201])
def test_a_label_that_a_file_cannot_hold_is_refused(label: str) -> None:
    with pytest.raises(LabelError, match="cannot be a label"):
        checked_label(label)


def test_a_script_labels_a_stretch_or_gives_the_same_stretch_another_label() -> None:
    assert len(labelled(THREE, 60, 70, "sad")) == 4
    again = labelled(THREE, 20.0004, 29.9996, "sad", labels=["sad", "joy"])
    assert stretches(again)[1] == (20, 30, "sad")
    with pytest.raises(LabelError, match="not among the labels sad, joy"):
        labelled(THREE, 60, 70, "jou", labels=["sad", "joy"])
    with pytest.raises(LabelError, match="would overlap"):
        labelled(THREE, 25, 35, "joy")


def test_deleting_counts_all_numbers_before() -> None:
    assert stretches(deleted(THREE, [0, 1, 1])) == [(40, 50, "joy")]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_written_seconds_touch_where_edges_do(first: float, second: float) -> None:
    low, high = sorted((round(first, 6), round(second, 6)))
    assert float(seconds(low)) == pytest.approx(low, abs=6e-7)
    assert float(seconds(high)) - float(seconds(low)) == pytest.approx(high - low, abs=2e-6)


@given(st.lists(st.tuples(st.sampled_from("amsrdg"), st.integers(0, 9), st.floats(0, 100), st.floats(0, 100))))
def test_no_operation_ever_makes_an_overlap(steps: list[tuple[str, int, float, float]]) -> None:
    now = THREE
    for what, number, one, other in steps:
        try:
            now = {
                "a": lambda n, a, b, at=now: at.add(LabelSegment(a, b, "joy")),
                "m": lambda n, a, b, at=now: at.move(n, start_s=a, stop_s=b),
                "s": lambda n, a, b, at=now: at.split(n, a),
                "r": lambda n, a, b, at=now: at.relabel(n, "sad" if a < b else "joy"),
                "d": lambda n, a, b, at=now: at.delete(n),
                "g": lambda n, a, b, at=now: at.merge(n),
            }[what](number, one, other)
        except LabelError:
            continue
        assert now.overlaps() == []
        assert all(segment.stop_s > segment.start_s for segment in now.segments)


def test_history_goes_there_and_back() -> None:
    history = History(THREE)
    assert (history.undoes, history.redoes, history.unsaved) == ("", "", False)
    history.do(THREE.delete(0), "delete")
    history.do(history.track.delete(0), "delete again")
    assert history.unsaved
    assert history.undo() == "delete again"
    assert history.undo() == "delete"
    assert history.undo() == ""
    assert history.track == THREE
    assert not history.unsaved
    assert history.redo() == "delete"
    history.do(history.track.delete(0), "something else")
    assert history.redoes == ""
    history.mark_saved()
    assert not history.unsaved
    history.undo()
    assert history.unsaved


def test_what_changes_nothing_is_no_step() -> None:
    history = History(THREE, saved=False)
    history.do(THREE.relabel(1, "joy"), "joy")
    assert history.undoes == ""
    assert history.unsaved


def test_history_has_an_end() -> None:
    history = History(THREE)
    for number in range(MOST_STEPS + 5):
        history.do(THREE.move(2, stop_s=51 + number), "longer")
    undone = 0
    while history.undo():
        undone += 1
    assert undone == MOST_STEPS - 1
