"""The folder of a session: `<out>/sub-<id>/ses-<UTC stamp>/`, its configuration and the environment that it ran in."""

from __future__ import annotations

import datetime
import errno
import itertools
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rtemo.config import Configuration
from rtemo.errors import ConfigurationError
from rtemo.outputs.toml import toml_text

RECORDING, PREDICTIONS, QUALITY, EVENTS = "recording.xdf", "predictions.csv", "quality.csv", "events.jsonl"
CONFIGURATION, ENVIRONMENT = "config.toml", "environment.json"
PACKAGES = ("rtemo", "numpy", "scipy", "torch", "pylsl", "mne", "pydantic", "safetensors")
_PARTICIPANT = re.compile(r"[A-Za-z0-9]{1,64}")
_MOST_A_SECOND = 1000


def session_name(folder: Path) -> str:
    """What a session is called on the network, by its folder: ``sub-<participant>-ses-<stamp>``."""
    return "-".join(folder.parts[-2:])


def make_session_folder(out: str | Path, participant: str, started: datetime.datetime) -> Path:
    """Make the folder of a new session, and never take one that is there.

    Parameters
    ----------
    out : path-like
        The folder of all sessions; made if it is missing.
    participant : str
        Letters and digits only, as BIDS wants.
    started : datetime
        With a time zone.

    Returns
    -------
    Path
        ``<out>/sub-<participant>/ses-<YYYYMMDD>T<HHMMSS>Z``; a second session in the same second gets ``...Zr2``.

    Raises
    ------
    ConfigurationError
        The participant's name holds something else, or the folder cannot be made.
    """
    parent = _participant_folder(out, participant)
    name = f"ses-{started.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for run in itertools.count(1):
            folder = parent / (name if run == 1 else f"{name}r{run}")
            try:
                folder.mkdir()
            except FileExistsError:
                if run == _MOST_A_SECOND:
                    raise
                continue
            return folder
    except OSError as error:
        raise _cannot_be_made(error, parent) from error
    raise AssertionError("count never ends")


def check_session_folder(out: str | Path, participant: str) -> None:
    """Find what `make_session_folder` would refuse, as far as that can be known before; makes nothing.

    Parameters
    ----------
    out : path-like
    participant : str

    Raises
    ------
    ConfigurationError
        As from `make_session_folder`.
    """
    parent = _participant_folder(out, participant).absolute()
    try:
        there = next(place for place in (parent, *parent.parents) if place.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))
    except OSError as error:
        raise _cannot_be_made(error, parent) from error


def _participant_folder(out: str | Path, participant: str) -> Path:
    if not _PARTICIPANT.fullmatch(participant):
        raise ConfigurationError(
            f"participant {participant[:80]!r}: 1 to 64 letters (a to z) and digits expected.",
            cure='Leave out "sub-", spaces, dashes and other signs, e.g. 01 or pilot3.',
        )
    return Path(out) / f"sub-{participant}"


def _cannot_be_made(error: OSError, parent: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{error.filename or parent}: the session's folder cannot be made ({error.strerror}).",
        cure="Name another folder, or mend its permissions.",
    )


def write_configuration(folder: Path, configuration: Configuration, source: bytes | None = None) -> Path:
    """Write ``config.toml``.

    Parameters
    ----------
    folder : Path
        Of the session.
    configuration : Configuration
    source : bytes, optional
        The file that it was read from, which is kept byte for byte; otherwise what was set is written as TOML.
    """
    path = folder / CONFIGURATION
    if source is None:
        source = toml_text(configuration.model_dump(mode="json", exclude_unset=True)).encode("utf-8")
    with path.open("xb") as file:
        file.write(source)
    return path


def environment(
    started: datetime.datetime,
    *,
    bundle: Path | None = None,
    bundle_hash: str | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, object]:
    """What a session ran in: versions, machine, command line, bundle, time; nothing heavy is imported for it.

    Parameters
    ----------
    started : datetime
        With a time zone.
    bundle, bundle_hash : optional
        Where the model lies, and its hash.
    command : sequence of str, optional
        This process' own command line if not given.
    """
    return {
        "started_utc": started.astimezone(datetime.UTC).isoformat(timespec="milliseconds"),
        "command": list(sys.orig_argv if command is None else command),
        "bundle": None if bundle is None else {"path": str(bundle), "hash": bundle_hash},
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def write_environment(folder: Path, facts: dict[str, object]) -> Path:
    """Write ``environment.json``."""
    path = folder / ENVIRONMENT
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(facts, indent=2) + "\n")
    return path


def _version(package: str) -> str | None:
    """The version of what is installed, None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
