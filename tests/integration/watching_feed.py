"""A dashboard without a window: ``python watching_feed.py SESSION_ID``; says what its feed posts, as lines of JSON.

Told by lines of stdin: ``send COMMAND TEXT``, ``send-to TOKEN COMMAND``, ``choose NAME``, ``stop``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from queue import Empty, SimpleQueue

from rtemo.clock import LslClock
from rtemo.config import NetworkSettings
from rtemo.dashboard.feed import Feed
from rtemo.dashboard.mailbox import Mailbox
from rtemo.dashboard.messages import (
    Attached,
    Detached,
    EventsSeen,
    FeedFailed,
    MarkersSeen,
    PredictionsSeen,
    QualitySeen,
    SamplesSeen,
    Sessions,
    StatusSeen,
    StreamOpened,
)
from rtemo.dashboard.state import DashboardState


def plain(message, state):
    """The gist of a message."""
    match message:
        case Attached(layout):
            return {"session": layout.session, "token": layout.token}
        case Sessions(names):
            return {"names": names}
        case StatusSeen(status, at_s):
            return {"now_s": status.now_s, "at_s": at_s, "operators": status.operators, "link": state.link}
        case PredictionsSeen(stamps_s, values):
            return {"stamps_s": stamps_s.tolist(), "values": values.tolist(), "now_s": state.now_s()}
        case EventsSeen(events):
            return {"kinds": [event.kind for event in events], "details": [dict(event.details) for event in events]}
        case QualitySeen(names, _, values):
            return {"names": names, "values": values.tolist()}
        case StreamOpened(key, labels, _, rate_hz):
            return {"key": key, "labels": labels, "rate_hz": rate_hz}
        case SamplesSeen(key, stamps_s, values):
            return {
                "key": key,
                "numbers": values[:, 0].tolist(),
                "stamps_s": stamps_s.tolist(),
                "now_s": state.now_s(),
            }
        case MarkersSeen(key, _, texts):
            return {"key": key, "texts": texts}
        case Detached(reason):
            return {"reason": reason, "link": state.link}
        case FeedFailed(error):
            return {"error": repr(error)}
    return {"key": message.key}


def main(session_id: str) -> None:
    mailbox = Mailbox()
    feed = Feed(NetworkSettings(scope="machine", session_id=session_id), post=mailbox.put)
    feed.start()
    state = DashboardState(LslClock())
    told: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            told.put(line.rstrip("\n"))
        told.put(None)

    def say(kind: str, **more: object) -> None:
        print(json.dumps({"kind": kind, **more}), flush=True)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = told.get(timeout=0.02)
        except Empty:
            line = ""
        if line in (None, "stop"):
            break
        match line.split(" ", 2):
            case ["send", command, text]:
                feed.send(command, text, "" if state.layout is None else state.layout.token)
            case ["send-to", token, command]:
                feed.send(command, "", token)
            case ["choose", name]:
                feed.choose(name)
        for message in mailbox.take():
            state.take(message)
            say(type(message).__name__, **plain(message, state))
        state.tick()
    began_s = time.monotonic()
    feed.stop()
    took_s = time.monotonic() - began_s
    mailbox.take()
    time.sleep(0.3)
    say("Stopped", took_s=took_s, after=len(mailbox.take()), threads=[t.name for t in threading.enumerate()])


if __name__ == "__main__":
    main(sys.argv[1])
