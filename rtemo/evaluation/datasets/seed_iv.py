"""SEED-IV: EEG and eye tracker while people watch film clips, four emotions (Zheng et al. 2019).

The folder has, for sessions 1 to 3, ``eeg_feature_smooth/<session>/<subject>_<date>.mat`` with ``de_LDS1`` to
``de_LDS24`` (and ``de_movingAve``), 62 channels x windows x 5 bands, and ``eye_feature_smooth/<session>/`` with files
of the same names and ``eye_1`` to ``eye_24``, 31 features x windows. Windows are of four seconds. The labels of the 24
clips of each session stand in the set's ReadMe.txt, and below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets.base import Dataset, Floats, Unit
from rtemo.evaluation.datasets.emotion_sets import BANDS, CHANNELS, Trial, by_window, put_together, subject_and_date
from rtemo.evaluation.datasets.matlab import matrices_in
from rtemo.evaluation.datasets.places import held_folder
from rtemo.evaluation.datasets.seed import APPLY_AT

VARIABLE = "RTEMO_SEED_IV"
SOURCE = (
    "Zheng et al., EmotionMeter: A Multimodal Framework for Recognizing Human Emotions, IEEE Transactions on "
    "Cybernetics 49(3), 2019; given on request for research"
)
CLASSES = ("neutral", "sad", "fear", "happy")
LABELS = {
    1: (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    2: (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    3: (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}
CLIPS = 24
EYE_FEATURES = 31
EEG, EYES = "eeg_feature_smooth", "eye_feature_smooth"


def load(
    folder: Path | None = None,
    *,
    cache: Path | None = None,
    features: Literal["de_LDS", "de_movingAve"] = "de_LDS",
    unit: Unit = "subject",
    subjects: Sequence[int] | None = None,
) -> Dataset:
    """Windows of four seconds of all sessions: view ``eye`` with 31 features, then ``eeg`` with 310.

    Parameters
    ----------
    folder : path, optional
        The environment variable RTEMO_SEED_IV where not given.
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
        raise ConfigurationError(f"data set seed-iv: features {features!r}.", cure="Use de_LDS or de_movingAve.")
    root = held_folder("seed-iv", folder, VARIABLE, APPLY_AT)
    return put_together(
        _trials(_recordings(root, subjects), features),
        name="seed-iv",
        title="SEED-IV",
        class_names=CLASSES,
        unit=unit,
        source=SOURCE,
    )


def _recordings(root: Path, subjects: Sequence[int] | None) -> list[tuple[int, int, Path, Path]]:
    """Subject, session and both files of each recording, in this order."""
    out = []
    for session in LABELS:
        for path in (root / EEG / str(session)).glob("*.mat"):
            subject, _ = subject_and_date(path)
            eye = root / EYES / str(session) / path.name
            if subjects is not None and subject not in subjects:
                continue
            if not eye.is_file():
                raise RecordingError(f"data set seed-iv: {path} is there, but {eye} is not.")
            out.append((subject, session, path, eye))
    if not out:
        raise RecordingError(
            f"data set seed-iv: {root} has no {EEG}/1/1_20160518.mat or the like.",
            cure=f"Give the folder that has {EEG} and {EYES}; apply for it at {APPLY_AT}.",
        )
    return sorted(out)


def _trials(recordings: Sequence[tuple[int, int, Path, Path]], features: str) -> Iterator[Trial]:
    numbers = range(1, CLIPS + 1)
    for subject, session, eeg_path, eye_path in recordings:
        eeg = matrices_in(eeg_path, {f"{features}{n}": (CHANNELS, None, BANDS) for n in numbers})
        eye = matrices_in(eye_path, {f"eye_{n}": (EYE_FEATURES, None) for n in numbers})
        for n in numbers:
            views: dict[str, Floats] = {"eye": eye[f"eye_{n}"].T.copy(), "eeg": by_window(eeg[f"{features}{n}"])}
            if len(views["eye"]) != len(views["eeg"]):
                raise RecordingError(
                    f"{eye_path}: expected {len(views['eeg'])} windows in eye_{n}, as {eeg_path.name} has in "
                    f"{features}{n}, found {len(views['eye'])}."
                )
            yield Trial(subject, session, n - 1, LABELS[session][n - 1], views)
