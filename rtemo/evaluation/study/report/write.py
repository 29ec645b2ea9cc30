"""Writes a report into a folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rtemo.errors import RtemoError
from rtemo.evaluation.study.report.content import Picture, Table
from rtemo.evaluation.study.report.document import Document, document
from rtemo.evaluation.study.report.files import csv_text, results_csv, summary, table_csv
from rtemo.evaluation.study.report.html import to_html
from rtemo.evaluation.study.report.markdown import to_markdown
from rtemo.evaluation.study.task import Result

REPORT: Final = "report.html"
MARKDOWN: Final = "results.md"
SUMMARY: Final = "summary.json"
RESULTS: Final = "results.csv"
FIGURES, TABLES = "figures", "tables"
LONGEST_NAME = 80
T = TypeVar("T", Picture, Table)


def write_report(results: Sequence[Result], out: Path, *, title: str) -> Path:
    """Write the report of a study; whoever looks at a file finds the old one or the new one.

    Parameters
    ----------
    results : sequence of Result
        Of a study that may be half done; of a task with several the last one counts.
    out : path-like
        Folder, made if it is missing: ``report.html`` (all of it in one file), ``results.md``, ``summary.json``,
        ``results.csv`` (every run), ``figures`` and ``tables``. What an earlier report left there is replaced.
    title : str

    Returns
    -------
    Path
        Of ``report.html``.

    Raises
    ------
    RtemoError
        The disk refuses.
    """
    out = Path(out)
    made = document(results)
    figures, tables = _named(made.pictures, ".png"), _named(made.tables, ".csv")
    with _told(out):
        before = _earlier(out / SUMMARY)
        for name, picture in figures.items():
            _write(out / FIGURES / name, picture.png)
        for name, table in tables.items():
            _write(out / TABLES / name, csv_text(table_csv(table)))
        _write(out / RESULTS, csv_text(results_csv(made.results)))
        _write(out / MARKDOWN, _markdown(title, made, {name: f"{FIGURES}/{name}" for name in figures}, figures))
        _write(out / REPORT, to_html(title, made.sections))
        files = {FIGURES: list(figures), TABLES: list(tables)}
        told = {**summary(title, made, tables), "files": files}
        _write(out / SUMMARY, json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        for folder in (FIGURES, TABLES):
            for name in before.get(folder, set()) - set(files[folder]):
                (out / folder / name).unlink(missing_ok=True)
    return out / REPORT


def write_markdown(results: Sequence[Result], path: Path, figures_folder: Path, *, title: str = "Results") -> Path:
    """Write the tables and sentences as Markdown, and the figures that it links to.

    Parameters
    ----------
    results : sequence of Result
    path : path-like
        As ``docs/results.md``.
    figures_folder : path-like
        As ``docs/images/results``.
    title : str

    Returns
    -------
    Path
        Of the Markdown file.

    Raises
    ------
    RtemoError
        The disk refuses.
    """
    path, folder = Path(path), Path(figures_folder)
    made = document(results)
    figures = _named(made.pictures, ".png")
    relative = Path(os.path.relpath(folder.resolve(), path.resolve().parent)).as_posix()
    with _told(path):
        for name, picture in figures.items():
            _write(folder / name, picture.png)
        _write(path, _markdown(title, made, {name: f"{relative}/{name}" for name in figures}, figures))
    return path


def _markdown(title: str, made: Document, links: dict[str, str], figures: dict[str, Picture]) -> str:
    addresses = {id(picture): links[name].replace(" ", "%20") for name, picture in figures.items()}
    return to_markdown(title, made.sections, addresses)


def _named(blocks: Iterable[T], ending: str) -> dict[str, T]:
    """Blocks by file name: whatever their names hold, the files stay in their folder, and no two share one."""
    out: dict[str, T] = {}
    for block in blocks:
        plain = (
            re.sub(r"[^a-z0-9.]+", "-", block.name.lower().replace("+", "-plus-"))
            .strip("-.")[:LONGEST_NAME]
            .rstrip("-.")
        )
        name, number = f"{plain or 'unnamed'}{ending}", 2
        while name in out:
            name, number = f"{plain or 'unnamed'}-{number}{ending}", number + 1
        out[name] = block
    return out


def _earlier(path: Path) -> dict[str, set[str]]:
    """The files that an earlier report wrote, by folder; none where its summary is not there or is another file."""
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        listed = {folder: [str(name) for name in files[folder]] for folder in (FIGURES, TABLES)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {
        folder: {n for n in found if Path(n).name == n and n not in ("", ".", "..")} for folder, found in listed.items()
    }


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        fresh.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise RtemoError(
            f"{where}: the report cannot be written ({error.strerror}).",
            cure="Check the path, its permissions and the room on the disk.",
        ) from error
