"""A GPU gives the CPU's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from toys import make_data, masks

from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_training_on_the_gpu_equals_the_cpu(preset: str) -> None:
    data, _ = make_data(missing=0.1, labelled=0.6)
    settings = make_settings(
        preset, {"epochs": 5, "batch_size": 32, "hidden": (16, 8), "latent": 4, "learning_rate": 1e-4}
    )
    cpu, gpu = (train(data, settings, device=device) for device in ("cpu", "cuda"))
    for name, value in cpu.model.state_dict().items():
        assert_allclose(gpu.model.state_dict()[name].numpy(), value.numpy(), atol=1e-4, err_msg=name)
    for ours, theirs in zip(cpu.history, gpu.history, strict=True):
        assert theirs.losses == pytest.approx(ours.losses, rel=1e-4, abs=1e-4)
    ours, theirs = (Predictor(model, device="cpu").predict_many(data.views) for model in (cpu, gpu))
    assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-4)


def test_the_captured_graph_equals_eager_prediction_and_the_cpu() -> None:
    data, _ = make_data(dims=(12, 5, 4), missing=0.1)
    trained = train(data, make_settings("default", {"epochs": 5, "hidden": (16, 8), "latent": 4}), device="cpu")
    cpu, gpu = Predictor(trained, device="cpu"), Predictor(trained, device="cuda")
    rng = np.random.default_rng(0)
    for mask in [*masks(3), [False, False, False]] * 2:
        window = {
            name: rng.normal(size=dim) if there else None
            for name, dim, there in zip(trained.views, trained.dims, mask, strict=True)
        }
        row = {
            name: np.full((1, dim), np.nan) if window[name] is None else window[name][None]
            for name, dim in zip(trained.views, trained.dims, strict=True)
        }
        graph, eager, expected = gpu.predict(window), gpu.predict_many(row), cpu.predict(window)
        for field in ("probabilities", "spread", "posterior_weights", "contributions"):
            assert_allclose(getattr(graph, field), getattr(eager, field)[0], atol=1e-6)
            assert_allclose(getattr(graph, field), getattr(expected, field), atol=1e-4)
