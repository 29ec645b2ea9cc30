"""What a bundle keeps beside its model: a probe that the model never learnt from, and calibration windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from rtemo.config import Configuration, parse_configuration
from rtemo.extraction import Extraction
from rtemo.model.bundle import Bundle, load_bundle, save_bundle
from rtemo.training import train_bundle
from rtemo.types import FeatureTable, StreamDescription

LABELS = ("calm", "joy")
DIMS = {"eeg": 6, "eye": 3}
EACH = 12
"""Windows a trial: the last two lie across its edge, so they have no label and no trial."""


def configuration(standardise: str = "calibration", **settings: object) -> Configuration:
    # What is learnt counts in no test, only what from.
    small = {"epochs": 3, "hidden": [8, 6], "latent": 3, "pca_size": 4, "imputations": 2, "validation_windows": 10}
    return parse_configuration(
        {
            "labels": list(LABELS),
            "standardise": standardise,
            "views": {view: {"stream": {"type": view}, "features": "identity"} for view in DIMS},
            "model": {"settings": small | settings},
        },
        "test",
    )


def extraction(folder: Path, name: str, trials: int, seed: int, labelled: bool = True) -> Extraction:
    """A recording of trials of alternating labels; some windows lack a view."""
    rng = np.random.default_rng(seed)
    windows = trials * EACH
    inside = np.arange(windows) % EACH < EACH - 2
    trial = np.arange(windows) // EACH
    known = inside & labelled
    features = {view: 5 + rng.normal(size=(windows, dim)) + 2.0 * (trial % 2)[:, None] for view, dim in DIMS.items()}
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
        label=np.where(known, np.array(LABELS)[trial % 2], ""),
        trial=np.where(known, trial, -1),
        recording=np.zeros(windows, dtype=np.int64),
        recordings=[str(folder / name)],
    )
    bound = {view: StreamDescription(view, view, view, table.names[view], 10.0) for view in DIMS}
    return Extraction(table, bound, ())


def train_on(config: Configuration, labelled: list[Extraction], *unlabelled: Extraction) -> Bundle:
    return train_bundle(config, labelled, unlabelled, device="cpu").bundle


def same(first: Bundle, second: Bundle) -> bool:
    """Whether two bundles hold the same model to the bit, its scaling included."""
    ours, theirs = first.model.model.state_dict(), second.model.model.state_dict()
    maps = zip(first.model.front_end.maps, second.model.front_end.maps, strict=True)
    scaled = first.standardiser is None or all(
        np.array_equal(first.standardiser.mean[view], second.standardiser.mean[view])
        and np.array_equal(first.standardiser.std[view], second.standardiser.std[view])
        for view in DIMS
    )
    return (
        scaled
        and all(torch.equal(value, theirs[name]) for name, value in ours.items())
        and all(np.array_equal(a.offset, b.offset) and np.array_equal(a.matrix, b.matrix) for a, b in maps)
    )


@pytest.fixture
def recordings(tmp_path: Path) -> list[Extraction]:
    return [extraction(tmp_path, "a.xdf", 10, 0), extraction(tmp_path, "b.xdf", 10, 1)]


def test_features_of_the_probe_change_nothing_of_the_model(recordings: list[Extraction]) -> None:
    bundle = train_on(configuration(), recordings)
    assert bundle.probe is not None
    assert bundle.metrics["refitted"] is False
    assert_array_equal(np.bincount(bundle.probe.labels), [EACH - 2, EACH - 2])

    def disturbed(number: int, chosen: np.ndarray) -> Extraction:
        table = recordings[number].table
        rows = np.isin(table.trial + 10 * number, chosen) & (table.trial >= 0)
        features = {view: np.where(rows[:, None], 100.0 - x, x) for view, x in table.features.items()}
        return replace(recordings[number], table=replace(table, features=features))

    trials = np.unique(bundle.probe.trials)
    assert same(train_on(configuration(), [disturbed(0, trials), disturbed(1, trials)]), bundle)
    others = np.setdiff1d(np.arange(20), trials)[:1]
    assert not same(train_on(configuration(), [disturbed(0, others), disturbed(1, others)]), bundle)


@pytest.mark.parametrize("standardise", ["calibration", "recording"])
def test_probe_and_calibration_are_all_labelled_windows_and_share_no_trial(
    tmp_path: Path, recordings: list[Extraction], standardise: str
) -> None:
    unlabelled = extraction(tmp_path, "c.xdf", 3, 2, labelled=False)
    bundle = train_on(configuration(standardise), recordings, unlabelled)
    probe, calibration = bundle.probe, bundle.calibration
    assert probe is not None
    assert calibration is not None
    assert not set(probe.trials) & set(calibration.trials)
    assert len(probe) + len(calibration) == 20 * (EACH - 2)
    assert list(probe.views) == list(calibration.views) == list(DIMS)
    for windows in (probe, calibration):
        assert_array_equal(windows.labels, windows.trials % 2)
        assert_array_equal(windows.recordings, windows.trials // 10)
    assert (np.diff(calibration.trials) >= 0).all()
    table = recordings[1].table
    trial = calibration.trials[-1] - 10
    raw = table.features["eeg"][table.trial == trial]
    if bundle.standardiser is not None:
        expected = bundle.standardiser.transform("eeg", raw).astype(np.float32)
        assert_array_equal(calibration.views["eeg"][-len(raw) :], expected)
    save_bundle(tmp_path / "bundle", bundle)
    assert_array_equal(load_bundle(tmp_path / "bundle").calibration.recordings, calibration.recordings)  # type: ignore[union-attr]


def test_of_few_trials_the_model_learns_them_all_and_says_so(tmp_path: Path) -> None:
    given = [extraction(tmp_path, "a.xdf", 8, 0)]
    training = train_bundle(configuration(), given, [], device="cpu")
    bundle = training.bundle
    assert bundle.metrics["refitted"] is True
    assert any("learnt from the bundle's probe" in line for line in training.warnings)
    assert bundle.probe is not None
    assert bundle.calibration is not None
    assert len(bundle.probe) == 2 * (EACH - 2)
    assert len(bundle.probe) + len(bundle.calibration) == 8 * (EACH - 2)
    assert not set(bundle.probe.trials) & set(bundle.calibration.trials)
    wished = train_bundle(configuration(probe_fraction=0.0), given, [], device="cpu")
    assert same(wished.bundle, bundle)
    assert wished.bundle.metrics["refitted"] is True
    assert wished.warnings == ()


def test_without_a_second_go_the_probe_is_all_that_was_held_out(recordings: list[Extraction]) -> None:
    bundle = train_on(configuration(refit=False), recordings)
    assert bundle.metrics["refitted"] is False
    assert bundle.probe is not None
    assert bundle.calibration is not None
    assert_array_equal(np.bincount(bundle.probe.labels), [2 * (EACH - 2)] * 2)
    assert len(bundle.calibration) == 16 * (EACH - 2)
    assert bundle.metrics["held_out"] == train_on(configuration(probe_fraction=0.0), recordings).metrics["held_out"]


def test_where_nothing_is_held_out_there_is_no_probe(recordings: list[Extraction]) -> None:
    bundle = train_on(configuration(validation_fraction=0.0), recordings)
    assert bundle.probe is None
    assert bundle.metrics == {}
    assert bundle.calibration is not None
    assert len(bundle.calibration) == 20 * (EACH - 2)
