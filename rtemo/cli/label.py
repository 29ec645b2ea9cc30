"""`rtemo label`: see, mend and check the labelled segments of a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtemo.cli.common import Unsynchronised, add_column, add_row, output, progress_bar, warn
from rtemo.cli.dashboard_process import no_display
from rtemo.printable import printable

if TYPE_CHECKING:
    from calibration.labels.bids import LabelFile
    from calibration.labels.check import Problem
    from calibration.labels.survey import Survey
    from rtemo.config import Configuration

SHOWN_COLUMNS = 6


def label(
    recording: Annotated[
        Path, typer.Argument(help="XDF, EDF, BDF, FIF, BrainVision or EEGLAB. It is only read.", show_default=False)
    ],
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="The configuration: labels, markers, windows.", show_default=False),
    ] = None,
    from_markers: Annotated[
        bool, typer.Option("--from-markers", help="Begin with what the configuration's markers say.")
    ] = False,
    delete: Annotated[
        list[int] | None,
        typer.Option("--delete", metavar="N", help="Delete the segment of this number in --list; may be repeated."),
    ] = None,
    set_label: Annotated[
        tuple[float, float, str] | None,
        typer.Option(
            "--set",
            metavar="START STOP LABEL",
            help="Label from START to STOP, in seconds since the first sample; n/a takes a label away.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong; exit code 1 where something is.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the segments.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    theme: Annotated[str, typer.Option(help="Of the window: dark, light, or auto: as the desktop is.")] = "auto",
    font_scale: Annotated[float, typer.Option(min=0.75, max=2.0, help="Of the window's writing.")] = 1.0,
    unsynchronised: Unsynchronised = False,
) -> None:
    """See and mend the labelled segments of a recording: BIDS events beside it, <recording>_events.tsv.

    Without an option that says what to do, a window opens. The recording is never changed, and the events file of
    before is kept as <name>.<UTC>.bak. Segments are deleted first, by their numbers in --list, then --set.

    rtemo label session.xdf -c lab.toml

    rtemo label session.xdf -c lab.toml --from-markers

    rtemo label session.xdf -c lab.toml --set 10 30 positive --check
    """
    from rtemo.config import load_configuration
    from rtemo.errors import ConfigurationError, RecordingError

    if theme not in ("auto", "dark", "light"):
        raise ConfigurationError(f"--theme: expected auto, dark or light, found {theme!r}.")
    settings = None if config is None else load_configuration(config)
    if not recording.is_file():
        raise RecordingError(f"{recording}: expected a recording, found nothing there.", cure="Check the path.")
    edits = from_markers or bool(delete) or set_label is not None
    if not (edits or check or show or as_json):
        _window(recording, settings, config, unsynchronised, theme, font_scale)
        return
    if from_markers and (settings is None or settings.markers is None):
        raise ConfigurationError(
            "--from-markers needs a configuration with [markers], which says what markers mean.",
            cure="Name it with -c.",
        )
    survey = _survey(recording, settings, unsynchronised) if from_markers or check else None
    labels = _changed(recording, settings, survey if from_markers else None, delete or [], set_label)
    written: dict[str, list[str]] = {}
    if edits:
        written = _write(recording, labels, settings)
    problems = _problems(labels, settings, survey) if check else None
    if as_json:
        typer.echo(json.dumps(_document(recording, labels, written, problems), ensure_ascii=False))
    else:
        for path in written.get("files", ()):
            typer.echo(f"written: {printable(path)}")
        for path in written.get("backups", ()):
            typer.echo(f"kept:    {printable(path)}")
        if show:
            _list(labels)
        if problems is not None:
            _say(recording, labels, problems)
        elif not show:
            typer.echo(f"{len(labels.track)} segments")
    if problems and any(problem.error for problem in problems):
        raise typer.Exit(1)


def _window(
    recording: Path,
    settings: Configuration | None,
    config: Path | None,
    unsynchronised: bool,
    theme: str,
    font_scale: float,
) -> None:
    from rtemo.errors import ConfigurationError

    if no_display():
        raise ConfigurationError(
            "there is no screen here to show a window on.",
            cure="Use --list, --check, --from-markers, --set and --delete.",
        )
    from calibration.editor.app import run

    chosen: Any = None if theme == "auto" else theme
    raise typer.Exit(run(recording, settings, unsynchronised=unsynchronised, theme=chosen, scale=font_scale))


def _survey(recording: Path, settings: Configuration | None, unsynchronised: bool) -> Survey:
    """Read the recording, with a progress bar and its warnings."""
    from calibration.labels.survey import survey_recording
    from rtemo.sources import open_recording

    source = open_recording(recording, unsynchronised=unsynchronised)
    try:
        with progress_bar() as progress:
            task = progress.add_task("reading", total=None, note=recording.name)

            def told(done_s: float, of_s: float | None) -> None:
                progress.update(task, completed=int(done_s), total=None if of_s is None else int(max(of_s, done_s)))

            survey = survey_recording(source, settings, on_progress=told)
    finally:
        source.close()
    warn(survey.warnings)
    return survey


def _changed(
    recording: Path,
    settings: Configuration | None,
    marked: Survey | None,
    delete: list[int],
    set_label: tuple[float, float, str] | None,
) -> LabelFile:
    """The labels of the file, or of markers, with what was asked for."""
    from dataclasses import replace

    from calibration.labels.bids import new_label_file, read_label_file
    from calibration.labels.edits import deleted, labelled
    from rtemo.labels import events_path

    path = events_path(recording)
    aliases = settings.markers.labels if settings is not None and settings.markers is not None else {}
    labels = read_label_file(path, None if settings is None else settings.labels, aliases)
    if marked is not None:
        labels = replace(new_label_file(marked.marked, ("trial",)), fingerprint=labels.fingerprint)
        if not marked.marked:
            warn([f"{recording}: no marker names a label"])
    elif set_label is not None and not labels.fingerprint and aliases:
        warn([f"{path.name} is new: from now on labels come from it, and markers are not looked at (--from-markers)"])
    track = deleted(labels.track, [number - 1 for number in delete])
    if set_label is not None:
        track = labelled(track, *set_label, labels=None if settings is None else settings.labels)
    return replace(labels, track=track)


def _write(recording: Path, labels: LabelFile, settings: Configuration | None) -> dict[str, list[str]]:
    from calibration.labels.bids import write_label_file
    from rtemo.labels import events_path

    levels = () if settings is None else settings.labels
    written = write_label_file(events_path(recording), labels, levels=levels, expected=labels.fingerprint)
    return {"files": [str(path) for path in written.files], "backups": [str(path) for path in written.backups]}


def _problems(labels: LabelFile, settings: Configuration | None, survey: Survey | None) -> tuple[Problem, ...]:
    from calibration.labels.check import check_labels

    return check_labels(labels, settings, survey)


def _document(
    recording: Path,
    labels: LabelFile,
    written: dict[str, list[str]],
    problems: tuple[Problem, ...] | None,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "recording": str(recording),
        "segments": [
            {
                "number": number,
                "start": segment.start_s,
                "stop": segment.stop_s,
                "label": segment.label or None,
                "columns": dict(segment.cells),
            }
            for number, segment in enumerate(labels.track.segments, start=1)
        ],
        "other_rows": len(labels.others),
        **written,
    }
    if problems is not None:
        document["problems"] = [
            {
                "kind": problem.kind,
                "error": problem.error,
                "segments": [number + 1 for number in problem.segments],
                "text": problem.text,
            }
            for problem in problems
        ]
    return document


def _list(labels: LabelFile) -> None:
    from rich import box
    from rich.table import Table

    from calibration.labels.track import NO_LABEL, seconds
    from rtemo.labels import REQUIRED_COLUMNS

    known = dict.fromkeys(name for segment in labels.track.segments for name in segment.cells)
    further = [name for name in known if name not in REQUIRED_COLUMNS][:SHOWN_COLUMNS]
    table = Table(box=box.SIMPLE_HEAD)
    for header, right in (("number", True), ("start", True), ("stop", True), ("label", False)):
        add_column(table, header, right=right)
    for name in further:
        add_column(table, printable(name, 24))
    for number, segment in enumerate(labels.track.segments, start=1):
        cells = (printable(segment.cells.get(name, ""), 24) for name in further)
        told = printable(segment.label or NO_LABEL, 40)
        add_row(table, str(number), seconds(segment.start_s), seconds(segment.stop_s), told, *cells)
    output().print(table)
    if labels.others:
        typer.echo(f"and {len(labels.others)} rows that are no segments")


def _say(recording: Path, labels: LabelFile, problems: tuple[Problem, ...]) -> None:
    from calibration.labels.check import summary

    for problem in problems:
        typer.echo(f"{'error  ' if problem.error else 'warning'}: {printable(problem.text)}")
    typer.echo(f"{printable(str(recording))}: {len(labels.track)} segments; {summary(problems)}")
