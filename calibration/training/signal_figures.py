"""The report's figures of the signals, as SVG: channels, and what separates the labels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import PercentFormatter

from calibration.training.canvas import CHANCE, DIVERGING, RISING, short_name, svg
from calibration.training.trained import TrainedSession
from rtemo.dashboard.theme import LIGHT
from rtemo.dashboard.topography import Topography

MOST_ROWS = 40
MOST_FEATURES = 10
MAP_SIZE = 64


def quality_figure(session: TrainedSession, view: str) -> str:
    """Share of labelled windows in which each channel of a view was bad; the worst ones where there are many."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        rows = sorted(session.quality[view], key=lambda channel: -channel.bad / max(channel.judged, 1))[:MOST_ROWS]
        shares = [channel.bad / max(channel.judged, 1) for channel in rows]
        colours = [LIGHT.critical if share > 0.5 else LIGHT.warning if share > 0.1 else LIGHT.good for share in shares]
        axes.bar(range(len(rows)), shares, color=colours)
        axes.set_xticks(range(len(rows)), [short_name(channel.name) for channel in rows],
                        rotation=90 if len(rows) > 8 else 0, fontsize=8)  # fmt: skip
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_ylabel("labelled windows\nin which it was bad")
        axes.set_title(short_name(view), fontsize=9, loc="left")

    return svg(f"quality-{view}", draw, 2.0)


def effects_figure(session: TrainedSession, view: str) -> str:
    """The features of a view that separate the labels most."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        found = session.effects[view]
        rows = found.strongest(MOST_FEATURES)
        axes.barh(range(len(rows)), [size for _, size in rows], color=LIGHT.accent, height=0.7)
        axes.set_yticks(range(len(rows)), [short_name(name) for name, _ in rows], fontsize=8)
        axes.invert_yaxis()
        for at in (found.chance, -found.chance) if found.signed else (found.chance,):
            axes.axvline(at, **CHANCE)
        axes.axvline(0, color=LIGHT.muted, linewidth=1)
        axes.set_xlabel(_effect_name(session, view), loc="right")
        axes.set_title("dashed: to be expected by chance", fontsize=8, loc="right", color=LIGHT.muted)
        axes.set_title(short_name(view), fontsize=9, loc="left")

    return svg(f"effects-{view}", draw, 1.0 + 0.22 * min(MOST_FEATURES, len(session.effects[view].names)))


def topography_figure(session: TrainedSession, view: str) -> str:
    """Maps of the scalp, one a band; empty for a view whose channels have no place, or whose features no band."""
    found, channels = session.effects[view], session.channels[view]
    bands = found.by_band(channels)
    scalp = Topography(channels, size=MAP_SIZE) if bands else None
    if scalp is None or not scalp.known:
        return ""
    pictures = {band: scalp.picture(values) for band, values in bands.items()}
    shown = {band: picture for band, picture in pictures.items() if picture is not None}
    if not shown:
        return ""
    sizes = np.abs(np.concatenate(list(bands.values())))
    most = max(float(np.nanmax(sizes)), 2 * found.chance)

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(1, len(shown), squeeze=False)[0]
        image = None
        for axes, (band, picture) in zip(grid, shown.items(), strict=True):
            image = axes.imshow(
                picture,
                origin="lower",
                extent=(-1, 1, -1, 1),
                cmap=DIVERGING if found.signed else RISING,
                vmin=-most if found.signed else 0,
                vmax=most,
            )
            _head(axes, scalp)
            axes.set_title(short_name(band), fontsize=9)
        assert image is not None
        bar = canvas.colorbar(image, ax=list(grid), orientation="horizontal", shrink=0.5, aspect=35, pad=0.04)
        bar.set_label(f"{_effect_name(session, view)} (by chance about {found.chance:.2f})", fontsize=8)

    return svg(f"topography-{view}", draw, 2.2)


def _effect_name(session: TrainedSession, view: str) -> str:
    if session.effects[view].signed:
        first, second = (short_name(label) for label in session.crossval.labels[:2])
        return f"Cohen's d over trials: {second} less {first}"
    return "eta squared: share of the variance between trials"


def _head(axes: Axes, scalp: Topography) -> None:
    """Outline, nose and electrodes."""
    around = np.linspace(0, 2 * np.pi, 100)
    axes.plot(np.cos(around), np.sin(around), color=LIGHT.muted, linewidth=1)
    axes.plot([-0.1, 0, 0.1], [0.99, 1.12, 0.99], color=LIGHT.muted, linewidth=1)
    axes.plot(scalp.positions[:, 0], scalp.positions[:, 1], ".", color=LIGHT.text, markersize=2)
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.1, 1.16)
    axes.set_aspect("equal")
    axes.axis("off")
