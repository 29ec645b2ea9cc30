"""`rtemo info`: what is in a recording, and what looks wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rtemo.inspection import Report, StreamReport


def info(
    recording: Annotated[Path, typer.Argument(help="XDF, EDF, BDF, FIF, BrainVision or EEGLAB file.")],
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    unsynchronised: Annotated[
        bool, typer.Option("--unsynchronised", help="Take raw stamps where clocks cannot be brought together.")
    ] = False,
) -> None:
    """Show streams, rates, gaps and clocks of a recording, and what looks wrong."""
    from rtemo.inspection import inspect_recording
    from rtemo.sources import open_recording

    source = open_recording(recording, unsynchronised=unsynchronised)
    try:
        report = inspect_recording(source)
    finally:
        source.close()
    if json_:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        _show(report)


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(f"{escape(report.origin)}: {len(report.streams)} streams, {report.duration_s:.3f} s", highlight=False)
    table = Table(
        "key", "stream", "type", "channels", "rate (Hz)", "samples", "from (s)", "to (s)", "gaps", "clock", "host"
    )
    for stream in report.streams:
        table.add_row(
            stream.key,
            escape(stream.name),
            escape(stream.type),
            str(stream.channels),
            _rate(stream),
            str(stream.samples),
            "" if stream.first_s is None else f"{stream.first_s:.3f}",
            "" if stream.last_s is None else f"{stream.last_s:.3f}",
            str(len(stream.gaps)),
            _clock(stream),
            escape(stream.hostname),
        )
    console.print(table)
    for stream in report.streams:
        for gap in stream.gaps[:20]:
            console.print(
                f"  gap in {escape(stream.name)}: {gap.length_s:.3f} s after {gap.start_s:.3f} s", highlight=False
            )
        if len(stream.gaps) > 20:
            console.print(f"  ... and {len(stream.gaps) - 20} more gaps in {escape(stream.name)}", highlight=False)
    for finding in report.findings:
        console.print(f"[yellow]![/yellow] {escape(finding)}", highlight=False)
    if not report.findings:
        console.print("Nothing looks wrong.")


def _rate(stream: StreamReport) -> str:
    if stream.nominal_rate_hz <= 0:
        return "text" if stream.is_text else "irregular"
    if stream.effective_rate_hz is None:
        return f"{stream.nominal_rate_hz:g}"
    return f"{stream.nominal_rate_hz:g} (found {stream.effective_rate_hz:.3f})"


def _clock(stream: StreamReport) -> str:
    if stream.clock is None:
        return ""
    if stream.clock.last_offset_s is None:
        return "not measured"
    resets = f", {stream.clock.segments} segments" if stream.clock.segments > 1 else ""
    return f"{stream.clock.last_offset_s:+.4f} s{resets}"
