"""The state of a session as a fold over its journal."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.journal import KINDS, Entry, JournalError
from calibration.machine import Progress, Stage, allowed, fold


def entry(kind: str, stamp_s: float | None = None, **details: object) -> Entry:
    return Entry(kind, "2026-01-01T00:00:00+00:00", stamp_s, details)


SESSION = entry("session", participant="p", seed=3)
RUN_1, RUN_2 = (entry("run", number=n, recording=f"run-{n}.xdf") for n in (1, 2))
OPENING = (SESSION, RUN_1, entry("stage", stage="trials"))


def start(trial: int, attempt: int = 1, run: int = 1, *, practice: bool = False) -> Entry:
    return entry("trial-start", trial=trial, attempt=attempt, run=run, block="b", practice=practice, intended="calm")


def trial(number: int, attempt: int = 1, run: int = 1, *, accepted: bool = True, at_s: float = 10.0) -> list[Entry]:
    named = {"trial": number, "attempt": attempt}
    return [
        start(number, attempt, run),
        entry("fixation", at_s - 1, flip=True, planned_s=1.0, **named),
        entry("stimulus-on", at_s, flip=True, planned_s=5.0, **named),
        entry("stimulus-off", at_s + 5, flip=True, ended="time", **named),
        entry("answers", at_s + 6, answers={"valence": 7}, timed_out=False, **named),
        entry(
            "trial-end", label="calm", quality={"poor": not accepted}, accepted=accepted, reason="poor signal", **named
        ),
    ]


def at_stage(*stages: str) -> list[Entry]:
    return [SESSION, RUN_1, *(entry("stage", stage=stage) for stage in stages)]


def test_an_accepted_trial_is_a_segment_of_its_run() -> None:
    progress = fold([*OPENING, *trial(1)])
    (segment,) = progress.segments(1)
    assert (segment.start_s, segment.stop_s, segment.label, segment.answers) == (10.0, 15.0, "calm", {"valence": 7})
    assert progress.segments(2) == []
    assert progress.done == {1: 1}
    assert progress.attempt(1) == 1
    assert progress.attempt(2) == 0


def test_a_trial_with_a_poor_signal_and_one_that_is_void_are_no_segments() -> None:
    void = entry("trial-void", trial=2, attempt=1, reason="redo")
    progress = fold([*OPENING, *trial(1, accepted=False), *trial(2), void])
    assert progress.segments(1) == []
    assert progress.done == {}
    assert [attempt.void for attempt in progress.attempts] == ["poor signal", "redo"]


def test_a_trial_that_was_cut_off_is_interrupted_until_it_is_void() -> None:
    cut = fold([*OPENING, *trial(1), *trial(2)[:3], RUN_2, entry("stage", stage="check")])
    assert cut.interrupted is not None
    assert cut.interrupted.trial == 2
    resumed = cut.after(entry("trial-void", trial=2, attempt=1, reason="interrupted"))
    assert resumed.interrupted is None
    assert resumed.done == {1: 1}


def test_the_fold_is_the_same_from_any_entry_on() -> None:
    entries = [*OPENING, *trial(1), *trial(2, accepted=False), *trial(2, 2), entry("paused", 30.0), entry("resumed")]
    for i in range(len(entries)):
        progress = fold(entries[:i])
        for one in entries[i:]:
            progress = progress.after(one)
        assert progress == fold(entries)


def test_segments_come_in_order_of_time() -> None:
    progress = fold([*OPENING, *trial(1, at_s=100.0), *trial(2, at_s=20.0)])
    assert [segment.trial for segment in progress.segments(1)] == [2, 1]


def test_stages_follow_each_other_as_allowed() -> None:
    paths = {
        Stage.CHECK: [],
        Stage.BASELINE: ["baseline"],
        Stage.TRIALS: ["trials"],
        Stage.TRAIN: ["trials", "train"],
        Stage.VERIFY: ["trials", "train", "verify"],
        Stage.DONE: ["trials", "train", "verify", "done"],
    }
    for stage, to in itertools.product(Stage, Stage):
        before = fold(at_stage(*paths[stage]))
        assert before.stage is stage
        if allowed(stage, to):
            assert before.after(entry("stage", stage=to.value)).stage is to
        else:
            with pytest.raises(JournalError, match="cannot follow"):
                before.after(entry("stage", stage=to.value))


def test_a_session_can_be_checked_anew_from_anywhere() -> None:
    assert [stage for stage in Stage if not allowed(stage, Stage.CHECK)] == [Stage.CHECK]


def test_a_run_is_complete_where_training_follows_its_trials() -> None:
    check, train, stopped = entry("stage", stage="check"), entry("stage", stage="train"), entry("stopped", reason="x")
    assert fold([*OPENING, train]).completed == {1}
    assert fold([*OPENING, stopped, train]).completed == set()
    assert fold([*OPENING, check, train]).completed == set()
    again = [check, RUN_2, entry("stage", stage="trials"), train]
    assert fold([*OPENING, *again]).completed == {2}
    assert fold([*OPENING, train, *again]).completed == {1, 2}


def test_why_a_run_was_stopped_is_kept_until_the_next_one() -> None:
    progress = fold([*OPENING, entry("stopped", reason="media", text="a.mp4: broken")])
    assert (progress.stopped, progress.stopped_text) == ("media", "a.mp4: broken")
    after = progress.after(RUN_2)
    assert (after.stopped, after.stopped_text) == (None, "")


def test_trials_without_a_label_are_counted_but_not_those_of_practice() -> None:
    def unlabelled(number: int, *, practice: bool) -> list[Entry]:
        entries = trial(number, at_s=100.0 * number)
        no_label = entry("trial-end", trial=number, attempt=1, label=None, quality={}, accepted=True, reason="")
        return [start(number, practice=practice), *entries[1:-1], no_label]

    assert fold([*OPENING, *trial(1)]).unlabelled == 0
    progress = fold([*OPENING, *trial(1), *unlabelled(2, practice=False), *unlabelled(3, practice=True)])
    assert progress.unlabelled == 1


def test_an_extension_is_counted() -> None:
    progress = fold(
        [*OPENING, entry("extended", number=2, plan_sha256="a"), entry("extended", number=3, plan_sha256="b")]
    )
    assert progress.passes == 3
    assert progress.extended == ("a", "b")


ON, OFF, END = trial(1)[2], trial(1)[3], trial(1)[5]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([RUN_1], "opened by one entry"),
        ([SESSION, SESSION], "opened by one entry"),
        ([entry("session")], "'participant'"),
        ([SESSION, RUN_2], "cannot follow run 0"),
        ([SESSION, RUN_1, RUN_1], "cannot follow run 1"),
        ([SESSION, entry("run", number="1", recording="x")], "whole number"),
        ([SESSION, entry("run", number=True, recording="x")], "whole number"),
        ([SESSION, entry("stage", stage="dance")], "no stage"),
        ([*OPENING, start(1), entry("stage", stage="train")], "in the middle of trial 1"),
        ([*OPENING, entry("baseline", start_s=0.0, stop_s=1.0)], "in stage 'trials'"),
        ([*at_stage("baseline"), entry("baseline", start_s=2.0, stop_s=1.0)], "ends before"),
        ([*at_stage("baseline"), start(1)], "in stage 'baseline'"),
        ([*OPENING, start(1, run=2)], "run 2"),
        ([*OPENING, start(1), start(2)], "inside trial 1"),
        ([*OPENING, start(1, attempt=2)], "attempt 2 of trial 1"),
        ([*OPENING, *trial(1), start(1, attempt=2)], "attempt 2 of trial 1"),
        ([*OPENING, entry("stopped", reason="closed"), start(1)], "was stopped"),
        ([*OPENING, ON], "never begun"),
        ([*OPENING, start(1), ON, ON], "shown already"),
        ([*OPENING, start(1), OFF], "is not shown"),
        ([*OPENING, start(1), ON, OFF, OFF], "is not shown"),
        ([*OPENING, start(1), ON, entry("stimulus-off", 9.0, trial=1, attempt=1, flip=True)], "not by then"),
        ([*OPENING, start(1), entry("stimulus-on", trial=1, attempt=1, flip=True)], "'stamp_s' is missing"),
        ([*OPENING, start(1), ON, END], "its stimulus did not"),
        ([*OPENING, *trial(1), END], "ended already"),
        ([*OPENING, start(1), entry("answers", trial=1, attempt=1, answers={"x": [1]})], "a number or a text"),
        ([*OPENING, *trial(1), *[entry("trial-void", trial=1, attempt=1, reason="redo")] * 2], "void already"),
        ([*OPENING, entry("resumed")], "without a pause"),
        ([*OPENING, entry("paused"), entry("paused")], "paused twice"),
        ([*OPENING, entry("stopped")], "'reason'"),
        ([*OPENING, entry("stopped", reason="x", text=3)], "'text'"),
        ([*OPENING, entry("extended", number=3, plan_sha256="a")], "cannot follow pass 1"),
        ([*OPENING, entry("extended", number=2)], "'plan_sha256'"),
        ([*OPENING, start(1), entry("extended", number=2, plan_sha256="a")], "in the middle of trial 1"),
    ],
)
def test_what_cannot_have_happened_is_refused(entries: list[Entry], reason: str) -> None:
    with pytest.raises(JournalError, match=reason):
        fold(entries)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["trials", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=3,
)
NAMES = ("number", "recording", "stage", "trial", "attempt", "run", "practice", "answers", "accepted", "reason", "flip")
ENTRIES = st.builds(
    lambda kind, stamp_s, details: Entry(kind, "", stamp_s, details),
    st.sampled_from(KINDS),
    st.none() | st.floats(0, 100),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6),
)


@given(st.lists(ENTRIES, max_size=4))
def test_any_entries_are_folded_or_refused(entries: Iterable[Entry]) -> None:
    try:
        progress = fold([*OPENING, start(1), *entries])
    except JournalError:
        return
    assert isinstance(progress, Progress)
    assert progress.segments(1) is not None
