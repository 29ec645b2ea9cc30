"""The dashboard's feed over real LSL, beside a session that is played: it comes, goes, comes back, says nonsense."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

pytestmark = pytest.mark.lsl

HERE = Path(__file__).parent
WITHIN_S = 12.0
A, B = "sub-01-ses-20260101T000000Z", "sub-01-ses-20260102T000000Z"


class Talker:
    """A process that is told, and says, lines."""

    def __init__(self, script: str, session_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / script, session_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said: SimpleQueue[dict[str, object]] = SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, kind: str | None = None, within_s: float = WITHIN_S, **wanted: object):
        """What is said up to something that fits."""
        until_s = time.monotonic() + within_s
        passed = []
        while True:
            try:
                one = self.said.get(timeout=max(until_s - time.monotonic(), 0.0))
            except Empty:
                kinds = [(p.get("kind"), p.get("kinds"), p.get("details")) for p in passed][-15:]
                raise AssertionError(f"{kind} {wanted} never came; the last were {kinds}") from None
            passed.append(one)
            if kind in (None, one.get("kind")) and all(one.get(key) == value for key, value in wanted.items()):
                return passed

    def close(self) -> None:
        """Let it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def clean_up(self) -> None:
        """End it in any case."""
        self.process.kill()
        self.process.wait(10)
        self.reader.join(10)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def talkers(*scripts: str) -> Iterator[list[Talker]]:
    """Processes in one LSL session."""
    session_id = uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        made = []
        for script in scripts:
            made.append(Talker(script, session_id))
            stack.callback(made[-1].clean_up)
        yield made
        for talker in made:
            talker.close()


PLAYED, FEED = "played_session.py", "watching_feed.py"


def of(kind, said):
    return [one for one in said if one["kind"] == kind]


