"""Inside the process of one simulated device: it says that it is ready, is told the origin, and publishes.

Nothing here imports the configuration: checking one takes longer to import than all that a device needs.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

from rtemo.clock import LslClock
from rtemo.devices.following import Attention
from rtemo.devices.simulated import device_actions, outlet_of
from rtemo.liblsl import configure_by
from rtemo.outputs.publish import Action, Note, Vanish, publish
from rtemo.sources.faults import FOREVER, Fault
from rtemo.sources.followed import Followed
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings

TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Specification:
    """All that the process of one device needs to know.

    Parameters
    ----------
    device : str
    settings : LaboratorySettings
    network : str
        As `rtemo.liblsl.configuration_text` gives it.
    faults : tuple of Fault
        All of this device.
    identity : mapping of str to str
        ``name``, ``type`` or ``source_id`` of its outlet, where they are not the usual ones.
    since_s, until_s : float
        The stretch in which it sends, seconds since the origin.
    linger_s : float
        How long its outlet stays after that.
    clock_offset_s : float
        Its clock minus the machine's.
    shift_s : float
        Added to stamps where it cannot have a clock of its own.
    shown : tuple of (float, int) or None
        What was shown so far, where the participant follows what others show, as `Followed.change` takes it.
    """

    device: str
    settings: LaboratorySettings
    network: str
    faults: tuple[Fault, ...] = ()
    identity: Mapping[str, str] | None = None
    since_s: float = 0.0
    until_s: float = FOREVER
    linger_s: float = 0.0
    clock_offset_s: float = 0.0
    shift_s: float = 0.0
    shown: tuple[tuple[float, int], ...] | None = None

    def written(self) -> str:
        """As JSON, for the command line of the process; it ends with the process that writes this."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["settings"] = {**asdict(self.settings), "texts": dict(self.settings.texts)}
        plain["faults"] = [asdict(fault) for fault in self.faults]
        plain["identity"] = dict(self.identity or {})
        return json.dumps({**plain, "parent": os.getpid()})


def read_specification(plain: Mapping[str, Any]) -> Specification:
    """From what `Specification.written` gave."""
    fields = {name: plain[name] for name in Specification.__slots__}
    settings = {**plain["settings"], "labels": tuple(plain["settings"]["labels"])}
    fields["settings"] = LaboratorySettings(**settings)
    fields["faults"] = tuple(Fault(**fault) for fault in plain["faults"])
    if plain["shown"] is not None:
        fields["shown"] = tuple((float(at_s), int(label)) for at_s, label in plain["shown"])
    return Specification(**fields)


def run(plain: Mapping[str, Any], *, own_clock: bool) -> None:
    """Be the device: until its time is over, standard input ends, or a signal comes.

    Parameters
    ----------
    plain : mapping
        A specification that was written.
    own_clock : bool
        Whether this process has the clock that it was to have.
    """
    told = read_specification(plain)
    signal.signal(signal.SIGTERM, _stop)
    configure_by(told.network)
    clock, stop = LslClock(), threading.Event()
    followed = None if told.shown is None else Followed(told.settings, told.shown)
    attention = Attention(followed, clock=clock, wait=stop.wait)
    laboratory = Laboratory(told.settings, followed)
    outlet = outlet_of(laboratory, told.device, told.identity)
    actions: Iterable[Action] = device_actions(
        laboratory,
        outlet,
        told.faults,
        since_s=told.since_s,
        until_s=told.until_s,
        shift_s=0.0 if own_clock else told.shift_s,
        before=attention.before,
    )
    if told.until_s < FOREVER:
        actions = itertools.chain(actions, [Vanish(told.until_s + told.linger_s, told.device)])
    # Drawing the first makes the sensor: nothing is to be late once the origin is known.
    actions = iter(actions)
    first = next(actions)
    _say(ready=os.getpid(), own_clock=own_clock)
    lines = _lines()
    begins = next(lines, None)
    if begins is None:
        return
    origin_s = float(begins) + (told.clock_offset_s if own_clock else 0.0)
    attention.begin(origin_s)
    threading.Thread(target=_watch, args=(lines, attention, stop), daemon=True).start()
    publish(itertools.chain([first], actions), origin_s=origin_s, clock=clock, wait=stop.wait, on_action=_report)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _report(action: Action) -> None:
    if isinstance(action, Note):
        _say(note=action.text, at_s=action.at_s)


def _lines() -> Iterator[str]:
    """What standard input brings, line by line and without delay, until it ends."""
    rest = b""
    while read := os.read(0, 4096):
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            yield line.decode("ascii")


def _watch(lines: Iterator[str], attention: Attention, stop: threading.Event) -> None:
    """Standard input ends when the one who started this process closes it, or ends itself."""
    for line in lines:
        attention.take(*json.loads(line))
    stop.set()
