"""Gradient steps: what moves and what must not, against torch's own Adam and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tiny_adaptation import CPU, QUICK, flat_inputs, labelled, learner, model, stream
from torch import Tensor

from rtemo.adaptation.learner import Learner, Windows, view_weights
from rtemo.model.front_end import fit_front_end
from rtemo.model.networks import Cases
from rtemo.model.objective import Batch, Noise, loss_terms
from rtemo.model.settings import make_settings
from rtemo.model.simvae import Simvae
from rtemo.model.trained import TrainedModel, frozen_copy

BOTH, WITHOUT_B = np.zeros(2, bool), np.array([False, True])
NONE = Windows(np.zeros((0, 0)), np.zeros((0, 0), bool))


def session(count: int = 8, seed: int = 0, *, absent: bool = False) -> Windows:
    """Unlabelled windows, without the second view where it is absent."""
    x = np.array([np.concatenate([views["a"], views["b"]]) for views in stream(count, seed, shift=0.5)])
    there = np.ones((count, 2), bool)
    if absent:
        x[:, 3:], there[:, 1] = 0, False
    return Windows(x, there)


def of_view_b(one: Simvae) -> dict[str, Tensor]:
    """Weights of the second view's decoder and imputer, picked by hand (three inputs, then two; four narrow units)."""
    decoders, imputer = one.decoders, one.imputer
    return {
        "first": decoders.first[:, 4:],
        "first_label": decoders.first_label[:, 4:],
        "second": decoders.second[1],
        "second_bias": decoders.second_bias[1],
        "head": decoders.head[1],
        "head_bias": decoders.head_bias[1],
        "shared": decoders.shared[1],
        "imputer head": imputer.head[:, [3, 4, 8, 9]],
        "imputer bias": imputer.head_bias[[3, 4, 8, 9]],
        "imputer skip": imputer.skip[:, 3:5],
    }


def of_view_a(one: Simvae) -> dict[str, Tensor]:
    decoders, imputer = one.decoders, one.imputer
    return {
        "second": decoders.second[0],
        "head": decoders.head[0],
        "shared": decoders.shared[0],
        "imputer head": imputer.head[:, [0, 1, 2, 5, 6, 7]],
        "classifier": one.classifier.head,
        "encoder": one.encoders.head,
    }


