"""Where data lie: folders that the user holds, downloads with a checksum, and the cache."""

from __future__ import annotations

import hashlib
import importlib
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

from rtemo.errors import ConfigurationError, RecordingError

RECORDINGS_VARIABLE = "RTEMO_DATA"
CACHE_VARIABLE = "RTEMO_CACHE"
TIMEOUT_S = 60.0
LONGEST_S = 900.0
"""A server that sends a byte now and then never runs into the time-out of a single read."""
CHUNK = 1 << 20


def cache_folder(cache: Path | None = None) -> Path:
    """Where downloads and windows are kept: the one given, else RTEMO_CACHE, else the system's cache folder.

    Parameters
    ----------
    cache : path, optional

    Returns
    -------
    path
        Of a folder that exists.
    """
    named = os.environ.get(CACHE_VARIABLE)
    folder = cache or (Path(named) if named else Path(imported("pooch").os_cache("rtemo")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: the cache folder cannot be made: {error}.", cure=f"Set {CACHE_VARIABLE} to a folder of yours."
        ) from error
    return folder


def held_folder(name: str, folder: Path | None, variable: str, apply_at: str) -> Path:
    """The folder of a set that its owners give on request only.

    Parameters
    ----------
    name : str
        Of the data set.
    folder : path, optional
        As the user says.
    variable : str
        Environment variable that names the folder where the user does not.
    apply_at : str
        Where to ask for the data.

    Raises
    ------
    ConfigurationError
        Neither is given, or there is no such folder.
    """
    named = os.environ.get(variable)
    found = folder or (Path(named) if named else None)
    if found is None:
        raise ConfigurationError(
            f"data set {name}: no folder is given, and {variable} is not set.",
            cure=f"Its owners give it on request: apply at {apply_at}, then give the folder or set {variable}.",
        )
    if not found.is_dir():
        raise ConfigurationError(
            f"data set {name}: {found} is no folder.", cure=f"Apply for the data at {apply_at} if you do not have them."
        )
    return found


def recordings_folder(part: str, folder: Path | None) -> Path | None:
    """A folder of recordings: the one given, else that part of RTEMO_DATA, where there is such a folder.

    Parameters
    ----------
    part : str
        Name of the folder within RTEMO_DATA.
    folder : path, optional
        That folder itself, or one that has it.

    Raises
    ------
    ConfigurationError
        The folder given is none.
    """
    if folder is not None:
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is no folder.", cure=f"Give the folder {part}, or the one that has it.")
        return folder / part if (folder / part).is_dir() else folder
    named = os.environ.get(RECORDINGS_VARIABLE)
    found = Path(named) / part if named else None
    return found if found is not None and found.is_dir() else None


def recordings(folder: Path, pattern: str, name: str) -> list[Path]:
    """Files of a folder, sorted by name; at least one.

    Raises
    ------
    RecordingError
        There is none.
    """
    found = sorted(folder.glob(pattern))
    if not found:
        raise RecordingError(f"data set {name}: {folder} has no file {pattern}.", cure="Is it the right folder?")
    return found


def fetched(file: str, url: str, sha256: str, most_bytes: int, cache: Path | None = None) -> Path:
    """A file of the web, downloaded once and checked.

    Parameters
    ----------
    file : str
        Its name in the cache.
    url : str
    sha256 : str
        What its content must have; anything else is refused.
    most_bytes : int
        A longer answer is cut off and refused.
    cache : path, optional

    Raises
    ------
    RecordingError
        It cannot be had, or is not what it should be.
    """
    folder = cache_folder(cache)
    downloader = _Bounded(most_bytes)
    try:
        found = imported("pooch").retrieve(
            url, known_hash=f"sha256:{sha256}", fname=file, path=folder, downloader=downloader
        )
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{file}: cannot be downloaded from {url}: {error}.",
            cure=f"Try again later, or put the file into {folder} yourself.",
        ) from error
    return Path(found)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


class _Bounded:
    """A downloader for pooch that gives up on an answer without end."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Write what `url` answers into a file."""
        if not url.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError(f"{url} is not https")
        size, started = 0, time.monotonic()
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, Path(output_file).open("wb") as file:  # noqa: S310
            while chunk := answer.read1(CHUNK):
                size += len(chunk)
                if time.monotonic() - started > LONGEST_S:
                    raise ValueError(f"{size} bytes came in {LONGEST_S:g} s, which is too slow")
                if size > self._most:
                    raise ValueError(f"the answer is longer than {self._most} bytes")
                file.write(chunk)


def imported(package: str) -> Any:
    """A package that comes with ``rtemo[study]``, imported when it is needed.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigurationError(
            f"the package {error.name} is not installed.", cure="pip install 'rtemo[study]'."
        ) from error
