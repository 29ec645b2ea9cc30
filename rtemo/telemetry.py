"""What a session tells whoever watches it, and what it may be asked: the words of `rtemo-status`, `rtemo-command`.

Both travel over LSL as JSON, so that a dashboard on another machine needs nothing else of a session. Whatever comes in
is hostile until it fits one of these models.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION: Final = 1
"""Of these words; raised when an older dashboard would misread them."""
COMMAND_SOURCE: Final = "rtemo-command-"
"""What the source_id of a command stream begins with; its session's name follows."""
MAX_COMMAND_BYTES: Final = 4096
MAX_ANNOTATION: Final = 500
OLDEST_S: Final = 60.0
"""So long after its moment a command is still taken."""

Name = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=0)]


class _Words(BaseModel):
    # A later version may say more.
    model_config = ConfigDict(extra="ignore", frozen=True, ser_json_inf_nan="null")


class ViewLayout(_Words):
    """A view, as it is for a whole session.

    Parameters
    ----------
    name
    stream
        Key of the stream that it reads; see `StreamState`.
    features
        Name of the extractor.
    channels
        Labels of the channels that it reads, in the stream's order.
    columns
        Which channel plays which part, for an extractor that asks for parts.
    bands
        By name, edges in Hz; empty where the extractor has none.
    """

    name: Name
    stream: Name
    features: Name
    channels: tuple[Name, ...]
    columns: dict[Name, Name] = {}
    bands: dict[Name, tuple[float, float]] = {}


class SessionLayout(_Words):
    """What holds for a whole session; the text of ``<layout>`` in the description of ``rtemo-status``.

    Parameters
    ----------
    version
        See `VERSION`.
    session
        Its name, as ``"sub-07-ses-20260102T030405Z"``.
    token
        Made anew for each session; a command must bear it.
    hostname
        Of the session's machine.
    labels
        The classes, in the order of the prediction's channels.
    length_s, hop_s
        Of the windows.
    views
    markers
        Key of the marker stream; empty where there is none.
    marker_labels
        Which marker begins a trial of which label.
    marker_duration_s
        How long a label lasts; None: until the next marker.
    lateness_s
        How long after its end a window may wait for samples.
    """

    version: int
    session: Name
    token: Name
    hostname: Name
    labels: tuple[Name, ...]
    length_s: float
    hop_s: float
    views: tuple[ViewLayout, ...]
    markers: Name = ""
    marker_labels: dict[Name, Name] = {}
    marker_duration_s: float | None = None
    lateness_s: float = 0.0


class StreamState(_Words):
    """How an input stream stands.

    Parameters
    ----------
    key, name
        As in `ViewLayout`, and in messages.
    views
        That read it; none for markers.
    state
    age_s
        Of the newest sample; None before the first.
    rate_hz
        Over the last few seconds; None where nothing was counted yet.
    nominal_hz
        0 for an irregular stream.
    samples, late, rejected
        Since the session began.
    stream_name, type, source_id, hostname
        By which it is found on the network; empty before it was first seen.
    """

    key: Name
    name: Name
    views: tuple[Name, ...]
    state: Literal["waiting", "live", "stale", "lost"]
    age_s: float | None
    rate_hz: float | None
    nominal_hz: float
    samples: Count
    late: Count
    rejected: Count
    stream_name: Name = ""
    type: Name = ""
    source_id: Name = ""
    hostname: Name = ""


class WindowState(_Words):
    """The newest window.

    Parameters
    ----------
    index, stop_s
    label
        The prediction's; ``"none"`` without any view; empty before the first prediction.
    spread
        Of the label's probability over imputations of missing views.
    missing
        By view that is missing, why.
    bad
        By view, why a channel counts as bad.
    quality
        By view, mean score of its channels, 0 to 1; None where it was not judged. Only views that are watched.
    """

    index: int
    stop_s: float
    label: Name = ""
    spread: float | None = None
    missing: dict[Name, Name] = {}
    bad: dict[Name, dict[Name, Name]] = {}
    quality: dict[Name, float | None] = {}


class AdaptationState(_Words):
    """How adaptation stands.

    Parameters
    ----------
    mode, reason
        ``off``, and why it is though it was asked for.
    paused, frozen
        By the operator; by its own guard.
    learnt, refused
        Windows that were learnt from, and that a gate refused.
    updates, rollbacks, resets
    drift
        Relative distance of the weights from the calibrated ones; None before the first update.
    last_reason
        Why the newest rollback, reset or refusal was.
    differ, compared
        Windows in which the adapted and the frozen model said different labels, of so many.
    """

    mode: Literal["off", "recentre", "guarded"]
    reason: Name = ""
    paused: bool = False
    frozen: bool = False
    learnt: Count = 0
    refused: Count = 0
    updates: Count = 0
    rollbacks: Count = 0
    resets: Count = 0
    drift: float | None = None
    last_reason: Name = ""
    differ: Count = 0
    compared: Count = 0


class SessionStatus(_Words):
    """How a session stands; a sample of ``rtemo-status``, four times a second.

    Parameters
    ----------
    now_s
        The session's clock.
    elapsed_s
    streams
    window
        None before the first.
    predicted, skipped
        Windows so far.
    age_p50_s, age_p99_s
        Of ``age_s`` over the latest windows.
    backlog_s, recorded_bytes
        Of the recording: how long what is not in the file has waited, and the file's size.
    disk_free_bytes
        Where the recording goes; None where it is not known or nothing is recorded.
    disk_left_s
        For how long that lasts at the rate so far.
    adaptation
    operators
        Machines of the dashboards whose commands are listened to.
    operator_ids
        The source_id of each of their command streams: two dashboards of one machine are two operators.
    ending
        In the very last status.
    """

    now_s: float
    elapsed_s: float
    streams: tuple[StreamState, ...]
    window: WindowState | None
    predicted: Count
    skipped: Count
    age_p50_s: float | None
    age_p99_s: float | None
    backlog_s: float = 0.0
    recorded_bytes: Count = 0
    disk_free_bytes: int | None = None
    disk_left_s: float | None = None
    adaptation: AdaptationState
    operators: tuple[Name, ...] = ()
    operator_ids: tuple[Name, ...] = ()
    ending: bool = False


class Command(_Words):
    """What an operator asks of a session; a sample of ``rtemo-command``, stamped when the key was pressed.

    Parameters
    ----------
    session, token
        Of `SessionLayout`.
    number
        Of the command in its stream, from 1 on: none is done twice.
    command
        ``annotate`` puts ``text`` into the recording; the others are of adaptation.
    text
    """

    session: Name
    token: Name
    number: Annotated[int, Field(ge=1)]
    command: Literal["annotate", "pause", "resume", "reset"]
    text: Annotated[str, Field(max_length=MAX_ANNOTATION)] = ""
