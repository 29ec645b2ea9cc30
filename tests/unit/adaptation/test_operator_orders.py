"""Pause, resume and reset of adaptation: what each leaves as it is, and that a log replays them to the last bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from adaptable import Session, session_windows, small_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tiny_adaptation import Run, stream

from rtemo.adaptation.account import Account
from rtemo.adaptation.adapter import FROZEN, PAUSED, RESET, RESUMED, ROLLBACK, START, UPDATE
from rtemo.adaptation.log import read_adaptation_log
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.clock import VirtualClock
from rtemo.config import AdaptationSettings
from rtemo.live.late import RememberingAdapter
from rtemo.live.worker import Asked, ModelWorker
from rtemo.model.labelled import LabelledWindows
from rtemo.model.trained import TrainedModel
from rtemo.outputs.events import Event
from rtemo.types import FeatureWindow, Prediction

CLOCK = VirtualClock(100.0)
Made = tuple[TrainedModel, LabelledWindows]
ORDERS = ("pause", "resume", "reset")


@pytest.fixture(scope="module")
def made() -> Made:
    return small_model()


def windows(count: int = 24, first: int = 0) -> list[FeatureWindow]:
    """Of a session that has drifted, with nothing amiss in the signal."""
    return [
        dataclasses.replace(
            window,
            index=window.index + first,
            quality={},
            features={view: x + 4.0 for view, x in window.features.items()},
        )
        for window in session_windows(count)
    ]


def written(path: Path, session: Session) -> Path:
    path.write_text("".join(Event(1.0, kind, details).as_json() + "\n" for kind, details in session.events))
    return path


def play(session: Session, given: list[FeatureWindow], orders: dict[int, list[str]]) -> list[Prediction]:
    """Predict windows and learn from them; orders come after the windows by which they stand, or before all (-1)."""
    said = []
    for order in orders.get(-1, []):
        session.adapter.order(order)
    for at, window in enumerate(given):
        said.append(session.predictor.predict(window, CLOCK))
        session.predictor.learn(window, said[-1])
        for order in orders.get(at, []):
            session.adapter.order(order)
    return said


def replayed(made: Made, path: Path, given: list[FeatureWindow]) -> tuple[Session, list[Prediction]]:
    log = read_adaptation_log(path)
    session = Session(made, log.settings, seed=log.seed, wrap=lambda adapter: LoggedAdapter(adapter, log))
    said = [play(session, [window], {})[0] for window in given]
    return session, said


def assert_same(one: list[Prediction], other: list[Prediction]) -> None:
    for a, b in zip(one, other, strict=True):
        for name in ("index", "label", "probabilities", "spread", "contributions", "shadow"):
            assert_array_equal(getattr(a, name), getattr(b, name), err_msg=f"{name} of window {a.index}")


def test_while_it_is_paused_nothing_is_learnt_and_what_was_learnt_goes_on_predicting(made: Made) -> None:
    session, given = Session(made), windows(24)
    said = play(session, given, {9: ["pause"], 17: ["resume"]})
    (paused,), (resumed,) = session.windows_of(PAUSED), session.windows_of(RESUMED)
    assert (paused, resumed) == (109, 117)
    updates = session.windows_of(UPDATE, ROLLBACK)
    assert updates[:5] == [101, 103, 105, 107, 109]
    assert updates[5:] == [119, 121, 123]
    # Adapted, and not the frozen model; and the same before and after for the same window.
    assert not np.array_equal(said[12].probabilities, said[12].shadow)
    again = Session(made)
    play(again, given[:10], {9: ["pause"]})
    assert_array_equal(again.predictor.predict(given[15], CLOCK).probabilities, said[15].probabilities)


@pytest.mark.parametrize("mode", ["recentre", "guarded"])
def test_after_a_reset_a_session_learns_as_if_it_began(made: Made, mode: str) -> None:
    chosen = Session(made).adapter._settings.model_copy(update={"mode": mode})
    session, fresh, given = Session(made, chosen), Session(made, chosen), windows(44)
    play(session, given[:19], {18: ["reset"]})
    digests = {kind: details["digest"] for kind, details in session.events if "digest" in details}
    assert digests[RESET] == digests[START]
    assert digests[UPDATE] != digests[START]
    assert_same(play(session, given[19:], {}), play(fresh, given[19:], {}))
    since = session.events[[kind for kind, _ in session.events].index(RESET) + 1 :]
    told = [(kind, details.get("digest")) for kind, details in fresh.events[1:]]
    assert [(kind, details.get("digest")) for kind, details in since] == told
    assert len(told) > 10


def test_a_reset_leaves_a_frozen_session_frozen_and_says_so() -> None:
    run = Run(max_rollbacks=1, learning_rate=0.1, max_drift=1e-9)
    for views in stream(12, seed=3):
        run.see(views)
    assert run.told(FROZEN)
    before = run.adapter.digest()
    for order in ("reset", "pause", "resume"):
        assert run.adapter.order(order) == ""
    assert [details["frozen"] for kind in (RESET, PAUSED, RESUMED) for details in run.told(kind)] == [True] * 3
    assert run.adapter.digest() == before == run.told(START)[0]["digest"]
    updates = len(run.told(UPDATE))
    for views in stream(12, seed=4):
        run.see(views)
    assert (run.adapter.frozen, len(run.told(UPDATE))) == (True, updates)


def test_what_is_so_already_is_refused_in_words(made: Made) -> None:
    adapter = Session(made).adapter
    assert adapter.order("resume") == "adaptation is not paused"
    assert adapter.order("pause") == ""
    assert adapter.order("pause") == "adaptation is paused already"
    assert adapter.order("reset") == ""
    assert adapter.paused


ASKED = st.dictionaries(st.integers(-1, 13), st.lists(st.sampled_from(ORDERS), min_size=1, max_size=3), max_size=5)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ASKED, st.sampled_from(["recentre", "guarded"]))
def test_a_log_replays_whatever_an_operator_asked_to_the_last_bit(
    made: Made, tmp_path: Path, orders: dict[int, list[str]], mode: str
) -> None:
    given = windows(14)
    chosen = AdaptationSettings(mode=mode, every=2, min_confidence=0.0, max_novelty=1e6, batch=4, learning_rate=1e-2)
    live = Session(made, chosen, seed=5)
    said = play(live, given, orders)
    log = written(tmp_path / "events.jsonl", live)
    session, again = replayed(made, log, given)
    assert session.adapter.warnings() == []
    assert_same(said, again)
    assert [(kind, details) for kind, details in session.events] == live.events
    # The events of a replay are a log again: the same one.
    assert written(tmp_path / "again.jsonl", session).read_bytes() == log.read_bytes()


def test_orders_between_windows_that_wait_or_are_skipped_are_replayed(made: Made, tmp_path: Path) -> None:
    """In the model's thread, whatever the moment at which they come."""
    given = windows(40)
    live = Session(made, seed=3)
    skipped: list[tuple[int, int]] = []
    kept: list[Prediction] = []

    class Kept:
        def write(self, prediction: Prediction) -> None:
            kept.append(prediction)

    remembered = RememberingAdapter(live.adapter, live._take, windows=100)
    live.predictor._adapter = remembered
    refused: list[str] = []
    worker = ModelWorker(
        live.predictor,
        [Kept()],
        clock=CLOCK,
        on_error=lambda error: refused.append(repr(error)),
        on_skip=lambda passed: skipped.append((passed[0].index, passed[-1].index)),
        remembered=remembered,
    )
    # All at once: thirty windows, of which many are passed over, between orders that overtake some of them.
    worker.ask(Asked("pause", "lab", refused.append))
    worker.ask(Asked("resume", "lab", refused.append))
    worker.offer(given[:6])
    worker.ask(Asked("pause", "lab", refused.append))
    worker.offer(given[6:30])
    worker.ask(Asked("resume", "lab", refused.append))
    worker.ask(Asked("resume", "lab", refused.append))
    worker.start()
    for window in given[30:36]:
        worker.offer([window])
    worker.ask(Asked("reset", "lab", refused.append))
    worker.offer(given[36:])
    worker.stop()
    assert refused == ["adaptation is not paused"]
    assert skipped
    orders = [details for kind, details in live.events if kind in (PAUSED, RESUMED, RESET)]
    assert len(orders) == 5
    assert all(details["operator"] == "lab" for details in orders)
    for first, last in skipped:
        live._take("windows-skipped", {"windows": last - first + 1, "first_window": first, "last_window": last})
    session, said = replayed(made, written(tmp_path / "events.jsonl", live), given)
    assert session.adapter.warnings() == []
    passed_over = {index for first, last in skipped for index in range(first, last + 1)}
    known = [prediction.index not in passed_over for prediction in said]
    assert_same([p for p, k in zip(kept, known, strict=True) if k], [p for p, k in zip(said, known, strict=True) if k])


