"""A bundle of three participants, adapted to a fourth without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtemo.adapting import adapt_bundle
from rtemo.config import AdaptationSettings, load_configuration
from rtemo.extraction import extract
from rtemo.training import train_bundle

pytestmark = [pytest.mark.real, pytest.mark.slow]
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "noneeg.toml"


def test_adapting_to_a_new_participant_does_little_harm(data_folder: Path) -> None:
    config = load_configuration(CONFIG).model_copy(update={"standardise": "calibration"})
    quick = config.model.model_copy(update={"settings": {"steps": 200, "refit": False}})
    config = config.model_copy(update={"model": quick})
    one, two, three, new = (extract(data_folder / "noneeg_xdf" / f"noneeg_S{s:02d}.xdf", config) for s in (1, 2, 3, 14))
    bundle = train_bundle(config, [one, two, three], [], device="cpu").bundle
    adapted = adapt_bundle(bundle, [new], AdaptationSettings(), device="cpu")
    assert adapted.bundle is not None
    assert adapted.left_out < 1e-9
    assert adapted.deeds.accepted > 100
    assert adapted.deeds.updates > 10
    assert adapted.trials == 8
    assert adapted.labelled is not None
    assert adapted.labelled.adapted.balanced_accuracy > adapted.labelled.frozen.balanced_accuracy - 0.03
    for gain in adapted.probe.values():
        assert gain.adapted.balanced_accuracy > gain.frozen.balanced_accuracy - 0.03
    assert all(np.isfinite(adapted.bundle.standardiser.mean[view]).all() for view in config.views)  # type: ignore[union-attr]
