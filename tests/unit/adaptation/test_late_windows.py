"""Samples that come after their window has closed: a replay learns from what the session learnt from."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from adaptable import DIMS, LABELS, SETTINGS, Session, session_windows, small_model
from numpy.testing import assert_array_equal

from rtemo.adaptation.adapter import ROLLBACK, UPDATE, Adapter, Observation
from rtemo.adaptation.log import AdaptationLog, Observed, WindowRanges, read_adaptation_log
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.clock import VirtualClock
from rtemo.config import parse_configuration
from rtemo.errors import RecordingError
from rtemo.live import late as late_module
from rtemo.live.late import RememberingAdapter, remembering
from rtemo.live.worker import ModelWorker
from rtemo.model.labelled import LabelledWindows
from rtemo.model.trained import TrainedModel
from rtemo.outputs.events import Event
from rtemo.types import FeatureWindow, Prediction
from rtemo.windows import Late

CLOCK = VirtualClock(100.0)
Made = tuple[TrainedModel, LabelledWindows]


@pytest.fixture(scope="module")
def made() -> Made:
    return small_model()


class Told:
    """Takes events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []

    def __call__(self, kind: str, details: dict) -> None:
        self.events.append((kind, details))

    def late(self) -> list[int]:
        return [details["window"] for kind, details in self.events if kind == "adaptation-late"]

    def lost(self) -> list[tuple[int, int]]:
        return [(e["first_window"], e["last_window"]) for kind, e in self.events if kind == "adaptation-late-lost"]


def whole(count: int = 40) -> list[FeatureWindow]:
    """Windows as a replay has them: nothing is amiss but the views that nobody sent."""
    return [dataclasses.replace(window, quality={}) for window in session_windows(count)]


def without(window: FeatureWindow, view: str) -> FeatureWindow:
    """The window as it closed without a view, with half of the channels of the other one bad where it is odd."""
    features = window.features | {view: np.full(DIMS[view], np.nan)}
    scores = np.array([1.0, 0.2 if window.index % 2 else 1.0])
    available = dict(window.available) | {view: False}
    return dataclasses.replace(window, features=features, available=available, quality={"a": scores})


def write(path: Path, *events: tuple[str, dict]) -> AdaptationLog:
    path.write_text("".join(Event(1.0, kind, details).as_json() + "\n" for kind, details in events))
    return read_adaptation_log(path)


def replayed(made: Made, log: AdaptationLog, windows: list[FeatureWindow], emit=lambda kind, details: None):
    """The adapter of a replay, its predictions, and its digest after each update."""
    session = Session(made, log.settings, seed=log.seed, wrap=lambda adapter: LoggedAdapter(adapter, log, emit=emit))
    said = []
    for window in windows:
        said.append(session.predictor.predict(window, CLOCK))
        session.predictor.learn(window, said[-1])
    digests = [details["digest"] for kind, details in session.events if kind in (UPDATE, ROLLBACK)]
    return session.adapter, {prediction.index: prediction for prediction in said}, digests


def assert_same(one: Prediction, other: Prediction) -> None:
    for name in ("index", "label", "probabilities", "spread", "contributions", "shadow"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=f"{name} of window {one.index}")


class Sink(list):
    def write(self, item: Prediction) -> None:
        self.append(item)


def wait_for(worker: ModelWorker, predicted: int) -> None:
    until_s = time.monotonic() + 20
    while worker.predicted < predicted and time.monotonic() < until_s:
        time.sleep(0.001)
    assert (worker.predicted, worker.skipped) == (predicted, 0)


def test_after_late_windows_a_replay_learns_the_same_to_the_last_bit(made: Made, tmp_path: Path) -> None:
    windows, told, sink, errors = whole(), Told(), Sink(), []
    late = range(110, 118)
    live = Session(made, wrap=lambda adapter: RememberingAdapter(adapter, told, windows=100))
    closed = [without(window, "b") if window.index in late else window for window in windows]
    worker = ModelWorker(
        live.predictor, [sink], clock=CLOCK, on_error=errors.append, on_skip=print, remembered=live.adapter
    )
    worker.start()
    for window in closed:
        worker.offer([window])
        # What is late is told in two pieces, the second one twice, when the model may not have come to it yet.
        if window.index == 118:
            worker.late(Late("b", 20, 110, 113))
        if window.index in (118, 119):
            worker.late(Late("b", 20, 114, 117))
        if not 110 <= window.index <= 118:
            wait_for(worker, windows.index(window) + 1)
    worker.stop()
    assert errors == []
    assert told.late() == list(late)

    ranges = [("late", {"first_window": 110, "last_window": 117})]
    log = write(tmp_path / "events.jsonl", *live.events, *told.events, *ranges)
    digests = [details["digest"] for kind, details in live.events if kind in (UPDATE, ROLLBACK)]
    assert len(digests) >= 10
    again = Told()
    adapter, said, found = replayed(made, log, windows, again)
    assert found == digests
    assert adapter.warnings() == []
    assert (adapter.differs_after, adapter.learnt_late) == (None, None)
    unlike = [p.index for p in sink if not np.array_equal(p.probabilities, said[p.index].probabilities)]
    assert unlike == list(late)
    for prediction in sink:
        if prediction.index not in late:
            assert_same(prediction, said[prediction.index])
    # The replay's own events are a log too.
    assert again.late() == list(late)
    log_again = write(tmp_path / "again.jsonl", *live.events, *again.events, *ranges)
    assert replayed(made, log_again, windows)[2] == digests
    # With its own windows it learns something else, and says why.
    blind = dataclasses.replace(log, observed={})
    adapter, _, found = replayed(made, blind, windows)
    assert found != digests
    assert adapter.learnt_late == 110
    assert "samples came late for window 110, which the session learnt from without them" in adapter.warnings()[0]


