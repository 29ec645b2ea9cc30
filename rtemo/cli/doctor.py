"""`rtemo doctor`: what would go wrong, before the participant sits down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import output
from rtemo.cli.network import Scope, SessionId, Wait, set_network

if TYPE_CHECKING:
    from rtemo.doctor import Diagnosis

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
SUBJECT_WIDTH = 24


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="The configuration (TOML); machine and network only, if none is given.")
    ] = None,
    model: Annotated[Path | None, typer.Option("-m", "--model", help="The bundle that is to run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    wait_s: Wait = 1.0,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """Compare streams, model and machine with what a session needs, and say of all that is wrong how to mend it.

    A view without a stream is a failure unless it says required = false in the configuration.

    rtemo doctor

    rtemo doctor lab.toml

    rtemo doctor lab.toml -m bundles/lab

    Exit codes: 0 nothing failed, 1 something else failed, 2 wrong configuration, 3 streams are missing or unfit.
    """
    from rtemo.config import load_configuration
    from rtemo.doctor import diagnose
    from rtemo.model.manifest import read_manifest

    settings = load_configuration(config) if config is not None else None
    base = settings.network if settings is not None else None
    if base is None and model is not None:
        base = read_manifest(model / "bundle.json").configuration.network
    network = set_network(scope, session_id, base)
    diagnosis = diagnose(settings, bundle_folder=model, network=network, wait_s=wait_s)
    if as_json:
        typer.echo(json.dumps(diagnosis.as_dict(), allow_nan=False))
    else:
        _show(diagnosis)
    raise typer.Exit(diagnosis.exit_code)


def _show(diagnosis: Diagnosis) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(max_width=SUBJECT_WIDTH)
    table.add_column(ratio=1)
    for check in diagnosis.checks:
        lines = Text(check.finding)
        if check.cure and check.level != "ok":
            lines.append(f"\n-> {check.cure}", style="italic")
        table.add_row(Text(check.level, style=STYLES[check.level]), Text(check.subject), lines)
    console = output()
    console.print(table)

    def counted(number: int, word: str) -> str:
        return f"{number} {word}{'' if number == 1 else 's'}"

    if diagnosis.failures or diagnosis.warnings:
        told = f"{counted(diagnosis.failures, 'failure')}, {counted(diagnosis.warnings, 'warning')}."
    else:
        told = "Nothing looks wrong."
    console.print(Text(told))