def test_without_an_adapter_orders_are_refused() -> None:
    refused: list[str] = []
    worker = ModelWorker(None, [], clock=CLOCK, on_error=print, on_skip=print)  # type: ignore[arg-type]
    worker.ask(Asked("pause", "lab", refused.append))
    worker.start()
    worker.stop()
    assert refused == ["nothing adapts"]


def test_an_order_that_gives_something_else_is_named_and_one_that_never_comes_too(made: Made, tmp_path: Path) -> None:
    live, given = Session(made), windows(24)
    play(live, given, {9: ["reset"], 20: ["pause"]})
    path = written(tmp_path / "events.jsonl", live)
    log = read_adaptation_log(path)
    assert [(order.window, order.what) for order in log.orders] == [(109, "reset"), (120, "pause")]
    forged = dataclasses.replace(log, orders=[dataclasses.replace(log.orders[0], digest="0" * 16), log.orders[1]])
    session = Session(made, wrap=lambda adapter: LoggedAdapter(adapter, forged))
    play(session, given[:15], {})
    assert session.adapter.differs_after == 109
    assert "1 orders of the operator are of windows that did not come" in session.adapter.warnings()[-1]
    # After a window that the recording lacks, it is done before the next one.
    session = Session(made, wrap=lambda adapter: LoggedAdapter(adapter, log))
    play(session, given[:9] + given[10:15], {})
    assert session.windows_of(RESET) == [108]


