"""Parsing of sample chunks: whole chunks through strided views, a walk only where samples differ in layout.

A sample is one byte that says how long its time stamp is (8, or 0 where the stamp follows from the one
before), the stamp, and the values. Where all samples of a chunk are alike, they lie at equal steps and are
copied in one go, and so are chunks alike.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from rtemo.xdf.chunks import Samples, StreamHeader, Texts, XdfError, read_length
from rtemo.xdf.window import FileWindow

MAX_STRING_BYTES = 16_000_000
_STAMPED = 9
_DEDUCED = 1
_TRUSTED_STEP_S = 10.0
_LEAST_BLOCK = 1 << 20
_LARGEST_BLOCK = 4 << 20
_MOST_BLOCKS = 4
_STREAM_ID = Struct("<I")
_STAMP = Struct("<d")


class _Memory:
    """Memory for values, used again once no array lies in it any more.

    Fresh memory comes from the operating system page by page, which takes longer than copying values into it.
    Every array over a block refers to the array that was given out first, so a block is free when that one is
    gone.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[bytearray, weakref.ref[NDArray[np.uint8]]]] = []

    def take(self, size: int) -> NDArray[np.uint8]:
        """An array of some bytes."""
        for k, (block, user) in enumerate(self._blocks):
            if user() is None and len(block) >= size:
                given = np.frombuffer(block, np.uint8, size)
                self._blocks[k] = (block, weakref.ref(given))
                return given
        if size > _LARGEST_BLOCK:
            return np.empty(size, np.uint8)
        block = bytearray(max(size, _LEAST_BLOCK))
        given = np.frombuffer(block, np.uint8, size)
        self._blocks = [*self._blocks[-_MOST_BLOCKS + 1 :], (block, weakref.ref(given))]
        return given


