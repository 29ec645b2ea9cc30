"""XDF recordings as a source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from rtemo.errors import RecordingError
from rtemo.sources.decoder import StreamDecoder
from rtemo.sources.description import describe, named
from rtemo.timeline import Timeline
from rtemo.types import OWN_STREAMS, Chunk, Marker, StreamDescription
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
        self._left_out: set[int] = set()
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
        decoders: dict[int, StreamDecoder] = {}
        unseen = set(offsets)
        for stream_id, header in self.reader.streams.items():
            if stream_id in self._left_out:
                continue
            decoder = StreamDecoder(header, key=str(stream_id), measured=stream_id in offsets)
            if stream_id in offsets:
                # Samples before the first measurement are mapped by it.
                decoder.measure(offsets[stream_id][0].time_s, offsets[stream_id][0].offset_s)
            decoders[stream_id] = decoder
            self.timelines[str(stream_id)] = decoder.timeline
        for item in self.reader.items():
            found = decoders.get(item.stream_id)
            if found is None:
                continue
            if isinstance(item, ClockOffset):
                if item.stream_id in unseen:
                    unseen.discard(item.stream_id)
                    continue
                yield from found.measure(item.time_s, item.offset_s)
            elif isinstance(item, Samples):
                yield from found.samples(item.stamps_s, item.values)
            else:
                yield from found.texts(item.stamps_s, item.texts)
        for decoder in decoders.values():
            yield from decoder.finish()
            self._warn_of_rejected(decoder.header, decoder.timeline)

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def _warn_of_rejected(self, header: StreamHeader, timeline: Timeline) -> None:
        if timeline.stamps.rejected:
            self._warn(f"stream {named(header)}: {timeline.stamps.rejected} samples were rejected for absurd stamps")
        if timeline.unplaced:
            self._warn(
                f"stream {named(header)}: {timeline.unplaced} samples were dropped, "
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
        for header in headers:
            described = describe(header, str(header.stream_id))
            self._streams.append(described.description)
            for warning in described.warnings:
                self._warn(warning)

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
        names = ", ".join(named(header) for header in bare)
        if any(header.name in OWN_STREAMS for header in reader.streams.values()):
            # A recording of our own: the session could not place these samples either, and used none of them.
            self._left_out = {header.stream_id for header in bare}
            self._warn(f"stream {names} has no clock measurements: left out, as in the session")
            return
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
