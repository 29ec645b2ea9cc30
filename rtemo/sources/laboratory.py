"""A simulated participant in a laboratory without end: EEG, eye tracker, peripheral signals and markers.

What a device gives at a moment depends on nothing but the settings and that moment, so a device that was away goes on
where it would have been, and every fault can be seen again. It proves mechanics; nothing about accuracy on people
follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtemo.sources.schedule import Device, LaboratorySettings, Schedule, Shown
from rtemo.sources.sensors import DESCRIPTIONS, SENSORS
from rtemo.types import StreamDescription

DEVICES = tuple(DESCRIPTIONS)
MANUFACTURER = "rtemo simulate"


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """A device as its outlet describes it.

    Parameters
    ----------
    stream : StreamDescription
    chunk : int
        Samples that it sends at once.
    channel_types : tuple of str
    model : str
    """

    stream: StreamDescription
    chunk: int
    channel_types: tuple[str, ...]
    model: str


class Laboratory:
    """The devices of a laboratory.

    Parameters
    ----------
    settings : LaboratorySettings
    shown : Shown, optional
        What the participant is shown; by the settings' own schedule where it is not given.
    """

    def __init__(self, settings: LaboratorySettings | None = None, shown: Shown | None = None) -> None:
        self.settings = settings or LaboratorySettings()
        self.schedule = Schedule(self.settings)
        self._shown: Shown = shown or self.schedule

    def describe(self, key: str) -> DeviceDescription:
        """What a device says of itself."""
        told = DESCRIPTIONS[key]
        stream = StreamDescription(
            key=key,
            name=told.name,
            type=told.type,
            channel_labels=tuple(channel.label for channel in told.channels),
            nominal_rate_hz=told.rate_hz,
            source_id=f"rtemo-simulated-{key}-{self.settings.participant}",
            channel_units=tuple(channel.unit for channel in told.channels),
            is_text=told.is_text,
        )
        return DeviceDescription(stream, told.chunk, tuple(c.type for c in told.channels), told.model)

    def device(self, key: str, rate_hz: float | None = None) -> Device:
        """A device that gives numbers, at its own rate or another."""
        return SENSORS[key](self._shown, rate_hz or DESCRIPTIONS[key].rate_hz)
