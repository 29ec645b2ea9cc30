"""`rtemo repair`: mend a recording that was cut off or damaged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtemo.cli.common import output, progress_bar

if TYPE_CHECKING:
    from rtemo.xdf.survey import Findings

SHOWN_PROBLEMS = 10
SHOWN_STREAMS = 50


def repair(
    recording: Annotated[Path, typer.Argument(help="An XDF file. It is only read.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The repaired copy; <name>_repaired.xdf beside the recording if not given."),
    ] = None,
) -> None:
    """Copy what is whole of a recording, leave out what is damaged, and add missing footers.

    rtemo repair session.xdf

    rtemo repair session.xdf -o mended.xdf
    """
    from rtemo.errors import ConfigurationError, RecordingError
    from rtemo.xdf import XdfError
    from rtemo.xdf.repair import repair as write_repaired

    target = out if out is not None else recording.with_name(f"{recording.stem}_repaired.xdf")
    if not recording.is_file():
        raise RecordingError(f"{recording}: there is no such file.", cure="Check the path.")
    if target.exists():
        raise ConfigurationError(
            f"{target}: there is a file already, and none is replaced.", cure="Move it, or name another with -o."
        )
    try:
        with progress_bar() as progress:
            task = progress.add_task("repairing", total=None, note=recording.name)

            def show(done: int, size: int) -> None:
                progress.update(task, completed=done, total=size)

            findings = write_repaired(recording, target, show)
    except XdfError as error:
        raise RecordingError(f"{recording}: {error}.", cure="Only XDF files can be repaired.") from error
    if not (findings.fine or findings.streams):
        raise RecordingError(f"{recording}: not one stream can be kept.", cure="Look for another copy of the file.")
    _show(recording, target, findings)


def _show(recording: Path, target: Path, findings: Findings) -> None:
    from rtemo.printable import printable

    console = output()

    def say(text: str) -> None:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    if findings.fine:
        say(f"{recording}: nothing to repair; no file was written.")
        return
    kept = sum(stream.samples for stream in findings.streams)
    say(f"{target}: {len(findings.streams)} streams, {kept} samples kept.")
    for stream in findings.streams[:SHOWN_STREAMS]:
        footer = "" if stream.footer == "kept" else f", footer {stream.footer}"
        say(f"  {stream.stream_id}  {stream.name!r}: {stream.samples} samples{footer}")
    if len(findings.streams) > SHOWN_STREAMS:
        say(f"  ... and {len(findings.streams) - SHOWN_STREAMS} more streams")
    for line in _losses(findings):
        say(line)
    for problem in findings.problems[:SHOWN_PROBLEMS]:
        say(f"  {problem}")
    if len(findings.problems) > SHOWN_PROBLEMS:
        say(f"  ... and {len(findings.problems) - SHOWN_PROBLEMS} more")


def _losses(findings: Findings) -> list[str]:
    """What the copy lacks, and what stands elsewhere than in the original."""
    lines = []
    if findings.lost_bytes:
        cut = f", {findings.cut_bytes} of them where the file was cut off" if findings.cut_bytes else ""
        lines.append(f"Lost: {findings.lost_bytes} of {findings.size} bytes{cut}.")
    if findings.damaged_chunks:
        lines.append(f"Damaged chunks: {findings.damaged_chunks}, with {findings.lost_samples} samples that are lost.")
    if findings.orphans:
        numbers = ", ".join(map(str, findings.orphans[:SHOWN_PROBLEMS]))
        lines.append(f"Left out: {len(findings.orphans)} streams without a header (numbers {numbers}).")
    if findings.loose_xml:
        lines.append(f"Written anew: {findings.loose_xml} headers or footers that strict readers refuse.")
    if not lines:
        lines.append("Nothing is lost.")
    return lines
