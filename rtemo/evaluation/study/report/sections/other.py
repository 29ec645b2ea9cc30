"""An experiment that the report knows nothing of: all its figures."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import runs
from rtemo.evaluation.study.report.cells import Metric
from rtemo.evaluation.study.report.comparing import Group, Shown, compare_lines
from rtemo.evaluation.study.report.sections.common import Telling, Told, all_runs, by_method
from rtemo.evaluation.study.task import Result

MOST = 10
PLAIN = Metric("", "", percent=False, better=0)


def other(results: Sequence[Result]) -> Told:
    """A table for each data set and setting: methods by figures."""
    telling = Telling()
    for part in runs.parts(results):
        figures = runs.suffixes(part.results, "")
        group = Group("", PLAIN, [Shown(name, all_runs(name)) for name in figures[:MOST]], tested=False)
        more = [f"{len(figures) - MOST} more figures are in results.csv."] if len(figures) > MOST else []
        name = f"{part.results[0].task.experiment}-{part.slug}"
        telling.compared(compare_lines(name, part.title, by_method(part.results), [group], ours=(), notes=more))
    return telling.told
