"""Figures 3, 4 and 5: views missing in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import NOTHING, Metric
from rtemo.evaluation.study.report.comparing import Compared, Group, Line, Ours, compare_lines
from rtemo.evaluation.study.report.content import Paragraph, Picture
from rtemo.evaluation.study.report.figures import MEANS, Curve, Curves, line_chart
from rtemo.evaluation.study.report.headline import Headline, headline, noun
from rtemo.evaluation.study.report.maps import matrix_grid
from rtemo.evaluation.study.report.sections.common import Telling, Told, by_setting, share, side_by_side, values_of
from rtemo.evaluation.study.report.statistics import Summary
from rtemo.evaluation.study.task import Result, Setting

NMSE = Metric("||X - X'|| / ||X||", "imputation error", percent=False, better=-1)
R2 = Metric("R²", "R²", percent=False)
WORST_R2 = -1.0


def figure3(results: Sequence[Result]) -> Told:
    """All data sets side by side; a figure for each over the rate, protocols side by side, and a table for each."""
    telling = Telling()
    _overview(telling, results)
    for whole in runs.parts(results, "rate", "imputer", "protocol", "labels"):
        apart = runs.apart(whole, "rate", "imputer")
        panels = []
        for part, title in apart:
            lines, rates, shown = _by_filling(part.results), values_of(part.results, "rate"), headline(part.results)
            curves = [_curve(line, _look(line), rates, shown.test()) for line in lines]
            panels.append(Curves(title, curves, shown.metric.noun, chance=runs.chance(part.results)))
        caption = (
            f"{whole.title}: {noun(whole.results)} on complete test windows over the share of training windows that "
            "lack a view"
        )
        telling.add(_lines_of_rates(f"figure3-{whole.slug}", caption, panels, whole.results))
        for part, _ in apart:
            shown = headline(part.results)
            columns = by_setting("rate", values_of(part.results, "rate"), shown.test(), share)
            telling.compared(
                _compared(
                    f"figure3-{part.slug}",
                    f"{part.title}: {shown.metric.noun} by share of training windows that lack a view",
                    part.results,
                    Group(shown.metric.title, shown.metric, columns),
                    shown,
                )
            )
    return telling.told


def _overview(telling: Telling, results: Sequence[Result]) -> None:
    """A table for each protocol, its columns the data sets; only where there are several."""
    for protocol, found, shown, columns in side_by_side(results, "rate", "imputer", "labels"):
        telling.compared(
            _compared(
                f"figure3-overview-{protocol}",
                f"All data sets, {protocol} protocol: {shown.metric.noun} on complete test windows, mean over all "
                "shares of training windows that lack the view",
                found,
                Group(f"{shown.metric.noun}, all data sets, %", shown.metric, columns),
                shown,
                spread=False,
            )
        )


def _compared(
    name: str, caption: str, results: Sequence[Result], group: Group, shown: Headline, *, spread: bool = True
) -> Compared:
    return compare_lines(
        name,
        caption,
        _by_filling(results),
        [group],
        cost=shown.test(),
        ours=[Ours(("simvae", "none"), names.method_title("simvae"))],
        row_settings=("imputer",),
        aside={("smvae", "full-data")},
        spread=spread,
    )


def figure4(results: Sequence[Result]) -> Told:
    """Errors of imputers over the rate."""
    telling = Telling()
    for whole in runs.parts(results, "rate", "protocol"):
        apart = runs.apart(whole, "rate")
        panels = []
        for metric, figure, floor in ((NMSE, "nmse", None), (R2, "r2", WORST_R2)):
            for part, title in apart:
                lines, rates = _by_imputer(part.results), values_of(part.results, "rate")
                curves = [_curve(line, str(line.key), rates, figure) for line in lines]
                panels.append(Curves(title, curves, metric.title, percent=False, floor=floor))
        caption = (
            f"{whole.title}: error of imputed windows as the paper prints it (small is good), and R² (1 is perfect, 0 "
            f"is the mean; below {WORST_R2:g} it is left out), over the share of training windows that lack the view"
        )
        telling.add(_lines_of_rates(f"figure4-{whole.slug}", caption, panels, whole.results))
        for part, _ in apart:
            rates = values_of(part.results, "rate")
            groups = [
                Group("error ||X - X'|| / ||X||", NMSE, by_setting("rate", rates, "nmse", share)),
                Group("R²", R2, by_setting("rate", rates, "r2", share), tested=False),
            ]
            telling.compared(
                compare_lines(
                    f"figure4-{part.slug}",
                    f"{part.title}: error of imputation",
                    _by_imputer(part.results),
                    groups,
                    ours=[Ours("simvae", names.imputer_title("simvae"))],
                    first="imputer",
                )
            )
    return telling.told


def figure5(results: Sequence[Result]) -> Told:
    """What was hidden and what each imputer makes of it, on one colour scale."""
    telling = Telling()
    for part in runs.parts(results):
        panels: list[tuple[str, NDArray[np.float64]]] = []
        lost = []
        for result in sorted(part.results, key=lambda r: names.imputer_order(r.task.method)):
            title = names.imputer_title(result.task.method)
            original, found = (_matrix(result.arrays.get(n)) for n in ("original", f"recovered.{result.task.method}"))
            if original is None or found is None or original.shape != found.shape:
                lost.append(f"{title}: {result.error or 'no matrices were kept'}.")
                continue
            if not panels:
                panels.append(("hidden", original))
            elif not np.array_equal(panels[0][1], original, equal_nan=True):
                lost.append(f"{title}: was given other windows than the first one.")
                continue
            panels.append((f"{title}: {_errors(result)}", found))
        if panels:
            alt = f"Windows that were hidden, and as {len(panels) - 1} imputers recovered them"
            caption = f"{part.title}: windows of the hidden view (rows, sorted by class), and as they were recovered"
            png = matrix_grid(panels, "feature", "window")
            telling.add(Picture(f"figure5-{part.slug}", caption, alt, png))
        telling.add(*(Paragraph(f"{part.title}: {line}") for line in lost))
    return telling.told


def _by_filling(results: Sequence[Result]) -> list[Line]:
    """A row for each method and who fills its missing views: ours first, then bounds, then the others."""

    def key(result: Result) -> tuple[str, str]:
        return result.task.method, str(runs.setting(result, "imputer"))

    def order(key: tuple[str, str]) -> tuple[bool, bool, tuple[int, int, str], tuple[int, str]]:
        method, imputer = key
        return imputer != "none", imputer not in names.BOUNDS, names.method_order(method), names.imputer_order(imputer)

    return [
        Line((method, imputer), filled_title(method, imputer), "", tuple(found))
        for (method, imputer), found in runs.grouped(results, key, order).items()
    ]


def filled_title(method: str, imputer: str) -> str:
    """A method and who fills its missing views."""
    title = names.method_title(method)
    if imputer in ("none", "None"):
        return title
    return (
        f"{title}, {names.imputer_title(imputer)}"
        if imputer in names.BOUNDS
        else (f"{names.imputer_title(imputer)} + {title}")
    )


def _look(line: Line) -> str:
    """Whose look a line has: bounds and ours have their own."""
    method, imputer = line.key if isinstance(line.key, tuple) else ("", "")
    return imputer if imputer in names.BOUNDS else method if imputer == "none" else f"{method}+{imputer}"


def _by_imputer(results: Sequence[Result]) -> list[Line]:
    groups = runs.grouped(results, lambda r: r.task.method, names.imputer_order)
    return [Line(name, names.imputer_title(name), "", tuple(found)) for name, found in groups.items()]


def _curve(line: Line, look: str, rates: Sequence[Setting], figure: str) -> Curve:
    numbers = [rate for rate in rates if isinstance(rate, int | float)]
    points: list[Summary | None] = [
        runs.mean_of([r for r in line.results if runs.setting(r, "rate") == rate], figure) for rate in numbers
    ]
    return Curve(look, line.title, [float(rate) for rate in numbers], points)


def _lines_of_rates(name: str, caption: str, panels: Sequence[Curves], results: Sequence[Result]) -> Picture:
    ticks = [float(rate) for rate in values_of(results, "rate") if isinstance(rate, int | float)]
    png = line_chart(panels, "training windows that lack the view", percent_x=True, ticks=ticks)
    return Picture(name, f"{caption}. {MEANS}", caption, png)


def _errors(result: Result) -> str:
    error, r2 = runs.figure(result, "nmse"), runs.figure(result, "r2")
    told = [NOTHING if value is None else two.number(value) for value, two in ((error, NMSE), (r2, R2))]
    return f"error {told[0]}, R² {told[1]}"


def _matrix(values: object) -> NDArray[np.float64] | None:
    """A matrix of numbers, None where it is none."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.ndim == 2 and found.size else None
