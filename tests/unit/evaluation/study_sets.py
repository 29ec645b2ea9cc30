"""Small labelled sets for tests of the study."""

from __future__ import annotations

import numpy as np

from rtemo.evaluation.datasets.base import Dataset


def small_set(
    *,
    subjects: int = 10,
    sessions: int = 1,
    windows: int = 6,
    classes: int = 3,
    unit: str = "subject",
    apart: float = 1.0,
    seed: int = 0,
) -> Dataset:
    """Every subject has, in each session, a trial of each class twice; the class moves both views."""
    rng = np.random.default_rng(seed)
    rows = [
        (subject, subject * sessions + session, k)
        for subject in range(subjects)
        for session in range(sessions)
        for k in [*range(classes), *range(classes)]
    ]
    trials = np.repeat(np.arange(len(rows)), windows)
    subject, session, label = (np.repeat([row[i] for row in rows], windows) for i in range(3))
    means = apart * rng.normal(size=(classes, 7))
    x = means[label] + rng.normal(size=(len(label), 7))
    views = {"pps": 5.0 + 3.0 * x[:, :4], "eeg": x[:, 4:]}
    names = tuple("abcdefgh"[:classes])
    return Dataset("small", "Small", views, label, subject, session, trials, names, unit)
