"""What a simulated device sends, with its faults: all that one process does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rtemo.devices.faulted import FaultedStream, in_order
from rtemo.outputs.publish import Action, OutletDescription
from rtemo.sources.faults import FOREVER, Fault
from rtemo.sources.laboratory import MANUFACTURER, Laboratory
from rtemo.types import Floats


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples that come at one rate.

    Parameters
    ----------
    first : int
        Number of the first sample.
    first_s : float
        When it is taken, seconds since the origin.
    nominal_hz : float
        What the outlet says.
    effective_hz : float
        What is so: a crystal may be off.
    """

    first: int
    first_s: float
    nominal_hz: float
    effective_hz: float

    def times_s(self, first: int, count: int) -> Floats:
        """When samples are taken, seconds since the origin."""
        times: Floats = self.first_s + (np.arange(first, first + count) - self.first) / self.effective_hz
        return times

    def number_from(self, at_s: float) -> int:
        """Number of the first sample at a moment or later."""
        # A hair less: the quotient of a moment and a period that fit may lie above the whole number.
        return self.first + max(0, math.ceil((at_s - self.first_s) * self.effective_hz - 1e-6))


def pieces(nominal_hz: float, faults: Sequence[Fault]) -> tuple[Piece, ...]:
    """Stretches of one rate each: a new one at each change of rate, and where the crystal starts or ends to be off."""
    moments = {0.0}
    for fault in faults:
        if fault.kind in ("rate", "drift"):
            moments |= {moment for moment in (fault.start_s, fault.stop_s) if moment < FOREVER}
    found: list[Piece] = []
    for moment in sorted(moments):
        nominal, off = nominal_hz, 0.0
        for fault in sorted(faults, key=lambda fault: fault.start_s):
            if fault.kind == "rate" and fault.start_s <= moment:
                nominal = fault.value
            if fault.kind == "drift" and fault.start_s <= moment < fault.stop_s:
                off += fault.value
        first, first_s = 0, 0.0
        if found:
            first = found[-1].number_from(moment)
            first_s = float(found[-1].times_s(first, 1)[0])
        if found and found[-1].first == first:
            found.pop()
        found.append(Piece(first, first_s, nominal, nominal * (1 + off)))
    return tuple(found)


def outlet_of(laboratory: Laboratory, device: str, identity: Mapping[str, str] | None = None) -> OutletDescription:
    """What a simulated device's outlet says of itself.

    Parameters
    ----------
    laboratory : Laboratory
    device : str
    identity : mapping of str to str, optional
        Its ``name``, ``type`` or ``source_id``, where they are not the usual ones.
    """
    told, identity = laboratory.describe(device), identity or {}
    usual = told.stream
    stream = replace(
        usual,
        name=identity.get("name", usual.name),
        type=identity.get("type", usual.type),
        source_id=identity.get("source_id", usual.source_id),
    )
    return OutletDescription(
        stream,
        "string" if told.stream.is_text else "float32",
        channel_types=told.channel_types,
        manufacturer=MANUFACTURER,
        model=told.model,
    )


def device_actions(
    laboratory: Laboratory,
    outlet: OutletDescription,
    faults: Sequence[Fault],
    *,
    since_s: float = 0.0,
    until_s: float = FOREVER,
    shift_s: float = 0.0,
    before: Callable[[float, float], bool] | None = None,
) -> Iterator[Action]:
    """Everything that one simulated device does, in the order of time; without end where `until_s` is infinite.

    Parameters
    ----------
    laboratory : Laboratory
    outlet : OutletDescription
        As `outlet_of` gives it, perhaps under another name.
    faults : sequence of Fault
        All of this device.
    since_s, until_s : float
        The stretch in which its process is there, seconds since the origin.
    shift_s : float
        Added to all stamps.
    before : callable, optional
        Called before samples are made, with the moment of the first and by what the sensor's own time is ahead; none
        are made any more once it gives False.

    Yields
    ------
    Action
    """
    seed = laboratory.settings.seed
    stream = FaultedStream(outlet, faults, seed=seed, since_s=since_s, until_s=until_s, shift_s=shift_s)

    def groups() -> Iterator[tuple[float, Sequence[Action]]]:
        yield -math.inf, stream.events()
        if outlet.stream.is_text:
            for number in itertools.count(laboratory.schedule.marker_from(since_s)):
                at_s, text = laboratory.schedule.marker(number)
                if at_s >= until_s:
                    return
                yield at_s, stream.send(np.array([at_s]), [[text]])
        for times_s, values in _blocks(laboratory, outlet.stream.key, faults, since_s, before):
            if times_s[0] >= until_s:
                return
            yield float(times_s[-1]), stream.send(times_s, values)

    return in_order(groups())


def _blocks(
    laboratory: Laboratory,
    device: str,
    faults: Sequence[Fault],
    since_s: float,
    before: Callable[[float, float], bool] | None,
) -> Iterator[tuple[Floats, NDArray[np.float32]]]:
    """A device's chunks as it takes them."""
    told = laboratory.describe(device)
    stretches = pieces(told.stream.nominal_rate_hz, faults)
    ends = [piece.first for piece in stretches[1:]] + [math.inf]
    for piece, end in zip(stretches, ends, strict=True):
        number = piece.number_from(since_s)
        if number >= end:
            continue
        sensor = laboratory.device(device, piece.nominal_hz)
        # The same moment of the same film, whatever the rate.
        moved = round(piece.first_s * piece.nominal_hz) - piece.first
        while number < end:
            # Chunks lie where they always do, so a device that was away sends what it would have sent.
            count = int(min(told.chunk - (number - piece.first) % told.chunk, end - number))
            times_s = piece.times_s(number, count)
            ahead_s = (number + moved) / piece.nominal_hz - float(times_s[0])
            if before is not None and not before(float(times_s[0]), ahead_s):
                return
            values = sensor.samples(number + moved, count)
            if laboratory.settings.numbered:
                values[:, 0] = np.arange(number, number + count)
            yield times_s, values
            number += count
