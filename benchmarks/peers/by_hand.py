"""What one writes by hand: pylsl, a ring buffer, and numpy's rfft at the end of each window. EEG alone."""

from __future__ import annotations

import math

import numpy as np
import pylsl
from common import EEG_CHANNELS, EEG_NAME, EEG_RATE_HZ, EEG_SAMPLES, LENGTH_S, Record, differential_entropy, task_parser

RING = 4 * EEG_SAMPLES


def main() -> None:
    arguments = task_parser(__doc__).parse_args()
    info = pylsl.resolve_byprop("name", EEG_NAME, 1, 10.0)[0]
    inlet = pylsl.StreamInlet(info, max_buflen=10, processing_flags=0)
    inlet.open_stream(5.0)
    offset_s = inlet.time_correction(5.0)
    pulled = np.empty((1024, EEG_CHANNELS), dtype=np.float32)
    ring, ring_stamps = np.zeros((RING, EEG_CHANNELS), dtype=np.float32), np.zeros(RING)
    written = 0
    window = math.ceil(pylsl.local_clock() / arguments.hop) + 1
    record = Record(arguments.windows)
    done = False
    while not done:
        _, stamps = inlet.pull_chunk(timeout=1.0, max_samples=1024, min_samples=1, dest_obj=pulled, as_numpy=True)
        if not len(stamps):
            continue
        stamps = stamps + offset_s
        places = np.arange(written, written + len(stamps)) % RING
        ring[places], ring_stamps[places] = pulled[: len(stamps)], stamps
        written += len(stamps)
        # The next sample is beyond the end: no need to wait for it.
        while stamps[-1] + 0.9 / EEG_RATE_HZ >= window * arguments.hop + LENGTH_S:
            stop_s = window * arguments.hop + LENGTH_S
            window += 1
            newest = np.arange(max(0, written - 2 * EEG_SAMPLES), written) % RING
            end = int(np.searchsorted(ring_stamps[newest], stop_s))
            if end < EEG_SAMPLES:
                continue
            samples = ring[newest[end - EEG_SAMPLES : end]]
            differential_entropy(samples.T)
            done = record.add(pylsl.local_clock(), stop_s, samples[-1, -1])
    record.save(arguments.out, pylsl=pylsl.__version__)


if __name__ == "__main__":
    main()
