"""One cell of a study: a data set, a method, a setting and a seed, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Setting = str | int | float | bool | None
VERSION = 2
"""Raised when results of an older code no longer count."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to run; says everything that its result depends on but the data's own content.

    Parameters
    ----------
    experiment : str
    dataset : str
        Its name.
    digest : str
        Content hash of the data set (`Dataset.digest`).
    method : str
        Empty where an experiment compares none.
    settings : mapping of str to str, int, float, bool or None
    seed : int
    """

    experiment: str
    dataset: str
    digest: str
    method: str
    settings: Mapping[str, Setting]
    seed: int

    @property
    def key(self) -> str:
        """SHA-256 over everything above: the same task has the same key on every machine."""
        return hashlib.sha256(json.dumps([VERSION, self.to_dict()], sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "experiment": self.experiment,
            "dataset": self.dataset,
            "digest": self.digest,
            "method": self.method,
            "settings": dict(self.settings),
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task.

    Parameters
    ----------
    task : Task
    figures : mapping of str to float or None
        By name, as ``inductive.complete.accuracy``; None where a figure is not defined.
    arrays : mapping of str to nested lists
        What a picture needs.
    seconds : float
    made : mapping of str to str
        Versions of Python and packages, machine and device.
    error : str, optional
        Why there are no figures.
    """

    task: Task
    figures: Mapping[str, float | None]
    arrays: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    made: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "key": self.task.key,
            "task": self.task.to_dict(),
            "figures": dict(self.figures),
            "arrays": dict(self.arrays),
            "seconds": self.seconds,
            "made": dict(self.made),
            "error": self.error,
        }
