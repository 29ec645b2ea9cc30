"""A configuration may take parts from other files; it wins over them, and an error names the file that it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtemo.config import load_configuration, parse_configuration
from rtemo.errors import ConfigurationError
from rtemo.includes import MAX_CONFIG_BYTES, MAX_DEPTH, MAX_FILES, own_text, read_document
from rtemo.outputs.folder import write_configuration

EEG = '[views.eeg]\nstream = { type = "EEG" }\nfeatures = "differential-entropy"\n'


def written(folder: Path, **files: str) -> Path:
    """The files, by name without its ending; gives the first one's path."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{next(iter(files))}.toml"


def merged(folder: Path, **files: str) -> dict[str, Any]:
    return read_document(written(folder, **files)).values


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_views_come_from_included_files_in_the_order_of_the_includes(tmp_path: Path) -> None:
    lab = (
        'include = ["eye.toml", "eeg.toml"]\nlabels = ["a", "b"]\n[views.own]\nstream.type = "x"\nfeatures = "identity"'
    )
    eye = '[views.eye]\nstream = { type = "Gaze" }\nfeatures = "statistics"'
    config = load_configuration(written(tmp_path, lab=lab, eeg=EEG, eye=eye))
    assert list(config.views) == ["eye", "eeg", "own"]


def test_one_file_needs_no_list(tmp_path: Path) -> None:
    path = written(tmp_path, lab='include = "eeg.toml"\nlabels = ["a", "b"]', eeg=EEG)
    assert load_configuration(path) == parse_configuration(
        {"labels": ["a", "b"], "views": {"eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"}}}, "x"
    )


def test_tables_are_merged_key_by_key_and_the_file_wins_over_what_it_includes(tmp_path: Path) -> None:
    found = merged(
        tmp_path,
        lab='include = ["one.toml", "two.toml"]\n[views.eeg]\nsmoothing = "kalman"\n[views.eeg.settings]\norder = 2',
        one='[window]\nlength_s = 1.0\nhop_s = 0.5\n[views.eeg]\nmin_coverage = 0.5\nsmoothing = "mean"',
        two='[window]\nlength_s = 2.0\n[views.eeg.settings]\nmethod = "filterbank"\norder = 4',
    )
    assert found == {
        "window": {"length_s": 2.0, "hop_s": 0.5},
        "views": {
            "eeg": {"min_coverage": 0.5, "smoothing": "kalman", "settings": {"method": "filterbank", "order": 2}}
        },
    }


@pytest.mark.parametrize(
    ("keys", "below", "above"),
    [
        (("views", "eeg", "stream"), '{ type = "EEG", name = "cap" }', '{ source_id = "7" }'),
        (("markers", "stream"), '{ type = "Markers" }', '{ name = "clips" }'),
        (("markers", "labels"), '{ sea = "calm" }', '{ storm = "tense" }'),
        (("views", "eeg", "settings", "bands"), "{ low = [1, 4], high = [30, 50] }", "{ all = [1, 50] }"),
        (("views", "eeg", "channels"), '["Fp1", "Fp2"]', '["Cz"]'),
        (("labels",), '["a", "b", "c"]', '["d", "e"]'),
    ],
)
def test_selectors_bands_marker_labels_and_lists_are_taken_whole(
    tmp_path: Path, keys: tuple[str, ...], below: str, above: str
) -> None:
    path = ".".join(keys)
    found: Any = merged(tmp_path, lab=f'include = "part.toml"\n{path} = {above}', part=f"{path} = {below}")
    alone: Any = merged(tmp_path, alone=f"{path} = {above}")
    assert found == alone


def test_a_view_may_be_called_like_what_is_taken_whole(tmp_path: Path) -> None:
    found = merged(
        tmp_path, lab='include = "part.toml"\n[views.stream]\nrequired = true', part='[views.stream]\nfeatures = "x"'
    )
    assert found == {"views": {"stream": {"features": "x", "required": True}}}


