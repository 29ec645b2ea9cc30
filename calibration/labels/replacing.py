"""A file is replaced whole or not at all, and the old one is kept."""

from __future__ import annotations

import datetime
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def replace_file(path: Path, before: bytes | None, new: bytes, now: datetime.datetime) -> Path | None:
    """Put a new file in place of an old one, which is kept as ``<name>.<UTC>.bak``.

    A reader finds the old file or the new one, never half of one. A link stays one: what it leads to is replaced, and
    the old file is kept beside the link. The new file and the kept one have the mode of the old one.

    Parameters
    ----------
    path : Path
    before : bytes or None
        What the file holds; None where there is none.
    new : bytes
    now : datetime
        With a time zone.

    Returns
    -------
    Path or None
        Where the old file is kept.

    Raises
    ------
    OSError
        The disk is full, or the folder cannot be written; the old file is as it was.
    """
    target = path.resolve()
    like = None if before is None else target
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    backup = None
    try:
        _write(part, new, "wb", like)
        if before is not None:
            backup = _kept(path, before, now, like)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return backup


def _kept(path: Path, content: bytes, now: datetime.datetime, like: Path | None) -> Path:
    stamp = f"{now.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"
    for name in _names(f"{path.name}.{stamp}"):
        backup = path.with_name(name)
        try:
            _write(backup, content, "xb", like)
        except FileExistsError:
            continue
        except OSError:
            backup.unlink(missing_ok=True)
            raise
        return backup
    raise AssertionError("count never ends")


def _names(stem: str) -> Iterator[str]:
    yield f"{stem}.bak"
    yield from (f"{stem}r{number}.bak" for number in itertools.count(2))


def _write(path: Path, content: bytes, mode: str, like: Path | None) -> None:
    """Write a file with the mode of another; until it has it, nobody else can read it."""
    with open(path, mode, opener=None if like is None else _private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like is not None:
        shutil.copymode(like, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
