"""The XDF format: tags, variable-length integers, and the XML of headers and footers, read as hostile input.

The format is described at https://github.com/sccn/xdf/wiki/Specifications.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
KNOWN_TAGS = range(1, 7)
BOUNDARY_UUID = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
CLOCK_OFFSET_LENGTH = 22
BOUNDARY_LENGTH = 18
FIXED_LENGTHS = {CLOCK_OFFSET: CLOCK_OFFSET_LENGTH, BOUNDARY: BOUNDARY_LENGTH}

MAX_XML_BYTES = 16_000_000
MAX_CHANNELS = 65_536
MAX_RATE_HZ = 1e7
MAX_DELAY_S = 10.0

NUMERIC_FORMATS: Mapping[str, np.dtype[np.generic]] = {
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float32": np.dtype("<f4"),
    "double64": np.dtype("<f8"),
}
STRING_FORMAT = "string"
CONTINUES = "continues"

_FORBIDDEN_XML = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_LENGTH_FORMATS = {1: struct.Struct("<B"), 4: struct.Struct("<I"), 8: struct.Struct("<Q")}


class XdfError(ValueError):
    """A file is not XDF, or a part of it cannot be understood."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that was skipped or doubted.

    Parameters
    ----------
    offset : int
        Byte offset in the file.
    cause : str
        What was expected and what was found.
    """

    offset: int
    cause: str

    def __str__(self) -> str:
        return f"byte {self.offset}: {self.cause}"


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What a stream header says.

    Parameters
    ----------
    stream_id : int
        Number of the stream in this file.
    name, type, source_id, hostname : str
        Empty where the header does not say.
    channel_count : int
    nominal_rate_hz : float
        0 for an irregular stream.
    channel_format : str
        A key of `NUMERIC_FORMATS`, or ``"string"``.
    labels, units : tuple of str
        One a channel description, which may be fewer or more than there are channels; empty strings where not said.
    delay_s : float
        ``desc/synchronization/offset_mean``: how much later than the event itself stamps are; 0 where not said.
    continues : int or None
        Number of the stream that this one goes on from, under another description: ``continues`` in the header, which
        our own recordings have where a stream came back with another rate or other channels.
    """

    stream_id: int
    name: str
    type: str
    channel_count: int
    nominal_rate_hz: float
    channel_format: str
    source_id: str = ""
    hostname: str = ""
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    delay_s: float = 0.0
    continues: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether samples are strings."""
        return self.channel_format == STRING_FORMAT

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Numeric type of a value; for text streams there is none."""
        return NUMERIC_FORMATS[self.channel_format]

    @property
    def period_s(self) -> float:
        """Nominal sample period, 0 for an irregular stream."""
        return 1.0 / self.nominal_rate_hz if self.nominal_rate_hz > 0 else 0.0


@dataclass(frozen=True, slots=True)
class StreamFooter:
    """What a stream footer says; None where it does not."""

    first_stamp_s: float | None = None
    last_stamp_s: float | None = None
    sample_count: int | None = None


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """One clock measurement: add `offset_s` to stamps of the stream around `time_s` to be on the recorder's clock."""

    stream_id: int
    time_s: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Samples:
    """Consecutive samples of a numeric stream.

    Parameters
    ----------
    stream_id : int
    stamps_s : ndarray of float64, shape (samples,)
        As recorded, deduced where the file leaves them out.
    values : ndarray, shape (samples, channels)
        Contiguous, in the stream's own numeric type.
    """

    stream_id: int
    stamps_s: NDArray[np.float64]
    values: NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Texts:
    """Consecutive samples of a text stream, one tuple of strings a sample."""

    stream_id: int
    stamps_s: NDArray[np.float64]
    texts: list[tuple[str, ...]] = field(default_factory=list)


