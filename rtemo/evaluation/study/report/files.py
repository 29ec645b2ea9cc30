"""What of a report other programs read: CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rtemo.evaluation.study.report.content import Table
from rtemo.evaluation.study.report.document import Document
from rtemo.evaluation.study.report.verdicts import Contest, sentence
from rtemo.evaluation.study.task import Result
from rtemo.printable import printable

_FORMULA = ("=", "+", "-", "@")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV (RFC 4180, but lines end in LF); a spreadsheet takes no text of it for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([_plain(value) for value in row])
    return out.getvalue()


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value
    clean = printable(value)
    return f"'{clean}" if clean.startswith(_FORMULA) and clean != "-" else clean


def table_csv(table: Table) -> list[list[object]]:
    """A table with all its digits: columns of several values become several columns."""
    kinds = any(row.kind for row in table.rows)
    head: list[object] = ["kind"] if kinds else []
    body: list[list[object]] = [[row.kind] if kinds else [] for row in table.rows]
    for place, column in enumerate(table.columns):
        title = f"{column.group}: {column.title}" if column.group else column.title
        cells = [row.cells[place] for row in table.rows]
        names = list(dict.fromkeys(name for cell in cells for name in cell.values))
        if names:
            head += [f"{title}: {name}" if name else title for name in names]
            for line, cell in zip(body, cells, strict=True):
                line += [cell.values.get(name) for name in names]
        else:
            head.append(title)
            for line, cell in zip(body, cells, strict=True):
                line.append(cell.text)
        if any(cell.note for cell in cells):
            head.append(f"{title}: note")
            for line, cell in zip(body, cells, strict=True):
                line.append(cell.note)
    return [head, *body]


def results_csv(results: Sequence[Result]) -> list[list[object]]:
    """Every run in a row: task, settings, figures, time, versions, error."""

    def names(maps: Iterable[Mapping[str, object]]) -> list[str]:
        return list(dict.fromkeys(name for one in maps for name in one))

    settings = names(r.task.settings for r in results)
    figures = names(r.figures for r in results)
    made = names(r.made for r in results)
    head: list[object] = ["key", "experiment", "dataset", "digest", "method", "seed"]
    head += [f"settings.{name}" for name in settings] + figures + ["seconds"] + [f"made.{n}" for n in made] + ["error"]
    rows: list[list[object]] = [head]
    for result in results:
        task = result.task
        row: list[object] = [task.key, task.experiment, task.dataset, task.digest, task.method, task.seed]
        row += [task.settings.get(name) for name in settings]
        row += [result.figures.get(name) for name in figures]
        row += [result.seconds, *(result.made.get(name) for name in made), result.error]
        rows.append(row)
    return rows


def summary(title: str, made: Document, tables: Mapping[str, Table]) -> dict[str, Any]:
    """The report's figures for scripts."""
    results = made.results
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.made.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    return {
        "title": title,
        "runs": len(results),
        "failed": sum(result.error is not None for result in results),
        "seconds": sum(result.seconds for result in results),
        "experiments": list(dict.fromkeys(result.task.experiment for result in results)),
        "datasets": {result.task.dataset: result.task.digest for result in results},
        "methods": list(dict.fromkeys(result.task.method for result in results if result.task.method)),
        "seeds": sorted({result.task.seed for result in results}),
        "made": versions,
        "tests": [_test(test) for test in made.tests],
        "tables": {name: _table(table) for name, table in tables.items()},
        "errors": [{**result.task.to_dict(), "error": result.error} for result in results if result.error is not None],
    }


def _test(test: Contest) -> dict[str, Any]:
    return {
        "table": test.table,
        "columns": test.group,
        "method": test.subject,
        "sentence": sentence(test),
        "others": [
            {**asdict(c), "other": test.titles[c.other], "significant": c.significant} for c in test.comparisons
        ],
    }


def _table(table: Table) -> dict[str, Any]:
    head, *rows = table_csv(table)
    return {"caption": table.caption, "notes": list(table.notes), "columns": head, "rows": rows}
