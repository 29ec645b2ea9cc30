"""A simulated laboratory over real LSL, and a live session beside it, each in processes of its own."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rtemo.config import Configuration, NetworkSettings, load_configuration
from rtemo.demonstration import record_laboratory
from rtemo.extraction import extract
from rtemo.live.agreement import Agreement, agreement
from rtemo.model.bundle import load_bundle, save_bundle
from rtemo.sources.schedule import LaboratorySettings
from rtemo.training import train_bundle

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
for screen in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
    # A dashboard is opened only by tests that are about one.
    ENVIRONMENT.pop(screen, None)
CONFIG = """
labels = ["negative", "neutral", "positive"]
[views.pps]
stream = {{ type = "Peripheral" }}
features = "statistics"
channels = ["ECG", "EDA"]
required = true
[views.eye]
stream = {{ type = "Gaze" }}
features = "statistics"
channels = ["x"]
[markers]
stream = {{ type = "Markers" }}
labels = {{ "clip/negative" = "negative", "clip/neutral" = "neutral", "clip/positive" = "positive" }}
[network]
scope = "machine"
session_id = "{session}"
[model.settings]
steps = 60
[adaptation]
every = 1
min_confidence = 0.0
max_novelty = 1e6
"""


def until(process: subprocess.Popen[str], pattern: str) -> str:
    """Read a session's output up to a line that fits a pattern."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line.rstrip()):
            return "".join(lines)
    raise AssertionError(f"{pattern!r} never came:\n{''.join(lines)}\n{process.stderr.read()}")


@dataclass(frozen=True)
class LiveLab:
    """A configuration in an LSL session of its own, and a bundle for it."""

    folder: Path
    config: Path
    bundle: Path
    template: str = CONFIG
    numbered: bool = True

    @property
    def settings(self) -> Configuration:
        return load_configuration(self.config)

    @property
    def network(self) -> NetworkSettings:
        return self.settings.network

    def alone(self, folder: Path) -> LiveLab:
        """The same in another LSL session."""
        config = folder / "lab.toml"
        config.write_text(self.template.format(session=uuid.uuid4().hex))
        return replace(self, folder=folder, config=config)

    @contextlib.contextmanager
    def simulated(self, *options: str, devices: str = "eye,pps,markers") -> Iterator[subprocess.Popen[str]]:
        """The laboratory's devices; where numbered, the first channel of each is the number of the sample."""
        command = [sys.executable, "-m", "rtemo", "simulate", str(self.config), "--devices", devices]
        command += [*["--numbered"] * self.numbered, "--trial", "2", "--rest", "1", *options]
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as p:
            assert p.stdout is not None
            # One line a device, once it is there.
            for _ in devices.split(","):
                assert ": '" in p.stdout.readline()
            try:
                yield p
            finally:
                p.send_signal(signal.SIGTERM)
                p.stdout.read()
                p.wait(20)

    def start(
        self, *options: object, prepare: Callable[[], None] = lambda: None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a session in a process, which `prepare` is called in first."""

        def as_from_a_shell() -> None:
            # Whatever runs the tests may ignore signals, and so would what it starts.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            prepare()

        command = [sys.executable, "-m", "rtemo", "run", self.config, "-m", self.bundle, "-p", "01"]
        command += ["-o", self.folder / "out", *options]
        return subprocess.Popen(
            [*map(str, command)],
            env=ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=as_from_a_shell,
        )

    def run(self, *options: object, timeout_s: float = 60.0) -> tuple[int, str, str]:
        """Run a session to its end; gives exit code, output and errors."""
        with self.start(*options) as process:
            out, err = process.communicate(timeout=timeout_s)
        return process.returncode, out, err

    def run_beside(self, *faults: str, duration_s: float, devices: str = "eye,pps,markers") -> tuple[int, str, str]:
        """Run a session that waits when the devices appear, so that it begins when their time does.

        Faults at a moment of the devices' time then come at the same moment of the session, however long it takes to
        start a process. Gives exit code, output and errors.
        """
        with self.start("--wait", "60", "--duration", duration_s) as session:
            out = until(session, "looking for")
            with self.simulated("--fault", ",".join(faults), devices=devices):
                rest, err = session.communicate(timeout=60)
        # The presenter may come after the start: nobody waits for markers.
        late = "warning: markers: no stream yet; the view is missing until it comes\n"
        return session.returncode, out + rest, err.removeprefix(late)

    def session(self) -> Path:
        """The folder of the latest session."""
        return max((self.folder / "out" / "sub-01").iterdir())

    def rows(self) -> list[dict[str, str]]:
        """Its predictions.csv."""
        return list(csv.DictReader((self.session() / "predictions.csv").read_text().splitlines()))

    def events(self) -> list[dict]:
        """Its events."""
        return [json.loads(line) for line in (self.session() / "events.jsonl").read_text().splitlines()]

    def agreement(self) -> Agreement:
        """Whether a replay of its recording gives the same."""
        return agreement(self.session(), self.settings, load_bundle(self.bundle))


def make_live_lab(folder: Path, template: str = CONFIG, *, numbered: bool = True) -> LiveLab:
    """Train a bundle on a recorded session of the laboratory."""
    config = folder / "lab.toml"
    config.write_text(template.format(session=uuid.uuid4().hex))
    lab = LiveLab(folder, config, folder / "bundle", template, numbered)
    recording = folder / "calibration.xdf"
    record_laboratory(recording, LaboratorySettings(trial_s=2.0, rest_s=1.0, numbered=numbered), 36.0)
    save_bundle(lab.bundle, train_bundle(lab.settings, [extract(recording, lab.settings)], [], device="cpu").bundle)
    return lab
