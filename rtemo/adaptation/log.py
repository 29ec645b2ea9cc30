"""The events of a session as a log of what it learnt when, for a replay that learns the same.

What an adapter becomes follows from the windows that it saw, its settings, its seed, and after which windows it was
updated. A session puts updates off while windows wait, and an operator may pause, resume or reset what is learnt; its
recording does not tell when. Its ``events.jsonl`` does, with a digest of the adapter after each; and with what the
adapter was shown of a window for which samples came late, which the recording has and the adapter had not.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from pydantic import ValidationError

from rtemo.adaptation.adapter import (
    OPERATOR,
    PAUSED,
    RESET,
    RESUMED,
    ROLLBACK,
    START,
    UPDATE,
    Observation,
    Order,
)
from rtemo.config import AdaptationSettings
from rtemo.errors import RecordingError
from rtemo.features.standardise import CLAMP
from rtemo.types import SESSION_START, Floats

SKIPPED_WINDOWS = "windows-skipped"
LATE: Final = "adaptation-late"
"""What was learnt from a window for which samples came late, in full; too long for more than the log."""
LATE_LOST: Final = "adaptation-late-lost"
MAX_FEATURES = 2**14
"""A window of more is not logged: its line would be too long."""
MAX_LATE_VALUES = 2**24
"""So many numbers of late windows a log holds at most, about 300 MB."""
OVERHEAD = 64
"""What a late window takes beside its features counts for so many numbers."""
MOST_LIKELY = 1 + 1e-6
MAX_BYTES = 2**30
MAX_LINE_BYTES = 2**20
MAX_WINDOW = 2**53
MAX_ORDERS = 2**20
MAX_SEED = 2**63 - 1
DIGEST = re.compile(r"[0-9a-f]{16}")
SHOWN = 60
MOST_SAID = 5
"""Contradictions that are told of."""
CURE = "Give the events.jsonl as rtemo wrote it; a session's lies beside its recording.xdf."


class WindowRanges:
    """A set of windows, as few ranges: a few bytes say a great many windows.

    Parameters
    ----------
    ranges : iterable of tuple of int
        First and last window of each; in any order, and they may overlap.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        self._firsts = [first for first, _ in merged]
        self._lasts = [last for _, last in merged]

    def __contains__(self, window: int) -> bool:
        place = bisect_right(self._firsts, window) - 1
        return place >= 0 and window <= self._lasts[place]

    @property
    def first(self) -> int | None:
        """The first of all; None where there is none."""
        return self._firsts[0] if self._firsts else None

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last window of each, in order and apart."""
        return list(zip(self._firsts, self._lasts, strict=True))


@dataclass(frozen=True)
class Observed:
    """What an adapter was shown of a window; see `Observation`.

    Parameters
    ----------
    views : mapping of str to ndarray of float64 or None
        Standardised features, in the order of the model's views.
    bad : ndarray of float64, shape (V,)
    adapted, shadow : ndarray of float64, shape (K,)
    """

    views: Mapping[str, Floats | None]
    bad: Floats
    adapted: Floats
    shadow: Floats

    @classmethod
    def of(cls, window: Observation) -> Observed:
        """Of an observation, without the window's place in time."""
        return cls(window.views, window.bad, window.adapted, window.shadow)

    @property
    def size(self) -> int:
        """How many numbers there are, about."""
        return OVERHEAD + sum(len(features) for features in self.views.values() if features is not None)

    def details(self, window: int) -> dict[str, object]:
        """Details of the event that says it, of a window; numbers are read back to the last bit."""
        return {
            "window": window,
            "views": {view: None if features is None else features.tolist() for view, features in self.views.items()},
            "bad": self.bad.tolist(),
            "adapted": self.adapted.tolist(),
            "shadow": self.shadow.tolist(),
        }


@dataclass(frozen=True)
class Ordered:
    """What the operator asked, and was done.

    Parameters
    ----------
    window : int or None
        After which it was done; None before the first.
    what : Order
    digest : str
        Of the adapter after it; empty where its line was lost.
    """

    window: int | None
    what: Order
    digest: str


@dataclass(frozen=True)
class AdaptationLog:
    """What a session learnt when.

    Parameters
    ----------
    origin : str
        Name of the file.
    settings : AdaptationSettings
        Of the session; ``mode`` is ``off`` where nothing adapted.
    seed : int
    digest : str
        Of the adapter before the first window; empty where nothing adapted.
    updates : mapping of int to str
        By the window after which an update was made, in order: the adapter's digest after it.
    orders : sequence of Ordered
        What the operator asked, in order; after a window, and after an update that was made there.
    ignored : WindowRanges
        Windows that the session had no prediction of, so that it learnt nothing from them either.
    late : WindowRanges
        Windows for which samples came late, which a replay has in time.
    observed : mapping of int to Observed
        By window that was late, or carries on what one would have been: what was learnt from.
    grid : tuple of float or None
        Length and hop of the session's windows in seconds, where the log says.
    warnings : tuple of str
        What the user should know of the file.
    """

    origin: str
    settings: AdaptationSettings
    seed: int
    digest: str
    updates: Mapping[int, str]
    ignored: WindowRanges
    late: WindowRanges = field(default_factory=WindowRanges)
    observed: Mapping[int, Observed] = field(default_factory=dict)
    grid: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    orders: Sequence[Ordered] = ()


