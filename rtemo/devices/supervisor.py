"""A simulated laboratory: one process for each device, started, frozen, killed and replaced at its moments."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np

import rtemo
from rtemo.clock import Clock, LslClock
from rtemo.config import NetworkSettings
from rtemo.devices.process import Specification
from rtemo.devices.simulated import outlet_of
from rtemo.errors import ConfigurationError, RtemoError
from rtemo.liblsl import configure
from rtemo.sources.faults import FOREVER, Fault, check_faults, of_device
from rtemo.sources.laboratory import DEVICES, Laboratory
from rtemo.sources.schedule import LaboratorySettings

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
    """

    settings: LaboratorySettings = field(default_factory=LaboratorySettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    devices: tuple[str, ...] = DEVICES
    faults: tuple[Fault, ...] = ()
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    duration_s: float = FOREVER
    own_clocks: bool = True


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
    found = [
        Specification(device, plan.settings, plan.network, faults, plan.identities.get(device), clock_offset_s=offset_s)
    ]
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


Inbox = queue.SimpleQueue[tuple["_Process | None", str]]


class _Process:
    """A device's process and what it says."""

    def __init__(self, told: Specification, inbox: Inbox) -> None:
        self.told = told
        self.pid = 0
        self.own_clock = False
        self.frozen = False
        self.expected = False
        # What is on the path of this process must be on that one's, and nothing from the working directory.
        place = str(Path(rtemo.__file__).parents[1])
        path = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
        self._popen = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "rtemo.devices", told.written()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._reader = threading.Thread(target=self._read, args=(inbox,), name=f"device {told.device}")
        self._reader.start()

    def begin(self, origin_s: float) -> None:
        """Tell the moment that everything counts from."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, which its reader tells
            self._popen.stdin.write(f"{origin_s!r}\n")
            self._popen.stdin.flush()

    def signal(self, number: int) -> None:
        """Send a signal to the device itself."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago, which its reader tells
                os.kill(self.pid or self._popen.pid, number)

    def kill(self) -> None:
        """Kill the device."""
        self.expected = True
        if hasattr(signal, "SIGKILL"):
            self.signal(signal.SIGKILL)
        else:
            self._popen.kill()

    def freeze(self) -> None:
        """Let the device stand still."""
        self.frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        self.signal(signal.SIGCONT)

    def expect(self) -> None:
        """It ends as planned."""
        self.expected = True

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and kill it where that does not come; its exit code."""
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._popen.kill()
        self._reader.join()
        code = self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # an origin that was never read
                pipe.close()
        return code

    def close_input(self) -> None:
        """Tell it to end."""
        self.expected = True
        if self.frozen:
            self.thaw()
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()

    def _read(self, inbox: Inbox) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            inbox.put((self, line))
        inbox.put((self, ""))


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
        self._inbox: Inbox = queue.SimpleQueue()
        self._processes: list[_Process] = []
        self._at: dict[tuple[str, int], _Process] = {}
        self._warned = False
        self._stopping = False

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
            process = self._take(give_up_s - self._clock.now_s())
            if process is None and self._clock.now_s() > give_up_s:
                names = ", ".join(sorted(one.told.device for one in waiting))
                raise RtemoError(
                    f"the simulated {names} did not start within {READY_S:g} s.", cure="Is the machine busy?"
                )
            waiting = {one for one in waiting if not one.pid}
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
        if self._stopping:
            return
        assert self.origin_s is not None
        pending = self._agenda()
        end_s = self.plan.duration_s + LINGER_S
        while True:
            now_s = self._clock.now_s() - self.origin_s
            if now_s >= end_s:
                return
            if pending and pending[0][0] <= now_s:
                pending.pop(0)[1]()
                continue
            next_s = min(end_s, pending[0][0] if pending else FOREVER)
            if self._take(next_s - now_s) is self:
                return

    def stop(self) -> None:
        """Let `run` return, also while devices start; may be called from another thread."""
        self._stopping = True
        self._inbox.put((None, ""))

    def close(self) -> None:
        """End all processes. Idempotent."""
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
        process = _Process(self._told[device][number], self._inbox)
        self._processes.append(process)
        self._at[device, number] = process
        if self.origin_s is not None:
            process.begin(self.origin_s)

    def _take(self, timeout_s: float) -> _Process | Simulation | None:
        """Take the next thing that a process said; this object where it is to stop, None where nothing came."""
        try:
            # A queue of the standard library waits for no more than a few weeks.
            process, line = self._inbox.get(timeout=min(max(timeout_s, 0.0), 3600.0))
        except queue.Empty:
            return None
        if process is None:
            return self
        if not line:
            self._ended(process)
            return process
        told = json.loads(line)
        if "ready" in told:
            process.pid, process.own_clock = told["ready"], told["own_clock"]
            if process.told.clock_offset_s and not process.own_clock and not self._warned:
                self._warned = True
                self._warn("a device cannot have a clock of its own here: it has the machine's, and only stamps jump")
        else:
            self._say(told["at_s"], told["note"])
        return process

    def _ended(self, process: _Process) -> None:
        """A process ended: as planned, or not."""
        over = self.origin_s is not None and self._clock.now_s() - self.origin_s >= process.told.until_s
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
                    agenda.append((fault.start_s, functools.partial(happens, _Process.kill, "the process is killed")))
                elif fault.kind == "freeze":
                    agenda.append((fault.start_s, functools.partial(happens, _Process.freeze, "the process stands")))
                    agenda.append((fault.stop_s, functools.partial(happens, _Process.thaw, "the process goes on")))
                elif fault.kind == "offset":
                    what = f"the device has booted anew, its clock is off by {fault.value:+g} s"
                    agenda.append((fault.start_s, functools.partial(happens, _Process.expect, what)))
                if fault.kind == "kill" and fault.stop_s < FOREVER:
                    back = functools.partial(happens, _Process.expect, "the process is there again")
                    agenda.append((fault.stop_s, back))
        return sorted((entry for entry in agenda if entry[0] < self.plan.duration_s), key=lambda entry: entry[0])

    def _happens(self, fault: Fault, number: int, do: Callable[[_Process], None], what: str) -> None:
        do(self._at[fault.device, number])
        assert self.origin_s is not None
        self._say(self._clock.now_s() - self.origin_s, f"{fault}: {what}")
