"""How figures are drawn: PNG on white, in colours that colour-blind eyes tell apart, marks and lines differing too."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from rtemo.printable import printable

INK, GREY, FAINT = "#16202b", "#56636f", "#cbd3dc"
OURS, OURS_WITHOUT = "#D55E00", "#0072B2"
COLOURS: Final = ("#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#7F6000", "#5D3A9B")
"""Okabe and Ito (Color Universal Design, 2008); their yellow and black give way to a brown and a violet, for thin lines
on white."""
DASHES: Final[tuple[Any, ...]] = ("-", "--", "-.", (0, (1, 1.2)))
MARKERS: Final = ("s", "^", "v", "D", "P", "X", "<", ">", "h")
WIDTH_IN = 9.0
DPI = 130
NAME_WIDTH, PANEL_WIDTH = 40, 44
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    # Names of data sets and methods are foreign text, not mathematics.
    "text.parse_math": False,
    "text.usetex": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "legend.handlelength": 3.2,
}


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, dashes, mark and width of a line."""

    colour: str
    dashes: Any = "-"
    marker: str = "o"
    width: float = 1.5


BY_NAME: Final[Mapping[str, Look]] = {
    "simvae": Look(OURS, "-", "o", 2.4),
    "smvae": Look(OURS_WITHOUT, "-", "o", 2.0),
    "full-data": Look(INK, "--", "", 1.5),
    "partial-data": Look(GREY, (0, (2.5, 1.5)), "", 1.8),
}


def looks(names: Sequence[str]) -> list[Look]:
    """A look for each name: its own for ours and for bounds, all others apart by colour, dashes and mark."""
    out, others = [], 0
    for name in names:
        if name in BY_NAME:
            out.append(BY_NAME[name])
            continue
        out.append(
            Look(
                COLOURS[others % len(COLOURS)],
                DASHES[(1 + others + others // len(COLOURS)) % len(DASHES)],
                MARKERS[others % len(MARKERS)],
            )
        )
        others += 1
    return out


def short(text: str, width: int = NAME_WIDTH) -> str:
    """A name from outside, cut and made harmless."""
    shown = printable(text, width)
    # Matplotlib leaves labels that begin with an underscore out of legends.
    return f" {shown}" if shown.startswith("_") else shown


def wrapped(text: str, width: int = PANEL_WIDTH) -> str:
    """A title from outside in lines that fit above a panel."""
    return "\n".join(textwrap.wrap(short(text, 3 * width), width))


def percent(axis: Any) -> None:
    """Show shares as percent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def png(draw: Callable[[Canvas], None], height_in: float, width_in: float = WIDTH_IN) -> bytes:
    """A figure as PNG, the same for the same numbers."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A script that the font lacks shows boxes; the table beside the figure has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas = Canvas(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
        draw(canvas)
        out = io.BytesIO()
        canvas.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
