"""What of each stream lies in a window, and when a window closes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rtemo.grid import EDGE_TOLERANCE_S, Grid
from rtemo.types import Chunk, Floats

HOLE_PERIODS = 1.5
"""A hole begins this many sample periods after the last sample before it."""
NEXT_PERIODS = 0.98
"""No sample is expected sooner than this many periods after the one before: a live window need not wait for it.

Stamps are evened out before; clocks of devices are off by thousandths at most.
"""
MAX_LATE = 1000
"""So many notes of late samples are kept until someone takes them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples ``first`` to ``stop`` of a chunk, all in one cell.

    Parameters
    ----------
    cell : int
        Cell of the grid.
    first, stop : int
        Slice of the chunk.
    begins_segment : bool
        True where the first sample of the piece is the first of an unbroken segment.
    """

    cell: int
    first: int
    stop: int
    begins_segment: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What of one stream lies in one window.

    Parameters
    ----------
    samples : int
        How many.
    coverage : float
        Fraction of the expected samples, 0 to 1. Of an irregular stream nothing can be expected: 1 with any
        sample, else 0.
    gap : bool
        True where the window touches a gap: a segment that is not the stream's first begins in it, or one
        ends in it that another has followed by the time of closing.
    newest_s : float
        Stamp of the newest sample; -inf where there is none.
    """

    samples: int
    coverage: float
    gap: bool
    newest_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window.

    Parameters
    ----------
    index : int
        Number on the grid.
    start_s, stop_s : float
        LSL clock seconds, the end outside.
    cells : range
        The cells that it is made of.
    shares : mapping of str to Share
        By stream key.
    newest_s : float
        Newest stamp inside, of any stream; NaN where there is none.
    """

    index: int
    start_s: float
    stop_s: float
    cells: range
    shares: Mapping[str, Share]
    newest_s: float


@dataclass(frozen=True, slots=True)
class Late:
    """Samples of one stream that came too late for some windows.

    Parameters
    ----------
    stream : str
        Key of the stream.
    samples : int
    first, last : int
        Windows, both inside, in which they are missing.
    """

    stream: str
    samples: int
    first: int
    last: int


@dataclass(slots=True)
class _Cell:
    index: int
    samples: int
    newest_s: float
    gap: bool


@dataclass(slots=True)
class _Stream:
    rate_hz: float
    cells: deque[_Cell] = field(default_factory=deque)
    newest_s: float = -math.inf
    newest_cell: int = 0
    segment: int | None = None
    ended: bool = False
    expected: bool = True
    late: int = 0


class Windower:
    """Sorts samples into cells and closes windows.

    Parameters
    ----------
    grid : Grid
    rates_hz : mapping of str to float
        Nominal rate by stream key, 0 for an irregular stream.
    lost_after_s : float
        A stream whose newest stamp lags the newest of all by more than this, or that has not begun this long
        after the first sample of any, is not waited for.
    silence_s : float
        How long windows go on that hold no sample of any stream.
    lateness_s : float
        How long after its end `advance` lets a window wait.
    ends_are_gaps : bool, default False
        Whether a window is touched by a gap where a stream ends in it for good. So it is live, where nobody knows if a
        stream that has stopped will come back, and so in a replay of what was recorded live; other recordings
        are judged by coverage alone there.
    live : bool, default False
        Samples come as they are made: a window closes as soon as none can come for it any more, only streams that
        are `expect`-ed are waited for, and ends are gaps.

    Notes
    -----
    A window closes when every stream that is neither lost nor ended has passed its end. Windows close in
    order, each once; the first is the first one that holds a sample of any stream. In a silence of all
    streams windows go on for ``silence_s`` after the last sample; those that start later and hold nothing
    are passed over, so that neither an absurd stamp nor a long break can call for a flood of empty windows.

    When a live window closes in which a hole begins, all that is known of the hole is that samples have not come.
    Such a window touches a gap, just as in a replay, which sees the next segment.

    What comes out depends on the order of the samples only, not on how they were cut into chunks, as long as no stream
    lags so far that it is not waited for. A sample is
    *late* when a window that should have held it has closed; it still counts in later windows that hold it
    too. A stamp that steps back behind its own stream's newest one is late as well, and dropped.
    """

    def __init__(
        self,
        grid: Grid,
        rates_hz: Mapping[str, float],
        *,
        lost_after_s: float = 5.0,
        silence_s: float = 60.0,
        lateness_s: float = 0.1,
        ends_are_gaps: bool = False,
        live: bool = False,
    ) -> None:
        self.grid = grid
        self._streams = {key: _Stream(rate) for key, rate in rates_hz.items()}
        self._lost_after_s = lost_after_s
        self._silence_s = silence_s
        self._lateness_s = lateness_s
        self._ends_are_gaps = ends_are_gaps or live
        self._live = live
        self._late: deque[Late] = deque(maxlen=MAX_LATE)
        self._next: int | None = None
        self._closed_any = False
        self._first: int | None = None
        self._oldest_s = math.inf
        self._newest_s = -math.inf
        self._before_s = -math.inf

    @property
    def late(self) -> dict[str, int]:
        """Samples that came too late for a window, by stream key."""
        return {key: stream.late for key, stream in self._streams.items()}

    @property
    def next_window(self) -> int | None:
        """The window that closes next; None before the first sample."""
        return self._next

    def take_late(self) -> list[Late]:
        """Samples that came too late since the last call: which windows miss them."""
        taken = list(self._late)
        self._late.clear()
        return taken

    def begin(self, window: int) -> None:
        """Let no window before this one be, unless some have closed already; samples from before it are not late."""
        if not self._closed_any:
            self._next = self._first = window
            self._closed_any = True
            # A silence at the beginning is one too: it counts from here.
            self._before_s = self.grid.start_s(window)

    def expect(self, key: str, expected: bool) -> None:
        """Say, live, whether windows are to wait for a stream."""
        self._streams[key].expected = expected

    def set_rate(self, key: str, rate_hz: float) -> None:
        """Say what a stream's nominal rate is, where it was not known or has changed."""
        self._streams[key].rate_hz = rate_hz

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take a chunk in.

        Parameters
        ----------
        chunk : Chunk
            Of one of the streams.

        Returns
        -------
        list of Piece
            Its samples cut at cell boundaries, in order, also those that come too late for their windows.
        """
        stream = self._streams[chunk.stream]
        stamps = chunk.stamps_s
        if len(stamps) == 0:
            return []
        if stamps[0] < stream.newest_s or (len(stamps) > 1 and bool((stamps[1:] < stamps[:-1]).any())):
            return self._push_disordered(chunk, stream)
        return self._push_ordered(chunk.stream, stream, stamps, chunk.segment, 0)

    def _push_disordered(self, chunk: Chunk, stream: _Stream) -> list[Piece]:
        """Drop and count what steps back, and take in the runs that remain."""
        stamps = chunk.stamps_s
        highest = np.maximum.accumulate(np.maximum(stamps, stream.newest_s))
        forward = stamps >= highest
        stream.late += int(np.count_nonzero(~forward))
        back = stamps[~forward]
        first, last = self.grid.cell_of(float(back.min())), self.grid.cell_of(float(back.max()))
        self._note_late(chunk.stream, len(back), self.grid.first_window(first), self.grid.last_window(last))
        edges = np.flatnonzero(np.diff(np.concatenate(([False], forward, [False]))))
        pieces: list[Piece] = []
        for first, stop in edges.reshape(-1, 2).tolist():
            pieces += self._push_ordered(chunk.stream, stream, stamps[first:stop], chunk.segment, first)
        return pieces

    def _note_late(self, key: str, samples: int, first: int, last: int) -> None:
        """Note late samples; those of one stretch make one note."""
        if self._late and self._late[-1].stream == key and self._late[-1].last >= first - 1:
            before = self._late.pop()
            first, last = min(first, before.first), max(last, before.last)
            samples += before.samples
        self._late.append(Late(key, samples, first, last))

    def _push_ordered(self, key: str, stream: _Stream, stamps: Floats, segment: int, offset: int) -> list[Piece]:
        pieces = []
        grid = self.grid
        position, total = 0, len(stamps)
        last_s = float(stamps[-1])
        while position < total:
            cell = grid.cell_of(float(stamps[position]))
            edge_s = grid.cell_start_s(cell + 1) - EDGE_TOLERANCE_S
            stop = total if last_s < edge_s else int(stamps.searchsorted(edge_s))
            stop = max(stop, position + 1)
            newest_s = float(stamps[stop - 1])
            begins = segment != stream.segment
            gap = begins and stream.segment is not None
            if gap:
                self._mark_hole(stream, cell)
            stream.segment = segment
            if self._accept(key, stream, cell, stop - position):
                self._enter(stream, cell, stop - position, float(stamps[position]), newest_s, gap)
            # What comes too late for its windows still carries the state of filters on, as it does in a replay.
            pieces.append(Piece(cell, offset + position, offset + stop, begins))
            position = stop
        if last_s >= stream.newest_s:
            stream.newest_s = last_s
            stream.newest_cell = cell
            self._newest_s = max(self._newest_s, last_s)
        return pieces

    def _accept(self, key: str, stream: _Stream, cell: int, samples: int) -> bool:
        """Whether any open window may need the cell; counts the samples that come too late for one."""
        if not self._closed_any or self._next is None:
            return True
        first, last = self.grid.first_window(cell), self.grid.last_window(cell)
        from_window = first if self._first is None else max(first, self._first)
        if from_window < self._next and from_window <= last:
            stream.late += samples
            self._note_late(key, samples, from_window, min(last, self._next - 1))
        return max(first, last) >= self._next

    def _enter(self, stream: _Stream, cell: int, samples: int, oldest_s: float, newest_s: float, gap: bool) -> None:
        """Book samples of one cell, at whose first one a gap may end."""
        self._oldest_s = min(self._oldest_s, oldest_s)
        if not self._closed_any and self.grid.in_window(cell):
            first = self.grid.first_window(cell)
            self._next = first if self._next is None else min(self._next, first)
        if stream.cells and stream.cells[-1].index == cell:
            entry = stream.cells[-1]
            entry.samples += samples
            entry.newest_s = newest_s
            entry.gap = entry.gap or gap
        else:
            stream.cells.append(_Cell(cell, samples, newest_s, gap))

    def _mark_hole(self, stream: _Stream, until: int) -> None:
        """Mark the cell in which the stream's hole begins, if that is before cell `until`."""
        wait_s = HOLE_PERIODS / stream.rate_hz if stream.rate_hz > 0 else 0.0
        cell = self.grid.cell_of(stream.newest_s + wait_s)
        if stream.cells and stream.cells[-1].index == cell:
            stream.cells[-1].gap = True
        elif cell < until:
            stream.cells.append(_Cell(cell, 0, -math.inf, True))

    def end_stream(self, key: str) -> list[Window]:
        """Declare that nothing more comes of a stream; returns the windows that waited for it alone."""
        self._streams[key].ended = True
        return self.close_ready()

    def close_ready(self) -> list[Window]:
        """Close every window whose end all streams have passed that are neither lost nor ended."""
        watermark: int | None = None
        for stream in self._streams.values():
            if stream.ended or not stream.expected:
                continue
            begun = stream.newest_s > -math.inf
            since_s = stream.newest_s if begun else self._oldest_s
            if self._newest_s - since_s > self._lost_after_s:
                continue
            if not begun:
                return []
            passed = stream.newest_cell
            if self._live and stream.rate_hz > 0:
                passed = max(passed, self.grid.cell_of(stream.newest_s + NEXT_PERIODS / stream.rate_hz))
            if watermark is None or passed < watermark:
                watermark = passed
        if watermark is None and self._live:
            return []
        if watermark is None:
            if self._newest_s == -math.inf or all(stream.ended for stream in self._streams.values()):
                return self.close_all()
            watermark = self.grid.cell_of(self._newest_s)
        return self._close_before(self.grid.first_window(watermark))

    def advance(self, now_s: float) -> list[Window]:
        """Close, live, every window that ended ``lateness_s`` before now; a replay has no now and never calls this."""
        return self._close_before(self.grid.first_window(self.grid.cell_of(now_s - self._lateness_s)))

    def close_all(self) -> list[Window]:
        """Close every window that holds a sample; where ends are gaps, only those that are over."""
        if self._newest_s == -math.inf:
            return []
        cell = self.grid.cell_of(self._newest_s)
        return self._close_before(
            self.grid.first_window(cell) if self._ends_are_gaps else self.grid.last_window(cell) + 1
        )

    def close_to(self, window: int) -> list[Window]:
        """Close every window up to this one, itself inside."""
        return self._close_before(window + 1)

    def _close_before(self, limit: int) -> list[Window]:
        """Close the windows from the next one up to `limit`, itself not."""
        if self._next is None or limit <= self._next:
            return []
        windows: list[Window] = []
        index = self._next
        while index < limit:
            window = self._window(index)
            self._closed_any = True
            silent = math.isnan(window.newest_s)
            if silent and window.start_s > self._before_s + self._silence_s:
                pending = (self.grid.first_window(s.cells[0].index) for s in self._streams.values() if s.cells)
                index = max(index + 1, min(pending, default=limit))
            else:
                windows.append(window)
                index += 1
            self._drop(self.grid.cells(min(index, limit)).start)
        self._next = limit
        return windows

    def _window(self, index: int) -> Window:
        shares = {key: self.share(key, index) for key in self._streams}
        newest_s = max((share.newest_s for share in shares.values() if share.samples), default=math.nan)
        cells = self.grid.cells(index)
        return Window(index, self.grid.start_s(index), self.grid.stop_s(index), cells, shares, newest_s)

    def share(self, key: str, index: int) -> Share:
        """What of a stream lies in a window that has not closed yet, as far as it has come."""
        stream, cells = self._streams[key], self.grid.cells(index)
        samples, gap, newest_s = 0, False, -math.inf
        for cell in stream.cells:
            if cell.index >= cells.stop:
                break
            if cell.index >= cells.start:
                samples += cell.samples
                gap = gap or cell.gap
                if cell.samples:
                    newest_s = max(newest_s, cell.newest_s)
        if stream.rate_hz > 0:
            coverage = min(1.0, samples / (stream.rate_hz * self.grid.length_s))
            if self._ends_are_gaps and samples:
                gap = gap or stream.newest_s + HOLE_PERIODS / stream.rate_hz < self.grid.stop_s(index)
        else:
            coverage = 1.0 if samples else 0.0
        return Share(samples, coverage, gap, newest_s)

    def is_over(self, key: str, index: int) -> bool:
        """Whether, live, no sample of a regular stream can come any more for a window."""
        stream = self._streams[key]
        if stream.rate_hz <= 0:
            return False
        return stream.newest_s + NEXT_PERIODS / stream.rate_hz + EDGE_TOLERANCE_S >= self.grid.stop_s(index)

    def _drop(self, before: int) -> None:
        """Forget the cells before the one given."""
        for stream in self._streams.values():
            cells = stream.cells
            while cells and cells[0].index < before:
                self._before_s = max(self._before_s, cells.popleft().newest_s)
