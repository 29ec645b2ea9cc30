"""From recordings to a table of labelled features, by the very pipeline that serves live."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rtemo.config import Configuration, MarkerSettings
from rtemo.errors import ConfigurationError, LabelError, RecordingError, StreamError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.reference import Reference
from rtemo.labels import Segment, events_path, label_windows, read_events, segments_from_markers
from rtemo.sources import open_recording
from rtemo.sources.base import Source
from rtemo.tally import Tally
from rtemo.types import (
    EVENT_STREAM,
    PREDICTION_STREAM,
    SESSION_START,
    Chunk,
    FeatureTable,
    FeatureWindow,
    Floats,
    Marker,
    StreamDescription,
)

# Recorders write streams in turns, some of many seconds. Waiting for a stream costs a recording nothing but memory.
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """What one recording gave.

    Parameters
    ----------
    table : FeatureTable
        Its windows; a view whose stream the recording lacks has no columns.
    bound : mapping of str to StreamDescription or None
        The stream of each view, of its chosen channels; None where the recording has none.
    warnings : tuple of str
        What the user should know, one line each.
    references : mapping of str to Reference
        By view whose channels are watched, what was usual.
    """

    table: FeatureTable
    bound: Mapping[str, StreamDescription | None]
    warnings: tuple[str, ...]
    references: Mapping[str, Reference] = field(default_factory=dict)


class SessionMarks:
    """What a recording of our own says of the session that made it: when its first and its last window were.

    A live session begins at some moment, whatever came before, and goes on through silence, of which no sample tells.
    Its recording holds the events and predictions of the session, from which a replay knows.

    Parameters
    ----------
    source : Source
    pipeline : FeaturePipeline
        Which is told of the first window.
    config : Configuration
        With other windows than the session had, nothing follows from its marks.
    """

    def __init__(self, source: Source, pipeline: FeaturePipeline, config: Configuration) -> None:
        keys = {stream.name: stream.key for stream in source.streams if stream.own}
        self.last_window: int | None = None
        self._events, self._predictions = keys.get(EVENT_STREAM), keys.get(PREDICTION_STREAM)
        self._pipeline = pipeline
        self._window = config.window
        self._same = False

    def take(self, item: Chunk | Marker) -> None:
        """Look at an item of the source, before the pipeline does."""
        if isinstance(item, Marker) and item.stream == self._events:
            self._begin(item.text)
        elif isinstance(item, Chunk) and item.stream == self._predictions and self._same:
            self.last_window = round((float(item.stamps_s[-1]) - self._window.length_s) / self._window.hop)

    def _begin(self, text: str) -> None:
        try:
            event = json.loads(text)
        except ValueError:
            return
        if not isinstance(event, dict) or event.get("event") != SESSION_START:
            return
        first, length_s, hop_s = (event.get(key) for key in ("first_window", "length_s", "hop_s"))
        self._same = (length_s, hop_s) == (self._window.length_s, self._window.hop)
        if self._same and isinstance(first, int):
            self._pipeline.windower.begin(first)


class Successions:
    """Streams that came back under another description, which a recording holds as streams of their own.

    Parameters
    ----------
    source : Source
    pipeline : FeaturePipeline
        Which knows each such stream by the key of the first.
    """

    def __init__(self, source: Source, pipeline: FeaturePipeline) -> None:
        self._pipeline = pipeline
        self._descriptions = {stream.key: stream for stream in source.streams}
        self._first: dict[str, str] = {}
        for stream in source.streams:
            if stream.continues in self._descriptions:
                self._first[stream.key] = self._first.get(stream.continues, stream.continues)
        self._bases: dict[str, int] = {}
        self._segments: dict[str, int] = {}

    def follow(self, chunk: Chunk) -> Chunk:
        """The chunk as one of the stream that it goes on from, in a segment of its own."""
        if not self._first:
            return chunk
        first = self._first.get(chunk.stream, chunk.stream)
        base = self._bases.get(chunk.stream)
        if base is None:
            base = self._bases[chunk.stream] = self._segments.get(first, -1) + 1
            if first != chunk.stream:
                self._pipeline.attach(replace(self._descriptions[chunk.stream], key=first), float(chunk.stamps_s[0]))
        self._segments[first] = base + chunk.segment
        return replace(chunk, stream=first, segment=base + chunk.segment)


def windows_of(
    source: Source, pipeline: FeaturePipeline, config: Configuration, on_item: Callable[[Chunk | Marker], None]
) -> Iterator[FeatureWindow]:
    """Every window of a source, in order.

    Parameters
    ----------
    source : Source
    pipeline : FeaturePipeline
        Bound to it.
    config : Configuration
    on_item : callable
        Called with each chunk and marker before its windows come.
    """
    marks, successions = SessionMarks(source, pipeline, config), Successions(source, pipeline)
    for item in source:
        on_item(item)
        marks.take(item)
        if isinstance(item, Chunk) and len(item.stamps_s):
            yield from pipeline.push(successions.follow(item))
    yield from pipeline.end(marks.last_window)


class MarkerCollector:
    """Gathers the markers of the stream that the configuration names; numeric markers are read as their number."""

    def __init__(self, settings: MarkerSettings | None, streams: Sequence[StreamDescription], origin: str) -> None:
        self.warnings: list[str] = []
        self.markers: list[Marker] = []
        self._key: str | None = None
        if settings is None:
            return
        found = [stream for stream in streams if settings.stream.matches(stream)]
        if len(found) > 1:
            listing = "; ".join(str(stream) for stream in found)
            raise StreamError(
                f"{origin}: [markers] stream ({settings.stream}) fits {len(found)} streams: {listing}.",
                cure="Say which by source_id or name.",
            )
        if found:
            self._key = found[0].key
        else:
            self.warnings.append(f"{origin}: no marker stream with {settings.stream}: no labels from markers")

    def take(self, item: Chunk | Marker) -> None:
        """Keep the item where it belongs to the marker stream."""
        if item.stream != self._key:
            return
        if isinstance(item, Marker):
            self.markers.append(item)
        else:
            for stamp_s, value in zip(item.stamps_s, item.values[:, 0], strict=True):
                text = str(int(value)) if float(value).is_integer() else str(value)
                self.markers.append(Marker(item.stream, float(stamp_s), text))


def extract(
    path: str | Path,
    config: Configuration,
    *,
    read_labels: bool = True,
    unsynchronised: bool = False,
    references: Mapping[str, Reference] | None = None,
) -> Extraction:
    """Windows, masks, features and labels of one recording, exactly as live.

    Parameters
    ----------
    path : path-like
        The recording.
    config : Configuration
    read_labels : bool, default True
        False leaves every window unlabelled: neither markers nor events are looked at.
    unsynchronised : bool, default False
        See `rtemo.sources.open_recording`.
    references : mapping of str to Reference, optional
        What was usual in the calibration of a model that the features are for: `Bundle.references`.

    Returns
    -------
    Extraction

    Raises
    ------
    RecordingError
        The recording cannot be read, or holds no window.
    StreamError
        It lacks a required view, every view, or a channel; or streams are ambiguous.
    LabelError
        Its events file is wrong.
    """
    source = open_recording(path, unsynchronised=unsynchronised)
    try:
        pipeline = bind(config, source, references)
        collector = MarkerCollector(config.markers if read_labels else None, source.streams, source.origin)
        windows, first_s = _run(source, pipeline, config, collector)
        tally = Tally(source.origin)
        for window in windows:
            tally.take(window)
        warnings = [*said_by(source, pipeline), *collector.warnings, *tally.warnings()]
    finally:
        source.close()
    if not windows:
        raise RecordingError(
            f"{path}: expected at least one window of {config.window.length_s:g} s, found none.",
            cure="The recording is too short or its streams carry no samples; see rtemo info.",
        )
    segments = _segments(Path(path), config, collector.markers, first_s) if read_labels else []
    table = _table(Path(path), windows, pipeline, segments)
    if read_labels and (config.markers is not None or events_path(path).is_file()) and not (table.trial >= 0).any():
        warnings.append(f"{path}: no window has a label: {_what_marks(Path(path), collector.markers)}")
    return Extraction(table, pipeline.bound, tuple(warnings), pipeline.references)


def bind(config: Configuration, source: Source, references: Mapping[str, Reference] | None = None) -> FeaturePipeline:
    """The pipeline of a recording; an error names the recording.

    Raises
    ------
    StreamError, ConfigurationError
        See `FeaturePipeline`.
    """
    try:
        return FeaturePipeline(
            config,
            source.streams,
            origin=source.origin,
            lost_after_s=PATIENCE_S,
            ends_are_gaps=any(stream.own for stream in source.streams),
            references=references,
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{source.origin}: {error.message}", cure=error.cure) from error


def said_by(source: Source, pipeline: FeaturePipeline) -> list[str]:
    """What a source and its pipeline warn of, each line with the recording's name."""
    lines = [*source.warnings, *pipeline.warnings]
    lines += [f"{count} samples of stream {key!r} came late" for key, count in pipeline.late.items() if count]
    return [line if line.startswith(source.origin) else f"{source.origin}: {line}" for line in lines]


