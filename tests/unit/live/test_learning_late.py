"""A session that learns while a stream freezes and sends its backlog, in virtual time: its replay learns the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from virtual_lab import START_S, VIEWS, Device, VirtualLab

from rtemo.adaptation.adapter import ROLLBACK, UPDATE, Adapter
from rtemo.adaptation.log import read_adaptation_log
from rtemo.adaptation.logged import LoggedAdapter
from rtemo.config import AdaptationSettings
from rtemo.features.standardise import Standardiser
from rtemo.live.late import RememberingAdapter, remembering
from rtemo.model.data import TrainingData
from rtemo.model.labelled import LabelledWindows
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train
from rtemo.outputs.events import Event
from rtemo.session import WindowPredictor
from rtemo.types import FeatureWindow, Prediction
from rtemo.windows import Late

DIMS = {"eeg": 2, "eye": 12}
LABELS = ("calm", "joy")
SETTINGS = AdaptationSettings(every=1, min_confidence=0.0, max_novelty=1e6, batch=4, learning_rate=1e-2)
SMOOTHED = {name: view | {"smoothing": "kalman"} for name, view in VIEWS.items()}


@pytest.fixture(scope="module")
def made():
    """A model that knows two labels, and the windows of its calibration."""
    rng, truth = np.random.default_rng(0), np.arange(80) // 10 % 2
    views = {view: rng.normal(size=(80, dim)) + 2.0 * truth[:, None] - 1.0 for view, dim in DIMS.items()}
    trial = np.arange(80) // 10
    settings = make_settings("default", {"epochs": 3, "hidden": (8, 6), "latent": 3, "front_end": "none"})
    trained = train(TrainingData(views, truth, trial, LABELS), settings, device="cpu")
    narrow = {view: x.astype(np.float32) for view, x in views.items()}
    return trained, LabelledWindows(narrow, truth, trial, trial * 0)


class Learner:
    """Predicts windows and learns from them at once."""

    def __init__(self, made, standardiser: Standardiser, settings: AdaptationSettings = SETTINGS) -> None:
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.said: dict[int, Prediction] = {}
        self.adapter = Adapter(*made, None, settings, device="cpu", emit=self.take)
        self._frozen, self._standardiser = Predictor(made[0], device="cpu"), standardiser

    def take(self, kind: str, details: Mapping[str, object]) -> None:
        self.events.append((kind, details))

    def use(self, adapter: LoggedAdapter | RememberingAdapter) -> None:
        self.predictor = WindowPredictor(
            self._standardiser, self._frozen, labels=LABELS, views=tuple(DIMS), adapter=adapter
        )

    def write(self, window: FeatureWindow, lab: VirtualLab) -> None:
        said = self.said[window.index] = self.predictor.predict(window, lab.clock)
        self.predictor.learn(window, said)

    def digests(self) -> list[tuple[object, object]]:
        return [(e["window"], e["digest"]) for kind, e in self.events if kind in (UPDATE, ROLLBACK)]


class LearningLab(VirtualLab):
    """Learns as windows close."""

    def learn_with(self, learner: Learner, remembered: RememberingAdapter) -> None:
        self._learner, self._remembered = learner, remembered

    def _take(self, windows: list[FeatureWindow]) -> None:
        super()._take(windows)
        for window in windows:
            self._learner.write(window, self)

    def _take_late(self, late: Late) -> None:
        self._remembered.late(late.first, late.last)


def standardiser() -> Standardiser:
    """By what the devices give; the number of the sample, which the first channel is, says next to nothing."""
    rng = np.random.default_rng(2)
    mean = {"eeg": np.zeros(2), "eye": np.zeros(12)}
    return Standardiser(
        mean, {view: rng.uniform(1, 3, dim) * [4.0, 300.0][view == "eye"] for view, dim in DIMS.items()}
    )


@pytest.mark.parametrize("views", [VIEWS, SMOOTHED], ids=["plain", "smoothed"])
def test_a_replay_of_a_session_with_a_backlog_learns_the_same(made, tmp_path: Path, views) -> None:
    eeg = Device("eeg", "EEG", 200.0, offset_s=12.5)
    eye = Device("eye", "Gaze", 50.0, offset_s=-4000.0, born_s=START_S + 0.003)
    lab = LearningLab(tmp_path / "recording.xdf", eeg, eye, views=views)
    live = Learner(made, standardiser())
    remembered = remembering(live.adapter, lab.config, live.take)
    assert remembered is not None
    live.use(remembered)
    lab.learn_with(live, remembered)
    lab.connect("eeg", "eye")
    lab.run(0.5)
    lab.begin()
    for seconds, frozen in ((4.0, True), (3.2, False), (5.3, True), (6.1, False), (6.0, False)):
        lab.run(seconds)
        eye.frozen = frozen
    lab.end()
    while remembered.say():
        pass
    late = lab.late_windows()
    assert len(late) >= 6
    logged = {details["window"] for kind, details in live.events if kind == "adaptation-late"}
    assert late & set(live.said) <= logged
    assert (logged == late & set(live.said)) == (views is VIEWS and not watched(lab))

    path = tmp_path / "events.jsonl"
    events = [Event(1.0, kind, details) for kind, details in live.events]
    path.write_text("".join(event.as_json() + "\n" for event in [*events, *lab.events]))
    log = read_adaptation_log(path)
    replay = Learner(made, standardiser(), log.settings)
    adapter = LoggedAdapter(replay.adapter, log)
    replay.use(adapter)
    again = lab.replayed()
    for window in again:
        replay.write(window, lab)
    assert list(replay.said) == list(live.said)
    assert adapter.warnings() == []
    assert replay.digests() == live.digests()
    assert len(replay.digests()) > 15
    after = [index for index in live.said if index not in logged]
    assert views is SMOOTHED or max(after) > max(late)
    for index in after:
        for name in ("label", "probabilities", "spread", "contributions", "shadow"):
            np.testing.assert_array_equal(
                getattr(replay.said[index], name), getattr(live.said[index], name), err_msg=f"{name} of {index}"
            )
    # It matters: by its own windows it comes to another end.
    blind = Learner(made, standardiser(), log.settings)
    blind.use(blind.adapter)
    for window in again:
        blind.write(window, lab)
    assert blind.digests()[-1] != live.digests()[-1]


def watched(lab: VirtualLab) -> bool:
    """Whether any view is watched, so that what a channel was carries on."""
    return any(view.quality.enabled for view in lab.config.views.values())
