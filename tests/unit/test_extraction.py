"""Recordings become one table; views that some lack are missing there, and labels stay with their trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mne
import numpy as np
import pytest

from rtemo.config import Configuration, parse_configuration
from rtemo.errors import LabelError, RecordingError, StreamError
from rtemo.extraction import extract, join, label_indices

RATE_HZ = 100.0


def configuration(**changes: object) -> Configuration:
    view = {"features": "statistics"}
    document = {
        "labels": ["calm", "joy"],
        "views": {"eeg": {"stream": {"type": "EEG"}, **view}, "ecg": {"stream": {"type": "ECG"}, **view}},
        "markers": {"stream": {"type": "Markers"}, "labels": {"clip/joy": "joy", "clip/calm": "calm"}},
        **changes,
    }
    return parse_configuration(document, "test")


def record(
    folder: Path, name: str, kinds: dict[str, str], *, seconds: float = 10.0, notes: dict[float, str] | None = None
) -> Path:
    rng = np.random.default_rng(len(name))
    info = mne.create_info(list(kinds), RATE_HZ, list(kinds.values()))
    raw = mne.io.RawArray(rng.normal(scale=2e-5, size=(len(kinds), round(seconds * RATE_HZ))), info, verbose="error")
    notes = notes or {}
    raw.set_annotations(mne.Annotations(list(notes), 0.0, list(notes.values())))
    path = folder / f"{name}_raw.fif"
    raw.save(path, verbose="error")
    return path


BOTH = {"Fp1": "eeg", "Fp2": "eeg", "ECG": "ecg"}
NOTES = {2.0: "clip/joy", 5.0: "pause", 6.0: "clip/calm"}


def test_windows_take_the_labels_of_markers(tmp_path: Path) -> None:
    table = extract(record(tmp_path, "a", BOTH, notes=NOTES), configuration()).table
    assert table.label.tolist() == ["", "", "joy", "joy", "joy", "", "calm", "calm", "calm", "calm"]
    assert table.trial.tolist() == [-1, -1, 0, 0, 0, -1, 1, 1, 1, 1]
    assert table.available["eeg"].all()


def test_features_are_those_of_the_samples(tmp_path: Path) -> None:
    path = record(tmp_path, "a", BOTH)
    table = extract(path, configuration()).table
    uv = 1e6 * mne.io.read_raw_fif(path, verbose="error").get_data()[:2].reshape(2, 10, 100)
    names = list(table.names["eeg"])
    np.testing.assert_allclose(table.features["eeg"][:, names.index("Fp2:mean")], uv[1].mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(table.features["eeg"][:, names.index("Fp1:max")], uv[0].max(axis=1), rtol=1e-5)


def test_an_events_file_wins_over_markers(tmp_path: Path) -> None:
    path = record(tmp_path, "a", BOTH, notes=NOTES)
    (tmp_path / "a_raw_events.tsv").write_text("onset\tduration\ttrial_type\n0\t2\tclip/calm\n8\t2\tjoy\n")
    table = extract(path, configuration()).table
    assert table.label.tolist() == ["calm", "calm", "", "", "", "", "", "", "joy", "joy"]


def test_labels_are_not_read_where_they_are_not_wanted(tmp_path: Path) -> None:
    path = record(tmp_path, "a", BOTH, notes=NOTES)
    (tmp_path / "a_raw_events.tsv").write_text("this is no events file")
    table = extract(path, configuration(), read_labels=False).table
    assert set(table.label) == {""}
    with pytest.raises(LabelError, match=r"a_raw_events.tsv"):
        extract(path, configuration())


def test_a_view_that_one_recording_lacks_is_missing_there(tmp_path: Path) -> None:
    with_both = extract(record(tmp_path, "a", BOTH, notes=NOTES), configuration())
    without = extract(record(tmp_path, "b", {"Fp1": "eeg", "Fp2": "eeg"}, notes=NOTES), configuration())
    assert any("'ecg'" in line for line in without.warnings)
    for order in ([with_both, without], [without, with_both]):
        table = join([extraction.table for extraction in order])
        lacking = table.recording == order.index(without)
        assert table.features["ecg"].shape == (20, 6)
        assert np.isnan(table.features["ecg"][lacking]).all()
        assert not table.available["ecg"][lacking].any()
        assert table.available["ecg"][~lacking].all()
        assert sorted(set(table.trial)) == [-1, 0, 1, 2, 3]


def test_recordings_with_other_channels_are_refused_by_name(tmp_path: Path) -> None:
    one = extract(record(tmp_path, "a", {"Fp1": "eeg", "Fp2": "eeg"}), configuration())
    other = extract(record(tmp_path, "b", {"Fp1": "eeg", "Cz": "eeg"}), configuration())
    with pytest.raises(StreamError, match=r"b_raw.fif: view 'eeg' .*Cz"):
        join([one.table, other.table])


def test_a_required_view_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    views = {
        "eeg": {"stream": {"type": "EEG"}, "features": "statistics"},
        "ecg": {"stream": {"type": "ECG"}, "features": "statistics", "required": True},
    }
    with pytest.raises(StreamError, match=r"required view 'ecg'"):
        extract(record(tmp_path, "b", {"Fp1": "eeg"}), configuration(views=views))


def test_a_recording_without_any_view_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no view has a stream"):
        extract(record(tmp_path, "b", {"x": "misc"}), configuration())


def test_a_wrong_channel_label_is_named(tmp_path: Path) -> None:
    views = {"eeg": {"stream": {"type": "EEG"}, "features": "statistics", "channels": ["Fp1", "Fp3"]}}
    with pytest.raises(StreamError, match=r"no channel 'Fp3'.*Fp1, Fp2"):
        extract(record(tmp_path, "a", BOTH), configuration(views=views))


def test_a_recording_without_a_sample_is_an_error(tmp_path: Path) -> None:
    one_sample_of_slow_windows = configuration(window={"length_s": 1000.0})
    path = record(tmp_path, "a", BOTH, seconds=0.02)
    table = extract(path, one_sample_of_slow_windows).table
    assert not table.available["eeg"].any()
    with pytest.raises(RecordingError, match="expected a recording"):
        extract(tmp_path / "none.xdf", configuration())


def test_a_label_outside_the_configuration_is_named(tmp_path: Path) -> None:
    table = extract(record(tmp_path, "a", BOTH, notes=NOTES), configuration()).table
    assert label_indices(table, ["calm", "joy"])[2] == 1
    with pytest.raises(LabelError, match="joy"):
        label_indices(table, ["calm"])


def test_quality_is_joined_by_name_and_unknown_where_a_recording_has_none(tmp_path: Path) -> None:
    table = extract(record(tmp_path, "a", BOTH), configuration()).table
    assert table.quality == {}
    first, second = np.full((10, 2), 0.25), np.arange(20.0).reshape(10, 2)
    tables = [
        replace(table, quality={"eeg": first}, quality_names={"eeg": ("Fp1", "Fp2")}),
        replace(table, quality={"eeg": second}, quality_names={"eeg": ("Fp2", "Cz")}),
        table,
    ]
    joined = join(tables)
    assert joined.quality_names == {"eeg": ("Fp1", "Fp2", "Cz")}
    nan = np.full((10, 1), np.nan)
    expected = [np.hstack([first, nan]), np.hstack([nan, second]), np.full((10, 3), np.nan)]
    np.testing.assert_array_equal(joined.quality["eeg"], np.vstack(expected))
    alike = join(tables[:1] * 2)
    assert alike.quality_names == {"eeg": ("Fp1", "Fp2")}
    assert alike.quality["eeg"].shape == (20, 2)
