"""The guard: its figures against SciPy and another road to them, and harm that it must see."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import entropy, ttest_1samp
from tiny_adaptation import CPU, DIMS, QUICK, flat_inputs, labelled, model, spoilt

from rtemo.adaptation.guard import Guard, Probe, dropout_patterns
from rtemo.model.predict import Predictor
from rtemo.model.simvae import Simvae
from rtemo.model.trained import TrainedModel, frozen_copy

PROBE, REPLAY = labelled(10, seed=3, missing=0.2), labelled(12, seed=1)


def guard(*, probe: bool = True, **settings: float) -> Guard:
    frozen = frozen_copy(model()).model
    probing = Probe(flat_inputs(PROBE), PROBE.labels, PROBE.trials, frozen, CPU) if probe else None
    return Guard(frozen, probing, flat_inputs(REPLAY), REPLAY.labels, QUICK.model_copy(update=settings), CPU)


def leaning(by: float) -> Simvae:
    """A model that says the first label more than it should."""
    copy = frozen_copy(model()).model
    with torch.no_grad():
        copy.classifier.head_bias[0] += by
    return copy


def probabilities(trained: TrainedModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every probe window in every set of views, by the model's own predictor; label and trial beside them."""
    from dataclasses import replace

    predictor = Predictor(replace(trained, temperature=1.0), device="cpu", imputations=0)
    said, labels, trials = [], [], []
    for shown in ((1, 1), (1, 0), (0, 1)):
        views = {v: np.where(s, PROBE.views[v], np.nan) for v, s in zip(DIMS, shown, strict=True)}
        some = np.any([np.isfinite(x).all(axis=1) for x in views.values()], axis=0)
        said.append(predictor.predict_many(views).probabilities[some])
        labels.append(PROBE.labels[some])
        trials.append(PROBE.trials[some])
    return np.concatenate(said), np.concatenate(labels), np.concatenate(trials)


@pytest.mark.parametrize("by", [-0.8, 0.3])
def test_the_paired_comparison_is_scipys_t_test_over_trials(by: float) -> None:
    worse = frozen_copy(model())
    worse.model.load_state_dict(leaning(by).state_dict())
    found = guard().judge(worse.model, 0.0).figures
    before, labels, trials = probabilities(model())
    after, _, _ = probabilities(worse)
    rows = np.arange(len(labels))
    rise = np.log(before[rows, labels]) - np.log(after[rows, labels])
    by_trial = [rise[trials == trial].mean() for trial in np.unique(trials)]
    assert_allclose(found["probe_rise"], np.mean(by_trial), rtol=1e-3, atol=1e-6)
    assert_allclose(found["probe_t"], ttest_1samp(by_trial, 0).statistic, rtol=1e-3)
    right = [said.argmax(axis=1) == labels for said in (before, after)]
    lost = np.mean([right[0][labels == k].mean() - right[1][labels == k].mean() for k in (0, 1)])
    assert_allclose(found["probe_lost"], lost, atol=1e-12)


def test_the_frozen_model_itself_is_clear_of_everything() -> None:
    verdict = guard().judge(frozen_copy(model()).model, 0.0)
    assert verdict.reason == ""
    assert verdict.clear
    assert set(verdict.figures.values()) == {0.0}


def test_a_classifier_made_worse_is_caught_by_the_probe() -> None:
    assert guard(probe_drop=0.1).judge(leaning(6.0), 0.0).reason == "probe lost"
    verdict = guard(probe_drop=0.5).judge(leaning(6.0), 0.0)  # it is right often enough, but surely less sure
    assert verdict.reason == "probe rise"
    assert verdict.figures["probe_lost"] <= 0.5
    assert verdict.figures["bound_lost"] == 0.0
    assert guard(probe=False).judge(leaning(6.0), 0.0).reason == ""


def test_decoders_made_worse_are_caught_by_the_bound_alone() -> None:
    verdict = guard().judge(spoilt(model(), "decoders", 0.5).model, 0.0)
    assert verdict.reason == "bound lost"
    assert verdict.figures["probe_lost"] == verdict.figures["probe_rise"] == 0.0


def test_imputers_made_worse_are_caught_by_the_probe_without_views() -> None:
    assert guard().judge(spoilt(model(), "imputer", 3.0).model, 0.0).reason in ("probe lost", "probe rise")


@pytest.mark.parametrize("part", ["classifier.head", "decoders.second", "imputer.first", "encoders.head"])
def test_weights_that_are_no_numbers_are_not_finite(part: str) -> None:
    verdict = guard().judge(spoilt(model(), part, math.nan).model, 0.0)
    assert verdict.reason == "not finite"
    assert not verdict.clear


@pytest.mark.parametrize("drift", [math.nan, math.inf])
def test_a_distance_that_is_no_number_is_not_finite(drift: float) -> None:
    assert guard().judge(None, drift).reason == "not finite"


def test_a_stream_of_one_class_raises_no_alarm_and_a_collapse_does() -> None:
    ours = guard()
    for _ in range(300):
        ours.hear(1, 1)
    assert ours.judge(None, 0.0).clear
    for index in range(200):
        ours.hear(1, index % 2)
    verdict = ours.judge(None, 0.0)
    assert verdict.reason == "entropy lost"
    said = np.bincount([1] * 100 + [index % 2 for index in range(200)])
    assert_allclose(verdict.figures["entropy_lost"], entropy(said) / math.log(2), rtol=1e-9)
    ours.forget()
    assert ours.judge(None, 0.0).clear


def test_a_model_that_says_more_labels_than_the_frozen_one_raises_no_alarm() -> None:
    ours = guard()
    for index in range(300):
        ours.hear(index % 2, 1)
    assert ours.judge(None, 0.0).figures["entropy_lost"] < 0
    assert ours.judge(None, 0.0).clear


def test_a_few_windows_do_not_tell_of_a_collapse() -> None:
    ours = guard(watched=100)
    for index in range(19):
        ours.hear(0, index % 2)
    assert ours.judge(None, 0.0).figures["entropy_lost"] == 0.0
    ours.hear(0, 1)
    assert ours.judge(None, 0.0).reason == "entropy lost"


def test_half_of_what_is_allowed_is_clear_and_all_of_it_stays() -> None:
    ours = guard(max_drift=0.1)
    for drift, clear, reason in ((0.05, True, ""), (0.051, False, ""), (0.1, False, ""), (0.101, False, "drift")):
        verdict = ours.judge(None, drift)
        assert (verdict.clear, verdict.reason) == (clear, reason)


@pytest.mark.parametrize("views", [1, 2, 3, 4])
def test_up_to_four_views_every_set_of_them_is_tried(views: int) -> None:
    found = {tuple(row) for row in dropout_patterns(views).tolist()}
    assert found == {shown for shown in itertools.product((True, False), repeat=views) if any(shown)}
    assert len(dropout_patterns(views)) == len(found)
    assert dropout_patterns(views)[0].all()


def test_of_more_views_all_all_but_one_and_one_alone_are_tried() -> None:
    assert sorted(dropout_patterns(6).sum(axis=1).tolist()) == [1] * 6 + [5] * 6 + [6]
    assert len({tuple(row) for row in dropout_patterns(6).tolist()}) == 13


def test_judging_changes_nothing_and_says_the_same_again() -> None:
    ours, worse = guard(), spoilt(model(), "", 0.05).model
    before = [parameter.clone() for parameter in worse.parameters()]
    assert ours.judge(worse, 0.01) == ours.judge(worse, 0.01)
    assert all(torch.equal(one, other) for one, other in zip(before, worse.parameters(), strict=True))
