"""Samples onto LSL outlets in real time: what appears, what is sent and what vanishes, each at its moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.clock import Clock
from rtemo.types import Floats, StreamDescription

BUFFER_S = 60
"""What an outlet keeps for an inlet that is behind."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORMATS = {
    np.dtype(np.float32): "float32",
    np.dtype(np.float64): "double64",
    np.dtype(np.int8): "int8",
    np.dtype(np.int16): "int16",
    np.dtype(np.int32): "int32",
    np.dtype(np.int64): "int64",
}


@dataclass(frozen=True, slots=True)
class OutletDescription:
    """What an outlet says of itself.

    Parameters
    ----------
    stream : StreamDescription
        Its key is what the outlet is called by in `Send` and `Vanish`.
    channel_format : str
        As LSL calls it: ``"float32"``, ``"double64"``, ``"int16"``, ..., ``"string"``.
    channel_types : tuple of str
        One a channel; empty where they say nothing.
    manufacturer, model : str
        Of the device; empty where they say nothing.
    """

    stream: StreamDescription
    channel_format: str = "float32"
    channel_types: tuple[str, ...] = ()
    manufacturer: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Appear:
    """An outlet appears; a second one of the same stream is a twin, and gets the same samples."""

    at_s: float
    outlet: OutletDescription
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Vanish:
    """The outlets of a stream vanish, or only its twin."""

    at_s: float
    stream: str
    twin: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Send:
    """Samples are sent to the outlets that a stream has at that moment.

    Parameters
    ----------
    at_s : float
        When, seconds since the origin.
    stream : str
        Key of the stream.
    stamps_s : ndarray of float64, shape (samples,)
        Seconds since the origin.
    values : ndarray, shape (samples, channels), or sequence of sequence of str
    """

    at_s: float
    stream: str
    stamps_s: Floats
    values: NDArray[np.generic] | Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Note:
    """Something happens that is worth a line."""

    at_s: float
    text: str


Action = Appear | Vanish | Send | Note


def channel_format(dtype: np.dtype[Any]) -> str:
    """What LSL calls a numeric type; those that it lacks go as ``double64``."""
    return _FORMATS.get(dtype.newbyteorder("="), "double64")


class Outlets:
    """LSL outlets by stream; closed all together."""

    def __init__(self) -> None:
        self._outlets: dict[tuple[str, bool], Any] = {}

    def __enter__(self) -> Outlets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let all outlets vanish. Idempotent."""
        # pylsl destroys an outlet with its last reference.
        self._outlets.clear()

    def heard(self, stream: str) -> bool:
        """Whether anyone listens to a stream's outlet now: those who come later get nothing of what was sent before."""
        outlet = self._outlets.get((stream, False))
        return outlet is not None and bool(outlet.have_consumers())

    def perform(self, action: Action, origin_s: float) -> None:
        """Do what is to be done, now.

        Parameters
        ----------
        action : Action
        origin_s : float
            Moment that stamps count from, LSL local-clock seconds.
        """
        match action:
            case Appear(outlet=outlet, twin=twin):
                self._outlets[outlet.stream.key, twin] = _opened(outlet)
            case Vanish(stream=stream, twin=twin):
                self._outlets.pop((stream, True), None)
                if not twin:
                    self._outlets.pop((stream, False), None)
            case Send(stream=stream, stamps_s=stamps_s, values=values):
                # A list: pylsl takes an array of one stamp for a scalar.
                stamps = (origin_s + stamps_s).tolist()
                for twin in (False, True):
                    outlet_now = self._outlets.get((stream, twin))
                    if outlet_now is not None:
                        outlet_now.push_chunk(values, stamps)
            case Note():
                pass


def publish(
    actions: Iterable[Action],
    *,
    origin_s: float,
    clock: Clock,
    wait: Callable[[float], bool],
    on_action: Callable[[Action], None] | None = None,
) -> bool:
    """Perform actions at their moments, then close all outlets.

    The schedule is the clock's: no wait adds to the next, and what is overdue is done at once.

    Parameters
    ----------
    actions : iterable of Action
        In the order of their moments; drawn only when their time has nearly come.
    origin_s : float
        Moment that `at_s` and stamps count from, on `clock`.
    clock : Clock
        The LSL local clock.
    wait : callable
        Waits for so many seconds and gives True as soon as it is to stop.
    on_action : callable, optional
        Called after every action but `Send`.

    Returns
    -------
    bool
        Whether all was done; False where it was stopped.
    """
    with Outlets() as outlets:
        for action in actions:
            due_s = origin_s + action.at_s - clock.now_s()
            while due_s > 0:
                if wait(due_s):
                    return False
                due_s = origin_s + action.at_s - clock.now_s()
            if due_s < -_BEHIND_S and wait(0.0):
                # What is never on time would otherwise never look whether it is to stop.
                return False
            outlets.perform(action, origin_s)
            if on_action is not None and not isinstance(action, Send):
                on_action(action)
    return True


_BEHIND_S = 0.1


def _opened(outlet: OutletDescription) -> Any:
    """An outlet with a description as complete as a vendor's bridge makes it."""
    import pylsl

    stream = outlet.stream
    info = pylsl.StreamInfo(
        # A name that is empty liblsl refuses.
        name=_clean(stream.name) or f"stream-{stream.key}",
        type=_clean(stream.type),
        channel_count=stream.channels,
        nominal_srate=stream.nominal_rate_hz,
        channel_format=outlet.channel_format,
        source_id=_clean(stream.source_id),
    )
    root = info.desc()
    for name, text in (("manufacturer", outlet.manufacturer), ("model", outlet.model)):
        if text:
            root.append_child_value(name, _clean(text))
    channels = root.append_child("channels")
    units = stream.channel_units or ("",) * stream.channels
    types = outlet.channel_types or (stream.type,) * stream.channels
    for label, unit, kind in zip(stream.channel_labels, units, types, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", _clean(label))
        if unit:
            channel.append_child_value("unit", _clean(unit))
        channel.append_child_value("type", _clean(kind))
    return pylsl.StreamOutlet(info, max_buffered=BUFFER_S)


def _clean(text: str) -> str:
    """Text that XML can hold."""
    return _NOT_XML.sub("?", text)