def _what_marks(path: Path, markers: Sequence[Marker]) -> str:
    """What was there to take labels from."""
    events = events_path(path)
    if events.is_file():
        return f"no trial_type of {events.name} that covers a window is among the labels"
    texts = sorted({marker.text for marker in markers})
    more = f" and {len(texts) - 6} more" if len(texts) > 6 else ""
    found = ", ".join(repr(text[:40]) for text in texts[:6]) + more
    return f"the markers say {found}" if texts else "no marker was found"


def _run(
    source: Source, pipeline: FeaturePipeline, config: Configuration, collector: MarkerCollector
) -> tuple[list[FeatureWindow], float]:
    """Every window of a source, and the stamp of its first sample."""
    own = {stream.key for stream in source.streams if stream.own}
    first_s = math.inf

    def look(item: Chunk | Marker) -> None:
        nonlocal first_s
        collector.take(item)
        if isinstance(item, Chunk) and len(item.stamps_s) and item.stream not in own:
            first_s = min(first_s, float(item.stamps_s[0]))

    return list(windows_of(source, pipeline, config, look)), first_s


def _segments(path: Path, config: Configuration, markers: list[Marker], first_s: float) -> list[Segment]:
    """Labelled segments of a recording: its events file wins over its markers."""
    events = events_path(path)
    if events.is_file():
        aliases = config.markers.labels if config.markers is not None else {}
        return read_events(events, config.labels, aliases, origin_s=first_s)
    return segments_from_markers(markers, config.markers) if config.markers is not None else []


