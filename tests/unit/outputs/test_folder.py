"""A session has a folder of its own, which says what the session ran with."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtemo.config import load_configuration, parse_configuration
from rtemo.errors import ConfigurationError
from rtemo.outputs.folder import (
    check_session_folder,
    environment,
    make_session_folder,
    write_configuration,
    write_environment,
)
from rtemo.outputs.toml import toml_text

STARTED = datetime.datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
SCALAR = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=10
)


def test_the_folder_is_named_after_participant_and_utc_time(tmp_path: Path) -> None:
    folder = make_session_folder(tmp_path / "new" / "out", "01", STARTED)
    assert folder == tmp_path / "new" / "out" / "sub-01" / "ses-20260228T230203Z"
    assert folder.is_dir()


def test_a_second_session_in_the_same_second_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    names = [make_session_folder(tmp_path, "01", STARTED).name for _ in range(3)]
    assert names == ["ses-20260228T230203Z", "ses-20260228T230203Zr2", "ses-20260228T230203Zr3"]


@pytest.mark.parametrize("name", ["", "sub-01", "../x", "a b", "é", "a/b", "a\n", "x" * 65, "\x00", "١"])
def test_a_participant_that_is_no_bids_label_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="letters"):
        make_session_folder(tmp_path, name, STARTED)
    with pytest.raises(ConfigurationError, match="letters"):
        check_session_folder(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        make_session_folder(tmp_path / "out", "01", STARTED)
    with pytest.raises(ConfigurationError, match="cannot be made"):
        check_session_folder(tmp_path / "out", "01")


def test_a_folder_without_permission_is_found_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_session_folder(tmp_path / "new" / "out", "01")
    # The tests may run as root, whom no permission stops.
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(ConfigurationError, match="cannot be made"):
        check_session_folder(tmp_path / "new" / "out", "01")
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_kept_byte_for_byte(tmp_path: Path) -> None:
    source = b'# mine\r\nlabels = ["a"]\n[views.eeg]\nstream = { type = "EEG" }\nfeatures = "identity"\n'
    (tmp_path / "lab.toml").write_bytes(source)
    folder = make_session_folder(tmp_path, "01", STARTED)
    assert write_configuration(folder, load_configuration(tmp_path / "lab.toml"), source).read_bytes() == source
    with pytest.raises(FileExistsError):
        write_configuration(folder, load_configuration(tmp_path / "lab.toml"), source)


def test_a_configuration_in_memory_is_written_so_that_it_loads_again(tmp_path: Path) -> None:
    document = {
        "labels": ["low", 'h"i\\gh'],
        "window": {"length_s": 2, "hop_s": 0.5},
        "views": {
            "eeg": {
                "stream": {"type": "EEG", "name": "[x] = 1\n"},
                "features": "differential-entropy",
                "channels": ["F]p1", "C\x7f"],
                "settings": {"bands": {"alpha": [8.0, 14.0]}, "deep": [{"a": True}]},
            }
        },
        "markers": {"stream": {"type": "Markers"}, "labels": {"clip/low = x": "low"}},
        "outputs": {"folder": "some where"},
    }
    configuration = parse_configuration(document, "here")
    path = write_configuration(tmp_path, configuration)
    assert load_configuration(path) == configuration


@given(st.dictionaries(TEXT, VALUE, max_size=5))
def test_any_document_comes_back_from_toml(document: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_what_toml_lacks_is_left_out_or_refused() -> None:
    assert toml_text({"a": None, "b": 1}) == "b = 1\n"
    with pytest.raises(TypeError, match="object"):
        toml_text({"a": object()})


def test_the_environment_names_versions_machine_and_bundle(tmp_path: Path) -> None:
    facts = environment(STARTED, bundle=Path("bundles/lab"), bundle_hash="abc", command=["rtemo", "run"])
    read = json.loads(write_environment(tmp_path, facts).read_text())
    assert read["started_utc"] == "2026-02-28T23:02:03.456+00:00"
    assert read["python"] == platform.python_version()
    assert read["bundle"] == {"path": "bundles/lab", "hash": "abc"}
    assert read["command"] == ["rtemo", "run"]
    assert {"rtemo", "numpy", "torch", "pylsl"} <= set(read["packages"])
    assert all(read[key] for key in ("system", "machine", "cpus"))


def test_telling_the_environment_imports_nothing_heavy() -> None:
    code = (
        "import sys, datetime; from rtemo.outputs.folder import environment;"
        "environment(datetime.datetime.now(datetime.UTC));"
        "sys.exit(', '.join({'torch', 'mne', 'pylsl', 'scipy', 'PySide6'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
