"""Numbers as they are read, with all their digits beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rtemo.evaluation.study.report.content import Cell
from rtemo.evaluation.study.report.statistics import Comparison, Summary, summarise

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a run.

    Parameters
    ----------
    title : str
        As in a table, with its unit.
    noun : str
        As in a sentence.
    percent : bool
        Shown times 100.
    better : {1, -1, 0}
        -1 where a small one is good, 0 where nobody can say.
    """

    title: str
    noun: str
    percent: bool = True
    better: int = 1

    def number(self, value: float, *, signed: bool = False) -> str:
        """A value as it is read."""
        sign = "+" if signed else ""
        shown = f"{100 * value:{sign}.1f}" if self.percent else f"{value:{sign}.3f}"
        return shown if float(shown) else shown.lstrip("+-")

    @property
    def unit(self) -> str:
        """Of differences, with the space before it."""
        return " points" if self.percent else ""


ACCURACY = Metric("accuracy, %", "accuracy")
BALANCED = Metric("balanced accuracy, %", "balanced accuracy")
ECE = Metric("ECE, %", "calibration error", better=-1)
NLL = Metric("NLL, nats", "negative log likelihood", percent=False, better=-1)
METRICS = {"accuracy": ACCURACY, "balanced_accuracy": BALANCED, "ece": ECE, "nll": NLL}


def mean_cell(found: Summary | None, metric: Metric, *, usual: int, note: str = "", strong: bool = False) -> Cell:
    """Mean ± SD; the number of runs where it is not the usual one."""
    if found is None:
        return Cell(NOTHING, {"mean": None, "SD": None, "runs": 0}, note or "not run")
    text = metric.number(found.mean)
    if found.sd is not None:
        text += f" ± {metric.number(found.sd)}"
    if found.runs != usual:
        text += f" ({found.runs})"
    return Cell(text, {"mean": found.mean, "SD": found.sd, "runs": found.runs}, note, strong)


def paired_cell(found: Comparison | None, metric: Metric, note: str = "") -> Cell:
    """By how much the first method is ahead, and the corrected p."""
    if found is None:
        return Cell(NOTHING, {"ahead": None, "splits": 0, "p": None, "Holm p": None}, note)
    values = {"ahead": found.ahead, "splits": found.splits, "p": found.p, "Holm p": found.adjusted}
    return Cell(f"{metric.number(found.ahead, signed=True)} ({p_text(found.adjusted)})", values)


def cost_cells(accuracies: Sequence[float | None], seconds: Sequence[float | None]) -> tuple[Cell, Cell]:
    """Training seconds, and mean accuracy divided by them.

    A ratio of means: a mean of ratios would be that of the luckiest run.
    """
    spent, accuracy = summarise(seconds), summarise(accuracies)
    if spent is None:
        nothing = Cell(NOTHING, {"mean": None, "SD": None, "runs": 0}, "no training times")
        return nothing, Cell(NOTHING, {"": None}, "no training times")
    spread = "" if spent.sd is None else f" ± {spent.sd:.{_decimals(spent.mean)}f}"
    first = Cell(f"{three(spent.mean)}{spread}", {"mean": spent.mean, "SD": spent.sd, "runs": spent.runs})
    if accuracy is None or spent.mean <= 0:
        return first, Cell(NOTHING, {"": None}, "no accuracy, or no time")
    return first, Cell(three(accuracy.mean / spent.mean), {"": accuracy.mean / spent.mean})


def three(value: float) -> str:
    """A number in three digits, without an exponent."""
    return f"{value:.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Decimals that show three digits."""
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, 2 - math.floor(math.log10(abs(value)))))


def p_text(p: float) -> str:
    """A probability as it is read."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float) -> str:
    """Seconds as they are read."""
    if seconds < 120:
        return f"{three(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
