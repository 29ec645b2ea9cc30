"""Prediction: missing views integrated out, the same numbers every time, contributions that add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from toys import make_data, masks

from rtemo.errors import ModelError
from rtemo.model.contributions import coalitions
from rtemo.model.predict import ModelOutput, Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import TrainedModel, train

SMALL = {"epochs": 8, "batch_size": 32, "hidden": (16, 8), "latent": 4, "pca_size": 4, "imputations": 16}


def _trained(dims: tuple[int, ...] = (12, 5), **overrides: object) -> TrainedModel:
    data, _ = make_data(dims=dims, missing=0.1)
    trained = train(data, make_settings("default", {**SMALL, **overrides}), device="cpu")
    return replace(trained, temperature=1.3, prior=np.array([0.5, 0.3, 0.2]))


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return _trained()


@pytest.fixture(scope="module")
def three() -> TrainedModel:
    return _trained((6, 5, 4))


def _windows(trained: TrainedModel, count: int = 12, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(count, dim)) for name, dim in zip(trained.views, trained.dims, strict=True)}


def _window(views: dict[str, np.ndarray], index: int, mask: list[bool]) -> dict[str, np.ndarray | None]:
    return {name: x[index] if there else None for (name, x), there in zip(views.items(), mask, strict=True)}


def _by_hand(trained: TrainedModel, window: dict[str, np.ndarray | None], draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of every draw, and their mean, one draw after the other in float64."""
    if all(x is None for x in window.values()):
        return trained.prior[None], trained.prior
    model = trained.model
    given = [np.zeros((1, dim)) if x is None else x[None] for x, dim in zip(window.values(), trained.dims, strict=True)]
    inputs = torch.from_numpy(trained.front_end.inputs(given)).float()
    x = inputs[:, : sum(trained.front_end.dims)]
    seen = torch.tensor([[value is not None for value in window.values()]])
    noise = torch.randn(draws, x.shape[1], generator=torch.Generator().manual_seed(trained.seed))
    psi = model.impute(inputs, seen)
    rows = []
    for eps in noise:
        filled = torch.where(model.by_dim(seen), x, psi.mean + torch.exp(0.5 * psi.log_var) * eps)
        rows.append(torch.softmax(model.classify(filled)[0] / trained.temperature, -1).detach().numpy())
    return np.array(rows), np.mean(rows, axis=0)


def test_a_prediction_is_the_mean_probability_over_draws_of_what_is_missing(three: TrainedModel) -> None:
    predictor, views = Predictor(three, device="cpu"), _windows(three)
    for index, mask in enumerate(masks(3)):
        window = _window(views, index, mask)
        draws, expected = _by_hand(three, window, 16)
        output = predictor.predict(window)
        assert_allclose(output.probabilities, expected, atol=1e-6)
        spread = 0.0 if all(mask) else draws[:, expected.argmax()].std()
        assert output.spread == pytest.approx(spread, abs=1e-6)


def test_contributions_are_shapley_values(three: TrainedModel) -> None:
    predictor, views = Predictor(three, device="cpu"), _windows(three)
    for index, mask in enumerate(masks(3)):
        window = _window(views, index, mask)
        output = predictor.predict(window)
        winner = int(output.probabilities.argmax())

        def value(players: set[int], window: dict[str, np.ndarray | None] = window, winner: int = winner) -> float:
            shown = {name: x if i in players else None for i, (name, x) in enumerate(window.items())}
            return float(_by_hand(three, shown, 16)[1][winner])

        expected = np.zeros(3)
        for order in permutations(range(3)):
            for position, player in enumerate(order):
                expected[player] += (value(set(order[: position + 1])) - value(set(order[:position]))) / 6
        assert_allclose(output.contributions, expected, atol=2e-6)
        assert_allclose(output.contributions.sum(), output.probabilities[winner] - three.prior[winner], atol=2e-6)
        assert_allclose(output.contributions[~np.array(mask)], 0, atol=2e-6)


def test_posterior_weights_are_those_of_the_available_views(three: TrainedModel) -> None:
    predictor, views = Predictor(three, device="cpu"), _windows(three)
    with torch.no_grad():
        weights = three.model.log_weights().exp().numpy()
    for mask in masks(3):
        expected = weights * mask / (weights * mask).sum()
        assert_allclose(predictor.predict(_window(views, 0, mask)).posterior_weights, expected, atol=1e-6)


