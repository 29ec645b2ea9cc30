"""Draw the pictures of the documentation from what `rtemo demo -o FOLDER` kept.

rtemo demo -o demo && python docs/make_images.py demo
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from rtemo.demonstration import LABELS, configuration
from rtemo.extraction import extract

# Okabe-Ito: told apart by colour-blind eyes, and in grey.
COLOURS = dict(zip(LABELS, ("#D55E00", "#BBBBBB", "#0072B2"), strict=True))
VIEWS = {"eeg": "EEG", "eye": "eye tracker"}


def draw(folder: Path, path: Path) -> None:
    """Probabilities over time under the truth, and which views were there."""
    rows = list(csv.DictReader((folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    start = np.array([float(row["start"]) for row in rows])
    at = start - start[0]
    table = extract(folder / "session.xdf", configuration()).table
    truth = dict(zip(np.round(table.start_s, 3).tolist(), table.label.tolist(), strict=True))
    figure, (top, middle, bottom) = plt.subplots(
        3, 1, figsize=(10, 4.6), sharex=True, height_ratios=(0.35, 3, 1.1), layout="constrained"
    )
    for t, s in zip(at, start, strict=True):
        label = truth.get(round(float(s), 3), "")
        if label:
            top.axvspan(t, t + 1, color=COLOURS[label], lw=0)
    top.set(yticks=[], ylabel="truth", title="A simulated session in which sensors drop out")
    edges = np.append(at, at[-1] + 1)
    below = np.zeros(len(rows))
    for label in LABELS:
        p = np.array([float(row[f"p_{label}"]) for row in rows])
        middle.stairs(below + p, edges, baseline=below, fill=True, color=COLOURS[label], label=label)
        below = below + p
    for t, row in zip(at, rows, strict=True):
        if row["label"] == "none":
            middle.axvspan(t, t + 1, color="white", alpha=0.75, lw=0)
    middle.set(ylabel="probability", ylim=(0, 1))
    middle.legend(loc="upper left", ncols=3, framealpha=0.9)
    for level, view in enumerate(VIEWS):
        for t, row in zip(at, rows, strict=True):
            there = row[f"available_{view}"] == "1"
            strength = max(0.0, float(row[f"contribution_{view}"])) if there else 0.0
            colour = (0.0, 0.62, 0.45, 0.25 + 0.75 * min(1.0, strength / 0.6))
            bottom.add_patch(
                plt.Rectangle((t, level - 0.4), 1, 0.8, lw=0, color=colour)
                if there
                else plt.Rectangle((t, level - 0.4), 1, 0.8, lw=0, fill=False, hatch="////", edgecolor="#999999")
            )
    bottom.set(yticks=range(len(VIEWS)), yticklabels=VIEWS.values(), ylim=(-0.6, len(VIEWS) - 0.4), xlabel="seconds")
    bottom.set_xlim(0, edges[-1])
    bottom.set_title("hatched: missing; the darker the green, the more the view contributes", fontsize=9, loc="left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(__file__).parent / "images" / "dropout.png")
