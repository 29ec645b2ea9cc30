"""What an operator must see and hear: rules that say what is amiss, and the board that remembers since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from rtemo.printable import printable
from rtemo.telemetry import SessionLayout, SessionStatus, StreamState

Severity = Literal["warning", "critical"]

LATE_S: Final = 0.5
"""Predictions are late where their age is above this and above the hop."""
BACKLOG_S: Final = 5.0
DISK_LEFT_S, DISK_LEFT_LITTLE_S = 1800.0, 300.0
DISK_FREE_BYTES: Final = 1e9
SKIPPED_SHOWN_S: Final = 30.0
"""So long after the last skipped window there is an alarm."""
PREDICTION_PATIENCE_S: Final = 2.0
BAD_CHANNELS = "bad channels"
"""How the reason of a view that is missing for them begins."""
TEXT_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Cause:
    """Something is amiss.

    Parameters
    ----------
    key : str
        The same as long as it is the same thing.
    severity : {"warning", "critical"}
    text : str
        One line, fit to be shown.
    """

    key: str
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something is amiss since a moment of the session's clock; `acknowledged` once the operator has said so."""

    key: str
    severity: Severity
    text: str
    since_s: float
    acknowledged: bool = False


class AlarmBoard:
    """The alarms that stand, by what causes them now.

    An alarm stands as long as its cause is there. One that comes again, or becomes critical, is new: it is heard again,
    and must be acknowledged again.
    """

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._new: dict[str, None] = {}

    @property
    def active(self) -> tuple[Alarm, ...]:
        """Critical ones first, then those that have stood longest."""
        return tuple(sorted(self._alarms.values(), key=lambda alarm: (alarm.severity != "critical", alarm.since_s)))

    def update(self, causes: Iterable[Cause], now_s: float) -> None:
        """Say what is amiss now: all of it."""
        before, self._alarms = self._alarms, {}
        for cause in causes:
            known = before.get(cause.key)
            if known is None or (cause.severity == "critical" and known.severity == "warning"):
                self._alarms[cause.key] = Alarm(cause.key, cause.severity, cause.text, now_s)
                self._new[cause.key] = None
            else:
                self._alarms[cause.key] = replace(known, severity=cause.severity, text=cause.text)
        self._new = {key: None for key in self._new if key in self._alarms}

    def acknowledge(self, key: str | None = None) -> None:
        """Take note of one alarm, or of all: they stay, but need not be heard."""
        for one in list(self._alarms) if key is None else [key]:
            if one in self._alarms:
                self._alarms[one] = replace(self._alarms[one], acknowledged=True)
                self._new.pop(one, None)

    def newly(self) -> list[Alarm]:
        """Those that have come since this was asked last, stand still, and were not acknowledged."""
        new, self._new = self._new, {}
        return [self._alarms[key] for key in new]


def causes_of_status(status: SessionStatus, layout: SessionLayout) -> list[Cause]:
    """What a session's status says is amiss."""
    causes = [cause for stream in status.streams if (cause := _of_stream(stream)) is not None]
    hop_s = layout.hop_s
    if status.age_p99_s is not None and status.age_p99_s > max(LATE_S, hop_s):
        causes.append(Cause("late", "warning", f"Predictions are late: {status.age_p99_s:.2f} s old, one in a hundred"))
    if status.backlog_s > BACKLOG_S:
        causes.append(Cause("backlog", "warning", f"The recording is {status.backlog_s:.0f} s behind"))
    causes += _of_disk(status)
    if status.adaptation.frozen:
        why = _shown(status.adaptation.last_reason)
        causes.append(Cause("frozen", "warning", f"Adaptation has frozen itself{': ' + why if why else ''}"))
    if status.window is not None:
        causes += [
            Cause(f"quality:{view}", "warning", f"{_shown(view)} is missing: {_shown(reason)}")
            for view, reason in status.window.missing.items()
            if reason.startswith(BAD_CHANNELS)
        ]
    return causes


def _of_stream(stream: StreamState) -> Cause | None:
    name = _shown(stream.name or stream.key)
    if stream.state not in ("stale", "lost"):
        return None
    age = "" if stream.age_s is None else f" for {stream.age_s:.0f} s"
    if stream.state == "stale":
        return Cause(f"stream:{stream.key}", "warning", f"No samples from {name}{age}")
    # Without its markers a session still predicts.
    severity: Severity = "critical" if stream.views else "warning"
    return Cause(f"stream:{stream.key}", severity, f"{name} is lost: no samples{age}")


def _of_disk(status: SessionStatus) -> list[Cause]:
    left_s, free = status.disk_left_s, status.disk_free_bytes
    if left_s is not None and left_s < DISK_LEFT_LITTLE_S:
        return [Cause("disk", "critical", f"The disk is full in {max(left_s, 0) / 60:.0f} minutes")]
    if left_s is not None and left_s < DISK_LEFT_S:
        return [Cause("disk", "warning", f"The disk is full in {left_s / 60:.0f} minutes")]
    if free is not None and free < DISK_FREE_BYTES:
        return [Cause("disk", "warning", f"The disk has {free / 1e6:.0f} MB left")]
    return []


class EventCauses:
    """What events say is amiss, until other events say that it is over."""

    def __init__(self) -> None:
        self._standing: dict[str, Cause] = {}

    def take(self, kind: str, error: object) -> None:
        """Take an event."""
        why = f": {_shown(error)}" if isinstance(error, str) and error else ""
        if kind == "disk-full":
            self._standing["recorder"] = Cause("recorder", "critical", f"The disk takes no more of the recording{why}")
        elif kind == "recorder-error":
            self._standing["recorder"] = Cause("recorder", "critical", f"The recording cannot be written{why}")
        elif kind == "recorder-recovered":
            self._standing.pop("recorder", None)
        elif kind == "recorder-lost":
            self._standing["recorder"] = Cause("recorder", "critical", "The recording ended with samples missing")
        elif kind == "error":
            self._standing["error"] = Cause("error", "critical", f"The session has failed{why}")

    @property
    def causes(self) -> list[Cause]:
        """What stands."""
        return list(self._standing.values())


def _shown(text: str) -> str:
    return printable(text, TEXT_WIDTH)
