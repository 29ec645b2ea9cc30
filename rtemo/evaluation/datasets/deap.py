"""DEAP: EEG and peripheral signals while people watch music videos, and how they rate them (Koelstra et al. 2012).

The folder has ``data_preprocessed_python/s01.dat`` to ``s32.dat``, each a pickle of a dictionary: ``data``, 40 trials x
40 channels x 8,064 samples (3 s before and 60 s of a video at 128 Hz; channels 1 to 32 EEG, then hEOG, vEOG, zEMG,
tEMG, GSR, respiration, plethysmograph and temperature), and ``labels``, 40 x 4 ratings from 1 to 9 of valence, arousal,
dominance and liking. The pickles are not run, only the arrays are read (`rtemo.evaluation.datasets.pickles`).

Du et al. (2018) have 21,042 windows, which is 334 of the 1,280 trials with 63 windows of one second each: the 3 s
before a video are in. By which rule the 334 were chosen we could not find out; see `load` for the one assumed here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets.base import Dataset, Floats, Unit
from rtemo.evaluation.datasets.emotion_sets import Trial, put_together
from rtemo.evaluation.datasets.pickles import arrays_in
from rtemo.evaluation.datasets.places import held_folder
from rtemo.features.batch import differential_entropy
from rtemo.features.spectrum import DEAP_BANDS

LOG = logging.getLogger(__name__)
VARIABLE = "RTEMO_DEAP"
APPLY_AT = "https://www.eecs.qmul.ac.uk/mmv/datasets/deap/ (Queen Mary University of London)"
SOURCE = (
    "Koelstra et al., DEAP: A Database for Emotion Analysis using Physiological Signals, IEEE Transactions on "
    "Affective Computing 3(1), 2012; given on request for research"
)
CLASSES = (
    "low valence, low arousal",
    "low valence, high arousal",
    "high valence, low arousal",
    "high valence, high arousal",
)
TRIALS, CHANNELS, SAMPLES, RATINGS = 40, 40, 8064, 4
EEG_CHANNELS = 32
RATE_HZ = 128
PAPER_TRIALS = 334
MOST_BYTES = 250_000_000
PART = "data_preprocessed_python"


def load(
    folder: Path | None = None,
    *,
    cache: Path | None = None,
    gap: tuple[float, float] = (3.0, 6.0),
    peripheral: Literal["statistics", "entropy"] = "statistics",
    unit: Unit = "subject",
    subjects: Sequence[int] | None = None,
) -> Dataset:
    """Windows of one second: view ``peripheral`` with 32 features, then ``eeg`` with 128.

    EEG: differential entropy of theta, alpha, beta and gamma (`DEAP_BANDS`) of 32 channels, by rtemo's own extractor.
    Peripheral: the paper has 32 features of 8 channels, four each, and does not say which. Assumed are mean, standard
    deviation, least and greatest value; ``peripheral="entropy"`` has the four entropies of EEG instead, though
    temperature, skin and breath have hardly anything between 4 and 45 Hz.

    A trial belongs to the quadrant of its valence and arousal; those with either rating inside `gap` are left out, as
    people rate the middle of a scale differently. The default gap is assumed and has not been tried on the real
    ratings: how many trials it leaves is logged beside the paper's 334.

    Parameters
    ----------
    folder : path, optional
        The environment variable RTEMO_DEAP where not given.
    cache : path, optional
        Not used.
    gap : tuple of float
        A rating up to the first is low, one from the second is high. ``(5, 5)`` leaves no trial out.
    peripheral : {"statistics", "entropy"}
    unit : {"subject", "session", "trial", "window"}
        What a split that does not leak keeps whole.
    subjects : sequence of int, optional
        Their numbers, 1 to 32; all where not given.

    Raises
    ------
    ConfigurationError
        There is no folder, or an option is wrong.
    RecordingError
        A file is missing, damaged, of another layout, or asks to run something.
    """
    del cache
    if peripheral not in ("statistics", "entropy") or not gap[0] <= gap[1]:
        raise ConfigurationError(
            f"data set deap: peripheral {peripheral!r}, gap {gap}.", cure="Use statistics or entropy, and low <= high."
        )
    root = held_folder("deap", folder, VARIABLE, APPLY_AT)
    paths = _files(root / PART if (root / PART).is_dir() else root, subjects)
    trials = [trial for path in paths for trial in _trials(path, gap, peripheral)]
    LOG.info("deap: %d of %d trials kept, the paper has %d", len(trials), TRIALS * len(paths), PAPER_TRIALS)
    if not trials:
        raise RecordingError(f"data set deap: no trial has both ratings outside {gap}.")
    return put_together(trials, name="deap", title="DEAP", class_names=CLASSES, unit=unit, source=SOURCE)


def _files(folder: Path, subjects: Sequence[int] | None) -> list[Path]:
    wanted = [path for path in sorted(folder.glob("s[0-9][0-9].dat")) if not subjects or int(path.stem[1:]) in subjects]
    if not wanted:
        raise RecordingError(
            f"data set deap: {folder} has no s01.dat or the like of the subjects wanted.",
            cure=f"Give the folder that has {PART}; apply for it at {APPLY_AT}.",
        )
    return wanted


def _trials(path: Path, gap: tuple[float, float], peripheral: str) -> Iterator[Trial]:
    found = arrays_in(path, ("data", "labels"), MOST_BYTES)
    data, ratings = found["data"], found["labels"]
    for name, x, shape in (("data", data, (TRIALS, CHANNELS, SAMPLES)), ("labels", ratings, (TRIALS, RATINGS))):
        if x.shape != shape:
            raise RecordingError(f"{path}: expected {name} of shape {shape}, found {x.shape}.")
    if not ((ratings >= 1) & (ratings <= 9)).all():
        raise RecordingError(
            f"{path}: expected ratings from 1 to 9, found {np.nanmin(ratings):g} to {np.nanmax(ratings):g}."
        )
    subject = int(path.stem[1:])
    for number, (signals, rating) in enumerate(zip(data, ratings, strict=True)):
        quadrant = _quadrant(rating[0], rating[1], gap)
        if quadrant is not None:
            yield Trial(subject, 0, number, quadrant, _features(signals, peripheral))


def _quadrant(valence: float, arousal: float, gap: tuple[float, float]) -> int | None:
    """Index into `CLASSES`, None inside the gap."""
    low, high = gap
    if low < valence < high or low < arousal < high:
        return None
    return 2 * int(valence >= high) + int(arousal >= high)


def _features(signals: Floats, peripheral: str) -> dict[str, Floats]:
    """Views of a trial (channels, samples)."""
    windows = signals.reshape(CHANNELS, -1, RATE_HZ).transpose(1, 0, 2)
    count = len(windows)
    eeg = differential_entropy(windows[:, :EEG_CHANNELS], RATE_HZ, DEAP_BANDS)
    rest = windows[:, EEG_CHANNELS:]
    if peripheral == "entropy":
        other = differential_entropy(rest, RATE_HZ, DEAP_BANDS)
    else:
        other = np.stack([rest.mean(-1), rest.std(-1), rest.min(-1), rest.max(-1)], axis=-1)
    return {"peripheral": other.reshape(count, -1), "eeg": eeg.reshape(count, -1)}
