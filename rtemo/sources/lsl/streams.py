"""The live streams of a session: found, opened, and taken again when they come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pylsl

from rtemo.clock import Clock
from rtemo.config import NetworkSettings
from rtemo.errors import StreamError
from rtemo.liblsl import configure
from rtemo.sources.lsl.connection import Connection, LiveSink
from rtemo.sources.lsl.matching import Ambiguous, Visible, Wanted, choose_comeback, choose_first
from rtemo.worker import Worker

SEARCH_EVERY_S = 0.02
FORGET_AFTER_S = 1.0
SETTLE_S = 0.3
"""How long a first candidate is looked at before it is taken, so that another that fits is seen too."""
STOP_TIMEOUT_S = 5.0


@dataclass(slots=True)
class _Slot:
    wanted: Wanted
    known: Visible | None = None
    connection: Connection | None = None
    replaceable: bool = False
    gone: set[str] = field(default_factory=set)
    first_seen_s: float | None = None
    complained: tuple[str, ...] = ()

    @property
    def searching(self) -> bool:
        return self.connection is None or self.replaceable


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
        self._slots = {w.key: _Slot(w) for w in wanted}
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

    def let_go(self, key: str, replaceable: bool) -> None:
        """Say whether an open stream gives nothing any more, so that another outlet may take its place."""
        slot = self._slots[key]
        if slot.replaceable != replaceable:
            slot.replaceable = replaceable
            self._wake.set()

    def _supervise(self) -> None:
        resolver: Any = None
        while not self._stop.is_set():
            searching = [slot for slot in self._slots.values() if slot.searching]
            if not searching:
                # A resolver asks the whole network twenty times a second: only while something is missing.
                resolver = None
                self._wake.wait()
                self._wake.clear()
                continue
            if resolver is None:
                resolver = pylsl.ContinuousResolver(forget_after=FORGET_AFTER_S)
            self._look(resolver, searching)
            self._stop.wait(SEARCH_EVERY_S)

    def _look(self, resolver: Any, searching: list[_Slot]) -> None:
        """Open what was found of the streams that are missing."""
        found: dict[Visible, Any] = {}
        for info in resolver.results():
            visible = _visible(info)
            if visible is not None:
                found[visible] = info
        for slot in searching:
            if slot.known is None:
                choice = choose_first(slot.wanted, (v for v in found if v.uid not in slot.gone))
            else:
                current = set() if slot.connection is None else {slot.connection.visible.uid}
                choice = choose_comeback(slot.known, found, slot.gone | current)
            if isinstance(choice, Ambiguous):
                self._complain(slot, choice)
            elif choice is not None and (slot.known is not None or self._settled(slot)):
                self._open(slot, choice, found[choice])

    def _settled(self, slot: _Slot) -> bool:
        now_s = self._clock.now_s()
        if slot.first_seen_s is None:
            slot.first_seen_s = now_s
        return now_s - slot.first_seen_s >= SETTLE_S

    def _complain(self, slot: _Slot, choice: Ambiguous) -> None:
        uids = tuple(sorted(v.uid for v in choice.candidates))
        if uids != slot.complained:
            slot.complained = uids
            self._sink.noticed(
                slot.wanted.key, "stream-ambiguous", {"wanted": str(slot.wanted.selector), "found": str(choice)}
            )

    def _open(self, slot: _Slot, visible: Visible, info: Any) -> None:
        for other in self._slots.values():
            if other is not slot and other.connection is not None and other.connection.visible.uid == visible.uid:
                raise StreamError(
                    f"the network: {other.wanted.selector} and {slot.wanted.selector} are the same stream, "
                    f"{visible.description()}.",
                    cure="Select it in the same words wherever a view reads it.",
                )
        connection = Connection(
            slot.wanted.key, visible, info, self._sink, on_end=self._ended_by_itself, on_error=self._on_error
        )
        with self._lock:
            replaced, slot.connection = slot.connection, connection
            slot.replaceable, slot.known = False, visible
            self._ended = [c for c in self._ended if not c.join(0)]
            if replaced is not None:
                slot.gone.add(replaced.visible.uid)
                self._ended.append(replaced)
        if replaced is not None:
            replaced.stop()
            replaced.join(STOP_TIMEOUT_S)
        connection.start()

    def _ended_by_itself(self, connection: Connection, reason: str) -> None:
        with self._lock:
            slot = self._slots[connection.key]
            slot.gone.add(connection.visible.uid)
            if slot.connection is connection:
                slot.connection = None
                self._ended.append(connection)
        if connection.refused:
            self._sink.noticed(connection.key, "stream-refused", {"reason": reason})
        self._wake.set()


def _visible(info: Any) -> Visible | None:
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
            )
        )
    except UnicodeDecodeError:
        return None
