"""Which accuracy a table and its tests speak of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rtemo.evaluation.study.report.cells import ACCURACY, BALANCED, Metric
from rtemo.evaluation.study.report.runs import COMPLETE, inductive, setting
from rtemo.evaluation.study.task import Result


@dataclass(frozen=True, slots=True)
class Headline:
    """An accuracy.

    Parameters
    ----------
    metric : Metric
    name : str
        Of its figures.
    """

    metric: Metric
    name: str

    def test(self, condition: str = COMPLETE) -> str:
        """Name of the figure on test windows."""
        return inductive(self.name, condition)

    @property
    def train(self) -> str:
        """Name of the figure on training windows whose label was not seen."""
        return f"transductive.{COMPLETE}.{self.name}"


PRINTED: Final = Headline(ACCURACY, "accuracy")
EACH_CLASS: Final = Headline(BALANCED, "balanced_accuracy")


def headline(results: Iterable[Result]) -> Headline:
    """The share of windows that are right in the paper's protocol, as it prints that; balanced accuracy elsewhere.

    Methods weigh classes the same, where they can. On sets whose classes are not equally frequent, the share of windows
    that are right would favour those that do not.
    """
    return PRINTED if {setting(result, "protocol") for result in results} == {"paper"} else EACH_CLASS


def noun(results: Iterable[Result]) -> str:
    """What a figure shows that has a panel for each protocol; of one protocol alone it is said which accuracy."""
    nouns = {headline([result]).metric.noun for result in results}
    return nouns.pop() if len(nouns) == 1 else ACCURACY.noun


def beside(shown: Headline) -> Headline:
    """The other one, for a table that has both."""
    return EACH_CLASS if shown is PRINTED else PRINTED
