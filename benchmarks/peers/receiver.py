"""Somebody who listens to rtemo's predictions: notes when each one arrives, until the outlet goes."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pylsl

STREAM = "rtemo-prediction"
MOST = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where window ends and moments of arrival go (.npy)")
    parser.add_argument("--wait", type=float, default=120.0)
    arguments = parser.parse_args()
    info = pylsl.resolve_byprop("name", STREAM, 1, arguments.wait)[0]
    inlet = pylsl.StreamInlet(info, max_buflen=10, recover=False, processing_flags=0)
    inlet.open_stream(5.0)
    arrivals = np.full((MOST, 2), np.nan)
    count = 0
    while count < MOST:
        try:
            sample, stamp_s = inlet.pull_sample(timeout=5.0)
        except pylsl.util.LostError:
            break  # the session is over
        now_s = pylsl.local_clock()
        if sample is not None:
            arrivals[count] = stamp_s, now_s
            count += 1
    np.save(arguments.out, arrivals[:count])


if __name__ == "__main__":
    main()
