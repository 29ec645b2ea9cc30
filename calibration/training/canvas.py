"""How figures of the report are drawn: as SVG that prints, on light ground, with nothing from outside."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import PercentFormatter

from calibration.training.statistics import Estimate
from rtemo.dashboard.theme import LIGHT
from rtemo.printable import printable
from rtemo.types import Floats

WIDTH_IN = 6.6
NAME_WIDTH = 28
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "path",
    # Names of labels and channels are foreign text, not mathematics.
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": False,
    "axes.edgecolor": LIGHT.muted,
    "axes.labelcolor": LIGHT.text,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": LIGHT.text,
    "xtick.color": LIGHT.muted,
    "ytick.color": LIGHT.muted,
    "xtick.labelcolor": LIGHT.text,
    "ytick.labelcolor": LIGHT.text,
    "figure.facecolor": "white",
    "legend.frameon": False,
}
DIVERGING = LinearSegmentedColormap.from_list("two-sided", [LIGHT.views[6], "#ffffff", LIGHT.views[3]])
RISING = LinearSegmentedColormap.from_list("one-sided", ["#ffffff", LIGHT.accent])
CHANCE: dict[str, Any] = {"color": LIGHT.critical, "linestyle": "--", "linewidth": 1.2}


def short_name(text: str) -> str:
    """A name from outside, cut and made harmless."""
    return printable(text, NAME_WIDTH)


def bars(axes: Axes, rows: Sequence[tuple[str, Estimate]], colour: str) -> None:
    """Horizontal bars with intervals and their numbers."""
    for place, (_, estimate) in enumerate(rows):
        axes.barh(place, np.nan_to_num(estimate.value), color=colour, height=0.6, alpha=0.85)
        end = estimate.value
        if np.isfinite(estimate.low):
            axes.plot([estimate.low, estimate.high], [place, place], color=LIGHT.text, linewidth=1.4, marker="|")
            end = max(end, estimate.high)
        text = f"{100 * estimate.value:.0f} %" if np.isfinite(estimate.value) else "unknown"
        axes.text(np.nan_to_num(end) + 0.02, place, text, va="center", fontsize=9, fontweight="bold")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_xlim(0, 1.15)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def mean(values: Floats) -> float:
    """Mean, 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0


def svg(name: str, draw: Callable[[Canvas], None], height_in: float) -> str:
    """A figure as SVG text, the same for the same figures."""
    style: Any = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style), warnings.catch_warnings():
        # A script that the font lacks shows boxes; the table beside the figure has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas = Canvas(figsize=(WIDTH_IN, height_in), layout="constrained")
        draw(canvas)
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
