"""LSL in, messages out: which sessions are there, and everything that the one that is watched says."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Final

from rtemo.clock import Clock, LslClock
from rtemo.config import NetworkSettings
from rtemo.dashboard.attachment import Attachment
from rtemo.dashboard.commands import checked
from rtemo.dashboard.messages import SWITCHED, EventSeen, EventsSeen, FeedFailed, Message, Sessions
from rtemo.dashboard.refusals import Post, refusal
from rtemo.liblsl import configure, local_clock
from rtemo.printable import printable
from rtemo.sources.lsl.survey import find_streams
from rtemo.types import OWN_STREAMS, STATUS_STREAM
from rtemo.worker import Worker

TEND_EVERY_S: Final = 0.1
ANSWER_S = 0.5
"""A session has so long to answer when it is asked who is there."""
SEARCH_EVERY_S, SEARCH_SELDOM_S = 0.7, 5.0
"""Between questions: where a session is looked for, and where one is there or has said that it is over."""
MISSED = 2
"""A session that so many questions in a row were not answered for is not there."""
GONE_FOR_S, SILENT_FOR_S = 10.0, 30.0
"""So long a session whose streams vanished without a word, or say nothing, is waited for where a newer one is there and
none was named. One that has said that it is over is not waited for."""
UNREACHABLE_S, BARRED_S = 8.0, 30.0
"""A session that does not say what it is for so long is left alone for a while."""
MAX_SESSIONS, MAX_NAME = 64, 200
STOP_WITHIN_S = 1.8

_log = logging.getLogger(__name__)


class Feed:
    """Finds sessions, watches one of them, and posts what it says.

    All work is done in threads of its own: no method waits, but for `stop`, which returns within two seconds.

    Parameters
    ----------
    network : NetworkSettings
        Where to look.
    session : str, optional
        Which session to watch; the newest one if not given, and where that is gone a newer one, which is said by an
        event of kind ``dashboard-switched``. An older one is never gone over to unasked.
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
        self._asked: deque[tuple[str, str, float, str]] = deque()
        self._untold: list[tuple[str, str, str]] = []
        self._untold_s = 0.0
        self._shown: str | None = None
        self._unasked = False
        self._heard_as = ""
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

    def send(self, command: str, text: str, shown: str) -> None:
        """Ask the session for something, now: what is not sent is posted as an event of kind ``dashboard-refused``.

        Parameters
        ----------
        command : {"annotate", "pause", "resume", "reset"}
        text : str
            Longer ones are cut.
        shown : str
            The token of the session that the operator saw: no other one is asked.

        Raises
        ------
        ValueError
            There is no such command.
        """
        asked = (*checked(command, text), local_clock(), shown)
        with self._lock:
            self._asked.append(asked)
        self._wake.set()

    def heard(self, shown: str) -> bool:
        """Whether the session of this token says that it listens to this dashboard."""
        return bool(shown) and self._heard_as == shown

    def _work(self) -> None:
        """Watch a session until the end."""
        clock = self._clock
        assert clock is not None  # set before the thread is started
        try:
            while not self._stop.is_set():
                self._choose(clock)
                self._pass_on()
                if self._attachment is not None:
                    self._attachment.tend(self._visible)
                    self._calm = self._attachment.attached or self._attachment.ended
                    self._heard_as = self._attachment.heard_as
                self._tell(clock)
                if self._wake.wait(TEND_EVERY_S):
                    self._wake.clear()
        finally:
            self._heard_as = ""
            self._pass_on()
            self._leave("")
            for command, text, reason in self._untold:
                # Nobody takes messages any more.
                _log.warning("not sent: %s", printable(f"{command} {text}: {reason}", MAX_NAME))

    def _choose(self, clock: Clock) -> None:
        """Watch the session that is to be watched."""
        with self._lock:
            named, sessions = self._named, self._sessions
        current = self._attachment
        if named is not None:
            if named in sessions and (current is None or current.session != named or current.back):
                self._attach(named, clock)
            return
        now_s = clock.now_s()
        if current is not None and not self._may_leave(current, now_s):
            return
        self._barred = {name: until_s for name, until_s in self._barred.items() if until_s > now_s}
        for name in sessions:
            new = current is None or name != current.session or current.back
            if new and name not in self._barred and self._is_newer(name):
                self._attach(name, clock, unasked=True)
                return

    def _may_leave(self, current: Attachment, now_s: float) -> bool:
        """Whether the session is given up, if another one is there."""
        if current.known and not current.refused:
            return current.ended or current.away_s() > (GONE_FOR_S if current.gone else SILENT_FOR_S)
        unreachable = current.refused or current.away_s() > UNREACHABLE_S
        if unreachable:
            self._barred[current.session] = now_s + BARRED_S
        return unreachable

    def _is_newer(self, session: str) -> bool:
        """Whether it began after the one that was shown last, or is that one."""
        shown = self._shown
        return shown is None or session == shown or _moment(session)[0] > _moment(shown)[0]

    def _attach(self, session: str, clock: Clock, *, unasked: bool = False) -> None:
        self._leave("another session is watched")
        self._attachment = Attachment(session, self._network, post=self._post, clock=clock, on_error=self._fail)
        self._unasked = unasked

    def _leave(self, reason: str) -> None:
        left, self._attachment = self._attachment, None
        if left is not None:
            for command, text in left.close(reason):
                self._refuse(command, text, f"the session {left.session} was left before it listened")

    def _refuse(self, command: str, text: str, reason: str) -> None:
        if not self._untold:
            self._untold_s = local_clock()
        self._untold.append((command, text, reason))

    def _pass_on(self) -> None:
        """Give commands to the session, in their order."""
        while True:
            with self._lock:
                if not self._asked:
                    return
                command, text, at_s, shown = self._asked.popleft()
            attachment = self._attachment
            reason = "there is no session to tell" if attachment is None else attachment.ask(command, text, at_s, shown)
            if reason:
                self._refuse(command, text, reason)

    def _tell(self, clock: Clock) -> None:
        """Post what the feed itself has to say."""
        attachment = self._attachment
        events: list[EventSeen] = []
        if self._stop.is_set():
            return
        if attachment is not None and attachment.attached and attachment.session != self._shown:
            shown, self._shown = self._shown, attachment.session
            if self._unasked and shown is not None:
                names = {"from": printable(shown, MAX_NAME), "to": printable(attachment.session, MAX_NAME)}
                events.append(EventSeen(attachment.now_s(), SWITCHED, names))
        # With a new session a dashboard forgets all events: those that may wait for it do.
        comes = attachment is not None and not attachment.known
        if self._untold and (not comes or clock.now_s() - self._untold_s > UNREACHABLE_S):
            now_s = clock.now_s() if attachment is None else attachment.now_s()
            events += [refusal(now_s, command, reason, text) for command, text, reason in self._untold]
            self._untold.clear()
        if events:
            self._post(EventsSeen(tuple(events)))

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
