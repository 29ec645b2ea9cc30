"""What a live session makes of everything that goes wrong with a sensor, judged by the content of every window.

Run ``python benchmarks/fault_matrix.py`` (ten to twenty minutes). For each fault, a laboratory of three simulated
devices, each a process with a clock of its own, sends over real LSL, and a live session takes it. The first channel
of every device is the number of the sample, and every view's features are the statistics of that channel alone: so
the features of a live window tell which samples are in it. When a sample was taken is known from its number. The very
stamps that the session gave to samples are read from its recording, whose replay must give the same windows.

It prints the table, writes it to ``docs/fault_matrix.md`` and all figures to ``results/fault_matrix.json``, and ends
with 1 where something fails that must hold. ``--only NAME ...`` runs some faults, and writes nothing.

Where the machine itself stood still for 50 ms or more while a session ran, which a thread on each core watches, that
session tells nothing about rtemo: it is run again, at most twice, and the one with the shortest standstill counts.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import itertools
import json
import math
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from numpy.typing import NDArray

from rtemo.config import Configuration, NetworkSettings, parse_configuration
from rtemo.demonstration import LABELS, record_laboratory
from rtemo.devices.simulated import Piece, pieces
from rtemo.errors import RtemoError
from rtemo.live.agreement import agreement, late_windows
from rtemo.outputs.folder import EVENTS, RECORDING, write_configuration
from rtemo.sources.faults import FOREVER, Fault, parse_faults
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings
from rtemo.sources.simulate import MARKER_PREFIX
from rtemo.types import Chunk, FeatureWindow

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "fault_matrix.json"
PAGE = HERE.parent / "docs" / "fault_matrix.md"
DEVICES = ("eeg", "eye", "pps", "markers")
VIEWS = {"eeg": ("EEG", "Fp1"), "eye": ("Gaze", "x"), "pps": ("Peripheral", "ECG")}
HOP_S = 0.25
AT_S = 8.0
"""When faults begin, seconds since the first sample."""
AFTER_S = 6.0
"""How long a session goes on behind a fault."""
WAIT_S = 2.0
HANGS_AFTER_S = 60.0
ATTEMPTS = 3
JUMP = ("offset", "newid", "rate")
"""The outlet is another one from a moment on, without any pause."""
AWAY = ("drop", "kill", "absent", "gap")
"""Samples are never sent."""
HELD = ("freeze", "burst")
"""Samples are sent later."""
DYING_S = 0.2
"""An outlet that dies takes with it at most what it sent so lately."""
SETTLED_S = 0.3
LATER_S = 3.0
STALL_S = 0.05
"""A machine that stands still for so long tells nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    Parameters
    ----------
    name, title : str
    faults : str
        As `rtemo simulate` takes them. The first one is judged.
    until_s : float
        When the session ends, seconds since the first sample.
    text_twin : bool
        Whether a stream of texts has the eye tracker's name and type.
    refused : bool
        Whether the session must not start at all.
    taken_within_s : float or None
        How soon the outlet must have been taken.
    accurate : bool
        Whether stamps must be right to a millisecond behind the fault.
    """

    name: str
    title: str
    faults: str = ""
    until_s: float = AT_S + AFTER_S
    text_twin: bool = False
    refused: bool = False
    taken_within_s: float | None = None
    accurate: bool = True

    @property
    def fault(self) -> Fault | None:
        """The one that is judged."""
        found = parse_faults(self.faults)
        return found[0] if found else None


CASES = (
    Case("none", "nothing goes wrong"),
    Case("drop", "the outlet vanishes for 3 s", "eye:drop@8+3", 18.0),
    Case("kill", "the process is killed, and back after 3 s", "eye:kill@8+3", 18.0),
    Case("freeze", "the process stands still for 3 s", "eye:freeze@8+3", 18.0),
    Case("gap", "2 s of samples are never sent", "eye:gap@8+2", 17.0),
    Case("gap-short", "40 ms of samples are never sent", "eye:gap@8+0.04", 15.0),
    Case("burst", "1 s of samples is held back, then sent at once", "eye:burst@8+1", 16.0),
    Case("jitter", "stamps jitter by 5 ms (SD) throughout", "eye:jitter=5ms", 20.0),
    Case(
        "jitter-drop", "the same, and the outlet vanishes for 3 s", "eye:drop@8+3,eye:jitter=5ms", 24.0, accurate=False
    ),
    Case("offset", "reboot, the clock 1000 s ahead", "eye:offset@8=1000", 18.0),
    Case("reset", "reboot, the clock 4000 s back", "eye:offset@8=-4000", 18.0),
    Case("stamps", "stamps 1000 s ahead from then on, the clock is not", "eye:stamps@8=1000", 18.0),
    Case("stamps-ahead", "stamps 1000 s ahead for 4 s, the clock is not", "eye:stamps@8+4=1000", 20.0),
    Case("stamps-back", "stamps 1000 s back for 4 s, the clock is not", "eye:stamps@8+4=-1000", 20.0),
    Case("drift", "the rate is 2000 ppm off throughout", "eye:drift=2000ppm", 20.0),
    Case("drift-later", "the rate is 2000 ppm off from then on", "eye:drift=2000ppm@8", 20.0),
    Case("rate", "the outlet comes back with half its rate", "eye:rate@8=60", 16.0),
    Case("newid", "the outlet comes back under another source_id", "eye:newid@8", 16.0, taken_within_s=1.0),
    Case("absent", "the stream is not there for the first 8 s", "eye:absent@0+8", 16.0),
    Case("text", "a text stream of the same name and type, and a drop", "eye:drop@8+3", 18.0, text_twin=True),
    Case("twin", "a second outlet alike appears", "eye:twin@8", 16.0),
    Case("alike", "two outlets alike from the start", "eye:twin@0", refused=True),
    Case("eeg-drop", "the EEG's outlet vanishes for 3 s", "eeg:drop@8+3", 18.0),
    Case("eeg-kill", "the EEG's process is killed, and back after 3 s", "eeg:kill@8+3", 18.0),
    Case("pps-freeze", "the peripheral device stands still for 3 s", "pps:freeze@8+3", 18.0),
)
BY_NAME = {case.name: case for case in CASES}


# ---------------------------------------------------------------------------------------------------------------------
# The session


def configuration(session_id: str) -> Configuration:
    """Windows of 1 s, four a second; the features of each view are the statistics of its sample numbers."""
    return parse_configuration(
        {
            "labels": list(LABELS),
            "window": {"length_s": 1.0, "hop_s": HOP_S},
            "views": {
                view: {"stream": {"type": kind}, "channels": [channel], "features": "statistics"}
                for view, (kind, channel) in VIEWS.items()
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {MARKER_PREFIX + label: label for label in LABELS}},
            "model": {"settings": {"steps": 100}},
            "network": {"scope": "machine", "session_id": session_id},
        },
        where="the fault matrix",
    )


def train(folder: Path) -> Path:
    """A model that is good for nothing but being there; gives the bundle's folder."""
    from rtemo.extraction import extract
    from rtemo.model.bundle import save_bundle
    from rtemo.training import train_bundle

    recording, bundle = folder / "calibration.xdf", folder / "bundle"
    record_laboratory(recording, LaboratorySettings(trial_s=3.0, rest_s=1.0, numbered=True), 36.0)
    config = configuration("training")
    save_bundle(bundle, train_bundle(config, [extract(recording, config)], [], device="cpu").bundle)
    return bundle


