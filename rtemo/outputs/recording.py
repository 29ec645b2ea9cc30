"""XDF recordings: of a live session, by a thread of its own, and of streams that are on one clock already."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Clock
from rtemo.errors import StreamError
from rtemo.outputs.backlog import BOUNDARY_EVERY_S, RECORDER_ERROR, Alarm, Backlog
from rtemo.outputs.batches import Header, Numbers, Offset, Rows
from rtemo.types import Chunk, Floats, Marker, StreamDescription
from rtemo.xdf import StreamHeader, XdfError, XdfWriter
from rtemo.xdf.markup import recordable_header

OFFSET_EVERY_S = 5.0
BATCH_EVERY_S = 0.2
RETRY_EVERY_S = 1.0
PATIENCE_S = 5.0
_STOP_WITHIN_S = 30.0
_MOST_ERRORS = 20

Wait = Callable[[threading.Event, float], bool]
"""Waits for an event or so many seconds; says whether it is the event."""


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How a recording stands.

    Parameters
    ----------
    backlog_s : float
        How long the oldest thing that is not in the file has waited.
    bytes_written, samples, streams : int
        In the file; of all streams together.
    refused : bool
        Whether the disk refuses to take what waits, as when it is full.
    failed : Exception or None
        What ended the recording before its time.
    """

    backlog_s: float
    bytes_written: int
    samples: int
    streams: int
    refused: bool
    failed: Exception | None


class Recorder:
    """Records live streams into an XDF file, in a thread of its own.

    The methods that take data only append to a queue: they never wait, and nothing is ever dropped. Every 0.2 s the
    thread hands all of it to the operating system, in chunks of at most 0.25 s, so that a process that is killed loses
    less than a second. What the disk refuses stays in memory and is tried again every second; see `Backlog` for the
    alarms.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.
    clock : Clock
        The recorder's.
    on_alarm : callable
        Takes the kind of an alarm (``disk-full``, ``recorder-error``, ``recorder-recovered``, ``recorder-lost``) and
        its details. Called by the recorder's thread.
    on_error : callable, optional
        Takes an exception that no one foresaw; the recorder's thread has ended then, and `close` writes what is left.
        Without it, such an exception is an alarm, ``recorder-error``.
    wait : callable
        How the thread waits, for tests.
    patience_s : float
        How long `close` goes on trying where the disk refuses what is left.

    Raises
    ------
    FileExistsError
        There is a file already.
    OSError
        The file cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock,
        on_alarm: Alarm,
        on_error: Callable[[Exception], None] | None = None,
        wait: Wait = threading.Event.wait,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.path = Path(path)
        self.failed: Exception | None = None
        self._clock = clock
        self._on_alarm = on_alarm
        self._on_error = on_error
        self._wait = wait
        self._retries = math.ceil(patience_s / RETRY_EVERY_S)
        self._numbers = itertools.count(1)
        self._headers: dict[int, StreamHeader] = {}
        self._writer = XdfWriter(self.path)
        self._backlog = Backlog(self._writer, clock, on_alarm)
        self._stopping = threading.Event()
        self._never = threading.Event()
        self._closed = False
        # A daemon, so that a session that breaks off can end: what it had is on disk within a batch anyway.
        self._thread = threading.Thread(target=self._run, name="rtemo-recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_stream(self, header_xml: bytes, *, continues: int | None = None) -> int:
        """Take a stream, at any time; its header is checked, as it may come from anyone.

        Parameters
        ----------
        header_xml : bytes
            An ``<info>`` element as LSL gives it.
        continues : int, optional
            The stream that this one goes on from, under another description.

        Returns
        -------
        int
            The stream's number, for the other methods.

        Raises
        ------
        StreamError
            The header is too large or too deep, no XML, or does not say what samples look like.
        """
        number = next(self._numbers)
        try:
            header, xml = recordable_header(number, header_xml, continues=continues)
        except XdfError as error:
            raise StreamError(
                f"{self.path.name}: a stream's description was refused: {error}.",
                cure="Mend the device's LSL outlet, or leave the stream out.",
            ) from error
        self._headers[number] = header
        self._backlog.put(Header(self._clock.now_s(), header, xml))
        return number

    def samples(self, stream_id: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take samples of a numeric stream. Never waits, never drops.

        Parameters
        ----------
        stream_id : int
        stamps_s : ndarray of float64, shape (samples,)
            Raw, as the stream gave them. Both arrays are the recorder's own from now on.
        values : ndarray, shape (samples, channels)
            In the stream's own numeric type.

        Raises
        ------
        ValueError
            The arrays do not fit the stream's header.
        """
        header = self._headers[stream_id]
        expected = (len(stamps_s), header.channel_count)
        if header.is_text or values.shape != expected or values.dtype != header.dtype:
            raise ValueError(
                f"stream {stream_id}: {header.channel_format} of shape {expected} expected, "
                f"{values.dtype} of shape {values.shape} found"
            )
        self._backlog.put(Numbers(self._clock.now_s(), stream_id, stamps_s, values))

    def texts(self, stream_id: int, stamps_s: Floats, rows: Sequence[Sequence[str]]) -> None:
        """Take samples of a text stream, one sequence of strings a sample. Never waits, never drops.

        Raises
        ------
        ValueError
            The rows do not fit the stream's header, or the stamps not the rows.
        """
        header = self._headers[stream_id]
        taken = [tuple(row) for row in rows]
        if not header.is_text or len(taken) != len(stamps_s) or any(len(row) != header.channel_count for row in taken):
            raise ValueError(
                f"stream {stream_id}: {len(stamps_s)} rows of {header.channel_count} {header.channel_format} expected, "
                f"{len(taken)} rows of strings found"
            )
        self._backlog.put(Rows(self._clock.now_s(), stream_id, stamps_s, taken))

    def clock_offset(self, stream_id: int, time_s: float, offset_s: float) -> None:
        """Take a clock measurement: `offset_s` added to the stream's stamps around `time_s` gives the local clock."""
        if stream_id not in self._headers:
            raise ValueError(f"stream {stream_id} was not added")
        self._backlog.put(Offset(self._clock.now_s(), stream_id, time_s, offset_s))

    @property
    def backlog_s(self) -> float:
        """How long the oldest thing that is not in the file has waited, in seconds."""
        return self._backlog.age_s

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._writer.bytes_written

    def status(self) -> RecorderStatus:
        """How the recording stands; from any thread."""
        return RecorderStatus(
            backlog_s=self._backlog.age_s,
            bytes_written=self._writer.bytes_written,
            samples=self._backlog.samples,
            streams=len(self._headers),
            refused=self._backlog.refused,
            failed=self.failed,
        )

    def close(self) -> RecorderStatus:
        """Write what is left and the footers, and close the file. Idempotent; raises nothing, but tells.

        What the disk refuses for longer than the patience is let go, with the alarm ``recorder-lost``. Footers that do
        not fit are missing; the file reads without, and `rtemo repair` adds them.
        """
        if not self._closed:
            self._closed = True
            self._stopping.set()
            self._thread.join(_STOP_WITHIN_S)
            if self._thread.is_alive():
                self._fail(TimeoutError(f"{self.path} still waits for its disk after {_STOP_WITHIN_S:g} s"))
            else:
                self._finish()
        return self.status()

    def _run(self) -> None:
        """The thread: a batch every 0.2 s, or a trial every second while the disk refuses."""
        try:
            done = True
            while not self._wait(self._stopping, BATCH_EVERY_S if done else RETRY_EVERY_S):
                done = self._backlog.write() or not self._backlog.refused
        except Exception as error:  # noqa: BLE001 - a thread has no caller; it goes to on_error
            self._fail(error)

    def _finish(self) -> None:
        """Write what is left, past entries that cannot be written, and close the file."""
        for step in (self._write_rest, self._write_footers):
            for _ in range(_MOST_ERRORS):
                try:
                    step()
                    break
                except Exception as error:  # noqa: BLE001 - close raises nothing; it goes to on_error
                    self._fail(error)

    def _write_footers(self) -> None:
        try:
            self._writer.close()
        except OSError as error:
            self._on_alarm(RECORDER_ERROR, {"error": f"footers are missing: {error.strerror or error}"})

    def _write_rest(self) -> None:
        """Write until nothing is left, or the patience ends."""
        retries = self._retries
        while not self._backlog.write():
            if not self._backlog.refused:
                continue
            if not retries:
                self._backlog.give_up()
                return
            retries -= 1
            self._wait(self._never, RETRY_EVERY_S)

    def _fail(self, error: Exception) -> None:
        self.failed = self.failed or error
        if self._on_error is not None:
            self._on_error(error)
        else:
            self._on_alarm(RECORDER_ERROR, {"error": f"{type(error).__name__}: {error}"})


