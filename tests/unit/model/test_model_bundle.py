"""Bundles: what is saved comes back; what was tampered with, cut off or made elsewhere is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import load_file, save_file
from toys import make_data

from rtemo.config import Configuration, parse_configuration
from rtemo.errors import BundleError
from rtemo.features.standardise import Standardiser
from rtemo.model.bundle import Bundle, BundleView, TrainingRecording, load_bundle, save_bundle
from rtemo.model.labelled import take_windows
from rtemo.model.manifest import _digest
from rtemo.model.predict import Predictor
from rtemo.model.settings import make_settings
from rtemo.model.train import train

LABELLED = ["probe.safetensors", "calibration.safetensors"]
FILES = ["bundle.json", "model.safetensors", *LABELLED]


def _configuration(views: tuple[str, ...], standardise: str) -> Configuration:
    document = {
        "labels": ["p", "q", "r"],
        "standardise": standardise,
        "window": {"length_s": 4.0, "hop_s": 1.0},
        "views": {name: {"stream": {"type": "EEG"}, "features": "identity", "smoothing": "kalman"} for name in views},
    }
    return parse_configuration(document, where="test")


def _make(front_end: str = "pca") -> Bundle:
    data, _ = make_data(120, missing=0.1)
    settings = make_settings(
        "default", {"epochs": 2, "hidden": (8, 6), "latent": 3, "pca_size": 3, "front_end": front_end}
    )
    trained = replace(train(data, settings, device="cpu"), temperature=1.7)
    views = tuple(
        BundleView(
            name=name,
            channel_labels=("Fp1", "Fp2"),
            rate_hz=250.0,
            feature_names=tuple(f"f{i}" for i in range(dim)),
        )
        for name, dim in zip(trained.views, trained.dims, strict=True)
    )
    mean = {view.name: np.arange(len(view.feature_names), dtype=float) for view in views}
    std = {name: np.where(value == 1, np.nan, value) for name, value in mean.items()}
    recording, first = np.zeros(len(data), dtype=np.int64), np.arange(len(data)) < 20
    probe, calibration = (
        take_windows(rows, data.views, data.labels, data.groups, recording) for rows in (first, ~first)
    )
    return Bundle(
        model=trained,
        views=views,
        configuration=_configuration(trained.views, standardise="calibration"),
        standardiser=Standardiser(mean, std),
        recordings=(TrainingRecording(name="a.xdf", sha256="0" * 64, windows=120, labelled_windows=120),),
        versions={"rtemo": "0.1.0", "torch": torch.__version__},
        metrics={"complete": {"accuracy": 0.9, "ece": float("nan")}},
        probe=probe,
        calibration=calibration,
    )


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return _make()


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", bundle)
    return tmp_path / "bundle"


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change bundle.json and make its digest fit again, as someone with bad intent would."""
    document = json.loads((folder / "bundle.json").read_text())
    document.pop("sha256")
    change(document)
    (folder / "bundle.json").write_text(json.dumps({**document, "sha256": _digest(document)}))


