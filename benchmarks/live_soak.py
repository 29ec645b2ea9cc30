"""Memory and completeness of a long live session over real LSL.

Run ``python benchmarks/live_soak.py`` (half an hour; ``--minutes 5`` for less). ``rtemo simulate`` plays 62-channel EEG
at 1000 Hz, an eye tracker at 120 Hz and eight peripheral channels at 256 Hz, each sample numbered; ``rtemo run``
predicts ten times a second and records. The session's own resident memory is noted every ten seconds; its slope counts
from the fifth minute (or the first fifth) on. At the end the recording is read, and every number must be there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import numpy as np

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

RESULTS = Path(__file__).with_name("results") / "live_soak.json"
EVERY_S = 10.0
WARM_UP_S = 300.0
LEAD_S = 10.0


def prepare(folder: Path) -> tuple[Path, Path]:
    """A configuration in an LSL session of its own, and a bundle for it."""
    from rtemo.config import NetworkSettings, parse_configuration
    from rtemo.demonstration import laboratory_configuration, record_laboratory
    from rtemo.extraction import extract
    from rtemo.model.bundle import save_bundle
    from rtemo.outputs.folder import write_configuration
    from rtemo.sources.schedule import LaboratorySettings
    from rtemo.training import train_bundle

    network = NetworkSettings(scope="machine", session_id=uuid.uuid4().hex)
    document = laboratory_configuration(network).model_dump(mode="json", exclude_unset=True)
    document["window"] = {"length_s": 1.0, "hop_s": 0.1}
    config = parse_configuration(document, "the soak")
    record_laboratory(folder / "calibration.xdf", LaboratorySettings(trial_s=4, rest_s=1, numbered=True), 45.0)
    bundle = train_bundle(config, [extract(folder / "calibration.xdf", config)], [], device="cpu").bundle
    save_bundle(folder / "bundle", bundle)
    return write_configuration(folder, config), folder / "bundle"


def resident_mb(pid: int) -> float:
    """Memory of a process that is its own, in MB: pages of libraries come and go with the machine's cache."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6


def lost_samples(recording: Path) -> dict[str, int]:
    """Numbers that are missing between the first and the last of each stream."""
    from rtemo.xdf import Samples, XdfReader

    numbers: dict[str, list[np.ndarray]] = {}
    with XdfReader(recording) as reader:
        for item in reader.items():
            header = reader.streams[item.stream_id]
            if isinstance(item, Samples) and header.source_id.startswith("rtemo-simulated"):
                numbers.setdefault(header.name, []).append(item.values[:, 0].astype(np.int64))
    lost = {}
    for name, parts in numbers.items():
        steps = np.diff(np.concatenate(parts))
        lost[name] = int((np.abs(steps - 1)).sum())
    return lost


def soak(minutes: float, folder: Path) -> dict[str, object]:
    """Run a session and measure it."""
    config, bundle = prepare(folder)
    seconds = 60 * minutes
    rtemo = [sys.executable, "-m", "rtemo"]
    simulate = [*rtemo, "simulate", str(config), "--numbered", "--duration", str(seconds + 60)]
    run = [*rtemo, "run", str(config), "-m", str(bundle), "-o", str(folder / "out"), "--duration", str(seconds)]
    with subprocess.Popen(simulate, stdout=subprocess.DEVNULL) as devices:
        time.sleep(LEAD_S)
        noted: list[tuple[float, float]] = []
        with subprocess.Popen(run, stdout=subprocess.DEVNULL) as session:
            began_s, waits = time.monotonic(), threading.Event()
            while session.poll() is None:
                waits.wait(EVERY_S)
                if session.poll() is None:
                    noted.append((time.monotonic() - began_s, resident_mb(session.pid)))
        devices.terminate()
    (out,) = (folder / "out" / "sub-unknown").iterdir()
    times_s, memory_mb = np.array(noted).T
    warm = times_s > min(WARM_UP_S, seconds / 5)
    slope = np.polyfit(times_s[warm] / 3600, memory_mb[warm], 1)[0]
    events = [json.loads(line)["event"] for line in (out / "events.jsonl").read_text().splitlines()]
    return {
        "minutes": minutes,
        "exit_code": session.returncode,
        "windows": len((out / "predictions.csv").read_text().splitlines()) - 1,
        "recording_mb": (out / "recording.xdf").stat().st_size / 1e6,
        "lost_samples": lost_samples(out / "recording.xdf"),
        "late_events": events.count("late"),
        "skipped_events": events.count("windows-skipped"),
        "memory_curve_mb": [round(mb, 2) for mb in memory_mb.tolist()],
        "memory_mb": float(memory_mb[warm].mean()),
        "memory_range_mb": float(np.ptp(memory_mb[warm])),
        "memory_slope_mb_per_hour": float(slope),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def main() -> int:
    """Print the figures and keep them; 1 where memory grows by over 1 MB an hour or a sample is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures are written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rtemo-soak-") as folder:
        figures = soak(arguments.minutes, Path(folder))
    for name, value in figures.items():
        print(f"{name:28} {value}")
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(figures["memory_slope_mb_per_hour"] > 1.0 or any(figures["lost_samples"].values()))


if __name__ == "__main__":
    sys.exit(main())
