"""Which accuracy is spoken of, on results whose two accuracies say the opposite of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import made_up_results as made
import pytest

from rtemo.evaluation.study.report.cells import ACCURACY, BALANCED
from rtemo.evaluation.study.report.content import Cell, Row, Table
from rtemo.evaluation.study.report.figures import Bars, Curves
from rtemo.evaluation.study.report.headline import beside, headline, noun
from rtemo.evaluation.study.report.maps import Heat
from rtemo.evaluation.study.report.sections import SECTIONS, incomplete, inside, missing
from rtemo.evaluation.study.report.sections.common import Told
from rtemo.evaluation.study.report.statistics import Summary
from rtemo.evaluation.study.task import Result, Setting

pytestmark = pytest.mark.usefixtures("undrawn")

SECONDS, SEEDS = 2.0, 8
RIGHT, EACH = 0.9, 0.3


def one(**settings: Setting) -> Result:
    return made.result("table2", "lr", 0, made.scored(0.5), **settings)


PAPER, HONEST, NONE = one(protocol="paper"), one(protocol="honest"), one()


def test_the_paper_alone_is_told_in_its_own_figure() -> None:
    shown = headline([PAPER, PAPER])
    assert shown.metric is ACCURACY
    assert (shown.test(), shown.train) == ("inductive.complete.accuracy", "transductive.complete.accuracy")
    assert shown.test("without:eeg") == "inductive.without:eeg.accuracy"


@pytest.mark.parametrize("results", [[HONEST], [NONE], [PAPER, HONEST], [HONEST, PAPER], [PAPER, NONE], []])
def test_all_else_is_told_in_balanced_accuracy(results: list[Result]) -> None:
    shown = headline(iter(results))
    assert shown.metric is BALANCED
    assert shown.test() == "inductive.complete.balanced_accuracy"
    assert shown.train == "transductive.complete.balanced_accuracy"
    assert shown.test("without:eeg") == "inductive.without:eeg.balanced_accuracy"


def test_a_figure_with_panels_of_both_protocols_says_accuracy() -> None:
    assert noun([PAPER, PAPER]) == "accuracy"
    assert noun([HONEST, NONE]) == "balanced accuracy"
    assert noun([PAPER, HONEST]) == "accuracy"


def test_beside_one_stands_the_other() -> None:
    paper, honest = headline([PAPER]), headline([HONEST])
    assert beside(paper) == honest
    assert beside(honest) == paper


def opposed(protocol: str) -> Told:
    """Of two methods, one has more windows right, and the other one more of each class, with every seed."""
    runs = []
    for method, accuracy, balanced in (("simvae", 0.9, 0.4), ("lr", 0.6, 0.5)):
        for seed in range(SEEDS):
            figures = made.scored(0.0, SECONDS)
            for part in ("inductive", "transductive"):
                figures[f"{part}.complete.accuracy"] = accuracy + 0.001 * seed
                figures[f"{part}.complete.balanced_accuracy"] = balanced + 0.001 * seed
            runs.append(made.result("table2", method, seed, figures, protocol=protocol, labels="all"))
    return SECTIONS["table2"](runs)


def cells(told: Told, name: str, title: str) -> dict[tuple[str, str], Cell]:
    """Of a row, the cells by title and group of their column."""
    (table,) = [b for b in told.blocks if isinstance(b, Table) and b.name == name]
    (row,) = [row for row in table.rows if row.cells[0].text == title]
    return {(c.title, c.group): found for c, found in zip(table.columns, row.cells, strict=True)}


# By hand: eight splits of one sign are 2 / 256; one other method, so that Holm's correction changes nothing.
@pytest.mark.parametrize(
    ("protocol", "said", "other", "means", "gap", "verdict"),
    [
        ("paper", "accuracy", "balanced accuracy", (0.9035, 0.4035), 0.3, "it is significantly better than 1 of 1"),
        ("honest", "balanced accuracy", "accuracy", (0.4035, 0.9035), -0.1, "loses to Logistic regression (by 10.0"),
    ],
)
def test_means_tests_and_costs_of_a_table_are_of_the_same_accuracy(
    protocol: str, said: str, other: str, means: tuple[float, float], gap: float, verdict: str
) -> None:
    told = opposed(protocol)
    ours = cells(told, f"table2-noneeg-{protocol}-accuracy", "SiMVAE")
    for part in ("inductive", "transductive"):
        assert ours["all", f"{part} {said}, %"].values["mean"] == pytest.approx(means[0])
    assert ours["accuracy / s", "cost"].values[""] == pytest.approx(means[0] / SECONDS)
    spent = cells(told, f"table2-noneeg-{protocol}-cost", "SiMVAE")
    assert spent["all", f"inductive {said} / training s"].values[""] == pytest.approx(means[0] / SECONDS)
    quality = cells(told, f"table2-noneeg-{protocol}-quality", "SiMVAE")
    assert quality["all", f"{other}, %"].values["mean"] == pytest.approx(means[1])

    (test,) = [t for t in told.tests if t.group == f"inductive {said}, %" and t.subject == "SiMVAE"]
    (found,) = test.comparisons
    assert found.splits == SEEDS
    assert found.ahead == pytest.approx(gap)
    assert found.p == pytest.approx(2 / 256) == pytest.approx(found.adjusted)
    lines = [line for block in told.blocks if hasattr(block, "lines") for line in block.lines]
    assert any(line.startswith(f"Inductive {said}: SiMVAE ") and verdict in line for line in lines)


def test_data_sets_side_by_side_have_the_accuracy_of_their_protocol() -> None:
    runs = apart(made.table2(1, "noneeg", ["simvae", "lr"]) + made.table2(1, "eegmat", ["simvae", "lr"]))
    told = SECTIONS["table2"](runs)
    for protocol, mean in (("paper", RIGHT), ("honest", EACH)):
        shown = cells(told, f"table2-overview-{protocol}", "SiMVAE")
        for dataset in ("Non-EEG", "EEG, mental arithmetic"):
            (found,) = [found for (title, _), found in shown.items() if title == dataset]
            assert found.values["mean"] == pytest.approx(mean)


def apart(results: Sequence[Result]) -> list[Result]:
    """The same runs, all of one accuracy and of another balanced accuracy."""

    def other(name: str, value: float | None) -> float | None:
        metric = name.rpartition(".")[2]
        return RIGHT if metric == "accuracy" else EACH if metric == "balanced_accuracy" else value

    return [replace(r, figures={name: other(name, value) for name, value in r.figures.items()}) for r in results]


def sizes() -> list[Result]:
    return [
        made.result("sizes", "simvae", seed, made.scored(0.5), protocol="honest", labels="all", components=n, longer=1)
        for seed in range(2)
        for n in (8, 16)
    ]


EVERY: dict[str, Callable[[], list[Result]]] = {
    "table2": lambda: made.table2(2, methods=["simvae", "lr"]),
    "figure2": lambda: made.figure2(2, methods=["simvae", "lr"]),
    "figure3": lambda: made.figure3(2),
    "figure6": lambda: made.figure6(2),
    "missing-test": lambda: made.missing(2),
    "calibration": lambda: made.calibration(2, methods=["simvae", "lr"]),
    "sizes": sizes,
}


def accuracies(told: Told) -> Iterator[tuple[str, str, Row, Cell]]:
    """The means of accuracies in all tables: name of the table, group of the column, row, cell."""
    for table in (b for b in told.blocks if isinstance(b, Table)):
        for place, column in enumerate(table.columns):
            if "accuracy" in column.group and "better by" not in column.title:
                for row in table.rows:
                    if "mean" in row.cells[place].values:
                        yield table.name, column.group, row, row.cells[place]


@pytest.mark.parametrize("experiment", EVERY)
def test_a_column_holds_the_accuracy_that_its_heading_names(experiment: str) -> None:
    told = SECTIONS[experiment](apart(EVERY[experiment]()))
    seen = 0
    for name, group, row, cell in accuracies(told):
        # The table of calibration in Table 2 holds the one that the table before it does not.
        assert ("balanced accuracy" in group) is (("-honest" in name) is not name.endswith("-quality")), name
        if cell.values["mean"] is not None:
            assert cell.values["mean"] == pytest.approx(EACH if "balanced" in group else RIGHT), (name, row)
            seen += 1
    assert seen


@pytest.mark.parametrize("experiment", EVERY)
def test_accuracy_per_second_is_of_the_headline(experiment: str) -> None:
    told = SECTIONS[experiment](apart(EVERY[experiment]()))
    seen = 0
    for table in (b for b in told.blocks if isinstance(b, Table)):
        titles = [c.title for c in table.columns]
        if "accuracy / s" not in titles:
            continue
        worth, spent = titles.index("accuracy / s"), titles.index("training, s")
        for row in table.rows:
            seconds, ratio = row.cells[spent].values["mean"], row.cells[worth].values[""]
            assert isinstance(seconds, float)
            assert isinstance(ratio, float)
            assert ratio * seconds == pytest.approx(EACH if "-honest" in table.name else RIGHT), table.name
            seen += 1
    assert seen


@pytest.mark.parametrize(
    ("experiment", "module", "chart"),
    [
        ("figure2", inside, "line_chart"),
        ("figure2", inside, "bar_chart"),
        ("figure3", incomplete, "line_chart"),
        ("figure6", inside, "heat_maps"),
        ("missing-test", missing, "bar_chart"),
    ],
)
def test_a_figure_draws_the_accuracy_of_its_protocol(
    experiment: str, module: object, chart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Curves | Bars | Heat] = []

    def keep(*given: Iterable[object], **_: object) -> bytes:
        for panels in given:
            drawn.extend(p for p in panels if isinstance(p, Curves | Bars | Heat))
        return b""

    monkeypatch.setattr(module, chart, keep)
    SECTIONS[experiment](apart(EVERY[experiment]()))
    means: dict[str, set[float]] = {}
    for panel in drawn:
        if isinstance(panel, Curves):
            axis, points = panel.y, [point for curve in panel.curves for point in curve.points]
        elif isinstance(panel, Bars):
            axis, points = panel.x, [point for series in panel.series.values() for point in series]
        else:  # Panels of maps name no figure; their title names the protocol.
            axis = "balanced accuracy" if "honest" in panel.title else "accuracy"
            points = [point for line in panel.cells for point in line]
        if "accuracy" in axis:
            means.setdefault(axis.removesuffix(" ± SD"), set()).update(rounded(points))
    both = {"accuracy": {RIGHT}, "balanced accuracy": {EACH}}
    assert means == (both if experiment != "missing-test" else {"balanced accuracy": {EACH}})


def rounded(points: Sequence[Summary | None]) -> set[float]:
    return {round(point.mean, 9) for point in points if point is not None}
