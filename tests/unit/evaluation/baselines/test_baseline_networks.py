import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtemo.errors import ModelError
from rtemo.evaluation.baselines.networks import Batch, CaseMlp, Plan, linear, mlp, refuse_missing, seeded, train_net
from rtemo.model.networks import Cases


def _plan(steps: int = 300, *, batch: int = 64, rate: float = 1e-2, seed: int = 0) -> Plan:
    return Plan(steps, batch, rate, seed, "cpu")


def test_training_finds_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    targets = x @ np.array([0.5, -1.0, 0.3]) + 0.3 + 0.1 * rng.normal(size=200)
    net = linear(3, 1, seeded(0))

    def loss(batch: Batch) -> Tensor:
        return functional.mse_loss(net(batch.x[:, :3])[:, 0], batch.x[:, 3])

    # One batch a step holds every window, so that the minimum is that of all.
    train_net(net, loss, np.column_stack([x, targets]), np.full(200, -1), _plan(300, batch=200, rate=0.03))
    exact, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(200)]), targets, rcond=None)
    assert np.abs(targets).max() < 8
    np.testing.assert_allclose([*net.weight[0].tolist(), net.bias.item()], exact, atol=1e-3)
    assert not net.training


def test_every_batch_holds_labelled_windows_first() -> None:
    labels = np.full(300, -1)
    labels[[7, 100, 250]] = [0, 1, 1]
    x = np.column_stack([np.arange(300) / 100, labels])
    net, seen = linear(2, 1, seeded(0)), []

    def loss(batch: Batch) -> Tensor:
        assert len(batch.x) == 64
        assert len(batch.labels) == 16
        assert batch.x[:16, 1].tolist() == batch.labels.tolist()
        assert (batch.x[16:, 1] == -1).all()
        seen.extend(batch.x[16:, 0].tolist())
        return functional.mse_loss(net(batch.x)[:, 0], batch.x[:, 0])

    train_net(net, loss, x, labels, _plan(7))
    assert len(set(seen)) == 297


def test_a_step_without_a_finite_gradient_is_left_out_and_none_at_all_is_an_error() -> None:
    net, calls = linear(1, 1, seeded(0)), [0]

    def loss(batch: Batch) -> Tensor:
        calls[0] += 1
        error = functional.mse_loss(net(batch.x), batch.x)
        return error * (math.nan if calls[0] == 2 else 1.0)

    train_net(net, loss, np.ones((8, 1)), np.full(8, -1), _plan(5))
    assert torch.isfinite(net.weight).all()
    with pytest.raises(ModelError, match="diverged"):
        train_net(net, lambda batch: net(batch.x).mean() * math.nan, np.ones((8, 1)), np.full(8, -1), _plan(5))


def test_the_learning_rate_falls_at_the_end() -> None:
    net = linear(1, 1, seeded(0))
    places: list[float] = []

    def loss(batch: Batch) -> Tensor:
        places.append(net.weight.item())
        return net.weight.sum() * 1000

    # The gradient is constant, so that each step of Adam is as long as the learning rate.
    train_net(net, loss, np.ones((8, 1)), np.full(8, -1), _plan(100, rate=0.1))
    strides = -np.diff(places)
    np.testing.assert_allclose(strides[:70], 0.1, rtol=1e-3)
    np.testing.assert_allclose(strides[85], 0.05, rtol=1e-2)
    assert strides[-1] < 0.01


def test_weights_come_from_the_generator_and_have_the_stated_spread() -> None:
    before = torch.get_rng_state()
    first, again, other = (mlp([200, 300, 7], seeded(seed), gain=0.5) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dim() == 1 or not torch.equal(a, c)
    wide, _, last, _ = first.parameters()
    assert wide.std().item() == pytest.approx(math.sqrt(2 / 200), rel=0.02)
    assert last.std().item() == pytest.approx(0.5 * math.sqrt(1 / 300), rel=0.05)
    assert [type(layer) for layer in mlp([2, 3, 4], seeded(0), activation="linear")] == [nn.Linear, nn.Linear]


def test_a_net_of_cases_is_a_perceptron_of_window_draw_and_one_hot_class() -> None:
    net = CaseMlp(3, 2, 4, [5, 6], seeded(0))
    window, case = torch.randn(2, 3), torch.randn(3, 2)
    cases = Cases(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 3]))
    one_hot = torch.eye(4)[cases.label]
    inputs = torch.cat([window[cases.window], case, one_hot], dim=1)
    hidden = torch.relu(inputs @ torch.cat([net.window, net.case, net.label]))
    last, bias = net.rest.parameters()
    torch.testing.assert_close(net(window, case, cases), hidden @ last.T + bias)
    nothing = torch.cat([torch.zeros(3, 5), one_hot], dim=1) @ torch.cat([net.window, net.case, net.label])
    torch.testing.assert_close(net(None, None, cases), torch.relu(nothing) @ last.T + bias)


def test_missing_features_are_refused_by_number() -> None:
    x = np.zeros((4, 2))
    refuse_missing(x, "a method")
    x[2, 1] = np.nan
    with pytest.raises(ValueError, match="a method: 1 of 4 windows"):
        refuse_missing(x, "a method")
