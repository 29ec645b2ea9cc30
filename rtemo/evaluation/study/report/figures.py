"""The kinds of figures: lines, bars, points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rtemo.evaluation.study.report import canvas as on
from rtemo.evaluation.study.report.statistics import Summary

CHANCE = "chance (1 / classes)"
MEANS = "Means over runs; their SDs, which are mostly those of the splits and hit all methods alike, are in the table."


@dataclass(frozen=True, slots=True)
class Curve:
    """Means over x; `name` gives its look, `points` are None where nothing was run."""

    name: str
    label: str
    x: Sequence[float]
    points: Sequence[Summary | None]


@dataclass(frozen=True, slots=True)
class Curves:
    """One panel of lines."""

    title: str
    curves: Sequence[Curve]
    y: str
    percent: bool = True
    chance: float | None = None
    floor: float | None = None
    """What lies below is left out: one failure would flatten all the rest."""


def line_chart(panels: Sequence[Curves], x: str, *, percent_x: bool = False, ticks: Sequence[float] = ()) -> bytes:
    """Lines of means, panels side by side, two a row."""
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    names = list(dict.fromkeys((c.name, c.label) for panel in panels for c in panel.curves))
    look = dict(zip(names, on.looks([name for name, _ in names]), strict=True))

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(rows, columns, squeeze=False)
        for place, panel in enumerate(panels):
            at = axes[place // columns][place % columns]
            for curve in panel.curves:
                _curve(at, curve, look[curve.name, curve.label])
            low, high = _extent(panel)
            # Far below all lines it would press them together.
            if panel.chance is not None and low - panel.chance < high - low:
                at.axhline(panel.chance, color=on.GREY, linestyle=":", linewidth=1, label=CHANCE)
            at.set_title(on.wrapped(panel.title))
            at.set_xlabel(x)
            at.set_ylabel(panel.y)
            at.grid(axis="y", color=on.FAINT, linewidth=0.6)
            if ticks:
                at.set_xticks(list(ticks))
            if percent_x:
                on.percent(at.xaxis)
            if panel.percent:
                on.percent(at.yaxis)
            if panel.floor is not None and low < panel.floor:
                at.set_ylim(_lowest_above(panel, panel.floor) - 0.05, max(high, panel.floor) + 0.05)
        for place in range(len(panels), rows * columns):
            axes[place // columns][place % columns].set_axis_off()
        _legend(canvas, [at for row in axes for at in row])

    return on.png(draw, max(3.4 * rows, 0.9 + 0.23 * len(names)), 9.5 if columns == 2 else 7.0)


def _extent(panel: Curves) -> tuple[float, float]:
    """The lowest and the highest mean."""
    means = [point.mean for curve in panel.curves for point in curve.points if point is not None]
    return (min(means), max(means)) if means else (0.0, 1.0)


def _lowest_above(panel: Curves, floor: float) -> float:
    means = [point.mean for curve in panel.curves for point in curve.points if point is not None]
    return min((mean for mean in means if mean >= floor), default=floor)


def _curve(axes: Axes, curve: Curve, look: on.Look) -> None:
    there = [(x, point) for x, point in zip(curve.x, curve.points, strict=True) if point is not None]
    if not there:
        return
    axes.plot(
        [x for x, _ in there],
        [point.mean for _, point in there],
        color=look.colour,
        linestyle=look.dashes,
        linewidth=look.width,
        marker=look.marker or None,
        markersize=5,
        label=on.short(curve.label),
    )


@dataclass(frozen=True, slots=True)
class Bars:
    """One panel of bars: for each name a bar of every series, None where nothing was run."""

    title: str
    series: Mapping[str, Sequence[Summary | None]]
    x: str
    percent: bool = True
    chance: float | None = None


def bar_chart(names: Sequence[str], panels: Sequence[Bars]) -> bytes:
    """Horizontal bars with their SDs, the same names in every panel."""
    series = list(dict.fromkeys(label for panel in panels for label in panel.series))
    colours = (on.OURS_WITHOUT, on.COLOURS[1], on.COLOURS[2], on.COLOURS[0], on.COLOURS[3], on.OURS)
    hatches = ("", "////", "....", "\\\\\\\\", "xx", "--")

    def draw(canvas: Canvas) -> None:
        # Bars of one figure are compared between panels too.
        alike = len({panel.x for panel in panels}) == 1
        axes = canvas.subplots(1, len(panels), squeeze=False, sharey=True, sharex=alike)[0]
        height = 0.8 / max(1, len(series))
        for at, panel in zip(axes, panels, strict=True):
            for place, label in enumerate(series):
                found = panel.series.get(label, [None] * len(names))
                there = [(row, point) for row, point in enumerate(found) if point is not None]
                shift = (place - (len(series) - 1) / 2) * height
                at.barh(
                    [row + shift for row, _ in there],
                    [point.mean for _, point in there],
                    xerr=[point.sd or 0.0 for _, point in there],
                    height=height * 0.92,
                    color=colours[place % len(colours)],
                    edgecolor="white",
                    linewidth=0,
                    hatch=hatches[place % len(hatches)],
                    error_kw={"elinewidth": 1, "ecolor": on.INK},
                    label=on.short(label),
                )
            if panel.chance is not None:
                at.axvline(panel.chance, color=on.GREY, linestyle=":", linewidth=1.2, label=CHANCE)
            at.axvline(0, color=on.GREY, linewidth=0.8)
            at.set_title(on.wrapped(panel.title))
            at.set_xlabel(panel.x)
            if panel.percent:
                on.percent(at.xaxis)
        axes[0].set_yticks(range(len(names)), [on.short(name) for name in names])
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        _legend(canvas, list(axes))

    return on.png(draw, 1.3 + len(names) * max(0.26, 0.15 * len(series)), 9.5 if len(panels) > 1 else 8.0)


@dataclass(frozen=True, slots=True)
class Points:
    """One panel of points: by label, x and y of each run; panels share the looks of labels."""

    title: str
    points: Mapping[str, Sequence[tuple[float, float]]]
    x: str
    y: str
    same: bool = False
    """Whether x and y are one figure of two things: the diagonal is drawn, where they are equal, and not the zeros."""


def scatter(panels: Sequence[Points]) -> bytes:
    """Points, side by side."""
    labels = list(dict.fromkeys(label for panel in panels for label in panel.points))
    look = dict(zip(labels, on.looks(labels), strict=True))

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(1, len(panels), squeeze=False)[0]
        for at, panel in zip(axes, panels, strict=True):
            for label, found in panel.points.items():
                at.plot(
                    [x for x, _ in found],
                    [y for _, y in found],
                    linestyle="",
                    marker=look[label].marker,
                    color=look[label].colour,
                    alpha=0.8,
                    label=on.short(label, 50),
                )
            if panel.same:
                # Through a point among the others: it would else make room for its own.
                middle = np.mean([x for found in panel.points.values() for x, _ in found])
                at.axline((middle, middle), slope=1, color=on.FAINT, linewidth=0.8, zorder=0)
            else:
                at.axhline(0, color=on.FAINT, linewidth=0.8, zorder=0)
                at.axvline(0, color=on.FAINT, linewidth=0.8, zorder=0)
            at.set_title(on.wrapped(panel.title))
            at.set_xlabel(panel.x)
            at.set_ylabel(panel.y)
        _legend(canvas, list(axes))

    return on.png(draw, max(3.8, 0.9 + 0.23 * len(labels)), 10.0)


def _legend(canvas: Canvas, axes: Sequence[Axes]) -> None:
    """One legend for all panels, beside them: each label once."""
    found: dict[str, Any] = {}
    for at in axes:
        for handle, label in zip(*at.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        canvas.legend(list(found.values()), list(found), loc="outside right center", fontsize=9)
