"""A bundle adapted between sessions predicts as the adapter did in its last state, and says where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from rtemo.adaptation.adapter import Adapter, Observation, adapter_for
from rtemo.adaptation.recentre import Recentring
from rtemo.adapting import Adapted, adapt_bundle, fold
from rtemo.config import AdaptationSettings, Configuration, parse_configuration
from rtemo.errors import BundleError, ConfigurationError, StreamError
from rtemo.extraction import Extraction
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle, load_bundle, save_bundle
from rtemo.model.front_end import FrontEnd, ViewMap
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.simvae import Simvae
from rtemo.model.trained import TrainedModel
from rtemo.outputs.events import Event
from rtemo.training import train_bundle
from rtemo.types import FeatureTable, Floats, StreamDescription

LABELS = ("calm", "joy")
DIMS = {"eeg": 7, "eye": 3}
EACH = 12
"""Windows a trial: the last two lie across its edge, so they have no label and no trial."""
SETTINGS = AdaptationSettings(mode="guarded", every=4, min_confidence=0.0, max_novelty=100.0, learning_rate=1e-3)
RECENTRE = SETTINGS.model_copy(update={"mode": "recentre"})


def configuration(standardise: str = "calibration", **settings: object) -> Configuration:
    small = {"steps": 30, "hidden": [8, 6], "latent": 3, "pca_size": 4, "imputations": 2, "validation_windows": 10}
    small["refit"] = False
    return parse_configuration(
        {
            "labels": list(LABELS),
            "standardise": standardise,
            "views": {view: {"stream": {"type": view}, "features": "identity"} for view in DIMS},
            "model": {"settings": small | settings},
        },
        "test",
    )


def extraction(folder: Path, name: str, trials: int, seed: int, moved: float = 0.0, wider: float = 1.0) -> Extraction:
    """A recording of trials of alternating labels; some windows lack a view, and one feature never changes."""
    rng = np.random.default_rng(seed)
    windows = trials * EACH
    inside = np.arange(windows) % EACH < EACH - 2
    trial = np.arange(windows) // EACH
    features = {view: rng.normal(size=(windows, dim)) + 1.5 * (trial % 2)[:, None] for view, dim in DIMS.items()}
    features = {view: 5 + moved * np.arange(1, x.shape[1] + 1) / 4 + wider * x for view, x in features.items()}
    features["eeg"][:, 2] = 3.0
    features["eye"][rng.random(windows) < 0.2] = np.nan
    available = {view: np.isfinite(x).all(axis=1) for view, x in features.items()}
    (folder / name).write_text(name)
    table = FeatureTable(
        start_s=np.arange(windows) * 1.0,
        stop_s=np.arange(windows) * 1.0 + 2.0,
        features=features,
        available=available,
        coverage={view: there.astype(float) for view, there in available.items()},
        names={view: tuple(f"{view}{i}" for i in range(dim)) for view, dim in DIMS.items()},
        label=np.where(inside, np.array(LABELS)[trial % 2], ""),
        trial=np.where(inside, trial, -1),
        recording=np.zeros(windows, dtype=np.int64),
        recordings=[str(folder / name)],
    )
    bound = {view: StreamDescription(view, view, view, table.names[view], 10.0) for view in DIMS}
    return Extraction(table, bound, ())


def changed(given: Extraction, **fields: object) -> Extraction:
    return replace(given, table=replace(given.table, **fields))  # type: ignore[arg-type]


def train(folder: Path, config: Configuration) -> Bundle:
    given = [extraction(folder, "a.xdf", 10, 0), extraction(folder, "b.xdf", 10, 1)]
    return train_bundle(config, given, [], device="cpu").bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(tmp_path_factory.mktemp("bundle"), configuration())


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    return extraction(tmp_path_factory.mktemp("session"), "monday.xdf", 4, 2, moved=1.3, wider=1.3)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """What was told of the session's adaptation."""
    return []


@pytest.fixture(scope="module")
def adapted(bundle: Bundle, session: Extraction, events: list[Event]) -> Adapted:
    return adapt(bundle, session, emit=events.append)


