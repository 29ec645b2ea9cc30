"""The markers of a calibration, waited for and found again, on a network and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtemo.clock import Measurement, VirtualClock
from rtemo.sources.lsl import stimulus
from rtemo.sources.lsl.inlet import Pulled, StreamEndedError, StreamRefusedError, UnmeasuredError
from rtemo.sources.lsl.matching import Visible
from rtemo.sources.lsl.stimulus import UNSEEN_S, StimulusListener
from rtemo.sources.lsl.streams import BARRED_S

START_S, OFFSET_S = 1000.0, -400.0
MARKERS = {1.5: "stimulus/a/1", 3.0: "stimulus-off/1"}


class Outlet:
    """An outlet that is there for a while, and sends texts at moments of the machine that listens."""

    def __init__(self, uid: str, since_s: float = 0.0, until_s: float = 1e9, **how: Any) -> None:
        self.since_s, self.until_s = since_s, until_s
        self.texts: dict[float, str] = how.pop("texts", {})
        self.channels, self.refused = how.pop("channels", 1), how.pop("refused", False)
        self.measures, self.stamps_off_s = how.pop("measures", True), how.pop("stamps_off_s", 0.0)
        self.silent_s = how.pop("silent_s", 1e9)
        told = {"name": "rtemo-stimulus", "type": "Markers", "source_id": f"rtemo-stimulus-{uid}", "is_text": True}
        self.visible = Visible(uid=uid, hostname="lab", created_s=since_s, **(told | how))


class World:
    """A listener among outlets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *outlets: Outlet) -> None:
        self.clock, self.outlets = VirtualClock(START_S), outlets
        self.markers: list[tuple[float, str]] = []
        self.followed: list[tuple[float, str | None]] = []
        self.opened: list[str] = []
        self.asked = 0
        self.until_s = 0.0
        self.listener = StimulusListener(
            clock=self.clock,
            on_marker=lambda at_s, text: self.markers.append((round(at_s - START_S, 3), text)),
            on_outlet=lambda v: self.followed.append((self.now_s, None if v is None else v.uid)),
            on_error=lambda error: None,
        )
        self.listener._stop = SimpleNamespace(is_set=self.is_over, wait=self.clock.advance)  # type: ignore[assignment]
        monkeypatch.setattr(stimulus, "visible_of", lambda info: info.visible)
        monkeypatch.setattr(stimulus, "Inlet", lambda info, **limits: _Inlet(self, info))
        monkeypatch.setattr(stimulus.pylsl, "ContinuousResolver", self.ask)

    @property
    def now_s(self) -> float:
        return round(self.clock.now_s() - START_S, 3)

    def is_over(self) -> bool:
        return self.now_s >= self.until_s

    def run(self, until_s: float) -> World:
        self.until_s = until_s
        self.listener._work()
        return self

    def ask(self, **question: Any) -> Any:
        assert question["pred"] == "name='rtemo-stimulus' and type='Markers'"
        self.asked += 1
        return SimpleNamespace(
            results=lambda: [o for o in self.outlets if o.since_s <= self.now_s < min(o.until_s, o.silent_s)]
        )

    def uids(self) -> list[str | None]:
        return [uid for _, uid in self.followed]


class _Inlet:
    def __init__(self, world: World, outlet: Outlet) -> None:
        world.opened.append(outlet.visible.uid)
        if outlet.refused:
            raise StreamRefusedError("XML of 99 bytes")
        self.world, self.outlet = world, outlet
        self.header = SimpleNamespace(is_text=True, channel_count=outlet.channels)
        self.at_s = world.now_s
        self.check()

    def check(self) -> None:
        if self.world.now_s >= self.outlet.until_s:
            raise StreamEndedError("it is gone")

    def measure(self, timeout_s: float) -> Measurement:
        if not self.outlet.measures:
            raise UnmeasuredError("nobody answers")
        return Measurement(0.0, OFFSET_S)

    def pull(self, at_least: int, timeout_s: float) -> Pulled | None:
        self.world.clock.advance(timeout_s)
        self.check()
        came = [(at_s, text) for at_s, text in self.outlet.texts.items() if self.at_s <= at_s < self.world.now_s]
        self.at_s = self.world.now_s
        if not came:
            return None
        stamps_s = np.array([START_S + at_s - OFFSET_S + self.outlet.stamps_off_s for at_s, _ in came])
        return Pulled(stamps_s, None, [(text,) for _, text in came])

    def close(self) -> None:
        self.world.opened.append("closed")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    return lambda *outlets: World(monkeypatch, *outlets)


def test_markers_are_taken_at_their_moment_on_this_machines_clock(world: Callable[..., World]) -> None:
    here = world(Outlet("u1", texts=MARKERS)).run(5.0)
    assert here.markers == list(MARKERS.items())
    assert here.opened == ["u1", "closed"]
    assert here.uids() == ["u1", None]


