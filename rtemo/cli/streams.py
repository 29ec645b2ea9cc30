"""`rtemo streams`: what is on the network, measured for a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import add_column, add_row, output
from rtemo.cli.network import Scope, SessionId, Wait, nothing_found, set_network
from rtemo.cli.stopping import interruptible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from rtemo.sources.lsl.survey import StreamSurvey

SHOWN_LABELS = 4
WIDE = 100
NAME_WIDTH, TYPE_WIDTH, SOURCE_WIDTH, LABEL_WIDTH, FINDING_WIDTH = 24, 14, 24, 12, 300


def streams(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, for scripts; with --watch one a line.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Measure again and again until Ctrl-C.")] = False,
    wait_s: Wait = 1.0,
    measure_s: Annotated[
        float, typer.Option("--measure", min=0.1, max=60.0, metavar="S", help="Seconds in which samples are counted.")
    ] = 2.0,
    scope: Scope = None,
    session_id: SessionId = None,
) -> None:
    """List the LSL streams on the network: real rates, age of the newest sample, clocks, labels, and what looks wrong.

    rtemo streams

    rtemo streams --watch

    rtemo streams --json --measure 10 > streams.json
    """
    from rtemo.sources.lsl.survey import find_streams, survey

    set_network(scope, session_id)

    def look() -> list[StreamSurvey]:
        return survey(find_streams(wait_s), measure_s)

    if watch:
        _watch(look, as_json)
        return
    surveys = look()
    if as_json:
        typer.echo(_json(surveys))
    elif surveys:
        console = output()
        console.print(view(surveys, console.width))
    if not surveys:
        raise nothing_found(wait_s)


def _json(surveys: list[StreamSurvey]) -> str:
    from rtemo.model.manifest import finite_json

    # ASCII only: what a terminal shows of it can move no cursor.
    return json.dumps(finite_json({"streams": [survey.as_dict() for survey in surveys]}), allow_nan=False)


def _watch(look: Callable[[], list[StreamSurvey]], as_json: bool) -> None:
    """Look again and again; only an interrupt ends it."""
    from rich.live import Live
    from rich.text import Text

    with interruptible():
        if as_json:
            while True:
                typer.echo(_json(look()))
        console = output()
        with Live(Text("Listening ..."), console=console, auto_refresh=False) as live:
            while True:
                surveys = look()
                live.update(
                    view(surveys, console.width) if surveys else Text("No stream is visible yet."), refresh=True
                )


def view(surveys: list[StreamSurvey], width: int) -> RenderableType:
    """A table of streams, and beneath it what looks wrong with them; labels only where they have room."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{len(surveys)} stream{'s' if len(surveys) != 1 else ''}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        caption="Hz: nominal / measured. Age of the newest sample and clock offset in ms.",
        caption_justify="left",
    )
    for header in ("", "name", "type", "host", "source_id", "channels"):
        add_column(table, header)
    for header in ("Hz", "age", "clock"):
        add_column(table, header, right=True)
    wide = width >= WIDE
    if wide:
        add_column(table, "labels")
    for number, survey in enumerate(surveys, 1):
        known = survey.description
        labels = _labels(known.channel_labels) if known is not None and not known.is_text else ""
        add_row(table, str(number), *_row(survey), *([labels] if wide else []))
    lines: list[RenderableType] = [table]
    for number, survey in enumerate(surveys, 1):
        name = _clean(survey.stream.name, NAME_WIDTH)
        lines += [
            Text.assemble(("! ", "yellow"), f"{number} {name}: {_clean(finding, FINDING_WIDTH)}")
            for finding in survey.findings
        ]
    if not any(survey.findings for survey in surveys):
        lines.append(Text("Nothing looks wrong."))
    return Group(*lines)


def _clean(text: str, width: int) -> str:
    from rtemo.printable import printable

    return printable(text, width)


def _row(survey: StreamSurvey) -> list[str | Text]:
    from rich.text import Text

    stream = survey.stream
    source_id: str | Text = _clean(stream.source_id, SOURCE_WIDTH) or Text("none", style="yellow")
    return [
        Text(_clean(stream.name, NAME_WIDTH), style="bold"),
        _clean(stream.type, TYPE_WIDTH),
        _clean(stream.hostname, NAME_WIDTH),
        source_id,
        f"{stream.channels} {stream.channel_format or '?'}",
        _rates(survey),
        "" if survey.age_s is None else f"{1e3 * survey.age_s:.0f}",
        _clock(survey),
    ]


def _labels(labels: tuple[str, ...]) -> str:
    shown = ", ".join(_clean(label, LABEL_WIDTH) for label in labels[:SHOWN_LABELS])
    return f"{shown}, …" if len(labels) > SHOWN_LABELS else shown


def _rates(survey: StreamSurvey) -> str | Text:
    from rich.text import Text

    nominal = survey.stream.nominal_rate_hz
    told = f"{nominal:g}" if nominal > 0 else ("text" if survey.stream.is_text else "irregular")
    if survey.stream.is_text:
        return told
    off = survey.rate_hz is not None and nominal > 0 and abs(survey.rate_hz / nominal - 1) > 0.02
    if survey.opened_s is None:
        return f"{nominal:g}" if nominal > 0 else ""
    measured = "nothing" if not survey.samples else ("?" if survey.rate_hz is None else f"{survey.rate_hz:.2f}")
    style = "yellow" if off or (nominal > 0 and not survey.samples) else ""
    return Text.assemble(f"{told} / ", (measured, style))


def _clock(survey: StreamSurvey) -> str:
    if survey.clock_offset_s is None or survey.uncertainty_s is None:
        return ""
    return f"{1e3 * survey.clock_offset_s:+.2f} ± {1e3 * survey.uncertainty_s:.2f}"