def test_paths_are_relative_to_the_file_that_includes(tmp_path: Path) -> None:
    (tmp_path / "parts" / "deeper").mkdir(parents=True)
    written(tmp_path / "parts", both='include = "deeper/eeg.toml"\n[window]\nlength_s = 2.0')
    written(tmp_path / "parts" / "deeper", eeg=EEG)
    config = load_configuration(written(tmp_path, lab='include = "parts/both.toml"\nlabels = ["a", "b"]'))
    assert (list(config.views), config.window.length_s) == (["eeg"], 2.0)


def test_one_file_may_be_included_by_two(tmp_path: Path) -> None:
    files = {"lab": 'include = ["one.toml", "two.toml"]\nlabels = ["a", "b"]', "one": 'include = "eeg.toml"'}
    assert load_configuration(written(tmp_path, **files, two='include = "eeg.toml"', eeg=EEG)).views


@pytest.mark.parametrize("last", ["lab.toml", "./lab.toml", "two.toml"])
def test_a_circle_is_refused_and_shown(tmp_path: Path, last: str) -> None:
    said = refused(written(tmp_path, lab='include = "one.toml"', one='include = "two.toml"', two=f'include = "{last}"'))
    assert "goes round in a circle" in said
    assert said.startswith(str(tmp_path / "two.toml"))


def test_includes_are_bounded_in_depth_and_in_number(tmp_path: Path) -> None:
    files = {f"f{n}": f'include = "f{n + 1}.toml"\n' for n in range(MAX_DEPTH + 1)}
    deep = written(tmp_path, **files)
    files[f"f{MAX_DEPTH}"] = EEG
    (tmp_path / f"f{MAX_DEPTH + 1}.toml").write_text(EEG)
    assert "files deep" in refused(deep)
    written(tmp_path, **files)
    assert len(read_document(deep).included) == MAX_DEPTH
    many = [f"n{n}.toml" for n in range(MAX_FILES + 1)]
    for name in many:
        (tmp_path / name).write_text("")
    assert f"more than {MAX_FILES} files" in refused(written(tmp_path, lab=f"include = {many}"))
    assert len(read_document(written(tmp_path, lab=f"include = {many[:-1]}")).included) == MAX_FILES


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("3", "a file's name or a list of them expected"),
        ('["eeg.toml", 3]', "a file's name or a list of them expected"),
        ('""', "a file's name or a list of them expected"),
        ('"/etc/passwd"', "does not end in .toml"),
        ('"gone.toml"', "cannot be read"),
        ('"a\\u0000.toml"', "a file's name or a list of them expected"),
        ('"a\\nb.toml"', "a file's name or a list of them expected"),
        ('"folder.toml"', "not a file"),
    ],
)
def test_what_cannot_be_included_is_named(tmp_path: Path, include: str, said: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    message = refused(written(tmp_path, lab=f'include = {include}\nlabels = ["a", "b"]', eeg=EEG))
    assert said in message
    assert "lab.toml" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"views = [", "not valid TOML"), (b"\xff", "not valid TOML"), (b"#" * (MAX_CONFIG_BYTES + 1), "larger than")],
)
def test_a_broken_included_file_is_named_with_the_one_that_includes_it(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "part.toml").write_bytes(content)
    message = refused(written(tmp_path, lab='include = "part.toml"\nlabels = ["a", "b"]'))
    assert said in message
    assert message.startswith(f"{tmp_path / 'part.toml'}, included by {tmp_path / 'lab.toml'}: ")


@pytest.mark.parametrize(
    ("lab", "part", "key"),
    [
        ("", "smoothin = 1", "views.eeg.smoothin"),
        ("", "min_coverage = 2", "views.eeg.min_coverage"),
        ("", "settings.x = 1\nchannels = []", "views.eeg.channels"),
        ("[views.eeg]\nsmoothing = 'kalman'", "quality.flat_share = 2", "views.eeg.quality.flat_share"),
    ],
)
def test_a_wrong_key_is_told_with_the_file_that_it_stands_in(tmp_path: Path, lab: str, part: str, key: str) -> None:
    path = written(tmp_path, lab=f'include = "eeg.toml"\nlabels = ["a", "b"]\n{lab}', eeg=EEG + part)
    message = refused(path)
    assert message.startswith(f"{tmp_path / 'eeg.toml'} (included by {path}): ")
    assert f"{key!r}" in message