def adapt(bundle: Bundle, *sessions: Extraction, settings: AdaptationSettings = SETTINGS, **options: Any) -> Adapted:
    return adapt_bundle(bundle, sessions, settings, device="cpu", origin="0" * 64, **options)


def driven(bundle: Bundle, table: FeatureTable, settings: AdaptationSettings) -> Adapter:
    """An adapter that has seen a recording, window by window."""
    adapter = adapter_for(bundle, settings, device="cpu")
    assert adapter is not None
    views = standardised(bundle, table.features)
    shadow = Predictor(bundle.model, device="cpu").predict_many(views).probabilities
    for row in range(len(table)):
        window = {view: x[row] for view, x in views.items()}
        said = adapter.predict(window).probabilities
        adapter.observe(Observation(row, float(table.stop_s[row]), window, said, shadow[row], np.zeros(2)))
        if adapter.due:
            adapter.update()
    return adapter


def standardised(bundle: Bundle, features: Mapping[str, Floats]) -> dict[str, Floats]:
    assert bundle.standardiser is not None
    return {view: bundle.standardiser.transform(view, features[view]) for view in DIMS}


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return bundle.model.model.state_dict()


def same(first: Bundle | None, second: Bundle | None) -> bool:
    """Whether two bundles have the same weights and the same standardiser, to the bit."""
    assert first is not None
    assert second is not None
    assert first.standardiser is not None
    assert second.standardiser is not None
    moments = [(first.standardiser.mean, second.standardiser.mean), (first.standardiser.std, second.standardiser.std)]
    return all(torch.equal(value, weights(second)[name]) for name, value in weights(first).items()) and all(
        np.array_equal(a[view], b[view], equal_nan=True) for a, b in moments for view in DIMS
    )


def trained_with(matrix: Floats | None, offset: Floats, beyond: Floats | None = None) -> TrainedModel:
    rest = ViewMap(offset, np.zeros((len(offset), 0)) if beyond is None else beyond)
    front = FrontEnd((ViewMap(offset, matrix),), (rest,))
    settings = make_settings(overrides={"hidden": (8, 6), "latent": 3})
    model = Simvae(front.dims, 2, settings, beyond=front.dims_beyond)
    return TrainedModel(model, front, settings, ("eeg",), front.features, LABELS, np.full(2, 0.5))


@pytest.mark.parametrize(("outputs", "beyond"), [(None, 0), (1, 0), (3, 0), (4, 0), (1, 3), (2, 1)])
def test_a_folded_recentring_gives_the_inputs_that_the_recentring_would(outputs: int | None, beyond: int) -> None:
    """And what only psi sees."""
    rng = np.random.default_rng(3)
    known = np.array([True, True, False, True, True, False])
    std = np.array([0.5, 2.0, 0.0, 1.0, 3.0, np.nan])
    mean = np.array([1.0, -2.0, 7.0, 0.0, 4.0, np.nan])
    before = Standardiser({"eeg": mean}, {"eeg": std})
    # Of a feature that never changes, a front end makes what it likes: its input is 0.
    matrix = rest = None
    if outputs is not None:
        whole = rng.normal(size=(6, outputs + beyond)) / 4
        whole[np.flatnonzero(known)[: outputs + beyond], np.arange(outputs + beyond)] += 1
        matrix, rest = whole[:, :outputs], whole[:, outputs:]
    trained = trained_with(matrix, rng.normal(size=6) / 2, rest)
    inputs = trained.front_end.dims[0]
    shift, centre = rng.normal(size=inputs) / 3, rng.normal(size=inputs) / 3
    if outputs is None:
        shift[~known] = centre[~known] = 0.0
    own = Recentring(shift, np.full(inputs, 1.25), centre)
    recentring = own.beside(rng.normal(size=beyond) / 3, np.zeros(beyond, dtype=np.int64))
    folded = fold(recentring, trained, before)
    raw = np.where(known, np.nan_to_num(mean) + np.nan_to_num(std) * rng.normal(size=(50, 6)) / 3, 7.0)
    inputs_before = trained.front_end.inputs([before.transform("eeg", raw)])
    inputs_after = trained.front_end.inputs([folded.standardiser.transform("eeg", raw)])
    assert max(np.abs(inputs_before).max(), np.abs(inputs_after).max()) < 8
    assert_allclose(inputs_after, recentring(inputs_before), atol=1e-12)
    assert folded.left_out < 1e-12
    assert_array_equal(folded.standardiser.std["eeg"] > 0, known)
    assert_array_equal(folded.standardiser.mean["eeg"][~known], mean[~known])


