"""XDF recordings as a source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.dejitter import Piece
from rtemo.errors import RecordingError
from rtemo.sources.units import MICROVOLT_TYPES, microvolts_per
from rtemo.timeline import Timeline
from rtemo.types import Chunk, Marker, StreamDescription
from rtemo.xdf import ClockOffset, Samples, StreamHeader, XdfError, XdfReader

SAME_BASE_S = 60.0
_SHOWN_PROBLEMS = 20


class XdfSource:
    """An XDF file as a `Source`: chunks and markers on the recorder's LSL clock, in file order, in bounded memory.

    Parameters
    ----------
    path : path-like
        The file.
    unsynchronised : bool, default False
        Take a file whose streams cannot be put on one clock; streams without clock measurements keep their
        raw stamps.

    Attributes
    ----------
    timelines : dict of str to Timeline
        By stream key, as the latest iteration left them: counts of rejected samples, gaps and clock segments.

    Raises
    ------
    RecordingError
        The file cannot be read, is no XDF, holds no stream, or cannot be synchronised.
    """

    def __init__(self, path: str | Path, unsynchronised: bool = False) -> None:
        self._path = Path(path)
        self._warnings: list[str] = []
        self.timelines: dict[str, Timeline] = {}
        try:
            self.reader = XdfReader(self._path)
        except XdfError as error:
            raise RecordingError(
                f"{self._path}: cannot be read as XDF: {error}.", cure="Record it again, or take another copy."
            ) from error
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be read ({error.strerror}).", cure="Check the path.") from error
        try:
            self._describe()
            self._check_clocks(unsynchronised)
        except BaseException:
            self.reader.close()
            raise

    @property
    def origin(self) -> str:
        """The file."""
        return str(self._path)

    @property
    def streams(self) -> Sequence[StreamDescription]:
        """Every stream of the file; keys are the stream numbers of the file."""
        return self._streams

    @property
    def warnings(self) -> Sequence[str]:
        """What looked wrong so far."""
        problems = [str(problem) for problem in self.reader.problems[:_SHOWN_PROBLEMS]]
        if len(self.reader.problems) > _SHOWN_PROBLEMS:
            problems.append(f"... and {len(self.reader.problems) - _SHOWN_PROBLEMS} more damaged places")
        return [*self._warnings, *problems]

    def close(self) -> None:
        """Close the file."""
        self.reader.close()

    def __iter__(self) -> Iterator[Chunk | Marker]:
        """Samples and markers in file order; each iteration starts anew.

        Yields
        ------
        Chunk or Marker
        """
        offsets = self.reader.clock_offsets
        self.timelines = {}
        lines: dict[int, Timeline] = {}
        unseen = set(offsets)
        for stream_id, header in self.reader.streams.items():
            line = Timeline(
                0.0 if header.is_text else header.nominal_rate_hz,
                measured=stream_id in offsets,
                ordered=not header.is_text,
            )
            if stream_id in offsets:
                # Samples before the first measurement are mapped by it.
                line.measure(offsets[stream_id][0].time_s, offsets[stream_id][0].offset_s)
            lines[stream_id] = self.timelines[str(stream_id)] = line
        for item in self.reader.items():
            timeline = lines.get(item.stream_id)
            if timeline is None:
                continue
            header = self.reader.streams[item.stream_id]
            if isinstance(item, ClockOffset):
                if item.stream_id in unseen:
                    unseen.discard(item.stream_id)
                    continue
                pieces = timeline.measure(item.time_s, item.offset_s)
            elif isinstance(item, Samples):
                if not header.channel_count:
                    continue
                pieces = timeline.push(item.stamps_s, self._converted(item))
            else:
                if not header.channel_count:
                    continue
                texts = np.array(["\t".join(row) for row in item.texts], dtype=object)
                pieces = timeline.push(item.stamps_s, texts)
            yield from self._given(header, pieces)
        for stream_id, timeline in lines.items():
            yield from self._given(self.reader.streams[stream_id], timeline.finish())
            self._warn_of_rejected(self.reader.streams[stream_id], timeline)

    def _given(self, header: StreamHeader, pieces: list[Piece]) -> Iterator[Chunk | Marker]:
        key = str(header.stream_id)
        for piece in pieces:
            if header.is_text:
                for stamp, text in zip(piece.stamps_s.tolist(), piece.values.tolist(), strict=True):
                    yield Marker(key, stamp, text)
            else:
                yield Chunk(key, piece.stamps_s, piece.values, piece.segment)

    def _converted(self, item: Samples) -> NDArray[np.generic]:
        scale = self._scales.get(item.stream_id)
        return item.values if scale is None else np.multiply(item.values, scale)

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def _warn_of_rejected(self, header: StreamHeader, timeline: Timeline) -> None:
        if timeline.stamps.rejected:
            self._warn(f"stream {_named(header)}: {timeline.stamps.rejected} samples were rejected for absurd stamps")
        if timeline.unplaced:
            self._warn(
                f"stream {_named(header)}: {timeline.unplaced} samples were dropped, "
                "as no clock measurement came after a clock reset"
            )

    def _describe(self) -> None:
        headers = self.reader.streams.values()
        if not headers:
            first = f" (first: {self.reader.problems[0]})" if self.reader.problems else ""
            raise RecordingError(
                f"{self._path}: expected at least one stream, found none in {self.reader.size} bytes{first}.",
                cure="Record it again, or take another copy.",
            )
        self._streams: list[StreamDescription] = []
        self._scales: dict[int, NDArray[np.generic]] = {}
        for header in headers:
            labels = self._labels(header)
            self._streams.append(
                StreamDescription(
                    key=str(header.stream_id),
                    name=header.name,
                    type=header.type,
                    channel_labels=labels,
                    nominal_rate_hz=0.0 if header.is_text else header.nominal_rate_hz,
                    source_id=header.source_id,
                    hostname=header.hostname,
                    channel_units=self._units(header),
                    is_text=header.is_text,
                )
            )
            if not header.type:
                self._warn(f"stream {_named(header)} has no type")
            if not header.channel_count:
                self._warn(f"stream {_named(header)} has no channel: its samples are left out")

    def _labels(self, header: StreamHeader) -> tuple[str, ...]:
        numbers = [str(k + 1) for k in range(header.channel_count)]
        if not header.labels:
            return tuple(numbers)
        if len(header.labels) != header.channel_count:
            self._warn(
                f"stream {_named(header)} names {len(header.labels)} of {header.channel_count} channels: "
                "they are numbered instead"
            )
            return tuple(numbers)
        labels: list[str] = []
        taken: set[str] = set()
        for number, label in zip(numbers, header.labels, strict=True):
            unique = label or number
            again = 2
            while unique in taken:
                unique = f"{label or number}-{again}"
                again += 1
            if label and unique != label:
                self._warn(f"stream {_named(header)} has two channels {label!r}: one is called {unique!r}")
            labels.append(unique)
            taken.add(unique)
        return tuple(labels)

    def _units(self, header: StreamHeader) -> tuple[str, ...]:
        """Units after conversion; what converts is kept in `_scales`."""
        units = header.units if len(header.units) == header.channel_count else ("",) * header.channel_count
        if header.is_text or header.type.lower() not in MICROVOLT_TYPES:
            return units
        factors = [microvolts_per(unit) for unit in units]
        if any(factor not in (None, 1.0) for factor in factors):
            wide = header.dtype.itemsize > 4 or header.channel_format == "int32"
            scale = np.array([1.0 if factor is None else factor for factor in factors])
            self._scales[header.stream_id] = scale if wide else scale.astype(np.float32)
        return tuple(
            "uV" if factor is not None or not unit else unit for factor, unit in zip(factors, units, strict=True)
        )

    def _check_clocks(self, unsynchronised: bool) -> None:
        """Refuse a file whose streams cannot be put on one clock, or warn.

        A stream without measurements keeps its raw stamps. That is right where all streams come from one
        machine, and cannot be told wrong where no stream names another machine and all start within a minute.
        """
        reader = self.reader
        present = [header for key, header in reader.streams.items() if key in reader.first_stamps]
        bare = [header for header in present if header.stream_id not in reader.clock_offsets]
        if not bare:
            return
        names = ", ".join(_named(header) for header in bare)
        if len(present) == 1:
            self._warn(f"stream {names} has no clock measurements: its stamps are taken as they are")
            return
        hosts = sorted({header.hostname for header in present if header.hostname})
        starts = {}
        for header in present:
            first = reader.clock_offsets.get(header.stream_id)
            starts[header.stream_id] = reader.first_stamps[header.stream_id] + (first[0].offset_s if first else 0.0)
        one_host = len(hosts) == 1 and all(header.hostname for header in present) and len(bare) == len(present)
        known = [start for start in starts.values() if math.isfinite(start)]
        apart = max(known) - min(known) if known else 0.0
        if len(hosts) < 2 and (one_host or apart <= SAME_BASE_S):
            self._warn(f"no clock measurements for {names}: the stamps are taken as they are")
            return
        found = f"{len(hosts)} hosts ({', '.join(hosts)})" if len(hosts) > 1 else "one clock base"
        found += f" and first stamps {apart:.3f} s apart"
        if not unsynchronised:
            raise RecordingError(
                f"{self._path}: cannot be put on one clock: expected clock measurements for every stream, "
                f"found none for {names}, with {found}.",
                cure="Give --unsynchronised to take raw stamps all the same.",
            )
        self._warn(f"not synchronised, as asked: raw stamps of {names}, with {found}")


def _named(header: StreamHeader) -> str:
    return f"{header.stream_id} {header.name!r}"
