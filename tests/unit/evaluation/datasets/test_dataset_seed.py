"""SEED and SEED-IV from files of their layout: counts of the paper's Table 1, and errors that name what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets import seed, seed_iv
from rtemo.evaluation.datasets.catalogue import CATALOGUE, load_dataset
from rtemo.evaluation.protocols import split

SECONDS = [235, 233, 206, 238, 185, 195, 237, 216, 265, 237, 235, 233, 235, 238, 206]
LABELS = [1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1]


def entropies(counts: list[int], seed_: int, prefix: str) -> dict[str, np.ndarray]:
    """Clip n has 1000 n + the number of the window + small parts that tell channels and bands apart."""
    cells = np.arange(62 * 5).reshape(62, 1, 5) * 1e-3
    return {
        f"{prefix}{n + 1}": (1000.0 * n + np.arange(count)[None, :, None] + cells + seed_).astype(np.float32)
        for n, count in enumerate(counts)
    }


def make_session(folder: Path, subject: int, session: int, *, quarter: bool = False, eyes: bool = True) -> None:
    eeg = folder / "SEED_EEG" / ("ExtractedFeatures_4s" if quarter else "ExtractedFeatures_1s")
    watched = folder / "SEED_Multimodal" / "Chinese" / "04-Eye-tracking-feature" / "eye_tracking_feature"
    for path in (eeg, watched):
        path.mkdir(parents=True, exist_ok=True)
    counts = [s // 4 for s in SECONDS] if quarter else SECONDS
    arrays = entropies(counts, 100_000 * session, "de_LDS") | entropies(counts, -500_000, "de_movingAve")
    savemat(eeg / f"{subject}_2013{session:02d}27.mat", arrays)
    savemat(eeg / "label.mat", {"label": np.array([LABELS])})
    if eyes:
        rows = 1000.0 * np.repeat(np.arange(15), [s // 4 for s in SECONDS])[:, None] + np.arange(33) + session / 10
        pickled = {"train_data_eye": rows[:499], "test_data_eye": rows[499:], "train_label_eye": np.zeros(9)}
        (watched / f"{subject}_{session}").write_bytes(pickle.dumps(pickled, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed")
    make_session(root, 10, 1)
    make_session(root, 2, 1)
    make_session(root, 2, 2)
    make_session(root, 6, 1, eyes=False)
    return root


def test_windows_are_those_of_table_1(folder: Path) -> None:
    found = load_dataset("seed", folder)
    assert sum(s // 4 for s in SECONDS) == 842
    assert len(found) == 3 * 842
    assert 27 * len(found) // 3 == CATALOGUE["seed"].paper_windows == 22_734
    assert found.paper_train is not None
    assert [int(found.paper_train[found.sessions == k].sum()) for k in range(3)] == [499] * 3
    assert 27 * 499 == 13_473
    assert 27 * (842 - 499) == 9_261
    assert list(found.views) == ["eye", "eeg"]
    assert found.dims == (33, 310)
    paper = split(found, "paper", "1%", 0)
    assert (len(paper.train), len(paper.test)) == (3 * 499, 3 * 343)


def test_subjects_sessions_and_trials_are_told_apart(folder: Path) -> None:
    found = seed.load(folder)
    # Subject 2 comes before subject 10, and subject 6, who has no eyes, is not there.
    assert np.unique(found.subjects).tolist() == [0, 1]
    assert np.unique(found.sessions[found.subjects == 0]).tolist() == [0, 1]
    assert np.unique(found.sessions[found.subjects == 1]).tolist() == [2]
    assert len(np.unique(found.trials)) == 45
    for trial in range(45):
        rows = found.trials == trial
        assert rows.sum() == SECONDS[trial % 15] // 4
        assert set(found.labels[rows]) == {LABELS[trial % 15] + 1}
        # Both views are of the clip: they say its number.
        assert set(found.views["eye"][rows, 0] // 1000) == {trial % 15}
        assert set(found.views["eeg"][rows, 0] % 100_000 // 1000) == {trial % 15}
    np.testing.assert_allclose(found.views["eye"][found.sessions == 1, 0] % 1, 0.2)


def test_four_seconds_are_the_mean_of_four_windows_channel_by_channel(folder: Path) -> None:
    found = seed.load(folder, subjects=[10])
    first = found.views["eeg"][:3]
    # Windows 0 to 3 have the mean 1.5, 4 to 7 have 5.5, and column 5 c + b is channel c in band b.
    np.testing.assert_allclose(first - 100_000, np.array([[1.5], [5.5], [9.5]]) + np.arange(310) * 1e-3, atol=0.02)


def test_the_other_smoothing_can_be_had(folder: Path) -> None:
    assert seed.load(folder, subjects=[10], features="de_movingAve").views["eeg"][0, 0] == pytest.approx(-499_998.5)
    with pytest.raises(ConfigurationError, match="de_LDS or de_movingAve"):
        load_dataset("seed", folder, features="psd_LDS")


def test_features_of_four_seconds_are_taken_as_they_are(tmp_path: Path) -> None:
    make_session(tmp_path, 1, 1, quarter=True)
    found = seed.load(tmp_path)
    assert len(found) == 842
    np.testing.assert_allclose(found.views["eeg"][:3, 0] - 100_000, [0, 1, 2])


def test_a_value_that_is_missing_makes_the_view_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_session(tmp_path, 1, 1, quarter=True)
    path = next(tmp_path.rglob("1_1"))
    pickled = pickle.loads(path.read_bytes())
    pickled["train_data_eye"][7, 5] = np.nan
    path.write_bytes(pickle.dumps(pickled, 2))
    found = seed.load(tmp_path)
    assert np.flatnonzero(np.isnan(found.views["eye"]).all(axis=1)).tolist() == [7]
    assert "lacks a value in 1 windows" in caplog.text


def test_without_a_folder_the_error_says_where_to_apply(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, variable in (("seed", "RTEMO_SEED"), ("seed-iv", "RTEMO_SEED_IV")):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ConfigurationError, match=rf"{variable}.*bcmi\.sjtu\.edu\.cn"):
            load_dataset(name)
        monkeypatch.setenv(variable, str(tmp_path / "none"))
        with pytest.raises(ConfigurationError, match=r"none is no folder.*bcmi\.sjtu\.edu\.cn"):
            load_dataset(name)
        with pytest.raises(RecordingError, match="has no"):
            load_dataset(name, tmp_path)


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("RTEMO_SEED", str(folder))
    assert len(load_dataset("seed", subjects=[10])) == 842


def spoiled(tmp_path: Path, change: dict[str, np.ndarray | None]) -> Path:
    make_session(tmp_path, 1, 1, quarter=True)
    path = next((tmp_path / "SEED_EEG").rglob("1_*.mat"))
    arrays = entropies([s // 4 for s in SECONDS], 0, "de_LDS") | change
    savemat(path, {name: x for name, x in arrays.items() if x is not None})
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"de_LDS3": None}, r"1_20130127\.mat: expected de_LDS3 of shape \(62, any, 5\), found none"),
        ({"de_LDS3": np.zeros((61, 51, 5))}, r"expected de_LDS3 of shape \(62, any, 5\), found \(61, 51, 5\)"),
        ({"de_LDS3": np.zeros((62, 51))}, r"found \(62, 51\)"),
        ({"de_LDS3": np.zeros((62, 50, 5))}, r"expected 235, 233, .* found 58, 58, 50"),
    ],
)
def test_wrong_shapes_are_named(tmp_path: Path, change: dict[str, np.ndarray | None], says: str) -> None:
    spoiled(tmp_path, change)
    with pytest.raises(RecordingError, match=says):
        seed.load(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = spoiled(tmp_path, {})
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM",
        b"",
        b"no matlab at all",
    ):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=r"1_20130127\.mat"):
            seed.load(tmp_path)


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    make_session(tmp_path, 1, 1, quarter=True)
    path = next(tmp_path.rglob("label.mat"))
    savemat(path, {"label": np.array([[*LABELS[:14], 2]])})
    with pytest.raises(RecordingError, match=r"label\.mat: expected labels -1, 0 and 1"):
        seed.load(tmp_path)
    path.unlink()
    assert seed.load(tmp_path).labels[0] == 2


def test_eyes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    make_session(tmp_path, 1, 1, quarter=True)
    path = next(tmp_path.rglob("1_1"))
    for train, test in ((np.zeros((498, 33)), np.zeros((343, 33))), (np.zeros((499, 31)), np.zeros((343, 31)))):
        path.write_bytes(pickle.dumps({"train_data_eye": train, "test_data_eye": test}, 2))
        with pytest.raises(RecordingError, match=r"1_1: expected train_data_eye of shape \(499, 33\)"):
            seed.load(tmp_path)
    path.write_bytes(pickle.dumps({"train_data_eye": np.zeros((1, 499, 33)), "test_data_eye": np.zeros((343, 33))}, 2))
    assert len(seed.load(tmp_path)) == 842
    path.unlink()
    with pytest.raises(RecordingError, match="has no file of any session"):
        seed.load(tmp_path)


def test_a_name_that_says_no_subject_is_refused(tmp_path: Path) -> None:
    make_session(tmp_path, 1, 1, quarter=True)
    path = next((tmp_path / "SEED_EEG").rglob("1_*.mat"))
    path.rename(path.with_name("notes.mat"))
    with pytest.raises(RecordingError, match=r"notes\.mat: expected a name of subject and date"):
        seed.load(tmp_path)


def make_seed_iv(root: Path, subject: int, session: int, counts: list[int]) -> None:
    for part in ("eeg_feature_smooth", "eye_feature_smooth"):
        (root / part / str(session)).mkdir(parents=True, exist_ok=True)
    name = f"{subject}_201605{10 + session}.mat"
    savemat(root / "eeg_feature_smooth" / str(session) / name, entropies(counts, 0, "de_LDS"))
    eyes = {f"eye_{n + 1}": np.arange(31)[:, None] + 1000.0 * n + np.zeros(count) for n, count in enumerate(counts)}
    savemat(root / "eye_feature_smooth" / str(session) / name, eyes)


COUNTS = [2 + n % 3 for n in range(24)]


def test_seed_iv_has_the_published_labels(tmp_path: Path) -> None:
    for subject in (2, 11):
        for session in (1, 2, 3):
            make_seed_iv(tmp_path, subject, session, COUNTS)
    found = load_dataset("seed-iv", tmp_path)
    assert len(found) == 6 * sum(COUNTS)
    assert found.dims == (31, 310)
    assert found.paper_train is None
    first = [found.labels[found.trials == trial][0] for trial in range(72)]
    assert first[:6] == [1, 2, 3, 0, 2, 0]
    assert first[24:30] == [2, 1, 3, 0, 0, 2]
    assert first[48:54] == [1, 2, 2, 1, 3, 3]
    # Six clips of each of four emotions in every session.
    assert [np.bincount(first[k : k + 24]).tolist() for k in (0, 24, 48)] == [[6, 6, 6, 6]] * 3
    assert found.class_names == ("neutral", "sad", "fear", "happy")
    assert [np.unique(found.sessions[found.subjects == k]).tolist() for k in (0, 1)] == [[0, 1, 2], [3, 4, 5]]
    assert (found.views["eye"][:, 0] // 1000 == found.views["eeg"][:, 0] // 1000).all()
    np.testing.assert_array_equal(found.views["eye"][0], np.arange(31))
    assert seed_iv.load(tmp_path, subjects=[11]).subjects.tolist() == [0] * 3 * sum(COUNTS)


def test_seed_iv_needs_both_views_of_a_clip(tmp_path: Path) -> None:
    make_seed_iv(tmp_path, 1, 1, COUNTS)
    path = next((tmp_path / "eye_feature_smooth").rglob("*.mat"))
    savemat(path, {f"eye_{n + 1}": np.zeros((31, 3)) for n in range(24)})
    with pytest.raises(RecordingError, match=r"expected 2 windows in eye_1, as 1_20160511\.mat has .*, found 3"):
        seed_iv.load(tmp_path)
    path.unlink()
    with pytest.raises(RecordingError, match=r"is there, but .* is not"):
        seed_iv.load(tmp_path)
