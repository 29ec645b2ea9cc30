"""The events of a session: `events.jsonl`, one JSON object a line, and whoever else wants to know.

A line is ``{"stamp": LSL local-clock seconds, "event": kind, ...}``. Kinds that the outputs themselves emit:

* ``disk-full`` (``error``, ``backlog_s``, ``backlog_bytes``): the recording cannot be written; everything is kept in
  memory and tried again every second. Again when the backlog is 10, 20, 40, ... seconds old.
* ``recorder-error``: the same for any other refusal of the disk, or (``error`` only) footers that are missing.
* ``recorder-recovered`` (``outage_s``): everything is in the file.
* ``recorder-lost`` (``samples``, ``streams``, ``backlog_s``, ``backlog_bytes``): the session ended on a full disk, and
  this is missing from the recording.
* ``events-recovered`` (``kept``, ``lost``): events that a full disk had refused are in the log now.

The session adds its own: health of streams, missing views, skipped windows, what was learnt, errors.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from rtemo.outputs.lines import LineFile
from rtemo.types import Prediction

EVENTS_RECOVERED: Final = "events-recovered"
_RESERVED = ("stamp", "event")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a session.

    Parameters
    ----------
    stamp_s : float
        LSL local-clock seconds.
    kind : str
        A word such as ``"disk-full"``.
    details : mapping of str to JSON value
        Strings, numbers, booleans, None, and lists and mappings of these; numpy scalars pass for numbers. Not
        ``stamp`` or ``event``, which are taken.

    Raises
    ------
    ValueError
        A detail is called ``stamp`` or ``event``.
    """

    stamp_s: float
    kind: str
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = [name for name in _RESERVED if name in self.details]
        if taken:
            raise ValueError(f"event {self.kind!r}: a detail cannot be called {taken[0]!r}")

    def as_json(self) -> str:
        """One line of ASCII JSON without its end; numbers that JSON does not have are null.

        Raises
        ------
        TypeError
            A detail is no JSON value.
        """
        line = {"stamp": self.stamp_s, "event": self.kind, **self.details}
        return json.dumps(_plain(line), allow_nan=False)


Listener = Callable[[Event], None]


class EventLog:
    """Writes events and passes them on; from any thread.

    A full disk does not end a session, see `LineFile`.

    Parameters
    ----------
    path : path-like or None
        ``events.jsonl``, which must not exist yet; None where events are only passed on.
    listeners : callables
        Each takes every event, in the thread that emits it, after it was written.

    Raises
    ------
    FileExistsError
        There is a file already.
    """

    def __init__(self, path: str | Path | None, *listeners: Listener) -> None:
        self._file = None if path is None else LineFile(path)
        self._listeners = list(listeners)
        self._lock = threading.Lock()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def listen(self, listener: Listener) -> None:
        """Pass events on to one more listener from now on."""
        with self._lock:
            self._listeners.append(listener)

    @property
    def kept(self) -> int:
        """Events that wait for the disk."""
        return 0 if self._file is None else self._file.kept

    @property
    def refused(self) -> int:
        """How often the disk refused to take what there was."""
        return 0 if self._file is None else self._file.refused

    @property
    def lost(self) -> int:
        """Events that are missing from the file for good."""
        return 0 if self._file is None else self._file.lost

    def emit(self, event: Event) -> None:
        """Write an event, and pass it on.

        Raises
        ------
        TypeError
            A detail is no JSON value.
        Exception
            Whatever a listener raises.
        """
        line = event.as_json().encode("ascii") + b"\n"
        with self._lock:
            recovered = self._write(line, event.stamp_s)
            listeners = tuple(self._listeners)
        # Outside the lock: a listener may emit events of its own.
        for told in (event, recovered) if recovered is not None else (event,):
            for listener in listeners:
                listener(told)

    def close(self) -> None:
        """Write what was kept, if the disk takes it, and close the file. Idempotent."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _write(self, line: bytes, stamp_s: float) -> Event | None:
        """Write a line behind those that were kept; an event of its own where there were any."""
        if self._file is None or self._file.closed:
            return None
        waited = self._file.write(line)
        if not waited:
            return None
        recovered = Event(stamp_s, EVENTS_RECOVERED, {"kept": waited, "lost": self._file.lost})
        self._file.write(recovered.as_json().encode("ascii") + b"\n")
        return recovered


class ReplayedEvents:
    """The events of a replay; a context manager.

    The file is opened at the first event or prediction, so that a replay that is refused leaves an older one as it is.

    Parameters
    ----------
    path : path-like
        ``events.jsonl``; an older one is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._log: EventLog | None = None

    def take(self, event: Event) -> None:
        """Write an event."""
        self._opened().emit(event)

    def write(self, prediction: Prediction) -> None:
        """Take a prediction: there is a file also where nothing happens."""
        self._opened()

    def _opened(self) -> EventLog:
        if self._log is None:
            self._path.unlink(missing_ok=True)
            self._log = EventLog(self._path)
        return self._log

    def __enter__(self) -> ReplayedEvents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log is not None:
            self._log.close()


def _plain(value: object) -> object:
    """A value with what JSON does not know replaced: numpy scalars by numbers, NaN and infinities by null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
