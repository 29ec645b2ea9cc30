from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from rtemo.evaluation.baselines import networks
from rtemo.evaluation.baselines.base import Floats, Ints, MultiViewClassifier
from rtemo.evaluation.baselines.registry import method_named
from rtemo.evaluation.baselines.simvae import LabelsOnlyNet, SiMvae, Smvae
from rtemo.model.predict import Predictor
from rtemo.model.refit import refit
from rtemo.model.settings import make_settings
from rtemo.model.train import TrainingData, train

DIMS = (6, 4)
QUICK: dict[str, Any] = {"steps": 12, "settings": {"batch_size": 32}}


def _toy(windows: int = 90, labels: int = 8, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Two classes, each seen in both views; labels of the first so many windows of each class."""
    rng = np.random.default_rng(seed)
    truth = np.arange(windows) % 2
    centres = rng.normal(size=(2, sum(DIMS)))
    X = centres[truth] * 1.5 + rng.normal(size=(windows, sum(DIMS)))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, np.where(np.arange(windows) < 2 * labels, truth, -1), truth


def _without(X: Floats, view: int, rows: slice) -> Floats:
    out = X.copy()
    out[rows, slice(0, DIMS[0]) if view == 0 else slice(DIMS[0], None)] = np.nan
    return out


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_simvae_is_the_model_of_the_live_system(preset: str) -> None:
    X, y, _ = _toy(windows=80, labels=30)
    X = _without(X, 1, slice(62, 74))
    trials = np.arange(len(y)) // 4
    found = SiMvae(
        dims=DIMS, preset=preset, steps=10, imputations=4, random_state=3, settings={"validation_windows": 10}
    ).fit(X, y, trials)
    views = {"a": X[:, : DIMS[0]], "b": X[:, DIMS[0] :]}
    data = TrainingData(views, y, trials, ("0", "1"))
    settings = make_settings(
        preset, {"validation_windows": 10, "steps": 10, "imputations": 4, "refit": True, "probe_fraction": 0.0}
    )
    model = refit(train(data, settings, seed=3, device="cpu"), data, seed=3, device="cpu")
    assert model.held_out.any()
    assert not model.probe.any()
    said = Predictor(model, device="cpu").predict_many(views)
    np.testing.assert_array_equal(found.predict_proba(X), said.probabilities)
    np.testing.assert_array_equal(found.contributions(X), said.contributions)
    np.testing.assert_allclose(found.posterior_weights_, said.posterior_weights[0], atol=1e-6)


@pytest.mark.parametrize("method", [SiMvae, Smvae, LabelsOnlyNet])
def test_probabilities_are_those_of_the_classes_and_follow_the_seed(method: type[SiMvae]) -> None:
    X, y, _ = _toy()
    made = method(dims=DIMS, **QUICK)
    first = made.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(clone(made).fit(X, y).predict_proba(X), first)
    assert np.abs(clone(made).set_params(random_state=1).fit(X, y).predict_proba(X) - first).max() > 1e-4
    assert made.predict(X).tolist() == made.classes_[first.argmax(axis=1)].tolist()
    assert method().get_params()["dims"] == ()


@pytest.mark.parametrize("method", [SiMvae, Smvae, LabelsOnlyNet])
def test_it_learns_and_predicts_with_either_view_missing(method: type[SiMvae]) -> None:
    X, y, truth = _toy(windows=100)
    found = method(dims=DIMS, steps=100).fit(_without(X, 0, slice(60, 80)), y)
    assert (found.predict(X) == truth).mean() > 0.9
    for view in range(2):
        said = found.predict_proba(_without(X, view, slice(None)))
        assert (said.argmax(axis=1) == truth).mean() > 0.75


@pytest.mark.parametrize("method", [SiMvae, Smvae, LabelsOnlyNet])
def test_contributions_sum_to_what_the_views_change(method: type[SiMvae]) -> None:
    X, y, _ = _toy()
    X = _without(X, 0, slice(60, 75))
    found = method(dims=DIMS, **QUICK).fit(X, y)
    parts = found.contributions(X)
    np.testing.assert_allclose(parts.sum(axis=1), found.predict_proba(X).max(axis=1) - 0.5, atol=1e-5)
    assert (parts[60:75, 0] == 0).all()


def test_a_window_without_any_view_gets_the_prior() -> None:
    X, y, _ = _toy()
    nothing = np.full((2, sum(DIMS)), np.nan)
    for method in (SiMvae, Smvae, LabelsOnlyNet):
        np.testing.assert_allclose(method(dims=DIMS, **QUICK).fit(X, y).predict_proba(nothing), 0.5)


def test_smvae_learns_from_complete_windows_alone_and_fills_with_their_means() -> None:
    X, y, _ = _toy()
    gaps = _without(X, 1, slice(40, 60))
    whole = np.isfinite(gaps).all(axis=1)
    found, alone = Smvae(dims=DIMS, **QUICK).fit(gaps, y), Smvae(dims=DIMS, **QUICK).fit(X[whole], y[whole])
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(X))
    filled = gaps.copy()
    filled[40:60, DIMS[0] :] = X[whole].mean(axis=0)[DIMS[0] :]
    np.testing.assert_allclose(found.predict_proba(gaps), found.predict_proba(filled), atol=1e-6)


def test_the_net_alone_never_sees_an_unlabelled_window() -> None:
    X, y, _ = _toy()
    other = X.copy()
    other[y < 0] += 5
    found, same = LabelsOnlyNet(dims=DIMS, **QUICK).fit(X, y), LabelsOnlyNet(dims=DIMS, **QUICK).fit(other, y)
    np.testing.assert_array_equal(found.predict_proba(X), same.predict_proba(X))


def test_weight_is_c2_and_c2_goes_first() -> None:
    X, y, _ = _toy()

    def c2_of(**parameters: float) -> float:
        return SiMvae(dims=DIMS, steps=1, **parameters).fit(X, y).trained_.settings.c2  # type: ignore[arg-type]

    assert (c2_of(), c2_of(weight=0.3), c2_of(weight=0.3, c2=0.7)) == (1.0, 0.3, 0.7)


@pytest.mark.parametrize("name", ["net", "simvae", "smvae", "simvae-paper", "smvae-paper"])
def test_the_registry_makes_them_as_the_paper_has_them(name: str) -> None:
    method = method_named(name)
    made = method.make(DIMS, 5, **method.candidates[0])
    assert isinstance(made, MultiViewClassifier)
    assert made.allows_missing
    settings = made.set_params(steps=1).fit(*_toy()[:2]).trained_.settings
    if name.endswith("paper"):
        assert (settings.entropy, settings.posterior, settings.c2) == ("jensen", "all", 0.5)
        assert (settings.batch, settings.front_end, settings.class_weight) == ("uniform", "none", "none")
        # Trained as the other nets are, and for as long: nothing is held out, and nothing is trained twice.
        assert (settings.learning_rate, settings.batch_size) == (networks.LEARNING_RATE, networks.BATCH_SIZE)
        assert (settings.cool_down, settings.gradient_clip) == (networks.COOL_DOWN, networks.GRADIENT_CLIP)
        assert (settings.refit, settings.validation_fraction) == (False, 0.0)
        assert settings.chain == (name == "simvae-paper")
    if name.startswith("smvae"):
        assert (settings.c1, settings.c3, settings.missing) == (0, 0, "drop")