def test_wrong_keys_of_several_files_are_told_of_each(tmp_path: Path) -> None:
    path = written(tmp_path, lab='include = "eeg.toml"\nlabels = ["a", "a"]', eeg=EEG + "smoothin = 1")
    message = refused(path)
    assert f"{path}: 'labels': a label is named twice" in message
    assert f"{tmp_path / 'eeg.toml'} (included by {path}): unknown key 'views.eeg.smoothin'" in message


def test_a_misspelt_include_is_an_unknown_key(tmp_path: Path) -> None:
    assert "did you mean 'include'" in refused(written(tmp_path, lab='inclde = "x.toml"\nlabels = ["a"]\n' + EEG))


def test_a_fragment_by_itself_says_that_it_is_to_be_included(tmp_path: Path) -> None:
    message = refused(written(tmp_path, eeg=EEG))
    assert "'labels' is missing: this is a fragment" in message
    assert 'include = ["eeg.toml"]' in message


def test_nothing_is_included_by_what_is_no_file() -> None:
    with pytest.raises(ConfigurationError, match="unknown key 'include'"):
        parse_configuration({"labels": ["a"], "views": {}, "include": "x.toml"}, "bundle.json")


def test_a_session_keeps_what_was_included(tmp_path: Path) -> None:
    (tmp_path / "session").mkdir()
    lab = 'include = "eeg.toml"\nlabels = ["a", "b"]\n[views.eeg.settings]\nbands = { "b c" = [1, 4] }\n'
    path = written(tmp_path, lab=lab, eeg=EEG + "required = true\nquality = { excess = 7.0 }")
    config = load_configuration(path)
    kept = write_configuration(tmp_path / "session", config, own_text(path))
    assert b"include" not in kept.read_bytes()
    assert load_configuration(kept) == config


def test_a_session_keeps_a_file_that_includes_nothing_byte_for_byte(tmp_path: Path) -> None:
    path = written(tmp_path, lab='# As it is.\nlabels = ["a", "b"]\n' + EEG)
    assert own_text(path) == path.read_bytes()


def test_nesting_without_end_is_no_crash(tmp_path: Path) -> None:
    assert "50 parts" in refused(written(tmp_path, lab=f'labels = ["a"]\n{EEG}\n[{".".join("x" * 2000)}]\ny = 1'))
    assert "unknown key" in refused(written(tmp_path, lab=f'labels = ["a"]\n{EEG}\n[{".".join("x" * 50)}]\ny = 1'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 3000, "values nested without end"),
        (".".join("a" * 40_000) + " = 1", "a key of more than 50 parts"),
    ],
)
@pytest.mark.parametrize("name", ["lab.toml", "part.toml"])
def test_what_would_cost_the_parser_all_memory_is_refused_at_once(tmp_path, text, message, name):
    lab = tmp_path / "lab.toml"
    lab.write_text('include = ["part.toml"]\nlabels = ["a"]\n')
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_configuration(lab)
    with pytest.raises(ValueError, match=message):
        own_text(tmp_path / name)


def test_a_mark_that_editors_put_before_the_text_does_no_harm(tmp_path):
    lab = tmp_path / "lab.toml"
    lab.write_text('labels = ["a"]\n[views.eeg]\nstream = { type = "EEG" }\nfeatures = "identity"\n', "utf-8-sig")
    assert load_configuration(lab).labels == ["a"]
    assert own_text(lab) == lab.read_bytes()


def test_a_message_does_not_repeat_a_whole_file(tmp_path):
    lab = tmp_path / "lab.toml"
    lab.write_text(
        "labels = 3\n[window]\nlength_s = [" + "1, " * 50_000 + "]\n" + "".join(f"k{i} = 1\n" for i in range(9999))
    )
    with pytest.raises(ConfigurationError, match=r"and 99\d+ more") as raised:
        load_configuration(lab)
    assert len(str(raised.value)) < 5000
