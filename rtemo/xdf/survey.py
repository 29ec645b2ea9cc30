"""What is whole in an XDF file, what is damaged, and what a repair of it would keep."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from rtemo.xdf.chunks import (
    CLOCK_OFFSET,
    CLOCK_OFFSET_LENGTH,
    FILE_HEADER,
    MAGIC,
    MAX_XML_BYTES,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    Problem,
    StreamFooter,
    XdfError,
    parse_stream_footer,
    read_length,
)
from rtemo.xdf.markup import strict_header, strict_xml
from rtemo.xdf.reader import MAX_PROBLEMS, Place, XdfReader
from rtemo.xdf.samples import SampleParser
from rtemo.xdf.window import FileWindow

Progress = Callable[[int, int], None]
"""Takes bytes done and bytes in all."""

KEPT, ADDED, MENDED = "kept", "added", "mended"


@dataclass(slots=True)
class StreamTally:
    """What can be kept of one stream.

    Parameters
    ----------
    stream_id : int
    name : str
    samples : int
    first_stamp_s, last_stamp_s : float or None
        None where there are no samples.
    footer : str
        ``"kept"``, ``"added"``, or ``"mended"`` where its counts no longer hold.
    """

    stream_id: int
    name: str
    samples: int = 0
    first_stamp_s: float | None = None
    last_stamp_s: float | None = None
    footer: str = KEPT


@dataclass(slots=True)
class Findings:
    """What was found in a file, and what a repair does about it.

    Parameters
    ----------
    size : int
        Of the file, in bytes.
    lost_bytes : int
        That belong to no whole chunk, or to one that no reader can use.
    cut_bytes : int
        Of those, how many are at the end of the file: the chunk that was being written.
    damaged_chunks, lost_samples : int
        Chunks whose samples are damaged, and how many samples are lost in them; the others are kept.
    loose_xml : int
        Headers and footers that strict readers refuse; they are written anew.
    late_headers : int
        Streams whose header stands behind their samples; it is put before them.
    orphans : tuple of int
        Numbers of streams without a header: their samples mean nothing, and are left out.
    lacks_file_header : bool
    streams : list of StreamTally
        None where nothing can be kept.
    problems : list of str
        In the reader's words.
    """

    size: int
    lost_bytes: int = 0
    cut_bytes: int = 0
    damaged_chunks: int = 0
    lost_samples: int = 0
    loose_xml: int = 0
    late_headers: int = 0
    orphans: tuple[int, ...] = ()
    lacks_file_header: bool = False
    streams: list[StreamTally] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def lossy(self) -> bool:
        """Whether something of the file is lost."""
        return bool(self.lost_bytes or self.damaged_chunks)

    @property
    def fine(self) -> bool:
        """Whether there is nothing to repair."""
        footers = all(stream.footer == KEPT for stream in self.streams)
        return footers and not (self.lossy or self.loose_xml or self.late_headers or self.lacks_file_header)


class Survey:
    """Looks through a whole file.

    Parameters
    ----------
    reader : XdfReader
    progress : callable
        Takes bytes done and bytes in all.

    Attributes
    ----------
    findings : Findings
    headers : dict of int to Place
        Where the header of every stream lies.
    damaged, left_out, loose : set of int
        Starts of chunks whose samples are damaged, of those that no reader can use, and of XML that only some can.
    """

    def __init__(self, reader: XdfReader, progress: Progress) -> None:
        self.findings = Findings(reader.size)
        self.headers: dict[int, Place] = {}
        self.damaged: set[int] = set()
        self.left_out: set[int] = set()
        self.loose: set[int] = set()
        self._reader = reader
        self._footers: dict[int, StreamFooter] = {}
        self._used: set[int] = set()
        self._orphans: set[int] = set()
        self._problems: list[Problem] = []
        self._tallies = {key: StreamTally(key, header.name) for key, header in reader.streams.items()}
        with reader.path.open("rb", buffering=0) as file:
            self._window = FileWindow(file)
            self._run(progress)

    def _run(self, progress: Progress) -> None:
        found, size = self.findings, self._reader.size
        parser = SampleParser(self._window, self._reader.streams, self._note)
        end, has_file_header = len(MAGIC), False
        for place in self._reader.places():
            found.lost_bytes += place.start - end
            end = place.end
            # Damage is told by chunk, so chunks must not be parsed several at a time.
            self._window.limit = place.end
            if not self._is_useful(place, parser, has_file_header):
                self.left_out.add(place.start)
                found.lost_bytes += place.end - place.start
            elif place.tag == FILE_HEADER:
                has_file_header = True
            progress(end, size)
        found.loose_xml = len(self.loose - self.left_out)
        found.cut_bytes = size - end
        found.lost_bytes += found.cut_bytes
        found.damaged_chunks = len(self.damaged)
        found.orphans = tuple(sorted(self._orphans))
        found.lacks_file_header = not has_file_header
        for key, tally in self._tallies.items():
            footer = self._footers.get(key)
            if footer is None:
                tally.footer = ADDED
            elif found.lossy and footer.sample_count is not None and footer.sample_count > tally.samples:
                tally.footer = MENDED
        found.streams = list(self._tallies.values())
        problems = sorted([*self._reader.problems, *self._problems], key=lambda problem: problem.offset)
        found.problems = [str(problem) for problem in problems]

    def _note(self, offset: int, cause: str) -> None:
        self.damaged.add(offset)
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(offset, cause))

    def _is_useful(self, place: Place, parser: SampleParser, has_file_header: bool) -> bool:
        """Whether readers can do something with a chunk; samples and footers are tallied."""
        tag, content = place.tag, place.end - place.body
        try:
            if tag == FILE_HEADER:
                data = self._xml(place, 0)
                self._compare(place, data, strict_xml(data))
                return not has_file_header
            if tag not in (STREAM_HEADER, STREAM_FOOTER, CLOCK_OFFSET, SAMPLES):
                return True
            if content < 4:
                return False
            stream_id = int(struct.unpack("<I", self._window.read(place.body, 4))[0])
            if stream_id not in self._tallies:
                self._orphans.add(stream_id)
                return False
            if tag == STREAM_HEADER:
                return self._is_first_header(place, stream_id)
            if tag == STREAM_FOOTER:
                data = self._xml(place, 4)
                self._compare(place, data, strict_xml(data))
                footer = parse_stream_footer(data)
                return self._footers.setdefault(stream_id, footer) is footer
            self._used.add(stream_id)
            if tag == SAMPLES:
                return self._tally(place, parser, self._tallies[stream_id])
        except XdfError:
            return False
        if content < CLOCK_OFFSET_LENGTH - 2:
            return False
        return all(map(math.isfinite, struct.unpack("<dd", self._window.read(place.body + 4, 16))))

    def _xml(self, place: Place, skip: int) -> bytes:
        if place.end - place.body > MAX_XML_BYTES:
            raise XdfError("too large")
        return self._window.read(place.body + skip, place.end - place.body - skip)

    def _compare(self, place: Place, data: bytes, strict: bytes) -> None:
        if strict != data:
            self.loose.add(place.start)

    def _is_first_header(self, place: Place, stream_id: int) -> bool:
        data = self._xml(place, 4)
        strict = strict_header(stream_id, data)
        if stream_id in self.headers:
            return False
        self._compare(place, data, strict)
        self.headers[stream_id] = place
        self.findings.late_headers += int(stream_id in self._used)
        return True

    def _tally(self, place: Place, parser: SampleParser, tally: StreamTally) -> bool:
        """Count a chunk's samples; False where none can be read though there should be some."""
        head = self._window.read(place.body + 4, min(9, place.end - place.body - 4))
        claimed, _ = read_length(head, 0)
        kept = 0
        for item in parser.parse(place.start, place.body, place.end):
            kept += len(item.stamps_s)
            if tally.first_stamp_s is None:
                tally.first_stamp_s = float(item.stamps_s[0])
            tally.last_stamp_s = float(item.stamps_s[-1])
        tally.samples += kept
        if kept < claimed:
            # A count that cannot be right says nothing about what is lost.
            self.findings.lost_samples += claimed - kept if claimed <= place.end - place.body else 0
        elif place.start in self.damaged:
            self.damaged.discard(place.start)
        if not kept:
            self.damaged.discard(place.start)
        return kept > 0 or claimed == 0
