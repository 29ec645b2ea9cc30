"""All that is open of one session: its own streams, those of its devices, and the way back for commands."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from rtemo.clock import Clock
from rtemo.config import NetworkSettings, StreamSelector
from rtemo.dashboard.commands import Commander
from rtemo.dashboard.devices import UNMEASURED_S, DeviceIntake
from rtemo.dashboard.intake import EVENTS, PREDICTION, QUALITY, STATUS, Gate, SessionIntake
from rtemo.dashboard.messages import Detached, Message
from rtemo.dashboard.refusals import Post, Refusals
from rtemo.dashboard.session_clock import SessionClock
from rtemo.outputs.publish import Outlets
from rtemo.sources.lsl.matching import Wanted
from rtemo.sources.lsl.streams import LiveStreams
from rtemo.telemetry import SessionLayout, StreamState
from rtemo.types import EVENT_STREAM, PREDICTION_STREAM, QUALITY_STREAM, STATUS_STREAM

SILENT_S = 5.0
"""A stream with a rate that gives nothing for so long may be replaced by another outlet of its kind."""
CLOSE_WITHIN_S = 1.2
LINGER_S = 0.2
"""So long after a command was sent its stream stays: liblsl sends beside us, and what it has not sent goes with it."""
OVER_S = 1.0
"""So long after its status stream ended, the other streams of a session that said it ends are listened to."""

_OWN = {
    STATUS: (STATUS_STREAM, "Status", True),
    PREDICTION: (PREDICTION_STREAM, "Prediction", False),
    EVENTS: (EVENT_STREAM, "Markers", True),
    QUALITY: (QUALITY_STREAM, "Quality", False),
}
_Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Own:
    """Streams of the session itself that are looked for, or open."""

    streams: LiveStreams
    gate: Gate


@dataclass(frozen=True, slots=True)
class _Device:
    """A stream of a device that is looked for, or open."""

    identity: _Identity
    streams: LiveStreams
    intake: DeviceIntake


class Attachment:
    """Listens to one session, and speaks to it.

    Everything but the posting of messages is done in one thread, that of the feed, which calls `tend` a few times a
    second.

    Parameters
    ----------
    session : str
        Its name.
    network : NetworkSettings
    post : callable
        Takes messages, from many threads; not after `close`.
    clock : Clock
        The LSL local clock.
    on_error : callable
        Told of what a thread raised.
    """

    def __init__(
        self,
        session: str,
        network: NetworkSettings,
        *,
        post: Post,
        clock: Clock,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.session = session
        self._network = network
        self._clock = clock
        self._on_error = on_error
        self._forward = post
        self._closed = threading.Event()
        self._hostname = socket.gethostname()
        self._session_clock = SessionClock(clock)
        self._refusals = Refusals(self._post, self._session_clock.now_s)
        self._intake = SessionIntake(
            self._post, clock=clock, session_clock=self._session_clock, refusals=self._refusals
        )
        self._began_s = clock.now_s()
        self._over = self._unseen = self._back = False
        self._layout: SessionLayout | None = None
        self._outlets = Outlets()
        self._commander: Commander | None = None
        self._telemetry: _Own | None = None
        self._quality: _Own | None = None
        self._devices: dict[str, _Device] = {}
        self._closing: list[threading.Thread] = []
        self._status = self._own(STATUS)

    @property
    def refused(self) -> bool:
        """Whether the session cannot be shown."""
        return bool(self._intake.refused)

    @property
    def attached(self) -> bool:
        """Whether the session is there."""
        return self._layout is not None and not self._intake.gone

    @property
    def known(self) -> bool:
        """Whether it has said what it is."""
        return self._intake.layout is not None

    @property
    def gone(self) -> bool:
        """Whether it was there, and its streams are not any more."""
        return bool(self._intake.gone)

    @property
    def ended(self) -> bool:
        """Whether it has said that it ends."""
        return self._intake.status is not None and self._intake.status.ending

    @property
    def back(self) -> bool:
        """Whether it is there again after its end: it is to be attached anew."""
        return self._back

    @property
    def heard_as(self) -> str:
        """The token of the session, where that says that it listens to this dashboard; else empty."""
        commander, layout = self._commander, self._layout
        heard = self.attached and commander is not None and commander.named(self._intake.status)
        return layout.token if heard and layout is not None else ""

    def now_s(self) -> float:
        """The session's clock."""
        return self._session_clock.now_s()

    def away_s(self) -> float:
        """For how long the session has not been heard of: not found, not there any more, or silent."""
        heard_s = self._intake.heard_s.get(STATUS, -math.inf)
        return self._clock.now_s() - max(self._began_s, self._intake.left_s, heard_s)

    def ask(self, command: str, text: str, at_s: float, shown: str) -> str:
        """Take a command for the session of the token `shown`; gives why it is not taken, empty where it is."""
        if self._layout is not None and shown != self._layout.token:
            return "it was meant for the session that was shown before"
        if self._commander is None or not self.attached:
            return "there is no session to tell"
        self._commander.ask(command, text, at_s)
        return ""

    def tend(self, visible: Collection[str]) -> None:
        """Open what is to be opened, and send what waits.

        Parameters
        ----------
        visible : collection of str
            The source_id of each stream of rtemo on the network.
        """
        if self._is_over(visible):
            return
        self._leave_foreign()
        layout = self._intake.layout
        if layout is None:
            return
        if layout != self._layout:
            self._begin(layout)
        if self._quality is None and f"{QUALITY_STREAM}-{self.session}" in visible:
            # Not every session has it: it is not looked for without end.
            self._quality = self._own(QUALITY)
        self._open_devices(layout)
        self._let_go()
        if self._commander is not None:
            self._commander.pump(self._clock.now_s(), self._intake.status)

    def close(self, reason: str = "") -> list[tuple[str, str]]:
        """Send what waits, and close everything; waits, though not for long. Nothing is posted from now on.

        Parameters
        ----------
        reason : str
            Why the session is left, to be posted before; empty where nobody is to be told.

        Returns
        -------
        list of (str, str)
            Commands that could not be sent, and their texts.
        """
        unsent, sent_s = [], -math.inf
        if self._commander is not None:
            unsent = self._commander.finish(self._clock.now_s(), self._intake.status)
            sent_s = self._commander.sent_s
        if reason and self.known:
            self._post(Detached(reason))
        self._closed.set()
        self._shut(self._status)
        self._shut_all_but_status()
        until_s = self._clock.now_s() + CLOSE_WITHIN_S
        for thread in self._closing:
            thread.join(max(until_s - self._clock.now_s(), 0.0))
        time.sleep(max(sent_s + LINGER_S - self._clock.now_s(), 0.0))
        # After the inlets.
        self._outlets.close()
        return unsent

    def _is_over(self, visible: Collection[str]) -> bool:
        """Whether the session has ended, so that nothing of it is looked for any more; all is closed then."""
        if not self._over:
            self._over = self.ended and self.gone and self.away_s() > OVER_S
            if self._over:
                self._shut(self._status)
                self._shut_all_but_status()
        else:
            # The network tells of it for a while after its end.
            there = f"{STATUS_STREAM}-{self.session}" in visible
            self._back = there and self._unseen
            self._unseen |= not there
        return self._over

    def _begin(self, layout: SessionLayout) -> None:
        """Take up a session whose description has come; another one of the same name is another session."""
        if self._commander is not None:
            # Its streams are gone: there is nothing left that could be sent.
            for command, text in self._commander.finish(self._clock.now_s(), None):
                self._refusals.say_command(command, text, "the session is another one")
            self._shut_all_but_status()
            self._outlets.close()
        self._layout = layout
        self._telemetry = self._own(PREDICTION, EVENTS)
        self._commander = Commander(layout, self._outlets, refuse=self._refusals.say_command)

    def _shut_all_but_status(self) -> None:
        self._shut(self._telemetry, self._quality)
        self._telemetry = self._quality = None
        for device in self._devices.values():
            self._stop(device.streams)
        self._devices.clear()

    def _leave_foreign(self) -> None:
        """Look anew for streams in whose place another session's was opened."""
        if self._status.gate.foreign:
            self._shut(self._status)
            self._status = self._own(STATUS)
        if self._telemetry is not None and self._telemetry.gate.foreign:
            self._shut(self._telemetry)
            self._telemetry = self._own(PREDICTION, EVENTS)
        if self._quality is not None and self._quality.gate.foreign:
            self._shut(self._quality)
            self._quality = None

    def _shut(self, *own: _Own | None) -> None:
        for one in own:
            if one is not None:
                one.gate.shut()
                self._stop(one.streams)

    def _own(self, *keys: str) -> _Own:
        """Begin to look for streams of the session itself."""
        wanted = []
        for key in keys:
            name, kind, is_text = _OWN[key]
            selector = StreamSelector(name=name, type=kind, source_id=f"{name}-{self.session}")
            wanted.append(Wanted(key, selector, is_text))
        gate = Gate(self.session, self._intake)
        streams = LiveStreams(wanted, self._network, gate, clock=self._clock, on_error=self._failed)
        streams.start()
        return _Own(streams, gate)

    def _open_devices(self, layout: SessionLayout) -> None:
        """Read the streams of devices that the session reads."""
        status = self._intake.status
        if status is None or not (self._session_clock.known or self._clock.now_s() - self._began_s > UNMEASURED_S):
            return
        keys = {view.stream for view in layout.views} | {layout.markers}
        for state in status.streams:
            identity = (state.stream_name, state.type, state.source_id, state.hostname)
            if state.key not in keys or not any(identity):
                continue
            device = self._devices.get(state.key)
            if device is not None and device.identity != identity:
                # The session has found it elsewhere, under another identity.
                self._stop(device.streams)
                device = None
            if device is None:
                self._devices[state.key] = self._open_device(state, identity, state.key == layout.markers)

    def _open_device(self, state: StreamState, identity: _Identity, is_markers: bool) -> _Device:
        intake = DeviceIntake(
            self._post,
            is_markers=is_markers,
            clock=self._clock,
            session_clock=self._session_clock,
            refusals=self._refusals,
            hostname=self._hostname,
        )
        name, kind, source_id, hostname = (one or None for one in identity)
        selector = StreamSelector(name=name, type=kind, source_id=source_id, hostname=hostname)
        wanted = Wanted(state.key, selector, None if is_markers else False)
        streams = LiveStreams([wanted], self._network, intake, clock=self._clock, on_error=self._failed)
        intake.measure_soon = lambda: streams.measure_soon(state.key)
        streams.start()
        return _Device(identity, streams, intake)

    def _let_go(self) -> None:
        """Let streams that should give, and do not, be replaced."""
        now_s = self._clock.now_s()
        heard_s = self._intake.heard_s.get(STATUS)
        if heard_s is not None:
            _tell(self._status.streams, STATUS, now_s - heard_s)
        for key, device in self._devices.items():
            if device.intake.regular and device.intake.heard_s is not None:
                _tell(device.streams, key, now_s - device.intake.heard_s)

    def _stop(self, streams: LiveStreams) -> None:
        """Stop streams beside this thread: they wait for their own threads."""
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        thread = threading.Thread(target=streams.stop, name="rtemo-dashboard-close", daemon=True)
        thread.start()
        self._closing.append(thread)

    def _post(self, message: Message) -> None:
        if not self._closed.is_set():
            self._forward(message)

    def _failed(self, error: BaseException) -> None:
        if not self._closed.is_set():
            self._on_error(error)


def _tell(streams: LiveStreams, key: str, silent_s: float) -> None:
    streams.let_go(key, silent_s if silent_s > SILENT_S else None, hurry=True)