def test_a_feed_sees_all_of_a_session_that_comes_goes_and_comes_back():
    with talkers(PLAYED, FEED) as (played, feed):
        played.tell("device on")
        played.tell(f"session on {A} token-1")
        said = feed.until("QualitySeen")
        (attached,) = of("Attached", said)
        assert (attached["session"], attached["token"]) == (A, "token-1")
        assert of("Sessions", said)[-1]["names"] == [A]
        assert said.index(attached) < said.index(of("StatusSeen", said)[0])
        said += feed.until("SamplesSeen") + feed.until("PredictionsSeen") + feed.until("EventsSeen", kinds=["late"])
        # In the layout's order, though they are sent in another.
        assert of("PredictionsSeen", said)[-1]["values"] == [list(map(float, range(9)))]
        assert of("EventsSeen", said)[-1]["details"] == [{"samples": 3}]
        assert of("QualitySeen", said)[-1] == {
            "kind": "QualitySeen",
            "names": ["eeg:E0", "eeg:E1"],
            "values": [[0.25, 1.0]],
        }
        opened = next(one for one in of("StreamOpened", said))
        assert (opened["key"], opened["rate_hz"], opened["labels"][:2]) == ("view:eeg", 250.0, ["E0", "E1"])
        for _ in range(10):
            said += feed.until("SamplesSeen")
        # All samples, in order, on the session's clock.
        samples = of("SamplesSeen", said)
        numbers = [number for one in samples for number in one["numbers"]]
        assert numbers == [numbers[0] + k for k in range(len(numbers))]
        assert -0.05 < samples[-1]["now_s"] - samples[-1]["stamps_s"][-1] < 0.5
        latest = of("PredictionsSeen", said)[-1]
        assert -0.05 < latest["now_s"] - latest["stamps_s"][-1] < 0.5
        assert of("StatusSeen", said)[-1]["link"] == "live"
        played.tell("mark clip/calm")
        assert feed.until("MarkersSeen")[-1]["texts"] == ["clip/calm"]

        # An operator speaks.
        asked_s = of("StatusSeen", said)[-1]["at_s"]
        feed.tell("send annotate the participant coughs")
        feed.tell("send pause ")
        first, second = played.until(command="annotate")[-1], played.until(command="pause")[-1]
        assert (first["number"], first["text"], first["session"]) == (1, "the participant coughs", A)
        assert (second["number"], second["token"]) == (2, "token-1")
        assert asked_s < first["stamp_s"] <= second["stamp_s"]

        # Nonsense is said once, and harms nothing.
        for _ in range(3):
            played.tell("status {}")
            played.tell("event rubbish")
        refused = feed.until("EventsSeen", kinds=["dashboard-refused"])
        refused += feed.until("EventsSeen", kinds=["dashboard-refused"])
        assert {one["details"][0]["what"] for one in refused if one.get("kinds") == ["dashboard-refused"]} == {
            "status",
            "events",
        }
        more = feed.until("StatusSeen") + feed.until("PredictionsSeen") + feed.until("PredictionsSeen")
        assert not [one for one in more if one.get("kinds") == ["dashboard-refused"]]

        # A device vanishes and returns.
        played.tell("device off")
        feed.until("StreamGone", key="view:eeg")
        played.tell("device on")
        said = feed.until("StreamOpened", key="view:eeg") + feed.until("SamplesSeen")
        assert said[-1]["numbers"][0] < 250

        # The session vanishes without a word, and returns.
        played.tell("session off")
        assert feed.until("Detached")[-1]["link"] == "looking"
        played.tell(f"session on {A} token-1")
        said = feed.until("Attached", session=A) + feed.until("PredictionsSeen")
        assert said[-1]["values"] == [list(map(float, range(9)))]
        feed.until("QualitySeen")

        # It ends, and another one is there: that is said, and nothing that was meant for the first one reaches it.
        played.tell("session end")
        feed.until("Detached", link="ended")
        played.tell(f"session on {B} token-2")
        said = feed.until("Attached", session=B) + feed.until("EventsSeen", kinds=["dashboard-switched"])
        assert said[-1]["details"] == [{"from": A, "to": B}]
        feed.until("PredictionsSeen")
        feed.until("SamplesSeen")
        feed.tell("send-to token-1 pause")
        refused = feed.until("EventsSeen", kinds=["dashboard-refused"])[-1]["details"]
        assert refused == [{"what": "pause", "reason": "it was meant for the session that was shown before"}]
        feed.tell("send reset ")
        assert played.until(command="reset")[-1]["token"] == "token-2"

        # What is asked in the very last moment is heard.
        feed.tell("send annotate the end")
        feed.tell("stop")
        assert played.until(command="annotate")[-1]["text"] == "the end"
        stopped = feed.until("Stopped")[-1]
        assert stopped["took_s"] < 2.0
        assert stopped["after"] == 0
        assert [name for name in stopped["threads"] if name.startswith("rtemo")] == []


def test_a_command_without_a_session_is_refused_and_a_feed_without_anything_stops_at_once():
    with talkers(FEED) as (feed,):
        feed.tell("send pause ")
        said = feed.until("EventsSeen", kinds=["dashboard-refused"])
        assert said[-1]["details"] == [{"what": "pause", "reason": "there is no session to tell"}]
        feed.tell("stop")
        assert feed.until("Stopped")[-1]["took_s"] < 2.0


def test_the_newest_session_is_watched_until_another_one_is_chosen_and_that_one_is_stayed_with():
    with talkers(PLAYED, PLAYED, FEED) as (older, newer, feed):
        older.tell(f"session on {A} token-1")
        newer.tell(f"session on {B} token-2")
        said = feed.until("Attached")
        if said[-1]["session"] == A:
            # The newer one was not there yet when the first answer came; the older one is not left for it.
            feed.until("Sessions", names=[B, A])
            feed.tell(f"choose {B}")
            feed.until("Attached", session=B)
        feed.tell(f"choose {A}")
        # The one that is left is not shown any more.
        said = feed.until("Attached", session=A)
        (left,) = of("Detached", said)
        assert (left["reason"], left["link"]) == ("another session is watched", "looking")
        feed.until("PredictionsSeen")
        older.tell("session end")
        feed.until("Detached", link="ended")
        with pytest.raises(AssertionError):
            feed.until("Attached", within_s=1.5)
        feed.tell(f"choose {B}")
        feed.until("Attached", session=B)
        feed.tell("stop")
        assert feed.until("Stopped")[-1]["took_s"] < 2.0
