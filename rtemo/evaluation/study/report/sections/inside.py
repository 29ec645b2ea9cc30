"""Figure 2 and Figure 6: what unlabelled windows, single views and the weights of losses do for accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import Metric
from rtemo.evaluation.study.report.comparing import Group, Line, Shown, compare_lines
from rtemo.evaluation.study.report.content import Picture
from rtemo.evaluation.study.report.figures import MEANS, Bars, Curve, Curves, bar_chart, line_chart
from rtemo.evaluation.study.report.headline import headline, noun
from rtemo.evaluation.study.report.maps import Heat, heat_maps
from rtemo.evaluation.study.report.sections.common import (
    OURS,
    Telling,
    Told,
    all_runs,
    by_method,
    by_setting,
    share,
    values_of,
)
from rtemo.evaluation.study.task import Result

WEIGHT = Metric("posterior weight", "posterior weight", percent=False, better=0)
CONTRIBUTION = Metric("contribution", "contribution", percent=False, better=0)
SAYS = {"weight": WEIGHT, "contribution": CONTRIBUTION}
APART = ("protocol", "labels")


def figure2(results: Sequence[Result]) -> Told:
    """Its three parts, as far as they were run."""
    telling = Telling()
    by_part = runs.grouped(results, lambda r: str(runs.setting(r, "part")), str)
    for part, tell in (("a", _unlabelled), ("b", _weights), ("c", _views)):
        tell(telling, by_part.get(part, []))
    return telling.told


def _unlabelled(telling: Telling, results: Sequence[Result]) -> None:
    """(a) Accuracy over the share of unlabelled windows that is used."""
    name = "unlabelled_share"
    for whole in runs.parts(results, "part", name, *APART):
        apart = runs.apart(whole, "part", name)
        panels = []
        for part, title in apart:
            shares = [v for v in values_of(part.results, name) if isinstance(v, int | float)]
            accuracy = headline(part.results)
            test = accuracy.test()
            curves = [
                Curve(
                    str(line.key),
                    line.title,
                    shares,
                    [runs.mean_of([r for r in line.results if runs.setting(r, name) == v], test) for v in shares],
                )
                for line in by_method(part.results)
            ]
            panels.append(Curves(title, curves, accuracy.metric.noun, chance=runs.chance(part.results)))
        what = f"{noun(whole.results)} on test windows over the share of unlabelled windows that is used"
        caption = f"(a) {whole.title}: {what}"
        png = line_chart(panels, "unlabelled training windows used", percent_x=True)
        telling.add(Picture(f"figure2a-{whole.slug}", f"{caption}. {MEANS}", caption, png))
        for part, _ in apart:
            accuracy = headline(part.results)
            shown = by_setting(name, values_of(part.results, name), accuracy.test(), share)
            telling.compared(
                compare_lines(
                    f"figure2a-{part.slug}",
                    f"(a) {part.title}: {accuracy.metric.noun} by share of unlabelled windows used",
                    by_method(part.results),
                    [Group(accuracy.metric.title, accuracy.metric, shown)],
                    ours=OURS,
                    cost=accuracy.test(),
                )
            )


def _weights(telling: Telling, results: Sequence[Result]) -> None:
    """(b) Posterior weights beside contributions."""
    for whole in runs.parts(results, "part", *APART):
        views = runs.suffixes(whole.results, "weight.")
        lines = _by_method_and_protocol(whole.results)
        if views:
            panels = [
                Bars(
                    metric.title,
                    {view: [runs.mean_of(line.results, f"{figure}.{view}") for line in lines] for view in views},
                    f"mean {metric.title} ± SD",
                    percent=False,
                )
                for figure, metric in SAYS.items()
            ]
            caption = f"(b) {whole.title}: posterior weight of each view, and its contribution to decisions"
            png = bar_chart([line.title for line in lines], panels)
            telling.add(Picture(f"figure2b-{whole.slug}", caption, caption, png))
        groups = [
            Group(metric.title, metric, [Shown(view, all_runs(f"{figure}.{view}")) for view in views], tested=False)
            for figure, metric in SAYS.items()
        ]
        note = (
            "The weight is the view's share in the posterior of z and not its say in the decision; the contribution "
            "(Shapley value for the winning class) is."
        )
        name, caption = f"figure2b-{whole.slug}", f"(b) {whole.title}: weights and contributions"
        telling.compared(compare_lines(name, caption, lines, groups, ours=(), notes=[note]))


def _by_method_and_protocol(results: Sequence[Result]) -> list[Line]:
    groups = runs.grouped(
        results,
        lambda r: (r.task.method, str(runs.setting(r, "protocol"))),
        lambda key: (names.method_order(key[0]), key[1]),
    )
    return [
        Line((method, protocol), f"{names.method_title(method)}, {protocol} protocol", "", tuple(found))
        for (method, protocol), found in groups.items()
    ]


def _views(telling: Telling, results: Sequence[Result]) -> None:
    """(c) Each view alone and both together."""
    for whole in runs.parts(results, "part", "views", *APART):
        apart = runs.apart(whole, "part", "views")
        methods = by_method(whole.results)
        panels = []
        for part, title in apart:
            keys, accuracy = {r.task.key for r in part.results}, headline(part.results)
            test = accuracy.test()
            series = {
                str(view): [
                    runs.mean_of(
                        [r for r in m.results if r.task.key in keys and runs.setting(r, "views") == view], test
                    )
                    for m in methods
                ]
                for view in values_of(part.results, "views")
            }
            panels.append(Bars(title, series, f"{accuracy.metric.noun} ± SD", chance=runs.chance(part.results)))
        caption = f"(c) {whole.title}: {noun(whole.results)} on test windows with each view alone and with both"
        png = bar_chart([method.title for method in methods], panels)
        telling.add(Picture(f"figure2c-{whole.slug}", caption, caption, png))
        for part, _ in apart:
            accuracy = headline(part.results)
            shown = by_setting("views", values_of(part.results, "views"), accuracy.test())
            telling.compared(
                compare_lines(
                    f"figure2c-{part.slug}",
                    f"(c) {part.title}: {accuracy.metric.noun} with each view alone and with both",
                    by_method(part.results),
                    [Group(accuracy.metric.title, accuracy.metric, shown)],
                    ours=OURS,
                    cost=accuracy.test(),
                )
            )


def figure6(results: Sequence[Result]) -> Told:
    """Accuracy over c1 and c2: a heat map for each data set, protocols side by side, and its numbers."""
    telling = Telling()
    for method, found in runs.grouped(results, lambda r: r.task.method, names.method_order).items():
        for whole in runs.parts(found, "c1", "c2", *APART):
            panels, of = [], f"of {names.method_title(method)}"
            for part, title in runs.apart(whole, "c1", "c2"):
                accuracy = headline(part.results)
                test, what = accuracy.test(), f"{accuracy.metric.noun} {of}"
                by_c1 = runs.grouped(part.results, lambda r: runs.setting(r, "c1"), names.natural)
                lines = [Line(c1, f"c1 = {c1}", "", tuple(some)) for c1, some in by_c1.items()]
                c2 = values_of(part.results, "c2")
                shown = by_setting("c2", c2, test, lambda value: f"c2 = {value}")
                cells = [
                    [runs.mean_of([r for r in some if runs.setting(r, "c2") == v], test) for v in c2]
                    for some in by_c1.values()
                ]
                panels.append(
                    Heat(
                        ", ".join(filter(None, (title, accuracy.metric.noun))),
                        [str(v) for v in by_c1],
                        [str(v) for v in c2],
                        cells,
                    )
                )
                group = Group(f"{what}, %", accuracy.metric, shown, tested=False)
                name, caption = f"figure6-{part.slug}", f"{part.title}: {what} by c1 and c2"
                telling.compared(compare_lines(name, caption, lines, [group], ours=(), cost=test, first="c1"))
            caption = f"{whole.title}: {noun(whole.results)} {of} over c1 and c2, mean ± SD over runs, %"
            png = heat_maps(panels, "c2 (classification)", "c1 (imputation)", noun(whole.results))
            telling.add(Picture(f"figure6-{whole.slug}", caption, caption, png))
    return telling.told