def test_late_windows_are_said_while_nobody_waits_and_before_the_end(made: Made) -> None:
    predicted: list[int] = []

    class Noting(Told):
        def __call__(self, kind: str, details: dict) -> None:
            super().__call__(kind, details)
            predicted.append(worker.predicted)

    told = Noting()
    live = Session(made, wrap=lambda adapter: RememberingAdapter(adapter, told, windows=100))
    worker = ModelWorker(live.predictor, [], clock=CLOCK, on_error=print, on_skip=print, remembered=live.adapter)
    worker.offer(whole(7))
    worker.late(Late("b", 1, 100, 103))
    worker.offer(whole(10)[7:])
    worker.start()
    worker.stop()
    assert told.late() == [100, 101, 102, 103]
    assert predicted == [10] * 4


def observation(index: int, size: int = 3) -> Observation:
    half = np.array([0.5, 0.5])
    return Observation(index, float(index), {"a": np.full(size, 0.1), "b": None}, half, half, np.zeros(2))


class Nothing:
    """An adapter that does nothing."""

    due = False

    def observe(self, window: Observation) -> None:
        pass


def remembered(told: Told, **options: int) -> RememberingAdapter:
    return RememberingAdapter(Nothing(), told, **options)  # type: ignore[arg-type]


def test_a_window_that_is_late_for_longer_than_it_is_remembered_is_said_to_be_lost() -> None:
    told = Told()
    adapter = remembered(told, windows=5)
    for index in range(20, 40):
        adapter.observe(observation(index))
    adapter.late(0, 19)
    assert told.events == []
    adapter.late(10, 36)
    assert told.lost() == [(20, 34)]
    while adapter.say():
        pass
    assert told.late() == [35, 36]


def test_windows_after_late_ones_are_said_where_they_carry_on_what_those_would_have_been() -> None:
    told = Told()
    adapter = remembered(told, windows=50, carried=3)
    for index in range(10):
        adapter.observe(observation(index))
    adapter.late(4, 7)
    for index in range(10, 15):
        adapter.observe(observation(index))
    while adapter.say():
        pass
    assert told.late() == [4, 5, 6, 7, 8, 9, 10]
    settings = {"a": {"smoothing": "mean"}, "b": {"quality": {"good_after": 2}}}
    views = {name: {"stream": {"type": "X"}, "features": "identity", **more} for name, more in settings.items()}
    config = parse_configuration({"labels": ["x", "y"], "window": {"hop_s": 0.5}, "views": views}, "test")
    made = remembering(Nothing(), config, told)  # type: ignore[arg-type]
    assert made is not None
    assert (made._windows, made._carried) == (800, 4)
    assert remembering(None, config, told) is None


def test_what_is_remembered_and_written_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_module, "MAX_KEPT_VALUES", 10 * 67)
    monkeypatch.setattr(late_module, "MAX_LATE_VALUES", 30 * 67)
    told = Told()
    adapter = remembered(told, windows=20)
    for index in range(100):
        adapter.observe(observation(index))
    assert (len(adapter._kept), adapter._values) == (10, 670)
    # As windows are late for ever, and nobody has time to say so.
    adapter.late(200, 10**12)
    for index in range(200, 300):
        adapter.observe(observation(index))
        assert len(adapter._asked) <= 20
        assert len(adapter._ahead.ranges) <= 1
    while adapter.say():
        pass
    assert told.late() == list(range(200, 230))
    # Only the first one of those that are no longer written is said.
    assert told.lost() == [(230, 230)]
    told = Told()
    adapter = remembered(told, windows=20)
    monkeypatch.setattr(late_module, "MAX_FEATURES", 66)
    adapter.observe(observation(0))
    adapter.late(0, 0)
    adapter.say()
    assert (told.late(), told.lost()) == ([], [(0, 0)])


@pytest.mark.parametrize(
    "change",
    [
        {"views": {"a": np.zeros(4)}},
        {"views": {"a": np.zeros(4), "c": None}},
        {"views": {"a": np.zeros(3), "b": None}},
        {"bad": np.zeros(3)},
        {"adapted": np.ones(1)},
        {"shadow": np.ones(3) / 3},
    ],
)
def test_late_windows_of_another_model_are_refused(made: Made, tmp_path: Path, change: dict) -> None:
    half = np.full(len(LABELS), 0.5)
    fits = Observed({"a": np.zeros(4), "b": None}, np.zeros(2), half, half)
    log = write(tmp_path / "events.jsonl", *Session(made).events)

    def adapter_for(seen: Observed) -> LoggedAdapter:
        filled = dataclasses.replace(log, observed={7: seen}, late=WindowRanges([(7, 7)]))
        return Session(made, SETTINGS, wrap=lambda adapter: LoggedAdapter(adapter, filled)).adapter

    adapter_for(fits)
    with pytest.raises(RecordingError, match="adaptation-late of window 7: expected features of"):
        adapter_for(dataclasses.replace(fits, **change))


def test_an_adapter_knows_its_features_and_labels(made: Made) -> None:
    adapter = Session(made).adapter
    assert isinstance(adapter, Adapter)
    assert (dict(adapter.dims), adapter.classes) == (DIMS, 2)
