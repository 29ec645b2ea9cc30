"""A made-up set of two views of which the truth is known: quick, and hard enough to tell methods apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtemo.errors import ConfigurationError
from rtemo.evaluation.datasets.base import Dataset

DIMS = {"small": 12, "large": 40}
CLASSES = ("one", "two", "three")
SUBJECTS, SESSIONS, TRIALS_A_CLASS, WINDOWS = 10, 2, 3, 10
CLASS_DIMS, SHARED_DIMS = 2, 3


def load(
    folder: Path | None = None,
    *,
    cache: Path | None = None,
    seed: int = 0,
    drift: float = 0.6,
    class_free: float = 2.0,
    noise: float = 2.0,
) -> Dataset:
    """Windows ``x_v = W_v (class mean + trial) + U_v shared + d_v(session) + noise``; 1,800 of them.

    The class is seen by both views through two latent dimensions (the corners of a triangle, each trial a little off).
    Three more that both views share have nothing to do with the class and more variance: what explains most is not
    what matters. Each session is displaced as a whole.

    Parameters
    ----------
    folder, cache : path, optional
        Not used.
    seed : int
    drift : float
        Standard deviation of a session's displacement of each feature.
    class_free : float
        Standard deviation of what views share beside the class, against 1 between classes.
    noise : float
        Standard deviation of what belongs to a single feature.
    """
    del folder, cache
    if min(drift, class_free, noise) < 0:
        raise ConfigurationError("data set simulated: a standard deviation is negative.", cure="Give 0 or more.")
    rng = np.random.default_rng([seed, 8])
    order = [rng.permutation(np.repeat(np.arange(len(CLASSES)), TRIALS_A_CLASS)) for _ in range(SUBJECTS * SESSIONS)]
    of_trial = np.concatenate(order)
    trials = np.repeat(np.arange(len(of_trial)), WINDOWS)
    labels = of_trial[trials]
    sessions = trials // (len(CLASSES) * TRIALS_A_CLASS)
    angles = 2 * np.pi * np.arange(len(CLASSES)) / len(CLASSES)
    means = np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    latent = means[labels] + 0.4 * rng.standard_normal((len(of_trial), CLASS_DIMS))[trials]
    # Half of it stays for a trial, as what has nothing to do with the class is slow as well.
    slow = rng.standard_normal((len(of_trial), SHARED_DIMS))[trials]
    shared = class_free * np.sqrt(0.5) * (slow + rng.standard_normal((len(trials), SHARED_DIMS)))
    views = {}
    for name, width in DIMS.items():
        seen = rng.standard_normal((CLASS_DIMS, width)) / np.sqrt(CLASS_DIMS + SHARED_DIMS)
        other = rng.standard_normal((SHARED_DIMS, width)) / np.sqrt(CLASS_DIMS + SHARED_DIMS)
        moved = drift * rng.standard_normal((SUBJECTS * SESSIONS, width))[sessions]
        views[name] = latent @ seen + shared @ other + moved + noise * rng.standard_normal((len(trials), width))
    return Dataset(
        name="simulated",
        title="Simulated",
        views=views,
        labels=labels.astype(np.int64),
        subjects=(sessions // SESSIONS).astype(np.int64),
        sessions=sessions.astype(np.int64),
        trials=trials.astype(np.int64),
        class_names=CLASSES,
        unit="subject",
        standardise="session",
        source="made by rtemo",
    )
