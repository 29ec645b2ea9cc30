"""What is usual for a channel goes from calibration through the bundle to whoever judges by it later."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pytest

from rtemo.config import Configuration, parse_configuration
from rtemo.errors import BundleError, ConfigurationError
from rtemo.extraction import extract
from rtemo.features.reference import join_references
from rtemo.model.bundle import Bundle, load_bundle, save_bundle
from rtemo.model.manifest import _digest
from rtemo.replay import Replay
from rtemo.training import check_configuration, train_bundle

RATE_HZ = 250.0
CAP = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4"]


def configuration(**view: object) -> Configuration:
    return parse_configuration(
        {
            "labels": ["calm", "joy"],
            "views": {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy", **view}},
            "markers": {"stream": {"type": "Markers"}, "labels": {"joy": "joy", "calm": "calm"}},
            "model": {"settings": {"epochs": 1, "hidden": [8, 6], "latent": 3}},
        },
        "test",
    )


def record(folder: Path, name: str, seed: int, hum_uv: float = 0.0) -> Path:
    """A minute of something like EEG, with the mains in every channel."""
    samples = round(60 * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=(len(CAP), samples)))
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    pink = np.fft.irfft(spectrum, samples)
    signal = 20 * pink / pink.std(axis=1, keepdims=True) + hum_uv * np.sin(100 * np.pi * np.arange(samples) / RATE_HZ)
    raw = mne.io.RawArray(1e-6 * signal, mne.create_info(CAP, RATE_HZ, "eeg"), verbose="error")
    marks = ["calm", "joy"] * 6
    raw.set_annotations(mne.Annotations([5.0 * i for i in range(12)], 0.0, marks))
    path = folder / f"{name}_raw.fif"
    raw.save(path, verbose="error")
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    folder = tmp_path_factory.mktemp("bundle")
    config = configuration()
    extractions = [extract(record(folder, f"calibration{seed}", seed), config) for seed in (1, 2)]
    made = train_bundle(config, extractions[:1], extractions[1:], device="cpu").bundle
    expected = join_references([extraction.references["eeg"] for extraction in extractions])
    assert expected is not None
    np.testing.assert_array_equal(made.references["eeg"].mean, expected.mean)
    np.testing.assert_array_equal(made.references["eeg"].windows, np.full((3, 8), 120.0))
    save_bundle(folder / "bundle", made)
    return folder, made


def test_a_bundle_keeps_what_was_usual(bundle: tuple[Path, Bundle]) -> None:
    folder, made = bundle
    loaded = load_bundle(folder / "bundle")
    for part in ("windows", "mean", "mending"):
        np.testing.assert_array_equal(
            getattr(loaded.references["eeg"], part), getattr(made.references["eeg"], part), strict=True
        )


def test_a_cap_that_hums_as_a_whole_is_bad_in_replay_and_evaluation(bundle: tuple[Path, Bundle]) -> None:
    folder, made = bundle
    config = made.configuration
    noisy, quiet = record(folder, "noisy", 5, hum_uv=60.0), record(folder, "quiet", 6)
    for path, available in ((noisy, False), (quiet, True)):
        replayed = [window for window, _ in Replay(path, config, made, device="cpu").run()]
        assert all(window.available["eeg"] == available for window in replayed)
        told = extract(path, config, references=made.references).table
        assert (told.available["eeg"] == available).all()
    assert replayed[3].reason == {}
    assert extract(noisy, config).table.available["eeg"].all()


def rewrite(folder: Path, change: object) -> Path:
    document = json.loads((folder / "bundle" / "bundle.json").read_text())
    document.pop("sha256")
    change(document["views"][0])  # type: ignore[operator]
    other = folder / "other"
    other.mkdir(exist_ok=True)
    for file in (folder / "bundle").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "bundle.json").write_text(json.dumps({**document, "sha256": _digest(document)}))
    return other


def test_a_bundle_from_before_there_were_references_loads(bundle: tuple[Path, Bundle]) -> None:
    assert load_bundle(rewrite(bundle[0], lambda view: view.pop("reference"))).references == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view["reference"]["mean"].pop(),
        lambda view: view["reference"]["windows"][1].pop(),
        lambda view: view["reference"]["mending"][1].pop(),
        lambda view: view["reference"]["mean"][0].__setitem__(0, None),
        lambda view: view["reference"]["windows"][0].__setitem__(0, "many"),
    ],
)
def test_a_reference_that_does_not_fit_the_channels_is_refused(bundle: tuple[Path, Bundle], change: object) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(rewrite(bundle[0], change))


@pytest.mark.parametrize("change", [{"quality": {"max_line": 2.0}}, {"max_bad_channels": 0.5}])
def test_a_room_that_is_noisier_than_that_of_the_training_needs_no_new_one(
    bundle: tuple[Path, Bundle], change: dict[str, object]
) -> None:
    check_configuration(bundle[1], configuration(**change))


def test_a_configuration_of_other_features_is_refused(bundle: tuple[Path, Bundle]) -> None:
    with pytest.raises(ConfigurationError, match=r"views\.eeg\.subset"):
        check_configuration(bundle[1], configuration(subset=["Fp1:*"]))
