"""What every source of samples offers: chunks on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from rtemo.types import Chunk, Marker, StreamDescription


class Source(Protocol):
    """Streams and their samples, on the LSL local clock, in the order in which they came."""

    @property
    def origin(self) -> str:
        """Name of the file, or of the network, for messages."""
        ...

    @property
    def streams(self) -> Sequence[StreamDescription]:
        """Every stream, numeric and text, also those that carry no sample."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What looked wrong so far, one line each; more may come while samples are read."""
        ...

    def __iter__(self) -> Iterator[Chunk | Marker]:
        """Samples in the order in which they came; a chunk never spans a gap, and markers come among the chunks."""
        ...

    def close(self) -> None:
        """Release what is held. Idempotent."""
        ...
