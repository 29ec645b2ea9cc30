"""Table 2: every method with few labels."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import runs
from rtemo.evaluation.study.report.cells import ECE, NOTHING, cost_cells
from rtemo.evaluation.study.report.comparing import Group, Line, compare_lines
from rtemo.evaluation.study.report.content import Cell, Column, Row, Table
from rtemo.evaluation.study.report.headline import Headline, beside, headline
from rtemo.evaluation.study.report.sections.common import (
    OURS,
    Telling,
    Told,
    by_method,
    by_setting,
    side_by_side,
    values_of,
)
from rtemo.evaluation.study.task import Result, Setting


def table2(results: Sequence[Result]) -> Told:
    """All data sets side by side, then each with every number of labels."""
    telling = Telling()
    _overview(telling, results)
    for part in runs.parts(results, "labels"):
        lines, labels = by_method(part.results), values_of(part.results, "labels")
        shown = headline(part.results)
        other = beside(shown)
        accuracy = [
            Group(f"inductive {shown.metric.title}", shown.metric, by_setting("labels", labels, shown.test())),
            Group(f"transductive {shown.metric.title}", shown.metric, by_setting("labels", labels, shown.train)),
        ]
        quality = [
            Group(other.metric.title, other.metric, by_setting("labels", labels, other.test())),
            Group("expected calibration error, %", ECE, by_setting("labels", labels, runs.inductive("ece")), False),
        ]
        name = f"table2-{part.slug}"
        telling.compared(
            compare_lines(
                f"{name}-accuracy",
                f"{part.title}: {shown.metric.noun}",
                lines,
                accuracy,
                ours=OURS,
                cost=shown.test(),
            )
        )
        telling.compared(
            compare_lines(
                f"{name}-quality",
                f"{part.title}: {other.metric.noun} and calibration on test windows",
                lines,
                quality,
                ours=OURS,
            )
        )
        telling.add(_cost(f"{name}-cost", f"{part.title}: training time", lines, labels, shown))
    return telling.told


def _overview(telling: Telling, results: Sequence[Result]) -> None:
    """A table for each protocol, its columns the data sets; only where there are several."""
    for protocol, found, accuracy, columns in side_by_side(results, "labels"):
        telling.compared(
            compare_lines(
                f"table2-overview-{protocol}",
                f"All data sets, {protocol} protocol: inductive {accuracy.metric.noun}, "
                "mean over all numbers of labels",
                by_method(found),
                [Group(f"inductive {accuracy.metric.noun}, all data sets, %", accuracy.metric, columns)],
                ours=OURS,
                cost=accuracy.test(),
                spread=False,
            )
        )


def _cost(name: str, caption: str, lines: Sequence[Line], labels: Sequence[Setting], shown: Headline) -> Table:
    """Training seconds, and accuracy for each, with every number of labels."""
    rows = []
    for line in lines:
        spent, worth = [], []
        for value in labels:
            found = [r for r in line.results if runs.setting(r, "labels") == value]
            first, second = cost_cells(
                [runs.figure(r, shown.test()) for r in found], [runs.figure(r, "train_s") for r in found]
            )
            why = runs.why_none(found, "train_s") if first.text == NOTHING else ""
            spent.append(Cell(first.text, first.values, why or first.note))
            worth.append(Cell(second.text, second.values, why or second.note))
        rows.append(Row((Cell(line.title), *spent, *worth), line.kind))
    columns = (
        Column("method", number=False),
        *(Column(str(value), "training, s") for value in labels),
        *(Column(str(value), f"inductive {shown.metric.noun} / training s") for value in labels),
    )
    return Table(name, caption, columns, tuple(rows))
