"""All that a dashboard knows of a session: built from the feed's messages, read by the panels, in one thread."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rtemo.clock import Clock
from rtemo.dashboard.alarms import AlarmBoard, Cause
from rtemo.dashboard.amiss import Amiss
from rtemo.dashboard.event_store import EventStore
from rtemo.dashboard.history import PredictionHistory
from rtemo.dashboard.link import AHEAD_S, SILENT_AFTER_S, Link, is_of_now
from rtemo.dashboard.messages import (
    Attached,
    Detached,
    EventSeen,
    EventsSeen,
    FeedFailed,
    MarkersSeen,
    Message,
    PredictionsSeen,
    QualitySeen,
    SamplesSeen,
    Sessions,
    StatusSeen,
    StreamGone,
    StreamOpened,
)
from rtemo.dashboard.traces import SignalBuffer
from rtemo.dashboard.trials import MAX_TEXT, Accuracy, AccuracyCount, MarkerSeen, TrialTracker
from rtemo.printable import printable
from rtemo.telemetry import SessionLayout, SessionStatus, WindowState
from rtemo.types import Floats

__all__ = ["ChannelScores", "DashboardState", "Link"]

ANNOTATIONS_KEPT: Final = 5000
ANNOTATION: Final = "annotation"
SESSION_STOP: Final = "session-stop"


@dataclass(frozen=True, slots=True, eq=False)
class ChannelScores:
    """How good a view's channels are in its newest window: 1 nothing amiss, below a half bad, NaN not judged."""

    names: tuple[str, ...]
    scores: Floats


