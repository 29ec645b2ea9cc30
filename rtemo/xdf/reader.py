"""A reader of XDF files in two passes and bounded memory.

The first pass hops over chunk headers for stream headers, footers and clock offsets; the second, `items`,
gives samples in file order. Damage costs the chunk it lies in: what cannot be understood is skipped up to the
next boundary mark and recorded in `problems`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from types import TracebackType

from rtemo.xdf.chunks import (
    CLOCK_OFFSET,
    CLOCK_OFFSET_LENGTH,
    FILE_HEADER,
    FIXED_LENGTHS,
    KNOWN_TAGS,
    MAGIC,
    MAX_XML_BYTES,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    ClockOffset,
    Problem,
    Samples,
    StreamFooter,
    StreamHeader,
    Texts,
    XdfError,
    parse_stream_footer,
    parse_stream_header,
    parse_xml,
    read_length,
)
from rtemo.xdf.samples import SampleParser
from rtemo.xdf.window import FileWindow

_HEADER_PEEK = 32
_SMALL_CHUNK = 32_768
_HOP_FILL = 65_536
MAX_PROBLEMS = 1000

_LENGTHS = {1: Struct("<BH"), 4: Struct("<IH"), 8: Struct("<QH")}
_STREAM_ID = Struct("<I")
_OFFSET = Struct("<Idd")
_STAMP = Struct("<d")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a whole chunk lies: its tag, and the bytes where it starts, where its content starts, and where it ends."""

    tag: int
    start: int
    body: int
    end: int


