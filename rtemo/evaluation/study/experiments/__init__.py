"""All experiments by name: those of Du et al. (2018), and what the paper never did."""

from __future__ import annotations

from rtemo.evaluation.study.experiments.adaptation import Adaptation
from rtemo.evaluation.study.experiments.base import Experiment, StudyOptions
from rtemo.evaluation.study.experiments.comparison import Calibration, MissingTest, Table2
from rtemo.evaluation.study.experiments.incomplete import Figure3, Figure4, Figure5
from rtemo.evaluation.study.experiments.inside import Contributions, Figure2, Figure6
from rtemo.evaluation.study.experiments.properties import Table1
from rtemo.evaluation.study.experiments.sizes import Sizes

__all__ = ["EXPERIMENTS", "Experiment", "StudyOptions"]

EXPERIMENTS: dict[str, Experiment] = {
    made.name: made
    for made in (
        Table1(),
        Table2(),
        Figure2(),
        Figure3(),
        Figure4(),
        Figure5(),
        Figure6(),
        MissingTest(),
        Calibration(),
        Adaptation(),
        Contributions(),
        Sizes(),
    )
}
