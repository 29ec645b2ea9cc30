"""What a stream says of itself, from the header that XDF files and LSL streams share, read as hostile input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.sources.units import MICROVOLT_TYPES, microvolts_per
from rtemo.types import StreamDescription
from rtemo.xdf import StreamHeader


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A stream's description, and how its values become those of the description.

    Parameters
    ----------
    description : StreamDescription
    scale : ndarray of shape (channels,), or None
        What values are multiplied by; None where they are right as they are.
    warnings : tuple of str
        What looks wrong, one line each.
    """

    description: StreamDescription
    scale: NDArray[np.generic] | None
    warnings: tuple[str, ...]

    def convert(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Values in the description's units."""
        return values if self.scale is None else np.multiply(values, self.scale)


def named(header: StreamHeader) -> str:
    """A stream's number and name, for messages; escaped, as a name may hold anything."""
    return f"{header.stream_id} {header.name!r}"


def describe(header: StreamHeader, key: str) -> Described:
    """Describe a stream by its header.

    Parameters
    ----------
    header : StreamHeader
    key : str
        What its chunks are to be called by.
    """
    warnings: list[str] = []
    labels = _labels(header, warnings)
    units, scale = _units(header)
    if not header.type:
        warnings.append(f"stream {named(header)} has no type")
    if not header.channel_count:
        warnings.append(f"stream {named(header)} has no channel: its samples are left out")
    description = StreamDescription(
        key=key,
        name=header.name,
        type=header.type,
        channel_labels=labels,
        nominal_rate_hz=0.0 if header.is_text else header.nominal_rate_hz,
        source_id=header.source_id,
        hostname=header.hostname,
        channel_units=units,
        is_text=header.is_text,
        continues="" if header.continues is None else str(header.continues),
    )
    return Described(description, scale, tuple(warnings))


def _labels(header: StreamHeader, warnings: list[str]) -> tuple[str, ...]:
    numbers = [str(k + 1) for k in range(header.channel_count)]
    if not header.labels:
        return tuple(numbers)
    if len(header.labels) != header.channel_count:
        warnings.append(
            f"stream {named(header)} names {len(header.labels)} of {header.channel_count} channels: "
            "they are numbered instead"
        )
        return tuple(numbers)
    labels: list[str] = []
    taken: set[str] = set()
    for number, label in zip(numbers, header.labels, strict=True):
        unique = label or number
        again = 2
        while unique in taken:
            unique = f"{label or number}-{again}"
            again += 1
        if label and unique != label:
            warnings.append(f"stream {named(header)} has two channels {label!r}: one is called {unique!r}")
        labels.append(unique)
        taken.add(unique)
    return tuple(labels)


def _units(header: StreamHeader) -> tuple[tuple[str, ...], NDArray[np.generic] | None]:
    """Units after conversion, and what values are multiplied by."""
    units = header.units if len(header.units) == header.channel_count else ("",) * header.channel_count
    if header.is_text or header.type.lower() not in MICROVOLT_TYPES:
        return units, None
    factors = [microvolts_per(unit) for unit in units]
    scale: NDArray[np.generic] | None = None
    if any(factor not in (None, 1.0) for factor in factors):
        wide = header.dtype.itemsize > 4 or header.channel_format == "int32"
        exact = np.array([1.0 if factor is None else factor for factor in factors])
        scale = exact if wide else exact.astype(np.float32)
    given = tuple("uV" if factor is not None or not unit else unit for factor, unit in zip(factors, units, strict=True))
    return given, scale
