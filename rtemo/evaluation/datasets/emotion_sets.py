"""What SEED, SEED-IV and DEAP have in common: windows of trials, put together into a set."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets.base import Dataset, Floats, Unit

LOG = logging.getLogger(__name__)
CHANNELS, BANDS = 62, 5
_RECORDING = re.compile(r"(\d{1,3})_(\d{8})")


@dataclass(frozen=True, eq=False)
class Trial:
    """Windows of one film clip.

    Parameters
    ----------
    subject, session, number : int
        As the set numbers them: the session within the subject, the trial within the session.
    label : int
    views : mapping of str to ndarray of float64, shape (windows, D_v)
        NaN where there is no value.
    paper_train : bool
        Whether the paper trains on it, where it says so.
    """

    subject: int
    session: int
    number: int
    label: int
    views: Mapping[str, Floats]
    paper_train: bool = False


def put_together(
    trials: Iterable[Trial],
    *,
    name: str,
    title: str,
    class_names: tuple[str, ...],
    unit: Unit,
    source: str,
    split_printed: bool = False,
) -> Dataset:
    """A set of all windows that have a view; a window that lacks a value of a view lacks the view.

    Parameters
    ----------
    trials : iterable of Trial
    name, title, class_names, unit, source
        See `Dataset`.
    split_printed : bool
        Whether `Trial.paper_train` says anything.
    """
    kept = list(trials)
    counts = [len(next(iter(trial.views.values()))) for trial in kept]
    views = {view: np.concatenate([trial.views[view] for trial in kept]) for view in kept[0].views}
    for view, x in views.items():
        whole = np.isfinite(x).all(axis=1)
        partly = np.isfinite(x).any(axis=1) & ~whole
        if partly.any():
            LOG.warning("%s: view %s lacks a value in %d windows, where it counts as missing", name, view, partly.sum())
        x[~whole] = np.nan
    some = np.any([np.isfinite(x[:, 0]) for x in views.values()], axis=0)
    sessions = {key: i for i, key in enumerate(dict.fromkeys((t.subject, t.session) for t in kept))}
    subjects = {key: i for i, key in enumerate(dict.fromkeys(t.subject for t in kept))}

    def each(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.repeat(np.array(values, dtype=np.int64), counts)[some]

    return Dataset(
        name=name,
        title=title,
        views={view: x[some] for view, x in views.items()},
        labels=each([trial.label for trial in kept]),
        subjects=each([subjects[trial.subject] for trial in kept]),
        sessions=each([sessions[trial.subject, trial.session] for trial in kept]),
        trials=each(range(len(kept))),
        class_names=class_names,
        unit=unit,
        standardise="session",
        paper_train=each([int(trial.paper_train) for trial in kept]).astype(bool) if split_printed else None,
        source=source,
    )


def subject_and_date(path: Path) -> tuple[int, str]:
    """What the name of a recording of SEED says, as ``12_20131127.mat``.

    Raises
    ------
    RecordingError
        It says something else.
    """
    match = _RECORDING.fullmatch(path.stem)
    if match is None:
        raise RecordingError(f"{path}: expected a name of subject and date as 12_20131127.mat.")
    return int(match[1]), match[2]


def by_window(features: Floats) -> Floats:
    """Features (channels, windows, bands) as (windows, channels * bands), channel by channel."""
    channels, windows, bands = features.shape
    return np.ascontiguousarray(features.transpose(1, 0, 2).reshape(windows, channels * bands))
