"""A writer of XDF files: small chunks, raw stamps, and boundary marks, so that little is lost in a crash."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtemo.xdf.appending import AppendFile
from rtemo.xdf.chunks import (
    BOUNDARY,
    BOUNDARY_UUID,
    CLOCK_OFFSET,
    FILE_HEADER,
    MAGIC,
    NUMERIC_FORMATS,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    STRING_FORMAT,
    StreamHeader,
    XdfError,
    packed_chunk,
    packed_length,
)
from rtemo.xdf.markup import facts_xml, footer_xml, recordable_header, serialised


@dataclass(slots=True)
class _Written:
    """What was written of one stream."""

    channel_format: str
    channel_count: int
    samples: int = 0
    first_stamp_s: float | None = None
    last_stamp_s: float | None = None


class XdfWriter:
    """Writes an XDF file, chunk by chunk; nothing is held back.

    Every method that writes hands one whole chunk to the operating system. Where that fails with an OSError, as on a
    full disk, the file and what this object knows of it are as before, and the call can be repeated.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.

    Raises
    ------
    FileExistsError
        There is a file already.
    OSError
        The file cannot be made, or not even its header fits the disk; then there is no file.
    """

    def __init__(self, path: str | Path) -> None:
        self._streams: dict[int, _Written] = {}
        self._file = AppendFile(path)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        try:
            self._file.write(MAGIC + packed_chunk(FILE_HEADER, facts_xml(version="1.0", datetime=now)))
        except BaseException:
            self._file.close()
            self._file.path.unlink()
            raise

    def __enter__(self) -> XdfWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_stream(
        self,
        name: str,
        type: str,
        channels: int | Sequence[str],
        nominal_rate_hz: float = 0.0,
        channel_format: str = "float32",
        *,
        units: str | Sequence[str] = "",
        source_id: str = "",
        hostname: str = "",
        stream_id: int | None = None,
    ) -> int:
        """Write the header of a new stream.

        Parameters
        ----------
        name, type : str
        channels : int or sequence of str
            How many channels, or their labels.
        nominal_rate_hz : float
            0 for an irregular stream.
        channel_format : str
            ``int8``, ``int16``, ``int32``, ``int64``, ``float32``, ``double64`` or ``string``.
        units : str or sequence of str
            Of all channels, or one each; written only where channels are labelled.
        source_id, hostname : str
        stream_id : int, optional
            The next free one where it is not given.

        Returns
        -------
        int
            The stream's number, for the other methods.
        """
        labels = [] if isinstance(channels, int) else list(channels)
        count = channels if isinstance(channels, int) else len(labels)
        root = ElementTree.Element("info")
        for key, value in (
            ("name", name),
            ("type", type),
            ("channel_count", str(count)),
            ("nominal_srate", repr(float(nominal_rate_hz))),
            ("channel_format", channel_format),
            ("source_id", source_id),
            ("hostname", hostname),
        ):
            ElementTree.SubElement(root, key).text = value
        described = ElementTree.SubElement(ElementTree.SubElement(root, "desc"), "channels")
        each = [units] * count if isinstance(units, str) else list(units)
        for label, unit in zip(labels, each, strict=True) if labels else ():
            channel = ElementTree.SubElement(described, "channel")
            ElementTree.SubElement(channel, "label").text = label
            if unit:
                ElementTree.SubElement(channel, "unit").text = unit
        return self.add_header(serialised(root), stream_id=stream_id)

    def add_header(self, xml: bytes, *, stream_id: int | None = None, continues: int | None = None) -> int:
        """Write a stream header that came from elsewhere, such as the network; return the stream's number.

        Raises
        ------
        XdfError
            The header is not to be taken; see `recordable_header`.
        """
        number = max(self._streams, default=0) + 1 if stream_id is None else stream_id
        self.write_header(*recordable_header(number, xml, continues=continues))
        return number

    def write_header(self, header: StreamHeader, xml: bytes) -> None:
        """Write what `recordable_header` gave."""
        if header.stream_id in self._streams:
            raise XdfError(f"stream {header.stream_id} has a header already")
        self._write(STREAM_HEADER, struct.pack("<I", header.stream_id) + xml)
        self._streams[header.stream_id] = _Written(header.channel_format, header.channel_count)

    def write_samples(
        self,
        stream_id: int,
        stamps_s: ArrayLike | None,
        values: NDArray[np.generic] | Sequence[Sequence[str]] | Sequence[Sequence[float]],
    ) -> None:
        """Write one chunk of samples.

        Parameters
        ----------
        stream_id : int
        stamps_s : array-like of float64, shape (samples,), or None
            NaN where the stamp is to be deduced from the one before; None deduces all.
        values : ndarray of numbers, shape (samples, channels), or sequence of sequence of str
        """
        stamps = np.full(len(values), np.nan) if stamps_s is None else np.asarray(stamps_s, dtype=np.float64)
        self._write_samples(stream_id, stamps, values, np.isnan(stamps))

    def write_stamped(
        self,
        stream_id: int,
        stamps_s: NDArray[np.float64],
        values: NDArray[np.generic] | Sequence[Sequence[str]],
    ) -> None:
        """Write one chunk of samples whose stamps are kept as they are, NaN among them: raw ones off the network."""
        self._write_samples(stream_id, stamps_s, values, np.zeros(len(stamps_s), dtype=bool))

    def _write_samples(
        self,
        stream_id: int,
        stamps: NDArray[np.float64],
        values: NDArray[np.generic] | Sequence[Sequence[str]] | Sequence[Sequence[float]],
        deduced: NDArray[np.bool_],
    ) -> None:
        stream = self._streams[stream_id]
        count = len(values)
        if stamps.shape != (count,):
            raise XdfError(f"{count} samples were given with stamps of shape {stamps.shape}")
        if not count:
            return
        content = packed_samples(stream_id, stream.channel_format, stream.channel_count, stamps, deduced, values)
        self._write(SAMPLES, content)
        stream.samples += count
        stated = stamps[~np.isnan(stamps)]
        if len(stated):
            if stream.first_stamp_s is None:
                stream.first_stamp_s = float(stated[0])
            stream.last_stamp_s = float(stated[-1])

    def write_clock_offset(self, stream_id: int, time_s: float, offset_s: float) -> None:
        """Write a clock measurement: `offset_s` added to stamps around `time_s` puts them on the recorder's clock."""
        self._write(CLOCK_OFFSET, struct.pack("<Idd", stream_id, time_s, offset_s))

    def write_boundary(self) -> None:
        """Write a mark where readers can go on after damage; every ten seconds is usual."""
        self._write(BOUNDARY, BOUNDARY_UUID)

    def write_footer(self, stream_id: int) -> None:
        """Write the footer of a stream."""
        stream = self._streams[stream_id]
        xml = footer_xml(stream.samples, stream.first_stamp_s, stream.last_stamp_s)
        self._write(STREAM_FOOTER, struct.pack("<I", stream_id) + xml)

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._file.end

    def close(self, *, footers: bool = True) -> None:
        """Write the footers and close the file, which is closed even where footers do not fit the disk. Idempotent."""
        if self._file.closed:
            return
        try:
            if footers:
                for stream_id in self._streams:
                    self.write_footer(stream_id)
        finally:
            self._file.close()

    def _write(self, tag: int, content: bytes) -> None:
        self._file.write(packed_chunk(tag, content))