def test_without_any_view_the_answer_is_the_prior(trained: TrainedModel) -> None:
    predictor = Predictor(trained, device="cpu")
    nothing: list[dict[str, np.ndarray | None]] = [{}, {"a": None}, {"a": np.full(12, np.nan), "b": None}]
    for window in nothing:
        output = predictor.predict(window)
        assert_allclose(output.probabilities, trained.prior, atol=1e-6)
        assert output.spread == 0
        assert_array_equal(output.posterior_weights, 0)
        assert_allclose(output.contributions, 0, atol=1e-6)


@pytest.mark.parametrize("imputations", [0, 1, 32, None])
def test_one_window_and_many_give_the_same_numbers(three: TrainedModel, imputations: int | None) -> None:
    predictor, views = Predictor(three, device="cpu", imputations=imputations), _windows(three, 40)
    rng = np.random.default_rng(0)
    for name, x in views.items():
        x[rng.random(len(x)) < 0.4, 0 if name == "a" else -1] = np.nan
    views["c"][::7] = np.inf
    many = predictor.predict_many(views)
    for index in range(40):
        one = predictor.predict({name: x[index] for name, x in views.items()})
        for field in ("probabilities", "spread", "posterior_weights", "contributions"):
            assert_allclose(getattr(one, field), getattr(many, field)[index], atol=1e-6)


def test_a_frozen_model_is_deterministic(trained: TrainedModel) -> None:
    views = _windows(trained)
    first = Predictor(trained, device="cpu")
    window = _window(views, 0, [False, True])
    torch.manual_seed(1)
    before: ModelOutput = first.predict(window)
    first.predict(_window(views, 1, [True, True]))
    torch.manual_seed(2)
    for output in (first.predict(window), Predictor(trained, device="cpu").predict(window)):
        assert_array_equal(output.probabilities, before.probabilities)
        assert_array_equal(output.contributions, before.contributions)


def test_a_predictor_keeps_its_weights_when_the_model_goes_on_learning(trained: TrainedModel) -> None:
    predictor, window = Predictor(trained, device="cpu"), _window(_windows(trained), 0, [True, True])
    before = predictor.predict(window).probabilities
    parameter = trained.model.classifier.head
    with torch.no_grad():
        parameter += 1.0
    after = predictor.predict(window).probabilities
    with torch.no_grad():
        parameter -= 1.0
    assert_array_equal(before, after)


def test_the_mean_of_the_missing_view_is_one_pass_without_spread(trained: TrainedModel) -> None:
    output = Predictor(trained, device="cpu", imputations=0).predict(_window(_windows(trained), 0, [True, False]))
    assert output.spread == 0
    close = Predictor(trained, device="cpu", imputations=1000).predict(_window(_windows(trained), 0, [True, False]))
    assert_allclose(output.probabilities, close.probabilities, atol=0.2)


@pytest.mark.parametrize("views", range(1, 8))
def test_contributions_add_up_for_any_number_of_views(views: int) -> None:
    game = coalitions(views)
    assert game.shown[0].all()
    value = np.random.default_rng(views).random(len(game.shown))
    # Efficiency: the contributions sum to the value of all views less the value of none.
    assert_allclose((game.weights @ value).sum(), value[0], atol=1e-12)
    assert_allclose(game.empty.sum(), -1, atol=1e-12)
    # A game in which each view adds a fixed amount gives back those amounts; a view that adds nothing gets 0.
    amounts = np.arange(views, dtype=float)
    assert_allclose(game.weights @ (game.shown @ amounts) + game.empty * 0.0, amounts, atol=1e-12)


def test_wrong_shapes_and_unknown_views_are_refused(trained: TrainedModel) -> None:
    predictor = Predictor(trained, device="cpu")
    with pytest.raises(ModelError, match=r"view 'a' has shape \(3,\): expected \(12,\)"):
        predictor.predict({"a": np.zeros(3)})
    with pytest.raises(ModelError, match=r"views .'eog'. are unknown"):
        predictor.predict({"eog": np.zeros(3)})
    with pytest.raises(ModelError, match=r"expected \(4, 12\)"):
        predictor.predict_many({"a": np.zeros((4, 3)), "b": np.zeros((4, 5))})
    with pytest.raises(ModelError, match="expected one number"):
        predictor.predict_many({"a": np.zeros((4, 12)), "b": np.zeros((5, 5))})
    assert len(predictor.predict_many({"a": np.zeros((0, 12)), "b": np.zeros((0, 5))})) == 0


def test_absurd_values_stay_probabilities(trained: TrainedModel) -> None:
    predictor = Predictor(trained, device="cpu")
    for value in (1e300, -1e300, 1e30):
        with np.errstate(over="ignore"):
            output = predictor.predict({"a": np.full(12, value), "b": np.full(5, -value)})
        assert output.probabilities.sum() == pytest.approx(1, abs=1e-5)