def test_what_only_psi_sees_does_not_spoil_the_inputs_that_it_depends_on() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(6, 3))
    rest = np.hstack([rng.normal(size=(6, 4)), matrix @ rng.normal(size=(3, 2))])
    trained = trained_with(matrix, np.zeros(6), rest)
    own = Recentring(rng.normal(size=3), np.full(3, 1.2), rng.normal(size=3))
    recentring = own.beside(rng.normal(size=6), np.zeros(6, dtype=np.int64))
    standardiser = Standardiser({"eeg": np.zeros(6)}, {"eeg": np.ones(6)})
    folded = fold(recentring, trained, standardiser)
    x = rng.normal(size=(20, 6)) / 5
    before, after = (trained.front_end([s.transform("eeg", x)])[0] for s in (standardiser, folded.standardiser))
    assert max(np.abs(before).max(), np.abs(after).max()) < 8
    assert_allclose(after, own(before), atol=1e-12)
    assert folded.left_out < 1e-12


def test_where_inputs_depend_on_each_other_what_cannot_go_in_is_told() -> None:
    matrix = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    trained = trained_with(matrix, np.zeros(2))
    standardiser = Standardiser({"eeg": np.zeros(2)}, {"eeg": np.ones(2)})

    def left_out(*shift: float) -> float:
        return fold(Recentring(np.array(shift), np.ones(3), np.zeros(3)), trained, standardiser).left_out

    assert left_out(0.5, 0.3, 0.5) < 1e-12
    assert left_out(0.5, 0.3, -0.5) == pytest.approx(0.5)


# What is guarded is recentred as well: that alone is looked at with the front end that there is by default.
@pytest.mark.parametrize(
    ("front_end", "settings"),
    [("none", SETTINGS), ("pca", SETTINGS), ("cca", SETTINGS), ("shrunk", SETTINGS), ("shrunk", RECENTRE)],
    ids=["none", "pca", "cca", "shrunk", "shrunk-recentre"],
)
def test_the_new_bundle_predicts_as_the_adapter_in_its_last_state(
    tmp_path: Path, bundle: Bundle, session: Extraction, front_end: str, settings: AdaptationSettings
) -> None:
    old = bundle if front_end == "shrunk" else train(tmp_path, configuration(front_end=front_end, cca_size=2, epochs=5))
    assert old.model.settings.front_end == front_end
    given = standardised(old, session.table.features)
    frozen = Predictor(old.model, device="cpu").predict_many(given).probabilities
    adapted = adapt(old, session, settings=settings)
    assert adapted.bundle is not None
    assert adapted.left_out < 1e-9
    save_bundle(tmp_path / "new", adapted.bundle)
    new = load_bundle(tmp_path / "new")
    adapter = driven(old, session.table, settings)
    windows = [{view: x[row] for view, x in given.items()} for row in range(len(session.table))]
    expected = np.array([adapter.predict(window).probabilities for window in windows])
    said = Predictor(new.model, device="cpu").predict_many(standardised(new, session.table.features)).probabilities
    assert_allclose(said, expected, atol=2e-6)
    assert np.abs(said - frozen).max() > 0.05


def test_with_the_weights_of_the_frozen_model_nothing_is_gained_on_the_probe(
    bundle: Bundle, session: Extraction
) -> None:
    adapted = adapt(bundle, session, settings=RECENTRE)
    assert set(adapted.probe) == {"complete", "without:eeg", "without:eye"}
    for gain in adapted.probe.values():
        assert gain.frozen.to_dict() == gain.adapted.to_dict()
    assert adapted.bundle is not None
    assert all(torch.equal(value, weights(adapted.bundle)[name]) for name, value in weights(bundle).items())


