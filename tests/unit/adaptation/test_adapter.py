"""The adapter: what is exact to the bit, what comes back, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tiny_adaptation import DIMS, QUICK, Run, flat_inputs, labelled, model, stream

from rtemo.adaptation.adapter import FROZEN, RESET, ROLLBACK, SKIP, START, UPDATE, Adapter, Observation, Snapshot
from rtemo.adaptation.guard import Verdict
from rtemo.adaptation.recentre import Recentring
from rtemo.model.front_end import CLAMP
from rtemo.model.predict import ModelOutput, Predictor
from rtemo.outputs.events import Event

FIELDS = ("probabilities", "spread", "posterior_weights", "contributions")
FINE = Verdict("", {}, clear=True)
DOUBTFUL = Verdict("", {}, clear=False)
BAD = Verdict("made up", {"figure": 1.5}, clear=False)
HELD = [*stream(6, seed=50), {"a": stream(1, 51)[0]["a"], "b": None}, {"b": stream(1, 52)[0]["b"]}, {}]
"""Windows to compare predictions on: whole, without either view, without any."""


def outputs(predict: Callable[[Mapping], ModelOutput]) -> list[ModelOutput]:
    return [predict(views) for views in HELD]


def assert_same(one: list[ModelOutput], other: list[ModelOutput]) -> None:
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        for name in FIELDS:
            assert_array_equal(getattr(a, name), getattr(b, name), err_msg=f"{name} of held window {number}")


def differ(one: list[ModelOutput], other: list[ModelOutput]) -> bool:
    return any((a.probabilities != b.probabilities).any() for a, b in zip(one[:6], other[:6], strict=True))


def assert_same_state(one: Snapshot, other: Snapshot) -> None:
    """Model, teacher, optimiser, recentring, reservoir, memory and random numbers, bit for bit."""
    for name in ("shift", "scale", "centre"):
        assert_array_equal(getattr(one.recentring, name), getattr(other.recentring, name))
    for a, b in ((one.reservoir, other.reservoir), (one.memory, other.memory)):
        assert list(a[0]) == list(b[0])
        assert a[1] == b[1]
        for key in a[0]:
            for kept, again in zip(a[0][key], b[0][key], strict=True):
                assert_array_equal(kept.x, again.x)
                assert_array_equal(kept.available, again.available)
                assert kept.stop_s == again.stop_s
    assert (one.learner is None) == (other.learner is None)
    if one.learner is not None:
        for name in ("student", "teacher", "noise"):
            assert torch.equal(getattr(one.learner, name), getattr(other.learner, name)), name
        assert all(torch.equal(a, b) for a, b in zip(one.learner.moments, other.learner.moments, strict=True))
        assert one.learner.steps == other.learner.steps
        assert one.learner.numbers == other.learner.numbers


def judged(run: Run, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard says this from now on."""
    monkeypatch.setattr(run.adapter._guard, "judge", lambda *_: verdict)


def watch(run: Run, windows: list[Mapping], **how: float) -> list[np.ndarray]:
    return [run.see(views, **how) for views in windows]


@pytest.mark.parametrize("overrides", [{}, {"front_end": "pca", "pca_size": 2}, {"imputations": 0}, {"chain": True}])
def test_before_it_has_learnt_it_says_what_the_frozen_model_says_bit_for_bit(overrides: dict) -> None:
    run = Run(model(**overrides))
    assert_same(outputs(run.adapter.predict), outputs(run.shadow.predict))
    for views in stream(3, seed=4):  # one short of an update
        assert_array_equal(run.see(views), run.shadow.predict(views).probabilities)


def test_the_frozen_model_is_its_own_after_any_number_of_updates() -> None:
    run = Run()
    before = outputs(run.shadow.predict)
    watch(run, stream(40, seed=5, shift=1.0))
    assert differ(outputs(run.adapter.predict), before)
    assert_same(outputs(run.shadow.predict), before)
    assert_same(outputs(Predictor(run.trained, device="cpu").predict), before)