def write_recording(path: str | Path, streams: Sequence[StreamDescription], items: Iterable[Chunk | Marker]) -> None:
    """Write streams as an XDF file, in the order in which their samples come.

    All streams are on one clock, so every clock offset is zero; they are written all the same, every five seconds, as
    recorders do.

    Parameters
    ----------
    path : path-like
        A file that must not exist yet.
    streams : sequence of StreamDescription
    items : iterable of Chunk or Marker
        Of these streams.

    Raises
    ------
    FileExistsError
        There is a file already.
    """
    with XdfWriter(path) as writer:
        number = {
            stream.key: writer.add_stream(
                stream.name,
                stream.type,
                stream.channel_labels,
                stream.nominal_rate_hz,
                "string" if stream.is_text else "float32",
                units=stream.channel_units or "",
                source_id=stream.source_id,
                hostname=stream.hostname,
            )
            for stream in streams
        }
        offset_due_s, boundary_due_s = -math.inf, -math.inf
        for item in items:
            stamp_s = item.stamp_s if isinstance(item, Marker) else float(item.stamps_s[0])
            if stamp_s >= offset_due_s:
                for stream_id in number.values():
                    writer.write_clock_offset(stream_id, stamp_s, 0.0)
                offset_due_s = stamp_s + OFFSET_EVERY_S
            if stamp_s >= boundary_due_s:
                writer.write_boundary()
                boundary_due_s = stamp_s + BOUNDARY_EVERY_S
            if isinstance(item, Marker):
                writer.write_samples(number[item.stream], [item.stamp_s], [[item.text]])
            else:
                writer.write_samples(number[item.stream], item.stamps_s, item.values)
