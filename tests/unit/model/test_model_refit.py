"""The second go learns from all but the probe, and leaves the figures to the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import make_data

from rtemo.model.data import TrainingData, rows_of
from rtemo.model.refit import left_out, refit
from rtemo.model.settings import make_settings
from rtemo.model.train import MIN_EPOCHS, TrainedModel, train

# Eight epochs: more than the fewest that there can be, so that their number is one that the steps decide.
SETTINGS = make_settings(
    "default", {"steps": 24, "batch_size": 100, "hidden": (16, 8), "latent": 4, "pca_size": 4, "validation_windows": 10}
)


def same(first: TrainedModel, second: TrainedModel) -> bool:
    """Whether two models are equal to the bit."""
    maps = zip(first.front_end.maps, second.front_end.maps, strict=True)
    weights = second.model.state_dict()
    return all(torch.equal(weights[name], value) for name, value in first.model.state_dict().items()) and all(
        np.array_equal(ours.offset, theirs.offset) and np.array_equal(ours.matrix, theirs.matrix)
        for ours, theirs in maps
    )


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return make_data(300, labelled=0.5, missing=0.1)[0]


@pytest.fixture(scope="module")
def first(data: TrainingData) -> TrainedModel:
    """The first go, of which no test changes anything."""
    return train(data, SETTINGS, device="cpu")


@pytest.mark.parametrize("fraction", [0.0, 0.1])
def test_it_is_the_training_on_all_but_the_probe(data: TrainingData, first: TrainedModel, fraction: float) -> None:
    settings = SETTINGS.model_copy(update={"probe_fraction": fraction})
    # Only the second go asks what is the probe.
    first = replace(first, settings=settings)
    assert first.held_out.any()
    final = refit(first, data, device="cpu")
    rest = rows_of(data, ~final.probe)
    assert len(rest) == (300 if fraction == 0 else 270)
    whole = train(rest, settings.model_copy(update={"validation_fraction": 0.0}), device="cpu")
    assert first.history[-1].epoch == first.history[-1].epochs > MIN_EPOCHS
    assert same(final, whole)
    assert final.temperature == first.temperature
    assert final.settings == first.settings
    np.testing.assert_array_equal(final.held_out, first.held_out)


def test_what_the_probe_holds_changes_no_weight(data: TrainingData, first: TrainedModel) -> None:
    final = refit(first, data, device="cpu")
    assert set(np.unique(data.labels[final.probe])) == {0, 1, 2}
    views = {name: np.where(final.probe[:, None], 9.0 - x, x) for name, x in data.views.items()}
    labels = np.where(final.probe, (data.labels + 1) % 3, data.labels)
    # The same trials are the probe though their labels are wrong now: each class still has as many.
    lied = refit(first, replace(data, views=views, labels=labels), device="cpu")
    np.testing.assert_array_equal(lied.probe, final.probe)
    assert same(lied, final)
    learnt = data.groups == data.groups[~first.held_out][0]
    views = {name: np.where(learnt[:, None], 9.0 - x, x) for name, x in data.views.items()}
    assert not same(refit(first, replace(data, views=views), device="cpu"), final)


def test_what_is_left_out_is_known_before_the_training(data: TrainingData) -> None:
    unlabelled = np.arange(300) % 10 == 0
    data = replace(data, labels=np.where(unlabelled, -1, data.labels))
    out = left_out(data, SETTINGS, seed=3)
    probe = refit(train(data, SETTINGS, seed=3, device="cpu"), data, seed=3, device="cpu").probe
    # The windows of a trial that have no label go with the others.
    assert out.sum() == 30
    np.testing.assert_array_equal(probe, out & ~unlabelled & np.isfinite(np.hstack(list(data.views.values()))).any(1))
    assert not left_out(data, SETTINGS.model_copy(update={"refit": False}), seed=3).any()


def test_without_a_hold_out_or_the_wish_the_first_go_stays(data: TrainingData, first: TrainedModel) -> None:
    nothing_held = train(data, SETTINGS.model_copy(update={"validation_fraction": 0.0, "epochs": 1}), device="cpu")
    assert not nothing_held.held_out.any()
    assert refit(nothing_held, data, device="cpu") is nothing_held
    unwished = replace(first, settings=SETTINGS.model_copy(update={"refit": False}))
    assert refit(unwished, data, device="cpu") is unwished


def test_it_stops_where_the_first_go_was_best() -> None:
    data, _ = make_data(300, labelled=0.5)
    changes = {"steps": 120, "batch_size": 150, "patience": 1, "warm_up": 0.0, "learning_rate": 0.1}
    first = train(data, SETTINGS.model_copy(update=changes), device="cpu")
    best = int(np.argmin([report.validation for report in first.history])) + 1
    assert MIN_EPOCHS < best < first.history[-1].epoch < first.history[-1].epochs
    # Either go has two batches in an epoch.
    assert first.history[-1].epochs == 60
    assert len(refit(first, data, device="cpu").history) == len(first.history) + best


def test_its_checkpoint_is_its_own_and_resumes(data: TrainingData, tmp_path: Path) -> None:
    brief = SETTINGS.model_copy(update={"epochs": 2})
    first = train(data, brief, device="cpu", checkpoint=tmp_path / "c")
    final = refit(first, data, device="cpu", checkpoint=tmp_path / "c")
    assert (tmp_path / "c.refit").is_file()
    first = train(data, brief, device="cpu", checkpoint=tmp_path / "c", resume=True)
    epochs: list[object] = []
    resumed = refit(first, data, device="cpu", checkpoint=tmp_path / "c", resume=True, on_epoch=epochs.append)
    assert epochs == []
    for name, value in final.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
