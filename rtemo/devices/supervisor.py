"""A simulated laboratory: one process for each device, started, frozen, killed and replaced at its moments."""

from __future__ import annotations

import functools
import json
import queue
import signal
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import numpy as np

from rtemo.clock import Clock, LslClock
from rtemo.config import NetworkSettings
from rtemo.devices.child import DeviceProcess
from rtemo.devices.following import Participant
from rtemo.devices.process import Specification
from rtemo.devices.simulated import outlet_of
from rtemo.errors import ConfigurationError, RtemoError
from rtemo.liblsl import configuration_text, configure
from rtemo.sources.faults import FOREVER, Fault, check_faults, of_device
from rtemo.sources.laboratory import DEVICES, Laboratory
from rtemo.sources.lsl.matching import Visible
from rtemo.sources.lsl.stimulus import StimulusListener
from rtemo.sources.schedule import LaboratorySettings
from rtemo.types import STIMULUS_STREAM

LEAD_S = 3.0
"""So long before its time a process is started: an interpreter and its imports take a second on a busy machine."""
SOON_S = 0.25
LINGER_S = 0.5
"""Outlets stay after their last sample, or inlets would lose what is still under way."""
READY_S = 60.0
STOP_S = 3.0
CLOCKS_S = (2000.0, 50_000.0)
"""Clocks of devices lie ahead of the machine's by so much, as if each were another machine."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What is simulated.

    Parameters
    ----------
    settings : LaboratorySettings
    network : NetworkSettings
    devices : tuple of str
        Of `rtemo.sources.laboratory.DEVICES`.
    faults : tuple of Fault
        Of these devices.
    identities : mapping of str to mapping
        By device: ``name``, ``type`` or ``source_id`` of its outlet, where they are not the usual ones.
    duration_s : float
        Infinite where it goes on until it is stopped.
    own_clocks : bool
        Whether each device has a clock of its own, where the system permits it.
    follow : bool
        Whether the participant reacts to the markers of a calibration instead of being shown what `settings` say.
    """

    settings: LaboratorySettings = field(default_factory=LaboratorySettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    devices: tuple[str, ...] = DEVICES
    faults: tuple[Fault, ...] = ()
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    duration_s: float = FOREVER
    own_clocks: bool = True
    follow: bool = False


def specifications(plan: SimulationPlan, device: str) -> tuple[Specification, ...]:
    """One device's processes, one after the other: a reboot or a kill with a return needs another one.

    Parameters
    ----------
    plan : SimulationPlan
    device : str

    Raises
    ------
    ConfigurationError
        Its faults cannot happen to it.
    """
    faults = of_device(plan.faults, device)
    stream = Laboratory(plan.settings).describe(device).stream
    check_faults(faults, stream.channel_labels, is_text=stream.is_text)
    if any(fault.kind == "freeze" for fault in faults) and not hasattr(signal, "SIGSTOP"):
        raise ConfigurationError("--fault freeze: this system cannot stop a process.", cure="Take burst instead.")
    offset_s = _clock_offset(plan, device, faults)
    first = Specification(device, plan.settings, configuration_text(plan.network), faults, plan.identities.get(device))
    found = [replace(first, clock_offset_s=offset_s, shown=() if plan.follow else None)]
    shift_s = 0.0
    for fault in sorted(faults, key=lambda fault: fault.start_s):
        if fault.kind == "kill" and fault.stop_s < FOREVER:
            found.append(replace(found[-1], since_s=fault.stop_s))
        elif fault.kind == "offset":
            found[-1] = replace(found[-1], until_s=fault.start_s)
            offset_s, shift_s = offset_s + fault.value, shift_s + fault.value
            found.append(
                replace(found[-1], since_s=fault.start_s, until_s=FOREVER, clock_offset_s=offset_s, shift_s=shift_s)
            )
    within = [one for one in found if one.since_s < plan.duration_s]
    if plan.duration_s < within[-1].until_s:
        within[-1] = replace(within[-1], until_s=plan.duration_s, linger_s=LINGER_S)
    return tuple(within)


def _clock_offset(plan: SimulationPlan, device: str, faults: Iterable[Fault]) -> float:
    """A device's clock minus the machine's, at first; far enough ahead that no fault sets it before zero."""
    if not plan.own_clocks:
        return 0.0
    lowest_s = now_s = 0.0
    for fault in sorted(faults, key=lambda fault: fault.start_s):
        if fault.kind == "offset":
            now_s += fault.value
            lowest_s = min(lowest_s, now_s)
    random = np.random.default_rng([plan.settings.seed, zlib.crc32(device.encode())])
    return round(float(random.uniform(*CLOCKS_S)), 3) - lowest_s


@dataclass(frozen=True, slots=True)
class _Line:
    """What a process said; nothing at its end."""

    process: DeviceProcess
    text: str


@dataclass(frozen=True, slots=True)
class _Marker:
    """What a marker of a calibration says; None where there are none any more."""

    at_s: float
    text: str | None


@dataclass(frozen=True, slots=True)
class _Outlet:
    """The outlet of markers that is listened to from now on; None where there is none."""

    visible: Visible | None


_Event = _Line | _Marker | _Outlet | BaseException
"""None in the inbox: it is to stop."""


class Simulation:
    """Runs a simulated laboratory. All its processes end with it, and with the thread that runs it.

    Parameters
    ----------
    plan : SimulationPlan
    say : callable
        Called with the moment, in seconds since the origin, and a line about what happens.
    warn : callable
        Called with a line about what the user should know.
    clock : Clock, optional
        The LSL local clock where it is not given.

    Attributes
    ----------
    origin_s : float or None
        LSL local-clock moment of the first samples, on this machine's clock; None before it is known.

    Raises
    ------
    ConfigurationError
        A fault cannot happen to its device.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        *,
        say: Callable[[float, str], None] = lambda at_s, text: None,
        warn: Callable[[str], None] = lambda text: None,
        clock: Clock | None = None,
    ) -> None:
        self.plan = plan
        self.origin_s: float | None = None
        self._say, self._warn = say, warn
        self._told = {device: specifications(plan, device) for device in plan.devices}
        configure(plan.network)
        self._clock = clock or LslClock()
        self._inbox: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._processes: list[DeviceProcess] = []
        self._at: dict[tuple[str, int], DeviceProcess] = {}
        self._warned = False
        self._stopping = False
        self._participant = Participant(plan.settings.labels, say=say, warn=warn)
        self._listener: StimulusListener | None = None

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the first process of every device, and let all begin at one moment.

        Raises
        ------
        RtemoError
            One of them does not start.
        """
        for device in self.plan.devices:
            self._spawn(device, 0)
        waiting = set(self._processes)
        give_up_s = self._clock.now_s() + READY_S
        while waiting and not self._stopping:
            self._take(give_up_s - self._clock.now_s())
            waiting = {one for one in waiting if not one.pid}
            if waiting and self._clock.now_s() > give_up_s:
                names = ", ".join(sorted(one.told.device for one in waiting))
                raise RtemoError(
                    f"the simulated {names} did not start within {READY_S:g} s.", cure="Is the machine busy?"
                )
        self.origin_s = self._clock.now_s() + SOON_S
        for process in self._processes:
            process.begin(self.origin_s)

    def run(self) -> None:
        """Do what happens to the processes, until the duration is over or `stop` is called.

        Raises
        ------
        RtemoError
            A device ended that should not have.
        """
        if self.origin_s is None:
            self.start()
        if self.plan.follow and not self._stopping:
            self._follow()
        assert self.origin_s is not None
        pending = self._agenda()
        end_s = self.plan.duration_s + LINGER_S
        while not self._stopping:
            now_s = self._clock.now_s() - self.origin_s
            if now_s >= end_s:
                return
            if pending and pending[0][0] <= now_s:
                pending.pop(0)[1]()
                continue
            next_s = min(end_s, pending[0][0] if pending else FOREVER)
            self._take(next_s - now_s)

    def stop(self) -> None:
        """Let `run` return, also while devices start; may be called from another thread."""
        self._stopping = True
        self._inbox.put(None)

    def close(self) -> None:
        """End all processes. Idempotent."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        for process in self._processes:
            process.close_input()
        for process in self._processes:
            process.wait(STOP_S)
        self._processes.clear()

    def describe(self, device: str) -> str:
        """One line about a device that has started."""
        process = self._at[device, 0]
        stream = outlet_of(Laboratory(self.plan.settings), device, self.plan.identities.get(device)).stream
        clock = f"clock {process.told.clock_offset_s:+.3f} s" if process.own_clock else "the machine's clock"
        return f"{device}: {stream}, {clock}"

    def _spawn(self, device: str, number: int) -> None:
        told = self._told[device][number]
        if self.plan.follow:
            told = replace(told, shown=self._participant.history)
        process = DeviceProcess(told, lambda process, line: self._inbox.put(_Line(process, line)))
        self._processes.append(process)
        self._at[device, number] = process
        if self.origin_s is not None:
            process.begin(self.origin_s)

    def _follow(self) -> None:
        """Listen to the markers of a calibration from now on."""
        self._say(self._now_s(), f"waiting for the markers of {STIMULUS_STREAM}: no emotion is shown before")
        self._listener = StimulusListener(
            clock=self._clock,
            on_marker=lambda stamp_s, text: self._inbox.put(_Marker(stamp_s, text)),
            on_outlet=lambda visible: self._inbox.put(_Outlet(visible)),
            on_error=self._inbox.put,
        )
        self._listener.start()

    def _now_s(self) -> float:
        """Now, in seconds since the origin."""
        assert self.origin_s is not None
        return self._clock.now_s() - self.origin_s

    def _take(self, timeout_s: float) -> None:
        """Take the next thing that happened, if it comes in time."""
        try:
            # A queue of the standard library waits for no more than a few weeks.
            event = self._inbox.get(timeout=min(max(timeout_s, 0.0), 3600.0))
        except queue.Empty:
            return
        match event:
            case _Line(process, ""):
                self._ended(process)
            case _Line(process, text):
                self._told_by(process, json.loads(text))
            case _Marker(stamp_s, text):
                assert self.origin_s is not None
                self._see(stamp_s - self.origin_s, text)
            case _Outlet(None):
                self._say(self._now_s(), f"{STIMULUS_STREAM}: is gone, and waited for")
                self._see(self._now_s(), None)
            case _Outlet(Visible(source_id=source_id, hostname=hostname)):
                self._say(self._now_s(), f"{STIMULUS_STREAM}: is there (source_id {source_id!r}, host {hostname!r})")
            case BaseException():
                raise event

    def _told_by(self, process: DeviceProcess, told: Mapping[str, Any]) -> None:
        if "ready" not in told:
            self._say(told["at_s"], told["note"])
            return
        process.pid, process.own_clock = told["ready"], told["own_clock"]
        if process.told.clock_offset_s and not process.own_clock and not self._warned:
            self._warned = True
            self._warn("a device cannot have a clock of its own here: it has the machine's, and only stamps jump")

    def _see(self, at_s: float, text: str | None) -> None:
        """Let every device know where something else is shown now."""
        label = self._participant.sees(at_s, text)
        if label is not None:
            for process in self._processes:
                process.shows(at_s, label)

    def _ended(self, process: DeviceProcess) -> None:
        """A process ended: as planned, or not."""
        over = self.origin_s is not None and self._now_s() >= process.told.until_s
        if process in self._processes:
            self._processes.remove(process)
        code = process.wait(STOP_S)
        if not (process.expected or (over and code == 0)):
            raise RtemoError(
                f"the simulated {process.told.device} ended unexpectedly, with exit code {code}.",
                cure="Its own message stands above, if it left one.",
            )

    def _agenda(self) -> list[tuple[float, Callable[[], None]]]:
        """What happens to processes, in the order of time."""
        agenda: list[tuple[float, Callable[[], None]]] = []
        for device, told in self._told.items():
            for number, later in enumerate(told[1:], 1):
                agenda.append((later.since_s - LEAD_S, functools.partial(self._spawn, device, number)))
            for fault in of_device(self.plan.faults, device):
                # A process of which this is the last moment is meant, not the one that comes then.
                number = max(0, sum(one.since_s < fault.start_s for one in told) - 1)
                happens = functools.partial(self._happens, fault, number)
                if fault.kind == "kill":
                    agenda.append(
                        (fault.start_s, functools.partial(happens, DeviceProcess.kill, "the process is killed"))
                    )
                elif fault.kind == "freeze":
                    agenda.append(
                        (fault.start_s, functools.partial(happens, DeviceProcess.freeze, "the process stands"))
                    )
                    agenda.append((fault.stop_s, functools.partial(happens, DeviceProcess.thaw, "the process goes on")))
                elif fault.kind == "offset":
                    what = f"the device has booted anew, its clock is off by {fault.value:+g} s"
                    agenda.append((fault.start_s, functools.partial(happens, DeviceProcess.expect, what)))
                if fault.kind == "kill" and fault.stop_s < FOREVER:
                    back = functools.partial(happens, DeviceProcess.expect, "the process is there again")
                    agenda.append((fault.stop_s, back))
        return sorted((entry for entry in agenda if entry[0] < self.plan.duration_s), key=lambda entry: entry[0])

    def _happens(self, fault: Fault, number: int, do: Callable[[DeviceProcess], None], what: str) -> None:
        do(self._at[fault.device, number])
        self._say(self._now_s(), f"{fault}: {what}")
