"""The recorder: `python benchmarks/recorder.py` kills 20 recording processes; `--soak [MINUTES]` records on and on.

A process records 62 channels at 1000 Hz in chunks of 20, 8 channels at 256 Hz and a gaze stream at 120 Hz, in real
time; the first channel of each is the number of the sample. `kill -9` comes at a random moment; what is lost are
samples that were handed to the recorder and are not in the file. The soak (30 minutes if not said) gives the slope of
the resident memory after its first fifth, the samples lost, and the share of a core that the recorder takes: its
thread, and the calls that hand samples over. Figures go to `results/recorder.json`.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

RESULTS = Path(__file__).parent / "results" / "recorder.json"
# Name, channels, rate, samples a chunk.
STREAMS = (("eeg", 62, 1000, 20), ("peripheral", 8, 256, 8), ("gaze", 4, 120, 2))
MEMORY_EVERY_S = 2.0
OFFSETS_EVERY_S = 5.0


def header(name: str, channels: int, rate_hz: int) -> bytes:
    return (
        f"<info><name>{name}</name><type>{name}</type><channel_count>{channels}</channel_count>"
        f"<nominal_srate>{rate_hz}</nominal_srate><channel_format>float32</channel_format></info>"
    ).encode()


def resident_mb() -> float:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def record(path: Path, handed_file: Path, seconds: float) -> None:
    """Record in real time, for so long or until killed; print what it took."""
    from rtemo.clock import MonotonicClock
    from rtemo.outputs.recording import Recorder

    handed_file.write_bytes(bytes(8 * len(STREAMS)))
    with handed_file.open("r+b") as file:
        handed = mmap.mmap(file.fileno(), 0)
    recorder = Recorder(path, clock=MonotonicClock(), on_alarm=lambda kind, details: sys.exit(f"{kind}: {details}"))
    numbers = [recorder.add_stream(header(*stream[:3])) for stream in STREAMS]
    thread_clock = time.pthread_getcpuclockid(recorder._thread.ident)
    counts = [0] * len(STREAMS)
    # Made beforehand, so that what is measured does not grow by being measured.
    memory = np.zeros((int(seconds / MEMORY_EVERY_S) + 2, 2))
    measured = 0
    handing_s = 0.0
    begin = time.monotonic()
    offsets_due, memory_due = begin, begin
    while (now := time.monotonic()) < begin + seconds:
        for k, (_, channels, rate_hz, chunk) in enumerate(STREAMS):
            while begin + (counts[k] + chunk) / rate_hz <= now:
                index = np.arange(counts[k], counts[k] + chunk)
                values = np.repeat(index[:, None], channels, axis=1).astype(np.float32)
                stamps = begin + index / rate_hz
                before = time.thread_time()
                recorder.samples(numbers[k], stamps, values)
                handing_s += time.thread_time() - before
                counts[k] += chunk
                handed[8 * k : 8 * k + 8] = struct.pack("<Q", counts[k])
        if now >= offsets_due:
            offsets_due += OFFSETS_EVERY_S
            for number in numbers:
                recorder.clock_offset(number, now, 0.0)
        if now >= memory_due:
            memory_due += MEMORY_EVERY_S
            memory[measured] = now - begin, resident_mb()
            measured += 1
        time.sleep(0.002)
    wall_s = time.monotonic() - begin
    thread_s = time.clock_gettime(thread_clock)
    status = recorder.close()
    print(
        json.dumps(
            {
                "seconds": wall_s,
                "megabytes": status.bytes_written / 1e6,
                "thread_share": thread_s / wall_s,
                "handing_share": handing_s / wall_s,
                "memory": memory[:measured].tolist(),
            }
        )
    )


def start(folder: Path, seconds: float) -> tuple[subprocess.Popen[str], Path, Path]:
    path, handed = folder / "a.xdf", folder / "handed"
    command = [sys.executable, __file__, "--record", str(path), str(handed), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True), path, handed


def lost_samples(path: Path, handed_file: Path) -> list[int]:
    """By stream, how many samples that were handed over are not in the file; what is there must be consecutive."""
    from rtemo.xdf import Samples, XdfReader

    handed = struct.unpack(f"<{len(STREAMS)}Q", handed_file.read_bytes())
    counts = [0] * len(STREAMS)
    with XdfReader(path) as reader:
        for item in reader.items():
            if isinstance(item, Samples):
                k = item.stream_id - 1
                expected = np.arange(counts[k], counts[k] + len(item.stamps_s))
                # Numbers over 2**24 are not exact in float32.
                assert np.array_equal(item.values[:, 0], expected.astype(np.float32)), f"{STREAMS[k][0]} has a hole"
                counts[k] += len(item.stamps_s)
    return [max(0, there - counted) for there, counted in zip(handed, counts, strict=True)]


def kill_once(folder: Path, after_s: float) -> dict[str, object]:
    import pyxdf

    process, path, handed = start(folder, 3600.0)
    while not (handed.exists() and any(handed.read_bytes())):
        time.sleep(0.01)
    time.sleep(after_s)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    lost = lost_samples(path, handed)
    loss_ms = max(1000 * count / stream[2] for count, stream in zip(lost, STREAMS, strict=True))
    streams, _ = pyxdf.load_xdf(str(path))
    return {"after_s": after_s, "loss_ms": loss_ms, "rtemo": True, "pyxdf": len(streams) == len(STREAMS)}


def kills(count: int) -> dict[str, object]:
    moments = random.Random(0)
    runs = []
    for k in range(count):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(kill_once(Path(folder), moments.uniform(0.3, 12.0)))
        print(f"kill {k + 1:2d} after {runs[-1]['after_s']:5.2f} s: {runs[-1]['loss_ms']:4.0f} ms lost", flush=True)
    losses = [float(str(run["loss_ms"])) for run in runs]
    return {
        "kills": count,
        "loss_ms_median": statistics.median(losses),
        "loss_ms_max": max(losses),
        "opened_by_rtemo": sum(bool(run["rtemo"]) for run in runs),
        "opened_by_pyxdf": sum(bool(run["pyxdf"]) for run in runs),
        "losses_ms": losses,
    }


def soak(minutes: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        process, path, handed = start(Path(folder), 60 * minutes)
        out, _ = process.communicate()
        assert process.returncode == 0
        lost = lost_samples(path, handed)
    said = json.loads(out)
    times, memory = np.array(said["memory"]).T
    warm = times >= times[-1] / 5
    slope = float(np.polyfit(times[warm], memory[warm], 1)[0]) * 3600
    return {
        "minutes": minutes,
        "megabytes_written": said["megabytes"],
        "memory_mb": float(memory[-1]),
        "memory_slope_mb_per_hour": slope,
        "memory_range_mb": float(np.ptp(memory[warm])),
        "lost_samples": sum(lost),
        "cpu_share_of_a_core": said["thread_share"] + said["handing_share"],
        "cpu_share_thread": said["thread_share"],
        "cpu_share_handing_over": said["handing_share"],
    }


def show(title: str, figures: dict[str, object]) -> None:
    print(f"\n{title}")
    for name, value in figures.items():
        if not isinstance(value, list):
            print(f"  {name:28s} {value:.4g}" if isinstance(value, float) else f"  {name:28s} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--soak", type=float, nargs="?", const=30.0, metavar="MINUTES")
    parser.add_argument("--record", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        record(Path(options.record[0]), Path(options.record[1]), float(options.record[2]))
        return
    name, figures = ("kills", kills(options.kills)) if options.soak is None else ("soak", soak(options.soak))
    show("kill -9" if name == "kills" else "soak", figures)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**results, name: figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
