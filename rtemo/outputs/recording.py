"""An XDF recording of streams whose stamps are on the recorder's clock already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from rtemo.types import Chunk, Marker, StreamDescription
from rtemo.xdf import XdfWriter

OFFSET_EVERY_S = 5.0
BOUNDARY_EVERY_S = 10.0


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
        for stream_id in number.values():
            writer.write_footer(stream_id)
