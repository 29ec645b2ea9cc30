"""What in the plan of the recordings could pass for the labels is told; plans that are shuffled well are let be."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.training.plan import confounds

ONE = "All trials of a label follow one another"
MORE = "Trials of a label follow one another more"
EARLIER = "Some label comes earlier"
ALONE = "Every recording holds trials of one label alone"


def told(order: str, *, recordings: list[int] | None = None) -> tuple[str, ...]:
    label = np.array(["ABC".index(letter) for letter in order])
    place = np.repeat(np.arange(len(recordings)), recordings) if recordings else np.zeros(len(label), dtype=np.int64)
    return confounds("ABC", label, place, np.arange(len(label)) * 10.0)


@pytest.mark.parametrize(
    ("order", "recordings", "begins"),
    [
        ("AAAAABBBBB", None, ONE),
        ("AAABBBAAABBB", [6, 6], ONE),
        ("AAAAAABBBBBBA", None, MORE),
        ("AAABBBAAABBBAAABBB", None, MORE),
        ("AAABBBCCCAAABBBCCC", None, MORE),
        ("ABCABCABCABCABC", [3] * 5, EARLIER),
        ("AABAABAABABBABBABBBB", None, EARLIER),
        ("AAABBB", [3, 3], ALONE),
        ("ABABABABABCCCCC", [10, 5], "Recordings with trials of C hold no other label"),
        ("ABABABACCBCBCBBC", [7, 9], "Labels are shared out unequally among the recordings"),
        ("AAAABAAAABBBBBABBBBA", [10, 10], "Labels are shared out unequally among the recordings"),
    ],
)
def test_what_could_pass_for_the_labels_is_told(order: str, recordings: list[int] | None, begins: str) -> None:
    assert any(sentence.startswith(begins) for sentence in told(order, recordings=recordings)), told(
        order, recordings=recordings
    )


@pytest.mark.parametrize(
    ("order", "recordings"),
    [("ABABABABAB", None), ("ABBABAABBA", None), ("ABCBCACABACB", [6, 6]), ("ABCCBABCABAC", None), ("AB", None)],
)
def test_a_plan_that_is_mixed_well_is_let_be(order: str, recordings: list[int] | None) -> None:
    assert told(order, recordings=recordings) == ()


def test_the_order_is_that_of_time_whatever_the_numbers_of_the_trials() -> None:
    label = np.array([0, 1] * 5)
    start_s = np.where(label == 0, 0.0, 100.0) + np.arange(10)
    found = confounds("AB", label, np.zeros(10, dtype=np.int64), start_s)
    assert found[0].startswith(ONE)


def test_few_plans_that_are_shuffled_are_held_against_a_calibration() -> None:
    rng = np.random.default_rng(0)
    told_of = [
        bool(confounds("ABC", rng.permutation(np.arange(15) % 3), np.zeros(15, dtype=np.int64), np.arange(15.0)))
        for _ in range(100)
    ]
    assert np.mean(told_of) <= 0.12
