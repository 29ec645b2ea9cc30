"""What sections share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.comparing import Compared, Line, Ours, Pick, Shown, Source
from rtemo.evaluation.study.report.content import Block
from rtemo.evaluation.study.report.headline import Headline, headline
from rtemo.evaluation.study.report.verdicts import Contest
from rtemo.evaluation.study.task import Result, Setting


@dataclass(frozen=True, slots=True)
class Told:
    """What a section says, and the tests behind it."""

    blocks: tuple[Block, ...]
    tests: tuple[Contest, ...] = ()


class Telling:
    """Collects what a section says."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._tests: list[Contest] = []

    def add(self, *blocks: Block) -> None:
        """Blocks, in the order in which they are read."""
        self._blocks += blocks

    def compared(self, compared: Compared) -> None:
        """A table with its tests."""
        self._blocks += compared.blocks
        self._tests += compared.tests

    @property
    def told(self) -> Told:
        """All of it."""
        return Told(tuple(self._blocks), tuple(self._tests))


OURS = tuple(Ours(name, names.method_title(name)) for name in names.OURS)


def by_method(results: Iterable[Result]) -> list[Line]:
    """A row for each method, those of a kind together."""
    groups = runs.grouped(results, lambda r: r.task.method, names.method_order)
    return [
        Line(name, names.method_title(name), names.method_kind(name), tuple(found)) for name, found in groups.items()
    ]


def with_setting(name: str, value: Setting, figure: str) -> Pick:
    """Of a row, the runs with a setting, and a figure of them."""

    def pick(line: Line) -> Source:
        return [r for r in line.results if runs.setting(r, name) == value], figure

    return pick


def within(part: runs.Part, figure: str) -> Pick:
    """Of a row, the runs of a part, and a figure of them."""
    keys = {result.task.key for result in part.results}

    def pick(line: Line) -> Source:
        return [r for r in line.results if r.task.key in keys], figure

    return pick


def side_by_side(results: Iterable[Result], *shown: str) -> Iterator[tuple[str, list[Result], Headline, list[Shown]]]:
    """Of each protocol that has several data sets: its runs, which accuracy they are told in, and a column a set.

    Parameters
    ----------
    results : iterable of Result
    *shown : str
        Settings over which a column is a mean, or that rows tell apart.
    """
    for protocol, found in runs.grouped(results, lambda r: runs.setting(r, "protocol"), str).items():
        sets = runs.parts(found, "protocol", *shown)
        if len(sets) > 1:
            accuracy = headline(found)
            yield str(protocol), found, accuracy, [Shown(part.title, within(part, accuracy.test())) for part in sets]


def all_runs(figure: str) -> Pick:
    """Of a row, all runs, and a figure of them."""
    return lambda line: (line.results, figure)


def by_setting(name: str, values: Sequence[Setting], figure: str, title: Callable[[Setting], str] = str) -> list[Shown]:
    """A column for each value of a setting."""
    return [Shown(title(value), with_setting(name, value, figure)) for value in values]


def values_of(results: Iterable[Result], name: str) -> list[Setting]:
    """The values of a setting, in order."""
    return sorted({runs.setting(r, name) for r in results}, key=names.natural)


def share(value: Setting) -> str:
    """A share as a column's title."""
    return f"{100 * value:g} %" if isinstance(value, float | int) else str(value)
