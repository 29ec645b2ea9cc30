"""What several commands share: options, warnings, progress, and the table of a configuration's recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from rtemo.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    from rtemo.config import Configuration
    from rtemo.extraction import Extraction
    from rtemo.features.reference import Reference

FILE_WIDTH = 120

Recordings = Annotated[
    list[Path], typer.Argument(help="Recordings: XDF, EDF, BDF, FIF, BrainVision, EEGLAB.", show_default=False)
]
ConfigOption = Annotated[Path, typer.Option("-c", "--config", help="The configuration (TOML).", show_default=False)]
Unsynchronised = Annotated[
    bool, typer.Option("--unsynchronised", help="Take a file whose streams cannot be put on one clock.")
]
# What fits the generators of every library and, doubled, still an int64.
MAX_SEED = 2**30
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Same seed, same result.")]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1; the configuration's if not given.")
]
Adaptation = Annotated[
    str | None,
    typer.Option(
        "--adaptation",
        metavar="MODE",
        help="off, recentre or guarded; [adaptation] mode of the configuration if not given.",
        show_default=False,
    ),
]


def with_adaptation(settings: Configuration, mode: str | None) -> Configuration:
    """The configuration with another mode of adaptation, where one is given.

    Raises
    ------
    ConfigurationError
        There is no such mode.
    """
    from rtemo.config import AdaptationSettings
    from rtemo.errors import ConfigurationError

    if mode is None:
        return settings
    modes = get_args(AdaptationSettings.model_fields["mode"].annotation)
    if mode not in modes:
        raise ConfigurationError(f"--adaptation: there is no mode {mode!r}.", cure=f"One of {', '.join(modes)}.")
    adaptation = settings.adaptation.model_copy(update={"mode": mode})
    return settings.model_copy(update={"adaptation": adaptation})


def check_file(path: Path, suffix: str) -> None:
    """Refuse to write a file under a name that is not meant for its kind, or where there is no folder for it.

    Raises
    ------
    ConfigurationError
    """
    from rtemo.errors import ConfigurationError

    if path.suffix != suffix:
        raise ConfigurationError(
            f"{path}: expected a name that ends in {suffix}.", cure="Nothing else is written over."
        )
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigurationError(f"{path}: expected a file in a folder that exists.", cure="Make the folder first.")


def output() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def add_row(table: Table, *cells: str | Text) -> None:
    """Add a row of plain text: labels and file names may hold what looks like markup."""
    from rich.text import Text

    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def add_column(table: Table, header: str, *, right: bool = False) -> None:
    """Add a column whose header is plain text."""
    from rich.text import Text

    table.add_column(Text(header), justify="right" if right else "left")


def refuse_duplicates(recordings: Iterable[Path]) -> None:
    """Refuse a recording that is named twice: its windows would count twice, and stand on both sides of a split.

    Raises
    ------
    ConfigurationError
    """
    from rtemo.errors import ConfigurationError

    seen: set[Path] = set()
    for path in recordings:
        if path.resolve() in seen:
            raise ConfigurationError(f"{path}: the recording is named twice.", cure="Name it once.")
        seen.add(path.resolve())


def warn(lines: Iterable[str]) -> None:
    """Say what the user should know, on stderr, one line each."""
    for line in lines:
        sys.stderr.write(f"warning: {printable(line)}\n")


def progress_bar() -> Progress:
    """A progress bar on stderr, so that stdout stays clean for scripts."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def extract_all(
    recordings: Sequence[Path],
    config: Configuration,
    *,
    read_labels: bool = True,
    unsynchronised: bool = False,
    references: Mapping[str, Reference] | None = None,
) -> list[Extraction]:
    """Windows and features of every recording, with a progress bar and its warnings; see `rtemo.extraction.extract`."""
    from rtemo.extraction import extract

    options: Any = {"read_labels": read_labels, "unsynchronised": unsynchronised, "references": references}
    extractions = []
    with progress_bar() as progress:
        task = progress.add_task("reading", total=len(recordings), note="")
        for path in recordings:
            progress.update(task, note=path.name)
            extractions.append(extract(path, config, **options))
            progress.advance(task)
    for extraction in extractions:
        warn(extraction.warnings)
    return extractions
