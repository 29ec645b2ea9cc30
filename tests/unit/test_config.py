"""A configuration is refused with the key, what is wrong, and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtemo.config import Configuration, load_configuration, parse_configuration
from rtemo.errors import ConfigurationError

CONFIGS = [
    path
    for path in sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.toml"))
    # Fragments have none; test_configs.py has tests of them.
    if "\nlabels =" in f"\n{path.read_text()}"
]
GOOD = {"labels": ["a", "b"], "views": {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"}}}


def changed(path: str, value: object) -> dict[str, object]:
    """GOOD with one value set; the path is dotted."""
    document: dict[str, object] = {**GOOD, "views": {"eeg": dict(GOOD["views"]["eeg"])}}
    *folders, last = path.split(".")
    table: dict[str, object] = document
    for folder in folders:
        table = table.setdefault(folder, {})  # type: ignore[assignment]
    table[last] = value
    return document


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_that_ships_is_valid(path: Path) -> None:
    config = load_configuration(path)
    assert config.views
    assert config.labels


def test_a_hop_that_is_not_given_is_the_length() -> None:
    assert parse_configuration(changed("window", {"length_s": 4.0}), "x").window.hop == 4.0


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("lables", ["a"], "did you mean 'labels'"),
        ("window.lenght_s", 1.0, "did you mean 'length_s'"),
        ("views.eeg.feature", "x", "did you mean 'features'"),
        ("views.eeg.stream", {"typ": "EEG"}, "did you mean 'type'"),
        ("views.eeg.stream", {}, "at least one of name, type"),
        ("views.eeg.channels", [], "at least one channel"),
        ("views.eeg.channels", ["Fp1", "Fp1"], "named twice"),
        ("views.eeg.channels", "some", "views.eeg.channels"),
        ("views", {}, "at least one view"),
        ("views.label", {"stream": {"type": "x"}, "features": "y"}, "cannot be called 'label'"),
        ("views.9x", {"stream": {"type": "x"}, "features": "y"}, "views.9x"),
        ("labels", ["a", "a"], "named twice"),
        ("labels", ["none", "b"], "cannot be a label"),
        ("labels", ["a", "skipped"], "cannot be a label"),
        ("labels", ["a,b", "c"], "cannot be a label"),
        ("window.length_s", 0, "window.length_s"),
        ("window.length_s", float("inf"), "window.length_s"),
        ("window.hop_s", -1, "window.hop_s"),
        ("views.eeg.min_coverage", 1.5, "views.eeg.min_coverage"),
        ("markers", {"stream": {"type": "Markers"}, "labels": {"x": "c"}}, "not in labels"),
        ("model.device", 3, "model.device"),
    ],
)
def test_a_wrong_key_or_value_is_named(path: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"lab\.toml") as caught:
        parse_configuration(changed(path, value), "lab.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'views' is missing"):
        parse_configuration({"labels": ["a"]}, "x")


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_configuration(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("labels = [")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_configuration(bad)
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_configuration(bad)
    bad.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigurationError, match="larger than"):
        load_configuration(bad)


def test_a_configuration_survives_its_own_json() -> None:
    config = parse_configuration(GOOD, "x")
    assert Configuration.model_validate(config.model_dump(mode="json")) == config
