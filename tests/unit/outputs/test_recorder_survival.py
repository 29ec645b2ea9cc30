"""What a recording is worth when its process is killed, when its disk is full, and after a long time."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from recording_process import RATE_HZ
from recordings import content, counted, header

from rtemo.clock import MonotonicClock
from rtemo.outputs.recording import Recorder
from rtemo.xdf import XdfReader
from rtemo.xdf.repair import repair

PROCESS = Path(__file__).with_name("recording_process.py")
DISK = 256 * 1024


def kill_while_recording(folder: Path, after_s: float) -> tuple[Path, int]:
    """A recording whose process was killed so long after its first samples, and how many it was handed."""
    path, progress = folder / "a.xdf", folder / "handed"
    process = subprocess.Popen([sys.executable, str(PROCESS), str(path), str(progress)])
    try:
        deadline = time.monotonic() + 60
        while not (progress.exists() and any(progress.read_bytes())):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(after_s)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    return path, struct.unpack("<Q", progress.read_bytes())[0]


def check_killed(folder: Path, after_s: float) -> None:
    path, handed = kill_while_recording(folder, after_s)
    with XdfReader(path) as reader:
        eeg = next(number for number, stream in reader.streams.items() if stream.name == "eeg")
        # The chunk that was being written may be cut off at a page's edge.
        assert len(reader.problems) <= 1
        numbers = np.concatenate(
            [
                item.values[:, 0]
                for item in reader.items()
                if getattr(item, "stream_id", 0) == eeg and hasattr(item, "values")
            ]
        )
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert handed - RATE_HZ <= len(numbers)
    theirs = pyxdf.load_xdf(str(path), dejitter_timestamps=False)[0]
    np.testing.assert_array_equal(
        next(s for s in theirs if s["info"]["name"][0] == "eeg")["time_series"][:, 0], numbers
    )
    findings = repair(path, folder / "mended.xdf")
    assert [stream.footer for stream in findings.streams] == ["added", "added"]
    mended = [row for _, row in content(folder / "mended.xdf")[eeg] if not isinstance(row, float)]
    assert [row[0] for row in mended] == numbers.tolist()  # type: ignore[index]
    assert repair(folder / "mended.xdf", folder / "again.xdf").fine


def test_a_killed_process_loses_less_than_a_second(tmp_path: Path) -> None:
    moments = random.Random(7)
    for k in range(3):
        (tmp_path / str(k)).mkdir()
        check_killed(tmp_path / str(k), moments.uniform(0.3, 1.5))


@pytest.mark.slow
def test_twenty_killed_processes_lose_less_than_a_second_each(tmp_path: Path) -> None:
    moments = random.Random(8)
    for k in range(20):
        (tmp_path / str(k)).mkdir()
        check_killed(tmp_path / str(k), moments.uniform(0.3, 12.0))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "rtemo-test", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if sys.platform == "linux" and os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
            yield folder
            subprocess.run(["umount", str(folder)], check=True)
            return
    pytest.skip("a small file system can be mounted by root on Linux only")


def test_a_full_disk_is_an_alarm_and_recording_goes_on_when_there_is_room_again(small_disk: Path) -> None:
    alarms: list[tuple[str, Mapping[str, object]]] = []
    came = threading.Condition()

    def alarm(kind: str, details: Mapping[str, object]) -> None:
        with came:
            alarms.append((kind, details))
            came.notify()

    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK // 2))
    path = small_disk / "a.xdf"
    recorder = Recorder(
        path, clock=MonotonicClock(), on_alarm=alarm, wait=lambda event, timeout_s: event.wait(timeout_s / 50)
    )
    stream = recorder.add_stream(header(channels=32, rate_hz=100))
    for k in range(100):
        recorder.samples(stream, *counted(10 * k, 10 * k + 10, channels=32))
    recorder.clock_offset(stream, 9.99, 0.0)
    with came:
        assert came.wait_for(lambda: alarms, timeout=10)
    before = content(path)[stream]
    assert [row[0] for _, row in before] == list(range(len(before)))  # type: ignore[index]
    assert 0 < len(before) < 1000
    assert recorder.status().refused
    assert len(pyxdf.load_xdf(str(path), dejitter_timestamps=False)[0][0]["time_stamps"]) == len(before)
    ballast.unlink()
    with came:
        assert came.wait_for(lambda: alarms[-1][0] == "recorder-recovered", timeout=10)
    assert [kind for kind, _ in alarms] == ["disk-full", "recorder-recovered"]
    recorder.close()
    after = content(path)[stream]
    assert [row[0] for _, row in after[:-1]] == list(range(1000))  # type: ignore[index]
    assert after[-1] == (9.99, 0.0)
    assert content(path)[stream][: len(before)] == before


def test_closing_on_a_full_disk_tells_what_is_lost_and_leaves_a_file_that_reads(small_disk: Path) -> None:
    alarms: list[tuple[str, Mapping[str, object]]] = []
    path = small_disk / "a.xdf"
    recorder = Recorder(
        path,
        clock=MonotonicClock(),
        on_alarm=lambda kind, details: alarms.append((kind, details)),
        wait=lambda event, timeout_s: event.wait(timeout_s / 50),
    )
    stream = recorder.add_stream(header(channels=64, rate_hz=100))
    for k in range(200):
        recorder.samples(stream, *counted(10 * k, 10 * k + 10, channels=64))
    status = recorder.close()
    kept = content(path)[stream]
    kinds = [kind for kind, _ in alarms]
    assert kinds[0] == "disk-full"
    lost = next(details for kind, details in alarms if kind == "recorder-lost")
    assert status.samples == len(kept)
    assert len(kept) + int(str(lost["samples"])) == 2000
    assert [row[0] for _, row in kept] == list(range(len(kept)))  # type: ignore[index]


def test_alarms_that_are_recorded_themselves_do_not_keep_a_full_disk_from_being_closed(small_disk: Path) -> None:
    kinds: list[str] = []

    def alarm(kind: str, details: Mapping[str, object]) -> None:
        kinds.append(kind)
        recorder.texts(events, np.array([1.0]), [(kind,)])

    waits = []
    recorder = Recorder(
        small_disk / "a.xdf",
        clock=MonotonicClock(),
        on_alarm=alarm,
        wait=lambda event, timeout_s: waits.append(timeout_s) or event.wait(timeout_s / 50),  # type: ignore[func-returns-value]
        patience_s=3.0,
    )
    stream, events = recorder.add_stream(header(channels=64)), recorder.add_stream(header("e", 1, 0, "string"))
    recorder.samples(stream, *counted(0, 2000, channels=64))
    recorder.close()
    assert kinds.count("recorder-lost") == 1
    assert waits[-3:] == [1.0, 1.0, 1.0]
    assert waits.count(1.0) <= 5


@pytest.mark.slow
def test_memory_stays_flat_over_a_long_recording(tmp_path: Path) -> None:
    """As much data as two hours of 16 channels at 1000 Hz, as fast as it goes."""
    release = threading.Event()
    with Recorder(
        tmp_path / "a.xdf",
        clock=MonotonicClock(),
        on_alarm=lambda kind, details: pytest.fail(kind),
        wait=lambda event, timeout_s: event.wait(0.001),
    ) as recorder:
        stream = recorder.add_stream(header(channels=16, rate_hz=1000))
        peaks = []
        for k in range(72_000):
            recorder.samples(stream, *counted(100 * k, 100 * k + 100, channels=16))
            while recorder.backlog_s > 0.02:
                release.wait(0.001)
            if k % 9000 == 8999:
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[1] < 4096
