"""How good the signal of each channel is, window by window, and which channels are bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.config import QualitySettings
from rtemo.features.base import ClosingWindow, Quality, Repair, ViewSource
from rtemo.features.interpolation import Interpolator
from rtemo.features.reference import Reference, median_of_channels
from rtemo.features.signal_blocks import AT_TOP, HIGH, LINE, LOW, REPEATS, SAMPLES, SPREAD, TOP, SignalBlocks
from rtemo.types import Bools, Floats

CLEARLY = 0.8
"""A bad channel may become good again below this fraction of every limit."""

MIN_DEVIATION = 4.0
"""Standard deviations of calibration that an amplitude must be off, besides its ratio to what is usual."""

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
    values : ndarray of float64, shape (4, channels)
        Largest range of a block, smallest range of the last blocks, line ratio, high ratio; NaN where not known.
    """

    shares: Floats
    values: Floats


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
    * *flat*: of all samples of the blocks, the share that equals its predecessor is over ``flat_share``; or the
      amplitude is below ``min_amplitude`` times what is usual.
    * *clipped*: the share of samples that equal their predecessor and stand at the largest or the smallest value of all
      blocks, which differ, is over ``clipped_share``.
    * *amplitude*, the largest peak-to-peak range of a block: over ``max_amplitude`` times what is usual.
    * *line noise*: the power within about 2 Hz of 50 or of 60 Hz, in each block whichever is more, over that of 2.5 to
      30 Hz. Bad where it is over ``max_line`` and over ``excess`` times what is usual.
    * *muscle*: the power of 70 to 95 Hz (35 to 42.5 Hz at rates below 195 Hz) over that of 2.5 to 30 Hz. Bad where it
      is over ``max_high`` and over ``excess`` times what is usual.

    Powers are sums over blocks, from the periodogram of the detrended, Hann-windowed block. Usual is ``exp(mean)`` of
    the logarithms of the channel's own calibration; an amplitude must then be off by 4 of their standard deviations
    too. Without a calibration, usual is the median of the channels in the same window that are neither flat nor clipped
    nor broken, if these are four or more. So that a blink is no excess, the amplitude that is then held against
    ``max_amplitude`` is the smallest range of the window's blocks, or of the last three where it has fewer.

    The score is ``1 - m / 2``, where m is the largest measure as a fraction of its limit; 0 at least, and at most 0.45
    of a bad channel. A channel is bad at once where a fraction is over 1, and good again with the ``good_after``-th
    window in a row in which all are below 0.8; its reason stays until then.

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
        """The channel labels."""
        return self._names

    @property
    def reference(self) -> Reference:
        """What was usual in the good channels of the windows kept so far."""
        return Reference.of_sums(*self._sums)

    def reset(self, source: ViewSource) -> None:
        """Forget everything, and find the places of the channels on the head."""
        description = source.description
        self._names = description.channel_labels
        channels = len(self._names)
        self._blocks = SignalBlocks(channels, description.nominal_rate_hz, source.grid)
        self._interpolator = Interpolator.of(self._names)
        self._held = np.zeros(channels, dtype=np.int64)
        self._reasons: dict[int, str] = {}
        self._pending: _Verdict | None = None
        self._sums = np.zeros((3, 3, channels))
        given = self._given
        self._usual, self._deviation = np.full((4, channels), np.nan), np.zeros(channels)
        if given is not None and given.mean.shape == (3, channels):
            self._usual = np.where(given.known, np.exp(given.mean), np.nan)[[0, 0, 1, 2]]
            self._deviation = given.sd[0]
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
        with np.errstate(invalid="ignore", over="ignore"):
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
        scores = np.maximum(1 - 0.5 * worst, 0.0)
        over = broken | (worst > 1)
        held, reasons = self._held, self._reasons
        if reasons or over.any():
            # A window that says nothing of a channel counts neither for nor against it.
            waits = (held > 0) & np.isfinite(signal.values[0])
            held = np.where(waits, np.where(worst < CLEARLY, held - 1, self._settings.good_after), held)
            held[over] = self._settings.good_after
            reasons = self._why_bad(held, over, broken, fractions)
        if not reasons:
            self._pending = _Verdict(held, reasons, signal.values)
            return Quality(scores)
        bad = np.flatnonzero(held)
        scores[bad] = np.minimum(scores[bad], BAD_SCORE)
        scores[broken] = 0.0
        signal.values[:, bad] = np.nan
        missing = self._why_missing(reasons)
        if missing:
            signal.values.fill(np.nan)
        self._pending = _Verdict(held, reasons, signal.values)
        words = {self._names[i]: reason for i, reason in reasons.items()}
        return Quality(scores, words, missing, Repair(bad, self._interpolator.weights(bad)))

    def keep(self, quality: Quality) -> None:
        """The window has closed with this."""
        if self._pending is None:
            return
        self._held, self._reasons = self._pending.held, self._pending.reasons
        logs = np.log(np.maximum(self._pending.values[[0, 2, 3]], SMALLEST))
        self._pending = None
        seen = np.isfinite(logs)
        logs = np.where(seen, logs, 0.0)
        self._sums[0] += seen
        self._sums[1] += logs
        self._sums[2] += logs * logs

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._blocks.discard(before)

    def _signal(self, cells: range) -> _Signal:
        blocks, steady = self._blocks.blocks(cells)
        channels = len(self._names)
        shares, values = np.zeros((2, channels)), np.full((4, channels), np.nan)
        if not len(blocks):
            return _Signal(shares, values)
        sums = blocks[:, :TOP].sum(axis=0)
        np.divide(sums[REPEATS], sums[SAMPLES], out=shares[0])
        if sums[AT_TOP:LOW].any():
            extremes = np.fmax.reduce(blocks[:, TOP:SPREAD])
            # Extremes of two blocks may differ by the rounding of what was taken from each.
            near = blocks[:, TOP:SPREAD] >= extremes - 1e-6 * extremes.sum(axis=0)
            clipped = (blocks[:, AT_TOP:LOW] * near).sum(axis=(0, 1))
            np.divide(clipped, sums[SAMPLES], out=shares[1], where=extremes.sum(axis=0) > 0)
        np.fmax.reduce(blocks[:, SPREAD], out=values[0])
        np.fmin.reduce(steady[:, SPREAD], out=values[1])
        if self._blocks.has_powers:
            np.divide(sums[LINE : HIGH + 1], sums[LOW], out=values[2:])
            values[2:][~np.isfinite(values[2:])] = np.nan
        return _Signal(shares, values)

    def _fractions(self, signal: _Signal) -> Floats:
        """Each measure as a fraction of its limit, shape (measures, channels); 0 where nothing is known."""
        settings = self._settings
        values, usual = signal.values, self._usual
        found = np.empty((len(REASONS), values.shape[1]))
        np.divide(signal.shares, self._limits, out=found[:2])
        if not self._known.all():
            fit = found[:2].max(axis=0) <= 1
            common = median_of_channels(values if fit.all() else np.where(fit, values, np.nan))
            usual = np.where(self._known, usual, common)
        excess = values / usual
        calibrated = self._known[0]
        found[2] = settings.min_amplitude / excess[0]
        found[3] = np.where(calibrated, excess[0], excess[1]) / settings.max_amplitude
        if calibrated.any():
            off = np.log(excess[0]) / (MIN_DEVIATION * self._deviation)
            found[2:4] = np.where(calibrated, np.fmin(found[2:4], [-off, off]), found[2:4])
        np.minimum(values[2:] / self._ratio_limits, excess[2:] / settings.excess, out=found[4:])
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
