"""What tests say of a method, in sentences: first of all, to whom it loses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from rtemo.evaluation.study.report.cells import Metric, p_text
from rtemo.evaluation.study.report.statistics import LEVEL, Comparison, smallest_p


@dataclass(frozen=True, slots=True)
class Contest:
    """One of ours against every other row of a table.

    Parameters
    ----------
    table, group : str
        Caption of the table, and title of the columns.
    metric : Metric
    key : hashable
        Of the row that is ours.
    subject : str
        How it is called.
    comparisons : tuple of Comparison
    titles : mapping of hashable to str
        How the others are called.
    protocol : str
        Of the runs; empty where they have none, or several.
    """

    table: str
    group: str
    metric: Metric
    key: Hashable
    subject: str
    comparisons: tuple[Comparison, ...]
    titles: Mapping[Hashable, str]
    protocol: str = ""

    @property
    def of(self) -> str:
        """The columns without their unit."""
        return self.group.removesuffix(", %").removesuffix(", nats")

    @property
    def lost(self) -> list[Comparison]:
        """Those that are significantly better, worst loss first."""
        return sorted((c for c in self.comparisons if c.behind and c.significant), key=lambda c: c.ahead)

    @property
    def trailing(self) -> list[Comparison]:
        """Those that have the better mean, and no more than that; worst first."""
        return sorted((c for c in self.comparisons if c.behind and not c.significant), key=lambda c: c.ahead)

    @property
    def won(self) -> list[Comparison]:
        """Those that are significantly worse."""
        return [c for c in self.comparisons if c.leads and c.significant]

    @property
    def leading(self) -> list[Comparison]:
        """Those that have the worse mean, and no more than that."""
        return [c for c in self.comparisons if c.leads and not c.significant]


def sentence(test: Contest) -> str:
    """To whom one of ours loses; that it loses to nobody, where that is so."""
    said = []
    if test.lost:
        said.append(f"loses to {_listed(test, test.lost)}")
    if test.trailing:
        said.append(f"is behind by mean, not significantly: {_listed(test, test.trailing)}")
    others = len(test.comparisons)
    if not said:
        said.append(f"loses to none of the {others} others, not even by mean")
    if test.won:
        said.append(f"it is significantly better than {len(test.won)} of {others}")
    if test.leading:
        said.append(f"it is ahead of {len(test.leading)} of {others} by mean, not significantly")
    return f"{test.of[:1].upper()}{test.of[1:]}: {test.subject} {'; '.join(said)}."


def power(comparisons: Sequence[Comparison]) -> str:
    """What the smallest p is that so many splits can give, alone and after Holm's correction over so many others."""
    splits, others = max(c.splits for c in comparisons), len(comparisons)
    least = smallest_p(splits)
    corrected = min(1.0, least * others)
    said = (
        f"{splits} split{'' if splits == 1 else 's'}: no p can be smaller than 2 × 2^-{splits} = {least:.2g} "
        f"({corrected:.2g} after Holm over {others})"
    )
    if corrected >= LEVEL:
        said += f"; no difference, however large, can be significant at {LEVEL:g} here: more seeds are needed"
    return said + "."


def _listed(test: Contest, found: Sequence[Comparison]) -> str:
    told = [
        f"{test.titles[c.other]} (by {test.metric.number(-c.ahead)}{test.metric.unit}, {p_text(c.adjusted)})"
        for c in found
    ]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


@dataclass(frozen=True, slots=True)
class Score:
    """Against how many others a method wins and loses, over all tables of an experiment."""

    won: int = 0
    leading: int = 0
    equal: int = 0
    trailing: int = 0
    lost: int = 0

    def add(self, test: Contest) -> Score:
        """With a table more."""
        counts = [len(found) for found in (test.won, test.leading, test.trailing, test.lost)]
        equal = len(test.comparisons) - sum(counts)
        return Score(
            self.won + counts[0],
            self.leading + counts[1],
            self.equal + equal,
            self.trailing + counts[2],
            self.lost + counts[3],
        )


def scores(tests: Sequence[Contest]) -> dict[tuple[str, str, str], Score]:
    """By columns, protocol and method."""
    out: dict[tuple[str, str, str], Score] = {}
    for test in tests:
        key = test.of, test.protocol, test.subject
        out[key] = out.get(key, Score()).add(test)
    return out
