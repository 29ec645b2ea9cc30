"""Recordings that MNE reads become streams by channel type, in microvolts, gaps and annotations kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pytest

from rtemo.errors import RecordingError
from rtemo.sources import open_recording
from rtemo.sources.mne import MneSource
from rtemo.types import Chunk, Marker

RATE_HZ = 100.0
SAMPLES = 1000


def make_raw() -> mne.io.RawArray:
    rng = np.random.default_rng(0)
    info = mne.create_info(["Fp1", "Fp2", "ECG"], RATE_HZ, ["eeg", "eeg", "ecg"])
    raw = mne.io.RawArray(rng.normal(scale=20e-6, size=(3, SAMPLES)), info, verbose="error")
    raw.set_annotations(mne.Annotations([1.5, 4.0], [0.0, 0.0], ["clip/positive", "end"]))
    return raw


def export(raw: mne.io.RawArray, path: Path) -> Path:
    if path.suffix == ".fif":
        raw.save(path, verbose="error")
    else:
        mne.export.export_raw(path, raw, verbose="error")
    return path


def collect(source: MneSource, key: str) -> tuple[np.ndarray, np.ndarray]:
    chunks = [item for item in source if isinstance(item, Chunk) and item.stream == key]
    return np.concatenate([c.stamps_s for c in chunks]), np.concatenate([c.values for c in chunks])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["_raw.fif", ".edf", ".bdf", ".vhdr", ".set"])
def test_every_format_gives_the_same_microvolts(tmp_path: Path, suffix: str) -> None:
    raw = make_raw()
    path = export(raw, tmp_path / f"x{suffix}")
    source = open_recording(path)
    assert isinstance(source, MneSource)
    eeg = next(stream for stream in source.streams if stream.type == "EEG")
    assert eeg.channel_labels[:2] == ("Fp1", "Fp2")
    assert eeg.nominal_rate_hz == RATE_HZ
    assert set(eeg.channel_units) == {"uV"}
    stamps, values = collect(source, eeg.key)
    np.testing.assert_allclose(stamps, np.arange(len(stamps)) / RATE_HZ, atol=1e-12)
    np.testing.assert_allclose(values[:SAMPLES, :2], 1e6 * raw.get_data()[:2].T, atol=0.05)
    found = [(round(m.stamp_s, 2), m.text.rsplit("/", 1)[-1]) for m in source if isinstance(m, Marker)]
    wanted = [(1.5, "positive"), (4.0, "end")]
    assert [pair for pair in found if pair[1] in ("positive", "end")] == wanted
    source.close()


def test_channel_types_are_streams_of_their_own(tmp_path: Path) -> None:
    source = MneSource(export(make_raw(), tmp_path / "x_raw.fif"))
    assert [(s.type, s.channels) for s in source.streams] == [("EEG", 2), ("ECG", 1), ("Markers", 1)]


def test_a_stretch_that_was_not_recorded_is_a_gap(tmp_path: Path) -> None:
    raw = make_raw()
    raw.set_annotations(mne.Annotations([3.0, 7.0], [2.0, 0.0], ["BAD_ACQ_SKIP", "EDGE boundary"]))
    source = MneSource(export(raw, tmp_path / "x_raw.fif"))
    by_segment: dict[int, list[float]] = {}
    for item in source:
        if isinstance(item, Chunk) and item.stream == "eeg":
            by_segment.setdefault(item.segment, []).extend(item.stamps_s)
    spans = [(round(s[0], 2), round(s[-1], 2)) for s in by_segment.values()]
    assert spans == [(0.0, 2.99), (5.0, 6.99), (7.0, 9.99)]


def test_annotations_of_a_cropped_recording_keep_their_moment(tmp_path: Path) -> None:
    raw = make_raw()
    raw.set_meas_date(1_000_000)
    raw.set_annotations(mne.Annotations([1.5], [0.0], ["clip/positive"], orig_time=raw.info["meas_date"]))
    raw.crop(tmin=1.0)
    source = MneSource(export(raw, tmp_path / "x_raw.fif"))
    assert [round(m.stamp_s, 6) for m in source if isinstance(m, Marker)] == [0.5]


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:200], lambda b: b"\0" * len(b)], ids=["empty", "cut", "zeros"]
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = export(make_raw(), tmp_path / "x.edf")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RecordingError, match=r"x\.edf") as caught:
        open_recording(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(RecordingError, match=r"expected a recording \(.xdf"):
        open_recording(path)
    with pytest.raises(RecordingError, match="found nothing there"):
        open_recording(tmp_path / "none.xdf")
    with pytest.raises(RecordingError, match="found a folder there"):
        open_recording(tmp_path)
