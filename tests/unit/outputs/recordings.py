"""What the tests of recordings share: headers, readings, and a clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtemo.xdf import ClockOffset, Samples, XdfReader


def header(
    name: str = "n", channels: int = 2, rate_hz: float = 100.0, channel_format: str = "float32", more: str = ""
) -> bytes:
    return (
        f"<info><name>{name}</name><type>T</type><channel_count>{channels}</channel_count>"
        f"<nominal_srate>{rate_hz}</nominal_srate><channel_format>{channel_format}</channel_format>{more}</info>"
    ).encode()


def content(path: Path) -> dict[int, list[tuple[float, object]]]:
    """Every sample, as its stamp and row, and every clock offset, as its time and a float, by stream, in order."""
    found: dict[int, list[tuple[float, object]]] = {}
    with XdfReader(path) as reader:
        assert reader.problems == []
        for item in reader.items():
            if isinstance(item, ClockOffset):
                found.setdefault(item.stream_id, []).append((item.time_s, item.offset_s))
                continue
            rows = [tuple(row) for row in item.values.tolist()] if isinstance(item, Samples) else item.texts
            found.setdefault(item.stream_id, []).extend(zip(item.stamps_s.tolist(), rows, strict=True))
    return found


def counted(start: int, stop: int, channels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Samples at 100 Hz whose channels all hold the sample's number."""
    numbers = np.arange(start, stop)
    return numbers / 100, np.repeat(numbers[:, None], channels, axis=1).astype(np.float32)
