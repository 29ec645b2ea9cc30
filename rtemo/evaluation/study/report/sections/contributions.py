"""Contributions against permutation importance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import Metric, mean_cell
from rtemo.evaluation.study.report.content import Cell, Column, Picture, Row, Table
from rtemo.evaluation.study.report.figures import Points, scatter
from rtemo.evaluation.study.report.sections.common import Telling, Told
from rtemo.evaluation.study.report.statistics import summarise
from rtemo.evaluation.study.task import Result

LOST = Metric("balanced accuracy lost by shuffling, points", "balanced accuracy lost")
SAYS = {
    "permutation": LOST,
    "contribution": Metric("contribution", "contribution", percent=False),
    "weight": Metric("posterior weight", "posterior weight", percent=False),
}


def contributions(results: Sequence[Result]) -> Told:
    """A figure over all data sets, and for each a table."""
    telling = Telling()
    whole = runs.parts(results)
    panels = [
        Points(SAYS[says].title, _points(whole, says), LOST.noun + " when the view is shuffled", SAYS[says].title)
        for says in ("contribution", "weight")
    ]
    if any(panel.points for panel in panels):
        caption = (
            "What a view is said to matter against the balanced accuracy that is lost without it; one point a run and "
            "view"
        )
        telling.add(Picture("contributions", caption, caption, scatter(panels)))
    rows = []
    for part in whole:
        for method, found in runs.grouped(part.results, lambda r: r.task.method, names.method_order).items():
            rows += _rows(part, method, found)
    columns = (
        Column("method, view", number=False),
        *(Column(metric.title) for metric in SAYS.values()),
        Column("contribution", "rank agreement (τ)"),
        Column("weight", "rank agreement (τ)"),
        Column("contribution", "same first view"),
        Column("weight", "same first view"),
    )
    note = (
        "Rank agreement: Kendall's τ between the order of the views by contribution (or weight) and by balanced "
        "accuracy lost, mean over runs; with two views it is +1 or -1 in a run. Same first view: in how many runs both "
        "name the same view as the most important."
    )
    telling.add(
        Table(
            "contributions",
            "Contribution, weight and balanced accuracy lost of each view",
            columns,
            tuple(rows),
            (note,),
        )
    )
    return telling.told


def agreement(result: Result, says: str) -> tuple[float, bool] | None:
    """Kendall's tau of the order of views with that by accuracy lost, and whether both have the same first view.

    None where fewer than two views have both figures, or all are alike in one.
    """
    pairs = _pairs(result, says)
    if len(pairs) < 2:
        return None
    lost, said = np.array(pairs).T
    tau = float(stats.kendalltau(lost, said).statistic) if np.ptp(lost) and np.ptp(said) else math.nan
    return None if math.isnan(tau) else (tau, bool(lost.argmax() == said.argmax()))


def _pairs(result: Result, says: str) -> list[tuple[float, float]]:
    out = []
    for view in runs.suffixes([result], f"{says}."):
        lost, said = runs.figure(result, f"permutation.{view}"), runs.figure(result, f"{says}.{view}")
        if lost is not None and said is not None:
            out.append((lost, said))
    return out


def _points(whole: Sequence[runs.Part], says: str) -> dict[str, list[tuple[float, float]]]:
    """Accuracy lost and what is said, by data set and view."""
    out: dict[str, list[tuple[float, float]]] = {}
    for part in whole:
        for view in runs.suffixes(part.results, f"{says}."):
            for result in part.results:
                lost, said = runs.figure(result, f"permutation.{view}"), runs.figure(result, f"{says}.{view}")
                if lost is not None and said is not None:
                    out.setdefault(f"{names.dataset_title(part.dataset)}: {view}", []).append((lost, said))
    return out


def _rows(part: runs.Part, method: str, found: Sequence[Result]) -> list[Row]:
    """A row for each view of a method; what concerns all its views stands in the first one."""
    views = runs.suffixes(found, "permutation.")
    title = names.method_title(method)
    if not views:
        why = runs.why_none(found, "permutation.")
        return [Row((Cell(title), *(Cell("-", note=why) for _ in range(7))), part.title)]
    rows = []
    for place, view in enumerate(views):
        told = [
            mean_cell(
                runs.mean_of(found, f"{says}.{view}"),
                metric,
                usual=len(found),
                note=runs.why_none(found, f"{says}.{view}"),
            )
            for says, metric in SAYS.items()
        ]
        agreed = _agreed(found) if place == 0 else [Cell("")] * 4
        rows.append(Row((Cell(f"{title}, {view}"), *told, *agreed), part.title))
    return rows


def _agreed(found: Sequence[Result]) -> list[Cell]:
    taus, firsts = [], []
    for says in ("contribution", "weight"):
        there = [agreed for result in found if (agreed := agreement(result, says)) is not None]
        mean = summarise(tau for tau, _ in there)
        taus.append(
            Cell("-", {"": None}, "no run ranks two views or more")
            if mean is None
            else Cell(f"{mean.mean:+.2f}", {"": mean.mean})
        )
        same = sum(first for _, first in there)
        firsts.append(Cell(f"{same} of {len(there)}", {"same": same, "runs": len(there)}))
    return [*taus, *firsts]
