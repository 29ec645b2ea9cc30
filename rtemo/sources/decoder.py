"""From one stream's raw samples and clock measurements, in the order in which they come, to chunks and markers.

The same object serves recordings and live streams: whatever is fed in the same order comes out the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtemo.dejitter import Piece
from rtemo.sources.description import describe
from rtemo.telemetry import OLDEST_S
from rtemo.timeline import BACKWARD_S, Timeline
from rtemo.types import EVENT_STREAM, Chunk, Floats, Marker
from rtemo.xdf import StreamHeader

SAID_LATER_S = OLDEST_S + 5.0
"""So far an event of a session may lie before the one that was said before it: operators stamp what they annotate."""


class StreamDecoder:
    """Puts one stream's samples on the recorder's clock and into the units of its description.

    Parameters
    ----------
    header : StreamHeader
    key : str
        What its chunks are called by.
    measured : bool
        Whether clock measurements will come.

    Attributes
    ----------
    header : StreamHeader
    description : StreamDescription
    warnings : tuple of str
        What looks wrong with the description.
    timeline : Timeline
        With its counts of rejected samples, gaps and clock segments.
    """

    def __init__(self, header: StreamHeader, *, key: str, measured: bool) -> None:
        described = describe(header, key)
        self.header = header
        self.description = described.description
        self.warnings = described.warnings
        self.timeline = Timeline(
            described.description.nominal_rate_hz,
            measured=measured,
            ordered=not header.is_text,
            delay_s=header.delay_s,
            backward_s=SAID_LATER_S if header.is_text and header.name == EVENT_STREAM else BACKWARD_S,
        )
        self._convert = described.convert

    def measure(self, time_s: float, offset_s: float, uncertainty_s: float | None = None) -> list[Chunk | Marker]:
        """Take a clock measurement; give samples that waited for it."""
        return self._given(self.timeline.measure(time_s, offset_s, uncertainty_s))

    def samples(self, stamps_s: Floats, values: NDArray[np.generic]) -> list[Chunk | Marker]:
        """Take raw samples, stamps (samples,) and values (samples, channels); give those that can be placed."""
        if not self.header.channel_count:
            return []
        return self._given(self.timeline.push(stamps_s, self._convert(values)))

    def texts(self, stamps_s: Floats, rows: Sequence[Sequence[str]]) -> list[Chunk | Marker]:
        """Take text samples; further channels follow the first, joined by tabs."""
        if not self.header.channel_count:
            return []
        return self._given(self.timeline.push(stamps_s, np.array(["\t".join(row) for row in rows], dtype=object)))

    def finish(self) -> list[Chunk | Marker]:
        """Give what is held, as no more will come."""
        return self._given(self.timeline.finish())

    def _given(self, pieces: list[Piece]) -> list[Chunk | Marker]:
        key = self.description.key
        if not self.header.is_text:
            return [Chunk(key, piece.stamps_s, piece.values, piece.segment) for piece in pieces]
        return [
            Marker(key, stamp_s, text)
            for piece in pieces
            for stamp_s, text in zip(piece.stamps_s.tolist(), piece.values.tolist(), strict=True)
        ]
