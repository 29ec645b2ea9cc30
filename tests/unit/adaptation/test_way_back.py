"""A session that goes back to where calibration was, and learning that breaks: the frozen model's word counts again."""

from __future__ import annotations

import pytest
from numpy.testing import assert_array_equal
from tiny_adaptation import QUICK, Run, stream

from rtemo.adaptation.adapter import FROZEN, RESET, ROLLBACK, UPDATE


def test_a_recentring_by_which_usual_windows_are_novel_is_let_go() -> None:
    """Every window after the return is refused: nothing else would ever look at the recentring again."""
    run = Run(mode="recentre")
    for views in stream(120, seed=1, shift=3.0):
        run.see(views)
    moved = run.adapter.recentring
    assert moved.shift.any()
    # As strict as usual, from here on: what is moved once more the wrong way is novel.
    run.adapter._gates._settings = QUICK.model_copy(update={"max_novelty": 1.0})
    back = stream(80, seed=2)
    for views in back:
        run.see(views)
    assert [told["reason"] for told in run.told(RESET)] == ["usual without recentring"]
    assert not run.adapter.recentring.shift.any()
    again = stream(5, seed=3)
    for views in again:
        assert_array_equal(run.adapter.predict(views).probabilities, run.shadow.predict(views).probabilities)


@pytest.mark.parametrize("mode", ["guarded", "recentre"])
def test_learning_that_breaks_ends_the_learning_and_not_the_session(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(mode=mode)
    for views in stream(40, seed=4, shift=1.5):
        run.see(views)

    def broken() -> float:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(run.adapter._recentrer, "update", broken)
    for views in stream(12, seed=5):
        run.see(views)
    assert [told["reason"] for told in run.told(ROLLBACK)] == ["RuntimeError: out of memory"]
    assert [told["reason"] for told in run.told(FROZEN)] == ["RuntimeError: out of memory"]
    assert run.adapter.frozen
    updates = len(run.told(UPDATE))
    for views in stream(12, seed=6):
        assert_array_equal(run.see(views), run.shadow.predict(views).probabilities)
    assert len(run.told(UPDATE)) == updates
