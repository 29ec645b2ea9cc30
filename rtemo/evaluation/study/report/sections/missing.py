"""Views missing at test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.comparing import Group, Line, Ours, Pick, Shown, Source, compare_lines
from rtemo.evaluation.study.report.content import Picture
from rtemo.evaluation.study.report.figures import Bars, bar_chart
from rtemo.evaluation.study.report.headline import Headline, headline, noun
from rtemo.evaluation.study.report.sections.common import Telling, Told, within
from rtemo.evaluation.study.report.sections.incomplete import filled_title
from rtemo.evaluation.study.report.statistics import Summary, summarise
from rtemo.evaluation.study.task import Result

Key = tuple[str, str, str, str]
ROWS = ("imputer", "entropy", "views")
DEFAULT_BOUND = "bhattacharyya"
WHOLE, FILLED, ALONE = "fills missing views itself", "after an imputer", "made for one view alone"
KINDS = (WHOLE, FILLED, ALONE)
OTHER_VIEW = "was made for another view"


def missing_test(results: Sequence[Result]) -> Told:
    """All data sets side by side; a figure for each, and a table for each rate in training."""
    telling = Telling()
    _overview(telling, results)
    for whole in runs.parts(results, "rate", *ROWS):
        views = runs.hidden_views(whole.results)
        lines, apart = _lines(whole.results), runs.apart(whole, *ROWS)
        panels = []
        for part, title in apart:
            keys = {result.task.key for result in part.results}
            accuracy = headline(part.results)
            picks = _conditions(views, accuracy)
            series = {title: [_mean(pick(line), keys) for line in lines] for title, pick in picks.items()}
            panels.append(Bars(title, series, f"{accuracy.metric.noun} ± SD", chance=runs.chance(part.results)))
        caption = f"{whole.title}: {noun(whole.results)} on test windows with all views, and with each one missing"
        png = bar_chart([line.title for line in lines], panels)
        telling.add(Picture(f"missing-test-{whole.slug}", caption, caption, png))
        for part, _ in apart:
            accuracy, rows = headline(part.results), _lines(part.results)
            picks = _conditions(runs.hidden_views(part.results), accuracy)
            shown = [Shown(title, pick) for title, pick in picks.items()]
            groups = [
                Group(f"{accuracy.metric.noun} with all views, %", accuracy.metric, shown[:1]),
                Group(f"{accuracy.metric.noun} with a view missing, %", accuracy.metric, shown[1:]),
            ]
            telling.compared(
                compare_lines(
                    f"missing-test-{part.slug}",
                    f"{part.title}: {accuracy.metric.noun} with views missing at test",
                    rows,
                    groups,
                    ours=_ours(part.results),
                    row_settings=ROWS,
                    aside={line.key for line in rows if _variant(line.key)},
                    cost=accuracy.test(),
                )
            )
    return telling.told


def _overview(telling: Telling, results: Sequence[Result]) -> None:
    """A table whose columns are the data sets and their missing views; only where there are several sets."""
    sets = runs.parts(results, "rate", *ROWS)
    if len(sets) < 2:
        return
    accuracy = headline(results)
    lines = [line for line in _lines(results) if not _alone(line)]
    columns = [
        Shown(
            f"{names.dataset_title(part.dataset)}, without {view}",
            within(part, accuracy.test(f"{runs.WITHOUT}{view}")),
        )
        for part in sets
        for view in runs.hidden_views(part.results)
    ]
    telling.compared(
        compare_lines(
            "missing-test-overview",
            f"All data sets: {accuracy.metric.noun} with a view missing at test, mean over all rates in training",
            lines,
            [Group(f"{accuracy.metric.noun} with a view missing, all data sets, %", accuracy.metric, columns)],
            ours=_ours(results),
            row_settings=ROWS,
            aside={line.key for line in lines if _variant(line.key)},
            spread=False,
        )
    )


def _key(result: Result) -> Key:
    imputer, entropy, view = (runs.setting(result, name) for name in ROWS)
    return result.task.method, str(imputer or "none"), str(entropy or ""), "" if view in (None, "both") else str(view)


def _kind(key: Key) -> str:
    return ALONE if key[3] else WHOLE if key[1] == "none" else FILLED


def _lines(results: Sequence[Result]) -> list[Line]:
    """A row for each method with its bound, its imputer, or its only view."""

    def order(key: Key) -> tuple[int, bool, tuple[int, int, str], tuple[int, str], str, str]:
        method, imputer, entropy, view = key
        ranks = names.method_order(method), names.imputer_order(imputer)
        return KINDS.index(_kind(key)), method != names.OURS[0], *ranks, entropy, view

    return [
        Line(key, _title(key), _kind(key), tuple(found)) for key, found in runs.grouped(results, _key, order).items()
    ]


def _title(key: Key) -> str:
    method, imputer, entropy, view = key
    title = filled_title(method, imputer)
    if entropy:
        title += f" ({entropy} bound)"
    return f"{title}, {view} alone" if view else title


def _ours(results: Sequence[Result]) -> list[Ours]:
    """SiMVAE and SMVAE with the default bound, or with the one that was run."""
    out = []
    for name in names.OURS:
        keys = sorted({key for key in map(_key, results) if key[0] == name and _kind(key) == WHOLE}, key=_bound)
        out += [Ours(key, names.method_title(name)) for key in keys[:1]]
    return out


def _variant(key: Hashable) -> bool:
    """Whether a row is ours with the other bound."""
    return isinstance(key, tuple) and key[0] in names.OURS and _bound((key[0], key[1], key[2], key[3]))[0]


def _bound(key: Key) -> tuple[bool, str]:
    return key[2] not in ("", DEFAULT_BOUND), key[2]


def _conditions(views: Sequence[str], accuracy: Headline) -> dict[str, Pick]:
    """What a row shows with all views, and without each; a model of one view has that one with all that is left."""

    def complete(line: Line) -> Source | str:
        return "sees one view only" if _alone(line) else (line.results, accuracy.test())

    def without(gone: str) -> Pick:
        def pick(line: Line) -> Source | str:
            own = _alone(line)
            if not own:
                return line.results, accuracy.test(f"{runs.WITHOUT}{gone}")
            if [view for view in views if view != gone] == [own]:
                return line.results, accuracy.test()
            return OTHER_VIEW

        return pick

    return {"all views": complete, **{f"without {view}": without(view) for view in views}}


def _alone(line: Line) -> str:
    return line.key[3] if isinstance(line.key, tuple) else ""


def _mean(picked: Source | str, keys: set[str]) -> Summary | None:
    if isinstance(picked, str):
        return None
    results, name = picked
    return summarise(runs.figure(r, name) for r in results if r.task.key in keys)
