"""What the tests of the command line work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lab:
    """What the tests work on."""

    folder: Path
    config: Path
    calibration: Path
    session: Path
    bundle: Path


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