def test_it_is_waited_for_without_end_and_asked_for_once_a_second(world: Callable[..., World]) -> None:
    here = world(Outlet("u1", since_s=600.0)).run(610.0)
    assert here.uids() == ["u1", None]
    assert here.followed[0][0] == pytest.approx(601, abs=1)
    assert 400 < here.asked < 620


@pytest.mark.parametrize(
    "outlet", [{"measures": False}, {"stamps_off_s": 1e6}, {"stamps_off_s": -3600.0}, {"stamps_off_s": np.nan}]
)
def test_where_a_stamp_cannot_be_believed_the_arrival_counts(
    world: Callable[..., World], outlet: dict[str, Any]
) -> None:
    here = world(Outlet("u1", texts=MARKERS, **outlet)).run(5.0)
    assert [text for _, text in here.markers] == list(MARKERS.values())
    assert [at_s for at_s, _ in here.markers] == pytest.approx(list(MARKERS), abs=0.06)


def test_it_vanishes_and_comes_back_as_another(world: Callable[..., World]) -> None:
    here = world(Outlet("u1", until_s=10.0), Outlet("u2", since_s=15.0, texts={20.0: "stimulus/a/2"})).run(25.0)
    assert here.uids() == ["u1", None, "u2", None]
    assert [at_s for at_s, _ in here.followed[:3]] == pytest.approx([0.5, 10.0, 16.0], abs=1.0)
    assert here.markers == [(20.0, "stimulus/a/2")]


def test_whoever_appears_last_is_listened_to_and_the_other_once_it_is_gone(world: Callable[..., World]) -> None:
    here = world(
        Outlet("old", texts={8.0: "old", 22.0: "old again"}),
        Outlet("new", since_s=5.0, until_s=15.0, texts={8.0: "new"}),
    ).run(30.0)
    assert here.uids() == ["old", None, "new", None, "old", None]
    assert here.markers == [(8.0, "new"), (22.0, "old again")]


def test_a_connection_that_broke_is_made_again(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    outlet = Outlet("u1", texts={20.0: "stimulus/a/1"})
    here = world(outlet)
    pulls = iter(range(10**9))

    def pull(self: Any, at_least: int, timeout_s: float) -> Pulled | None:
        if next(pulls) == 50:
            raise StreamEndedError("the cable")
        return pulled(self, at_least, timeout_s)

    pulled = _Inlet.pull
    monkeypatch.setattr(_Inlet, "pull", pull)
    here.run(25.0)
    assert here.uids() == ["u1", None, "u1", None]
    assert here.followed[2][0] - here.followed[1][0] >= BARRED_S
    assert here.markers == [(20.0, "stimulus/a/1")]


def test_whom_the_network_knows_no_more_is_let_go(world: Callable[..., World]) -> None:
    here = world(Outlet("u1", silent_s=10.0)).run(100.0)
    assert here.uids() == ["u1", None]
    assert here.followed[1][0] == pytest.approx(10.0 + UNSEEN_S, abs=1.5)


@pytest.mark.parametrize("how", [{"refused": True}, {"channels": 2}])
def test_a_stream_that_is_none_of_markers_is_opened_once(world: Callable[..., World], how: dict[str, Any]) -> None:
    here = world(Outlet("bad", **how), Outlet("good", since_s=10.0)).run(30.0)
    assert here.opened.count("bad") == 1
    assert here.uids() == ["good", None]


@pytest.mark.parametrize("how", [{"name": "rtemo-stimuli"}, {"type": "EEG"}, {"is_text": False}])
def test_streams_that_only_look_alike_are_not_opened(world: Callable[..., World], how: dict[str, Any]) -> None:
    assert not world(Outlet("u1", **how)).run(10.0).opened


def test_where_the_network_cannot_be_asked_it_is_asked_again(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = world(Outlet("u1"))

    def broken(**question: Any) -> Any:
        if here.now_s < 5:
            raise RuntimeError("no port is left")
        return here.ask(**question)

    monkeypatch.setattr(stimulus.pylsl, "ContinuousResolver", broken)
    here.run(10.0)
    assert here.uids() == ["u1", None]
    assert "no port is left" in caplog.text


def test_an_outlet_that_is_gone_before_it_is_opened_is_no_end(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, there = Outlet("u1", until_s=0.2), Outlet("u2", since_s=5.0)
    here = world(there)
    # The network still tells of it.
    answers = SimpleNamespace(results=lambda: [gone] if here.now_s < 4 else [there] if here.now_s >= 5 else [])
    monkeypatch.setattr(stimulus.pylsl, "ContinuousResolver", lambda **question: answers)
    here.run(10.0)
    assert here.uids() == ["u2", None]
    assert here.opened.count("u1") == 2
