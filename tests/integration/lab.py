"""What the tests of the command line work on."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtemo import cli


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


def run(*arguments: object) -> Outcome:
    """Run a command line in this process, for what several tests look at; a single test has the fixture ``rtemo``."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr("sys.argv", ["rtemo", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())
