"""What goes wrong with sensors, as one line of text: ``eye:drop@30+5,eeg:jitter=5ms``.

A fault is ``device:kind``, then ``=value`` where the kind has one, ``@start`` in seconds since the first sample, and
``+length``. The value may also stand at the end: ``pps:offset@120=-4000``.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rtemo.errors import ConfigurationError

Quantity = Literal["none", "time", "drift", "rate", "channel"]
FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    Parameters
    ----------
    summary : str
        What happens.
    value : str
        What its value is, ``"none"`` where it has none.
    start : bool
        Whether it must say when.
    length_s : float or None
        How long it lasts where it does not say, ``FOREVER`` to the end; None where it is the matter of a moment.
    text : bool
        Whether a stream of texts can have it.
    process : bool
        Whether it happens to a device's process: only simulated devices have one each.
    """

    summary: str
    value: Quantity = "none"
    start: bool = True
    length_s: float | None = None
    text: bool = True
    process: bool = False


KINDS: dict[str, FaultKind] = {
    "drop": FaultKind("the outlet vanishes and comes back", length_s=5.0),
    "kill": FaultKind("the process is killed, and started again after +d", length_s=FOREVER, process=True),
    "freeze": FaultKind("the process stands still, then delivers its backlog at once", length_s=5.0, process=True),
    "gap": FaultKind("the outlet stays, but samples are never sent", length_s=2.0),
    "burst": FaultKind("samples are held back, then sent at once with their right stamps", length_s=1.0),
    "jitter": FaultKind("white noise on the stamps, =SD", "time", start=False, length_s=FOREVER),
    "offset": FaultKind("the device boots anew with a clock that is off, =seconds", "time", process=True),
    "stamps": FaultKind("stamps jump though the clock does not, =seconds", "time", length_s=FOREVER),
    "rate": FaultKind("the outlet comes back with another rate, =Hz", "rate", text=False),
    "drift": FaultKind("the effective rate is off, =ppm", "drift", start=False, length_s=FOREVER, text=False),
    "newid": FaultKind("the outlet comes back under a new source_id"),
    "flat": FaultKind("a channel is constant, =CHANNEL", "channel", start=False, length_s=FOREVER, text=False),
    "noise": FaultKind("a channel is noise, =CHANNEL", "channel", start=False, length_s=FOREVER, text=False),
    "nan": FaultKind("a channel is NaN, =CHANNEL", "channel", start=False, length_s=FOREVER, text=False),
    "absent": FaultKind("the stream appears only after +d", start=False, length_s=5.0),
    "twin": FaultKind("a second outlet alike appears", length_s=FOREVER),
}

_UNITS: dict[Quantity, dict[str, float]] = {
    "time": {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6},
    "drift": {"": 1e-6, "ppm": 1e-6},
    "rate": {"": 1.0, "hz": 1.0},
}
_EXAMPLES: dict[Quantity, str] = {"time": "=5ms", "drift": "=2000ppm", "rate": "=500", "channel": "=Fp1"}
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)")
_TAIL = re.compile(
    r"(?:=(?P<before>[^@]*))?(?:@(?P<start>[^+=]*)(?:\+(?P<length>[^=]*))?(?:=(?P<after>.*))?)?", re.DOTALL
)
MAX_TIME_S = 1e7
MAX_RATE_HZ = 100_000.0
MAX_DRIFT = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with one device.

    Parameters
    ----------
    device : str
        Which device.
    kind : str
        A key of `KINDS`.
    start_s : float
        Seconds since the first sample.
    length_s : float
        Infinite where it lasts to the end; 0 where it is the matter of a moment.
    value : float
        Seconds, hertz, or the relative deviation of a rate (2000 ppm is 0.002); 0 where there is none.
    channel : str
        Label; empty where the fault is of no channel.
    text : str
        As it was written.
    """

    device: str
    kind: str
    start_s: float = 0.0
    length_s: float = 0.0
    value: float = 0.0
    channel: str = ""
    text: str = ""

    @property
    def stop_s(self) -> float:
        """When it is over, seconds since the first sample."""
        return self.start_s + self.length_s

    @property
    def needs_process(self) -> bool:
        """Whether it happens to a device's process."""
        return KINDS[self.kind].process

    def __str__(self) -> str:
        return self.text or f"{self.device}:{self.kind}"


def parse_faults(text: str, devices: Sequence[str] | None = None) -> tuple[Fault, ...]:
    """Read faults, separated by commas.

    Parameters
    ----------
    text : str
        For instance ``"eye:drop@30+5,eeg:jitter=5ms,pps:offset@120=-4000,eeg:flat=Fp1@20+10"``; may be empty.
    devices : sequence of str, optional
        Devices that there are; any is taken where this is not given.

    Returns
    -------
    tuple of Fault
        In the order of the text.

    Raises
    ------
    ConfigurationError
        A fault cannot be read, or names a device or kind that there is not.
    """
    parts = [part.strip() for part in text.split(",")]
    return tuple(_parse(part, devices) for part in parts if part)


def of_device(faults: Iterable[Fault], device: str) -> tuple[Fault, ...]:
    """The faults of one device."""
    return tuple(fault for fault in faults if fault.device == device)