class DashboardState:
    """What is known of a session.

    A session that vanishes and comes back goes on where it was; another one begins anew. What was shown of a session
    that is over stays.

    Parameters
    ----------
    clock : Clock
        This machine's, as in `StatusSeen.at_s`.

    Attributes
    ----------
    layout : SessionLayout or None
    status : SessionStatus or None
        The newest.
    link : Link
    sessions : tuple of str
        On the network, the newest first.
    reason : str
        Why the feed let go of the session, or failed; empty otherwise.
    predictions : PredictionHistory
    attached : bool
        Whether the feed listens to the session.
    events : EventStore
    trials : TrialTracker
    quality : mapping of str to ChannelScores
        By view that is watched.
    signals : mapping of str to SignalBuffer
        By key of the stream; None of these is of text.
    gone : frozenset of str
        Keys of the streams that are not there now.
    alarms : AlarmBoard
    refused : int
        Messages that did not fit what is known.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sessions: tuple[str, ...] = ()
        self.refused = 0
        self.alarms = AlarmBoard()
        self._amiss = Amiss()
        self._begin(None)

    def _begin(self, layout: SessionLayout | None) -> None:
        """Forget one session, and begin another."""
        self.layout = layout
        self.status: SessionStatus | None = None
        self.link = Link.LOOKING
        self.reason = ""
        self.predictions = PredictionHistory(layout)
        self.events = EventStore()
        self.trials = TrialTracker(layout)
        self.quality: dict[str, ChannelScores] = {}
        self.signals: dict[str, SignalBuffer] = {}
        self.gone: frozenset[str] = frozenset()
        self._annotations: deque[MarkerSeen] = deque(maxlen=ANNOTATIONS_KEPT)
        self._accuracy = AccuracyCount(self.predictions.labels, 1.0 if layout is None else layout.length_s)
        # Which session is watched is of no session: the operator must know in the next one too.
        self._amiss = Amiss(self._amiss.switched)
        if self._amiss.switched is not None:
            self.events.append(self._amiss.switched)
        self._to_session_s = math.nan
        self._heard_s = -math.inf
        self._attached_s = math.nan
        self.attached = False
        self._stopped = False
        self._stretches: dict[str, tuple[int, list[tuple[float, float]]]] = {}
        self._failure = ""

    def now_s(self) -> float:
        """The session's clock; NaN before its first status."""
        return self._clock.now_s() + self._to_session_s

    @property
    def annotations(self) -> Sequence[MarkerSeen]:
        """What operators have noted, by the moment of the event."""
        return self._annotations

    @property
    def signal_keys(self) -> tuple[str, ...]:
        """Keys of `signals`, in the order of the session's views: streams are found in any order."""
        views = () if self.layout is None else self.layout.views
        wanted = list(dict.fromkeys(view.stream for view in views))
        return tuple(sorted(self.signals, key=lambda key: wanted.index(key) if key in wanted else len(wanted)))

    def age_s(self, stop_s: float) -> float:
        """How long ago a window ended; NaN where that is not known, or lies ahead."""
        age_s = self.now_s() - stop_s
        return age_s if age_s >= -AHEAD_S else math.nan

    @property
    def prediction_age_s(self) -> float:
        """How long ago the newest prediction's window ended; NaN where there is none, or that is not known."""
        return self.age_s(float(self.predictions.stop_s[-1])) if len(self.predictions) else math.nan

    @property
    def prediction_is_of_now(self) -> bool:
        """Whether the newest prediction may be shown as what is so now."""
        return self.layout is not None and is_of_now(self.prediction_age_s, self.layout)

    @property
    def window(self) -> WindowState | None:
        """The newest window, as a session that is heard has told of it; None where that is not of now."""
        window = None if self.status is None else self.status.window
        if window is None or self.layout is None or self.link is not Link.LIVE:
            return None
        return window if is_of_now(self.age_s(window.stop_s), self.layout) else None

    @property
    def bad(self) -> Mapping[str, Mapping[str, str]]:
        """By view, why a channel counts as bad now."""
        window = self.window
        return {} if window is None else window.bad

    @property
    def heard_until_s(self) -> float:
        """Until when what is known of the session holds, on its clock: now, while it is heard; NaN before."""
        return self.now_s() if self.link is Link.LIVE else self._heard_s + self._to_session_s

    def name_of(self, key: str) -> str:
        """What a stream is called; its key where the session has not told."""
        streams = () if self.status is None else self.status.streams
        return next((stream.name for stream in streams if stream.key == key and stream.name), key)

    @property
    def elapsed_silent_s(self) -> float:
        """For how long no status has come; infinite before the first."""
        return max(0.0, self._clock.now_s() - self._heard_s)

    def accuracy(self) -> Accuracy | None:
        """How often the model was right since the dashboard has listened; None where no window has a label."""
        return self._accuracy.accuracy(self.predictions, self.trials)

    def missing_stretches(self, view: str) -> list[tuple[float, float]]:
        """When a view was missing: starts and stops, in order."""
        revision, found = self._stretches.get(view, (-1, []))
        if revision != self.predictions.revision:
            found = self.predictions.missing_stretches(view)
            if view in self.predictions.views:
                self._stretches[view] = self.predictions.revision, found
        return found

    def take(self, message: Message) -> None:
        """Take a message of the feed."""
        match message:
            case SamplesSeen():
                self._take_samples(message)
            case StatusSeen(status, at_s):
                self._take_status(status, at_s)
            case PredictionsSeen():
                self._take_predictions(message)
            case EventsSeen(events):
                for event in events:
                    self._take_event(event)
            case QualitySeen():
                self._take_quality(message)
            case MarkersSeen(key, stamps_s, texts):
                if self.layout is not None and key == self.layout.markers:
                    self.trials.take(stamps_s, texts)
            case StreamOpened():
                self._take_stream(message)
            case StreamGone(key):
                self.gone |= {key}
            case Sessions(names):
                self.sessions = names
            case Attached(layout):
                self._attach(layout)
            case Detached(reason):
                self.attached = False
                self.reason = reason
                # The very last status may be lost with the connection.
                if self.link is not Link.ENDED:
                    self.link = Link.ENDED if self._stopped else Link.LOOKING
            case FeedFailed(error):
                self._failure = printable(f"{type(error).__name__}: {error}", MAX_TEXT)
                self.reason = self._failure

    def tick(self) -> None:
        """Look at the clock: whether the session is silent, and what is amiss. A few times a second."""
        if self.attached and self.link in (Link.LIVE, Link.LOOKING) and self.since_word_s > SILENT_AFTER_S:
            self.link = Link.SILENT
        self.alarms.update(self._causes(), self._moment_s())

    def _attach(self, layout: SessionLayout) -> None:
        if self.layout != layout:
            self._begin(layout)
            self.alarms.update(self._causes(), self._clock.now_s())
        self.attached, self.reason = True, ""
        self._attached_s = self._clock.now_s()
        self.link = Link.LOOKING

    def _take_status(self, status: SessionStatus, at_s: float) -> None:
        if self.layout is None or not (math.isfinite(status.now_s) and math.isfinite(at_s)):
            self.refused += 1
            return
        now_s = self._clock.now_s()
        before, self.status = self.status, status
        # What lies ahead cannot be older than what is here already.
        self._heard_s = max(self._heard_s, min(at_s, now_s))
        self._to_session_s = status.now_s - at_s
        if status.ending:
            self.link = Link.ENDED
        elif self.attached and now_s - self._heard_s <= SILENT_AFTER_S:
            self.link = Link.LIVE
        if status.ending:
            self.trials.finish(status.now_s)
        self._amiss.take_status(before, status, now_s)

    def _take_predictions(self, message: PredictionsSeen) -> None:
        now_s = self.now_s()
        until_s = now_s + AHEAD_S if math.isfinite(now_s) else math.inf
        # One that lies ahead, from before the clock was known or was set, would keep out all that are of now.
        ahead = self.predictions.drop_after(until_s) + int((message.stamps_s > until_s).sum())
        if ahead:
            self._amiss.take_ahead(ahead, self._clock.now_s())
        stamps_s, values = self.predictions.fitting(message.stamps_s, message.values, until_s)
        self.refused += len(message.stamps_s) - len(stamps_s)
        if len(stamps_s):
            self._accuracy.before_adding(self.predictions, self.trials, len(stamps_s))
            self.predictions.extend(stamps_s, values)

    def _take_event(self, event: EventSeen) -> None:
        self.events.append(event)
        if event.kind == ANNOTATION:
            self._annotations.append(MarkerSeen(event.stamp_s, str(event.details.get("text", ""))[:MAX_TEXT]))
        elif event.kind == SESSION_STOP:
            self._stopped = True
            self.trials.finish(event.stamp_s)
        self._amiss.take_event(event)

    def _take_quality(self, message: QualitySeen) -> None:
        if self.layout is None or not len(message.values):
            return
        newest = message.values[-1]
        # The longest name first: "eeg:left:T7" is of the view "eeg:left", should there be one beside "eeg".
        left = list(enumerate(message.names))
        for view in sorted((view.name for view in self.layout.views), key=len, reverse=True):
            prefix = f"{printable(view)}:"
            mine = [(number, name) for number, name in left if name.startswith(prefix)]
            left = [(number, name) for number, name in left if not name.startswith(prefix)]
            if mine:
                names = tuple(name.removeprefix(prefix) for _, name in mine)
                self.quality[view] = ChannelScores(names, newest[[number for number, _ in mine]])

    def _take_stream(self, message: StreamOpened) -> None:
        self.gone -= {message.key}
        buffer = self.signals.get(message.key)
        if buffer is None or not buffer.fits(message.labels, message.units, message.rate_hz):
            self.signals[message.key] = SignalBuffer(message.labels, message.units, message.rate_hz)

    def _take_samples(self, message: SamplesSeen) -> None:
        buffer = self.signals.get(message.key)
        # What waited while the stream came back in another shape is of the old one.
        if buffer is None or message.values.shape[1:] != (len(buffer.labels),):
            self.refused += len(message.stamps_s)
            return
        buffer.append(message.stamps_s, message.values)
        self._amiss.take_samples(message.key, self._clock.now_s())

    @property
    def since_word_s(self) -> float:
        """For how long nothing has been heard since the session was attached."""
        return self._clock.now_s() - max(self._heard_s, self._attached_s)

    @property
    def since_attached_s(self) -> float:
        """How long ago the feed began to listen to the session; NaN before."""
        return self._clock.now_s() - self._attached_s

    def _moment_s(self) -> float:
        """The session's clock, or ours as long as that is not known."""
        now_s = self.now_s()
        return now_s if math.isfinite(now_s) else self._clock.now_s()

    def _causes(self) -> list[Cause]:
        """What is amiss now."""
        failed = [Cause("feed", "critical", f"The dashboard hears nothing: {self._failure}")] if self._failure else []
        return failed + self._amiss.causes(self, self._clock.now_s())
