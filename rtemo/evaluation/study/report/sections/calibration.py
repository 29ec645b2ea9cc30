"""Calibration of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.evaluation.study.report import runs
from rtemo.evaluation.study.report.cells import ECE, NLL
from rtemo.evaluation.study.report.comparing import Group, Shown, compare_lines
from rtemo.evaluation.study.report.content import Picture
from rtemo.evaluation.study.report.headline import headline
from rtemo.evaluation.study.report.maps import Reliability, reliability_grid
from rtemo.evaluation.study.report.sections.common import OURS, Telling, Told, all_runs, by_method
from rtemo.evaluation.study.task import Result

Floats = NDArray[np.float64]


def calibration(results: Sequence[Result]) -> Told:
    """Reliability diagrams and a table for each data set and number of labels."""
    telling = Telling()
    for part in runs.parts(results):
        lines = by_method(part.results)
        panels = [
            Reliability(line.title, *pooled) for line in lines if (pooled := pooled_bins(line.results)) is not None
        ]
        if panels:
            caption = (
                f"{part.title}: confidence against the share that is right, all runs together; grey: share of windows. "
                "On the diagonal a probability of 80 % is right in 80 % of windows; below it the method is too sure"
            )
            alt = f"{part.title}: reliability diagrams of {len(panels)} methods"
            telling.add(Picture(f"calibration-{part.slug}", caption, alt, reliability_grid(panels)))
        accuracy = headline(part.results)
        shown = Shown(accuracy.metric.noun, all_runs(accuracy.test()))
        groups = [
            Group(accuracy.metric.title, accuracy.metric, [shown], tested=False),
            Group("expected calibration error, %", ECE, [Shown("ECE", all_runs(runs.inductive("ece")))]),
            Group("negative log likelihood, nats", NLL, [Shown("NLL", all_runs(runs.inductive("nll")))]),
        ]
        name, caption = f"calibration-{part.slug}", f"{part.title}: calibration on test windows (small is good)"
        telling.compared(compare_lines(name, caption, lines, groups, ours=OURS, cost=accuracy.test()))
    return telling.told


def pooled_bins(results: Sequence[Result]) -> tuple[Floats, Floats, Floats] | None:
    """Confidence, accuracy and share of each bin over all runs, each run with the same weight; None without a run."""
    found = [bins for result in results if (bins := _bins(result)) is not None]
    found = [bins for bins in found if bins.shape == found[0].shape]
    if not found:
        return None
    confidence, accuracy, share = np.moveaxis(np.stack(found), 1, 0)
    weight = share.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return (
            np.nansum(share * confidence, axis=0) / weight,
            np.nansum(share * accuracy, axis=0) / weight,
            weight / len(found),
        )


def _bins(result: Result) -> Floats | None:
    """The bins of a run, (3, bins): NaN where empty."""
    try:
        found = np.array(
            [result.arrays[f"reliability.{name}"] for name in ("confidence", "accuracy", "share")], dtype=np.float64
        )
    except (KeyError, TypeError, ValueError):
        return None
    if found.ndim != 2:
        return None
    found[2] = np.nan_to_num(found[2])
    return found