def _table(
    path: Path, windows: Sequence[FeatureWindow], pipeline: FeaturePipeline, segments: Sequence[Segment]
) -> FeatureTable:
    names, quality_names = pipeline.names, pipeline.quality_names
    start_s = np.array([window.start_s for window in windows])
    stop_s = np.array([window.stop_s for window in windows])
    label, trial = label_windows(start_s, stop_s, segments)
    return FeatureTable(
        start_s=start_s,
        stop_s=stop_s,
        features={view: np.stack([window.features[view] for window in windows]) for view in names},
        available={view: np.array([window.available[view] for window in windows], dtype=bool) for view in names},
        coverage={view: np.array([window.coverage[view] for window in windows]) for view in names},
        names=dict(names),
        label=label,
        trial=trial,
        recording=np.zeros(len(windows), dtype=np.int64),
        recordings=(str(path),),
        quality={view: np.stack([window.quality[view] for window in windows]) for view in quality_names},
        quality_names=dict(quality_names),
    )


def join(tables: Sequence[FeatureTable], expected: Mapping[str, tuple[str, ...]] | None = None) -> FeatureTable:
    """One table of many: a view that some recordings lack is missing there.

    Parameters
    ----------
    tables : sequence of FeatureTable
        At least one.
    expected : mapping of str to tuple of str, optional
        Feature names by view that the tables must have where they have the view: those of a bundle.

    Returns
    -------
    FeatureTable
        Recordings and trials are numbered on.

    Raises
    ------
    StreamError
        Two recordings give a view different features, i.e. have other channels.
    """
    names: dict[str, tuple[str, ...]] = dict(expected or {})
    owner = dict.fromkeys(names, "the bundle")
    for table in tables:
        for view, found in table.names.items():
            known = names.setdefault(view, ())
            if found and not known:
                names[view], owner[view] = found, table.recordings[0]
            elif found and found != known:
                differ = sorted(set(found) ^ set(known))[:6]
                raise StreamError(
                    f"{table.recordings[0]}: view {view!r} has {len(found)} features, expected the {len(known)} of "
                    f"{owner[view]} (differing: {', '.join(differ) or 'their order'}).",
                    cure="List the common channels in the configuration.",
                )
    quality_names = _all_quality_names(tables)
    first_trial = np.cumsum([0, *(int(table.trial.max(initial=-1)) + 1 for table in tables)])
    first_recording = np.cumsum([0, *(len(table.recordings) for table in tables)])
    return FeatureTable(
        start_s=np.concatenate([table.start_s for table in tables]),
        stop_s=np.concatenate([table.stop_s for table in tables]),
        features={v: np.concatenate([_widened(t, v, len(names[v])) for t in tables]) for v in names},
        available={v: np.concatenate([t.available[v] for t in tables]) for v in names},
        coverage={v: np.concatenate([t.coverage[v] for t in tables]) for v in names},
        names=names,
        label=np.concatenate([table.label for table in tables]),
        trial=np.concatenate(
            [np.where(t.trial >= 0, t.trial + n, -1) for t, n in zip(tables, first_trial, strict=False)]
        ),
        recording=np.concatenate([t.recording + n for t, n in zip(tables, first_recording, strict=False)]),
        recordings=tuple(name for table in tables for name in table.recordings),
        quality={v: np.concatenate([_quality(t, v, of) for t in tables]) for v, of in quality_names.items()},
        quality_names=quality_names,
    )


