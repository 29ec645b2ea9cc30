"""Results sorted into what belongs together: never a mean over two data sets or two ways of training."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rtemo.evaluation.study.report import names
from rtemo.evaluation.study.report.statistics import Summary, summarise
from rtemo.evaluation.study.task import Result, Setting

K = TypeVar("K", bound=Hashable)
COMPLETE, WITHOUT = "complete", "without:"
TRAINING = ("tuning", "steps")
"""Settings that are said once for the whole study, where all runs have the same."""


@dataclass(frozen=True, slots=True)
class Part:
    """Results of one data set that differ in what a table or figure shows, and in nothing else.

    Parameters
    ----------
    dataset : str
        Its name.
    title : str
        The data set, and what the results have in common.
    slug : str
        The same for the name of a file.
    results : tuple of Result
    common : mapping of str to str, int, float, bool or None
        The settings that they have in common.
    """

    dataset: str
    title: str
    slug: str
    results: tuple[Result, ...]
    common: Mapping[str, Setting]


def last_of_each(results: Iterable[Result]) -> list[Result]:
    """The last result of each task."""
    return list({result.task.key: result for result in results}.values())


def setting(result: Result, name: str) -> Setting:
    """A setting, None where the task has none of that name."""
    return result.task.settings.get(name)


def grouped(
    results: Iterable[Result], key: Callable[[Result], K], order: Callable[[K], Any] | None = None
) -> dict[K, list[Result]]:
    """Results by a key, keys in order; in the order of their first result where none is given."""
    out: dict[K, list[Result]] = {}
    for result in results:
        out.setdefault(key(result), []).append(result)
    return out if order is None else {k: out[k] for k in sorted(out, key=order)}


def parts(results: Sequence[Result], *shown: str) -> list[Part]:
    """Results apart by data set and by every setting that is not shown.

    Parameters
    ----------
    results : sequence of Result
        Of one experiment.
    *shown : str
        Settings that rows, columns or lines tell apart.
    """

    def rest(result: Result) -> tuple[tuple[str, Setting], ...]:
        return tuple((name, value) for name, value in names.in_order(result.task.settings) if name not in shown)

    def key(result: Result) -> tuple[str, str, tuple[tuple[str, Setting], ...]]:
        return result.task.dataset, result.task.digest, rest(result)

    def order(key: tuple[str, str, tuple[tuple[str, Setting], ...]]) -> Any:
        name, digest, settings = key
        return names.dataset_order(name), digest, [(n, names.natural(v)) for n, v in settings]

    constant = {name for name in TRAINING if len({setting(result, name) for result in results}) == 1}
    versions = grouped(results, lambda r: r.task.dataset)
    twice = {name for name, found in versions.items() if len({r.task.digest for r in found}) > 1}
    out = []
    for (dataset, digest, settings), found in grouped(results, key, order).items():
        title = names.dataset_title(dataset) + (f" (content {digest[:8]})" if dataset in twice else "")
        told = {name: value for name, value in settings if name not in constant}
        common, short = names.said_all(told), names.slug(told)
        slug = "-".join(filter(None, (dataset, digest[:8] if dataset in twice else "", short)))
        out.append(Part(dataset, f"{title}, {common}" if common else title, slug, tuple(found), dict(settings)))
    return out


def apart(whole: Part, *shown: str) -> list[tuple[Part, str]]:
    """The parts of a part, each with a title that says what the others do not have."""
    out = []
    found = parts(whole.results, *shown)
    differ = [n for n in (found[0].common if found else {}) if len({p.common.get(n) for p in found}) > 1]
    for part in found:
        # What the whole says of itself, its parts say too, and then what is theirs.
        more = {name: value for name, value in part.common.items() if name not in whole.common}
        said, short = names.said_all(more), names.slug(more)
        title = ", ".join(filter(None, (whole.title, said)))
        slug = "-".join(filter(None, (whole.slug, short)))
        own = names.said_all({name: part.common.get(name) for name in differ})
        out.append((replace(part, title=title, slug=slug), own))
    return out


def figure(result: Result, name: str) -> float | None:
    """A figure, None where there is none."""
    return result.figures.get(name)


def mean_of(results: Iterable[Result], name: str) -> Summary | None:
    """Mean of a figure over runs."""
    return summarise(figure(result, name) for result in results)


def inductive(metric: str, condition: str = COMPLETE) -> str:
    """Name of a figure on test windows."""
    return f"inductive.{condition}.{metric}"


def suffixes(results: Iterable[Result], prefix: str, suffix: str = "") -> list[str]:
    """What stands between prefix and suffix in the names of figures, as views in ``weight.<view>``."""
    found = (name for result in results for name in result.figures)
    inside = (n[len(prefix) : len(n) - len(suffix)] for n in found if n.startswith(prefix) and n.endswith(suffix))
    return list(dict.fromkeys(name for name in inside if name))


def hidden_views(results: Iterable[Result]) -> list[str]:
    """Views that were taken away at test."""
    return suffixes(results, f"inductive.{WITHOUT}", ".accuracy")


def chance(results: Iterable[Result]) -> float | None:
    """One in so many classes; None where results differ or do not say."""
    classes = {result.figures.get("classes") for result in results} - {None}
    only = next(iter(classes)) if len(classes) == 1 else None
    return 1 / only if only else None


def why_none(results: Sequence[Result], name: str) -> str:
    """Why a cell is empty, or lacks some of its runs; empty where it does not."""
    if not results:
        return "not run"
    wrong: dict[str, int] = {}
    for result in results:
        if result.error is not None:
            wrong[result.error] = wrong.get(result.error, 0) + 1
        elif figure(result, name) is None:
            none = figure(result, f"{name.rpartition('.')[0]}.windows") == 0
            why = "there are no such windows" if none else "not defined"
            wrong[why] = wrong.get(why, 0) + 1
    return "; ".join(f"{count} of {len(results)} runs: {text}" for text, count in wrong.items())
