"""How soon after the push of a window's last sample its features and its prediction are there, over real LSL.

Run ``python benchmarks/live_latency.py`` (about twenty minutes; ``--quick`` for two). Three outlets in processes of
their own play a 62-channel EEG at 1000 Hz in chunks of 20, an eye tracker at 120 Hz and a peripheral device at 256 Hz
in chunks of 8. Then, one after the other and in turns: rtemo in several make-ups, a loop written by hand, MNE-LSL and
ezmsg. The latter two are installed into environments of their own under ``--cache``, and skipped where they cannot be.

Latency counts from right before the push that completes a window, which is the latest of those pushes that carry the
last sample of some stream in it. Which sample is the last one is told by its number, which every stream carries.
rtemo's windows hold all three streams, unless it says otherwise; those of the others hold the EEG alone.

Every round has other phases of the devices' sampling. The first three seconds of every run do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import pty
import random
import subprocess
import sys
import tempfile
import threading
import uuid
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from live_outlets import DEVICES, Phase, network
from numpy.typing import NDArray

from rtemo.liblsl import configuration_text, versions

HERE = Path(__file__).resolve().parent
HOPS_S = (1.0, 0.1)
ALL = tuple(DEVICES)
SHAKY_S = 60.0
EDGE_S = 1e-6
"""As in rtemo's grid: a stamp this little below an edge counts as on it."""
ROUNDS = (
    {"eeg": Phase(0.5, 0), "eye": Phase(0.5), "pps": Phase(0.15, 1)},
    {"eeg": Phase(0.5, 7), "eye": Phase(0.05), "pps": Phase(0.05, 3)},
    {"eeg": Phase(0.5, 13), "eye": Phase(0.8), "pps": Phase(0.15, 6)},
)
PEERS = {"mne-lsl": ["mne-lsl"], "ezmsg": ["ezmsg", "ezmsg-lsl", "ezmsg-sigproc"]}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who turns streams into features.

    Parameters
    ----------
    name : str
    script : str
        In ``peers``.
    views : tuple of str
        Streams in its windows.
    options : tuple of str
    peer : str
        Environment that it needs; empty for rtemo's own.
    session, model, terminal : bool
        Whether it wants to know the LSL session, has a bundle, and writes to a terminal.
    """

    name: str
    script: str
    views: tuple[str, ...] = ("eeg",)
    options: tuple[str, ...] = ()
    peer: str = ""
    session: bool = False
    model: bool = False
    terminal: bool = False


TRANSPORT = Contestant("transport alone (EEG)", "transport")
CONTESTANTS = (
    Contestant("pylsl + rfft by hand (EEG)", "by_hand"),
    Contestant("MNE-LSL StreamLSL + rfft (EEG)", "mne_lsl_stream", peer="mne-lsl"),
    Contestant("ezmsg + rfft (EEG)", "ezmsg_inlet", peer="ezmsg"),
    Contestant("rtemo features (EEG)", "rtemo_features", options=("--views", "eeg"), session=True),
    Contestant("rtemo features", "rtemo_features", ALL, session=True),
    Contestant("rtemo features, recording", "rtemo_features", ALL, ("--recorder", "xdf"), session=True),
    Contestant("rtemo run", "rtemo_session", ALL, session=True, model=True),
    Contestant("rtemo run, adapting", "rtemo_session", ALL, ("--adaptation", "guarded"), session=True, model=True),
    Contestant("rtemo run on a terminal", "rtemo_session", ALL, session=True, model=True, terminal=True),
)


@dataclass(slots=True)
class Outcome:
    """What a contestant gave at one hop, over all rounds."""

    features_s: list[float] = field(default_factory=list)
    prediction_s: list[float] = field(default_factory=list)
    missing: int = 0
    other_content: int = 0
    unpublished: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_mb: float = 0.0
    peak_rss_mb: float = 0.0
    facts: dict[str, object] = field(default_factory=dict)

    def figures(self) -> dict[str, object]:
        """For people and for JSON."""
        return {
            "windows": len(self.features_s),
            "features_ms": percentiles_ms(self.features_s),
            "prediction_ms": percentiles_ms(self.prediction_s),
            "windows_with_a_view_missing": self.missing,
            "windows_with_other_samples_than_expected": self.other_content,
            "windows_not_received": self.unpublished,
            "cpu_percent_of_a_core": 100 * self.cpu_s / self.wall_s if self.wall_s else None,
            "measured_s": self.wall_s,
            "rss_mb": self.rss_mb,
            "peak_rss_mb": self.peak_rss_mb,
            "facts": self.facts,
        }


def checkout() -> str:
    """Commit that is measured, with a mark where the files differ from it; empty outside a checkout."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def percentiles_ms(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1e3
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": 1e3 * max(seconds)}


