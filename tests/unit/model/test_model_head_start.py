"""psi's head start: it learns what the views say of each other, alone, and leaves all else as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtemo.model.head_start import teach_imputer
from rtemo.model.settings import make_settings
from rtemo.model.simvae import Simvae

NOISE = 0.5


def _model(seed: int = 0, **overrides: object) -> Simvae:
    small = {"hidden": (16, 8), "latent": 3, "imputer_decay": 1.0}
    return Simvae((2, 1), 2, make_settings("default", {**small, **overrides}), beyond=(3, 0), seed=seed)


def _windows(count: int = 1500) -> tuple[torch.Tensor, torch.Tensor]:
    """The second view is a sum of an input of the first and of something that only psi sees, and noise."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, 6))
    x[:, 2] = x[:, 0] + 2 * x[:, 4] + NOISE * rng.normal(size=count)
    return torch.from_numpy(x).float(), torch.ones(count, 2, dtype=torch.bool)


def _told(model: Simvae, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        psi = model.impute(x, torch.tensor([[True, False]]).expand(len(x), 2))
    return psi.mean[:, 2].numpy(), psi.std[:, 2].numpy()


def test_it_comes_to_the_conditional_distribution() -> None:
    model, (x, available) = _model(), _windows()
    teach_imputer(model, x, available, trials=len(x), steps=600, seed=0)
    mean, std = _told(model, x)
    truth = (x[:, 0] + 2 * x[:, 4]).numpy()
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.15
    assert np.median(std) == pytest.approx(NOISE, rel=0.15)


def test_nothing_else_is_touched_and_no_gradient_is_left() -> None:
    model, (x, available) = _model(), _windows(200)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    teach_imputer(model, x, available, trials=200, steps=3, seed=0)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert {name.split(".")[0] for name in changed} == {"imputer"}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_same_seed_gives_the_same_bits() -> None:
    x, available = _windows(200)
    models = [_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        teach_imputer(model, x, available, trials=200, steps=4, seed=seed)
    one, same, other = ([p.detach() for p in model.imputer.parameters()] for model in models)
    assert all(map(torch.equal, one, same))
    assert not all(map(torch.equal, one, other))


def test_what_is_missing_has_no_say() -> None:
    x, available = _windows(300)
    available[::3, 1] = False
    available[1::7, 0] = False
    wild = torch.where(_model().by_input(available), x, 1e6)
    one, other = _model(), _model()
    for model, given in ((one, x), (other, wild)):
        teach_imputer(model, given, available, trials=300, steps=5, seed=0)
    assert all(map(torch.equal, one.imputer.parameters(), other.imputer.parameters()))


@pytest.mark.parametrize("why", ["no steps", "no window has both views", "psi is not to learn"])
def test_it_may_have_nothing_to_do(why: str) -> None:
    x, available = _windows(50)
    model = _model(**({"c1": 0.0} if why == "psi is not to learn" else {}))
    before = [parameter.clone() for parameter in model.imputer.parameters()]
    if why == "no window has both views":
        available[:, 1] = False
    teach_imputer(model, x, available, trials=1, steps=0 if why == "no steps" else 5, seed=0)
    assert all(map(torch.equal, before, model.imputer.parameters()))


def test_few_trials_hold_psi_to_the_mean() -> None:
    x, available = _windows(40)
    x[:, 2] = torch.randn(40, generator=torch.Generator().manual_seed(0))
    told = []
    for trials in (40, 1):
        model = _model(imputer_decay=30.0)
        teach_imputer(model, x, available, trials=trials, steps=300, seed=0)
        told.append(float(np.std(_told(model, x)[0])))
    assert told[1] < told[0] / 3
