"""A simulated participant's two sessions and a bundle trained on the first, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab import Lab, Outcome, Run, run
from live_lab import LiveLab, make_live_lab

from rtemo import cli
from rtemo.demonstration import record

CONFIG = """
labels = ["negative", "neutral", "positive"]
[views.eeg]
stream = { type = "EEG" }
features = "differential-entropy"
[views.eye]
stream = { type = "EyeFeatures" }
features = "identity"
[markers]
stream = { type = "Markers" }
labels = { "clip/negative" = "negative", "clip/neutral" = "neutral", "clip/positive" = "positive" }
[model.settings]
steps = 80
"""


@pytest.fixture
def rtemo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def captured(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["rtemo", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return captured


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A folder with configuration, recordings and bundle; tests must not change them."""
    folder = tmp_path_factory.mktemp("lab")
    calibration, session = record(folder, seed=0)
    config = folder / "lab.toml"
    config.write_text(CONFIG)
    bundle = folder / "bundle"
    assert run("train", config, calibration, "-o", bundle).code == 0
    return Lab(folder, config, calibration, session, bundle)


@pytest.fixture(scope="session")
def trained_live_lab(tmp_path_factory: pytest.TempPathFactory) -> LiveLab:
    """A bundle for the simulated laboratory, made once."""
    return make_live_lab(tmp_path_factory.mktemp("live"))


@pytest.fixture
def live_lab(trained_live_lab: LiveLab, tmp_path: Path) -> LiveLab:
    """A laboratory in an LSL session of its own."""
    return trained_live_lab.alone(tmp_path)