def _edit_tensors(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], name: str = "model.safetensors"
) -> None:
    tensors = load_file(folder / name)
    change(tensors)
    save_file(tensors, folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    _edit(folder, lambda document: document["files"].update({name: digest}))


@pytest.mark.parametrize("front_end", ["pca", "none", "both"])
def test_a_bundle_comes_back_as_it_was_saved(tmp_path: Path, front_end: str) -> None:
    bundle = _make(front_end)
    save_bundle(tmp_path / "deep" / "bundle", bundle)
    loaded = load_bundle(tmp_path / "deep" / "bundle")
    data, _ = make_data(120, missing=0.1)
    ours, theirs = (Predictor(b.model, device="cpu").predict_many(data.views) for b in (bundle, loaded))
    assert_array_equal(ours.probabilities, theirs.probabilities)
    assert_array_equal(ours.contributions, theirs.contributions)
    for field in ("views", "configuration", "recordings", "versions", "labels"):
        assert getattr(loaded, field) == getattr(bundle, field)
    assert loaded.metrics == {"complete": {"accuracy": 0.9, "ece": None}}
    assert loaded.model.history == bundle.model.history
    for view in bundle.model.views:
        assert_array_equal(loaded.standardiser.mean[view], bundle.standardiser.mean[view])
        assert_array_equal(loaded.standardiser.std[view], bundle.standardiser.std[view])
    for ours, theirs in ((bundle.probe, loaded.probe), (bundle.calibration, loaded.calibration)):
        assert list(theirs.views) == list(ours.views)
        for view, x in ours.views.items():
            assert_array_equal(theirs.views[view], x, strict=True)
        for part in ("labels", "trials", "recordings", "available"):
            assert_array_equal(getattr(theirs, part), getattr(ours, part), strict=True)
    assert (len(loaded.probe), len(loaded.calibration)) == (20, 100)


def test_a_bundle_of_version_1_in_which_psi_saw_the_inputs_alone_predicts_as_it_did() -> None:
    """Written by the code of then, which said these probabilities."""
    loaded = load_bundle(Path(__file__).parent / "bundle_v1")
    a = [[0.12573, -0.132105, 0.640423, 0.1049], [0.464331, 1.361595, 2.304, 1.947081]]
    b = [[np.nan, np.nan, np.nan], [-1.488969, 0.760667, -0.800782]]
    found = Predictor(loaded.model, device="cpu").predict_many({"a": np.array(a), "b": np.array(b)})
    assert_allclose(found.probabilities, [[0.500623, 0.499377], [0.492818, 0.507182]], atol=2e-6)
    assert loaded.model.front_end.dims_beyond == (0, 0)


def test_a_bundle_may_lack_labelled_windows_and_standardiser(bundle: Bundle, tmp_path: Path) -> None:
    configuration = _configuration(bundle.model.views, standardise="recording")
    save_bundle(
        tmp_path / "b", replace(bundle, probe=None, calibration=None, standardiser=None, configuration=configuration)
    )
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["bundle.json", "model.safetensors"]
    loaded = load_bundle(tmp_path / "b")
    assert loaded.probe is None
    assert loaded.calibration is None
    assert loaded.standardiser is None


def test_an_old_bundle_is_replaced_and_nothing_is_left_beside_it(bundle: Bundle, folder: Path) -> None:
    (folder / "notes.txt").write_text("old")
    save_bundle(folder, replace(bundle, metrics={"new": 1}))
    assert load_bundle(folder).metrics == {"new": 1}
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_left_as_it_is(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name in ("thesis", "file"):
        with pytest.raises(BundleError, match="is not a bundle"):
            save_bundle(tmp_path / name, bundle)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_bundle_whose_writing_fails_leaves_the_old_one(
    bundle: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rtemo.model.bundle.write_manifest", full)
    with pytest.raises(BundleError, match="No space left"):
        save_bundle(folder, bundle)
    load_bundle(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def _same_json(a: bytes, b: bytes) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except ValueError:
        return False


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_noticed(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    for place in np.linspace(0, len(content) - 2, 25).astype(int):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        if name == "bundle.json" and _same_json(flipped, content):
            continue  # White space between tokens carries no meaning.
        with pytest.raises(BundleError, match=name):
            load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [0, 10, 0.5, -2])
def test_a_truncated_file_is_refused(folder: Path, name: str, left: float) -> None:
    content = (folder / name).read_bytes()
    keep = int(len(content) * left) if left == 0.5 else int(left)
    (folder / name).write_bytes(content[:keep])
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


def test_a_folder_that_is_not_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "expected format 'rtemo-bundle'"),
        ("[1, 2]", "expected format"),
        ('{"format": "other"}', "found 'other'"),
        ('{"format": "rtemo-bundle", "version": 99}', "expected format version 2 or older, found 99"),
        ('{"format": "rtemo-bundle", "version": 1}', "sha256"),
        ('{"format": "rtemo-bundle", "version": true}', "expected format version 2 or older, found True"),
        ("[" * 100_000, "not JSON"),
        ("\x00\x01", "not JSON"),
    ],
)
def test_foreign_json_is_refused(folder: Path, content: str, reason: str) -> None:
    (folder / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=reason):
        load_bundle(folder)


def test_a_pickle_is_refused_and_not_executed(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BundleError, match="changed or cut off"):
        load_bundle(folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    _edit(folder, lambda document: document["files"].update({"model.safetensors": digest}))
    with pytest.raises(BundleError, match="not a safetensors file"):
        load_bundle(folder)
    assert not (tmp_path / "executed").exists()


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("inputs", to=[99_999, 99_999]), "expected .99999, 8., found .3, 8."),
        (_set("inputs", to=[10**12, 3]), "inputs"),
        (_set("inputs", to=[3]), "inputs, one a view: expected 2, found 1"),
        (_set("settings", "hidden", to=[4096, 4096]), "shape"),
        (_set("settings", "hidden", to=[10**9, 4]), "settings.hidden"),
        (_set("settings", "latent", to=4000), "encoders.head"),
        (_set("settings", "extra", to=1), "settings.extra"),
        (_set("settings", "front_end", to="none"), "beyond, where nothing can be: expected .0, 0., found .9, 2."),
        (_set("beyond", to=[9]), "beyond, one a view: expected 2, found 1"),
        (_set("beyond", to=[9, -1]), "beyond"),
        (_set("beyond", to=[99_999, 0]), "imputer.first"),
        (_set("beyond", to=[2, 9]), "front_end.a.beyond.*shape"),
        (_set("settings", "chain", to=True), "decoders.chain"),
        (_set("labels", to=["p", "q", "r", "s"]), "labels of the configuration"),
        (_set("configuration", "labels", to=["p", "p", "r"]), "configuration.labels"),
        (_set("configuration", "views", "a", "features", to=7), "configuration.views.a.features"),
        (_set("prior", to=[0.5, float("inf"), 0.1]), "prior"),
        (_set("temperature", to=-1.0), "temperature"),
        (_set("views", 0, "name", to="../etc"), "name"),
        (_set("views", 1, "name", to="a"), "views of the configuration"),
        (_set("prior", to=[0.5, 0.5]), "probabilities in prior: expected 3, found 2"),
        (_set("views", 0, "feature_names", to=["x"]), "front_end.a.offset.*shape"),
        (_set("views", 0, "code", to="import os"), "views.0.code"),
        (_set("files", to={}), "model.safetensors"),
        (_set("unknown", to=1), "unknown"),
    ],
)  # fmt: skip
def test_numbers_and_names_that_do_not_fit_are_refused(
    folder: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    _edit(folder, change)
    with pytest.raises(BundleError, match=reason) as caught:
        load_bundle(folder)
    assert "safetensors" in str(caught.value) or "bundle.json" in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop("model.classifier.first"), "expected a tensor 'model.classifier.first'"),
        (lambda t: t.update({"model.classifier.first": torch.zeros(2, 2)}), "shape"),
        (lambda t: t.update({"model.classifier.first": t["model.classifier.first"].double()}), "type"),
        (lambda t: t["model.classifier.first"].fill_(float("nan")), "finite"),
        (lambda t: t["front_end.a.matrix"].fill_(float("inf")), "finite"),
        (lambda t: t["front_end.a.beyond"].fill_(float("nan")), "finite"),
        (lambda t: t.pop("front_end.b.beyond"), "front_end.b.beyond"),
        (lambda t: t.pop("model.imputer.skip"), "imputer.skip"),
        (lambda t: t.update({"more": torch.zeros(1)}), "tensors beside those of the model: .*more"),
        (lambda t: t.pop("standardiser.b.std"), "standardiser.b.std"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], reason: str
) -> None:
    _edit_tensors(folder, change)
    with pytest.raises(BundleError, match=reason):
        load_bundle(folder)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t["labels"].fill_(5), "labels within those of the bundle"),
        (lambda t: t["labels"].fill_(-1), "labels within those of the bundle"),
        (lambda t: t["recordings"].fill_(1), "recordings within those of the bundle"),
        (lambda t: t["recordings"].fill_(-2), "recordings within those of the bundle"),
        (lambda t: t["trials"].fill_(-(2**62)), "trials from -1 on"),
        (lambda t: t.pop("labels"), "expected a tensor 'labels'"),
        (lambda t: t.pop("view.b"), "expected a tensor 'view.b'"),
        (lambda t: t.update(labels=t["labels"][:, None].contiguous()), "shape"),
        (lambda t: t.update(trials=t["trials"][1:].clone()), "shape"),
        (lambda t: t.update({"view.a": t["view.a"][:, 1:].contiguous()}), "shape"),
        (lambda t: t.update({"view.a": t["view.a"].double()}), "type"),
        (lambda t: t.update(recordings=t["recordings"].int()), "type"),
        (lambda t: t["view.a"][0].fill_(float("inf")), "only finite numbers, or none"),
        (lambda t: t["view.a"][:, 0].fill_(float("nan")), "only finite numbers, or none"),
        (lambda t: t.update(more=torch.zeros(1)), "tensors beside those of labelled windows: .*more"),
    ],
)
def test_labelled_windows_that_do_not_fit_are_refused(
    folder: Path, name: str, change: Callable[[dict[str, torch.Tensor]], None], reason: str
) -> None:
    _edit_tensors(folder, change, name)
    with pytest.raises(BundleError, match=f"{name}: .*{reason}"):
        load_bundle(folder)


