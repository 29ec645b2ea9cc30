"""A report on a recording: streams, rates, gaps, clocks, and what looks wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rtemo.sources.base import Source
from rtemo.sources.xdf import XdfSource
from rtemo.timeline import Timeline
from rtemo.types import OWN_STREAMS, Chunk, StreamDescription

MAX_GAPS = 1000
RATE_TOLERANCE = 0.02
UNUSED = Timeline(0.0, measured=False)
"""Of a stream that was left out."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Where a segment of a stream ends and the next one starts; a negative length means that the stamps go back."""

    start_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class ClockReport:
    """What is known of a stream's clock.

    Parameters
    ----------
    measurements : int
        Clock offsets in the file.
    segments : int
        One more than there were resets of the clock.
    first_offset_s, last_offset_s : float or None
    wild : int
        Measurements left out.
    """

    measurements: int
    segments: int
    first_offset_s: float | None
    last_offset_s: float | None
    wild: int


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What is known of a stream after reading all of it.

    Parameters
    ----------
    effective_rate_hz : float or None
        Samples over time inside the segments; None for text and irregular streams, and for fewer than two samples.
    segments : int
        Unbroken stretches.
    rejected : int
        Samples left out for their stamps.
    jitter_s : float or None
        Standard deviation of stamps about even intervals.
    not_finite : int
        Values that are NaN or infinite.
    flat_channels : tuple of str
        Channels that never change.
    footer_samples : int or None
        How many samples the footer of the file claims.
    """

    key: str
    name: str
    type: str
    hostname: str
    source_id: str
    channels: int
    channel_labels: tuple[str, ...]
    channel_units: tuple[str, ...]
    is_text: bool
    nominal_rate_hz: float
    effective_rate_hz: float | None
    samples: int
    first_s: float | None
    last_s: float | None
    segments: int
    gaps: tuple[Gap, ...]
    rejected: int
    jitter_s: float | None
    not_finite: int
    flat_channels: tuple[str, ...]
    footer_samples: int | None
    clock: ClockReport | None


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a recording; `findings` says what looks wrong, one line each."""

    origin: str
    duration_s: float
    streams: tuple[StreamReport, ...]
    findings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Tally:
    """What is counted while a stream is read."""

    samples: int = 0
    first_s: float = math.nan
    last_s: float = math.nan
    earliest_s: float = math.inf
    latest_s: float = -math.inf
    segment: int | None = None
    segments: int = 0
    inside_s: float = 0.0
    intervals: int = 0
    gaps: list[Gap] = field(default_factory=list)
    not_finite: int = 0
    lowest: np.ndarray[Any, Any] | None = None
    highest: np.ndarray[Any, Any] | None = None

    def add(self, chunk: Chunk) -> None:
        """Count a chunk."""
        first, last = float(chunk.stamps_s[0]), float(chunk.stamps_s[-1])
        if chunk.segment != self.segment:
            if self.segment is not None and len(self.gaps) < MAX_GAPS:
                self.gaps.append(Gap(self.last_s, first - self.last_s))
            self.segment = chunk.segment
            self.segments += 1
        else:
            self.inside_s += first - self.last_s
            self.intervals += 1
        self.inside_s += last - first
        self.intervals += len(chunk.stamps_s) - 1
        self.stamp(first, last, len(chunk.stamps_s))
        values = np.asarray(chunk.values)
        if values.shape[1]:
            if values.dtype.kind == "f":
                self.not_finite += int(np.count_nonzero(~np.isfinite(values)))
            low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
            self.lowest = low if self.lowest is None else np.fmin(self.lowest, low)
            self.highest = high if self.highest is None else np.fmax(self.highest, high)

    def stamp(self, first: float, last: float, count: int) -> None:
        """Count samples by their stamps."""
        if not self.samples:
            self.first_s = first
        self.samples += count
        self.last_s = last
        self.earliest_s = min(self.earliest_s, first)
        self.latest_s = max(self.latest_s, last)


def inspect_recording(source: Source) -> Report:
    """Read a recording from end to end and report on it.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Report
    """
    tallies = {stream.key: _Tally() for stream in source.streams}
    for item in source:
        if isinstance(item, Chunk):
            tallies[item.stream].add(item)
        else:
            tallies[item.stream].stamp(item.stamp_s, item.stamp_s, 1)
    streams = tuple(_stream_report(source, stream, tallies[stream.key]) for stream in source.streams)
    seen = [tally for tally in tallies.values() if tally.samples]
    duration = max(tally.latest_s for tally in seen) - min(tally.earliest_s for tally in seen) if seen else 0.0
    findings = [*source.warnings, *(finding for stream in streams for finding in _findings(stream))]
    if not seen:
        findings.append("no stream holds a sample")
    starts = [stream.first_s for stream in streams if stream.first_s is not None]
    if starts and max(starts) - min(starts) > max(60.0, duration / 2):
        findings.append(f"streams start {max(starts) - min(starts):.3f} s apart: are their clocks the same?")
    return Report(source.origin, duration, streams, tuple(findings))