class SampleParser:
    """Parses the sample chunks of one pass over a file, in order.

    Parameters
    ----------
    window : FileWindow
        The file.
    streams : mapping of int to StreamHeader
        Every stream of the file.
    note : callable
        Takes the byte offset and the cause of a problem.

    Attributes
    ----------
    position : int
        End of what `parse` has given: beyond the chunk that it was asked for where chunks alike followed.
    """

    def __init__(
        self, window: FileWindow, streams: Mapping[int, StreamHeader], note: Callable[[int, str], None]
    ) -> None:
        self._window = window
        self._streams = streams
        self._note = note
        self._last_stamp: dict[int, float] = {}
        self._undeclared: set[int] = set()
        self._memory = _Memory()
        self.position = 0

    def parse(self, start: int, body: int, end: int) -> Iterator[Samples | Texts]:
        """Samples of the chunk from `start` to `end` with content from `body` on, and of chunks alike behind it.

        Raises
        ------
        XdfError
            The content does not fit the chunk.
        """
        window = self._window
        self.position = end
        if end - body < 6:
            raise XdfError(f"{end - body} bytes are too few for a stream and a count")
        at = window.need(body, min(13, end - body), window.capacity)
        stream_id = int(_STREAM_ID.unpack_from(window.buffer, at)[0])
        count, after = read_length(memoryview(window.buffer)[: window.stop - window.start], at + 4)
        first = body + after - at
        header = self._streams.get(stream_id)
        if header is None:
            if stream_id not in self._undeclared:
                self._undeclared.add(stream_id)
                self._note(start, f"samples of stream {stream_id}, which has no header, were skipped")
            return
        if count == 0:
            return
        if header.is_text:
            yield from self._texts(header, start, first, end, count)
        else:
            yield from self._numbers(header, start, first, end, count)

    def _numbers(self, header: StreamHeader, start: int, first: int, end: int, count: int) -> Iterator[Samples]:
        width = header.channel_count * header.dtype.itemsize
        payload = end - first
        stamps_in, left_over = divmod(payload - count * (_DEDUCED + width), 8)
        if left_over or not 0 <= stamps_in <= count:
            raise XdfError(
                f"{count} samples of {header.channel_count} {header.channel_format} do not take {payload} bytes"
            )
        if stamps_in == count:
            yield from self._uniform(header, start, first, end, count, _STAMPED)
        elif stamps_in == 0:
            yield from self._uniform(header, start, first, end, count, _DEDUCED)
        else:
            yield from self._mixed(header, start, first, end, count)

    def _uniform(
        self, header: StreamHeader, start: int, first: int, end: int, count: int, lead: int
    ) -> Iterator[Samples]:
        """Samples that are all stamped or all deduced."""
        window = self._window
        record = lead + header.channel_count * header.dtype.itemsize
        total = end - start
        chunks = 1
        if 2 * total <= window.capacity:
            # Whole chunks, if those to come are alike: what is left of a part would be read twice.
            at = window.need(start, total, window.capacity // total * total)
            chunks = self._alike(at, total, first - start)
            self.position = start + chunks * total
            yield from self._block(header, start, at + first - start, (chunks, total), count, record, lead)
            return
        done = 0
        while done < count:
            piece = min(count - done, max(1, window.capacity // record))
            at = window.need(first + done * record, piece * record, window.capacity)
            yield from self._block(header, start, at, (1, 0), piece, record, lead)
            done += piece

    def _alike(self, at: int, total: int, head: int) -> int:
        """How many chunks with the very same header lie in the window from `at` on, one behind the other."""
        fit = (self._window.stop - self._window.start - at) // total
        if fit < 2:
            return 1
        rows = np.ndarray((fit, head), np.uint8, self._window.buffer, at, (total, 1))
        same = (rows == rows[0]).all(axis=1)
        return fit if same.all() else int(same.argmin())

    def _block(
        self,
        header: StreamHeader,
        start: int,
        at: int,
        rows: tuple[int, int],
        count: int,
        record: int,
        lead: int,
    ) -> Iterator[Samples]:
        """Samples at equal steps in the buffer, in `rows` chunks of `count` samples each."""
        buffer = self._window.buffer
        chunks, total = rows
        shape, steps = (chunks, count), (total, record)
        width = record - lead
        tags = np.ndarray(shape, np.uint8, buffer, at, steps)
        good = tags == (8 if lead == _STAMPED else 0)
        if width:
            raw = self._memory.take(chunks * count * width)
            # A sample as one item of unnamed bytes is copied faster than byte by byte or value by value.
            whole = np.dtype((np.void, width))
            np.copyto(raw.view(whole).reshape(shape), np.ndarray(shape, whole, buffer, at + lead, steps))
            values = raw.view(header.dtype).reshape(chunks * count, -1)
        else:
            values = np.empty((chunks * count, 0), header.dtype)
        if lead == _STAMPED:
            stamps = np.ndarray(shape, "<f8", buffer, at + 1, steps).astype(np.float64).ravel()
            self._last_stamp[header.stream_id] = float(stamps[-1])
        else:
            stamps = self._deduced(header, chunks * count)
        if not good.all():
            bad = int(good.size - np.count_nonzero(good))
            self._note(
                start,
                f"{bad} of {good.size} samples of stream {header.stream_id} were dropped: no stamp where one must be",
            )
            keep = good.ravel()
            stamps, values = stamps[keep], values[keep]
            if lead == _STAMPED and len(stamps):
                self._last_stamp[header.stream_id] = float(stamps[-1])
        if len(stamps):
            yield Samples(header.stream_id, stamps, values.astype(header.dtype.newbyteorder("="), copy=False))

    def _deduced(self, header: StreamHeader, count: int) -> NDArray[np.float64]:
        """Stamps of samples without any: one nominal period after the other, summed one by one."""
        steps = np.full(count + 1, header.period_s)
        steps[0] = self._last_stamp.get(header.stream_id, 0.0)
        stamps: NDArray[np.float64] = np.add.accumulate(steps)[1:]
        self._last_stamp[header.stream_id] = float(stamps[-1])
        return stamps

    def _mixed(self, header: StreamHeader, start: int, first: int, end: int, count: int) -> Iterator[Samples]:
        """Samples of which some carry stamps: find where each lies, then gather."""
        window = self._window
        width = header.channel_count * header.dtype.itemsize
        position, done = first, 0
        while done < count:
            at = window.need(position, min(end - position, window.capacity), window.capacity)
            stop = at + min(end - position, window.stop - window.start - at)
            places, stamped = _walk(window.buffer, at, stop, width, count - done)
            used = (places[-1] + width if places else at) - at
            broken = len(places) < count - done and (
                not places or position + used + width >= end or stop - at - used > _STAMPED + width
            )
            if not broken and len(places) == count - done:
                broken = position + used != end
            if broken:
                kept = self._trusted(header, places, stamped, width)
                lost = count - done - kept
                self._note(
                    start,
                    f"{lost} of {count} samples of stream {header.stream_id} were dropped: their chunk is damaged",
                )
                places, stamped = places[:kept], stamped[:kept]
            if places:
                yield self._gathered(header, np.array(places), np.array(stamped, dtype=bool), width)
            if broken:
                return
            done += len(places)
            position += used

    def _trusted(self, header: StreamHeader, places: list[int], stamped: list[bool], width: int) -> int:
        """How many of the first samples of a damaged chunk can be trusted.

        A zeroed stretch reads as samples without stamps that hold nothing but zeros, and what follows it as
        stamps from anywhere. The sample before the first such one may be zeroed in part.
        """
        buffer = self._window.buffer
        last = self._last_stamp.get(header.stream_id)
        for k, (place, own) in enumerate(zip(places, stamped, strict=True)):
            if own:
                stamp = float(_STAMP.unpack_from(buffer, place - 8)[0])
                if not math.isfinite(stamp) or (last is not None and abs(stamp - last) > _TRUSTED_STEP_S):
                    return max(0, k - 1)
                last = stamp
            elif not any(buffer[place : place + width]):
                return max(0, k - 1)
        return len(places)

    def _gathered(
        self, header: StreamHeader, places: NDArray[np.int64], stamped: NDArray[np.bool_], width: int
    ) -> Samples:
        """Samples whose values start at `places` in the buffer, the stamps of some right before."""
        data = np.frombuffer(self._window.buffer, np.uint8)
        values = data[places[:, None] + np.arange(width)].view(header.dtype).reshape(len(places), -1)
        own = data[(places[stamped] - 8)[:, None] + np.arange(8)].view("<f8").ravel().astype(np.float64)
        stamps = np.empty(len(places))
        edges = np.flatnonzero(stamped)
        lead = int(edges[0]) if len(edges) else len(places)
        if lead:
            stamps[:lead] = self._deduced(header, lead)
        for k, edge in enumerate(edges):
            stop = int(edges[k + 1]) if k + 1 < len(edges) else len(places)
            stamps[edge] = own[k]
            self._last_stamp[header.stream_id] = float(own[k])
            if stop > edge + 1:
                stamps[edge + 1 : stop] = self._deduced(header, stop - int(edge) - 1)
        return Samples(header.stream_id, stamps, values.astype(header.dtype.newbyteorder("="), copy=False))

    def _texts(self, header: StreamHeader, start: int, first: int, end: int, count: int) -> Iterator[Texts]:
        """Samples of strings, one by one."""
        if end - first > MAX_STRING_BYTES:
            raise XdfError(f"{end - first} bytes of text, over the limit of {MAX_STRING_BYTES}")
        data = self._window.read(first, end - first)
        least = _DEDUCED + 2 * header.channel_count
        if count * least > len(data):
            raise XdfError(f"{count} text samples do not fit {len(data)} bytes")
        at = 0
        stamps: list[float] = []
        texts: list[tuple[str, ...]] = []
        last = self._last_stamp.get(header.stream_id, 0.0)
        try:
            for _ in range(count):
                stamp, at = _text_stamp(data, at, last + header.period_s)
                row = []
                for _ in range(header.channel_count):
                    length, at = read_length(data, at)
                    if at + length > len(data):
                        raise XdfError(f"a string claims {length} bytes, {len(data) - at} are left")
                    row.append(data[at : at + length].decode("utf-8", "replace"))
                    at += length
                stamps.append(stamp)
                texts.append(tuple(row))
                last = stamp
        except XdfError as error:
            dropped = count - len(stamps)
            self._note(start, f"{dropped} of {count} samples of stream {header.stream_id} were dropped: {error}")
        if stamps:
            self._last_stamp[header.stream_id] = last
            yield Texts(header.stream_id, np.array(stamps), texts)


def _walk(buffer: bytearray, at: int, stop: int, width: int, count: int) -> tuple[list[int], list[bool]]:
    """Where the values of up to `count` samples start, and whether each has a stamp, while they parse."""
    places: list[int] = []
    stamped: list[bool] = []
    bare, full = _DEDUCED + width, _STAMPED + width
    while len(places) < count and at + bare <= stop:
        mark = buffer[at]
        if mark == 0:
            places.append(at + _DEDUCED)
            stamped.append(False)
            at += bare
        elif mark == 8 and at + full <= stop:
            places.append(at + _STAMPED)
            stamped.append(True)
            at += full
        else:
            break
    return places, stamped


def _text_stamp(data: bytes, at: int, deduced: float) -> tuple[float, int]:
    """Stamp of the text sample at `at`, and where its strings start."""
    if at >= len(data):
        raise XdfError("the chunk ends where a sample should be")
    if data[at] == 0:
        return deduced, at + _DEDUCED
    if data[at] != 8 or at + _STAMPED > len(data):
        raise XdfError(f"a stamp of 0 or 8 bytes was expected, one of {data[at]} found")
    return float(_STAMP.unpack_from(data, at + 1)[0]), at + _STAMPED


__all__ = ["SampleParser"]
