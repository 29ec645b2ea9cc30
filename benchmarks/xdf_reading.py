"""Reading XDF: `python benchmarks/xdf_reading.py` prints what rtemo takes, what pyxdf takes, and the memory of both.

A recording of 62 channels at 1 kHz, float32, all samples stamped, is generated; medians of repeated runs, one thread.
Each figure of memory is the growth of the peak resident size of a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

CHANNELS, RATE_HZ = 62, 1000


def generate(path: Path, minutes: float, chunk_s: float = 0.5) -> None:
    """Write the recording, stamps with 0.1 ms of jitter."""
    from rtemo.xdf import XdfWriter

    rng = np.random.default_rng(0)
    size = round(chunk_s * RATE_HZ)
    noise = rng.normal(0, 20, (size, CHANNELS)).astype(np.float32)
    with XdfWriter(path) as writer:
        labels = [f"E{k}" for k in range(CHANNELS)]
        stream = writer.add_stream("eeg", "EEG", labels, RATE_HZ, units="uV", hostname="lab")
        for start in range(0, round(minutes * 60 * RATE_HZ), size):
            if start % (5 * RATE_HZ) == 0:
                writer.write_clock_offset(stream, 100 + start / RATE_HZ, 12.5)
            if start % (10 * RATE_HZ) == 0:
                writer.write_boundary()
            stamps = 100 + np.arange(start, start + size) / RATE_HZ + rng.normal(0, 1e-4, size)
            writer.write_samples(stream, stamps, np.roll(noise, start // size, axis=0))


def read_with_rtemo(path: Path) -> int:
    """Raw file to chunks on one clock."""
    from rtemo.sources.xdf import XdfSource
    from rtemo.types import Chunk

    source = XdfSource(path)
    samples = sum(len(item.stamps_s) for item in source if isinstance(item, Chunk))
    source.close()
    return samples


def read_raw_with_rtemo(path: Path) -> int:
    """Raw file to arrays, without clock and dejitter."""
    from rtemo.xdf import Samples, XdfReader

    with XdfReader(path) as reader:
        return sum(len(item.stamps_s) for item in reader.items() if isinstance(item, Samples))


def read_with_pyxdf(path: Path) -> int:
    """What pyxdf does by default: everything in memory, clocks and jitter mended afterwards."""
    import pyxdf

    return len(pyxdf.load_xdf(str(path))[0][0]["time_stamps"])


READERS = {"rtemo": read_with_rtemo, "rtemo-raw": read_raw_with_rtemo, "pyxdf": read_with_pyxdf}


def peak_mb() -> float:
    """Peak resident size of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def growth_in_own_process(reader: str, path: Path) -> float:
    """Peak memory over what the imports take, in MB."""
    command = [sys.executable, __file__, "--measure", reader, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_growth(reader: str, path: Path) -> None:
    """In the child: warm up on a small file, then read."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.xdf"
        generate(small, 0.05)
        READERS[reader](small)
    base = peak_mb()
    READERS[reader](path)
    print(peak_mb() - base)


def seconds(reader: str, path: Path, repeats: int) -> list[float]:
    """Wall time of repeated reads."""
    READERS[reader](path)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        READERS[reader](path)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--long-minutes", type=float, default=60.0, help="second length for memory; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chunk-s", type=float, default=0.5, help="length of a chunk in the file")
    parser.add_argument("--measure", nargs=2, metavar=("READER", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure_growth(arguments.measure[0], Path(arguments.measure[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.xdf"
        generate(path, arguments.minutes, arguments.chunk_s)
        signal_s = arguments.minutes * 60
        size_mb = path.stat().st_size / 1e6
        print(f"{arguments.minutes:g} min of {CHANNELS} channels at {RATE_HZ} Hz, {size_mb:.0f} MB")
        medians = {}
        for reader in READERS:
            times = seconds(reader, path, 1 if reader == "pyxdf" else arguments.repeats)
            median = medians[reader] = statistics.median(times)
            print(
                f"{reader:10} median {median:.3f} s (best {min(times):.3f}), "
                f"{1e6 * median / signal_s:.0f} us per second of signal, {signal_s / median:.0f} x real time"
            )
        print(f"rtemo is {medians['pyxdf'] / medians['rtemo']:.1f} times as fast as pyxdf")
        print(f"peak memory over base, {arguments.minutes:g} min:")
        for reader in ("rtemo", "pyxdf"):
            print(f"{reader:10} {growth_in_own_process(reader, path):.1f} MB")
        path.unlink()
        if arguments.long_minutes:
            generate(path, arguments.long_minutes, arguments.chunk_s)
            print(f"peak memory over base, {arguments.long_minutes:g} min:")
            print(f"rtemo      {growth_in_own_process('rtemo', path):.1f} MB")


if __name__ == "__main__":
    main()