def check_faults(faults: Sequence[Fault], channels: Sequence[str], *, is_text: bool) -> None:
    """Refuse what cannot happen to a stream.

    Parameters
    ----------
    faults : sequence of Fault
        All of one device.
    channels : sequence of str
        The labels of its channels.
    is_text : bool
        Whether its samples are texts.

    Raises
    ------
    ConfigurationError
    """
    for fault in faults:
        kind = KINDS[fault.kind]
        if is_text and not kind.text:
            raise ConfigurationError(
                f"--fault {fault}: {fault.device} is a stream of texts, which has no {fault.kind}.",
                cure=f"It can have {_listed(name for name, known in KINDS.items() if known.text)}.",
            )
        if kind.value == "channel" and fault.channel not in channels:
            raise ConfigurationError(
                f"--fault {fault}: {fault.device} has no channel {fault.channel!r}.",
                cure=_nearest(fault.channel, channels),
            )
    of_process = sorted((f for f in faults if f.needs_process), key=lambda fault: fault.start_s)
    for first, second in itertools.pairwise(of_process):
        if second.start_s <= first.stop_s:
            raise ConfigurationError(
                f"--fault {second}: starts while {first} lasts, and both happen to the process of {first.device}.",
                cure="Let one end before the other starts.",
            )


def _parse(part: str, devices: Sequence[str] | None) -> Fault:
    head = re.match(r"[^=@]*", part)
    assert head is not None
    device, colon, kind = (piece.strip() for piece in head.group().rpartition(":"))
    if not colon or not device or not kind:
        raise ConfigurationError(
            f"--fault {part!r}: expected DEVICE:KIND, found {head.group()!r}.", cure="For instance eye:drop@30+5."
        )
    if devices is not None and device not in devices:
        raise ConfigurationError(f"--fault {part!r}: unknown device {device!r}.", cure=_nearest(device, devices))
    known = KINDS.get(kind)
    if known is None:
        raise ConfigurationError(f"--fault {part!r}: unknown kind {kind!r}.", cure=_nearest(kind, tuple(KINDS)))
    tail = _TAIL.fullmatch(part[head.end() :])
    if tail is None:
        raise ConfigurationError(
            f"--fault {part!r}: expected [=VALUE][@START[+LENGTH]] behind {head.group()!r}, "
            f"found {part[head.end() :]!r}.",
            cure="For instance eeg:flat=Fp1@20+10.",
        )
    before, after = tail["before"], tail["after"]
    if before is not None and after is not None:
        raise ConfigurationError(f"--fault {part!r}: has two values.", cure="Keep one of them.")
    value, channel = _value(part, kind, before if before is not None else after)
    return Fault(
        device,
        kind,
        start_s=_start(part, kind, tail["start"]),
        length_s=_length(part, kind, tail["length"]),
        value=value,
        channel=channel,
        text=part,
    )


def _value(part: str, kind: str, text: str | None) -> tuple[float, str]:
    """The value as a number, or as a channel's label."""
    quantity = KINDS[kind].value
    if quantity == "none":
        if text is not None:
            raise ConfigurationError(f"--fault {part!r}: {kind} has no value, found {text!r}.", cure="Leave it out.")
        return 0.0, ""
    if text is None or not text.strip():
        raise ConfigurationError(
            f"--fault {part!r}: {kind} needs a value.", cure=f"For instance {kind}{_EXAMPLES[quantity]}."
        )
    if quantity == "channel":
        return 0.0, text.strip()
    value = _number(part, kind, text, quantity)
    limits = {
        "time": (0.0 if kind == "jitter" else -MAX_TIME_S, MAX_TIME_S),
        "drift": (-MAX_DRIFT, MAX_DRIFT),
        "rate": (0.01, MAX_RATE_HZ),
    }
    low, high = limits[quantity]
    if not low <= value <= high:
        raise ConfigurationError(
            f"--fault {part!r}: the value {text!r} of {kind} is outside {low:g} to {high:g}.", cure="Take less."
        )
    return value, ""


def _start(part: str, kind: str, text: str | None) -> float:
    if text is None:
        if KINDS[kind].start:
            raise ConfigurationError(
                f"--fault {part!r}: {kind} must say when it starts.", cure=f"For instance {kind}@30."
            )
        return 0.0
    start_s = _number(part, "the start", text, "time")
    if not 0 <= start_s <= MAX_TIME_S:
        raise ConfigurationError(f"--fault {part!r}: starts at {text!r}.", cure="Say how many seconds after the start.")
    if kind == "absent" and start_s != 0:
        raise ConfigurationError(
            f"--fault {part!r}: a stream is absent from the start on.", cure="Say absent@0+d, or take drop."
        )
    return start_s


def _length(part: str, kind: str, text: str | None) -> float:
    default = KINDS[kind].length_s
    if text is None:
        return 0.0 if default is None else default
    if default is None:
        raise ConfigurationError(
            f"--fault {part!r}: {kind} is the matter of a moment, found a length {text!r}.", cure="Leave it out."
        )
    length_s = _number(part, "the length", text, "time")
    if not 0 < length_s <= MAX_TIME_S:
        raise ConfigurationError(f"--fault {part!r}: lasts {text!r}.", cure="Say how many seconds it lasts.")
    return length_s


def _number(part: str, what: str, text: str, quantity: Quantity) -> float:
    found = _NUMBER.fullmatch(text.strip())
    units = _UNITS[quantity]
    factor = units.get(found[2].lower()) if found else None
    if found is None or factor is None:
        known = ", ".join(unit for unit in units if unit)
        raise ConfigurationError(
            f"--fault {part!r}: expected a number for {what}, plain or in {known}, found {text!r}.",
            cure="For instance 5 or 5ms." if quantity == "time" else f"For instance {_EXAMPLES[quantity][1:]}.",
        )
    return float(found[1]) * factor


def _nearest(word: str, known: Sequence[str]) -> str:
    near = [name for name in known if name.lower() == word.lower()] or difflib.get_close_matches(word, known, n=1)
    shown = _listed(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"Did you mean {near[0]!r}?" if near else f"Known here: {shown}."


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