def _widened(table: FeatureTable, view: str, width: int) -> Floats:
    features = table.features[view]
    return features if features.shape[1] == width else np.full((len(table), width), np.nan)


def _all_quality_names(tables: Sequence[FeatureTable]) -> dict[str, tuple[str, ...]]:
    """What the scores of each view are of, in any of the tables."""
    names: dict[str, tuple[str, ...]] = {}
    for table in tables:
        for view, found in table.quality_names.items():
            known = names.setdefault(view, found)
            names[view] = known if found == known else tuple(dict.fromkeys((*known, *found)))
    return names


def _quality(table: FeatureTable, view: str, names: tuple[str, ...]) -> Floats:
    """A table's scores of a view under these names; NaN where it has none."""
    own = table.quality_names.get(view, ())
    if own == names:
        return table.quality[view]
    scores = np.full((len(table), len(names)), np.nan)
    places = {name: i for i, name in enumerate(names)}
    if own:
        scores[:, [places[name] for name in own]] = table.quality[view]
    return scores


def label_indices(table: FeatureTable, labels: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Index of each window's label in `labels`, -1 where it has none; shape (windows,)."""
    order = {label: i for i, label in enumerate(labels)}
    unknown = sorted(set(table.label.tolist()) - set(order) - {""})
    if unknown:
        raise LabelError(f"labels {unknown} are not among {list(labels)}.", cure="Add them to labels.")
    return np.array([order.get(label, -1) for label in table.label.tolist()], dtype=np.int64)
