"""The live streams of a session: found, opened, and taken again when they come back."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pylsl

from rtemo.clock import Clock
from rtemo.config import NetworkSettings
from rtemo.liblsl import configure
from rtemo.sources.lsl.connection import Connection, LiveSink
from rtemo.sources.lsl.matching import Ambiguous, Visible, Wanted, choose_comeback, choose_first
from rtemo.worker import Worker

SEARCH_EVERY_S = 0.02
FORGET_AFTER_S = 1.0
BARRED_S = 2.0
"""So long an outlet that has ended is not tried again: the network tells of a dead one for a while."""
SETTLE_S = 0.3
"""How long a first candidate is looked at before it is taken, so that another that fits is seen too."""
HURRY_KNOWN_S, HURRY_UNKNOWN_S = 60.0, 10.0
"""So long after its end, or after the start, a stream is looked for without a pause; later, once a second."""
LOOK_S, PAUSE_S = 0.4, 0.6
STOP_TIMEOUT_S = 5.0
ENDED_JUST_NOW_S = 0.5
"""A connection is seen to end no later than this."""


@dataclass(slots=True)
class _Slot:
    wanted: Wanted
    since_s: float
    known: Visible | None = None
    connection: Connection | None = None
    replaceable: bool = False
    ended_s: float | None = None
    barred: dict[str, float] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    first_seen_s: float | None = None
    complained: tuple[str, ...] = ()

    @property
    def searching(self) -> bool:
        return self.connection is None or self.replaceable

    def hurries(self, now_s: float) -> bool:
        """Whether it is looked for without a pause."""
        return now_s - self.since_s < (HURRY_UNKNOWN_S if self.known is None else HURRY_KNOWN_S)

    def taken(self, now_s: float) -> set[str]:
        """Outlets that are not to be tried."""
        self.barred = {uid: at_s for uid, at_s in self.barred.items() if now_s - at_s < BARRED_S}
        current = set() if self.connection is None else {self.connection.visible.uid}
        return self.refused | self.barred.keys() | current


class LiveStreams:
    """Finds the streams that a session asks for, keeps them open, and looks for those that are gone.

    Parameters
    ----------
    wanted : sequence of Wanted
    network : NetworkSettings
    sink : LiveSink
    clock : Clock
        The LSL local clock.
    on_error : callable
        Called, in some thread, with what must end the session.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        network: NetworkSettings,
        sink: LiveSink,
        *,
        clock: Clock,
        on_error: Callable[[BaseException], None],
    ) -> None:
        configure(network)
        self._sink = sink
        self._clock = clock
        self._on_error = on_error
        self._slots = {w.key: _Slot(w, clock.now_s()) for w in wanted}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._ended: list[Connection] = []
        self._supervisor = Worker("rtemo-streams", self._supervise, on_error)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._supervisor.start()

    def stop(self) -> None:
        """Close every stream; idempotent. Waits for the threads, though not for ever."""
        self._stop.set()
        self._wake.set()
        if self._supervisor.ident is not None:
            self._supervisor.join(STOP_TIMEOUT_S)
        with self._lock:
            connections = [slot.connection for slot in self._slots.values() if slot.connection is not None]
            connections += self._ended
        for connection in connections:
            connection.stop()
        for connection in connections:
            connection.join(STOP_TIMEOUT_S)

    def measure_soon(self, key: str) -> None:
        """Ask for a measurement of a stream's clock."""
        connection = self._slots[key].connection
        if connection is not None:
            connection.measure_soon()

    def let_go(self, key: str, silent_s: float | None, *, hurry: bool) -> None:
        """Say for how long an open stream has given nothing, so that another outlet may take its place.

        Parameters
        ----------
        key : str
        silent_s : float or None
            None once it gives again.
        hurry : bool
            Whether to look for one without a pause, and one under a new source_id too: not for a stream that may just
            have nothing to say.
        """
        slot = self._slots[key]
        replaceable = silent_s is not None
        if slot.replaceable == replaceable:
            return
        if silent_s is not None:
            now_s = self._clock.now_s()
            offset_s = None if slot.connection is None or not hurry else slot.connection.offset_s
            slot.since_s = now_s if hurry else -math.inf
            slot.ended_s = None if offset_s is None else now_s - silent_s - offset_s
        slot.replaceable = replaceable
        self._wake.set()

    def _supervise(self) -> None:
        resolver: Any = None
        began_s = 0.0
        while not self._stop.is_set():
            searching = [slot for slot in self._slots.values() if slot.searching]
            if not searching:
                # A resolver asks the whole network ten times a second: only while something is missing.
                resolver = None
                self._wake.wait()
                self._wake.clear()
                continue
            now_s = self._clock.now_s()
            if resolver is None:
                resolver, began_s = pylsl.ContinuousResolver(forget_after=FORGET_AFTER_S), now_s
            self._look(resolver, searching)
            pause_s = SEARCH_EVERY_S
            if now_s - began_s > LOOK_S and not any(slot.hurries(now_s) for slot in searching):
                resolver, pause_s = None, PAUSE_S
            if self._wake.wait(pause_s):
                self._wake.clear()

    def _look(self, resolver: Any, searching: list[_Slot]) -> None:
        """Open what was found of the streams that are missing."""
        found: dict[Visible, Any] = {}
        for info in resolver.results():
            visible = visible_of(info)
            if visible is not None:
                found[visible] = info
        now_s = self._clock.now_s()
        for slot in searching:
            taken = slot.taken(now_s)
            if slot.known is None:
                choice = choose_first(slot.wanted, (v for v in found if v.uid not in taken))
            else:
                choice = choose_comeback(slot.known, found, taken | self._in_use(slot), slot.ended_s)
            if isinstance(choice, Ambiguous):
                self._complain(slot, "stream-ambiguous", choice)
            elif choice is None:
                continue
            elif choice.uid in self._in_use(slot):
                self._complain(slot, "stream-shared", Ambiguous((choice,)))
            elif slot.known is not None or self._settled(slot):
                self._open(slot, choice, found[choice])

    def _in_use(self, slot: _Slot) -> set[str]:
        """Outlets that other slots are connected to."""
        others = (other.connection for other in self._slots.values() if other is not slot)
        return {connection.visible.uid for connection in others if connection is not None}

    def _settled(self, slot: _Slot) -> bool:
        now_s = self._clock.now_s()
        if slot.first_seen_s is None:
            slot.first_seen_s = now_s
        return now_s - slot.first_seen_s >= SETTLE_S

    def _complain(self, slot: _Slot, kind: str, choice: Ambiguous) -> None:
        uids = (kind, *sorted(v.uid for v in choice.candidates))
        if uids != slot.complained:
            slot.complained = uids
            self._sink.noticed(slot.wanted.key, kind, {"wanted": str(slot.wanted.selector), "found": str(choice)})

    def _open(self, slot: _Slot, visible: Visible, info: Any) -> None:
        connection = Connection(
            slot.wanted.key, visible, info, self._sink, on_end=self._ended_by_itself, on_error=self._on_error
        )
        with self._lock:
            replaced, slot.connection = slot.connection, connection
            slot.replaceable, slot.known = False, visible
            self._ended = [c for c in self._ended if not c.join(0)]
            if replaced is not None:
                slot.barred[replaced.visible.uid] = self._clock.now_s()
                self._ended.append(replaced)
        if replaced is not None:
            replaced.stop()
            replaced.join(STOP_TIMEOUT_S)
        connection.start()

    def _ended_by_itself(self, connection: Connection, reason: str) -> None:
        now_s = self._clock.now_s()
        with self._lock:
            slot = self._slots[connection.key]
            slot.barred[connection.visible.uid] = now_s
            if connection.refused:
                slot.refused.add(connection.visible.uid)
            if slot.connection is connection:
                slot.connection, slot.since_s = None, now_s
                if connection.offset_s is not None:
                    slot.ended_s = now_s - connection.offset_s - ENDED_JUST_NOW_S
                self._ended.append(connection)
        if connection.refused:
            self._sink.noticed(connection.key, "stream-refused", {"reason": reason})
        elif not connection.opened and not self._stop.is_set():
            self._sink.noticed(connection.key, "stream-unreachable", {"reason": reason})
        self._wake.set()


def visible_of(info: Any) -> Visible | None:
    """What a resolved stream says of itself; None for what cannot be read, or opened: liblsl gives that no uid."""
    try:
        uid = info.uid()
        return (
            None
            if not uid
            else Visible(
                uid=uid,
                name=info.name(),
                type=info.type(),
                source_id=info.source_id(),
                hostname=info.hostname(),
                is_text=info.channel_format() == pylsl.cf_string,
                created_s=info.created_at(),
            )
        )
    except UnicodeDecodeError:
        return None
