"""Outlets and commands in processes of their own, in LSL sessions that no other test sees."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import Outcome

OUTLETS = Path(__file__).with_name("outlets.py")
EEG = {"name": "Enobio", "type": "EEG", "rate_hz": 250.0, "source_id": "eno-1", "labels": ["Fp1", "Fp2"]}
GAZE = {"name": "Tobii", "type": "Gaze", "rate_hz": 120.0, "source_id": "tob-1", "labels": ["x", "y"]}
MARKERS = {
    "name": "PsychoPy",
    "type": "Markers",
    "channels": 1,
    "rate_hz": 0.0,
    "sends_hz": 4.0,
    "format": "string",
    "source_id": "psy-1",
}


@dataclass(frozen=True)
class Network:
    """An LSL session of its own."""

    session_id: str
    outlets: subprocess.Popen[str] | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return ("--scope", "machine", "--session-id", self.session_id)

    def rtemo(self, *arguments: object, cwd: Path | None = None) -> Outcome:
        """Run a command in a process of its own, as liblsl takes only one configuration a process."""
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            [sys.executable, "-m", "rtemo", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=60,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def network(*outlets: dict[str, object]) -> Iterator[Network]:
    """An LSL session with these outlets."""
    session_id = uuid.uuid4().hex
    if not outlets:
        yield Network(session_id)
        return
    command = [sys.executable, str(OUTLETS), session_id, json.dumps(outlets)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Network(session_id, process)
        finally:
            process.kill()