def read_adaptation_log(path: str | Path) -> AdaptationLog:
    """Read the ``events.jsonl`` of a session or of a replay; the file is not trusted.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    RecordingError
        It cannot be read, is too large, or a line is not what it should be: the message names the line. A last line
        that was cut off is left out, with a warning.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'none'}.", cure=CURE)
    parser = _Parser(str(path))
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise RecordingError(f"{path}: {size} bytes; expected at most {MAX_BYTES}.", cure=CURE)
            for number, line in _lines(file, str(path)):
                parser.take(number, line)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}).", cure=CURE) from error
    return parser.log()


def _lines(file: BinaryIO, origin: str) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1 on."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise _wrong(origin, number, f"a line of at most {MAX_LINE_BYTES} bytes", "a longer one")
        yield number, line


def _wrong(origin: str, number: int, expected: str, found: object) -> RecordingError:
    shown = found if isinstance(found, str) else repr(found)
    return RecordingError(f"{origin}: line {number}: expected {expected}, found {shown[:SHOWN]}.", cure=CURE)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class _Parser:
    """Gathers a log line by line."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._number = 0
        self._settings = AdaptationSettings(mode="off")
        self._seed = 0
        self._digest = ""
        self._updates: dict[int, str] = {}
        self._orders: list[Ordered] = []
        self._paused = False
        self._contradictions: list[RecordingError] = []
        self._lost = False
        self._ignored: list[tuple[int, int]] = []
        self._late: list[tuple[int, int]] = []
        self._observed: dict[int, Observed] = {}
        self._values = 0
        self._grid: tuple[float, float] | None = None
        self._warnings: list[str] = []
        self._takers: dict[str, Callable[[dict[str, Any]], None]] = {
            START: self._start,
            UPDATE: self._update,
            ROLLBACK: self._update,
            PAUSED: lambda event: self._order(event, "pause"),
            RESUMED: lambda event: self._order(event, "resume"),
            RESET: self._reset,
            SESSION_START: self._session,
            SKIPPED_WINDOWS: lambda event: self._ignored.append(self._range(event)),
            "late": lambda event: self._late.append(self._range(event)),
            LATE: self._late_window,
            "events-recovered": self._recovered,
        }

    def take(self, number: int, line: bytes) -> None:
        """Take a line."""
        self._number = number
        try:
            event = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                self._warnings.append(f"{self._origin}: line {number} was cut off and is left out")
                return
            raise self._fault("a JSON object", f"{type(error).__name__}: {error}") from error
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise self._fault("a JSON object with a text under 'event'", event)
        taker = self._takers.get(event["event"])
        if taker is not None:
            taker(event)

    def log(self) -> AdaptationLog:
        """What the lines said.

        Raises
        ------
        RecordingError
            They contradict each other, though the log does not say that some were lost.
        """
        if self._contradictions and not self._lost:
            raise self._contradictions[0]
        self._warnings += [
            f"{error.message} It is taken for one of those that were lost: predictions may differ from there on."
            for error in self._contradictions
        ]
        ignored = WindowRanges(self._ignored)
        asked = [order.window for order in self._orders if order.window is not None]
        named = (
            ("an update after", self._updates),
            (f"{LATE} of", self._observed),
            ("an operator's order after", asked),
        )
        for what, windows in named:
            for window in windows:
                if window in ignored:
                    raise RecordingError(
                        f"{self._origin}: {what} window {window}, which the session did not predict.", cure=CURE
                    )
        return AdaptationLog(
            origin=self._origin,
            settings=self._settings,
            seed=self._seed,
            digest=self._digest,
            updates=self._updates,
            ignored=ignored,
            late=WindowRanges(self._late),
            observed=self._observed,
            grid=self._grid,
            warnings=tuple(self._warnings),
            orders=tuple(self._orders),
        )

    def _start(self, event: dict[str, Any]) -> None:
        if self._digest:
            raise self._fault(f"one {START} in a log", "a second one")
        self._digest = self._digest_of(event)
        self._seed = self._whole(event, "seed", 0, MAX_SEED)
        settings = event.get("settings")
        if not isinstance(settings, dict):
            raise self._fault("a JSON object under 'settings'", settings)
        try:
            self._settings = AdaptationSettings.model_validate(settings)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise self._fault(f"settings of adaptation; {key[:SHOWN]!r}: {problem['msg']}", problem["input"]) from error
        if self._settings.mode == "off":
            raise self._fault("settings that adapt", "mode 'off'")

    def _update(self, event: dict[str, Any]) -> None:
        if not self._digest:
            raise self._fault(f"{START} before the first update", event["event"])
        window = self._window(event, "window")
        newest = self._newest()
        if newest is not None and window <= newest:
            raise self._fault(f"an update after a later window than {newest}", window)
        if self._paused:
            self._contradict(f"{RESUMED} before an update in a pause", event["event"])
            self._paused = False
            self._orders.append(Ordered(newest, "resume", ""))
        self._updates[window] = self._digest_of(event)

    def _newest(self) -> int | None:
        """The window after which something was done last."""
        updated = next(reversed(self._updates), None)
        ordered = self._orders[-1].window if self._orders else None
        return max((window for window in (updated, ordered) if window is not None), default=None)

    def _reset(self, event: dict[str, Any]) -> None:
        # The others an adapter comes to by itself.
        if event.get("reason") == OPERATOR:
            self._order(event, "reset")

    def _order(self, event: dict[str, Any], what: Order) -> None:
        if not self._digest:
            raise self._fault(f"{START} before the first order of an operator", event["event"])
        if len(self._orders) == MAX_ORDERS:
            raise self._fault(f"at most {MAX_ORDERS} orders of an operator in a log", "more")
        newest = self._newest()
        window = None if event.get("window") is None and newest is None else self._window(event, "window")
        if window is not None and newest is not None and window < newest:
            raise self._fault(f"an operator's order after no earlier window than {newest}", window)
        if what != "reset" and self._paused == (what == "pause"):
            self._contradict(f"{RESUMED if self._paused else PAUSED} before it", event["event"])
        self._paused = what == "pause" or (self._paused and what == "reset")
        self._orders.append(Ordered(window, what, self._digest_of(event)))

    def _late_window(self, event: dict[str, Any]) -> None:
        if not self._digest:
            raise self._fault(f"{START} before the first late window", event["event"])
        window = self._window(event, "window")
        if window in self._observed:
            raise self._fault(f"one {LATE} of window {window}", "a second one")
        views = event.get("views")
        if not isinstance(views, dict) or not views:
            raise self._fault("a JSON object with views under 'views'", views)
        seen = Observed(
            {
                view: None if features is None else self._numbers(features, view, -CLAMP, CLAMP)
                for view, features in views.items()
            },
            bad=self._numbers(event.get("bad"), "bad", 0.0, 1.0),
            adapted=self._numbers(event.get("adapted"), "adapted", 0.0, MOST_LIKELY),
            shadow=self._numbers(event.get("shadow"), "shadow", 0.0, MOST_LIKELY),
        )
        self._values += seen.size
        if self._values > MAX_LATE_VALUES:
            raise self._fault(f"at most {MAX_LATE_VALUES} numbers of late windows in a log", "more")
        self._observed[window] = seen

    def _numbers(self, values: object, key: str, low: float, high: float) -> Floats:
        """A list of numbers; null stands for NaN, which JSON does not have."""
        expected = f"a list of 1 to {MAX_FEATURES} numbers from {low:g} to {high:g} under {key[:SHOWN]!r}"
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_FEATURES:
            raise self._fault(expected, "another" if isinstance(values, list) else values)
        for value in values:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and low <= value <= high):
                raise self._fault(expected, value)
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)

    def _session(self, event: dict[str, Any]) -> None:
        first = self._window(event, "first_window")
        # What came before the session's first window no adapter saw.
        self._ignored.append((-MAX_WINDOW, first - 1))
        length_s, hop_s = event.get("length_s"), event.get("hop_s")
        if not isinstance(length_s, int | float) or not isinstance(hop_s, int | float):
            raise self._fault("numbers under 'length_s' and 'hop_s'", (length_s, hop_s))
        self._grid = length_s, hop_s

    def _recovered(self, event: dict[str, Any]) -> None:
        lost = self._whole(event, "lost", 0, MAX_WINDOW)
        if lost:
            self._lost = True
            self._warnings.append(f"{self._origin}: a full disk lost {lost} events: updates may be missing")

    def _range(self, event: dict[str, Any]) -> tuple[int, int]:
        first, last = self._window(event, "first_window"), self._window(event, "last_window")
        if last < first:
            raise self._fault(f"'last_window' from {first} on", last)
        return first, last

    def _window(self, event: dict[str, Any], key: str) -> int:
        return self._whole(event, key, -MAX_WINDOW, MAX_WINDOW)

    def _whole(self, event: dict[str, Any], key: str, low: int, high: int) -> int:
        value = event.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._fault(f"a whole number from {low} to {high} under {key!r}", value)
        return value

    def _digest_of(self, event: dict[str, Any]) -> str:
        value = event.get("digest")
        if not isinstance(value, str) or DIGEST.fullmatch(value) is None:
            raise self._fault("sixteen hexadecimal digits under 'digest'", value)
        return value

    def _contradict(self, expected: str, found: object) -> None:
        """Keep what cannot be unless a line was lost: whether one was, a log says behind the lines that it has."""
        if len(self._contradictions) < MOST_SAID:
            self._contradictions.append(self._fault(f"{expected} (a line is missing)", found))

    def _fault(self, expected: str, found: object) -> RecordingError:
        return _wrong(self._origin, self._number, expected, found)
