"""Table 2: every method with few labels."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import runs
from rtemo.evaluation.study.report.cells import ACCURACY, BALANCED, ECE, NOTHING, cost_cells
from rtemo.evaluation.study.report.comparing import Group, Line, Pick, Shown, Source, compare_lines
from rtemo.evaluation.study.report.content import Cell, Column, Row, Table
from rtemo.evaluation.study.report.sections.common import OURS, Telling, Told, by_method, by_setting, values_of
from rtemo.evaluation.study.task import Result, Setting

TEST = runs.inductive("accuracy")
TRAIN = "transductive.complete.accuracy"


def table2(results: Sequence[Result]) -> Told:
    """All data sets side by side, then each with every number of labels."""
    telling = Telling()
    _overview(telling, results)
    for part in runs.parts(results, "labels"):
        lines, labels = by_method(part.results), values_of(part.results, "labels")
        accuracy = [
            Group("inductive accuracy, %", ACCURACY, by_setting("labels", labels, TEST)),
            Group("transductive accuracy, %", ACCURACY, by_setting("labels", labels, TRAIN)),
        ]
        quality = [
            Group("balanced accuracy, %", BALANCED, by_setting("labels", labels, runs.inductive("balanced_accuracy"))),
            Group("expected calibration error, %", ECE, by_setting("labels", labels, runs.inductive("ece")), False),
        ]
        name = f"table2-{part.slug}"
        telling.compared(compare_lines(f"{name}-accuracy", f"{part.title}: accuracy", lines, accuracy, ours=OURS))
        telling.compared(
            compare_lines(
                f"{name}-quality",
                f"{part.title}: balanced accuracy and calibration on test windows",
                lines,
                quality,
                ours=OURS,
                cost=None,
            )
        )
        telling.add(_cost(f"{name}-cost", f"{part.title}: training time", lines, labels))
    return telling.told


def _overview(telling: Telling, results: Sequence[Result]) -> None:
    """A table for each protocol, its columns the data sets; only where there are several."""
    for protocol, found in runs.grouped(results, lambda r: runs.setting(r, "protocol"), str).items():
        sets = runs.parts(found, "labels", "protocol")
        if len(sets) < 2:
            continue
        columns = [Shown(part.title, _within(part)) for part in sets]
        telling.compared(
            compare_lines(
                f"table2-overview-{protocol}",
                f"All data sets, {protocol} protocol: inductive accuracy, mean over all numbers of labels",
                by_method(found),
                [Group("inductive accuracy, all data sets, %", ACCURACY, columns)],
                ours=OURS,
                spread=False,
            )
        )


def _within(part: runs.Part) -> Pick:
    """Of a row, the runs of a part."""
    keys = {result.task.key for result in part.results}

    def pick(line: Line) -> Source:
        return [r for r in line.results if r.task.key in keys], TEST

    return pick


def _cost(name: str, caption: str, lines: Sequence[Line], labels: Sequence[Setting]) -> Table:
    """Training seconds, and accuracy for each, with every number of labels."""
    rows = []
    for line in lines:
        spent, worth = [], []
        for value in labels:
            found = [r for r in line.results if runs.setting(r, "labels") == value]
            first, second = cost_cells(
                [runs.figure(r, TEST) for r in found], [runs.figure(r, "train_s") for r in found]
            )
            why = runs.why_none(found, "train_s") if first.text == NOTHING else ""
            spent.append(Cell(first.text, first.values, why or first.note))
            worth.append(Cell(second.text, second.values, why or second.note))
        rows.append(Row((Cell(line.title), *spent, *worth), line.kind))
    columns = (
        Column("method", number=False),
        *(Column(str(value), "training, s") for value in labels),
        *(Column(str(value), "inductive accuracy / training s") for value in labels),
    )
    return Table(name, caption, columns, tuple(rows))
