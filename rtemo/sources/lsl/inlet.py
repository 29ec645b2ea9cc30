"""One LSL inlet: raw stamps and values as arrays, and clock measurements. The only place that pulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from rtemo.clock import Measurement
from rtemo.liblsl import local_clock
from rtemo.sources.lsl.clocks import measure_clock
from rtemo.types import Floats
from rtemo.xdf import StreamHeader
from rtemo.xdf.chunks import MAX_XML_BYTES, XdfError
from rtemo.xdf.markup import recordable_header

BUFFER_S = 120
"""What liblsl keeps of a stream that nobody pulls; it drops the oldest. Ours is pulled twenty times a second, but a
device that stood still sends all of its backlog at once; how old samples are is judged by their stamps."""
OPEN_TIMEOUT_S = 3.0
MAX_PULLED_BYTES = 4_000_000
MAX_PULLED = 4096
TEXTS_PULLED = 256


class StreamEndedError(Exception):
    """The outlet is gone, or was never really there."""


class StreamRefusedError(Exception):
    """What the outlet says of itself cannot be used."""


class UnmeasuredError(Exception):
    """The clock of the outlet's machine did not answer in time."""


@dataclass(frozen=True, slots=True, eq=False)
class Pulled:
    """What one pull gave: raw stamps, and either numbers or rows of strings."""

    stamps_s: Floats
    values: NDArray[np.generic] | None
    rows: Sequence[Sequence[str]]


class Inlet:
    """An open inlet on one outlet, without any of liblsl's own processing, and without its recovery.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As resolved.
    max_xml_bytes : int
        A larger description is refused unread.

    Attributes
    ----------
    header : StreamHeader
    xml : bytes
        The full description.

    Raises
    ------
    StreamEndedError
        It cannot be opened, or does not tell what it is.
    StreamRefusedError
        Its description is damaged, hostile or beyond all limits.
    """

    def __init__(self, info: Any, *, max_xml_bytes: int = MAX_XML_BYTES) -> None:
        # liblsl's own recovery says nothing when a stream dies or comes back changed: ours does.
        self._inlet = pylsl.StreamInlet(info, max_buflen=BUFFER_S, recover=False, processing_flags=0)
        try:
            self._inlet.open_stream(OPEN_TIMEOUT_S)
            xml = self._inlet.info(OPEN_TIMEOUT_S).as_xml().encode("utf-8")
        except (pylsl.util.LostError, pylsl.util.TimeoutError, pylsl.util.InternalError) as error:
            raise StreamEndedError(f"it cannot be opened: {error}") from error
        except ValueError as error:
            raise StreamRefusedError(f"its description is no text: {error}") from error
        if len(xml) > max_xml_bytes:
            raise StreamRefusedError(f"XML of {len(xml)} bytes, over the limit of {max_xml_bytes}")
        try:
            # As the recorder will check it: what cannot be recorded must not come in.
            header, self.xml = recordable_header(0, xml)
            self.header: StreamHeader = header
        except XdfError as error:
            raise StreamRefusedError(str(error)) from error
        channels = max(1, self.header.channel_count)
        if self.header.is_text:
            self._buffer = None
        else:
            width = channels * self.header.dtype.itemsize
            rows = min(MAX_PULLED, max(16, MAX_PULLED_BYTES // width))
            self._buffer = np.empty((rows, channels), dtype=self.header.dtype)

    def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
        """Wait in liblsl for so many samples, at most so long, and take all that are there.

        Returns
        -------
        Pulled or None
            None where nothing came. At most as many samples as the buffer holds: pull again until nothing is left.

        Raises
        ------
        StreamEndedError
            The outlet is gone.
        """
        try:
            if self._buffer is None:
                return self._pull_texts(timeout_s)
            _, stamps_s = self._inlet.pull_chunk(
                timeout=timeout_s,
                max_samples=len(self._buffer),
                min_samples=min(at_least, len(self._buffer)),
                dest_obj=self._buffer,
                as_numpy=True,
            )
        except (pylsl.util.LostError, pylsl.util.InternalError) as error:
            raise StreamEndedError(str(error)) from error
        count = len(stamps_s)
        return Pulled(stamps_s.copy(), self._buffer[:count].copy(), ()) if count else None

    def _pull_texts(self, timeout_s: float) -> Pulled | None:
        rows, stamps_s = self._inlet.pull_chunk(
            timeout=timeout_s, max_samples=TEXTS_PULLED, min_samples=1, as_numpy=True
        )
        if not len(stamps_s):
            return None
        # A stream of another program may hold any bytes.
        texts = [tuple(raw.decode("utf-8", "replace") for raw in row) for row in rows]
        return Pulled(np.array(stamps_s, dtype=np.float64), None, texts)

    def measure(self, timeout_s: float) -> Measurement:
        """Measure the offset between the outlet's clock and ours; at once, but for the first time.

        Returns
        -------
        Measurement
            Its moment is now on the outlet's clock, as far as liblsl knows it: it asks anew every two seconds.

        Raises
        ------
        UnmeasuredError, StreamEndedError
        """
        try:
            measured = measure_clock(self._inlet, timeout_s)
        except pylsl.util.TimeoutError as error:
            raise UnmeasuredError(str(error)) from error
        except RuntimeError as error:
            raise StreamEndedError(str(error)) from error
        # Liblsl tells the round trip of its best probe; the offset errs by half of it at most.
        half_s = None if measured.uncertainty_s is None else measured.uncertainty_s / 2
        return Measurement(local_clock() - measured.offset_s, measured.offset_s, half_s)

    def was_clock_reset(self) -> bool:
        """Whether liblsl noticed a reset of the outlet's clock since it was last asked."""
        return bool(self._inlet.was_clock_reset())

    def close(self) -> None:
        """Let the outlet go; no other call may be under way."""
        self._inlet.close_stream()
        del self._inlet
