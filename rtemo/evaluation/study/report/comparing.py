"""Tables whose rows are methods: means over runs, paired tests of ours against each other one, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Sequence
from dataclasses import dataclass, replace

from rtemo.evaluation.study.report import runs
from rtemo.evaluation.study.report.cells import Metric, cost_cells, mean_cell, paired_cell
from rtemo.evaluation.study.report.content import Block, Cell, Column, Items, Row, Table
from rtemo.evaluation.study.report.statistics import Summary, compare, summarise
from rtemo.evaluation.study.report.verdicts import Contest, power, sentence
from rtemo.evaluation.study.task import Result

Source = tuple[Sequence[Result], str]
"""Runs, and the name of one of their figures."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row to be: what identifies it, its title, the heading it stands under, and its runs."""

    key: Hashable
    title: str
    kind: str
    results: tuple[Result, ...]


Pick = Callable[[Line], Source | str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A column to be: its title, and which runs and which of their figures a row shows in it, or why it shows none."""

    title: str
    pick: Pick


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of one figure; where `tested`, a column with tests over their runs follows them."""

    title: str
    metric: Metric
    columns: Sequence[Shown]
    tested: bool = True


@dataclass(frozen=True, slots=True)
class Ours:
    """A row whose losses are said, and how it is called."""

    key: Hashable
    title: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A table, and the tests over its runs."""

    table: Table
    tests: tuple[Contest, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The table, and below it what the tests say of ours."""
        lines = tuple(sentence(test) for test in self.tests)
        return (self.table, Items(lines)) if lines else (self.table,)


def compare_lines(
    name: str,
    caption: str,
    lines: Sequence[Line],
    groups: Sequence[Group],
    *,
    ours: Sequence[Ours],
    row_settings: Sequence[str] = (),
    aside: Container[Hashable] = (),
    cost: str | None = None,
    spread: bool = True,
    first: str = "method",
    notes: Sequence[str] = (),
) -> Compared:
    """A table of methods.

    Parameters
    ----------
    name, caption : str
    lines : sequence of Line
    groups : sequence of Group
    ours : sequence of Ours
        The first one that has runs is shown in the columns with tests; each gets its sentences.
    row_settings : sequence of str
        Settings that tell rows apart: runs are paired by all others, by data set, column and seed.
    aside : container of hashable
        Keys of rows that are shown beside the others, and neither tested nor the best: bounds that saw what was hidden,
        and variants of ours.
    cost : str, optional
        The figure that is divided by training seconds; no such columns where None.
    spread : bool
        Whether SDs are shown.
    first : str
        Title of the first column.
    notes : sequence of str
        More lines below the table.
    """
    usual = _usual_runs(lines, groups)
    columns = [Column(first, number=False)]
    cells = [[Cell(line.title)] for line in lines]
    tests: list[Contest] = []

    def add(column: Column, made: Sequence[Cell]) -> None:
        columns.append(column)
        for row, cell in zip(cells, made, strict=True):
            row.append(cell)

    for group in groups:
        for shown in group.columns:
            add(Column(shown.title, group.title), _means(lines, shown, group.metric, usual, aside, spread=spread))
        found = _tests(caption, lines, group, ours, row_settings, aside) if group.tested else []
        tests += found
        if found:
            add(Column(f"{found[0].subject} better by (p)", group.title), _paired_cells(lines, found[0]))
    if cost is not None:
        spent = [
            cost_cells([runs.figure(r, cost) for r in line.results], [runs.figure(r, "train_s") for r in line.results])
            for line in lines
        ]
        add(Column("training, s", "cost"), [cell for cell, _ in spent])
        add(Column("accuracy / s", "cost"), [cell for _, cell in spent])
    rows = tuple(Row(tuple(row), line.kind) for row, line in zip(cells, lines, strict=True))
    return Compared(Table(name, caption, columns, rows, [*_notes(usual, tests, spread=spread), *notes]), tuple(tests))


def _values(line: Line, shown: Shown) -> tuple[list[float], str]:
    """The figures of a cell, and its footnote."""
    picked = shown.pick(line)
    if isinstance(picked, str):
        return [], picked
    results, name = picked
    found = [value for result in results if (value := runs.figure(result, name)) is not None]
    return found, runs.why_none(results, name)


def _usual_runs(lines: Sequence[Line], groups: Sequence[Group]) -> int:
    """How many runs most cells have; the larger number where two are as frequent."""
    counts = Counter(len(_values(line, shown)[0]) for line in lines for group in groups for shown in group.columns)
    del counts[0]
    return max(counts, key=lambda n: (counts[n], n), default=0)


def _means(
    lines: Sequence[Line], shown: Shown, metric: Metric, usual: int, aside: Container[Hashable], *, spread: bool
) -> list[Cell]:
    """The cells of a column, the best one strong."""
    found = [(summarise(values), note) for values, note in (_values(line, shown) for line in lines)]
    means = [
        round(metric.better * summary.mean, 9)
        for line, (summary, _) in zip(lines, found, strict=True)
        if summary is not None and line.key not in aside
    ]
    best = max(means) if metric.better and len(means) > 1 else None
    return [
        mean_cell(
            _without_spread(summary) if not spread else summary,
            metric,
            usual=usual,
            note=note,
            strong=summary is not None and line.key not in aside and round(metric.better * summary.mean, 9) == best,
        )
        for line, (summary, note) in zip(lines, found, strict=True)
    ]


def _without_spread(summary: Summary | None) -> Summary | None:
    return None if summary is None else replace(summary, sd=None)


def _tests(
    caption: str,
    lines: Sequence[Line],
    group: Group,
    ours: Sequence[Ours],
    row_settings: Sequence[str],
    aside: Container[Hashable],
) -> list[Contest]:
    """The tests of each of ours that has runs."""
    protocols = {str(runs.setting(result, "protocol") or "") for line in lines for result in line.results}
    protocol = next(iter(protocols)) if len(protocols) == 1 else ""
    values = {line.key: _paired(line, group, row_settings) for line in lines if line.key not in aside}
    titles = {line.key: line.title for line in lines}
    out = []
    for one in ours:
        found = compare(values, one.key, better=group.metric.better, split=_split)
        if found:
            out.append(Contest(caption, group.title, group.metric, one.key, one.title, tuple(found), titles, protocol))
    return out


def _split(pair: tuple[str, str, str, object, int]) -> Hashable:
    """Data set and seed: the runs of one share their test windows."""
    _, dataset, digest, _, seed = pair
    return dataset, digest, seed


def _paired(line: Line, group: Group, row_settings: Sequence[str]) -> dict[Hashable, float]:
    """The figures of a row by what pairs them with those of another row."""
    out: dict[Hashable, float] = {}
    for shown in group.columns:
        picked = shown.pick(line)
        if isinstance(picked, str):
            continue
        results, name = picked
        for result in results:
            value, task = runs.figure(result, name), result.task
            if value is not None:
                rest = tuple(sorted((k, str(v)) for k, v in task.settings.items() if k not in row_settings))
                out[shown.title, task.dataset, task.digest, rest, task.seed] = value
    return out


def _paired_cells(lines: Sequence[Line], test: Contest) -> list[Cell]:
    by = {comparison.other: comparison for comparison in test.comparisons}
    return [
        Cell("") if line.key == test.key else paired_cell(by.get(line.key), test.metric, "no run to pair")
        for line in lines
    ]


def _notes(usual: int, tests: Sequence[Contest], *, spread: bool) -> list[str]:
    """What the numbers of a table are."""
    many = f"Mean{' ± SD' if spread and usual > 1 else ''} over {count(usual, 'run')}; (n): over n. Bold: best mean."
    return [many, *dict.fromkeys(power(test.comparisons) for test in tests)]


HOW_TO_READ = (
    "“Better by”: mean difference over splits, above 0 where the named method is the better one; p: Wilcoxon "
    "signed-rank test over splits (data set and seed), two-sided and exact, Holm-corrected over the other rows of the "
    "table. Where a test spans several columns, the differences of a split are averaged first: its runs share windows.",
    "“Accuracy / s”: mean accuracy (0 to 1; balanced in the honest protocol) on test windows with all views, divided "
    "by mean training seconds, tuning and imputer included.",
    "Tables of the honest protocol, and their tests, speak of balanced accuracy (the mean share of each class that is "
    "right: chance is one in so many classes), for classes are not equally frequent in all sets; those of the paper's "
    "speak of accuracy, as it does.",
)


def count(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"
