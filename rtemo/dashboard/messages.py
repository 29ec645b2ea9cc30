"""What a feed posts to a dashboard: values without behaviour, that any thread may make and the GUI's takes.

All stamps are on the session's clock, which is the LSL clock of the session's machine. Texts and names come from the
network as they are: `rtemo.printable.printable` before they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.telemetry import SessionLayout, SessionStatus
from rtemo.types import Floats

REFUSED = "dashboard-refused"
"""Kind of the event that the dashboard itself makes of what it does not take: ``reason`` says why, and of an annotation
``text`` what it was."""
SWITCHED = "dashboard-switched"
"""Kind of the event that the dashboard itself makes where it went over to another session unasked: ``from``, ``to``."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Which sessions are on the network, the newest first."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attached:
    """The feed listens to a session from now on; the same one again where it had vanished."""

    layout: SessionLayout


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """A session says how it stands.

    Parameters
    ----------
    status : SessionStatus
    at_s : float
        The same moment as `SessionStatus.now_s`, on this machine's clock.
    """

    status: SessionStatus
    at_s: float


@dataclass(frozen=True, slots=True, eq=False)
class PredictionsSeen:
    """Predictions came.

    Parameters
    ----------
    stamps_s : ndarray of float64, shape (windows,)
        Ends of the windows.
    values : ndarray of float64, shape (windows, channels)
        In the order of `rtemo.outputs.lsl.prediction_channels` for the layout's labels and views.
    """

    stamps_s: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class EventSeen:
    """Something happened in a session.

    Parameters
    ----------
    stamp_s : float
    kind : str
    details : mapping of str to JSON value
    """

    stamp_s: float
    kind: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EventsSeen:
    """Events came, in the order in which they were sent."""

    events: tuple[EventSeen, ...]


@dataclass(frozen=True, slots=True, eq=False)
class QualitySeen:
    """Scores of channels came.

    Parameters
    ----------
    names : tuple of str
        ``<view>:<name>``, one a column.
    stamps_s : ndarray of float64, shape (windows,)
    values : ndarray of float64, shape (windows, scores)
    """

    names: tuple[str, ...]
    stamps_s: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A stream of a device is read from now on, for the first time or again.

    Parameters
    ----------
    key : str
        As in `rtemo.telemetry.StreamState`.
    labels, units : tuple of str
        One a channel.
    rate_hz : float
        0 for an irregular stream.
    """

    key: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class SamplesSeen:
    """Samples of a device came: stamps (samples,) and values (samples, channels)."""

    key: str
    stamps_s: Floats
    values: NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class MarkersSeen:
    """Markers came: stamps (markers,) and their texts."""

    key: str
    stamps_s: Floats
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamGone:
    """A stream of a device is no longer there; it may come back."""

    key: str


@dataclass(frozen=True, slots=True)
class Detached:
    """The session is no longer there; it may come back."""

    reason: str


@dataclass(frozen=True, slots=True)
class FeedFailed:
    """The feed has stopped for an error of its own."""

    error: BaseException


Message = (
    Sessions
    | Attached
    | StatusSeen
    | PredictionsSeen
    | EventsSeen
    | QualitySeen
    | StreamOpened
    | SamplesSeen
    | MarkersSeen
    | StreamGone
    | Detached
    | FeedFailed
)