def packed_samples(
    stream_id: int,
    channel_format: str,
    channels: int,
    stamps: NDArray[np.float64],
    deduced: NDArray[np.bool_],
    values: NDArray[np.generic] | Sequence[Sequence[str]] | Sequence[Sequence[float]],
) -> bytes:
    """The content of a chunk of samples; those that are `deduced` are written without a stamp."""
    if channel_format == STRING_FORMAT:
        body = _packed_texts(stamps, deduced, values, channels)  # type: ignore[arg-type]
    else:
        numbers = np.ascontiguousarray(values, dtype=NUMERIC_FORMATS[channel_format])
        if numbers.shape != (len(stamps), channels):
            raise XdfError(f"values of shape {numbers.shape} do not fit a stream of {channels} channels")
        body = _packed_numbers(stamps, deduced, numbers)
    # LabRecorder writes counts with four bytes, and so some readers expect.
    return struct.pack("<IBI", stream_id, 4, len(stamps)) + body


def _packed_numbers(stamps: NDArray[np.float64], deduced: NDArray[np.bool_], values: NDArray[np.generic]) -> bytes:
    """Samples of equal layout as one structured array, others one by one."""
    count, width = len(stamps), values.shape[1] * values.dtype.itemsize
    raw = values.view(np.uint8).reshape(count, width)
    if not deduced.any():
        layout = np.dtype([("mark", "u1"), ("stamp", "<f8"), ("values", "u1", (width,))])
        packed = np.empty(count, layout)
        packed["mark"], packed["stamp"], packed["values"] = 8, stamps, raw
        return packed.tobytes()
    return b"".join(
        (b"\x00" if bare else b"\x08" + struct.pack("<d", stamp)) + raw[k].tobytes()
        for k, (stamp, bare) in enumerate(zip(stamps.tolist(), deduced.tolist(), strict=True))
    )


def _packed_texts(
    stamps: NDArray[np.float64], deduced: NDArray[np.bool_], rows: Sequence[Sequence[str]], channels: int
) -> bytes:
    parts: list[bytes] = []
    for stamp, bare, row in zip(stamps.tolist(), deduced.tolist(), rows, strict=True):
        if isinstance(row, str) or len(row) != channels:
            raise XdfError(f"a text sample of {channels} strings was expected, {row!r} found")
        parts.append(b"\x00" if bare else b"\x08" + struct.pack("<d", stamp))
        for text in row:
            encoded = text.encode("utf-8", "replace")
            parts += [packed_length(len(encoded)), encoded]
    return b"".join(parts)
