"""The kinds of figures: heat maps, matrices, reliability diagrams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from rtemo.evaluation.study.report import canvas as on
from rtemo.evaluation.study.report.statistics import Summary

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heat:
    """One panel of a heat map."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Summary | None]]


def heat_maps(panels: Sequence[Heat], x: str, y: str, what: str) -> bytes:
    """Means in per cent as colours and as numbers, one scale for all panels."""
    means = [cell.mean for panel in panels for row in panel.cells for cell in row if cell is not None]
    low, high = (min(means), max(means)) if means else (0.0, 1.0)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(1, len(panels), squeeze=False)[0]
        for at, panel in zip(axes, panels, strict=True):
            shown = np.array([[np.nan if c is None else c.mean for c in row] for row in panel.cells])
            image = at.imshow(shown, cmap="cividis", vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
            for (row, column), mean in np.ndenumerate(shown):
                cell = panel.cells[row][column]
                text = "-" if cell is None else f"{100 * mean:.1f}"
                if cell is not None and cell.sd is not None:
                    text += f"\n± {100 * cell.sd:.1f}"
                dark = cell is not None and mean < low + 0.55 * (high - low)
                at.text(column, row, text, ha="center", va="center", color="white" if dark else on.INK)
            at.set_xticks(range(len(panel.columns)), panel.columns)
            at.set_yticks(range(len(panel.rows)), panel.rows)
            at.set_xlabel(x)
            at.set_ylabel(y)
            at.set_title(on.wrapped(panel.title))
            at.spines[:].set_visible(False)
        bar = canvas.colorbar(image, ax=list(axes), label=what)
        on.percent(bar.ax.yaxis)

    return on.png(draw, 3.6, 4.6 * max(1, len(panels)))


def matrix_grid(panels: Sequence[tuple[str, Floats]], x: str, y: str) -> bytes:
    """Matrices on one colour scale around 0."""
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    values = np.abs(panels[0][1])
    most = float(np.nanpercentile(values, 98)) if np.isfinite(values).any() else 1.0

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(rows, columns, squeeze=False)
        for place, (title, matrix) in enumerate(panels):
            at = axes[place // columns][place % columns]
            image = at.imshow(
                matrix, cmap="PuOr", vmin=-(most or 1), vmax=most or 1, aspect="auto", interpolation="nearest"
            )
            at.set_title(on.wrapped(title, 30))
            if place % columns == 0:
                at.set_ylabel(y)
            if place // columns == rows - 1:
                at.set_xlabel(x)
            at.spines[:].set_visible(False)
        for place in range(len(panels), rows * columns):
            axes[place // columns][place % columns].set_axis_off()
        canvas.colorbar(image, ax=[at for row in axes for at in row], label="standardised feature", extend="both")

    return on.png(draw, 0.6 + 2.2 * rows, 1.2 + 2.8 * columns)


@dataclass(frozen=True, slots=True)
class Reliability:
    """One panel: mean confidence, accuracy and share of the windows in each bin; NaN in an empty bin."""

    title: str
    confidence: Floats
    accuracy: Floats
    share: Floats


def reliability_grid(panels: Sequence[Reliability]) -> bytes:
    """Confidence against accuracy, the shares of windows as grey bars below."""
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, panel in enumerate(panels):
            at = axes[place // columns][place % columns]
            edges = np.arange(len(panel.share)) / max(1, len(panel.share))
            at.bar(edges, panel.share, width=1 / max(1, len(panel.share)), align="edge", color=on.FAINT)
            at.plot([0, 1], [0, 1], color=on.GREY, linewidth=1, linestyle=":")
            there = np.isfinite(panel.confidence) & np.isfinite(panel.accuracy) & (panel.share > 0)
            at.vlines(panel.confidence[there], panel.confidence[there], panel.accuracy[there], color=on.OURS, alpha=0.5)
            at.plot(panel.confidence[there], panel.accuracy[there], "o", color=on.OURS_WITHOUT, clip_on=False)
            at.set_title(on.wrapped(panel.title, 30))
            at.set_xlim(0, 1)
            at.set_ylim(0, 1.02)
            at.set_xticks([0, 0.5, 1])
            on.percent(at.xaxis)
            on.percent(at.yaxis)
            if place + columns >= len(panels):
                at.set_xlabel("confidence")
                at.tick_params(labelbottom=True)
            if place % columns == 0:
                at.set_ylabel("share right")
        for place in range(len(panels), rows * columns):
            axes[place // columns][place % columns].set_axis_off()

    return on.png(draw, 0.4 + 2.5 * rows, 1.0 + 2.4 * columns)
