"""`rtemo study --list`: what there is to run, and on what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rtemo.cli.common import add_column, add_row

if TYPE_CHECKING:
    from rich.console import Console

BUILT_IN = ("digits", "simulated")


def print_list(console: Console, folders: Mapping[str, Path]) -> None:
    """Print experiments, methods, imputers, and data sets with whether they are here."""
    from rtemo.evaluation.baselines.registry import METHODS
    from rtemo.evaluation.datasets.catalogue import CATALOGUE
    from rtemo.evaluation.imputers.registry import IMPUTERS
    from rtemo.evaluation.study.experiments import EXPERIMENTS

    _print(console, "Experiments", ("", ""), [(one.name, one.title) for one in EXPERIMENTS.values()])
    _print(console, "Methods", ("", "", ""), [(name, one.title, one.kind) for name, one in METHODS.items()])
    _print(console, "Imputers", ("", ""), [(name, one.title) for name, one in IMPUTERS.items()])
    here = {name: is_here(name, folders) for name in CATALOGUE}
    rows = [(name, "here" if here[name] else "", one.title, one.about) for name, one in CATALOGUE.items()]
    _print(console, "Data sets", ("", "", "", ""), rows)
    for name, one in CATALOGUE.items():
        if not here[name]:
            variable = f" Folder: --folder {name}=PATH, or {one.variable}." if one.variable else ""
            console.print(f"{name}: {one.how}{variable} Terms: {one.terms}.", markup=False, highlight=False)


def is_here(name: str, folders: Mapping[str, Path]) -> bool:
    """Whether a data set can be loaded without a download, as far as its folder tells."""
    from rtemo.evaluation.datasets.catalogue import CATALOGUE
    from rtemo.evaluation.datasets.places import RECORDINGS_VARIABLE

    if name in folders:
        return folders[name].is_dir()
    if name in BUILT_IN:
        return True
    variable = CATALOGUE[name].variable
    held = os.environ.get(variable) if variable else None
    if held is None:
        return False
    # RTEMO_DATA holds several sets, each in a folder that begins with its name.
    return any(Path(held).glob(f"{name}*/")) if variable == RECORDINGS_VARIABLE else Path(held).is_dir()


def _print(console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_header=any(headers), show_edge=False)
    for header in headers:
        add_column(table, header)
    for row in rows:
        add_row(table, *row)
    console.print(table)
    console.print()
