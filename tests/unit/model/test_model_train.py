"""Training: deterministic, resumable, honest about what it held out, and clear about what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import make_data

from rtemo.errors import ConfigurationError, ModelError
from rtemo.model.batches import Sampler, random_submask
from rtemo.model.data import MIN_PROBE_TRIALS, TrainingData, check, held_out, observations, probe_windows
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import EpochReport, TrainedModel, train

SETTINGS = make_settings("default", {"epochs": 6, "batch_size": 32, "hidden": (16, 8), "latent": 4, "pca_size": 4})


def _same(a: TrainedModel, b: TrainedModel) -> bool:
    ours, theirs = a.model.state_dict(), b.model.state_dict()
    equal = all(torch.equal(ours[name], theirs[name]) for name in ours)
    losses = [report.losses for report in a.history] == [report.losses for report in b.history]
    return equal and losses and a.temperature == b.temperature


def test_training_learns() -> None:
    data, truth = make_data(400, labelled=0.3, missing=0.1)
    trained = train(data, SETTINGS.model_copy(update={"epochs": 60}), device="cpu")
    output = Predictor(trained, device="cpu").predict_many(data.views)
    assert (output.probabilities.argmax(1) == truth)[data.labels < 0].mean() > 0.8
    assert trained.history[-1].losses["total"] < trained.history[0].losses["total"]


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_model() -> None:
    data, _ = make_data(labelled=0.3, missing=0.1)
    first, second, other = (train(data, SETTINGS, seed=seed, device="cpu") for seed in (0, 0, 1))
    assert _same(first, second)
    assert not _same(first, other)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_a_run_that_was_cut_off_resumes_to_the_same_bits(tmp_path: Path, preset: str) -> None:
    data, _ = make_data(labelled=0.5, missing=0.1)
    settings = make_settings(
        preset, {"epochs": 6, "batch_size": 32, "hidden": (16, 8), "latent": 4, "dropout": 0.2, "validation_windows": 5}
    )
    whole = train(data, settings, device="cpu")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"

    class CutError(Exception):
        pass

    def cut(report: EpochReport) -> None:
        if report.epoch == 3:
            raise CutError

    with pytest.raises(CutError):
        train(data, settings, device="cpu", checkpoint=checkpoint, on_epoch=cut)
    torch.manual_seed(99)
    resumed = train(data, settings, device="cpu", checkpoint=checkpoint, resume=True)
    assert _same(whole, resumed)
    again: list[EpochReport] = []
    assert _same(whole, train(data, settings, device="cpu", checkpoint=checkpoint, resume=True, on_epoch=again.append))
    assert again == []


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    data, _ = make_data()
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(data, SETTINGS, device="cpu", checkpoint=checkpoint)
    with pytest.raises(ModelError, match="other data, settings, seed"):
        train(data, SETTINGS, seed=1, device="cpu", checkpoint=checkpoint, resume=True)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(ModelError, match="not a checkpoint"):
        train(data, SETTINGS, device="cpu", checkpoint=checkpoint, resume=True)
    checkpoint.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ModelError, match="not a checkpoint"):
        train(data, SETTINGS, device="cpu", checkpoint=checkpoint, resume=True)


def test_the_global_generator_is_left_alone() -> None:
    data, _ = make_data()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Predictor(train(data, SETTINGS, device="cpu"), device="cpu").predict_many(data.views)
    assert torch.equal(torch.rand(3), expected)


def test_missing_entries_may_hold_anything() -> None:
    data, _ = make_data(missing=0.3)
    other = {name: x.copy() for name, x in data.views.items()}
    for x in other.values():
        holes = np.flatnonzero(np.isnan(x).any(axis=1))
        x[holes, 0] = np.inf
        x[holes, 1] = 3.0
    assert _same(train(data, SETTINGS, device="cpu"), train(replace(data, views=other), SETTINGS, device="cpu"))


@pytest.mark.parametrize(
    "overrides",
    [
        {"chain": True},
        {"labels": False},
        {"missing": "drop", "c1": 0.0},
        {"missing": "marginalise"},
        {"front_end": "both"},
        {"front_end": "cca"},
        {"front_end": "none", "imputation": "sample", "imputer_gradient": "elbo", "posterior": "all"},
        {"batch": "uniform", "prior": "frequency", "class_weight": "none"},
        {"c3": 0.5, "dropout": 0.3},
        {"decoder_variance": "fixed", "entropy": "jensen"},
    ],
    ids=str,
)
def test_every_way_trains_and_predicts(overrides: dict[str, object]) -> None:
    data, _ = make_data(missing=0.2, labelled=0.5)
    trained = train(data, make_settings("default", {**SETTINGS.model_dump(), "epochs": 2, **overrides}), device="cpu")
    output = Predictor(trained, device="cpu").predict_many(data.views)
    assert np.allclose(output.probabilities.sum(1), 1, atol=1e-5)
    assert all(np.isfinite(value) for value in trained.history[-1].losses.values())


@pytest.mark.parametrize("views", [1, 3])
def test_one_view_and_three_views_train(views: int) -> None:
    data, _ = make_data(dims=(5, 4, 6)[:views], missing=0.1)
    trained = train(data, SETTINGS, device="cpu")
    assert len(Predictor(trained, device="cpu").predict({"a": data.views["a"][0]}).contributions) == views


def test_steps_that_are_not_finite_are_skipped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    import rtemo.model.train as module

    calls = iter(range(1000))
    real = module.loss_terms

    def sometimes_wild(*args: object, **kwargs: object) -> object:
        terms = real(*args, **kwargs)  # type: ignore[arg-type]
        return replace(terms, total=terms.total * float("nan")) if next(calls) % 3 == 1 else terms

    data, _ = make_data()
    monkeypatch.setattr(module, "loss_terms", sometimes_wild)
    trained = train(data, SETTINGS, device="cpu")
    assert sum(report.skipped for report in trained.history) > 0
    assert all(torch.isfinite(p).all() for p in trained.model.parameters())
    monkeypatch.setattr(
        module, "loss_terms", lambda *a, **k: replace(real(*a, **k), total=real(*a, **k).total * float("nan"))
    )
    with pytest.raises(ModelError, match="diverged"):
        train(data, SETTINGS, device="cpu")


def _broken(change: str) -> TrainingData:
    data, _ = make_data()
    labels, views = data.labels.copy(), dict(data.views)
    if change == "one class only":
        labels[:] = np.where(labels == 0, 0, -1)
    elif change == "a label with no window":
        labels[labels == 2] = -1
    elif change == "no label":
        labels[:] = -1
    elif change == "all views missing":
        views = {name: np.full_like(x, np.nan) for name, x in views.items()}
    elif change == "one view missing throughout":
        views["b"] = np.full_like(views["b"], np.nan)
    elif change == "empty":
        return TrainingData({name: x[:0] for name, x in views.items()}, labels[:0], labels[:0], data.class_names)
    elif change == "no view":
        views = {}
    elif change == "one class name":
        return replace(data, class_names=("only",), labels=np.zeros_like(labels))
    elif change == "label out of range":
        labels[0] = 7
    elif change == "lengths differ":
        views["a"] = views["a"][:-1]
    return replace(data, labels=labels, views=views)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("one class only", "has the label 'q', 'r' .found p: 80"),
        ("a label with no window", "no training window has the label 'r'"),
        ("no label", "no training window has a label"),
        ("all views missing", "view 'a' is missing in all 240"),
        ("one view missing throughout", "view 'b' is missing in all 240"),
        ("empty", "is empty"),
        ("no view", "has no view"),
        ("one class name", "expected two or more"),
        ("label out of range", "expected -1 .none. to 2"),
        ("lengths differ", "expected .240, at least 1."),
    ],
)
def test_data_that_nothing_can_be_learnt_from_is_refused_with_the_reason(change: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        train(_broken(change), SETTINGS, device="cpu")


def test_dropping_every_window_of_a_label_is_refused() -> None:
    data, _ = make_data()
    views = dict(data.views)
    views["b"] = np.where((data.labels == 1)[:, None], np.nan, views["b"])
    with pytest.raises(ModelError, match="with all views has the label 'q'"):
        train(replace(data, views=views), SETTINGS.model_copy(update={"missing": "drop"}), device="cpu")


def test_an_unknown_device_is_refused() -> None:
    data, _ = make_data()
    for device in ("abacus", "meta"):
        with pytest.raises(ConfigurationError, match=device):
            train(data, SETTINGS, device=device)


def test_held_out_windows_are_whole_trials_of_every_class() -> None:
    data, _ = make_data(600)
    held = held_out(data, np.ones(600, dtype=bool), 0.2, 30, seed=0)
    assert held.any()
    for trial in np.unique(data.groups):
        assert len(set(held[data.groups == trial])) == 1
    assert set(data.labels[held]) == set(data.labels[~held]) == {0, 1, 2}


def test_nothing_is_held_out_where_labels_are_few() -> None:
    data, _ = make_data(600, labelled=0.05)
    assert not held_out(data, np.ones(600, dtype=bool), 0.2, 30, seed=0).any()
    trained = train(data, SETTINGS, device="cpu")
    assert trained.history[-1].validation is None
    assert len(trained.history) == SETTINGS.epochs
    assert trained.temperature == 1.0


def test_the_probe_is_some_of_the_held_out_trials_of_every_class() -> None:
    data, _ = make_data(1200)
    held = held_out(data, np.ones(1200, dtype=bool), 0.2, 30, seed=0)
    for fraction, trials in ((0.01, 1), (0.1, 4), (0.9, 8)):
        probe = probe_windows(data, held, SETTINGS.model_copy(update={"probe_fraction": fraction}), seed=0)
        assert held[probe].all()
        for label in range(3):
            assert len(np.unique(data.groups[probe & (data.labels == label)])) == trials
        assert probe.sum() == 3 * 10 * trials


def test_no_trial_is_spared_for_good_where_there_are_few_or_none_is_wished() -> None:
    for trials, spared in ((MIN_PROBE_TRIALS - 1, 0), (MIN_PROBE_TRIALS, 30)):
        data, _ = make_data(30 * trials)
        held = held_out(data, np.ones(len(data), dtype=bool), 0.2, 30, seed=0)
        assert held.any()
        assert probe_windows(data, held, SETTINGS, seed=0).sum() == spared
        assert not probe_windows(data, held, SETTINGS.model_copy(update={"probe_fraction": 0.0}), seed=0).any()
        assert not probe_windows(data, np.zeros_like(held), SETTINGS, seed=0).any()


def test_trials_that_alone_have_a_view_are_not_spared() -> None:
    data, _ = make_data(300)
    held = held_out(data, np.ones(300, dtype=bool), 0.2, 30, seed=0)
    views = {**data.views, "b": np.where(held[:, None], data.views["b"], np.nan)}
    settings = SETTINGS.model_copy(update={"probe_fraction": 0.2})
    assert probe_windows(data, held, settings, seed=0).any()
    assert not probe_windows(replace(data, views=views), held, settings, seed=0).any()


def test_labels_that_are_held_out_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = make_data(600)
    held = held_out(data, np.ones(600, dtype=bool), 0.2, 30, seed=0)
    monkeypatch.setattr("rtemo.model.train.held_out", lambda *_: held)
    lied = np.where(held, (data.labels + 1) % 3, data.labels)
    settings = SETTINGS.model_copy(update={"temperature": False})
    honest, wrong = (train(replace(data, labels=labels), settings, device="cpu") for labels in (data.labels, lied))
    assert [report.losses for report in honest.history] == [report.losses for report in wrong.history]


def test_training_stops_early_and_keeps_the_best_epoch() -> None:
    data, _ = make_data(600)
    settings = SETTINGS.model_copy(update={"epochs": 400, "patience": 3, "warm_up": 0.0, "learning_rate": 1e-2})
    trained = train(data, settings, device="cpu")
    scores = [report.validation for report in trained.history]
    assert len(scores) < 400
    assert np.argmin(scores) == len(scores) - 1 - 3


def test_mixed_batches_always_hold_labelled_and_multi_view_windows() -> None:
    rng = np.random.default_rng(0)
    labels = np.full(1000, -1)
    labels[:6] = [0, 1, 2, 0, 1, 2]
    available = np.eye(2, dtype=bool)[rng.integers(0, 2, 1000)]
    available[rng.permutation(1000)[:20]] = True
    settings = make_settings("default", {"batch_size": 40})
    sampler = Sampler(labels, available, settings, seed=0)
    seen: set[int] = set()
    for draw in sampler.epoch(0):
        assert len(draw.windows) == 40
        assert draw.labelled >= 10
        assert (labels[draw.windows[: draw.labelled]] >= 0).all()
        assert (labels[draw.windows[draw.labelled :]] < 0).all()
        assert (available[draw.windows].sum(1) > 1).sum() >= 10
        seen.update(draw.windows.tolist())
    assert seen == set(range(1000))
    first, second = ([draw.windows for draw in sampler.epoch(epoch)] for epoch in (0, 1))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_windows_of_a_trial_count_as_one_observation_and_those_of_none_as_they_do() -> None:
    groups = np.repeat([4, -1, 7, -1], [10, 15, 10, 6])
    data = TrainingData({"a": np.zeros((41, 1))}, np.full(41, -1), groups, ("p", "q"))
    every = np.ones(41, dtype=bool)
    assert observations(data, every) == 2 + 3  # 21 windows of no trial, 10 of which are worth a trial
    assert observations(data, groups == 4) == 1
    loose = replace(data, groups=np.full(41, -1))
    assert observations(loose, every) == 41
    assert observations(data, ~every) == 0


def test_submasks_hide_some_of_what_is_observed_and_show_some() -> None:
    rng = np.random.default_rng(0)
    available = rng.random((2000, 4)) < 0.6
    shown = random_submask(available, rng)
    assert not (shown & ~available).any()
    several = available.sum(1) > 1
    assert (shown.sum(1)[several] >= 1).all()
    assert (shown.sum(1)[several] < available.sum(1)[several]).all()
    assert np.array_equal(shown[~several], available[~several])
    complete = random_submask(np.ones((4000, 3), dtype=bool), rng)
    assert len(np.unique(complete, axis=0)) == 6
    assert check(make_data()[0]).all()


def test_unknown_settings_and_presets_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'latent'"):
        make_settings("default", {"latnt": 3})
    with pytest.raises(ConfigurationError, match=r"'tau'.*found 2"):
        make_settings("default", {"tau": 2})
    with pytest.raises(ConfigurationError, match="preset 'best' is unknown"):
        make_settings("best")
    with pytest.raises(ConfigurationError, match="marginalise"):
        make_settings("default", {"missing": "marginalise", "chain": True})