def enter_network() -> bool:
    """Go on in a network of this process's own, with a loopback and nothing else; False where that is not permitted.

    LSL has 32 ports for all outlets of a machine: others that run meanwhile must not take them.
    """
    if not sys.platform.startswith("linux"):
        return False
    new_network, new_user, ifreq = 0x40000000, 0x10000000, "16sH14x"
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(new_network) and library.unshare(new_user | new_network):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack(ifreq, b"lo", 0x1 | 0x40 | 0x1000)  # up, running, multicast
        fcntl.ioctl(control, 0x8914, up)
    return True


@dataclass(slots=True)
class Told:
    """What a session gave: its folder, its windows with the moments at which they came, and when it ran."""

    origin_s: float
    folder: Path
    windows: list[tuple[FeatureWindow, float]]
    began_s: float
    ended_s: float
    overrun_s: float
    own_clocks: bool


def run_session(case: Case, config: Configuration, bundle: Path, folder: Path) -> Told:
    """Run laboratory and session together."""
    from rtemo.devices.supervisor import Simulation, SimulationPlan
    from rtemo.live.session import LiveSession
    from rtemo.model.bundle import load_bundle
    from rtemo.worker import Worker

    sys.setswitchinterval(0.0005)  # as rtemo run does
    settings = LaboratorySettings(session=1, trial_s=3.0, rest_s=1.0, numbered=True)
    plan = SimulationPlan(settings, config.network, DEVICES, parse_faults(case.faults))
    warnings: list[str] = []
    errors: list[BaseException] = []
    windows: list[tuple[FeatureWindow, float]] = []
    with Simulation(plan, warn=warnings.append) as simulation:
        from rtemo.liblsl import local_clock

        def take(closed: list[FeatureWindow]) -> None:
            now_s = local_clock()
            windows.extend((window, now_s) for window in closed)

        session = LiveSession(config, load_bundle(bundle), device="cpu", on_windows=take)
        simulation.start()
        assert simulation.origin_s is not None
        devices = Worker("rtemo-simulation", simulation.run, errors.append)
        devices.start()
        folders: list[Path] = []
        try:
            session.find(WAIT_S)
            began_s = local_clock()
            left_s = simulation.origin_s + case.until_s - began_s
            session.run(folder, "bench", duration_s=left_s, on_begin=folders.append)
            overrun_s = local_clock() - began_s - left_s
        finally:
            simulation.stop()
            devices.join()
    if errors:
        raise errors[0]
    return Told(simulation.origin_s, folders[0], windows, began_s, began_s + left_s, overrun_s, not warnings)


