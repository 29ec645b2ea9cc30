"""SEED: EEG and eye tracker while people watch film clips that please, leave cold or sadden (Zheng and Lu 2015).

The folder is that of the data set as its owners give it, or one of its parts:

* ``SEED_EEG/ExtractedFeatures_4s``, ``ExtractedFeatures_1s`` or, in older copies, ``ExtractedFeatures``: a MATLAB file
  for each session, ``<subject>_<date>.mat``, with ``de_LDS1`` to ``de_LDS15`` and ``de_movingAve1`` to
  ``de_movingAve15``, each 62 channels x windows x 5 bands; and ``label.mat`` with -1, 0, 1 for the 15 clips.
* ``SEED_Multimodal/Chinese/04-Eye-tracking-feature/eye_tracking_feature``: for each session of 12 of the 15 subjects a
  pickle without suffix, ``<subject>_<session>``, sessions numbered in the order of their dates: a dictionary whose
  ``train_data_eye`` and ``test_data_eye`` hold 33 features of each window of four seconds of the first 9 clips and of
  the last 6. This layout is taken from programs that others published for it; it is read without running the pickle.

A window is four seconds, as in Du et al. (2018): their 22,734 windows are 27 sessions of 842, which is what is left of
the 15 clips cut into whole windows; 499 of the first nine clips train, 343 of the other six test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets.base import Dataset, Floats, Unit
from rtemo.evaluation.datasets.emotion_sets import BANDS, CHANNELS, Trial, by_window, put_together, subject_and_date
from rtemo.evaluation.datasets.matlab import matrices_in
from rtemo.evaluation.datasets.pickles import arrays_in
from rtemo.evaluation.datasets.places import held_folder

VARIABLE = "RTEMO_SEED"
APPLY_AT = "https://bcmi.sjtu.edu.cn/home/seed/ (BCMI laboratory, Shanghai Jiao Tong University)"
SOURCE = (
    "Zheng and Lu, Investigating Critical Frequency Bands and Channels for EEG-based Emotion Recognition with Deep "
    "Neural Networks, IEEE TAMD 7(3), 2015; given on request for research"
)
CLASSES = ("negative", "neutral", "positive")
SECONDS = (235, 233, 206, 238, 185, 195, 237, 216, 265, 237, 235, 233, 235, 238, 206)
"""Of each clip; so many windows of one second there are."""
LABELS = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
"""As ``label.mat`` has them; used where that file is not in the folder."""
WINDOW_S = 4
TRAINING_CLIPS = 9
EYE_FEATURES = 33
MOST_PICKLE_BYTES = 50_000_000
EEG_FOLDERS = ("ExtractedFeatures_4s", "ExtractedFeatures_1s", "ExtractedFeatures")
EYE_FOLDER = "eye_tracking_feature"


def load(
    folder: Path | None = None,
    *,
    cache: Path | None = None,
    features: Literal["de_LDS", "de_movingAve"] = "de_LDS",
    unit: Unit = "subject",
    subjects: Sequence[int] | None = None,
) -> Dataset:
    """Windows of the sessions that have both EEG and eyes: view ``eye`` with 33 features, then ``eeg`` with 310.

    Features of one second become those of four by their mean. The entropy of four seconds would be the logarithm of
    the mean power, but what is published is smoothed over time already, and the smoothing is of logarithms: their mean
    is what it would have given, and a second of artefact moves it less.

    The paper has 9 subjects, the data set now 12 with eyes; which 9 it does not say. `subjects` chooses.

    Parameters
    ----------
    folder : path, optional
        The environment variable RTEMO_SEED where not given.
    cache : path, optional
        Not used.
    features : {"de_LDS", "de_movingAve"}
        How differential entropies were smoothed over time.
    unit : {"subject", "session", "trial", "window"}
        What a split that does not leak keeps whole.
    subjects : sequence of int, optional
        Their numbers, 1 to 15; all where not given.

    Raises
    ------
    ConfigurationError
        There is no folder.
    RecordingError
        A file is missing, damaged, or of another layout.
    """
    del cache
    if features not in ("de_LDS", "de_movingAve"):
        raise ConfigurationError(f"data set seed: features {features!r}.", cure="Use de_LDS or de_movingAve.")
    root = held_folder("seed", folder, VARIABLE, APPLY_AT)
    eeg, eyes = _folder_named(root, EEG_FOLDERS), _folder_named(root, (EYE_FOLDER,))
    return put_together(
        _trials(_sessions(eeg, subjects), eyes, _labels(eeg), features),
        name="seed",
        title="SEED",
        class_names=CLASSES,
        unit=unit,
        source=SOURCE,
        split_printed=True,
    )


def _folder_named(root: Path, names: Sequence[str]) -> Path:
    """The first of these folders that is at or below `root`."""
    for name in names:
        if root.name == name:
            return root
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            found = [path for path in sorted(root.glob(depth + name)) if path.is_dir()]
            if found:
                return found[0]
    raise RecordingError(
        f"data set seed: {root} has no folder {' or '.join(names)}.",
        cure=f"Unpack both SEED_EEG and SEED_Multimodal; apply for them at {APPLY_AT}.",
    )


def _sessions(folder: Path, subjects: Sequence[int] | None) -> list[tuple[int, int, Path]]:
    """Subject, session within the subject, and file of each recording, in this order."""
    paths = [path for path in folder.glob("*.mat") if path.name != "label.mat"]
    named = sorted((*subject_and_date(path), path) for path in paths)
    out: list[tuple[int, int, Path]] = []
    for subject, _, path in named:
        if subjects is None or subject in subjects:
            out.append((subject, sum(subject == other for other, _, _ in out) + 1, path))
    if not out:
        raise RecordingError(f"data set seed: {folder} has no recording of the subjects wanted.")
    return out


def _labels(folder: Path) -> Sequence[int]:
    path = folder / "label.mat"
    if not path.is_file():
        return LABELS
    found = matrices_in(path, {"label": (1, len(SECONDS))})["label"][0]
    if not np.isin(found, (-1, 0, 1)).all():
        raise RecordingError(f"{path}: expected labels -1, 0 and 1, found {found.tolist()}.")
    return [int(label) for label in found]


def _trials(
    sessions: Sequence[tuple[int, int, Path]], eyes: Path, labels: Sequence[int], features: str
) -> Iterator[Trial]:
    seen = False
    for subject, session, path in sessions:
        eye = eyes / f"{subject}_{session}"
        if not eye.is_file():
            continue
        seen = True
        clips = _eeg(path, features)
        watched = _eye(eye, [len(clip) for clip in clips])
        for number, (label, x, y) in enumerate(zip(labels, clips, watched, strict=True)):
            views = {"eye": y, "eeg": x}
            yield Trial(subject, session, number, label + 1, views, paper_train=number < TRAINING_CLIPS)
    if not seen:
        raise RecordingError(
            f"data set seed: {eyes} has no file of any session in {sessions[0][2].parent}.",
            cure="Expected names of subject and session as 1_1.",
        )


def _eeg(path: Path, features: str) -> list[Floats]:
    """Windows (windows, 310) of four seconds of each clip."""
    names = [f"{features}{number}" for number in range(1, len(SECONDS) + 1)]
    found = matrices_in(path, dict.fromkeys(names, (CHANNELS, None, BANDS)))
    counts = tuple(found[name].shape[1] for name in names)
    if counts == SECONDS:
        return [by_window(_four_seconds(found[name])) for name in names]
    if counts == tuple(seconds // WINDOW_S for seconds in SECONDS):
        return [by_window(found[name]) for name in names]
    raise RecordingError(
        f"{path}: expected {', '.join(map(str, SECONDS))} windows of one second in {features}1 to {features}15, or a "
        f"quarter of it of four seconds, found {', '.join(map(str, counts))}."
    )


def _four_seconds(features: Floats) -> Floats:
    """The mean of four windows of one second each, (channels, windows // 4, bands); what is left over is not used."""
    channels, windows, bands = features.shape
    whole = windows // WINDOW_S
    seconds = features[:, : whole * WINDOW_S].reshape(channels, whole, WINDOW_S, bands)
    return np.asarray(seconds.mean(axis=2))


def _eye(path: Path, counts: Sequence[int]) -> list[Floats]:
    """Windows (windows, 33) of each clip."""
    found = arrays_in(path, ("train_data_eye", "test_data_eye"), MOST_PICKLE_BYTES)
    clips: list[Floats] = []
    for name, part in (("train_data_eye", counts[:TRAINING_CLIPS]), ("test_data_eye", counts[TRAINING_CLIPS:])):
        x = found[name]
        # Some copies have an axis of length one around it.
        x = x.reshape([n for n in x.shape if n != 1]) if x.ndim > 2 else x
        if x.shape != (sum(part), EYE_FEATURES):
            raise RecordingError(
                f"{path}: expected {name} of shape {(sum(part), EYE_FEATURES)}, as many windows of "
                f"{WINDOW_S} s as there are of EEG, found {found[name].shape}."
            )
        clips += np.split(x, np.cumsum(part)[:-1])
    return clips
