"""Draw what eye events and bad channels look like, from a recording of EEG and gaze.

RTEMO_DATA=... python docs/make_signal_images.py
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from rtemo.config import Configuration, load_configuration, parse_configuration
from rtemo.extraction import PATIENCE_S, windows_of
from rtemo.features.eye import EyeSettings, detect_events
from rtemo.features.pipeline import FeaturePipeline
from rtemo.sources import open_recording
from rtemo.types import Chunk, FeatureWindow, Marker

HERE = Path(__file__).parent
# Okabe-Ito: told apart by colour-blind eyes, and in grey.
BLUE, ORANGE, GREEN, GREY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#999999", "#E69F00"
CHANNEL, BAND = "C3", "alpha"
FLAT_S, NOISY_S = (12.0, 20.0), (27.0, 35.0)

Change = Callable[[Chunk], Chunk]


class Changed:
    """A source whose chunks are changed on their way."""

    def __init__(self, path: Path, change: Change) -> None:
        self._source, self._change = open_recording(path), change
        self.origin, self.streams, self.warnings = self._source.origin, self._source.streams, self._source.warnings

    def __iter__(self) -> Iterator[Chunk | Marker]:
        for item in self._source:
            yield self._change(item) if isinstance(item, Chunk) else item

    def close(self) -> None:
        self._source.close()


def configuration(view: str, **settings: object) -> Configuration:
    """The ready-made configuration, of one view alone."""
    whole = load_configuration(HERE.parent / "configs" / "eeg_gaze.toml").model_dump(mode="json", exclude_unset=True)
    whole["views"] = {view: {**whole["views"][view], **settings}}
    return parse_configuration(whole, "the picture")


def windows(path: Path, config: Configuration, change: Change) -> tuple[list[FeatureWindow], FeaturePipeline]:
    """Feature windows of a recording, and the pipeline that made them."""
    source = Changed(path, change)
    try:
        pipeline = FeaturePipeline(config, source.streams, origin=source.origin, lost_after_s=PATIENCE_S)
        return list(windows_of(source, pipeline, config, lambda item: None)), pipeline
    finally:
        source.close()


def samples(path: Path, kind: str) -> tuple[np.ndarray, np.ndarray, Mapping[str, int]]:
    """Stamps, values and the channels of the one stream of a type."""
    source = open_recording(path)
    try:
        stream = next(stream for stream in source.streams if stream.type == kind)
        parts = [item for item in source if isinstance(item, Chunk) and item.stream == stream.key]
    finally:
        source.close()
    labels = {label: i for i, label in enumerate(stream.channel_labels)}
    return np.concatenate([p.stamps_s for p in parts]), np.concatenate([p.values for p in parts]), labels


def draw_eye(path: Path, picture: Path) -> None:
    """Gaze with its events, and some of the features that they make."""
    stamps, values, labels = samples(path, "Gaze")
    view = configuration("gaze").views["gaze"]
    events = detect_events(stamps, values, labels=tuple(labels), columns=view.columns, settings=EyeSettings())
    made, pipeline = windows(path, configuration("gaze"), lambda chunk: chunk)
    origin = math.floor(stamps[0])
    ahead = values[:, labels["GazeRayDirectionZ"]]
    seen = ahead > 0.1
    figure, (gaze, rates, sizes) = plt.subplots(
        3, 1, figsize=(10, 6.4), sharex=True, height_ratios=(2.2, 1, 1), layout="constrained"
    )
    for axis, colour in (("X", BLUE), ("Y", ORANGE)):
        across = values[:, labels[f"GazeRayDirection{axis}"]]
        angle = np.full(len(ahead), np.nan)
        angle[seen] = np.degrees(np.arctan(across[seen] / ahead[seen]))
        gaze.plot(stamps - origin, angle, color=colour, lw=1, label={"X": "to the right", "Y": "up"}[axis])
    low, high = -45, 35
    for event in events:
        start, stop = event.start_s - origin, event.stop_s - origin
        if event.kind == "blink":
            gaze.axvspan(start, stop, color=GREY, alpha=0.45, lw=0)
        elif event.kind == "fixation":
            gaze.plot([start, stop], [low + 2, low + 2], color=GREEN, lw=5, solid_capstyle="butt")
        else:
            gaze.plot(
                [(start + stop) / 2] * 2, [low + 4.5, low + 4.5 + min(event.amplitude / 3, 12)], color="black", lw=1
            )
    gaze.set(ylabel="gaze (degrees)", ylim=(low, high))
    gaze.set_title(
        "Gaze of a headset at 60 Hz. Grey: blinks. Green: fixations. Black: saccades, the taller the larger.",
        fontsize=10,
        loc="left",
    )
    gaze.legend(loc="upper left", ncols=2, framealpha=0.9)
    names = pipeline.names["gaze"]
    table = np.stack([window.features["gaze"] for window in made])
    edges = np.array([window.start_s for window in made] + [made[-1].stop_s]) - origin
    for name, colour in (("saccade_frequency", "black"), ("fixation_frequency", GREEN), ("blink_frequency", GREY)):
        rates.stairs(
            table[:, names.index(name)], edges, color=colour, lw=1.8, label=name.replace("_", " "), baseline=None
        )
    rates.set(ylabel="1/s")
    rates.legend(loc="upper left", ncols=3, framealpha=0.9, fontsize=8)
    for name, colour in (("fixation_duration_mean", GREEN), ("blink_duration_mean", GREY)):
        sizes.stairs(
            table[:, names.index(name)], edges, color=colour, lw=1.8, label=name.replace("_", " "), baseline=None
        )
    sizes.set(ylabel="s", xlabel="seconds")
    sizes.legend(loc="upper left", ncols=2, framealpha=0.9, fontsize=8)
    for window in made:
        if not window.available["gaze"]:
            for axes in (rates, sizes):
                axes.axvspan(
                    window.start_s - origin,
                    window.stop_s - origin,
                    facecolor="none",
                    edgecolor=GREY,
                    hatch="////",
                    lw=0,
                )
    rates.set_title(
        "The features of each window, from the events of the last ten seconds; hatched: gaze missing",
        fontsize=10,
        loc="left",
    )
    sizes.set_xlim(edges[0], edges[-1])
    figure.savefig(picture, dpi=110)


def spoil(origin: float, channel: int) -> Change:
    """Make an EEG channel flat for a while, and later noisy."""
    random = np.random.default_rng(0)

    def change(chunk: Chunk) -> Chunk:
        if chunk.values.shape[1] != 31:
            return chunk
        at = chunk.stamps_s - origin
        values = chunk.values.astype(np.float32)
        values[(at >= FLAT_S[0]) & (at < FLAT_S[1]), channel] = 0.0
        noisy = (at >= NOISY_S[0]) & (at < NOISY_S[1])
        values[noisy, channel] += random.normal(0, 400, int(noisy.sum())).astype(np.float32)
        return replace(chunk, values=values)

    return change


def draw_quality(path: Path, picture: Path) -> None:
    """A channel that is made flat and then noisy, what quality says, and what becomes of its feature."""
    stamps, values, labels = samples(path, "EEG")
    origin, channel = math.floor(stamps[0]), labels[CHANNEL]
    change = spoil(origin, channel)
    spoilt = change(Chunk("eeg", stamps, values)).values[:, channel]
    change = spoil(origin, channel)
    off = {"quality": {"enabled": False}}
    runs = {
        "as recorded": windows(path, configuration("eeg", **off), lambda chunk: chunk),
        "spoilt, quality off": windows(path, configuration("eeg", **off), spoil(origin, channel)),
        "spoilt, quality on": windows(path, configuration("eeg"), spoil(origin, channel)),
    }
    figure, (trace, scores, feature) = plt.subplots(
        3, 1, figsize=(10, 6.4), sharex=True, height_ratios=(1.4, 0.8, 1.4), layout="constrained"
    )
    trace.plot(stamps - origin, spoilt - np.median(values[:, channel]), color=BLUE, lw=0.4)
    trace.set(ylabel=f"{CHANNEL} (uV)", ylim=(-900, 900))
    trace.set_title(
        f"{CHANNEL}, one of 31 channels, made flat from 12 to 20 s and noisy from 27 to 35 s", fontsize=10, loc="left"
    )
    made, pipeline = runs["spoilt, quality on"]
    edges = np.array([window.start_s for window in made] + [made[-1].stop_s]) - origin
    score = np.array([window.quality["eeg"][pipeline.quality_names["eeg"].index(CHANNEL)] for window in made])
    scores.stairs(score, edges, color=BLUE, lw=1.8, baseline=None)
    scores.axhline(0.5, color=GREY, lw=0.8, ls="--")
    was = ""
    for window in made:
        reason = window.bad.get("eeg", {}).get(CHANNEL, "")
        if reason:
            scores.axvspan(window.start_s - origin, window.stop_s - origin, color=YELLOW, alpha=0.35, lw=0)
        if reason and reason != was:
            scores.text(window.start_s - origin + 0.15, 0.72, reason, fontsize=9)
        was = reason
    scores.set(ylabel="score", ylim=(-0.05, 1.05))
    scores.set_title(
        "Its quality score; yellow: the channel counts as bad, and is interpolated from the others",
        fontsize=10,
        loc="left",
    )
    for (name, (made, pipeline)), (colour, width) in zip(
        runs.items(), ((GREY, 4.5), (ORANGE, 1.2), (BLUE, 1.6)), strict=True
    ):
        column = pipeline.names["eeg"].index(f"{CHANNEL}:{BAND}")
        row = np.array([window.features["eeg"][column] for window in made])
        feature.stairs(row, edges, color=colour, lw=width, label=name, baseline=None)
    feature.set(ylabel="nat", xlabel="seconds")
    feature.legend(loc="lower left", ncols=3, framealpha=0.9, fontsize=9)
    feature.set_title(f"Differential entropy, {CHANNEL}:{BAND}", fontsize=10, loc="left")
    feature.set_xlim(edges[0], edges[-1])
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    named = os.environ.get("RTEMO_DATA")
    if named is None:
        sys.exit("set RTEMO_DATA to the folder of recordings, see CONTRIBUTING.md")
    recording = Path(named) / "pico_eeg_gaze" / "test_pico_eeg.xdf"
    draw_eye(recording, HERE / "images" / "eye.png")
    draw_quality(recording, HERE / "images" / "bad_channel.png")
