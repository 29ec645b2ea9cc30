"""The outlets of the live benchmarks: three devices, each a process of its own, that log what they push and when.

``live_latency.py`` starts one process a stream. What is sent comes from the same functions as the recordings that its
models are trained on. The last channel of every stream is the sample's number since the outlet's first.

A process ends when its standard input does, and then writes the log: one row a push, with the number of its last
sample, that sample's stamp, and the LSL clock right before the push.
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtemo.config import NetworkSettings
from rtemo.liblsl import configure, local_clock
from rtemo.types import StreamDescription

LOOP_S = 10
"""The signal repeats itself after so many seconds."""
LONGEST_S = 3600
START_IN_S = 0.5


@dataclass(frozen=True, slots=True)
class Device:
    """A stream as a device sends it: `chunk` samples at a time, each the moment its last sample is there."""

    name: str
    type: str
    channels: int
    rate_hz: float
    chunk: int
    unit: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the channels; the last one is the sample's number."""
        return (*(f"{self.type}{i + 1}" for i in range(self.channels - 1)), "number")

    def described(self, key: str, source_id: str = "") -> StreamDescription:
        """As rtemo describes it."""
        units = (self.unit,) * self.channels
        return StreamDescription(key, self.name, self.type, self.labels, self.rate_hz, source_id, "", units)

    def signal(self, gain: float = 1.0, seed: int = 0) -> NDArray[np.float32]:
        """Ten seconds of noise that falls with the frequency, shape (samples, channels)."""
        rng = np.random.default_rng([seed, self.channels])
        samples = math.ceil(LOOP_S * self.rate_hz / self.chunk) * self.chunk
        spectrum = np.fft.rfft(rng.normal(size=(samples, self.channels)), axis=0)
        spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 5))[:, None]
        noise = np.fft.irfft(spectrum, samples, axis=0)
        return (noise * (10 * gain / noise.std())).astype(np.float32)


DEVICES = {
    "eeg": Device("BenchmarkEEG", "EEG", 62, 1000.0, 20, "uV"),
    "eye": Device("BenchmarkEye", "Gaze", 6, 120.0, 1, "px"),
    "pps": Device("BenchmarkPeripheral", "Peripheral", 8, 256.0, 8, "uV"),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """How a device's sampling lies on the LSL clock.

    Sample i is stamped ``(i + sample) / rate``; chunks begin where i is `chunk` modulo their size.
    """

    sample: float = 0.5
    chunk: int = 0


def network(session: str) -> NetworkSettings:
    """One LSL session on this machine; asked directly, as other LSL programs on it take part in what is multicast."""
    return NetworkSettings(scope="machine", session_id=session, known_peers=["127.0.0.1"])


def publish(device: Device, phase: Phase, source_id: str, stop: threading.Event) -> NDArray[np.float64]:
    """Push samples at their moments until told to stop.

    Returns
    -------
    ndarray of float64, shape (pushes, 3)
        Number of the push's last sample, its stamp, and the LSL clock right before the push.
    """
    import pylsl

    info = pylsl.StreamInfo(device.name, device.type, device.channels, device.rate_hz, pylsl.cf_float32, source_id)
    info.set_channel_labels(list(device.labels))
    info.set_channel_units(device.unit)
    outlet = pylsl.StreamOutlet(info)
    signal, size, rate_hz = device.signal(), device.chunk, device.rate_hz
    log = np.zeros((math.ceil(LONGEST_S * rate_hz / size), 3))
    log[:] = math.nan  # written to, so that no page is missing later
    first = math.ceil((local_clock() + START_IN_S) * rate_hz / size) * size + phase.chunk
    for push in range(len(log)):
        number = push * size
        at = number % len(signal)
        chunk = signal[at : at + size]
        chunk[:, -1] = np.arange(number, number + size)
        last = number + size - 1
        stamp_s = (first + last + phase.sample) / rate_hz
        while (wait_s := stamp_s - local_clock()) > 0:
            if stop.wait(wait_s):
                return log[:push]
        log[push] = last, stamp_s, local_clock()
        outlet.push_chunk(chunk, stamp_s)
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stream", choices=DEVICES)
    parser.add_argument("--session", required=True, help="LSL session, which keeps the benchmark to itself")
    parser.add_argument("--source-id", required=True)
    parser.add_argument("--sample-phase", type=float, default=0.5)
    parser.add_argument("--chunk-phase", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    configure(network(arguments.session))
    stop = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    phase = Phase(arguments.sample_phase, arguments.chunk_phase)
    np.save(arguments.log, publish(DEVICES[arguments.stream], phase, arguments.source_id, stop))


if __name__ == "__main__":
    main()
