"""Records in real time until it is killed: `python recording_process.py RECORDING PROGRESS`.

One stream of 64 channels at 1000 Hz in chunks of 20 whose first channel is the sample's number, and a marker every
0.1 s. PROGRESS holds how many samples were handed to the recorder: what the recording must have, but for the loss.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

import numpy as np

from rtemo.clock import MonotonicClock
from rtemo.outputs.recording import Recorder

CHANNELS, RATE_HZ, CHUNK = 64, 1000, 20
EEG = (
    f"<info><name>eeg</name><type>EEG</type><channel_count>{CHANNELS}</channel_count>"
    f"<nominal_srate>{RATE_HZ}</nominal_srate><channel_format>float32</channel_format></info>"
)
MARKERS = (
    "<info><name>m</name><type>Markers</type><channel_count>1</channel_count>"
    "<nominal_srate>0</nominal_srate><channel_format>string</channel_format></info>"
)


def main(path: Path, progress: Path) -> None:
    progress.write_bytes(bytes(8))
    with progress.open("r+b") as file:
        handed = mmap.mmap(file.fileno(), 8)
    recorder = Recorder(path, clock=MonotonicClock(), on_alarm=lambda kind, details: sys.exit(kind))
    eeg, markers = recorder.add_stream(EEG.encode()), recorder.add_stream(MARKERS.encode())
    begin, number = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, begin + (number + CHUNK) / RATE_HZ - time.monotonic()))
        numbers = np.arange(number, number + CHUNK)
        number += CHUNK
        stamps = begin + numbers / RATE_HZ
        recorder.samples(eeg, stamps, np.repeat(numbers[:, None], CHANNELS, axis=1).astype(np.float32))
        handed[:] = struct.pack("<Q", number)
        if number % 100 == 0:
            recorder.texts(markers, stamps[-1:], [(str(number),)])
        if number % 5000 == 0:
            recorder.clock_offset(eeg, stamps[-1], 0.0)
            recorder.clock_offset(markers, stamps[-1], 0.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
