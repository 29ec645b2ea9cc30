"""A section for each experiment: its tables, figures and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rtemo.evaluation.study.report.sections.adaptation import adaptation
from rtemo.evaluation.study.report.sections.calibration import calibration
from rtemo.evaluation.study.report.sections.common import Told
from rtemo.evaluation.study.report.sections.contributions import contributions
from rtemo.evaluation.study.report.sections.few_labels import table2
from rtemo.evaluation.study.report.sections.incomplete import figure3, figure4, figure5
from rtemo.evaluation.study.report.sections.inside import figure2, figure6
from rtemo.evaluation.study.report.sections.missing import missing_test
from rtemo.evaluation.study.report.sections.other import other
from rtemo.evaluation.study.report.sections.properties import table1
from rtemo.evaluation.study.report.sections.sizes import sizes
from rtemo.evaluation.study.task import Result

__all__ = ["SECTIONS", "Told", "other"]

SECTIONS: Final[Mapping[str, Callable[[Sequence[Result]], Told]]] = {
    "table1": table1,
    "table2": table2,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
    "figure5": figure5,
    "figure6": figure6,
    "missing-test": missing_test,
    "calibration": calibration,
    "adaptation": adaptation,
    "contributions": contributions,
    "sizes": sizes,
}
