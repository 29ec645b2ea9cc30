"""Size of the front end, and length of training."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.comparing import Group, Line, Ours, Shown, compare_lines
from rtemo.evaluation.study.report.headline import headline
from rtemo.evaluation.study.report.sections.common import Telling, Told, values_of, with_setting
from rtemo.evaluation.study.task import Result, Setting

ROWS = ("components", "longer")


def sizes(results: Sequence[Result]) -> Told:
    """A table for each data set: a row for each size and length, columns of all views and of each one missing."""
    telling = Telling()
    for part in runs.parts(results, "labels", *ROWS):
        accuracy = headline(part.results)
        lines = _lines(part.results)
        conditions = {"all views": accuracy.test()}
        conditions |= {f"without {v}": accuracy.test(f"{runs.WITHOUT}{v}") for v in runs.hidden_views(part.results)}
        groups = [
            Group(
                f"{accuracy.metric.noun}, {names.said('labels', labels)}, %",
                accuracy.metric,
                [Shown(title, with_setting("labels", labels, figure)) for title, figure in conditions.items()],
            )
            for labels in values_of(part.results, "labels")
        ]
        telling.compared(
            compare_lines(
                f"sizes-{part.slug}",
                f"{part.title}: {accuracy.metric.noun} by size of the front end and length of training",
                lines,
                groups,
                ours=[Ours(lines[0].key, "the default")],
                row_settings=ROWS,
                cost=accuracy.test(),
                first="front end, training",
            )
        )
    return telling.told


def _lines(results: Sequence[Result]) -> list[Line]:
    """A row for each size and length, the default first."""
    groups = runs.grouped(
        results, lambda r: tuple(runs.setting(r, n) for n in ROWS), lambda key: [names.natural(v) for v in key[::-1]]
    )
    return [Line(key, _title(*key), "", tuple(found)) for key, found in groups.items()]


def _title(components: Setting, longer: Setting) -> str:
    return f"{components} components" + ("" if longer == 1 else f", trained {longer} times as long")
