"""From a device's samples and its faults to what is sent and what happens to its outlet, in the order of time."""

from __future__ import annotations

import heapq
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtemo.outputs.publish import Action, Appear, Note, OutletDescription, Send, Vanish
from rtemo.sources.faults import FOREVER, Fault
from rtemo.types import Floats

NEW_ID = "-new"
"""What the ``source_id`` has behind it after the fault ``newid``."""
NOISE_TIMES = 20.0
"""A noisy channel's noise, in standard deviations of what it was."""


class FaultedStream:
    """Turns a device's samples into actions, with everything that goes wrong inside its process.

    Parameters
    ----------
    outlet : OutletDescription
    faults : sequence of Fault
        All of this device; those of its process are somebody else's.
    seed : int
    since_s, until_s : float
        The stretch in which the device is there, seconds since the origin.
    shift_s : float
        Added to all stamps.
    """

    def __init__(
        self,
        outlet: OutletDescription,
        faults: Sequence[Fault],
        *,
        seed: int,
        since_s: float = 0.0,
        until_s: float = FOREVER,
        shift_s: float = 0.0,
    ) -> None:
        self._outlet, self._seed = outlet, seed
        self._since_s, self._until_s, self._shift_s = since_s, until_s, shift_s
        self._labels = outlet.stream.channel_labels
        self._of: dict[str, list[Fault]] = {}
        for fault in faults:
            self._of.setdefault(fault.kind, []).append(fault)
        self._away = self._kinds("drop", "absent")
        self._holes = [*self._away, *self._kinds("gap")]
        self._stamped = self._kinds("jitter", "stamps")
        self._channels = self._kinds("flat", "noise", "nan")
        self._key = zlib.crc32(outlet.stream.key.encode())

    def events(self) -> list[Action]:
        """What happens to the outlet, and what is worth a line; in no order."""
        actions: list[Action] = []
        self._add_outlets(actions)
        for fault in self._kinds("gap", "burst", "jitter", "stamps", "drift", "flat", "noise", "nan"):
            actions.append(Note(fault.start_s, f"{fault}: starts"))
            if 0 < fault.length_s < FOREVER:
                actions.append(Note(fault.stop_s, f"{fault}: is over"))
        # What was noted before this process started, another one has said.
        return [a for a in actions if not isinstance(a, Note) or self._since_s <= a.at_s < self._until_s]

    def outlet_at(self, at_s: float) -> OutletDescription:
        """What the outlet says of itself at a moment, for its rate and ``source_id`` may change."""
        stream = self._outlet.stream
        for fault in sorted(self._kinds("rate", "newid"), key=lambda fault: fault.start_s):
            if fault.start_s > at_s:
                break
            if fault.kind == "rate":
                stream = replace(stream, nominal_rate_hz=fault.value)
            else:
                stream = replace(stream, source_id=stream.source_id + NEW_ID)
        return replace(self._outlet, stream=stream)

    def send(self, times_s: Floats, values: NDArray[Any] | Sequence[Sequence[str]]) -> list[Action]:
        """Samples as they are sent.

        Parameters
        ----------
        times_s : ndarray of float64, shape (samples,)
            When they were taken, seconds since the origin; they are sent once the last one was.
        values : ndarray, shape (samples, channels), or sequence of sequence of str
        """
        if not len(times_s):
            return []
        first_s, last_s = float(times_s[0]), float(times_s[-1])
        there = self._there(times_s, first_s, last_s)
        if there is not None:
            kept = np.flatnonzero(there)
            if not len(kept):
                return []
            times_s = times_s[kept]
            values = values[kept] if isinstance(values, np.ndarray) else [values[k] for k in kept.tolist()]
            last_s = float(times_s[-1])
        if self._channels and isinstance(values, np.ndarray):
            values = self._spoilt(times_s, values)
        at_s = last_s
        for fault in self._of.get("burst", ()):
            if fault.start_s <= last_s < fault.stop_s:
                at_s = max(at_s, fault.stop_s)
        return [Send(at_s, self._outlet.stream.key, self._stamps(times_s), values)]

    def _kinds(self, *kinds: str) -> list[Fault]:
        return [fault for kind in kinds for fault in self._of.get(kind, ())]

    def _add_outlets(self, actions: list[Action]) -> None:
        key, since_s, until_s = self._outlet.stream.key, self._since_s, self._until_s
        if not self._is_away(since_s):
            actions.append(Appear(since_s, self.outlet_at(since_s)))
        for fault in self._away:
            if since_s < fault.start_s < until_s:
                actions += [Vanish(fault.start_s, key), Note(fault.start_s, f"{fault}: the outlet is gone")]
            if since_s < fault.stop_s < until_s and not self._is_away(fault.stop_s):
                actions += [
                    Appear(fault.stop_s, self.outlet_at(fault.stop_s)),
                    Note(fault.stop_s, f"{fault}: the outlet is there"),
                ]
        for fault in self._kinds("rate", "newid"):
            at_s = fault.start_s
            if since_s < at_s < until_s and not self._is_away(at_s):
                actions += [
                    Vanish(at_s, key),
                    Appear(at_s, self.outlet_at(at_s)),
                    Note(at_s, f"{fault}: the outlet is new"),
                ]
        for fault in self._kinds("twin"):
            appears_s = max(fault.start_s, since_s)
            if appears_s < min(fault.stop_s, until_s):
                actions += [
                    Appear(appears_s, self.outlet_at(appears_s), twin=True),
                    Note(appears_s, f"{fault}: a second outlet alike"),
                ]
                if fault.stop_s < until_s:
                    actions += [Vanish(fault.stop_s, key, twin=True), Note(fault.stop_s, f"{fault}: is gone")]

    def _is_away(self, at_s: float) -> bool:
        return any(fault.start_s <= at_s < fault.stop_s for fault in self._away)

    def _there(self, times_s: Floats, first_s: float, last_s: float) -> NDArray[np.bool_] | None:
        """Which samples are sent at all; None for all of them."""
        there: NDArray[np.bool_] | None = None
        spans = [(fault.start_s, fault.stop_s) for fault in self._holes]
        for start_s, stop_s in (*spans, (-math.inf, self._since_s), (self._until_s, math.inf)):
            if first_s < stop_s and last_s >= start_s:
                missing = (times_s >= start_s) & (times_s < stop_s)
                there = ~missing if there is None else there & ~missing
        return there

    def _spoilt(self, times_s: Floats, values: NDArray[Any]) -> NDArray[Any]:
        copied = False
        for number, fault in enumerate(self._channels):
            if not (fault.start_s <= times_s[-1] and times_s[0] < fault.stop_s):
                continue
            inside = (times_s >= fault.start_s) & (times_s < fault.stop_s)
            if not copied:
                values, copied = values.copy(), True
            column = values[:, self._labels.index(fault.channel)]
            if fault.kind == "flat":
                column[inside] = 0
            elif fault.kind == "nan":
                column[inside] = np.nan
            else:
                scale = NOISE_TIMES * (float(np.nanstd(values)) or 1.0)
                random = self._random(1 + number, times_s)
                column[inside] += (scale * random.standard_normal(len(times_s))[inside]).astype(values.dtype)
        return values

    def _stamps(self, times_s: Floats) -> Floats:
        stamps_s = times_s + self._shift_s if self._shift_s else times_s
        for number, fault in enumerate(self._stamped):
            if not (fault.start_s <= times_s[-1] and times_s[0] < fault.stop_s):
                continue
            inside = (times_s >= fault.start_s) & (times_s < fault.stop_s)
            if fault.kind == "stamps":
                stamps_s = stamps_s + fault.value * inside
            else:
                noise = self._random(1001 + number, times_s).standard_normal(len(times_s))
                stamps_s = stamps_s + fault.value * noise * inside
        return stamps_s

    def _random(self, purpose: int, times_s: Floats) -> np.random.Generator:
        """Numbers that depend on nothing but the fault and the samples: they are the same after a restart."""
        return np.random.default_rng([self._seed, self._key, purpose, max(0, round(float(times_s[0]) * 1e6))])


def in_order(groups: Iterable[tuple[float, Sequence[Action]]]) -> Iterator[Action]:
    """Put actions in the order of their moments.

    Parameters
    ----------
    groups : iterable of (float, sequence of Action)
        No later group holds an action before that moment, in seconds since the origin.

    Yields
    ------
    Action
    """
    waiting: list[tuple[float, int, Action]] = []
    numbers = itertools.count()
    for complete_s, actions in groups:
        for action in actions:
            heapq.heappush(waiting, (action.at_s, next(numbers), action))
        while waiting and waiting[0][0] <= complete_s:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