def run_refused(case: Case, config: Configuration, bundle: Path, folder: Path) -> dict[str, Any]:
    """Let the command line refuse to start; what it said and how it ended."""
    from rtemo.devices.supervisor import Simulation, SimulationPlan
    from rtemo.worker import Worker

    file = write_configuration(folder, config)
    settings = LaboratorySettings(numbered=True, trial_s=3.0, rest_s=1.0)
    plan = SimulationPlan(settings, config.network, DEVICES, parse_faults(case.faults))
    errors: list[BaseException] = []
    with Simulation(plan) as simulation:
        simulation.start()
        devices = Worker("rtemo-simulation", simulation.run, errors.append)
        devices.start()
        command = [sys.executable, "-m", "rtemo", "run", file, "-m", bundle, "-o", folder, "--duration", "3"]
        began_s = time.monotonic()
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False, timeout=HANGS_AFTER_S
        )
        took_s = time.monotonic() - began_s
        simulation.stop()
        devices.join()
    if errors:
        raise errors[0]
    listed = len(set(re.findall(r"uid\s+([0-9a-f-]{36})", " ".join(done.stderr.split()))))
    return {"exit_code": done.returncode, "listed": listed, "took_s": took_s, "said": done.stderr.strip()[-600:]}


def text_outlet(session_id: str) -> None:
    """Be a stream of texts with the eye tracker's name and type, until standard input ends."""
    from rtemo.liblsl import configure

    configure(NetworkSettings(scope="machine", session_id=session_id))
    import pylsl

    told = Laboratory().describe("eye").stream
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(told.name, told.type, 1, 0.0, pylsl.cf_string, "texts"))
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not stop.wait(0.1):
        outlet.push_sample(["gaze lost"])


# ---------------------------------------------------------------------------------------------------------------------
# The truth


