"""Predict, publish, then maybe learn: in a session, in the model's thread, and again as a log says."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from adaptable import DIMS, LABELS, SETTINGS, Session, session_windows, small_model
from numpy.testing import assert_array_equal

from rtemo.adaptation.account import Account
from rtemo.adaptation.adapter import ROLLBACK, SKIP, UPDATE
from rtemo.adaptation.log import AdaptationLog, WindowRanges, read_adaptation_log
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.clock import VirtualClock
from rtemo.config import AdaptationSettings, parse_configuration
from rtemo.errors import ConfigurationError
from rtemo.features.standardise import Standardiser
from rtemo.live.worker import ModelWorker
from rtemo.model.labelled import LabelledWindows
from rtemo.model.predict import Predictor
from rtemo.model.trained import TrainedModel
from rtemo.outputs.events import Event
from rtemo.session import SKIPPED, WindowPredictor, bad_fraction
from rtemo.session import Session as PlayedSession
from rtemo.types import FeatureWindow, Prediction

CLOCK = VirtualClock(100.0)
Made = tuple[TrainedModel, LabelledWindows]


@pytest.fixture(scope="module")
def made() -> Made:
    return small_model()


class Kept(list):
    """A sink that keeps what it gets."""

    def write(self, item: Prediction) -> None:
        self.append(item)


def play(session: Session, windows: list[FeatureWindow]) -> list[Prediction]:
    """Predict windows one after the other, and learn from each."""
    said = []
    for window in windows:
        said.append(session.predictor.predict(window, CLOCK))
        session.predictor.learn(window, said[-1])
    return said


def written(path: Path, session: Session, *more: tuple[str, dict]) -> Path:
    """A session's events as a file."""
    events = [*session.events, *more]
    path.write_text("".join(Event(1.0, kind, details).as_json() + "\n" for kind, details in events))
    return path


def assert_same(one: list[Prediction], other: list[Prediction]) -> None:
    for a, b in zip(one, other, strict=True):
        for name in ("index", "label", "probabilities", "spread", "contributions", "shadow"):
            assert_array_equal(getattr(a, name), getattr(b, name), err_msg=f"{name} of window {a.index}")


def test_without_an_adapter_the_shadow_is_the_prediction(made: Made) -> None:
    nothing = Standardiser({v: np.zeros(d) for v, d in DIMS.items()}, {v: np.ones(d) for v, d in DIMS.items()})
    predictor = WindowPredictor(nothing, Predictor(made[0], device="cpu"), labels=LABELS, views=tuple(DIMS))
    window = session_windows()[0]
    said = predictor.predict(window, CLOCK)
    predictor.learn(window, said)
    assert_array_equal(said.shadow, said.probabilities)


def test_the_shadow_is_what_the_frozen_model_says_however_far_the_other_one_goes(made: Made) -> None:
    session, frozen = Session(made), Predictor(made[0], device="cpu")
    windows = good(session_windows())
    for said, window in zip(play(session, windows), windows, strict=True):
        views = {view: x if window.available[view] else None for view, x in window.features.items()}
        assert_array_equal(said.shadow, frozen.predict(views).probabilities)
        assert said.label == LABELS[int(said.probabilities.argmax())]
    assert len(session.windows_of(UPDATE)) >= 5
    assert abs(said.probabilities - said.shadow).max() > 1e-3


