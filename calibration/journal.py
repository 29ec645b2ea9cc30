"""The journal of a calibration session: an append-only file of JSON lines, the truth about what happened.

A line is on the disk before `Journal.append` returns. A line without its end was torn by a kill in the middle of
writing: it never counted, and is passed over.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from rtemo.errors import RtemoError
from rtemo.locked_lines import LockedLines
from rtemo.printable import printable

logger = logging.getLogger(__name__)

KINDS: Final = (
    "session",
    "run",
    "stage",
    "extended",
    "baseline",
    "trial-start",
    "fixation",
    "stimulus-on",
    "stimulus-off",
    "answers",
    "trial-end",
    "trial-void",
    "paused",
    "resumed",
    "stopped",
    "note",
    "warning",
    "torn",
    "trained",
    "verified",
)
MOST_BYTES = 200_000_000
_RESERVED = ("kind", "time", "stamp_s")


class JournalError(RtemoError):
    """The journal cannot be written or read, or tells what cannot have happened."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    time : str
        UTC, ISO 8601.
    stamp_s : float or None
        LSL local-clock seconds, where it has a moment there.
    details : mapping of str to JSON value
    where : str
        File and line, for errors.
    """

    kind: str
    time: str
    stamp_s: float | None
    details: Mapping[str, object] = field(default_factory=dict)
    where: str = "journal"

    def stamp(self) -> float:
        """Its moment on the LSL clock; must be there."""
        if self.stamp_s is None:
            raise self.wrong("'stamp_s' is missing")
        return self.stamp_s

    def integer(self, name: str) -> int:
        """A whole number of the details, which must be there."""
        value = self.details.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(f"{name!r}: a whole number expected, found {value!r}")
        return value

    def number(self, name: str) -> float:
        """A finite number of the details, which must be there."""
        value = self.details.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(f"{name!r}: a number expected, found {value!r}")
        return float(value)

    def truth(self, name: str) -> bool:
        """True or false, which must be there."""
        value = self.details.get(name)
        if not isinstance(value, bool):
            raise self.wrong(f"{name!r}: true or false expected, found {value!r}")
        return value

    def text(self, name: str) -> str:
        """A text of the details, which must be there."""
        value = self.optional_text(name)
        if value is None:
            raise self.wrong(f"{name!r}: a text expected, found nothing")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text of the details, or None."""
        value = self.details.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{name!r}: a text expected, found {value!r}")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """A table of the details; empty where there is none."""
        value = self.details.get(name, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{name!r}: a table expected, found {value!r}")
        return value

    def wrong(self, what: str) -> JournalError:
        """The error that says where and what."""
        return JournalError(
            f"{self.where}: {self.kind}: {printable(what, 300)}.",
            cure="The journal was changed by hand or by another program; put back the line as it was written.",
        )


class Journal:
    """Appends to a journal; goes on with one that exists, behind its last whole line.

    One at a time: the file is locked from here to `close`, or to the end of the process, whatever ends it.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    path : Path
    before : tuple of Entry
        What it held when it was opened.

    Raises
    ------
    JournalError
        The file cannot be opened, holds something else, or another program has it open.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = LockedLines(path, "session", JournalError)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Read the file, and take off what a kill left of a line."""
        self.before = read_journal(self.path)
        self._lines = len(self.before)
        _, torn = self._file.read()
        if torn:
            self._file.cut(torn)
            # What the kill left is kept as a text: it may tell what was about to happen.
            told = self.append("torn", text=torn[:2000].decode("utf-8", errors="replace"))
            self.before = (*self.before, told)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    def append(self, kind: str, *, stamp_s: float | None = None, **details: object) -> Entry:
        """Write an entry; it is on the disk when this returns.

        Parameters
        ----------
        kind : str
            One of `KINDS`.
        stamp_s : float, optional
            LSL local-clock seconds.
        **details : JSON values
            Numpy scalars pass for numbers; NaN and infinities become null.

        Returns
        -------
        Entry
            As `read_journal` will give it.

        Raises
        ------
        JournalError
            The disk refuses; nothing of the entry is in the file then.
        ValueError
            There is no such kind, or a detail is called like a field.
        """
        if kind not in KINDS:
            raise ValueError(f"a journal has no entries of kind {kind!r}")
        taken = [name for name in _RESERVED if name in details]
        if taken:
            raise ValueError(f"{kind}: a detail cannot be called {taken[0]!r}")
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        stamp = None if stamp_s is None else float(stamp_s)
        head = {"time": time, "kind": kind, **({} if stamp is None else {"stamp_s": stamp})}
        line = json.dumps({**head, **_plain_mapping(details)}, allow_nan=False).encode("ascii")
        self._file.append(line)
        self._lines += 1
        return _entry(line, f"{self.path}: line {self._lines}")

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


def read_journal(path: str | Path) -> tuple[Entry, ...]:
    """The entries of a journal, oldest first; a torn last line is passed over with a warning in the log.

    Raises
    ------
    JournalError
        The file cannot be read, or a whole line of it is no entry.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise JournalError(f"{path}: larger than {MOST_BYTES} bytes, so this is no journal.")
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror}).", cure="Check the session's folder.") from error
    *lines, torn = content.split(b"\n")
    if torn:
        logger.warning("%s: line %d was torn by a kill and is passed over.", path, len(lines) + 1)
    return tuple(_entry(line, f"{path}: line {number}") for number, line in enumerate(lines, start=1))


def _entry(line: bytes, where: str) -> Entry:
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{where}: not JSON: {error}.", cure="Put back the line as it was written.") from error
    if not isinstance(values, dict):
        raise JournalError(f"{where}: a table expected, found {printable(repr(values), 100)}.")
    details = {name: value for name, value in values.items() if name not in _RESERVED}
    kind, time, stamp_s = (values.get(name) for name in _RESERVED)
    if kind not in KINDS or not isinstance(time, str):
        raise JournalError(
            f"{where}: 'kind' = {printable(repr(kind), 100)}, 'time' = {printable(repr(time), 100)}: an entry has a "
            f"known kind and a time.",
            cure="It may come from a newer version: bring this one up to date.",
        )
    number = isinstance(stamp_s, int | float) and not isinstance(stamp_s, bool)
    if stamp_s is not None and not (number and math.isfinite(stamp_s)):
        raise JournalError(f"{where}: 'stamp_s': seconds expected, found {printable(repr(stamp_s), 100)}.")
    return Entry(kind, time, None if stamp_s is None else float(stamp_s), details, where)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _plain_mapping(values: Mapping[str, object]) -> dict[str, object]:
    return {str(key): _plain(value) for key, value in values.items()}


def _plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
