"""How data sets, methods, imputers and settings are called in a report; what is unknown is shown as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rtemo.evaluation.study.task import Setting

SUPERVISED, SEMI, OTHER = "supervised", "semi-supervised", "other"
KINDS: Final = (SUPERVISED, SEMI, OTHER)
OURS: Final = ("simvae", "smvae")
"""Whose losses are said."""
BOUNDS: Final = {"full-data": "FullData", "partial-data": "PartialData"}
PROTOCOLS: Final = {
    "paper": (
        "Protocol “paper” (Du et al. 2018, as printed): labels go to single windows drawn blindly, and where the data "
        "set does not say which windows train, four fifths of all windows drawn blindly do. Neighbours in time are "
        "nearly the same window, so both leak, and its figures are too good."
    ),
    "honest": (
        "Protocol “honest”: one of five folds of whole subjects, sessions or trials tests, and labels go to whole "
        "trials. Five seeds in a row test the five folds of one partition, so that runs share training windows: "
        "they are less independent than a test over runs supposes."
    ),
}
MODES: Final = {
    "frozen": "frozen",
    "running-z": "running z-scores",
    "recentre": "rtemo, recentre",
    "guarded": "rtemo, guarded",
}
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def method_title(name: str) -> str:
    """As in a table."""
    from rtemo.evaluation.baselines.registry import METHODS

    return METHODS[name].title if name in METHODS else name


def method_kind(name: str) -> str:
    """Whether it learns from windows without labels."""
    from rtemo.evaluation.baselines.registry import METHODS

    return METHODS[name].kind if name in METHODS else OTHER


def imputer_title(name: str) -> str:
    """As in a table."""
    from rtemo.evaluation.imputers.registry import IMPUTERS

    return IMPUTERS[name].title if name in IMPUTERS else BOUNDS.get(name, name)


def dataset_title(name: str) -> str:
    """As in a table."""
    from rtemo.evaluation.datasets.catalogue import CATALOGUE

    return CATALOGUE[name].title if name in CATALOGUE else name


def dataset_source(name: str) -> str:
    """What it is and where it comes from, in a line; empty where nobody knows."""
    from rtemo.evaluation.datasets.catalogue import CATALOGUE

    if name not in CATALOGUE:
        return ""
    info = CATALOGUE[name]
    return f"{info.title} ({name}): {info.about}; {info.terms}."


def experiment_title(name: str) -> str:
    """Its heading."""
    from rtemo.evaluation.study.experiments import EXPERIMENTS

    return EXPERIMENTS[name].title if name in EXPERIMENTS else name


def experiment_description(name: str) -> str:
    """What it does, in words; empty where nobody knows."""
    from rtemo.evaluation.study.experiments import EXPERIMENTS

    return EXPERIMENTS[name].description if name in EXPERIMENTS else ""


def method_order(name: str) -> tuple[int, int, str]:
    """Sorts methods by kind, then as the registry has them, then by name."""
    from rtemo.evaluation.baselines.registry import METHODS

    known = list(METHODS)
    return KINDS.index(method_kind(name)), known.index(name) if name in METHODS else len(known), name


def imputer_order(name: str) -> tuple[int, str]:
    """Sorts imputers as the registry has them, after the bounds."""
    from rtemo.evaluation.imputers.registry import IMPUTERS

    known = ["none", *BOUNDS, *IMPUTERS]
    return known.index(name) if name in known else len(known), name


def dataset_order(name: str) -> tuple[int, str]:
    """Sorts data sets as the catalogue has them."""
    from rtemo.evaluation.datasets.catalogue import CATALOGUE

    known = list(CATALOGUE)
    return known.index(name) if name in known else len(known), name


def natural(value: Setting) -> tuple[int, str, float, str]:
    """Sorts values of a setting: numbers by size; 1%, 2%, 1 trial, 2 trials; then words."""
    if value is None or isinstance(value, bool):
        return 0, "", float(bool(value)), ""
    if isinstance(value, int | float):
        return 1, "", float(value), ""
    number = NUMBER.match(value)
    if number is None:
        return (4 if value in ("all", "both") else 3), "", 0.0, value
    return 2, value[number.end() :].strip().rstrip("s"), float(number.group()), value


def said(name: str, value: Setting) -> str:
    """A setting in words."""
    match name:
        case "protocol":
            return f"{value} protocol"
        case "labels":
            unit = " a class" if "trial" in str(value) else ""
            return "all labels" if value == "all" else f"{value}{unit} labelled"
        case "rate" if isinstance(value, int | float):
            return f"{100 * value:g} % of training windows incomplete" if value else "training windows complete"
        case "missing_view":
            return "one view or the other missing" if value == "either" else f"{value} missing"
        case _:
            return f"{name.replace('_', ' ')} {'as it is' if value is None else value}"


SAID_FIRST: Final = ("protocol", "labels", "missing_view", "rate")


def said_all(settings: Mapping[str, Setting]) -> str:
    """Settings in words, without those that every run has."""
    return ", ".join(said(name, value) for name, value in _unusual(settings))


def slug(settings: Mapping[str, Setting]) -> str:
    """Settings as a part of a file's name."""
    spoken = (str(value) if name in SAID_FIRST else f"{name} {value}" for name, value in _unusual(settings))
    return "-".join(spoken)


def _unusual(settings: Mapping[str, Setting]) -> list[tuple[str, Setting]]:
    usual = {"tuning": 1, "steps": None}
    return [(name, value) for name, value in in_order(settings) if name not in usual or value != usual[name]]


def in_order(settings: Mapping[str, Setting]) -> list[tuple[str, Setting]]:
    """Settings in the order in which they are said."""
    known = {name: place for place, name in enumerate(SAID_FIRST)}
    return sorted(settings.items(), key=lambda item: (known.get(item[0], len(known)), item[0]))
