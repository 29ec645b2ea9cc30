"""The model's thread: order, newest wins, learning last and only where nobody waits, errors reach the session."""

from __future__ import annotations

import math
import threading
import time

import numpy as np

from rtemo.clock import VirtualClock
from rtemo.live.worker import MAX_LAG_S, Asked, ModelWorker
from rtemo.session import NO_LABEL, SKIPPED, WindowPredictor
from rtemo.types import FeatureWindow, Prediction


def window(index: int) -> FeatureWindow:
    return FeatureWindow(
        index, index * 0.1, index * 0.1 + 1.0, {"eeg": np.zeros(2)}, {"eeg": True}, {"eeg": 1.0}, newest_s=index * 0.1
    )


class SlowPredictor(WindowPredictor):
    """Waits for a gate before each window, and says nothing."""

    def __init__(self) -> None:
        self.labels, self.views = ("a", "b"), ("eeg",)
        self.gate = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.learnt: list[tuple[int, bool]] = []

    def learn(self, window, prediction, *, spare=True) -> None:
        assert prediction.index == window.index
        self.learnt.append((window.index, spare))

    def predict(self, window, clock) -> Prediction:
        self.began.release()
        self.gate.acquire()
        said = self.skipped(window, clock)
        return Prediction(**{f: getattr(said, f) for f in Prediction.__slots__} | {"label": NO_LABEL})


class Kept(list):
    """A sink that keeps what it gets, and says when there is enough."""

    def write(self, prediction: Prediction) -> None:
        self.append(prediction)


def worker(predictor, sink, errors=None, window_sinks=()):
    skips = []
    made = ModelWorker(
        predictor,
        [sink],
        clock=VirtualClock(100.0),
        on_error=[].append if errors is None else errors.append,
        on_skip=skips.append,
        window_sinks=window_sinks,
    )
    made.start()
    return made, skips


def test_windows_are_predicted_in_order_and_all_of_them_where_the_model_keeps_up():
    predictor, sink = SlowPredictor(), Kept()
    made, skips = worker(predictor, sink)
    for index in range(5):
        predictor.gate.release()
        made.offer([window(index)])
    made.stop()
    assert [p.index for p in sink] == [0, 1, 2, 3, 4]
    assert skips == []
    assert (made.predicted, made.skipped) == (5, 0)


def test_newest_wins_and_what_is_skipped_is_published_as_such():
    predictor, sink = SlowPredictor(), Kept()
    made, skips = worker(predictor, sink)
    made.offer([window(0)])
    predictor.began.acquire()
    # While the model is busy with the first window, thirty come: those a second behind the newest are passed over.
    for index in range(1, 31):
        made.offer([window(index)])
    for _ in range(31):
        predictor.gate.release()
    made.stop()
    assert [p.index for p in sink] == list(range(31))
    skipped = [p.index for p in sink if p.label == SKIPPED]
    assert skipped == list(range(1, 20))
    assert made.skipped == len(skipped) == sum(map(len, skips))
    assert all(math.isnan(p.probabilities[0]) for p in sink if p.label == SKIPPED)


def test_every_window_is_handed_on_once_its_prediction_is_out_also_one_that_is_skipped():
    said: list[tuple[str, int]] = []

    class Noting:
        def __init__(self, what: str) -> None:
            self.what = what

        def write(self, item: Prediction | FeatureWindow) -> None:
            said.append((self.what, item.index))

    predictor = SlowPredictor()
    made, _ = worker(predictor, Noting("prediction"), window_sinks=[Noting("window")])
    made.offer([window(0)])
    predictor.began.acquire()
    made.offer([window(index) for index in range(1, 14)])
    for _ in range(14):
        predictor.gate.release()
    made.stop()
    assert made.skipped == 2
    assert said == [(what, index) for index in range(14) for what in ("prediction", "window")]