def read_length(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Read a variable-length integer.

    Returns
    -------
    value : int
    after : int
        Position of the byte behind it.

    Raises
    ------
    XdfError
        The size byte is not 1, 4 or 8, or the data ends inside.
    """
    if at >= len(data):
        raise XdfError("the data ends where a length should be")
    size = data[at]
    layout = _LENGTH_FORMATS.get(size)
    if layout is None:
        raise XdfError(f"a length of 1, 4 or 8 bytes was expected, one of {size} found")
    if at + 1 + size > len(data):
        raise XdfError("the data ends inside a length")
    return int(layout.unpack_from(data, at + 1)[0]), at + 1 + size


def packed_length(value: int) -> bytes:
    """A variable-length integer in its shortest form."""
    for size, layout in _LENGTH_FORMATS.items():
        if value < 1 << (8 * size):
            return bytes([size]) + layout.pack(value)
    raise XdfError(f"{value} is too long for XDF")


def packed_chunk(tag: int, content: bytes) -> bytes:
    """A whole chunk."""
    return packed_length(len(content) + 2) + struct.pack("<H", tag) + content


def parse_xml(data: bytes) -> ElementTree.Element:
    """Parse the XML of a header or footer, refusing what could expand or define entities."""
    if len(data) > MAX_XML_BYTES:
        raise XdfError(f"an XML part of {len(data)} bytes, over the limit of {MAX_XML_BYTES}")
    if b"\x00" in data.rstrip(b"\x00"):
        raise XdfError("XML with zero bytes inside")
    if _FORBIDDEN_XML.search(data):
        raise XdfError("XML with a document type or entity definition, which is refused")
    text = data.rstrip(b"\x00").decode("utf-8", "replace")
    # Definitions are refused above, so nothing can expand.
    try:
        return ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, ValueError) as error:
        raise XdfError(f"XML that does not parse: {error}") from error


def parse_stream_header(stream_id: int, data: bytes) -> StreamHeader:
    """Read a stream header; XdfError where it does not say what samples look like."""
    root = parse_xml(data)
    channel_format = _text(root, "channel_format")
    if channel_format not in NUMERIC_FORMATS and channel_format != STRING_FORMAT:
        raise XdfError(f"channel_format is {channel_format!r}, none of XDF's")
    channels = int(_number(root, "channel_count", 0, MAX_CHANNELS))
    described = root.findall("./desc/channels/channel")[:MAX_CHANNELS]
    return StreamHeader(
        stream_id=stream_id,
        name=_text(root, "name"),
        type=_text(root, "type"),
        channel_count=channels,
        nominal_rate_hz=_number(root, "nominal_srate", 0.0, MAX_RATE_HZ, default=0.0),
        channel_format=channel_format,
        source_id=_text(root, "source_id"),
        hostname=_text(root, "hostname"),
        labels=tuple(_text(channel, "label") for channel in described),
        units=tuple(_text(channel, "unit") for channel in described),
        delay_s=_delay(root),
        continues=int(_number(root, CONTINUES, 0, 2**32 - 1)) if _text(root, CONTINUES) else None,
    )


def _delay(root: ElementTree.Element) -> float:
    """The device's own delay; 0 where it is not said, no number, or too long to be one."""
    try:
        delay_s = float(root.findtext("./desc/synchronization/offset_mean") or 0.0)
    except ValueError:
        return 0.0
    return delay_s if abs(delay_s) <= MAX_DELAY_S else 0.0


def parse_stream_footer(data: bytes) -> StreamFooter:
    """Read a stream footer; values that are no numbers count as not said."""
    root = parse_xml(data)

    def number(name: str) -> float | None:
        try:
            value = float(_text(root, name))
        except ValueError:
            return None
        return value if np.isfinite(value) else None

    count = number("sample_count")
    return StreamFooter(
        number("first_timestamp"), number("last_timestamp"), None if count is None or count < 0 else int(count)
    )


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _number(element: ElementTree.Element, name: str, low: float, high: float, default: float | None = None) -> float:
    text = _text(element, name)
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise XdfError(f"{name} is {text!r}, no number") from error
    if not low <= value <= high:
        raise XdfError(f"{name} is {text!r}, outside {low:g} to {high:g}")
    return value