def test_a_probe_from_before_recordings_were_written_loads(folder: Path) -> None:
    _edit_tensors(folder, lambda tensors: tensors.pop("recordings"), "probe.safetensors")
    assert_array_equal(load_bundle(folder).probe.recordings, np.full(20, -1))
    _edit_tensors(folder, lambda tensors: tensors.pop("recordings"), "calibration.safetensors")
    with pytest.raises(BundleError, match=r"calibration\.safetensors: expected a tensor 'recordings'"):
        load_bundle(folder)


def test_parts_that_do_not_belong_together_are_not_saved(bundle: Bundle, tmp_path: Path) -> None:
    for wrong in (
        replace(bundle, views=bundle.views[::-1]),
        replace(bundle, standardiser=None),
        replace(bundle, recordings=()),
        replace(bundle, probe=replace(bundle.probe, labels=bundle.probe.labels + 3)),
        replace(bundle, calibration=replace(bundle.calibration, trials=bundle.calibration.trials[1:])),
        replace(bundle, calibration=replace(bundle.calibration, views={"a": bundle.calibration.views["a"]})),
        replace(bundle, views=(bundle.views[0].model_copy(update={"feature_names": ("x",)}), bundle.views[1])),
    ):
        with pytest.raises(BundleError, match="expected"):
            save_bundle(tmp_path / "b", wrong)
    assert not (tmp_path / "b").exists()