def test_a_window_is_learnt_from_after_everybody_has_its_prediction_and_one_that_is_skipped_never():
    class Noting(SlowPredictor):
        def learn(self, window, prediction, *, spare=True) -> None:
            super().learn(window, prediction, spare=spare)
            said.append(("learnt", window.index))

    class Sink:
        def __init__(self, what: str) -> None:
            self.what = what

        def write(self, item: Prediction | FeatureWindow) -> None:
            said.append((self.what, item.index))

    said: list[tuple[str, int]] = []
    predictor = Noting()
    made, _ = worker(predictor, Sink("prediction"), window_sinks=[Sink("window")])
    made.offer([window(0)])
    predictor.began.acquire()
    made.offer([window(index) for index in range(1, 14)])
    for _ in range(14):
        predictor.gate.release()
    made.stop()
    skipped = {1, 2}
    every = ("prediction", "window", "learnt")
    assert said == [(what, i) for i in range(14) for what in (every[:2] if i in skipped else every)]


def test_there_is_time_to_spare_only_while_no_window_waits():
    predictor, sink = SlowPredictor(), Kept()
    made, _ = worker(predictor, sink)
    made.offer([window(0)])
    predictor.began.acquire()
    made.offer([window(1), window(2)])
    made.offer([window(3)])
    for index in range(1, 4):
        predictor.gate.release()
        predictor.began.acquire()
        assert predictor.learnt[-1] == (index - 1, False)
    predictor.gate.release()
    while len(predictor.learnt) < 4:
        time.sleep(0.001)
    made.stop()
    assert predictor.learnt[-1] == (3, True)


def test_what_goes_wrong_while_learning_reaches_the_session_after_the_prediction_is_out():
    class Broken(SlowPredictor):
        def learn(self, window, prediction, *, spare=True) -> None:
            raise ValueError("learnt nothing")

    predictor, sink, errors = Broken(), Kept(), []
    made, _ = worker(predictor, sink, errors)
    predictor.gate.release()
    made.offer([window(0)])
    made.stop()
    assert [p.index for p in sink] == [0]
    assert [str(error) for error in errors] == ["learnt nothing"]


def test_with_a_model_slower_than_the_hop_no_prediction_is_of_a_window_that_is_too_old():
    class ThreeHopsPredictor(SlowPredictor):
        """While it predicts, the next three windows end."""

        def __init__(self) -> None:
            super().__init__()
            self.offered = 0
            self.lags_s: list[float] = []
            self.done = threading.Event()

        def predict(self, window, clock) -> Prediction:
            self.lags_s.append((self.offered - window.index) * 0.1)
            for _ in range(3):
                if self.offered < 300:
                    self.offered += 1
                    made.offer([self.window(self.offered)])
            if self.offered == 300:
                self.done.set()
            said = self.skipped(window, clock)
            return Prediction(**{f: getattr(said, f) for f in Prediction.__slots__} | {"label": NO_LABEL})

        window = staticmethod(window)

    predictor, sink = ThreeHopsPredictor(), Kept()
    made, skips = worker(predictor, sink)
    made.offer([window(0)])
    assert predictor.done.wait(10)
    made.stop()
    assert [p.index for p in sink] == list(range(301))
    assert max(predictor.lags_s) <= MAX_LAG_S + 1e-9
    # What was offered before the end is predicted still.
    assert sink[-1].label == NO_LABEL
    assert made.predicted == len(predictor.lags_s)
    assert made.predicted + made.skipped == 301
    assert 100 <= made.predicted < 120
    assert made.skipped == sum(map(len, skips))


def test_an_error_of_a_sink_reaches_the_session():
    class Broken:
        def write(self, prediction: Prediction) -> None:
            raise OSError("no")

    predictor, errors = SlowPredictor(), []
    made, _ = worker(predictor, Broken(), errors)
    predictor.gate.release()
    made.offer([window(0)])
    made.stop()
    assert [str(error) for error in errors] == ["no"]


def test_an_order_that_fails_is_refused_with_its_reason_and_windows_go_on():
    class Broken:
        def order(self, what, by):
            raise RuntimeError("out of memory")

        def say(self):
            return False

    predictor, sink, errors, refused = SlowPredictor(), Kept(), [], []
    made = ModelWorker(
        predictor, [sink], clock=VirtualClock(100.0), on_error=errors.append, on_skip=print, remembered=Broken()
    )
    made.start()
    made.ask(Asked("reset", "desk", refused.append))
    predictor.gate.release()
    made.offer([window(0)])
    made.stop()
    assert refused == ["reset failed: RuntimeError: out of memory"]
    assert ([p.index for p in sink], errors) == ([0], [])