@dataclass(frozen=True, slots=True)
class Truth:
    """When which sample of a device was taken.

    Parameters
    ----------
    stretches : sequence of Piece
        Of one rate each.
    origin_s : float
        LSL local clock.
    """

    stretches: Sequence[Piece]
    origin_s: float

    def times_s(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """When samples were taken, LSL local-clock seconds."""
        of = np.searchsorted([piece.first for piece in self.stretches], numbers, side="right") - 1
        first = np.array([piece.first for piece in self.stretches])[of]
        first_s = np.array([piece.first_s for piece in self.stretches])[of]
        rate = np.array([piece.effective_hz for piece in self.stretches])[of]
        return self.origin_s + first_s + (numbers - first) / rate

    def number_from(self, at_s: float) -> int:
        """The first sample at a moment, in seconds since the origin, or later."""
        piece = [piece for piece in self.stretches if piece.first_s <= at_s + 1e-9][-1]
        return piece.number_from(at_s)


def truth_of(device: str, faults: Sequence[Fault], origin_s: float) -> Truth:
    rate_hz = Laboratory().describe(device).stream.nominal_rate_hz
    return Truth(pieces(rate_hz, [fault for fault in faults if fault.device == device]), origin_s)


@dataclass(slots=True)
class Placed:
    """The samples of a device that the session placed, by number; NaN where it has none.

    Parameters
    ----------
    stamps_s : ndarray of float64
    twice : int
        Samples that came more than once.
    """

    stamps_s: NDArray[np.float64]
    twice: int


def placed_samples(recording: Path) -> dict[str, Placed]:
    """The very stamps that the session gave to samples, by device."""
    from rtemo.sources.xdf import XdfSource

    source = XdfSource(recording)
    kinds = {kind: view for view, (kind, _) in VIEWS.items()}
    devices = {stream.key: kinds.get(stream.type) for stream in source.streams}
    numbers: dict[str, list[NDArray[np.int64]]] = {view: [] for view in VIEWS}
    stamps: dict[str, list[NDArray[np.float64]]] = {view: [] for view in VIEWS}
    try:
        for item in source:
            device = devices[item.stream]
            if isinstance(item, Chunk) and device is not None:
                numbers[device].append(item.values[:, 0].astype(np.int64))
                stamps[device].append(item.stamps_s)
    finally:
        source.close()
    found = {}
    for view in VIEWS:
        which = np.concatenate([np.empty(0, np.int64), *numbers[view]])
        when = np.concatenate([np.empty(0), *stamps[view]])
        by_number = np.full(int(which.max(initial=-1)) + 1, np.nan)
        by_number[which] = when
        found[view] = Placed(by_number, len(which) - len(np.unique(which)))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The judgement


@dataclass(slots=True)
class Row:
    """What is found of one fault; None where there is nothing to say. What the columns mean stands in `COLUMNS`."""

    name: str
    title: str
    faults: str
    windows: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0
    hidden_jumps: int | None = None
    misaligned_ms: float | None = None
    misaligned_of_limit: float | None = None
    misaligned_windows: int = 0
    misaligned_until_s: float | None = None
    stamp_error_ms: float | None = None
    stamp_error_later_ms: float | None = None
    flagged_after: int | None = None
    flagged_late_ms: float | None = None
    latest_ms: float | None = None
    lost_ms: float | None = None
    lost_before: int | None = None
    taken_ms: float | None = None
    back_after: int | None = None
    missing_elsewhere: list[tuple[str, float]] = field(default_factory=list)
    compared: int | None = None
    late: int | None = None
    different: int | None = None
    overrun_s: float | None = None
    refusal: dict[str, Any] | None = None
    stall_ms: float | None = None
    attempts: int = 1
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Content:
    """The samples in one available view of a live window."""

    first: int
    last: int
    consecutive: bool


def content(features: NDArray[np.float64]) -> Content:
    """Which samples are in a view, from the statistics of their numbers.

    Numbers that are consecutive have the mean, the standard deviation and the differences that follow from the first
    and the last.
    """
    mean, std, _, least, most, change = features.tolist()
    count = most - least + 1
    consecutive = (
        abs(mean - (least + most) / 2) < 1e-3
        and abs(std - math.sqrt((count * count - 1) / 12)) < 1e-3
        and abs(change - 1) < 1e-6
    )
    return Content(round(least), round(most), consecutive)


def judge(case: Case, told: Told, config: Configuration, bundle: Path) -> Row:
    """Judge a session by what was in its windows."""
    row = Row(case.name, case.title, case.faults, len(told.windows), told.began_s, told.ended_s)
    truths = {view: truth_of(view, parse_faults(case.faults), told.origin_s) for view in VIEWS}
    placed = placed_samples(told.folder / RECORDING)
    errors = {
        view: placed[view].stamps_s - truths[view].times_s(np.arange(len(placed[view].stamps_s))) for view in VIEWS
    }
    row.latest_ms = 1e3 * max(closed_s - window.stop_s for window, closed_s in told.windows)
    row.overrun_s = told.overrun_s
    if not told.own_clocks:
        row.notes.append("devices could not have clocks of their own here")
    _judge_content(row, told, errors, placed)
    if case.fault is None:
        row.missing_elsewhere = _missing(told, lambda view, window: True)
    else:
        _Judgement(row, case.fault, told, truths[case.fault.device], errors[case.fault.device]).make()
    _judge_replay(row, told, config, bundle)
    return row


def _judge_content(
    row: Row, told: Told, errors: Mapping[str, NDArray[np.float64]], placed: Mapping[str, Placed]
) -> None:
    """Hidden jumps, and how far views lie apart in one window."""
    row.hidden_jumps, row.misaligned_ms, row.misaligned_of_limit = 0, 0.0, 0.0
    rates_hz = {view: Laboratory().describe(view).stream.nominal_rate_hz for view in VIEWS}
    for window, _ in told.windows:
        spans: dict[str, tuple[float, float]] = {}
        for view in VIEWS:
            if not window.available[view]:
                continue
            found = content(window.features[view])
            those = errors[view][found.first : found.last + 1]
            if found.consecutive and len(those) == found.last - found.first + 1 and np.isfinite(those).all():
                spans[view] = float(those.min()), float(those.max())
            else:
                row.hidden_jumps += 1
                row.notes.append(f"window {window.index}: {view} holds samples {found.first} to {found.last}, not all")
        worst = 0.0
        for (one, (low, high)), (other, (least, most)) in itertools.combinations(spans.items(), 2):
            apart_ms = 1e3 * max(high - least, most - low)
            row.misaligned_ms = max(row.misaligned_ms, apart_ms)
            worst = max(worst, apart_ms / (500 / min(rates_hz[one], rates_hz[other])))
        row.misaligned_of_limit = max(row.misaligned_of_limit, worst)
        if worst > 1:
            row.misaligned_windows += 1
            row.misaligned_until_s = window.stop_s - told.windows[0][0].start_s
    twice = sum(one.twice for one in placed.values())
    if twice:
        row.hidden_jumps += 1
        row.notes.append(f"{twice} samples came twice")


@dataclass(slots=True)
class _Judgement:
    """What became of the device that has the fault.

    Parameters
    ----------
    row : Row
    fault : Fault
    told : Told
    truth : Truth
        Of the device.
    error : ndarray of float64
        Of the stamp of each sample, seconds; NaN where the session did not place it.
    """

    row: Row
    fault: Fault
    told: Told
    truth: Truth
    error: NDArray[np.float64]

    def make(self) -> None:
        """Fill in the row."""
        kind, row = self.fault.kind, self.row
        if kind not in (*AWAY, *HELD, *JUMP, "stamps"):
            row.missing_elsewhere = _missing(self.told, lambda view, window: True)
            return
        known = np.zeros(self.truth.number_from(self.told.ended_s - self.told.origin_s - SETTLED_S), dtype=bool)
        known[: len(self.error)] = np.isfinite(self.error[: len(known)])
        begun = int(np.argmax(known))
        start = self.truth.number_from(self.fault.start_s)
        returns = kind in JUMP or self.fault.stop_s < FOREVER
        back = start if kind in JUMP else self.truth.number_from(self.fault.stop_s) if returns else len(known)
        if kind != "absent":
            self._flagged(self._first_lost(known, start))
        if kind in HELD or kind in ("gap", "stamps"):
            # The outlet never went: nothing may be lost at all, but for what was never sent or has wrong stamps.
            sent = np.arange(begun, len(known))
            sent = sent if kind in HELD else sent[(sent < start) | (sent >= back)]
            row.lost_ms = 1e3 * int((~known[sent]).sum()) / self.truth.stretches[-1].effective_hz
        else:
            self._taken(known, back)
            row.lost_before = int((~known[begun:start]).sum())
        self._behind(back if returns else None)

    def _first_lost(self, known: NDArray[np.bool_], start: int) -> int:
        """The first sample that did not come, or not in time; an outlet that dies takes a few with it."""
        if self.fault.kind in HELD or self.fault.kind in ("stamps", "rate"):
            return start
        since = max(0, start - int(DYING_S * self.truth.stretches[0].effective_hz))
        return since + int(np.argmin(known[since:]))

    def _flagged(self, lost: int) -> None:
        """How soon a window says that the view is missing, and whether that one is in time."""
        lost_s = self.truth.times_s(np.array([lost]))[0]
        ending = [(window, closed_s) for window, closed_s in self.told.windows if window.stop_s > lost_s + 1e-6]
        for number, (window, closed_s) in enumerate(ending):
            if not window.available[self.fault.device]:
                self.row.flagged_after, self.row.flagged_late_ms = number, 1e3 * (closed_s - window.stop_s)
                return
        self.row.flagged_after = len(ending)

    def _taken(self, known: NDArray[np.bool_], back: int) -> None:
        """How soon the outlet was found, and how much of what it sent was lost until then."""
        back_s = self.truth.times_s(np.array([back]))[0]
        after = np.flatnonzero(known[back:])
        self.row.lost_ms = math.inf
        if len(after):
            self.row.lost_ms = 1e3 * float(self.truth.times_s(np.array([back + after[0]]))[0] - back_s)
        opened = [
            event["stamp"] - back_s
            for event in map(json.loads, (self.told.folder / EVENTS).read_text(encoding="utf-8").splitlines())
            if event["event"] == "stream-opened" and event["stream"] == self.fault.device
        ]
        self.row.taken_ms = 1e3 * min((s for s in opened if s > -SETTLED_S), default=math.inf)

    def _behind(self, back: int | None) -> None:
        """Whether the view comes back, and how right its stamps are then."""
        view, row = self.fault.device, self.row
        lost_s = self.told.origin_s + self.fault.start_s - DYING_S
        first_s = math.inf
        if back is not None and self.fault.kind != "rate":
            back_s = self.truth.times_s(np.array([back]))[0]
            whole = [window for window, _ in self.told.windows if window.start_s >= back_s - 1e-6]
            again = [number for number, window in enumerate(whole) if window.available[view]]
            row.back_after = again[0] if again else -1
            if again:
                first_s = whole[again[0]].start_s
                row.stamp_error_ms = 1e3 * max(self._worst(whole[number]) for number in again)
                later = [whole[number] for number in again if whole[number].start_s >= back_s + LATER_S]
                row.stamp_error_later_ms = 1e3 * max(map(self._worst, later), default=math.nan)
        row.missing_elsewhere = _missing(
            self.told,
            lambda other, window: (
                other != view or (window.stop_s <= lost_s and self.fault.kind != "absent") or window.start_s >= first_s
            ),
        )

    def _worst(self, window: FeatureWindow) -> float:
        found = content(window.features[self.fault.device])
        return float(np.nanmax(np.abs(self.error[found.first : found.last + 1])))


def _missing(told: Told, counts: Callable[[str, FeatureWindow], bool]) -> list[tuple[str, float]]:
    """Views and ends of the windows in which they are missing, of those that count."""
    # What was still under way when the session ended is nobody's fault.
    return [
        (view, window.stop_s)
        for window, closed_s in told.windows
        for view in VIEWS
        if not window.available[view] and closed_s < told.ended_s and counts(view, window)
    ]


def _judge_replay(row: Row, told: Told, config: Configuration, bundle: Path) -> None:
    """Whether a replay of the recording gives the same windows, masks, features (bit for bit) and predictions."""
    from rtemo.extraction import bind, windows_of
    from rtemo.model.bundle import load_bundle
    from rtemo.sources.xdf import XdfSource

    said = agreement(told.folder, config, load_bundle(bundle))
    different = set(said.different) | set(said.only_live) | set(said.only_replay)
    source = XdfSource(told.folder / RECORDING)
    try:
        replayed = {window.index: window for window in windows_of(source, bind(config, source), config, lambda _: None)}
    finally:
        source.close()
    late = late_windows(told.folder / EVENTS)
    for window, _ in told.windows:
        again = replayed.get(window.index)
        if window.index not in late and (again is None or not _same(window, again)):
            different.add(window.index)
    row.compared, row.late, row.different = said.windows, said.late, len(different)
    if said.skipped:
        row.notes.append(f"the model had no time for {said.skipped} windows")
    if different:
        row.notes.append(f"windows that a replay gives otherwise: {sorted(different)[:8]}")


def _same(one: FeatureWindow, other: FeatureWindow) -> bool:
    return (
        one.available == other.available
        and one.coverage == other.coverage
        and all(np.array_equal(one.features[view], other.features[view], equal_nan=True) for view in VIEWS)
    )


def check(row: Row, case: Case, stalls: Sequence[tuple[float, float]]) -> None:
    """Say what fails that must hold.

    Parameters
    ----------
    row : Row
    case : Case
    stalls : sequence of (float, float)
        From when to when the machine stood still, LSL local-clock seconds.
    """
    during = [stop_s - start_s for start_s, stop_s in stalls if stop_s > row.began_s and start_s < row.ended_s]
    row.stall_ms = 1e3 * max(during, default=0.0)
    if row.refusal is not None:
        if row.refusal["exit_code"] != 3 or row.refusal["listed"] != 2:
            row.failures["refusal"] = f"exit code {row.refusal['exit_code']}, {row.refusal['listed']} of 2 listed"
        return
    limits = {
        "hidden_jumps": 0,
        "misaligned_of_limit": 1.0,
        "stamp_error_ms": 1.0 if case.accurate else math.inf,
        "flagged_after": 0,
        "flagged_late_ms": 110.0,
        # A stream that was never there is looked at for a while, lest there be two alike.
        "lost_ms": math.inf if case.name == "absent" else 150.0,
        "taken_ms": math.inf if case.taken_within_s is None else 1e3 * case.taken_within_s,
        "different": 0,
        "overrun_s": 1.0,
    }
    for figure, limit in limits.items():
        found = getattr(row, figure)
        if found is not None and not found <= limit:
            row.failures[figure] = f"{found:.4g} > {limit:g}"
    if row.back_after == -1:
        row.failures["back_after"] = "the view does not come back"
    device = case.fault.device if case.fault is not None else ""
    disturbed = [
        (view, stop_s)
        for view, stop_s in row.missing_elsewhere
        if (view != device or case.fault is None or case.fault.kind == "twin")
        and not any(began_s < stop_s + SETTLED_S and ended_s > stop_s - 1.0 for began_s, ended_s in stalls)
    ]
    if disturbed:
        row.failures["missing_elsewhere"] = f"{len(disturbed)} times without a standstill of the machine"


# ---------------------------------------------------------------------------------------------------------------------
# One fault in a process of its own, as LSL is configured once a process


def run_case(case: Case, bundle: Path, folder: Path) -> Row:
    """Run and judge one fault, in this process."""
    alone = enter_network()
    config = configuration(f"faults-{uuid.uuid4().hex[:12]}")
    if case.refused:
        row = Row(case.name, case.title, case.faults, refusal=run_refused(case, config, bundle, folder))
    else:
        with texts_beside(config.network.session_id) if case.text_twin else contextlib.nullcontext():
            told = run_session(case, config, bundle, folder)
        row = judge(case, told, config, bundle)
    if not alone:
        row.notes.append("not in a network of its own")
    return row


@contextlib.contextmanager
def texts_beside(session_id: str) -> Iterator[None]:
    """A stream of texts that looks like the eye tracker, in a process of its own."""
    command = [sys.executable, __file__, "--text-outlet", session_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RtemoError("the stream of texts did not start.")
        try:
            yield
        finally:
            process.kill()


class Watch:
    """Notes when the machine stands still: a thread on each core that hardly ever runs looks how late it wakes."""

    STEP_S = 0.005
    NOTED_S = 0.02

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float]] = []
        self._stop = threading.Event()
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
        self._threads = [threading.Thread(target=self._look, args=(core,), daemon=True) for core in cores]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *what: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _look(self, core: int | None) -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})
        before_s = time.monotonic()  # the clock that LSL's local clock is, too
        while not self._stop.is_set():
            time.sleep(self.STEP_S)
            now_s = time.monotonic()
            if now_s - before_s > self.STEP_S + self.NOTED_S:
                self.stalls.append((before_s, now_s))
            before_s = now_s


