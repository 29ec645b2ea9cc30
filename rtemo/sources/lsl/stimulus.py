"""The markers of a calibration, heard by whoever reacts to them: waited for, and found again when they come anew."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import pylsl

from rtemo.clock import Clock
from rtemo.sources.lsl.connection import MEASURE_EVERY_S, MEASURE_TIMEOUT_S
from rtemo.sources.lsl.inlet import Inlet, Pulled, StreamEndedError, StreamRefusedError, UnmeasuredError
from rtemo.sources.lsl.matching import Visible
from rtemo.sources.lsl.streams import BARRED_S, FORGET_AFTER_S, visible_of
from rtemo.types import STIMULUS_STREAM
from rtemo.worker import Worker

STIMULUS_TYPE = "Markers"
QUESTION = f"name='{STIMULUS_STREAM}' and type='{STIMULUS_TYPE}'"
EVERY_S, LOOK_S = 1.0, 0.4
"""Each question to the network takes one of LSL's few ports for a while."""
UNSEEN_S = 30.0
"""An outlet that the network does not tell of for so long is let go: its machine is gone without a word."""
PULL_S = 0.05
MEASURE_AGAIN_S = 0.3
BELIEVED_S = 1.0
"""A stamp further from a marker's arrival than this is none of this session: the arrival counts."""
MAX_XML_BYTES = 64_000
STOP_WITHIN_S = 5.0

_log = logging.getLogger(__name__)

OnMarker = Callable[[float, str], None]
"""Takes a marker's moment on the local clock, and its text."""
OnOutlet = Callable[[Visible | None], None]
"""Takes the outlet that is listened to from now on; None where there is none any more."""


class StimulusListener:
    """Listens to the stream `STIMULUS_STREAM` in a thread of its own, whenever there is one.

    Of several outlets the one that appeared last is listened to.

    Parameters
    ----------
    clock : Clock
        The LSL local clock.
    on_marker, on_outlet : callable
        Called in that thread; they must not wait.
    on_error : callable
        Called in that thread with what ended it, which is a bug.
    """

    def __init__(
        self, *, clock: Clock, on_marker: OnMarker, on_outlet: OnOutlet, on_error: Callable[[BaseException], None]
    ) -> None:
        self._clock, self._on_marker, self._on_outlet = clock, on_marker, on_outlet
        self._stop = threading.Event()
        self._search = _Search(clock)
        self._thread = Worker("rtemo-stimulus", self._work, on_error)

    def start(self) -> None:
        """Begin to look for the stream; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no longer."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)

    def _work(self) -> None:
        while not self._stop.is_set():
            found = self._search.next(None)
            while found is not None and not self._stop.is_set():
                found = self._listen_to(*found)
            self._stop.wait(PULL_S)

    def _listen_to(self, visible: Visible, info: Any) -> tuple[Visible, Any] | None:
        """Listen to an outlet while it is the one to be listened to; gives the next one, where it is known."""
        try:
            inlet = Inlet(info, max_xml_bytes=MAX_XML_BYTES)
        except (StreamRefusedError, StreamEndedError) as error:
            self._search.bar(visible, math.inf if isinstance(error, StreamRefusedError) else BARRED_S)
            return None
        found = None
        try:
            if not inlet.header.is_text or inlet.header.channel_count != 1:
                self._search.bar(visible, math.inf)
                return None
            self._on_outlet(visible)
            found = self._listen(inlet, visible)
        except StreamEndedError:
            self._search.bar(visible, BARRED_S)
        finally:
            inlet.close()
        self._on_outlet(None)
        return found

    def _listen(self, inlet: Inlet, visible: Visible) -> tuple[Visible, Any] | None:
        # Of a clock that nobody knows, the arrival is the best guess.
        offset_s, measure_s = math.nan, -math.inf
        while not self._stop.is_set():
            found = self._search.next(visible)
            if found is not None or self._search.lost(visible):
                return found
            now_s = self._clock.now_s()
            if now_s >= measure_s:
                with contextlib.suppress(UnmeasuredError):  # it is tried again
                    offset_s = inlet.measure(MEASURE_TIMEOUT_S if measure_s == -math.inf else MEASURE_AGAIN_S).offset_s
                measure_s = self._clock.now_s() + MEASURE_EVERY_S
            pulled = inlet.pull(1, PULL_S)
            if pulled is not None:
                self._pass_on(pulled, offset_s)
        return None

    def _pass_on(self, pulled: Pulled, offset_s: float) -> None:
        arrived_s = self._clock.now_s()
        for stamp_s, row in zip((pulled.stamps_s + offset_s).tolist(), pulled.rows, strict=True):
            believed = abs(stamp_s - arrived_s) <= BELIEVED_S
            self._on_marker(stamp_s if believed else arrived_s, row[0])


class _Search:
    """Asks the network now and then, and never waits for the answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._resolver: Any = None
        self._asked_s = -math.inf
        self._seen_s: dict[str, float] = {}
        self._barred: dict[str, float] = {}

    def bar(self, visible: Visible, for_s: float) -> None:
        """Do not give an outlet for a while."""
        self._barred[visible.uid] = self._clock.now_s() + for_s

    def lost(self, visible: Visible) -> bool:
        """Whether the network has not told of an outlet for long."""
        return self._clock.now_s() - self._seen_s.get(visible.uid, -math.inf) > UNSEEN_S

    def next(self, current: Visible | None) -> tuple[Visible, Any] | None:
        """The outlet to listen to from now on; None where that is the current one, or none is known."""
        now_s = self._clock.now_s()
        if self._resolver is None:
            if now_s - self._asked_s >= EVERY_S:
                self._asked_s = now_s
                try:
                    self._resolver = pylsl.ContinuousResolver(pred=QUESTION, forget_after=FORGET_AFTER_S)
                except RuntimeError as error:
                    _log.warning("looking for %s: %s; it is tried again", STIMULUS_STREAM, error)
            return None
        if now_s - self._asked_s < LOOK_S:
            return None
        answers, self._resolver = self._resolver.results(), None
        self._barred = {uid: until_s for uid, until_s in self._barred.items() if until_s > now_s}
        found = [(visible, info) for info in answers if (visible := visible_of(info)) is not None and _fits(visible)]
        new = [one for one in found if one[0].uid not in self._seen_s and one[0].uid not in self._barred]
        recent = {uid: at_s for uid, at_s in self._seen_s.items() if now_s - at_s <= 2 * UNSEEN_S}
        self._seen_s = recent | {visible.uid: now_s for visible, _ in found}
        if current is None:
            new = new or [one for one in found if one[0].uid not in self._barred]
        return max(new, key=lambda one: one[0].created_s, default=None)


def _fits(visible: Visible) -> bool:
    """Whoever answers may not have minded the question."""
    return visible.name == STIMULUS_STREAM and visible.type == STIMULUS_TYPE and visible.is_text
