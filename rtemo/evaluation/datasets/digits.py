"""The handwritten digits of scikit-learn, left and right half: two views that share the class and little else."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from rtemo.errors import ConfigurationError
from rtemo.evaluation.datasets.base import Dataset

SOURCE = (
    "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, "
    "doi:10.24432/C50P49, the test part as scikit-learn has it; CC BY 4.0"
)
HALVES = {"left": slice(0, 4), "right": slice(4, 8)}


def load(folder: Path | None = None, *, cache: Path | None = None) -> Dataset:
    """1,797 digits of 8 x 8 pixels; a half has 32 features. Nothing but scikit-learn is needed.

    Parameters
    ----------
    folder, cache : path, optional
        Not used.
    """
    del folder, cache
    try:
        found = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise ConfigurationError("scikit-learn is not installed.", cure="pip install 'rtemo[study]'.") from error
    images = np.asarray(found.images, dtype=np.float64)
    each = np.arange(len(images))
    return Dataset(
        name="digits",
        title="Digits, halves",
        views={half: images[:, :, columns].reshape(len(images), -1) for half, columns in HALVES.items()},
        labels=np.asarray(found.target, dtype=np.int64),
        subjects=each,
        sessions=each,
        trials=each,
        class_names=tuple(str(digit) for digit in range(10)),
        unit="window",
        source=SOURCE,
    )
