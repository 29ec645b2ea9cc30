"""Table 1: what the data sets are, beside what the paper prints of them."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import BALANCED, NOTHING
from rtemo.evaluation.study.report.content import Cell, Column, Row, Table
from rtemo.evaluation.study.report.sections.common import Told
from rtemo.evaluation.study.task import Result

COUNTS = ("windows", "training", "test", "subjects", "sessions", "trials", "classes")
PRINTED = ("windows", "training", "test")
NO_SPLIT = "the set does not say which windows train"


def table1(results: Sequence[Result]) -> Told:
    """A row for each data set."""
    rows = []
    for part in runs.parts(results):
        result = part.results[-1]
        cells = [Cell(part.title)] + [_count(result, name) for name in COUNTS]
        rows.append(Row((*cells, _standardised(result), _neighbours(result), _dims(result))))
    columns = (
        Column("data set", number=False),
        *(Column(f"{name} (paper)" if name in PRINTED else name) for name in COUNTS),
        Column("standardised by", number=False),
        Column("neighbour agrees, %"),
        Column("features of each view (paper)", number=False),
    )
    notes = (
        "In brackets what the paper prints: = the same; ≠ another number. No bracket: the paper does not have it.",
        "Neighbour agrees: how often the nearest window of another subject, session or trial (whatever a split keeps "
        "whole) has the same label, mean over classes; standardised features of all views side by side.",
    )
    return Told((Table("table1", "Data sets", columns, tuple(rows), notes),))


def _count(result: Result, name: str) -> Cell:
    ours = runs.figure(result, name)
    paper = runs.figure(result, f"paper.{name}") if name in PRINTED else None
    values = {"": ours, "in the paper": paper} if name in PRINTED else {"": ours}
    if ours is None:
        why = result.error or (NO_SPLIT if name in PRINTED else "not given")
        return Cell(NOTHING if paper is None else f"{NOTHING} ({paper:.0f})", values, why)
    text, differs = _beside(ours, paper)
    return Cell(text, values, strong=differs)


def _standardised(result: Result) -> Cell:
    own = runs.figure(result, "standardised.session")
    return (
        Cell(NOTHING, {"": None}, result.error or "not given")
        if own is None
        else Cell("session" if own else "training")
    )


def _neighbours(result: Result) -> Cell:
    agree = runs.figure(result, "neighbours")
    if agree is None:
        return Cell(NOTHING, {"": None}, result.error or "not given")
    return Cell(BALANCED.number(agree), {"": agree})


def _dims(result: Result) -> Cell:
    told, differs, values = [], False, {}
    for place, view in enumerate(runs.suffixes([result], "dims."), start=1):
        ours, paper = runs.figure(result, f"dims.{view}"), runs.figure(result, f"paper.dims.{place}")
        if ours is None:
            continue
        text, other = _beside(ours, paper)
        told.append(f"{view} {text}")
        differs |= other
        values[view] = ours
    if not told:
        return Cell(NOTHING, {"": None}, result.error or "not given")
    return Cell(", ".join(told), {"": ", ".join(f"{view} {ours:.0f}" for view, ours in values.items())}, strong=differs)


def _beside(ours: float, paper: float | None) -> tuple[str, bool]:
    """A number beside the paper's, and whether it is another one."""
    if paper is None:
        return f"{ours:.0f}", False
    return (f"{ours:.0f} (=)", False) if ours == paper else (f"{ours:.0f} (≠ {paper:.0f})", True)


def sources(results: Sequence[Result]) -> tuple[str, ...]:
    """What each data set is, in a line."""
    used = sorted({r.task.dataset for r in results}, key=names.dataset_order)
    return tuple(line for name in used if (line := names.dataset_source(name)))