class Bench:
    """Where everything runs: the LSL session, the environments, the scratch folder."""

    def __init__(self, scratch: Path, cache: Path) -> None:
        self.scratch = scratch
        self.session = f"bench-{uuid.uuid4().hex[:12]}"
        self.skipped: dict[str, str] = {}
        self.loads: list[float] = []
        configuration = scratch / "lsl_api.cfg"
        configuration.write_text(configuration_text(network(self.session)), encoding="ascii")
        self.environment = {
            **os.environ,
            **dict.fromkeys(THREADS, "1"),
            "LSLAPICFG": str(configuration),
            # The package beside this file, whichever one is installed.
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
            "PYTHONUNBUFFERED": "1",
        }
        self.pythons = {"": sys.executable}
        for peer, packages in PEERS.items():
            try:
                self.pythons[peer] = peer_environment(cache / peer, packages)
            except (subprocess.CalledProcessError, OSError) as error:
                self.skipped[peer] = f"does not install: {error}"

    def start(self, script: Path, *options: str, peer: str = "", **kwargs: object) -> subprocess.Popen:
        """A process."""
        return subprocess.Popen([self.pythons[peer], str(script), *options], env=self.environment, **kwargs)

    @contextlib.contextmanager
    def outlets(self, phases: dict[str, Phase], logs: Path) -> Iterator[None]:
        """The three devices at work; their logs are there afterwards."""
        logs.mkdir()
        processes = [
            self.start(
                HERE / "live_outlets.py",
                *(key, "--session", self.session, "--source-id", f"{key}-{uuid.uuid4().hex}"),
                *("--sample-phase", str(phase.sample), "--chunk-phase", str(phase.chunk)),
                *("--log", str(logs / f"{key}.npy")),
                stdin=subprocess.PIPE,
            )
            for key, phase in phases.items()
        ]
        try:
            yield
        finally:
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
            ended = [process.wait(30) for process in processes]
        if any(ended):
            raise RuntimeError(f"outlets ended with {ended}")

    def run(self, who: Contestant, hop_s: float, windows: int, bundle: Path, out: Path) -> str:
        """Let a contestant run once; returns why it failed, if it did."""
        options = ["--hop", str(hop_s), "--windows", str(windows), "--out", str(out), *who.options]
        if who.session:
            options += ["--session", self.session]
        listener = None
        if who.model:
            options += ["--bundle", str(bundle)]
            listener = self.start(HERE / "peers" / "receiver.py", "--out", str(out.with_suffix(".npy")))
        self.loads.append(os.getloadavg()[0])
        with (out.with_suffix(".log")).open("wb") as log, terminal(who.terminal) as screen:
            process = self.start(
                HERE / "peers" / f"{who.script}.py", *options, peer=who.peer, stdout=screen or log, stderr=log
            )
            try:
                code = process.wait(windows * hop_s + SHAKY_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = "no end"
        if listener is not None:
            try:
                listener.wait(20)
            except subprocess.TimeoutExpired:
                listener.kill()
                listener.wait()
                code = "no end of the receiver"
        if code == 0:
            return ""
        return f"{code}: {out.with_suffix('.log').read_text(encoding='utf-8', errors='replace')[-2000:]}"


@contextlib.contextmanager
def terminal(wanted: bool) -> Iterator[int | None]:
    """The writing end of a terminal that somebody reads."""
    if not wanted:
        yield None
        return
    reading, writing = pty.openpty()

    def drain() -> None:
        try:
            while os.read(reading, 65536):
                pass
        except OSError:
            return  # the other end is closed: that is how a terminal ends

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        yield writing
    finally:
        os.close(writing)
        reader.join(10)
        os.close(reading)


def peer_environment(folder: Path, packages: list[str]) -> str:
    """Python of an environment with these packages, made where it is not there yet."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True, capture_output=True)
        (folder / "complete").touch()
    return str(python)


def last_push(log: NDArray[np.float64], number: float) -> int:
    """Which push brought a sample."""
    return int(np.searchsorted(log[:, 0], number))


def expected_last(log: NDArray[np.float64], stop_s: float, rate_hz: float) -> float:
    """Number of the last sample before a window's end, by the stamps that were sent."""
    number, stamp_s = log[0, 0], log[0, 1]
    return number + math.ceil((stop_s - EDGE_S - stamp_s) * rate_hz) - 1


def judge(outcome: Outcome, who: Contestant, hop_s: float, out: Path, logs: dict[str, NDArray[np.float64]]) -> None:
    """Work out the latencies of a run, and book them."""
    with np.load(out) as saved:
        rows, facts = saved["rows"], json.loads(str(saved["facts"]))
    arrivals: dict[int, float] = {}
    if who.model:
        arrivals = {round(stop_s / hop_s): at_s for stop_s, at_s in np.load(out.with_suffix(".npy")).tolist()}
    for ready_s, stop_s, *numbers in rows.tolist():
        pushed_s = -math.inf
        for view, number in zip(who.views, numbers, strict=True):
            log = logs[view]
            if math.isnan(number):
                if view != "eeg":
                    outcome.missing += 1
                    break
                number = expected_last(log, stop_s, DEVICES[view].rate_hz)
            elif len(who.views) > 1 and number != expected_last(log, stop_s, DEVICES[view].rate_hz):
                outcome.other_content += 1
            pushed_s = max(pushed_s, float(log[last_push(log, number), 2]))
        else:
            outcome.features_s.append(ready_s - pushed_s)
            if who.model:
                arrived_s = arrivals.get(round(stop_s / hop_s))
                if arrived_s is None:
                    outcome.unpublished += 1
                else:
                    outcome.prediction_s.append(arrived_s - pushed_s)
    outcome.cpu_s += facts.pop("cpu_s")
    outcome.wall_s += facts.pop("wall_s")
    outcome.rss_mb = max(outcome.rss_mb, facts.pop("rss_mb"))
    outcome.peak_rss_mb = max(outcome.peak_rss_mb, facts.pop("peak_rss_mb"))
    outcome.facts = facts


def show(title: str, outcome: Outcome) -> None:
    """One line of the table."""
    figures = outcome.figures()
    cells = []
    for key in ("features_ms", "prediction_ms"):
        part = figures[key]
        cells.append("".join(f"{part[p]:8.3f}" for p in ("p50", "p95", "p99", "max")) if part else " " * 32)
    load = figures["cpu_percent_of_a_core"]
    odd = outcome.missing + outcome.other_content + outcome.unpublished
    print(
        f"{title:42s}{len(outcome.features_s):6d}{cells[0]} |{cells[1]} |{load or math.nan:7.1f}"
        f"{outcome.rss_mb:7.0f}{outcome.peak_rss_mb:7.0f}{odd:5d}",
        flush=True,
    )


def show_header() -> None:
    points = "".join(f"{p:>8s}" for p in ("p50", "p95", "p99", "max"))
    print(
        f"{'':48s}{'features ready (ms)':>32s} |{'prediction received (ms)':>32s} |{'CPU':>7s}{'RSS':>7s}{'peak':>7s}"
    )
    print(f"{'':42s}{'n':>6s}{points} |{points} |{'%':>7s}{'MB':>7s}{'MB':>7s}{'odd':>5s}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=60, help="at a hop of 1 s, over all rounds; five times at 0.1 s")
    parser.add_argument("--quick", action="store_true", help="few windows: to see whether everything runs")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="contestants whose name holds one of these words")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "rtemo-benchmark-peers",
        help="folder of the peers' environments",
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--keep", type=Path, help="keep the raw records in this folder")
    arguments = parser.parse_args()
    share = 5 if arguments.quick else math.ceil(arguments.windows / len(ROUNDS))
    chosen = [
        who
        for who in (TRANSPORT, *CONTESTANTS)
        if not arguments.only or any(word in who.name for word in arguments.only)
    ]
    with contextlib.ExitStack() as stack:
        if arguments.keep is None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtemo-live-")))
        else:
            scratch = arguments.keep
            scratch.mkdir(parents=True)
        figures = compete(Bench(scratch, arguments.cache), chosen, share)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def compete(bench: Bench, chosen: list[Contestant], share: int) -> dict[str, object]:
    """All rounds, the table, and all figures."""
    bundles = {hop_s: bench.scratch / f"bundle-{hop_s:g}" for hop_s in HOPS_S}
    for hop_s, folder in bundles.items():
        if any(who.model for who in chosen):
            task = bench.start(HERE / "peers" / "rtemo_task.py", "--hop", str(hop_s), "--out", str(folder))
            if task.wait():
                raise RuntimeError("no bundle")
    commit = checkout()
    outcomes: dict[tuple[str, float], Outcome] = {}
    lateness_s: dict[str, list[float]] = {key: [] for key in DEVICES}
    order = random.Random(0)
    for number, phases in enumerate(ROUNDS):
        logs_folder = bench.scratch / f"outlets-{number}"
        runs: list[tuple[Contestant, float, Path]] = []
        with bench.outlets(phases, logs_folder):
            turns = [(who, hop_s) for who in chosen for hop_s in HOPS_S if who is not TRANSPORT or hop_s == HOPS_S[0]]
            order.shuffle(turns)
            for who, hop_s in turns:
                if who.peer in bench.skipped:
                    continue
                out = bench.scratch / f"{number}-{hop_s:g}-{chosen.index(who)}.npz"
                windows = 50 * share if who is TRANSPORT else share * round(1 / hop_s / (1 if hop_s == 1 else 2))
                print(f"round {number + 1}: {who.name}, hop {hop_s:g} s", file=sys.stderr, flush=True)
                reason = bench.run(who, hop_s, windows, bundles[hop_s], out)
                if not reason:
                    runs.append((who, hop_s, out))
                elif who.peer:
                    bench.skipped[who.peer] = reason
                else:
                    raise RuntimeError(f"{who.name}: {reason}")
        logs = {key: np.load(logs_folder / f"{key}.npy") for key in DEVICES}
        for key, log in logs.items():
            lateness_s[key] += (log[:, 2] - log[:, 1]).tolist()
        for who, hop_s, out in runs:
            judge(outcomes.setdefault((who.name, hop_s), Outcome()), who, hop_s, out, logs)
    print(f"{commit}, {platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, ", end="")
    print(f"load average before the runs {min(bench.loads):.2f} to {max(bench.loads):.2f}; latencies from the push")
    late = {key: percentiles_ms(values) for key, values in lateness_s.items()}
    print("pushes behind their schedule, p50 / p99 ms: ", end="")
    print(", ".join(f"{key} {points['p50']:.3f} / {points['p99']:.3f}" for key, points in late.items() if points))
    show_header()
    for who in chosen:
        for hop_s in HOPS_S:
            if (who.name, hop_s) in outcomes:
                title = who.name if who is TRANSPORT else f"{who.name}, hop {hop_s:g} s"
                show(title, outcomes[who.name, hop_s])
    for peer, reason in bench.skipped.items():
        print(f"{peer} was skipped: {reason}")
    return {
        "machine": {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "commit": commit,
        "lsl": versions(),
        "load_average": bench.loads,
        "pushes_behind_schedule_ms": late,
        "phases": [{key: [phase.sample, phase.chunk] for key, phase in phases.items()} for phases in ROUNDS],
        "skipped": bench.skipped,
        "contestants": {f"{name}, hop {hop_s:g} s": outcome.figures() for (name, hop_s), outcome in outcomes.items()},
    }


if __name__ == "__main__":
    main()
