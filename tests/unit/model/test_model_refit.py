"""The second go learns from every label, and leaves the figures to the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from toys import make_data

from rtemo.model.refit import refit
from rtemo.model.settings import make_settings
from rtemo.model.train import cooling, train

SETTINGS = make_settings(
    "default", {"steps": 60, "batch_size": 32, "hidden": (16, 8), "latent": 4, "pca_size": 4, "validation_windows": 10}
)


def test_it_is_the_training_on_all_labels() -> None:
    data, _ = make_data(300, labelled=0.5, missing=0.1)
    first = train(data, SETTINGS, device="cpu")
    assert first.held_out.any()
    final = refit(first, data, device="cpu")
    whole = train(data, SETTINGS.model_copy(update={"validation_fraction": 0.0}), device="cpu")
    assert first.history[-1].epoch == first.history[-1].epochs
    for name, value in whole.model.state_dict().items():
        assert torch.equal(final.model.state_dict()[name], value)
    assert final.temperature == first.temperature
    assert final.settings == first.settings
    np.testing.assert_array_equal(final.held_out, first.held_out)


def test_without_a_hold_out_or_the_wish_the_first_go_stays() -> None:
    data, _ = make_data(300, labelled=0.5)
    nothing_held = train(data, SETTINGS.model_copy(update={"validation_fraction": 0.0}), device="cpu")
    assert refit(nothing_held, data, device="cpu") is nothing_held
    unwished = train(data, SETTINGS.model_copy(update={"refit": False}), device="cpu")
    assert refit(unwished, data, device="cpu") is unwished


def test_it_stops_where_the_first_go_was_best() -> None:
    data, _ = make_data(300, labelled=0.5)
    settings = SETTINGS.model_copy(update={"steps": 400, "patience": 1, "warm_up": 0.0, "learning_rate": 0.05})
    first = train(data, settings, device="cpu")
    assert first.history[-1].epoch < first.history[-1].epochs
    scores = [report.validation for report in first.history]
    best_steps = (int(np.argmin(scores)) + 1) * settings.steps / first.history[-1].epochs
    again = refit(first, data, device="cpu").history[len(first.history) :]
    batches_an_epoch = (
        settings.steps
        / train(data, settings.model_copy(update={"validation_fraction": 0.0, "patience": 10_000}), device="cpu")
        .history[-1]
        .epochs
    )
    assert abs(len(again) * batches_an_epoch - best_steps) <= batches_an_epoch * 6


def test_its_checkpoint_is_its_own_and_resumes(tmp_path: Path) -> None:
    data, _ = make_data(300, labelled=0.5)
    first = train(data, SETTINGS, device="cpu", checkpoint=tmp_path / "c")
    final = refit(first, data, device="cpu", checkpoint=tmp_path / "c")
    assert (tmp_path / "c.refit").is_file()
    first = train(data, SETTINGS, device="cpu", checkpoint=tmp_path / "c", resume=True)
    resumed = refit(first, data, device="cpu", checkpoint=tmp_path / "c", resume=True)
    for name, value in final.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)


def test_the_learning_rate_falls_over_the_last_part() -> None:
    assert [cooling(done, 0.3) for done in (0.0, 0.5, 0.7)] == [1.0, 1.0, 1.0]
    assert abs(cooling(0.85, 0.3) - 0.5) < 1e-12
    assert cooling(0.999, 0.3) == 0.03
    assert cooling(0.999, 0.0) == 1.0