def measure(names: Sequence[str], scratch: Path, keep: Path | None = None) -> Iterator[Row]:
    """Run faults, one after the other.

    Parameters
    ----------
    names : sequence of str
        Of `CASES`.
    scratch : Path
        An empty folder.
    keep : Path, optional
        Where the sessions are to stay.

    Yields
    ------
    Row
    """
    bundle = train(scratch)
    for name in names:
        rows: list[Row] = []
        while len(rows) < ATTEMPTS and (not rows or (rows[-1].stall_ms or 0.0) >= 1e3 * STALL_S):
            folder = (keep or scratch) / f"{name}-{len(rows) + 1}"
            folder.mkdir()
            rows.append(_attempt(BY_NAME[name], bundle, folder))
        row = min(rows, key=lambda row: row.stall_ms or 0.0)
        row.attempts = len(rows)
        yield row


def _attempt(case: Case, bundle: Path, folder: Path) -> Row:
    command = [sys.executable, __file__, "--case", case.name, "--bundle", str(bundle), "--folder", str(folder)]
    failed = Row(case.name, case.title, case.faults)
    with (
        Watch() as watch,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process,
    ):
        try:
            out, _ = process.communicate(timeout=case.until_s + HANGS_AFTER_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            failed.failures["overrun_s"] = f"hangs: no end {HANGS_AFTER_S:g} s after it was due"
            return failed
    if process.returncode:
        failed.failures["run"] = f"ends with {process.returncode}; its message stands above"
        return failed
    row = Row(**json.loads(out.splitlines()[-1]))
    check(row, case, watch.stalls)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# What is shown


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    head, means : str
    shows : callable
    must : tuple of str
        Figures of which it shows that they fail.
    """

    head: str
    means: str
    shows: Callable[[Row], str]
    must: tuple[str, ...] = ()


def _number(value: float | None, digits: int = 0) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if math.isfinite(value) else "never"


def _misaligned(row: Row) -> str:
    where = f" in {row.misaligned_windows}" if row.misaligned_windows else ""
    return _number(row.misaligned_ms, 2) + where


def _flagged(row: Row) -> str:
    return "-" if row.flagged_after is None else f"{row.flagged_after} / {_number(row.flagged_late_ms)}"


def _back(row: Row) -> str:
    return "never" if row.back_after == -1 else _number(row.back_after)


def _elsewhere(row: Row) -> str:
    if row.compared is None:
        return "-"
    count = {view: sum(view == missing for missing, _ in row.missing_elsewhere) for view in VIEWS}
    return ", ".join(f"{view} {many}" for view, many in count.items() if many) or "0"


def _replay(row: Row) -> str:
    return "-" if row.compared is None else f"{row.different} of {row.compared}"


def _ends(row: Row) -> str:
    return f"exit {row.refusal['exit_code']}" if row.refusal is not None else _number(row.overrun_s, 2)


COLUMNS = (
    Column("fault", "what goes wrong, from 8 s after the first sample on unless it says otherwise", lambda r: r.title),
    Column(
        "as written", "the same as `rtemo simulate --fault` takes it", lambda r: f"`{r.faults}`" if r.faults else "-"
    ),
    Column("windows", "windows of the session", lambda r: _number(r.windows)),
    Column(
        "hidden jumps",
        "views that are available in a window though the sample numbers in it are not consecutive, or a sample came "
        "twice; **must be 0**",
        lambda r: _number(r.hidden_jumps),
        ("hidden_jumps",),
    ),
    Column(
        "misaligned (ms)",
        "how far at most two views of one window lie apart: the difference of the errors of their samples' stamps, "
        "over all samples of all available windows, also before the fault; with the number of windows in which it is "
        "more than allowed; **must be at most half a sample period of the slower stream**, 4.17 ms beside the eye "
        "tracker, 1.95 ms between the other two",
        _misaligned,
        ("misaligned_of_limit",),
    ),
    Column(
        "stamp error (ms)",
        "largest error of a stamp of the device that has the fault, over the samples of all its available windows "
        "behind the fault; **must be at most 1**",
        lambda r: _number(r.stamp_error_ms, 3),
        ("stamp_error_ms",),
    ),
    Column(
        "flagged (windows / ms)",
        "how many windows that end behind the first sample that did not come still have the view, **must be 0**; and "
        "how long after its end the first window came that says that the view is missing, **must be at most 110** "
        "(`lateness_s` of 100 ms, and 10 for threads to wake)",
        _flagged,
        ("flagged_after", "flagged_late_ms"),
    ),
    Column(
        "lost (ms)",
        "from the first sample that an outlet sent that is back to the first one that was received, and where the "
        "outlet was never gone, all that it sent and was not used; **must be at most 150**",
        lambda r: _number(r.lost_ms),
        ("lost_ms",),
    ),
    Column(
        "taken (ms)",
        "until the outlet that is back was opened; **must be at most 1000 under another source_id**",
        lambda r: _number(r.taken_ms),
        ("taken_ms",),
    ),
    Column(
        "back (windows)",
        "how many whole windows go by behind the fault until the view is available again; 0 is the first that can "
        "be; **it must come back**",
        _back,
        ("back_after",),
    ),
    Column(
        "missing elsewhere",
        "in how many windows views are missing that have nothing to do with the fault, or the device's own view "
        "before the fault or after its return; **no other view may be, unless the machine stood still**",
        _elsewhere,
        ("missing_elsewhere",),
    ),
    Column(
        "replay differs",
        "windows in which a replay of the recording gives another mask, coverage or feature (bit for bit), or "
        "prediction (1e-5), of those for which no sample came late; **must be 0**",
        _replay,
        ("different",),
    ),
    Column(
        "ends (s)",
        "how long after it was due the session had ended, with all its files; **must be at most 1**. Where it must "
        "not start, its exit code, which **must be 3**",
        _ends,
        ("overrun_s", "refusal", "run"),
    ),
    Column(
        "standstill (ms)",
        "the longest that a core of the machine itself stood still meanwhile, as seen from beside rtemo (20 and more)",
        lambda r: _number(r.stall_ms),
    ),
)


def cells(row: Row) -> list[str]:
    """A row of the table; what fails is marked."""
    return [
        f"**{column.shows(row)} FAILS**" if any(figure in row.failures for figure in column.must) else column.shows(row)
        for column in COLUMNS
    ]


WIDTH = 180


def print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, WIDTH)
    table = Table()
    for column in COLUMNS[:1] + COLUMNS[2:]:
        table.add_column(
            column.head,
            justify="left" if column is COLUMNS[0] else "right",
            overflow="fold",
            min_width=26 if column is COLUMNS[0] else None,
        )
    for row in rows:
        shown = cells(row)
        table.add_row(
            *(f"[bold red]{cell.strip('*')}[/]" if cell.startswith("**") else cell for cell in shown[:1] + shown[2:])
        )
    console.print(table)
    for row in rows:
        for figure, failure in row.failures.items():
            console.print(f"{row.name}: {figure}: {failure}", style="red", highlight=False, markup=False)
        for note in row.notes:
            console.print(f"{row.name}: {note}", highlight=False, markup=False)


def machine() -> str:
    """What it ran on."""
    from rtemo.liblsl import configure, versions

    configure(NetworkSettings(scope="machine"))  # or liblsl chats
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = found[1] if found else model
    return (
        f"{platform.system()}, {os.cpu_count()} cores ({model}); Python {platform.python_version()}, "
        f"liblsl {versions()['liblsl']}"
    )


PAGE_TEXT = """\
# Faults, and what a live session makes of them

Made by `python benchmarks/fault_matrix.py`, which writes this page; all figures are in
`benchmarks/results/fault_matrix.json`.

For each fault, a simulated laboratory sends over real LSL, and a live session takes it: an EEG with 62 channels at
1000 Hz, an eye tracker at 120 Hz and a peripheral device at 256 Hz, each a process with a clock of its own, half an
hour to half a day apart from the machine's. Windows of 1 s begin four times a second. The first channel of every device
is the number of the sample, and the features of every view are the statistics of that channel: so it is known of every
live window which samples are in it. When a sample was taken follows from its number; which stamp the session gave it
stands in its recording, whose replay must give the same windows.

Machine: {machine}. What else ran on it is not known; where a core stood still for 50 ms or more, the session was run
again, at most twice.

{table}

What the columns say:

{columns}

{verdict}

Read with care:

* A sample that has not reached the session {late} after the end of its window is missing in it, whatever the reason:
  after `freeze` and `burst` the view is missing until the backlog is through, and such windows are left out of the
  comparison with the replay, which has all samples in time.
* An outlet that dies takes with it what it had not sent yet, and what had not been pulled, which happens every 50 ms:
  up to {before} ms here.
* Under a jitter of 5 ms no stamp can be right at once: how many samples were averaged is all that helps. Behind a gap a
  stream starts from the median of 50 ms of samples and a rate that is known, so a millisecond is asked for without
  jitter only; the row with both is shown for what it is (over windows that begin 3 s behind the return or later:
  {later} ms). At its very beginning it starts from the
  mean of its first 0.2 s.
* Where stamps jump and the clock, asked again, has not, nobody knows when samples were taken: they are not used.
* A changed rate is a stream that the model was not trained on: it is recorded, and its view is missing until the old
  rate is back.
* A stream that was not there at the start is taken only after it was looked at for 0.3 s, lest a second one alike be
  overlooked: what it sent until then is lost.
* It is a simulation over the loopback of one machine: it shows what the session makes of a fault, not what a network
  does.
"""


def page(rows: Sequence[Row]) -> str:
    """The page for the documentation."""
    table = ["| " + " | ".join(column.head for column in COLUMNS) + " |"]
    table.append("|---|---|" + "---:|" * (len(COLUMNS) - 2))
    table += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    failures = [
        f"* {row.title}: {_column_of(figure)}: {failure}." for row in rows for figure, failure in row.failures.items()
    ]
    later = next((row.stamp_error_later_ms for row in rows if row.name == "jitter-drop"), None)
    return PAGE_TEXT.format(
        machine=machine(),
        table="\n".join(table),
        columns="\n".join(f"* *{column.head}*: {column.means}." for column in COLUMNS),
        verdict="\n".join(["What fails:", "", *failures]) if failures else "Nothing fails that must hold.",
        late="100 ms (`lateness_s`)",
        before=_number(max(map(_lost_before_ms, rows), default=0.0)),
        later=_number(later, 2),
    )


def _lost_before_ms(row: Row) -> float:
    if not row.lost_before:
        return 0.0
    return 1e3 * row.lost_before / Laboratory().describe(parse_faults(row.faults)[0].device).stream.nominal_rate_hz


def _column_of(figure: str) -> str:
    if figure == "misaligned_of_limit":
        return "misaligned, in units of what is allowed"
    return next((column.head for column in COLUMNS if figure in column.must), figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), metavar="NAME", help=", ".join(BY_NAME))
    parser.add_argument(
        "--redraw", action="store_true", help="run nothing: table and page from the figures of last time"
    )
    parser.add_argument("--keep", type=Path, help="a folder in which the sessions stay, for a closer look")
    parser.add_argument("--case", choices=list(BY_NAME), help=argparse.SUPPRESS)
    parser.add_argument("--bundle", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--text-outlet", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.text_outlet:
        text_outlet(options.text_outlet)
        return 0
    if options.case:
        print(json.dumps(asdict(run_case(BY_NAME[options.case], options.bundle, options.folder))))
        return 0
    rows: list[Row] = []
    if options.redraw:
        rows = [Row(**row) for row in json.loads(RESULTS.read_text(encoding="utf-8")).values()]
        print_table(rows)
        PAGE.write_text(page(rows), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        for row in measure(options.only or list(BY_NAME), Path(scratch), options.keep):
            rows.append(row)
            print(f"{row.name}: {'; '.join(row.failures.values()) or 'holds'}", file=sys.stderr, flush=True)
    print_table(rows)
    if not options.only:
        RESULTS.write_text(json.dumps({row.name: asdict(row) for row in rows}, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(rows), encoding="utf-8")
    return 1 if any(row.failures for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