def test_figures_of_the_recordings_are_those_of_the_windows_as_they_came(
    bundle: Bundle, session: Extraction, adapted: Adapted
) -> None:
    assert adapted.labelled is not None
    assert adapted.trials == 4
    table = session.table
    views = standardised(bundle, table.features)
    counts = (table.trial >= 0) & np.isfinite(views["eeg"]).all(axis=1)
    frozen = Predictor(bundle.model, device="cpu").predict_many(views).probabilities.argmax(axis=1)
    right = np.array(LABELS)[frozen] == table.label
    assert adapted.labelled.frozen.accuracy == pytest.approx(right[counts].mean())
    assert adapted.labelled.frozen.windows == adapted.labelled.adapted.windows == counts.sum()
    assert adapted.labelled.adapted.balanced_accuracy > adapted.labelled.frozen.balanced_accuracy
    assert list(adapted.recordings) == ["monday.xdf"]


def test_labels_of_the_recordings_teach_nothing(bundle: Bundle, session: Extraction, adapted: Adapted) -> None:
    table = session.table
    none = changed(session, label=np.full(len(table), ""), trial=np.full(len(table), -1))
    wrong = changed(session, label=np.where(table.trial >= 0, np.array(LABELS)[1 - table.trial % 2], ""))
    untold, misled = adapt(bundle, none), adapt(bundle, wrong)
    assert same(untold.bundle, adapted.bundle)
    assert same(misled.bundle, adapted.bundle)
    assert untold.labelled is None
    assert untold.trials == 0
    assert misled.labelled is not None
    assert adapted.labelled is not None
    assert misled.labelled.adapted.accuracy == pytest.approx(1 - adapted.labelled.adapted.accuracy)


def test_sessions_follow_each_other_whatever_their_clocks_say(bundle: Bundle, tmp_path: Path) -> None:
    session = extraction(tmp_path, "monday.xdf", 2, 2, moved=1.3, wider=1.3)
    second = extraction(tmp_path, "tuesday.xdf", 2, 3, moved=0.9)
    weeks_later = changed(second, start_s=second.table.start_s + 1e6, stop_s=second.table.stop_s + 1e6)
    both = adapt(bundle, session, second)
    assert same(both.bundle, adapt(bundle, session, weeks_later).bundle)
    assert not same(both.bundle, adapt(bundle, second).bundle)
    assert both.deeds.windows == 4 * EACH
    assert set(both.recordings) == {"monday.xdf", "tuesday.xdf"}


def test_a_bundle_says_where_it_comes_from_and_can_be_adapted_again(
    bundle: Bundle, tmp_path: Path, adapted: Adapted
) -> None:
    save_bundle(tmp_path / "first", adapted.bundle)  # type: ignore[arg-type]
    first = load_bundle(tmp_path / "first")
    tuesday = extraction(tmp_path, "tuesday.xdf", 2, 4, moved=0.8)
    save_bundle(tmp_path / "second", adapt(first, tuesday).bundle)  # type: ignore[arg-type]
    second = load_bundle(tmp_path / "second")
    assert [recording.name for recording in second.recordings] == ["a.xdf", "b.xdf", "monday.xdf", "tuesday.xdf"]
    assert [recording.labelled for recording in second.recordings] == [True, True, False, False]
    assert second.recordings[2].sha256 == hashlib.sha256(b"monday.xdf").hexdigest()
    assert second.recordings[2].windows == 4 * EACH
    assert second.metrics["held_out"] == bundle.metrics["held_out"]
    entries = second.metrics["adapted"]
    assert [entry["adapted_on"] for entry in entries] == [["monday.xdf"], ["tuesday.xdf"]]
    assert entries[0] == first.metrics["adapted"][0]
    assert entries[0]["from"] == "0" * 64
    assert entries[0]["accepted"] + sum(entries[0]["refused"].values()) == entries[0]["windows"] == 4 * EACH
    assert entries[0]["labelled"]["adapted"]["windows"] > 0
    assert "torch" in entries[0]["versions"]
    for old, new in ((bundle.calibration, second.calibration), (bundle.probe, second.probe)):
        assert old is not None
        assert new is not None
        assert_array_equal(old.recordings, new.recordings)
        for view in DIMS:
            assert_array_equal(old.views[view], new.views[view])


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"min_confidence": 1.0}, "none of 48 windows could be learnt from"),
        ({"every": 1000}, "48 windows could be learnt from, and an update takes 1000"),
        ({"max_drift": 1e-12}, "the guard took back what was learnt 3 times, and then went back to the frozen model"),
        ({"max_drift": 1e-12, "max_rollbacks": 1000}, "the guard took back all that was learnt"),
    ],
)
def test_where_nothing_is_learnt_there_is_no_bundle_and_a_reason(
    bundle: Bundle, session: Extraction, update: dict[str, float], reason: str
) -> None:
    adapted = adapt(bundle, session, settings=SETTINGS.model_copy(update=update))
    assert adapted.bundle is None
    assert adapted.reason.startswith(reason)
    assert adapted.deeds.updates == 0
    for gain in adapted.probe.values():
        assert gain.frozen.to_dict() == gain.adapted.to_dict()
    assert adapted.deeds.frozen == ("for good" in adapted.reason)


