"""LSL in, messages out: which sessions are there, and everything that the one that is watched says."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from rtemo.clock import Clock, LslClock
from rtemo.config import NetworkSettings
from rtemo.dashboard.attachment import Attachment
from rtemo.dashboard.commands import checked
from rtemo.dashboard.messages import REFUSED, EventSeen, EventsSeen, FeedFailed, Message, Sessions
from rtemo.dashboard.refusals import Post
from rtemo.liblsl import configure, local_clock
from rtemo.sources.lsl.survey import find_streams
from rtemo.types import OWN_STREAMS, STATUS_STREAM
from rtemo.worker import Worker

TEND_EVERY_S: Final = 0.1
ANSWER_S = 0.5
"""A session has so long to answer when it is asked who is there."""
SEARCH_EVERY_S, SEARCH_SELDOM_S = 0.7, 5.0
"""Between questions: where no session is there, and where one is."""
MISSED = 2
"""A session that so many questions in a row were not answered for is not there."""
GONE_FOR_S, SILENT_FOR_S = 3.0, 30.0
"""So long a session that vanished without a word, or stands still, is waited for before another one is watched."""
UNREACHABLE_S, BARRED_S = 8.0, 30.0
"""A session that does not say what it is for so long is left alone for a while."""
MAX_SESSIONS, MAX_NAME = 64, 200
STOP_WITHIN_S = 1.8


class Feed:
    """Finds sessions, watches one of them, and posts what it says.

    All work is done in threads of its own: no method waits, but for `stop`, which returns within two seconds.

    Parameters
    ----------
    network : NetworkSettings
        Where to look.
    session : str, optional
        Which session to watch; the newest one if not given, and another one where that is gone.
    post : callable
        Takes messages, from many threads: a `rtemo.dashboard.mailbox.Mailbox` does, whatever the GUI is about.
    """

    def __init__(self, network: NetworkSettings, *, session: str | None = None, post: Post) -> None:
        self._network = network
        self._named = session
        self._forward = post
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._search_now = threading.Event()
        self._lock = threading.Lock()
        self._sessions: tuple[str, ...] = ()
        self._visible: frozenset[str] = frozenset()
        self._asked: deque[tuple[str, str, float]] = deque()
        self._calm = False
        self._failed = False
        self._attachment: Attachment | None = None
        self._barred: dict[str, float] = {}
        self._clock: Clock | None = None
        self._worker = Worker("rtemo-dashboard-feed", self._work, self._fail)
        self._searcher = Worker("rtemo-dashboard-search", self._search, self._fail)

    def start(self) -> None:
        """Begin to look; returns at once.

        Raises
        ------
        ConfigurationError
            This process uses LSL with other settings already.
        """
        configure(self._network)
        self._clock = LslClock()
        self._worker.start()
        self._searcher.start()

    def stop(self) -> None:
        """Close everything; nothing is posted afterwards. Idempotent."""
        self._stop.set()
        self._wake.set()
        self._search_now.set()
        until_s = time.monotonic() + STOP_WITHIN_S
        for worker in (self._worker, self._searcher):
            if worker.ident is not None and worker is not threading.current_thread():
                worker.join(max(until_s - time.monotonic(), 0.0))

    def choose(self, session: str | None) -> None:
        """Watch another session as soon as it is there; None: the newest, should the present one be gone."""
        with self._lock:
            self._named = session
        self._search_now.set()
        self._wake.set()

    def send(self, command: str, text: str = "") -> None:
        """Ask the session for something, now: what is not sent is posted as an event of kind ``dashboard-refused``.

        Parameters
        ----------
        command : {"annotate", "pause", "resume", "reset"}
        text : str
            Longer ones are cut.

        Raises
        ------
        ValueError
            There is no such command.
        """
        asked = (*checked(command, text), local_clock())
        with self._lock:
            self._asked.append(asked)
        self._wake.set()

    def _work(self) -> None:
        """Watch a session until the end."""
        clock = self._clock
        assert clock is not None  # set before the thread is started
        try:
            while not self._stop.is_set():
                self._choose(clock)
                self._pass_on(clock)
                if self._attachment is not None:
                    self._attachment.tend(self._visible)
                    self._calm = self._attachment.attached
                if self._wake.wait(TEND_EVERY_S):
                    self._wake.clear()
        finally:
            if self._attachment is not None:
                self._attachment.close()

    def _choose(self, clock: Clock) -> None:
        """Watch the session that is to be watched."""
        now_s = clock.now_s()
        with self._lock:
            named, sessions = self._named, self._sessions
        current = self._attachment
        if named is not None:
            if named in sessions and (current is None or current.session != named):
                self._attach(named, clock)
            return
        if current is not None:
            unreachable = current.refused or (not current.attached and current.away_s() > UNREACHABLE_S)
            if unreachable:
                self._barred[current.session] = now_s + BARRED_S
            elif not current.ended and current.away_s() <= (GONE_FOR_S if current.gone else SILENT_FOR_S):
                return
        self._barred = {name: until_s for name, until_s in self._barred.items() if until_s > now_s}
        others = [name for name in sessions if name not in self._barred and (not current or name != current.session)]
        if others:
            self._attach(others[0], clock)

    def _attach(self, session: str, clock: Clock) -> None:
        if self._attachment is not None:
            self._attachment.close()
        self._attachment = Attachment(session, self._network, post=self._post, clock=clock, on_error=self._fail)

    def _pass_on(self, clock: Clock) -> None:
        """Give commands to the session, in their order."""
        while True:
            with self._lock:
                if not self._asked:
                    return
                asked = self._asked.popleft()
            if self._attachment is not None:
                self._attachment.ask(*asked)
            else:
                details = {"what": asked[0], "reason": "there is no session to tell"}
                self._post(EventsSeen((EventSeen(clock.now_s(), REFUSED, details),)))

    def _search(self) -> None:
        """Ask the network who is there, until the end."""
        missed: dict[str, int] = {}
        while not self._stop.is_set():
            self._search_now.clear()
            own = {stream.source_id: stream for stream in find_streams(ANSWER_S) if stream.name in OWN_STREAMS}
            prefix = f"{STATUS_STREAM}-"
            found = {
                source_id.removeprefix(prefix)
                for source_id, stream in own.items()
                if stream.name == STATUS_STREAM and stream.is_text and source_id.startswith(prefix)
            }
            missed = {name: count + 1 for name, count in missed.items() if count + 1 < MISSED}
            missed |= {name: 0 for name in found if 0 < len(name) <= MAX_NAME}
            sessions = tuple(sorted(missed, key=_moment, reverse=True)[:MAX_SESSIONS])
            with self._lock:
                changed = sessions != self._sessions
                self._sessions, self._visible = sessions, frozenset(own)
            if changed:
                self._post(Sessions(sessions))
                self._wake.set()
            self._search_now.wait(SEARCH_SELDOM_S if self._calm else SEARCH_EVERY_S)

    def _post(self, message: Message) -> None:
        if not self._stop.is_set():
            self._forward(message)

    def _fail(self, error: BaseException) -> None:
        """Say that this is the end, once, and end."""
        with self._lock:
            again, self._failed = self._failed, True
        if not again and not self._stop.is_set():
            self._forward(FeedFailed(error))
        self._stop.set()
        self._wake.set()
        self._search_now.set()


def _moment(session: str) -> tuple[str, str]:
    """By which sessions are ordered: names end in when they began."""
    return session.rpartition("-ses-")[2], session