def test_where_the_line_of_a_resume_was_lost_the_replay_learns_on_and_says_that_it_may_differ(
    made: Made, tmp_path: Path
) -> None:
    live, given = Session(made), windows(36)
    play(live, given, {9: ["pause"], 12: ["resume"]})
    live.events = [(kind, details) for kind, details in live.events if kind != RESUMED]
    live.events.append(("events-recovered", {"kept": 3, "lost": 1}))
    session, _ = replayed(made, written(tmp_path / "events.jsonl", live), given)
    assert len(session.windows_of(UPDATE)) == len(live.windows_of(UPDATE)) > 0
    # Of the windows in the pause it has learnt as well.
    assert session.adapter.differs_after is not None


def test_resets_that_an_adapter_comes_to_by_itself_are_no_orders(made: Made, tmp_path: Path) -> None:
    chosen = AdaptationSettings(every=2, min_confidence=0.0, max_novelty=1e6, batch=4, reset_every_s=0.5)
    live, given = Session(made, chosen), windows(30)
    said = play(live, given, {14: ["reset"]})
    resets = [details["reason"] for kind, details in live.events if kind == RESET]
    assert resets.count("operator") == 1
    assert resets.count("in time") >= 2
    path = written(tmp_path / "events.jsonl", live)
    assert len(read_adaptation_log(path).orders) == 1
    session, again = replayed(made, path, given)
    assert_same(said, again)
    assert session.events == live.events


def test_the_account_counts_refusals_resets_and_drift_and_knows_of_a_pause(made: Made) -> None:
    session, account = Session(made), Account()
    given = session_windows(6) + windows(12, first=6)
    play(session, given, {13: ["pause"]})
    for kind, details in session.events:
        account.take(kind, json.loads(Event(0.0, kind, details).as_json()))
    status = account.status
    assert status.paused
    assert str(status).startswith("guarded: ")
    assert ", PAUSED, " in str(status)
    # Of six windows with a bad signal, one lacks the view that it is of.
    assert (status.refused, status.last_reason) == (5, "signal quality")
    updates = [details for kind, details in session.events if kind == UPDATE]
    assert status.drift == updates[-1]["drift"] > 0
    session.adapter.order("reset")
    session.adapter.order("resume")
    for kind, details in session.events[-2:]:
        account.take(kind, details)
    status = account.status
    assert (status.paused, status.resets, status.drift, status.last_reason) == (False, 1, 0.0, "operator")


def test_after_a_rollback_the_drift_is_that_of_the_state_it_went_back_to() -> None:
    run, account = Run(learning_rate=0.1, max_drift=1e-9, max_rollbacks=5), Account()
    for views in stream(8, seed=3):
        run.see(views)
    for kind, details in run.events:
        account.take(kind, details)
    assert run.told(ROLLBACK)[-1]["drift"] > 0
    assert (account.status.drift, account.status.last_reason) == (0.0, "drift")
