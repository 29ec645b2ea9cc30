"""The whole report, from results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtemo.evaluation.study.report import names, provenance, runs
from rtemo.evaluation.study.report.content import Paragraph, Picture, Section, Table
from rtemo.evaluation.study.report.sections import SECTIONS, other
from rtemo.evaluation.study.report.verdicts import Contest
from rtemo.evaluation.study.task import Result


@dataclass(frozen=True, slots=True)
class Document:
    """Sections in the order in which they are read, the tests behind them, and the results they were made from."""

    sections: tuple[Section, ...]
    tests: tuple[Contest, ...]
    results: tuple[Result, ...]

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Table)]

    @property
    def pictures(self) -> list[Picture]:
        """All figures."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]


def document(results: Sequence[Result]) -> Document:
    """Make every table, figure and sentence; of a task with several results the last one counts."""
    results = runs.last_of_each(results)
    sections: list[Section] = []
    tests: dict[str, list[Contest]] = {}
    order = [*SECTIONS]
    by = runs.grouped(
        results,
        lambda r: r.task.experiment,
        lambda name: (order.index(name) if name in SECTIONS else len(order), name),
    )
    for name, found in by.items():
        told = SECTIONS.get(name, other)(found)
        about = names.experiment_description(name)
        intro = (Paragraph(about),) if about else ()
        sections.append(Section(names.experiment_title(name), (*intro, *told.blocks)))
        tests.setdefault(names.experiment_title(name), []).extend(told.tests)
    wrong = provenance.errors(results)
    whole = (
        provenance.overview(results, tests),
        provenance.protocol(results),
        *sections,
        provenance.time_and_machine(results),
        *(() if wrong is None else (wrong,)),
    )
    return Document(whole, tuple(test for found in tests.values() for test in found), tuple(results))
