"""The sets of real recordings, against what the recordings say when read in another way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import pyxdf
import wfdb

from rtemo.evaluation.datasets import eegmat, noneeg_records
from rtemo.evaluation.datasets.catalogue import load_dataset
from rtemo.evaluation.datasets.noneeg import CLASSES
from rtemo.evaluation.datasets.places import digest_of

pytestmark = pytest.mark.real


def part(folder: Path, names: list[str], to: Path) -> Path:
    """A folder with some of the files of another."""
    to.mkdir()
    for name in names:
        shutil.copyfile(folder / name, to / name)
    return to


def test_noneeg_has_the_stages_that_its_markers_say(data_folder: Path, tmp_path: Path) -> None:
    subjects = ("noneeg_S03.xdf", "noneeg_S11.xdf")
    found = load_dataset("noneeg", part(data_folder / "noneeg_xdf", list(subjects), tmp_path / "some"), cache=tmp_path)
    assert found.dims == (30, 12)
    assert list(found.views) == ["wrist", "oximeter"]
    for k, name in enumerate(subjects):
        streams, _ = pyxdf.load_xdf(str(data_folder / "noneeg_xdf" / name))
        stage = next(s for s in streams if s["info"]["name"][0] == "stage")
        texts = [text for (text,) in stage["time_series"]]
        seconds = np.diff(stage["time_stamps"])
        mine = found.subjects == k
        for label, wanted in enumerate(CLASSES):
            stages = [s for text, s in zip(texts[:-1], seconds, strict=True) if text == wanted]
            windows = int((found.labels[mine] == label).sum())
            # A stage holds a window less than its tens of seconds at either end, or as many.
            assert sum(int(s // 10) - 1 for s in stages) <= windows <= sum(int(s // 10) for s in stages)
            trials = np.unique(found.trials[mine & (found.labels == label)])
            assert len(trials) == len(stages)
        assert (found.sessions[mine] == k).all()
    some = np.any([np.isfinite(x).all(axis=1) for x in found.views.values()], axis=0)
    assert some.all()


def test_a_heart_beats_as_the_oximeter_said(data_folder: Path, tmp_path: Path) -> None:
    found = load_dataset("noneeg", part(data_folder / "noneeg_xdf", ["noneeg_S01.xdf"], tmp_path / "a"), cache=tmp_path)
    streams, _ = pyxdf.load_xdf(str(data_folder / "noneeg_xdf" / "noneeg_S01.xdf"))
    rates = next(s for s in streams if s["info"]["name"][0] == "oximeter")["time_series"][:, 1]
    # Statistics of SpO2, then of the heart rate; the mean comes first of six.
    means = found.views["oximeter"][:, 6]
    assert abs(np.nanmean(means) - rates.mean()) < 0.5
    assert rates.min() - 0.01 <= np.nanmin(means) <= np.nanmax(means) <= rates.max() + 0.01


def test_eegmat_has_both_states_of_a_subject(data_folder: Path, tmp_path: Path) -> None:
    names = [f"Subject{s}_{k}.edf" for s in ("04", "17") for k in (1, 2)]
    found = load_dataset("eegmat", part(data_folder / "eegmat", names, tmp_path / "some"), cache=tmp_path)
    assert found.dims == (95, 6)
    # Whole windows of four seconds in 170 or 182 s of rest and 62 s of arithmetic, whatever the phase of the grid.
    for subject, (rest, arithmetic) in enumerate(((170, 62), (182, 62))):
        counts = np.bincount(found.labels[found.subjects == subject])
        assert rest // 4 - 1 <= counts[0] <= rest // 4
        assert arithmetic // 4 - 1 <= counts[1] <= arithmetic // 4
    assert len(np.unique(found.trials)) == 4
    assert len(np.unique(found.sessions)) == 2


def test_files_of_eegmat_have_the_checksums_of_the_registry(data_folder: Path) -> None:
    present = [name for name in eegmat.REGISTRY if (data_folder / "eegmat" / name).is_file()]
    assert present
    for name in present:
        assert digest_of(data_folder / "eegmat" / name) == eegmat.REGISTRY[name]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_eegmat_is_downloaded_where_there_is_no_folder(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["Subject05_1.edf", "Subject05_2.edf"]
    monkeypatch.setattr(eegmat, "REGISTRY", {name: eegmat.REGISTRY[name] for name in names})
    monkeypatch.setenv("RTEMO_DATA", str(tmp_path))
    with served(data_folder / "eegmat") as url:
        found = load_dataset("eegmat", cache=tmp_path / "cache", url=url)
    assert sorted(path.name for path in (tmp_path / "cache" / "eegmat").iterdir()) == names
    held = load_dataset("eegmat", part(data_folder / "eegmat", names, tmp_path / "held"), cache=tmp_path / "other")
    assert found.digest == held.digest


LOWEST = {"wrist": (-32766, -32767, -32767, -32766, -32766), "oximeter": (-32766, -32766)}
"""The least integer of each channel of subject 2, as PhysioNet's files have it."""


