"""What an operator must see and hear: rules that say what is amiss, and the board that remembers since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from rtemo.printable import printable
from rtemo.telemetry import SessionStatus, StreamState, WindowState
from rtemo.types import Floats

Severity = Literal["warning", "critical"]

LATE_S: Final = 0.5
"""A prediction is late where its age is above this and above the hop."""
LATE_MANY, LATE_OF = 3, 5
"""So many of the newest so many that are late are an alarm."""
NOT_FOUND_S, MARKERS_NOT_FOUND_S = 15.0, 60.0
"""So long after a session began a stream should have come; markers come when the presenter does."""
IRREGULAR_QUIET_S: Final = 30.0
"""A stream without a rate that is silent for so long may have stopped, though it is connected."""
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


class Steady:
    """Lets causes through that have stood for so long, and keeps them until they have been away for so long.

    Parameters
    ----------
    after_s, until_s : float
    """

    def __init__(self, after_s: float, until_s: float) -> None:
        self._after_s, self._until_s = after_s, until_s
        self._seen: dict[str, tuple[float, float, Cause]] = {}
        """By key: when it came first and last, and what was said then."""
        self._told: set[str] = set()

    def of(self, causes: Iterable[Cause], now_s: float) -> list[Cause]:
        """Those that stand, given all that is amiss at a moment."""
        for cause in causes:
            first_s, _, _ = self._seen.get(cause.key, (now_s, now_s, cause))
            self._seen[cause.key] = first_s, now_s, cause
            if now_s - first_s >= self._after_s:
                self._told.add(cause.key)
        self._seen = {key: seen for key, seen in self._seen.items() if now_s - seen[1] <= self._until_s}
        self._told &= self._seen.keys()
        return [cause for key, (_, _, cause) in self._seen.items() if key in self._told]


def causes_of_status(status: SessionStatus) -> list[Cause]:
    """What a session's status says is amiss."""
    causes = [cause for stream in status.streams if (cause := _of_stream(stream, status.elapsed_s)) is not None]
    if status.backlog_s > BACKLOG_S:
        causes.append(Cause("backlog", "warning", f"The recording is {status.backlog_s:.0f} s behind"))
    causes += _of_disk(status)
    if status.adaptation.frozen:
        why = _shown(status.adaptation.last_reason)
        causes.append(Cause("frozen", "warning", f"Adaptation has frozen itself{': ' + why if why else ''}"))
    return causes


def causes_of_window(window: WindowState, streams: Iterable[StreamState]) -> list[Cause]:
    """What the newest window says is amiss: views that are missing though there are samples for them."""
    live = {view for stream in streams if stream.state == "live" for view in stream.views}
    causes = []
    for view, reason in window.missing.items():
        if reason.startswith(BAD_CHANNELS):
            causes.append(Cause(f"quality:{view}", "warning", f"{_shown(view)} is missing: {_shown(reason)}"))
        elif view in live:
            # Of a stream that is not live there is an alarm already.
            causes.append(Cause(f"missing:{view}", "warning", f"{_shown(view)} is missing: {_in_words(reason)}"))
    return causes


def late_causes(ages_s: Floats, hop_s: float) -> list[Cause]:
    """Whether the newest predictions are late, by what each says of its own age."""
    limit_s = max(LATE_S, hop_s)
    newest = ages_s[-LATE_OF:]
    late = newest[newest > limit_s]
    if len(late) < LATE_MANY:
        return []
    said = (
        f"{len(late)} of the last {len(newest)} were more than {limit_s:g} s old, the newest of them {late[-1]:.1f} s"
    )
    return [Cause("late", "warning", f"Predictions are late: {said}")]


def _in_words(reason: str) -> str:
    """Why a view is missing, as an operator would say it."""
    if reason.startswith("coverage"):
        return f"too few of its samples come ({_shown(reason)})"
    if reason == "gap":
        return "its samples have gaps"
    return _shown(reason)


def _of_stream(stream: StreamState, elapsed_s: float) -> Cause | None:
    name = _shown(stream.name or stream.key)
    key = f"stream:{stream.key}"
    age = "" if stream.age_s is None else f" for {stream.age_s:.0f} s"
    if stream.state == "waiting" and elapsed_s > (NOT_FOUND_S if stream.views else MARKERS_NOT_FOUND_S):
        found = stream.stream_name or stream.source_id
        return Cause(key, "warning", f"{name} {'has given no sample yet' if found else 'was not found on the network'}")
    if stream.state == "stale":
        return Cause(key, "warning", f"No samples from {name}{age}")
    if stream.state == "lost":
        # Without its markers a session still predicts.
        return Cause(key, "critical" if stream.views else "warning", f"{name} is lost: no samples{age}")
    silent = stream.nominal_hz == 0 and bool(stream.views) and (stream.age_s or 0.0) > IRREGULAR_QUIET_S
    if stream.state == "live" and silent:
        return Cause(key, "warning", f"No samples from {name}{age}, though it is connected")
    return None


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