def values(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def test_decoder_and_imputer_of_an_absent_view_stay_bit_for_bit_and_the_rest_moves() -> None:
    ours = learner()
    for both in (ours._model, ours.teacher):
        assert not np.shares_memory(both.weight_logits.detach().numpy(), model().model.weight_logits.detach().numpy())
    stay, move = values(of_view_b(ours.teacher)), values(of_view_a(ours.teacher))
    for seed in range(4):
        ours.step(session(seed=seed, absent=True), WITHOUT_B)
    for each in (ours.teacher, ours._model):
        for name, now in values(of_view_b(each)).items():
            assert_array_equal(now, stay[name], err_msg=name)
    for name, now in values(of_view_a(ours.teacher)).items():
        assert np.abs(now - move[name]).max() > 0, name


def test_they_stay_also_where_the_view_was_there_before() -> None:
    ours = learner()
    for seed in range(3):
        ours.step(session(seed=seed), BOTH)
    stay = values(of_view_b(ours.teacher))
    ours.step(session(seed=9, absent=True), WITHOUT_B)
    for name, now in values(of_view_b(ours.teacher)).items():
        assert_array_equal(now, stay[name], err_msg=name)


def test_a_view_that_is_there_moves_its_decoder_and_imputer() -> None:
    ours = learner()
    before = values(of_view_b(ours.teacher))
    ours.step(session(), BOTH)
    for name, now in values(of_view_b(ours.teacher)).items():
        assert np.abs(now - before[name]).max() > 0, name


def test_the_posterior_weights_and_the_trained_model_stay_as_they_are() -> None:
    trained = frozen_copy(model())
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    ours = learner(trained)
    for seed in range(3):
        ours.step(session(seed=seed), BOTH)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    for each in (ours.teacher, ours._model):
        assert torch.equal(each.weight_logits, before["weight_logits"])
    assert ours.drift > 0


@pytest.mark.parametrize(
    ("dims", "overrides"),
    [
        ((3, 2), {}),
        ((3, 2), {"chain": True, "decoder_variance": "window", "imputer_skip": False}),
        ((2, 1, 3), {"chain": True}),
        ((4,), {}),
        ((3, 2), {"decoder_variance": "fixed"}),
    ],
)
def test_the_weights_of_a_view_are_all_that_its_outputs_depend_on(dims: tuple[int, ...], overrides: dict) -> None:
    """Which these are follows from gradients of each view's decoder and imputer outputs."""
    settings = make_settings("default", {"hidden": (8, 4), "latent": 2, "activation": "tanh", **overrides})
    one = Simvae(dims, 2, settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    count, views = 6, len(dims)
    x = torch.randn(count, sum(dims), generator=generator)
    z = torch.randn(views, count, 2, generator=generator)
    decoded = one.generative(z, x, Cases(torch.arange(count), torch.arange(count) % 2))
    outputs = [[part.tanh().sum() for part in decoder] for decoder in decoded]
    if one.imputer is not None:
        seen = torch.rand(count, views, generator=generator) < 0.5
        for view, where in enumerate(one.slices):
            outputs[view] += [part[:, where].tanh().sum() for part in one.impute(x, seen)]
    learnt = [parameter for parameter in one.parameters() if parameter.requires_grad]
    needed = []
    for view in range(views):
        parts = [torch.zeros(parameter.shape, dtype=torch.bool) for parameter in learnt]
        for output in outputs[view]:
            if output.requires_grad:
                gradients = torch.autograd.grad(output, learnt, retain_graph=True, allow_unused=True)
                parts = [p if g is None else p | (g != 0) for p, g in zip(parts, gradients, strict=True)]
        needed.append(torch.cat([part.reshape(-1) for part in parts]).numpy())
    owned = view_weights(one).numpy()
    for view in range(views):
        others = np.any([needed[w] for w in range(views) if w != view] + [np.zeros_like(needed[0])], axis=0)
        assert (owned[view] >= needed[view]).all()
        # Shared weights, the imputer's hidden layers, are those of each view that they make.
        assert ((owned[view] & others) <= needed[view]).all()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_unlabelled_bound_does_not_reach_the_classifier(dropout: float) -> None:
    ours = learner(model(dropout=dropout), consistency=0.0)
    batch, noise = ours._batch(session(absent=True))
    labelled_rows = len(batch.labels)
    alone = Batch(
        batch.x[:labelled_rows], batch.observed[:labelled_rows], batch.shown[:labelled_rows], batch.labels, False
    )
    quiet = Noise(noise.latent[:labelled_rows], None, None if noise.keep is None else noise.keep[:labelled_rows])
    gradients = []
    for given, drawn in ((batch, noise), (alone, quiet)):
        ours._model.zero_grad(set_to_none=True)
        loss_terms(ours._model, given, drawn, windows=96).total.backward()
        gradients.append([parameter.grad.clone() for parameter in ours._model.classifier.parameters()])
    for with_them, without in zip(*gradients, strict=True):
        assert without.abs().max() > 0
        assert_allclose(with_them.numpy(), without.numpy(), rtol=1e-4, atol=1e-7)


def test_its_steps_are_those_of_torch_adam() -> None:
    """Without pull and average, by another model, another optimiser and the same batches."""
    ours, twin = (learner(pull=0.0, teacher=0.0, consistency=0.0, learning_rate=1e-2) for _ in range(2))
    reference = frozen_copy(model()).model
    reference.settings = reference.settings.model_copy(update={"tau": 0.0})
    reference.weight_logits.requires_grad_(False)
    learnt = [parameter for parameter in reference.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(learnt, lr=1e-2)
    for seed in range(6):
        unlabelled = session(seed=seed) if seed != 2 else NONE
        ours.step(unlabelled, BOTH)
        optimiser.zero_grad()
        batch, noise = twin._batch(unlabelled)
        reference.train()
        loss_terms(reference, batch, noise, windows=96).total.backward()
        torch.nn.utils.clip_grad_norm_(learnt, reference.settings.gradient_clip)
        optimiser.step()
        expected = torch.cat([parameter.detach().reshape(-1) for parameter in learnt]).numpy()
        assert_allclose(ours.weights(), expected, atol=2e-5)
    assert np.abs(expected - learner().weights()).max() > 0.02


def test_pull_and_average_by_hand() -> None:
    free, tied = learner(pull=0.0, teacher=0.0), learner(pull=0.2, teacher=0.9)
    origin = free.weights().copy()
    for ours in (free, tied):
        ours.step(session(), BOTH)
    student = origin + 0.8 * (free.weights() - origin)
    assert_allclose(tied._student.detach().numpy(), student, atol=1e-7)
    assert_allclose(tied.weights(), origin + 0.1 * (student - origin), atol=1e-7)
    drift = np.linalg.norm(tied.weights() - origin) / np.linalg.norm(origin)
    assert_allclose(tied.drift, drift, rtol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_changes_nothing_and_says_so(value: float) -> None:
    ours = learner()
    ours.step(session(), BOTH)
    before = ours.save()
    wild = session()
    wild.x[3, 1] = value
    told = ours.step(wild, BOTH)
    assert np.isnan(told["norm"])
    after = ours.save()
    assert torch.equal(after.student, before.student)
    assert torch.equal(after.teacher, before.teacher)
    assert all(torch.equal(one, other) for one, other in zip(after.moments, before.moments, strict=True))
    assert after.steps == before.steps
    assert np.isfinite(ours.step(session(), BOTH)["norm"])


def test_after_a_restore_the_same_steps_give_the_same_bits() -> None:
    ours = learner(model(dropout=0.5, imputation="sample"))
    for seed in range(3):
        ours.step(session(seed=seed), BOTH)
    saved, ends = ours.save(), []
    for _ in range(2):
        told = [ours.step(session(seed=seed), BOTH) for seed in (5, 6)]
        ends.append((told, ours.weights().copy(), ours._student.detach().clone(), ours.rng.random(3)))
        ours.restore(saved)
    assert ends[0][0] == ends[1][0]
    for one, other in zip(ends[0][1:], ends[1][1:], strict=True):
        assert_array_equal(one, other)
    assert torch.equal(saved.student, ours._student)
    assert not torch.equal(saved.student, ends[0][2])


def test_a_soft_reset_goes_half_the_way_and_forgets_the_optimiser() -> None:
    ours = learner()
    origin = ours.weights().copy()
    for seed in range(3):
        ours.step(session(seed=seed), BOTH)
    student, teacher, drift = ours._student.detach().numpy().copy(), ours.weights().copy(), ours.drift
    ours.soften()
    assert_allclose(ours._student.detach().numpy(), (student + origin) / 2, atol=1e-7)
    assert_allclose(ours.weights(), (teacher + origin) / 2, atol=1e-7)
    assert_allclose(ours.drift, drift / 2, rtol=1e-3)
    assert ours.save().steps == 0
    assert all(not moment.any() for moment in ours.save().moments)


def test_replay_holds_classes_alike_and_half_of_it_hides_views() -> None:
    known = labelled(12, seed=1)
    few = np.flatnonzero((known.labels == 0) | (np.arange(len(known.labels)) % 16 == 8))  # one joyful window a trial
    inputs = flat_inputs(known)
    ours = Learner(
        model(),
        Windows(inputs.x[few], inputs.available[few]),
        known.labels[few],
        QUICK.model_copy(update={"batch": 32}),
        CPU,
        0,
    )
    batch, _ = ours._batch(session(5))
    assert np.bincount(batch.labels).tolist() == [16, 16]
    assert len(batch.x) == 32 + 5
    replay = batch.observed[:32].numpy()
    assert replay.any(axis=1).all()
    assert replay.all(axis=1).sum() == 16
    for label in (0, 1):
        hidden = ~replay.all(axis=1) & (batch.labels.numpy() == label)
        assert hidden.sum() == 8
    for x, label in zip(batch.x[:32].numpy(), batch.labels, strict=True):
        rows = np.abs(inputs.x[few] - x).max(axis=1).argmin()
        assert known.labels[few][rows] == label


def test_consistency_is_the_cross_entropy_to_the_teacher_who_sees_all() -> None:
    ours = learner(consistency=1.0)
    batch, _ = ours._batch(session(6))
    rows = slice(len(batch.labels), None)
    with torch.no_grad():
        target = torch.softmax(ours.teacher.classify(batch.x[rows]), -1)
        guess = ours._model.impute(batch.x[rows], batch.shown[rows]).mean
        seen = ours._model.by_dim(batch.shown[rows])
        logits = ours._model.classify(torch.where(seen, batch.x[rows], guess))
        expected = torch.nn.functional.cross_entropy(logits, target)
    assert_allclose(float(ours._disagreement(batch).detach()), float(expected), rtol=1e-5)
    nothing, _ = ours._batch(NONE)
    assert float(ours._disagreement(nothing).detach()) == 0.0


def untrained(dims: tuple[int, ...], classes: int) -> tuple[TrainedModel, Windows, np.ndarray]:
    """A model of any size as it comes to life, and windows of all its classes."""
    settings = make_settings("default", {"hidden": (8, 4), "latent": 2, "front_end": "none"})
    rng = np.random.default_rng(0)
    labels = np.arange(10 * classes) % classes
    views = [rng.normal(size=(len(labels), dim)) for dim in dims]
    made = TrainedModel(
        Simvae(dims, classes, settings).eval(),
        fit_front_end(views, settings),
        settings,
        tuple(f"v{index}" for index in range(len(dims))),
        dims,
        tuple(f"c{index}" for index in range(classes)),
        np.full(classes, 1 / classes),
    )
    return made, Windows(np.hstack(views), np.ones((len(labels), len(dims)), bool)), labels


@pytest.mark.parametrize("dims", [(4,), (2, 1, 3), (1, 1, 1, 1, 1)])
def test_any_number_of_views_learns(dims: tuple[int, ...]) -> None:
    made, windows, labels = untrained(dims, 3)
    ours = Learner(made, windows, labels, QUICK, CPU, 0)
    told = ours.step(Windows(windows.x[:5], windows.available[:5]), np.zeros(len(dims), bool))
    assert np.isfinite(told["norm"])
    assert ours.drift > 0


@pytest.mark.parametrize(("classes", "batch"), [(5, 2), (5, 8), (3, 8)])
def test_over_many_steps_classes_are_replayed_alike_however_many_they_are(classes: int, batch: int) -> None:
    made, windows, labels = untrained((2, 1), classes)
    ours = Learner(made, windows, labels, QUICK.model_copy(update={"batch": batch}), CPU, 0)
    drawn = np.concatenate([ours._batch(NONE)[0].labels.numpy() for _ in range(400)])
    share = np.bincount(drawn, minlength=classes) / len(drawn)
    assert np.abs(share - 1 / classes).max() < 0.05 / classes + 0.02
