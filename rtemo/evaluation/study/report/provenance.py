"""How a study was run: protocol, seeds, versions, machines, time, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

from rtemo.evaluation.study.report import names, runs
from rtemo.evaluation.study.report.cells import duration, three
from rtemo.evaluation.study.report.comparing import HOW_TO_READ, count
from rtemo.evaluation.study.report.content import Block, Cell, Column, Items, Paragraph, Row, Section, Table, text_row
from rtemo.evaluation.study.report.sections.properties import sources
from rtemo.evaluation.study.report.statistics import summarise
from rtemo.evaluation.study.report.verdicts import Contest, scores
from rtemo.evaluation.study.task import Result

MOST_ERRORS = 100


def overview(results: Sequence[Result], tests: Mapping[str, Sequence[Contest]]) -> Section:
    """What was run, and how often ours win and lose.

    Parameters
    ----------
    results : sequence of Result
    tests : mapping of str to sequence of Contest
        By title of the experiment.
    """
    failed = sum(result.error is not None for result in results)
    seconds = sum(result.seconds for result in results)
    blocks: list[Block] = [
        Paragraph(
            f"{count(len(results), 'run')} of {count(len({r.task.experiment for r in results}), 'experiment')} on "
            f"{count(len({r.task.dataset for r in results}), 'data set')}, {duration(seconds)} in all; {failed} failed."
            if results
            else "There are no results yet."
        )
    ]
    rows = [
        Row(
            (Cell(columns), Cell(protocol), Cell(subject), *(Cell(str(n), {"": n}) for n in astuple(score))),
            experiment,
        )
        for experiment, found in tests.items()
        for (columns, protocol, subject), score in scores(found).items()
    ]
    if rows:
        head = ("better, significantly", "better by mean", "equal", "worse by mean", "worse, significantly")
        columns = [Column(title, number=False) for title in ("figure", "protocol", "method")]
        columns += [Column(title, "than how many others") for title in head]
        note = (
            "Counted over all tables of an experiment. Significant: p below 0.05 after Holm's correction. To whom a "
            "method loses, and by how much, is said below each table."
        )
        blocks.append(Table("wins-and-losses", "Against how many others ours win and lose", columns, rows, (note,)))
    return Section("Overview", tuple(blocks))


def protocol(results: Sequence[Result]) -> Section:
    """How splits, labels and seeds were made, in words."""
    used = {str(runs.setting(result, "protocol")) for result in results}
    lines = [words for name, words in names.PROTOCOLS.items() if name in used]
    lines.append(_training(results))
    lines.append(
        "Transductive: the unlabelled training windows; inductive: test windows, which no method learns from. Features "
        "are standardised by the training windows or, where Table 1 says “session”, by all windows of their own "
        "session, those of a test session too (never by a label): what an offline analysis does, and a live system "
        "cannot."
    )
    seeds = sorted({result.task.seed for result in results})
    lines.append(f"Seeds: {', '.join(map(str, seeds))}." if seeds else "No seeds.")
    lines += HOW_TO_READ
    told = sources(results)
    more: list[Block] = [Paragraph("Data sets:"), Items(told)] if told else []
    return Section("Protocol", (Items(tuple(lines)), *more))


def _training(results: Sequence[Result]) -> str:
    tuning = sorted(
        {int(str(v)) for r in results if (v := runs.setting(r, "tuning")) is not None and str(v).isdecimal()}
    )
    steps = {runs.setting(r, "steps") for r in results if "steps" in r.task.settings}
    said = (
        "each method with its default settings"
        if tuning in ([], [1])
        else f"each method with the best of up to {', '.join(map(str, tuning))} settings on held-out labelled trials"
    )
    length = ", ".join(
        "as many steps as each net's default" if s is None else f"{s} steps a net"
        for s in sorted(steps, key=names.natural)
    )
    return f"Training: {said}{f'; {length}' if length else ''}."


def time_and_machine(results: Sequence[Result]) -> Section:
    """Run time by method, versions, machines."""
    rows = []
    groups = runs.grouped(
        results, lambda r: (r.task.experiment, r.task.method), lambda k: (k[0], names.method_order(k[1]))
    )
    for (experiment, method), found in groups.items():
        done = [r for r in found if r.error is None]
        mean = summarise(r.seconds for r in done)
        train = summarise(runs.figure(r, "train_s") for r in done)
        total = sum(r.seconds for r in found)
        cells = [
            Cell(experiment),
            Cell(names.method_title(method) or "none"),
            Cell(str(len(found)), {"": len(found)}),
            Cell(duration(total), {"s": total}),
        ]
        for value in (None if mean is None else mean.mean, None if train is None else train.mean):
            cells.append(Cell("-" if value is None else three(value), {"": value}))
        rows.append(Row(tuple(cells)))
    columns = [Column("experiment", number=False), Column("method", number=False)]
    columns += [Column(t) for t in ("runs", "time in all", "mean run, s", "mean training, s")]
    note = (
        "Times are those of the machines named below; methods differ in which runs they have, so that what a second of "
        "training is worth stands in the tables of each experiment."
    )
    blocks: list[Block] = [Table("time", "Run time", columns, tuple(rows), (note,))] if rows else []
    return Section("Run time, versions and machines", (*blocks, _made(results)))


def _made(results: Sequence[Result]) -> Table:
    """Each package, system and device with its versions, and how many runs had each."""
    found: dict[str, dict[str, int]] = {}
    for result in results:
        for name, version in result.made.items():
            of = found.setdefault(name, {})
            of[version] = of.get(version, 0) + 1
    rows = [text_row(name, version, str(count)) for name, of in found.items() for version, count in of.items()]
    columns = (Column("what", number=False), Column("version", number=False), Column("runs"))
    return Table("made-with", "Made with", columns, tuple(rows))


def errors(results: Sequence[Result]) -> Section | None:
    """What failed, the same error of one method told once; None where nothing did."""
    failed = [result for result in results if result.error is not None]
    if not failed:
        return None
    groups = runs.grouped(failed, lambda r: (r.task.experiment, r.task.dataset, r.task.method, str(r.error)))
    rows = [
        text_row(
            experiment,
            names.dataset_title(dataset),
            names.method_title(method) or "none",
            str(len(found)),
            ", ".join(map(str, sorted({r.task.seed for r in found}))),
            error,
        )
        for (experiment, dataset, method, error), found in groups.items()
    ]
    titles = ("experiment", "data set", "method", "runs", "seeds", "error")
    columns = [Column(title, number=title == "runs") for title in titles]
    notes = () if len(rows) <= MOST_ERRORS else (f"{len(rows) - MOST_ERRORS} more are in results.csv.",)
    caption = f"{len(failed)} of {len(results)} runs have no figures"
    return Section("Errors", (Table("errors", caption, columns, tuple(rows[:MOST_ERRORS]), notes),))
