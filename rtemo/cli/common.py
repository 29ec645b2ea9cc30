"""What several commands share: options, warnings, progress, and the table of a configuration's recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from rtemo.config import Configuration
    from rtemo.extraction import Extraction

FILE_WIDTH = 120

Recordings = Annotated[
    list[Path], typer.Argument(help="Recordings: XDF, EDF, BDF, FIF, BrainVision, EEGLAB.", show_default=False)
]
ConfigOption = Annotated[Path, typer.Option("-c", "--config", help="The configuration (TOML).", show_default=False)]
Unsynchronised = Annotated[
    bool, typer.Option("--unsynchronised", help="Take a file whose streams cannot be put on one clock.")
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1; the configuration's if not given.")
]


def output() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def warn(lines: Iterable[str]) -> None:
    """Say what the user should know, on stderr, one line each."""
    for line in lines:
        sys.stderr.write(f"warning: {line}\n")


def progress_bar() -> Progress:
    """A progress bar on stderr, so that stdout stays clean for scripts."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def extract_all(
    recordings: Sequence[Path], config: Configuration, *, read_labels: bool = True, unsynchronised: bool = False
) -> list[Extraction]:
    """Windows and features of every recording, with a progress bar and its warnings."""
    from rtemo.extraction import extract

    extractions = []
    with progress_bar() as progress:
        task = progress.add_task("reading", total=len(recordings), note="")
        for path in recordings:
            progress.update(task, note=path.name)
            extractions.append(extract(path, config, read_labels=read_labels, unsynchronised=unsynchronised))
            progress.advance(task)
    for extraction in extractions:
        warn(extraction.warnings)
    return extractions
