"""`rtemo info`: what is in a recording, and what looks wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import Unsynchronised, output
from rtemo.printable import printable

if TYPE_CHECKING:
    from rtemo.inspection import Report, StreamReport

SHOWN_GAPS = 10
SHOWN_LABELS = 12


def info(
    recording: Annotated[Path, typer.Argument(help="XDF, EDF, BDF, FIF, BrainVision or EEGLAB.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    unsynchronised: Unsynchronised = False,
) -> None:
    """Show streams, rates, gaps and clocks of a recording, and what looks wrong.

    rtemo info session.xdf
    """
    from rtemo.inspection import inspect_recording
    from rtemo.sources import open_recording

    source = open_recording(recording, unsynchronised=unsynchronised)
    try:
        report = inspect_recording(source)
    finally:
        source.close()
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        _show(report)


def _show(report: Report) -> None:
    from rich.markup import escape

    console = output()

    def say(text: str) -> None:
        console.print(printable(text), highlight=False, soft_wrap=True)

    say(f"{escape(report.origin)}: {len(report.streams)} streams, {report.duration_s:.3f} s")
    for stream in report.streams:
        identity = f", source_id {stream.source_id!r}" if stream.source_id else ""
        host = f", host {stream.hostname}" if stream.hostname else ""
        kind = escape(f"type {stream.type!r}{identity}{host}")
        say(f"[bold]{escape(stream.key)}  {escape(stream.name)}[/bold]  {kind}")
        span = "" if stream.first_s is None else f" from {stream.first_s:.3f} to {stream.last_s:.3f} s"
        say(f"     {stream.channels} channels, {_rate(stream)}; {stream.samples} samples{span}{_clock(stream)}")
        if not stream.is_text:
            say(f"     {escape(_shortened(stream.channel_labels))}")
        for gap in stream.gaps[:SHOWN_GAPS]:
            say(f"     [yellow]gap[/yellow] of {gap.length_s:.3f} s after {gap.start_s:.3f} s")
        if len(stream.gaps) > SHOWN_GAPS:
            say(f"     ... and {len(stream.gaps) - SHOWN_GAPS} more gaps")
    for finding in report.findings:
        say(f"[yellow]![/yellow] {escape(finding)}")
    if not report.findings:
        say("Nothing looks wrong.")


def _shortened(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:SHOWN_LABELS])
    return shown if len(labels) <= SHOWN_LABELS else f"{shown}, ... ({len(labels) - SHOWN_LABELS} more)"


def _rate(stream: StreamReport) -> str:
    if stream.nominal_rate_hz <= 0:
        return "text" if stream.is_text else "irregular"
    if stream.effective_rate_hz is None:
        return f"{stream.nominal_rate_hz:g} Hz"
    return f"{stream.nominal_rate_hz:g} Hz (found {stream.effective_rate_hz:.3f})"


def _clock(stream: StreamReport) -> str:
    if stream.clock is None:
        return ""
    if stream.clock.last_offset_s is None:
        return "; clock not measured"
    resets = f", {stream.clock.segments} clock segments" if stream.clock.segments > 1 else ""
    return f"; clock {stream.clock.last_offset_s:+.4f} s{resets}"