class XdfReader:
    """An XDF file.

    Parameters
    ----------
    path : path-like
        The file. It is read through once, chunk header by chunk header, on opening.

    Attributes
    ----------
    streams : dict of int to StreamHeader
        In the order of the file.
    footers : dict of int to StreamFooter
        For streams that have one.
    clock_offsets : dict of int to list of ClockOffset
        In the order of the file.
    first_stamps : dict of int to float
        First stamp of every stream that has samples; NaN where the first sample carries none.
    problems : list of Problem
        What was skipped or doubted; more may come while `items` runs. At most `MAX_PROBLEMS` are kept.
    version : str
        XDF version that the file header states; empty where it does not.

    Raises
    ------
    XdfError
        The file is no XDF.
    OSError
        The file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.streams: dict[int, StreamHeader] = {}
        self.footers: dict[int, StreamFooter] = {}
        self.clock_offsets: dict[int, list[ClockOffset]] = {}
        self.first_stamps: dict[int, float] = {}
        self.problems: list[Problem] = []
        self.version = ""
        self._noted: set[tuple[int, str]] = set()
        self._file = self.path.open("rb", buffering=0)
        try:
            self._window = FileWindow(self._file)
            self._check_magic()
            self._scan()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> XdfReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._window.size

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def items(self) -> Iterator[Samples | Texts | ClockOffset]:
        """Samples and clock offsets in file order; consecutive chunks of one stream may come as one item.

        Yields
        ------
        Samples, Texts or ClockOffset
            Whose arrays are the caller's own.
        """
        parser = SampleParser(self._window, self.streams, self._note)
        chunks = self._chunks(fill=_HEADER_PEEK)
        resume: int | None = None
        while True:
            try:
                tag, start, body, end = chunks.send(resume) if resume is not None else next(chunks)
            except StopIteration:
                return
            resume = None
            if tag == SAMPLES:
                try:
                    for item in parser.parse(start, body, end):
                        yield item
                        resume = parser.position
                except XdfError as error:
                    self._note(start, f"a samples chunk was dropped: {error}")
                if resume is not None and resume <= end:
                    resume = None
            elif tag == CLOCK_OFFSET:
                offset = self._clock_offset(start, body, end)
                if offset is not None:
                    yield offset

    def places(self) -> Iterator[Place]:
        """Where every whole chunk lies, in file order; what lies between two is damaged."""
        for tag, start, body, end in self._chunks(fill=_HEADER_PEEK):
            yield Place(tag, start, body, end)

    def _check_magic(self) -> None:
        magic = self._window.read(0, min(4, self._window.size))
        if magic[:2] == b"\x1f\x8b":
            raise XdfError("the file is compressed; unpack it first, e.g. gunzip -S .xdfz FILE")
        if magic != MAGIC:
            raise XdfError(f"an XDF file starts with {MAGIC!r}, this one with {magic!r}")

    def _note(self, offset: int, cause: str) -> None:
        if (offset, cause) not in self._noted and len(self.problems) < MAX_PROBLEMS:
            self._noted.add((offset, cause))
            self.problems.append(Problem(offset, cause))

    def _scan(self) -> None:
        """First pass: everything but samples."""
        for tag, start, body, end in self._chunks(fill=_HEADER_PEEK):
            try:
                if tag in (FILE_HEADER, STREAM_HEADER, STREAM_FOOTER):
                    self._read_xml_chunk(tag, start, body, end)
                elif tag == SAMPLES:
                    self._look_at_samples(body, end)
                elif tag == CLOCK_OFFSET:
                    offset = self._clock_offset(start, body, end)
                    if offset is not None:
                        self.clock_offsets.setdefault(offset.stream_id, []).append(offset)
            except XdfError as error:
                kind = {FILE_HEADER: "file header", STREAM_HEADER: "stream header", SAMPLES: "samples chunk"}.get(
                    tag, "stream footer"
                )
                self._note(start, f"a {kind} was skipped: {error}")
        for stream_id in self.clock_offsets:
            if stream_id not in self.streams:
                self._note(0, f"clock offsets of stream {stream_id}, which has no header, were skipped")

    def _look_at_samples(self, body: int, end: int) -> None:
        """Note the first stamp of a stream, NaN where it carries none."""
        window = self._window
        if end - body < 4:
            return
        at = window.need(body, 4, _HEADER_PEEK)
        stream_id = int(_STREAM_ID.unpack_from(window.buffer, at)[0])
        if stream_id in self.first_stamps:
            return
        content = window.read(body + 4, min(18, end - body - 4))
        count, after = read_length(content, 0)
        if count == 0 or len(content) <= after:
            return
        stamped = content[after] == 8 and len(content) >= after + 9
        self.first_stamps[stream_id] = float(_STAMP.unpack_from(content, after + 1)[0]) if stamped else math.nan

    def _read_xml_chunk(self, tag: int, start: int, body: int, end: int) -> None:
        if end - body > MAX_XML_BYTES:
            raise XdfError(f"it claims {end - body} bytes, over the limit of {MAX_XML_BYTES}")
        content = self._window.read(body, end - body)
        if tag == FILE_HEADER:
            self.version = (parse_xml(content).findtext("version") or "").strip()
            return
        if len(content) < 4:
            raise XdfError(f"it claims {end - body} bytes, too few to name a stream")
        stream_id = int(_STREAM_ID.unpack_from(content)[0])
        if tag == STREAM_FOOTER:
            self.footers[stream_id] = parse_stream_footer(content[4:])
        elif stream_id in self.streams:
            raise XdfError(f"stream {stream_id} has one already")
        else:
            self.streams[stream_id] = parse_stream_header(stream_id, content[4:])

    def _clock_offset(self, start: int, body: int, end: int) -> ClockOffset | None:
        """The clock offset in a chunk; None, with a note, where it is of no use."""
        needed = CLOCK_OFFSET_LENGTH - 2
        if end - body < needed:
            self._note(start, f"a clock offset was skipped: {end - body} bytes, {needed} expected")
            return None
        stream_id, time_s, offset_s = _OFFSET.unpack_from(self._window.read(body, needed))
        if not (math.isfinite(time_s) and math.isfinite(offset_s)):
            self._note(start, f"a clock offset was skipped: {offset_s} at {time_s} s")
            return None
        return ClockOffset(stream_id, time_s, offset_s)

    def _chunks(self, fill: int) -> Generator[tuple[int, int, int, int], int | None, None]:
        """Every chunk as tag, start, start of its content, end; sending a position goes on from there."""
        window = self._window
        position, length = len(MAGIC), 0
        while position < window.size:
            peek = max(fill, _HOP_FILL) if length < _SMALL_CHUNK else fill
            try:
                tag, body, end = self._chunk_header(position, peek)
            except XdfError as error:
                after = window.after_next_boundary(position + 1)
                where = "end of the file" if after is None else "next boundary"
                skipped = (window.size if after is None else after) - position
                self._note(position, f"{error}; {skipped} bytes up to the {where} were skipped")
                if after is None:
                    return
                position = after
                continue
            length = end - position
            position = (yield tag, position, body, end) or end

    def _chunk_header(self, position: int, fill: int) -> tuple[int, int, int]:
        """Tag, start of the content and end of the chunk at a position; XdfError where there is none."""
        window = self._window
        tag, body, end = self._parse_header(position, fill)
        fixed = FIXED_LENGTHS.get(tag)
        right = body - 2 + fixed if fixed is not None else end
        if end != right and right <= window.size:
            self._note(position, f"a chunk with tag {tag} claims {end - body + 2} bytes, {fixed} expected")
            if end > window.size or self._is_chunk(right):
                end = right
        if end > window.size:
            raise XdfError(f"a chunk with tag {tag} ends at byte {end}, the file at byte {window.size}")
        if tag not in KNOWN_TAGS:
            if not self._is_chunk(end):
                raise XdfError(f"unknown tag {tag}, and no chunk behind it")
            self._note(position, f"a chunk with unknown tag {tag} was skipped")
        return tag, body, end

    def _parse_header(self, position: int, fill: int) -> tuple[int, int, int]:
        window = self._window
        at = window.need(position, min(11, window.size - position), fill)
        size = window.buffer[at]
        layout = _LENGTHS.get(size)
        if layout is None:
            raise XdfError(f"a chunk was expected, its length in 1, 4 or 8 bytes; found {size}")
        if position + 3 + size > window.size:
            raise XdfError("the file ends inside a chunk header")
        length, tag = layout.unpack_from(window.buffer, at + 1)
        if length < 2:
            raise XdfError(f"a chunk claims a length of {length}, at least 2 expected")
        return tag, position + 3 + size, position + 1 + size + length

    def _is_chunk(self, position: int) -> bool:
        """Whether a chunk that can be right starts here, or the file ends."""
        if position == self._window.size:
            return True
        try:
            tag, _, end = self._parse_header(position, _HEADER_PEEK)
        except XdfError:
            return False
        return tag in KNOWN_TAGS and end <= self._window.size


__all__ = ["MAX_PROBLEMS", "Place", "XdfReader"]