def test_windows_with_bad_channels_are_refused(bundle: Bundle, session: Extraction) -> None:
    quality = np.ones((len(session.table), DIMS["eeg"]))
    quality[:10, :2] = 0.45
    quality[10:20] = np.nan
    names = {"eeg": session.table.names["eeg"]}
    windows: list[None] = []
    watched = changed(session, quality={"eeg": quality}, quality_names=names)
    adapted = adapt(bundle, watched, on_window=lambda: windows.append(None))
    assert len(windows) == len(session.table)
    assert adapted.deeds.refused == {"signal quality": 10}
    assert adapted.deeds.accepted == len(session.table) - 10


def test_every_decision_is_an_event_with_its_window_and_recording(adapted: Adapted, events: list[Event]) -> None:
    assert events[0].kind == "adaptation-start"
    assert {event.details["recording"] for event in events} == {"monday.xdf"}
    updates = [event for event in events if event.kind == "adaptation-update"]
    assert len(updates) == adapted.deeds.updates > 0
    for event in updates:
        assert event.stamp_s == event.details["window"] + 2.0  # type: ignore[operator]
        assert event.as_json()


def test_what_cannot_adapt_is_refused_with_the_reason(bundle: Bundle, tmp_path: Path, session: Extraction) -> None:
    with pytest.raises(BundleError, match='standardise = "recording"'):
        adapt(train(tmp_path, configuration("recording", epochs=1)), session)
    with pytest.raises(BundleError, match="no calibration windows"):
        adapt(replace(bundle, calibration=None), session)
    with pytest.raises(ConfigurationError, match='mode = "off"'):
        adapt(bundle, session, settings=AdaptationSettings(mode="off"))
    other = StreamDescription("eeg", "eeg", "eeg", ("x",) * 7, 10.0)
    with pytest.raises(StreamError, match=r"monday\.xdf"):
        adapt(bundle, replace(session, bound={**session.bound, "eeg": other}))


def test_a_view_that_a_recording_lacks_is_missing_and_is_not_moved(bundle: Bundle, session: Extraction) -> None:
    table = session.table
    without = changed(
        session,
        features={**table.features, "eye": np.zeros((len(table), 0))},
        available={**table.available, "eye": np.zeros(len(table), dtype=bool)},
        names={**table.names, "eye": ()},
    )
    adapted = adapt(bundle, replace(without, bound={**session.bound, "eye": None}))
    assert adapted.bundle is not None
    assert adapted.bundle.standardiser is not None
    assert bundle.standardiser is not None
    assert adapted.deeds.recentring["eye"] == {"shift": 0.0, "scale": 1.0}
    assert_allclose(adapted.bundle.standardiser.mean["eye"], bundle.standardiser.mean["eye"], rtol=1e-12)
    assert_array_equal(adapted.bundle.standardiser.std["eye"], bundle.standardiser.std["eye"])
    assert not np.allclose(adapted.bundle.standardiser.mean["eeg"], bundle.standardiser.mean["eeg"])
