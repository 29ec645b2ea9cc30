"""How good the signal of each channel is, window by window, and which channels are bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.config import QualitySettings
from rtemo.features.base import ClosingWindow, Quality, Repair, ViewSource
from rtemo.features.interpolation import Interpolator
from rtemo.features.reference import FEWEST_CHANNELS, Reference, median_of_channels
from rtemo.features.signal_blocks import AT_TOP, HIGH, LINE, LOW, REPEATS, SAMPLES, SPREAD, STEADY, TOP, SignalBlocks
from rtemo.types import Bools, Floats

CLEARLY = 0.8
"""A bad channel may become good again below this fraction of every limit."""

ALONE = 2.5
"""A single block may be so many times larger than lasting ones may: blinks reach 25 times what is usual in calm EEG."""

BAD_SCORE = 0.45
"""The best score of a bad channel, also of one that waits to be good again."""

SMALLEST = 1e-12
MOST_NAMED = 4
REASONS = ("flat", "clipped", "flat", "amplitude", "line noise", "muscle")
BROKEN = "not finite"


@dataclass(frozen=True, slots=True, eq=False)
class _Signal:
    """What a window says of its channels.

    Parameters
    ----------
    shares : ndarray of float64, shape (2, channels)
        Repeated samples, and clipped ones.
    values : ndarray of float64, shape (3, channels)
        Largest range of a block or tail, line ratio, high ratio; NaN where not known.
    lasting : ndarray of float64, shape (channels,)
        Largest range that a run of blocks keeps up; NaN where not known.
    """

    shares: Floats
    values: Floats
    lasting: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Verdict:
    """How things stand after a window: for how many more each channel must be good, why it is bad, and what it gave."""

    held: NDArray[np.int64]
    reasons: dict[int, str]
    values: Floats


class ChannelMonitor:
    """Judges the channels of a view in every window.

    A window is measured by its blocks of 0.4 to 0.8 s (`SignalBlocks`). Of each channel:

    * *not finite*: any sample of the window is NaN or infinite.
    * *flat*: of all samples of the blocks, the share that equals both its predecessors is over ``flat_share``; or the
      amplitude, the largest peak-to-peak range of a block or of what is behind the last one of a cell, is below
      ``min_amplitude`` times what is usual.
    * *clipped*: the share of samples that equal their predecessor and stand at the largest or the smallest value of all
      blocks, which differ, is over ``clipped_share``.
    * *amplitude*: in units of what is usual, three blocks in a row, the last of them in the window, all have a range
      over ``max_amplitude``; or the amplitude is over 2.5 times that, which no blink is.
    * *line noise*: the power within about 2 Hz of 50 or of 60 Hz, in each block whichever is more, over that of 2.5 to
      30 Hz. Bad where it is over ``max_line`` and over ``excess`` times what is usual.
    * *muscle*: the power of 70 to 95 Hz (35 to 42.5 Hz at rates below 195 Hz) over that of 2.5 to 30 Hz. Bad where it
      is over ``max_high`` and over ``excess`` times what is usual.

    Powers are sums over blocks, from the periodogram of the detrended, Hann-windowed block. Usual is ``exp(mean)`` of
    the logarithms of the channel's own calibration. Without a calibration, usual is the median of the channels in the
    same window that are neither flat nor clipped nor broken, if these are four or more; in a view of fewer than four,
    ``max_line`` and ``max_high`` then hold alone.

    The score is ``1 - m / 2``, where m is the largest measure as a fraction of its limit; 0 at least, and at most 0.45
    of a bad channel; NaN where no block of the window could be measured. A channel is bad at once where a fraction is
    over 1, and good again with the ``good_after``-th window in a row in which all are below 0.8; its reason stays until
    then.

    Parameters
    ----------
    settings : QualitySettings
    max_bad : float
        The view is missing where the share of bad channels is larger.
    reference : Reference, optional
        Of calibration; passed over where it is of another number of channels.
    """

    def __init__(self, settings: QualitySettings, max_bad: float, reference: Reference | None = None) -> None:
        self._settings = settings
        self._max_bad = max_bad
        self._given = reference
        self._names: tuple[str, ...] = ()
        self._limits = np.maximum([[settings.flat_share], [settings.clipped_share]], SMALLEST)
        self._ratio_limits = np.array([[settings.max_line], [settings.max_high]])

    @property
    def quality_names(self) -> tuple[str, ...]:
        """The channel labels, those that come again with a number behind: ``"Fp1"``, ``"Fp1#2"``."""
        return self._names

    @property
    def reference(self) -> Reference:
        """What was usual in the good channels of the windows kept so far."""
        return Reference.of_sums(*self._sums)

    def reset(self, source: ViewSource) -> None:
        """Forget everything, and find the places of the channels on the head."""
        description = source.description
        self._names = _unique(description.channel_labels)
        channels = len(self._names)
        self._blocks = SignalBlocks(channels, description.nominal_rate_hz, source.grid)
        self._interpolator = Interpolator.of(description.channel_labels)
        self._held = np.zeros(channels, dtype=np.int64)
        self._reasons: dict[int, str] = {}
        self._sums = np.zeros((2, 3, channels))
        given = self._given
        self._usual = np.full((3, channels), np.nan)
        if given is not None and given.mean.shape == (3, channels):
            self._usual = np.where(given.known, np.exp(given.mean), np.nan)
        self._known = np.isfinite(self._usual)

    @property
    def substitutes(self) -> Repair | None:
        """Every channel as a sum of the others; None where no channel has a place."""
        if not self._interpolator.located.any():
            return None
        everyone = np.arange(len(self._names))
        return Repair(everyone, np.concatenate([self._interpolator.weights(np.array([i])) for i in everyone]))

    def begin_segment(self) -> None:
        """The next sample does not continue the last one: verdicts stand, a block that is not full is dropped."""
        self._blocks.begin_segment()

    def push(self, cell: int, stamps_s: Floats, values: NDArray[Any]) -> None:
        """Take samples in."""
        self._blocks.push(cell, values)

    def judge(self, window: ClosingWindow) -> Quality:
        """Quality of a window."""
        broken = self._blocks.broken(window.cells)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            signal = self._signal(window.cells)
            if broken.any():
                signal.values[:, broken] = np.nan
            fractions = self._fractions(signal)
        worst = fractions.max(axis=0)
        measured = np.isfinite(signal.values[0])
        scores = np.where(measured, np.maximum(1 - 0.5 * worst, 0.0), np.nan)
        over = broken | (worst > 1)
        held, reasons = self._held, self._reasons
        if reasons or over.any():
            # A window that says nothing of a channel counts neither for nor against it.
            waits = (held > 0) & measured
            held = np.where(waits, np.where(worst < CLEARLY, held - 1, self._settings.good_after), held)
            held[over] = self._settings.good_after
            reasons = self._why_bad(held, over, broken, fractions)
        verdict = _Verdict(held, reasons, signal.values)
        if not reasons:
            return Quality(scores, state=verdict)
        bad = np.flatnonzero(held)
        scores[bad] = np.minimum(scores[bad], BAD_SCORE)
        scores[broken] = 0.0
        signal.values[:, bad] = np.nan
        missing = self._why_missing(reasons)
        if missing:
            signal.values.fill(np.nan)
        words = {self._names[i]: reason for i, reason in reasons.items()}
        return Quality(scores, words, missing, Repair(bad, self._interpolator.weights(bad)), verdict)

    def keep(self, quality: Quality) -> None:
        """The window has closed with this."""
        verdict = quality.state
        if not isinstance(verdict, _Verdict):
            return
        self._held, self._reasons = verdict.held, verdict.reasons
        logs = np.log(np.maximum(verdict.values, SMALLEST))
        seen = np.isfinite(logs)
        logs = np.where(seen, logs, 0.0)
        self._sums[0] += seen
        self._sums[1] += logs

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._blocks.discard(before)

    def _signal(self, cells: range) -> _Signal:
        blocks, steady = self._blocks.blocks(cells)
        channels = len(self._names)
        shares, values, lasting = np.zeros((2, channels)), np.full((3, channels), np.nan), np.full(channels, np.nan)
        if not len(blocks):
            return _Signal(shares, values, lasting)
        sums = np.add.reduce(blocks[:, :TOP])
        np.divide(sums[REPEATS], sums[SAMPLES], out=shares[0])
        if np.count_nonzero(sums[AT_TOP:LOW]):
            extremes = np.fmax.reduce(blocks[:, TOP:SPREAD])
            # Extremes of two blocks may differ by the rounding of what was taken from each.
            near = blocks[:, TOP:SPREAD] >= extremes - 1e-6 * extremes.sum(axis=0)
            clipped = (blocks[:, AT_TOP:LOW] * near).sum(axis=(0, 1))
            np.divide(clipped, sums[SAMPLES], out=shares[1], where=extremes.sum(axis=0) > 0)
        largest = np.fmax.reduce(blocks[:, SPREAD])
        np.maximum(largest, np.fmax(largest, self._blocks.tail(cells)), out=values[0])
        runs = len(steady) - STEADY + 1
        if runs > 0:
            ranges = steady[:, SPREAD]
            lasting = np.fmax.reduce(np.minimum.reduce([ranges[i : i + runs] for i in range(STEADY)]))
        if self._blocks.has_powers:
            np.divide(sums[LINE : HIGH + 1], sums[LOW], out=values[1:])
            values[1:][~np.isfinite(values[1:])] = np.nan
        return _Signal(shares, values, lasting)

    def _fractions(self, signal: _Signal) -> Floats:
        """Each measure as a fraction of its limit, shape (measures, channels); 0 where nothing is known."""
        settings = self._settings
        values, usual = signal.values, self._usual
        channels = values.shape[1]
        found = np.empty((len(REASONS), channels))
        np.divide(signal.shares, self._limits, out=found[:2])
        if not self._known.all():
            fit = found[:2].max(axis=0) <= 1
            common = median_of_channels(values if fit.all() else np.where(fit, values, np.nan))
            usual = np.where(self._known, usual, common)
        excess = values / usual
        found[2] = settings.min_amplitude / excess[0]
        found[3] = np.fmax(excess[0] / ALONE, signal.lasting / usual[0]) / settings.max_amplitude
        # So few channels have no median: what is not known of them must not be what decides.
        smaller = np.fmin if channels < FEWEST_CHANNELS else np.minimum
        smaller(values[1:] / self._ratio_limits, excess[1:] / settings.excess, out=found[4:])
        return np.fmax(found, 0.0)

    def _why_bad(self, held: NDArray[np.int64], over: Bools, broken: Bools, fractions: Floats) -> dict[int, str]:
        """A word for each bad channel; one that is not over a limit now keeps its old one."""
        reasons = {}
        for i in np.flatnonzero(held).tolist():
            if broken[i]:
                reasons[i] = BROKEN
            elif over[i]:
                mine = fractions[:, i]
                # A flat line may stand at an extreme, and gives every ratio.
                first = next((measure for measure in (0, 1) if mine[measure] > 1), mine.argmax())
                reasons[i] = REASONS[int(first)]
            else:
                reasons[i] = self._reasons[i]
        return reasons

    def _why_missing(self, reasons: dict[int, str]) -> str:
        """Why the view is missing; empty where its bad channels are few enough."""
        channels = len(self._names)
        # The share of a configuration is a decimal fraction, which times channels may be a little below a whole number.
        if len(reasons) <= self._max_bad * channels + 1e-9:
            return ""
        named = ", ".join(f"{self._names[i]} {reason}" for i, reason in list(reasons.items())[:MOST_NAMED])
        more = f" and {len(reasons) - MOST_NAMED} more" if len(reasons) > MOST_NAMED else ""
        return f"bad channels {len(reasons)} of {channels}: {named}{more}"


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels, with ``#2`` and so on behind one that comes again."""
    names: list[str] = []
    for label in labels:
        name, number = label, 1
        while name in names or (number > 1 and name in labels):
            number += 1
            name = f"{label}#{number}"
        names.append(name)
    return tuple(names)