def test_a_window_is_standardised_once_for_prediction_and_learning(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    session, asked = Session(made), []
    transform = Standardiser.transform
    monkeypatch.setattr(Standardiser, "transform", lambda self, view, x: asked.append(view) or transform(self, view, x))
    windows = session_windows()[:3]
    play(session, windows)
    assert asked == ["a", "b"] * 3
    # A window that was not the last to be predicted is standardised anew.
    said = session.predictor.predict(windows[0], CLOCK)
    session.predictor.learn(windows[1], said)
    assert asked == ["a", "b"] * 5


@pytest.mark.parametrize(
    ("scores", "fraction"),
    [
        ([1.0, 0.5, 0.49, 0.0], 0.5),
        ([1.0, np.nan, 0.2, np.nan], 0.5),
        ([np.nan, np.nan], 0.0),
        ([], 0.0),
        (None, 0.0),
    ],
)
def test_the_fraction_of_bad_channels_is_of_those_that_were_judged(scores: list | None, fraction: float) -> None:
    quality = {} if scores is None else {"a": np.array(scores, dtype=float)}
    assert bad_fraction(quality.get("a", np.zeros(0))) == fraction


def test_a_window_whose_signal_is_bad_teaches_nothing(made: Made) -> None:
    session = Session(made)
    play(session, session_windows()[:4])
    reasons = [(details["window"], details["reason"]) for kind, details in session.events if kind == SKIP]
    # Half of the channels that were judged are bad in each.
    assert reasons == [(100 + index, "signal quality") for index in range(4)]


def test_a_replay_learns_from_a_window_after_all_sinks_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Noting(WindowPredictor):
        def __init__(self) -> None:
            self.labels, self.views = LABELS, tuple(DIMS)

        def predict(self, window, clock) -> Prediction:
            order.append("predict")
            return self.skipped(window, clock)

        def learn(self, window, prediction, *, spare=True) -> None:
            order.append(f"learn {spare}")

    class Sink:
        def __init__(self, name: str) -> None:
            self.name = name

        def write(self, item: object) -> None:
            order.append(self.name)

    monkeypatch.setattr("rtemo.session.windows_of", lambda *given: iter(session_windows()[:1]))
    config = parse_configuration(
        {"labels": list(LABELS), "views": {"a": {"stream": {"type": "EEG"}, "features": "identity"}}}, "test"
    )
    sinks = {"sinks": [Sink("one"), Sink("two")], "window_sinks": [Sink("window")]}
    for _ in PlayedSession(None, None, config, Noting(), clock=CLOCK, **sinks).run():  # type: ignore[arg-type]
        order.append("yield")
    assert order == ["predict", "one", "two", "window", "learn True", "yield"]


def good(windows: list[FeatureWindow]) -> list[FeatureWindow]:
    """The same windows with nothing amiss in their signal."""
    return [dataclasses.replace(window, quality={}) for window in windows]


def far(windows: list[FeatureWindow]) -> list[FeatureWindow]:
    """The same windows, drifted so far that nobody doubts it."""
    return [
        dataclasses.replace(window, features={view: x + 4.0 for view, x in window.features.items()})
        for window in windows
    ]


def wait_for(done: object) -> None:
    until_s = time.monotonic() + 20
    while not done() and time.monotonic() < until_s:  # type: ignore[operator]
        time.sleep(0.001)
    assert done()  # type: ignore[operator]


@pytest.mark.parametrize("mode", ["recentre", "guarded"])
def test_updates_that_were_put_off_under_load_are_replayed_from_the_log_to_the_last_bit(
    made: Made, tmp_path: Path, mode: str
) -> None:
    settings = AdaptationSettings.model_validate(SETTINGS.model_dump() | {"mode": mode})
    windows = far(good(session_windows(40)))
    live, sink, skips, errors = Session(made, settings, seed=3), Kept(), [], []
    worker = ModelWorker(live.predictor, [sink], clock=CLOCK, on_error=errors.append, on_skip=skips.append)
    # Eight at once: all of them wait for each other, so that there is no update before the last one. Then twenty,
    # more than a second's worth: nine are passed over.
    worker.offer(windows[:8])
    worker.start()
    wait_for(lambda: len(live.windows_of(UPDATE, ROLLBACK)) == 1)
    worker.offer(windows[8:28])
    wait_for(lambda: len(live.windows_of(UPDATE, ROLLBACK)) == 2)
    for number, window in enumerate(windows[28:], start=1):
        worker.offer([window])
        wait_for(lambda: worker.predicted + worker.skipped == 28 + number)  # noqa: B023
        wait_for(lambda: len(live.windows_of(UPDATE, ROLLBACK)) == 2 + number // 2)  # noqa: B023
    worker.stop()
    assert errors == []
    updates = live.windows_of(UPDATE, ROLLBACK)
    assert updates == [107, 127, *range(129, 140, 2)]
    assert [window.index for (skipped,) in [skips] for window in skipped] == list(range(108, 117))

    passed = ("windows-skipped", {"windows": 9, "first_window": 108, "last_window": 116})
    log = read_adaptation_log(written(tmp_path / "events.jsonl", live, passed))
    assert (log.settings, log.seed, list(log.updates)) == (settings, 3, updates)
    replayed = Session(made, log.settings, seed=log.seed, wrap=lambda adapter: LoggedAdapter(adapter, log))
    said = play(replayed, windows)
    kept = [prediction.label != SKIPPED for prediction in sink]
    assert_same([p for p, k in zip(sink, kept, strict=True) if k], [p for p, k in zip(said, kept, strict=True) if k])
    assert replayed.adapter.warnings() == []
    assert replayed.adapter.updated == 8
    # By itself it would have learnt at other moments, to another end.
    alone = Session(made, settings, seed=3)
    assert not np.array_equal(play(alone, windows)[-1].probabilities, said[-1].probabilities)


def logged(made: Made, tmp_path: Path, windows: list[FeatureWindow]) -> tuple[AdaptationLog, list[Prediction]]:
    """The log of a session that had all windows in time, and its predictions."""
    session = Session(made)
    said = play(session, windows)
    return read_adaptation_log(written(tmp_path / "events.jsonl", session)), said


def test_the_first_update_that_differs_is_named(made: Made, tmp_path: Path) -> None:
    log, _ = logged(made, tmp_path, good(session_windows()))
    third = list(log.updates)[2]
    forged = dataclasses.replace(log, updates=log.updates | {third: "0" * 16})
    session = Session(made, wrap=lambda adapter: LoggedAdapter(adapter, forged))
    play(session, good(session_windows()))
    assert session.adapter.differs_after == third
    (line,) = session.adapter.warnings()
    assert f"predictions differ from window {third + 1} on: another machine, torch build or recording" in line
    late = dataclasses.replace(forged, late=WindowRanges([(102, 102)]))
    session = Session(made, wrap=lambda adapter: LoggedAdapter(adapter, late))
    play(session, good(session_windows()))
    assert session.adapter.learnt_late == 102
    assert "samples came late for window 102" in session.adapter.warnings()[0]


def test_a_log_of_more_windows_than_there_are_is_said(made: Made, tmp_path: Path) -> None:
    log, _ = logged(made, tmp_path, good(session_windows()))
    session = Session(made, wrap=lambda adapter: LoggedAdapter(adapter, log))
    play(session, good(session_windows())[:10])
    assert session.adapter.warnings() == [f"{log.origin}: 7 of 12 updates are of windows that did not come"]


@pytest.mark.parametrize("mode", ["recentre", "guarded"])
def test_a_log_of_another_model_is_refused(made: Made, tmp_path: Path, mode: str) -> None:
    settings = AdaptationSettings.model_validate(SETTINGS.model_dump() | {"mode": mode})
    log = read_adaptation_log(written(tmp_path / "events.jsonl", Session(made, settings)))
    other = dataclasses.replace(made[0], model=Session(made).adapter.adapted().model)
    with torch.no_grad():
        next(other.model.parameters()).add_(1e-3)
    with pytest.raises(ConfigurationError, match="the log is of another model"):
        Session((other, made[1]), settings, wrap=lambda adapter: LoggedAdapter(adapter, log))


def test_windows_before_the_session_are_not_learnt_from_and_a_replay_of_the_replay_knows(
    made: Made, tmp_path: Path
) -> None:
    windows = good(session_windows())
    live = Session(made)
    said = play(live, windows[4:])
    start = ("session-start", {"first_window": 104, "length_s": 1.0, "hop_s": 0.1})
    log = read_adaptation_log(written(tmp_path / "events.jsonl", live, start))
    passed: list[tuple[str, object]] = []
    replayed = Session(
        made,
        wrap=lambda adapter: LoggedAdapter(adapter, log, emit=lambda kind, details: passed.append((kind, details))),
    )
    assert_same(said, play(replayed, windows)[4:])
    assert passed == [("windows-skipped", {"windows": 1, "first_window": k, "last_window": k}) for k in range(100, 104)]


def test_the_account_is_kept_of_what_the_adapter_said(made: Made) -> None:
    session, account = Session(made), Account()
    said = play(session, good(session_windows()))
    for kind, details in session.events:
        account.take(kind, details)
    for prediction in said:
        account.write(prediction)
    differ = sum(p.probabilities.argmax() != p.shadow.argmax() for p in said)
    updates, rollbacks = len(session.windows_of(UPDATE)), len(session.windows_of(ROLLBACK))
    status = account.status
    assert (status.mode, status.updates, status.rollbacks) == ("guarded", updates, rollbacks)
    assert (status.differ, status.compared) == (differ, 24)
    assert str(status).startswith(f"guarded: {status.learnt} windows learnt from, {updates} updates, {rollbacks} roll")
    assert json.loads(Event(0.0, *session.events[0]).as_json())["settings"] == SETTINGS.model_dump(mode="json")


def test_the_account_of_a_session_that_froze_or_never_adapted_says_so() -> None:
    account = Account()
    assert str(account.status) == "off"
    account.take("adaptation-off", {"reason": "no windows"})
    assert str(account.status) == "off: no windows"
    account = Account()
    account.take("adaptation-start", {"mode": "recentre"})
    account.take("adaptation-update", {"accepted": 1})
    account.take("adaptation-rollback", {})
    account.take("adaptation-frozen", {})
    expected = (
        "recentre: 1 window learnt from, 1 update, 1 rollback, FROZEN, 0 of 0 labels other than the frozen model's"
    )
    assert str(account.status) == expected
