"""A labelled set of windows with several views, and what must hold of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rtemo.errors import RecordingError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Unit = Literal["subject", "session", "trial", "window"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Windows of several views, with all that a split must not tear apart.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
        As in a table.
    views : mapping of str to ndarray of float64, shape (windows, D_v)
        Features as they are, not standardised, in the order of the chain; rows of NaN where a view is missing.
    labels : ndarray of int64, shape (windows,)
        Index into `class_names`, -1 where there is none.
    subjects, sessions, trials : ndarray of int64, shape (windows,)
        Each unique over the whole set: a trial lies within one session, a session within one subject. Windows that
        have nothing to do with each other are trials of their own.
    class_names : tuple of str
    unit : {"subject", "session", "trial", "window"}
        What a split that does not leak keeps whole.
    standardise : {"training", "session"}
        By what features are standardised: the training windows, or each session's own (labelled or not; transductive).
    paper_train : ndarray of bool, shape (windows,), optional
        The training windows of the paper, where it says which.
    source : str
        Where it comes from, for the report: name, citation, licence.
    """

    name: str
    title: str
    views: Mapping[str, Floats]
    labels: Ints
    subjects: Ints
    sessions: Ints
    trials: Ints
    class_names: tuple[str, ...]
    unit: Unit
    standardise: Literal["training", "session"] = "training"
    paper_train: Bools | None = None
    source: str = ""

    def __post_init__(self) -> None:
        windows = len(self.labels)
        for name, x in self.views.items():
            if x.ndim != 2 or len(x) != windows:
                raise RecordingError(
                    f"data set {self.name}: view {name!r} has shape {x.shape}, expected ({windows}, D)."
                )
            whole = np.isfinite(x).all(axis=1) | np.isnan(x).all(axis=1)
            if not whole.all():
                bad = int(np.flatnonzero(~whole)[0])
                raise RecordingError(
                    f"data set {self.name}: window {bad} of view {name!r} is neither finite nor missing as a whole."
                )
        for what in ("subjects", "sessions", "trials"):
            if getattr(self, what).shape != (windows,):
                raise RecordingError(f"data set {self.name}: expected one of {what} for each of {windows} windows.")
        if self.unit not in get_args(Unit):
            raise RecordingError(
                f"data set {self.name}: unit {self.unit!r} is unknown.", cure=f"Use one of {', '.join(get_args(Unit))}."
            )
        if self.standardise not in ("training", "session"):
            raise RecordingError(
                f"data set {self.name}: standardise = {self.standardise!r}, expected 'training' or 'session'."
            )
        if self.paper_train is not None and self.paper_train.shape != (windows,):
            raise RecordingError(f"data set {self.name}: expected paper_train for each of {windows} windows.")
        for inner, outer in (("trials", "sessions"), ("sessions", "subjects")):
            pairs = np.unique(np.stack([getattr(self, inner), getattr(self, outer)]), axis=1)
            if len(np.unique(pairs[0])) < pairs.shape[1]:
                raise RecordingError(f"data set {self.name}: {inner} that lie in several {outer}.")
        if windows and not -1 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise RecordingError(
                f"data set {self.name}: labels from {self.labels.min()} to {self.labels.max()}, "
                f"expected -1 to {len(self.class_names) - 1}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each view."""
        return tuple(x.shape[1] for x in self.views.values())

    @property
    def matrix(self) -> Floats:
        """The views side by side, (windows, sum of `dims`)."""
        return np.hstack(list(self.views.values()))

    @property
    def units(self) -> Ints:
        """What a split that does not leak keeps whole, (windows,): windows with the same number stay together."""
        return {
            "subject": self.subjects,
            "session": self.sessions,
            "trial": self.trials,
            "window": np.arange(len(self)),
        }[self.unit]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that a result may depend on."""
        state = hashlib.sha256()
        state.update(repr((self.name, self.class_names, self.unit, self.standardise, list(self.views))).encode())
        paper = np.zeros(0, dtype=bool) if self.paper_train is None else self.paper_train
        for array in (*self.views.values(), self.labels, self.subjects, self.sessions, self.trials, paper):
            state.update(repr((array.shape, array.dtype.str)).encode())
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    def take(self, rows: Bools | Ints) -> Dataset:
        """Some of its windows, as a set of the same name."""
        paper = None if self.paper_train is None else self.paper_train[rows]
        return Dataset(
            self.name,
            self.title,
            {name: x[rows] for name, x in self.views.items()},
            self.labels[rows],
            self.subjects[rows],
            self.sessions[rows],
            self.trials[rows],
            self.class_names,
            self.unit,
            self.standardise,
            paper,
            self.source,
        )
