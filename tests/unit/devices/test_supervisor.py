"""A participant that follows a calibration: what it sees reaches all devices, and those that start later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rtemo.clock import VirtualClock
from rtemo.devices import supervisor
from rtemo.devices.process import Specification
from rtemo.devices.supervisor import Simulation, SimulationPlan
from rtemo.sources.faults import parse_faults
from rtemo.sources.lsl.matching import Visible

OUTLET = Visible("u1", "rtemo-stimulus", "Markers", "rtemo-stimulus-s1", "lab", is_text=True)


class Child:
    """A device's process that is none."""

    own_clock = True
    expected = True

    def __init__(self, told: Specification, on_line: Callable[[Any, str], None]) -> None:
        self.told, self.pid = told, 0
        self.shown: list[tuple[float, int]] = []
        on_line(self, '{"ready": 7, "own_clock": true}')

    def begin(self, origin_s: float) -> None:
        self.origin_s = origin_s

    def shows(self, at_s: float, label: int) -> None:
        self.shown.append((round(at_s, 6), label))

    def kill(self) -> None:
        pass

    def expect(self) -> None:
        pass

    def close_input(self) -> None:
        pass

    def wait(self, timeout_s: float) -> int:
        return 0


class Listener:
    """Stands for the markers of a calibration: a test says them."""

    def __init__(self, **on: Any) -> None:
        self.on, self.stopped = on, False

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: str = "", *, follow: bool = True) -> None:
        monkeypatch.setattr(supervisor, "DeviceProcess", Child)
        monkeypatch.setattr(supervisor, "StimulusListener", Listener)
        monkeypatch.setattr(supervisor, "configure", lambda network: None)
        self.clock = VirtualClock(500.0)
        self.said: list[str] = []
        plan = SimulationPlan(devices=("eye", "pps"), faults=parse_faults(fault), follow=follow, duration_s=60.0)
        self.simulation = Simulation(plan, say=lambda at_s, text: self.said.append(text), clock=self.clock)
        self.simulation.start()
        if follow:
            self.simulation._follow()

    @property
    def children(self) -> list[Any]:
        return list(self.simulation._at.values())

    def hears(self, name: str, *what: object) -> None:
        self.simulation._listener.on[name](*what)  # type: ignore[union-attr]
        while not self.simulation._inbox.empty():
            self.simulation._take(0.0)


def test_every_device_is_told_of_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    origin_s = room.simulation.origin_s
    assert origin_s is not None
    room.hears("on_outlet", OUTLET)
    for at_s, text in ((1.0, "fixation/1"), (2.0, "stimulus/positive/1"), (4.0, "stimulus-off/1")):
        room.hears("on_marker", origin_s + at_s, text)
    assert [child.shown for child in room.children] == [[(2.0, 2), (4.0, -1)]] * 2
    assert room.said[1:] == [
        "rtemo-stimulus: is there (source_id 'rtemo-stimulus-s1', host 'lab')",
        "rtemo-stimulus: 'positive' is shown",
        "rtemo-stimulus: nothing is shown",
    ]


def test_once_the_markers_are_gone_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    room.hears("on_marker", 502.0, "stimulus/positive/1")
    room.clock.advance(5.0)
    room.hears("on_outlet", None)
    assert [child.shown[-1] for child in room.children] == [(4.75, -1)] * 2


def test_a_device_that_starts_again_is_told_of_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, "pps:kill@5+5")
    assert [child.told.shown for child in room.children] == [(), ()]
    room.hears("on_marker", 500.25 + 2.0, "stimulus/neutral/1")
    room.simulation._spawn("pps", 1)
    later = room.children[-1]
    assert later.told.shown == ((2.0, 1),)
    assert later.told.since_s == 10.0
    room.hears("on_marker", 500.25 + 6.0, "void/1/paused")
    assert later.shown == [(6.0, -1)]


def test_what_breaks_while_listening_ends_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        room.hears("on_error", ZeroDivisionError("nobody foresaw it"))
    listener = room.simulation._listener
    room.simulation.close()
    assert listener.stopped  # type: ignore[union-attr]


def test_who_is_shown_clips_of_its_own_listens_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, follow=False)
    room.simulation.stop()
    room.simulation.run()
    assert room.simulation._listener is None
    assert [child.told.shown for child in room.children] == [None, None]
