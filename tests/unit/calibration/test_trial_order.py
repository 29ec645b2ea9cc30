"""The order of trials under its constraints."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.protocol import Protocol
from calibration.schedule import plan_sha256, planned, planned_passes
from rtemo.errors import ConfigurationError

Labels = list[list[str | None]]


def trials_of(block: list[str | None], b: int) -> list[dict[str, Any]]:
    labels: list[dict[str, Any]] = [{} if label is None else {"label": label} for label in block]
    return [{**label, "stimulus": {"kind": "text", "text": f"{b} {i}"}} for i, label in enumerate(labels)]


def protocol_of(
    blocks: Labels, shuffle: str = "within-blocks", *, practice: int = 0, no_repeat: bool = True
) -> Protocol:
    return Protocol.model_validate(
        {
            "name": "x",
            "instructions": "x",
            "timing": {"stimulus_s": 1.0},
            "order": {"shuffle": shuffle, "no_repeat": no_repeat},
            "report": {"scales": ["valence"]},
            "labels": {"rule": "threshold", "scale": "valence", "low": "l", "high": "h"},
            "blocks": [
                {"name": f"block {b}", "practice": b < practice, "trials": trials_of(block, b)}
                for b, block in enumerate(blocks)
            ],
        }
    )


def keeps(order: tuple[str | None, ...]) -> bool:
    return all(a is None or a != b for a, b in itertools.pairwise(order))


def orders(blocks: Labels) -> set[tuple[str | None, ...]]:
    """Every order that keeps the constraint, by trying all of them."""
    each = [set(itertools.permutations(block)) for block in blocks]
    joined = (tuple(itertools.chain(*parts)) for parts in itertools.product(*each))
    return {order for order in joined if keeps(order)}


SMALL = st.lists(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=300)
@given(SMALL, st.integers(0, 2**63 - 1))
def test_an_order_is_found_exactly_where_there_is_one(blocks: Labels, seed: int) -> None:
    possible = orders(blocks)
    if not possible:
        with pytest.raises(ConfigurationError, match="no_repeat cannot be kept"):
            planned(protocol_of(blocks), seed)
        return
    assert tuple(trial.label for trial in planned(protocol_of(blocks), seed)) in possible


@pytest.mark.parametrize("blocks", [[["a", "a", "b", None]], [["a", "b"], ["a", "b", "b"]], [["a", "b", "c"], ["c"]]])
def test_every_order_can_come(blocks: Labels) -> None:
    found = {tuple(trial.label for trial in planned(protocol_of(blocks), seed)) for seed in range(200)}
    assert found == orders(blocks)


@given(SMALL, st.integers(0, 1000), st.sampled_from(["none", "within-blocks", "all"]))
def test_every_trial_is_planned_once(blocks: Labels, seed: int, shuffle: str) -> None:
    plan = planned(protocol_of(blocks, shuffle, no_repeat=False), seed)
    texts = [trial.stimulus.text for trial in plan]
    expected = [f"{b} {i}" for b, block in enumerate(blocks) for i in range(len(block))]
    assert sorted(map(str, texts)) == sorted(expected)
    assert [trial.number for trial in plan] == list(range(1, len(plan) + 1))
    if shuffle == "none":
        assert texts == expected
    if shuffle == "within-blocks":
        assert [trial.block for trial in plan] == sorted(trial.block for trial in plan)


def test_the_same_seed_gives_the_same_order_and_another_one_another() -> None:
    protocol = protocol_of([["a", "b", "c"] * 6])
    hashes = {plan_sha256(planned(protocol, seed)) for seed in range(10)}
    assert len(hashes) == 10
    assert plan_sha256(planned(protocol, 3)) in hashes


def test_shuffling_all_mixes_blocks_behind_practice() -> None:
    blocks: Labels = [["a"], ["a"] * 4, ["b"] * 4]
    plan = planned(protocol_of(blocks, "all", practice=1), 1)
    assert plan[0].practice
    assert keeps(tuple(trial.label for trial in plan[1:]))
    assert Counter(trial.block for trial in plan) == {"block 0": 1, "block 1": 4, "block 2": 4}


def test_what_follows_practice_may_repeat_its_label() -> None:
    plan = planned(protocol_of([["a"], ["a", "b", "a"]], practice=1), 1)
    assert [trial.label for trial in plan] == ["a", "a", "b", "a"]


def test_equal_trials_come_first_to_last_in_any_order() -> None:
    protocol = protocol_of([["a", "b"] * 3])
    firsts = {planned(protocol, seed)[0].stimulus.text for seed in range(60)}
    assert firsts == {f"0 {i}" for i in range(6)}


def test_a_label_with_more_than_half_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"4 of 6 have the label 'a'.*no_repeat = false"):
        planned(protocol_of([["a"] * 4 + ["b"] * 2]), 1)


def test_a_block_that_must_begin_as_the_one_before_must_end_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"'block 0'.*'b' must not come last"):
        planned(protocol_of([["b"], ["b", "a", "b"]]), 1)


def test_a_written_order_that_repeats_a_label_is_told() -> None:
    with pytest.raises(ConfigurationError, match="twice in a row"):
        planned(protocol_of([["a", "b"], ["b", "a"]], "none"), 1)
    words: dict[str, Any] = planned(protocol_of([["a", "b"], ["a", "b"]], "none"), 1)[3].stimulus.model_dump()
    assert words["text"] == "1 1"


def test_a_further_pass_shows_all_trials_but_those_of_practice_in_another_order() -> None:
    protocol = protocol_of([["a", "b"], ["a", "b"] * 10], practice=1)
    first, longer = planned(protocol, 5), planned_passes(protocol, 5, 3)
    assert planned_passes(protocol, 5, 1) == first
    assert longer[:22] == planned_passes(protocol, 5, 2)[:22] == first
    assert [trial.number for trial in longer] == list(range(1, 63))
    passes = [[trial.stimulus.text for trial in longer[start : start + 20]] for start in (2, 22, 42)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(passes[2])
    assert passes[0] != passes[1] != passes[2]
    assert not any(trial.practice for trial in longer[22:])


def test_a_large_session_is_planned_at_once() -> None:
    plan = planned(protocol_of([[f"label {i % 20}" for i in range(1000)]]), 1)
    assert keeps(tuple(trial.label for trial in plan))
