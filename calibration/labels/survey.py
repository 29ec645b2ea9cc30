"""What must be known of a recording before its labels can be judged: its beginning and end, its holes, its markers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.labels.track import DECIMALS, LabelSegment
from rtemo.config import Configuration
from rtemo.errors import RecordingError
from rtemo.extraction import MarkerCollector
from rtemo.grid import Grid
from rtemo.labels import EDGE_S, segments_from_markers
from rtemo.sources.base import Source
from rtemo.sources.xdf import XdfSource
from rtemo.types import Chunk, Marker, StreamDescription

MOST_GAPS = 10_000
MOST_MARKERS = 200_000
HOLE_PERIODS = 2.0


@dataclass(frozen=True, slots=True)
class StreamSpan:
    """When a stream of samples was there.

    Parameters
    ----------
    stream : StreamDescription
    start_s, stop_s : float
        LSL local-clock seconds.
    gaps : tuple of (float, float)
        Stretches without samples in between.
    """

    stream: StreamDescription
    start_s: float
    stop_s: float
    gaps: tuple[tuple[float, float], ...] = ()

    def missing_s(self, start_s: float, stop_s: float) -> float:
        """Seconds of a stretch in which the stream has no samples."""
        before, after = (-math.inf, self.start_s), (self.stop_s, math.inf)
        holes = (before, *self.gaps, after)
        return sum(max(0.0, min(stop_s, to_s) - max(start_s, from_s)) for from_s, to_s in holes)


@dataclass(frozen=True, slots=True)
class Survey:
    """A recording as its labels see it.

    Parameters
    ----------
    origin : str
        Name of the file.
    first_s : float
        LSL local-clock time from which onsets count: of the first sample of any stream that is not rtemo's own.
    stop_s : float
        Where the last of these streams ends.
    spans : tuple of StreamSpan
        Of these streams, as far as they have samples.
    markers : tuple of Marker
        Of all text streams, in order of their stamps; not more than `MOST_MARKERS`.
    marked : tuple of LabelSegment
        Segments that the configuration's markers open; onsets count from `first_s`.
    streams : tuple of StreamDescription
        All of them.
    warnings : tuple of str
    """

    origin: str
    first_s: float
    stop_s: float
    spans: tuple[StreamSpan, ...]
    markers: tuple[Marker, ...] = ()
    marked: tuple[LabelSegment, ...] = ()
    streams: tuple[StreamDescription, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """From the first sample to the end of the last."""
        return self.stop_s - self.first_s


@dataclass
class _Span:
    period_s: float
    start_s: float = math.inf
    last_s: float = -math.inf
    segment: tuple[str, int] | None = None
    newest_s: float = -math.inf
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def take(self, chunk: Chunk) -> None:
        first_s, last_s = float(chunk.stamps_s[0]), float(chunk.stamps_s[-1])
        if (chunk.stream, chunk.segment) != self.segment:
            hole = self.newest_s + self.period_s, first_s
            if self.segment is not None and hole[1] - hole[0] > HOLE_PERIODS * self.period_s:
                self.gaps.append(hole)
            self.segment = chunk.stream, chunk.segment
        self.start_s = min(self.start_s, first_s)
        self.newest_s = last_s
        self.last_s = max(self.last_s, last_s)


def survey_recording(
    source: Source,
    config: Configuration | None,
    *,
    on_item: Callable[[Chunk | Marker], None] = lambda item: None,
    on_progress: Callable[[float, float | None], None] = lambda done_s, of_s: None,
) -> Survey:
    """Read a recording from end to end.

    Parameters
    ----------
    source : Source
    config : Configuration, optional
        Whose ``[markers]`` give segments.
    on_item : callable
        Called with each chunk and marker.
    on_progress : callable
        Called with the seconds that are read, and how many there will be, where that can be told.

    Returns
    -------
    Survey

    Raises
    ------
    RecordingError
        There is no sample from which onsets could count.
    StreamError
        The configuration's marker stream is ambiguous.
    """
    collector = MarkerCollector(None if config is None else config.markers, source.streams, source.origin)
    home = _homes(source.streams)
    spans = {stream.key: _Span(_period_s(stream)) for stream in source.streams if not (stream.own or stream.is_text)}
    markers: list[Marker] = []
    beyond = 0
    expected = _expected_s(source)
    begun_s = math.inf
    for item in source:
        collector.take(item)
        on_item(item)
        if isinstance(item, Marker):
            if len(markers) < MOST_MARKERS:
                markers.append(item)
            else:
                beyond += 1
        elif len(item.stamps_s) and item.stream in spans:
            spans[home[item.stream]].take(item)
            begun_s = min(begun_s, float(item.stamps_s[0]))
            on_progress(float(item.stamps_s[-1]) - begun_s, expected)
    there = tuple(
        StreamSpan(stream, span.start_s, span.last_s + span.period_s, tuple(sorted(span.gaps)[:MOST_GAPS]))
        for stream in source.streams
        if (span := spans.get(stream.key)) is not None and span.start_s < math.inf
    )
    if not there:
        raise RecordingError(
            f"{source.origin}: expected samples, from the first of which onsets count; found none.",
            cure="See rtemo info.",
        )
    first_s = min(span.start_s for span in there)
    warnings = [*source.warnings, *collector.warnings]
    if beyond:
        warnings.append(f"{source.origin}: {beyond} markers beyond {MOST_MARKERS} are not shown")
    survey = Survey(
        origin=source.origin,
        first_s=first_s,
        stop_s=max(span.stop_s for span in there),
        spans=there,
        markers=tuple(sorted(markers, key=lambda marker: marker.stamp_s)),
        streams=tuple(source.streams),
        warnings=tuple(line if line.startswith(source.origin) else f"{source.origin}: {line}" for line in warnings),
    )
    return survey if config is None else replace(survey, marked=_marked(survey, collector.markers, config))


def reach_s(survey: Survey, config: Configuration) -> float:
    """Where the last window ends that holds a sample: a label that goes on that far is of the whole recording."""
    grid = Grid(config.window.length_s, config.window.hop)
    last_s = max(span.stop_s for span in survey.spans)
    return max(last_s, grid.stop_s(grid.last_window(grid.cell_of(last_s))))


def windows_in(segment: LabelSegment, first_s: float, config: Configuration) -> int:
    """How many windows lie inside a segment, and so get its label.

    Parameters
    ----------
    segment : LabelSegment
    first_s : float
        LSL local-clock time from which its edges count.
    config : Configuration
    """
    hop_s, length_s = config.window.hop, config.window.length_s
    first = math.ceil((first_s + segment.start_s - EDGE_S) / hop_s)
    last = math.floor((first_s + segment.stop_s + EDGE_S - length_s) / hop_s)
    return max(0, last - first + 1)


def viewed(survey: Survey, config: Configuration | None) -> Sequence[StreamSpan]:
    """Streams that a view of the configuration reads; all, where none is given."""
    if config is None:
        return survey.spans
    return [span for span in survey.spans if any(view.stream.matches(span.stream) for view in config.views.values())]


def _homes(streams: Sequence[StreamDescription]) -> dict[str, str]:
    """By stream, the one that it goes on from: a stream that came back under another description is one with it."""
    home = {stream.key: stream.key for stream in streams}
    for stream in streams:
        if stream.continues in home:
            home[stream.key] = home[stream.continues]
    return home


def _marked(survey: Survey, markers: Sequence[Marker], config: Configuration) -> tuple[LabelSegment, ...]:
    if config.markers is None:
        return ()
    reach = reach_s(survey, config)
    segments = segments_from_markers(markers, config.markers)
    marked: list[LabelSegment] = []
    for segment in segments:
        # What no marker ends lasts as long as the recording: to the end of the last window that holds a sample of it.
        stop_s = min(segment.stop_s, reach)
        start_s = round(segment.start_s - survey.first_s, DECIMALS)
        if stop_s - segment.start_s > 0:
            cells = {"trial": str(len(marked) + 1)}
            marked.append(LabelSegment(start_s, round(stop_s - survey.first_s, DECIMALS), segment.label, cells))
    return tuple(marked)


def _period_s(stream: StreamDescription) -> float:
    return 1 / stream.nominal_rate_hz if stream.nominal_rate_hz > 0 else 0.0


def _expected_s(source: Source) -> float | None:
    """How many seconds a recording has, as far as its last clock measurements tell; None where nothing does."""
    if not isinstance(source, XdfSource):
        return None
    reader = source.reader
    starts, stops = [], []
    for stream_id, first_s in reader.first_stamps.items():
        offsets = reader.clock_offsets.get(stream_id, [])
        footer = reader.footers.get(stream_id)
        last_s = footer.last_stamp_s if footer is not None else None
        if last_s is None and offsets:
            last_s = offsets[-1].time_s
        if last_s is not None:
            starts.append(first_s + (offsets[0].offset_s if offsets else 0.0))
            stops.append(last_s + (offsets[-1].offset_s if offsets else 0.0))
    found = max(stops) - min(starts) if stops else 0.0
    return found if np.isfinite(found) and 0 < found < 1e7 else None