def _stream_report(source: Source, stream: StreamDescription, tally: _Tally) -> StreamReport:
    regular = stream.nominal_rate_hz > 0 and not stream.is_text
    rejected, jitter, clock, footer = 0, None, None, None
    if isinstance(source, XdfSource):
        timeline = source.timelines.get(stream.key, UNUSED)
        rejected = timeline.rejected
        jitter = getattr(timeline.stamps, "jitter_s", math.nan)
        offsets = source.reader.clock_offsets.get(int(stream.key), [])
        clock = ClockReport(
            len(offsets),
            timeline.clock.segment + 1,
            offsets[0].offset_s if offsets else None,
            offsets[-1].offset_s if offsets else None,
            timeline.clock.wild,
        )
        known = source.reader.footers.get(int(stream.key))
        footer = None if known is None else known.sample_count
    flat: tuple[str, ...] = ()
    if tally.lowest is not None and tally.highest is not None and tally.samples > 1:
        flat = tuple(np.array(stream.channel_labels)[tally.lowest == tally.highest].tolist())
    return StreamReport(
        key=stream.key,
        name=stream.name,
        type=stream.type,
        hostname=stream.hostname,
        source_id=stream.source_id,
        channels=stream.channels,
        channel_labels=stream.channel_labels,
        channel_units=stream.channel_units,
        is_text=stream.is_text,
        nominal_rate_hz=stream.nominal_rate_hz,
        effective_rate_hz=tally.intervals / tally.inside_s if regular and tally.inside_s > 0 else None,
        samples=tally.samples,
        first_s=tally.first_s if tally.samples else None,
        last_s=tally.last_s if tally.samples else None,
        segments=tally.segments if not stream.is_text else min(tally.samples, 1),
        gaps=tuple(tally.gaps),
        rejected=rejected,
        jitter_s=None if jitter is None or math.isnan(jitter) else jitter,
        not_finite=tally.not_finite,
        flat_channels=flat,
        footer_samples=footer,
        clock=clock,
    )


def _findings(stream: StreamReport) -> Iterator[str]:
    """What looks wrong with one stream."""
    name = f"stream {stream.key} {stream.name!r}"
    if not stream.samples:
        yield f"{name} holds no sample"
        return
    if stream.effective_rate_hz is not None and stream.samples > 100:
        off = stream.effective_rate_hz / stream.nominal_rate_hz - 1
        if abs(off) > RATE_TOLERANCE:
            found, nominal = stream.effective_rate_hz, stream.nominal_rate_hz
            yield f"{name} runs at {found:.3f} Hz, {100 * off:+.1f} % off its nominal {nominal:g} Hz"
    if stream.gaps:
        longest = max(stream.gaps, key=lambda gap: abs(gap.length_s))
        gaps = "a gap" if len(stream.gaps) == 1 else f"{len(stream.gaps)} gaps, the longest"
        yield f"{name} has {gaps} of {longest.length_s:.3f} s at {longest.start_s:.3f} s"
    if stream.clock is not None and stream.clock.segments > 1:
        yield f"{name}: its clock was reset ({stream.clock.segments} clock segments)"
    if stream.clock is not None and stream.clock.wild:
        yield f"{name}: {stream.clock.wild} wild clock measurements were left out"
    # In a stream of our own, what was not judged or predicted is NaN, and a view that is always there never changes.
    ours = stream.name in OWN_STREAMS
    if stream.not_finite and not ours:
        yield f"{name} holds {stream.not_finite} values that are not finite"
    if stream.flat_channels and stream.samples > 100 and not ours:
        shown = ", ".join(stream.flat_channels[:8]) + (", ..." if len(stream.flat_channels) > 8 else "")
        yield f"{name}: {len(stream.flat_channels)} of {stream.channels} channels never change ({shown})"
    # LabRecorder's footers count one sample too few.
    if stream.footer_samples is not None and abs(stream.footer_samples - stream.samples - stream.rejected) > 1:
        yield f"{name} holds {stream.samples + stream.rejected} samples, its footer says {stream.footer_samples}"
