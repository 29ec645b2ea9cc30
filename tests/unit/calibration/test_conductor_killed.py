"""A session that is killed at any moment, in the middle of whatever, is resumed and completed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_screen import REPORT, Sitting, check_complete, protocol_of

from calibration.attempts import TrialQuality
from calibration.journal import read_journal
from calibration.machine import Progress, fold
from calibration.scenes import Key

PROTOCOL = protocol_of(
    baseline_s=0.4, timing={"fixation_s": 0.2, "stimulus_s": 0.5, "rest_s": 0.3}, report={**REPORT, "timeout_s": 0.6}
)


@pytest.fixture(autouse=True, scope="module")
def _in_memory() -> Iterator[None]:
    """What a disk takes for itself would be most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rtemo.locked_lines.os.fsync", lambda descriptor: None)
        yield


COMMANDS = st.tuples(st.integers(0, 15), st.sampled_from(["pause", "resume", "redo", "skip", "abort"]))
GENTLE = st.tuples(st.integers(0, 15), st.sampled_from(["pause", "resume", "redo"]))
SIGNALS = st.lists(st.sampled_from(["good", "poor", "unknown"]), max_size=6)


@contextlib.contextmanager
def seated(folder: Path) -> Iterator[Sitting]:
    sitting = Sitting(folder, PROTOCOL)
    sitting.screen.answer_after_s = 0.3
    try:
        yield sitting
    finally:
        sitting.logbook.close()


def live(sitting: Sitting, orders: Sequence[tuple[int, str]], signals: Sequence[str]) -> None:
    """Go through a session with an unruly experimenter and signals that come and go."""
    left = list(signals)
    said: dict[tuple[float, float], TrialQuality | None] = {}

    def quality(start_s: float, stop_s: float) -> TrialQuality | None:
        if (start_s, stop_s) not in said:
            signal = left.pop() if left else "good"
            said[start_s, stop_s] = None if signal == "unknown" else TrialQuality(poor=signal == "poor")
        return said[start_s, stop_s]

    sitting.quality = quality
    sitting.screen.choose = lambda question: "repeat" if len(left) % 2 else "accept"
    for ticks, command in orders:
        sitting.tick(ticks)
        sitting.screen.tell(Key(command))  # type: ignore[arg-type]
    sitting.tick()
    sitting.conductor.resume()
    sitting.finish()


def done_before(progress: Progress) -> set[int]:
    return set(progress.done) | progress.skipped


@settings(max_examples=40)
@given(st.lists(GENTLE, max_size=8), SIGNALS, st.data())
def test_a_journal_cut_off_anywhere_leads_to_every_trial_accepted_once(
    orders: list[tuple[int, str]], signals: list[str], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with seated(folder) as first:
            live(first, orders, signals)
            check_complete(fold(read_journal(first.path)), first)
            path = first.path
        content = path.read_bytes()
        ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
        cut = data.draw(st.one_of(st.sampled_from(ends), st.integers(0, len(content))), "cut")
        path.write_bytes(content[:cut])
        before = fold(read_journal(path))
        with seated(folder) as second:
            shown_again = second.logbook.progress
            second.finish()
            progress = fold(read_journal(path))
            check_complete(progress, second)
        # What was accepted before the kill is not shown again.
        assert before.done.items() <= progress.done.items()
        assert all(a.trial not in before.done for a in progress.attempts[len(shown_again.attempts) :])
        assert path.read_bytes().startswith(content[: max([0, *(end for end in ends if end <= cut)])])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.lists(COMMANDS, max_size=6), SIGNALS, st.integers(0, 200)), max_size=4))
def test_sessions_that_are_killed_again_and_again_come_to_their_end(
    sittings: list[tuple[list[tuple[int, str]], list[str], int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        finished: set[int] = set()
        for orders, signals, torn in sittings:
            with seated(folder) as sitting:
                live(sitting, orders, signals)
                path = sitting.path
            content = path.read_bytes()
            path.write_bytes(content[: len(content) - min(torn, len(content))])
        with seated(folder) as last:
            last.finish()
            progress = fold(read_journal(last.path))
            finished = done_before(progress)
            assert finished == {trial.number for trial in last.plan}
            accepted = [a.trial for a in progress.attempts if a.accepted]
            assert len(accepted) == len(set(accepted))
            assert progress.interrupted is None
            assert len(progress.segments(progress.run)) <= len(last.plan)