def records_of(path: Path, to: Path) -> None:
    """PhysioNet's files of subject 2 from its XDF, written by WFDB's own package."""
    streams = {stream["info"]["name"][0]: stream for stream in pyxdf.load_xdf(str(path))[0]}
    for stream, name in noneeg_records.STREAMS:
        values = np.asarray(streams[stream]["time_series"], dtype=np.float64)
        low, gain = values.min(axis=0), 65533 / np.ptp(values, axis=0)
        wfdb.wrsamp(
            f"Subject2_{name}",
            fs=float(streams[stream]["info"]["nominal_srate"][0]),
            units=["unit"] * len(low),
            sig_name=[f"channel{k}" for k in range(len(low))],
            d_signal=(np.round((values - low) * gain) + LOWEST[stream]).astype(np.int64),
            fmt=["16"] * len(low),
            adc_gain=gain.tolist(),
            baseline=np.round(LOWEST[stream] - low * gain).astype(int).tolist(),
            write_dir=str(to),
        )
    stage = streams["stage"]
    samples = np.round((stage["time_stamps"] - streams["wrist"]["time_stamps"][0]) * 8).astype(np.int64)
    texts = [text for (text,) in stage["time_series"]]
    wfdb.wrann(
        "Subject2_AccTempEDA", "atr", samples[:-1], ['"'] * len(samples[:-1]), aux_note=texts[:-1], write_dir=str(to)
    )


def test_noneeg_is_downloaded_where_there_is_no_folder(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples and stages have PhysioNet's own checksums; a header of ours says the same of them in other words."""
    (tmp_path / "served").mkdir()
    records_of(data_folder / "noneeg_xdf" / "noneeg_S02.xdf", tmp_path / "served")
    mine = {name: digest for name, digest in noneeg_records.REGISTRY.items() if name.startswith("Subject2_")}
    for name, digest in mine.items():
        given = digest_of(tmp_path / "served" / name)
        if name.endswith(".hea"):
            mine[name] = given
        else:
            assert given == digest, name
    monkeypatch.setattr(noneeg_records, "REGISTRY", mine)
    monkeypatch.setenv("RTEMO_DATA", str(tmp_path))
    with served(tmp_path / "served") as url:
        found = load_dataset("noneeg", cache=tmp_path / "cache", url=url)
    # From the cache, without the network.
    assert load_dataset("noneeg", cache=tmp_path / "cache", url="http://127.0.0.1:1/").digest == found.digest
    held = load_dataset(
        "noneeg", part(data_folder / "noneeg_xdf", ["noneeg_S02.xdf"], tmp_path / "held"), cache=tmp_path
    )
    for view, x in held.views.items():
        # Clocks that are compared put a sample at the very edge of a window on either side of it.
        assert np.isclose(found.views[view], x, rtol=1e-4, atol=1e-5).mean() > 0.98
    for name in ("labels", "subjects", "sessions", "trials"):
        np.testing.assert_array_equal(getattr(found, name), getattr(held, name))