@pytest.mark.parametrize("mode", ["guarded", "recentre"])
def test_a_rollback_brings_everything_back_bit_for_bit(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(mode=mode, max_rollbacks=10)
    judged(run, FINE, monkeypatch)
    watch(run, stream(40, seed=6, shift=1.5))
    good, said, digest = run.adapter._save(), outputs(run.adapter.predict), run.adapter.digest()
    assert_same_state(run.adapter._good, good)
    judged(run, DOUBTFUL, monkeypatch)
    watch(run, stream(24, seed=7, shift=-2.5))
    assert differ(outputs(run.adapter.predict), said)
    judged(run, BAD, monkeypatch)
    watch(run, stream(4, seed=8, shift=-2.5))
    assert run.adapter.rollbacks == 1
    assert_same_state(run.adapter._save(), Snapshot(67, *list(vars(good).values())[1:]))
    assert_same(outputs(run.adapter.predict), said)
    assert run.adapter.digest() == digest
    assert run.told(ROLLBACK)[0]["to"] == 39
    assert run.told(ROLLBACK)[0]["digest"] == digest


def test_after_a_rollback_it_learns_what_it_would_have_learnt_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One adapter goes astray in between, the other does not: both end alike."""
    straight, astray = Run(max_rollbacks=10), Run(max_rollbacks=10)
    for run in (straight, astray):
        judged(run, FINE, monkeypatch)
        watch(run, stream(24, seed=9, shift=0.5))
    judged(astray, DOUBTFUL, monkeypatch)
    watch(astray, stream(12, seed=10, shift=3.0))
    judged(astray, BAD, monkeypatch)
    watch(astray, stream(4, seed=11, shift=3.0))
    straight.index = astray.index
    for run in (straight, astray):
        judged(run, FINE, monkeypatch)
        watch(run, stream(24, seed=12, shift=0.5))
    assert straight.adapter.digest() == astray.adapter.digest()
    assert_same(outputs(straight.adapter.predict), outputs(astray.adapter.predict))


@pytest.mark.parametrize("mode", ["guarded", "recentre"])
def test_three_rollbacks_freeze_it_at_the_frozen_model(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(replace(model(), temperature=1.7), mode=mode)
    judged(run, FINE, monkeypatch)
    watch(run, stream(24, seed=13, shift=1.5))
    assert differ(outputs(run.adapter.predict), outputs(run.shadow.predict))
    judged(run, BAD, monkeypatch)
    watch(run, stream(12, seed=14, shift=1.5))
    assert run.adapter.frozen
    assert not run.adapter.due
    assert [details["rollbacks"] for details in run.told(ROLLBACK)] == [1, 2, 3]
    assert run.told(ROLLBACK)[-1]["to"] is None
    assert len(run.told(FROZEN)) == 1
    assert run.adapter.digest() == run.told(START)[0]["digest"] == run.told(FROZEN)[0]["digest"]
    told = len(run.events)
    for views in stream(20, seed=15, shift=1.5):
        assert_array_equal(run.see(views), run.shadow.predict(views).probabilities)
    run.adapter.update()
    assert len(run.events) == told
    assert_same(outputs(run.adapter.predict), outputs(run.shadow.predict))
    for mine, frozen in zip(run.adapter.adapted().model.parameters(), run.trained.model.parameters(), strict=True):
        assert torch.equal(mine, frozen)


def test_weights_that_went_wrong_are_rolled_back_and_never_predict() -> None:
    run = Run(max_rollbacks=10)
    watch(run, stream(8, seed=16))
    said = outputs(run.adapter.predict)
    good = run.adapter._good
    for views in stream(3, seed=17):
        run.see(views)
    with torch.no_grad():
        run.adapter._learner._student.fill_(float("nan"))
    run.see(stream(1, seed=18)[0])
    assert run.told(ROLLBACK)[-1]["reason"] == "not finite"
    assert torch.equal(run.adapter._learner.save().student, good.learner.student)
    assert_same(outputs(run.adapter.predict), said)
    watch(run, stream(8, seed=19))
    assert run.adapter.rollbacks == 1


def test_every_decision_is_one_event_that_json_can_hold() -> None:
    run = Run(reset_every_s=10.0, min_confidence=0.55, max_novelty=2.0, max_drift=1e-3, max_rollbacks=2)
    decided = 0
    for number, views in enumerate(stream(200, seed=20, shift=0.3)):
        before = [len(run.told(kind)) for kind in (SKIP, UPDATE, ROLLBACK)]
        accepted, frozen = run.adapter._accepted, run.adapter.frozen
        due = run.adapter._since + 1 >= QUICK.every
        run.see({"a": None, "b": None} if number % 9 == 0 else views, bad=0.5 * (number % 11 == 0))
        skips, updates, rollbacks = (
            len(run.told(kind)) - count for kind, count in zip((SKIP, UPDATE, ROLLBACK), before, strict=True)
        )
        if frozen:
            assert (skips, updates, rollbacks) == (0, 0, 0)
            continue
        taken = run.adapter._accepted - accepted
        assert skips + taken == 1
        assert updates + rollbacks == (taken and due)
        decided += updates + rollbacks
    assert decided > 3
    assert len(run.told(START)) == 1
    assert {details["reason"] for details in run.told(SKIP)} >= {"no view", "signal quality", "confidence"}
    assert run.adapter.frozen
    for kind, details in run.events:
        line = json.loads(Event(1.0, kind, details).as_json())
        assert line["event"] == kind
        json.dumps(details, allow_nan=False)
        if kind in (SKIP, ROLLBACK, FROZEN):
            assert details["reason"]
        if kind in (START, UPDATE, ROLLBACK, FROZEN):
            assert len(details["digest"]) == 16
        if kind in (UPDATE, ROLLBACK):
            assert {"drift", "entropy_lost", "bound_lost", "probe_lost", "probe_rise", "probe_t"} <= set(details)


def test_the_same_windows_and_seed_give_the_same_digests_and_another_seed_others() -> None:
    runs = [Run(seed=seed) for seed in (3, 3, 4)]
    said = [watch(run, stream(40, seed=21, shift=0.5)) for run in runs]
    assert_array_equal(said[0], said[1])
    digests = [[details["digest"] for details in run.told(UPDATE)] for run in runs]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == len(digests[0]) > 5
    assert digests[0][-1] != digests[2][-1]
    assert runs[0].events == runs[1].events


def test_no_window_has_a_say_in_its_own_prediction() -> None:
    windows = stream(33, seed=22, shift=1.0)
    whole = watch(Run(), windows)
    for at in (3, 4, 7, 16, 32):
        run = Run()
        watch(run, windows[:at])
        assert_array_equal(run.adapter.predict(windows[at]).probabilities, whole[at])
        assert_array_equal(run.adapter.predict(windows[at]).probabilities, whole[at])  # nor does asking change anything


def test_the_adapted_model_is_the_average_behind_the_recentring() -> None:
    """Predictions by another road: the adapted weights on inputs that were recentred beforehand."""
    run = Run()
    watch(run, stream(60, seed=23, shift=1.5))
    assert np.abs(run.adapter.recentring.shift).max() > 0.3
    other = Predictor(run.adapter.adapted(), device="cpu")
    for views in HELD[:6]:
        x = run.adapter.recentring(np.clip(np.concatenate([views["a"], views["b"]]), -CLAMP, CLAMP))
        expected = other.predict({"a": x[:3], "b": x[3:]})
        assert_allclose(run.adapter.predict(views).probabilities, expected.probabilities, atol=1e-5)


def test_a_soft_reset_comes_in_its_time_and_goes_half_the_way() -> None:
    run = Run(reset_every_s=20.0)
    watch(run, stream(64, seed=24))
    resets = run.told(RESET)
    assert [details["window"] for details in resets] == [23, 43, 63]  # the first update 20 s after the last
    for details in resets:
        assert_allclose(details["drift"], details["drift_before"] / 2, rtol=1e-2)
    late = Run(reset_every_s=1e6)
    watch(late, stream(64, seed=24))
    assert not late.told(RESET)


def test_where_only_the_recentring_learns_no_weight_changes() -> None:
    run = Run(mode="recentre")
    watch(run, stream(60, seed=25, shift=1.5))
    assert np.abs(run.adapter.recentring.shift).max() > 0.3
    for mine, frozen in zip(run.adapter.adapted().model.parameters(), run.trained.model.parameters(), strict=True):
        assert torch.equal(mine, frozen)
    assert {"loss", "norm"}.isdisjoint(run.told(UPDATE)[0])
    assert len(run.told(UPDATE)) == 15


def test_a_view_that_is_missing_is_not_learnt_from() -> None:
    run = Run()
    before = [parameter.clone() for parameter in run.adapter.adapted().model.decoders.head]
    for views in stream(40, seed=26, shift=1.5):
        run.see({"a": views["a"], "b": None})
    assert len(run.told(UPDATE)) + len(run.told(ROLLBACK)) == 10
    after = run.adapter.adapted().model.decoders.head
    assert not torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])
    assert_array_equal(run.adapter.recentring.shift[3:], 0)


def test_windows_without_views_teach_nothing_and_get_the_prior() -> None:
    run = Run()
    watch(run, stream(8, seed=27))
    digest = run.adapter.digest()
    for _ in range(20):
        assert_array_equal(run.see({"a": None, "b": None}), run.shadow.predict({}).probabilities)
    assert run.adapter.digest() == digest
    assert [details["reason"] for details in run.told(SKIP)[-20:]] == ["no view"] * 20
    assert len(run.adapter._guard._said) == 8


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_view_that_is_not_finite_is_as_missing_to_learning_as_to_prediction(value: float) -> None:
    broken = {"a": np.array([0.5, value, 0.5]), "b": np.zeros(2)}
    run = Run()
    _, there = run.adapter._inputs(broken)
    weights = run.adapter.predict(broken).posterior_weights
    assert (weights > 0).tolist() == [False, True]
    assert there.tolist() == [False, True]


def test_an_update_that_is_put_off_is_made_up_for() -> None:
    run = Run()
    for index, views in enumerate(stream(10, seed=28)):
        said = run.adapter.predict(views).probabilities
        run.adapter.observe(Observation(index, float(index), views, said, said, np.zeros(2)))
    assert run.adapter.due
    run.adapter.update()
    assert not run.adapter.due
    assert run.told(UPDATE)[0]["accepted"] == 10


def test_an_update_out_of_turn_before_any_window_is_harmless() -> None:
    run = Run()
    run.adapter.update()
    assert_array_equal(run.adapter.recentring.shift, 0)
    assert run.told(UPDATE)[0]["window"] is None


@pytest.mark.parametrize("front_end", ["none", "pca"])
def test_it_learns_from_what_it_predicts_from(front_end: str) -> None:
    """Inputs beyond the model's range, recentred: the learner's and the predictor's are the same."""
    run = Run(model(front_end=front_end, pca_size=1), mode="recentre")
    rng = np.random.default_rng(0)
    size = len(run.adapter.recentring.centre)
    gain, bias = rng.uniform(0.7, 1.4, size), rng.normal(size=size) * 2
    run.adapter._predictor.adapt(run.trained.model, gain, bias)
    captured: list[torch.Tensor] = []
    forward = run.adapter._predictor._forward
    forward.model.imputer.register_forward_pre_hook(lambda imputer, given: captured.append(given[0]))
    for scale in (1.0, 7.0):
        views = {"a": scale * rng.normal(size=3), "b": scale * rng.normal(size=2)}
        captured.clear()
        with torch.inference_mode():
            row = torch.from_numpy(np.concatenate([views["a"], views["b"]])).float()[None]
            forward(row, torch.ones(1, 2))
        predicted = captured[0][0].numpy()
        x, there = run.adapter._inputs(views)
        assert_allclose(run.adapter._clean((x * gain + bias)[None], there[None])[0], predicted, atol=1e-4)


def test_what_only_psi_sees_is_scaled_with_its_view_around_its_own_mean_and_not_shifted() -> None:
    run = Run(model(front_end="shrunk", pca_size=1), mode="recentre")
    assert run.trained.front_end.dims_beyond == (2, 1)
    run.adapter._recentrer.state = Recentring(np.array([0.5, -0.5]), np.array([1.2, 0.8]), np.zeros(2))
    found = run.adapter.recentring
    assert_array_equal(found.scale, [1.2, 0.8, 1.2, 1.2, 0.8])
    assert_array_equal(found.shift, [0.5, -0.5, 0, 0, 0])
    known = run.adapter._inputs_of(labelled(12, seed=1))
    rows = [known.x[known.available[:, view]] for view in (0, 0, 1)]
    assert_allclose(found.centre[2:], [x[:, at].mean() for x, at in zip(rows, (2, 3, 4), strict=True)])


def test_calibration_comes_to_the_learner_as_the_predictor_sees_it() -> None:
    known = labelled(12, seed=1, missing=0.3)
    adapter = Adapter(model(), known, None, QUICK, device="cpu")
    found, expected = adapter._inputs_of(known), flat_inputs(known)
    assert_array_equal(found.available, expected.available)
    assert_allclose(found.x, np.clip(expected.x, -CLAMP, CLAMP))
    assert list(DIMS) == list(known.views)
